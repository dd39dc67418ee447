package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ReadShareGroupStateSummary: key 87, versions 0–1 (KIP-932, between brokers).
//
// Behaviour: where share partitions are, without the states of records.
//
// Version notes:
//   - v1: how many records are done with.
func (s *session) readShareGroupStateSummary(ctx context.Context, req *kmsg.ReadShareGroupStateSummaryRequest) (*kmsg.ReadShareGroupStateSummaryResponse, error) {
	return s.api.ShareState.ReadShareGroupStateSummary(ctx, req), nil
}
