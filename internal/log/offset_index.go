package log

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/gokafka/gokafka/internal/protocol"
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
	if s.misfit.Load() != nil {
		return 0, nil
	}
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
	return s.indexed(e[:], i)
}

// indexed returns the position that an entry tells, if the batch there is the one
// that the entry is of. After a clean stop nobody has looked at the entries: a
// damaged one would lead a reader past records, and a truncation to the wrong
// place. When one does not fit, the index is not used any more, which costs time
// only, and removed, so that the next start makes it anew.
func (s *segment) indexed(e []byte, i int) (int64, error) {
	relative, position := offsetEntry(e)
	reason, err := s.misfits(int64(relative), position)
	if err != nil || reason == "" {
		return position, err
	}
	x := s.offsetIndex()
	misfit := &CorruptionError{File: x.name(), Position: int64(i) * offsetEntryBytes, Reason: reason}
	if i < x.len() && s.misfit.CompareAndSwap(nil, misfit) { // else a truncation has just taken the entry away
		if err := s.fs.Remove(x.name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return 0, nil
}

// misfits says why no batch at position can be the one of an index entry.
func (s *segment) misfits(relative, position int64) (reason string, err error) {
	if size := s.size.Load(); position <= 0 || position > size-protocol.BatchHeaderBytes {
		return fmt.Sprintf("position %d in a log of %d bytes", position, size), nil
	}
	h, err := s.open()
	if err != nil {
		return "", err
	}
	defer h.release()
	chunk := chunks.Get().(*[chunkBytes]byte)
	defer chunks.Put(chunk)
	b := protocol.Batch(chunk[:protocol.BatchHeaderBytes])
	if err := readFull(h, b, position); err != nil {
		return "", storageError("read "+h.Name(), err)
	}
	if _, err := checkHeader(b, h.Name(), position, math.MaxInt64); err != nil {
		return err.Error(), nil
	}
	// Before version 4 Kafka entered the last offset of all batches of an append.
	if last := b.LastOffset(); last > s.base+relative || b.BaseOffset() < s.base {
		return fmt.Sprintf("an entry for offset %d, but the batch at its position %d ends at %d", s.base+relative, position, last), nil
	}
	return "", nil
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
	if s.misfit.Load() != nil {
		return 0, nil
	}
	part := min(max(float64(position)/float64(max(s.size.Load(), 1)), 0), 1)
	e, i, err := s.offsetIndex().floor(part, func(e []byte) bool {
		_, p := offsetEntry(e)
		return p <= position
	})
	if err != nil || i < 0 {
		return 0, err
	}
	return s.indexed(e[:], i)
}
