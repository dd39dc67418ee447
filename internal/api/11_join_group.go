package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// JoinGroup: key 11, versions 0–9.
//
// Behaviour:
//   - enters the member into the group and answers when the rebalance's join phase ends: it may wait for the rebalance timeout;
//   - everything else is the coordinator's (coordinator/group), INVALID_GROUP_ID for an empty group included.
//
// Version notes:
//   - v0: no rebalance timeout, the session timeout stands for it. v2: throttle time.
//   - v4: a new member without an id is first given one (MEMBER_ID_REQUIRED, KIP-394).
//   - v5: group.instance.id (KIP-345). v7: protocol type in the answer, protocol name nullable (KIP-559).
//   - v8: reason (KIP-800). v9: skip_assignment for a static leader that rejoins (KIP-814).
func (s *session) joinGroup(ctx context.Context, req *kmsg.JoinGroupRequest) (*kmsg.JoinGroupResponse, error) {
	return s.api.Groups.JoinGroup(ctx, s.client(), req), nil
}
