package tools

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"sort"

	"github.com/gokafka/gokafka/internal/protocol"
)

// Sizes of the entries of index files.
const (
	offsetEntry   = 8
	timeEntry     = 12
	txnEntry      = 34
	producerEntry = 46
)

// readIndex reads an index; one that is not there yet is empty, as it is for a broker.
func readIndex(name string) ([]byte, error) {
	b, err := readWhole(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// offsetIndex dumps an .index, and compares it with the log beside it.
func (d *dump) offsetIndex(name string) (err error) {
	base, err := baseOffset(name)
	if err != nil {
		return err
	}
	log, err := openBatches(sibling(name, ".log"), math.MaxInt64)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.close()) }()
	b, err := readIndex(name)
	if err != nil {
		return err
	}
	n := len(b) / offsetEntry
	if n == 0 {
		d.env.println(name + " is empty.")
		return nil
	}
	entry := func(i int) (offset, position int64) {
		e := b[i*offsetEntry:]
		return base + int64(int32(binary.BigEndian.Uint32(e))), int64(int32(binary.BigEndian.Uint32(e[4:])))
	}
	if d.sanityOnly {
		if last, _ := entry(n - 1); last < base {
			return fmt.Errorf("Corrupt index found, index file %s has non-zero size but the last offset is %d which is less than the base offset %d", absolute(name), last, base) //nolint:staticcheck // Kafka's words
		}
		return d.sane(name, b, offsetEntry)
	}
	for i := range n {
		offset, position := entry(i)
		if offset == base && i > 0 {
			return nil // the rest of a preallocated file
		}
		if err := log.seek(position); err != nil {
			return err
		}
		ok, err := log.next()
		if err != nil {
			return err
		}
		if !ok || int64(len(log.batch)) > d.maxMessageSize {
			return fmt.Errorf("%s: entry %d: there is no batch of at most %d bytes at position %d of the log", name, i, d.maxMessageSize, position)
		}
		if last := endOf(log.batch); last != offset {
			d.note(indexMismatch, indexMismatch+absolute(name), "  Index offset: %d, log offset: %d", offset, last)
		}
		if !d.verifyOnly {
			d.env.printf("offset: %d position: %d\n", offset, position)
		}
	}
	return nil
}

// sane says that an index passes what a broker checks at start.
func (d *dump) sane(name string, b []byte, entry int) error {
	if len(b)%entry != 0 {
		return fmt.Errorf("Index file %s is corrupt, found %d bytes which is neither positive nor a multiple of %d", absolute(name), len(b), entry) //nolint:staticcheck // Kafka's words
	}
	d.env.println(name + " passed sanity check.")
	return nil
}

// endOf is the last offset of a batch, or of a message of the formats before.
func endOf(b protocol.Batch) int64 {
	if b.Magic() < 2 {
		return b.BaseOffset()
	}
	return b.LastOffset()
}

// timeIndex dumps a .timeindex, and compares it with the log beside it, in which the .index finds the place.
func (d *dump) timeIndex(name string) (err error) {
	base, err := baseOffset(name)
	if err != nil {
		return err
	}
	log, err := openBatches(sibling(name, ".log"), math.MaxInt64)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.close()) }()
	offsets, err := readIndex(sibling(name, ".index"))
	if err != nil {
		return err
	}
	b, err := readIndex(name)
	if err != nil {
		return err
	}
	n := len(b) / timeEntry
	entry := func(i int) (ms, offset int64) {
		e := b[i*timeEntry:]
		return int64(binary.BigEndian.Uint64(e)), base + int64(int32(binary.BigEndian.Uint32(e[8:])))
	}
	if d.sanityOnly {
		if n > 0 {
			if first, _ := entry(0); n > 1 {
				if last, _ := entry(n - 1); last < first {
					return fmt.Errorf("Corrupt time index found, time index file (%s) has non-zero size but the last timestamp is %d which is less than the first timestamp %d", absolute(name), last, first) //nolint:staticcheck // Kafka's words
				}
			}
			if _, last := entry(n - 1); last < base {
				return fmt.Errorf("Corrupt time index found, time index file (%s) has non-zero size but the last offset is %d which is less than the first offset %d", absolute(name), last, base) //nolint:staticcheck // Kafka's words
			}
		}
		return d.sane(name, b, timeEntry)
	}
	previous := int64(-1)
	for i := range n {
		ms, offset := entry(i)
		if offset == base && i > 0 {
			return nil // the rest of a preallocated file
		}
		if err := log.seek(lookupPosition(offsets, base, offset)); err != nil {
			return err
		}
		if err := d.checkTime(name, log, ms, offset, previous); err != nil {
			return err
		}
		if !d.verifyOnly {
			d.env.printf("timestamp: %d offset: %d\n", ms, offset)
		}
		previous = ms
	}
	return nil
}

