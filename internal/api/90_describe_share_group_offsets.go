package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeShareGroupOffsets: key 90, versions 0–1 (KIP-932).
//
// Behaviour: the start offsets of share groups, −1 where a group has not begun; all partitions of the group when no topics are named.
//
// Version notes:
//   - v1: the lag: records up to the high watermark that are not done with (KIP-1226).
func (s *session) describeShareGroupOffsets(ctx context.Context, req *kmsg.DescribeShareGroupOffsetsRequest) (*kmsg.DescribeShareGroupOffsetsResponse, error) {
	return s.api.Groups.DescribeShareGroupOffsets(ctx, req, func(_, topic string, partition int32, start int64) (int64, bool) {
		p, err := s.api.partition(topic, partition)
		if err != nil {
			return 0, false
		}
		return p.HighWatermark() - start, true
	}), nil
}
