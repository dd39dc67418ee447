package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// legacyCodecs are those that message sets know.
var legacyCodecs = []Codec{CodecNone, CodecGzip, CodecSnappy, CodecLZ4}

func oldRules(version int16) ValidateOptions {
	o := lenient()
	o.ProduceVersion = version
	return o
}

// messageSet returns records as an old producer sends them: one message each, or all in a wrapper. Inner offsets are 0, 1, 2 …
func messageSet(t testing.TB, magic int8, codec Codec, records ...Record) []byte {
	t.Helper()
	var set []byte
	for i, r := range records {
		set = appendMessage(set, int64(i), magic, 0, r.TimestampMs, r.Key, r.Value)
	}
	return wrapSet(t, magic, codec, int64(len(records)-1), 0, set)
}

func wrapSet(t testing.TB, magic int8, codec Codec, offset int64, attributes byte, set []byte) []byte {
	t.Helper()
	if codec == CodecNone {
		return set
	}
	value, err := appendCompressed(nil, codec, 0, magic, set)
	if err != nil {
		t.Fatal(err)
	}
	return appendMessage(nil, offset, magic, attributes|byte(codec), 5000, nil, value)
}

// legacyRecords are sampleRecords as a message set can hold them.
func legacyRecords(magic int8) []Record {
	records := sampleRecords()
	for i := range records {
		records[i].Headers = nil
		if magic == 0 {
			records[i].TimestampMs = NoTimestamp
		}
	}
	return records
}

func TestValidateConvertsMessageSets(t *testing.T) {
	for _, magic := range []int8{0, 1} {
		for _, codec := range legacyCodecs {
			for _, target := range append([]*Codec{nil}, codecPtr(CodecNone), codecPtr(CodecZstd), codecPtr(CodecLZ4)) {
				o := oldRules(int16(magic) + 1)
				o.Codec = target
				got, err := Validate(messageSet(t, magic, codec, legacyRecords(magic)...), o)
				if err != nil {
					t.Fatalf("magic %d, %s: %v", magic, codec, err)
				}
				want := codec
				if target != nil {
					want = *target
				}
				b := Batch(got.Records)
				maxMs, maxOffset := int64(5000), int64(5)
				if magic == 0 {
					maxMs, maxOffset = NoTimestamp, -1
				}
				if b.Codec() != want || b.Magic() != 2 || b.CheckCRC() != nil || got.NumRecords != 6 || got.MaxTimestampMs != maxMs || got.OffsetOfMaxTimestamp != maxOffset ||
					!got.Converted || b.ProducerID() != NoProducerID || b.ProducerEpoch() != -1 || b.BaseSequence() != -1 {
					t.Errorf("magic %d, %s to %s: %+v", magic, codec, want, got)
				}
				sameRecords(t, withOffsets(legacyRecords(magic), 0), collect(t, b))
			}
		}
	}
}

