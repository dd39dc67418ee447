package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ShareGroupHeartbeat: key 76, version 1 (KIP-932).
//
// Behaviour: joins, keeps and ends the membership in a share group, and tells each member which partitions to read. All of it is the group
// coordinator's. A member gets its partitions with the answer to its first heartbeat, where Kafka has it wait for the next.
func (s *session) shareGroupHeartbeat(ctx context.Context, req *kmsg.ShareGroupHeartbeatRequest) (*kmsg.ShareGroupHeartbeatResponse, error) {
	if !s.sharing() {
		resp := kmsg.NewPtrShareGroupHeartbeatResponse()
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp, nil
	}
	if req.MemberEpoch == 0 {
		if err := s.ensureShareState(ctx); err != nil {
			resp := kmsg.NewPtrShareGroupHeartbeatResponse()
			resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
			return resp, nil
		}
	}
	return s.api.Groups.ShareGroupHeartbeat(ctx, s.client(), req), nil
}

// sharing reports whether share groups are on: the feature share.version, as in Kafka.
func (s *session) sharing() bool {
	return s.api.Metadata.Image().Features()["share.version"] >= 1
}

// ensureShareState creates the topic of the share coordinator.
func (s *session) ensureShareState(ctx context.Context) error {
	if s.api.Metadata.Image().Topic(shareGroupStateTopic) != nil {
		return nil
	}
	return s.createInternalTopic(ctx, shareGroupStateTopic)
}
