package log

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

func always(c config.Topic) func(string) config.Topic { return func(string) config.Topic { return c } }

func TestPlacement(t *testing.T) {
	bad := atomic.Pointer[string]{}
	disk := vfs.NewMem()
	o := managerOptions(t, vfs.Fault(disk, func(op vfs.Op, name string) error {
		if p := bad.Load(); p != nil && op.Changes() && strings.HasPrefix(name, *p) {
			return syscall.EROFS
		}
		return nil
	}))
	o.Dirs = []string{"/d1", "/d2", "/d3"}
	m := openManager(t, o)
	dirOf := func(l *Log) string { return path.Dir(l.Dir()) }
	for i, want := range []string{"/d1", "/d2", "/d3", "/d1"} {
		if got := dirOf(m.create(tp("even", int32(i)), 1)); got != want {
			t.Errorf("partition %d went to %s", i, got)
		}
	}
	m.createIn(tp("named", 0), "/d1")
	must(t, m.PreferDir(tp("asked", 0), "/d1"))
	if err := m.PreferDir(tp("asked", 1), "/elsewhere"); !errors.Is(err, kerr.LogDirNotFound) {
		t.Errorf("an unknown directory: %v", err)
	}
	l, err := m.CreateIn(tp("asked", 0), CreateOptions{TopicID: [16]byte{1}, Config: m.topc, Directory: m.DirectoryID("/d2")})
	must(t, err)
	if dirOf(l) != "/d1" {
		t.Errorf("what AlterReplicaLogDirs asked for went to %s", dirOf(l))
	}
	// A directory of another node's, or taken out of log.dirs: any will do.
	l, err = m.CreateIn(tp("gone", 0), CreateOptions{TopicID: [16]byte{1}, Config: m.topc, Directory: [16]byte{1, 2, 3}, Existed: true})
	must(t, err)
	if dirOf(l) != "/d2" {
		t.Errorf("went to %s", dirOf(l))
	}

	// A directory that turns out not to work is passed over, and offline from then on.
	bad.Store(ptr("/d3"))
	if got := dirOf(m.create(tp("even", 5), 1)); got != "/d2" {
		t.Errorf("went to %s", got)
	}
	if f := <-m.Failures(); f.Dir != "/d3" || f.ID != m.DirectoryID("/d3") {
		t.Errorf("told of %+v", f)
	}
	// What may lie in it is not made anew elsewhere.
	for _, c := range []CreateOptions{{Directory: m.DirectoryID("/d3")}, {Directory: [16]byte{1, 2, 3}}, {Existed: true}} {
		c.TopicID, c.Config = [16]byte{1}, m.topc
		if _, err := m.CreateIn(tp("lost", 0), c); !errors.Is(err, kerr.KafkaStorageError) {
			t.Errorf("%+v: %v", c.Directory, err)
		}
	}
	if err := m.PreferDir(tp("asked", 1), "/d3"); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("an offline directory: %v", err)
	}
	if _, err := m.StartMove(tp("even", 0), "/d2"); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("a move while a directory is offline: %v", err)
	}
	must(t, m.Close())
}

func ptr[T any](v T) *T { return &v }

