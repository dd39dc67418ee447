package log

import (
	"math/rand/v2"
	"testing"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// TestDamagedIndexIsNotBelieved: after a clean stop nobody has looked at the
// entries of the offset index. One that is damaged in the middle must not lead a
// reader past records, nor a truncation to a wrong place. Found by test/crash.
func TestDamagedIndexIsNotBelieved(t *testing.T) {
	m := vfs.NewMem()
	tl := openTest(t, m, func(o *Options) { o.Config.SegmentBytes, o.Config.IndexIntervalBytes = 4000, 100 })
	for i := range 150 {
		_, err := tl.Append(idempotent(t, 1, 0, int32(2*i), 2), AppendOptions{})
		must(t, err)
	}
	must(t, tl.Close())
	want := tl.EndOffset()
	rng := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		m := copyOf(t, m, testDir)
		for _, s := range tl.view.Load().segments {
			name := s.path(extIndex)
			b, err := m.ReadFile(name)
			must(t, err)
			if len(b) == 0 {
				continue
			}
			at := rng.IntN(len(b))
			for i := at; i < min(len(b), at+1+rng.IntN(20)); i++ {
				b[i] ^= byte(1 << rng.IntN(8))
			}
			must(t, m.WriteFileAtomic(name, b, true))
		}
		again := openTest(t, m, func(o *Options) { o.Config, o.Clean = tl.o.Config, true })
		if again.EndOffset() != want {
			t.Fatalf("the log ends at %d, want %d", again.EndOffset(), want)
		}
		for from := again.StartOffset(); from < want; from++ {
			r, err := again.Read(from, want, 1, true)
			must(t, err)
			b, err := r.AppendTo(nil)
			must(t, err)
			r.Release()
			if batch := protocol.Batch(b); batch.BaseOffset() > from || batch.LastOffset() < from {
				t.Fatalf("reading from %d gives offsets %d to %d", from, batch.BaseOffset(), batch.LastOffset())
			}
		}
		to := again.StartOffset() + rng.Int64N(want-again.StartOffset())
		must(t, again.TruncateTo(to))
		if end := again.EndOffset(); end > to || end < to-1 {
			t.Fatalf("truncated to %d the log ends at %d", to, end)
		}
		must(t, again.Close())
	}
}

// copyOf returns a file system with the files of one directory.
func copyOf(t *testing.T, from vfs.FS, dir string) vfs.FS {
	to := vfs.NewMem()
	must(t, to.MkdirAll(dir))
	infos, err := from.List(dir)
	must(t, err)
	for _, info := range infos {
		b, err := from.ReadFile(dir + "/" + info.Name)
		must(t, err)
		must(t, to.WriteFileAtomic(dir+"/"+info.Name, b, true))
	}
	return to
}
