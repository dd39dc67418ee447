package log

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// compactManager opens a manager whose topics are compacted. Its configuration may
// be replaced.
func compactManager(t *testing.T, fsys vfs.FS, overrides ...string) (*testManager, *atomic.Pointer[config.Config]) {
	t.Helper()
	var current atomic.Pointer[config.Config]
	current.Store(testConfig(t, overrides...))
	o := managerOptions(t, fsys)
	o.Config = current.Load
	m := openManager(t, o)
	m.topc = compactTopic()
	return m, &current
}

func compactTopic() config.Topic {
	o := Options{Config: kafkaTopic()}
	compacted(&o)
	return o.Config
}

// writeDirty writes n segments of two keys and one more record.
func writeDirty(t testing.TB, l *Log, n int) {
	t.Helper()
	tl := &testLog{Log: l, t: t}
	for i := range n {
		tl.addKV(plain, fmt.Sprintf("a=%d", i), fmt.Sprintf("b=%d", i))
		tl.roll()
	}
	tl.addKV(plain, "end=1")
}

func start(t *testing.T, m *testManager) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		must(t, <-done)
	}
}

func numRecords(t testing.TB, l *Log) int {
	t.Helper()
	c, err := contents(l, 1000)
	must(t, err)
	return len(c)
}

func (tm *testManager) cleanedOrder() (topics []string) {
	for _, e := range tm.logs.FilterMessage("cleaned the log").All() {
		topics = append(topics, fmt.Sprint(e.ContextMap()["topic"]))
	}
	return topics
}

func TestManagerCleansTheDirtiestFirstAndRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		m, _ := compactManager(t, disk, "log.cleaner.backoff.ms=1000", "log.retention.check.interval.ms=1000000000")
		for i, topic := range []string{"few", "most", "more", "none"} {
			writeDirty(t, m.create(tp(topic, 0), byte(i)), []int{4, 4, 4, 0}[i])
		}
		plainTopic := m.topc
		plainTopic.CleanupCompact = false
		keep, err := m.Create(tp("keep", 0), [16]byte{9}, plainTopic)
		must(t, err)
		writeDirty(t, keep, 4)
		for topic, cleanedTo := range map[string]int64{"few": 6, "more": 2} { // of 8 that can be cleaned
			l, _ := m.Get(tp(topic, 0))
			_, g := m.cleanedOf(l).get(tp(topic, 0))
			must(t, m.cleanedOf(l).set(tp(topic, 0), cleanedTo, g))
		}
		stop := start(t, m)
		synctest.Wait()
		if d := cmp.Diff([]string{"most", "more", "few"}, m.cleanedOrder()); d != "" {
			t.Errorf("cleaned in this order (-want +got):\n%s", d)
		}
		for topic, want := range map[string]int{"few": 3, "most": 3, "more": 3, "keep": 9} {
			l, _ := m.Get(tp(topic, 0))
			if n := numRecords(t, l); n != want {
				t.Errorf("%s has %d records, want %d", topic, n, want)
			}
		}
		time.Sleep(time.Hour)
		if n := len(m.cleanedOrder()); n != 3 {
			t.Errorf("cleaned %d times: what is clean was cleaned again", n)
		}
		most, _ := m.Get(tp("most", 0))
		writeDirty(t, most, 1)
		time.Sleep(1001 * time.Millisecond)
		synctest.Wait()
		if n := numRecords(t, most); n != 4 {
			t.Errorf("%d records after the next round, want 4", n)
		}
		stop()
		must(t, m.Close())
		var all []string
		for _, d := range m.dirs {
			o, err := readOffsets(disk, d.path+"/"+cleanedFile)
			must(t, err)
			for tp, offset := range o {
				all = append(all, fmt.Sprint(tp, " ", offset))
			}
		}
		if len(all) != 3 || !strings.Contains(strings.Join(all, ","), "most-0 11") {
			t.Errorf("checkpoints: %v", all)
		}

		m, _ = compactManager(t, disk)
		stop = start(t, m)
		synctest.Wait()
		if n := len(m.cleanedOrder()); n != 0 {
			t.Errorf("cleaned %d logs again after a restart", n)
		}
		stop()
		must(t, m.Close())
	})
}

