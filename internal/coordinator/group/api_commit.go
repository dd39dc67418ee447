package group

import (
	"context"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// commitTopic is a topic of an OffsetCommit request that exists, with the partitions that do.
type commitTopic struct {
	name       string
	id         [16]byte
	partitions []kmsg.OffsetCommitRequestTopicPartition
}

// OffsetCommit stores offsets, versions 0-10. Version 0 meant ZooKeeper; it is taken as a commit of a consumer that assigns itself, as
// version 1 without a member is.
func (c *Coordinator) OffsetCommit(ctx context.Context, _ Client, req *kmsg.OffsetCommitRequest) *kmsg.OffsetCommitResponse {
	answer := commitAnswer{resp: kmsg.NewPtrOffsetCommitResponse()}
	answer.resp.Version = req.Version
	var topics []commitTopic
	for _, t := range req.Topics {
		if known := c.resolveCommit(req.Version, t, &answer); len(known.partitions) > 0 {
			topics = append(topics, known)
		}
	}
	if len(topics) == 0 {
		return answer.resp
	}
	codes, err := do(ctx, c, req.Group, func(s *shard, reply *coordinator.Reply[[]int16]) []record {
		codes, records, err := s.commit(req, topics)
		if err != nil {
			reply.Fail(err)
			return nil
		}
		reply.Done(codes)
		return records
	})
	code, i := protocol.ErrorCode(err), 0
	for _, t := range topics {
		for _, p := range t.partitions {
			if err == nil {
				code = codes[i]
			}
			answer.add(t.name, t.id, req.Version, p.Partition, code)
			i++
		}
	}
	return answer.resp
}

// resolveCommit finds the topic of a request by name, or by id since version 10. What does not exist is answered here.
func (c *Coordinator) resolveCommit(version int16, t kmsg.OffsetCommitRequestTopic, answer *commitAnswer) commitTopic {
	known := commitTopic{name: strings.Clone(t.Topic), id: t.TopicID}
	unknown := kerr.UnknownTopicOrPartition.Code
	exists := true
	if version >= 10 {
		if known.name, exists = c.o.TopicName(t.TopicID); !exists {
			unknown = kerr.UnknownTopicID.Code
		}
	} else {
		known.id, _ = c.o.TopicID(known.name)
	}
	n := 0
	if exists {
		n = c.o.TopicPartitions(known.name)
	}
	missing := func(p kmsg.OffsetCommitRequestTopicPartition) bool { return p.Partition < 0 || int(p.Partition) >= n }
	if !slices.ContainsFunc(t.Partitions, missing) {
		known.partitions = t.Partitions
		return known
	}
	for _, p := range t.Partitions {
		if missing(p) {
			answer.add(known.name, t.TopicID, version, p.Partition, unknown)
			continue
		}
		known.partitions = append(known.partitions, p)
	}
	return known
}

// commitAnswer collects the response, partitions of one topic together.
type commitAnswer struct {
	resp *kmsg.OffsetCommitResponse
	last int // the topic added to last
}

func (a *commitAnswer) add(name string, id [16]byte, version int16, partition int32, code int16) {
	p := kmsg.OffsetCommitResponseTopicPartition{Partition: partition, ErrorCode: code}
	same := func(t kmsg.OffsetCommitResponseTopic) bool {
		return version >= 10 && t.TopicID == id || version < 10 && t.Topic == name
	}
	if a.last >= len(a.resp.Topics) || !same(a.resp.Topics[a.last]) {
		a.last = slices.IndexFunc(a.resp.Topics, same)
	}
	if a.last >= 0 {
		t := &a.resp.Topics[a.last]
		t.Partitions = append(t.Partitions, p)
		return
	}
	a.last = len(a.resp.Topics)
	t := kmsg.OffsetCommitResponseTopic{Partitions: []kmsg.OffsetCommitResponseTopicPartition{p}}
	if version >= 10 {
		t.TopicID = id
	} else {
		t.Topic = name
	}
	a.resp.Topics = append(a.resp.Topics, t)
}

// commit returns the records of a commit and the error code of each partition, in the order of topics.
func (s *shard) commit(req *kmsg.OffsetCommitRequest, topics []commitTopic) (codes []int16, records []record, err error) {
	as := commitAs{memberID: req.MemberID, instanceID: req.InstanceID, generation: req.Generation, version: req.Version}
	switch g := s.groups[req.Group]; {
	case g != nil:
		if err := g.validateCommit(as); err != nil {
			return nil, nil, err
		}
		if err := validateCommitOf(g, as, topics); err != nil {
			return nil, nil, err
		}
		g.committing(as.memberID)
	case as.generation < 0: // a simple group comes into being by the commit
	case req.Version >= 9:
		return nil, nil, kerr.GroupIDNotFound
	default:
		return nil, nil, kerr.IllegalGeneration
	}
	nowMs, limit := s.nowMs(), s.limits().offsetMetadataMaxBytes
	n, namesBytes := sizeOfCommit(req.Group, topics)
	codes, records = make([]int16, 0, n), make([]record, 0, n)
	encoder := newOffsetEncoder(n, namesBytes)
	for _, t := range topics {
		for _, p := range t.partitions {
			if p.Metadata != nil && javaLength(*p.Metadata) > limit {
				codes = append(codes, kerr.OffsetMetadataTooLarge.Code)
				continue
			}
			c := committed{
				offset:      p.Offset,
				leaderEpoch: p.LeaderEpoch,
				metadata:    deref(p.Metadata),
				commitMs:    nowMs,
				expireMs:    noTimestamp,
				topicID:     t.id,
			}
			if req.Version == 1 && p.Timestamp != noTimestamp {
				c.commitMs = p.Timestamp
			}
			if req.Version >= 2 && req.Version <= 4 && req.RetentionTimeMillis != noTimestamp {
				c.expireMs = nowMs + req.RetentionTimeMillis
			}
			codes = append(codes, 0)
			records = append(records, encoder.record(req.Group, t.name, p.Partition, c))
		}
	}
	return codes, records, nil
}

// sizeOfCommit returns how many partitions there are, and the bytes of the names in their records.
func sizeOfCommit(groupID string, topics []commitTopic) (partitions, namesBytes int) {
	for _, t := range topics {
		partitions += len(t.partitions)
		namesBytes += len(t.partitions) * (len(groupID) + len(t.name))
	}
	return partitions, namesBytes
}

// OffsetDelete removes committed offsets of topics that the group does not consume, version 0 (KIP-496).
func (c *Coordinator) OffsetDelete(ctx context.Context, _ Client, req *kmsg.OffsetDeleteRequest) *kmsg.OffsetDeleteResponse {
	resp := kmsg.NewPtrOffsetDeleteResponse()
	resp.Version = req.Version
	if req.Group == "" {
		resp.ErrorCode = kerr.InvalidGroupID.Code
		return resp
	}
	exist := make(map[string]int, len(req.Topics))
	for _, t := range req.Topics {
		exist[t.Topic] = c.o.TopicPartitions(t.Topic)
	}
	topics, err := do(ctx, c, req.Group, func(s *shard, reply *coordinator.Reply[[]kmsg.OffsetDeleteResponseTopic]) []record {
		topics, records, err := s.deleteOffsets(req, exist)
		if err != nil {
			reply.Fail(err)
			return nil
		}
		reply.Done(topics)
		return records
	})
	if err != nil {
		resp.ErrorCode = protocol.ErrorCode(err)
		return resp
	}
	resp.Topics = topics
	return resp
}

func (s *shard) deleteOffsets(req *kmsg.OffsetDeleteRequest, exist map[string]int) ([]kmsg.OffsetDeleteResponseTopic, []record, error) {
	g := s.groups[req.Group]
	if g == nil {
		return nil, nil, kerr.GroupIDNotFound
	}
	if err := g.validateOffsetDelete(); err != nil {
		return nil, nil, err
	}
	var topics []kmsg.OffsetDeleteResponseTopic
	var records []record
	for _, t := range req.Topics {
		answer := kmsg.OffsetDeleteResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			a := kmsg.OffsetDeleteResponseTopicPartition{Partition: p.Partition}
			_, has := s.offsets.get(req.Group, t.Topic, p.Partition)
			switch {
			case p.Partition < 0 || int(p.Partition) >= exist[t.Topic]:
				a.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case g.isSubscribed(t.Topic):
				a.ErrorCode = kerr.GroupSubscribedToTopic.Code
			case has || s.offsets.isPending(req.Group, t.Topic, p.Partition):
				records = append(records, offsetTombstone(req.Group, t.Topic, p.Partition))
			}
			answer.Partitions = append(answer.Partitions, a)
		}
		topics = append(topics, answer)
	}
	return topics, records, nil
}
