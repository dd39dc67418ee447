package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Heartbeat: key 12, versions 0–4.
//
// Behaviour: keeps a classic member's session alive; REBALANCE_IN_PROGRESS tells it to rejoin. All of it is the coordinator's.
//
// Version notes:
//   - v1: throttle time. v3: group.instance.id (KIP-345). v4: flexible.
func (s *session) heartbeat(ctx context.Context, req *kmsg.HeartbeatRequest) (*kmsg.HeartbeatResponse, error) {
	return s.api.Groups.Heartbeat(ctx, s.client(), req), nil
}
