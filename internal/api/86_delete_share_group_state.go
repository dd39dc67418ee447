package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteShareGroupState: key 86, version 0 (KIP-932, between brokers).
//
// Behaviour: forgets share partitions; those that are not known are gone already.
func (s *session) deleteShareGroupState(ctx context.Context, req *kmsg.DeleteShareGroupStateRequest) (*kmsg.DeleteShareGroupStateResponse, error) {
	return s.api.ShareState.DeleteShareGroupState(ctx, req), nil
}
