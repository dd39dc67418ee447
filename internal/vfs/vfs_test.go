package vfs_test

import (
	"bufio"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gokafka/gokafka/internal/vfs"
	"github.com/gokafka/gokafka/internal/vfs/vfstest"
)

func TestOS(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) (vfs.FS, string) { return vfs.OS(), t.TempDir() })
}

func newMem(t *testing.T) (*vfs.Mem, string) {
	m := vfs.NewMem()
	must(t, m.MkdirAll("/data"))
	return m, "/data"
}

func TestMem(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) (vfs.FS, string) { return newMem(t) })
}

func TestFaultWithoutFaults(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) (vfs.FS, string) {
		m, root := newMem(t)
		return vfs.Fault(m, func(vfs.Op, string) error { return nil }), root
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestLockExcludesAnotherProcess runs this test binary a second time as the
// process that holds the lock.
func TestLockExcludesAnotherProcess(t *testing.T) {
	if name := os.Getenv("VFS_TEST_HOLD_LOCK"); name != "" {
		l, err := vfs.OS().Lock(name)
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("locked\n")
		bufio.NewReader(os.Stdin).ReadString('\n')
		l.Close()
		return
	}
	name := filepath.Join(t.TempDir(), ".lock")
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockExcludesAnotherProcess$")
	cmd.Env = append(os.Environ(), "VFS_TEST_HOLD_LOCK="+name)
	stdin, err := cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "locked\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	_, err = vfs.OS().Lock(name)
	var held *vfs.LockedError
	if !errors.As(err, &held) || held.Self || held.PID != cmd.Process.Pid {
		t.Errorf("Lock = %v, want one that names pid %d", err, cmd.Process.Pid)
	}
	stdin.Close()
	must(t, cmd.Wait())
	l, err := vfs.OS().Lock(name)
	must(t, err)
	must(t, l.Close())
}

func TestCrashKeepsWhatWasSyncedAndAPrefixOfTheRest(t *testing.T) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, 0))
	var sizes []int
	for range 200 {
		m, root := newMem(t)
		must(t, m.SyncDir("/"))
		f, err := m.Create(root + "/f")
		must(t, err)
		must(t, m.SyncDir(root))
		_, err = f.Write([]byte("durable "))
		must(t, err)
		must(t, f.Sync())
		for range 4 {
			_, err = f.Write([]byte("abcdefgh"))
			must(t, err)
		}
		got, err := m.CrashClone(rng).ReadFile(root + "/f")
		must(t, err)
		if !strings.HasPrefix("durable abcdefghabcdefghabcdefghabcdefgh", string(got)) || len(got) < 8 {
			t.Fatalf("a crash left %q", got)
		}
		sizes = append(sizes, len(got))
	}
	slices.Sort(sizes)
	torn := slices.ContainsFunc(sizes, func(n int) bool { return n%8 != 0 })
	if sizes[0] != 8 || sizes[len(sizes)-1] != 40 || !torn {
		t.Errorf("crashes left too few different sizes: %v", slices.Compact(sizes))
	}
}

func TestCrashLosesNamesThatWereNotSynced(t *testing.T) {
	m, root := newMem(t)
	must(t, m.SyncDir("/"))
	must(t, m.WriteFileAtomic(root+"/old", []byte("1"), true))
	must(t, m.WriteFileAtomic(root+"/old", []byte("2"), false))
	must(t, m.WriteFileAtomic(root+"/new", []byte("3"), false))
	c := m.CrashClone(nil)
	if got, err := c.ReadFile(root + "/old"); err != nil || string(got) != "1" {
		t.Errorf("old holds %q, %v", got, err)
	}
	if infos, err := c.List(root); err != nil || len(infos) != 1 {
		t.Errorf("left: %+v, %v", infos, err)
	}
	if _, err := m.ReadFile(root + "/new"); err != nil {
		t.Errorf("the original changed: %v", err)
	}
}

func TestKillLosesNothing(t *testing.T) {
	m, root := newMem(t)
	must(t, m.WriteFileAtomic(root+"/old", []byte("1"), true))
	must(t, m.Rename(root+"/old", root+"/new"))
	f, err := m.Create(root + "/torn")
	must(t, err)
	for range 3 {
		_, err = f.Write([]byte("never synced "))
		must(t, err)
	}
	_, err = m.Lock(root + "/.lock")
	must(t, err)
	c := m.KillClone()
	must(t, m.Remove(root+"/new"))
	for name, want := range map[string]string{"new": "1", "torn": "never synced never synced never synced "} {
		if got, err := c.ReadFile(root + "/" + name); err != nil || string(got) != want {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	if _, err := c.Stat(root + "/old"); err == nil {
		t.Error("a renamed file has its old name too")
	}
	if _, err := c.Lock(root + "/.lock"); err != nil {
		t.Error(err)
	}
}

func TestCrashForgetsLocks(t *testing.T) {
	m, root := newMem(t)
	must(t, m.SyncDir("/"))
	_, err := m.Lock(root + "/.lock")
	must(t, err)
	must(t, m.SyncDir(root))
	if _, err := m.CrashClone(nil).Lock(root + "/.lock"); err != nil {
		t.Error(err)
	}
}

func TestFaultRules(t *testing.T) {
	m, root := newMem(t)
	var fail error
	var trace []string
	f := vfs.Fault(m, func(op vfs.Op, name string) error {
		trace = append(trace, string(op)+" "+strings.TrimPrefix(name, root+"/"))
		if op == vfs.OpWrite {
			return fail
		}
		return nil
	})
	must(t, f.WriteFileAtomic(root+"/f", []byte("content"), true))
	want := []string{"create f.tmp", "write f.tmp", "sync f.tmp", "close f.tmp", "rename f.tmp", "sync-dir " + root}
	if !slices.Equal(trace, want) {
		t.Errorf("trace %q, want %q", trace, want)
	}
	fail = syscall.ENOSPC
	if err := f.WriteFileAtomic(root+"/f", []byte("other"), true); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write with a full disk: %v", err)
	}
	if infos, _ := f.List(root); len(infos) != 1 {
		t.Errorf("left behind: %+v", infos)
	}
	fail = &vfs.TornWrite{N: 2, Err: syscall.EIO}
	file, err := f.Create(root + "/torn")
	must(t, err)
	if n, err := file.WriteAt([]byte("abcd"), 0); n != 2 || !errors.Is(err, syscall.EIO) {
		t.Errorf("torn write = %d, %v", n, err)
	}
	if got, _ := f.ReadFile(root + "/torn"); string(got) != "ab" {
		t.Errorf("torn write left %q", got)
	}
}
