package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// SaslHandshake: key 17, versions 0–1.
//
// Behaviour: on a listener without SASL the answer is ILLEGAL_SASL_STATE and no mechanisms, whatever mechanism is asked for; the connection
// stays usable.
//
// Version notes:
//   - v1: tokens follow in SaslAuthenticate requests instead of bare frames (KIP-152).
//
// Missing: listeners with SASL; SaslAuthenticate (36) comes with them.
func (s *session) saslHandshake(_ context.Context, req *kmsg.SASLHandshakeRequest) (*kmsg.SASLHandshakeResponse, error) {
	resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
	resp.ErrorCode = kerr.IllegalSaslState.Code
	return resp, nil
}
