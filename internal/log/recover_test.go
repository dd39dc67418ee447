package log

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// fill appends ten batches of two records over several segments, with producers,
// epochs and an aborted transaction.
func fill(t *testing.T, fsys vfs.FS) *testLog {
	tl := openTest(t, fsys, func(o *Options) {
		o.Config.SegmentBytes, o.Config.IndexIntervalBytes = 500, 100
		o.TopicID = [16]byte{1, 2, 3}
	})
	for i := range 10 {
		a, err := tl.Append(idempotent(t, int64(i%2), 0, int32(i/2*2), 2), AppendOptions{LeaderEpoch: int32(i / 4)})
		must(t, err)
		tl.SetHighWatermark(a.LastOffset + 1)
	}
	_, err := tl.Append(transactional(t, 7, 0, 0, 1), AppendOptions{LeaderEpoch: 2})
	must(t, err)
	_, err = tl.Append(marker(t, 7, 0, protocol.ControlAbort), AppendOptions{LeaderEpoch: 2, Origin: Coordinator})
	must(t, err)
	tl.SetHighWatermark(tl.EndOffset())
	return tl
}

// visible is all that users of a log can see.
func visible(tl *testLog) map[string]any {
	tl.SetHighWatermark(tl.EndOffset()) // as the only replica does at its start
	aborted, err := tl.AbortedTxns(tl.StartOffset(), tl.EndOffset())
	must(tl.t, err)
	m := map[string]any{"records": tl.contents(), "aborted": aborted, "end": tl.EndOffset(), "start": tl.StartOffset(), "stable": tl.LastStableOffset(), "epochs": tl.epochs.list()}
	for _, p := range tl.Producers() {
		m[fmt.Sprint("producer ", p.ProducerID)] = p
	}
	for _, ms := range []int64{0, 1000, 1001, 5000} {
		f, err := tl.OffsetForTimestamp(ms)
		must(tl.t, err)
		m[fmt.Sprint("timestamp ", ms)] = f
	}
	return m
}

var compareVisible = cmp.AllowUnexported(epochStart{})

