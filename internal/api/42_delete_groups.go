package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteGroups: key 42, versions 0–2.
//
// Behaviour: removes empty groups with their offsets. Each name is tried once, however often it is given; NON_EMPTY_GROUP and
// GROUP_ID_NOT_FOUND are the coordinator's.
//
// Version notes:
//   - v1: same as v0. v2: flexible.
func (s *session) deleteGroups(ctx context.Context, req *kmsg.DeleteGroupsRequest) (*kmsg.DeleteGroupsResponse, error) {
	once := *req
	once.Groups = distinct(req.Groups)
	resp := s.api.Groups.DeleteGroups(ctx, s.client(), &once)
	for _, g := range resp.Groups {
		if g.ErrorCode == 0 {
			s.api.Shares.ForgetGroup(g.Group) // if it was a share group
		}
	}
	return resp, nil
}

// distinct returns the strings in order without repetitions.
func distinct(in []string) []string {
	seen := make(map[string]bool, len(in))
	out := make([]string, 0, len(in))
	for _, s := range in {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
