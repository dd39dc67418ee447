package log

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/protocol"
)

// Move takes a partition from one log directory of the node to another, while it is
// written and read:
//
//	/d1/test-0                       the log, in use
//	/d2/test-0.<32 hex>-future       the copy: Copy appends to it what it lacks
//
// When the copy has caught up, Finish stops appends for a moment, copies the rest
// and lets the copy take over:
//
//	/d2/test-0.<32 hex>-future  →  /d2/test-0           synced: from here on it counts
//	/d1/test-0                  →  /d1/test-0.<32 hex>-delete
//
// Readers go on with the files that they have open. A crash before the first step
// leaves a copy that the next start goes on with; one between the two leaves two
// logs of which both have everything (see Manager.settle).
//
// A Move belongs to one goroutine.
type Move struct {
	m        *Manager
	tp       protocol.TopicPartition
	from, to *Log
	dir      *logDir
	matched  bool // the copy was compared with the log since its last truncation
	cuts     int  // of the log when it was
	buf      []byte
}

// finishBytes is how much Finish copies while appends wait.
const finishBytes = 4 << 20

// copyBytes is how much Finish copies at a time.
const copyBytes = 1 << 20

// Moving returns the log directory that a partition is on its way to, if it is.
func (m *Manager) Moving(tp protocol.TopicPartition) (dir string, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if f := m.mu.futures[tp]; f != nil && m.mu.logs[tp] != nil {
		return f.directory.path, true
	}
	return "", false
}

// StartMove begins to move a partition to the log directory of that path, or goes on
// with a move there that an earlier start began. It returns nil for a partition that
// lies there already. From now on it is not compacted.
//
// Errors: kerr.LogDirNotFound; kerr.KafkaStorageError, also when any log directory is
// offline; kerr.ReplicaNotAvailable for a partition that is not here;
// kerr.InvalidTopicException for a name that leaves no room for that of the copy. A
// move to a third directory must be abandoned before.
func (m *Manager) StartMove(tp protocol.TopicPartition, dir string) (*Move, error) {
	m.lifecycle.Lock()
	defer m.lifecycle.Unlock()
	d, err := m.dirNamed(dir)
	if err != nil {
		return nil, err
	}
	m.mu.RLock()
	from, to := m.mu.logs[tp], m.mu.futures[tp]
	m.mu.RUnlock()
	switch {
	case from == nil:
		return nil, fmt.Errorf("%s is not on this node: %w", tp, kerr.ReplicaNotAvailable)
	case from.check() != nil:
		return nil, from.check()
	case from.directory == &d.directory:
		return nil, nil
	case to != nil && to.directory != &d.directory:
		return nil, fmt.Errorf("%s is on its way to %s: %w", tp, to.directory.path, kerr.KafkaStorageError)
	case to == nil && m.HasOfflineDirs():
		// There might be another copy in there.
		return nil, fmt.Errorf("a log directory is offline, so that no partition can be moved: %w", kerr.KafkaStorageError)
	case to == nil:
		if to, err = m.createFuture(d, from); err != nil {
			return nil, err
		}
	}
	from.moving.Store(true)
	m.mu.Lock()
	m.mu.futures[tp] = to
	delete(m.mu.preferred, tp)
	m.mu.Unlock()
	m.cleaning.abort(from)
	return &Move{m: m, tp: tp, from: from, to: to, dir: d}, nil
}

func (m *Manager) createFuture(d *logDir, from *Log) (*Log, error) {
	if err := CheckMovable(from.tp); err != nil {
		return nil, err
	}
	base, _ := futureName(from.tp)
	name := d.path + "/" + base
	o := m.logOptions(d, *from.config.Load())
	o.TopicID, o.LogStartOffset = from.TopicID(), from.StartOffset()
	l, err := create(m.fs, name, o.withDefaults())
	if err != nil {
		_ = m.fs.RemoveAll(name) // the next start would take it for a move
		return nil, err
	}
	return l, nil
}

// To returns the directory.id of the directory that the partition goes to.
func (v *Move) To() [16]byte { return v.dir.id }

// Target returns the path of that directory.
func (v *Move) Target() string { return v.dir.path }

// Failed reports whether it is the target that cannot be used.
func (v *Move) Failed() bool { return v.dir.err() != nil }

