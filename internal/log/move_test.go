package log

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// createIn makes a log in one of the directories.
func (tm *testManager) createIn(tp protocol.TopicPartition, dir string) *Log {
	tm.t.Helper()
	l, err := tm.CreateIn(tp, CreateOptions{TopicID: [16]byte{1}, Config: tm.topc, Directory: tm.DirectoryID(dir)})
	must(tm.t, err)
	if l.Dir() != dir+"/"+tp.String() {
		tm.t.Fatalf("made %s, wanted it in %s", l.Dir(), dir)
	}
	return l
}

func (tm *testManager) startMove(tp protocol.TopicPartition, dir string) *Move {
	tm.t.Helper()
	v, err := tm.StartMove(tp, dir)
	must(tm.t, err)
	return v
}

// finish copies everything and ends the move.
func finishMove(v *Move) error { return finishMoveBy(v, 500) }

func finishMoveBy(v *Move, maxBytes int32) error {
	for {
		n, err := v.Copy(maxBytes)
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		if done, err := v.Finish(); done || err != nil {
			return err
		}
	}
}

func must1[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// names lists what lies in a directory, with ids replaced.
func names(t testing.TB, fsys vfs.FS, dir, tp string) []string {
	t.Helper()
	var found []string
	for name := range files(t, fsys, dir) {
		if rest, ok := strings.CutPrefix(name, tp); ok {
			if i := strings.LastIndexByte(rest, '-'); i > 0 && rest != "" {
				rest = rest[i:]
			}
			found = append(found, tp+rest)
		}
	}
	slices.Sort(found)
	return found
}

func TestMoveCarriesEverything(t *testing.T) {
	disk := vfs.NewMem()
	o := managerOptions(t, disk)
	o.NowMs = func() int64 { return 2000 } // the records are of then, and so are the producers
	m := openManager(t, o)
	m.topc.SegmentBytes, m.topc.IndexIntervalBytes = 500, 100
	l := m.createIn(tp("t", 0), "/d1")
	must(t, l.AssignLeaderEpoch(3, 0))
	add := func(b []byte, origin Origin, epoch int32) {
		t.Helper()
		_, err := m.log("t", 0).Append(b, AppendOptions{LeaderEpoch: epoch, Origin: origin})
		must(t, err)
		m.log("t", 0).SetHighWatermark(m.log("t", 0).EndOffset())
	}
	for i := range 10 {
		add(idempotent(t, 7, 0, int32(2*i), 2), Client, 3)
	}
	add(transactional(t, 8, 0, 0, 2), Client, 3)
	add(marker(t, 8, 0, protocol.ControlAbort), Coordinator, 3)
	add(transactional(t, 9, 0, 0, 1), Client, 3) // not decided
	must(t, l.AssignLeaderEpoch(4, l.EndOffset()))
	must1[int64](t)(l.DeleteRecordsTo(5)) // within a batch
	before, producers := must1[[]string](t)(contents(l, 300)), l.Producers()
	aborted := must1[[]AbortedTxn](t)(l.AbortedTxns(0, l.EndOffset()))
	must(t, m.cleanedOf(l).set(tp("t", 0), 6, 0))

	// A reader that has begun to read goes on with the old files.
	region := must1[Region](t)(l.Read(5, l.EndOffset(), 200, true))
	v := m.startMove(tp("t", 0), "/d2")
	must1[int](t)(v.Copy(200))
	usage := m.DirUsage()
	want := []PartitionUsage{{tp("t", 0), v.to.SizeBytes(), l.EndOffset() - v.to.EndOffset(), true}}
	if diff := cmp.Diff(want, usage[1].Partitions); diff != "" || v.to.SizeBytes() == 0 || usage[0].Partitions[0].IsFuture {
		t.Errorf("usage while moving: %s", diff)
	}
	if dir, ok := m.Moving(tp("t", 0)); !ok || dir != "/d2" {
		t.Errorf("on its way to %q", dir)
	}
	must(t, finishMove(v))

	if b := must1[[]byte](t)(region.AppendTo(nil)); len(b) != region.Len() {
		t.Errorf("an open region read %d bytes", len(b))
	}
	region.Release()
	if _, err := l.Append(plainBatch(t, 1, 1), AppendOptions{}); !errors.Is(err, ErrMoved) {
		t.Errorf("append to the log that has moved: %v", err)
	}
	check := func(when string, m *testManager, epoch int32) {
		t.Helper()
		l := m.log("t", 0)
		if l.Dir() != "/d2/t-0" || l.TopicID() != [16]byte{1} || l.StartOffset() != 5 || l.HighWatermark() != 24 || l.LastStableOffset() != 23 || l.LeaderEpoch() != epoch {
			t.Errorf("%s: %s from %d, high watermark %d, stable %d, epoch %d", when, l.Dir(), l.StartOffset(), l.HighWatermark(), l.LastStableOffset(), l.LeaderEpoch())
		}
		if diff := cmp.Diff(before, must1[[]string](t)(contents(l, 300))); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
		byID := cmpopts.SortSlices(func(a, b ProducerState) bool { return a.ProducerID < b.ProducerID })
		if diff := cmp.Diff(producers, l.Producers(), byID); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
		if diff := cmp.Diff(aborted, must1[[]AbortedTxn](t)(l.AbortedTxns(0, l.EndOffset()))); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
		if a := must1[Appended](t)(l.Append(idempotent(t, 7, 0, 14, 2), AppendOptions{LeaderEpoch: 4})); !a.Duplicate || a.BaseOffset != 14 {
			t.Errorf("%s: a retry of an old batch: %+v", when, a)
		}
		if cleaned, _ := m.cleanedOf(l).get(tp("t", 0)); cleaned != 6 {
			t.Errorf("%s: cleaned to %d", when, cleaned)
		}
	}
	check("after the move", m, 4)
	if d1, d2 := names(t, disk, "/d1", "t-0"), names(t, disk, "/d2", "t-0"); !slices.Equal(d1, []string{"t-0-delete"}) || !slices.Equal(d2, []string{"t-0"}) {
		t.Errorf("directories: %v, %v", d1, d2)
	}
	must(t, m.Close())
	m = openManager(t, o)
	check("after a restart", m, 3) // the broker assigns it anew
	add(plainBatch(t, 1, 1), Client, 4)
	must(t, finishMove(m.startMove(tp("t", 0), "/d1"))) // and back
	if l := m.log("t", 0); l.Dir() != "/d1/t-0" || l.EndOffset() != 25 {
		t.Errorf("after moving back: %s to %d", l.Dir(), l.EndOffset())
	}
	must(t, m.Close())
}

func (tm *testManager) log(topic string, partition int32) *Log {
	tm.t.Helper()
	l, ok := tm.Get(tp(topic, partition))
	if !ok {
		tm.t.Fatalf("%s-%d is not there", topic, partition)
	}
	return l
}

func TestMoveFollowsTheLog(t *testing.T) {
	m := openManager(t, managerOptions(t, vfs.NewMem()))
	m.topc.SegmentBytes = 400
	l := m.createIn(tp("t", 0), "/d1")
	for range 20 {
		addTo(t, l, 1)
	}
	v := m.startMove(tp("t", 0), "/d2")
	must1[int](t)(v.Copy(300))
	must1[int64](t)(l.DeleteRecordsTo(12)) // beyond what was copied
	must1[int](t)(v.Copy(300))
	if v.to.StartOffset() > 12 || v.to.EndOffset() <= 12 {
		t.Errorf("the copy holds [%d, %d)", v.to.StartOffset(), v.to.EndOffset())
	}
	for must1[int](t)(v.Copy(300)) > 0 {
	}
	must(t, l.TruncateTo(15))
	_, err := l.Append(plainBatch(t, 3, 5), AppendOptions{LeaderEpoch: 2})
	must(t, err)
	if must1[int](t)(v.Copy(300)); v.to.EndOffset() != 18 {
		t.Errorf("after a truncation the copy ends at %d", v.to.EndOffset())
	}
	must(t, l.TruncateFullyAt(50))
	must(t, finishMove(v))
	if n := m.log("t", 0); n.Dir() != "/d2/t-0" || n.StartOffset() != 50 || n.EndOffset() != 50 {
		t.Errorf("%s [%d, %d)", n.Dir(), n.StartOffset(), n.EndOffset())
	}
	must(t, m.Close())
}

func TestMoveEndsWhenItIsNotWanted(t *testing.T) {
	disk := vfs.NewMem()
	m := openManager(t, managerOptions(t, disk))
	l := m.createIn(tp("t", 0), "/d1")
	addTo(t, l, 3)
	v := m.startMove(tp("t", 0), "/d2")
	must1[int](t)(v.Copy(300))
	if _, err := m.StartMove(tp("t", 0), "/d2"); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if again, err := m.StartMove(tp("t", 0), "/d1"); again != nil || err != nil {
		t.Errorf("to where it is: %v, %v", again, err)
	}
	v.Abandon()
	if l.moving.Load() || len(names(t, disk, "/d2", "t-0-future")) > 0 {
		t.Error("the copy is still there")
	}
	addTo(t, l, 1)

	v = m.startMove(tp("t", 0), "/d2")
	must(t, m.Delete(tp("t", 0)))
	if _, err := v.Copy(300); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("moving a deleted partition: %v", err)
	}
	if done, err := v.Finish(); done || !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("ending the move of a deleted partition: %v", err)
	}
	if d2 := names(t, disk, "/d2", "t-0"); !slices.Equal(d2, []string{"t-0-delete", "t-0-delete"}) {
		t.Errorf("left behind: %v", d2)
	}

	if _, err := m.StartMove(tp("t", 0), "/d3"); !errors.Is(err, kerr.LogDirNotFound) {
		t.Errorf("to nowhere: %v", err)
	}
	if _, err := m.StartMove(tp("t", 0), "/d2"); !errors.Is(err, kerr.ReplicaNotAvailable) {
		t.Errorf("of nothing: %v", err)
	}
	long := tp(strings.Repeat("x", 249), 0)
	m.createIn(long, "/d1")
	if _, err := m.StartMove(long, "/d2"); !errors.Is(err, kerr.InvalidTopicException) {
		t.Errorf("of a name that is too long: %v", err)
	}
	must(t, m.Close())
}

