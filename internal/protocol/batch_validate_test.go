package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
)

const testNowMs = 1_000_000

// lenient are the rules of a topic with Kafka's defaults.
func lenient() ValidateOptions {
	return ValidateOptions{TopicPartition: TopicPartition{"t", 1}, ProduceVersion: 9, TimestampBeforeMaxMs: math.MaxInt64, TimestampAfterMaxMs: 3_600_000,
		MaxBatchBytes: 1 << 20, NowMs: testNowMs}
}

func codecPtr(c Codec) *Codec { return &c }

// reseal renews the CRC after a change that is not meant to be found by it.
func reseal(b Batch) Batch { b.seal(); return b }

func threeRecords(codec Codec) []Record {
	return []Record{{TimestampMs: 1000, Key: []byte("a"), Value: []byte("1")}, {TimestampMs: 3000, Key: []byte("b")}, {TimestampMs: 2000, Value: []byte("3")}}
}

func TestValidateKeepsAGoodBatchAsItIs(t *testing.T) {
	for _, codec := range allCodecs {
		o := BatchOptions{Codec: codec, ProducerID: 5, ProducerEpoch: 1, BaseSequence: 4, Transactional: true}
		b := build(t, o, threeRecords(codec)...)
		before := slices.Clone(b)
		got, err := Validate(b, lenient())
		if err != nil {
			t.Fatalf("%s: %v", codec, err)
		}
		if &got.Records[0] != &b[0] || !bytes.Equal(before, b) {
			t.Errorf("%s: was rewritten", codec)
		}
		got.Records = nil
		if diff := cmp.Diff(Validated{NumRecords: 3, MaxTimestampMs: 3000, OffsetOfMaxTimestamp: 2, LogAppendTimeMs: -1}, got); diff != "" {
			t.Errorf("%s: %s", codec, diff)
		}
	}
}

// refusal is a way for a batch to be refused.
type refusal struct {
	name    string
	records func(t *testing.T, codec Codec) []byte
	rules   func(o *ValidateOptions)
	want    error
	message string // a part of it
}

