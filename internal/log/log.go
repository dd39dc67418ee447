package log

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// Log is one partition's log. All methods are safe for concurrent use; those that
// read never wait for those that write.
//
// Offsets, in their order: log start ≤ last stable ≤ high watermark ≤ log end,
// and recovery point ≤ log end. Ends are exclusive.
type Log struct {
	fs                     vfs.FS
	dir                    string
	tp                     protocol.TopicPartition
	logger                 *zap.Logger
	nowMs                  func() int64
	producerIDExpirationMs func() int64
	flushSoon              func(*Log)
	removeLater            func(names []string, delayMs int64)
	truncating             func(l *Log, offset int64) error
	directory              *directory

	topicID atomic.Pointer[[16]byte]
	config  atomic.Pointer[config.Topic]
	view    atomic.Pointer[view]
	epochs  leaderEpochs

	logStart      atomic.Int64
	highWatermark atomic.Int64
	firstUnstable atomic.Int64 // of the transactions; MaxInt64 without one
	recoveryPoint atomic.Int64
	unreplicated  atomic.Bool           // there are ended transactions at or above the high watermark
	closed        atomic.Pointer[error] // why nothing goes any more
	successor     atomic.Pointer[Log]   // the same partition in another log directory, once it has moved
	moving        atomic.Bool           // it is being copied to another log directory: nothing may be cleaned
	hints         [hintSlots]atomic.Pointer[hint]
	lastFlushMs   atomic.Int64

	flushMu sync.Mutex // held by the one flush; taken after mu, if both are

	mu        sync.Mutex
	producers producers // guarded by mu
	updates   []update  // guarded by mu: reused by each append, nil until a producer has an id
	// verifications are by producer id, those of transactions that are about to begin here; lastGuard was given out last. Guarded by mu.
	verifications map[int64]*verification
	lastGuard     uint64
	rollJitterMs  int64 // guarded by mu
	unsyncedDir   bool  // guarded by flushMu: the directory's own name was not synced
}

// view is what a reader sees of a log at one moment. It never changes.
type view struct {
	segments []*segment // at least one; ascending by base offset
	size     int64      // bytes in the last segment
	end      int64      // log end offset
	cuts     int        // how often the log was truncated: positions from before do not hold
}

func (v *view) active() *segment { return v.segments[len(v.segments)-1] }

