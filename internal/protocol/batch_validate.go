package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ValidateOptions are the rules of the topic and of the request by which Validate judges.
type ValidateOptions struct {
	TopicPartition TopicPartition // for messages only
	// ProduceVersion is the version of the Produce request. Below 3, message sets of magic 0 and 1 are allowed and converted up;
	// from 3 on the records must be exactly one batch of magic 2.
	ProduceVersion int16
	// TimestampType is message.timestamp.type. With LogAppendTime every record's time becomes NowMs.
	TimestampType        TimestampType
	TimestampBeforeMaxMs int64  // message.timestamp.before.max.ms
	TimestampAfterMaxMs  int64  // message.timestamp.after.max.ms
	Codec                *Codec // compression.type; nil = the producer's
	Level                int    // compression.*.level of Codec; 0 = its default
	KeyRequired          bool   // cleanup.policy includes compact
	MaxBatchBytes        int32  // max.message.bytes; <= 0 = no limit
	NowMs                int64
}

// Validated is what may be appended to the log.
type Validated struct {
	// Records is one v2 batch with base offset 0, still to be stamped (or nothing, for an empty message set). It aliases Validate's input unless a
	// rewrite was needed; where only header fields had to change (timestamps), they were changed in place.
	Records        []byte
	NumRecords     int
	MaxTimestampMs int64 // -1 when no record has a timestamp
	// OffsetOfMaxTimestamp is relative to the first record. As in Kafka's time index it is the last offset of the batch with the largest timestamp; -1 without timestamps.
	OffsetOfMaxTimestamp int64
	LogAppendTimeMs      int64 // NowMs with LogAppendTime, else -1
	Converted            bool  // rewritten: from another magic, to another codec, or with offsets put in order
}

// InvalidRecordsError says why records were refused, in the terms of a Produce response.
type InvalidRecordsError struct {
	Err     error // the kerr error
	Message string
	Records []RecordError // Produce v8+: record_errors
}

// RecordError names one record at fault.
type RecordError struct {
	Index   int32 // within the batch
	Message string
}

// Error returns Message with Kafka's name for the error.
func (e *InvalidRecordsError) Error() string { return e.Message + ": " + e.Err.Error() }

// Unwrap returns the kerr error.
func (e *InvalidRecordsError) Unwrap() error { return e.Err }

func invalid(err error, format string, args ...any) *InvalidRecordsError {
	return &InvalidRecordsError{Err: err, Message: fmt.Sprintf(format, args...)}
}

// Validate judges the records of one partition of a Produce request as Kafka does in ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords
// and LogValidator, and makes of them what is to be appended. Every error is an *InvalidRecordsError. It may write to records (timestamps, CRC).
//
// It is stricter than Kafka where Kafka loses records silently or would answer UNKNOWN_SERVER_ERROR: bytes after the last whole batch, records that do not
// decompress, and transactional batches without a producer id are refused. Offset deltas out of order, which Kafka stores in an uncompressed batch and answers with
// UNKNOWN_SERVER_ERROR in a compressed one, are put right.
func Validate(records []byte, o ValidateOptions) (Validated, error) {
	v := validator{ValidateOptions: o}
	entry, rest, magic, err := nextEntry(records)
	if err != nil {
		return Validated{}, err
	}
	if o.ProduceVersion >= 3 {
		if err := v.checkProduceRequest(entry, rest, magic); err != nil {
			return Validated{}, err
		}
	}
	switch {
	case len(records) == 0:
		return Validated{MaxTimestampMs: NoTimestamp, OffsetOfMaxTimestamp: -1, LogAppendTimeMs: -1}, nil
	case entry == nil:
		return Validated{}, v.trailing(len(records))
	case magic == 2:
		if len(rest) > 0 {
			return Validated{}, invalid(kerr.InvalidRecord, "Compressed outer record has more than one batch")
		}
		return v.validateBatch(Batch(entry))
	}
	return v.validateMessageSet(records, magic)
}

// nextEntry takes the first batch or message off b. Entry is nil where b has not got a whole one.
func nextEntry(b []byte) (entry, rest []byte, magic int8, err error) {
	if len(b) < logOverheadBytes {
		return nil, b, 0, nil
	}
	size := int32(binary.BigEndian.Uint32(b[posLength:]))
	if least := minLength(0); size < least {
		return nil, nil, 0, invalid(kerr.CorruptMessage, "Record size %d is less than the minimum record overhead (%d)", size, least)
	}
	if len(b) < peekBytes {
		return nil, b, 0, nil
	}
	if magic = int8(b[posMagic]); magic < 0 || magic > 2 {
		return nil, nil, 0, invalid(kerr.CorruptMessage, "Invalid magic found in record: %d", magic)
	}
	end := int64(size) + logOverheadBytes
	if end > int64(len(b)) {
		return nil, b, magic, nil
	}
	return b[:end:end], b[end:], magic, nil
}