func TestValidateEmptyMessageSet(t *testing.T) {
	if got, err := Validate(nil, oldRules(1)); err != nil || got.NumRecords != 0 || got.Records != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestValidateMessageSetLogAppendTime(t *testing.T) {
	o := oldRules(2)
	o.TimestampType = LogAppendTime
	for _, codec := range legacyCodecs {
		got, err := Validate(messageSet(t, 1, codec, legacyRecords(1)...), o)
		if b := Batch(got.Records); err != nil || b.TimestampType() != LogAppendTime || b.MaxTimestampMs() != testNowMs || got.LogAppendTimeMs != testNowMs {
			t.Errorf("%s: %+v, %v", codec, got, err)
		}
	}
}

func TestValidateMessageSetInnerOffsets(t *testing.T) {
	// What producers put there: absolute, all zero, gaps; the broker assigns its own. Only a wrapper offset below the last inner one is an error, unless it is 0.
	set := func(offsets ...int64) (b []byte) {
		for _, o := range offsets {
			b = appendMessage(b, o, 1, 0, 7, nil, []byte("v"))
		}
		return b
	}
	for _, c := range []struct {
		wrapper int64
		inner   []int64
		ok      bool
	}{
		{2, []int64{0, 1, 2}, true}, {0, []int64{0, 1, 2}, true}, {102, []int64{100, 101, 102}, true}, {0, []int64{0, 0, 0}, true}, {9, []int64{1, 5, 9}, true}, {1, []int64{0, 1, 2}, false},
	} {
		got, err := Validate(wrapSet(t, 1, CodecGzip, c.wrapper, 0, set(c.inner...)), oldRules(2))
		if c.ok != (err == nil) || err != nil && !errors.Is(err, kerr.InvalidRecord) {
			t.Errorf("wrapper %d, inner %v: %v", c.wrapper, c.inner, err)
		}
		if c.ok && Batch(got.Records).LastOffset() != 2 {
			t.Errorf("wrapper %d, inner %v: last offset %d", c.wrapper, c.inner, Batch(got.Records).LastOffset())
		}
	}
	for _, wrapper := range []int64{0, 2, 700} { // absolute in magic 0
		if _, err := Validate(wrapSet(t, 0, CodecGzip, wrapper, 0, slices.Concat(appendMessage(nil, 698, 0, 0, 0, nil, nil), appendMessage(nil, 700, 0, 0, 0, nil, nil))), oldRules(1)); err != nil {
			t.Error(err)
		}
	}
}

func TestValidateMessageSetOfAWrapperWithLogAppendTime(t *testing.T) {
	inner := appendMessage(nil, 0, 1, 0, 7, nil, nil)
	got, err := Validate(wrapSet(t, 1, CodecGzip, 0, attrLogAppendTime, inner), oldRules(2))
	if err != nil || collect(t, got.Records)[0].TimestampMs != 5000 {
		t.Errorf("%+v, %v", got, err)
	}
	o := oldRules(2)
	o.TimestampType = LogAppendTime
	if _, err := Validate(wrapSet(t, 1, CodecGzip, 0, attrLogAppendTime, inner), o); !errors.Is(err, kerr.InvalidTimestamp) {
		t.Error(err)
	}
}

func TestValidateRefusesMessageSets(t *testing.T) {
	one := func(magic int8) []byte { return appendMessage(nil, 0, magic, 0, 1000, []byte("k"), []byte("v")) }
	spoiled := func(spoil func(m []byte)) []byte {
		m := one(1)
		spoil(m)
		binary.BigEndian.PutUint32(m[logOverheadBytes:], crc32.ChecksumIEEE(m[posMagic:]))
		return m
	}
	gzip := func(magic int8, set []byte) []byte { return wrapSet(t, magic, CodecGzip, 0, 0, set) }
	for name, c := range map[string]struct {
		records []byte
		rules   func(o *ValidateOptions)
		want    error
		message string
	}{
		"cut off":             {one(1)[:20], nil, kerr.InvalidRecord, "no whole batch"},
		"less than a size":    {one(1)[:5], nil, kerr.InvalidRecord, "no whole batch"},
		"a second cut off":    {append(one(1), one(1)[:30]...), nil, kerr.InvalidRecord, "no whole batch"},
		"wrong CRC":           {append(one(1)[:len(one(1))-1], 'x'), nil, kerr.CorruptMessage, "Record is corrupt"},
		"key too long":        {spoiled(func(m []byte) { m[29] = 9 }), nil, kerr.CorruptMessage, "do not add up"},
		"key too short":       {spoiled(func(m []byte) { m[29] = 0 }), nil, kerr.CorruptMessage, "do not add up"},
		"too large":           {one(0), func(o *ValidateOptions) { o.MaxBatchBytes = 20 }, kerr.MessageTooLarge, "exceeds the maximum"},
		"large when together": {slices.Concat(one(0), one(0), one(0)), func(o *ValidateOptions) { o.MaxBatchBytes = 70 }, kerr.MessageTooLarge, "exceeds the maximum"},
		"magics mixed":        {slices.Concat(one(0), one(1)), nil, kerr.InvalidRecord, "Batch magic 1 is not the same as the first batch's magic byte 0"},
		"a batch after":       {slices.Concat(one(0), build(t, plain(CodecNone), Record{})), nil, kerr.InvalidRecord, "Batch magic 2 is not the same"},
		"two wrappers":        {slices.Concat(gzip(1, one(1)), gzip(1, one(1))), nil, kerr.InvalidRecord, "more than one batch"},
		"plain and wrapper":   {slices.Concat(one(1), gzip(1, one(1))), nil, kerr.InvalidRecord, "more than one batch"},
		"zstd":                {wrapSet(t, 1, CodecZstd, 0, 0, one(1)), nil, kerr.InvalidRecord, "Invalid wrapper compressionType"},
		"unknown codec":       {appendMessage(nil, 0, 1, 5, 0, nil, []byte("x")), nil, kerr.UnsupportedCompressionType, "Unknown compression type id: 5"},
		"wrapper of nothing":  {gzip(1, nil), nil, kerr.InvalidRecord, "no inner records"},
		"wrapper with null":   {appendMessage(nil, 0, 1, byte(CodecGzip), 0, nil, nil), nil, kerr.InvalidRecord, "null value"},
		"wrapper of nonsense": {appendMessage(nil, 0, 1, byte(CodecGzip), 0, nil, []byte("nonsense")), nil, kerr.CorruptMessage, "Failed to decompress"},
		"inner compressed":    {gzip(1, gzip(1, one(1))), nil, kerr.InvalidRecord, "Inner messages must not be compressed"},
		"inner of other magic": {gzip(1, one(0)), nil, kerr.InvalidRecord,
			"Record Record(magic=0, attributes=0, compression=none, crc="},
		"inner CRC":           {gzip(1, append(one(1)[:len(one(1))-1], 'x')), nil, kerr.CorruptMessage, "in topic partition t-1"},
		"inner cut off":       {gzip(1, slices.Concat(one(1), one(1)[:30])), nil, kerr.CorruptMessage, "premature end"},
		"inner size cut off":  {gzip(1, slices.Concat(one(1), one(1)[:10])), nil, kerr.CorruptMessage, "premature end"},
		"inner size nonsense": {gzip(1, make([]byte, 30)), nil, kerr.CorruptMessage, "minimum record overhead"},
		"no key":              {messageSet(t, 0, CodecNone, Record{Key: []byte("k")}, Record{}), func(o *ValidateOptions) { o.KeyRequired = true }, kerr.InvalidRecord, "batchIndex=1, message='Compacted topic"},
		"too old":             {one(1), func(o *ValidateOptions) { o.TimestampBeforeMaxMs = 1 }, kerr.InvalidTimestamp, "invalid timestamp"},
		"negative time":       {appendMessage(nil, 0, 1, 0, -5, nil, nil), nil, kerr.InvalidTimestamp, "Invalid negative timestamp -5"},
		"message set in v3":   {one(1), func(o *ValidateOptions) { o.ProduceVersion = 3 }, kerr.InvalidRecord, "magic version 2"},
	} {
		o := oldRules(2)
		if c.rules != nil {
			c.rules(&o)
		}
		if _, err := Validate(c.records, o); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// readSet reads a message set back, wrappers included, by the rules for consumers.
func readSet(t testing.TB, set []byte) (records []Record, codecs []Codec) {
	t.Helper()
	for len(set) > 0 {
		entry, rest, magic, err := nextEntry(set)
		if err != nil || entry == nil {
			t.Fatalf("%d bytes left: %v", len(set), err)
		}
		set = rest
		offset := int64(binary.BigEndian.Uint64(entry))
		m, err := parseMessage(entry[logOverheadBytes:])
		if err != nil {
			t.Fatal(err)
		}
		codecs = append(codecs, m.codec())
		if m.codec() == CodecNone {
			records = append(records, Record{Offset: offset, TimestampMs: m.timestampMs, Key: m.key, Value: m.value})
			continue
		}
		src, err := openSource(m.codec(), magic, m.value)
		if err != nil {
			t.Fatal(err)
		}
		first := len(records)
		for !src.atEnd() {
			innerOffset, body, err := readMessage(&src, nil)
			if err != nil {
				t.Fatal(err)
			}
			inner, err := parseMessage(body)
			if err != nil {
				t.Fatal(err)
			}
			if inner.magic == 1 && m.logAppendTime() {
				inner.timestampMs = m.timestampMs
			}
			records = append(records, Record{Offset: innerOffset, TimestampMs: inner.timestampMs, Key: inner.key, Value: inner.value})
		}
		src.close()
		if magic == 1 { // relative; the wrapper has the offset of the last
			base := offset - records[len(records)-1].Offset
			for i := first; i < len(records); i++ {
				records[i].Offset += base
			}
		}
	}
	return records, codecs
}

func TestDownConvert(t *testing.T) {
	for _, magic := range []int8{0, 1} {
		for _, codec := range legacyCodecs {
			o := plain(codec)
			o.BaseOffset = 100
			first := build(t, o, sampleRecords()...)
			key, value := ControlMarker(ControlCommit, 1)
			control := build(t, BatchOptions{Control: true, BaseOffset: 106, BaseSequence: NoSequence}, Record{Key: key, Value: value})
			o.BaseOffset = 107
			second := build(t, o, sampleRecords()...)
			out, err := DownConvert(slices.Concat(first, control, second, second[:40]), magic, 0)
			if err != nil {
				t.Fatal(err)
			}
			got, codecs := readSet(t, out)
			sameRecords(t, append(withOffsets(legacyRecords(magic), 100), withOffsets(legacyRecords(magic), 107)...), got)
			want := []Codec{codec, codec}
			if codec == CodecNone {
				want = make([]Codec, 12)
			}
			if !slices.Equal(codecs, want) {
				t.Errorf("%s: %v", codec, codecs)
			}
		}
	}
}

func TestDownConvertFromTheMiddle(t *testing.T) {
	o := plain(CodecNone)
	o.BaseOffset = 10
	out, err := DownConvert(build(t, o, sampleRecords()...), 1, 13)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := readSet(t, out)
	sameRecords(t, withOffsets(legacyRecords(1), 10)[3:], got)
}

func TestDownConvertCompactedBatch(t *testing.T) {
	// Gaps must survive, in relative offsets too.
	o := plain(CodecGzip)
	o.BaseOffset = 10
	for _, magic := range []int8{0, 1} {
		out, err := DownConvert(build(t, o, Record{Offset: 12, Key: []byte("a")}, Record{Offset: 19, Key: []byte("b")}), magic, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := readSet(t, out)
		if len(got) != 2 || got[0].Offset != 12 || got[1].Offset != 19 {
			t.Errorf("magic %d: %+v", magic, got)
		}
	}
}

func TestDownConvertLogAppendTime(t *testing.T) {
	for _, codec := range legacyCodecs {
		b := build(t, plain(codec), sampleRecords()...)
		b.SetTimestamp(LogAppendTime, 4242)
		out, err := DownConvert(b, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := readSet(t, out); got[0].TimestampMs != 4242 || out[17]&attrLogAppendTime == 0 {
			t.Errorf("%s: %d, attributes %x", codec, got[0].TimestampMs, out[17])
		}
	}
}

func TestDownConvertRefuses(t *testing.T) {
	if _, err := DownConvert(build(t, plain(CodecZstd), Record{}), 1, 0); !errors.Is(err, kerr.UnsupportedCompressionType) {
		t.Error(err)
	}
	if _, err := DownConvert(nil, 2, 0); !errors.Is(err, kerr.UnsupportedForMessageFormat) {
		t.Error(err)
	}
	bad := build(t, plain(CodecGzip), Record{})
	bad[BatchHeaderBytes] ^= 1
	if _, err := DownConvert(bad, 1, 0); !errors.Is(err, kerr.CorruptMessage) {
		t.Error(err)
	}
}

func TestLZ4OfMagic0HasTheBrokenChecksum(t *testing.T) {
	data := bytes.Repeat([]byte("kafka "), 100)
	broken, _ := appendCompressed(nil, CodecLZ4, 0, 0, data)
	right, _ := appendCompressed(nil, CodecLZ4, 0, 1, data)
	// The sums over 04 22 4D 18 60 40 and over 60 40, which every Kafka client of the time wrote and writes.
	if broken[6] == right[6] || right[6] != 0x82 {
		t.Errorf("broken %x, right %x", broken[6], right[6])
	}
	for magic, frame := range map[int8][]byte{0: broken, 1: right} {
		if got, err := inflate(CodecLZ4, magic, frame); err != nil || !bytes.Equal(got, data) {
			t.Errorf("magic %d: %v", magic, err)
		}
	}
	if _, err := inflate(CodecLZ4, 1, broken); err == nil {
		t.Error("the broken checksum is accepted in magic 1")
	}
	if got, err := inflate(CodecLZ4, 0, right); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the right checksum in magic 0: %v", err)
	}
}
