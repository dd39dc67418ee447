package txn

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

type record = protocol.Record

// Versions of Kafka's TransactionLogKey and TransactionLogValue. Values of version 1 have the tagged fields of transaction version 2 (KIP-890).
const (
	keyVersion   = 0
	valueVersion = 1
)

func appendKey(id string) []byte {
	key := kmsg.TxnMetadataKey{Version: keyVersion, TransactionalID: id}
	return key.AppendTo(nil)
}

// tombstone removes a transactional id.
func tombstone(id string) record { return record{Key: appendKey(id)} }

// encode makes the record of a transactional id.
func encode(id string, t transaction) record {
	v := kmsg.NewTxnMetadataValue()
	v.Version = valueVersion
	v.ProducerID, v.ProducerEpoch, v.TimeoutMillis, v.State = t.producerID, t.epoch, t.timeoutMs, kmsg.TransactionState(t.state)
	v.LastUpdateTimestamp, v.StartTimestamp = t.updateMs, t.startMs
	v.PreviousProducerID, v.NextProducerID, v.ClientTransactionVersion = t.previousProducerID, t.nextProducerID, t.version
	if t.state == empty {
		v.Topics = nil // Kafka writes null there
	} else {
		v.Topics = []kmsg.TxnMetadataValueTopic{}
	}
	for _, tp := range t.sorted() {
		if n := len(v.Topics); n == 0 || v.Topics[n-1].Topic != tp.Topic {
			v.Topics = append(v.Topics, kmsg.TxnMetadataValueTopic{Topic: tp.Topic})
		}
		last := &v.Topics[len(v.Topics)-1]
		last.Partitions = append(last.Partitions, tp.Partition)
	}
	return record{Key: appendKey(id), Value: v.AppendTo(nil)}
}

// decode reads a record; t is nil for a tombstone. What it returns does not alias the record.
func decode(r record) (id string, t *transaction, err error) {
	var key kmsg.TxnMetadataKey
	if err := key.ReadFrom(r.Key); err != nil {
		return "", nil, fmt.Errorf("key of a transaction: %w", err)
	}
	if key.Version != keyVersion {
		return "", nil, fmt.Errorf("key of a transaction: version %d is not known", key.Version)
	}
	id = strings.Clone(key.TransactionalID)
	if r.Value == nil {
		return id, nil, nil
	}
	v := kmsg.NewTxnMetadataValue()
	if err := v.ReadFrom(r.Value); err != nil {
		return "", nil, fmt.Errorf("transaction %q: %w", id, err)
	}
	if v.Version < 0 || v.Version > valueVersion {
		return "", nil, fmt.Errorf("transaction %q: version %d is not known", id, v.Version)
	}
	s := state(v.State)
	if !s.valid() {
		return "", nil, fmt.Errorf("transaction %q: state %d is not known", id, s)
	}
	t = &transaction{
		producerID: v.ProducerID, previousProducerID: v.PreviousProducerID, nextProducerID: v.NextProducerID, epoch: v.ProducerEpoch, lastEpoch: noProducerEpoch,
		timeoutMs: v.TimeoutMillis, state: s, startMs: v.StartTimestamp, updateMs: v.LastUpdateTimestamp, version: v.ClientTransactionVersion,
	}
	for _, topic := range v.Topics {
		name := strings.Clone(topic.Topic)
		for _, p := range topic.Partitions {
			if t.partitions == nil {
				t.partitions = map[protocol.TopicPartition]struct{}{}
			}
			t.partitions[protocol.TopicPartition{Topic: name, Partition: p}] = struct{}{}
		}
	}
	return id, t, nil
}
