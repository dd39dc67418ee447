package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeQuorum: key 55, versions 0–2.
//
// Behaviour: leader, epoch, high watermark, voters and observers of __cluster_metadata-0, from the controller (KIP-595).
//
// Version notes:
//   - v1: when replicas last fetched and caught up (KIP-836). v2: directory ids, error messages, the voters' listeners (KIP-853).
func (s *session) describeQuorum(ctx context.Context, req *kmsg.DescribeQuorumRequest) (*kmsg.DescribeQuorumResponse, error) {
	return ask[*kmsg.DescribeQuorumResponse](ctx, s.api.Controller, req)
}
