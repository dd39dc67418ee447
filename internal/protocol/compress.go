package protocol

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kerr"
)

// maxInflatedBytes bounds what is ever held in memory decompressed: one record, or one batch that has to be rewritten.
// Reading a batch record by record is not bound by it.
const maxInflatedBytes = 256 << 20

// appendCompressed appends src, compressed, to dst. The level is in Kafka's terms for the codec, 0 for its default. Magic tells
// the format of the batch or message around it, which matters to LZ4 only.
func appendCompressed(dst []byte, codec Codec, level int, magic int8, src []byte) ([]byte, error) {
	switch codec {
	case CodecNone:
		return append(dst, src...), nil
	case CodecGzip:
		return appendGzip(dst, level, src)
	case CodecSnappy:
		// Java's own framing, in blocks of 32 KiB, which is what old consumers expect. Encode tells a new stream by an empty dst.
		framed := xerial.Encode(dst[len(dst):], src)
		return append(dst, framed...), nil
	case CodecLZ4:
		return appendLZ4(dst, level, magic == 0, src), nil
	case CodecZstd:
		enc, err := zstdEncoder(level)
		if err != nil {
			return nil, err
		}
		return enc.EncodeAll(src, dst), nil
	}
	return nil, fmt.Errorf("%s: %w", codec, kerr.UnsupportedCompressionType)
}

// gzipWriters holds idle writers by level, from gzip.DefaultCompression (-1) to 9.
var gzipWriters [gzip.BestCompression + 2]sync.Pool

// appendGzip takes levels 1 to 9; anything else is the default.
func appendGzip(dst []byte, level int, src []byte) ([]byte, error) {
	if level < gzip.BestSpeed || level > gzip.BestCompression {
		level = gzip.DefaultCompression
	}
	out := sliceWriter{dst}
	pool := &gzipWriters[level+1]
	w, _ := pool.Get().(*gzip.Writer)
	if w == nil {
		var err error
		if w, err = gzip.NewWriterLevel(&out, level); err != nil {
			return nil, err
		}
	} else {
		w.Reset(&out)
	}
	if _, err := w.Write(src); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	w.Reset(io.Discard) // let go of dst
	pool.Put(w)
	return out.b, nil
}

type sliceWriter struct{ b []byte }

func (w *sliceWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// zstdEncoders holds one encoder per level of klauspost's; EncodeAll is safe for concurrent use.
var zstdEncoders [zstd.SpeedBestCompression + 1]struct {
	once sync.Once
	enc  *zstd.Encoder
	err  error
}

// zstdDefaultLevel is Kafka's default for compression.zstd.level.
const zstdDefaultLevel = 3

func zstdEncoder(level int) (*zstd.Encoder, error) {
	if level == 0 {
		level = zstdDefaultLevel
	}
	speed := zstd.EncoderLevelFromZstd(level)
	e := &zstdEncoders[speed]
	e.once.Do(func() {
		e.enc, e.err = zstd.NewWriter(nil, zstd.WithEncoderLevel(speed), zstd.WithLowerEncoderMem(true))
	})
	return e.enc, e.err
}
