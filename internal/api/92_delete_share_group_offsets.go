package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteShareGroupOffsets: key 92, version 0 (KIP-932).
//
// Behaviour: has a share group without members forget topics: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND.
func (s *session) deleteShareGroupOffsets(ctx context.Context, req *kmsg.DeleteShareGroupOffsetsRequest) (*kmsg.DeleteShareGroupOffsetsResponse, error) {
	resp := s.api.Groups.DeleteShareGroupOffsets(ctx, req)
	s.api.Shares.ForgetGroup(req.GroupID)
	return resp, nil
}
