package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// SyncGroup: key 14, versions 0–5.
//
// Behaviour:
//   - brings the leader's assignments, takes the member's own; answers when the leader has sent them;
//   - all of it is the coordinator's.
//
// Version notes:
//   - v1: throttle time. v3: group.instance.id (KIP-345). v5: protocol type and name (KIP-559), INCONSISTENT_GROUP_PROTOCOL without.
func (s *session) syncGroup(ctx context.Context, req *kmsg.SyncGroupRequest) (*kmsg.SyncGroupResponse, error) {
	return s.api.Groups.SyncGroup(ctx, s.client(), req), nil
}
