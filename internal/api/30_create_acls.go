package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateAcls: key 30, versions 0–3.
//
// Behaviour: SECURITY_DISABLED for each ACL while there is no authorizer.
//
// Version notes:
//   - v1: pattern type (KIP-290). v2: flexible. v3: user resources (KIP-373).
//
// Missing: the authorizer.
func (s *session) createACLs(_ context.Context, req *kmsg.CreateACLsRequest) (*kmsg.CreateACLsResponse, error) {
	resp := req.ResponseKind().(*kmsg.CreateACLsResponse)
	for range req.Creations {
		r := kmsg.NewCreateACLsResponseResult()
		r.ErrorCode, r.ErrorMessage = kerr.SecurityDisabled.Code, kmsg.StringPtr(noAuthorizer)
		resp.Results = append(resp.Results, r)
	}
	return resp, nil
}
