package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// StreamsGroupDescribe: key 89, version 0 (KIP-1071).
//
// Behaviour: state, epochs and topology of streams groups, their members with the tasks that they have and are to have; GROUP_ID_NOT_FOUND for others.
// UNSUPPORTED_VERSION while streams.version is 0.
func (s *session) streamsGroupDescribe(ctx context.Context, req *kmsg.StreamsGroupDescribeRequest) (*kmsg.StreamsGroupDescribeResponse, error) {
	if !s.api.streamsEnabled() {
		resp := kmsg.NewPtrStreamsGroupDescribeResponse()
		for _, id := range req.Groups {
			g := kmsg.NewStreamsGroupDescribeResponseGroup()
			g.Group, g.ErrorCode = id, kerr.UnsupportedVersion.Code
			resp.Groups = append(resp.Groups, g)
		}
		return resp, nil
	}
	resp := s.api.Groups.StreamsGroupDescribe(ctx, req)
	if req.IncludeAuthorizedOperations {
		for i := range resp.Groups {
			if g := &resp.Groups[i]; g.ErrorCode == 0 {
				g.AuthorizedOperations = allGroupOperations
			}
		}
	}
	return resp, nil
}
