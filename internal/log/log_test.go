package log

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

func TestAppendAndReadEachOffset(t *testing.T) {
	for _, segmentBytes := range []int64{400, 1 << 30} {
		for _, codec := range []protocol.Codec{protocol.CodecNone, protocol.CodecGzip} {
			t.Run(fmt.Sprintf("segment %d %s", segmentBytes, codec), func(t *testing.T) {
				tl := openTest(t, vfs.NewMem(), func(o *Options) { o.Config.SegmentBytes, o.Config.IndexIntervalBytes = segmentBytes, 100 })
				var ends []int64
				for i := range 20 {
					o := plain
					o.Codec = codec
					a := tl.add(build(t, o, records(1+i%4, 1000*int64(i+1))))
					if i > 0 && a.BaseOffset != ends[i-1] || a.LastOffset != a.BaseOffset+int64(i%4) {
						t.Fatalf("batch %d went to %d–%d", i, a.BaseOffset, a.LastOffset)
					}
					ends = append(ends, a.LastOffset+1)
				}
				for offset := range tl.EndOffset() {
					r, err := tl.Read(offset, tl.EndOffset(), 1, true)
					must(t, err)
					b, err := r.AppendTo([]byte("before"))
					must(t, err)
					r.Release()
					size, _, ok := protocol.PeekBatch(b[6:])
					batch := protocol.Batch(b[6:])
					if !ok || size != len(b)-6 || size != r.Len() || batch.BaseOffset() > offset || batch.LastOffset() < offset || r.StartOffset() != batch.BaseOffset() || r.EndOffset() != batch.LastOffset()+1 {
						t.Fatalf("reading offset %d gave %d bytes, offsets %d–%d", offset, len(b), batch.BaseOffset(), batch.LastOffset())
					}
				}
				for _, maxBytes := range []int32{1, 100, 250, 1000, 1 << 20} {
					c, err := contents(tl.Log, maxBytes)
					if err != nil || int64(len(c)) != tl.EndOffset() {
						t.Fatalf("with %d bytes at a time: %d records, %v", maxBytes, len(c), err)
					}
				}
			})
		}
	}
}

func TestReadBounds(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), func(o *Options) { o.Config.IndexIntervalBytes = 1 })
	var sizes []int
	for i := range 10 {
		b := plainBatch(t, 2, int64(i))
		sizes = append(sizes, len(b))
		tl.add(b)
	}
	one := sizes[0]
	for _, c := range []struct {
		name        string
		from, until int64
		maxBytes    int32
		minOne      bool
		want        int // bytes
		end         int64
	}{
		{"all", 0, 20, 1 << 20, false, 10 * one, 20},
		{"until a boundary", 0, 4, 1 << 20, false, 2 * one, 4},
		{"until within a batch", 0, 5, 1 << 20, false, 2 * one, 4},
		{"nothing before until", 4, 5, 1 << 20, true, 0, 4},
		{"at until", 4, 4, 1 << 20, true, 0, 4},
		{"at the end", 20, 20, 1 << 20, true, 0, 20},
		{"until beyond the end", 18, 100, 1 << 20, true, one, 20},
		{"bytes for two and a half", 2, 20, int32(2*one + one/2), false, 2 * one, 6},
		{"bytes for exactly two", 2, 20, int32(2 * one), false, 2 * one, 6},
		{"too few bytes", 2, 20, int32(one - 1), false, 0, 2},
		{"too few bytes, at least one", 3, 20, int32(one - 1), true, one, 4},
		{"no bytes, at least one", 3, 20, 0, true, one, 4},
		{"no bytes", 3, 20, 0, false, 0, 3},
		{"both limits, bytes first", 0, 18, int32(3 * one), true, 3 * one, 6},
		{"both limits, until first", 0, 4, int32(3 * one), true, 2 * one, 4},
	} {
		for range 2 { // the second time with hints
			r, err := tl.Read(c.from, c.until, c.maxBytes, c.minOne)
			if err != nil || r.Len() != c.want || r.EndOffset() != c.end {
				t.Errorf("%s: %d bytes to offset %d, %v; want %d to %d", c.name, r.Len(), r.EndOffset(), err, c.want, c.end)
			}
			r.Release()
		}
	}
	for _, from := range []int64{-1, 21, math.MaxInt64} {
		if _, err := tl.Read(from, 20, 100, true); !errors.Is(err, kerr.OffsetOutOfRange) {
			t.Errorf("read at %d: %v", from, err)
		}
	}
	r, err := tl.Read(4, 20, int32(2*one), true)
	must(t, err)
	f, at := r.File()
	if f == nil || at != int64(2*one) {
		t.Errorf("File = %v, %d", f, at)
	}
	buf := make([]byte, one+10)
	if n, err := r.ReadAt(buf, int64(one)); n != one || err == nil {
		t.Errorf("ReadAt across the end = %d, %v", n, err)
	}
	r.Release()
}