// Copy appends the next batches of the log to the copy, at most maxBytes but for a
// batch that is larger, and returns how many bytes that were: 0 when there is nothing
// left to copy. The copy follows truncations of the log (KIP-101) and DeleteRecords.
//
// Errors: kerr.UnknownTopicOrPartition when the partition was deleted,
// kerr.KafkaStorageError.
func (v *Move) Copy(maxBytes int32) (n int, err error) {
	if err := v.to.check(); err != nil {
		return 0, err
	}
	cuts := v.from.view.Load().cuts
	if !v.matched || v.cuts != cuts {
		if err := v.match(); err != nil {
			return 0, err
		}
		v.matched, v.cuts = true, cuts
	}
	next := v.to.EndOffset()
	if start := v.from.StartOffset(); next < start { // deleted before they were copied
		if err := v.to.TruncateFullyAt(start); err != nil {
			return 0, err
		}
		next = start
	}
	r, err := v.from.Read(next, v.from.EndOffset(), maxBytes, true)
	if errors.Is(err, kerr.OffsetOutOfRange) { // the log has become shorter just now
		v.matched = false
		return 1, nil
	}
	if err != nil {
		return 0, err
	}
	v.buf, err = r.AppendTo(v.buf[:0])
	r.Release()
	if v.from.view.Load().cuts != cuts { // what was read may have been cut off
		v.matched = false
		return 1, nil
	}
	if err != nil || len(v.buf) == 0 {
		return 0, err
	}
	if err := v.append(next); err != nil {
		return 0, err
	}
	v.to.SetHighWatermark(v.from.HighWatermark())
	return len(v.buf), nil
}

// append appends what was read at offset next.
func (v *Move) append(next int64) error {
	base := protocol.Batch(v.buf).BaseOffset()
	if base < next && v.to.SizeBytes() == 0 { // the log starts within a batch
		if err := v.to.TruncateFullyAt(base); err != nil {
			return err
		}
	}
	c := *v.from.config.Load()
	c.SegmentBytes = max(c.SegmentBytes, int64(len(v.buf))) // it may be smaller than when the batch was written
	if was := v.to.config.Load(); was == nil || *was != c {
		v.to.SetConfig(c)
	}
	_, err := v.to.AppendAsFollower(v.buf)
	return err
}

// match cuts off what the copy has and the log has not: both say with their leader
// epochs where they part.
func (v *Move) match() error {
	for {
		epoch, end := v.to.LeaderEpoch(), v.to.EndOffset()
		until := min(end, v.from.EndOffset())
		found := epoch
		if epoch >= 0 {
			found, until = v.from.EndOffsetForEpoch(epoch)
			if found < 0 { // the log knows of no epoch as late
				return v.to.TruncateFullyAt(v.from.StartOffset())
			}
		}
		if _, endThere := v.to.EndOffsetForEpoch(found); found < epoch && endThere >= 0 {
			until = min(until, endThere)
		}
		if until < end {
			if err := v.to.TruncateTo(until); err != nil {
				return err
			}
		}
		if found == epoch || v.to.LeaderEpoch() == epoch {
			return nil
		}
	}
}

// Finish lets the copy take over, and reports whether it has: not when the copy was
// too far behind.
//
// Errors: as of Copy. After an error the partition stays where it was.
func (v *Move) Finish() (done bool, err error) {
	// Most of the waiting for the disk is done while appends go on.
	if err := v.to.Flush(); err != nil {
		return false, err
	}
	if err := v.m.checkpoint(v.dir, startOffsetFile, highWatermarkFile); err != nil {
		return false, err
	}
	v.m.lifecycle.Lock()
	defer v.m.lifecycle.Unlock()
	next, err := v.replace()
	if next == nil {
		return false, err
	}
	v.m.mu.Lock()
	v.m.mu.logs[v.tp] = next
	delete(v.m.mu.futures, v.tp)
	v.m.mu.Unlock()
	v.m.moveCleaned(v.from, next)
	v.from.logger.Info("moved a partition to another log directory", zap.String("from", v.from.dir), zap.String("to", next.dir), zap.Int64("log_end_offset", next.EndOffset()))

	name := v.from.directory.path + "/" + suffixedName(v.tp, suffixDelete)
	if err := v.m.fs.Rename(v.from.dir, name); err != nil {
		// Should it be there at the next start, then the log that is in use is longer.
		for _, d := range v.m.dirs {
			if &d.directory == v.from.directory {
				_ = v.m.failDir(d, "rename "+v.from.dir+" after a move", err) // told
			}
		}
		return true, nil
	}
	v.m.removeLater([]string{name}, next.config.Load().FileDeleteDelayMs)
	return true, nil
}

// replace stops the log and returns the one that goes on, nil when the log does. The
// copy's locks are taken within the log's own: nobody else has both.
func (v *Move) replace() (*Log, error) {
	from, to := v.from, v.to
	from.mu.Lock()
	defer from.mu.Unlock()
	from.flushMu.Lock()
	defer from.flushMu.Unlock()
	if err := errors.Join(from.check(), to.check()); err != nil {
		return nil, err
	}
	for sum := 0; ; {
		n, err := v.Copy(copyBytes)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		if sum += n; sum > finishBytes {
			return nil, nil
		}
	}
	if err := v.inherit(); err != nil {
		return nil, err
	}
	// Who has read from the log before it moved may still ask for these.
	for _, s := range from.view.Load().segments {
		txns, err := s.abortedTxns()
		if err != nil {
			return nil, err
		}
		s.leftTxns.Store(&txns)
	}
	next, err := v.m.reopen(v.dir, to, *from.config.Load())
	if err != nil {
		for _, s := range from.view.Load().segments {
			s.leftTxns.Store(nil) // they stay
		}
		return nil, err
	}
	next.takeOver(from)
	from.recoveryPoint.Store(next.RecoveryPoint()) // who waits for a flush has one
	from.successor.Store(next)
	next.SetHighWatermark(from.HighWatermark())
	from.leave(&ErrMoved)
	return next, nil
}