func TestManagerForgetsWhatWasCleanedWhenTheLogIsAnother(t *testing.T) {
	disk := vfs.NewMem()
	m, _ := compactManager(t, disk)
	l := m.create(tp("t", 0), 1)
	writeDirty(t, l, 4)
	c := m.cleanedOf(l)
	known := func() int64 {
		t.Helper()
		offset, _ := c.get(l.tp)
		o, err := readOffsets(disk, c.name)
		must(t, err)
		if onDisk, ok := o[l.tp]; ok != (offset >= 0) || ok && onDisk != offset {
			t.Errorf("%d in memory, %v on disk", offset, o)
		}
		return offset
	}
	_, generation := c.get(l.tp)
	must(t, c.set(l.tp, 8, generation))
	must(t, l.TruncateTo(6))
	if got := known(); got != 6 {
		t.Errorf("cleaned to %d after a truncation to 6", got)
	}
	must(t, c.set(l.tp, 8, generation))
	if got := known(); got != 6 {
		t.Errorf("cleaned to %d: a cleaning from before the truncation counts", got)
	}
	must(t, l.TruncateFullyAt(100))
	if got := known(); got != 0 {
		t.Errorf("cleaned to %d after everything was removed", got)
	}
	_, generation = c.get(l.tp)
	must(t, c.set(l.tp, 5, generation))
	must(t, m.Delete(l.tp))
	if got := known(); got != -1 {
		t.Errorf("cleaned to %d after the deletion", got)
	}
	must(t, m.Close())
	// A log that has lost its end in a crash, and one that is not there.
	must(t, disk.WriteFileAtomic("/d1/"+cleanedFile, []byte("0\n2\nother 0 7\nt 0 9\n"), true))
	must(t, disk.MkdirAll("/d1/t-0"))
	m, _ = compactManager(t, disk)
	if d := cmp.Diff(offsets{tp("t", 0): 0}, m.dirs[0].cleaned.all()); d != "" {
		t.Errorf("after a restart (-want +got):\n%s", d)
	}
	must(t, m.Close())
	must(t, disk.WriteFileAtomic("/d1/"+cleanedFile, []byte("rubbish"), true))
	m, _ = compactManager(t, disk)
	must(t, m.Close())
}

func TestDeletionStopsTheCleaning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		// So slow that it is still at it.
		m, _ := compactManager(t, disk, "log.cleaner.io.max.bytes.per.second=1")
		l := m.create(tp("t", 0), 1)
		writeDirty(t, l, 3)
		stop := start(t, m)
		synctest.Wait()
		if !m.cleaning.isRunning(l) {
			t.Fatal("the log is not being cleaned")
		}
		must(t, m.Delete(l.tp))
		again := m.create(tp("t", 0), 2)
		for name := range files(t, disk, again.Dir()) {
			if strings.HasSuffix(name, extCleaned) {
				t.Errorf("the cleaner has left %s to the next log of the name", name)
			}
		}
		if len(m.Uncleanable()) != 0 {
			t.Errorf("uncleanable: %v", m.Uncleanable())
		}
		stop()
		must(t, m.Close())
	})
}

func TestUncleanableLogsAreReportedAndLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		m, _ := compactManager(t, disk, "log.cleaner.backoff.ms=10")
		bad, good := m.create(tp("bad", 0), 1), m.create(tp("good", 0), 2)
		writeDirty(t, bad, 4)
		writeDirty(t, good, 4)
		corruptByte(t, disk, bad.Dir()+"/00000000000000000002.log", 70)
		stop := start(t, m)
		time.Sleep(time.Second)
		if errs := m.Uncleanable(); len(errs) != 1 || !strings.Contains(fmt.Sprint(errs[tp("bad", 0)]), "CRC") {
			t.Errorf("uncleanable: %v", errs)
		}
		if n := m.logs.FilterMessageSnippet("cannot be cleaned any more").Len(); n != 1 {
			t.Errorf("reported %d times", n)
		}
		if n := numRecords(t, good); n != 3 {
			t.Errorf("the good log has %d records", n)
		}
		must(t, m.Delete(tp("bad", 0)))
		if errs := m.Uncleanable(); len(errs) != 0 {
			t.Errorf("a deleted log is uncleanable: %v", errs)
		}
		stop()
		must(t, m.Close())
	})
}

