package log

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// TestProducerSequences is Kafka's ProducerAppendInfo as a table: what one
// producer sends in order, and what it is answered.
func TestProducerSequences(t *testing.T) {
	type step struct {
		epoch    int16
		sequence int32
		n        int
		want     error
		dup      int64 // base offset of a duplicate, −1 for none
	}
	ok := func(epoch int16, sequence int32, n int) step { return step{epoch, sequence, n, nil, -1} }
	dup := func(epoch int16, sequence int32, n int, offset int64) step {
		return step{epoch, sequence, n, nil, offset}
	}
	refused := func(epoch int16, sequence int32, n int, err error) step {
		return step{epoch, sequence, n, err, -1}
	}
	for name, steps := range map[string][]step{
		"in order":                        {ok(0, 0, 3), ok(0, 3, 1), ok(0, 4, 2)},
		"an unknown producer begins late": {ok(0, 17, 3), ok(0, 20, 1)},
		"gap":                             {ok(0, 0, 3), refused(0, 4, 1, kerr.OutOfOrderSequenceNumber), ok(0, 3, 1)},
		"retry of the last":               {ok(0, 0, 3), ok(0, 3, 2), dup(0, 3, 2, 3), ok(0, 5, 1)},
		"retry of each of the last five":  {ok(0, 0, 1), ok(0, 1, 1), ok(0, 2, 1), ok(0, 3, 1), ok(0, 4, 1), ok(0, 5, 1), dup(0, 1, 1, 1), dup(0, 2, 1, 2), dup(0, 3, 1, 3), dup(0, 4, 1, 4), dup(0, 5, 1, 5), refused(0, 0, 1, kerr.OutOfOrderSequenceNumber)},
		"same first sequence, other size": {ok(0, 0, 3), refused(0, 0, 2, kerr.OutOfOrderSequenceNumber)},
		"new epoch begins at 0":           {ok(0, 0, 3), ok(1, 0, 1), ok(1, 1, 1)},
		"new epoch must begin at 0":       {ok(0, 0, 3), refused(1, 3, 1, kerr.OutOfOrderSequenceNumber)},
		"old epoch":                       {ok(5, 0, 3), refused(4, 3, 1, kerr.InvalidProducerEpoch)},
		"old epoch, same sequence":        {ok(4, 0, 3), ok(5, 0, 1), refused(4, 0, 3, kerr.InvalidProducerEpoch)},
		"sequences wrap":                  {ok(0, math.MaxInt32-1, 2), ok(0, 0, 2), dup(0, math.MaxInt32-1, 2, 0), ok(0, 2, 1)},
		"sequences wrap within a batch":   {ok(0, math.MaxInt32-1, 4), ok(0, 2, 1), dup(0, math.MaxInt32-1, 4, 0)},
		"0 after a wrap only":             {ok(0, 10, 1), refused(0, 0, 1, kerr.OutOfOrderSequenceNumber)},
	} {
		for _, restart := range []string{"none", "clean", "crash", "crash without snapshots"} {
			t.Run(name+", restart "+restart, func(t *testing.T) {
				tl := openTest(t, vfs.NewMem(), nil)
				for i, s := range steps {
					switch restart {
					case "clean":
						tl = tl.reopen(nil)
					case "crash":
						tl = tl.crash(nil)
					case "crash without snapshots":
						must(t, tl.removeSnapshots(func(int64) bool { return true }))
						tl = tl.crash(nil)
					}
					a, err := tl.Append(idempotent(t, 7, s.epoch, s.sequence, s.n), AppendOptions{})
					if !errors.Is(err, s.want) {
						t.Fatalf("step %d: %v, want %v", i, err, s.want)
					}
					if err == nil && a.Duplicate != (s.dup >= 0) {
						t.Fatalf("step %d: %+v, want the duplicate at %d", i, a, s.dup)
					}
					if s.dup >= 0 && (a.BaseOffset != s.dup || a.LastOffset != s.dup+int64(s.n)-1) {
						t.Fatalf("step %d: %+v, want the offsets from %d", i, a, s.dup)
					}
				}
			})
		}
	}
}

