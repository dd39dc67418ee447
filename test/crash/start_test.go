//go:build linux

package crash

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// holdLock is the variable that makes this program hold a file's lock, as a Java process does, instead of running tests.
const holdLock = "GOKAFKA_CRASH_HOLD_LOCK"

// lockHolder locks a file as FileChannel.lock of Java does, says so, and holds the lock until its input ends.
func lockHolder(name string) int {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err == nil {
		err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart})
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("locked")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// asNobody runs the program as a user who may do little; without root we are such a user already.
func asNobody(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
}

// openToAll makes a new directory that every user can reach.
func openToAll(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gokafka-crash-")
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// refusal is a start that must fail.
type refusal struct {
	dir       string
	change    func(*exec.Cmd)
	overrides []string
	file      string // the configuration, instead of dir and overrides
	lines     int    // on standard error; 0 means one
	words     []string
}

func (r refusal) check(t *testing.T) {
	t.Helper()
	var stderr bytes.Buffer
	change := func(cmd *exec.Cmd) {
		if r.file != "" {
			cmd.Args = []string{program, "server", r.file}
		}
		cmd.Stderr = &stderr
		if r.change != nil {
			r.change(cmd)
		}
	}
	p := spawn(t, r.dir, change, r.overrides...)
	if s := p.await(); s.ExitCode() <= 0 {
		t.Errorf("ended with %s", s)
	}
	text := strings.TrimSpace(stderr.String())
	t.Log(text)
	if n := strings.Count(text, "\n") + 1; n != max(r.lines, 1) {
		t.Errorf("%d lines on standard error, want %d", n, max(r.lines, 1))
	}
	for _, w := range r.words {
		if !strings.Contains(text, w) {
			t.Errorf("the error does not say %q", w)
		}
	}
	for _, bad := range []string{"panic", "goroutine"} {
		if strings.Contains(text, bad) {
			t.Errorf("the error says %q", bad)
		}
	}
}

// TestRefusedStarts: what cannot work is said in one clear line with the way out.
func TestRefusedStarts(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// used is a directory that a broker has run on.
	used := func(t *testing.T, overrides ...string) string {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "data")
		start(t, dir, overrides...).stop()
		return dir
	}
	for name, prepare := range map[string]func(t *testing.T) refusal{
		"port in use": func(t *testing.T) refusal {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return refusal{
				dir: t.TempDir(), overrides: []string{"listeners=PLAINTEXT://" + l.Addr().String()},
				words: []string{l.Addr().String(), "in use by pid", fmt.Sprint(os.Getpid()), "listeners"},
			}
		},
		"address of another machine": func(t *testing.T) refusal {
			return refusal{dir: t.TempDir(), overrides: []string{"listeners=PLAINTEXT://203.0.113.7:0"}, words: []string{"203.0.113.7", "advertised.listeners"}}
		},
		"locked by another gokafka": func(t *testing.T) refusal {
			dir := t.TempDir()
			p := start(t, dir)
			return refusal{dir: dir, words: []string{dir, "in use", fmt.Sprint("pid ", p.cmd.Process.Pid), "log.dirs"}}
		},
		"locked by Apache Kafka": func(t *testing.T) refusal {
			dir := t.TempDir()
			holder := exec.Command(os.Args[0])
			holder.Env = append(os.Environ(), holdLock+"="+filepath.Join(dir, ".lock"))
			holder.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			in, err := holder.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := holder.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := holder.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { in.Close(); _ = holder.Wait() })
			if said := make([]byte, 6); true {
				if _, err := io.ReadFull(out, said); err != nil || string(said) != "locked" {
					t.Fatalf("%q, %v", said, err)
				}
			}
			return refusal{dir: dir, words: []string{dir, "in use", fmt.Sprint("pid ", holder.Process.Pid), "log.dirs"}}
		},
		"unwritable": func(t *testing.T) refusal {
			dir := openToAll(t)
			data := filepath.Join(dir, "data")
			if err := os.Mkdir(data, 0o555); err != nil {
				t.Fatal(err)
			}
			return refusal{dir: data, change: asNobody, words: []string{data, "permission denied", "log.dirs"}}
		},
		"cannot be made": func(t *testing.T) refusal {
			dir := openToAll(t)
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if os.Getuid() != 0 {
				t.Skip("the directory is ours")
			}
			return refusal{dir: dir + "/data", change: asNobody, words: []string{dir + "/data", "permission denied", "log.dirs"}}
		},
		"is a file": func(t *testing.T) refusal {
			file := filepath.Join(t.TempDir(), "data")
			write(t, file, "")
			return refusal{dir: file, words: []string{file, "not a directory", "log.dirs"}}
		},
		"two clusters": func(t *testing.T) refusal {
			a, b := used(t), used(t)
			return refusal{dir: a + "," + b, words: []string{a, b, "cluster", "log.dirs"}}
		},
		"other cluster": func(t *testing.T) refusal {
			dir := used(t)
			return refusal{dir: dir, overrides: []string{"cluster.id=AAAAAAAAQACAAAAAAAAAAQ"}, words: []string{dir, "cluster", "AAAAAAAAQACAAAAAAAAAAQ"}}
		},
		"other node": func(t *testing.T) refusal {
			dir := used(t)
			return refusal{dir: dir, overrides: []string{"node.id=7"}, words: []string{dir, "node.id=1", "7", "log.dirs"}}
		},
		"directory twice": func(t *testing.T) refusal {
			dir := t.TempDir()
			return refusal{dir: dir + "," + dir, words: []string{dir, "twice"}}
		},
		"no such configuration": func(t *testing.T) refusal {
			return refusal{file: "/no/such/server.properties", words: []string{"/no/such/server.properties", "no such file"}}
		},
		"bad configuration": func(t *testing.T) refusal {
			dir := t.TempDir()
			file := filepath.Join(dir, "server.properties")
			write(t, file, "node.id=1\nlog.retention.hours=7d\n\nnum.partitions=0\nlog.cleanup.policy=shred\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs="+dir+"\n")
			return refusal{file: file, lines: 4, words: []string{file + ":2:", "log.retention.hours", "7d", file + ":4:", "num.partitions", file + ":5:", "shred", "3 mistakes"}}
		},
		"full disk": func(t *testing.T) refusal {
			dir := smallDisk(t, 256<<10)
			fillDisk(t, dir)
			return refusal{dir: filepath.Join(dir, "data"), words: []string{dir, "no space left", "make room"}}
		},
		"damaged meta.properties": func(t *testing.T) refusal {
			dir := used(t)
			write(t, dir+"/meta.properties", "version=1\nnode.id=one\n")
			return refusal{dir: dir, words: []string{dir + "/meta.properties", "node.id", "repair"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prepare(t).check(t)
		})
	}
}