// TestFailuresOfADirectory goes through the ways in which a disk fails.
func TestFailuresOfADirectory(t *testing.T) {
	for _, c := range []struct {
		what string
		err  error
		ops  []vfs.Op
		do   func(m *testManager, l *Log) error
	}{
		{"read", syscall.EIO, []vfs.Op{vfs.OpRead}, func(_ *testManager, l *Log) error { _, err := contents(l, 1000); return err }},
		{"open", syscall.EIO, []vfs.Op{vfs.OpOpen}, func(_ *testManager, l *Log) error { _, err := l.Read(0, 1, 100, true); return err }},
		{"unmounted", fs.ErrNotExist, []vfs.Op{vfs.OpOpen, vfs.OpStat, vfs.OpList}, func(_ *testManager, l *Log) error { _, err := l.Read(0, 1, 100, true); return err }},
		{"read-only", syscall.EROFS, []vfs.Op{vfs.OpCreate, vfs.OpWrite, vfs.OpRename, vfs.OpRemove}, func(m *testManager, l *Log) error {
			_, err := l.Append(plainBatch(m.t, 1, 1), AppendOptions{})
			return err
		}},
		{"sync", syscall.EIO, []vfs.Op{vfs.OpSync}, func(_ *testManager, l *Log) error { return l.Flush() }},
		{"checkpoint", syscall.EIO, []vfs.Op{vfs.OpRename}, func(m *testManager, _ *Log) error { return m.checkpointAll(recoveryPointFile) }},
		{"look at an idle one", syscall.EIO, []vfs.Op{vfs.OpStat}, func(m *testManager, _ *Log) error {
			return errors.Join(m.checkpointAll(highWatermarkFile), m.checkpointAll(highWatermarkFile))
		}},
		{"delete", syscall.EROFS, []vfs.Op{vfs.OpRename}, func(m *testManager, _ *Log) error { return m.Delete(tp("t", 0)) }},
	} {
		t.Run(c.what, func(t *testing.T) {
			var broken atomic.Bool
			m := openManager(t, managerOptions(t, vfs.Fault(vfs.NewMem(), func(op vfs.Op, name string) error {
				if broken.Load() && strings.HasPrefix(name, "/d1") && slices.Contains(c.ops, op) {
					return c.err
				}
				return nil
			})))
			l, other := m.createIn(tp("t", 0), "/d1"), m.createIn(tp("t", 1), "/d2")
			addTo(t, l, 3)
			l.closeFiles()
			broken.Store(true)
			if err := c.do(m, l); !errors.Is(err, kerr.KafkaStorageError) {
				t.Errorf("answered %v", err)
			}
			select {
			case f := <-m.Failures():
				if f.Dir != "/d1" {
					t.Errorf("told of %+v", f)
				}
			default:
				t.Error("nobody was told")
			}
			if l.Failure() == nil || !slices.Equal(m.Dirs(), []string{"/d2"}) {
				t.Errorf("directories that work: %v", m.Dirs())
			}
			addTo(t, other, 1)
			must(t, m.Close())
		})
	}
}

// TestNotEveryErrorIsTheDisks: a missing file and a process without descriptors take
// no directory offline.
func TestNotEveryErrorIsTheDisks(t *testing.T) {
	var failing atomic.Pointer[error]
	m := openManager(t, managerOptions(t, vfs.Fault(vfs.NewMem(), func(op vfs.Op, name string) error {
		if e := failing.Load(); e != nil && op == vfs.OpOpen && strings.HasSuffix(name, ".log") {
			return *e
		}
		return nil
	})))
	l := m.createIn(tp("t", 0), "/d1")
	addTo(t, l, 3)
	for _, err := range []error{syscall.ENOENT, syscall.EMFILE} {
		l.closeFiles()
		failing.Store(&err)
		if _, err := l.Read(0, 1, 100, true); !errors.Is(err, kerr.KafkaStorageError) {
			t.Errorf("read: %v", err)
		}
		failing.Store(nil)
		if got, err := contents(l, 1000); err != nil || len(got) != 3 {
			t.Errorf("afterwards: %v, %v", got, err)
		}
	}
	must(t, m.Close())
}

// TestBrokenDirectoryAtTheStart: the others start, and what lies in it is neither
// made anew nor forgotten.
func TestBrokenDirectoryAtTheStart(t *testing.T) {
	for _, c := range []struct {
		what string
		rule func(op vfs.Op, name string) bool
	}{
		{"unreadable", func(op vfs.Op, name string) bool { return op == vfs.OpList && name == "/d1" }},
		{"unwritable", func(op vfs.Op, _ string) bool { return op.Changes() || op == vfs.OpLock }},
		{"the mark cannot be removed", func(op vfs.Op, name string) bool {
			return op == vfs.OpRemove && strings.HasSuffix(name, cleanShutdownFile)
		}},
		{"no files can be read", func(op vfs.Op, _ string) bool { return op == vfs.OpRead }},
		{"one log cannot be read", func(op vfs.Op, name string) bool { return op == vfs.OpRead && strings.HasSuffix(name, ".log") }},
	} {
		t.Run(c.what, func(t *testing.T) {
			var broken atomic.Bool
			o := managerOptions(t, vfs.Fault(vfs.NewMem(), func(op vfs.Op, name string) error {
				if broken.Load() && strings.HasPrefix(name, "/d1") && c.rule(op, name) {
					return syscall.EIO
				}
				return nil
			}))
			m := openManager(t, o)
			addTo(t, m.createIn(tp("t", 0), "/d1"), 4)
			addTo(t, m.createIn(tp("t", 1), "/d2"), 4)
			id := m.DirectoryID("/d1")
			must(t, m.Close())
			broken.Store(true)
			m = openManager(t, o)
			if !slices.Equal(m.Dirs(), []string{"/d2"}) || m.log("t", 1).EndOffset() != 4 {
				t.Fatalf("directories that work: %v", m.Dirs())
			}
			if l, ok := m.Get(tp("t", 0)); ok && l.Failure() == nil {
				t.Error("a partition of the broken directory is in use")
			}
			if l, err := m.CreateIn(tp("t", 0), CreateOptions{TopicID: [16]byte{1}, Config: m.topc, Directory: id, Existed: true}); err == nil && l.Failure() == nil {
				t.Errorf("it was made anew in %s", l.Dir())
			}
			must(t, m.Close())
			broken.Store(false)
			m = openManager(t, o)
			if len(m.Dirs()) != 2 || m.log("t", 0).EndOffset() != 4 {
				t.Errorf("after the repair: %v", m.Dirs())
			}
			must(t, m.Close())
		})
	}
}