// validator holds the rules, and the records found to break them.
type validator struct {
	ValidateOptions
	errors     []RecordError
	numErrors  int
	timeErrors bool
}

// maxRecordErrors bounds what one bad batch can make of a response.
const maxRecordErrors = 1000

func (v *validator) trailing(n int) error {
	return invalid(kerr.InvalidRecord, "%d bytes that are no whole batch at the end of the records for topic partition %s", n, v.TopicPartition)
}

// checkProduceRequest applies the rules of Produce version 3 and up for the form of the records.
func (v *validator) checkProduceRequest(entry, rest []byte, magic int8) error {
	switch {
	case entry == nil:
		return invalid(kerr.InvalidRecord, "Produce requests with version %d must have at least one record batch per partition", v.ProduceVersion)
	case magic != 2:
		return invalid(kerr.InvalidRecord, "Produce requests with version %d are only allowed to contain record batches with magic version 2", v.ProduceVersion)
	case v.ProduceVersion < 7 && len(entry) >= BatchHeaderBytes && Batch(entry).Codec() == CodecZstd:
		return invalid(kerr.UnsupportedCompressionType, "Produce requests with version %d are not allowed to use ZStandard compression", v.ProduceVersion)
	case len(rest) == 0:
		return nil
	}
	if _, _, _, err := nextEntry(rest); err != nil {
		return err
	}
	return invalid(kerr.InvalidRecord, "Produce requests with version %d are only allowed to contain exactly one record batch per partition", v.ProduceVersion)
}

// validateBatch judges one batch of magic 2.
func (v *validator) validateBatch(b Batch) (Validated, error) {
	if err := v.checkHeader(b); err != nil {
		return Validated{}, err
	}
	found, err := v.scan(b)
	if err != nil {
		return Validated{}, err
	}
	if target := v.target(b.Codec()); target != b.Codec() || !found.ordered {
		return v.rebuild(b, target, found)
	}
	maxTimestampMs := found.maxTimestampMs
	if v.TimestampType == LogAppendTime {
		maxTimestampMs = v.NowMs
	}
	b.SetTimestamp(v.TimestampType, maxTimestampMs)
	return v.accepted(b, false), nil
}

func (v *validator) target(source Codec) Codec {
	if v.Codec == nil {
		return source
	}
	return *v.Codec
}

func (v *validator) accepted(b Batch, converted bool) Validated {
	out := Validated{Records: b, NumRecords: int(b.NumRecords()), MaxTimestampMs: b.MaxTimestampMs(), OffsetOfMaxTimestamp: -1,
		LogAppendTimeMs: -1, Converted: converted}
	if out.MaxTimestampMs != NoTimestamp {
		out.OffsetOfMaxTimestamp = int64(b.LastOffsetDelta())
	}
	if v.TimestampType == LogAppendTime {
		out.LogAppendTimeMs = v.NowMs
	}
	return out
}

// checkHeader judges all of b but its records.
func (v *validator) checkHeader(b Batch) error {
	tp := v.TopicPartition
	if base := b.BaseOffset(); base != 0 {
		return invalid(kerr.InvalidRecord, "The baseOffset of the record batch in the append to %s should be 0, but it is %d", tp, base)
	}
	if v.tooLarge(len(b)) {
		return invalid(kerr.MessageTooLarge, "The record batch size in the append to %s is %d bytes which exceeds the maximum configured value of %d).", tp, len(b), v.MaxBatchBytes)
	}
	if len(b) < BatchHeaderBytes || b.CheckCRC() != nil {
		return invalid(kerr.CorruptMessage, "Record is corrupt (stored crc = %d) in topic partition %s.", b.CRC(), tp)
	}
	if c := b.Codec(); c > CodecZstd {
		return invalid(kerr.UnsupportedCompressionType, "Unknown compression type id: %d", int8(c))
	}
	last, count := b.LastOffset(), b.NumRecords()
	switch {
	case last < 0:
		return invalid(kerr.InvalidRecord, "Batch has an invalid offset range: [%d, %d] in topic partition %s", b.BaseOffset(), last, tp)
	case count <= 0:
		return invalid(kerr.InvalidRecord, "Invalid reported count for record batch: %d in topic partition %s", count, tp)
	case last+1 != int64(count):
		return invalid(kerr.InvalidRecord, "Inconsistent batch offset range [%d, %d] and count of records %d in topic partition %s", b.BaseOffset(), last, count, tp)
	case b.IsControl():
		return invalid(kerr.InvalidRecord, "Clients are not allowed to write control records in topic partition %s", tp)
	case b.ProducerID() > NoProducerID && b.BaseSequence() < 0:
		return invalid(kerr.InvalidRecord, "Invalid sequence number %d in record batch with producerId %d in topic partition %s", b.BaseSequence(), b.ProducerID(), tp)
	case b.ProducerID() <= NoProducerID && b.IsTransactional():
		return invalid(kerr.InvalidRecord, "Transactional record batch without a producerId in topic partition %s", tp)
	}
	return nil
}

