package log

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// compacted makes a log compacted, with segments of a few batches.
func compacted(o *Options) {
	o.Config.CleanupCompact, o.Config.CleanupDelete = true, false
	o.Config.SegmentBytes, o.Config.IndexIntervalBytes = 600, 100
	o.Config.DeleteRetentionMs, o.Config.MaxCompactionLagMs = 1000, math.MaxInt64
}

func testCleaner(edit func(o *cleanerOptions)) *cleaner {
	o := cleanerOptions{mapBytes: 1 << 20, loadFactor: 0.9, ioBytes: 4096, pay: func(ctx context.Context, n int) error { return ctx.Err() }}
	if edit != nil {
		edit(&o)
	}
	return &cleaner{o: o}
}

// clean cleans all that can be, as if nothing had been cleaned before from.
func (tl *testLog) clean(from int64) (cleanedTo int64) {
	tl.t.Helper()
	cleanedTo, err := tl.tryClean(testCleaner(nil), from)
	must(tl.t, err)
	return cleanedTo
}

func (tl *testLog) tryClean(c *cleaner, from int64) (int64, error) {
	j, err := tl.cleanJob(from, tl.clock)
	if err != nil {
		return from, err
	}
	return c.clean(context.Background(), j, tl.clock)
}

// roll begins a new segment, as only sealed ones are cleaned.
func (tl *testLog) roll() {
	tl.t.Helper()
	tl.mu.Lock()
	defer tl.mu.Unlock()
	v := tl.view.Load()
	_, err := tl.Log.roll(v, v.end, "test")
	must(tl.t, err)
}

// kv makes records: "k=v", "k" for a tombstone, "=v" without a key. "…@5" has the
// timestamp 5.
func kv(specs ...string) []protocol.Record {
	rs := make([]protocol.Record, len(specs))
	for i, spec := range specs {
		rs[i].TimestampMs = 1000
		if at := strings.IndexByte(spec, '@'); at >= 0 {
			fmt.Sscan(spec[at+1:], &rs[i].TimestampMs)
			spec = spec[:at]
		}
		key, value, has := strings.Cut(spec, "=")
		if key != "" {
			rs[i].Key = []byte(key)
		}
		if has {
			rs[i].Value = []byte(value)
		}
	}
	return rs
}

func (tl *testLog) addKV(o protocol.BatchOptions, specs ...string) Appended {
	tl.t.Helper()
	return tl.add(build(tl.t, o, kv(specs...)))
}

// dump describes every batch from offset from on: "base-last[flags] offset:key=value …".
func (tl *testLog) dump() []string {
	tl.t.Helper()
	var out []string
	for next := tl.StartOffset(); next < tl.EndOffset(); {
		r, err := tl.Read(next, math.MaxInt64, 1<<20, true)
		must(tl.t, err)
		b, err := r.AppendTo(nil)
		must(tl.t, err)
		if r.Release(); len(b) == 0 {
			break
		}
		for batch, err := range protocol.Batches(b) {
			must(tl.t, err)
			must(tl.t, batch.CheckCRC())
			out = append(out, describe(tl.t, batch))
			next = batch.LastOffset() + 1
		}
	}
	return out
}

func describe(t testing.TB, b protocol.Batch) string {
	t.Helper()
	s := fmt.Sprintf("%d-%d", b.BaseOffset(), b.LastOffset())
	if b.ProducerID() >= 0 {
		s += fmt.Sprintf(" p%d", b.ProducerID())
	}
	if b.HasDeleteHorizon() {
		s += fmt.Sprintf(" horizon=%d", b.BaseTimestampMs())
	}
	for r, err := range b.Records() {
		must(t, err)
		switch {
		case b.IsControl():
			kind, _, err := protocol.ParseControlMarker(r)
			must(t, err)
			s += map[protocol.ControlType]string{protocol.ControlAbort: " ABORT", protocol.ControlCommit: " COMMIT"}[kind]
		case r.Value == nil:
			s += fmt.Sprintf(" %d:%s", r.Offset, r.Key)
		default:
			s += fmt.Sprintf(" %d:%s=%s", r.Offset, r.Key, r.Value)
		}
	}
	return s
}

