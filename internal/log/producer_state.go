package log

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/gokafka/gokafka/internal/protocol"
)

// recentBatches is how many batches of a producer are remembered: as many as an
// idempotent producer may have in flight (KIP-98).
const recentBatches = 5

// batchRef remembers an appended batch of a producer.
type batchRef struct {
	lastSequence int32
	offsetDelta  int32 // last offset − first offset = last sequence − first sequence
	lastOffset   int64
	timestampMs  int64
}

func (b batchRef) firstOffset() int64 { return b.lastOffset - int64(b.offsetDelta) }

// firstSequence undoes the wrap of sequences after 2³¹−1.
func (b batchRef) firstSequence() int32 {
	if first := int64(b.lastSequence) - int64(b.offsetDelta); first >= 0 {
		return int32(first)
	}
	return int32(int64(b.lastSequence) - int64(b.offsetDelta) + math.MaxInt32 + 1)
}

// producer is what a partition remembers of one producer id.
type producer struct {
	epoch            int16 // −1: none yet
	n                int8  // batches in use, oldest first
	partial          bool  // came from a snapshot, which holds only the last batch
	coordinatorEpoch int32
	lastTimestampMs  int64
	txnFirstOffset   int64 // of the open transaction, −1 for none
	batches          [recentBatches]batchRef
}

func newProducer() producer {
	return producer{epoch: -1, coordinatorEpoch: -1, lastTimestampMs: noTimestamp, txnFirstOffset: -1}
}

func (p *producer) recent() []batchRef { return p.batches[:p.n] }

// lastSequence returns the sequence of the last record, −1 when no batch is known.
func (p *producer) lastSequence() int32 {
	if p.n == 0 {
		return -1
	}
	return p.batches[p.n-1].lastSequence
}

// add remembers a batch, and forgets the batches of an older epoch.
func (p *producer) add(epoch int16, b batchRef) {
	p.setEpoch(epoch)
	if p.n == recentBatches {
		copy(p.batches[:], p.batches[1:])
		p.n--
	}
	p.batches[p.n] = b
	p.n++
	p.lastTimestampMs = b.timestampMs
}

func (p *producer) setEpoch(epoch int16) {
	if p.epoch != epoch {
		p.epoch, p.n, p.partial = epoch, 0, false
	}
}

// duplicate returns the remembered batch with the epoch and sequences of b.
func (p *producer) duplicate(b protocol.Batch) (batchRef, bool) {
	if p.epoch != b.ProducerEpoch() {
		return batchRef{}, false
	}
	for _, r := range p.recent() {
		if r.firstSequence() == b.BaseSequence() && r.lastSequence == b.LastSequence() {
			return r, true
		}
	}
	return batchRef{}, false
}

// ProducerState is what a partition remembers of a producer, for DescribeProducers.
type ProducerState struct {
	ProducerID            int64
	Epoch                 int16
	LastSequence          int32 // −1: none
	LastTimestampMs       int64
	CoordinatorEpoch      int32 // −1: none
	CurrentTxnStartOffset int64 // −1: none
	LastOffset            int64 // −1: none
}

func (p *producer) state(id int64) ProducerState {
	s := ProducerState{ProducerID: id, Epoch: p.epoch, LastSequence: p.lastSequence(), LastTimestampMs: p.lastTimestampMs, CoordinatorEpoch: p.coordinatorEpoch, CurrentTxnStartOffset: p.txnFirstOffset, LastOffset: -1}
	if p.n > 0 {
		s.LastOffset = p.batches[p.n-1].lastOffset
	}
	return s
}

// txn is a transaction in the log; lastOffset is −1 while it is open.
type txn struct{ producerID, firstOffset, lastOffset int64 }

// producers is the state of all producers of a partition, a function of its
// batches. It is guarded by Log.mu.
type producers struct {
	byID         map[int64]*producer // nil until there is one
	open         []txn               // not ended yet, ascending by first offset
	unreplicated []txn               // ended at or above the high watermark, ascending by first offset
	end          int64               // it accounts for the records before this offset
	snapshotEnd  int64               // end at the last snapshot
}

// completedTxn is a transaction that a marker has ended.
type completedTxn struct {
	txn
	aborted bool
}

// firstUnstableOffset returns the first offset of a transaction that is open, or
// whose end is not replicated; MaxInt64 when there is none.
func (ps *producers) firstUnstableOffset() int64 {
	first := int64(math.MaxInt64)
	if len(ps.open) > 0 {
		first = ps.open[0].firstOffset
	}
	if len(ps.unreplicated) > 0 {
		first = min(first, ps.unreplicated[0].firstOffset)
	}
	return first
}