func (v *validator) tooLarge(size int) bool {
	return v.MaxBatchBytes > 0 && size > int(v.MaxBatchBytes)
}

// scanResult is what the records of a batch tell.
type scanResult struct {
	maxTimestampMs int64
	ordered        bool  // offset deltas are 0, 1, 2, …
	recordsBytes   int64 // uncompressed
}

// scan judges the records of b. It allocates nothing per record; a compressed batch passes through a window of fixed size.
func (v *validator) scan(b Batch) (scanResult, error) {
	s, err := scanRecords(b)
	if err != nil {
		return scanResult{}, invalidRecords(err)
	}
	defer s.src.close()
	found := scanResult{maxTimestampMs: NoTimestamp, ordered: true}
	// A producer must not set LogAppendTime. Kafka lets it pass where the topic says CreateTime, and clears the bit.
	logAppend := b.TimestampType() == LogAppendTime && (v.TimestampType == LogAppendTime || b.MaxTimestampMs() == NoTimestamp)
	baseTimestampMs := b.BaseTimestampMs()
	var r rawRecord
	for i := int32(0); s.remaining > 0; i++ {
		if err := s.skim(&r); err != nil {
			return scanResult{}, invalidRecords(err)
		}
		timestampMs := baseTimestampMs + r.timestampDelta
		if r.offsetDelta != i {
			found.ordered = false
		}
		found.maxTimestampMs = max(found.maxTimestampMs, timestampMs)
		switch {
		case v.KeyRequired && r.keyBytes < 0:
			v.keyError(i)
		case logAppend:
			v.timeError(i, fmt.Sprintf("Invalid timestamp type in message %s. Producer should not set timestamp type to LogAppendTime.", v.describe(b, &r)))
		case v.outOfRange(timestampMs):
			v.timeError(i, v.outOfRangeMessage(timestampMs, int64(r.offsetDelta)))
		}
	}
	if err := s.finish(); err != nil {
		return scanResult{}, invalidRecords(err)
	}
	found.recordsBytes = s.readBytes
	return found, v.result()
}

// describe returns a record as Kafka's messages do. Of a compressed batch that it need not rewrite Kafka knows the record only in part.
func (v *validator) describe(b Batch, r *rawRecord) string {
	kind, keyBytes, valueBytes := "DefaultRecord", max(r.keyBytes, 0), max(r.valueBytes, 0)
	if b.Codec() != CodecNone && v.target(b.Codec()) == b.Codec() {
		kind, keyBytes, valueBytes = "PartialDefaultRecord", r.keyBytes, r.valueBytes
	}
	return fmt.Sprintf("%s(offset=%d, timestamp=%d, key=%d bytes, value=%d bytes)", kind, r.offsetDelta, b.timestamp(r.timestampDelta), keyBytes, valueBytes)
}

// invalidRecords is for records that cannot be read. The CRC was right, so sending them again would not help: not CORRUPT_MESSAGE, which is retriable.
func invalidRecords(err error) error {
	return &InvalidRecordsError{Err: kerr.InvalidRecord, Message: err.Error()}
}

// outOfRange reports whether a CreateTime is too old or too far ahead. The differences wrap as Java's do.
func (v *validator) outOfRange(timestampMs int64) bool {
	if v.TimestampType != CreateTime || timestampMs == NoTimestamp {
		return false
	}
	age := v.NowMs - timestampMs
	return age > v.TimestampBeforeMaxMs || -age > v.TimestampAfterMaxMs
}