// lookupPosition finds the last entry of an offset index that is not after offset.
func lookupPosition(index []byte, base, offset int64) int64 {
	n := len(index) / offsetEntry
	relative := func(i int) int64 { return int64(int32(binary.BigEndian.Uint32(index[i*offsetEntry:]))) }
	for n > 1 && relative(n-1) == 0 { // the rest of a preallocated file
		n--
	}
	i := sort.Search(n, func(i int) bool { return base+relative(i) > offset })
	if i == 0 {
		return 0
	}
	return int64(int32(binary.BigEndian.Uint32(index[(i-1)*offsetEntry+4:])))
}

// checkTime compares an entry with the batch that it is about.
func (d *dump) checkTime(name string, log *batchReader, ms, offset, previous int64) error {
	for {
		ok, err := log.next()
		if err != nil {
			return err
		}
		if !ok {
			d.note(offsetNotFound, offsetNotFound, "Indexed offset: %d, found log offset: -1", offset)
			return nil
		}
		if endOf(log.batch) >= offset {
			break
		}
	}
	if last := endOf(log.batch); last != offset {
		d.note(offsetNotFound, offsetNotFound, "Indexed offset: %d, found log offset: %d", offset, last)
		return nil
	}
	if log.batch.Magic() < 2 {
		return nil
	}
	highest := int64(-1)
	for r, err := range log.batch.Records() {
		if err != nil {
			return fmt.Errorf("%s: batch at offset %d: %w", name, log.batch.BaseOffset(), err)
		}
		highest = max(highest, r.TimestampMs)
	}
	if highest != ms {
		d.note(timestampMismatch, timestampMismatch+absolute(name), "  Index timestamp: %d, log timestamp: %d", ms, highest)
	}
	if previous >= ms {
		d.note(outOfOrder, outOfOrder+absolute(name), "  Index timestamp: %d, Previously indexed timestamp: %d", ms, previous)
	}
	return nil
}

// txnIndex dumps a .txnindex: the aborted transactions of a segment. A segment without any has no such file.
func (d *dump) txnIndex(name string) error {
	b, err := readIndex(name)
	if err != nil {
		return err
	}
	for ; len(b) >= txnEntry; b = b[txnEntry:] {
		version := int16(binary.BigEndian.Uint16(b))
		if version > 0 {
			return fmt.Errorf("Unexpected aborted transaction entry version %d in transaction index %s, current version is 0", version, absolute(name)) //nolint:staticcheck // Kafka's words
		}
		at := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[2+8*i:])) }
		d.env.printf("version: %d producerId: %d firstOffset: %d lastOffset: %d lastStableOffset: %d\n", version, at(0), at(1), at(2), at(3))
	}
	if len(b) > 0 {
		return fmt.Errorf("%s: %d bytes at its end are no entry", name, len(b))
	}
	return nil
}

// producerSnapshot dumps a .snapshot: the producers of a partition at an offset.
func (d *dump) producerSnapshot(name string) error {
	const head = 10 // version, CRC, number of entries
	b, err := readWhole(name)
	if err != nil {
		return err
	}
	if len(b) < head {
		d.env.errorf("Snapshot failed schema validation: %s has only %d bytes\n", name, len(b))
		return nil
	}
	if version := binary.BigEndian.Uint16(b); version != 1 {
		d.env.errorf("Snapshot contained an unknown file version %d\n", version)
		return nil
	}
	stored := binary.BigEndian.Uint32(b[2:])
	if got := crc32.Checksum(b[6:], crc32.MakeTable(crc32.Castagnoli)); got != stored {
		d.env.errorf("Snapshot is corrupt (CRC is no longer valid). Stored crc: %d. Computed crc: %d\n", stored, got)
		return nil
	}
	n := int64(binary.BigEndian.Uint32(b[6:]))
	if b = b[head:]; int64(len(b)) < n*producerEntry {
		d.env.errorf("Snapshot failed schema validation: %s has not the %d entries that it says\n", name, n)
		return nil
	}
	for ; n > 0; n, b = n-1, b[producerEntry:] {
		d.producer(b)
	}
	return nil
}

func (d *dump) producer(e []byte) {
	be := binary.BigEndian
	id, epoch, lastSequence, lastOffset := int64(be.Uint64(e)), int16(be.Uint16(e[8:])), int32(be.Uint32(e[10:])), int64(be.Uint64(e[14:]))
	delta, ms, coordinatorEpoch, txn := int32(be.Uint32(e[22:])), int64(be.Uint64(e[26:])), int32(be.Uint32(e[34:])), int64(be.Uint64(e[38:]))
	first := "OptionalLong.empty"
	if txn >= 0 {
		first = fmt.Sprintf("OptionalLong[%d]", txn)
	}
	d.env.printf("producerId: %d producerEpoch: %d coordinatorEpoch: %d currentTxnFirstOffset: %s lastTimestamp: %d ", id, epoch, coordinatorEpoch, first, ms)
	if lastOffset >= 0 {
		firstSequence := lastSequence - delta
		if delta > lastSequence { // it has begun anew since
			firstSequence = math.MaxInt32 - (delta - lastSequence) + 1
		}
		d.env.printf("firstSequence: %d lastSequence: %d lastOffset: %d offsetDelta: %d timestamp: %d", firstSequence, lastSequence, lastOffset, delta, ms)
	}
	d.env.println()
}
