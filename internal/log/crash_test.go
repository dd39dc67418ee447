package log

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// life is what a script did to a log and what it was promised.
type life struct {
	t       *testing.T
	l       *Log
	acked   []string // records whose append returned, in order
	tried   []string // one more append that failed: its records may be there or not
	durable int64    // records before this offset were flushed
	start   int64
	edit    func(o *Options)
}

func (lf *life) options(o *Options) {
	if lf.edit != nil {
		defer lf.edit(o)
	}
	o.Config = kafkaTopic()
	o.Config.SegmentBytes, o.Config.IndexIntervalBytes = 400, 100
}

// run does the same each time: creates, appends over several segments, flushes,
// deletes, truncates nothing, closes. It stops at the first error.
func (lf *life) run(fsys vfs.FS) error {
	o := Options{TopicID: [16]byte{1}}
	lf.options(&o)
	l, err := Open(fsys, testDir, o)
	if err != nil {
		return err
	}
	lf.l = l
	for i := range 12 {
		if err := lf.append(idempotent(lf.t, int64(i%2), 0, int32(i/2*2), 2)); err != nil {
			return err
		}
		switch i {
		case 4, 9:
			if err := l.Flush(); err != nil {
				return err
			}
			lf.durable = l.RecoveryPoint()
		case 6:
			if lf.start, err = l.DeleteRecordsTo(7); err != nil {
				return err
			}
			if _, err := l.Retain(0); err != nil {
				return err
			}
		}
	}
	if err := l.Close(); err != nil {
		return err
	}
	lf.durable = l.EndOffset()
	return nil
}

func (lf *life) append(batch []byte) error {
	var values []string
	for r, err := range protocol.Batch(batch).Records() {
		must(lf.t, err)
		values = append(values, string(r.Value))
	}
	a, err := lf.l.Append(batch, AppendOptions{})
	for i, v := range values {
		values[i] = fmt.Sprintf("%d %s", int64(len(lf.acked)+i), v)
	}
	if err != nil {
		lf.tried = values
		return err
	}
	if a.BaseOffset != int64(len(lf.acked)) {
		lf.t.Fatalf("append went to offset %d, want %d", a.BaseOffset, len(lf.acked))
	}
	lf.acked = append(lf.acked, values...)
	lf.l.SetHighWatermark(lf.l.EndOffset())
	return nil
}

// check opens what a crash left. Everything that must have survived is there, in
// order, and nothing else; and the log goes on.
func (lf *life) check(what string, fsys vfs.FS, clean bool, survives int64, gaps bool) {
	lf.t.Helper()
	l, err := Open(fsys, testDir, func() Options {
		o := Options{TopicID: [16]byte{1}, Clean: clean, RecoveryPoint: min(lf.durable, survives), LogStartOffset: lf.start}
		lf.options(&o)
		return o
	}())
	if damage := (*CorruptionError)(nil); gaps && errors.As(err, &damage) {
		return // a file lost its end while the next one kept its own: refused, and nothing deleted
	}
	if err != nil {
		lf.t.Fatalf("%s: %v", what, err)
	}
	got, err := contents(l, 1000)
	if err != nil {
		lf.t.Fatalf("%s: %v", what, err)
	}
	all := append(slices.Clone(lf.acked), lf.tried...)
	all = all[min(lf.start, int64(len(all))):]
	want := all[:min(len(got), len(all))]
	if gaps {
		want = got
		for at := 0; len(got) > 0; got = got[1:] {
			i := slices.Index(all[at:], got[0])
			if i < 0 {
				lf.t.Fatalf("%s: unexpected or out of order: %q", what, got[0])
			}
			at += i + 1
		}
		got = want
	}
	if !slices.Equal(got, want) {
		lf.t.Fatalf("%s: got %q\nwant a beginning of %q", what, got, all)
	}
	if n := int64(len(got)) + lf.start; n < survives && !gaps {
		lf.t.Fatalf("%s: %d records are left, %d must be: %q", what, n, survives, got)
	}
	end := l.EndOffset()
	a, err := l.Append(plainBatch(lf.t, 1, 1), AppendOptions{})
	if err != nil || a.BaseOffset != end {
		lf.t.Fatalf("%s: append after recovery: %+v, %v", what, a, err)
	}
	if err := l.Close(); err != nil {
		lf.t.Fatalf("%s: close after recovery: %v", what, err)
	}
}

