package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
)

var allCodecs = []Codec{CodecNone, CodecGzip, CodecSnappy, CodecLZ4, CodecZstd}

// plain returns options for a batch without a producer.
func plain(codec Codec) BatchOptions {
	return BatchOptions{Codec: codec, ProducerID: NoProducerID, LeaderEpoch: NoLeaderEpoch}
}

// build returns the batch of the records, which must be fit for one.
func build(t testing.TB, o BatchOptions, records ...Record) Batch {
	t.Helper()
	b := NewBatchBuilder(o)
	for _, r := range records {
		b.Append(r)
	}
	if b.NumRecords() != len(records) {
		t.Fatalf("%d records in the builder, want %d", b.NumRecords(), len(records))
	}
	batch, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if err := batch.CheckCRC(); err != nil {
		t.Fatal(err)
	}
	return batch
}

func collect(t testing.TB, b Batch) []Record {
	t.Helper()
	var out []Record
	for r, err := range b.Records() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// sampleRecords covers null and empty keys and values, headers, negative timestamp deltas, and a record larger than the window.
func sampleRecords() []Record {
	return []Record{
		{TimestampMs: 1000, Key: []byte("k0"), Value: []byte("v0")},
		{TimestampMs: 900, Value: []byte{}},
		{TimestampMs: 5000, Key: []byte{}},
		{TimestampMs: 1001, Key: []byte("k3"), Value: []byte("v3"), Headers: []RecordHeader{{Key: "a", Value: []byte("1")}, {Key: ""}, {Key: "c", Value: []byte{}}}},
		{TimestampMs: 1002, Key: []byte("large"), Value: pattern(3 * windowBytes), Headers: []RecordHeader{{Key: "h", Value: pattern(windowBytes)}}},
		{TimestampMs: 1003, Key: pattern(windowBytes - 30), Value: pattern(17000)},
	}
}

// pattern returns n bytes that compress, but not to nothing.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		if i%8 == 0 {
			x = x*1664525 + 1013904223
		}
		b[i] = byte(x >> 24)
	}
	return b
}

func withOffsets(records []Record, base int64) []Record {
	out := slices.Clone(records)
	for i := range out {
		out[i].Offset = base + int64(i)
	}
	return out
}

func TestRecordsRoundTrip(t *testing.T) {
	for _, codec := range allCodecs {
		t.Run(codec.String(), func(t *testing.T) {
			o := BatchOptions{Codec: codec, ProducerID: 7, ProducerEpoch: 3, BaseSequence: 11, Transactional: true, BaseOffset: 40, LeaderEpoch: 5}
			b := build(t, o, sampleRecords()...)
			sameRecords(t, withOffsets(sampleRecords(), 40), collect(t, b))
			got := []any{b.BaseOffset(), b.LastOffset(), b.LeaderEpoch(), b.Magic(), b.Codec(), b.TimestampType(), b.IsTransactional(), b.IsControl(),
				b.HasDeleteHorizon(), b.LastOffsetDelta(), b.BaseTimestampMs(), b.MaxTimestampMs(), b.ProducerID(), b.ProducerEpoch(), b.BaseSequence(), b.LastSequence(), b.NumRecords()}
			want := []any{int64(40), int64(45), int32(5), int8(2), codec, CreateTime, true, false,
				false, int32(5), int64(1000), int64(5000), int64(7), int16(3), int32(11), int32(16), int32(6)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			i := 0
			for info, err := range b.Infos() {
				r := sampleRecords()[i]
				want := RecordInfo{Offset: 40 + int64(i), TimestampMs: r.TimestampMs, KeyBytes: lenOrNull(r.Key), ValueBytes: lenOrNull(r.Value)}
				if err != nil || info != want {
					t.Errorf("info %d: %+v, %v, want %+v", i, info, err, want)
				}
				i++
			}
			if i != 6 {
				t.Errorf("%d infos", i)
			}
		})
	}
}

// sameRecords tells the first difference, nil from empty included. (cmp is slow on large values.)
func sameRecords(t testing.TB, want, got []Record) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(want[i], got[i]) {
			t.Fatalf("record %d: %.200q, want %.200q", i, fmt.Sprintf("%+v", got[i]), fmt.Sprintf("%+v", want[i]))
		}
	}
}

func lenOrNull(b []byte) int32 {
	if b == nil {
		return -1
	}
	return int32(len(b))
}

func TestRecordsKeepTheirMemory(t *testing.T) {
	// What a consumer of Records keeps must not change when pooled memory is used for the next batch.
	for _, codec := range allCodecs {
		b := build(t, plain(codec), sampleRecords()...)
		first := collect(t, b)
		for range 3 {
			other := build(t, plain(codec), Record{Value: bytes.Repeat([]byte("other"), 40000)}, Record{Key: bytes.Repeat([]byte("x"), 1000)})
			collect(t, other)
			for range b.Infos() {
			}
		}
		sameRecords(t, withOffsets(sampleRecords(), 0), first)
	}
}

