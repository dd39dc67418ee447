package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetDelete: key 47, version 0.
//
// Behaviour:
//   - forgets committed offsets of a group; those of topics to which the group is subscribed are refused GROUP_SUBSCRIBED_TO_TOPIC;
//   - partitions that do not exist are answered UNKNOWN_TOPIC_OR_PARTITION here, the group's own state is checked even when nothing
//     is left to delete; a group error stands at the top and the partitions are left out, as in Kafka.
func (s *session) offsetDelete(ctx context.Context, req *kmsg.OffsetDeleteRequest) (*kmsg.OffsetDeleteResponse, error) {
	resp := req.ResponseKind().(*kmsg.OffsetDeleteResponse)
	image := s.api.Metadata.Image()
	forward := *req
	forward.Topics = nil
	for _, t := range req.Topics {
		good := kmsg.OffsetDeleteRequestTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			if !hasPartition(image, t.Topic, p.Partition) {
				addOffsetDeletePartition(resp, t.Topic, p.Partition, kerr.UnknownTopicOrPartition.Code)
				continue
			}
			good.Partitions = append(good.Partitions, p)
		}
		if len(good.Partitions) > 0 {
			forward.Topics = append(forward.Topics, good)
		}
	}
	result := s.api.Groups.OffsetDelete(ctx, s.client(), &forward)
	if result.ErrorCode != 0 {
		result.Topics = nil
		return result, nil
	}
	for _, t := range result.Topics {
		for _, p := range t.Partitions {
			addOffsetDeletePartition(resp, t.Topic, p.Partition, p.ErrorCode)
		}
	}
	return resp, nil
}

func addOffsetDeletePartition(resp *kmsg.OffsetDeleteResponse, topic string, partition int32, code int16) {
	p := kmsg.NewOffsetDeleteResponseTopicPartition()
	p.Partition, p.ErrorCode = partition, code
	for i := range resp.Topics {
		if rt := &resp.Topics[i]; rt.Topic == topic {
			rt.Partitions = append(rt.Partitions, p)
			return
		}
	}
	rt := kmsg.NewOffsetDeleteResponseTopic()
	rt.Topic = topic
	rt.Partitions = append(rt.Partitions, p)
	resp.Topics = append(resp.Topics, rt)
}
