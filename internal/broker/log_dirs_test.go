package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/vfs"
)

// assigned is the directory that the image has for a partition, as the number of it in log.dirs from 1; 0 for none.
func (f *fixture) assigned(topic string, partition int32) int {
	f.t.Helper()
	dir := f.meta.Store().Image().Topic(topic).Partitions[partition].Directory(nodeID)
	return 1 + slices.Index(f.directories(), dir)
}

// lies is the directory that a partition's log lies in, and "+" when a copy is on its way elsewhere.
func (f *fixture) lies(topic string, partition int32) string {
	f.t.Helper()
	at := ""
	for _, d := range f.LogDirs() {
		for _, p := range d.Partitions {
			switch {
			case p.Topic != topic || p.Partition != partition:
			case p.IsFuture:
				at += "+"
			default:
				at = d.Dir + at
			}
		}
	}
	return at
}

func TestControllerLearnsWherePartitionsLie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		f := openDirs(t, disk, "/d1,/d2")
		attempts := 0
		f.refuse = func(kmsg.Request) error {
			if attempts++; attempts <= 3 {
				return errors.New("the controller is away")
			}
			return nil
		}
		f.create("t", 4)
		f.run()
		time.Sleep(time.Minute)
		for p, want := range []int{1, 2, 1, 2} {
			if got := f.assigned("t", int32(p)); got != want || f.lies("t", int32(p)) != fmt.Sprint("/d", want) {
				t.Errorf("partition %d lies in %s, the controller thinks in %d", p, f.lies("t", int32(p)), got)
			}
		}
		if attempts != 4 {
			t.Errorf("%d requests for 4 partitions and 3 failures", attempts)
		}
		f.close()

		// Two directories change places: after a restart the image says what the disk does.
		ok(t, disk.Rename("/d1/t-0", "/d2/t-0"))
		f = openDirs(t, disk, "/d1,/d2")
		f.run()
		time.Sleep(time.Minute)
		if f.assigned("t", 0) != 2 || f.lies("t", 0) != "/d2" || f.partition("t", 0).Failure() != nil {
			t.Errorf("partition 0 lies in %s, the controller thinks in %d", f.lies("t", 0), f.assigned("t", 0))
		}
		f.close()
	})
}

// Failure is the error of whoever wants to lead with the partition.
func (p *Partition) Failure() error { _, err := p.leader(); return err }

func TestMoveBetweenDirectories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openDirs(t, vfs.NewMem(), "/d1,/d2")
		f.create("t", 1)
		f.run()
		synctest.Wait()
		p := f.partition("t", 0)
		var want []string
		add := func(n int) {
			for range n {
				v := fmt.Sprint(len(want))
				want = append(want, fmt.Sprintf("%d=%s", len(want), v))
				f.append(p, v)
			}
		}
		add(20)
		ok(t, f.AlterReplicaLogDir("t", 0, "/d2"))
		ok(t, f.AlterReplicaLogDir("t", 0, "/d2")) // the same again
		add(20)
		synctest.Wait()
		add(1)
		if f.lies("t", 0) != "/d2" || f.assigned("t", 0) != 2 {
			t.Errorf("moved to %s, the controller thinks to %d", f.lies("t", 0), f.assigned("t", 0))
		}
		if got := read(t, p, 0); !slices.Equal(got, want) || p.HighWatermark() != 41 {
			t.Errorf("after the move: %v, high watermark %d", got, p.HighWatermark())
		}
		f.close()
	})
}

// TestMoveWaitsForTheController: the copy takes over only when the controller has noted it. A move that turns round, or ends where it began, takes
// back what the controller was told.
func TestMoveWaitsForTheController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openDirs(t, vfs.NewMem(), "/d1,/d2,/d3")
		f.create("t", 1)
		f.run()
		synctest.Wait()
		p := f.partition("t", 0)
		f.append(p, "a")
		var away atomic.Bool
		f.refuse = func(kmsg.Request) error {
			if away.Load() {
				return errors.New("the controller is away")
			}
			return nil
		}
		away.Store(true)
		ok(t, f.AlterReplicaLogDir("t", 0, "/d2"))
		time.Sleep(time.Minute)
		if f.lies("t", 0) != "/d1+" {
			t.Fatalf("lies in %s", f.lies("t", 0))
		}
		f.append(p, "b")
		ok(t, f.AlterReplicaLogDir("t", 0, "/d3")) // turns round
		time.Sleep(time.Minute)
		if _, moving := f.logs.Moving(p.tp); !moving || f.lies("t", 0) != "/d1+" {
			t.Fatalf("lies in %s", f.lies("t", 0))
		}
		away.Store(false)
		time.Sleep(time.Minute)
		if f.lies("t", 0) != "/d3" || f.assigned("t", 0) != 3 {
			t.Errorf("lies in %s, the controller thinks in %d", f.lies("t", 0), f.assigned("t", 0))
		}
		away.Store(true)
		ok(t, f.AlterReplicaLogDir("t", 0, "/d1"))
		time.Sleep(time.Minute)
		ok(t, f.AlterReplicaLogDir("t", 0, "/d3")) // stays
		away.Store(false)
		time.Sleep(time.Minute)
		if f.lies("t", 0) != "/d3" || f.assigned("t", 0) != 3 {
			t.Errorf("lies in %s, the controller thinks in %d", f.lies("t", 0), f.assigned("t", 0))
		}
		if got := fmt.Sprint(read(t, p, 0)); got != "[0=a 1=b]" {
			t.Errorf("read %s", got)
		}
		f.close()
	})
}

func TestMoveGoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		f := openDirs(t, disk, "/d1,/d2")
		f.create("t", 1)
		for range 50 {
			f.append(f.partition("t", 0), "a")
		}
		ok(t, f.AlterReplicaLogDir("t", 0, "/d2")) // nothing runs yet
		if f.lies("t", 0) != "/d1+" {
			t.Fatalf("lies in %s", f.lies("t", 0))
		}
		f.close()
		f = openDirs(t, disk, "/d1,/d2")
		f.run()
		time.Sleep(time.Minute)
		if f.lies("t", 0) != "/d2" || f.assigned("t", 0) != 2 || len(read(t, f.partition("t", 0), 0)) != 50 {
			t.Errorf("lies in %s, the controller thinks in %d", f.lies("t", 0), f.assigned("t", 0))
		}
		f.close()
	})
}

func TestMoveEndsWithTheTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		f := openDirs(t, disk, "/d1,/d2")
		f.refuse = func(kmsg.Request) error { return errors.New("the controller is away") }
		f.create("t", 1)
		f.run()
		ok(t, f.AlterReplicaLogDir("t", 0, "/d2"))
		time.Sleep(time.Minute)
		f.delete("t")
		time.Sleep(time.Minute)
		if infos, err := disk.List("/d2"); err != nil || slices.ContainsFunc(infos, func(i vfs.FileInfo) bool { return strings.HasSuffix(i.Name, "-future") }) {
			t.Errorf("left behind: %v, %v", infos, err)
		}
		if f.numMoving() > 0 {
			t.Error("the move goes on")
		}
		f.close()
	})
}

func (f *fixture) numMoving() int {
	f.moves.mu.Lock()
	defer f.moves.mu.Unlock()
	return len(f.moves.byTP)
}

func TestErrorsOfAlterReplicaLogDir(t *testing.T) {
	f := openDirs(t, vfs.NewMem(), "/d1,/d2")
	defer f.close()
	f.create("t", 1)
	for _, c := range []struct {
		topic, dir string
		want       error
	}{
		{"t", "/d1", nil},
		{"t", "/d9", kerr.LogDirNotFound},
		{"other", "/d2", kerr.UnknownTopicOrPartition},
		{strings.Repeat("x", 240), "/d2", kerr.InvalidTopicException},
	} {
		if err := f.AlterReplicaLogDir(c.topic, 0, c.dir); !errors.Is(err, c.want) {
			t.Errorf("%.20s to %s: %v, want %v", c.topic, c.dir, err, c.want)
		}
	}
	f.create("other", 1) // goes where it was wished to
	if f.lies("other", 0) != "/d2" {
		t.Errorf("a new partition lies in %s", f.lies("other", 0))
	}
	f.create("next", 2)
	if f.lies("next", 0) != "/d1" || f.lies("next", 1) != "/d2" {
		t.Errorf("new partitions lie in %s and %s", f.lies("next", 0), f.lies("next", 1))
	}
}