func newDisk(t *testing.T) *vfs.Mem {
	m := vfs.NewMem()
	must(t, m.MkdirAll("/data"))
	must(t, m.SyncDir("/"))
	return m
}

var errPowerCut = errors.New("the power is cut")

// TestCrashAtEveryStep stops the world before each change of the disk that the
// script makes, and opens what is left: all of it (a killed process), or what a
// power cut leaves of what was not synced.
func TestCrashAtEveryStep(t *testing.T) {
	t.Run("plain", func(t *testing.T) { crashAtEveryStep(t, nil) })
	t.Run("preallocate", func(t *testing.T) { crashAtEveryStep(t, func(o *Options) { o.Config.Preallocate = true }) })
}

func crashAtEveryStep(t *testing.T, edit func(o *Options)) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, seed))
	for step := 0; ; step++ {
		disk := newDisk(t)
		n := 0
		lf := &life{t: t, edit: edit}
		err := lf.run(vfs.Fault(disk, func(op vfs.Op, name string) error {
			if !op.Changes() {
				return nil
			}
			if n++; n > step {
				if op == vfs.OpWrite && n == step+1 && step%2 == 0 {
					return &vfs.TornWrite{N: 70, Err: errPowerCut}
				}
				return errPowerCut
			}
			return nil
		}))
		finished := err == nil
		if err != nil && !errors.Is(err, errPowerCut) {
			t.Fatalf("step %d: %v", step, err)
		}
		for round := range 4 {
			what := fmt.Sprintf("seed %d, step %d, round %d", seed, step, round)
			lf.check(what+", power cut", disk.CrashClone(rng), finished, lf.durable, false)
			lf.check(what+", power cut out of order", disk.CrashCloneReordered(rng), finished, lf.durable, true)
		}
		lf.check(fmt.Sprintf("step %d, everything unsynced lost", step), disk.CrashClone(nil), finished, lf.durable, false)
		lf.check(fmt.Sprintf("step %d, killed", step), disk, finished, int64(len(lf.acked)), false)
		if finished {
			if step < 50 {
				t.Fatalf("the script changes the disk only %d times", step)
			}
			return
		}
	}
}

// TestFaultAtEveryStep fails each single call of the script once. What was
// acknowledged is there afterwards, whatever the fault. A full disk is an error of
// one request; an I/O error takes the directory offline.
func TestFaultAtEveryStep(t *testing.T) {
	for name, fault := range map[string]error{
		"full":             syscall.ENOSPC,
		"full, torn write": &vfs.TornWrite{N: 30, Err: syscall.ENOSPC},
		"I/O error":        syscall.EIO,
		"torn write":       &vfs.TornWrite{N: 90, Err: syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			for step := 0; ; step++ {
				disk := newDisk(t)
				n, hit := 0, ""
				fsys := vfs.Fault(disk, func(op vfs.Op, name string) error {
					if !op.Changes() {
						return nil
					}
					if n++; n == step+1 {
						hit = string(op) + " " + name
						return fault
					}
					return nil
				})
				lf := &life{t: t}
				err := lf.run(fsys)
				if hit == "" {
					must(t, err)
					return
				}
				what := fmt.Sprintf("step %d, %s", step, hit)
				if err != nil && !errors.Is(err, kerr.KafkaStorageError) {
					t.Fatalf("%s: %v is not KAFKA_STORAGE_ERROR", what, err)
				}
				if lf.l != nil && err != nil && lf.tried != nil {
					lf.afterFailedAppend(what, fault, err)
				}
				lf.check(what, disk, err == nil, int64(len(lf.acked)), false)
			}
		})
	}
}

