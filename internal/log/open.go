package log

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/vfs"
)

// Open opens the log in dir, or makes an empty one that begins at
// o.LogStartOffset. Without o.Clean it first recovers what lies beyond the
// recovery point.
//
// Errors: *CorruptionError when a log file is damaged in the middle: no log file
// was changed then. Others are kerr.KafkaStorageError too.
func Open(fsys vfs.FS, dir string, o Options) (*Log, error) {
	o = o.withDefaults()
	infos, err := fsys.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return create(fsys, dir, o)
	}
	if err != nil {
		return nil, storageError("open the log in "+dir, err)
	}
	l := newLog(fsys, dir, o)
	ld := &loader{Log: l, o: o, indexBytes: map[string]int64{}}
	for _, step := range []func() error{
		func() error { return ld.sortFiles(infos) },
		ld.convertOldFormats,
		ld.readTopicID,
		ld.readEpochs,
		ld.checkTxnIndexes,
		ld.openSegments,
		ld.restartBelowStart,
		ld.loadProducers,
		ld.finish,
	} {
		if err := step(); err != nil {
			l.closeLoaded(ld.segments)
			return nil, storageError("open the log in "+dir, err)
		}
	}
	return l, nil
}

// create makes a new log, whose directory is not there yet. Nothing is synced:
// before the first flush nobody was promised anything, and the metadata log knows
// the partition.
func create(fsys vfs.FS, dir string, o Options) (*Log, error) {
	l := newLog(fsys, dir, o)
	if err := l.fs.MkdirAll(l.dir); err != nil {
		return nil, storageError("make the directory "+l.dir, err)
	}
	l.unsyncedDir = true
	s, err := firstSegment(l.fs, l.dir, o.LogStartOffset, l.nowMs(), preallocation(&o.Config))
	if err == nil && o.TopicID != [16]byte{} {
		err = writePartitionMetadata(l.fs, l.dir, o.TopicID)
	}
	if err != nil {
		return nil, storageError("make a log in "+l.dir, err)
	}
	l.producers.clear(s.base)
	for _, at := range []interface{ Store(int64) }{&l.logStart, &l.highWatermark, &l.recoveryPoint} {
		at.Store(s.base)
	}
	l.publish(&view{segments: []*segment{s}, end: s.base})
	return l, nil
}

func (l *Log) closeLoaded(segments []*segment) {
	for _, s := range segments {
		s.closeFiles()
	}
}

// loader holds what opening a log needs besides the log.
type loader struct {
	*Log
	o           Options
	segments    []*segment
	snapshots   []int64          // offsets, ascending
	indexBytes  map[string]int64 // sizes of the indexes' files by name
	epochsKnown bool             // the checkpoint of leader epochs was readable
	end         int64            // log end offset
	clean       bool             // nothing had to be recovered
	replaying   bool             // the producers' state was begun
	recovered   int64            // and is complete up to here
}