// TestMoveBesideWritersAndReaders moves a partition to and fro while it is written and
// read. Nothing is lost, nothing comes twice, and offsets have no gaps. Run it with
// -race.
func TestMoveBesideWritersAndReaders(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	o := managerOptions(t, vfs.OS())
	o.Dirs = dirs
	m := openManager(t, o)
	m.topc.SegmentBytes = 100_000
	m.createIn(tp("t", 0), dirs[0])
	var wg sync.WaitGroup
	var acked atomic.Int64
	stop := make(chan struct{})
	for id := range int64(2) {
		wg.Go(func() {
			for sequence := int32(0); ; sequence++ {
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Microsecond):
				}
				for {
					l := m.log("t", 0)
					_, err := l.Append(idempotent(t, id, 0, sequence, 1), AppendOptions{})
					if err == nil {
						l.SetHighWatermark(l.EndOffset())
						break
					}
					if !errors.Is(err, ErrMoved) {
						t.Error(err)
						return
					}
				}
				acked.Add(1)
			}
		})
	}
	wg.Go(func() {
		for next := int64(0); ; {
			select {
			case <-stop:
				return
			default:
			}
			l := m.log("t", 0)
			r, err := l.Read(next, l.EndOffset(), 4000, true)
			if errors.Is(err, ErrMoved) {
				continue
			}
			b, err2 := r.AppendTo(nil)
			r.Release()
			if err := errors.Join(err, err2); err != nil {
				t.Error(err)
				return
			}
			for batch, err := range protocol.Batches(b) {
				if err != nil || batch.BaseOffset() != next || batch.CheckCRC() != nil {
					t.Errorf("at %d: a batch at %d, %v", next, batch.BaseOffset(), err)
					return
				}
				next = batch.LastOffset() + 1
			}
		}
	})
	for i := range 6 {
		if err := finishMoveBy(m.startMove(tp("t", 0), dirs[(i+1)%2]), 20_000); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	wg.Wait()
	if end := m.log("t", 0).EndOffset(); end != acked.Load() {
		t.Errorf("%d appends were acknowledged, the log ends at %d", acked.Load(), end)
	}
	must(t, m.Close())
}

