package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListPartitionReassignments: key 46, version 0.
//
// Behaviour: the moves of partitions under way, as the controller has them (KIP-455); null topics ask for all.
func (s *session) listPartitionReassignments(ctx context.Context, req *kmsg.ListPartitionReassignmentsRequest) (*kmsg.ListPartitionReassignmentsResponse, error) {
	return ask[*kmsg.ListPartitionReassignmentsResponse](ctx, s.api.Controller, req)
}