// sortFiles tells segments from what a crash or another time left behind.
func (ld *loader) sortFiles(infos []vfs.FileInfo) error {
	infos, err := ld.finishSwaps(infos)
	if err != nil {
		return err
	}
	for _, info := range infos {
		offset, ext, ok := offsetOfFile(info.Name)
		switch {
		case info.Dir:
		case strings.HasSuffix(info.Name, extDeleted), strings.HasSuffix(info.Name, extCleaned), strings.HasSuffix(info.Name, ".tmp"):
			if err := ld.fs.Remove(ld.dir + "/" + info.Name); err != nil {
				return err
			}
		case ok && ext == extLog:
			s := newSegment(ld.fs, ld.dir, offset, info.ModTime.UnixMilli())
			s.size.Store(info.Size)
			ld.segments = append(ld.segments, s)
		case ok && ext == extSnapshot:
			ld.snapshots = append(ld.snapshots, offset)
		case ok && (ext == extIndex || ext == extTimeIndex || ext == extTxnIndex):
			ld.indexBytes[info.Name] = info.Size
		}
	}
	for name := range ld.indexBytes {
		offset, ext, _ := offsetOfFile(name)
		i, ok := slices.BinarySearchFunc(ld.segments, offset, func(s *segment, o int64) int { return int(min(max(s.base-o, -1), 1)) })
		if !ok {
			ld.logger.Warn("removed an index without a log file", zap.String("segment", ld.dir+"/"+name))
			if err := ld.fs.Remove(ld.dir + "/" + name); err != nil {
				return err
			}
			delete(ld.indexBytes, name)
			continue
		}
		switch s := ld.segments[i]; ext {
		case extIndex:
			s.offsets.exists.Store(true)
		case extTimeIndex:
			s.times.exists.Store(true)
		case extTxnIndex:
			s.txnBytes.Store(ld.indexBytes[name])
			s.staleTxns = ld.indexBytes[name] == 0
		}
	}
	if len(ld.segments) == 0 {
		s, err := firstSegment(ld.fs, ld.dir, ld.o.LogStartOffset, ld.nowMs(), preallocation(&ld.o.Config))
		if err != nil {
			return err
		}
		ld.segments = []*segment{s}
	}
	ld.logStart.Store(max(ld.o.LogStartOffset, ld.segments[0].base))
	return nil
}

func (ld *loader) readTopicID() error {
	id, err := readPartitionMetadata(ld.fs, ld.dir)
	switch {
	case err == nil:
		ld.topicID.Store(&id)
		return nil
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, errBadMetadata):
		ld.logger.Warn("ignored a damaged partition.metadata", zapErr(err))
	default:
		return err
	}
	if ld.o.TopicID == [16]byte{} {
		return nil
	}
	return ld.SetTopicID(ld.o.TopicID)
}

func (ld *loader) readEpochs() error {
	name := ld.dir + "/" + leaderEpochFile
	text, err := ld.fs.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	entries, err := parseEpochs(name, text)
	if err != nil {
		ld.logger.Warn("removed a damaged checkpoint of leader epochs; the log replaces it", zapErr(err))
		return ld.fs.Remove(name)
	}
	ld.epochsKnown = true
	ld.epochs.entries.Store(&entries)
	ld.epochs.written = entries
	return nil
}

// checkTxnIndexes reads the transaction indexes, as Kafka does at a start: one that
// cannot be right is made anew from the log, with all that comes after it, instead of
// failing every reader of committed transactions. (A missing one looks like none.)
func (ld *loader) checkTxnIndexes() error {
	for i, s := range ld.segments {
		txns, err := s.abortedTxns()
		damage, damaged := IsDamage(err)
		if err != nil && !damaged {
			return err
		}
		for _, t := range txns {
			if t.LastOffset < s.base || i+1 < len(ld.segments) && t.LastOffset >= ld.segments[i+1].base {
				damage = &CorruptionError{File: s.path(extTxnIndex), Reason: fmt.Sprintf("an entry for offset %d, which is not of this segment", t.LastOffset)}
			}
		}
		if damage == nil {
			continue
		}
		ld.logger.Warn("a transaction index is damaged: making it anew from the log", zapErr(damage))
		ld.o.Clean, ld.o.RecoveryPoint = false, min(ld.o.RecoveryPoint, s.base)
		return nil // recovery makes those behind it anew, too
	}
	return nil
}

// openSegments opens the last segment, after recovering what may need it, and
// finds the log end.
func (ld *loader) openSegments() error {
	if ld.o.Clean {
		err := ld.openActive()
		if damage := (*CorruptionError)(nil); !errors.As(err, &damage) {
			ld.clean = err == nil
			return err
		}
		ld.logger.Warn("the log was closed, but does not end with a whole batch: recovering it", zapErr(err))
		ld.o.RecoveryPoint = min(ld.o.RecoveryPoint, ld.segments[len(ld.segments)-1].base)
	}
	return ld.recover()
}

