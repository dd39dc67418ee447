package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/segmentio/kafka-go/compress"
	"github.com/twmb/franz-go/pkg/kerr"
)

// inflate returns all that src decompresses to.
func inflate(codec Codec, magic int8, src []byte) ([]byte, error) {
	in, err := newInflater(codec, magic, src)
	if err != nil {
		return nil, err
	}
	defer in.release()
	return io.ReadAll(in)
}

func payloads() map[string][]byte {
	noise := pattern(300_000)
	x := uint64(88172645463325252)
	for i := range noise {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		noise[i] = byte(x)
	}
	return map[string][]byte{"empty": {}, "byte": {7}, "text": bytes.Repeat([]byte("the quick brown fox "), 20), "pattern": pattern(200_000), "noise": noise,
		"zeros": make([]byte, 3<<20), "block": make([]byte, lz4BlockBytes), "xerial block": noise[:32<<10]}
}

func TestCompressRoundTrip(t *testing.T) {
	levels := map[Codec][]int{CodecNone: {0}, CodecGzip: {-1, 0, 1, 9}, CodecSnappy: {0}, CodecLZ4: {0, 1, 9, 12, 17}, CodecZstd: {-5, 0, 1, 3, 19, 22}}
	for name, data := range payloads() {
		for _, codec := range allCodecs[1:] {
			for _, level := range levels[codec] {
				prefix := []byte("prefix")
				packed, err := appendCompressed(slices.Clone(prefix), codec, level, 2, data)
				if err != nil {
					t.Fatal(err)
				}
				got, err := inflate(codec, 2, packed[len(prefix):])
				if err != nil || !bytes.Equal(got, data) || !bytes.HasPrefix(packed, prefix) {
					t.Errorf("%s, %s level %d: %d bytes, %v", name, codec, level, len(got), err)
				}
			}
		}
	}
}

func TestCompressUnknownCodec(t *testing.T) {
	if _, err := appendCompressed(nil, 5, 0, 2, nil); !errors.Is(err, kerr.UnsupportedCompressionType) {
		t.Error(err)
	}
	if _, err := newInflater(5, 2, nil); !errors.Is(err, kerr.UnsupportedCompressionType) {
		t.Error(err)
	}
}

// TestCompressKafkaGo exchanges bytes with the codecs of segmentio/kafka-go, in both directions.
func TestCompressKafkaGo(t *testing.T) {
	for name, data := range payloads() {
		for _, codec := range allCodecs[1:] {
			theirs := compress.Codecs[codec]
			var packed bytes.Buffer
			w := theirs.NewWriter(&packed)
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if got, err := inflate(codec, 2, packed.Bytes()); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s, %s from kafka-go: %d bytes, %v", name, codec, len(got), err)
			}
			ours, err := appendCompressed(nil, codec, 0, 2, data)
			if err != nil {
				t.Fatal(err)
			}
			r := theirs.NewReader(bytes.NewReader(ours))
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s, %s to kafka-go: %d bytes, %v", name, codec, len(got), err)
			}
			r.Close()
		}
	}
}

