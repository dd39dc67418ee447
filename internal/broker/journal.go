package broker

import (
	"context"
	"fmt"
	"runtime"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/protocol"
)

// loadBytes is how much of a log a coordinator's load reads at a time.
const loadBytes = 1 << 20

// Journal returns the partitions of an internal topic as the journal of a coordinator.
func (b *Broker) Journal(topic string) coordinator.Journal {
	return &journal{broker: b, topic: topic, loads: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

type journal struct {
	broker *Broker
	topic  string
	loads  chan struct{} // a place for each load under way: more at once than there are processors would but hold more buffers
}

// Append writes a batch and returns the offset of its last record.
func (j *journal) Append(_ context.Context, partition, leaderEpoch int32, pending coordinator.Pending) (int64, error) {
	p, err := j.broker.Partition(j.topic, partition)
	if err != nil {
		return 0, err
	}
	s, err := p.leader()
	if err != nil {
		return 0, err
	}
	if s.leaderEpoch != leaderEpoch {
		return 0, fmt.Errorf("%s: the shard was loaded in leader epoch %d, it is %d now: %w", p.tp, leaderEpoch, s.leaderEpoch, kerr.NotLeaderForPartition)
	}
	topic := p.topic.Load()
	if len(s.isr) < topic.MinInsyncReplicas {
		return 0, fmt.Errorf("%s: %d in-sync replicas, min.insync.replicas is %d: %w", p.tp, len(s.isr), topic.MinInsyncReplicas, kerr.NotEnoughReplicas)
	}
	batch, err := buildBatch(pending, p.nowMs())
	if err != nil {
		return 0, fmt.Errorf("build a batch for %s: %w", p.tp, err)
	}
	if len(batch) > int(topic.MaxMessageBytes) {
		return 0, fmt.Errorf("%s: a batch of %d bytes, max.message.bytes is %d: %w", p.tp, len(batch), topic.MaxMessageBytes, kerr.MessageTooLarge)
	}
	o := log.AppendOptions{LeaderEpoch: s.leaderEpoch, Origin: log.Coordinator}
	switch {
	case pending.Txn != nil:
		o.VerifyTxns, o.Guard = p.verifiesTxns(), pending.Txn.Guard
	case pending.Marker != nil:
		o.TxnVersion = pending.Marker.Version
	}
	a, err := p.append(s, batch, o)
	if err != nil {
		return 0, err
	}
	return a.LastOffset, nil
}

// buildBatch lays records into one uncompressed batch, as Kafka's coordinators do by default (offsets.topic.compression.codec=0).
func buildBatch(b coordinator.Pending, nowMs int64) (protocol.Batch, error) {
	o := protocol.BatchOptions{ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}
	switch {
	case b.Txn != nil:
		o.ProducerID, o.ProducerEpoch, o.Transactional = b.Txn.ProducerID, b.Txn.Epoch, true
	case b.Marker != nil:
		return buildMarker(*b.Marker, nowMs)
	}
	builder := protocol.NewBatchBuilder(o)
	for _, r := range b.Records {
		builder.Append(r)
	}
	return builder.Bytes()
}

// Load reads the partition from its start to its end, record by record. It checks each batch, as a start after a clean stop checks none and a
// flipped bit may well read as another offset. Damage ends it, so that groups do not go back to older commits, or lose their only one, without
// anybody's word: Kafka replays such a batch unseen, or never loads the partition. unclean.coordinator.load.enable is that word.
func (j *journal) Load(ctx context.Context, partition int32, fn func(b protocol.Batch, offset int64, r protocol.Record) error) error {
	p, err := j.broker.Partition(j.topic, partition)
	if err != nil {
		return err
	}
	select {
	case j.loads <- struct{}{}:
		defer func() { <-j.loads }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var buf []byte
	for next := p.log().StartOffset(); next < p.log().EndOffset(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		region, err := onLog(p, func(l *log.Log) (log.Region, error) { return l.Read(next, l.EndOffset(), loadBytes, true) })
		if damage, ok := log.IsDamage(err); ok {
			if next, err = j.leaveOut(p, damage, next); err == nil {
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("load %s from offset %d: %w", p.tp, next, err)
		}
		name := ""
		file, position := region.File()
		if file != nil {
			name = file.Name()
		}
		buf, err = region.AppendTo(buf[:0])
		region.Release()
		if err != nil {
			return fmt.Errorf("load %s from offset %d: %w", p.tp, next, err)
		}
		if len(buf) == 0 {
			return nil
		}
		for batch, err := range protocol.Batches(buf) {
			if err == nil {
				err = batch.CheckCRC()
			}
			if err != nil {
				damage := &log.CorruptionError{File: name, Position: position, Reason: err.Error()}
				if next, err = j.leaveOut(p, damage, next); err != nil {
					return fmt.Errorf("load %s: %w", p.tp, err)
				}
				break
			}
			if err := loadBatch(batch, next, fn); err != nil {
				return fmt.Errorf("load %s: %w", p.tp, err)
			}
			position += int64(len(batch))
			next = batch.LastOffset() + 1
		}
	}
	return nil
}

// leaveOut returns the offset of the first whole batch behind damage, if the administrator has allowed to go on there.
func (j *journal) leaveOut(p *Partition, damage *log.CorruptionError, from int64) (next int64, err error) {
	next, err = p.log().AfterDamage(damage, from)
	if err != nil {
		return from, err
	}
	if !j.broker.config().Bool("unclean.coordinator.load.enable") {
		return from, fmt.Errorf("%w. Offsets %d to %d cannot be read, and what this partition coordinates is not available. Stop the broker and restore the "+
			"file from a copy; or give these records up, so that groups go back to what they had committed before them, with "+
			"`kafka-configs --alter --entity-type brokers --entity-default --add-config unclean.coordinator.load.enable=true`, and set it back afterwards",
			damage, from, next-1)
	}
	j.broker.logger.Error("left out damaged records while loading a coordinator's partition, as unclean.coordinator.load.enable allows",
		append(p.tp.Fields(), zap.Int64("offset", from), zap.Int64("next_offset", next), zap.Error(damage))...)
	return next, nil
}

func loadBatch(batch protocol.Batch, from int64, fn func(b protocol.Batch, offset int64, r protocol.Record) error) error {
	for r, err := range batch.Records() {
		if err != nil {
			return fmt.Errorf("records of the batch at offset %d: %w", batch.BaseOffset(), err)
		}
		if r.Offset < from {
			continue
		}
		if err := fn(batch, r.Offset, r); err != nil {
			return err
		}
	}
	return nil
}

// IsCommitted reports whether the record at offset is committed.
func (j *journal) IsCommitted(partition int32, offset int64) bool {
	p, err := j.broker.Partition(j.topic, partition)
	return err == nil && p.log().HighWatermark() > offset
}

// WaitCommitted returns when the record at offset is committed.
func (j *journal) WaitCommitted(ctx context.Context, partition int32, offset int64) error {
	p, err := j.broker.Partition(j.topic, partition)
	if err != nil {
		return err
	}
	return p.WaitCommitted(ctx, offset+1)
}
