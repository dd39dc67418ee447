package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Kafka's texts for ACL requests to a node without authorizer.class.name: of the controller, which changes ACLs, and of the broker, which reads
// them (AclApis.scala).
const (
	noAuthorizer         = "No Authorizer is configured."
	noAuthorizerOnBroker = "No Authorizer is configured on the broker"
)

// DescribeAcls: key 29, versions 0–3.
//
// Behaviour: without an authorizer, which is all there is yet, SECURITY_DISABLED. User interfaces probe with this request and show no ACL page.
//
// Version notes:
//   - v1: pattern type (KIP-290). v2: flexible. v3: user resources (KIP-373).
//
// Missing: the authorizer.
func (s *session) describeACLs(_ context.Context, req *kmsg.DescribeACLsRequest) (*kmsg.DescribeACLsResponse, error) {
	resp := req.ResponseKind().(*kmsg.DescribeACLsResponse)
	resp.ErrorCode, resp.ErrorMessage = kerr.SecurityDisabled.Code, kmsg.StringPtr(noAuthorizerOnBroker)
	return resp, nil
}