// floor returns the number of the segment that may hold offset: the last one that
// begins at or before it, or the first.
func (v *view) floor(offset int64) int {
	lo, hi := 0, len(v.segments)
	for lo < hi {
		mid := (lo + hi) / 2
		if v.segments[mid].base <= offset {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return max(lo-1, 0)
}

// sizeOf returns the bytes of segment i.
func (v *view) sizeOf(i int) int64 {
	if i == len(v.segments)-1 {
		return v.size
	}
	return v.segments[i].size.Load()
}

// endOf returns the end offset of segment i: one past its last, or where the next
// one begins.
func (v *view) endOf(i int) int64 {
	if i == len(v.segments)-1 {
		return v.end
	}
	return v.segments[i+1].base
}

func newLog(fsys vfs.FS, dir string, o Options) *Log {
	l := &Log{
		fs: fsys, dir: dir, nowMs: o.NowMs, producerIDExpirationMs: o.ProducerIDExpirationMs,
		flushSoon: o.FlushSoon, removeLater: o.RemoveLater, truncating: o.Truncating, directory: o.directory,
	}
	if tp, ok := parseDirName(path.Base(dir)); ok {
		l.tp = tp
		l.logger = o.Logger.With(tp.Fields()...)
	} else if tp, ok := parseFutureName(path.Base(dir)); ok {
		l.tp = tp
		l.logger = o.Logger.With(append(tp.Fields(), zap.String("dir", dir))...)
	} else {
		l.logger = o.Logger.With(zap.String("dir", dir))
	}
	l.topicID.Store(&o.TopicID)
	l.epochs.entries.Store(&[]epochStart{})
	l.firstUnstable.Store(math.MaxInt64)
	l.lastFlushMs.Store(l.nowMs())
	l.SetConfig(o.Config)
	return l
}

// check returns why the log cannot be used, nil when it can.
func (l *Log) check() error {
	if e := l.closed.Load(); e != nil {
		return *e
	}
	return l.directory.err()
}

// fail takes the log directory offline after an error that leaves it unknown what
// is on the disk, and returns it as KAFKA_STORAGE_ERROR.
func (l *Log) fail(doing string, err error) error {
	err = storageError(doing, err)
	if l.directory.fail(fmt.Errorf("the log directory is offline after a failure: %w", err)) {
		l.logger.Error("log directory goes offline: restart after the disk is repaired", zap.String("dir", l.dir), zapErr(err))
	}
	return err
}

// Dir returns the partition's directory.
func (l *Log) Dir() string { return l.dir }

// TopicID returns the topic's id from partition.metadata, zero when there is none.
func (l *Log) TopicID() [16]byte { return *l.topicID.Load() }

// SetTopicID writes partition.metadata for a directory that has none: one of Kafka
// 2.8 with ZooKeeper, or one whose creation a crash cut short.
func (l *Log) SetTopicID(id [16]byte) error {
	if err := writePartitionMetadata(l.fs, l.dir, id); err != nil {
		return storageError("write partition.metadata of "+l.dir, err)
	}
	l.topicID.Store(&id)
	return nil
}

// SetConfig replaces the topic's configuration.
func (l *Log) SetConfig(c config.Topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.config.Load(); old == nil || old.SegmentJitterMs != c.SegmentJitterMs || maxSegmentMs(old) != maxSegmentMs(&c) {
		l.rollJitterMs = 0
		if j := min(c.SegmentJitterMs, maxSegmentMs(&c)); j > 0 {
			l.rollJitterMs = rand.Int64N(j)
		}
	}
	l.config.Store(&c)
}

// StartOffset returns the first offset that is still there.
func (l *Log) StartOffset() int64 { return l.logStart.Load() }

// EndOffset returns the offset that the next record will get.
func (l *Log) EndOffset() int64 { return l.view.Load().end }

// HighWatermark returns the end of what is committed.
func (l *Log) HighWatermark() int64 { return l.highWatermark.Load() }

// LastStableOffset returns the end of what readers of committed transactions may
// read: the first offset of the first transaction that is not decided, or whose
// decision is not committed, else the high watermark.
func (l *Log) LastStableOffset() int64 {
	return min(l.highWatermark.Load(), max(l.firstUnstable.Load(), l.logStart.Load()))
}

// SetHighWatermark moves the high watermark up to o, but not beyond the log end,
// and returns what it is now. It never moves back.
func (l *Log) SetHighWatermark(o int64) int64 {
	o = min(o, l.EndOffset())
	for {
		old := l.highWatermark.Load()
		if o <= old {
			return old
		}
		if l.highWatermark.CompareAndSwap(old, o) {
			break
		}
	}
	if l.unreplicated.Load() {
		l.mu.Lock()
		l.updateUnstable()
		l.mu.Unlock()
	}
	return o
}

// updateUnstable brings the last stable offset up to date. l.mu must be held.
func (l *Log) updateUnstable() {
	l.producers.replicated(l.highWatermark.Load())
	l.firstUnstable.Store(l.producers.firstUnstableOffset())
	l.unreplicated.Store(len(l.producers.unreplicated) > 0)
}

// LeaderEpoch returns the latest leader epoch, −1 when there is none.
func (l *Log) LeaderEpoch() int32 { return l.epochs.latest() }

// AssignLeaderEpoch notes that a leader epoch begins at startOffset. It reaches the
// disk with the next flush, or with the epoch's first batch.
func (l *Log) AssignLeaderEpoch(epoch int32, startOffset int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(); err != nil {
		return err
	}
	if epoch < 0 || startOffset < 0 {
		return fmt.Errorf("leader epoch %d at offset %d", epoch, startOffset)
	}
	l.epochs.assign(epoch, startOffset)
	return nil
}

// EpochAt returns the leader epoch of a record at offset, −1 when it is not known.
func (l *Log) EpochAt(offset int64) int32 { return l.epochs.at(offset) }

// EndOffsetForEpoch returns the largest leader epoch not above the one asked for
// and the end of what was written in it, −1 and −1 when the log does not know
// (KIP-101, KIP-279).
func (l *Log) EndOffsetForEpoch(epoch int32) (epochFound int32, endOffset int64) {
	return l.epochs.endOffset(epoch, l.EndOffset())
}

// Producers returns what the log remembers of producers, in no order.
func (l *Log) Producers() []ProducerState {
	l.mu.Lock()
	defer l.mu.Unlock()
	if next := l.successor.Load(); next != nil {
		return next.Producers() // it has them now
	}
	states := make([]ProducerState, 0, len(l.producers.byID))
	for id, p := range l.producers.byID {
		states = append(states, p.state(id))
	}
	return states
}

// SizeBytes returns the size of all segments.
func (l *Log) SizeBytes() int64 {
	v := l.view.Load()
	sum := int64(0)
	for i := range v.segments {
		sum += v.sizeOf(i)
	}
	return sum
}

// publish shows readers a new state. l.mu must be held.
func (l *Log) publish(v *view) { l.view.Store(v) }

// Close flushes the log and writes what makes the next start a clean one: the last
// entries of the indexes and a snapshot of the producers. Readers that hold a
// Region keep it. Closing twice is harmless.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed.Load() != nil {
		return nil
	}
	l.closed.Store(&ErrClosed)
	defer l.closeFiles()
	if err := l.directory.err(); err != nil {
		return err
	}
	v := l.view.Load()
	s := v.active()
	if !s.finished() {
		if err := errors.Join(s.load(), s.finishIndexes(false)); err != nil {
			return l.fail("close "+l.dir, err)
		}
	}
	if err := errors.Join(s.trim(), l.takeSnapshot(false)); err != nil {
		return l.fail("close "+l.dir, err)
	}
	// Oldest segment first: a power cut now should cost the log's end and not its
	// middle.
	if err := l.flush(); err != nil {
		return err
	}
	if s.appended {
		// The next start trusts the indexes and the snapshot: they must be durable.
		if err := l.syncSegment(s, true, v.end); err != nil {
			return l.fail("close "+l.dir, err)
		}
	}
	return nil
}

