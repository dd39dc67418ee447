package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteRecords: key 21, versions 0–2.
//
// Behaviour:
//   - moves the log start offset of each partition up to the offset given; −1 means the high watermark; the answer is the
//     low watermark, the smallest log start offset of all replicas, after that;
//   - OFFSET_OUT_OF_RANGE beyond the high watermark, INVALID_TOPIC_EXCEPTION for internal topics, POLICY_VIOLATION for
//     topics that are only compacted; the low watermark is −1 then.
//
// Version notes: none in behaviour; v2 is flexible.

func (s *session) deleteRecords(_ context.Context, req *kmsg.DeleteRecordsRequest) (*kmsg.DeleteRecordsResponse, error) {
	resp := req.ResponseKind().(*kmsg.DeleteRecordsResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewDeleteRecordsResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewDeleteRecordsResponseTopicPartition()
			rp.Partition = p.Partition
			low, err := s.deletePartitionRecords(t.Topic, p.Partition, p.Offset)
			if err != nil {
				low, rp.ErrorCode = -1, s.code(err)
			}
			rp.LowWatermark = low
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil
}

func (s *session) deletePartitionRecords(topic string, partition int32, offset int64) (lowWatermark int64, err error) {
	p, err := s.api.partition(topic, partition)
	if err != nil {
		return -1, err
	}
	if isInternal(topic) {
		return -1, fmt.Errorf("records of the internal topic %s cannot be deleted: %w", topic, kerr.InvalidTopicException)
	}
	return p.DeleteRecords(offset)
}