func (tl *testLog) want(what string, want ...string) {
	tl.t.Helper()
	if d := cmp.Diff(want, tl.dump()); d != "" {
		tl.t.Fatalf("%s: (-want +got)\n%s", what, d)
	}
}

func TestCleanKeepsTheLastRecordOfEachKey(t *testing.T) {
	for codec := protocol.CodecNone; codec <= protocol.CodecZstd; codec++ {
		t.Run(codec.String(), func(t *testing.T) {
			o := plain
			o.Codec = codec
			tl := openTest(t, vfs.NewMem(), compacted)
			tl.addKV(o, "a=1", "b=1", "a=2")
			tl.addKV(o, "c=1", "c=2")
			tl.roll()
			tl.addKV(o, "b=2", "=nokey", "d=1")
			tl.addKV(o, "a=3")
			tl.roll()
			tl.addKV(o, "d=2") // active: neither cleaned nor looked at
			if to := tl.clean(0); to != 9 {
				t.Errorf("cleaned to %d, want 9", to)
			}
			want := []string{"3-4 4:c=2", "5-7 5:b=2 7:d=1", "8-8 8:a=3", "9-9 9:d=2"}
			tl.want("after cleaning", want...)
			if n := len(tl.view.Load().segments); n != 2 {
				t.Errorf("%d segments, want the two small ones to be one", n)
			}
			for _, r := range tl.dumpBatches() {
				if got := r.Codec(); got != codec {
					t.Errorf("batch at %d has codec %s", r.BaseOffset(), got)
				}
			}
			for from := range tl.EndOffset() {
				c, err := tl.Read(from, math.MaxInt64, 1, true)
				must(t, err)
				if c.EndOffset() <= from {
					t.Errorf("a read at %d ends at %d", from, c.EndOffset())
				}
				c.Release()
			}
			tl = tl.reopen(nil)
			tl.want("after a restart", want...)
			tl = tl.crash(func(o *Options) { o.RecoveryPoint = 0 })
			tl.want("after recovery", want...)
		})
	}
}

func (tl *testLog) dumpBatches() (out []protocol.Batch) {
	for next := tl.StartOffset(); next < tl.EndOffset(); {
		r, err := tl.Read(next, math.MaxInt64, 1<<20, true)
		must(tl.t, err)
		b, err := r.AppendTo(nil)
		must(tl.t, err)
		r.Release()
		for batch, err := range protocol.Batches(b) {
			must(tl.t, err)
			out = append(out, batch)
			next = batch.LastOffset() + 1
		}
	}
	return out
}

func TestCleanTombstones(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), compacted)
	tl.addKV(plain, "a=1", "b=1")
	tl.roll()
	tl.addKV(plain, "a@2000", "c=1@2500")
	tl.roll()
	tl.addKV(plain, "x=1")
	tl.clean(0)
	tl.want("first run: the value goes, the tombstone gets its horizon", "0-1 1:b=1", "2-3 horizon=1001000 2:a 3:c=1", "4-4 4:x=1")
	if got := tl.dumpBatches()[1]; got.MaxTimestampMs() != 2500 {
		t.Errorf("max timestamp %d, want 2500", got.MaxTimestampMs())
	}
	for r, err := range tl.dumpBatches()[1].Records() {
		must(t, err)
		if want := map[int64]int64{2: 2000, 3: 2500}[r.Offset]; r.TimestampMs != want {
			t.Errorf("record %d has timestamp %d, want %d", r.Offset, r.TimestampMs, want)
		}
	}
	tl.clock += 999
	tl.clean(0)
	tl.want("before the horizon", "0-1 1:b=1", "2-3 horizon=1001000 2:a 3:c=1", "4-4 4:x=1")
	tl.clock++
	tl.roll()
	tl.clean(0)
	tl.want("at the horizon", "0-1 1:b=1", "2-3 horizon=1001000 3:c=1", "4-4 4:x=1")
}