// openActive opens the last segment of a log that was closed: its indexes lead to
// the last few batches, whose headers are all that is read of the log.
func (ld *loader) openActive() error {
	s := ld.segments[len(ld.segments)-1]
	size := s.size.Load()
	ld.end = s.base
	if size == 0 {
		if ld.indexBytes[segmentName(s.base)+extIndex] > 0 || ld.indexBytes[segmentName(s.base)+extTimeIndex] > 0 {
			if err := s.resetIndexes(); err != nil {
				return err
			}
		}
		s.setEmpty()
		return nil
	}
	good, err := s.loadIndexes()
	if err != nil {
		return err
	}
	if !good {
		ld.logger.Warn("rebuilding the indexes of a segment", zap.String("segment", s.path(extLog)))
		if err := s.rebuildIndexes(ld.indexInterval()); err != nil {
			return err
		}
	}
	position, err := s.batchBefore(size)
	if misfit := s.misfit.Load(); err == nil && misfit != nil {
		ld.logger.Warn("rebuilding the indexes of a segment", zap.String("segment", s.path(extLog)), zapErr(misfit))
		if err = s.rebuildIndexes(ld.indexInterval()); err == nil {
			position, err = s.batchBefore(size)
		}
	}
	if err != nil {
		return err
	}
	h, err := s.open()
	if err != nil {
		return err
	}
	defer h.release()
	_, err = eachHeader(h, s.path(extLog), position, size, func(b header) bool {
		ld.end = b.LastOffset() + 1
		if b.MaxTimestampMs() > s.largest.Load().timestampMs {
			s.largest.Store(&timestampOffset{b.MaxTimestampMs(), b.LastOffset()})
		}
		return true
	})
	s.bytesSinceIndex = size - position
	s.loaded.Store(true)
	return err
}

func (ld *loader) indexInterval() int64 { return int64(ld.o.Config.IndexIntervalBytes) }

// restartBelowStart empties a log that ends below its start: a crash has lost the
// tail, and DeleteRecords had removed what is left.
func (ld *loader) restartBelowStart() error {
	start := ld.logStart.Load()
	if ld.end >= start {
		return nil
	}
	ld.logger.Warn("the log ends below its start offset: removing what had been deleted before the crash", zap.Int64("offset", ld.end), zap.Int64("log_start_offset", start))
	for _, s := range ld.segments {
		names, err := s.markDeleted()
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := ld.fs.Remove(name); err != nil {
				return err
			}
		}
	}
	s, err := createSegment(ld.fs, ld.dir, start, ld.nowMs(), preallocation(&ld.o.Config))
	if err != nil {
		return err
	}
	ld.segments, ld.end = []*segment{s}, start
	ld.epochs.truncateEnd(0)
	ld.producers.clear(start)
	if err := ld.removeSnapshots(func(int64) bool { return true }); err != nil {
		return err
	}
	ld.snapshots = nil
	ld.replaying, ld.recovered = true, start
	return nil
}

// loadProducers brings the state of the producers, and the leader epochs when
// their checkpoint is missing, up to the log end. After a clean stop a snapshot
// has it all.
func (ld *loader) loadProducers() error {
	for len(ld.snapshots) > 0 && ld.snapshots[len(ld.snapshots)-1] > ld.end {
		last := ld.snapshots[len(ld.snapshots)-1]
		// It may have left together with its segment already.
		if err := ld.fs.Remove(ld.dir + "/" + segmentName(last) + extSnapshot); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		ld.snapshots = ld.snapshots[:len(ld.snapshots)-1]
	}
	if err := ld.replayProducers(ld.end); err != nil {
		return err
	}
	return ld.removeStraySnapshots()
}

