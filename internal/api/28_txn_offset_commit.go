package api

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

// TxnOffsetCommit: key 28, versions 0–5.
//
// Behaviour:
//   - the offsets count when the transaction commits; until then OffsetFetch with require_stable answers UNSTABLE_OFFSET_COMMIT;
//   - the group's partition of __consumer_offsets must be part of the transaction, which is verified with the transaction's coordinator first (KIP-890).
//
// Version notes:
//   - v2: leader epoch. v3: the member and its generation, which fence a consumer that has lost its partitions (KIP-447).
//   - v4: TRANSACTION_ABORTABLE, before it INVALID_TXN_STATE. v5: transaction version 2, the partition becomes part of the transaction by this.
func (s *session) txnOffsetCommit(ctx context.Context, req *kmsg.TxnOffsetCommitRequest) (*kmsg.TxnOffsetCommitResponse, error) {
	guard, err := s.joinTxnWithGroup(ctx, req)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return s.api.Groups.TxnOffsetCommitError(req, err), nil
	}
	return s.api.Groups.TxnOffsetCommit(ctx, req, guard), ctx.Err()
}

func (s *session) joinTxnWithGroup(ctx context.Context, req *kmsg.TxnOffsetCommitRequest) (guard uint64, err error) {
	tp := protocol.TopicPartition{Topic: groupMetadataTopic, Partition: s.api.Groups.PartitionFor(req.Group)}
	p, err := s.api.partition(tp.Topic, tp.Partition)
	if err != nil {
		return 0, groupError(err)
	}
	guard, needed, err := p.VerifyTxn(req.ProducerID, req.ProducerEpoch, -1, req.Version >= 5)
	if err != nil || !needed {
		return guard, groupError(err)
	}
	way := joinVerified
	switch {
	case req.Version >= 5:
		way = joinAdds
	case req.Version >= 4:
		way = joinAbortable
	}
	join := []joining{{p, -1, guard}}
	err = s.joinTxn(ctx, req.TransactionalID, req.ProducerID, req.ProducerEpoch, join, way)[0]
	return join[0].guard, groupError(err)
}

// groupError is an error of the group's partition, or of the transaction's coordinator, as clients of the group's coordinator know it.
func groupError(err error) error {
	switch {
	case errors.Is(err, kerr.NotEnoughReplicas), errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.RequestTimedOut):
		return kerr.CoordinatorNotAvailable
	case errors.Is(err, kerr.NotLeaderForPartition), errors.Is(err, kerr.KafkaStorageError):
		return kerr.NotCoordinator
	}
	return err
}