// aborting returns what an append will enter into the transaction index.
func (ps *producers) aborting(sum *summary) []AbortedTxn {
	if !slices.ContainsFunc(sum.done, func(t completedTxn) bool { return t.aborted }) {
		return nil
	}
	after := producers{open: slices.Clone(ps.open)}
	for i := range sum.updates {
		for _, t := range sum.updates[i].started {
			after.open = insertTxn(after.open, t)
		}
	}
	var aborted []AbortedTxn
	for _, t := range sum.done {
		if a := after.finish(t); a != nil {
			aborted = append(aborted, *a)
		}
	}
	return aborted
}

// stableAfter returns the last stable offset that the end of t makes, were
// everything replicated.
func (ps *producers) stableAfter(t completedTxn) int64 {
	for _, o := range ps.open {
		if o.producerID != t.producerID {
			return o.firstOffset
		}
	}
	return t.lastOffset + 1
}

func (ps *producers) complete(t completedTxn) {
	ps.open = slices.DeleteFunc(ps.open, func(o txn) bool { return o.firstOffset == t.firstOffset })
	ps.unreplicated = insertTxn(ps.unreplicated, t.txn)
}

func insertTxn(list []txn, t txn) []txn {
	i, _ := slices.BinarySearchFunc(list, t.firstOffset, func(o txn, first int64) int { return cmp.Compare(o.firstOffset, first) })
	return slices.Insert(list, i, t)
}

// replicated forgets ended transactions before offset.
func (ps *producers) replicated(offset int64) {
	ps.unreplicated = slices.DeleteFunc(ps.unreplicated, func(t txn) bool { return t.lastOffset < offset })
}

// expire forgets producers that have been silent for too long and returns how
// many.
func (ps *producers) expire(nowMs, expirationMs int64) int {
	before := len(ps.byID)
	for id, p := range ps.byID {
		if p.expired(nowMs, expirationMs) {
			delete(ps.byID, id)
		}
	}
	return before - len(ps.byID)
}

func (p *producer) expired(nowMs, expirationMs int64) bool {
	return p.txnFirstOffset < 0 && nowMs-p.lastTimestampMs >= expirationMs
}

func (ps *producers) clear(end int64) { *ps = producers{end: end, snapshotEnd: end} }

// update is the change that one producer's batches in one append would make. It
// is worked out on a copy, so that a refused append changes nothing.
type update struct {
	producerID int64
	known      bool // there was state before
	before     producer
	after      producer
	started    []txn
	marked     bool // by a marker
}

func (ps *producers) prepare(id int64) update {
	u := update{producerID: id, before: newProducer()}
	if p := ps.byID[id]; p != nil {
		u.known, u.before = true, *p
	}
	u.after = u.before
	return u
}

// commit makes the change that was prepared.
func (ps *producers) commit(u *update) {
	if p := ps.byID[u.producerID]; p != nil {
		*p = u.after
	} else {
		if ps.byID == nil {
			ps.byID = map[int64]*producer{}
		}
		after := u.after // a copy of its own: u is part of a larger thing
		ps.byID[u.producerID] = &after
	}
	for _, t := range u.started {
		ps.open = insertTxn(ps.open, t)
	}
}

// apply checks a batch against the producer's state and notes it, as
// ProducerAppendInfo of Kafka does. A marker that ends a transaction is returned;
// b must be a whole batch if it is a control batch, else its header is enough.
//
// Errors: kerr.InvalidProducerEpoch, kerr.OutOfOrderSequenceNumber,
// kerr.InvalidTxnState, kerr.TransactionCoordinatorFenced.
func (u *update) apply(b protocol.Batch, o AppendOptions, v *verification) (*completedTxn, error) {
	origin := o.Origin
	if b.IsControl() {
		return u.applyMarker(b, o)
	}
	first, last := b.BaseOffset(), b.LastOffset()
	if err := u.checkEpoch(b, origin); err != nil {
		return nil, err
	}
	if origin == Client {
		if err := u.checkSequence(b, v); err != nil {
			return nil, err
		}
	}
	u.after.add(b.ProducerEpoch(), batchRef{b.LastSequence(), int32(last - first), last, b.MaxTimestampMs()})
	switch open := u.after.txnFirstOffset >= 0; {
	case open && !b.IsTransactional() && origin != Replication:
		return nil, fmt.Errorf("a batch outside of the transaction that producer %d began at offset %d: %w", u.producerID, u.after.txnFirstOffset, errInvalidTxnState)
	case !open && b.IsTransactional():
		u.after.txnFirstOffset = first
		u.started = append(u.started, txn{u.producerID, first, -1})
	}
	return nil, nil
}

