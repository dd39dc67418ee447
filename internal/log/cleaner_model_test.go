package log

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// cleanModel is what a compacted log must look like: every record that was ever
// written, and the last committed value of each key.
type cleanModel struct {
	t        *testing.T
	rng      *rand.Rand
	disk     *vfs.Mem
	tl       *testLog
	cleaner  *cleaner
	cleaned  int64             // offset up to which the log is clean
	original map[string]string // record by offset
	latest   map[string]string // of committed records
	at       map[string]int64  // offset of the last committed record of a key
	open     map[int64][]int64 // offsets of the open transaction of a producer
	sequence map[int64]int32
}

func newCleanModel(t *testing.T, rng *rand.Rand) *cleanModel {
	m := &cleanModel{t: t, rng: rng, disk: newDisk(t), original: map[string]string{}, latest: map[string]string{}, at: map[string]int64{},
		open: map[int64][]int64{}, sequence: map[int64]int32{}}
	m.cleaner = testCleaner(func(o *cleanerOptions) {
		o.ioBytes = 1 << (8 + rng.IntN(8))
		o.mapBytes = int64(2+rng.IntN(100)) * offsetMapEntryBytes
	})
	m.tl = openTest(t, m.disk, func(o *Options) {
		compacted(o)
		o.Config.SegmentBytes = int64(400 + rng.IntN(3000))
		o.Config.IndexIntervalBytes = rng.IntN(400)
		o.Config.DeleteRetentionMs = rng.Int64N(50)
	})
	return m
}

// append writes a batch of producer id (−1: none; from 10 on: transactional).
func (m *cleanModel) append(id int64) {
	o := protocol.BatchOptions{ProducerID: id, Codec: protocol.Codec(m.rng.IntN(5)), BaseSequence: m.sequence[id], Transactional: id >= 10}
	n := 1 + m.rng.IntN(4)
	rs := make([]protocol.Record, n)
	for i := range rs {
		rs[i] = protocol.Record{TimestampMs: m.tl.clock + m.rng.Int64N(100), Key: fmt.Append(nil, "k", m.rng.IntN(12))}
		if m.rng.IntN(4) > 0 {
			rs[i].Value = fmt.Append(nil, "v", len(m.original)+i, strings.Repeat("x", m.rng.IntN(40)))
		}
	}
	a := m.tl.add(build(m.t, o, rs))
	m.sequence[id] += int32(n)
	for i, r := range rs {
		offset := a.BaseOffset + int64(i)
		m.original[fmt.Sprint(offset)] = fmt.Sprintf("%s=%s", r.Key, r.Value)
		if id >= 10 {
			m.open[id] = append(m.open[id], offset)
		} else {
			m.commit(offset)
		}
	}
}

func (m *cleanModel) commit(offset int64) {
	key, value, _ := strings.Cut(m.original[fmt.Sprint(offset)], "=")
	if at, ok := m.at[key]; ok && at > offset {
		return
	}
	m.at[key] = offset
	if delete(m.latest, key); value != "" {
		m.latest[key] = value
	}
}

func (m *cleanModel) end(id int64, kind protocol.ControlType) {
	if m.open[id] == nil {
		return
	}
	key, value := protocol.ControlMarker(kind, 3)
	m.tl.addMarker(build(m.t, protocol.BatchOptions{ProducerID: id, BaseSequence: -1, Transactional: true, Control: true},
		[]protocol.Record{{TimestampMs: m.tl.clock, Key: key, Value: value}}))
	if kind == protocol.ControlCommit {
		for _, offset := range m.open[id] {
			m.commit(offset)
		}
	}
	delete(m.open, id)
}

func (m *cleanModel) step() {
	switch m.rng.IntN(24) {
	case 0, 1, 2:
		m.cleanOnce()
	case 3:
		m.tl.roll()
	case 4:
		m.restart()
	case 5:
		m.tl.clock += m.rng.Int64N(100)
	case 6:
		m.tl.clock += m.tl.producerIDExpirationMs()
		m.tl.ExpireProducers(m.tl.clock)
	case 7, 8, 9:
		m.end(10+m.rng.Int64N(3), protocol.ControlCommit)
	case 10, 11:
		m.end(10+m.rng.Int64N(3), protocol.ControlAbort)
	case 12, 13, 14, 15:
		m.append(10 + m.rng.Int64N(3))
	case 16, 17:
		m.append(m.rng.Int64N(2))
	default:
		m.append(-1)
	}
}

func (m *cleanModel) cleanOnce() {
	m.t.Helper()
	to, err := m.tl.tryClean(m.cleaner, m.cleaned)
	must(m.t, err)
	if to < m.cleaned {
		m.t.Fatalf("cleaned to %d after %d", to, m.cleaned)
	}
	m.cleaned = to
	m.check()
}

func (m *cleanModel) restart() {
	end, tl, before := m.tl.EndOffset(), m.tl, m.tl.Producers()
	edit := func(o *Options) { compacted(o); o.Config = tl.o.Config }
	clock := tl.clock
	switch m.rng.IntN(3) {
	case 0:
		m.tl = tl.reopen(edit)
	case 1:
		m.tl = tl.crash(edit)
	default:
		must(m.t, tl.Flush())
		m.disk = m.disk.CrashClone(m.rng)
		tl.fs = m.disk
		m.tl = tl.crash(func(o *Options) {
			edit(o)
			if m.rng.IntN(2) == 0 {
				o.RecoveryPoint = 0
			}
		})
	}
	m.tl.clock = clock
	if m.tl.EndOffset() != end {
		m.t.Fatalf("the log ends at %d after a restart, was %d", m.tl.EndOffset(), end)
	}
	after := map[int64]ProducerState{}
	for _, p := range m.tl.Producers() {
		after[p.ProducerID] = p
		m.sequence[p.ProducerID] = p.LastSequence + 1 // of those that were forgotten a restart may know something older
	}
	for _, p := range before {
		if a := after[p.ProducerID]; clock-p.LastTimestampMs < tl.producerIDExpirationMs() && (a.LastSequence != p.LastSequence || a.Epoch != p.Epoch || a.CurrentTxnStartOffset != p.CurrentTxnStartOffset) {
			m.t.Fatalf("a producer after a restart %+v, before %+v", a, p)
		}
	}
	m.check()
}

