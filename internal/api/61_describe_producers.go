package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

// DescribeProducers: key 61, version 0 (KIP-664).
//
// Behaviour: the producers whose state a partition's leader keeps, with their epoch, last sequence and timestamp, and the
// start of an open transaction (−1 for none). Errors are those of each partition.

func (s *session) describeProducers(_ context.Context, req *kmsg.DescribeProducersRequest) (*kmsg.DescribeProducersResponse, error) {
	resp := req.ResponseKind().(*kmsg.DescribeProducersResponse)
	image := s.api.Metadata.Image()
	for _, t := range req.Topics {
		rt := kmsg.NewDescribeProducersResponseTopic()
		rt.Topic = t.Topic
		topicErr := checkTopicName(t.Topic)
		if topicErr == nil && image.Topic(t.Topic) == nil {
			topicErr = kerr.UnknownTopicOrPartition
		}
		for _, partition := range t.Partitions {
			rp := kmsg.NewDescribeProducersResponseTopicPartition()
			rp.Partition = partition
			if topicErr != nil {
				rp.ErrorCode, rp.ErrorMessage = protocol.ErrorCode(topicErr), protocol.ErrorMessage(topicErr)
			} else {
				s.describePartitionProducers(t.Topic, &rp)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil
}

func (s *session) describePartitionProducers(topic string, rp *kmsg.DescribeProducersResponseTopicPartition) {
	p, err := s.api.partition(topic, rp.Partition)
	if err == nil {
		err = p.CheckLeaderEpoch(-1)
	}
	if err != nil {
		rp.ErrorCode = s.code(err)
		return
	}
	for _, producer := range p.Producers() {
		ap := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		ap.ProducerID, ap.ProducerEpoch = producer.ProducerID, int32(producer.Epoch)
		ap.LastSequence, ap.LastTimestamp = producer.LastSequence, producer.LastTimestampMs
		ap.CoordinatorEpoch, ap.CurrentTxnStartOffset = producer.CoordinatorEpoch, producer.CurrentTxnStartOffset
		rp.ActiveProducers = append(rp.ActiveProducers, ap)
	}
}
