package log

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// ledger is what was written to a compacted log, over all lives of its process.
type ledger struct {
	mu      sync.Mutex
	key     map[int64]string // by offset, of acknowledged records: their value follows from it
	flushed int64            // before it everything was flushed
	cleaned int64            // as cleaner-offset-checkpoint
}

func (g *ledger) clone() *ledger {
	g.mu.Lock()
	defer g.mu.Unlock()
	return &ledger{key: maps.Clone(g.key), flushed: g.flushed, cleaned: g.cleaned}
}

// lost forgets what a power cut may have taken.
func (g *ledger) lost() {
	maps.DeleteFunc(g.key, func(offset int64, _ string) bool { return offset >= g.flushed })
}

// killedLife is a process that appends to a compacted log, cleans, flushes and
// reads it all at once, until it is killed.
type killedLife struct {
	t    *testing.T
	what string
	rng  *rand.Rand
	disk *vfs.Mem
	o    func(o *Options)
	*ledger

	mu   sync.Mutex // guards the rest
	left int        // calls that change the disk until the end; negative when it came
	then *vfs.Mem   // what is left of the disk at the end
	book *ledger    // and of the ledger
}

var errKilled = errors.New("killed")

// rule kills the process at its call of the file system, and lets nothing through afterwards.
func (k *killedLife) rule(op vfs.Op, _ string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.then != nil {
		return errKilled
	}
	if !op.Changes() {
		return nil
	}
	if k.left--; k.left >= 0 {
		return nil
	}
	k.book = k.ledger.clone() // first: what was promised by now must be on the disk
	switch k.rng.IntN(5) {
	case 0:
		k.then = k.disk.CrashClone(nil)
	case 1:
		k.then = k.disk.CrashClone(k.rng)
	default:
		k.then = k.disk.KillClone()
		return errKilled
	}
	k.book.lost()
	return errKilled
}

func (k *killedLife) dead() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.then != nil
}

// live ends with the process, and returns what is left of the disk and of the
// ledger.
func (k *killedLife) live(recoveryPoint int64) (*vfs.Mem, *ledger) {
	tl, err := tryOpen(k.t, vfs.Fault(k.disk, k.rule), func(o *Options) {
		k.o(o)
		o.RecoveryPoint, o.HighWatermark = recoveryPoint, recoveryPoint
	})
	if err != nil {
		if !k.dead() {
			k.t.Errorf("%s: open: %v", k.what, err)
			return nil, nil
		}
		return k.then, k.book
	}
	tl.SetHighWatermark(tl.EndOffset())
	k.check(tl.Log)
	var work sync.WaitGroup
	seeds := [3]uint64{k.rng.Uint64(), k.rng.Uint64(), k.rng.Uint64()}
	work.Go(func() { k.cleanAll(tl, rand.New(rand.NewPCG(seeds[0], 1))) })
	if seeds[1]%4 == 0 {
		work.Go(func() { k.flushAll(tl) })
	}
	if seeds[1]%8 < 2 {
		work.Go(func() {
			for !k.dead() && !k.t.Failed() {
				k.check(tl.Log)
			}
		})
	}
	k.appendAll(tl, rand.New(rand.NewPCG(seeds[2], 1)))
	work.Wait()
	return k.then, k.book
}

// appendAll writes each key once, and batches now and then once more, as a producer
// does that got no answer.
func (k *killedLife) appendAll(tl *testLog, rng *rand.Rand) {
	var written [][]string
	fresh := []float64{0.1, 0.5, 0.9}[rng.IntN(3)] // the fewer new keys, the more segments go together into one
	for n := 0; !k.dead() && !k.t.Failed(); n++ {
		var keys []string
		if len(written) > 0 && rng.Float64() > fresh {
			keys = written[rng.IntN(len(written))]
		} else {
			for i := range 1 + rng.IntN(4) {
				keys = append(keys, fmt.Sprintf("%s/%d.%d", k.what, n, i))
			}
			written = append(written, keys)
		}
		o := plain
		o.Codec = protocol.Codec(rng.IntN(5))
		rs := make([]protocol.Record, len(keys))
		for i, key := range keys {
			rs[i] = protocol.Record{TimestampMs: int64(1000 + n), Key: []byte(key), Value: []byte(valueOf(key))}
		}
		batch := build(k.t, o, rs)
		a, err := tl.Append(batch, AppendOptions{})
		if err != nil {
			if !k.dead() {
				k.t.Errorf("%s: append: %v", k.what, err)
			}
			return
		}
		tl.SetHighWatermark(a.BaseOffset + int64(len(keys)))
		k.ledger.mu.Lock()
		for i, key := range keys {
			k.key[a.BaseOffset+int64(i)] = key
		}
		k.ledger.mu.Unlock()
	}
}

func valueOf(key string) string { return "v" + key + strings.Repeat("x", len(key)%7*9) }

func (k *killedLife) cleanAll(tl *testLog, rng *rand.Rand) {
	c := testCleaner(func(o *cleanerOptions) {
		o.ioBytes = 1 << (8 + rng.IntN(6))
		o.mapBytes = int64(2+rng.IntN(200)) * offsetMapEntryBytes
	})
	for !k.dead() && !k.t.Failed() {
		to, err := tl.tryClean(c, k.ledger.clone().cleaned)
		if err != nil {
			if !k.dead() {
				k.t.Errorf("%s: clean: %v", k.what, err)
			}
			return
		}
		if rng.IntN(3) == 0 {
			k.ledger.mu.Lock()
			k.cleaned = to
			k.ledger.mu.Unlock()
		}
	}
}

