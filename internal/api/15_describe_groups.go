package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeGroups: key 15, versions 0–6.
//
// Behaviour:
//   - state, protocol, members and their assignments of classic groups, from the coordinator;
//   - authorized operations on request: all that a group has, as there is no authorizer.
//
// Version notes:
//   - v1: throttle time. v3: authorized operations (KIP-430). v4: group.instance.id (KIP-345).
//   - v6: an unknown group is GROUP_ID_NOT_FOUND with a message; before it is a group in state Dead (KIP-1043).
func (s *session) describeGroups(ctx context.Context, req *kmsg.DescribeGroupsRequest) (*kmsg.DescribeGroupsResponse, error) {
	resp := s.api.Groups.DescribeGroups(ctx, s.client(), req)
	if req.Version >= 3 && req.IncludeAuthorizedOperations {
		for i := range resp.Groups {
			if g := &resp.Groups[i]; g.ErrorCode == 0 {
				g.AuthorizedOperations = allGroupOperations
			}
		}
	}
	return resp, nil
}
