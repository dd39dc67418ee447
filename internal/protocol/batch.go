package protocol

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Byte positions within a batch; see the picture in doc.go.
const (
	posBaseOffset      = 0
	posLength          = 8
	posLeaderEpoch     = 12
	posMagic           = 16
	posCRC             = 17
	posAttributes      = 21
	posLastOffsetDelta = 23
	posBaseTimestamp   = 27
	posMaxTimestamp    = 35
	posProducerID      = 43
	posProducerEpoch   = 51
	posBaseSequence    = 53
	posNumRecords      = 57

	// BatchHeaderBytes is the size of a v2 batch without records.
	BatchHeaderBytes = 61

	// logOverheadBytes is what comes before the part that the length field counts: offset and length.
	logOverheadBytes = 12

	// peekBytes is the shortest prefix that tells size and magic of a batch of any version.
	peekBytes = posMagic + 1
)

const (
	attrCodecMask     = 0x07
	attrLogAppendTime = 1 << 3
	attrTransactional = 1 << 4
	attrControl       = 1 << 5
	attrDeleteHorizon = 1 << 6
)

// Kafka's values for "none" in a batch or record.
const (
	NoTimestamp     int64 = -1
	NoProducerID    int64 = -1
	NoProducerEpoch int16 = -1
	NoSequence      int32 = -1
	NoLeaderEpoch   int32 = -1
)

// Codec is a compression codec by the number it has in a batch's attributes.
type Codec int8

// The codecs Kafka knows.
const (
	CodecNone Codec = iota
	CodecGzip
	CodecSnappy
	CodecLZ4
	CodecZstd
)

// String returns Kafka's configuration name of the codec: none, gzip, snappy, lz4 or zstd.
func (c Codec) String() string {
	switch c {
	case CodecNone:
		return "none"
	case CodecGzip:
		return "gzip"
	case CodecSnappy:
		return "snappy"
	case CodecLZ4:
		return "lz4"
	case CodecZstd:
		return "zstd"
	}
	return fmt.Sprintf("codec %d", int8(c))
}

// ParseCodec returns the codec of a compression.type: none, uncompressed, gzip, snappy, lz4 or zstd.
// "producer" is not a codec and not ok.
func ParseCodec(name string) (c Codec, ok bool) {
	if name == "uncompressed" {
		return CodecNone, true
	}
	for c := CodecNone; c <= CodecZstd; c++ {
		if c.String() == name {
			return c, true
		}
	}
	return CodecNone, false
}

// TimestampType tells what the timestamps of a batch's records mean.
type TimestampType int8

// The timestamp types, numbered as in a batch's attributes.
const (
	CreateTime    TimestampType = 0 // set by the producer, per record
	LogAppendTime TimestampType = 1 // every record has the batch's max timestamp, set by the leader
)

// String returns Kafka's configuration name of the type.
func (t TimestampType) String() string {
	if t == LogAppendTime {
		return "LogAppendTime"
	}
	return "CreateTime"
}

// Batch is exactly one record batch of magic 2, as it lies on the wire and on disk.
// Its methods need BatchHeaderBytes or more and panic below that: get batches from [Batches],
// [Validate] or a [BatchBuilder], which check. Methods that read are safe for concurrent use.
type Batch []byte

// BaseOffset returns the offset of the first record the batch was written with.
func (b Batch) BaseOffset() int64 { return int64(binary.BigEndian.Uint64(b[posBaseOffset:])) }

// LastOffset returns the offset of the last record, inclusive. Compaction keeps it even if that record is gone.
func (b Batch) LastOffset() int64 { return b.BaseOffset() + int64(b.LastOffsetDelta()) }

// LeaderEpoch returns the epoch of the leader that appended the batch.
func (b Batch) LeaderEpoch() int32 { return int32(binary.BigEndian.Uint32(b[posLeaderEpoch:])) }

// Magic returns the format version, 2 in every valid Batch.
func (b Batch) Magic() int8 { return int8(b[posMagic]) }

// CRC returns the stored CRC-32C over everything from the attributes on.
func (b Batch) CRC() uint32 { return binary.BigEndian.Uint32(b[posCRC:]) }

func (b Batch) attributes() int16 { return int16(binary.BigEndian.Uint16(b[posAttributes:])) }

// Codec returns the compression of the records. It may be one that does not exist.
func (b Batch) Codec() Codec { return Codec(b.attributes() & attrCodecMask) }

// TimestampType tells whose clock the timestamps are from.
func (b Batch) TimestampType() TimestampType {
	if b.attributes()&attrLogAppendTime != 0 {
		return LogAppendTime
	}
	return CreateTime
}

// IsTransactional reports whether the batch is part of a transaction (markers included).
func (b Batch) IsTransactional() bool { return b.attributes()&attrTransactional != 0 }

// IsControl reports whether the records are control records, which consumers never see.
func (b Batch) IsControl() bool { return b.attributes()&attrControl != 0 }

// HasDeleteHorizon reports whether BaseTimestampMs is the time after which the cleaner may drop tombstones and markers (KIP-534).
func (b Batch) HasDeleteHorizon() bool { return b.attributes()&attrDeleteHorizon != 0 }

// LastOffsetDelta returns LastOffset minus BaseOffset.
func (b Batch) LastOffsetDelta() int32 { return int32(binary.BigEndian.Uint32(b[posLastOffsetDelta:])) }

// BaseTimestampMs returns the timestamp to which the records' deltas are relative.
func (b Batch) BaseTimestampMs() int64 { return int64(binary.BigEndian.Uint64(b[posBaseTimestamp:])) }