// check reads everything. What is behind the last stable offset is not visible, so
// values count only while no transaction is open.
func (m *cleanModel) check() {
	m.t.Helper()
	latest, all, err := committedView(m.tl.Log, int32(1+m.rng.IntN(2000)))
	must(m.t, err)
	for offset, record := range all {
		if m.original[offset] != record {
			m.t.Fatalf("record %s is %q, was %q", offset, record, m.original[offset])
		}
	}
	if len(m.open) > 0 {
		return
	}
	if d := cmp.Diff(m.latest, latest); d != "" {
		m.t.Fatalf("last values (-want +got):\n%s\n%s", d, strings.Join(m.tl.dump(), "\n"))
	}
	for range 5 {
		from := m.rng.Int64N(m.tl.EndOffset() + 1)
		r, err := m.tl.Read(from, m.tl.EndOffset(), 1, true)
		must(m.t, err)
		b, err := r.AppendTo(nil)
		must(m.t, err)
		r.Release()
		for batch := range protocol.Batches(b) {
			if batch.LastOffset() < from {
				m.t.Fatalf("a read at %d returned the batch %d-%d", from, batch.BaseOffset(), batch.LastOffset())
			}
		}
	}
}

// finish ends everything and cleans until nothing changes: of each key at most the
// last record is left.
func (m *cleanModel) finish() {
	for id := range maps.Clone(m.open) {
		m.end(id, protocol.ControlType(m.rng.IntN(2)))
	}
	m.tl.roll()
	m.tl.addKV(plain, "end=1")
	m.original[fmt.Sprint(m.tl.EndOffset()-1)] = "end=1"
	m.commit(m.tl.EndOffset() - 1)
	for range 200 {
		m.tl.clock += 100
		before := m.cleaned
		if m.cleanOnce(); m.cleaned == before {
			break
		}
	}
	m.tl.clock += 1000
	m.cleaned = 0
	c := m.cleaner
	m.cleaner = testCleaner(nil)
	for range 2 {
		m.cleanOnce()
		m.cleaned = 0
		m.tl.clock += 1000
	}
	m.cleaner = c
	_, all, err := committedView(m.tl.Log, 1<<20)
	must(m.t, err)
	if len(all) != len(m.latest) {
		m.t.Fatalf("%d records for %d keys:\n%s", len(all), len(m.latest), strings.Join(m.tl.dump(), "\n"))
	}
	m.restart()
}

// TestCleanModel does random things to compacted logs; CLEAN_SEED repeats a run,
// CLEAN_RUNS makes more.
func TestCleanModel(t *testing.T) {
	seed, runs := rand.Uint64(), 60
	if s := os.Getenv("CLEAN_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
		runs = 1
	}
	if s := os.Getenv("CLEAN_RUNS"); s != "" {
		runs, _ = strconv.Atoi(s)
	}
	for range runs {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := newCleanModel(t, rand.New(rand.NewPCG(seed, 7)))
			for range 150 {
				m.step()
			}
			m.finish()
		})
		seed++
	}
}

// TestReadersDuringCleaning reads, writes and cleans at the same time: no reader
// ever fails, sees an aborted record, a record out of order, or misses a last
// value.
func TestReadersDuringCleaning(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), func(o *Options) {
		compacted(o)
		o.Config.SegmentBytes = 2000
		o.Config.DeleteRetentionMs = 0
	})
	tl.addKV(plain, "first=1") // never replaced: every reader must find it
	stop := make(chan struct{})
	var wg sync.WaitGroup
	background := func(fn func() error) {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := fn(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 3 {
		background(func() error {
			latest, all, err := committedView(tl.Log, int32(1+i*1000))
			if err != nil {
				return err
			}
			if latest["first"] != "1" {
				return fmt.Errorf("the first record is missing: %v", latest)
			}
			for offset, r := range all {
				if strings.Contains(r, "aborted") {
					return fmt.Errorf("the record at %s is %s", offset, r)
				}
			}
			_, err = tl.OffsetForTimestamp(1000)
			return err
		})
	}
	background(func() error { tl.CloseIdleFiles(); return nil })
	background(tl.Flush)
	cleaned := int64(0)
	for i := range 150 {
		id := int64(i % 3)
		tl.addKV(protocol.BatchOptions{ProducerID: id, BaseSequence: int32(i / 3 * 2), Transactional: true}, "a=aborted", fmt.Sprintf("k%d=aborted", i%7))
		tl.addMarker(marker(t, id, 0, protocol.ControlAbort))
		tl.addKV(plain, fmt.Sprintf("k%d=%d%s", i%7, i, strings.Repeat("x", 100)), fmt.Sprintf("l%d", i%5))
		if i%3 == 0 {
			to, err := tl.tryClean(testCleaner(nil), cleaned)
			must(t, err)
			cleaned = to
		}
	}
	close(stop)
	wg.Wait()
	if n := len(tl.view.Load().segments); n > 4 {
		t.Errorf("%d segments are left", n)
	}
}