// moveLife is a move under way at the time of a crash, with appends beside it.
type moveLife struct {
	acked   []string
	tried   string
	durable int
	agreed  bool // the cluster knows of the new directory
	moved   bool
}

func (lf *moveLife) run(t *testing.T, o ManagerOptions) error {
	m, err := OpenDirs(o)
	if err != nil {
		return err
	}
	topic := kafkaTopic()
	topic.SegmentBytes, topic.IndexIntervalBytes = 300, 100
	l, err := m.CreateIn(tp("t", 0), CreateOptions{TopicID: [16]byte{1}, Config: topic, Directory: m.DirectoryID("/d1")})
	if err != nil {
		return err
	}
	add := func(n int) error {
		for range n {
			l, _ := m.Get(tp("t", 0))
			value := fmt.Sprint(len(lf.acked))
			lf.tried = fmt.Sprintf("%d %s", len(lf.acked), value)
			if _, err := l.Append(build(t, plain, []protocol.Record{{TimestampMs: 1, Value: []byte(value)}}), AppendOptions{}); err != nil {
				return err
			}
			lf.acked = append(lf.acked, lf.tried)
			l.SetHighWatermark(l.EndOffset())
		}
		return nil
	}
	if err := add(8); err != nil {
		return err
	}
	if err := l.Flush(); err != nil {
		return err
	}
	lf.durable = 8
	v, err := m.StartMove(tp("t", 0), "/d2")
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		n, err := v.Copy(150)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if i < 3 {
			if err := add(1); err != nil {
				return err
			}
		}
	}
	lf.agreed = true
	if err := add(3); err != nil {
		return err
	}
	lf.moved, err = v.Finish()
	if err != nil {
		return err
	}
	lf.durable = len(lf.acked)
	if err := add(2); err != nil {
		return err
	}
	return m.Close()
}

