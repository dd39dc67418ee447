package log

import (
	"errors"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// Origin says who appends, which decides what is checked of a producer's batches.
type Origin int8

// The origins of batches.
const (
	Client      Origin = iota // sequences and epochs are checked, retries recognized
	Coordinator               // epochs are checked: markers and the coordinators' own records
	Replication               // a leader has checked
)

// AppendOptions say on whose behalf batches are appended.
type AppendOptions struct {
	LeaderEpoch int32
	Origin      Origin
	// VerifyTxns refuses the first batch of a transaction without the Guard that VerifyTxn gave out for it.
	VerifyTxns bool
	Guard      uint64
	// TxnVersion is that of the transaction that a marker ends: from 2 on the marker's epoch must be newer than all that the producer has used.
	TxnVersion int8
}

// Appended tells where batches went.
type Appended struct {
	BaseOffset, LastOffset int64 // of the first and the last record
	LogAppendTimeMs        int64 // largest timestamp if it is the broker's, else −1
	LogStartOffset         int64
	Duplicate              bool // the batch was there already: these are its offsets from then
}

// Append appends validated v2 batches as the leader: it stamps offsets and leader
// epoch into records and writes them with one call. When flush.messages asks for
// it they are durable when it returns; concurrent appends share the fsync.
//
// Errors: kerr.OutOfOrderSequenceNumber, kerr.InvalidProducerEpoch,
// kerr.InvalidTxnState, kerr.TransactionCoordinatorFenced,
// kerr.RecordListTooLarge, kerr.CorruptMessage, kerr.KafkaStorageError. A refused
// append changes nothing.
func (l *Log) Append(records []byte, o AppendOptions) (Appended, error) {
	a, err := l.append(records, o, true)
	if err != nil || a.Duplicate {
		return a, err
	}
	return a, l.flushAfterAppend(a.LastOffset + 1)
}

// AppendAsFollower appends batches as the leader has them, offsets and epochs
// included. They must begin at or after the log end.
//
// Errors: kerr.OffsetOutOfRange when they do not, kerr.CorruptMessage,
// kerr.KafkaStorageError.
func (l *Log) AppendAsFollower(batches []byte) (Appended, error) {
	a, err := l.append(batches, AppendOptions{LeaderEpoch: -1, Origin: Replication}, false)
	if err != nil {
		return a, err
	}
	return a, l.flushAfterAppend(a.LastOffset + 1)
}

// summary is what an append needs to know of all its batches together.
type summary struct {
	updates      []update
	done         []completedTxn
	first, last  int64 // offsets
	maxTimestamp int64
	logAppend    bool
	duplicate    *batchRef
}

func (l *Log) append(records []byte, o AppendOptions, leader bool) (Appended, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(); err != nil {
		return Appended{}, err
	}
	v := l.view.Load()
	sum := summary{updates: l.updates[:0]}
	err := l.analyze(records, o, leader, v.end, &sum)
	l.updates = sum.updates
	if err != nil {
		return Appended{}, err
	}
	if d := sum.duplicate; d != nil {
		return Appended{BaseOffset: d.firstOffset(), LastOffset: d.lastOffset, LogAppendTimeMs: d.timestampMs, LogStartOffset: l.logStart.Load(), Duplicate: true}, nil
	}
	c := l.config.Load()
	if int64(len(records)) > c.SegmentBytes {
		return Appended{}, fmt.Errorf("%d bytes are more than segment.bytes, %d: %w", len(records), c.SegmentBytes, kerr.RecordListTooLarge)
	}
	if v, err = l.rollIfNeeded(v, c, int64(len(records)), &sum); err != nil {
		return Appended{}, err
	}
	s := v.active()
	position := v.size
	if err := l.write(s, records, position, l.producers.aborting(&sum)); err != nil {
		return Appended{}, err
	}
	s.size.Store(position + int64(len(records)))
	s.modifiedMs.Store(l.nowMs())
	s.appended = true
	if err := l.index(s, records, position, int64(c.IndexIntervalBytes)); err != nil {
		return Appended{}, err
	}
	l.commitProducers(&sum)
	l.publish(&view{segments: v.segments, size: position + int64(len(records)), end: sum.last + 1, cuts: v.cuts})
	if len(sum.done) > 0 || l.firstUnstable.Load() != l.producers.firstUnstableOffset() {
		l.updateUnstable()
	}
	a := Appended{BaseOffset: sum.first, LastOffset: sum.last, LogAppendTimeMs: -1, LogStartOffset: l.logStart.Load()}
	if sum.logAppend {
		a.LogAppendTimeMs = sum.maxTimestamp
	}
	return a, nil
}

// analyze stamps the batches (for a leader) and checks them, without changing
// the log.
func (l *Log) analyze(records []byte, o AppendOptions, leader bool, end int64, sum *summary) error {
	next := end
	first := true
	for b, err := range protocol.Batches(records) {
		if err != nil {
			return fmt.Errorf("append: %w: %w", kerr.CorruptMessage, err)
		}
		if b.LastOffsetDelta() < 0 || next > math.MaxInt64-math.MaxInt32 {
			return fmt.Errorf("append: a batch with last offset delta %d: %w", b.LastOffsetDelta(), kerr.CorruptMessage)
		}
		if leader {
			b.Stamp(next, o.LeaderEpoch)
		} else if b.BaseOffset() < next {
			return fmt.Errorf("a batch at offset %d after the log end %d: %w", b.BaseOffset(), next, kerr.OffsetOutOfRange)
		}
		if first {
			sum.first, sum.maxTimestamp, first = b.BaseOffset(), b.MaxTimestampMs(), false
		}
		next = b.LastOffset() + 1
		sum.last = next - 1
		sum.maxTimestamp = max(sum.maxTimestamp, b.MaxTimestampMs())
		sum.logAppend = sum.logAppend || b.TimestampType() == protocol.LogAppendTime
		if b.ProducerID() >= 0 {
			if err := l.checkProducer(b, o, sum); err != nil || sum.duplicate != nil {
				return err
			}
		}
	}
	if first {
		return fmt.Errorf("append: no batch: %w", kerr.CorruptMessage)
	}
	return nil
}

// checkProducer works out what a batch changes of its producer's state.
func (l *Log) checkProducer(b protocol.Batch, o AppendOptions, sum *summary) error {
	id := b.ProducerID()
	if p := l.producers.byID[id]; p != nil && o.Origin == Client && !b.IsControl() && p.epoch == b.ProducerEpoch() {
		if p.partial && b.BaseSequence() != protocol.IncrementSequence(p.lastSequence(), 1) {
			if err := l.fillRecent(id, p); err != nil {
				return err
			}
		}
		if d, ok := p.duplicate(b); ok {
			sum.duplicate = &d
			return nil
		}
	}
	if o.VerifyTxns && b.IsTransactional() && !b.IsControl() && o.Origin != Replication && !l.inTxn(id, b.ProducerEpoch()) && !l.verified(id, o.Guard) {
		return fmt.Errorf("a batch of producer %d in no transaction that its coordinator has confirmed: %w", id, errInvalidTxnState)
	}
	var u *update
	for i := range sum.updates {
		if sum.updates[i].producerID == id {
			u = &sum.updates[i]
		}
	}
	if u == nil {
		sum.updates = append(sum.updates, l.producers.prepare(id))
		u = &sum.updates[len(sum.updates)-1]
	}
	done, err := u.apply(b, o, l.verifications[id])
	if err != nil {
		return err
	}
	if done != nil {
		sum.done = append(sum.done, *done)
	}
	return nil
}

// write puts the bytes at the end of the segment, and what they abort at the end of
// its transaction index: readers must not see the marker without the entry. When not
// all of it can be written what was written is cut off again, so that the log ends
// with a whole batch; if that fails too nobody knows what is there, and the log is
// offline.
func (l *Log) write(s *segment, records []byte, position int64, aborted []AbortedTxn) error {
	h, err := s.openToWrite(preallocation(l.config.Load()))
	if err != nil {
		return l.rollError("open "+s.path(extLog), err)
	}
	defer h.release()
	txns := s.txnBytes.Load()
	_, err = h.WriteAt(records, position)
	if err == nil && len(aborted) > 0 {
		if err = s.appendTxns(aborted); err != nil {
			err = fmt.Errorf("%s: %w", s.path(extTxnIndex), err)
		}
	}
	if err == nil {
		return nil
	}
	doing := fmt.Sprintf("append %d bytes to %s", len(records), s.path(extLog))
	cutErr := h.Truncate(position)
	if len(aborted) > 0 {
		cutErr = errors.Join(cutErr, s.truncateTxns(txns))
	}
	if cutErr != nil {
		return l.fail(doing+" and undo it", fmt.Errorf("%w, then %w", err, cutErr))
	}
	if vfs.IsNoSpace(err) {
		return storageError(doing, err)
	}
	return l.fail(doing, err)
}

// index enters the batches into the indexes and the leader epochs.
func (l *Log) index(s *segment, records []byte, position, intervalBytes int64) error {
	for b := range protocol.Batches(records) {
		if s.firstTimestamp == unknownTimestamp && position == 0 {
			s.firstTimestamp = max(b.MaxTimestampMs(), noTimestamp)
		}
		if epoch := b.LeaderEpoch(); epoch >= 0 && epoch != l.epochs.latest() {
			l.epochs.assign(epoch, b.BaseOffset())
		}
		err := s.noteBatch(b.LastOffset(), b.MaxTimestampMs(), position, int64(len(b)), intervalBytes)
		if err != nil && !vfs.IsNoSpace(err) { // on a full disk the entries wait in memory
			return l.fail("write the indexes of "+s.path(extLog), err)
		}
		position += int64(len(b))
	}
	return nil
}

// commitProducers makes the changes of the producers' state that analyze found.
func (l *Log) commitProducers(sum *summary) {
	for i := range sum.updates {
		u := &sum.updates[i]
		l.producers.commit(u)
		if len(u.started) > 0 || u.marked {
			delete(l.verifications, u.producerID)
		}
	}
	l.producers.end = sum.last + 1
	for _, t := range sum.done {
		l.producers.complete(t)
	}
}

// rollIfNeeded makes a new segment when the last one is full, too old, or cannot
// hold the offsets, as LogSegment.shouldRoll of Kafka decides.
func (l *Log) rollIfNeeded(v *view, c *config.Topic, size int64, sum *summary) (*view, error) {
	s := v.active()
	reason := ""
	switch {
	case sum.last-s.base > math.MaxInt32:
		reason = "offset"
	case v.size == 0:
		return v, nil
	case v.size > c.SegmentBytes-size:
		reason = "size"
	case int64(s.offsetIndex().len()) >= c.SegmentIndexBytes/offsetEntryBytes, int64(s.timeIndex().len()) >= c.SegmentIndexBytes/timeEntryBytes-1:
		reason = "index"
	default:
		waited, err := l.waitedMs(s, sum.maxTimestamp)
		if err != nil {
			return nil, l.fail("read the first batch of "+s.path(extLog), err)
		}
		if waited <= maxSegmentMs(c)-l.rollJitterMs {
			return v, nil
		}
		reason = "time"
	}
	// A follower's batches may lie far behind the log end; the new segment must
	// begin late enough to hold their last offset.
	return l.roll(v, max(v.end, sum.last-math.MaxInt32), reason)
}

// maxSegmentMs is segment.ms, or less where records must be compacted before: the
// last segment never is.
func maxSegmentMs(c *config.Topic) int64 {
	if c.CleanupCompact && c.MaxCompactionLagMs > 0 {
		return min(c.MaxCompactionLagMs, c.SegmentMs)
	}
	return c.SegmentMs
}

// waitedMs returns how long ago, in the time of the records, the segment began.
func (l *Log) waitedMs(s *segment, timestampMs int64) (int64, error) {
	first, err := s.rollTimestamp()
	if err != nil {
		return 0, err
	}
	if first >= 0 {
		return timestampMs - first, nil
	}
	return l.nowMs() - s.createdMs, nil
}

// roll seals the last segment and begins one at base. l.mu must be held.
func (l *Log) roll(v *view, base int64, reason string) (*view, error) {
	s := v.active()
	if s.base == base { // empty: only offsets too far apart lead here
		return v, nil
	}
	doing := "roll " + s.path(extLog)
	if s.unmade { // an empty segment's name says where the log begins
		h, err := s.openToWrite(0)
		if err != nil {
			return nil, l.rollError(doing, err)
		}
		h.release()
	}
	if err := errors.Join(s.trim(), s.finishIndexes(false)); err != nil {
		return nil, l.rollError(doing, err)
	}
	l.producers.end = max(l.producers.end, base)
	if err := l.takeSnapshot(false); err != nil {
		return nil, l.rollError(doing, err)
	}
	next, err := createSegment(l.fs, l.dir, base, l.nowMs(), preallocation(l.config.Load()))
	if err != nil {
		return nil, l.rollError(doing, err)
	}
	segments := make([]*segment, len(v.segments)+1)
	copy(segments, v.segments)
	segments[len(v.segments)] = next
	v = &view{segments: segments, size: 0, end: max(v.end, base), cuts: v.cuts}
	l.publish(v)
	l.logger.Debug("rolled a segment", zap.String("segment", s.path(extLog)), zap.String("reason", reason), zap.Int64("offset", base))
	if l.flushSoon != nil {
		l.flushSoon(l)
		return v, nil
	}
	return v, l.flush()
}

// rollError leaves the log as it was when the disk is full: whatever was written
// is written again at the next attempt.
func (l *Log) rollError(doing string, err error) error {
	if vfs.IsNoSpace(err) {
		return storageError(doing, err)
	}
	return l.fail(doing, err)
}
