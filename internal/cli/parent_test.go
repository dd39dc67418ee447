package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// server is a broker of this binary in a process of its own; it may be waited for.
func server(t *testing.T, environ []string, flags ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	args := append([]string{"server", "--override", "log.dirs=" + t.TempDir(), "--override", "listeners=PLAINTEXT://127.0.0.1:0"}, flags...)
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(append(os.Environ(), "GOKAFKA_TEST_AS=gokafka"), environ...)
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, stderr
}

// TestServiceManagerIsTold runs the broker as systemd does, with Type=notify and a watchdog.
func TestServiceManagerIsTold(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no datagrams through a file")
	}
	dir, err := os.MkdirTemp("", "notify") // the name of a socket has room for about 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	hear := func() string {
		t.Helper()
		b := make([]byte, 4096)
		if err := socket.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := socket.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	cmd, stderr := server(t, []string{"NOTIFY_SOCKET=" + filepath.Join(dir, "s"), "WATCHDOG_USEC=20000"})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, status, _ := strings.Cut(hear(), "\n")
	addr, ok := strings.CutPrefix(status, "STATUS=serving ")
	if ready != "READY=1" || !ok {
		t.Fatalf("at the start: %q, %q", ready, status)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal("ready, but ", err)
	}
	conn.Close()
	for range 3 {
		if s := hear(); s != "WATCHDOG=1" {
			t.Errorf("between start and stop: %q", s)
		}
	}
	cmd.Process.Signal(syscall.SIGTERM)
	for {
		if s := hear(); s == "STOPPING=1" {
			break
		} else if s != "WATCHDOG=1" {
			t.Fatalf("at the stop: %q", s)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr)
	}
}

func TestServiceManagerThatDoesNotListen(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	environ := []string{"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "nobody"), "WATCHDOG_USEC=1000", "WATCHDOG_PID=1"}
	n := newNotifier(environ, 2, zap.New(core))
	if n.watchdog != 0 {
		t.Error("takes the watchdog of process 1 for its own")
	}
	n.ready(t.Context(), "")()
	if got := logs.FilterMessage("cannot tell the service manager").Len(); got != 1 {
		t.Errorf("%d warnings, want 1", got)
	}
	newNotifier(nil, 2, zap.New(core)).ready(t.Context(), "")()
	if logs.Len() != 1 {
		t.Errorf("without a service manager: %v", logs.All())
	}
}

// TestProgramThatStartsGokafka reads the address from the ready file and ends the broker by closing the pipe.
func TestProgramThatStartsGokafka(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ready.json")
	if err := os.WriteFile(file, []byte("of a broker long gone"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, stderr := server(t, nil, "--ready-file", file, "--exit-with-stdin", "--quiet")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var r readyFile
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(file)
		if err == nil && json.Unmarshal(text, &r) == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("no ready file: %v\n%s", err, stderr)
		}
	}
	if r.PID != cmd.Process.Pid || r.Version != "test" || r.NodeID != 1 || len(r.ClusterID) != 22 || len(r.LogDirs) != 1 {
		t.Errorf("ready file: %+v", r)
	}
	want := []readyListener{{Name: "PLAINTEXT", Protocol: "PLAINTEXT", Bound: r.Bootstrap, Advertised: r.Bootstrap}}
	if !slices.Equal(r.Listeners, want) {
		t.Errorf("listeners %+v, want %+v", r.Listeners, want)
	}
	conn, err := net.Dial("tcp", r.Bootstrap)
	if err != nil {
		t.Fatal("ready, but ", err)
	}
	conn.Close()
	stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, stderr)
	}
	if !strings.Contains(stderr.String(), "gokafka: the end of standard input, stopping") {
		t.Errorf("standard error: %s", stderr)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the ready file is still there: %v", err)
	}
}

func TestReadyFileThatCannotBeWritten(t *testing.T) {
	cmd, stderr := server(t, nil, "--ready-file", filepath.Join(t.TempDir(), "no", "folder", "ready.json"))
	cmd.Run()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "gokafka: --ready-file: ") {
		t.Errorf("exit status %d\n%s", cmd.ProcessState.ExitCode(), stderr)
	}
}
