// Package coordinatortest is a journal in memory, for tests of shards. It keeps real record batches, so that what a shard writes goes through
// the same bytes as on disk, and its caller decides what fails and what is committed.
package coordinatortest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// Journal implements coordinator.Journal. It is safe for concurrent use; waiting in it is durable blocking in a synctest bubble.
type Journal struct {
	mu         sync.Mutex
	partitions map[int32]*partition
	appendErr  error
	loadErr    error
	loadGate   <-chan struct{}
	changed    chan struct{} // closed and replaced when something moves
	limit      int64         // offsets below are committed
	maxBytes   int           // of a batch
}

type partition struct {
	batches     []protocol.Batch
	next        int64
	leaderEpoch int32
}

// New makes an empty journal in which everything is committed at once.
func New() *Journal {
	return &Journal{partitions: make(map[int32]*partition), changed: make(chan struct{}), limit: math.MaxInt64, maxBytes: math.MaxInt}
}

// FailAppends makes appends fail with err, until it is called with nil.
func (j *Journal) FailAppends(err error) { j.set(func() { j.appendErr = err }) }

// FailLoads makes loads fail with err, until it is called with nil.
func (j *Journal) FailLoads(err error) { j.set(func() { j.loadErr = err }) }

// HoldLoads makes loads wait until gate is closed.
func (j *Journal) HoldLoads(gate <-chan struct{}) { j.set(func() { j.loadGate = gate }) }

// LimitBatches refuses batches of more bytes, as max.message.bytes does.
func (j *Journal) LimitBatches(maxBytes int) { j.set(func() { j.maxBytes = maxBytes }) }

// CommitTo says that the records below offset are committed, those from it on not yet.
func (j *Journal) CommitTo(offset int64) { j.set(func() { j.limit = offset }) }

func (j *Journal) set(fn func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fn()
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *Journal) partition(p int32) *partition {
	if j.partitions[p] == nil {
		j.partitions[p] = &partition{}
	}
	return j.partitions[p]
}

// Append implements coordinator.Journal. An epoch older than one it has seen is refused.
func (j *Journal) Append(_ context.Context, p, leaderEpoch int32, b coordinator.Pending) (int64, error) {
	switch {
	case b.Marker != nil:
		kind := protocol.ControlAbort
		if b.Marker.Commit {
			kind = protocol.ControlCommit
		}
		key, value := protocol.ControlMarker(kind, b.Marker.CoordinatorEpoch)
		o := protocol.BatchOptions{ProducerID: b.Marker.ProducerID, ProducerEpoch: b.Marker.Epoch, BaseSequence: -1, Transactional: true, Control: true}
		return j.AppendBatch(p, leaderEpoch, o, []protocol.Record{{Key: key, Value: value}})
	case b.Txn != nil:
		o := protocol.BatchOptions{ProducerID: b.Txn.ProducerID, ProducerEpoch: b.Txn.Epoch, BaseSequence: -1, Transactional: true}
		return j.AppendBatch(p, leaderEpoch, o, b.Records)
	}
	return j.AppendBatch(p, leaderEpoch, protocol.BatchOptions{ProducerID: protocol.NoProducerID}, b.Records)
}

// AppendBatch appends a batch of any kind, such as one of a transaction.
func (j *Journal) AppendBatch(p, leaderEpoch int32, o protocol.BatchOptions, records []protocol.Record) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	part := j.partition(p)
	switch {
	case j.appendErr != nil:
		return 0, j.appendErr
	case leaderEpoch < part.leaderEpoch:
		return 0, kerr.NotLeaderForPartition
	}
	part.leaderEpoch = leaderEpoch
	o.BaseOffset, o.LeaderEpoch = part.next, leaderEpoch
	builder := protocol.NewBatchBuilder(o)
	for _, r := range records {
		r.Offset = 0
		builder.Append(r)
	}
	batch, err := builder.Bytes()
	switch {
	case err != nil:
		return 0, err
	case len(batch) > j.maxBytes:
		return 0, kerr.MessageTooLarge
	}
	part.batches = append(part.batches, batch)
	part.next = batch.LastOffset() + 1
	return batch.LastOffset(), nil
}

// EndTransaction appends the marker that ends a producer's transaction.
func (j *Journal) EndTransaction(p int32, producerID int64, epoch int16, commit bool) error {
	kind := protocol.ControlAbort
	if commit {
		kind = protocol.ControlCommit
	}
	key, value := protocol.ControlMarker(kind, 0)
	_, err := j.AppendBatch(p, math.MaxInt32, protocol.BatchOptions{ProducerID: producerID, ProducerEpoch: epoch,
		BaseSequence: protocol.NoSequence, Transactional: true, Control: true}, []protocol.Record{{Key: key, Value: value}})
	j.mu.Lock()
	j.partition(p).leaderEpoch = 0
	j.mu.Unlock()
	return err
}

// Load implements coordinator.Journal. The bytes handed out are overwritten after each call, as a read buffer's are.
func (j *Journal) Load(ctx context.Context, p int32, fn func(protocol.Batch, int64, protocol.Record) error) error {
	j.mu.Lock()
	batches, err, gate := slices.Clone(j.partition(p).batches), j.loadErr, j.loadGate
	j.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err != nil {
		return err
	}
	for _, b := range batches {
		b = slices.Clone(b)
		for r, err := range b.Records() {
			if err != nil {
				return fmt.Errorf("load partition %d: %w", p, err)
			}
			if err := fn(b, r.Offset, r); err != nil {
				return err
			}
		}
		clear(b)
	}
	return nil
}

// IsCommitted implements coordinator.Journal.
func (j *Journal) IsCommitted(_ int32, offset int64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return offset < j.limit
}

// WaitCommitted implements coordinator.Journal.
func (j *Journal) WaitCommitted(ctx context.Context, _ int32, offset int64) error {
	for {
		j.mu.Lock()
		committed, changed := offset < j.limit, j.changed
		j.mu.Unlock()
		if committed {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Batches returns the batches of a partition.
func (j *Journal) Batches(p int32) []protocol.Batch {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.partition(p).batches)
}

// Records returns all records of a partition, control records included.
func (j *Journal) Records(p int32) []protocol.Record {
	var all []protocol.Record
	for _, b := range j.Batches(p) {
		for r, err := range b.Records() {
			if err != nil {
				panic(err)
			}
			all = append(all, r)
		}
	}
	return all
}

// Clone returns an independent journal with the same batches, without failures.
func (j *Journal) Clone() *Journal {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := New()
	for id, p := range j.partitions {
		c.partitions[id] = &partition{batches: slices.Clone(p.batches), next: p.next, leaderEpoch: p.leaderEpoch}
	}
	return c
}
