package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// InitializeShareGroupState: key 83, version 0 (KIP-932, between brokers).
//
// Behaviour: begins the state of share partitions at the share coordinator, anew where there is one; FENCED_STATE_EPOCH for an older state epoch.
func (s *session) initializeShareGroupState(ctx context.Context, req *kmsg.InitializeShareGroupStateRequest) (*kmsg.InitializeShareGroupStateResponse, error) {
	return s.api.ShareState.InitializeShareGroupState(ctx, req), nil
}