func (l *Log) closeFiles() {
	for _, s := range l.view.Load().segments {
		s.closeFiles()
	}
}

// closeForDelete ends the use of a log whose directory goes away.
func (l *Log) closeForDelete() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushMu.Lock() // a flush on its way comes to its end first
	defer l.flushMu.Unlock()
	l.leave(&errDeleted)
}

// leave ends the use of the log's files. l.mu and l.flushMu must be held.
func (l *Log) leave(why *error) {
	// Kafka opens a directory on its way out like any other, and recovers one without indexes. It will be removed either way: an error is none.
	if s := l.view.Load().active(); l.check() == nil && !s.finished() && s.load() == nil {
		_ = errors.Join(s.finishIndexes(false), s.trim())
	}
	l.closed.Store(why)
	for _, s := range l.view.Load().segments {
		s.log.remove()
		s.offsets.file.remove()
		s.times.file.remove()
	}
}

// CloseIdleFiles closes files that nobody has used since the last call.
func (l *Log) CloseIdleFiles() {
	v := l.view.Load()
	flushed := l.recoveryPoint.Load()
	for i, s := range v.segments {
		// A file with unsynced data stays open: a write error that the kernel meets
		// later is reported to the descriptors open then.
		s.closeIdle(v.endOf(i) > flushed)
	}
}

// ExpireProducers forgets producers that have been silent for too long.
func (l *Log) ExpireProducers(nowMs int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.producers.expire(nowMs, l.producerIDExpirationMs())
	l.expireVerifications(nowMs)
}
