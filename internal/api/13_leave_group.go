package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// LeaveGroup: key 13, versions 0–5.
//
// Behaviour: removes members, which starts a rebalance. All of it is the coordinator's.
//
// Version notes:
//   - v0–2: one member, whose error is the answer's. v1: throttle time.
//   - v3: several members, static ones by group.instance.id, each with an error of its own (KIP-345).
//   - v5: reasons (KIP-800).
func (s *session) leaveGroup(ctx context.Context, req *kmsg.LeaveGroupRequest) (*kmsg.LeaveGroupResponse, error) {
	return s.api.Groups.LeaveGroup(ctx, s.client(), req), nil
}