func TestRegionOutlivesItsSegmentAndItsLog(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), func(o *Options) { o.Config.SegmentBytes = 200 })
	for i := range 5 {
		tl.add(plainBatch(t, 2, int64(i)))
	}
	r, err := tl.Read(0, 10, 1000, true)
	must(t, err)
	if _, err := tl.DeleteRecordsTo(8); err != nil {
		t.Fatal(err)
	}
	if n, err := tl.Retain(tl.clock); n == 0 || err != nil {
		t.Fatalf("Retain = %d, %v", n, err)
	}
	if _, err := tl.Read(0, 10, 1000, true); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("read below the start: %v", err)
	}
	must(t, tl.Close())
	b, err := r.AppendTo(nil)
	if err != nil || protocol.Batch(b).CheckCRC() != nil {
		t.Errorf("reading a region after its segment was removed: %v", err)
	}
	r.Release()
	if _, err := tl.Read(9, 10, 1, true); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("read after Close: %v", err)
	}
	if _, err := tl.Append(plainBatch(t, 1, 1), AppendOptions{}); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("append after Close: %v", err)
	}
}

func TestRoll(t *testing.T) {
	one := int64(len(plainBatch(t, 1, 1000)))
	for _, c := range []struct {
		name string
		edit func(o *Options)
		gap  int64 // between the timestamps of the batches
		want []int64
	}{
		{"size", func(o *Options) { o.Config.SegmentBytes = 2 * one }, 0, []int64{0, 2, 4}},
		{"never", nil, 0, []int64{0}},
		{"time", func(o *Options) { o.Config.SegmentMs = 10 }, 6, []int64{0, 2, 4}},
		{"index full", func(o *Options) { o.Config.SegmentIndexBytes, o.Config.IndexIntervalBytes = 24, 0 }, 1, []int64{0, 2, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tl := openTest(t, vfs.NewMem(), c.edit)
			for i := range 5 {
				tl.add(plainBatch(t, 1, 1000+int64(i)*c.gap))
			}
			check := func(l *Log) {
				var bases []int64
				for _, s := range l.view.Load().segments {
					bases = append(bases, s.base)
				}
				if diff := cmp.Diff(c.want, bases); diff != "" {
					t.Errorf("segments (-want +got):\n%s", diff)
				}
			}
			check(tl.Log)
			check(tl.reopen(nil).Log)
		})
	}
}

func TestRollBecauseOffsetsNoLongerFit(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), nil)
	at := func(offset int64) []byte {
		b := plainBatch(t, 2, 1)
		protocol.Batch(b).Stamp(offset, 0)
		return b
	}
	for _, offset := range []int64{5, math.MaxInt32 - 1, math.MaxInt32, 3*math.MaxInt32 + 7} {
		_, err := tl.AppendAsFollower(at(offset))
		if offset == math.MaxInt32 { // overlaps the one before
			if !errors.Is(err, kerr.OffsetOutOfRange) {
				t.Fatalf("append at %d: %v", offset, err)
			}
			continue
		}
		must(t, err)
	}
	for range 2 {
		l := tl.Log
		c, err := contents(l, 1<<20)
		if err != nil || len(c) != 6 {
			t.Errorf("%q, %v", c, err)
		}
		if n := len(l.view.Load().segments); n != 2 {
			t.Errorf("%d segments", n)
		}
		r, err := l.Read(math.MaxInt32+1, l.EndOffset(), 1000, true) // in the gap
		if err != nil || r.StartOffset() != 3*math.MaxInt32+7 {
			t.Errorf("read in a gap: %d, %v", r.StartOffset(), err)
		}
		r.Release()
		tl = tl.reopen(nil)
	}
}