// check starts on what a crash left: the partition is there once, with everything,
// and the move can go on.
func (lf *moveLife) check(t *testing.T, what string, disk *vfs.Mem, o ManagerOptions, survives int) {
	t.Helper()
	o.FS = disk
	m, err := OpenDirs(o)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	m.UseAssignments(func(protocol.TopicPartition, [16]byte) ([16]byte, bool) {
		if lf.agreed {
			return m.DirectoryID("/d2"), true
		}
		return m.DirectoryID("/d1"), true
	})
	topic := kafkaTopic()
	must(t, m.Load(t.Context(), always(topic)))
	look := func(when string) {
		t.Helper()
		l, ok := m.Get(tp("t", 0))
		if !ok && survives == 0 {
			return
		}
		if !ok {
			t.Fatalf("%s, %s: the partition is gone: %v %v, %v", what, when, files(t, disk, "/d1"), files(t, disk, "/d2"), m.Damaged())
		}
		got, err := contents(l, 1000)
		if err != nil {
			t.Fatalf("%s, %s: %v", what, when, err)
		}
		want := append(slices.Clone(lf.acked), lf.tried)
		if len(got) < survives || !slices.Equal(got, want[:min(len(got), len(want))]) {
			t.Fatalf("%s, %s: got %q\nwant at least %d of %q", what, when, got, survives, want)
		}
		for d, dir := range []string{"/d1", "/d2"} {
			has := slices.Contains(names(t, disk, dir, "t-0"), "t-0")
			if has != (l.Dir() == dir+"/t-0") {
				t.Fatalf("%s, %s: the log is in %s, and directory %d has %v", what, when, l.Dir(), d+1, files(t, disk, dir))
			}
		}
	}
	look("after the start")
	if dir, ok := m.Moving(tp("t", 0)); ok {
		v, err := m.StartMove(tp("t", 0), dir)
		must(t, err)
		if err := finishMove(v); err != nil {
			t.Fatalf("%s: going on with the move: %v", what, err)
		}
		look("after the move")
	}
	must(t, m.Close())
}