func TestCleanTransactions(t *testing.T) {
	txn := func(id int64, seq int32) protocol.BatchOptions {
		return protocol.BatchOptions{ProducerID: id, BaseSequence: seq, Transactional: true}
	}
	tl := openTest(t, vfs.NewMem(), compacted)
	tl.addKV(txn(1, 0), "a=1", "b=1")
	tl.addKV(txn(2, 0), "a=2", "c=2")
	tl.addMarker(marker(t, 1, 0, protocol.ControlCommit))
	tl.addMarker(marker(t, 2, 0, protocol.ControlAbort)) // offset 5
	tl.roll()
	tl.addKV(plain, "b=3")
	tl.addKV(txn(1, 2), "d=1")
	tl.addMarker(marker(t, 1, 0, protocol.ControlCommit))
	tl.roll()
	tl.addKV(plain, "y=1")
	tl.clean(0)
	tl.want("aborted records go, the batch stays for its sequence", "0-1 p1 0:a=1", "2-3 p2", "4-4 p1 COMMIT", "5-5 p2 ABORT", "6-6 6:b=3", "7-7 p1 7:d=1", "8-8 p1 COMMIT", "9-9 9:y=1")
	aborted, err := tl.AbortedTxns(0, 100)
	must(t, err)
	if d := cmp.Diff([]AbortedTxn{{2, 2, 5, 6}}, aborted); d != "" {
		t.Errorf("the marker and its entry stay while a batch does:\n%s", d)
	}

	// Once the producers are forgotten nothing holds their batches.
	tl.ExpireProducers(math.MaxInt64)
	tl.clean(0)
	tl.want("the empty batch goes, the marker waits one run more", "0-1 p1 0:a=1", "4-4 p1 COMMIT", "5-5 p2 ABORT", "6-6 6:b=3", "7-7 p1 7:d=1", "8-8 p1 COMMIT", "9-9 9:y=1")
	tl.clean(0)
	tl.want("a marker of nothing gets a horizon", "0-1 p1 0:a=1", "4-4 p1 COMMIT", "5-5 p2 horizon=1001000 ABORT", "6-6 6:b=3", "7-7 p1 7:d=1", "8-8 p1 COMMIT", "9-9 9:y=1")
	if aborted, err = tl.AbortedTxns(0, 100); err != nil || len(aborted) != 0 {
		t.Errorf("aborted transactions %v, %v: none has records any more", aborted, err)
	}
	if _, ok := files(t, tl.fs, testDir)["00000000000000000000.txnindex"]; ok {
		t.Error("an empty index of transactions stays")
	}
	tl.clock += 1000
	tl.clean(0)
	tl.want("and goes", "0-1 p1 0:a=1", "4-4 p1 COMMIT", "6-6 6:b=3", "7-7 p1 7:d=1", "8-8 p1 COMMIT", "9-9 9:y=1")
}