func TestNoDirectoryIsLeft(t *testing.T) {
	var broken atomic.Bool
	o := managerOptions(t, vfs.Fault(vfs.NewMem(), func(op vfs.Op, name string) error {
		if broken.Load() && op == vfs.OpList {
			return syscall.EIO
		}
		return nil
	}))
	m, err := OpenDirs(o)
	must(t, err)
	broken.Store(true)
	if err := m.Load(t.Context(), always(kafkaTopic())); !errors.Is(err, kerr.KafkaStorageError) || !strings.Contains(err.Error(), "all log directories") {
		t.Errorf("Load: %v", err)
	}
	must(t, m.Close())
}

func TestCopiedDirectoryIsRefused(t *testing.T) {
	disk := vfs.NewMem()
	o := managerOptions(t, disk)
	must(t, openManager(t, o).Close())
	text, err := disk.ReadFile("/d1/" + metaPropertiesFile)
	must(t, err)
	must(t, disk.WriteFileAtomic("/d2/"+metaPropertiesFile, text, true))
	if _, err := OpenDirs(o); err == nil || !strings.Contains(err.Error(), "same directory.id") {
		t.Errorf("OpenDirs: %v", err)
	}
}

// TestTwoDirectoriesOfAPartition: the longer one stays, whichever comes first.
func TestTwoDirectoriesOfAPartition(t *testing.T) {
	for _, longer := range []string{"/d1", "/d2"} {
		disk := vfs.NewMem()
		o := managerOptions(t, disk)
		m := openManager(t, o)
		addTo(t, m.createIn(tp("t", 0), "/d1"), 4)
		addTo(t, m.createIn(tp("u", 0), "/d2"), 4)
		addTo(t, m.createIn(tp("u", 0), "/d2"), 1)
		must(t, m.Close())
		must(t, disk.Rename("/d2/u-0", "/d2/t-0"))
		if longer == "/d1" {
			must(t, disk.Rename("/d1/t-0", "/d1/x-0"))
			must(t, disk.Rename("/d2/t-0", "/d1/t-0"))
			must(t, disk.Rename("/d1/x-0", "/d2/t-0"))
		}
		m = openManager(t, o)
		if l := m.log("t", 0); l.Dir() != longer+"/t-0" || l.EndOffset() != 5 {
			t.Errorf("%s with %d records stayed, want that in %s", l.Dir(), l.EndOffset(), longer)
		}
		if both := append(names(t, disk, "/d1", "t-0"), names(t, disk, "/d2", "t-0")...); !slices.Contains(both, "t-0-stray") || len(both) != 2 {
			t.Errorf("directories: %v", both)
		}
		must(t, m.Close())
	}
}