func TestFindByTimestamp(t *testing.T) {
	for _, segmentBytes := range []int64{300, 1 << 30} {
		for _, interval := range []int{0, 150, 4096} {
			for _, codec := range []protocol.Codec{protocol.CodecNone, protocol.CodecZstd} {
				tl := openTest(t, vfs.NewMem(), func(o *Options) { o.Config.SegmentBytes, o.Config.IndexIntervalBytes = segmentBytes, interval })
				// Out of order within and between batches; equal ones too.
				var all []int64
				for i, base := range []int64{100, 50, 200, 200, 150, 300, 10, 500, 400} {
					rs := records(3, 0)
					for j, d := range []int64{0, 7, 3} {
						rs[j].TimestampMs = base + d
						all = append(all, base+d)
					}
					o := plain
					o.Codec = codec
					a, err := tl.Append(build(t, o, rs), AppendOptions{LeaderEpoch: int32(i / 4)})
					must(t, err)
					tl.SetHighWatermark(a.LastOffset + 1)
				}
				check := func(l *Log) {
					start := l.StartOffset()
					for ms := int64(0); ms < 520; ms++ {
						want := Found{}
						for offset, ts := range all {
							if int64(offset) >= start && ts >= ms {
								want = Found{int64(offset), ts, int32(offset / 3 / 4), true}
								break
							}
						}
						got, err := l.OffsetForTimestamp(ms)
						if err != nil || got != want {
							t.Fatalf("segment %d, interval %d: timestamp %d from %d: %+v, %v; want %+v", segmentBytes, interval, ms, start, got, err, want)
						}
					}
					largest := slices.Max(all[start:])
					want := Found{start + int64(slices.Index(all[start:], largest)), largest, 0, true}
					want.LeaderEpoch = int32(want.Offset / 3 / 4)
					if got, err := l.OffsetOfMaxTimestamp(); err != nil || got != want {
						t.Fatalf("largest timestamp from %d: %+v, %v; want %+v", start, got, err, want)
					}
				}
				check(tl.Log)
				_, err := tl.DeleteRecordsTo(4)
				must(t, err)
				check(tl.Log)
				tl = tl.reopen(nil)
				check(tl.Log)
				tl = tl.crash(nil)
				check(tl.Log)
				_, err = tl.DeleteRecordsTo(23) // within the batch that has the largest
				must(t, err)
				check(tl.Log)
			}
		}
	}
}

func TestNoTimestamps(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), nil)
	if f, err := tl.OffsetOfMaxTimestamp(); f.OK || err != nil {
		t.Errorf("empty log: %+v, %v", f, err)
	}
	r := protocol.Record{TimestampMs: -1, Value: []byte("x")}
	tl.add(build(t, plain, []protocol.Record{r}))
	for range 2 {
		l := tl
		if f, err := l.OffsetOfMaxTimestamp(); f.OK || err != nil {
			t.Errorf("%+v, %v", f, err)
		}
		if f, err := l.OffsetForTimestamp(0); f.OK || err != nil {
			t.Errorf("%+v, %v", f, err)
		}
		tl = tl.reopen(nil)
	}
}

func TestLeaderEpochs(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), nil)
	for _, epoch := range []int32{0, 0, 2, 2, 5} {
		_, err := tl.Append(plainBatch(t, 10, 1), AppendOptions{LeaderEpoch: epoch})
		must(t, err)
	}
	must(t, tl.AssignLeaderEpoch(7, 50))
	tl.SetHighWatermark(50)
	check := func(tl *testLog, latest int32) {
		t.Helper()
		for _, c := range []struct {
			ask, epoch int32
			end        int64
		}{{0, 0, 20}, {1, 0, 20}, {2, 2, 40}, {3, 2, 40}, {5, 5, 50}, {8, -1, -1}, {-1, -1, -1}} {
			if epoch, end := tl.EndOffsetForEpoch(c.ask); epoch != c.epoch || end != c.end {
				t.Errorf("end of epoch %d: %d, %d; want %d, %d", c.ask, epoch, end, c.epoch, c.end)
			}
		}
		if tl.LeaderEpoch() != latest || tl.EpochAt(0) != 0 || tl.EpochAt(25) != 2 || tl.EpochAt(49) != 5 {
			t.Errorf("latest %d, at 0: %d, 25: %d, 49: %d", tl.LeaderEpoch(), tl.EpochAt(0), tl.EpochAt(25), tl.EpochAt(49))
		}
	}
	check(tl, 7)
	must(t, tl.Flush())
	tl = tl.reopen(nil)
	check(tl, 5) // an epoch without records is its leader's to say again
	must(t, tl.Close())
	must(t, tl.fs.Remove(testDir+"/"+leaderEpochFile))
	tl = openTest(t, tl.fs, func(o *Options) { o.Clean = true })
	check(tl, 5)
	if _, err := tl.DeleteRecordsTo(0); err != nil {
		t.Fatal(err)
	}
	tl.SetHighWatermark(50)
	_, err := tl.DeleteRecordsTo(30)
	must(t, err)
	if epoch, end := tl.EndOffsetForEpoch(0); epoch != 0 || end != 30 {
		t.Errorf("end of an epoch that was deleted: %d, %d", epoch, end)
	}
}

