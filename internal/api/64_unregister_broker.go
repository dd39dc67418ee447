package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// UnregisterBroker: key 64, version 0.
//
// Behaviour: the controller forgets a broker that will not come back; BROKER_ID_NOT_REGISTERED for one it does not know.
func (s *session) unregisterBroker(ctx context.Context, req *kmsg.UnregisterBrokerRequest) (*kmsg.UnregisterBrokerResponse, error) {
	return ask[*kmsg.UnregisterBrokerResponse](ctx, s.api.Controller, req)
}
