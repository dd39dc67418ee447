package log

import (
	"slices"
	"testing"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/vfs"
)

// TestPreallocate: a new file has its full size at once, a sealed or closed one only
// what it holds, and the zeros that a crash leaves are no damage.
func TestPreallocate(t *testing.T) {
	onDisk := vfs.OS()
	dir := t.TempDir()
	for name, fsys := range map[string]vfs.FS{"memory": newDisk(t), "disk": onDisk} {
		t.Run(name, func(t *testing.T) {
			at, inDir := "/data/p-0", "/data/p-0/"
			if fsys == onDisk {
				at, inDir = dir+"/p-0", dir+"/p-0/"
			}
			c := kafkaTopic()
			c.Preallocate, c.SegmentBytes = true, 300_000
			open := func(clean bool, recoveryPoint int64) *testLog {
				t.Helper()
				tl := openTest(t, vfs.NewMem(), nil) // for its logger and clock
				o := tl.o
				o.Config, o.Clean, o.RecoveryPoint = c, clean, recoveryPoint
				var err error
				tl.Log, err = Open(fsys, at, o)
				must(t, err)
				return tl
			}
			size := func(base int64) int64 {
				t.Helper()
				info, err := fsys.Stat(inDir + segmentName(base) + extLog)
				must(t, err)
				return info.Size
			}
			tl := open(true, 0)
			tl.add(plainBatch(t, 3, 1000))
			if size(0) != c.SegmentBytes || tl.SizeBytes() >= 1000 {
				t.Errorf("file of %d bytes, log of %d", size(0), tl.SizeBytes())
			}
			first := tl.SizeBytes()
			tl.roll()
			if size(0) != first || size(3) != c.SegmentBytes {
				t.Errorf("after a roll: %d and %d bytes, want %d and %d", size(0), size(3), first, c.SegmentBytes)
			}
			tl.add(plainBatch(t, 4, 1000))
			want, used := tl.contents(), tl.SizeBytes()

			tl = open(false, 0) // killed
			if got := tl.contents(); !slices.Equal(got, want) || tl.SizeBytes() != used || size(3) != used-first {
				t.Errorf("after a crash: %q, %d bytes, the file %d", got, tl.SizeBytes(), size(3))
			}
			if n := tl.logs.FilterLevelExact(zap.WarnLevel).Len(); n > 0 {
				t.Errorf("%d warnings: %v", n, tl.logs.All())
			}
			tl.roll()
			tl.add(plainBatch(t, 1, 1000))
			want = tl.contents()
			must(t, tl.Close())
			if size(7) >= 1000 {
				t.Errorf("%d bytes after a clean stop", size(7))
			}
			if tl = open(true, 8); !slices.Equal(tl.contents(), want) {
				t.Errorf("after a clean stop: %q", tl.contents())
			}
			must(t, tl.Close())
		})
	}
}

// TestPreallocatedSegmentThatWasSealed: the cut of a sealed segment is lost in a power
// cut, and the next segment is not. Nothing is missing between the two.
func TestPreallocatedSegmentThatWasSealed(t *testing.T) {
	m := vfs.NewMem()
	tl := openTest(t, m, func(o *Options) { o.Config.Preallocate, o.Config.SegmentBytes = true, 5000 })
	tl.add(plainBatch(t, 3, 1000))
	tl.roll()
	tl.add(plainBatch(t, 3, 1000))
	want := tl.contents()
	f, err := m.Open(testDir + "/" + segmentName(0) + extLog)
	must(t, err)
	must(t, f.Truncate(5000))
	must(t, f.Close())
	again := tl.crash(func(o *Options) { o.RecoveryPoint = 0 })
	if got := again.contents(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
