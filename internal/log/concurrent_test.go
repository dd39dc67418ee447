package log

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// TestReadersNeverSeeAHalfWrittenLog runs readers of all kinds beside a writer
// that rolls, deletes and flushes, on real files. Run it with -race.
func TestReadersNeverSeeAHalfWrittenLog(t *testing.T) {
	o := Options{Config: kafkaTopic()}
	o.Config.SegmentBytes, o.Config.IndexIntervalBytes = 3000, 100
	l, err := Open(vfs.OS(), t.TempDir()+"/test-0", o)
	must(t, err)
	const n = 600
	var wg sync.WaitGroup
	done := make(chan struct{})
	run := func(fn func(rng *rand.Rand)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rng := rand.New(rand.NewPCG(1, rand.Uint64()))
			for {
				select {
				case <-done:
					return
				default:
					fn(rng)
				}
			}
		}()
	}
	readAt := func(from int64, maxBytes int32) int64 {
		r, err := l.Read(from, l.HighWatermark(), maxBytes, true)
		if errors.Is(err, kerr.OffsetOutOfRange) {
			return l.StartOffset()
		}
		if err != nil {
			t.Error(err)
			return from
		}
		defer r.Release()
		b, err := r.AppendTo(nil)
		if err != nil {
			t.Error(err)
		}
		for batch, err := range protocol.Batches(b) {
			if err != nil || batch.CheckCRC() != nil || batch.LastOffset() < from {
				t.Errorf("read at %d: batch to %d, %v", from, batch.LastOffset(), err)
				return from
			}
		}
		return r.EndOffset()
	}
	for range 2 {
		next := int64(0)
		run(func(rng *rand.Rand) { next = readAt(next, 500) })
	}
	run(func(rng *rand.Rand) {
		if start, hw := l.StartOffset(), l.HighWatermark(); hw > start {
			readAt(start+rng.Int64N(hw-start), int32(rng.IntN(5000)))
		}
	})
	run(func(rng *rand.Rand) {
		if _, err := l.OffsetForTimestamp(rng.Int64N(n * 10)); err != nil && !errors.Is(err, kerr.KafkaStorageError) {
			t.Error(err)
		}
		l.LastStableOffset()
		l.SizeBytes()
		l.Producers()
	})
	run(func(rng *rand.Rand) {
		if err := l.Flush(); err != nil {
			t.Error(err)
		}
		l.CloseIdleFiles()
	})
	for i := range n {
		_, err := l.Append(idempotent(t, int64(i%3), 0, int32(i/3*2), 2), AppendOptions{})
		must(t, err)
		l.SetHighWatermark(l.EndOffset())
		if i%50 == 49 {
			_, err := l.DeleteRecordsTo(l.EndOffset() - 60)
			must(t, err)
			_, err = l.Retain(0)
			must(t, err)
		}
	}
	close(done)
	wg.Wait()
	want, err := contents(l, 1000)
	must(t, err)
	dir := l.Dir()
	start := l.StartOffset()
	must(t, l.Close())
	again, err := Open(vfs.OS(), dir, Options{Config: o.Config, Clean: true, LogStartOffset: start})
	must(t, err)
	got, err := contents(again, 1000)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	must(t, again.Close())
}

// TestDeleteBesideEverything: taking a partition away while it is written, flushed
// and swept must not look like a broken disk, nor dead-lock.
func TestDeleteBesideEverything(t *testing.T) {
	c := testConfig(t)
	m, err := OpenDirs(ManagerOptions{FS: vfs.OS(), Dirs: []string{t.TempDir()}, NodeID: 1, Config: func() *config.Config { return c }})
	must(t, err)
	topic := kafkaTopic()
	topic.SegmentBytes, topic.FlushMessages, topic.FileDeleteDelayMs = 500, 3, 0
	must(t, m.Load(context.Background(), func(string) config.Topic { return topic }))
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		defer wg.Done()
		m.Run(ctx)
	}()
	go func() {
		defer wg.Done()
		for ctx.Err() == nil {
			if err := errors.Join(m.retain(), m.closeIdleFiles(), m.checkpointAll(highWatermarkFile)); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
				t.Error(err)
			}
		}
	}()
	for round := range 40 {
		l, err := m.Create(tp("t", 0), [16]byte{byte(round + 1)}, topic)
		must(t, err)
		writer := make(chan struct{})
		go func() {
			defer close(writer)
			for {
				if _, err := l.Append(plainBatch(t, 2, 1), AppendOptions{}); err != nil {
					if !errors.Is(err, kerr.UnknownTopicOrPartition) {
						t.Error(err)
					}
					return
				}
				l.SetHighWatermark(l.EndOffset())
			}
		}()
		for l.EndOffset() < 20 {
			_, err := m.Create(tp("t", 0), [16]byte{byte(round + 1)}, topic) // an alteration of the topic
			must(t, err)
		}
		must(t, m.Delete(tp("t", 0)))
		<-writer
	}
	stop()
	wg.Wait()
	if dirs := m.Dirs(); len(dirs) != 1 {
		t.Errorf("the log directory is offline: %v", m.dirs[0].err())
	}
	must(t, m.Close())
}

