package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// SyncGroup: key 14, versions 0–5.
//
// Behaviour:
//   - brings the leader's assignments, takes the member's own; answers when the leader has sent them;
//   - v5 without protocol type or name is INCONSISTENT_GROUP_PROTOCOL before the group is looked at; the rest is the coordinator's.
//
// Version notes:
//   - v1: throttle time. v3: group.instance.id (KIP-345). v5: protocol type and name (KIP-559), mandatory.
func (s *session) syncGroup(ctx context.Context, req *kmsg.SyncGroupRequest) (*kmsg.SyncGroupResponse, error) {
	if req.Version >= 5 && (req.ProtocolType == nil || req.Protocol == nil) {
		resp := req.ResponseKind().(*kmsg.SyncGroupResponse)
		resp.ErrorCode = kerr.InconsistentGroupProtocol.Code
		return resp, nil
	}
	return s.api.Groups.SyncGroup(ctx, s.client(), req), nil
}