// TestRecover damages a log in every way that must not be seen afterwards.
func TestRecover(t *testing.T) {
	each := func(ext string, do func(t *testing.T, tl *testLog, name string)) func(*testing.T, *testLog) {
		return func(t *testing.T, tl *testLog) {
			n := 0
			for name := range files(t, tl.fs, testDir) {
				if strings.HasSuffix(name, ext) {
					do(t, tl, testDir+"/"+name)
					n++
				}
			}
			if n == 0 {
				t.Fatalf("no file ends with %s", ext)
			}
		}
	}
	remove := func(t *testing.T, tl *testLog, name string) { must(t, tl.fs.Remove(name)) }
	garbage := func(t *testing.T, tl *testLog, name string) {
		must(t, tl.fs.WriteFileAtomic(name, []byte("this is no such file, and it has an odd length...."), false))
	}
	empty := func(t *testing.T, tl *testLog, name string) { must(t, tl.fs.WriteFileAtomic(name, nil, false)) }
	zeros := func(t *testing.T, tl *testLog, name string) { extend(t, tl.fs, name, make([]byte, 24*34)) }
	last := func(tl *testLog) string { return tl.view.Load().active().path(extLog) }
	for name, c := range map[string]struct {
		damage  func(t *testing.T, tl *testLog)
		clean   bool // holds after a clean stop too
		warning string
	}{
		"nothing":                   {func(*testing.T, *testLog) {}, true, ""},
		"no index":                  {each(extIndex, remove), true, ""},
		"no time index":             {each(extTimeIndex, remove), true, ""},
		"no transaction index":      {each(extTxnIndex, remove), false, ""},
		"no snapshot":               {each(extSnapshot, remove), true, ""},
		"no leader epochs":          {each(leaderEpochFile, remove), true, ""},
		"index of garbage":          {each(extIndex, garbage), true, ""},
		"time index of garbage":     {each(extTimeIndex, garbage), true, ""},
		"transaction index garbage": {each(extTxnIndex, garbage), true, "a transaction index is damaged: making it anew from the log"},
		"transaction of elsewhere": {each(extTxnIndex, func(t *testing.T, tl *testLog, name string) {
			e := AbortedTxn{1, 0, 1, 2}.encode()
			must(t, tl.fs.WriteFileAtomic(name, e[:], false))
		}), true, "a transaction index is damaged: making it anew from the log"},
		"snapshot of garbage":        {each(extSnapshot, garbage), true, "removed a damaged producer snapshot; an older one and the log replace it"},
		"leader epochs of garbage":   {each(leaderEpochFile, garbage), true, "removed a damaged checkpoint of leader epochs; the log replaces it"},
		"empty index":                {each(extIndex, empty), true, ""},
		"empty time index":           {each(extTimeIndex, empty), true, ""},
		"empty snapshot":             {each(extSnapshot, empty), true, "removed a damaged producer snapshot; an older one and the log replace it"},
		"preallocated index":         {each(extIndex, zeros), true, ""},
		"preallocated time index":    {each(extTimeIndex, zeros), true, ""},
		"garbage at the end":         {func(t *testing.T, tl *testLog) { extend(t, tl.fs, last(tl), []byte(strings.Repeat("garbage", 20))) }, true, "cut off a torn tail that was not acknowledged as durable"},
		"a few bytes at the end":     {func(t *testing.T, tl *testLog) { extend(t, tl.fs, last(tl), []byte{0, 0, 0}) }, true, "cut off a torn tail that was not acknowledged as durable"},
		"zeros at the end":           {func(t *testing.T, tl *testLog) { extend(t, tl.fs, last(tl), make([]byte, 5000)) }, true, "cut off a torn tail that was not acknowledged as durable"},
		"half a batch at the end":    {func(t *testing.T, tl *testLog) { extend(t, tl.fs, last(tl), plainBatch(t, 9, 1)[:80]) }, true, "cut off a torn tail that was not acknowledged as durable"},
		"an empty segment behind":    {func(t *testing.T, tl *testLog) { garbageSegment(t, tl, nil) }, true, ""},
		"a garbage segment behind":   {func(t *testing.T, tl *testLog) { garbageSegment(t, tl, []byte("garbage")) }, true, "cut off a torn tail that was not acknowledged as durable"},
		"an index without a log":     {func(t *testing.T, tl *testLog) { writeFile(t, tl, "00000000000000000099.index", "12345678") }, true, "removed an index without a log file"},
		"leftovers of a deletion":    {func(t *testing.T, tl *testLog) { writeFile(t, tl, "00000000000000000099.log.deleted", "x") }, true, ""},
		"leftovers of a cleaning":    {func(t *testing.T, tl *testLog) { writeFile(t, tl, "00000000000000000000.log.cleaned", "x") }, true, ""},
		"leftovers of a checkpoint":  {func(t *testing.T, tl *testLog) { writeFile(t, tl, leaderEpochFile+".tmp", "x") }, true, ""},
		"no partition.metadata":      {each(partitionMetadataFile, remove), true, ""},
		"half of partition.metadata": {func(t *testing.T, tl *testLog) { writeFile(t, tl, partitionMetadataFile, "version: 0\ntopic") }, true, "ignored a damaged partition.metadata"},
	} {
		for _, clean := range []bool{false, true} {
			if clean && !c.clean {
				continue
			}
			t.Run(fmt.Sprintf("%s, clean %v", name, clean), func(t *testing.T) {
				tl := fill(t, vfs.NewMem())
				want := visible(tl)
				o := func(o *Options) { o.Config, o.Clean, o.TopicID = tl.o.Config, clean, tl.o.TopicID }
				must(t, tl.Close())
				c.damage(t, tl)
				for round := range 3 {
					again := openTest(t, tl.fs, o)
					if diff := cmp.Diff(want, visible(again), compareVisible); diff != "" {
						t.Fatalf("round %d (-want +got):\n%s", round, diff)
					}
					if again.TopicID() != tl.o.TopicID {
						t.Fatalf("topic id %x", again.TopicID())
					}
					warned := again.logs.FilterLevelExact(zap.WarnLevel).FilterMessage(c.warning).Len() > 0
					if want := c.warning != "" && round == 0 && (clean || !strings.Contains(name, "snapshot")); warned != want { // a scan from the start needs no snapshot
						t.Fatalf("round %d: the log says %v", round, again.logs.All())
					}
					if round == 1 {
						must(t, again.Close()) // else it is a crash
					}
				}
				for name := range files(t, tl.fs, testDir) {
					if strings.Contains(name, "99") || strings.HasSuffix(name, ".tmp") || strings.Contains(name, "cleaned") {
						t.Errorf("%s is still there", name)
					}
				}
			})
		}
	}
}