func TestRecordsStopEarlyGivesMemoryBack(t *testing.T) {
	for _, codec := range allCodecs {
		b := build(t, plain(codec), sampleRecords()...)
		for range 100 {
			for range b.Records() {
				break
			}
		}
		if got := len(collect(t, b)); got != 6 {
			t.Errorf("%s: %d records", codec, got)
		}
	}
}

func TestStampLeavesCRC(t *testing.T) {
	b := build(t, plain(CodecNone), sampleRecords()...)
	crc := b.CRC()
	b.Stamp(1<<40, 9)
	if b.BaseOffset() != 1<<40 || b.LeaderEpoch() != 9 || b.CRC() != crc || b.CheckCRC() != nil {
		t.Errorf("base offset %d, leader epoch %d, crc %d (was %d)", b.BaseOffset(), b.LeaderEpoch(), b.CRC(), crc)
	}
}

func TestSetTimestampLogAppendTime(t *testing.T) {
	b := build(t, plain(CodecGzip), sampleRecords()...)
	b.SetTimestamp(LogAppendTime, 77777)
	if b.TimestampType() != LogAppendTime || b.MaxTimestampMs() != 77777 || b.CheckCRC() != nil || b.Codec() != CodecGzip {
		t.Errorf("type %s, max %d, crc %v", b.TimestampType(), b.MaxTimestampMs(), b.CheckCRC())
	}
	for _, r := range collect(t, b) {
		if r.TimestampMs != 77777 {
			t.Errorf("record at %d has timestamp %d", r.Offset, r.TimestampMs)
		}
	}
	b.SetTimestamp(CreateTime, 5000)
	if b.TimestampType() != CreateTime || b.CheckCRC() != nil || collect(t, b)[1].TimestampMs != 900 {
		t.Error("not back to CreateTime")
	}
}

func TestBuilderLogAppendTime(t *testing.T) {
	o := plain(CodecNone)
	o.TimestampType, o.LogAppendTimeMs = LogAppendTime, 4242
	b := build(t, o, sampleRecords()...)
	if b.TimestampType() != LogAppendTime || b.MaxTimestampMs() != 4242 || collect(t, b)[0].TimestampMs != 4242 {
		t.Errorf("type %s, max %d", b.TimestampType(), b.MaxTimestampMs())
	}
}

func TestBuilderOffsets(t *testing.T) {
	o := plain(CodecNone)
	o.BaseOffset = 100
	b := build(t, o, Record{}, Record{Offset: 105}, Record{})
	var offsets []int64
	for _, r := range collect(t, b) {
		offsets = append(offsets, r.Offset)
	}
	if !slices.Equal(offsets, []int64{100, 105, 106}) || b.LastOffset() != 106 || b.NumRecords() != 3 {
		t.Errorf("offsets %v, last %d, %d records", offsets, b.LastOffset(), b.NumRecords())
	}
	backwards := NewBatchBuilder(o)
	backwards.Append(Record{Offset: 105})
	backwards.Append(Record{Offset: 105})
	if _, err := backwards.Bytes(); err == nil {
		t.Error("an offset twice is accepted")
	}
	if _, err := NewBatchBuilder(o).Bytes(); err == nil {
		t.Error("an empty batch is accepted")
	}
}

func TestSequencesWrap(t *testing.T) {
	for _, c := range []struct{ base, by, want int32 }{
		{0, 0, 0}, {5, 3, 8}, {math.MaxInt32, 0, math.MaxInt32}, {math.MaxInt32, 1, 0}, {math.MaxInt32 - 2, 5, 2},
	} {
		if got := IncrementSequence(c.base, c.by); got != c.want {
			t.Errorf("%d + %d = %d, want %d", c.base, c.by, got, c.want)
		}
	}
	b := build(t, plain(CodecNone), Record{}, Record{})
	if b.BaseSequence() != NoSequence || b.LastSequence() != NoSequence || b.ProducerEpoch() != NoProducerEpoch {
		t.Errorf("sequences %d to %d, epoch %d without a producer", b.BaseSequence(), b.LastSequence(), b.ProducerEpoch())
	}
}

func TestBatchesTornTail(t *testing.T) {
	one := build(t, plain(CodecNone), Record{Value: []byte("a")})
	two := build(t, plain(CodecLZ4), Record{Value: []byte("b")}, Record{})
	all := slices.Concat(one, two)
	for n := range len(all) + 1 {
		var whole int
		var last error
		for b, err := range Batches(all[:n]) {
			if err != nil {
				last = err
				continue
			}
			whole += len(b)
		}
		torn := n != 0 && n != len(one) && n != len(all)
		if torn != errors.Is(last, ErrTruncated) || (last != nil) != torn {
			t.Errorf("first %d bytes: error %v", n, last)
		}
		if want := map[bool]int{true: len(one)}[n >= len(one)]; n < len(all) && whole != want {
			t.Errorf("first %d bytes: %d bytes of batches, want %d", n, whole, want)
		}
	}
}