func TestTruncate(t *testing.T) {
	for _, segmentBytes := range []int64{250, 1 << 30} {
		for to := int64(0); to <= 21; to++ {
			tl := openTest(t, vfs.NewMem(), func(o *Options) { o.Config.SegmentBytes, o.Config.IndexIntervalBytes = segmentBytes, 100 })
			for i := range 10 {
				_, err := tl.Append(idempotent(t, 9, 0, int32(2*i), 2), AppendOptions{LeaderEpoch: int32(i / 3)})
				must(t, err)
			}
			tl.SetHighWatermark(20)
			want := tl.contents()
			must(t, tl.Flush())
			must(t, tl.TruncateTo(to))
			end := min(to/2*2, 20)
			check := func(tl *testLog) {
				t.Helper()
				if tl.EndOffset() != end || tl.HighWatermark() > end || tl.RecoveryPoint() > end {
					t.Fatalf("truncated to %d: end %d, high watermark %d, recovery point %d; want %d", to, tl.EndOffset(), tl.HighWatermark(), tl.RecoveryPoint(), end)
				}
				if diff := cmp.Diff(want[:end], tl.contents(), cmp.Transformer("nil", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
					t.Fatalf("truncated to %d (-want +got):\n%s", to, diff)
				}
				if epoch := tl.LeaderEpoch(); end > 0 && epoch != int32((end-1)/6) {
					t.Fatalf("truncated to %d: leader epoch %d", to, epoch)
				}
			}
			check(tl)
			check(tl.crash(nil))
			tl = tl.reopen(nil)
			check(tl)
			if a := tl.add(idempotent(t, 9, 0, int32(end), 2)); a.Duplicate || a.BaseOffset != end {
				t.Fatalf("truncated to %d, the producer's next batch: %+v", to, a)
			}
			if len(tl.contents()) != int(end)+2 {
				t.Fatalf("truncated to %d and appended: %q", to, tl.contents())
			}
		}
	}
}

func TestTruncateFully(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), func(o *Options) { o.Config.SegmentBytes = 250 })
	for i := range 5 {
		tl.add(idempotent(t, 9, 0, int32(2*i), 2))
	}
	must(t, tl.TruncateFullyAt(100))
	if tl.StartOffset() != 100 || tl.EndOffset() != 100 || tl.HighWatermark() != 100 || len(tl.Producers()) != 0 {
		t.Errorf("start %d, end %d, high watermark %d, producers %v", tl.StartOffset(), tl.EndOffset(), tl.HighWatermark(), tl.Producers())
	}
	tl.add(plainBatch(t, 1, 1))
	tl = tl.reopen(nil)
	if tl.StartOffset() != 100 || tl.EndOffset() != 101 {
		t.Errorf("start %d, end %d after a restart", tl.StartOffset(), tl.EndOffset())
	}
}

func TestHighWatermark(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), nil)
	_, err := tl.Append(plainBatch(t, 10, 1), AppendOptions{})
	must(t, err)
	for _, c := range []struct{ set, want int64 }{{5, 5}, {3, 5}, {100, 10}} {
		if got := tl.SetHighWatermark(c.set); got != c.want || tl.HighWatermark() != c.want {
			t.Errorf("SetHighWatermark(%d) = %d, is %d; want %d", c.set, got, tl.HighWatermark(), c.want)
		}
	}
	for _, c := range []struct{ checkpoint, start, want int64 }{{7, 0, 7}, {-1, 0, 0}, {50, 0, 10}, {2, 4, 4}} {
		tl = tl.reopen(func(o *Options) { o.HighWatermark, o.LogStartOffset = c.checkpoint, c.start })
		if tl.HighWatermark() != c.want {
			t.Errorf("checkpoint %d, start %d: high watermark %d, want %d", c.checkpoint, c.start, tl.HighWatermark(), c.want)
		}
	}
}

func TestRecordListTooLarge(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), func(o *Options) { o.Config.SegmentBytes = 100 })
	if _, err := tl.Append(plainBatch(t, 10, 1), AppendOptions{}); !errors.Is(err, kerr.RecordListTooLarge) {
		t.Errorf("%v", err)
	}
	for _, bad := range [][]byte{nil, make([]byte, 10), make([]byte, 100), plainBatch(t, 1, 1)[:50]} {
		if _, err := tl.Append(bad, AppendOptions{}); !errors.Is(err, kerr.CorruptMessage) {
			t.Errorf("append of %d bad bytes: %v", len(bad), err)
		}
	}
	if tl.EndOffset() != 0 {
		t.Errorf("refused appends moved the end to %d", tl.EndOffset())
	}
}
