package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// UpdateFeatures: key 57, versions 0–2.
//
// Behaviour: the controller changes the finalized levels of features, all or none (KIP-584).
//
// Version notes:
//   - v1: validate only, upgrade type instead of allow_downgrade (KIP-778). v2: no results per feature, the first error stands at the top.
func (s *session) updateFeatures(ctx context.Context, req *kmsg.UpdateFeaturesRequest) (*kmsg.UpdateFeaturesResponse, error) {
	return ask[*kmsg.UpdateFeaturesResponse](ctx, s.api.Controller, req)
}
