package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
)

// BatchOptions say how a BatchBuilder builds. The zero value is not what it seems in two fields: ProducerID 0 is a producer's id,
// so set NoProducerID where there is none (then ProducerEpoch and BaseSequence are written as none too), and LeaderEpoch 0 is the first epoch.
type BatchOptions struct {
	Codec         Codec
	Level         int // of the codec, in Kafka's terms; 0 = the codec's default
	TimestampType TimestampType
	// LogAppendTimeMs is the max timestamp to write with TimestampType LogAppendTime; with CreateTime the records decide.
	LogAppendTimeMs int64
	ProducerID      int64 // NoProducerID = not idempotent
	ProducerEpoch   int16
	BaseSequence    int32
	Transactional   bool
	Control         bool
	BaseOffset      int64
	LeaderEpoch     int32
}

// BatchBuilder puts records into one batch. It is not safe for concurrent use.
type BatchBuilder struct {
	o               BatchOptions
	buf             []byte // room for the header, then the records uncompressed
	numRecords      int32
	nextOffset      int64
	baseTimestampMs int64
	maxTimestampMs  int64
	err             error // of an Append, told by Bytes
}

// NewBatchBuilder returns an empty builder.
func NewBatchBuilder(o BatchOptions) *BatchBuilder {
	return &BatchBuilder{o: o, buf: make([]byte, BatchHeaderBytes, 512), nextOffset: o.BaseOffset, maxTimestampMs: NoTimestamp}
}

// Append adds a record, whose bytes it copies. An Offset of 0 means the next one; any other must be above the last record's (which leaves a gap,
// as compaction does). What cannot be appended makes Bytes fail.
func (b *BatchBuilder) Append(r Record) {
	offset := r.Offset
	if offset == 0 {
		offset = b.nextOffset
	}
	headersBytes := varintSize(int32(len(r.Headers)))
	for _, h := range r.Headers {
		headersBytes += sizedSize([]byte(h.Key)) + sizedSize(h.Value)
	}
	if !b.appendHead(offset, r.TimestampMs, r.Key, r.Value, headersBytes) {
		return
	}
	b.buf = appendVarint(b.buf, int32(len(r.Headers)))
	for _, h := range r.Headers {
		b.buf = appendVarint(b.buf, int32(len(h.Key)))
		b.buf = append(b.buf, h.Key...)
		b.buf = appendSized(b.buf, h.Value)
	}
}

// appendRaw adds a record of another batch at the next offset, its headers untouched.
func (b *BatchBuilder) appendRaw(timestampMs int64, r *rawRecord) {
	if b.appendHead(b.nextOffset, timestampMs, r.key, r.value, varintSize(r.numHeaders)+len(r.headers)) {
		b.buf = appendVarint(b.buf, r.numHeaders)
		b.buf = append(b.buf, r.headers...)
	}
}

// appendHead appends a record up to its headers, which are to follow and take headersBytes with their count.
func (b *BatchBuilder) appendHead(offset, timestampMs int64, key, value []byte, headersBytes int) bool {
	switch {
	case b.err != nil:
		return false
	case offset < b.nextOffset || offset-b.o.BaseOffset > math.MaxInt32:
		b.err = fmt.Errorf("offset %d does not follow %d in a batch from %d", offset, b.nextOffset-1, b.o.BaseOffset)
		return false
	}
	if b.numRecords == 0 {
		b.baseTimestampMs = timestampMs
	}
	timestampDelta, offsetDelta := timestampMs-b.baseTimestampMs, int32(offset-b.o.BaseOffset)
	size := 1 + varlongSize(timestampDelta) + varintSize(offsetDelta) + sizedSize(key) + sizedSize(value) + headersBytes
	if len(b.buf)+maxVarintBytes+size > math.MaxInt32 {
		b.err = fmt.Errorf("batch of more than %d bytes: %w", math.MaxInt32, kerr.MessageTooLarge)
		return false
	}
	b.buf = appendVarint(b.buf, int32(size))
	b.buf = append(b.buf, 0) // attributes
	b.buf = appendVarlong(b.buf, timestampDelta)
	b.buf = appendVarint(b.buf, offsetDelta)
	b.buf = appendSized(b.buf, key)
	b.buf = appendSized(b.buf, value)
	b.numRecords++
	b.nextOffset = offset + 1
	b.maxTimestampMs = max(b.maxTimestampMs, timestampMs)
	return true
}

// appendSized appends a length as varint, -1 for nil, and the bytes.
func appendSized(dst, s []byte) []byte {
	if s == nil {
		return appendVarint(dst, -1)
	}
	return append(appendVarint(dst, int32(len(s))), s...)
}

func sizedSize(s []byte) int {
	if s == nil {
		return 1
	}
	return varintSize(int32(len(s))) + len(s)
}

// Len returns the size of the batch so far, before compression.
func (b *BatchBuilder) Len() int { return len(b.buf) }

// NumRecords returns the number of records appended.
func (b *BatchBuilder) NumRecords() int { return int(b.numRecords) }

// Bytes returns the finished batch. The builder must not be used after. It fails when there are no records, or one that could not be appended.
func (b *BatchBuilder) Bytes() (Batch, error) {
	if b.err != nil {
		return nil, b.err
	}
	if b.numRecords == 0 {
		return nil, errors.New("a batch without records")
	}
	out := b.buf
	if b.o.Codec != CodecNone {
		var err error
		out = make([]byte, BatchHeaderBytes, BatchHeaderBytes+len(b.buf)/2)
		if out, err = appendCompressed(out, b.o.Codec, b.o.Level, 2, b.buf[BatchHeaderBytes:]); err != nil {
			return nil, err
		}
	}
	batch := Batch(out)
	b.writeHeader(batch)
	return batch, nil
}

func (b *BatchBuilder) writeHeader(batch Batch) {
	attributes := int16(b.o.Codec)
	maxTimestampMs := b.maxTimestampMs
	if b.o.TimestampType == LogAppendTime {
		attributes |= attrLogAppendTime
		maxTimestampMs = b.o.LogAppendTimeMs
	}
	if b.o.Transactional {
		attributes |= attrTransactional
	}
	if b.o.Control {
		attributes |= attrControl
	}
	producerEpoch, baseSequence := b.o.ProducerEpoch, b.o.BaseSequence
	if b.o.ProducerID == NoProducerID {
		producerEpoch, baseSequence = NoProducerEpoch, NoSequence
	}
	batch.Stamp(b.o.BaseOffset, b.o.LeaderEpoch)
	binary.BigEndian.PutUint32(batch[posLength:], uint32(len(batch)-logOverheadBytes))
	batch[posMagic] = 2
	binary.BigEndian.PutUint16(batch[posAttributes:], uint16(attributes))
	binary.BigEndian.PutUint32(batch[posLastOffsetDelta:], uint32(b.nextOffset-1-b.o.BaseOffset))
	binary.BigEndian.PutUint64(batch[posBaseTimestamp:], uint64(b.baseTimestampMs))
	binary.BigEndian.PutUint64(batch[posMaxTimestamp:], uint64(maxTimestampMs))
	binary.BigEndian.PutUint64(batch[posProducerID:], uint64(b.o.ProducerID))
	binary.BigEndian.PutUint16(batch[posProducerEpoch:], uint16(producerEpoch))
	binary.BigEndian.PutUint32(batch[posBaseSequence:], uint32(baseSequence))
	binary.BigEndian.PutUint32(batch[posNumRecords:], uint32(b.numRecords))
	batch.seal()
}
