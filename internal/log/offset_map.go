package log

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// offsetMapEntryBytes is what one key costs, as much as in Kafka's SkimpyOffsetMap.
const offsetMapEntryBytes = 24

// offsetMap remembers for each key of the uncleaned part of a log the offset of
// its last record, in a table of fixed size. Keys are known by the first 128 bits
// of their SHA-256 only: two keys that meet there would lose a record, which for
// MD5, Kafka's choice, a producer can bring about.
type offsetMap struct {
	slots  []offsetSlot
	n      int   // keys
	limit  int   // of n: beyond it look-ups would become slow
	latest int64 // everything up to this offset, inclusive, is accounted for; −1 for nothing
}

// offsetSlot is free when next is 0.
type offsetSlot struct {
	hash [2]uint64
	next int64 // offset + 1
}

// maxOffsetSlots is how many slots a map of so many bytes has, at least one that
// can be used.
func maxOffsetSlots(bufferBytes int64) int64 { return max(bufferBytes/offsetMapEntryBytes, 2) }

// reset empties the map and gives it slots for so many keys, but no more than
// maxSlots, of which the part loadFactor may be used.
func (m *offsetMap) reset(keys, maxSlots int64, loadFactor float64) {
	loadFactor = min(max(loadFactor, 0.01), 0.99) // with no slot free a look-up would not end
	want := maxSlots
	if keys < int64(float64(maxSlots)*loadFactor) {
		want = max(int64(float64(keys)/loadFactor)+2, 2)
	}
	if int64(cap(m.slots)) >= want {
		m.slots = m.slots[:want]
		clear(m.slots)
	} else {
		m.slots = make([]offsetSlot, want)
	}
	m.n, m.latest = 0, -1
	m.limit = min(max(int(float64(want)*loadFactor), 1), int(want)-1)
}

func hashKey(key []byte) [2]uint64 {
	sum := sha256.Sum256(key)
	return [2]uint64{binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:])}
}

// find returns the slot that has the key, or else the free one where it belongs.
func (m *offsetMap) find(hash [2]uint64) *offsetSlot {
	i, _ := bits.Mul64(hash[0], uint64(len(m.slots)))
	for {
		s := &m.slots[i]
		if s.next == 0 || s.hash == hash {
			return s
		}
		if i++; i == uint64(len(m.slots)) {
			i = 0
		}
	}
}

// put notes the offset of a key's last record so far. It reports false, and notes
// nothing, when the map is full, even if it has the key.
func (m *offsetMap) put(key []byte, offset int64) bool {
	if m.n >= m.limit {
		return false
	}
	hash := hashKey(key)
	s := m.find(hash)
	if s.next == 0 {
		s.hash = hash
		m.n++
	}
	s.next = offset + 1
	m.latest = offset
	return true
}

// get returns the offset of a key's last record, −1 when the map does not have it.
func (m *offsetMap) get(key []byte) int64 { return m.find(hashKey(key)).next - 1 }
