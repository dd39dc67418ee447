package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ShareGroupDescribe: key 77, version 1 (KIP-932).
//
// Behaviour: state, epochs and members with their partitions of share groups; GROUP_ID_NOT_FOUND for others.
func (s *session) shareGroupDescribe(ctx context.Context, req *kmsg.ShareGroupDescribeRequest) (*kmsg.ShareGroupDescribeResponse, error) {
	resp := s.api.Groups.ShareGroupDescribe(ctx, req)
	if req.IncludeAuthorizedOperations {
		for i := range resp.Groups {
			if g := &resp.Groups[i]; g.ErrorCode == 0 {
				g.AuthorizedOperations = allGroupOperations
			}
		}
	}
	return resp, nil
}
