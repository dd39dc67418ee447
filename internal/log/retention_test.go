package log

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/vfs"
)

func TestRetain(t *testing.T) {
	one := int64(len(plainBatch(t, 1, 1_000_000)))
	const now = 10_000_000
	for _, c := range []struct {
		name  string
		edit  func(clock *int64, o *Options)
		stamp func(i int64) int64
		hw    int64
		start int64
		want  int64 // log start afterwards
	}{
		{name: "nothing expires", hw: 10, want: 0},
		{name: "by time", edit: func(_ *int64, o *Options) { o.Config.RetentionMs = now - 1_000_004 }, hw: 10, want: 4},
		{name: "by time, all", edit: func(_ *int64, o *Options) { o.Config.RetentionMs = 1 }, hw: 10, want: 10},
		{name: "by time, only what is committed", edit: func(_ *int64, o *Options) { o.Config.RetentionMs = 1 }, hw: 5, want: 4},
		{name: "by the largest timestamp", edit: func(_ *int64, o *Options) { o.Config.RetentionMs = now - 1_000_001 },
			stamp: func(i int64) int64 { return 1_000_001 - i%2 }, hw: 10, want: 0},
		{name: "order matters, not age", edit: func(_ *int64, o *Options) { o.Config.RetentionMs = now - 5_000_000 },
			stamp: func(i int64) int64 { return 9_000_000 - 1_000_000*(i/2) }, hw: 10, want: 0},
		{name: "records from the future count from the writing", edit: func(_ *int64, o *Options) { o.Config.RetentionMs = 1000 },
			stamp: func(int64) int64 { return 1 << 50 }, hw: 10, want: 10},
		{name: "records from the future, written lately", edit: func(clock *int64, o *Options) { o.Config.RetentionMs, *clock = 1000, now-500 },
			stamp: func(int64) int64 { return 1 << 50 }, hw: 10, want: 0},
		{name: "records without timestamps count from the writing", edit: func(_ *int64, o *Options) { o.Config.RetentionMs = 1000 },
			stamp: func(int64) int64 { return -1 }, hw: 10, want: 10},
		{name: "unlimited", edit: func(_ *int64, o *Options) { o.Config.RetentionMs = -1 }, hw: 10, want: 0},
		{name: "by size", edit: func(_ *int64, o *Options) { o.Config.RetentionBytes = 5 * one }, hw: 10, want: 4},
		{name: "by size, to the byte", edit: func(_ *int64, o *Options) { o.Config.RetentionBytes = 6 * one }, hw: 10, want: 4},
		{name: "by size, one byte more", edit: func(_ *int64, o *Options) { o.Config.RetentionBytes = 6*one + 1 }, hw: 10, want: 2},
		{name: "by size 0", edit: func(_ *int64, o *Options) { o.Config.RetentionBytes = 0 }, hw: 10, want: 10},
		{name: "by log start", start: 5, hw: 10, want: 5},
		{name: "compacted only", edit: func(_ *int64, o *Options) {
			o.Config.CleanupDelete, o.Config.CleanupCompact, o.Config.RetentionMs, o.Config.RetentionBytes = false, true, 1, 1
		}, start: 3, hw: 10, want: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := int64(1_000_000)
			tl := openTest(t, vfs.NewMem(), func(o *Options) {
				o.Config.SegmentBytes, o.Config.RetentionMs = 2*one, -1
				o.NowMs = func() int64 { return clock }
				if c.edit != nil {
					c.edit(&clock, o)
				}
			})
			stamp := c.stamp
			if stamp == nil {
				stamp = func(i int64) int64 { return 1_000_000 + i }
			}
			for i := range int64(10) {
				r := records(1, 1_000_000)
				r[0].TimestampMs = stamp(i)
				_, err := tl.Append(build(t, plain, r), AppendOptions{})
				must(t, err)
			}
			tl.SetHighWatermark(c.hw)
			_, err := tl.DeleteRecordsTo(c.start)
			must(t, err)
			n, err := tl.Retain(now)
			must(t, err)
			if tl.StartOffset() != c.want {
				t.Errorf("log start %d, want %d", tl.StartOffset(), c.want)
			}
			first := tl.view.Load().segments[0].base
			if first > c.want || c.want-first > 1 || n != int(first/2) {
				t.Errorf("removed %d segments, the first is now %d", n, first)
			}
			if again, err := tl.Retain(now); again != 0 || err != nil {
				t.Errorf("a second time: %d, %v", again, err)
			}
			for name := range files(t, tl.fs, testDir) {
				if offset, _, ok := offsetOfFile(name); ok && offset < first {
					t.Errorf("%s is still there", name)
				}
			}
			if got := int64(len(tl.contents())); got != 10-c.want {
				t.Errorf("%d records are left", got)
			}
			end := tl.EndOffset()
			tl = tl.reopen(nil)
			if tl.StartOffset() != c.want || tl.EndOffset() != end {
				t.Errorf("after a restart: [%d, %d)", tl.StartOffset(), tl.EndOffset())
			}
		})
	}
}

func TestRemovalIsDelayed(t *testing.T) {
	var later []string
	tl := openTest(t, vfs.NewMem(), func(o *Options) {
		o.Config.SegmentBytes, o.Config.FileDeleteDelayMs = 200, 500
		o.RemoveLater = func(names []string, delayMs int64) {
			if delayMs != 500 {
				t.Errorf("delay %d", delayMs)
			}
			later = append(later, names...)
		}
	})
	for i := range 5 {
		tl.add(plainBatch(t, 2, int64(i)))
	}
	_, err := tl.DeleteRecordsTo(4)
	must(t, err)
	if n, err := tl.Retain(tl.clock); n != 2 || err != nil {
		t.Fatalf("Retain = %d, %v", n, err)
	}
	present := files(t, tl.fs, testDir)
	for _, name := range later {
		if !strings.HasSuffix(name, extDeleted) {
			t.Errorf("%s is to be removed", name)
		}
		if _, ok := present[strings.TrimPrefix(name, testDir+"/")]; !ok {
			t.Errorf("%s is not there", name)
		}
	}
	if len(later) < 6 {
		t.Errorf("to be removed: %q", later)
	}
}

func TestDeleteRecords(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), nil)
	_, err := tl.Append(plainBatch(t, 10, 1), AppendOptions{})
	must(t, err)
	tl.SetHighWatermark(5)
	for _, c := range []struct {
		to, want int64
		err      error
	}{{3, 3, nil}, {2, 3, nil}, {5, 5, nil}, {6, -1, kerr.OffsetOutOfRange}, {-1, -1, kerr.OffsetOutOfRange}} {
		if start, err := tl.DeleteRecordsTo(c.to); start != c.want || !errors.Is(err, c.err) {
			t.Errorf("DeleteRecordsTo(%d) = %d, %v; want %d, %v", c.to, start, err, c.want, c.err)
		}
	}
	if _, err := tl.Read(4, 10, 1000, true); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("read below the log start: %v", err)
	}
	r, err := tl.Read(5, 10, 1000, true)
	if err != nil || r.StartOffset() != 0 || r.EndOffset() != 10 {
		t.Errorf("read from the log start within a batch: [%d, %d), %v", r.StartOffset(), r.EndOffset(), err)
	}
	r.Release()
}
