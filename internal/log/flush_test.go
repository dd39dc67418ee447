package log

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFlushOfASegmentThatBeganWithNothingToFlush rolls when everything is durable
// but the name of the partition's directory, as after a crash: the flush has to
// sync the name of the new segment all the same.
func TestFlushOfASegmentThatBeganWithNothingToFlush(t *testing.T) {
	disk := newDisk(t)
	tl := openTest(t, disk, nil)
	tl.add(plainBatch(t, 1, 1))
	must(t, tl.Flush())
	tl = tl.crash(nil)
	tl.roll()
	tl.add(plainBatch(t, 1, 2))
	must(t, tl.Flush())
	left, err := tryOpen(t, disk.CrashClone(nil), nil)
	must(t, err)
	if d := cmp.Diff([]string{"0 value 0 of 1", "1 value 0 of 2"}, left.contents()); d != "" {
		t.Errorf("records that were flushed, after a power cut (-want +got):\n%s", d)
	}
}

// TestFlushOfALogThatWasClosedEmpty: closing an empty log flushes nothing, so the
// names of its files are not durable when it is opened again.
func TestFlushOfALogThatWasClosedEmpty(t *testing.T) {
	disk := newDisk(t)
	tl := openTest(t, disk, nil).reopen(nil)
	tl.add(plainBatch(t, 1, 1))
	must(t, tl.Flush())
	left, err := tryOpen(t, disk.CrashClone(nil), nil)
	must(t, err)
	if d := cmp.Diff([]string{"0 value 0 of 1"}, left.contents()); d != "" {
		t.Errorf("records that were flushed, after a power cut (-want +got):\n%s", d)
	}
}