// TestFailedDirectoryTakesItsPartitionsOffline, and only those.
func TestFailedDirectoryTakesItsPartitionsOffline(t *testing.T) {
	var broken atomic.Bool
	disk := vfs.NewMem()
	fs := vfs.Fault(disk, func(_ vfs.Op, name string) error {
		if broken.Load() && strings.HasPrefix(name, "/d2") {
			return syscall.EIO
		}
		return nil
	})
	f := openDirs(t, fs, "/d1,/d2")
	f.create("t", 2)
	f.run()
	there, lost := f.partition("t", 0), f.partition("t", 1)
	f.append(there, "a")
	f.append(lost, "b")
	waiting := NewWaiter()
	defer lost.Watch(waiting)()
	for f.assigned("t", 1) == 0 {
		time.Sleep(time.Millisecond)
	}
	f.changes = nil

	broken.Store(true)
	if _, err := lost.Append(batch(t, "c"), producer); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("append to a broken disk: %v", err)
	}
	f.DirectoryFailed(<-f.logs.Failures())
	ok(t, waiting.Wait(t.Context()))
	if _, err := f.Partition("t", 1); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("the partition: %v", err)
	}
	if _, err := lost.Read(ReadOptions{MaxBytes: 100, LeaderEpoch: -1, LastFetchedEpoch: -1}); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("read: %v", err)
	}
	if len(f.changes) != 1 || f.changes[0].Leading || f.changes[0].TopicPartition != lost.tp {
		t.Errorf("observers were told %v", f.changes)
	}
	f.append(there, "d")
	if err := f.AlterReplicaLogDir("t", 1, "/d1"); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("moving an offline partition: %v", err)
	}
	if err := f.AlterReplicaLogDir("t", 0, "/d2"); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("moving to an offline directory: %v", err)
	}

	// The controller hears of it: the partition has no leader, and stays offline.
	beat := kmsg.NewPtrBrokerHeartbeatRequest()
	beat.Version, beat.BrokerID, beat.BrokerEpoch, beat.OfflineLogDirs = beat.MaxVersion(), nodeID, f.epoch, [][16]byte{f.logs.DirectoryID("/d2")}
	beat.CurrentMetadataOffset = f.meta.Store().Image().Offset()
	resp, err := beat.RequestWith(t.Context(), f.meta.Controller())
	ok(t, err)
	ok(t, kerr.ErrorForCode(resp.ErrorCode))
	if is := f.meta.Store().Image().Topic("t").Partitions; is[0].Leader != nodeID || is[1].Leader != metadata.NoLeader {
		t.Errorf("leaders %d and %d", is[0].Leader, is[1].Leader)
	}
	if _, err := f.Partition("t", 1); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("the partition: %v", err)
	}

	// New partitions go elsewhere; a topic that is deleted meanwhile can come again.
	f.create("new", 2)
	if f.lies("new", 0) != "/d1" || f.lies("new", 1) != "/d1" {
		t.Errorf("new partitions lie in %s and %s", f.lies("new", 0), f.lies("new", 1))
	}
	f.delete("t")
	f.create("t", 2)
	f.append(f.partition("t", 1), "of the new topic")
	f.close()

	// Started again without the directory, and then with it.
	f = openDirs(t, fs, "/d1,/d2")
	if got := fmt.Sprint(read(t, f.partition("t", 1), 0)); got != "[0=of the new topic]" {
		t.Errorf("with the directory offline: %s", got)
	}
	f.close()
	broken.Store(false)
	f = openDirs(t, fs, "/d1,/d2")
	if got := fmt.Sprint(read(t, f.partition("t", 1), 0)); got != "[0=of the new topic]" {
		t.Errorf("with the directory back: %s", got)
	}
	f.close()
}

// TestPartitionOfADirectoryOfflineFromTheStart is not made anew elsewhere, and comes back with its directory.
func TestPartitionOfADirectoryOfflineFromTheStart(t *testing.T) {
	var broken atomic.Bool
	fs := vfs.Fault(vfs.NewMem(), func(_ vfs.Op, name string) error {
		if broken.Load() && strings.HasPrefix(name, "/d2") {
			return syscall.EIO
		}
		return nil
	})
	f := openDirs(t, fs, "/d1,/d2")
	f.run()
	f.create("t", 2)
	f.append(f.partition("t", 1), "a")
	for f.assigned("t", 1) == 0 {
		time.Sleep(time.Millisecond)
	}
	f.close()
	broken.Store(true)
	f = openDirs(t, fs, "/d1,/d2")
	if _, err := f.Partition("t", 1); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("the partition: %v", err)
	}
	if f.lies("t", 1) != "" {
		t.Errorf("made anew in %s", f.lies("t", 1))
	}
	f.append(f.partition("t", 0), "b")
	f.close()
	broken.Store(false)
	f = openDirs(t, fs, "/d1,/d2")
	if got := fmt.Sprint(read(t, f.partition("t", 1), 0)); got != "[0=a]" {
		t.Errorf("with the directory back: %s", got)
	}
	f.close()
}

func TestMoveToADirectoryThatFails(t *testing.T) {
	var broken atomic.Bool
	fs := vfs.Fault(vfs.NewMem(), func(_ vfs.Op, name string) error {
		if broken.Load() && strings.HasPrefix(name, "/d2") {
			return syscall.EIO
		}
		return nil
	})
	f := openDirs(t, fs, "/d1,/d2")
	f.create("t", 1)
	p := f.partition("t", 0)
	f.append(p, "a")
	ok(t, f.AlterReplicaLogDir("t", 0, "/d2"))
	broken.Store(true)
	f.run()
	f.DirectoryFailed(<-f.logs.Failures())
	f.append(p, "b")
	for f.numMoving() > 0 {
		time.Sleep(time.Millisecond)
	}
	if got := fmt.Sprint(read(t, p, 0)); got != "[0=a 1=b]" || f.lies("t", 0) != "/d1" {
		t.Errorf("read %s from %s", got, f.lies("t", 0))
	}
	f.close()
}
