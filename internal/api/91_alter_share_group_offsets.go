package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterShareGroupOffsets: key 91, version 0 (KIP-932).
//
// Behaviour: sets where a share group without members begins to read: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND.
func (s *session) alterShareGroupOffsets(ctx context.Context, req *kmsg.AlterShareGroupOffsetsRequest) (*kmsg.AlterShareGroupOffsetsResponse, error) {
	resp := s.api.Groups.AlterShareGroupOffsets(ctx, req)
	s.api.Shares.ForgetGroup(req.GroupID)
	return resp, nil
}
