package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ConsumerGroupHeartbeat: key 68, versions 0–1 (KIP-848).
//
// Behaviour: joins, keeps and ends the membership in a group of the new protocol, and brings each member its part of the assignment. All of it is the
// coordinator's. Groups with classic members are not taken over while these are in them: GROUP_ID_NOT_FOUND.
//
// Version notes:
//   - v1: subscription by regular expression, evaluated here; the client makes its member id.
func (s *session) consumerGroupHeartbeat(ctx context.Context, req *kmsg.ConsumerGroupHeartbeatRequest) (*kmsg.ConsumerGroupHeartbeatResponse, error) {
	return s.api.Groups.ConsumerGroupHeartbeat(ctx, s.client(), req), nil
}
