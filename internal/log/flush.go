package log

import (
	"errors"
	"io/fs"
	"path"
)

// RecoveryPoint returns the offset below which everything is durable.
func (l *Log) RecoveryPoint() int64 { return l.recoveryPoint.Load() }

// Flush makes everything that was appended before the call durable.
//
// Errors: kerr.KafkaStorageError; the log directory is offline then, since the
// kernel forgets what it failed to write.
func (l *Log) Flush() error {
	if err := l.check(); err != nil {
		return err
	}
	return l.flush()
}

// flushAfterAppend flushes when flush.messages are not durable yet. Appends that
// wait here together need one fsync: the first to get the lock makes it, and those
// behind it find their records durable, or make one for all that have gathered.
func (l *Log) flushAfterAppend(end int64) error {
	if end-l.recoveryPoint.Load() < l.config.Load().FlushMessages {
		return nil
	}
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	if l.recoveryPoint.Load() >= end {
		return l.directory.err()
	}
	return l.flushLocked()
}

// FlushIfOlder flushes when flush.ms have passed since the last flush.
func (l *Log) FlushIfOlder(nowMs int64) error {
	if nowMs-l.lastFlushMs.Load() < l.config.Load().FlushMs || l.recoveryPoint.Load() >= l.EndOffset() || l.check() != nil {
		return nil
	}
	return l.flush()
}

func (l *Log) flush() error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	return l.flushLocked()
}

// flushLocked makes durable what a reader sees now, oldest segment first. Of the
// last segment only the log file counts: after a crash its indexes are made anew,
// as it reaches beyond the recovery point. l.flushMu must be held; l.mu need not.
func (l *Log) flushLocked() error {
	if err := l.directory.err(); err != nil {
		return err
	}
	if why := l.closed.Load(); why == &errDeleted || why == &ErrMoved {
		return *why // the files may have other names by now
	}
	v := l.view.Load()
	from := l.recoveryPoint.Load()
	syncNames := false
	for i, s := range v.segments {
		sealed := i < len(v.segments)-1
		if v.endOf(i) <= from && !(sealed && s.unsyncedIndexes) {
			continue
		}
		if err := l.syncSegment(s, sealed, v.endOf(i)); err != nil {
			return l.fail("flush "+s.path(extLog), err)
		}
		syncNames = syncNames || s.unsyncedName || sealed
	}
	wrote, err := l.epochs.write(l.fs, l.dir, v.end, true)
	if err != nil {
		return l.rollError("write "+l.dir+"/"+leaderEpochFile, err)
	}
	syncDirs := l.unsyncedDir && v.end > from
	if syncNames && !wrote && !syncDirs { // else the directory is synced elsewhere
		if err := l.fs.SyncDir(l.dir); err != nil {
			return l.fail("sync the directory "+l.dir, err)
		}
	}
	if syncDirs {
		// Records in a directory that is lost, or that no longer says which topic it
		// belongs to, would be lost too.
		err := errors.Join(l.syncFile(l.dir+"/"+partitionMetadataFile), l.fs.SyncDir(l.dir), l.fs.SyncDir(path.Dir(l.dir)))
		if err != nil {
			return l.fail("sync the directory "+l.dir, err)
		}
		l.unsyncedDir = false
	}
	for i, s := range v.segments {
		if syncNames {
			s.unsyncedName = false
		}
		if i < len(v.segments)-1 {
			s.unsyncedIndexes = false
		}
	}
	l.recoveryPoint.Store(v.end)
	l.lastFlushMs.Store(l.nowMs())
	return nil
}

// syncSegment makes a segment durable; of a sealed one also the indexes and the
// producer snapshot at its end. A segment that retention has removed meanwhile
// needs nothing.
func (l *Log) syncSegment(s *segment, sealed bool, end int64) error {
	if s.size.Load() == 0 && !sealed {
		return nil
	}
	h, err := s.open()
	if err != nil {
		return l.unlessRemoved(s, err)
	}
	defer h.release()
	if err := h.Sync(); err != nil || !sealed {
		return err
	}
	names := []string{s.path(extIndex), s.path(extTimeIndex), l.dir + "/" + segmentName(end) + extSnapshot}
	if s.txnBytes.Load() > 0 {
		names = append(names, s.path(extTxnIndex))
	}
	for _, name := range names {
		if err := l.syncFile(name); err != nil {
			return err
		}
	}
	return nil
}

// syncFile makes a file durable; a missing one was removed with its segment, or can
// be made anew.
func (l *Log) syncFile(name string) error {
	f, err := l.fs.OpenRead(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = f.Sync()
	f.Close()
	return err
}

// unlessRemoved drops the error of a file that is missing because its segment has
// left the log.
func (l *Log) unlessRemoved(s *segment, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, in := range l.view.Load().segments {
		if in == s {
			return err
		}
	}
	return nil
}
