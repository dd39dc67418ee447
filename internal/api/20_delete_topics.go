package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteTopics: key 20, versions 0–6.
//
// Behaviour:
//   - the controller deletes, each topic by itself; the topics are gone when the answer arrives, only their files may take a while longer;
//   - with delete.topic.enable=false nothing is deleted: TOPIC_DELETION_DISABLED, before v3 INVALID_REQUEST (KIP-322).
//
// Version notes:
//   - v0: Kafka 4 dropped it; like v1 without throttle time. v3: TOPIC_DELETION_DISABLED. v5: error messages.
//   - v6: topics by id (KIP-516).
func (s *session) deleteTopics(ctx context.Context, req *kmsg.DeleteTopicsRequest) (*kmsg.DeleteTopicsResponse, error) {
	return ask[*kmsg.DeleteTopicsResponse](ctx, s.api.Controller, req)
}
