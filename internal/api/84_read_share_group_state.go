package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ReadShareGroupState: key 84, version 0 (KIP-932, between brokers).
//
// Behaviour: the state of share partitions for the leader of a partition, whose epoch fences older leaders from then on.
func (s *session) readShareGroupState(ctx context.Context, req *kmsg.ReadShareGroupStateRequest) (*kmsg.ReadShareGroupStateResponse, error) {
	return s.api.ShareState.ReadShareGroupState(ctx, req), nil
}