// removeStraySnapshots removes the producer snapshots of earlier stops: those that
// are at the beginning of no segment, but for the newest, as Kafka does.
func (ld *loader) removeStraySnapshots() error {
	for i, at := range ld.snapshots {
		_, isBase := slices.BinarySearchFunc(ld.segments, at, func(s *segment, o int64) int { return cmp.Compare(s.base, o) })
		if isBase || i == len(ld.snapshots)-1 {
			continue
		}
		// A damaged one was removed when it was met.
		if err := ld.fs.Remove(ld.dir + "/" + segmentName(at) + extSnapshot); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// replayProducers makes the producers' state that of the log before offset, from
// the newest snapshot and the batches behind it.
func (ld *loader) replayProducers(offset int64) error {
	if !ld.replaying {
		ld.replaying = true
		ok, err := ld.loadSnapshot(ld.snapshots, ld.segments[0].base, offset)
		if err != nil {
			return err
		}
		if !ok {
			ld.producers.clear(ld.segments[0].base)
		}
		ld.recovered = ld.producers.end
	}
	from := ld.recovered
	if !ld.epochsKnown {
		from = ld.segments[0].base
	}
	if from >= offset {
		return nil
	}
	for i, s := range ld.segments {
		end := ld.end
		if i+1 < len(ld.segments) {
			end = ld.segments[i+1].base
		}
		if end <= from || s.base >= offset || s.size.Load() == 0 {
			continue
		}
		if err := ld.replaySegment(s, from, offset); err != nil {
			return err
		}
	}
	ld.producers.end = max(ld.producers.end, offset)
	ld.recovered, ld.epochsKnown = offset, true
	return nil
}

func (ld *loader) replaySegment(s *segment, from, until int64) error {
	if err := s.load(); err != nil {
		return err
	}
	position, err := s.positionBefore(from)
	if err != nil {
		return err
	}
	h, err := s.open()
	if err != nil {
		return err
	}
	defer h.release()
	var failed error
	_, err = eachHeader(h, s.path(extLog), position, s.size.Load(), func(b header) bool {
		if b.BaseOffset() >= until {
			return false
		}
		if b.LeaderEpoch() > ld.epochs.latest() {
			ld.epochs.assign(b.LeaderEpoch(), b.BaseOffset())
		}
		if b.BaseOffset() >= ld.recovered {
			_, failed = ld.replay(h, s, b)
		}
		return failed == nil
	})
	return errors.Join(err, failed)
}

// replay notes a batch in the producers' state; of a control batch it reads the
// marker.
func (ld *loader) replay(h *handle, s *segment, b header) (*AbortedTxn, error) {
	batch := b.Batch
	if batch.ProducerID() >= 0 && batch.IsControl() && len(batch) < b.size {
		batch = make([]byte, b.size)
		if err := readFull(h, batch, b.pos); err != nil {
			return nil, err
		}
	}
	aborted, err := ld.producers.replay(batch)
	if err != nil {
		return nil, corrupt(s.path(extLog), b.pos, "%v", err)
	}
	return aborted, nil
}

// finish makes the log visible.
func (ld *loader) finish() error {
	l, start := ld.Log, ld.logStart.Load()
	if ld.end < ld.o.RecoveryPoint {
		ld.logger.Warn("the log ends before its recovery point: records that were durable are missing", zap.String("dir", ld.dir), zap.Int64("offset", ld.end), zap.Int64("recovery_point", ld.o.RecoveryPoint))
	}
	l.epochs.truncateEnd(ld.end)
	l.epochs.truncateStart(start)
	l.highWatermark.Store(min(max(ld.o.HighWatermark, start), ld.end))
	if ld.clean {
		l.recoveryPoint.Store(ld.end)
	} else {
		l.recoveryPoint.Store(min(ld.o.RecoveryPoint, ld.end))
		l.unsyncedDir = true
		for _, s := range ld.segments {
			s.unsyncedName = true // nobody knows whether the name is durable
		}
	}
	active := ld.segments[len(ld.segments)-1]
	active.unsyncedIndexes = true
	if active.size.Load() == 0 { // perhaps never written to: then nothing of it was flushed, its name neither
		active.unsyncedName, l.unsyncedDir = true, true
	}
	if err := active.load(); err != nil {
		return err
	}
	l.publish(&view{segments: ld.segments, size: active.size.Load(), end: ld.end})
	l.mu.Lock()
	l.producers.end = ld.end
	l.updateUnstable()
	l.mu.Unlock()
	for _, s := range ld.segments {
		s.closeFiles() // a partition that nobody uses costs no descriptor
	}
	return nil
}

// extCleaned and extSwap end the names of what a log cleaner is writing, and of
// what it has written and is putting in place.
const (
	extCleaned = ".cleaned"
	extSwap    = ".swap"
)

// finishSwaps completes what a log cleaner was doing when its process died, as
// LogLoader of Kafka does: segments that end with .swap are complete and replace
// those that they were made from, unless there are .cleaned files at or below
// them, which belong to the same, incomplete, work.
func (ld *loader) finishSwaps(infos []vfs.FileInfo) ([]vfs.FileInfo, error) {
	cleanedFrom, swaps := int64(-1), []vfs.FileInfo{}
	for _, info := range infos {
		offset, ext, ok := offsetOfFile(info.Name)
		if ok && strings.HasSuffix(ext, extCleaned) && (cleanedFrom < 0 || offset < cleanedFrom) {
			cleanedFrom = offset
		}
		if ok && strings.HasSuffix(ext, extSwap) {
			swaps = append(swaps, info)
		}
	}
	if len(swaps) == 0 {
		return infos, nil
	}
	replaced := func(int64) bool { return false }
	for _, info := range swaps {
		offset, ext, _ := offsetOfFile(info.Name)
		if cleanedFrom >= 0 && offset >= cleanedFrom {
			if err := ld.fs.Remove(ld.dir + "/" + info.Name); err != nil {
				return nil, err
			}
			continue
		}
		if ext != extLog+extSwap {
			continue
		}
		last := offset // an empty one replaces the segment of its name, whose other files must go
		if info.Size > 0 {
			var err error
			if last, err = ld.lastOffset(ld.dir+"/"+info.Name, info.Size); err != nil {
				return nil, err
			}
		}
		before := replaced
		replaced = func(o int64) bool { return before(o) || o >= offset && o <= last }
	}
	for _, info := range infos {
		offset, ext, ok := offsetOfFile(info.Name)
		if ok && replaced(offset) && slices.Contains(segmentExts[:4], ext) {
			if err := ld.fs.Remove(ld.dir + "/" + info.Name); err != nil {
				return nil, err
			}
		}
	}
	// In this order .log gets its name before .txnindex: a crash in between makes the
	// next start remove whatever is not .swap as long as there is a .log.swap, and an
	// index of transactions is not made anew. (Of .index and .timeindex that is no loss.)
	for _, info := range swaps {
		offset, _, _ := offsetOfFile(info.Name)
		if cleanedFrom >= 0 && offset >= cleanedFrom {
			continue
		}
		ld.logger.Info("completing the replacement of cleaned segments", zap.String("segment", ld.dir+"/"+info.Name))
		if err := ld.fs.Rename(ld.dir+"/"+info.Name, ld.dir+"/"+strings.TrimSuffix(info.Name, extSwap)); err != nil {
			return nil, err
		}
	}
	if err := ld.fs.SyncDir(ld.dir); err != nil {
		return nil, err
	}
	return ld.fs.List(ld.dir)
}

// lastOffset returns the last offset in a log file.
func (ld *loader) lastOffset(name string, size int64) (int64, error) {
	f, err := ld.fs.OpenRead(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	last := int64(-1)
	_, err = eachHeader(f, name, 0, size, func(b header) bool {
		last = b.LastOffset()
		return true
	})
	if err != nil {
		return 0, fmt.Errorf("a cleaned segment that was about to be put in place: %w", err)
	}
	return last, nil
}
