package log

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

func benchLog(b *testing.B) *Log {
	o := Options{Config: kafkaTopic()}
	l, err := Open(vfs.OS(), b.TempDir()+"/bench-0", o)
	must(b, err)
	b.Cleanup(func() { l.closeForDelete() })
	return l
}

func batchOf(b testing.TB, bytes int) []byte {
	return build(b, plain, []protocol.Record{{TimestampMs: 1000, Value: make([]byte, bytes)}})
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 16 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l, batch := benchLog(b), batchOf(b, size)
			b.SetBytes(int64(len(batch)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := l.Append(batch, AppendOptions{}); err != nil {
					b.Fatal(err)
				}
				if l.SizeBytes() > 512<<20 { // do not fill the disk
					b.StopTimer()
					must(b, l.TruncateFullyAt(0))
					b.StartTimer()
				}
			}
		})
	}
}

func BenchmarkAppendIdempotent(b *testing.B) {
	l := benchLog(b)
	batch := build(b, protocol.BatchOptions{ProducerID: 1}, []protocol.Record{{Value: make([]byte, 1000)}})
	sequence := int32(0)
	b.ReportAllocs()
	for b.Loop() {
		batch[53], batch[54], batch[55], batch[56] = byte(sequence>>24), byte(sequence>>16), byte(sequence>>8), byte(sequence)
		if _, err := l.Append(batch, AppendOptions{}); err != nil {
			b.Fatal(err)
		}
		sequence++
	}
}

func BenchmarkRead(b *testing.B) {
	l, batch := benchLog(b), batchOf(b, 1000)
	for l.SizeBytes() < 64<<20 {
		_, err := l.Append(batch, AppendOptions{})
		must(b, err)
	}
	end := l.EndOffset()
	for _, maxBytes := range []int32{16 << 10, 1 << 20} {
		for _, random := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/random=%v", maxBytes, random), func(b *testing.B) {
				buf, next := make([]byte, 0, maxBytes), int64(0)
				b.SetBytes(int64(maxBytes))
				b.ReportAllocs()
				for b.Loop() {
					if random {
						next = rand.Int64N(end - int64(maxBytes/1000))
					}
					r, err := l.Read(next, end, maxBytes, true)
					must(b, err)
					_, err = r.AppendTo(buf)
					must(b, err)
					if next = r.EndOffset(); next == end {
						next = 0
					}
					r.Release()
				}
			})
		}
	}
	// What a read costs without the copy: the look-up alone.
	b.Run("tail", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := l.Read(end-1, end, 1<<20, true)
			must(b, err)
			r.Release()
		}
	})
}

// BenchmarkCreate makes the 50 partitions of __consumer_offsets.
func BenchmarkCreate(b *testing.B) {
	c := testConfig(b)
	for b.Loop() {
		b.StopTimer()
		m, err := OpenDirs(ManagerOptions{FS: vfs.OS(), Dirs: []string{b.TempDir()}, NodeID: 1, Config: func() *config.Config { return c }})
		must(b, err)
		b.StartTimer()
		for i := range int32(50) {
			_, err := m.Create(protocol.TopicPartition{Topic: "__consumer_offsets", Partition: i}, [16]byte{1}, kafkaTopic())
			must(b, err)
		}
		b.StopTimer()
		must(b, m.Close())
		b.StartTimer()
	}
}

// BenchmarkCleanStart opens 1000 partitions that were closed, and reports what one
// costs in memory.
func BenchmarkCleanStart(b *testing.B) {
	const n = 1000
	c := testConfig(b)
	o := ManagerOptions{FS: vfs.OS(), Dirs: []string{b.TempDir()}, NodeID: 1, Config: func() *config.Config { return c }}
	m, err := OpenDirs(o)
	must(b, err)
	load := func() { must(b, m.Load(context.Background(), func(string) config.Topic { return kafkaTopic() })) }
	load()
	for i := range int32(n) {
		l, err := m.Create(protocol.TopicPartition{Topic: "t", Partition: i}, [16]byte{1}, kafkaTopic())
		must(b, err)
		_, err = l.Append(batchOf(b, 1000), AppendOptions{})
		must(b, err)
	}
	must(b, m.Close())
	for b.Loop() {
		b.StopTimer()
		m, err = OpenDirs(o)
		must(b, err)
		before := heap()
		b.StartTimer()
		load()
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/n, "B/partition")
		must(b, m.Close())
		b.StartTimer()
	}
}

func heap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// BenchmarkRecover scans a log of 256 MiB as after a kill.
func BenchmarkRecover(b *testing.B) {
	dir := b.TempDir() + "/bench-0"
	l, err := Open(vfs.OS(), dir, Options{Config: kafkaTopic()})
	must(b, err)
	batch := batchOf(b, 16<<10)
	for l.SizeBytes() < 256<<20 {
		_, err := l.Append(batch, AppendOptions{})
		must(b, err)
	}
	b.SetBytes(l.SizeBytes())
	for b.Loop() {
		again, err := Open(vfs.OS(), dir, Options{Config: kafkaTopic()})
		must(b, err)
		again.closeForDelete()
	}
}
