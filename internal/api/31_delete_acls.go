package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteAcls: key 31, versions 0–3.
//
// Behaviour: SECURITY_DISABLED for each filter while there is no authorizer.
//
// Version notes:
//   - v1: pattern type (KIP-290). v2: flexible. v3: user resources (KIP-373).
//
// Missing: the authorizer.
func (s *session) deleteACLs(_ context.Context, req *kmsg.DeleteACLsRequest) (*kmsg.DeleteACLsResponse, error) {
	resp := req.ResponseKind().(*kmsg.DeleteACLsResponse)
	for range req.Filters {
		r := kmsg.NewDeleteACLsResponseResult()
		r.ErrorCode, r.ErrorMessage = kerr.SecurityDisabled.Code, kmsg.StringPtr(noAuthorizer)
		resp.Results = append(resp.Results, r)
	}
	return resp, nil
}
