package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListGroups: key 16, versions 0–5.
//
// Behaviour: the groups of the partitions of __consumer_offsets that this node leads. All of it is the coordinator's.
//
// Version notes:
//   - v1: throttle time. v4: state, and a filter by states (KIP-518). v5: type, and a filter by types (KIP-848).
func (s *session) listGroups(ctx context.Context, req *kmsg.ListGroupsRequest) (*kmsg.ListGroupsResponse, error) {
	return s.api.Groups.ListGroups(ctx, s.client(), req), nil
}
