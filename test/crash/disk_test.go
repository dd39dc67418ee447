//go:build linux

package crash

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of this size, which every user may write to.
func smallDisk(t testing.TB, size int) (dir string) {
	t.Helper()
	dir = openToAll(t)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0777", size)); err != nil {
		t.Skipf("no small file system to be had here (mount needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fillDisk writes until no byte is left, and returns what makes room again.
func fillDisk(t testing.TB, dir string) (makeRoom func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
	return func() {
		t.Helper()
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// written is what was acknowledged to a writer.
type written struct {
	t     testing.TB
	acked map[place]string
	n     int
}

// write writes one record of about 20 kB and returns the broker's refusal. There are no retries.
func (w *written) write(c *kgo.Client, topic string, partition int32) error {
	w.t.Helper()
	w.n++
	value := fmt.Sprintf("%d/%s", w.n, strings.Repeat("x", 20_000))
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	r, err := c.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}).First()
	if err == nil {
		w.acked[place{topic, partition, r.Offset}] = value
	}
	return err
}

// verify reads the topics back.
func (w *written) verify(l *line, topics ...string) {
	w.t.Helper()
	left := maps.Clone(w.acked)
	for _, topic := range topics {
		l.readAll(w.t, topic, func(r *kgo.Record) {
			at := place{r.Topic, r.Partition, r.Offset}
			if want, ok := left[at]; ok && want != string(r.Value) {
				w.t.Errorf("%v was acknowledged for %.20q and holds %.20q", at, want, r.Value)
			}
			delete(left, at)
		})
	}
	for at := range left {
		if slices.Contains(topics, at.topic) {
			w.t.Errorf("%v was acknowledged and is not there", at)
		}
	}
}

// impatient is a producer that hears each refusal.
func impatient(t testing.TB, l *line) *kgo.Client {
	return l.client(t, kgo.DisableIdempotentWrite(), kgo.RecordRetries(0), kgo.ProducerBatchCompression(kgo.NoCompression()))
}

// TestDiskFull fills the disk while a producer writes: it gets an error, what was acknowledged can be read, and with room again all goes on, with
// and without a restart.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, 16<<20)
	dir, l := filepath.Join(disk, "data"), &line{}
	settings := []string{"log.segment.bytes=1048576", "offsets.topic.num.partitions=1", "offsets.topic.replication.factor=1", "log.flush.offset.checkpoint.interval.ms=100", "replica.high.watermark.checkpoint.interval.ms=100"}
	p := start(t, dir, settings...)
	l.set(p.addr())
	admin := l.admin(t)
	createTopic(t, admin, "topic", 2)
	c := impatient(t, l)
	w := &written{t: t, acked: map[place]string{}}
	committed, madeTopics := int64(0), []string{"topic"}
	commit := func() error {
		o := kadm.Offsets{}
		o.AddOffset("topic", 0, committed+1, -1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // the client retries for long
		defer cancel()
		done, err := admin.CommitOffsets(ctx, "group", o)
		if err == nil {
			err = done.Error()
		}
		if err == nil {
			committed++
		}
		return err
	}
	eventually(t, func() string {
		if err := commit(); err != nil {
			return err.Error()
		}
		return ""
	})
	for round := range 2 {
		for i := range 100 {
			if err := w.write(c, "topic", int32(i%2)); err != nil {
				t.Fatal(err)
			}
		}
		makeRoom := fillDisk(t, disk)
		var refused error
		for i := 0; refused == nil; i++ {
			refused = w.write(c, "topic", int32(i%2))
		}
		if p.running() && !errors.Is(refused, kerr.KafkaStorageError) {
			t.Errorf("on a full disk a producer gets: %v", refused)
		}
		// Others try to write, too; whatever they are told, it must be true afterwards.
		_ = commit()
		name := fmt.Sprint("made-", round)
		_, madeErr := admin.CreateTopic(patient(t), 3, 1, nil, name)
		for range 20 {
			_ = w.write(c, "topic", 0)
		}
		// One is made and deleted: what was begun for it must not be in the way of the next one of its name.
		_, twiceErr := admin.CreateTopic(patient(t), 1, 1, nil, "twice")
		if twiceErr == nil {
			_, twiceErr = admin.DeleteTopics(patient(t), "twice")
		}
		alive := p.running()
		t.Logf("full: running %v, produce: %v, create: %v", alive, refused, madeErr)
		p.said("no space left on device")
		if alive {
			w.verify(l, "topic")
		} else if p.cmd.ProcessState.Success() {
			t.Error("ended with status 0")
		}
		if round == 1 && alive {
			p.kill() // and start on a full disk
			q := spawn(t, dir, nil, settings...)
			select {
			case <-q.out.up:
				l.set(q.addr())
				w.verify(l, "topic")
				q.kill()
			case <-q.done:
				q.said("no space left on device")
			}
			alive = false
		}
		makeRoom()
		if !alive {
			p = start(t, dir, settings...)
			l.set(p.addr())
		}
		again := func(what string, do func() error) {
			t.Helper()
			eventually(t, func() string {
				if err := do(); err != nil {
					return fmt.Sprintf("with room again, %s: %v", what, err)
				}
				return ""
			})
		}
		again("partition 0", func() error { return w.write(c, "topic", 0) })
		again("partition 1", func() error { return w.write(c, "topic", 1) })
		again("a commit", commit)
		if twiceErr == nil && round == 0 {
			createTopic(t, admin, "twice", 1)
			again("a topic made again", func() error { return w.write(c, "twice", 0) })
			madeTopics = append(madeTopics, "twice")
		}
		for _, end := range []func(*process){(*process).kill, (*process).stop} {
			w.verify(l, madeTopics...)
			offsets, err := admin.FetchOffsets(patient(t), "group")
			if got, _ := offsets.Lookup("topic", 0); err != nil || got.At < committed {
				t.Errorf("committed %d, acknowledged was %d (%v)", got.At, committed, err)
			}
			topics, err := admin.ListTopics(patient(t), name)
			if err != nil || madeErr == nil && len(topics[name].Partitions) != 3 {
				t.Errorf("a topic that was made on the full disk is not there: %v %v", topics, err)
			}
			end(p)
			p = start(t, dir, settings...)
			l.set(p.addr())
		}
		if madeErr == nil {
			again("the topic that was made without", func() error { return w.write(c, name, 2) })
			madeTopics = append(madeTopics, name)
		}
	}
	w.verify(l, "topic")
	p.stop()
}

// TestDirectoryTurnsReadOnly takes the right to write away from one of two log directories while producers write: what lies in the other one goes
// on, and nothing acknowledged is lost. Two ways: no permission for a broker of a user, and immutable directories for one of root, who is always
// permitted (a file system with files that are open for writing cannot be remounted read-only).
func TestDirectoryTurnsReadOnly(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		which     int
		immutable bool
	}{{0, false}, {1, false}, {0, true}, {1, true}} {
		which, as, refusal := way.which, asNobody, "permission denied"
		if way.immutable {
			as, refusal = nil, "operation not permitted"
		}
		t.Run(fmt.Sprintf("of directory %d immutable %v", which, way.immutable), func(t *testing.T) {
			root := openToAll(t)
			dirs := []string{root + "/a", root + "/b"}
			settings := []string{"log.segment.bytes=1048576"}
			run := func() (*process, *line) {
				p := spawn(t, strings.Join(dirs, ","), as, settings...)
				p.awaitReady()
				return p, lineTo(p)
			}
			p, l := run()
			createTopic(t, l.admin(t), "topic", 4)
			c := impatient(t, l)
			w := &written{t: t, acked: map[place]string{}}
			for i := range 40 {
				if err := w.write(c, "topic", int32(i%4)); err != nil {
					t.Fatal(err)
				}
			}
			setMode := func(dir string, mode os.FileMode) {
				t.Helper()
				err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
					if err == nil && d.IsDir() {
						err = os.Chmod(name, mode)
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if way.immutable {
				makeImmutable(t, dirs[which])
			} else {
				setMode(dirs[which], 0o555)
			}
			refused := map[int32]error{}
			for i := 0; i < 400 && p.running(); i++ { // enough for each partition to need a new segment
				if err := w.write(c, "topic", int32(i%4)); err != nil {
					refused[int32(i%4)] = err
				}
			}
			t.Logf("running %v, refused %v", p.running(), refused)
			if len(refused) == 0 {
				t.Error("nothing was refused")
			}
			p.said(refusal)
			if which == 0 { // it holds the cluster metadata, without which the broker cannot run: it ends, and says why
				if s := p.await(); s.Success() {
					t.Error("ended with status 0")
				}
				p.said("gokafka: ", dirs[which])
			} else {
				if len(refused) != 2 {
					t.Errorf("%d partitions refuse, want the 2 of the directory", len(refused))
				}
				for partition, err := range refused {
					if !errors.Is(err, kerr.KafkaStorageError) {
						t.Errorf("partition %d: %v", partition, err)
					}
				}
				p.signal(syscall.SIGTERM)
			}
			p.await()
			if way.immutable {
				makeMutable(t, dirs[which])
			} else {
				setMode(dirs[which], 0o755)
			}
			p, l = run()
			w.verify(l, "topic")
			c = impatient(t, l)
			for i := range int32(4) {
				if err := w.write(c, "topic", i); err != nil {
					t.Error(err)
				}
			}
			p.stop()
		})
	}
}

// makeImmutable has nobody, not even root, make, rename or remove a file in the tree.
func makeImmutable(t *testing.T, dir string) {
	t.Helper()
	t.Cleanup(func() { chattr("-i", dir) }) // whatever happens: else nobody can remove it
	if out, err := chattr("+i", dir); err != nil {
		t.Skipf("no immutable directories to be had here (needs root and chattr): %v %s", err, out)
	}
}

func makeMutable(t *testing.T, dir string) {
	t.Helper()
	if out, err := chattr("-i", dir); err != nil {
		t.Fatal(err, string(out))
	}
}

// chattr changes the attribute of the directories in the tree.
func chattr(change, dir string) ([]byte, error) {
	return exec.Command("find", dir, "-type", "d", "-exec", "chattr", change, "{}", "+").CombinedOutput()
}