func (v *validator) outOfRangeMessage(timestampMs, offset int64) string {
	return fmt.Sprintf("Timestamp %d of message with offset %d is out of range. The timestamp should be within [%d, %d]",
		timestampMs, offset, v.NowMs-v.TimestampBeforeMaxMs, v.NowMs+v.TimestampAfterMaxMs)
}

func (v *validator) keyError(index int32) {
	v.recordError(index, "Compacted topic cannot accept message without key in topic partition "+v.TopicPartition.String())
}

func (v *validator) timeError(index int32, message string) {
	v.timeErrors = true
	v.recordError(index, message)
}

func (v *validator) recordError(index int32, message string) {
	v.numErrors++
	if len(v.errors) < maxRecordErrors {
		v.errors = append(v.errors, RecordError{index, message})
	}
}

// result returns the error that the records at fault add up to.
func (v *validator) result() error {
	if v.numErrors == 0 {
		return nil
	}
	if v.timeErrors {
		return &InvalidRecordsError{Err: kerr.InvalidTimestamp, Message: "One or more records have been rejected due to invalid timestamp", Records: v.errors}
	}
	var first []string
	for _, e := range v.errors[:min(3, len(v.errors))] {
		first = append(first, fmt.Sprintf("RecordError(batchIndex=%d, message='%s')", e.Index, e.Message))
	}
	return &InvalidRecordsError{Err: kerr.InvalidRecord, Records: v.errors, Message: fmt.Sprintf("One or more records have been rejected due to %d record errors in total, "+
		"and only showing the first three errors at most: [%s]", v.numErrors, strings.Join(first, ", "))}
}

// rebuild writes the records of b into a new batch: with another codec, or with the offsets in order.
func (v *validator) rebuild(b Batch, target Codec, found scanResult) (Validated, error) {
	size := found.recordsBytes + BatchHeaderBytes
	if size > maxInflatedBytes || target == CodecNone && v.tooLarge(int(size)) {
		return Validated{}, v.tooLargeRewritten(size)
	}
	s, err := scanRecords(b)
	if err != nil {
		return Validated{}, invalidRecords(err)
	}
	defer s.src.close()
	builder := v.builder(target, size)
	builder.o.ProducerID, builder.o.ProducerEpoch, builder.o.BaseSequence = b.ProducerID(), b.ProducerEpoch(), b.BaseSequence()
	builder.o.Transactional = b.IsTransactional()
	var r rawRecord
	for s.remaining > 0 {
		if err := s.next(&r); err != nil {
			return Validated{}, invalidRecords(err)
		}
		timestampMs := b.BaseTimestampMs() + r.timestampDelta
		if timestampMs < NoTimestamp {
			return Validated{}, invalid(kerr.InvalidTimestamp, "Invalid negative timestamp %d", timestampMs)
		}
		builder.appendRaw(timestampMs, &r)
	}
	return v.built(builder)
}

// builder returns one for a rewritten batch of about size bytes.
func (v *validator) builder(codec Codec, size int64) *BatchBuilder {
	builder := NewBatchBuilder(BatchOptions{Codec: codec, Level: v.Level, TimestampType: v.TimestampType, LogAppendTimeMs: v.NowMs,
		ProducerID: NoProducerID, LeaderEpoch: NoLeaderEpoch})
	// Deltas out of order may take some bytes more when put right, seldom enough to let append see to it.
	builder.buf = make([]byte, BatchHeaderBytes, max(size, BatchHeaderBytes))
	return builder
}

func (v *validator) built(builder *BatchBuilder) (Validated, error) {
	b, err := builder.Bytes()
	if err != nil {
		if !errors.Is(err, kerr.MessageTooLarge) {
			err = fmt.Errorf("%w: %w", err, kerr.InvalidRecord)
		}
		return Validated{}, &InvalidRecordsError{Err: err, Message: err.Error()}
	}
	if v.tooLarge(len(b)) {
		return Validated{}, v.tooLargeRewritten(int64(len(b)))
	}
	return v.accepted(b, true), nil
}

func (v *validator) tooLargeRewritten(size int64) error {
	limit := int64(maxInflatedBytes)
	if v.MaxBatchBytes > 0 {
		limit = int64(v.MaxBatchBytes)
	}
	return invalid(kerr.MessageTooLarge, "Message batch size is %d bytes in append to partition %s which exceeds the maximum configured size of %d.", size, v.TopicPartition, limit)
}
