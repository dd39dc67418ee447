package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// WriteShareGroupState: key 85, versions 0–1 (KIP-932, between brokers).
//
// Behaviour: adds to the state of share partitions; FENCED_LEADER_EPOCH and FENCED_STATE_EPOCH for who is not the last to have begun.
//
// Version notes:
//   - v1: how many records are done with, for the lag (KIP-1226).
func (s *session) writeShareGroupState(ctx context.Context, req *kmsg.WriteShareGroupStateRequest) (*kmsg.WriteShareGroupStateResponse, error) {
	return s.api.ShareState.WriteShareGroupState(ctx, req), nil
}
