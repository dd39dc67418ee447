package log

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// How cleaned segments get into the log, so that a crash after any step leaves a
// log that Open completes (see finishSwaps) and Kafka does too:
//
//	1  write x.log.cleaned, its indexes too, and sync them   → Open removes them
//	2  rename all to x.log.swap …                            → removes them, until the last has its name
//	3  rename the replaced segments' files to ….deleted      → Open does 3 and 4 for the .swap files
//	4  rename x.log.swap … to x.log …, the log first         → Open does 4 for the rest
//	5  sync the directory; remove ….deleted after a delay    → Open removes them
//
// Open takes .swap files for incomplete while there are .cleaned ones at or below
// their offset, hence none may be left from earlier when a swap begins.

// cleanedExts are the files of a segment, in the order in which they are renamed.
var cleanedExts = segmentExts[:4]

// cleanedSegment is a segment that is being written under names with .cleaned. Its
// indexes gather in memory: no more than twice segment.index.bytes.
type cleanedSegment struct {
	*segment
	written       int64 // bytes in the log file
	interval      int64
	offsetEntries []byte
	timeEntries   []byte
	lastTimeMs    int64           // of the last entry in timeEntries
	maximum       timestampOffset // as segment.largest
	sinceIndex    int64           // as segment.bytesSinceIndex
	txns          []AbortedTxn
	inPlace       bool // it is a segment of the log now
}

func createCleaned(fsys vfs.FS, dir string, base, interval int64) (*cleanedSegment, error) {
	s := &cleanedSegment{segment: newSegment(fsys, dir, base, 0), interval: interval, lastTimeMs: noTimestamp}
	s.maximum = timestampOffset{noTimestamp, base}
	return s, s.create(&s.log, extLog)
}

func (s *cleanedSegment) path(ext string) string { return s.segment.path(ext) + extCleaned }

// create makes a file and leaves it open: readers will find it open whatever its
// name is at the moment.
func (s *cleanedSegment) create(f *file, ext string) error {
	created, err := s.fs.Create(s.path(ext))
	if err != nil {
		return err
	}
	h := &handle{File: created}
	h.refs.Store(1)
	f.open.Store(h)
	f.used.Store(true)
	return nil
}

// note enters a batch into the indexes that will be written at byte at of the next
// write, as noteBatch does for a segment that is appended to.
func (s *cleanedSegment) note(b protocol.Batch, at int64) error {
	position := s.written + at
	if position+int64(len(b)) > math.MaxInt32 || b.LastOffset()-s.base > math.MaxInt32 {
		return fmt.Errorf("the cleaned segment %s would be too large for its index", s.path(extLog))
	}
	if b.MaxTimestampMs() > s.maximum.timestampMs {
		s.maximum = timestampOffset{b.MaxTimestampMs(), b.LastOffset()}
	}
	if s.sinceIndex > s.interval {
		e := putOffsetEntry(b.LastOffset()-s.base, position)
		s.offsetEntries = append(s.offsetEntries, e[:]...)
		s.noteTime()
		s.sinceIndex = 0
	}
	s.sinceIndex += int64(len(b))
	return nil
}

func (s *cleanedSegment) noteTime() {
	if s.maximum.timestampMs <= s.lastTimeMs {
		return
	}
	s.timeEntries = binary.BigEndian.AppendUint64(s.timeEntries, uint64(s.maximum.timestampMs))
	s.timeEntries = binary.BigEndian.AppendUint32(s.timeEntries, uint32(s.maximum.offset-s.base))
	s.lastTimeMs = s.maximum.timestampMs
}

func (s *cleanedSegment) write(p []byte) error {
	if _, err := s.log.open.Load().WriteAt(p, s.written); err != nil {
		return err
	}
	s.written += int64(len(p))
	return nil
}

// finish writes the indexes, makes everything durable and the segment ready for
// readers.
func (s *cleanedSegment) finish() error {
	s.noteTime()
	if err := s.log.open.Load().Sync(); err != nil {
		return err
	}
	for _, x := range []struct {
		*index
		ext     string
		width   int
		entries []byte
	}{{&s.offsets, extIndex, offsetEntryBytes, s.offsetEntries}, {&s.times, extTimeIndex, timeEntryBytes, s.timeEntries}} {
		if err := s.create(&x.file, x.ext); err != nil {
			return err
		}
		if err := writeSynced(x.file.open.Load(), x.entries); err != nil {
			return err
		}
		x.exists.Store(true)
		x.state.Store(&indexState{written: len(x.entries) / x.width})
	}
	if len(s.txns) > 0 {
		var entries []byte
		for _, t := range s.txns {
			e := t.encode()
			entries = append(entries, e[:]...)
		}
		f, err := s.fs.Create(s.path(extTxnIndex))
		if err != nil {
			return err
		}
		err = writeSynced(f, entries)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		s.txnBytes.Store(int64(len(entries)))
	}
	s.size.Store(s.written)
	s.largest.Store(&s.maximum)
	s.loaded.Store(true)
	return nil
}