// TestDuplicateAfterRestartAmongOtherProducers: a snapshot of Kafka's format keeps
// one batch per producer, but five must be recognized (Jepsen on Redpanda, #3039:
// a retry that is not recognized makes the client write it twice).
func TestDuplicateAfterRestartAmongOtherProducers(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), func(o *Options) { o.Config.SegmentBytes = 1000 })
	want := map[string]int64{}
	for i := range int32(8) {
		for id := range int64(3) {
			a := tl.add(idempotent(t, id, 0, 2*i, 2))
			want[fmt.Sprint(id, " ", 2*i)] = a.BaseOffset
		}
	}
	for range 2 {
		tl = tl.reopen(nil)
		for id := range int64(3) {
			for i := int32(7); i >= 5; i-- {
				a, err := tl.Append(idempotent(t, id, 0, 2*i, 2), AppendOptions{})
				if err != nil || !a.Duplicate || a.BaseOffset != want[fmt.Sprint(id, " ", 2*i)] {
					t.Errorf("producer %d, sequence %d again: %+v, %v", id, 2*i, a, err)
				}
			}
		}
	}
}

func TestProducersExpire(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), func(o *Options) { o.ProducerIDExpirationMs = func() int64 { return 500_000 } })
	tl.add(idempotent(t, 1, 0, 0, 1)) // its records have timestamp 1000
	tl.add(transactional(t, 2, 0, 0, 1))
	tl.ExpireProducers(501_000 - 1)
	if n := len(tl.Producers()); n != 2 {
		t.Fatalf("%d producers", n)
	}
	tl.ExpireProducers(501_000)
	got := tl.Producers()
	want := []ProducerState{{ProducerID: 2, LastTimestampMs: 1000, CoordinatorEpoch: -1, LastOffset: 1, CurrentTxnStartOffset: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("an open transaction keeps its producer (-want +got):\n%s", diff)
	}
	tl.add(idempotent(t, 1, 0, 77, 1)) // anything goes for a forgotten producer
}

func TestTransactions(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), func(o *Options) { o.Config.SegmentBytes = 400 })
	check := func(wantStable int64) {
		t.Helper()
		if got := tl.LastStableOffset(); got != wantStable {
			t.Fatalf("last stable offset %d, want %d", got, wantStable)
		}
	}
	tl.add(plainBatch(t, 2, 1)) // 0–1
	check(2)
	tl.add(transactional(t, 1, 0, 0, 2)) // 2–3
	tl.add(plainBatch(t, 1, 1))          // 4
	check(2)
	tl.add(transactional(t, 2, 0, 0, 2)) // 5–6
	tl.add(transactional(t, 1, 0, 2, 1)) // 7
	// A decision counts when it is committed.
	_, err := tl.Append(marker(t, 1, 0, protocol.ControlAbort), AppendOptions{Origin: Coordinator}) // 8
	must(t, err)
	check(2)
	tl.SetHighWatermark(9)
	check(5)
	tl.addMarker(marker(t, 2, 0, protocol.ControlCommit)) // 9
	check(10)
	tl.addMarker(marker(t, 2, 0, protocol.ControlAbort)) // 10: nothing open, a retry
	check(11)
	tl.add(transactional(t, 3, 0, 0, 1)) // 11
	tl.add(transactional(t, 2, 0, 2, 1)) // 12
	tl.addMarker(marker(t, 2, 0, protocol.ControlAbort))
	check(11)
	tl.add(plainBatch(t, 5, 1)) // 14–18

	wantAborted := []AbortedTxn{{ProducerID: 1, FirstOffset: 2, LastOffset: 8, LastStableOffset: 5}, {ProducerID: 2, FirstOffset: 12, LastOffset: 13, LastStableOffset: 11}}
	for _, restart := range []func(){func() {}, func() { tl = tl.reopen(nil) }, func() { tl = tl.crash(nil) }, func() {
		for name := range files(t, tl.fs, testDir) {
			if _, ext, ok := offsetOfFile(name); ok && ext != extLog {
				must(t, tl.fs.Remove(testDir+"/"+name))
			}
		}
		tl = tl.crash(func(o *Options) { o.RecoveryPoint = 0 })
	}} {
		restart()
		check(11)
		for _, c := range []struct {
			from, to int64
			want     []AbortedTxn
		}{{0, 19, wantAborted}, {0, 2, nil}, {0, 3, wantAborted[:1]}, {8, 9, wantAborted[:1]}, {9, 12, nil}, {9, 13, wantAborted[1:]}, {14, 19, nil}} {
			got, err := tl.AbortedTxns(c.from, c.to)
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("aborted in [%d, %d), %v (-want +got):\n%s", c.from, c.to, err, diff)
			}
		}
	}
	if _, err := tl.Append(idempotent(t, 3, 0, 1, 1), AppendOptions{}); !errors.Is(err, kerr.InvalidTxnState) {
		t.Errorf("a batch outside of an open transaction: %v", err)
	}
	if _, err := tl.Append(marker(t, 3, -1, protocol.ControlAbort), AppendOptions{Origin: Coordinator}); !errors.Is(err, kerr.InvalidProducerEpoch) {
		t.Errorf("a marker of an old epoch: %v", err)
	}
	// The marker of a bumped epoch fences the producer.
	tl.addMarker(marker(t, 3, 1, protocol.ControlAbort))
	check(tl.EndOffset())
	if _, err := tl.Append(transactional(t, 3, 0, 1, 1), AppendOptions{}); !errors.Is(err, kerr.InvalidProducerEpoch) {
		t.Errorf("a fenced producer: %v", err)
	}
	key, value := protocol.ControlMarker(protocol.ControlCommit, 2)
	old := build(t, protocol.BatchOptions{ProducerID: 3, ProducerEpoch: 1, BaseSequence: -1, Transactional: true, Control: true}, []protocol.Record{{Key: key, Value: value}})
	if _, err := tl.Append(old, AppendOptions{Origin: Coordinator}); !errors.Is(err, kerr.TransactionCoordinatorFenced) {
		t.Errorf("a marker of an old coordinator: %v", err)
	}
	// Deleting the records of an open transaction moves the stable offset with the
	// log start.
	tl.add(transactional(t, 3, 1, 0, 1))
	at := tl.EndOffset() - 1
	tl.add(plainBatch(t, 5, 1))
	check(at)
	_, err = tl.DeleteRecordsTo(at + 3)
	must(t, err)
	check(at + 3)
}