// TestTraceOfRollAndClose is the order of calls that durability hangs on: an extra
// or missing fsync shows here.
func TestTraceOfRollAndClose(t *testing.T) {
	disk := newDisk(t)
	var trace []string
	fsys := vfs.Fault(disk, func(op vfs.Op, name string) error {
		if op.Changes() {
			trace = append(trace, string(op)+" "+name[len("/data"):])
		}
		return nil
	})
	tl := openTest(t, fsys, func(o *Options) { o.Config.SegmentBytes = 250 })
	check := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, trace); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		trace = nil
	}
	check("create", "mkdir /test-0")
	tl.add(plainBatch(t, 3, 1000))
	check("append", "create /test-0/00000000000000000000.log", "write /test-0/00000000000000000000.log")
	tl.add(plainBatch(t, 3, 1000))
	check("append that rolls",
		"create /test-0/00000000000000000000.index", "create /test-0/00000000000000000000.timeindex", "write /test-0/00000000000000000000.timeindex",
		"create /test-0/00000000000000000003.snapshot", "write /test-0/00000000000000000003.snapshot",
		"create /test-0/00000000000000000003.log",
		// The flush of what was rolled: on another goroutine, had the log a manager.
		"sync /test-0/00000000000000000000.log", "sync /test-0/00000000000000000000.index", "sync /test-0/00000000000000000000.timeindex", "sync /test-0/00000000000000000003.snapshot",
		"create /test-0/leader-epoch-checkpoint.tmp", "write /test-0/leader-epoch-checkpoint.tmp", "sync /test-0/leader-epoch-checkpoint.tmp", "rename /test-0/leader-epoch-checkpoint.tmp", "sync-dir /test-0",
		"sync-dir /test-0", "sync-dir ",
		"write /test-0/00000000000000000003.log")
	must(t, tl.Flush())
	check("flush", "sync /test-0/00000000000000000003.log")
	must(t, tl.Close())
	check("close",
		"create /test-0/00000000000000000003.index", "create /test-0/00000000000000000003.timeindex", "write /test-0/00000000000000000003.timeindex",
		"create /test-0/00000000000000000006.snapshot", "write /test-0/00000000000000000006.snapshot",
		"sync /test-0/00000000000000000003.log", "sync /test-0/00000000000000000003.index", "sync /test-0/00000000000000000003.timeindex", "sync /test-0/00000000000000000006.snapshot")
	tl = openTest(t, fsys, func(o *Options) { o.Clean = true })
	must(t, tl.Close())
	check("a clean start and stop without a record in between")
	tl = openTest(t, fsys, func(o *Options) { o.Clean = true })
	must(t, tl.AssignLeaderEpoch(7, tl.EndOffset()))
	must(t, tl.Close())
	check("a clean start and stop with a new leader epoch, without a record in between")
}

// TestEmptyLogHasNoFiles: thousands of partitions that nobody has written to yet cost
// a stop nothing, nor a start, clean or not, a warning. Kafka makes what it misses.
func TestEmptyLogHasNoFiles(t *testing.T) {
	disk := newDisk(t)
	changes := 0
	fsys := vfs.Fault(disk, func(op vfs.Op, name string) error {
		if op.Changes() {
			changes++
		}
		return nil
	})
	tl := openTest(t, fsys, func(o *Options) { o.TopicID = [16]byte{1} })
	for _, how := range []func(edit func(o *Options)) *testLog{tl.reopen, tl.crash} {
		changes = 0
		must(t, tl.AssignLeaderEpoch(3, 0))
		if _, err := tl.Read(0, 0, 1<<20, true); err != nil {
			t.Error(err)
		}
		if f, err := tl.OffsetForTimestamp(1); f.OK || err != nil {
			t.Error(f, err)
		}
		if f, err := tl.OffsetOfMaxTimestamp(); f.OK || err != nil {
			t.Error(f, err)
		}
		_, err := tl.Retain(tl.clock)
		must(t, err)
		must(t, tl.Flush())
		again := how(nil)
		if changes != 0 {
			t.Errorf("%d changes of files", changes)
		}
		if got := files(t, disk, testDir); len(got) != 1 {
			t.Errorf("files: %v", got)
		}
		for _, line := range again.logs.All() {
			t.Errorf("logged: %v", line)
		}
		tl = again
	}
	tl.add(plainBatch(t, 3, 1000))
	if tl = tl.crash(nil); tl.EndOffset() != 3 {
		t.Errorf("end offset %d", tl.EndOffset())
	}
}

// TestDiskFullAtFirstAppend: the log file cannot be made, nothing is lost and the next
// attempt may go better.
func TestDiskFullAtFirstAppend(t *testing.T) {
	full := false
	fsys := vfs.Fault(newDisk(t), func(op vfs.Op, name string) error {
		if full && op == vfs.OpCreate {
			return syscall.ENOSPC
		}
		return nil
	})
	tl := openTest(t, fsys, nil)
	full = true
	if _, err := tl.Append(plainBatch(t, 3, 1000), AppendOptions{}); !IsNoSpace(err) || tl.Failure() != nil {
		t.Errorf("Append: %v, the log: %v", err, tl.Failure())
	}
	full = false
	tl.add(plainBatch(t, 3, 1000))
	if tl = tl.reopen(nil); tl.EndOffset() != 3 {
		t.Errorf("end offset %d", tl.EndOffset())
	}
}