func TestBatchesRefuseNonsense(t *testing.T) {
	good := build(t, plain(CodecNone), Record{Value: []byte("a")})
	for name, spoil := range map[string]func(b Batch){
		"magic 1":         func(b Batch) { b[posMagic] = 1 },
		"magic 3":         func(b Batch) { b[posMagic] = 3 },
		"negative length": func(b Batch) { b[posLength] = 0xff },
		"short length":    func(b Batch) { copy(b[posLength:], []byte{0, 0, 0, BatchHeaderBytes - logOverheadBytes - 1}) },
		"largest length":  func(b Batch) { copy(b[posLength:], []byte{0x7f, 0xff, 0xff, 0xff}) },
	} {
		b := Batch(slices.Clone(good))
		spoil(b)
		for _, err := range Batches(b) {
			if !errors.Is(err, kerr.CorruptMessage) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestCheckCRCFindsEveryFlippedByte(t *testing.T) {
	b := build(t, plain(CodecSnappy), sampleRecords()[:4]...)
	for i := posCRC; i < len(b); i++ {
		b[i] ^= 0x10
		if err := b.CheckCRC(); !errors.Is(err, kerr.CorruptMessage) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
		b[i] ^= 0x10
	}
}

func TestRecordsOfBrokenBatches(t *testing.T) {
	for _, codec := range allCodecs {
		good := build(t, plain(codec), sampleRecords()[:4]...)
		for name, spoil := range map[string]func(b Batch) Batch{
			"one record more announced":   func(b Batch) Batch { b[posNumRecords+3]++; return b },
			"one record less announced":   func(b Batch) Batch { b[posNumRecords+3]--; return b },
			"negative count":              func(b Batch) Batch { b[posNumRecords] = 0x80; return b },
			"cut off":                     func(b Batch) Batch { return b[:len(b)-5] },
			"nothing after the header":    func(b Batch) Batch { return b[:BatchHeaderBytes] },
			"a codec that does not exist": func(b Batch) Batch { b[posAttributes+1] |= 7; return b },
		} {
			b := spoil(Batch(slices.Clone(good)))
			var last error
			for _, err := range b.Records() {
				last = err
			}
			var lastInfo error
			for _, err := range b.Infos() {
				lastInfo = err
			}
			want := kerr.CorruptMessage
			if b.Codec() > CodecZstd {
				want = kerr.UnsupportedCompressionType
			}
			if !errors.Is(last, want) || !errors.Is(lastInfo, want) {
				t.Errorf("%s, %s: %v and %v", codec, name, last, lastInfo)
			}
		}
	}
}

func TestPeekBatch(t *testing.T) {
	b := build(t, plain(CodecNone), Record{Value: []byte("a")})
	if size, magic, ok := PeekBatch(b[:17]); size != len(b) || magic != 2 || !ok {
		t.Errorf("%d, %d, %v", size, magic, ok)
	}
	if _, _, ok := PeekBatch(b[:16]); ok {
		t.Error("16 bytes are enough")
	}
	m := appendMessage(nil, 5, 1, 0, 6, nil, []byte("v"))
	if size, magic, ok := PeekBatch(m); size != len(m) || magic != 1 || !ok {
		t.Errorf("%d, %d, %v", size, magic, ok)
	}
}

func TestControlMarkers(t *testing.T) {
	for _, kind := range []ControlType{ControlAbort, ControlCommit} {
		key, value := ControlMarker(kind, 77)
		o := plain(CodecNone)
		o.Control, o.Transactional, o.ProducerID, o.BaseSequence = true, true, 4, NoSequence
		b := build(t, o, Record{Key: key, Value: value})
		if !b.IsControl() || !b.IsTransactional() || b.BaseSequence() != NoSequence {
			t.Error("header")
		}
		got, epoch, err := ParseControlMarker(collect(t, b)[0])
		if got != kind || epoch != 77 || err != nil {
			t.Errorf("%d, %d, %v", got, epoch, err)
		}
	}
	if kind, epoch, err := ParseControlMarker(Record{Key: ControlKey(ControlLeaderChange)}); kind != ControlLeaderChange || epoch != -1 || err != nil {
		t.Errorf("%d, %d, %v", kind, epoch, err)
	}
	for _, r := range []Record{{}, {Key: []byte{0, 0, 0}}, {Key: []byte{0xff, 0, 0, 0}}, {Key: ControlKey(ControlCommit)}, {Key: ControlKey(ControlAbort), Value: []byte{0, 0, 0}}} {
		if _, _, err := ParseControlMarker(r); !errors.Is(err, kerr.CorruptMessage) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestParseCodec(t *testing.T) {
	for _, codec := range allCodecs {
		if got, ok := ParseCodec(codec.String()); got != codec || !ok {
			t.Errorf("%s: %s", codec, got)
		}
	}
	if got, ok := ParseCodec("uncompressed"); got != CodecNone || !ok {
		t.Error("uncompressed")
	}
	if _, ok := ParseCodec("producer"); ok {
		t.Error("producer is no codec")
	}
	if fmt.Sprint(Codec(6)) != "codec 6" {
		t.Error(Codec(6))
	}
}