func writeSynced(f vfs.File, p []byte) error {
	if len(p) > 0 {
		if _, err := f.WriteAt(p, 0); err != nil {
			return err
		}
	}
	return f.Sync()
}

// discard removes the files, unless the segment is in place.
func (s *cleanedSegment) discard() error {
	if s.inPlace {
		return nil
	}
	s.log.remove()
	s.offsets.file.remove()
	s.times.file.remove()
	return s.removeAll(extCleaned)
}

func (s *cleanedSegment) removeAll(suffix string) error {
	var errs []error
	for _, ext := range cleanedExts {
		if err := s.fs.Remove(s.segment.path(ext) + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// renameAll renames the files from one suffix to another.
func (s *cleanedSegment) renameAll(from, to string) error {
	for _, ext := range cleanedExts {
		name := s.segment.path(ext)
		if ext == extTxnIndex && s.txnBytes.Load() == 0 {
			continue
		}
		if err := s.fs.Rename(name+from, name+to); err != nil {
			return err
		}
	}
	return nil
}

// removeCleaned removes what a cleaning that failed could not remove.
func (l *Log) removeCleaned() error {
	infos, err := l.fs.List(l.dir)
	if err != nil {
		return l.writeFailed("list "+l.dir, err)
	}
	for _, info := range infos {
		if !strings.HasSuffix(info.Name, extCleaned) {
			continue
		}
		if err := l.fs.Remove(l.dir + "/" + info.Name); err != nil {
			return l.writeFailed("remove "+l.dir+"/"+info.Name, err)
		}
	}
	return nil
}

// writeFailed is l.fail, but for a full disk: that does no harm to the log.
func (l *Log) writeFailed(doing string, err error) error {
	if l.check() != nil {
		return errCleaningAborted
	}
	if vfs.IsNoSpace(err) {
		return storageError(doing, err)
	}
	return l.fail(doing, err)
}

// replaceSegments puts a cleaned segment in the place of those that it was made
// of. Readers go on meanwhile: those that have an old segment open keep it, the
// others see the new one, whose files are open before it is shown. The old
// segments must have been loaded: making their indexes anew now would write into
// the files of the new one.
//
// Errors: errCleaningAborted when the old segments are not those of the log any
// more, or the log was truncated since cuts.
func (l *Log) replaceSegments(cuts int, old []*segment, cleaned *cleanedSegment) error {
	deleted, err := l.swap(cuts, old, cleaned)
	if err != nil {
		return err
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.fail("sync the directory "+l.dir, err)
	}
	l.logger.Debug("replaced segments by a cleaned one", zap.String("segment", cleaned.segment.path(extLog)), zap.Int("segments", len(old)), zap.Int64("bytes", cleaned.written))
	if delayMs := l.config.Load().FileDeleteDelayMs; l.removeLater != nil && delayMs > 0 {
		l.removeLater(deleted, delayMs)
		return nil
	}
	for _, name := range deleted {
		if err := l.fs.Remove(name); err != nil {
			return l.fail("remove "+name, err)
		}
	}
	return nil
}

func (l *Log) swap(cuts int, old []*segment, cleaned *cleanedSegment) (deleted []string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.view.Load()
	at := slices.Index(v.segments, old[0])
	if l.check() != nil || v.cuts != cuts || at < 0 || at+len(old) >= len(v.segments) || !slices.Equal(v.segments[at:at+len(old)], old) {
		return nil, errCleaningAborted
	}
	cleaned.modifiedMs.Store(old[len(old)-1].modifiedMs.Load())
	cleaned.createdMs = old[0].createdMs
	if err := cleaned.renameAll(extCleaned, extSwap); err != nil {
		if undo := cleaned.removeAll(extSwap); undo != nil {
			return nil, l.fail("put a cleaned segment into "+l.dir, errors.Join(err, undo))
		}
		return nil, l.writeFailed("put a cleaned segment into "+l.dir, err)
	}
	cleaned.inPlace = true
	// Who must open a file of the new segment waits until it has its name.
	for _, f := range []*file{&cleaned.log, &cleaned.offsets.file, &cleaned.times.file} {
		f.mu.Lock()
		defer f.mu.Unlock()
	}
	cleaned.leftTxns.Store(&cleaned.txns) // until the index has its name, too
	l.publish(&view{segments: slices.Concat(v.segments[:at], []*segment{cleaned.segment}, v.segments[at+len(old):]), size: v.size, end: v.end, cuts: v.cuts})
	for i, s := range old {
		exts := segmentExts[:]
		if i == 0 {
			exts = cleanedExts // the snapshot belongs to the offset, where a segment still begins
		}
		names, err := s.leave(exts)
		if err != nil {
			return nil, l.fail("rename a replaced segment of "+l.dir, err)
		}
		deleted = append(deleted, names...)
	}
	if err := cleaned.renameAll(extSwap, ""); err != nil {
		return nil, l.fail("put a cleaned segment into "+l.dir, err)
	}
	cleaned.leftTxns.Store(nil)
	return deleted, nil
}
