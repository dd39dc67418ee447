package log

import (
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"
)

// TruncateTo removes all records from offset o on, for a follower whose log has
// left its leader's (KIP-101). A batch that o lies within is removed whole, and
// the log ends before it. An o at or beyond the log end changes nothing.
func (l *Log) TruncateTo(o int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(); err != nil {
		return err
	}
	v := l.view.Load()
	switch {
	case o < 0:
		return fmt.Errorf("truncate %s to offset %d", l.dir, o)
	case o >= v.end:
		return nil
	case o <= v.segments[0].base:
		return l.truncateFully(v, o)
	}
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	i := v.floor(o)
	s := v.segments[i]
	position, end, err := l.cutPosition(v, i, o)
	if err != nil {
		return storageError("truncate "+s.path(extLog), err)
	}
	if err := l.tellTruncating(end); err != nil {
		return err
	}
	l.logger.Info("truncating the log", zap.Int64("offset", end))
	// Readers see the shorter log first: what they look at after that stays.
	size := s.size.Load()
	l.cutOffsets(end)
	s.size.Store(position)
	l.publish(&view{segments: v.segments[: i+1 : i+1], size: position, end: end, cuts: v.cuts + 1})
	if err := l.truncateFiles(v.segments[i+1:], s, position, size); err != nil {
		return l.fail("truncate "+s.path(extLog), err)
	}
	return l.reloadProducers(end)
}

func (l *Log) tellTruncating(end int64) error {
	if l.truncating == nil {
		return nil
	}
	return l.truncating(l, end)
}

// cutPosition returns where segment i must end for the log to end at o, and where
// it ends then.
func (l *Log) cutPosition(v *view, i int, o int64) (position, end int64, err error) {
	s, size := v.segments[i], v.sizeOf(i)
	if size == 0 {
		return 0, o, nil
	}
	if err := s.load(); err != nil {
		return 0, 0, err
	}
	from, err := s.positionBefore(o)
	if err != nil {
		return 0, 0, err
	}
	h, err := s.open()
	if err != nil {
		return 0, 0, err
	}
	defer h.release()
	end = o
	position, err = eachHeader(h, s.path(extLog), from, size, func(b header) bool {
		if b.LastOffset() < o {
			return true
		}
		end = min(o, b.BaseOffset())
		return false
	})
	return position, end, err
}

// cutOffsets brings everything that must not lie beyond the log end there. l.mu and
// l.flushMu must be held.
func (l *Log) cutOffsets(end int64) {
	l.epochs.truncateEnd(end)
	for _, at := range []interface {
		Load() int64
		Store(int64)
	}{&l.recoveryPoint, &l.highWatermark, &l.logStart} {
		if at.Load() > end {
			at.Store(end)
		}
	}
}

// truncateFiles removes the later segments and cuts s with its indexes.
func (l *Log) truncateFiles(later []*segment, s *segment, position, size int64) error {
	if err := l.removeSegments(newestFirst(later), 0); err != nil {
		return err
	}
	if len(later) > 0 {
		if err := l.fs.SyncDir(l.dir); err != nil {
			return err
		}
	}
	s.unsyncedIndexes = true
	if position == size {
		return nil
	}
	h, err := s.open()
	if err != nil {
		return err
	}
	defer h.release()
	// Were what was cut off to come back after a power cut, records would follow
	// that the leader never had.
	if err := errors.Join(h.Truncate(position), h.Sync()); err != nil {
		return err
	}
	txns, err := s.abortedTxns()
	if err != nil {
		return err
	}
	keep := 0
	for keep < len(txns) && txns[keep].LastOffset < l.view.Load().end {
		keep++
	}
	if keep < len(txns) {
		if err := s.truncateTxns(int64(keep) * txnEntryBytes); err != nil {
			return err
		}
	}
	// What the indexes hold of the rest is made anew: it is rarely much, and one
	// way to make an index is enough.
	s.firstTimestamp = unknownTimestamp
	s.loaded.Store(false)
	if position == 0 {
		if err := s.resetIndexes(); err != nil {
			return err
		}
		s.setEmpty()
		return nil
	}
	if err := s.rebuildIndexes(int64(l.config.Load().IndexIntervalBytes)); err != nil {
		return err
	}
	s.loaded.Store(true)
	return nil
}

// newestFirst is the order in which a truncation removes segments: what a crash leaves
// of it must be a beginning of the log, not a log with a hole.
func newestFirst(segments []*segment) []*segment {
	segments = slices.Clone(segments)
	slices.Reverse(segments)
	return segments
}

// TruncateFullyAt removes everything; the next record gets offset o. A follower
// that has fallen behind its leader's log start begins anew there.
func (l *Log) TruncateFullyAt(o int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(); err != nil {
		return err
	}
	if o < 0 {
		return fmt.Errorf("truncate %s fully at offset %d", l.dir, o)
	}
	return l.truncateFully(l.view.Load(), o)
}

func (l *Log) truncateFully(v *view, o int64) error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	if err := l.tellTruncating(0); err != nil {
		return err
	}
	l.logger.Info("removing all records of the log", zap.Int64("offset", o))
	doing := "truncate " + l.dir
	if err := l.removeSegments(newestFirst(v.segments), 0); err != nil {
		return l.fail(doing, err)
	}
	s, err := createSegment(l.fs, l.dir, o, l.nowMs(), preallocation(l.config.Load()))
	if err == nil {
		err = l.fs.SyncDir(l.dir)
	}
	if err != nil {
		return l.fail(doing, err)
	}
	l.epochs.truncateEnd(0)
	l.logStart.Store(o)
	l.highWatermark.Store(o)
	l.recoveryPoint.Store(min(l.recoveryPoint.Load(), o))
	l.publish(&view{segments: []*segment{s}, end: o, cuts: v.cuts + 1})
	l.producers.clear(o)
	l.updateUnstable()
	return l.removeSnapshots(func(int64) bool { return true })
}

// reloadProducers makes the producers' state that of the log before end. l.mu must
// be held.
func (l *Log) reloadProducers(end int64) error {
	if err := l.removeSnapshots(func(at int64) bool { return at > end }); err != nil {
		return err
	}
	snapshots, err := l.listSnapshots()
	if err != nil {
		return err
	}
	v := l.view.Load()
	ld := &loader{Log: l, segments: v.segments, snapshots: snapshots, end: end, epochsKnown: true}
	if err := ld.replayProducers(end); err != nil {
		return l.fail("reload the producers of "+l.dir, err)
	}
	l.producers.end = end
	l.updateUnstable()
	return nil
}

func (l *Log) listSnapshots() ([]int64, error) {
	infos, err := l.fs.List(l.dir)
	if err != nil {
		return nil, l.fail("list "+l.dir, err)
	}
	var offsets []int64
	for _, info := range infos {
		if o, ext, ok := offsetOfFile(info.Name); ok && ext == extSnapshot {
			offsets = append(offsets, o)
		}
	}
	return offsets, nil
}

func (l *Log) removeSnapshots(which func(offset int64) bool) error {
	snapshots, err := l.listSnapshots()
	if err != nil {
		return err
	}
	for _, at := range snapshots {
		if !which(at) {
			continue
		}
		if err := l.fs.Remove(l.dir + "/" + segmentName(at) + extSnapshot); err != nil {
			return l.fail("remove a producer snapshot", err)
		}
	}
	return nil
}