func TestMoveSurvivesACrashAtEveryStep(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	dead := errors.New("the process is dead")
	steps := 0
	for at := 1; ; at++ {
		disk, n := vfs.NewMem(), 0
		o := managerOptions(t, vfs.Fault(disk, func(op vfs.Op, _ string) error {
			if op.Changes() {
				n++
			}
			if n >= at {
				return dead
			}
			return nil
		}))
		lf := &moveLife{}
		err := lf.run(t, o)
		if err == nil && n < at {
			steps = at
			break
		}
		what := fmt.Sprintf("crash at step %d, moved %v", at, lf.moved)
		survives := len(lf.acked)
		if _, err := disk.Stat("/d1/t-0/00000000000000000000.log"); survives == 0 && err != nil {
			continue // it had not begun
		}
		cut := []*vfs.Mem{disk.CrashClone(nil), disk.CrashClone(rng), disk.CrashClone(rng)}
		for _, dir := range o.Dirs {
			_ = disk.Remove(dir + "/.lock")
		}
		lf.check(t, "kill: "+what, disk, o, survives)
		for _, disk := range cut {
			if lf.durable > 0 { // before the metadata log says what there is
				lf.check(t, "power cut: "+what, disk, o, lf.durable)
			}
		}
	}
	if steps < 60 {
		t.Errorf("only %d steps", steps)
	}
}

func TestMoveToAFullDiskGoesOnLater(t *testing.T) {
	full := false
	disk := vfs.NewMem()
	m := openManager(t, managerOptions(t, vfs.Fault(disk, func(op vfs.Op, name string) error {
		if full && (op == vfs.OpWrite || op == vfs.OpCreate) && strings.HasPrefix(name, "/d2/") {
			return syscall.ENOSPC
		}
		return nil
	})))
	l := m.createIn(tp("t", 0), "/d1")
	addTo(t, l, 5)
	v := m.startMove(tp("t", 0), "/d2")
	full = true
	if _, err := v.Copy(300); !errors.Is(err, kerr.KafkaStorageError) {
		t.Fatalf("copying to a full disk: %v", err)
	}
	full = false
	must1[int](t)(v.Copy(300))
	full = true
	if _, err := v.Finish(); !errors.Is(err, kerr.KafkaStorageError) {
		t.Fatalf("ending on a full disk: %v", err)
	}
	addTo(t, l, 1)
	full = false
	must(t, finishMove(v))
	if len(m.Dirs()) != 2 || m.log("t", 0).EndOffset() != 6 {
		t.Errorf("%v, log end %d", m.Dirs(), m.log("t", 0).EndOffset())
	}
	must(t, m.Close())
}

func TestMoveOffABrokenDisk(t *testing.T) {
	for _, c := range []struct {
		what   string
		op     vfs.Op
		prefix string
		moved  bool
		dirs   []string
	}{
		{"the target cannot be written", vfs.OpWrite, "/d2/t-0.", false, []string{"/d1"}},
		{"the copy cannot be renamed", vfs.OpRename, "/d2/t-0.", false, []string{"/d1"}},
		{"the target cannot be synced", vfs.OpSyncDir, "/d2", false, []string{"/d1"}},
		{"the original cannot be renamed", vfs.OpRename, "/d1/t-0", true, []string{"/d2"}},
		{"the original cannot be read", vfs.OpRead, "/d1/t-0/00000000000000000000.log", false, []string{"/d2"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			var broken atomic.Bool
			disk := vfs.NewMem()
			o := managerOptions(t, vfs.Fault(disk, func(op vfs.Op, name string) error {
				if broken.Load() && op == c.op && strings.HasPrefix(name, c.prefix) {
					return syscall.EIO
				}
				return nil
			}))
			m := openManager(t, o)
			l := m.createIn(tp("t", 0), "/d1")
			addTo(t, l, 5)
			v := m.startMove(tp("t", 0), "/d2")
			broken.Store(true)
			err := finishMove(v)
			if (err == nil) != c.moved || !slices.Equal(m.Dirs(), c.dirs) {
				t.Fatalf("%v; directories that work: %v", err, m.Dirs())
			}
			end := int64(5)
			if now := m.log("t", 0); now.Failure() == nil {
				addTo(t, now, 1)
				end++
			}
			if !c.moved {
				v.Abandon()
			}
			must(t, m.Close())
			broken.Store(false)
			m = openManager(t, o)
			if now := m.log("t", 0); now.EndOffset() != end {
				t.Errorf("after the repair %s ends at %d, want %d", now.Dir(), now.EndOffset(), end)
			}
			must(t, m.Close())
		})
	}
}
