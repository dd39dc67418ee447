package api

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/protocol"
)

// AddPartitionsToTxn: key 24, versions 0–5.
//
// Behaviour:
//   - all partitions become part of the transaction, or none: when one does not exist the others are answered OPERATION_NOT_ATTEMPTED;
//   - the partitions of one transaction get the same error otherwise;
//   - v4 and later come from brokers: several transactions at once, to be changed (transaction version 2) or only verified (KIP-890).
//
// Version notes:
//   - v2: PRODUCER_FENCED, before it INVALID_PRODUCER_EPOCH. v4: several transactions, verify only. v5: adds for transaction version 2.
func (s *session) addPartitionsToTxn(ctx context.Context, req *kmsg.AddPartitionsToTxnRequest) (*kmsg.AddPartitionsToTxnResponse, error) {
	resp := req.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
	if req.Version >= 4 {
		for i := range req.Transactions {
			resp.Transactions = append(resp.Transactions, s.changeTxn(ctx, req.Version, &req.Transactions[i]))
		}
		return resp, ctx.Err()
	}
	one := kmsg.AddPartitionsToTxnRequestTransaction{TransactionalID: req.TransactionalID, ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch}
	for _, t := range req.Topics {
		one.Topics = append(one.Topics, kmsg.AddPartitionsToTxnRequestTransactionTopic{Topic: t.Topic, Partitions: t.Partitions})
	}
	for _, t := range s.changeTxn(ctx, req.Version, &one).Topics {
		rt := kmsg.AddPartitionsToTxnResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			rt.Partitions = append(rt.Partitions, kmsg.AddPartitionsToTxnResponseTopicPartition{Partition: p.Partition, ErrorCode: p.ErrorCode})
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, ctx.Err()
}

// changeTxn adds or verifies the partitions of one transaction.
func (s *session) changeTxn(ctx context.Context, version int16, t *kmsg.AddPartitionsToTxnRequestTransaction) kmsg.AddPartitionsToTxnResponseTransaction {
	image := s.api.Metadata.Image()
	var partitions []protocol.TopicPartition
	unknown := false
	for _, topic := range t.Topics {
		name := strings.Clone(topic.Topic) // the coordinator keeps it
		for _, p := range topic.Partitions {
			partitions = append(partitions, protocol.TopicPartition{Topic: name, Partition: p})
			unknown = unknown || !hasPartition(image, name, p)
		}
	}
	errs := make([]error, len(partitions))
	switch {
	case unknown:
		for i, tp := range partitions {
			errs[i] = kerr.OperationNotAttempted
			if !hasPartition(image, tp.Topic, tp.Partition) {
				errs[i] = kerr.UnknownTopicOrPartition
			}
		}
	case t.VerifyOnly:
		verified, err := s.api.Txns.VerifyPartitions(ctx, t.TransactionalID, t.ProducerID, t.ProducerEpoch, partitions)
		if copy(errs, verified); err != nil {
			fillErrors(errs, err)
		}
	default:
		fillErrors(errs, s.api.Txns.AddPartitions(ctx, strings.Clone(t.TransactionalID), t.ProducerID, t.ProducerEpoch, partitions, txnVersionOfAdd(version)))
	}
	answer := kmsg.AddPartitionsToTxnResponseTransaction{TransactionalID: t.TransactionalID}
	for i, tp := range partitions {
		if n := len(answer.Topics); n == 0 || answer.Topics[n-1].Topic != tp.Topic {
			answer.Topics = append(answer.Topics, kmsg.AddPartitionsToTxnResponseTransactionTopic{Topic: tp.Topic})
		}
		rp := kmsg.AddPartitionsToTxnResponseTransactionTopicPartition{Partition: tp.Partition}
		if errs[i] != nil {
			rp.ErrorCode = s.txnCode(errs[i], version >= 2)
		}
		last := &answer.Topics[len(answer.Topics)-1]
		last.Partitions = append(last.Partitions, rp)
	}
	return answer
}

// txnVersionOfAdd is the transaction version of a producer by that of the request that adds its partitions: brokers send v4 and later for those of 2.
func txnVersionOfAdd(version int16) int16 {
	if version > 3 {
		return 2
	}
	return 0
}

func fillErrors(errs []error, err error) {
	for i := range errs {
		errs[i] = err
	}
}

// joining is a partition that is to become part of a transaction with its next batch.
type joining struct {
	*broker.Partition
	sequence int32  // of that batch
	guard    uint64 // to append it with
}

// joinTxn has the coordinator of a transaction confirm that partitions are part of it, or take them in (transaction version 2), before the first batch is
// appended (KIP-890). Errors are those that clients of Produce expect.
//
// AddPartitions waits for the markers of the transaction before, and these take the guards of their partitions away. Kafka's coordinator does not wait: its
// producers begin again with another guard. So what has lost its guard here gets another one, and asks again, when there is nothing left to wait for.
func (s *session) joinTxn(ctx context.Context, id string, producerID int64, epoch int16, partitions []joining, way joinWay) []error {
	errs := s.askTxn(ctx, id, producerID, epoch, partitions, way)
	if way != joinAdds {
		return errs
	}
	lost := false
	for i := range partitions {
		p := &partitions[i]
		if errs[i] != nil {
			continue
		}
		if guard, needed, err := p.VerifyTxn(producerID, epoch, p.sequence, true); err == nil && needed && guard != p.guard {
			p.guard, lost = guard, true
		}
	}
	if lost {
		errs = s.askTxn(ctx, id, producerID, epoch, partitions, way)
	}
	return errs
}

func (s *session) askTxn(ctx context.Context, id string, producerID int64, epoch int16, partitions []joining, way joinWay) []error {
	errs := make([]error, len(partitions))
	asked := make([]protocol.TopicPartition, len(partitions))
	for i, p := range partitions {
		asked[i] = p.TopicPartition()
	}
	if way == joinAdds {
		fillErrors(errs, s.api.Txns.AddPartitions(ctx, strings.Clone(id), producerID, epoch, asked, 2))
	} else {
		verified, err := s.api.Txns.VerifyPartitions(ctx, id, producerID, epoch, asked)
		if copy(errs, verified); err != nil {
			fillErrors(errs, err)
		}
	}
	for i, err := range errs {
		errs[i] = joinError(err, way)
	}
	return errs
}

// joinWay is how a client's version lets a partition join a transaction.
type joinWay int8

const (
	joinVerified  joinWay = iota // the client has added it, and does not know TRANSACTION_ABORTABLE
	joinAbortable                // the client has added it
	joinAdds                     // the broker adds it: transaction version 2
)

// joinError translates an error of the coordinator, as AddPartitionsToTxnManager and ReplicaManager of Kafka do: what passes by itself becomes an error
// that has old clients too send the batch again, without looking for another leader.
func joinError(err error, way joinWay) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.ProducerFenced):
		return kerr.InvalidProducerEpoch
	case errors.Is(err, kerr.TransactionAbortable) && way != joinAbortable:
		return fmt.Errorf("Partition was not added to the transaction: %w", kerr.InvalidTxnState) //nolint:staticcheck // Kafka's text, sent to clients
	case errors.Is(err, kerr.ConcurrentTransactions), errors.Is(err, kerr.CoordinatorLoadInProgress), errors.Is(err, kerr.CoordinatorNotAvailable),
		errors.Is(err, kerr.NotCoordinator):
		return fmt.Errorf("Unable to verify the partition has been added to the transaction. Underlying error: %s: %w", //nolint:staticcheck // Kafka's text, sent to clients
			kerr.ErrorForCode(protocol.ErrorCode(err)).(*kerr.Error).Message, kerr.NotEnoughReplicas)
	}
	return err
}