func refusals() []refusal {
	batch := func(spoil func(b Batch)) func(t *testing.T, codec Codec) []byte {
		return func(t *testing.T, codec Codec) []byte {
			b := build(t, plain(codec), threeRecords(codec)...)
			spoil(b)
			return reseal(b)
		}
	}
	type rules = ValidateOptions
	return []refusal{
		{"no batch", func(*testing.T, Codec) []byte { return nil }, nil, kerr.InvalidRecord, "Produce requests with version 9 must have at least one record batch per partition"},
		{"cut off", func(t *testing.T, codec Codec) []byte { b := build(t, plain(codec), Record{}); return b[:len(b)-1] }, nil, kerr.InvalidRecord, "must have at least one"},
		{"magic 1", func(t *testing.T, _ Codec) []byte { return appendMessage(nil, 0, 1, 0, 1, nil, nil) }, nil, kerr.InvalidRecord, "only allowed to contain record batches with magic version 2"},
		{"magic 3", batch(func(b Batch) { b[posMagic] = 3 }), nil, kerr.CorruptMessage, "Invalid magic found in record: 3"},
		{"short length", batch(func(b Batch) { copy(b[posLength:], []byte{0, 0, 0, 13}) }), nil, kerr.CorruptMessage, "Record size 13 is less than the minimum record overhead (14)"},
		{"too short for a batch", func(t *testing.T, codec Codec) []byte {
			b := build(t, plain(codec), Record{})[:40]
			binary.BigEndian.PutUint32(b[posLength:], 28)
			return b
		}, nil, kerr.CorruptMessage, "Record is corrupt (stored crc = "},
		{"two batches", func(t *testing.T, codec Codec) []byte {
			return slices.Concat(build(t, plain(codec), Record{}), build(t, plain(codec), Record{}))
		}, nil, kerr.InvalidRecord, "Produce requests with version 9 are only allowed to contain exactly one record batch per partition"},
		{"bytes after the batch", func(t *testing.T, codec Codec) []byte { return append(build(t, plain(codec), Record{}), 0, 0, 0) }, nil, kerr.InvalidRecord, "exactly one record batch"},
		{"nonsense after the batch", func(t *testing.T, codec Codec) []byte {
			return append(build(t, plain(codec), Record{}), make([]byte, 20)...)
		}, nil, kerr.CorruptMessage, "Record size 0"},
		{"two batches in an old request", func(t *testing.T, codec Codec) []byte {
			return slices.Concat(build(t, plain(codec), Record{}), build(t, plain(codec), Record{}))
		}, func(o *rules) { o.ProduceVersion = 2 }, kerr.InvalidRecord, "Compressed outer record has more than one batch"},
		{"wrong CRC", func(t *testing.T, codec Codec) []byte {
			b := build(t, plain(codec), Record{})
			b[posMaxTimestamp] ^= 1
			return b
		}, nil, kerr.CorruptMessage, "in topic partition t-1."},
		{"base offset", batch(func(b Batch) { b.Stamp(1, 0) }), nil, kerr.InvalidRecord, "The baseOffset of the record batch in the append to t-1 should be 0, but it is 1"},
		{"too large", batch(func(Batch) {}), func(o *rules) { o.MaxBatchBytes = BatchHeaderBytes }, kerr.MessageTooLarge, "exceeds the maximum configured value of 61)."},
		{"unknown codec", batch(func(b Batch) { b[posAttributes+1] |= 7 }), nil, kerr.UnsupportedCompressionType, "Unknown compression type id: 7"},
		{"negative last offset", batch(func(b Batch) { b[posLastOffsetDelta] = 0x80 }), nil, kerr.InvalidRecord, "Batch has an invalid offset range: [0, -2147483646] in topic partition t-1"},
		{"no records", batch(func(b Batch) { b[posNumRecords+3] = 0 }), nil, kerr.InvalidRecord, "Invalid reported count for record batch: 0 in topic partition t-1"},
		{"count and last offset differ", batch(func(b Batch) { b[posNumRecords+3] = 4 }), nil, kerr.InvalidRecord, "Inconsistent batch offset range [0, 2] and count of records 4 in topic partition t-1"},
		{"fewer records than announced", batch(func(b Batch) { b[posNumRecords+3], b[posLastOffsetDelta+3] = 4, 3 }), nil, kerr.InvalidRecord, "premature EOF reached"},
		{"more records than announced", batch(func(b Batch) { b[posNumRecords+3], b[posLastOffsetDelta+3] = 2, 1 }), nil, kerr.InvalidRecord, "records still remaining in file"},
		{"control batch", batch(func(b Batch) { b[posAttributes+1] |= attrControl }), nil, kerr.InvalidRecord, "Clients are not allowed to write control records in topic partition t-1"},
		{"no sequence", batch(func(b Batch) { copy(b[posProducerID:], make([]byte, 8)) }), nil, kerr.InvalidRecord, "Invalid sequence number -1 in record batch with producerId 0 in topic partition t-1"},
		{"transactional without a producer", batch(func(b Batch) { b[posAttributes+1] |= attrTransactional }), nil, kerr.InvalidRecord, "without a producerId"},
		{"no key", batch(func(Batch) {}), func(o *rules) { o.KeyRequired = true }, kerr.InvalidRecord,
			"One or more records have been rejected due to 1 record errors in total, and only showing the first three errors at most: [RecordError(batchIndex=2, message='Compacted topic cannot accept message without key in topic partition t-1')]"},
		{"too old", batch(func(Batch) {}), func(o *rules) { o.TimestampBeforeMaxMs = testNowMs - 1999 }, kerr.InvalidTimestamp, "One or more records have been rejected due to invalid timestamp"},
		{"too far ahead", batch(func(Batch) {}), func(o *rules) { o.NowMs, o.TimestampAfterMaxMs = 0, 2999 }, kerr.InvalidTimestamp, "One or more records have been rejected due to invalid timestamp"},
		{"LogAppendTime from a producer", batch(func(b Batch) { b[posAttributes+1] |= attrLogAppendTime }), func(o *rules) { o.TimestampType = LogAppendTime }, kerr.InvalidTimestamp, "invalid timestamp"},
	}
}

func TestValidateRefuses(t *testing.T) {
	for _, c := range refusals() {
		for _, codec := range allCodecs {
			t.Run(c.name+"/"+codec.String(), func(t *testing.T) {
				o := lenient()
				if c.rules != nil {
					c.rules(&o)
				}
				_, err := Validate(c.records(t, codec), o)
				ire, ok := errors.AsType[*InvalidRecordsError](err)
				if !ok || !errors.Is(err, c.want) || !strings.Contains(ire.Message, c.message) {
					t.Errorf("%v, want %v with %q", err, c.want, c.message)
				}
				if ErrorCode(err) != ErrorCode(c.want) || *ErrorMessage(err) != ire.Message {
					t.Errorf("code %d, message %q", ErrorCode(err), *ErrorMessage(err))
				}
			})
		}
	}
}