// afterFailedAppend: with room on the disk again the log goes on with the same
// offset; after an I/O error it refuses.
func (lf *life) afterFailedAppend(what string, fault, err error) {
	again, againErr := lf.l.Append(plainBatch(lf.t, 1, 77), AppendOptions{})
	if errors.Is(fault, syscall.EIO) {
		if !errors.Is(againErr, kerr.KafkaStorageError) {
			lf.t.Fatalf("%s: append after %v: %v", what, err, againErr)
		}
		return
	}
	if errors.Is(againErr, kerr.KafkaStorageError) {
		return // what cannot be undone or put off on a full disk
	}
	if againErr != nil || again.BaseOffset != int64(len(lf.acked)) {
		lf.t.Fatalf("%s: append after %v: %+v, %v", what, err, again, againErr)
	}
	lf.acked, lf.tried = append(lf.acked, fmt.Sprintf("%d value 0 of 77", len(lf.acked))), nil
}

// TestFullDiskKeepsTheLogGoing: the usual case, an append that does not fit.
func TestFullDiskKeepsTheLogGoing(t *testing.T) {
	full := true
	disk := newDisk(t)
	tl := openTest(t, vfs.Fault(disk, func(op vfs.Op, name string) error {
		if op == vfs.OpWrite && full && strings.HasSuffix(name, extLog) {
			return &vfs.TornWrite{N: 40, Err: syscall.ENOSPC}
		}
		return nil
	}), nil)
	for range 3 {
		_, err := tl.Append(plainBatch(t, 2, 1), AppendOptions{})
		if !errors.Is(err, kerr.KafkaStorageError) || !strings.Contains(err.Error(), "the disk is full") {
			t.Fatalf("append: %v", err)
		}
	}
	if size := files(t, disk, testDir)["00000000000000000000.log"]; size != 0 {
		t.Errorf("a failed append left %d bytes", size)
	}
	full = false
	if a := tl.add(plainBatch(t, 2, 1)); a.BaseOffset != 0 {
		t.Errorf("after the disk had room: %+v", a)
	}
}

// TestFailedUndoTakesTheLogOffline: half a batch that cannot be cut off must not
// be followed by another.
func TestFailedUndoTakesTheLogOffline(t *testing.T) {
	broken := false
	disk := newDisk(t)
	tl := openTest(t, vfs.Fault(disk, func(op vfs.Op, name string) error {
		switch {
		case broken && op == vfs.OpWrite:
			return &vfs.TornWrite{N: 40, Err: syscall.ENOSPC}
		case broken && op == vfs.OpTruncate:
			return syscall.EIO
		}
		return nil
	}), nil)
	tl.add(plainBatch(t, 2, 1))
	broken = true
	for range 2 {
		if _, err := tl.Append(plainBatch(t, 2, 1), AppendOptions{}); !errors.Is(err, kerr.KafkaStorageError) {
			t.Fatalf("append: %v", err)
		}
		broken = false
	}
	if _, err := tl.Read(0, 2, 100, true); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("read: %v", err)
	}
	if err := tl.Close(); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("close: %v", err)
	}
	again := openTest(t, disk, nil)
	if len(again.contents()) != 2 {
		t.Errorf("%q", again.contents())
	}
}

// TestFailedFsyncIsNotRetried: after it nobody knows what is on the disk.
func TestFailedFsyncIsNotRetried(t *testing.T) {
	syncs := 0
	tl := openTest(t, vfs.Fault(newDisk(t), func(op vfs.Op, name string) error {
		if op == vfs.OpSync {
			syncs++
			return syscall.EIO
		}
		return nil
	}), func(o *Options) { o.Config.FlushMessages = 1 })
	for range 3 {
		if _, err := tl.Append(plainBatch(t, 2, 1), AppendOptions{}); !errors.Is(err, kerr.KafkaStorageError) {
			t.Fatalf("append: %v", err)
		}
		if err := tl.Flush(); !errors.Is(err, kerr.KafkaStorageError) {
			t.Fatalf("flush: %v", err)
		}
	}
	if syncs != 1 {
		t.Errorf("%d fsyncs", syncs)
	}
}

// TestFlushMessages: with flush.messages=1 an acknowledged record survives a power
// cut, directory and all.
func TestFlushMessages(t *testing.T) {
	disk := newDisk(t)
	tl := openTest(t, disk, func(o *Options) {
		o.Config.FlushMessages, o.Config.SegmentBytes, o.TopicID = 1, 300, [16]byte{5}
	})
	for i := range 10 {
		tl.add(plainBatch(t, 2, int64(i)))
		after := openTest(t, disk.CrashClone(nil), nil)
		if n := len(after.contents()); n != 2*(i+1) {
			t.Fatalf("%d records survived, %d were acknowledged", n, 2*(i+1))
		}
		if after.TopicID() != [16]byte{5} {
			t.Fatalf("the directory no longer knows its topic: %x", after.TopicID())
		}
	}
}

