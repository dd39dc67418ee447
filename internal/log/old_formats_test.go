package log

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// oldSegments are files of a log as Kafka wrote it before 0.11: some segments of a format, then a batch. It returns what is in them.
func oldSegments(t testing.TB, fsys vfs.FS, magic int8, codecs ...protocol.Codec) (want []protocol.Record) {
	t.Helper()
	must(t, fsys.MkdirAll(testDir))
	offset := int64(0)
	for seg := range 3 {
		var file []byte
		base := offset
		for n := range 4 {
			for _, codec := range codecs {
				b := protocol.NewBatchBuilder(protocol.BatchOptions{Codec: codec, ProducerID: protocol.NoProducerID, BaseOffset: offset})
				for i := range 3 {
					r := protocol.Record{Offset: offset, TimestampMs: int64(1000 * (seg + 1) * (i + 1)), Key: fmt.Append(nil, "key", i), Value: fmt.Append(nil, "value ", seg, n, i)}
					if i == 2 {
						r.Value = nil
					}
					b.Append(r)
					if magic == 0 {
						r.TimestampMs = noTimestamp
					}
					want = append(want, r)
					offset += 2 // as a cleaner leaves them
				}
				batch, err := b.Bytes()
				must(t, err)
				old, err := protocol.DownConvert(batch, magic, 0)
				must(t, err)
				file = append(file, old...)
			}
		}
		must(t, fsys.WriteFileAtomic(newSegment(fsys, testDir, base, 0).path(extLog), file, true))
	}
	return want
}

func recordsOf(t testing.TB, l *testLog) (all []protocol.Record) {
	t.Helper()
	for _, b := range l.dumpBatches() {
		must(t, b.CheckCRC())
		for r, err := range b.Records() {
			must(t, err)
			all = append(all, protocol.Record{Offset: r.Offset, TimestampMs: r.TimestampMs, Key: slices.Clone(r.Key), Value: slices.Clone(r.Value)})
		}
	}
	return all
}

func checkRecords(t testing.TB, got, want []protocol.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Offset != w.Offset || g.TimestampMs != w.TimestampMs || !bytes.Equal(g.Key, w.Key) || !bytes.Equal(g.Value, w.Value) || (g.Value == nil) != (w.Value == nil) {
			t.Fatalf("record %d is %+v, want %+v", i, g, w)
		}
	}
}

var oldCodecs = []protocol.Codec{protocol.CodecNone, protocol.CodecGzip, protocol.CodecSnappy, protocol.CodecLZ4}

// TestOldFormatsAreConverted opens logs of formats 0 and 1, clean and not, and goes on with them.
func TestOldFormatsAreConverted(t *testing.T) {
	for _, magic := range []int8{0, 1} {
		for _, clean := range []bool{true, false} {
			t.Run(fmt.Sprint(magic, " clean ", clean), func(t *testing.T) {
				fsys := vfs.NewMem()
				want := oldSegments(t, fsys, magic, oldCodecs...)
				l := openTest(t, fsys, func(o *Options) { o.Clean = clean })
				if n := l.logs.FilterMessageSnippet("formats 0 and 1").Len(); n != 1 {
					t.Errorf("told %d times", n)
				}
				checkRecords(t, recordsOf(t, l), want)
				if end := want[len(want)-1].Offset + 1; l.EndOffset() != end {
					t.Errorf("end offset %d, want %d", l.EndOffset(), end)
				}
				l = l.reopen(nil)
				if n := l.logs.FilterMessageSnippet("formats 0 and 1").Len(); n != 0 {
					t.Error("converted again")
				}
				l = l.crash(func(o *Options) { o.RecoveryPoint = 0 })
				checkRecords(t, recordsOf(t, l), want)
				must(t, l.Close())
			})
		}
	}
}

// TestOldTornTail: what a crash left of the last message is cut off; damage elsewhere changes nothing.
func TestOldTornTail(t *testing.T) {
	fsys := vfs.NewMem()
	want := oldSegments(t, fsys, 1, protocol.CodecNone)
	infos, err := fsys.List(testDir)
	must(t, err)
	last := testDir + "/" + infos[len(infos)-1].Name
	text, err := fsys.ReadFile(last)
	must(t, err)
	must(t, fsys.WriteFileAtomic(last, text[:len(text)-5], true))
	if _, err := tryOpen(t, fsys, func(o *Options) { o.Clean = true }); err == nil {
		t.Error("a log that was closed ends with half a message, and opens")
	}
	l := openTest(t, fsys, nil)
	checkRecords(t, recordsOf(t, l), want[:len(want)-1])
	must(t, l.Close())

	fsys = vfs.NewMem()
	oldSegments(t, fsys, 1, protocol.CodecNone)
	broken := slices.Clone(text)
	broken[len(broken)/2] ^= 1
	must(t, fsys.WriteFileAtomic(last, broken, true))
	if _, err := tryOpen(t, fsys, nil); err == nil {
		t.Error("damage in the middle, and the log opens")
	}
	if now, err := fsys.ReadFile(last); err != nil || !bytes.Equal(now, broken) {
		t.Errorf("the damaged file was changed, %v", err)
	}
}

// TestConversionSurvivesCrashes cuts the power after each operation of the file system: the next open gives the same records.
func TestConversionSurvivesCrashes(t *testing.T) {
	for fail := 1; ; fail++ {
		mem := vfs.NewMem()
		want := oldSegments(t, mem, 1, protocol.CodecNone, protocol.CodecGzip)
		must(t, mem.SyncDir("/"))
		must(t, mem.SyncDir("/data"))
		must(t, mem.SyncDir(testDir))
		n := 0
		faulty := vfs.Fault(mem, func(vfs.Op, string) error {
			if n++; n >= fail {
				return errPower
			}
			return nil
		})
		_, err := tryOpen(t, faulty, nil)
		rng := rand.New(rand.NewPCG(uint64(fail), 1))
		for _, disk := range []vfs.FS{mem.CrashClone(nil), mem.CrashClone(rng), mem.CrashCloneReordered(rng)} {
			again := openTest(t, disk, nil)
			checkRecords(t, recordsOf(t, again), want)
			must(t, again.Close())
		}
		if err == nil {
			t.Logf("%d operations", fail)
			return
		}
	}
}

var errPower = errors.New("no power")
