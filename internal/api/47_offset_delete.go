package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetDelete: key 47, version 0.
//
// Behaviour:
//   - forgets committed offsets of a group; those of topics to which the group is subscribed are refused GROUP_SUBSCRIBED_TO_TOPIC;
//   - partitions that do not exist are answered UNKNOWN_TOPIC_OR_PARTITION; an error of the group stands at the top and the partitions are
//     left out, as in Kafka; all of it is the coordinator's.
func (s *session) offsetDelete(ctx context.Context, req *kmsg.OffsetDeleteRequest) (*kmsg.OffsetDeleteResponse, error) {
	return s.api.Groups.OffsetDelete(ctx, s.client(), req), nil
}