// TestConcurrentAppendsShareTheFsync: group commit.
func TestConcurrentAppendsShareTheFsync(t *testing.T) {
	gate := make(chan struct{})
	waiting := make(chan struct{}, 100)
	syncs := 0
	tl := openTest(t, vfs.Fault(newDisk(t), func(op vfs.Op, name string) error {
		if op == vfs.OpSync && strings.HasSuffix(name, extLog) {
			syncs++ // under flushMu
			waiting <- struct{}{}
			<-gate
		}
		return nil
	}), func(o *Options) { o.Config.FlushMessages = 1 })
	done := make(chan error)
	appendOne := func() {
		_, err := tl.Append(plainBatch(t, 1, 1), AppendOptions{})
		done <- err
	}
	go appendOne()
	<-waiting // the first is in its fsync
	const others = 20
	for range others {
		go appendOne()
	}
	for tl.EndOffset() < others+1 { // all have written and wait for theirs
		if tl.check() != nil {
			t.Fatal(tl.check())
		}
	}
	close(gate)
	for range others + 1 {
		must(t, <-done)
	}
	if syncs != 2 {
		t.Errorf("%d fsyncs for %d appends", syncs, others+1)
	}
}

// TestTruncateSurvivesACrashAtEveryStep: whatever a crash leaves of a truncation is a
// beginning of the log, with all that lies below the cut; and what lay above does not
// come back once the truncation has answered.
func TestTruncateSurvivesACrashAtEveryStep(t *testing.T) {
	const seed = 11
	rng := rand.New(rand.NewPCG(seed, seed))
	for to, how := range map[int64]func(l *Log) error{
		5:  func(l *Log) error { return l.TruncateTo(5) }, // within a batch, segments behind it
		6:  func(l *Log) error { return l.TruncateTo(6) },
		18: func(l *Log) error { return l.TruncateTo(18) }, // the last segment
		40: func(l *Log) error { return l.TruncateFullyAt(40) },
	} {
		for step := 0; ; step++ {
			disk := newDisk(t)
			n, cutting := 0, false
			fsys := vfs.Fault(disk, func(op vfs.Op, name string) error {
				if cutting && op.Changes() {
					if n++; n > step {
						return errPowerCut
					}
				}
				return nil
			})
			lf := &life{t: t}
			options := func(o *Options) { lf.options(o) }
			tl := openTest(t, fsys, options)
			for range 10 {
				tl.add(plainBatch(t, 2, 1000))
			}
			must(t, tl.Flush())
			all := tl.contents()
			cutting = true
			err := how(tl.Log)
			kept := to - to%2
			if to == 40 {
				kept = 0
			}
			for round, left := range []*vfs.Mem{disk, disk.CrashClone(nil), disk.CrashClone(rng), disk.CrashCloneReordered(rng)} {
				what := fmt.Sprintf("seed %d, to %d, step %d, round %d", seed, to, step, round)
				again, openErr := tryOpen(t, left, func(o *Options) { options(o); o.RecoveryPoint = min(to, tl.RecoveryPoint()) })
				if damage := (*CorruptionError)(nil); errors.As(openErr, &damage) && round == 3 {
					continue
				}
				if openErr != nil {
					t.Fatalf("%s: %v", what, openErr)
				}
				got := again.contents()
				if int64(len(got)) < kept || len(got) > len(all) || to != 40 && !slices.Equal(got, all[:len(got)]) {
					t.Fatalf("%s: left is %q", what, got)
				}
				if err == nil && int64(len(got)) != kept {
					t.Fatalf("%s: %d records after a truncation that was answered, want %d", what, len(got), kept)
				}
			}
			if err == nil {
				if step < 3 {
					t.Fatalf("to %d: only %d changes of the disk", to, step)
				}
				break
			}
		}
	}
}
