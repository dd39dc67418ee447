package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/protocol"
)

// OffsetCommit: key 8, versions 0–10.
//
// Behaviour:
//   - partitions that do not exist are answered UNKNOWN_TOPIC_OR_PARTITION (v10: an unknown id UNKNOWN_TOPIC_ID) here and never reach the
//     coordinator; the rest is committed together, all or nothing, by the group's coordinator;
//   - refused partitions come first in the answer, as in Kafka (OffsetCommitResponse.Builder.merge).
//
// Version notes:
//   - v0: no generation and member; Kafka before 4 wrote these to ZooKeeper, here they are committed like v1.
//   - v1: generation and member; a timestamp per partition, from which the offset's expiry counts.
//   - v2–4: one retention time for all partitions (v5 removed it, KIP-211).
//   - v6: leader epoch of the offset (KIP-320). v7: group.instance.id (KIP-345).
//   - v9: member epochs of KIP-848 groups in the field of the generation, STALE_MEMBER_EPOCH.
//   - v10: topic ids instead of names (KIP-848).
func (s *session) offsetCommit(ctx context.Context, req *kmsg.OffsetCommitRequest) (*kmsg.OffsetCommitResponse, error) {
	resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	image := s.api.Metadata.Image()
	var known []kmsg.OffsetCommitRequestTopic
	for _, t := range req.Topics {
		topic, err := topicByRef(image, t.Topic, t.TopicID, req.Version >= 10)
		if topic != nil {
			t.Topic, t.TopicID = topic.Name, topic.ID
		}
		good := t
		good.Partitions = nil
		for _, p := range t.Partitions {
			switch {
			case err != nil:
				addOffsetCommitPartition(resp, t, p.Partition, protocol.ErrorCode(err))
			case !hasPartition(image, topic.Name, p.Partition):
				addOffsetCommitPartition(resp, t, p.Partition, kerr.UnknownTopicOrPartition.Code)
			default:
				good.Partitions = append(good.Partitions, p)
			}
		}
		if len(good.Partitions) > 0 {
			known = append(known, good)
		}
	}
	if len(known) == 0 {
		return resp, nil
	}
	forward := *req
	forward.Topics = known
	for _, t := range s.api.Groups.OffsetCommit(ctx, s.client(), &forward).Topics {
		for _, p := range t.Partitions {
			addOffsetCommitPartition(resp, kmsg.OffsetCommitRequestTopic{Topic: t.Topic, TopicID: t.TopicID}, p.Partition, p.ErrorCode)
		}
	}
	return resp, nil
}

// topicByRef looks a topic up by name, or by id for the versions that have only ids.
func topicByRef(image *metadata.Image, name string, id [16]byte, byID bool) (*metadata.Topic, error) {
	if byID {
		if t := image.TopicByID(id); t != nil {
			return t, nil
		}
		return nil, kerr.UnknownTopicID
	}
	if t := image.Topic(name); t != nil {
		return t, nil
	}
	return nil, kerr.UnknownTopicOrPartition
}

// addOffsetCommitPartition adds one result under its topic, of which there is one entry however often the request names it.
func addOffsetCommitPartition(resp *kmsg.OffsetCommitResponse, t kmsg.OffsetCommitRequestTopic, partition int32, code int16) {
	p := kmsg.NewOffsetCommitResponseTopicPartition()
	p.Partition, p.ErrorCode = partition, code
	for i := range resp.Topics {
		if rt := &resp.Topics[i]; rt.Topic == t.Topic && rt.TopicID == t.TopicID {
			rt.Partitions = append(rt.Partitions, p)
			return
		}
	}
	rt := kmsg.NewOffsetCommitResponseTopic()
	rt.Topic, rt.TopicID = t.Topic, t.TopicID
	rt.Partitions = append(rt.Partitions, p)
	resp.Topics = append(resp.Topics, rt)
}
