package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fuzzOutputBytes is how much a fuzz target decompresses before it calls it enough.
const fuzzOutputBytes = 4 << 20

func FuzzParseRequest(f *testing.F) {
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID("me"))
	eachVersion(func(key, version int16) {
		f.Add(formatter.AppendRequest(nil, newRequest(key, version), 1)[4:])
	})
	f.Fuzz(func(t *testing.T, frame []byte) {
		h, body, err := ParseHeader(frame)
		if err != nil {
			return
		}
		req, err := ParseBody(h, body)
		if err != nil {
			return
		}
		// What was understood must mean the same when said again.
		again := kmsg.RequestForKey(h.Key)
		again.SetVersion(h.Version)
		said := req.AppendTo(nil)
		if err := again.ReadFrom(said); err != nil || !bytes.Equal(again.AppendTo(nil), said) {
			t.Errorf("%s v%d: %v", kmsg.NameForKey(h.Key), h.Version, err)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add(frameOf([]byte("content")), int32(100))
	f.Add([]byte{0xff, 0, 0, 0}, int32(100))
	f.Fuzz(func(t *testing.T, stream []byte, limit int32) {
		frame, err := ReadFrame(bytes.NewReader(stream), limit, nil)
		if err == nil && (int64(len(frame)) > int64(limit) || !bytes.Equal(frameOf(frame), stream[:4+len(frame)])) {
			t.Errorf("%x of %x", frame, stream)
		}
	})
}

// addBatches seeds with good batches of every codec.
func addBatches(f *testing.F, add func(b []byte)) {
	for _, codec := range allCodecs {
		add(build(f, plain(codec), sampleRecords()[:4]...))
		o := BatchOptions{Codec: codec, ProducerID: 1, BaseSequence: 3, Transactional: true}
		add(slices.Concat(build(f, o, Record{Value: bytes.Repeat([]byte("v"), 300)}), build(f, o, Record{Key: []byte("k")})))
	}
	key, value := ControlMarker(ControlAbort, 1)
	add(build(f, BatchOptions{Control: true}, Record{Key: key, Value: value}))
}

func FuzzBatches(f *testing.F) {
	addBatches(f, func(b []byte) { f.Add(b); f.Add(b[:len(b)-1]) })
	f.Fuzz(func(t *testing.T, data []byte) {
		at := 0
		for b, err := range Batches(data) {
			if err != nil {
				if !errors.Is(err, ErrTruncated) && !errors.Is(err, kerr.CorruptMessage) {
					t.Error(err)
				}
				return
			}
			if &b[0] != &data[at] {
				t.Errorf("batch is not at %d", at)
			}
			at += len(b)
			_ = b.CheckCRC()
			_, _, _, _ = b.LastOffset(), b.LastSequence(), b.TimestampType(), b.HasDeleteHorizon()
		}
		if at != len(data) {
			t.Errorf("stopped at %d of %d", at, len(data))
		}
	})
}

func FuzzRecords(f *testing.F) {
	for _, codec := range allCodecs {
		b := build(f, plain(codec), sampleRecords()[:4]...)
		f.Add(byte(codec), int32(4), []byte(b[BatchHeaderBytes:]))
	}
	header := build(f, plain(CodecNone), Record{})[:BatchHeaderBytes]
	f.Fuzz(func(t *testing.T, attributes byte, count int32, body []byte) {
		b := slices.Concat(header, body)
		b[posAttributes+1] = attributes
		binary.BigEndian.PutUint32(b[posNumRecords:], uint32(count))
		var infos []RecordInfo
		var infoErr error
		total := 0
		for info, err := range b.Infos() {
			if infoErr = err; err == nil {
				infos = append(infos, info)
				if total += int(info.ValueBytes) + int(info.KeyBytes); total > fuzzOutputBytes || len(infos) > 10000 {
					return
				}
			}
		}
		i := 0
		for r, err := range b.Records() {
			if err != nil {
				// Both ways of reading must agree on what is broken.
				if infoErr == nil {
					t.Errorf("only Records says %v", err)
				}
				return
			}
			want := infos[i]
			if got := (RecordInfo{r.Offset, r.TimestampMs, lenOrNull(r.Key), lenOrNull(r.Value)}); got != want {
				t.Errorf("record %d: %+v, %+v", i, got, want)
			}
			i++
		}
		if infoErr != nil || i != len(infos) {
			t.Errorf("only Infos says %v after %d of %d", infoErr, len(infos), i)
		}
	})
}

func FuzzValidate(f *testing.F) {
	addBatches(f, func(b []byte) {
		f.Add(b, int16(9), byte(0), false, false)
		f.Add(b, int16(2), byte(3), true, true)
	})
	for _, codec := range legacyCodecs {
		f.Add(messageSet(f, 0, codec, legacyRecords(0)[:4]...), int16(0), byte(0), true, false)
		f.Add(messageSet(f, 1, codec, legacyRecords(1)[:4]...), int16(2), byte(2), false, true)
	}
	f.Fuzz(func(t *testing.T, records []byte, version int16, codec byte, logAppend, keys bool) {
		// The fuzzer does not know CRCs: set them right for it.
		if _, magic, ok := PeekBatch(records); ok && magic == 2 && len(records) >= BatchHeaderBytes {
			for b, err := range Batches(records) {
				if err == nil {
					b.seal()
				}
			}
		}
		o := lenient()
		o.ProduceVersion, o.KeyRequired = version, keys
		if codec%6 != 0 {
			o.Codec = codecPtr(Codec(codec%6 - 1))
		}
		if logAppend {
			o.TimestampType = LogAppendTime
		}
		got, err := Validate(records, o)
		if err != nil {
			if _, ok := errors.AsType[*InvalidRecordsError](err); !ok {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		if len(got.Records) == 0 {
			if len(records) != 0 || version >= 3 {
				t.Error("records were lost")
			}
			return
		}
		// What passes must be one sound batch, which passes again and then needs no rewriting.
		b := Batch(got.Records)
		if size, _, ok := PeekBatch(b); !ok || size != len(b) || b.CheckCRC() != nil || b.IsControl() || int(b.NumRecords()) != got.NumRecords {
			t.Fatalf("%x", b)
		}
		offset, maxMs := int64(0), NoTimestamp
		for info, err := range b.Infos() {
			if err != nil || info.Offset != offset || keys && info.KeyBytes < 0 {
				t.Fatalf("%+v at offset %d, %v", info, offset, err)
			}
			offset++
			maxMs = max(maxMs, info.TimestampMs)
		}
		if maxMs != got.MaxTimestampMs || maxMs != b.MaxTimestampMs() || offset != int64(got.NumRecords) {
			t.Errorf("max timestamp %d, %+v", maxMs, got)
		}
		if !logAppend {
			o.ProduceVersion = 9
			again, err := Validate(slices.Clone(got.Records), o)
			if err != nil || again.Converted || !bytes.Equal(again.Records, got.Records) {
				t.Errorf("the second time: %v", err)
			}
		}
	})
}

func FuzzDecompress(f *testing.F) {
	for _, codec := range allCodecs[1:] {
		for _, data := range [][]byte{nil, []byte("abc"), bytes.Repeat([]byte("abc"), 1000)} {
			packed, err := appendCompressed(nil, codec, 0, 0, data)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(byte(codec), int8(0), packed)
			packed, _ = appendCompressed(nil, codec, 0, 2, data)
			f.Add(byte(codec), int8(2), packed)
		}
	}
	f.Fuzz(func(t *testing.T, codec byte, magic int8, src []byte) {
		in, err := newInflater(Codec(codec%8), magic, src)
		if err != nil {
			return
		}
		defer in.release()
		data, err := io.ReadAll(io.LimitReader(in, fuzzOutputBytes))
		if err != nil || len(data) == fuzzOutputBytes {
			return
		}
		packed, err := appendCompressed(nil, Codec(codec%8), 0, magic, data)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := inflate(Codec(codec%8), magic, packed); err != nil || !bytes.Equal(again, data) {
			t.Errorf("round trip: %v", err)
		}
	})
}

func FuzzMessageSet(f *testing.F) {
	for _, codec := range legacyCodecs {
		for _, magic := range []int8{0, 1} {
			f.Add(magic, byte(codec), int64(1), messageSet(f, magic, CodecNone, legacyRecords(magic)[:4]...))
		}
	}
	f.Fuzz(func(t *testing.T, magic int8, codec byte, offset int64, inner []byte) {
		magic &= 1
		set := inner
		if c := Codec(codec % 4); c != CodecNone {
			set = wrapSet(t, magic, c, offset, 0, inner)
		}
		o := oldRules(2)
		o.MaxBatchBytes = 0
		got, err := Validate(set, o)
		if err != nil || len(set) == 0 {
			return
		}
		// Up and down again gives the messages that came.
		want := collect(t, got.Records)
		down, err := DownConvert(got.Records, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		back, _ := readSet(t, down)
		if !reflect.DeepEqual(want, back) {
			t.Errorf("%+v, then %+v", want, back)
		}
	})
}

func FuzzDownConvert(f *testing.F) {
	addBatches(f, func(b []byte) { f.Add(b, int8(1), int64(1)) })
	f.Fuzz(func(t *testing.T, batches []byte, magic int8, from int64) {
		out, err := DownConvert(batches, magic, from)
		if err == nil {
			readSet(t, out)
		}
	})
}
