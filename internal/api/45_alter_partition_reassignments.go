package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterPartitionReassignments: key 45, versions 0–1.
//
// Behaviour: the controller starts, changes or (null replicas) cancels the move of partitions to other brokers (KIP-455).
//
// Version notes:
//   - v1: whether the replication factor may change (KIP-860).
func (s *session) alterPartitionReassignments(ctx context.Context, req *kmsg.AlterPartitionAssignmentsRequest) (*kmsg.AlterPartitionAssignmentsResponse, error) {
	return ask[*kmsg.AlterPartitionAssignmentsResponse](ctx, s.api.Controller, req)
}
