package log

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/gokafka/gokafka/internal/protocol"
)

// Found is a record that a look-up found; OK is false when there is none.
type Found struct {
	Offset, TimestampMs int64
	LeaderEpoch         int32
	OK                  bool
}

// OffsetForTimestamp returns the first record with a timestamp of at least ms, in
// the order of offsets. It decompresses no more than the batch that holds it.
func (l *Log) OffsetForTimestamp(ms int64) (Found, error) {
	return l.lookUp(func(v *view, start int64) (Found, error) { return v.offsetForTimestamp(ms, start) })
}

// lookUp calls fn with a view and the log start, and again when a segment of the
// view has left the log meanwhile.
func (l *Log) lookUp(fn func(v *view, start int64) (Found, error)) (Found, error) {
	for attempt := 0; ; attempt++ {
		if err := l.check(); err != nil {
			return Found{}, err
		}
		f, err := fn(l.view.Load(), l.logStart.Load())
		if err == nil || !errors.Is(err, fs.ErrNotExist) || attempt == 3 {
			return f, err
		}
	}
}

func (v *view) offsetForTimestamp(ms, start int64) (Found, error) {
	for i := v.floor(start); i < len(v.segments); i++ {
		s := v.segments[i]
		if v.sizeOf(i) == 0 {
			continue
		}
		largest, err := s.largestTimestamp()
		if err != nil {
			return Found{}, err
		}
		if largest.timestampMs < ms {
			continue
		}
		from, err := s.offsetBefore(ms)
		if err != nil {
			return Found{}, storageError("read "+s.path(extTimeIndex), err)
		}
		f, err := s.find(max(from, start), start, v.sizeOf(i), func(maxMs int64) bool { return maxMs >= ms }, func(tsMs int64) bool { return tsMs >= ms })
		if f.OK || err != nil {
			return f, err
		}
	}
	return Found{}, nil
}

// OffsetOfMaxTimestamp returns the first record with the largest timestamp
// (KIP-734).
func (l *Log) OffsetOfMaxTimestamp() (Found, error) { return l.lookUp((*view).offsetOfMaxTimestamp) }

func (v *view) offsetOfMaxTimestamp(start int64) (Found, error) {
	best, in := timestampOffset{noTimestamp, -1}, -1
	for i := v.floor(start); i < len(v.segments); i++ {
		if v.sizeOf(i) == 0 {
			continue
		}
		largest, err := v.segments[i].largestAfter(start, v.sizeOf(i))
		if err != nil {
			return Found{}, err
		}
		if largest.timestampMs > best.timestampMs {
			best, in = largest, i
		}
	}
	if in < 0 {
		return Found{}, nil
	}
	reaches := func(ms int64) bool { return ms >= best.timestampMs }
	is := func(ms int64) bool { return ms == best.timestampMs }
	return v.segments[in].find(best.offset, start, v.sizeOf(in), reaches, is)
}

// largestAfter is largestTimestamp without the records below the log start.
func (s *segment) largestAfter(start, size int64) (timestampOffset, error) {
	largest, err := s.largestTimestamp()
	if err != nil || s.base >= start {
		return largest, err
	}
	position, err := s.positionBefore(min(start, largest.offset))
	if err != nil {
		return largest, storageError("read "+s.path(extIndex), err)
	}
	h, err := s.open()
	if err != nil {
		return largest, storageError("open "+s.path(extLog), err)
	}
	defer h.release()
	var failed error
	rest := timestampOffset{noTimestamp, s.base}
	_, err = eachHeader(h, s.path(extLog), position, size, func(b header) bool {
		switch {
		case b.LastOffset() < start:
		case b.BaseOffset() >= start:
			if largest.offset >= start && b.LastOffset() <= largest.offset {
				rest = largest // it lies above the start: no need to look at the rest
				return false
			}
			if b.MaxTimestampMs() > rest.timestampMs {
				rest = timestampOffset{b.MaxTimestampMs(), b.LastOffset()}
			}
		default: // the start lies within the batch
			for r, err := range wholeBatch(h, b) {
				if failed = err; err != nil {
					return false
				}
				if r.Offset >= start && r.TimestampMs > rest.timestampMs {
					rest = timestampOffset{r.TimestampMs, b.LastOffset()}
				}
			}
		}
		return true
	})
	if err == nil && failed != nil {
		err = storageError("read "+s.path(extLog), failed)
	}
	return rest, err
}

// wholeBatch reads a batch of which the header is known, and walks over its
// records.
func wholeBatch(h *handle, b header) iter.Seq2[protocol.Record, error] {
	whole := make([]byte, b.size)
	if err := readFull(h, whole, b.pos); err != nil {
		return func(yield func(protocol.Record, error) bool) { yield(protocol.Record{}, err) }
	}
	return protocol.Batch(whole).Records()
}

// find returns the first record at or after start whose timestamp is wanted, in a
// batch whose largest timestamp is, walking from the batch that holds from.
func (s *segment) find(from, start, size int64, wantBatch, wantRecord func(ms int64) bool) (Found, error) {
	h, err := s.open()
	if err != nil {
		return Found{}, storageError("open "+s.path(extLog), err)
	}
	defer h.release()
	position, err := s.positionBefore(from)
	if err != nil {
		return Found{}, storageError("read "+s.path(extIndex), err)
	}
	var f Found
	var failed error
	_, err = eachHeader(h, s.path(extLog), position, size, func(b header) bool {
		if b.LastOffset() < start || !wantBatch(b.MaxTimestampMs()) {
			return true
		}
		for r, err := range wholeBatch(h, b) {
			if err != nil {
				failed = fmt.Errorf("records at byte %d: %w", b.pos, err)
				return false
			}
			if r.Offset >= start && wantRecord(r.TimestampMs) {
				f = Found{Offset: r.Offset, TimestampMs: r.TimestampMs, LeaderEpoch: b.LeaderEpoch(), OK: true}
				return false
			}
		}
		return true
	})
	if err == nil && failed != nil {
		err = storageError("read "+s.path(extLog), failed)
	}
	return f, err
}

// AbortedTxns returns the aborted transactions that have records in [from, to),
// in the order of their ends. The slice is the caller's.
func (l *Log) AbortedTxns(from, to int64) ([]AbortedTxn, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	return l.view.Load().abortedTxns(from, to)
}

func (v *view) abortedTxns(from, to int64) ([]AbortedTxn, error) {
	var aborted []AbortedTxn
	for i := v.floor(from); i < len(v.segments); i++ {
		txns, err := v.segments[i].abortedTxns()
		if err != nil {
			return nil, err
		}
		for _, t := range txns {
			if t.LastOffset >= from && t.FirstOffset < to {
				aborted = append(aborted, t)
			}
			// Everything before its last stable offset was decided by then: what was
			// aborted later begins at or after it.
			if t.LastStableOffset >= to {
				return aborted, nil
			}
		}
	}
	return aborted, nil
}
