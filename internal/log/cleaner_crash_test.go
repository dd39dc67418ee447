package log

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// committedView reads a log as a consumer of committed transactions does, fetch by
// fetch, and returns the last value of each key, and every record by its offset.
func committedView(l *Log, maxBytes int32) (latest, all map[string]string, err error) {
	latest, all = map[string]string{}, map[string]string{}
	for next := l.StartOffset(); next < l.LastStableOffset(); {
		r, err := l.Read(next, l.LastStableOffset(), maxBytes, true)
		if err != nil {
			return nil, nil, err
		}
		b, err := r.AppendTo(nil)
		r.Release()
		if err != nil {
			return nil, nil, err
		}
		if len(b) == 0 {
			break // a gap up to the end
		}
		aborted, err := r.AbortedTxns(next)
		if err != nil {
			return nil, nil, err
		}
		if next, err = consume(b, next, aborted, latest, all); err != nil {
			return nil, nil, err
		}
	}
	return latest, all, nil
}

// consume does with the answer to one fetch what a consumer of committed
// transactions does.
func consume(b []byte, next int64, aborted []AbortedTxn, latest, all map[string]string) (int64, error) {
	skipping := map[int64]bool{}
	for batch, err := range protocol.Batches(b) {
		if err != nil {
			return next, err
		}
		if err := batch.CheckCRC(); err != nil {
			return next, err
		}
		for _, a := range aborted {
			if a.FirstOffset <= batch.LastOffset() && a.LastOffset >= batch.BaseOffset() {
				skipping[a.ProducerID] = true
			}
		}
		for r, err := range batch.Records() {
			if err != nil {
				return next, err
			}
			if batch.IsControl() {
				kind, _, err := protocol.ParseControlMarker(r)
				if err != nil {
					return next, err
				}
				if kind == protocol.ControlAbort {
					delete(skipping, batch.ProducerID())
				}
				continue
			}
			if r.Offset < next || batch.IsTransactional() && skipping[batch.ProducerID()] {
				continue
			}
			all[fmt.Sprint(r.Offset)] = fmt.Sprintf("%s=%s", r.Key, r.Value)
			if delete(latest, string(r.Key)); r.Value != nil {
				latest[string(r.Key)] = string(r.Value)
			}
		}
		next = batch.LastOffset() + 1
	}
	return next, nil
}

// dirtyLog is a log with something of everything to clean: tombstones before and
// after their horizon, transactions of both kinds, groups of one and of more
// segments, one group of which nothing stays.
func dirtyLog(t testing.TB, fsys vfs.FS) *testLog {
	tl := openTest(t, fsys, func(o *Options) {
		compacted(o)
		o.Config.DeleteRetentionMs = 0
	})
	txn := func(id int64, seq int32) protocol.BatchOptions {
		return protocol.BatchOptions{ProducerID: id, BaseSequence: seq, Transactional: true, Codec: protocol.CodecLZ4}
	}
	tl.addKV(plain, "gone=1", "a=0")
	tl.addKV(txn(1, 0), "a=aborted", "b=aborted")
	tl.roll()
	tl.addKV(plain, "gone", "b=0")
	tl.addMarker(marker(t, 1, 0, protocol.ControlAbort))
	tl.roll()
	tl.clean(0) // the tombstone and the marker get on their way
	tl.addKV(txn(2, 0), "a=1", "c=1")
	tl.addMarker(marker(t, 2, 0, protocol.ControlCommit))
	tl.roll()
	for i := range 3 {
		tl.addKV(plain, fmt.Sprintf("bulk=%d", i), fmt.Sprintf("b=%d%s", i, strings.Repeat("x", 300)))
		tl.roll()
	}
	tl.addKV(txn(1, 2), "c=aborted", "new=aborted")
	tl.addMarker(marker(t, 1, 0, protocol.ControlAbort))
	tl.addKV(plain, "d=1", "bulk=last")
	tl.addKV(txn(1, 4), "e=1", "a=2")
	tl.addMarker(marker(t, 1, 0, protocol.ControlCommit))
	tl.roll()
	tl.addKV(plain, "f=1")
	must(t, tl.Flush())
	return tl
}

var dirtyWant = map[string]string{"a": "2", "b": "2" + strings.Repeat("x", 300), "bulk": "last", "c": "1", "d": "1", "e": "1", "f": "1"}

