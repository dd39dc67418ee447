package log

import (
	"errors"
	"fmt"
	"io"
	"math"

	"go.uber.org/zap"
)

// recover checks every batch of the segments that reach beyond the recovery
// point, makes their indexes, transaction indexes, leader epochs and producers
// anew, and cuts off a torn tail. What lies before the recovery point was durable
// and is not looked at.
func (ld *loader) recover() error {
	first := 0
	for i, s := range ld.segments {
		if s.base <= ld.o.RecoveryPoint {
			first = i
		}
	}
	ld.end = ld.segments[first].base
	if err := ld.replayProducers(ld.end); err != nil {
		return err
	}
	for i := first; i < len(ld.segments); i++ {
		s := ld.segments[i]
		damage, err := ld.recoverSegment(s)
		if err != nil {
			return err
		}
		if damage == nil {
			continue
		}
		trimmed, err := ld.trimZeros(i, damage)
		if err != nil {
			return err
		}
		if trimmed {
			continue
		}
		if err := ld.checkTorn(i, damage); err != nil {
			return err
		}
		return ld.cutTail(i, damage)
	}
	return nil
}

// recoverSegment scans one segment. It returns the first thing that is no batch,
// nil when all is well; ld.end is then one past the last offset before it.
func (ld *loader) recoverSegment(s *segment) (damage *CorruptionError, err error) {
	size := s.size.Load()
	if ld.end < s.base && !ld.o.Config.CleanupCompact {
		// A power cut may lose the end of one file and keep the next. Nothing is
		// deleted for it: what is there can be read.
		ld.logger.Error("records are missing between two segments", zap.Int64("offset", ld.end), zap.String("segment", s.path(extLog)))
	}
	ld.end = max(ld.end, s.base)
	if size == 0 && ld.indexBytes[segmentName(s.base)+extIndex] == 0 && ld.indexBytes[segmentName(s.base)+extTimeIndex] == 0 {
		s.setEmpty()
		return nil, s.replaceTxns(nil)
	}
	h, err := s.open()
	if err != nil {
		return nil, err
	}
	defer h.release()
	if err := s.resetIndexes(); err != nil {
		return nil, err
	}
	var aborted []AbortedTxn
	scan := newScanner(h, s.path(extLog), 0, size)
	for {
		b, err := scan.next()
		if err == io.EOF {
			break
		}
		if err == nil && (b.BaseOffset() < ld.end || b.LastOffset()-s.base > math.MaxInt32) {
			err = corrupt(s.path(extLog), b.pos, "a batch with offsets %d to %d after offset %d", b.BaseOffset(), b.LastOffset(), ld.end-1)
		}
		if errors.As(err, &damage) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := s.noteBatch(b.LastOffset(), b.MaxTimestampMs(), b.pos, int64(b.size), ld.indexInterval()); err != nil {
			return nil, err
		}
		if b.LeaderEpoch() > ld.epochs.latest() {
			ld.epochs.assign(b.LeaderEpoch(), b.BaseOffset())
		}
		a, err := ld.replay(h, s, b)
		if err != nil {
			return nil, err
		}
		if a != nil {
			aborted = append(aborted, *a)
		}
		ld.end = b.LastOffset() + 1
		ld.o.scanned.Add(int64(b.size))
	}
	ld.recovered = ld.end
	if err := s.replaceTxns(aborted); err != nil {
		return nil, err
	}
	s.loaded.Store(true)
	if damage == nil {
		ld.logger.Debug("recovered a segment", zap.String("segment", s.path(extLog)), zap.Int64("bytes", size), zap.Int64("offset", ld.end))
	}
	return damage, s.finishIndexes(false)
}

// checkTorn makes sure that nothing of value follows the damage: it fails if there
// is a whole batch behind it, in this segment or a later one.
func (ld *loader) checkTorn(i int, damage *CorruptionError) error {
	for j, s := range ld.segments[i:] {
		from := int64(0)
		if j == 0 {
			from = damage.Position
		}
		if err := ld.checkNoBatch(s, from, damage); err != nil {
			return err
		}
	}
	return nil
}

func (ld *loader) checkNoBatch(s *segment, from int64, damage *CorruptionError) error {
	size, name := s.size.Load(), s.path(extLog)
	if size == 0 {
		return nil
	}
	h, err := s.open()
	if err != nil {
		return err
	}
	defer h.release()
	if isMessageSet(h, from, size) {
		return corrupt(name, from, "messages of format 0 or 1: only record batches (format 2, since Kafka 0.11) can be read")
	}
	at, ok, err := findBatch(h, name, from, size, ld.end)
	if err != nil || !ok {
		return err
	}
	return &CorruptionError{File: damage.File, Position: damage.Position, Reason: fmt.Sprintf(
		"%s, but a whole batch follows at byte %d of %s: this is no torn tail, and nothing was changed. "+
			"Restore the file from a copy, or, to give up everything from offset %d on, cut it to %d bytes and remove the later segments of %s",
		damage.Reason, at, name, ld.end, damage.Position, ld.dir)}
}

// cutTail cuts segment i off before the damage and removes the segments behind it,
// which hold no batch.
func (ld *loader) cutTail(i int, damage *CorruptionError) error {
	s := ld.segments[i]
	lost := s.size.Load() - damage.Position
	h, err := s.open()
	if err != nil {
		return err
	}
	defer h.release()
	if err := h.Truncate(damage.Position); err != nil {
		return err
	}
	ld.logger.Warn("cut off a torn tail that was not acknowledged as durable",
		zap.String("segment", damage.File), zap.Int64("position", damage.Position), zap.Int64("bytes", lost), zap.String("reason", damage.Reason), zap.Int64("offset", ld.end))
	s.size.Store(damage.Position)
	for _, later := range ld.segments[i+1:] {
		ld.logger.Warn("removed a segment behind a torn tail that holds no batch", zap.String("segment", later.path(extLog)), zap.Int64("bytes", later.size.Load()))
		names, err := later.markDeleted()
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := ld.fs.Remove(name); err != nil {
				return err
			}
		}
	}
	ld.segments = ld.segments[:i+1]
	return nil
}
