package group

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// TxnOffsetCommit stores offsets that count when the producer's transaction commits, versions 0-5. guard is what the group's partition gave out before the
// transaction's coordinator confirmed that the partition is part of the transaction.
func (c *Coordinator) TxnOffsetCommit(ctx context.Context, req *kmsg.TxnOffsetCommitRequest, guard uint64) *kmsg.TxnOffsetCommitResponse {
	var topics []commitTopic
	exist := c.partitionsOf(req)
	for i, t := range req.Topics {
		known := commitTopic{name: t.Topic}
		known.id, _ = c.o.TopicID(t.Topic)
		n := exist[i]
		for _, p := range t.Partitions {
			if p.Partition >= 0 && int(p.Partition) < n {
				known.partitions = append(known.partitions, kmsg.OffsetCommitRequestTopicPartition{
					Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata,
				})
			}
		}
		topics = append(topics, known)
	}
	codes, err := c.commitInTxn(ctx, req, topics, guard)
	return txnCommitAnswer(req, exist, func() int16 {
		if err != nil {
			return protocol.ErrorCode(err)
		}
		code := codes[0]
		codes = codes[1:]
		return code
	})
}

// TxnOffsetCommitError is the answer to a request that fails as a whole.
func (c *Coordinator) TxnOffsetCommitError(req *kmsg.TxnOffsetCommitRequest, err error) *kmsg.TxnOffsetCommitResponse {
	return txnCommitAnswer(req, c.partitionsOf(req), func() int16 { return protocol.ErrorCode(err) })
}

// partitionsOf returns how many partitions each topic of the request has. It is asked once for a request: a topic may be created, grow or be deleted
// while the commit is on its way.
func (c *Coordinator) partitionsOf(req *kmsg.TxnOffsetCommitRequest) []int {
	exist := make([]int, len(req.Topics))
	for i, t := range req.Topics {
		exist[i] = c.o.TopicPartitions(t.Topic)
	}
	return exist
}

// txnCommitAnswer fills a response; code is asked for each partition that exists, in order.
func txnCommitAnswer(req *kmsg.TxnOffsetCommitRequest, exist []int, code func() int16) *kmsg.TxnOffsetCommitResponse {
	resp := kmsg.NewPtrTxnOffsetCommitResponse()
	resp.Version = req.Version
	for i, t := range req.Topics {
		rt := kmsg.NewTxnOffsetCommitResponseTopic()
		rt.Topic = t.Topic
		n := exist[i]
		for _, p := range t.Partitions {
			rp := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			rp.Partition = p.Partition
			if p.Partition < 0 || int(p.Partition) >= n {
				rp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			} else if rp.ErrorCode = code(); rp.ErrorCode == kerr.CoordinatorLoadInProgress.Code && req.Version < 2 {
				rp.ErrorCode = kerr.CoordinatorNotAvailable.Code // producers before 2.0 may crash on the other (KAFKA-7296)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (c *Coordinator) commitInTxn(ctx context.Context, req *kmsg.TxnOffsetCommitRequest, topics []commitTopic, guard uint64) ([]int16, error) {
	n := c.o.NumPartitions()
	if n <= 0 {
		return nil, kerr.CoordinatorNotAvailable
	}
	txn := coordinator.Txn{ProducerID: req.ProducerID, Epoch: req.ProducerEpoch, Guard: guard}
	codes, err := coordinator.DoTxn(ctx, c.rt, PartitionFor(req.Group, n), txn, func(s *shard, reply *coordinator.Reply[[]int16]) []record {
		codes, records, err := s.commitInTxn(req, topics)
		if err != nil {
			reply.Fail(err)
			return nil
		}
		reply.Done(codes)
		return records
	})
	return codes, coordinator.ClientError(err)
}

// commitInTxn returns the records of a transactional commit and the error code of each partition, in the order of topics.
func (s *shard) commitInTxn(req *kmsg.TxnOffsetCommitRequest, topics []commitTopic) (codes []int16, records []record, err error) {
	as := commitAs{memberID: req.MemberID, instanceID: req.InstanceID, generation: req.Generation, inTxn: true}
	switch g := s.groups[req.Group]; {
	case g != nil:
		if err := g.validateCommit(as); err != nil {
			return nil, nil, err
		}
		if err := validateCommitOf(g, as, topics); err != nil {
			return nil, nil, err
		}
	case as.generation >= 0:
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
			codes = append(codes, 0)
			records = append(records, encoder.record(req.Group, t.name, p.Partition, committed{
				offset: p.Offset, leaderEpoch: p.LeaderEpoch, metadata: deref(p.Metadata), commitMs: nowMs, expireMs: noTimestamp, topicID: t.id,
			}))
		}
	}
	return codes, records, nil
}

// EndTxn writes a transaction's marker to a partition of __consumer_offsets: the offsets that the producer has committed in the transaction count from
// then on, or are dropped.
//
// Errors: kerr.NotLeaderForPartition while the partition's groups are not served here, those of the log about the producer.
func (c *Coordinator) EndTxn(ctx context.Context, partition int32, m coordinator.Marker) error {
	err := coordinator.EndTxn(ctx, c.rt, partition, m)
	if isAny(err, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable) {
		return kerr.NotLeaderForPartition // what the transaction's coordinator knows how to retry
	}
	return err
}