func writeFile(t *testing.T, tl *testLog, name, content string) {
	must(t, tl.fs.WriteFileAtomic(testDir+"/"+name, []byte(content), false))
}

func garbageSegment(t *testing.T, tl *testLog, content []byte) {
	must(t, tl.fs.WriteFileAtomic(fmt.Sprintf("%s/%020d.log", testDir, tl.EndOffset()), content, false))
}

// TestDamageInTheMiddleDeletesNothing: whole batches behind the damage mean that
// it is no torn tail.
func TestDamageInTheMiddleDeletesNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		at   int64 // in the first segment
	}{{"CRC", 17}, {"records", 70}, {"length", 9}, {"length, huge", 8}, {"magic", 16}, {"base offset", 1}, {"second batch", 150}} {
		t.Run(c.name, func(t *testing.T) {
			tl := fill(t, vfs.NewMem())
			must(t, tl.Close())
			name := testDir + "/00000000000000000000.log"
			corruptByte(t, tl.fs, name, c.at)
			before := files(t, tl.fs, testDir)
			_, err := tryOpen(t, tl.fs, func(o *Options) { o.Config = tl.o.Config })
			var damage *CorruptionError
			if !errors.As(err, &damage) || !errors.Is(err, kerr.KafkaStorageError) || damage.File != name || !strings.Contains(err.Error(), "a whole batch follows at byte") {
				t.Fatalf("Open: %v", err)
			}
			for name, size := range before {
				if after := files(t, tl.fs, testDir)[name]; after != size && strings.HasSuffix(name, extLog) {
					t.Errorf("%s had %d bytes, now %d", name, size, after)
				}
			}
			// The damage lies before the recovery point: nobody looks for it.
			again, err := tryOpen(t, tl.fs, func(o *Options) { o.Config, o.Clean = tl.o.Config, true })
			must(t, err)
			if again.EndOffset() != tl.EndOffset() {
				t.Errorf("end offset %d", again.EndOffset())
			}
			corruptByte(t, tl.fs, name, c.at)
			openTest(t, tl.fs, func(o *Options) { o.Config = tl.o.Config })
		})
	}
}

// TestOldMessageFormatIsNoTornTail: messages of an old format behind a batch, which are not converted, are not cut off either.
func TestOldMessageFormatIsNoTornTail(t *testing.T) {
	m := vfs.NewMem()
	tl := openTest(t, m, nil)
	tl.addKV(plain, "a=1")
	must(t, tl.Close())
	// A message set of magic 1, as Kafka 0.10 wrote it: offset, size, CRC, magic 1,
	// attributes, timestamp, null key, value "x".
	message := []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x17\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff\x00\x00\x00\x01x")
	sum := crc32.ChecksumIEEE(message[16:])
	message[12], message[13], message[14], message[15] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
	extend(t, m, testDir+"/00000000000000000000.log", message)
	if _, err := tryOpen(t, m, nil); err == nil || !strings.Contains(err.Error(), "messages of format 0 or 1") {
		t.Errorf("Open: %v", err)
	}
}

