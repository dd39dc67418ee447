package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/protocol"
)

// verifiesTxns reports whether the first batch of a transaction needs the word of the transaction's coordinator (KIP-890).
func (p *Partition) verifiesTxns() bool {
	return p.config().Bool("transaction.partition.verification.enable")
}

// VerifyTxn begins to verify that a transaction includes the partition, for a batch of its producer. The guard goes with the batch into Append, after the
// transaction's coordinator has confirmed; needed is false when it need not be asked, as the transaction is open here or verification is switched off.
// For transaction version 2 (v2) it must be asked all the same when needed, for that is how it learns of the partition.
//
// Errors: kerr.NotLeaderForPartition, kerr.KafkaStorageError.
func (p *Partition) VerifyTxn(producerID int64, epoch int16, firstSequence int32, v2 bool) (guard uint64, needed bool, err error) {
	if _, err := p.leader(); err != nil {
		return 0, false, err
	}
	if !v2 && !p.verifiesTxns() {
		return 0, false, nil
	}
	guard, err = onLog(p, func(l *log.Log) (uint64, error) { return l.VerifyTxn(producerID, epoch, firstSequence, v2), nil })
	return guard, guard != 0, err
}

// AppendTxnMarker ends the transaction of a producer in this partition. The marker is committed when the high watermark has passed
// Appended.LastOffset.
//
// Errors: kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.InvalidProducerEpoch, kerr.TransactionCoordinatorFenced, kerr.KafkaStorageError.
func (p *Partition) AppendTxnMarker(m coordinator.Marker) (log.Appended, error) {
	s, err := p.leader()
	if err != nil {
		return log.Appended{}, err
	}
	if len(s.isr) < p.topic.Load().MinInsyncReplicas {
		return log.Appended{}, kerr.NotEnoughReplicas
	}
	batch, err := buildMarker(m, p.nowMs())
	if err != nil {
		return log.Appended{}, err
	}
	return p.append(s, batch, log.AppendOptions{LeaderEpoch: s.leaderEpoch, Origin: log.Coordinator, TxnVersion: m.Version})
}

func buildMarker(m coordinator.Marker, nowMs int64) (protocol.Batch, error) {
	kind := protocol.ControlAbort
	if m.Commit {
		kind = protocol.ControlCommit
	}
	key, value := protocol.ControlMarker(kind, m.CoordinatorEpoch)
	builder := protocol.NewBatchBuilder(protocol.BatchOptions{
		ProducerID: m.ProducerID, ProducerEpoch: m.Epoch, BaseSequence: -1, Transactional: true, Control: true,
	})
	builder.Append(protocol.Record{TimestampMs: nowMs, Key: key, Value: value})
	return builder.Bytes()
}