func TestInflateSnappyRaw(t *testing.T) {
	for name, data := range payloads() {
		if len(data) == 0 {
			continue
		}
		if got, err := inflate(CodecSnappy, 2, snappy.Encode(nil, data)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInflateSnappyJoinedStreams(t *testing.T) {
	one, _ := appendCompressed(nil, CodecSnappy, 0, 2, []byte("one"))
	two, _ := appendCompressed(nil, CodecSnappy, 0, 2, []byte("two"))
	if got, err := inflate(CodecSnappy, 2, append(one, two...)); err != nil || string(got) != "onetwo" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestInflateRefusesLyingSnappy(t *testing.T) {
	// A few bytes that announce 4 GiB must not be believed.
	huge := binary.AppendUvarint(nil, 1<<32-1)
	framed := append(append(bytes.Clone(xerialMagic), 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, byte(len(huge))), huge...)
	for _, src := range [][]byte{huge, framed, append(bytes.Clone(framed[:16]), 0xff, 0xff, 0xff, 0xff, 0), append(bytes.Clone(framed[:16]), 0, 0)} {
		if _, err := inflate(CodecSnappy, 2, src); err == nil {
			t.Errorf("%x is accepted", src)
		}
	}
	// S2's repeat codes are not snappy: Java cannot read them.
	if _, err := inflate(CodecSnappy, 2, []byte{8, 3 << 2, 'a', 'b', 'c', 'd', 0x01, 0}); err == nil {
		t.Error("an S2 repeat is accepted")
	}
}

func TestInflateLZ4Variants(t *testing.T) {
	for name, data := range payloads() {
		for _, options := range [][]lz4.Option{
			{lz4.BlockSizeOption(lz4.Block64Kb)}, {lz4.BlockSizeOption(lz4.Block4Mb)}, {lz4.BlockChecksumOption(true)}, {lz4.ChecksumOption(false)},
			{lz4.SizeOption(uint64(len(data))), lz4.ChecksumOption(true)}, {lz4.CompressionLevelOption(lz4.Level9), lz4.BlockSizeOption(lz4.Block256Kb), lz4.BlockChecksumOption(true)},
		} {
			var packed bytes.Buffer
			w := lz4.NewWriter(&packed)
			if err := w.Apply(options...); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if got, err := inflate(CodecLZ4, 2, packed.Bytes()); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s, %d bytes: %v", name, len(got), err)
			}
		}
		ours, _ := appendCompressed(nil, CodecLZ4, 0, 2, data)
		if got, err := io.ReadAll(lz4.NewReader(bytes.NewReader(ours))); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: the reference's reader: %v", name, err)
		}
	}
}

func TestInflateRefusesLZ4(t *testing.T) {
	good, _ := appendCompressed(nil, CodecLZ4, 0, 2, pattern(1000))
	reseal := func(b []byte) []byte { b[6] = byte(xxh32(b[4:6]) >> 8); return b }
	for name, spoil := range map[string]func(b []byte) []byte{
		"magic":            func(b []byte) []byte { b[0]++; return b },
		"header checksum":  func(b []byte) []byte { b[6]++; return b },
		"version":          func(b []byte) []byte { b[4] |= 0x80; return reseal(b) },
		"dependent blocks": func(b []byte) []byte { b[4] &^= lz4FlagIndepBlock; return reseal(b) },
		"dictionary":       func(b []byte) []byte { b[4] |= 1; return reseal(b) },
		"block size":       func(b []byte) []byte { b[5] = 3 << 4; return reseal(b) },
		"block too large":  func(b []byte) []byte { binary.LittleEndian.PutUint32(b[7:], 70000); return b },
		"no end":           func(b []byte) []byte { return b[:len(b)-4] },
		"cut":              func(b []byte) []byte { return b[:100] },
		"header only":      func(b []byte) []byte { return b[:7] },
		"less":             func(b []byte) []byte { return b[:6] },
		"content size cut": func(b []byte) []byte { b[4] |= lz4FlagSize; return b[:10] },
		"no content sum":   func(b []byte) []byte { b[4] |= lz4FlagContentSum; return reseal(b) },
	} {
		if _, err := inflate(CodecLZ4, 2, spoil(bytes.Clone(good))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestInflateZstdWindows(t *testing.T) {
	data := pattern(1 << 20)
	for _, window := range []int{1 << 10, 1 << 20, 8 << 20, 32 << 20, 128 << 20, 256 << 20} {
		var packed bytes.Buffer
		w, err := zstd.NewWriter(&packed, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		if err != nil {
			t.Fatal(err)
		}
		// Written in pieces, as Java does: the frame does not tell its size, so the window is what counts.
		for piece := range slices.Chunk(data, 100_000) {
			if _, err := w.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := inflate(CodecZstd, 2, packed.Bytes())
		if ok := window <= zstdMaxWindowBytes; ok != (err == nil) || ok && !bytes.Equal(got, data) {
			t.Errorf("window %d: %d bytes, %v", window, len(got), err)
		}
	}
}

func TestInflatersConcurrently(t *testing.T) {
	data := payloads()["pattern"]
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			codec := allCodecs[1+i%4]
			for range 10 {
				packed, err := appendCompressed(nil, codec, 0, 2, data)
				if err != nil {
					t.Error(err)
				}
				if got, err := inflate(codec, 2, packed); err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s: %v", codec, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestXXH32(t *testing.T) {
	for s, want := range map[string]uint32{
		"": 0x02cc5d05, "a": 0x550d7456, "abc": 0x32d153ff, "Nobody inspects the spammish repetition": 0xe2293b2f,
	} {
		if got := xxh32([]byte(s)); got != want {
			t.Errorf("%q: %08x, want %08x", s, got, want)
		}
	}
}

func TestValidateInflatesWithoutHoldingIt(t *testing.T) {
	// A batch of 40 MiB of zeros in few bytes is legal, and passes through a window.
	for _, codec := range []Codec{CodecGzip, CodecZstd} {
		b := NewBatchBuilder(plain(codec))
		b.Append(Record{Value: make([]byte, 40<<20)})
		batch, err := b.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := Validate(batch, lenient()); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
			t.Errorf("%s: %d bytes allocated", codec, got)
		}
	}
}
