package log

import (
	"fmt"
	"hash/crc32"
	"math"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

const testDir = "/data/test-0"

// kafkaTopic is the configuration of a topic with Kafka's defaults.
func kafkaTopic() config.Topic {
	return config.Topic{
		CleanupDelete: true, FileDeleteDelayMs: 60000, FlushMessages: math.MaxInt64, FlushMs: math.MaxInt64, IndexIntervalBytes: 4096,
		RetentionBytes: -1, RetentionMs: 7 * 24 * 3600 * 1000, SegmentBytes: 1 << 30, SegmentIndexBytes: 10 << 20, SegmentMs: 7 * 24 * 3600 * 1000,
		MaxMessageBytes: 1 << 20,
	}
}

// testLog is a log on a file system in memory, with a clock.
type testLog struct {
	*Log
	t     testing.TB
	fs    vfs.FS
	o     Options
	clock int64
	logs  *observer.ObservedLogs
}

func openTest(t testing.TB, fsys vfs.FS, edit func(o *Options)) *testLog {
	t.Helper()
	tl, err := tryOpen(t, fsys, edit)
	if err != nil {
		t.Fatal(err)
	}
	return tl
}

func tryOpen(t testing.TB, fsys vfs.FS, edit func(o *Options)) (*testLog, error) {
	core, logs := observer.New(zap.InfoLevel)
	tl := &testLog{t: t, fs: fsys, clock: 1_000_000, logs: logs}
	tl.o = Options{Config: kafkaTopic(), NowMs: func() int64 { return tl.clock }, Logger: zap.New(core)}
	if edit != nil {
		edit(&tl.o)
	}
	var err error
	tl.Log, err = Open(fsys, testDir, tl.o)
	return tl, err
}

// reopen closes the log and opens it as after a clean stop.
func (tl *testLog) reopen(edit func(o *Options)) *testLog {
	tl.t.Helper()
	must(tl.t, tl.Close())
	return openTest(tl.t, tl.fs, func(o *Options) {
		o.Config, o.Clean = tl.o.Config, true
		o.LogStartOffset, o.HighWatermark, o.RecoveryPoint = tl.StartOffset(), tl.HighWatermark(), tl.RecoveryPoint()
		if edit != nil {
			edit(o)
		}
	})
}

// crash abandons the log and opens it as after a kill: nothing is lost, nothing
// was finished.
func (tl *testLog) crash(edit func(o *Options)) *testLog {
	tl.t.Helper()
	c, err := tl.tryCrash(edit)
	must(tl.t, err)
	return c
}

func (tl *testLog) tryCrash(edit func(o *Options)) (*testLog, error) {
	return tryOpen(tl.t, tl.fs, func(o *Options) {
		o.Config = tl.o.Config
		o.LogStartOffset, o.HighWatermark, o.RecoveryPoint = tl.StartOffset(), tl.HighWatermark(), tl.RecoveryPoint()
		if edit != nil {
			edit(o)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// records makes n records with the timestamps ts, ts+1, ….
func records(n int, ts int64) []protocol.Record {
	rs := make([]protocol.Record, n)
	for i := range rs {
		rs[i] = protocol.Record{TimestampMs: ts + int64(i), Key: []byte("k"), Value: fmt.Appendf(nil, "value %d of %d", i, ts)}
	}
	return rs
}

func build(t testing.TB, o protocol.BatchOptions, rs []protocol.Record) []byte {
	t.Helper()
	b := protocol.NewBatchBuilder(o)
	for i, r := range rs {
		r.Offset = o.BaseOffset + int64(i)
		b.Append(r)
	}
	out, err := b.Bytes()
	must(t, err)
	return out
}

var plain = protocol.BatchOptions{ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}

func plainBatch(t testing.TB, n int, ts int64) []byte { return build(t, plain, records(n, ts)) }

// idempotent makes a batch of a producer.
func idempotent(t testing.TB, id int64, epoch int16, sequence int32, n int) []byte {
	return build(t, protocol.BatchOptions{ProducerID: id, ProducerEpoch: epoch, BaseSequence: sequence}, records(n, 1000))
}

func transactional(t testing.TB, id int64, epoch int16, sequence int32, n int) []byte {
	return build(t, protocol.BatchOptions{ProducerID: id, ProducerEpoch: epoch, BaseSequence: sequence, Transactional: true}, records(n, 1000))
}

func marker(t testing.TB, id int64, epoch int16, kind protocol.ControlType) []byte {
	key, value := protocol.ControlMarker(kind, 3)
	return build(t, protocol.BatchOptions{ProducerID: id, ProducerEpoch: epoch, BaseSequence: -1, Transactional: true, Control: true},
		[]protocol.Record{{TimestampMs: 1000, Key: key, Value: value}})
}

// add appends as the leader of epoch 0 and commits.
func (tl *testLog) add(batch []byte) Appended {
	tl.t.Helper()
	a, err := tl.Append(batch, AppendOptions{})
	must(tl.t, err)
	tl.SetHighWatermark(tl.EndOffset())
	return a
}

func (tl *testLog) addMarker(batch []byte) Appended {
	tl.t.Helper()
	a, err := tl.Append(batch, AppendOptions{Origin: Coordinator})
	must(tl.t, err)
	tl.SetHighWatermark(tl.EndOffset())
	return a
}

// contents reads the whole log and returns what a consumer would see: offset and
// value of each record.
func (tl *testLog) contents() []string {
	tl.t.Helper()
	c, err := contents(tl.Log, 1<<20)
	must(tl.t, err)
	return c
}

func contents(l *Log, maxBytes int32) ([]string, error) {
	var out []string
	for next := l.StartOffset(); next < l.EndOffset(); {
		r, err := l.Read(next, l.EndOffset(), maxBytes, true)
		if err != nil {
			return out, err
		}
		b, err := r.AppendTo(nil)
		end := r.EndOffset()
		r.Release()
		if err != nil {
			return out, err
		}
		if len(b) == 0 {
			return out, nil // a gap up to the end
		}
		for batch, err := range protocol.Batches(b) {
			if err != nil {
				return out, err
			}
			if err := batch.CheckCRC(); err != nil {
				return out, err
			}
			for rec, err := range batch.Records() {
				if err != nil {
					return out, err
				}
				if rec.Offset >= next {
					out = append(out, fmt.Sprintf("%d %s", rec.Offset, rec.Value))
				}
			}
		}
		if end <= next {
			return out, fmt.Errorf("a read at %d ended at %d", next, end)
		}
		next = end
	}
	return out, nil
}

// files lists a directory of the log's file system.
func files(t testing.TB, fsys vfs.FS, dir string) map[string]int64 {
	t.Helper()
	infos, err := fsys.List(dir)
	must(t, err)
	m := map[string]int64{}
	for _, i := range infos {
		m[i.Name] = i.Size
	}
	return m
}

func corruptByte(t testing.TB, fsys vfs.FS, name string, at int64) {
	t.Helper()
	f, err := fsys.Open(name)
	must(t, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	must(t, err)
	b[0] ^= 0x40
	_, err = f.WriteAt(b[:], at)
	must(t, err)
}

func extend(t testing.TB, fsys vfs.FS, name string, data []byte) {
	t.Helper()
	f, err := fsys.Open(name)
	must(t, err)
	defer f.Close()
	size, err := f.Size()
	must(t, err)
	_, err = f.WriteAt(data, size)
	must(t, err)
}

func crcOf(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