func TestCleanKeepsWhatProducersNeed(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), compacted)
	tl.addKV(protocol.BatchOptions{ProducerID: 1, BaseSequence: 0}, "a=1", "b=1")
	tl.addKV(protocol.BatchOptions{ProducerID: 1, BaseSequence: 2}, "a=2", "b=2")
	tl.addKV(protocol.BatchOptions{ProducerID: 2, ProducerEpoch: 3, BaseSequence: 0, Transactional: true}, "a=3")
	tl.addMarker(marker(t, 2, 4, protocol.ControlCommit)) // fences: a new epoch without a batch
	tl.addKV(plain, "a=4", "b=4")
	tl.roll()
	tl.addKV(plain, "z=1")
	before := tl.Producers()
	tl.clock += 5000
	for range 3 {
		tl.clean(0)
		tl.clock += 5000
	}
	tl.want("cleaned", "2-3 p1", "5-5 p2", "6-7 6:a=4 7:b=4", "8-8 8:z=1")
	tl = tl.crash(func(o *Options) { o.RecoveryPoint = 0 })
	byID := func(a, b ProducerState) int { return int(a.ProducerID - b.ProducerID) }
	after := tl.Producers()
	slices.SortFunc(before, byID)
	slices.SortFunc(after, byID)
	if d := cmp.Diff(before[:1], after[:1]); d != "" {
		t.Errorf("producers after cleaning and recovery:\n%s", d)
	}
	a, err := tl.Append(build(t, protocol.BatchOptions{ProducerID: 1, BaseSequence: 2}, kv("a=2", "b=2")), AppendOptions{})
	if err != nil || !a.Duplicate || a.BaseOffset != 2 {
		t.Errorf("a retry of what was cleaned: %+v, %v", a, err)
	}
}

func TestCleanLimits(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), compacted)
	for i := range 4 {
		tl.addKV(plain, fmt.Sprintf("a=%d@%d", i, 1000*i), fmt.Sprintf("b=%d@%d", i, 1000*i))
		tl.roll()
	}
	tl.addKV(protocol.BatchOptions{ProducerID: 1, Transactional: true}, "a=txn@4000")
	tl.roll()
	tl.addKV(plain, "a=last@5000")
	job := func(cleanedTo int64, edit func(c *config.Topic)) *cleanJob {
		t.Helper()
		c := tl.o.Config
		if edit != nil {
			edit(&c)
		}
		tl.SetConfig(c)
		j, err := tl.cleanJob(cleanedTo, tl.clock)
		must(t, err)
		return j
	}
	tl.clock = 6000
	for _, tt := range []struct {
		name        string
		cleanedTo   int64
		edit        func(c *config.Topic)
		from, until int64
		overdue     bool
	}{
		{"up to the open transaction", -1, nil, 0, 8, false},
		{"from where it is clean", 4, nil, 4, 8, false},
		{"all clean", 8, nil, 8, 8, false},
		{"beyond the end: not believed", 100, nil, 0, 8, false},
		{"too young", -1, func(c *config.Topic) { c.MinCompactionLagMs = 4000 }, 0, 6, false},
		{"all too young", -1, func(c *config.Topic) { c.MinCompactionLagMs = 6001 }, 0, 0, false},
		{"overdue", 2, func(c *config.Topic) { c.MaxCompactionLagMs = 4999 }, 2, 8, true},
		{"not overdue", 2, func(c *config.Topic) { c.MaxCompactionLagMs = 5000 }, 2, 8, false},
		{"overdue but clean", 8, func(c *config.Topic) { c.MaxCompactionLagMs = 1 }, 8, 8, false},
	} {
		j := job(tt.cleanedTo, tt.edit)
		if j.from != tt.from || j.until != tt.until || j.overdue != tt.overdue {
			t.Errorf("%s: [%d, %d) overdue %t, want [%d, %d) %t", tt.name, j.from, j.until, j.overdue, tt.from, tt.until, tt.overdue)
		}
	}
	if j := job(4, func(c *config.Topic) { c.MinCleanableDirtyRatio = 0.5 }); j.ratio() != 0.5 || j.due() {
		t.Errorf("half dirty: ratio %v due %t, want 0.5, which is not above the least ratio", j.ratio(), j.due())
	}
	if j := job(4, func(c *config.Topic) { c.MinCleanableDirtyRatio = 0.49 }); !j.due() {
		t.Error("half dirty and 0.49 asked for: not due")
	}
	if j := job(4, func(c *config.Topic) { c.MinCleanableDirtyRatio, c.MaxCompactionLagMs = 1, 1 }); !j.due() {
		t.Error("overdue: not due")
	}
	// The transaction ends, and the last segments may be cleaned but for the active.
	tl.addMarker(marker(t, 1, 0, protocol.ControlCommit))
	if j := job(-1, nil); j.until != 9 {
		t.Errorf("until %d after the transaction, want 9", j.until)
	}
}

