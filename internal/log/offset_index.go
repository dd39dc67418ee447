package log

import (
	"encoding/binary"
	"math"
)

// The offset index: per entry the last offset of a batch, relative to the
// segment's base offset, and the position of the batch in the log file.
//
//	0        4          8
//	┌────────┬──────────┐
//	│ offset │ position │   big-endian int32 each
//	└────────┴──────────┘
//
// A batch gets an entry when more than index.interval.bytes lie between it and
// the one before that has one. The first batch never has one.
const offsetEntryBytes = 8

func (s *segment) offsetIndex() indexFile {
	return indexFile{&s.offsets, s, extIndex, offsetEntryBytes}
}

func putOffsetEntry(relative int64, position int64) (e [offsetEntryBytes]byte) {
	binary.BigEndian.PutUint32(e[:], uint32(relative))
	binary.BigEndian.PutUint32(e[4:], uint32(position))
	return e
}

func offsetEntry(e []byte) (relative int32, position int64) {
	return int32(be32(e)), int64(int32(be32(e[4:])))
}

// checkOffsetEntries objects to what no offset index of this segment ends with;
// zeros are what a preallocated index ends with after a crash.
func (s *segment) checkOffsetEntries(prev, last []byte) bool {
	offset, position := offsetEntry(last)
	if offset < 0 || position <= 0 || position >= s.size.Load() {
		return false
	}
	if len(prev) == 0 {
		return true
	}
	prevOffset, prevPosition := offsetEntry(prev)
	return prevOffset < offset && prevPosition < position
}

// positionBefore returns where a walk must begin to find the batch that holds
// offset: at or before that batch.
func (s *segment) positionBefore(offset int64) (int64, error) {
	relative := min(offset-s.base, math.MaxInt32)
	part := 0.5
	if last, err := s.lastIndexed(); err == nil && last > 0 {
		part = min(max(float64(relative)/float64(last), 0), 1)
	}
	e, i, err := s.offsetIndex().floor(part, func(e []byte) bool {
		o, _ := offsetEntry(e)
		return int64(o) <= relative
	})
	if err != nil || i < 0 {
		return 0, err
	}
	_, position := offsetEntry(e[:])
	return position, nil
}

// lastIndexed returns the last offset in the index, relative to the base; 0 for
// an empty one.
func (s *segment) lastIndexed() (int32, error) {
	if known := s.lastRelative.Load(); known > 0 {
		return known, nil
	}
	n := s.offsetIndex().len()
	if n == 0 {
		return 0, nil
	}
	e, err := s.offsetIndex().entry(n - 1)
	if err != nil {
		return 0, err
	}
	last, _ := offsetEntry(e[:])
	s.lastRelative.Store(last)
	return last, nil
}

// batchBefore returns the position of an indexed batch at or before position.
func (s *segment) batchBefore(position int64) (int64, error) {
	part := min(max(float64(position)/float64(max(s.size.Load(), 1)), 0), 1)
	e, i, err := s.offsetIndex().floor(part, func(e []byte) bool {
		_, p := offsetEntry(e)
		return p <= position
	})
	if err != nil || i < 0 {
		return 0, err
	}
	_, p := offsetEntry(e[:])
	return p, nil
}
