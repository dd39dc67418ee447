package log

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// TestDiskFullAtTransactionIndex: a marker whose entry finds no room is refused like
// any append that finds none. The transaction stays open, the log goes on, and
// readers never see half of it.
func TestDiskFullAtTransactionIndex(t *testing.T) {
	for _, torn := range []int{0, 1, 33} {
		for aborts := range 2 { // with the index not there yet, and there
			var fault func(op vfs.Op, name string) error
			fsys := vfs.Fault(newDisk(t), func(op vfs.Op, name string) error {
				if fault == nil || !strings.HasSuffix(name, extTxnIndex) {
					return nil
				}
				return fault(op, name)
			})
			tl := openTest(t, fsys, nil)
			for i := range aborts {
				tl.add(transactional(t, 7, 0, int32(i), 1))
				tl.addMarker(marker(t, 7, 0, protocol.ControlAbort))
			}
			tl.add(transactional(t, 7, 0, int32(aborts), 1))
			end, before := tl.EndOffset(), tl.contents()
			fault = func(op vfs.Op, _ string) error {
				switch {
				case op != vfs.OpWrite && op != vfs.OpCreate && op != vfs.OpOpen:
					return nil
				case torn > 0 && op == vfs.OpWrite:
					return &vfs.TornWrite{N: torn, Err: syscall.ENOSPC}
				case torn > 0:
					return nil
				}
				if op == vfs.OpOpen {
					return nil
				}
				return syscall.ENOSPC
			}
			abort := marker(t, 7, 0, protocol.ControlAbort)
			_, err := tl.Append(slices.Clone(abort), AppendOptions{Origin: Coordinator})
			if !IsNoSpace(err) || !errors.Is(err, kerr.KafkaStorageError) || tl.Failure() != nil {
				t.Fatalf("torn after %d, %d before: Append: %v; the log: %v", torn, aborts, err, tl.Failure())
			}
			if diff := cmp.Diff(before, tl.contents()); diff != "" || tl.EndOffset() != end {
				t.Errorf("torn after %d, %d before: the log changed, its end from %d to %d: %s", torn, aborts, end, tl.EndOffset(), diff)
			}
			if got := tl.LastStableOffset(); got != end-1 {
				t.Errorf("torn after %d, %d before: last stable offset %d", torn, aborts, got)
			}
			fault = nil
			if got := tl.crash(nil).LastStableOffset(); got != end-1 {
				t.Errorf("torn after %d, %d before: last stable offset %d after a crash", torn, aborts, got)
			}
			tl.addMarker(abort)
			check := func(l *Log, when string) {
				t.Helper()
				txns, err := l.AbortedTxns(0, l.EndOffset())
				if err != nil || len(txns) != aborts+1 || txns[aborts].FirstOffset != end-1 || l.LastStableOffset() != end+1 {
					t.Errorf("torn after %d, %d before, %s: %+v, %v, last stable offset %d", torn, aborts, when, txns, err, l.LastStableOffset())
				}
			}
			check(tl.Log, "with room again")
			check(tl.reopen(nil).Log, "after a clean stop")
		}
	}
}

// TestTransactionIndexThatFails: with another error than a full disk nobody knows what
// is on it.
func TestTransactionIndexThatFails(t *testing.T) {
	fail := false
	fsys := vfs.Fault(newDisk(t), func(op vfs.Op, name string) error {
		if fail && strings.HasSuffix(name, extTxnIndex) {
			return syscall.EIO
		}
		return nil
	})
	tl := openTest(t, fsys, nil)
	tl.add(transactional(t, 7, 0, 0, 1))
	fail = true
	if _, err := tl.Append(marker(t, 7, 0, protocol.ControlAbort), AppendOptions{Origin: Coordinator}); err == nil || tl.Failure() == nil {
		t.Errorf("Append: %v, the log: %v", err, tl.Failure())
	}
	if tl.EndOffset() != 1 {
		t.Errorf("end offset %d", tl.EndOffset())
	}
}

// TestAbortedTransactionsAtEveryStep reads the aborted transactions of a region
// between all steps that retention, DeleteRecords, the cleaner, a truncation and the
// deletion of the partition take on the disk. A list that lacks one would show
// readers of committed transactions what was aborted; an error does no harm.
func TestAbortedTransactionsAtEveryStep(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(tl *testLog) error
		may  bool // the region's list may be an error
	}{
		{"retention", func(tl *testLog) error {
			tl.clock += 1 << 50
			_, err := tl.Retain(tl.clock)
			return err
		}, false},
		{"DeleteRecords", func(tl *testLog) error {
			if _, err := tl.DeleteRecordsTo(tl.EndOffset()); err != nil {
				return err
			}
			_, err := tl.Retain(tl.clock)
			return err
		}, false},
		{"compaction", func(tl *testLog) error {
			c := tl.o.Config
			c.CleanupCompact, c.DeleteRetentionMs = true, 1000
			tl.SetConfig(c)
			_, err := tl.tryClean(testCleaner(nil), 0)
			return err
		}, false},
		{"truncation", func(tl *testLog) error { return tl.TruncateTo(4) }, false},
		{"truncation of all", func(tl *testLog) error { return tl.TruncateFullyAt(100) }, false},
		{"deletion", func(tl *testLog) error {
			tl.closeForDelete()
			return tl.fs.Rename(testDir, testDir+"-delete")
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var look func()
			fsys := vfs.Fault(newDisk(t), func(op vfs.Op, name string) error {
				if op.Changes() && look != nil {
					look()
				}
				return nil
			})
			tl := openTest(t, fsys, nil)
			for i := range int32(6) { // each transaction is 2 offsets, aborted; a segment has two of them
				tl.add(transactional(t, 7, 0, i, 1))
				tl.addMarker(marker(t, 7, 0, protocol.ControlAbort))
				if i%2 == 1 {
					tl.roll()
				}
			}
			var regions []Region
			for from := int64(0); from < tl.EndOffset(); from += 4 {
				r, err := tl.Read(from, tl.EndOffset(), 1<<20, true)
				must(t, err)
				defer r.Release()
				regions = append(regions, r)
			}
			looks := 0
			check := func() {
				looks++
				for i, r := range regions {
					if i == 1 && c.name == "truncation" {
						continue // its bytes are cut off in place
					}
					txns, err := r.AbortedTxns(r.StartOffset())
					if err != nil && c.may {
						continue
					}
					if err != nil || len(txns) != 2 || txns[0].FirstOffset != int64(4*i) || txns[1].FirstOffset != int64(4*i+2) {
						t.Errorf("look %d, region %d: %+v, %v", looks, i, txns, err)
					}
				}
				// And of the log as it is by now: what it has is told.
				start, end := tl.StartOffset(), tl.LastStableOffset()
				txns, err := tl.AbortedTxns(start, end)
				if err != nil {
					if !c.may {
						t.Errorf("look %d: %v", looks, err)
					}
					return
				}
				if c.name != "compaction" && int64(len(txns)) != (end-start+1)/2 {
					t.Errorf("look %d: %+v of offsets %d to %d", looks, txns, start, end)
				}
			}
			look = check
			must(t, c.run(tl))
			look = nil
			check()
			if looks < 3 {
				t.Errorf("only %d looks", looks)
			}
		})
	}
}