func TestCleanWithAMapThatIsTooSmall(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), compacted)
	for round := range 3 {
		for i := range 10 {
			tl.addKV(plain, fmt.Sprintf("k%d=%d", i, round), fmt.Sprintf("l%d=%d", i, round))
		}
	}
	tl.roll()
	tl.addKV(plain, "end=1")
	c := testCleaner(func(o *cleanerOptions) { o.mapBytes = 8 * offsetMapEntryBytes })
	runs := 0
	for from := int64(0); from < 60; runs++ {
		to, err := tl.tryClean(c, from)
		must(t, err)
		if to <= from || to-from > 40 {
			t.Fatalf("a run got from %d to %d", from, to)
		}
		from = to
	}
	if runs < 5 {
		t.Errorf("%d runs: 7 keys fit into the map", runs)
	}
	got, err := contents(tl.Log, 1000)
	must(t, err)
	if len(got) != 21 || got[0] != "40 2" {
		t.Errorf("%d records, first %q: want the 20 of the last round and the end", len(got), got[0])
	}
}

func TestCleanRefusesDamage(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), compacted)
	tl.addKV(plain, "a=1", "b=1")
	tl.addKV(plain, "a=2", "b=2")
	tl.roll()
	tl.addKV(plain, "end=1")
	corruptByte(t, tl.fs, testDir+"/00000000000000000000.log", 75)
	before := files(t, tl.fs, testDir)
	if _, err := tl.tryClean(testCleaner(nil), 0); err == nil || !strings.Contains(err.Error(), "CRC") {
		t.Errorf("cleaning damage: %v", err)
	}
	if d := cmp.Diff(before, files(t, tl.fs, testDir)); d != "" {
		t.Errorf("files have changed:\n%s", d)
	}
}

func TestCleanStopsWhenTheLogChanges(t *testing.T) {
	for name, change := range map[string]func(tl *testLog){
		"truncated": func(tl *testLog) { must(t, tl.TruncateTo(8)) },
		"shortened": func(tl *testLog) {
			_, err := tl.DeleteRecordsTo(4)
			must(t, err)
			_, err = tl.Retain(tl.clock)
			must(t, err)
		},
		"closed": func(tl *testLog) { must(t, tl.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			tl := openTest(t, vfs.NewMem(), compacted)
			for i := range 5 {
				tl.addKV(plain, fmt.Sprintf("a=%d", i), fmt.Sprintf("b=%d", i))
				tl.roll()
			}
			once := false
			c := testCleaner(func(o *cleanerOptions) {
				o.pay = func(context.Context, int) error {
					if !once {
						once = true
						change(tl)
					}
					return nil
				}
			})
			if _, err := tl.tryClean(c, 0); !errors.Is(err, errCleaningAborted) {
				t.Errorf("cleaning a log that was %s: %v", name, err)
			}
			for f := range files(t, tl.fs, testDir) {
				if strings.HasSuffix(f, extCleaned) || strings.HasSuffix(f, extSwap) {
					t.Errorf("%s is left", f)
				}
			}
		})
	}
}

func TestCleanKeyless(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), compacted)
	tl.addKV(plain, "=1", "=2", "=3")
	tl.addKV(plain, "=4", "=5")
	tl.roll()
	tl.addKV(plain, "=6")
	c := testCleaner(nil)
	to, err := tl.tryClean(c, 0)
	must(t, err)
	tl.want("only the end of the cleaned part stays", "3-4", "5-5 5:=6")
	if c.stats.invalid != 5 || to != 5 {
		t.Errorf("%d records without a key, cleaned to %d", c.stats.invalid, to)
	}
}