func TestValidateZstdNeedsProduce7(t *testing.T) {
	b := build(t, plain(CodecZstd), Record{})
	for version := int16(3); version <= 13; version++ {
		o := lenient()
		o.ProduceVersion = version
		if _, err := Validate(b, o); errors.Is(err, kerr.UnsupportedCompressionType) != (version < 7) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

func TestValidateRecordErrors(t *testing.T) {
	o := lenient()
	o.KeyRequired, o.TimestampBeforeMaxMs = true, testNowMs-1500
	_, err := Validate(build(t, plain(CodecLZ4), threeRecords(CodecLZ4)...), o)
	ire, _ := errors.AsType[*InvalidRecordsError](err)
	want := []RecordError{
		{0, "Timestamp 1000 of message with offset 0 is out of range. The timestamp should be within [1500, 4600000]"},
		{2, "Compacted topic cannot accept message without key in topic partition t-1"},
	}
	if diff := cmp.Diff(want, ire.Records); diff != "" || !errors.Is(err, kerr.InvalidTimestamp) {
		t.Error(err, diff)
	}

	many := NewBatchBuilder(plain(CodecNone))
	for range 5 * maxRecordErrors {
		many.Append(Record{TimestampMs: 1})
	}
	b, _ := many.Bytes()
	o.TimestampBeforeMaxMs = math.MaxInt64
	_, err = Validate(b, o)
	ire, _ = errors.AsType[*InvalidRecordsError](err)
	if len(ire.Records) != maxRecordErrors || !strings.Contains(ire.Message, "due to 5000 record errors") || strings.Count(ire.Message, "batchIndex") != 3 {
		t.Errorf("%d errors, %.100s", len(ire.Records), ire.Message)
	}
}

func TestValidateTimestampLimitsAreInclusive(t *testing.T) {
	b := build(t, plain(CodecNone), Record{TimestampMs: testNowMs - 10}, Record{TimestampMs: testNowMs + 20}, Record{TimestampMs: NoTimestamp})
	o := lenient()
	o.TimestampBeforeMaxMs, o.TimestampAfterMaxMs = 10, 20
	if _, err := Validate(b, o); err != nil {
		t.Error(err)
	}
}

func TestValidateLogAppendTime(t *testing.T) {
	for _, codec := range allCodecs {
		b := build(t, plain(codec), threeRecords(codec)...)
		o := lenient()
		o.TimestampType, o.TimestampBeforeMaxMs = LogAppendTime, 1 // the producer's times are not judged
		got, err := Validate(b, o)
		if err != nil {
			t.Fatal(err)
		}
		out := Batch(got.Records)
		if out.TimestampType() != LogAppendTime || out.MaxTimestampMs() != testNowMs || out.CheckCRC() != nil || &out[0] != &b[0] {
			t.Errorf("%s: %s, max %d, crc %v", codec, out.TimestampType(), out.MaxTimestampMs(), out.CheckCRC())
		}
		if got.LogAppendTimeMs != testNowMs || got.MaxTimestampMs != testNowMs || got.OffsetOfMaxTimestamp != 2 || got.Converted {
			t.Errorf("%s: %+v", codec, got)
		}
	}
}

func TestValidateClearsAProducersLogAppendTime(t *testing.T) {
	b := build(t, plain(CodecNone), threeRecords(CodecNone)...)
	b.SetTimestamp(LogAppendTime, 123)
	got, err := Validate(b, lenient())
	if err != nil {
		t.Fatal(err)
	}
	if out := Batch(got.Records); out.TimestampType() != CreateTime || out.MaxTimestampMs() != 3000 || out.CheckCRC() != nil {
		t.Errorf("%s, max %d", out.TimestampType(), out.MaxTimestampMs())
	}
}

func TestValidateRecomputesMaxTimestamp(t *testing.T) {
	// Sarama leaves the max timestamp alone, and nothing keeps a client from lying.
	for _, codec := range allCodecs {
		for _, told := range []int64{NoTimestamp, 0, 1 << 60} {
			b := build(t, plain(codec), threeRecords(codec)...)
			b.SetTimestamp(CreateTime, told)
			got, err := Validate(b, lenient())
			if err != nil {
				t.Fatal(err)
			}
			if out := Batch(got.Records); out.MaxTimestampMs() != 3000 || got.MaxTimestampMs != 3000 || out.CheckCRC() != nil {
				t.Errorf("%s, told %d: max %d", codec, told, out.MaxTimestampMs())
			}
		}
	}
}

func TestValidateWithoutTimestamps(t *testing.T) {
	b := build(t, plain(CodecNone), Record{TimestampMs: NoTimestamp}, Record{TimestampMs: NoTimestamp})
	o := lenient()
	o.TimestampBeforeMaxMs = 1
	got, err := Validate(b, o)
	if err != nil || got.MaxTimestampMs != NoTimestamp || got.OffsetOfMaxTimestamp != -1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestValidateConvertsCodec(t *testing.T) {
	for _, from := range allCodecs {
		for _, to := range allCodecs {
			o := BatchOptions{Codec: from, ProducerID: 5, ProducerEpoch: 1, BaseSequence: 4, Transactional: true}
			b := build(t, o, sampleRecords()...)
			rules := lenient()
			rules.Codec = codecPtr(to)
			got, err := Validate(b, rules)
			if err != nil {
				t.Fatalf("%s to %s: %v", from, to, err)
			}
			out := Batch(got.Records)
			if out.Codec() != to || got.Converted != (from != to) || out.CheckCRC() != nil || out.ProducerID() != 5 || out.ProducerEpoch() != 1 ||
				out.BaseSequence() != 4 || !out.IsTransactional() || out.BaseOffset() != 0 || out.MaxTimestampMs() != 5000 {
				t.Errorf("%s to %s: %+v", from, to, out[:BatchHeaderBytes])
			}
			sameRecords(t, withOffsets(sampleRecords(), 0), collect(t, out))
		}
	}
}

func TestValidateChecksSizeAfterConversion(t *testing.T) {
	zeros := build(t, plain(CodecGzip), Record{Value: make([]byte, 1<<20)})
	o := lenient()
	o.MaxBatchBytes, o.Codec = 10000, codecPtr(CodecNone)
	if _, err := Validate(zeros, o); !errors.Is(err, kerr.MessageTooLarge) {
		t.Error(err)
	}
	o.Codec = codecPtr(CodecZstd)
	if _, err := Validate(zeros, o); err != nil {
		t.Error(err)
	}
	// A level that stores instead of compressing well: random bytes do not shrink at all.
	o.Codec, o.MaxBatchBytes = codecPtr(CodecSnappy), 5000
	if _, err := Validate(build(t, plain(CodecGzip), Record{Value: bytes.Repeat([]byte("ab"), 100000)}), o); !errors.Is(err, kerr.MessageTooLarge) {
		t.Error(err)
	}
}

// withDeltas returns a batch whose records have the given offset deltas, whatever sense they make.
func withDeltas(t *testing.T, codec Codec, deltas ...int32) Batch {
	var body []byte
	for i, d := range deltas {
		record := append([]byte{0}, appendVarlong(nil, int64(i))...)
		record = appendVarint(record, d)
		record = appendSized(record, []byte{byte('a' + i)})
		record = appendSized(record, nil)
		record = appendVarint(record, 0)
		body = append(appendVarint(body, int32(len(record))), record...)
	}
	b := build(t, plain(codec), make([]Record, len(deltas))...)
	out, err := appendCompressed(slices.Clone(b[:BatchHeaderBytes]), codec, 0, 2, body)
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint32(out[posLength:], uint32(len(out)-logOverheadBytes))
	return reseal(out)
}

func TestValidatePutsOffsetDeltasRight(t *testing.T) {
	for _, codec := range allCodecs {
		for _, deltas := range [][]int32{{0, 0, 0}, {2, 1, 0}, {0, 2, 4}, {-1, 0, 1}, {1, 2, 3}} {
			got, err := Validate(withDeltas(t, codec, deltas...), lenient())
			if err != nil {
				t.Fatal(err)
			}
			want := []Record{{Offset: 0, Key: []byte("a")}, {Offset: 1, TimestampMs: 1, Key: []byte("b")}, {Offset: 2, TimestampMs: 2, Key: []byte("c")}}
			sameRecords(t, want, collect(t, got.Records))
			if !got.Converted || Batch(got.Records).CheckCRC() != nil || Batch(got.Records).Codec() != codec {
				t.Errorf("%s, %v: %+v", codec, deltas, got)
			}
		}
	}
}

// withBody returns a batch of one record with these bytes after the length.
func withBody(t *testing.T, codec Codec, length int32, body []byte) Batch {
	b := build(t, plain(codec), Record{})
	out, err := appendCompressed(slices.Clone(b[:BatchHeaderBytes]), codec, 0, 2, append(appendVarint(nil, length), body...))
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint32(out[posLength:], uint32(len(out)-logOverheadBytes))
	return reseal(out)
}

func TestValidateRefusesBrokenRecords(t *testing.T) {
	v := func(values ...int32) (b []byte) {
		for _, x := range values {
			b = appendVarint(b, x)
		}
		return b
	}
	record := func(values ...int32) []byte { return append([]byte{0}, v(values...)...) }
	large := append(record(0, 0, -1, windowBytes), make([]byte, windowBytes)...)
	for name, c := range map[string]struct {
		length  int32
		body    []byte
		message string
	}{
		"negative length":             {-1, nil, "invalid record structure"},
		"empty":                       {0, nil, "invalid record structure"},
		"longer than the batch":       {100, record(0, 0, -1, -1, 0), "Invalid record size"},
		"key longer than the record":  {6, record(0, 0, 5, -1, 0), "invalid record structure"},
		"value longer":                {6, record(0, 0, -1, 9, 0), "invalid record structure"},
		"negative header count":       {6, record(0, 0, -1, -1, -1), "Found invalid number of record headers -1"},
		"too many headers":            {6, record(0, 0, -1, -1, 50), "Found invalid number of record headers"},
		"null header key":             {8, record(0, 0, -1, -1, 1, -1, -1), "Invalid negative header key size -1"},
		"header value cut off":        {8, record(0, 0, -1, -1, 1, 0, 3), "invalid record structure"},
		"bytes left in the record":    {8, append(record(0, 0, -1, -1, 0), 0, 0), "Invalid record size: expected to read 8 bytes in record payload, but instead read 6"},
		"varint without an end":       {6, []byte{0, 0xff, 0xff, 0xff, 0xff, 0xff}, "invalid record structure"},
		"offset delta above 32 bits":  {12, []byte{0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1, 1, 0}, "invalid record structure"},
		"large, headers cut off":      {int32(len(large) + 1), append(slices.Clone(large), 2), "Found invalid number of record headers"},
		"large, null header key":      {int32(len(large) + 3), append(slices.Clone(large), v(1, -1, -1)...), "Invalid negative header key size -1"},
		"large, value too large":      {windowBytes + 10, append(record(0, 0, -1, 2*windowBytes), make([]byte, 2*windowBytes)...), "invalid record structure"},
		"large, bytes left":           {int32(len(large) + 2), append(slices.Clone(large), 0, 0), "Invalid record size"},
		"large, less than it says":    {int32(len(large) + 100), append(slices.Clone(large), 0), ""},
		"large, no end of the length": {windowBytes + 2, append([]byte{0}, bytes.Repeat([]byte{0xff}, windowBytes+1)...), "invalid record structure"},
	} {
		for _, codec := range allCodecs {
			b := withBody(t, codec, c.length, c.body)
			if _, err := Validate(b, lenient()); !errors.Is(err, kerr.InvalidRecord) || !strings.Contains(err.Error(), c.message) {
				t.Errorf("%s, %s: %v", name, codec, err)
			}
			for _, err := range b.Records() {
				if !errors.Is(err, kerr.CorruptMessage) {
					t.Errorf("%s, %s: Records: %v", name, codec, err)
				}
			}
		}
	}
}

func TestValidateRefusesWhatDoesNotDecompress(t *testing.T) {
	for _, codec := range allCodecs[1:] {
		good := build(t, plain(codec), sampleRecords()...)
		for at := BatchHeaderBytes; at < len(good); at += 1 + (len(good)-BatchHeaderBytes)/50 {
			b := Batch(slices.Clone(good))
			b[at] ^= 0x5a
			// Some codecs do not notice, but whatever comes out is checked.
			if _, err := Validate(reseal(b), lenient()); err != nil && !errors.Is(err, kerr.InvalidRecord) {
				t.Errorf("%s, byte %d: %v", codec, at, err)
			}
			cut := Batch(slices.Clone(good[:at]))
			binary.BigEndian.PutUint32(cut[posLength:], uint32(len(cut)-logOverheadBytes))
			if _, err := Validate(reseal(cut), lenient()); !errors.Is(err, kerr.InvalidRecord) {
				t.Errorf("%s, cut at byte %d: %v", codec, at, err)
			}
		}
	}
}