// takeOver takes what a log has in memory and the disk does not say again: the leader
// epoch that nothing was written in yet, and all of its producers with their last
// batches. Only l has them from then on. The locks of from must be held.
func (l *Log) takeOver(from *Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epochs.set(slices.Clone(from.epochs.list()))
	snapshotEnd := l.producers.snapshotEnd
	l.producers = from.producers
	l.producers.snapshotEnd = snapshotEnd
	from.producers = producers{}
	l.updateUnstable()
}

// inherit gives the copy what does not follow from the batches: leader epochs without
// any, the log's start and end.
func (v *Move) inherit() error {
	v.to.mu.Lock()
	defer v.to.mu.Unlock()
	view, end := v.to.view.Load(), v.from.EndOffset()
	if view.end < end { // nothing is left at the log's end, but offsets are not given twice
		if _, err := v.to.roll(view, end, "move"); err != nil {
			return err
		}
	}
	v.to.epochs.set(slices.Clone(v.from.epochs.list()))
	v.to.raiseStart(v.from.StartOffset())
	v.to.epochs.truncateStart(v.from.StartOffset())
	// A disk that is full should be noticed while there is a way back.
	active := v.to.view.Load().active()
	err := errors.Join(active.load(), active.finishIndexes(false), v.to.takeSnapshot(false))
	if err == nil {
		_, err = v.to.epochs.write(v.to.fs, v.to.dir, end, true)
	}
	if err != nil {
		return v.to.rollError("finish the copy in "+v.to.dir, err)
	}
	return nil
}

// Abandon ends a move that is not wanted any more, or cannot go on, and removes the
// copy, unless its directory has failed. The partition stays where it is.
func (v *Move) Abandon() {
	v.m.lifecycle.Lock()
	defer v.m.lifecycle.Unlock()
	v.m.mu.RLock()
	mine := v.m.mu.futures[v.tp] == v.to
	v.m.mu.RUnlock()
	if mine {
		v.m.discardFuture(v.tp)
	}
}

// discardFuture removes the copy of a partition that is on its way, if there is one.
// m.lifecycle must be held.
func (m *Manager) discardFuture(tp protocol.TopicPartition) {
	m.mu.Lock()
	l, from := m.mu.futures[tp], m.mu.logs[tp]
	delete(m.mu.futures, tp)
	m.mu.Unlock()
	if l == nil {
		return
	}
	if from != nil {
		from.moving.Store(false)
	}
	if l.directory.err() != nil {
		l.closeForDelete()
		return
	}
	m.putAside(l, suffixDelete)
}

// moveCleaned takes what is known of a log's compaction to its new log directory.
func (m *Manager) moveCleaned(from, to *Log) {
	there := m.cleanedOf(to)
	offset, _ := m.cleanedOf(from).get(from.tp)
	err := there.forget(to.tp)
	if err == nil && offset >= 0 {
		_, generation := there.get(to.tp)
		err = there.set(to.tp, offset, generation)
	}
	if err = errors.Join(err, m.cleanedOf(from).forget(from.tp)); err != nil {
		m.logger.Warn("cannot note up to where a moved log was cleaned: it is cleaned anew", append(to.tp.Fields(), zapErr(err))...)
	}
}

// Successor returns the log that has taken the place of this one, nil when none has.
func (l *Log) Successor() *Log { return l.successor.Load() }

// latest returns the last of the log's successors, or the log itself.
func (l *Log) latest() *Log {
	for next := l.successor.Load(); next != nil; next = l.successor.Load() {
		l = next
	}
	return l
}

// Pay waits until n bytes that were copied are within a rate that all moves share.
// As in Kafka, it is that over alter.log.dirs.replication.quota.window.num − 1 samples
// of alter.log.dirs.replication.quota.window.size.seconds each, so that what a move
// did not use of it in that time it may use at once.
func (v *Move) Pay(ctx context.Context, n int, bytesPerSecond int64) error {
	c := v.m.config()
	samples := c.Int("alter.log.dirs.replication.quota.window.num") - 1
	window := time.Duration(samples) * time.Duration(c.Int("alter.log.dirs.replication.quota.window.size.seconds")) * time.Second
	return v.m.moveThrottle.payWithin(ctx, n, float64(bytesPerSecond), max(window, throttleBurst))
}

// CheckMovable returns nil for a partition whose name leaves room for that of a copy.
//
// Errors: kerr.InvalidTopicException.
func CheckMovable(tp protocol.TopicPartition) error {
	if _, ok := futureName(tp); !ok {
		return fmt.Errorf("the topic name of %s is too long for a move: %w", tp, kerr.InvalidTopicException)
	}
	return nil
}

// SameDir reports whether two paths name the same one of log.dirs.
func (m *Manager) SameDir(a, b string) bool {
	return absolute(cleanDir(a)) == absolute(cleanDir(b))
}