// checkClean opens what a crash left of dirtyLog: a reader sees what it must see,
// nothing is left over, and the log can be cleaned and written to.
func checkClean(t *testing.T, what string, fsys vfs.FS, original map[string]string, recoveryPoint int64) {
	t.Helper()
	tl, err := tryOpen(t, fsys, func(o *Options) {
		compacted(o)
		o.Config.DeleteRetentionMs = 0
		o.RecoveryPoint, o.HighWatermark = recoveryPoint, recoveryPoint
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for name := range files(t, fsys, testDir) {
		if strings.HasSuffix(name, extCleaned) || strings.HasSuffix(name, extSwap) || strings.HasSuffix(name, extDeleted) {
			t.Errorf("%s: %s is left", what, name)
		}
	}
	for round := range 4 {
		for _, maxBytes := range []int32{1, 1 << 20} {
			latest, all, err := committedView(tl.Log, maxBytes)
			if err != nil {
				t.Fatalf("%s, round %d: %v", what, round, err)
			}
			if d := cmp.Diff(dirtyWant, latest); d != "" {
				t.Fatalf("%s, round %d: (-want +got)\n%s\n%s", what, round, d, strings.Join(tl.dump(), "\n"))
			}
			for offset, record := range all {
				if original[offset] != record {
					t.Fatalf("%s, round %d: record %s is %q, was %q", what, round, offset, record, original[offset])
				}
			}
		}
		tl.clock += 1000
		tl.clean(0)
		if round == 2 {
			tl.ExpireProducers(1 << 60)
		}
	}
	if a := tl.addKV(plain, "z=1"); a.BaseOffset != recoveryPoint {
		t.Errorf("%s: the next record got offset %d, want %d", what, a.BaseOffset, recoveryPoint)
	}
	must(t, tl.Close())
}

func TestCleanSurvivesACrashAtEveryStep(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	disk := newDisk(t)
	step, crash := 0, func(vfs.Op, string) {}
	fsys := vfs.Fault(disk, func(op vfs.Op, name string) error {
		if op.Changes() {
			crash(op, name)
		}
		return nil
	})
	tl := dirtyLog(t, fsys)
	_, original, err := committedView(tl.Log, 1000)
	must(t, err)
	end := tl.EndOffset()
	crash = func(op vfs.Op, name string) {
		step++
		what := fmt.Sprintf("crash before step %d, %s %s", step, op, name)
		for _, left := range []struct {
			how  string
			disk *vfs.Mem
		}{{"nothing unsynced", disk.CrashClone(nil)}, {"a part", disk.CrashClone(rng)}, {"a part of each", disk.CrashCloneReordered(rng)}, {"everything", disk.KillClone()}} {
			checkClean(t, what+", left "+left.how, left.disk, original, end)
		}
	}
	tl.clock += 1000
	tl.clean(0)
	crash = func(vfs.Op, string) {}
	if step < 40 {
		t.Errorf("%d steps: this is no crash test", step)
	}
	checkClean(t, "no crash", disk, original, end)
}

// TestOpenSurvivesACrashWhileItCompletesASwap crashes at every step of a recovery
// from a crash in the middle of a swap.
func TestOpenSurvivesACrashWhileItCompletesASwap(t *testing.T) {
	for at := 0; ; at++ {
		disk := vfs.NewMem()
		died := errors.New("died")
		step, dead := 0, false
		kill := func(op vfs.Op, from int) error {
			if step++; dead || op.Changes() && step > from {
				dead = true
				return died
			}
			return nil
		}
		arm := func(op vfs.Op, name string) error { return nil }
		fsys := vfs.Fault(disk, func(op vfs.Op, name string) error { return arm(op, name) })
		tl := dirtyLog(t, fsys)
		_, original, err := committedView(tl.Log, 1000)
		must(t, err)
		end := tl.EndOffset()
		renames := 0
		arm = func(op vfs.Op, name string) error {
			// Dies between the removal of the old segments and the last new name.
			if op == vfs.OpRename && strings.HasSuffix(name, extSwap) {
				renames++
			}
			if renames > at%4 {
				dead = true
			}
			if dead {
				return died
			}
			return nil
		}
		if _, err := tl.tryClean(testCleaner(nil), 0); !errors.Is(err, died) {
			t.Fatalf("the swap should die: %v", err)
		}
		step, dead = 0, false
		arm = func(op vfs.Op, name string) error { return kill(op, at) }
		_, err = tryOpen(t, fsys, func(o *Options) { compacted(o); o.RecoveryPoint = end })
		if err == nil {
			if at < 10 {
				t.Errorf("only %d steps", at)
			}
			return
		}
		checkClean(t, fmt.Sprintf("died in step %d of opening", at), disk, original, end)
	}
}

func TestCleanOnAFailingDisk(t *testing.T) {
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
		for at := 1; ; at++ {
			disk := vfs.NewMem()
			step := -1 << 30
			fsys := vfs.Fault(disk, func(op vfs.Op, name string) error {
				if !op.Changes() || fault == syscall.ENOSPC && (op == vfs.OpRemove || op == vfs.OpSync || op == vfs.OpTruncate) {
					return nil
				}
				if step++; step == at {
					return fault
				}
				return nil
			})
			tl := dirtyLog(t, fsys)
			_, original, err := committedView(tl.Log, 1000)
			must(t, err)
			end := tl.EndOffset()
			step = 0
			_, err = tl.tryClean(testCleaner(nil), 0)
			if err == nil {
				if at < 20 {
					t.Errorf("%v: only %d steps", fault, at)
				}
				break
			}
			what := fmt.Sprintf("%v in step %d", fault, at)
			if tl.check() == nil {
				latest, _, err := committedView(tl.Log, 1000)
				if d := cmp.Diff(dirtyWant, latest); d != "" || err != nil {
					t.Fatalf("%s: %v (-want +got)\n%s", what, err, d)
				}
				for name := range files(t, fsys, testDir) {
					if strings.HasSuffix(name, extCleaned) || strings.HasSuffix(name, extSwap) {
						t.Errorf("%s: %s is left", what, name)
					}
				}
			}
			checkClean(t, what+", then a restart", disk, original, end)
		}
	}
}
