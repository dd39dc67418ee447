package log

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/gokafka/gokafka/internal/vfs"
)

// The files of a segment, and what a file of a removed segment ends with.
const (
	extLog       = ".log"
	extIndex     = ".index"
	extTimeIndex = ".timeindex"
	extTxnIndex  = ".txnindex"
	extSnapshot  = ".snapshot"
	extDeleted   = ".deleted"
)

var segmentExts = [...]string{extLog, extIndex, extTimeIndex, extTxnIndex, extSnapshot}

// segment is one log file and its indexes. The last segment of a log is written
// to, under Log.mu; the others never change but for being removed. What readers
// need is atomic or behind a lock of its own.
type segment struct {
	fs   vfs.FS
	dir  string
	base int64 // first offset that may be in it; its file's name

	size       atomic.Int64 // bytes of whole batches; of the last segment readers take view.size
	modifiedMs atomic.Int64 // of the last append
	txnBytes   atomic.Int64 // of whole entries in the transaction index, which is there if there are any
	log        file
	offsets    index
	times      index

	loadMu sync.Mutex  // held while the indexes are looked at for the first time
	loaded atomic.Bool // the indexes may be used
	// lastRelative is the last offset in the offset index, a guide for searching
	// it; 0 when unknown.
	lastRelative atomic.Int32
	largest      atomic.Pointer[timestampOffset] // of the batches; nil until the indexes were loaded
	leftTxns     atomic.Pointer[[]AbortedTxn]    // of a segment that has left the log, or is entering it: what its index holds
	misfit       atomic.Pointer[CorruptionError] // why the offset index is not used

	// The rest belongs to the writer and is guarded by Log.mu.
	createdMs       int64
	firstTimestamp  int64 // largest of the first batch, which segment.ms counts from; unknown below −1
	bytesSinceIndex int64 // since the batch that has the last entry of the offset index
	appended        bool  // since it was opened
	unmade          bool  // the log file is not there: the first append makes it
	preallocated    bool  // the log file is larger than what it holds
	toldMisfit      bool  // misfit was logged
	staleTxns       bool  // there is a transaction index without an entry

	// Guarded by Log.flushMu:
	unsyncedName    bool // the directory was not synced since the file was made
	unsyncedIndexes bool // the indexes were not synced since the segment was the last one
}

const unknownTimestamp = -2

func newSegment(fsys vfs.FS, dir string, base int64, nowMs int64) *segment {
	s := &segment{fs: fsys, dir: dir, base: base, createdMs: nowMs, firstTimestamp: unknownTimestamp}
	s.modifiedMs.Store(nowMs)
	return s
}

// firstSegment is the segment of a log without records. One that begins at offset 0
// has no files until something is appended: thousands of partitions that are made
// and not written to cost nothing but their directories. (Kafka makes what it
// misses; had it a log file without indexes it would tell of an error.) Another
// offset must be kept, as the name of a file.
func firstSegment(fsys vfs.FS, dir string, base, nowMs, preallocation int64) (*segment, error) {
	if base > 0 {
		return createSegment(fsys, dir, base, nowMs, preallocation)
	}
	s := newSegment(fsys, dir, base, nowMs)
	s.unmade, s.unsyncedName, s.unsyncedIndexes = true, true, true
	s.setEmpty()
	return s, nil
}

// createSegment makes the log file; indexes are made with their first entry.
func createSegment(fsys vfs.FS, dir string, base, nowMs, preallocation int64) (*segment, error) {
	s := newSegment(fsys, dir, base, nowMs)
	f, err := fsys.Create(s.path(extLog))
	if err != nil {
		return nil, err
	}
	err = s.preallocate(f, preallocation)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	s.unsyncedName, s.unsyncedIndexes = true, true
	s.setEmpty()
	return s, nil
}

// setEmpty makes the indexes those of an empty segment without touching a file.
func (s *segment) setEmpty() {
	s.offsets.state.Store(&indexState{})
	s.times.state.Store(&indexState{})
	s.largest.Store(&timestampOffset{noTimestamp, s.base})
	s.firstTimestamp, s.bytesSinceIndex = unknownTimestamp, 0
	s.loaded.Store(true)
}

func segmentName(base int64) string { return fmt.Sprintf("%020d", base) }

func (s *segment) path(ext string) string { return s.dir + "/" + segmentName(s.base) + ext }

// open returns the log file, to be released.
func (s *segment) open() (*handle, error) {
	return s.log.acquire(s.fs, func() string { return s.path(extLog) }, false)
}

// openToWrite is open, and makes the file when it is not there yet.
func (s *segment) openToWrite(preallocation int64) (*handle, error) {
	h, err := s.log.acquire(s.fs, func() string { return s.path(extLog) }, s.unmade)
	if err != nil || !s.unmade {
		return h, err
	}
	s.unmade = false
	if err := s.preallocate(h, preallocation); err != nil {
		h.release()
		return nil, err
	}
	return h, nil
}

// load makes the indexes usable: it looks at the files, and makes them anew from
// the log when they are missing or cannot be right. Safe for concurrent use.
func (s *segment) load() error {
	if s.loaded.Load() {
		return nil
	}
	s.loadMu.Lock()
	defer s.loadMu.Unlock()
	if s.loaded.Load() {
		return nil
	}
	good, err := s.loadIndexes()
	if err != nil {
		return storageError("load the indexes of "+s.path(extLog), err)
	}
	if !good {
		if err := s.rebuildIndexes(defaultIndexInterval); err != nil {
			return storageError("rebuild the indexes of "+s.path(extLog), err)
		}
	}
	s.loaded.Store(true)
	return nil
}

// defaultIndexInterval is Kafka's index.interval.bytes, used where an index of a
// sealed segment is made anew.
const defaultIndexInterval = 4096

