package api

import (
	"context"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/protocol"
)

// DescribeTopicPartitions: key 75, version 0 (KIP-966).
//
// Behaviour:
//   - topics in the order of their names, all of them when the request names none, from the cursor on;
//   - at most response_partition_limit partitions, and at most max.request.partition.size.limit; where there are more, the
//     answer's cursor says where to go on, possibly within a topic;
//   - the request's cursor must be one of the topics named, with a partition that is not negative, else INVALID_REQUEST.

func (s *session) describeTopicPartitions(_ context.Context, req *kmsg.DescribeTopicPartitionsRequest) (*kmsg.DescribeTopicPartitionsResponse, error) {
	resp := req.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
	image := s.api.Metadata.Image()
	names, ok := topicsFromCursor(image, req)
	if !ok {
		for _, t := range req.Topics {
			resp.Topics = append(resp.Topics, describedTopic(t.Topic, kerr.InvalidRequest.Code))
		}
		return resp, nil
	}
	remaining := max(min(s.api.Config().Int("max.request.partition.size.limit"), int(req.ResponsePartitionLimit)), 1)
	for _, name := range names {
		if remaining <= 0 {
			resp.NextCursor = cursorAt(name, 0)
			break
		}
		t := image.Topic(name)
		if t == nil {
			code := kerr.UnknownTopicOrPartition.Code
			if err := checkTopicName(name); err != nil {
				code = protocol.ErrorCode(err)
			}
			rt := describedTopic(name, code)
			rt.AuthorizedOperations = allTopicOperations
			resp.Topics = append(resp.Topics, rt)
			continue
		}
		from := 0
		if req.Cursor != nil && req.Cursor.Topic == name {
			from = int(req.Cursor.Partition)
		}
		until := min(len(t.Partitions), from+remaining)
		rt := describedTopic(name, 0)
		rt.TopicID, rt.AuthorizedOperations = t.ID, allTopicOperations
		for i := from; i < until; i++ {
			rt.Partitions = append(rt.Partitions, s.describePartition(image, int32(i), &t.Partitions[i]))
		}
		resp.Topics = append(resp.Topics, rt)
		if until < len(t.Partitions) {
			resp.NextCursor = cursorAt(name, int32(until))
			break
		}
		remaining -= len(rt.Partitions)
	}
	return resp, nil
}

// topicsFromCursor returns the names to describe, in order; ok is false for a cursor that does not fit the request.
func topicsFromCursor(image *metadata.Image, req *kmsg.DescribeTopicPartitionsRequest) (names []string, ok bool) {
	first := ""
	if req.Cursor != nil {
		if req.Cursor.Partition < 0 {
			return nil, false
		}
		first = req.Cursor.Topic
	}
	if len(req.Topics) == 0 {
		for t := range image.Topics() {
			if t.Name >= first {
				names = append(names, t.Name)
			}
		}
		return names, true
	}
	for _, t := range req.Topics {
		if t.Topic >= first {
			names = append(names, t.Topic)
		}
	}
	slices.SortFunc(names, strings.Compare)
	names = slices.Compact(names)
	if req.Cursor != nil && !slices.Contains(names, first) {
		return nil, false
	}
	return names, true
}

func describedTopic(name string, code int16) kmsg.DescribeTopicPartitionsResponseTopic {
	rt := kmsg.NewDescribeTopicPartitionsResponseTopic()
	rt.Topic, rt.ErrorCode, rt.IsInternal = &name, code, isInternal(name)
	return rt
}

func cursorAt(topic string, partition int32) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	c := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	c.Topic, c.Partition = topic, partition
	return &c
}

func (s *session) describePartition(image *metadata.Image, index int32, p *metadata.Partition) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	rp := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	rp.Partition, rp.LeaderID, rp.LeaderEpoch = index, metadata.NoLeader, p.LeaderEpoch
	if _, ok := s.aliveEndpoint(image.Broker(p.Leader)); ok {
		rp.LeaderID = p.Leader
	}
	rp.Replicas, rp.ISR, rp.OfflineReplicas = p.Replicas, p.ISR, s.offlineReplicas(image, p)
	// Kafka sends empty lists here, not null ones.
	rp.EligibleLeaderReplicas = append([]int32{}, p.ELR...)
	rp.LastKnownELR = append([]int32{}, p.LastKnownELR...)
	return rp
}
