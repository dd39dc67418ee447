package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
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
	if s.api.Config().Bool("delete.topic.enable") {
		return ask[*kmsg.DeleteTopicsResponse](ctx, s.api.Controller, req)
	}
	result := outcomeOf(kerr.TopicDeletionDisabled)
	if req.Version < 3 {
		result = outcomeOf(reject(kerr.InvalidRequest, "Topic deletion is disabled."))
	}
	resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	add := func(name *string, id [16]byte) {
		t := kmsg.NewDeleteTopicsResponseTopic()
		t.Topic, t.TopicID, t.ErrorCode = name, id, result.code
		resp.Topics = append(resp.Topics, t)
	}
	for _, name := range req.TopicNames {
		add(&name, noTopicID)
	}
	for _, t := range req.Topics {
		add(t.Topic, t.TopicID)
	}
	return resp, nil
}
