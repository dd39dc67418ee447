package protocol

import (
	"fmt"
	"testing"
)

// benchBatch returns a batch of about size bytes before compression, of records of 100 bytes.
func benchBatch(b *testing.B, codec Codec, size int) Batch {
	builder := NewBatchBuilder(plain(codec))
	value := pattern(size)
	for i := 0; builder.Len() < size; i++ {
		builder.Append(Record{TimestampMs: 1000 + int64(i), Key: fmt.Appendf(nil, "key-%06d", i), Value: value[i*80%(size-80):][:80]})
	}
	batch, err := builder.Bytes()
	if err != nil {
		b.Fatal(err)
	}
	return batch
}

func BenchmarkValidate(b *testing.B) {
	for _, c := range []struct {
		codec Codec
		name  string
		size  int
	}{
		{CodecNone, "none/16KiB", 16 << 10}, {CodecNone, "none/1MiB", 1 << 20},
		{CodecLZ4, "lz4/16KiB", 16 << 10}, {CodecLZ4, "lz4/1MiB", 1 << 20}, {CodecZstd, "zstd/1MiB", 1 << 20}, {CodecSnappy, "snappy/1MiB", 1 << 20}, {CodecGzip, "gzip/1MiB", 1 << 20},
	} {
		b.Run(c.name, func(b *testing.B) {
			batch := benchBatch(b, c.codec, c.size)
			o := lenient()
			o.MaxBatchBytes = 0
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Validate(batch, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRecords(b *testing.B) {
	for _, codec := range []Codec{CodecNone, CodecLZ4} {
		b.Run(codec.String(), func(b *testing.B) {
			batch := benchBatch(b, codec, 64<<10)
			b.SetBytes(64 << 10)
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range batch.Records() {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	value := pattern(80)
	for _, codec := range []Codec{CodecNone, CodecLZ4, CodecZstd} {
		b.Run(codec.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				builder := NewBatchBuilder(plain(codec))
				for i := range 100 {
					builder.Append(Record{TimestampMs: int64(i), Key: value[:8], Value: value})
				}
				if _, err := builder.Bytes(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