func (s *segment) loadIndexes() (ok bool, err error) {
	if ok, err = s.offsetIndex().load(s.checkOffsetEntries); !ok || err != nil {
		return false, err
	}
	if ok, err = s.timeIndex().load(s.checkTimeEntries); !ok || err != nil {
		return false, err
	}
	largest := timestampOffset{noTimestamp, s.base}
	if n := s.timeIndex().len(); n > 0 {
		e, err := s.timeIndex().entry(n - 1)
		if err != nil {
			return false, err
		}
		largest = s.timeEntry(e[:])
	} else if s.size.Load() > 0 {
		return false, nil // a sealed segment ends with an entry, unless no record has a timestamp
	}
	s.largest.Store(&largest)
	return true, nil
}

// rebuildIndexes makes both indexes from the headers of the batches.
func (s *segment) rebuildIndexes(intervalBytes int64) error {
	h, err := s.open()
	if err != nil {
		return err
	}
	defer h.release()
	if err := s.resetIndexes(); err != nil {
		return err
	}
	var failed error
	_, err = eachHeader(h, s.path(extLog), 0, s.size.Load(), func(b header) bool {
		failed = s.noteBatch(b.LastOffset(), b.MaxTimestampMs(), b.pos, int64(b.size), intervalBytes)
		return failed == nil
	})
	return errors.Join(err, failed, s.finishIndexes(true))
}

// resetIndexes empties both indexes, also on disk.
func (s *segment) resetIndexes() error {
	if err := s.offsetIndex().reset(); err != nil {
		return err
	}
	if err := s.timeIndex().reset(); err != nil {
		return err
	}
	s.largest.Store(&timestampOffset{noTimestamp, s.base})
	s.lastRelative.Store(0)
	s.bytesSinceIndex = 0
	s.misfit.Store(nil)
	return nil
}

// noteBatch enters a batch into the indexes, as LogSegment.append of Kafka does.
func (s *segment) noteBatch(lastOffset, maxTimestampMs, position, size, intervalBytes int64) error {
	if maxTimestampMs > s.largest.Load().timestampMs {
		s.largest.Store(&timestampOffset{maxTimestampMs, lastOffset})
	}
	if s.bytesSinceIndex > intervalBytes {
		s.lastRelative.Store(int32(lastOffset - s.base))
		e := putOffsetEntry(lastOffset-s.base, position)
		if err := s.offsetIndex().append(e[:]); err != nil {
			return err
		}
		if err := s.appendTime(); err != nil {
			return err
		}
		s.bytesSinceIndex = 0
	}
	s.bytesSinceIndex += size
	return nil
}

// finished reports whether the indexes are on the disk as a clean start wants them.
func (s *segment) finished() bool {
	return s.unmade || !s.appended && s.offsets.exists.Load() && s.times.exists.Load()
}

// finishIndexes writes what waits in memory, with the largest timestamp as last
// entry of the time index; both files exist then, as Kafka wants them.
func (s *segment) finishIndexes(sync bool) error {
	if err := s.appendTime(); err != nil {
		return err
	}
	for _, x := range []indexFile{s.offsetIndex(), s.timeIndex()} {
		if err := x.write(); err != nil {
			return err
		}
		if sync {
			if err := x.sync(); err != nil {
				return err
			}
			continue
		}
		if !x.exists.Load() { // an empty index has not been written yet
			h, err := x.file.acquire(s.fs, x.name, true)
			if err != nil {
				return err
			}
			h.release()
			x.exists.Store(true)
		}
	}
	return nil
}

// largestTimestamp returns the largest timestamp of the segment's records, and
// the last offset of the first batch that has it.
func (s *segment) largestTimestamp() (timestampOffset, error) {
	if err := s.load(); err != nil {
		return timestampOffset{}, err
	}
	return *s.largest.Load(), nil
}

// rollTimestamp returns what segment.ms counts from: the largest timestamp of the
// first batch, noTimestamp when that has none or the segment is empty.
func (s *segment) rollTimestamp() (int64, error) {
	if s.firstTimestamp != unknownTimestamp {
		return s.firstTimestamp, nil
	}
	if s.size.Load() == 0 {
		return noTimestamp, nil
	}
	h, err := s.open()
	if err != nil {
		return 0, err
	}
	defer h.release()
	_, err = eachHeader(h, s.path(extLog), 0, s.size.Load(), func(b header) bool {
		s.firstTimestamp = max(b.MaxTimestampMs(), noTimestamp)
		return false
	})
	return s.firstTimestamp, err
}

// closeFiles lets go of the open files; they are opened again on demand.
func (s *segment) closeFiles() {
	s.log.close()
	s.offsets.file.close()
	s.times.file.close()
}

func (s *segment) closeIdle(keepLog bool) {
	if !keepLog {
		s.log.closeIdle()
	}
	s.offsets.file.closeIdle()
	s.times.file.closeIdle()
}

// markDeleted renames the files, with the producer snapshot of the same name, so
// that no start takes them for a segment, and returns the new names.
func (s *segment) markDeleted() (names []string, err error) { return s.leave(segmentExts[:]) }

// leave is markDeleted for some of the files; the segment cannot be used any more.
// Who has a Region of it may still ask for its aborted transactions.
func (s *segment) leave(exts []string) (names []string, err error) {
	if txns, err := s.abortedTxns(); err == nil { // a damaged index must not keep a segment
		s.leftTxns.Store(&txns)
	}
	for _, ext := range exts {
		name := s.path(ext)
		err := s.fs.Rename(name, name+extDeleted)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return names, err
		}
		names = append(names, name+extDeleted)
	}
	s.log.remove()
	s.offsets.file.remove()
	s.times.file.remove()
	return names, nil
}
