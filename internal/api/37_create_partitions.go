package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreatePartitions: key 37, versions 0–3.
//
// Behaviour: the controller adds partitions to topics, each topic by itself; they are ready when the answer arrives.
//
// Version notes:
//   - v2: flexible. v3: controller mutation quotas (KIP-599), which do not exist here.
func (s *session) createPartitions(ctx context.Context, req *kmsg.CreatePartitionsRequest) (*kmsg.CreatePartitionsResponse, error) {
	return ask[*kmsg.CreatePartitionsResponse](ctx, s.api.Controller, req)
}