func TestTruncateBringsBackAnOpenTransaction(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), nil)
	tl.add(transactional(t, 1, 0, 0, 2))
	tl.add(plainBatch(t, 1, 1))
	tl.addMarker(marker(t, 1, 0, protocol.ControlAbort)) // 3
	if tl.LastStableOffset() != 4 {
		t.Fatalf("last stable offset %d", tl.LastStableOffset())
	}
	must(t, tl.TruncateTo(3))
	aborted, err := tl.AbortedTxns(0, 3)
	if tl.LastStableOffset() != 0 || len(aborted) != 0 || err != nil {
		t.Errorf("last stable offset %d, aborted %v, %v", tl.LastStableOffset(), aborted, err)
	}
}

func TestSnapshotFormat(t *testing.T) {
	// Facts of Kafka's ProducerStateManager.writeSnapshot, spelled out.
	p := newProducer()
	p.add(2, batchRef{lastSequence: 5, offsetDelta: 3, lastOffset: 40, timestampMs: 1000})
	p.coordinatorEpoch, p.txnFirstOffset = 9, 37
	got := formatSnapshot(map[int64]*producer{258: &p})
	want := "0001" + "a17b07c1" + "00000001" + "0000000000000102" + "0002" + "00000005" + "0000000000000028" + "00000003" + "00000000000003e8" + "00000009" + "0000000000000025"
	if hex := fmt.Sprintf("%x", got); hex[:4] != want[:4] || hex[12:] != want[12:] {
		t.Errorf("got  %s\nwant %s", hex, want)
	}
	back, err := parseSnapshot("f", got)
	must(t, err)
	p.partial = true
	if diff := cmp.Diff(map[int64]*producer{258: &p}, back, cmp.AllowUnexported(producer{}, batchRef{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range got {
		bad := append([]byte(nil), got...)
		bad[i] ^= 1
		if _, err := parseSnapshot("f", bad); err == nil {
			t.Errorf("a flipped bit in byte %d went unnoticed", i)
		}
		if _, err := parseSnapshot("f", got[:i]); err == nil {
			t.Errorf("%d of %d bytes were accepted", i, len(got))
		}
	}
	if empty := formatSnapshot(nil); len(empty) != 10 {
		t.Errorf("an empty snapshot has %d bytes", len(empty))
	}
}

// TestStopsLeaveNoTrailOfSnapshots: a log that is stopped each day has as many
// producer snapshots after a year.
func TestStopsLeaveNoTrailOfSnapshots(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), nil)
	for i := range 6 {
		tl.add(idempotent(t, 7, 0, int32(2*i), 2))
		if i == 2 {
			tl.roll()
		}
		tl = tl.reopen(nil)
	}
	var snapshots []string
	for name := range files(t, tl.fs, testDir) {
		if strings.HasSuffix(name, extSnapshot) {
			snapshots = append(snapshots, name)
		}
	}
	slices.Sort(snapshots)
	if want := []string{segmentName(6) + extSnapshot, segmentName(12) + extSnapshot}; !slices.Equal(snapshots, want) {
		t.Errorf("%v, want %v", snapshots, want)
	}
	if p := tl.Producers(); len(p) != 1 || p[0].LastSequence != 11 {
		t.Errorf("producers: %+v", p)
	}
}
