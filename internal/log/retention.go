package log

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"
)

// DeleteRecordsTo moves the log start up to offset o, which must not lie above the
// high watermark, and returns the log start. Segments that lie wholly below it are
// removed by the next Retain. An o below the log start changes nothing.
//
// Errors: kerr.OffsetOutOfRange, kerr.KafkaStorageError.
func (l *Log) DeleteRecordsTo(o int64) (newStart int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(); err != nil {
		return -1, err
	}
	if hw := l.highWatermark.Load(); o < 0 || o > hw {
		return -1, fmt.Errorf("delete records to offset %d: the high watermark is %d: %w", o, hw, kerr.OffsetOutOfRange)
	}
	l.raiseStart(o)
	return l.logStart.Load(), nil
}

// raiseStart moves the log start up. l.mu must be held.
func (l *Log) raiseStart(o int64) {
	if o <= l.logStart.Load() {
		return
	}
	l.logStart.Store(o)
	l.epochs.truncateStart(o)
	l.producers.replicated(o)
	l.firstUnstable.Store(l.producers.firstUnstableOffset())
}

// Retain removes the oldest segments as far as retention.ms, retention.bytes and
// the log start ask for it and the high watermark allows, and returns how many.
// With cleanup.policy=compact only the log start counts.
func (l *Log) Retain(nowMs int64) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(); err != nil {
		return 0, err
	}
	l.tellMisfits()
	n, err := l.countExpired(l.view.Load(), nowMs)
	if err != nil || n == 0 {
		return 0, err
	}
	v := l.view.Load()
	if n == len(v.segments) {
		// The last segment goes too: a log always has one, so begin a new one.
		if v, err = l.roll(v, v.end, "retention"); err != nil {
			return 0, err
		}
	}
	removed := v.segments[:n:n]
	start := v.segments[n].base
	l.raiseStart(start)
	l.publish(&view{segments: v.segments[n:], size: v.size, end: v.end, cuts: v.cuts})
	l.logger.Info("removed expired segments", zap.Int("segments", n), zap.Int64("log_start_offset", l.logStart.Load()))
	if err := l.removeSegments(removed, l.config.Load().FileDeleteDelayMs); err != nil {
		return 0, l.fail("remove segments of "+l.dir, err)
	}
	return n, nil
}

// countExpired returns how many of the oldest segments may go.
func (l *Log) countExpired(v *view, nowMs int64) (int, error) {
	c := l.config.Load()
	start, committed := l.logStart.Load(), l.highWatermark.Load()
	surplus := int64(0)
	if c.CleanupDelete && c.RetentionBytes >= 0 {
		for i := range v.segments {
			surplus += v.sizeOf(i)
		}
		surplus -= c.RetentionBytes
	}
	for i, s := range v.segments {
		size, end := v.sizeOf(i), v.endOf(i)
		if end > committed || size == 0 && i == len(v.segments)-1 {
			return i, nil
		}
		expired := end <= start
		if !expired && c.CleanupDelete && c.RetentionBytes >= 0 && surplus >= size {
			expired = true
		}
		if !expired && c.CleanupDelete && c.RetentionMs >= 0 {
			written, err := l.writtenMs(s, nowMs)
			if err != nil {
				return 0, err
			}
			expired = nowMs-written > c.RetentionMs
		}
		if !expired {
			return i, nil
		}
		surplus -= size
	}
	return len(v.segments), nil
}

// writtenMs returns the time that retention.ms counts from: the largest timestamp
// of the segment's records. Records without one, or from the future, which would
// never expire, count from when the segment was last written.
func (l *Log) writtenMs(s *segment, nowMs int64) (int64, error) {
	largest, err := s.largestTimestamp()
	if err != nil {
		return 0, err
	}
	modified := s.modifiedMs.Load()
	if largest.timestampMs < 0 || largest.timestampMs > nowMs && modified < largest.timestampMs {
		return modified, nil
	}
	return largest.timestampMs, nil
}

// removeSegments renames the files of segments that have left the view, and has
// them removed: at once, or after a delay that lets slow readers of other
// processes finish. Our own readers hold the files open.
func (l *Log) removeSegments(segments []*segment, delayMs int64) error {
	var names []string
	for _, s := range segments {
		marked, err := s.markDeleted()
		if err != nil {
			return err
		}
		names = append(names, marked...)
	}
	if l.removeLater != nil && delayMs > 0 {
		l.removeLater(names, delayMs)
		return nil
	}
	for _, name := range names {
		if err := l.fs.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// tellMisfits warns of offset indexes that were found not to fit. Who finds it is
// a reader without a logger. l.mu must be held.
func (l *Log) tellMisfits() {
	for _, s := range l.view.Load().segments {
		if misfit := s.misfit.Load(); misfit != nil && !s.toldMisfit {
			s.toldMisfit = true
			l.logger.Warn("a damaged offset index is not used until the next start makes it anew: reading takes longer", zapErr(misfit))
		}
	}
}
