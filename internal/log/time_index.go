package log

import "encoding/binary"

// The time index: per entry the largest timestamp so far, and the last offset of
// the batch that has it, relative to the segment's base offset. Timestamps and
// offsets ascend. The last entry of a sealed segment is its largest timestamp.
//
//	0           8        12
//	┌───────────┬────────┐
//	│ timestamp │ offset │   big-endian int64, int32
//	└───────────┴────────┘
const timeEntryBytes = 12

// noTimestamp is the timestamp of a record that has none.
const noTimestamp = -1

// timestampOffset is a timestamp and the last offset of the batch that has it.
type timestampOffset struct{ timestampMs, offset int64 }

func (s *segment) timeIndex() indexFile {
	return indexFile{&s.times, s, extTimeIndex, timeEntryBytes}
}

func (s *segment) timeEntry(e []byte) timestampOffset {
	return timestampOffset{int64(be64(e)), s.base + int64(int32(be32(e[8:])))}
}

// checkTimeEntries objects to what no time index of this segment ends with.
func (s *segment) checkTimeEntries(prev, last []byte) bool {
	t := s.timeEntry(last)
	if t.timestampMs < 0 || t.offset < s.base {
		return false
	}
	if len(prev) == 0 {
		return true
	}
	p := s.timeEntry(prev)
	return p.timestampMs < t.timestampMs && p.offset <= t.offset
}

// appendTime adds an entry for the largest timestamp so far unless the last entry
// has it already.
func (s *segment) appendTime() error {
	largest := *s.largest.Load()
	x := s.timeIndex()
	last := timestampOffset{noTimestamp, s.base}
	if n := x.len(); n > 0 {
		e, err := x.entry(n - 1)
		if err != nil {
			return err
		}
		last = s.timeEntry(e[:])
	}
	if largest.timestampMs <= last.timestampMs {
		return nil
	}
	var e [timeEntryBytes]byte
	binary.BigEndian.PutUint64(e[:], uint64(largest.timestampMs))
	binary.BigEndian.PutUint32(e[8:], uint32(largest.offset-s.base))
	return x.append(e[:])
}

// offsetBefore returns an offset at or before the first record whose timestamp is
// at least ms.
func (s *segment) offsetBefore(ms int64) (int64, error) {
	e, i, err := s.timeIndex().floor(0.5, func(e []byte) bool { return int64(be64(e)) <= ms })
	if err != nil || i < 0 {
		return s.base, err
	}
	// The entry's batch is the first that reached its timestamp, so nothing before
	// that batch qualifies, whether the timestamps are equal or not.
	return s.timeEntry(e[:]).offset, nil
}
