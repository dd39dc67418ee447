package log

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/protocol"
)

// hint remembers at which position in a segment the batch at an offset begins.
// A consumer asks next for the offset at which its last answer ended; with the
// hint neither an index nor the log is looked at to find it.
type hint struct {
	segment  *segment
	offset   int64
	position int64
	cuts     int // of the view: a truncation makes it void
}

// hintSlots is how many hints a log keeps: one per consumer at a place of its
// own, roughly.
const hintSlots = 8

func (l *Log) remember(v *view, s *segment, offset, position int64) {
	slot := &l.hints[uint64(offset)%hintSlots]
	if old := slot.Load(); old != nil && old.offset == offset && old.segment == s && old.cuts == v.cuts {
		return
	}
	slot.Store(&hint{s, offset, position, v.cuts})
}

func (l *Log) recall(v *view, s *segment, offset int64) (position int64, ok bool) {
	h := l.hints[uint64(offset)%hintSlots].Load()
	if h == nil || h.offset != offset || h.segment != s || h.cuts != v.cuts {
		return 0, false
	}
	return h.position, true
}

// Read returns whole batches: first the one that holds from (or, where compaction
// left a gap, the first after it), then as many as fit into maxBytes and end
// before until. With minOne the first batch is returned however large it is. A
// Region never spans two segments. It is empty when nothing may be read yet.
//
// Errors: kerr.OffsetOutOfRange when from is below the log start or above the log
// end; kerr.KafkaStorageError.
func (l *Log) Read(from, until int64, maxBytes int32, minOne bool) (Region, error) {
	for attempt := 0; ; attempt++ {
		if err := l.check(); err != nil {
			return Region{}, err
		}
		v := l.view.Load()
		if start := l.logStart.Load(); from < start || from > v.end {
			return Region{}, fmt.Errorf("offset %d is not within [%d, %d]: %w", from, start, v.end, kerr.OffsetOutOfRange)
		}
		r, err := l.read(v, from, min(until, v.end), int64(maxBytes), minOne)
		if err == nil {
			r.view = v
			r.log = l
			return r, nil
		}
		// Retention, a truncation or the partition's deletion may have taken away
		// what the view shows.
		stale := errors.Is(err, fs.ErrNotExist) || l.view.Load().cuts != v.cuts
		if !stale || attempt == 3 {
			return Region{}, l.readFailed("read "+l.dir, err)
		}
	}
}

func (l *Log) read(v *view, from, until, maxBytes int64, minOne bool) (Region, error) {
	empty := Region{start: from, end: from}
	if from >= until || maxBytes <= 0 && !minOne {
		return empty, nil
	}
	for i := v.floor(from); i < len(v.segments); i++ {
		r, found, err := l.readSegment(v, i, from, until, maxBytes, minOne)
		if err != nil {
			return Region{}, err
		}
		if found {
			return r, nil
		}
	}
	return empty, nil
}

// readSegment looks for from in segment i. It is not found when all batches of the
// segment lie before it.
func (l *Log) readSegment(v *view, i int, from, until, maxBytes int64, minOne bool) (r Region, found bool, err error) {
	s, size, end := v.segments[i], v.sizeOf(i), v.endOf(i)
	if size == 0 {
		return Region{}, false, nil
	}
	h, err := s.open()
	if err != nil {
		return Region{}, false, err
	}
	defer func() {
		if r.h == nil {
			h.release()
		}
	}()
	position, known := l.recall(v, s, from)
	if known && until >= end && size-position <= maxBytes && position < size {
		// A consumer at the tail takes all that has been added: no need to look.
		l.remember(v, s, end, size)
		return Region{h: h, position: position, length: int(size - position), start: from, end: end}, true, nil
	}
	if !known {
		if position, err = s.lookUp(from); err != nil {
			return Region{}, false, err
		}
	}
	first, ok, err := locate(s, h, position, size, from)
	if err != nil || !ok {
		return Region{}, false, err
	}
	r = Region{start: first.base, end: from}
	if first.last >= until || first.size > maxBytes && !minOne {
		r.start = from
		return r, true, nil
	}
	r.h, r.position = h, first.pos
	limit := first.pos + max(maxBytes, first.size)
	if limit >= size && until >= end {
		r.length, r.end = int(size-first.pos), end
		l.remember(v, s, end, size)
		return r, true, nil
	}
	stop, endOffset := first.pos+first.size, first.last+1
	if limit-stop >= protocol.BatchHeaderBytes { // else no other fits
		stop, endOffset, err = bound(s, h, first, min(limit, size), size, until, end)
	}
	if err != nil {
		r.h = nil
		return r, true, err
	}
	r.length, r.end = int(stop-first.pos), endOffset
	l.remember(v, s, endOffset, stop)
	return r, true, nil
}

// place is where a batch lies and which offsets it holds.
type place struct{ pos, size, base, last int64 }

func placeOf(b header) place {
	return place{b.pos, int64(b.size), b.BaseOffset(), b.LastOffset()}
}

// lookUp is positionBefore for whom the indexes may not have been loaded.
func (s *segment) lookUp(offset int64) (int64, error) {
	if err := s.load(); err != nil {
		return 0, err
	}
	return s.positionBefore(offset)
}

// locate finds the first batch in the segment, from position on, that ends at or
// after offset.
func locate(s *segment, h *handle, position, size, offset int64) (p place, ok bool, err error) {
	_, err = eachHeader(h, h.Name(), position, size, func(b header) bool {
		if b.LastOffset() < offset {
			return true
		}
		p, ok = placeOf(b), true
		return false
	})
	return p, ok, err
}

// bound finds where a run of batches that begins with first must stop: before a
// batch that reaches beyond limit bytes or holds until. It returns that position,
// and the end offset of the last batch before it.
func bound(s *segment, h *handle, first place, limit, size, until, end int64) (stop, endOffset int64, err error) {
	if err := s.load(); err != nil {
		return 0, 0, err
	}
	from, err := s.batchBefore(limit - 1)
	if err != nil {
		return 0, 0, err
	}
	if until < end {
		byOffset, err := s.positionBefore(until - 1)
		if err != nil {
			return 0, 0, err
		}
		from = min(from, byOffset)
	}
	from = max(from, first.pos)
	stop, endOffset = first.pos+first.size, first.last+1
	for {
		seen := false
		_, err = eachHeader(h, h.Name(), from, size, func(b header) bool {
			if b.pos != first.pos && (b.end() > limit || b.LastOffset() >= until) {
				return false
			}
			seen, stop, endOffset = true, b.end(), b.LastOffset()+1
			return true
		})
		if err != nil || seen || from == first.pos {
			return stop, endOffset, err
		}
		// The indexed batch itself lies beyond the limit: begin one entry earlier.
		if from, err = s.batchBefore(from - 1); err != nil {
			return 0, 0, err
		}
		from = max(from, first.pos)
	}
}