// MaxTimestampMs returns the largest timestamp of the records.
func (b Batch) MaxTimestampMs() int64 { return int64(binary.BigEndian.Uint64(b[posMaxTimestamp:])) }

// ProducerID returns the id of the idempotent producer, or NoProducerID.
func (b Batch) ProducerID() int64 { return int64(binary.BigEndian.Uint64(b[posProducerID:])) }

// ProducerEpoch returns the epoch of the idempotent producer, or NoProducerEpoch.
func (b Batch) ProducerEpoch() int16 { return int16(binary.BigEndian.Uint16(b[posProducerEpoch:])) }

// BaseSequence returns the sequence number of the first record, or NoSequence.
func (b Batch) BaseSequence() int32 { return int32(binary.BigEndian.Uint32(b[posBaseSequence:])) }

// LastSequence returns the sequence number of the last record, or NoSequence. Sequences go on at 0 after the largest int32.
func (b Batch) LastSequence() int32 {
	base := b.BaseSequence()
	if base == NoSequence {
		return NoSequence
	}
	return IncrementSequence(base, b.LastOffsetDelta())
}

// IncrementSequence adds to a sequence number, going on at 0 after the largest int32 (as DefaultRecordBatch.incrementSequence).
func IncrementSequence(sequence, by int32) int32 {
	if sequence > math.MaxInt32-by {
		return by - (math.MaxInt32 - sequence) - 1
	}
	return sequence + by
}

// NumRecords returns the number of records the header announces.
func (b Batch) NumRecords() int32 { return int32(binary.BigEndian.Uint32(b[posNumRecords:])) }

// Stamp writes what the leader assigns, in place: the base offset and its epoch. Both lie outside of the CRC.
func (b Batch) Stamp(baseOffset int64, leaderEpoch int32) {
	binary.BigEndian.PutUint64(b[posBaseOffset:], uint64(baseOffset))
	binary.BigEndian.PutUint32(b[posLeaderEpoch:], uint32(leaderEpoch))
}

// SetTimestamp writes the timestamp type and the max timestamp, in place, and renews the CRC where that changes anything.
func (b Batch) SetTimestamp(tt TimestampType, maxMs int64) {
	attributes := b.attributes() &^ attrLogAppendTime
	if tt == LogAppendTime {
		attributes |= attrLogAppendTime
	}
	if attributes == b.attributes() && maxMs == b.MaxTimestampMs() {
		return
	}
	binary.BigEndian.PutUint16(b[posAttributes:], uint16(attributes))
	binary.BigEndian.PutUint64(b[posMaxTimestamp:], uint64(maxMs))
	b.seal()
}

// seal computes the CRC anew.
func (b Batch) seal() {
	binary.BigEndian.PutUint32(b[posCRC:], crc32.Checksum(b[posAttributes:], castagnoli))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CheckCRC compares the stored CRC with the bytes. The error wraps kerr.CorruptMessage.
func (b Batch) CheckCRC() error {
	if computed := crc32.Checksum(b[posAttributes:], castagnoli); computed != b.CRC() {
		return fmt.Errorf("Record is corrupt (stored crc = %d, computed crc = %d): %w", b.CRC(), computed, kerr.CorruptMessage)
	}
	return nil
}

// PeekBatch reads the size and the magic of the first batch (or, for magic 0 and 1, message) of b. It needs the first 17 bytes;
// b may end anywhere after. It is not ok for a shorter b, or a size below what the magic's header takes.
func PeekBatch(b []byte) (size int, magic int8, ok bool) {
	if len(b) < peekBytes {
		return 0, 0, false
	}
	length := int32(binary.BigEndian.Uint32(b[posLength:]))
	magic = int8(b[posMagic])
	if length < minLength(magic) || length > math.MaxInt32-logOverheadBytes {
		return 0, magic, false
	}
	return int(length) + logOverheadBytes, magic, true
}

// minLength returns the least value of the length field for a magic.
func minLength(magic int8) int32 {
	switch magic {
	case 0:
		return messageHeaderBytesV0 - logOverheadBytes
	case 1:
		return messageHeaderBytesV1 - logOverheadBytes
	}
	return BatchHeaderBytes - logOverheadBytes
}

// Batches walks over the batches of b, which alias b. It stops after the first error: one wrapping ErrTruncated when b ends
// within a batch, one wrapping kerr.CorruptMessage when the length field is too small or the magic is not 2.
// It does not check the CRC.
func Batches(b []byte) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for at := 0; at < len(b); {
			rest := b[at:]
			if len(rest) < peekBytes {
				yield(nil, fmt.Errorf("batch at byte %d: %w: %d bytes", at, ErrTruncated, len(rest)))
				return
			}
			size, magic, ok := PeekBatch(rest)
			switch {
			case magic != 2:
				yield(nil, fmt.Errorf("batch at byte %d: magic %d: %w", at, magic, kerr.CorruptMessage))
				return
			case !ok:
				yield(nil, fmt.Errorf("batch at byte %d: length %d: %w", at, int32(binary.BigEndian.Uint32(rest[posLength:])), kerr.CorruptMessage))
				return
			case size > len(rest):
				yield(nil, fmt.Errorf("batch at byte %d: %w: %d of %d bytes", at, ErrTruncated, len(rest), size))
				return
			}
			if !yield(Batch(rest[:size:size]), nil) {
				return
			}
			at += size
		}
	}
}
