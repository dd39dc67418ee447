package group

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// OffsetFetch returns committed offsets, versions 0-10: of the partitions named, or of all when the topics are null; of many groups since
// version 8; by topic id since version 10. Version 0 meant ZooKeeper and is answered as version 1.
func (c *Coordinator) OffsetFetch(ctx context.Context, _ Client, req *kmsg.OffsetFetchRequest) *kmsg.OffsetFetchResponse {
	resp := kmsg.NewPtrOffsetFetchResponse()
	resp.Version = req.Version
	if req.Version < 8 {
		c.fetchOne(ctx, req, resp)
		return resp
	}
	for _, g := range req.Groups {
		resp.Groups = append(resp.Groups, c.fetchGroup(ctx, req.Version, g, req.RequireStable))
	}
	return resp
}

// fetchOne answers versions 0-7, which ask for one group.
func (c *Coordinator) fetchOne(ctx context.Context, req *kmsg.OffsetFetchRequest, resp *kmsg.OffsetFetchResponse) {
	ask := kmsg.NewOffsetFetchRequestGroup()
	ask.Group = req.Group
	if req.Topics != nil || req.Version < 2 {
		ask.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	}
	for _, t := range req.Topics {
		ask.Topics = append(ask.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: t.Topic, Partitions: t.Partitions})
	}
	g := c.fetchGroup(ctx, req.Version, ask, req.RequireStable)
	if g.ErrorCode != 0 {
		if req.Version >= 2 {
			resp.ErrorCode = g.ErrorCode
			return
		}
		// No place for an error of the group yet: each partition bears it.
		for _, t := range req.Topics {
			answer := kmsg.OffsetFetchResponseTopic{Topic: t.Topic}
			for _, p := range t.Partitions {
				none := noOffset(p, g.ErrorCode)
				answer.Partitions = append(answer.Partitions, kmsg.OffsetFetchResponseTopicPartition(none))
			}
			resp.Topics = append(resp.Topics, answer)
		}
		return
	}
	for _, t := range g.Topics {
		answer := kmsg.OffsetFetchResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			answer.Partitions = append(answer.Partitions, kmsg.OffsetFetchResponseTopicPartition(p))
		}
		resp.Topics = append(resp.Topics, answer)
	}
}

type fetchedTopics = []kmsg.OffsetFetchResponseGroupTopic

func (c *Coordinator) fetchGroup(ctx context.Context, version int16, ask kmsg.OffsetFetchRequestGroup, requireStable bool) kmsg.OffsetFetchResponseGroup {
	answer := kmsg.NewOffsetFetchResponseGroup()
	answer.Group = ask.Group
	names := make([]string, len(ask.Topics)) // "": no topic of that id
	for i, t := range ask.Topics {
		names[i] = t.Topic
		if version >= 10 {
			var ok bool
			if names[i], ok = c.o.TopicName(t.TopicID); !ok {
				names[i] = ""
			}
		}
	}
	topics, err := do(ctx, c, ask.Group, func(s *shard, reply *coordinator.Reply[fetchedTopics]) []record {
		if g, ok := s.groups[ask.Group].(epochGroup); ok && version >= 9 && (ask.MemberID != nil || ask.MemberEpoch >= 0) {
			if err := g.checkMember(deref(ask.MemberID), ask.MemberEpoch); err != nil {
				reply.Fail(err)
				return nil
			}
		}
		if ask.Topics == nil {
			reply.Done(s.fetchAll(ask.Group, requireStable))
		} else {
			reply.Done(s.fetch(ask, version, names, requireStable))
		}
		return nil
	})
	switch {
	case errors.Is(err, kerr.CoordinatorNotAvailable):
		// Consumers before 3.9 do not retry on COORDINATOR_NOT_AVAILABLE here; this one makes them look for the coordinator again.
		answer.ErrorCode = kerr.NotCoordinator.Code
	case err != nil:
		answer.ErrorCode = protocol.ErrorCode(err)
	case version >= 10 && ask.Topics == nil:
		answer.Topics = c.withIDs(topics)
	default:
		answer.Topics = topics
	}
	return answer
}

// withIDs names topics by their ids. A topic that is gone has none, and its offsets are about to be removed.
func (c *Coordinator) withIDs(topics fetchedTopics) fetchedTopics {
	known := topics[:0]
	for _, t := range topics {
		if id, ok := c.o.TopicID(t.Topic); ok {
			t.Topic, t.TopicID = "", id
			known = append(known, t)
		}
	}
	return known
}

func noOffset(partition int32, code int16) kmsg.OffsetFetchResponseGroupTopicPartition {
	return kmsg.OffsetFetchResponseGroupTopicPartition{
		Partition:   partition,
		Offset:      -1,
		LeaderEpoch: -1,
		Metadata:    kmsg.StringPtr(""),
		ErrorCode:   code,
	}
}

// fetch returns the offsets of the partitions asked for, in their order. names are those of the topics. A group that does not exist has none.
func (s *shard) fetch(ask kmsg.OffsetFetchRequestGroup, version int16, names []string, requireStable bool) fetchedTopics {
	topics := make(fetchedTopics, 0, len(ask.Topics))
	for i, t := range ask.Topics {
		answer := kmsg.OffsetFetchResponseGroupTopic{Topic: t.Topic, TopicID: t.TopicID}
		for _, p := range t.Partitions {
			if version >= 10 && names[i] == "" {
				answer.Partitions = append(answer.Partitions, noOffset(p, kerr.UnknownTopicID.Code))
				continue
			}
			answer.Partitions = append(answer.Partitions, s.fetchPartition(ask.Group, names[i], t.TopicID, p, requireStable))
		}
		topics = append(topics, answer)
	}
	return topics
}

// fetchAll returns all offsets of the group, sorted.
func (s *shard) fetchAll(groupID string, requireStable bool) fetchedTopics {
	topics := fetchedTopics{}
	byTopic := s.offsets.byGroup[groupID]
	for _, topic := range slices.Sorted(maps.Keys(byTopic)) {
		answer := kmsg.OffsetFetchResponseGroupTopic{Topic: topic}
		for _, p := range slices.Sorted(maps.Keys(byTopic[topic])) {
			answer.Partitions = append(answer.Partitions, s.fetchPartition(groupID, topic, [16]byte{}, p, requireStable))
		}
		topics = append(topics, answer)
	}
	return topics
}

// fetchPartition answers for one partition. An offset that was committed for another topic of the same name is none of this topic.
func (s *shard) fetchPartition(groupID, topic string, topicID [16]byte, partition int32, requireStable bool) kmsg.OffsetFetchResponseGroupTopicPartition {
	if requireStable && s.offsets.isPending(groupID, topic, partition) {
		return noOffset(partition, kerr.UnstableOffsetCommit.Code)
	}
	c, ok := s.offsets.get(groupID, topic, partition)
	if !ok || topicID != [16]byte{} && c.topicID != [16]byte{} && topicID != c.topicID {
		return noOffset(partition, 0)
	}
	return kmsg.OffsetFetchResponseGroupTopicPartition{
		Partition:   partition,
		Offset:      c.offset,
		LeaderEpoch: c.leaderEpoch,
		Metadata:    kmsg.StringPtr(c.metadata),
	}
}