// TestRecoveryPointBoundsTheScan: what lies before it is not read, but for the first bytes of the log, which tell its format.
func TestRecoveryPointBoundsTheScan(t *testing.T) {
	m := vfs.NewMem()
	tl := fill(t, m)
	must(t, tl.Close())
	last := tl.view.Load().active()
	reads := map[string]int{}
	fsys := vfs.Fault(m, func(op vfs.Op, name string) error {
		if op == vfs.OpRead && strings.HasSuffix(name, extLog) {
			reads[name]++
		}
		return nil
	})
	format := func() {
		first := tl.view.Load().segments[0].path(extLog)
		if reads[first] > 1 {
			t.Errorf("read: %v", reads)
		}
		delete(reads, first)
	}
	openTest(t, fsys, func(o *Options) { o.Config, o.RecoveryPoint = tl.o.Config, last.base })
	if format(); len(reads) != 1 || reads[last.path(extLog)] == 0 {
		t.Errorf("read: %v", reads)
	}
	clear(reads)
	again := openTest(t, fsys, func(o *Options) { o.Config, o.Clean = tl.o.Config, true })
	if format(); len(reads) != 1 || reads[last.path(extLog)] > 2 { // whether the index is right, and the batches behind its last entry
		t.Errorf("a clean start read: %v", reads)
	}
	if n := len(again.view.Load().segments); n < 3 {
		t.Errorf("%d segments", n)
	}
}

func TestLogStartBeyondTheEndAfterACrash(t *testing.T) {
	m := vfs.NewMem()
	tl := fill(t, m)
	must(t, tl.Close())
	again := openTest(t, m, func(o *Options) { o.LogStartOffset = 100 })
	if again.StartOffset() != 100 || again.EndOffset() != 100 || len(again.Producers()) != 0 || again.LeaderEpoch() != -1 {
		t.Errorf("start %d, end %d, producers %v", again.StartOffset(), again.EndOffset(), again.Producers())
	}
	again.add(plainBatch(t, 1, 1))
	if c := again.reopen(nil).contents(); len(c) != 1 {
		t.Errorf("%q", c)
	}
}

// TestSwapFilesOfACleaner are the states in which Kafka's log cleaner may die.
func TestSwapFilesOfACleaner(t *testing.T) {
	compacted := func(t *testing.T) []byte { // offsets 0–3 with only the last record left
		b := build(t, plain, []protocol.Record{{TimestampMs: 1000, Value: []byte("only")}})
		protocol.Batch(b).Stamp(3, 0)
		return b
	}
	for _, c := range []struct {
		name   string
		files  []string
		before int // records of the first segment that are left
	}{
		{"cleaned only", []string{"00000000000000000000.log.cleaned"}, -1},
		{"swap", []string{"00000000000000000000.log.swap", "00000000000000000000.index.swap"}, 1},
		{"swap and cleaned", []string{"00000000000000000000.log.swap", "00000000000000000000.log.cleaned"}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := vfs.NewMem()
			tl := openTest(t, m, func(o *Options) { o.Config.SegmentBytes = 270 })
			for i := range 4 {
				tl.add(plainBatch(t, 2, 1000*int64(i)))
			}
			want := tl.contents()
			if n := len(tl.view.Load().segments); n != 2 {
				t.Fatalf("%d segments", n)
			}
			must(t, tl.Close())
			for _, name := range c.files {
				content := []byte(nil)
				if strings.Contains(name, ".log") {
					content = compacted(t)
				}
				must(t, m.WriteFileAtomic(testDir+"/"+name, content, false))
			}
			if c.before >= 0 {
				want = append([]string{"3 only"}, want[4:]...)
			}
			tl = openTest(t, m, nil)
			if diff := cmp.Diff(want, tl.contents()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for name := range files(t, m, testDir) {
				if strings.HasSuffix(name, extSwap) || strings.HasSuffix(name, extCleaned) {
					t.Errorf("%s is still there", name)
				}
			}
		})
	}
}