// TestCopyWithoutOriginal: the copy takes over only where the cluster has agreed to
// the move, and not while the original may come back.
func TestCopyWithoutOriginal(t *testing.T) {
	for _, c := range []struct {
		what           string
		agreed         bool
		offline, there bool
		want           []string // in /d2
	}{
		{"agreed", true, false, false, []string{"t-0"}},
		{"not agreed", false, false, false, []string{"t-0-stray"}},
		{"the original is offline", true, true, false, []string{"t-0-future"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			var broken atomic.Bool
			disk := vfs.NewMem()
			o := managerOptions(t, vfs.Fault(disk, func(op vfs.Op, name string) error {
				if broken.Load() && strings.HasPrefix(name, "/d1") {
					return syscall.EIO
				}
				return nil
			}))
			m := openManager(t, o)
			addTo(t, m.createIn(tp("t", 0), "/d1"), 4)
			v := m.startMove(tp("t", 0), "/d2")
			must1[int](t)(v.Copy(1000))
			must(t, m.Close())
			if c.offline {
				broken.Store(true)
			} else {
				must(t, disk.RemoveAll("/d1/t-0"))
			}
			m2, err := OpenDirs(o)
			must(t, err)
			m2.UseAssignments(func(protocol.TopicPartition, [16]byte) ([16]byte, bool) {
				return m2.DirectoryID("/d2"), c.agreed
			})
			if !c.agreed {
				m2.UseAssignments(nil)
			}
			must(t, m2.Load(t.Context(), always(kafkaTopic())))
			if got := names(t, disk, "/d2", "t-0"); !slices.Equal(got, c.want) {
				t.Errorf("in /d2: %v, want %v", got, c.want)
			}
			l, ok := m2.Get(tp("t", 0))
			if takes := slices.Equal(c.want, []string{"t-0"}); ok != takes || takes && (l.EndOffset() != 4 || l.Dir() != "/d2/t-0") {
				t.Errorf("in use: %v", ok)
			}
			if c.offline {
				if _, err := m2.CreateIn(tp("t", 0), CreateOptions{TopicID: [16]byte{1}, Directory: m2.DirectoryID("/d2")}); !errors.Is(err, kerr.KafkaStorageError) {
					t.Errorf("made anew beside the copy: %v", err)
				}
			}
			must(t, m2.Close())
		})
	}
}

func TestMoveKeepsToTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for window, want := range map[string]time.Duration{"1": 5 * time.Second, "3": 3 * time.Second} { // two samples of a second are free
			m := openManager(t, managerOptions(t, vfs.NewMem(), "alter.log.dirs.replication.quota.window.num="+window))
			m.createIn(tp("t", 0), "/d1")
			v := m.startMove(tp("t", 0), "/d2")
			began := time.Now()
			for range 10 {
				must(t, v.Pay(t.Context(), 1000, 2000))
			}
			if took := time.Since(began); took < want-500*time.Millisecond || took > want+500*time.Millisecond {
				t.Errorf("window of %s: 10,000 bytes at 2,000 a second took %v, want %v", window, took, want)
			}
			must(t, m.Close())
		}
	})
}

// TestCordonedDirectories (KIP-1066): new partitions go elsewhere while there is an
// elsewhere; those that the controller has placed, or that are there, stay.
func TestCordonedDirectories(t *testing.T) {
	cfg := testConfig(t, "log.dirs=/d1,/d2")
	o := managerOptions(t, vfs.NewMem())
	o.Config = func() *config.Config { return cfg }
	m := openManager(t, o)
	cordon := func(dirs string) {
		t.Helper()
		var err error
		cfg, err = cfg.WithDynamic(nil, map[string]string{"cordoned.log.dirs": dirs})
		must(t, err)
	}
	in := func(p int32, dir string) {
		t.Helper()
		if l := m.create(tp("t", p), 1); l.Dir() != dir+"/"+tp("t", p).String() {
			t.Errorf("partition %d is in %s, want %s", p, l.Dir(), dir)
		}
	}
	cordon("/d1")
	in(0, "/d2")
	in(1, "/d2")
	if got := m.CordonedDirs(); len(got) != 1 || got[0] != m.DirectoryID("/d1") {
		t.Errorf("cordoned: %v", got)
	}
	if err := m.CheckNotCordoned("/d1"); !errors.Is(err, kerr.InvalidReplicaAssignment) {
		t.Errorf("CheckNotCordoned: %v", err)
	}
	must(t, m.CheckNotCordoned("/d2"))
	for _, u := range m.DirUsage() {
		if u.Cordoned != (u.Dir == "/d1") {
			t.Errorf("%s is described as cordoned: %v", u.Dir, u.Cordoned)
		}
	}
	l, err := m.CreateIn(tp("t", 2), CreateOptions{TopicID: [16]byte{1}, Config: kafkaTopic(), Directory: m.DirectoryID("/d1")})
	must(t, err)
	if l.Dir() != "/d1/t-2" {
		t.Errorf("what was placed in /d1 is in %s", l.Dir())
	}
	cordon("*")
	in(3, "/d1") // all are: the one with fewer
	cordon("")
	if got := m.CordonedDirs(); len(got) != 0 {
		t.Errorf("cordoned: %v", got)
	}
	must(t, m.Close())
}
