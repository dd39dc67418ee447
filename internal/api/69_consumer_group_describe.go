package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ConsumerGroupDescribe: key 69, versions 0–1 (KIP-848).
//
// Behaviour: state, epochs, assignor, members with what they have and what they are to have, of groups of the new protocol; GROUP_ID_NOT_FOUND for
// others.
//
// Version notes:
//   - v1: the type of the member.
func (s *session) consumerGroupDescribe(ctx context.Context, req *kmsg.ConsumerGroupDescribeRequest) (*kmsg.ConsumerGroupDescribeResponse, error) {
	resp := s.api.Groups.ConsumerGroupDescribe(ctx, req)
	if req.IncludeAuthorizedOperations {
		for i := range resp.Groups {
			if g := &resp.Groups[i]; g.ErrorCode == 0 {
				g.AuthorizedOperations = allGroupOperations
			}
		}
	}
	return resp, nil
}