func (k *killedLife) flushAll(tl *testLog) {
	for !k.dead() && !k.t.Failed() {
		if err := tl.Flush(); err != nil {
			if !k.dead() {
				k.t.Errorf("%s: flush: %v", k.what, err)
			}
			return
		}
		to := tl.RecoveryPoint()
		k.ledger.mu.Lock()
		k.flushed = max(k.flushed, to)
		k.ledger.mu.Unlock()
	}
}

// check reads all of the log: each acknowledged record is there, or a later one of
// its key.
func (k *killedLife) check(l *Log) {
	book, highest := k.ledger.clone(), map[string]int64{}
	at := int64(-1)
	for next := l.StartOffset(); next < l.EndOffset(); {
		r, err := l.Read(next, l.EndOffset(), 700, true)
		var b []byte
		if err == nil {
			b, err = r.AppendTo(nil)
			r.Release()
		}
		if err != nil {
			if !k.dead() {
				k.t.Errorf("%s: read at %d: %v", k.what, next, err)
			}
			return
		}
		if len(b) == 0 {
			break
		}
		for batch, err := range protocol.Batches(b) {
			if err == nil {
				err = batch.CheckCRC()
			}
			if err != nil {
				k.t.Errorf("%s: read at %d: %v", k.what, next, err)
				return
			}
			for r, err := range batch.Records() {
				if err != nil {
					k.t.Errorf("%s: read at %d: %v", k.what, next, err)
					return
				}
				if r.Offset < next {
					continue
				}
				key := string(r.Key)
				if r.Offset <= at || string(r.Value) != valueOf(key) {
					k.t.Errorf("%s: after offset %d comes %d with %s=%s", k.what, at, r.Offset, key, r.Value)
				}
				if want, ok := book.key[r.Offset]; ok && want != key {
					k.t.Errorf("%s: offset %d holds %s, acknowledged was %s", k.what, r.Offset, key, want)
				}
				at, highest[key] = r.Offset, r.Offset
			}
			next = max(next, batch.LastOffset()+1)
		}
	}
	for _, offset := range slices.Sorted(maps.Keys(book.key)) {
		key := book.key[offset]
		if last, ok := highest[key]; !ok || last < offset {
			k.t.Errorf("%s: offset %d of %s was acknowledged and is lost; the log ends at %d, flushed %d, cleaned %d", k.what, offset, key, l.EndOffset(), book.flushed, book.cleaned)
			return
		}
	}
}

// TestKilledWhileCompacting ends a process again and again while it appends,
// cleans, flushes and reads at the same time: with kill -9, which loses nothing of
// what was acknowledged, and with a power cut, which loses nothing that was
// flushed. GOKAFKA_SEED repeats the random choices, if not the scheduling, and
// GOKAFKA_ROUNDS says how many logs are tried.
func TestKilledWhileCompacting(t *testing.T) {
	seed, rounds := rand.Uint64(), 60
	if s, err := strconv.ParseUint(os.Getenv("GOKAFKA_SEED"), 10, 64); err == nil {
		seed = s
	}
	if n, err := strconv.Atoi(os.Getenv("GOKAFKA_ROUNDS")); err == nil {
		rounds = n
	}
	for round := range rounds {
		if killedWhileCompacting(t, seed+uint64(round)); t.Failed() {
			t.Fatalf("GOKAFKA_SEED=%d", seed+uint64(round))
		}
	}
}

func killedWhileCompacting(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	segmentBytes, interval, flushMessages := int64(600+rng.IntN(2000)), rng.IntN(400), []int64{3, 50, 1 << 62}[rng.IntN(3)]
	disk, recoveryPoint := newDisk(t), int64(0)
	book := &ledger{key: map[int64]string{}}
	for life := range 5 {
		k := &killedLife{
			t: t, what: fmt.Sprint("life ", life), rng: rng, disk: disk, ledger: book, left: rng.IntN([]int{10, 100, 400}[rng.IntN(3)]),
			o: func(o *Options) {
				compacted(o)
				o.Config.SegmentBytes, o.Config.IndexIntervalBytes, o.Config.FlushMessages = segmentBytes, interval, flushMessages
			},
		}
		disk, book = k.live(recoveryPoint)
		if t.Failed() {
			return
		}
		// Of what was checkpointed anything may be older than it could be.
		if recoveryPoint = book.flushed; rng.IntN(2) == 0 {
			recoveryPoint = 0
		}
		if rng.IntN(2) == 0 {
			book.cleaned = 0
		}
	}
	tl := openTest(t, disk, func(o *Options) { compacted(o); o.RecoveryPoint = recoveryPoint })
	tl.SetHighWatermark(tl.EndOffset())
	k := &killedLife{t: t, what: "at the end", ledger: book}
	k.check(tl.Log)
	for name := range files(t, disk, testDir) {
		if strings.HasSuffix(name, extCleaned) || strings.HasSuffix(name, extSwap) || strings.HasSuffix(name, extDeleted) {
			t.Errorf("%s is left", name)
		}
	}
	tl.clean(0)
	k.check(tl.Log)
	must(t, tl.Close())
}
