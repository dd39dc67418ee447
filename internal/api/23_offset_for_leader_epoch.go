package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetForLeaderEpoch: key 23, versions 0–4.
//
// Behaviour: for each partition the largest leader epoch not above the one asked for and its end offset, both −1 when
// there is none (KIP-101). The client's current leader epoch is checked: FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH.
//
// Version notes: v1: the epoch in the answer (KIP-279). v2: current leader epoch (KIP-320). v3: replica id; consumers may
// ask too.

func (s *session) offsetForLeaderEpoch(_ context.Context, req *kmsg.OffsetForLeaderEpochRequest) (*kmsg.OffsetForLeaderEpochResponse, error) {
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewOffsetForLeaderEpochResponseTopic()
		rt.Topic = t.Topic
		for _, tp := range t.Partitions {
			rp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			rp.Partition, rp.LeaderEpoch, rp.EndOffset = tp.Partition, -1, -1
			p, err := s.api.partition(t.Topic, tp.Partition)
			if err == nil {
				err = checkNoEpoch(tp.CurrentLeaderEpoch)
			}
			if err == nil {
				rp.LeaderEpoch, rp.EndOffset, err = p.EndOffsetForEpoch(tp.LeaderEpoch, tp.CurrentLeaderEpoch)
			}
			if err != nil {
				rp.ErrorCode, rp.LeaderEpoch, rp.EndOffset = s.code(err), -1, -1
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil
}
