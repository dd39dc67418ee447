package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ElectLeaders: key 43, versions 0–2.
//
// Behaviour: the controller elects the preferred, or from v1 an unclean, leader of partitions; null topics stand for all partitions, of which
// only those are answered where something happened.
//
// Version notes:
//   - v1: election type and error at the top (KIP-460). v2: flexible.
func (s *session) electLeaders(ctx context.Context, req *kmsg.ElectLeadersRequest) (*kmsg.ElectLeadersResponse, error) {
	return ask[*kmsg.ElectLeadersResponse](ctx, s.api.Controller, req)
}