func (u *update) checkEpoch(b protocol.Batch, origin Origin) error {
	if b.ProducerEpoch() >= u.after.epoch || origin == Replication {
		return nil
	}
	return fmt.Errorf("epoch %d of producer %d is older than %d, the last seen: %w", b.ProducerEpoch(), u.producerID, u.after.epoch, errInvalidProducerEpoch)
}

func (u *update) checkSequence(b protocol.Batch, v *verification) error {
	first := b.BaseSequence()
	if v != nil {
		if v.v2 && first != 0 && u.after.epoch < 0 {
			return fmt.Errorf("producer %d begins with sequence %d: %w", u.producerID, first, errOutOfOrderSequence)
		}
		if first > v.lowestSequence {
			return fmt.Errorf("producer %d sent sequence %d before %d: %w", u.producerID, first, v.lowestSequence, errOutOfOrderSequence)
		}
	}
	if b.ProducerEpoch() != u.after.epoch {
		if first != 0 && u.after.epoch >= 0 {
			return fmt.Errorf("producer %d begins epoch %d (after %d) with sequence %d: %w", u.producerID, b.ProducerEpoch(), u.after.epoch, first, errOutOfOrderSequence)
		}
		return nil
	}
	last := u.after.lastSequence()
	// A producer of whom nothing is known may go on with any sequence: what it
	// wrote before was deleted, or it was silent for too long.
	if u.before.epoch < 0 || first == last+1 || first == 0 && last == math.MaxInt32 {
		return nil
	}
	return fmt.Errorf("producer %d sent sequence %d after %d: %w", u.producerID, first, last, errOutOfOrderSequence)
}

func (u *update) applyMarker(b protocol.Batch, o AppendOptions) (*completedTxn, error) {
	origin := o.Origin
	var marker protocol.Record
	found := false
	for r, err := range b.Records() {
		if err != nil {
			return nil, fmt.Errorf("control batch at offset %d: %w", b.BaseOffset(), err)
		}
		marker, found = r, true
		break
	}
	if !found {
		return nil, nil // compaction may leave an empty batch
	}
	kind, coordinatorEpoch, err := protocol.ParseControlMarker(marker)
	if err != nil {
		return nil, fmt.Errorf("control batch at offset %d: %w", b.BaseOffset(), err)
	}
	if kind != protocol.ControlAbort && kind != protocol.ControlCommit {
		return nil, nil
	}
	if err := u.checkEpoch(b, origin); err != nil {
		return nil, err
	}
	if o.TxnVersion >= 2 && origin == Coordinator && b.ProducerEpoch() == u.after.epoch {
		// The epoch was bumped for this marker: it is here already, and what is open now is a later transaction.
		return nil, fmt.Errorf("a marker of epoch %d of producer %d, which has begun already: %w", b.ProducerEpoch(), u.producerID, errInvalidProducerEpoch)
	}
	if u.after.coordinatorEpoch > coordinatorEpoch && origin != Replication {
		return nil, fmt.Errorf("a marker of coordinator epoch %d after one of %d: %w", coordinatorEpoch, u.after.coordinatorEpoch, errCoordinatorFenced)
	}
	var done *completedTxn
	if u.after.txnFirstOffset >= 0 {
		done = &completedTxn{txn{u.producerID, u.after.txnFirstOffset, b.BaseOffset()}, kind == protocol.ControlAbort}
	}
	u.marked = true
	u.after.setEpoch(b.ProducerEpoch())
	u.after.txnFirstOffset = -1
	u.after.coordinatorEpoch = coordinatorEpoch
	u.after.lastTimestampMs = marker.TimestampMs
	return done, nil
}

// replay notes a batch that is in the log already and returns the entry for the
// transaction index if it ended a transaction by aborting it.
func (ps *producers) replay(b protocol.Batch) (*AbortedTxn, error) {
	ps.end = b.LastOffset() + 1
	if b.ProducerID() < 0 {
		return nil, nil
	}
	u := ps.prepare(b.ProducerID())
	done, err := u.apply(b, AppendOptions{Origin: Replication}, nil)
	if err != nil {
		return nil, err
	}
	ps.commit(&u)
	if done == nil {
		return nil, nil
	}
	return ps.finish(*done), nil
}

// finish takes a transaction off the open ones and returns its entry for the
// transaction index if it was aborted.
func (ps *producers) finish(done completedTxn) *AbortedTxn {
	stable := ps.stableAfter(done)
	ps.complete(done)
	if !done.aborted {
		return nil
	}
	return &AbortedTxn{done.producerID, done.firstOffset, done.lastOffset, stable}
}
