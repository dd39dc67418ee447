package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateTopics: key 19, versions 0–7.
//
// Behaviour:
//   - the controller validates and creates, every topic by itself: one that is refused does not keep the others from being created;
//   - the topics are ready to use when the answer arrives (Kafka answers before the brokers have made the partitions);
//   - timeout.ms is not waited for: creation is immediate, so a negative one is no error, as in Kafka.
//
// Version notes:
//   - v0: Kafka 4 dropped it; like v1 without validate_only and error messages. v1: those.
//   - v4: −1 partitions and replicas stand for the defaults (KIP-464); earlier versions may send them too, as in Kafka.
//   - v5: number of partitions, replication factor and configurations in the answer (KIP-525). v7: topic id (KIP-516).
func (s *session) createTopics(ctx context.Context, req *kmsg.CreateTopicsRequest) (*kmsg.CreateTopicsResponse, error) {
	return ask[*kmsg.CreateTopicsResponse](ctx, s.api.Controller, req)
}