func TestAFullDiskDelaysCleaning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		full.Store(true)
		disk := vfs.Fault(vfs.NewMem(), func(op vfs.Op, name string) error {
			if full.Load() && op == vfs.OpWrite && strings.Contains(name, extCleaned) {
				return syscall.ENOSPC
			}
			return nil
		})
		m, _ := compactManager(t, disk, "log.cleaner.backoff.ms=10")
		l := m.create(tp("t", 0), 1)
		writeDirty(t, l, 4)
		stop := start(t, m)
		time.Sleep(time.Second)
		if l.check() != nil || len(m.Uncleanable()) != 0 || numRecords(t, l) != 9 {
			t.Errorf("on a full disk: %v, uncleanable %v", l.check(), m.Uncleanable())
		}
		full.Store(false)
		time.Sleep(time.Second)
		if n := numRecords(t, l); n != 3 {
			t.Errorf("%d records when there is room again", n)
		}
		stop()
		must(t, m.Close())
	})
}

func TestCleanerConfigurationIsDynamic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		m, current := compactManager(t, disk, "log.cleaner.threads=0", "log.cleaner.backoff.ms=1000", "log.cleaner.io.max.bytes.per.second=100")
		for i := range int32(4) {
			writeDirty(t, m.create(tp("t", i), 1), 8)
		}
		running := func() int {
			m.cleaning.mu.Lock()
			defer m.cleaning.mu.Unlock()
			return len(m.cleaning.mu.running)
		}
		stop := start(t, m)
		time.Sleep(10 * time.Second)
		if n := running(); n != 0 {
			t.Errorf("%d cleaners with no thread", n)
		}
		current.Store(testConfig(t, "log.cleaner.threads=3", "log.cleaner.backoff.ms=1000", "log.cleaner.io.max.bytes.per.second=100"))
		time.Sleep(2 * time.Second)
		if n := running(); n != 3 {
			t.Errorf("%d cleaners with three threads", n)
		}
		began := time.Now()
		current.Store(testConfig(t, "log.cleaner.threads=3", "log.cleaner.backoff.ms=1000"))
		for running() > 0 && time.Since(began) < time.Hour {
			time.Sleep(time.Second)
		}
		for tp, l := range m.All() {
			if n := numRecords(t, l); n != 3 {
				t.Errorf("%s has %d records", tp, n)
			}
		}
		stop()
		must(t, m.Close())
	})
}

func TestNoCleanerWhenDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := compactManager(t, vfs.NewMem(), "log.cleaner.enable=false")
		l := m.create(tp("t", 0), 1)
		writeDirty(t, l, 4)
		stop := start(t, m)
		time.Sleep(time.Hour)
		if n := numRecords(t, l); n != 9 {
			t.Errorf("%d records", n)
		}
		stop()
		must(t, m.Close())
	})
}

func TestRetentionOfCompactedLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := compactManager(t, vfs.NewMem(), "log.cleaner.backoff.ms=1000")
		m.topc.RetentionMs, m.topc.MinCleanableDirtyRatio = 1, 1
		compactOnly := m.create(tp("compact", 0), 1)
		m.topc.CleanupDelete = true
		both := m.create(tp("both", 0), 2)
		writeDirty(t, compactOnly, 4)
		writeDirty(t, both, 4)
		stop := start(t, m)
		time.Sleep(5 * time.Second)
		if compactOnly.StartOffset() != 0 || both.StartOffset() != 9 {
			t.Errorf("the logs begin at %d and %d, want 0 and 9", compactOnly.StartOffset(), both.StartOffset())
		}
		stop()
		must(t, m.Close())
	})
}

func TestThrottleSharesOneRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var th throttle
		began := time.Now()
		done := make(chan error)
		for range 2 {
			go func() {
				for range 50 {
					if err := th.pay(context.Background(), 100, 1000); err != nil {
						done <- err
					}
				}
				done <- nil
			}()
		}
		must(t, errors.Join(<-done, <-done))
		if took := time.Since(began); took < 9800*time.Millisecond || took > 10*time.Second {
			t.Errorf("10000 bytes at 1000 a second took %v", took)
		}
		began = time.Now()
		must(t, th.pay(context.Background(), 1<<30, math.MaxFloat64))
		if took := time.Since(began); took != 0 {
			t.Errorf("without a limit a payer waited %v", took)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := th.pay(ctx, 1<<30, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a payer who must stop: %v", err)
		}
	})
}

func TestOffsetMap(t *testing.T) {
	var m offsetMap
	m.reset(1000, 100, 0.9)
	if len(m.slots) != 100 || m.limit != 90 {
		t.Errorf("%d slots, limit %d", len(m.slots), m.limit)
	}
	for i := range int64(90) {
		if !m.put(fmt.Append(nil, i), i) || m.latest != i {
			t.Fatalf("key %d does not fit", i)
		}
	}
	if m.put([]byte("more"), 90) || m.latest != 89 {
		t.Error("a full map takes a key")
	}
	for i := range int64(90) {
		if got := m.get(fmt.Append(nil, i)); got != i {
			t.Errorf("key %d has offset %d", i, got)
		}
	}
	if got := m.get([]byte("more")); got != -1 {
		t.Errorf("an unknown key has offset %d", got)
	}
	m.reset(10, 1000, 0.5)
	if len(m.slots) > 30 || m.n != 0 || m.get([]byte("1")) != -1 {
		t.Errorf("%d slots for 10 keys, %d in use", len(m.slots), m.n)
	}
	if !m.put([]byte("a"), 3) || !m.put([]byte("a"), 7) || m.n != 1 || m.get([]byte("a")) != 7 {
		t.Errorf("%d keys, offset %d", m.n, m.get([]byte("a")))
	}
	m.reset(10, maxOffsetSlots(0), 5)
	if !m.put([]byte("a"), 1) || m.put([]byte("b"), 2) {
		t.Error("the smallest map holds one key")
	}
}

// BenchmarkClean cleans a log of 64 MiB, before compression, of which every fourth record is the last
// of its key.
func BenchmarkClean(b *testing.B) {
	for _, codec := range []protocol.Codec{protocol.CodecNone, protocol.CodecLZ4, protocol.CodecZstd} {
		b.Run(codec.String(), func(b *testing.B) {
			const size = 64 << 20
			for range b.N {
				b.StopTimer()
				o := Options{Config: kafkaTopic()}
				o.Config.CleanupCompact, o.Config.MaxCompactionLagMs, o.Config.SegmentBytes = true, math.MaxInt64, 16<<20
				l, err := Open(vfs.OS(), b.TempDir()+"/bench-0", o)
				must(b, err)
				bo := plain
				bo.Codec = codec
				written := 0
				for batch := 0; written < size; batch++ {
					rs := make([]protocol.Record, 100)
					for i := range rs {
						n := batch*100 + i
						rs[i] = protocol.Record{TimestampMs: int64(n), Key: fmt.Appendf(nil, "key-%08d", n%(size/100/4)), Value: fmt.Appendf(nil, "value %d %080d", n, n)}
						written += 100
					}
					_, err := l.Append(build(b, bo, rs), AppendOptions{})
					must(b, err)
				}
				l.SetHighWatermark(l.EndOffset())
				(&testLog{Log: l, t: b}).roll()
				c := testCleaner(func(o *cleanerOptions) { o.mapBytes, o.ioBytes = 128<<20, 256<<10 })
				b.SetBytes(size)
				b.StartTimer()
				j, err := l.cleanJob(-1, 0)
				must(b, err)
				_, err = c.clean(context.Background(), j, 0)
				must(b, err)
				b.StopTimer()
				must(b, l.Close())
				b.StartTimer()
			}
		})
	}
}
