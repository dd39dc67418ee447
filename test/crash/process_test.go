//go:build linux

package crash

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the gokafka that is tested.
var program string

func TestMain(m *testing.M) {
	if name := os.Getenv(holdLock); name != "" {
		os.Exit(lockHolder(name))
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	if program = os.Getenv("GOKAFKA_CRASH_BIN"); program != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "gokafka-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // a test runs the program as another user
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program = filepath.Join(dir, "gokafka")
	args := []string{"build", "-o", program}
	if os.Getenv("GOKAFKA_CRASH_RACE") != "" {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "github.com/gokafka/gokafka/cmd/gokafka")...)
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building gokafka:", err)
		return 1
	}
	return m.Run()
}

// rounds is how often the tests under load end the broker.
func rounds(t testing.TB) int {
	n := 3
	if s := os.Getenv("GOKAFKA_CRASH_ROUNDS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 1 {
			t.Fatalf("GOKAFKA_CRASH_ROUNDS=%s: a positive number, please", s)
		}
	}
	return n
}

// patience bounds every wait for something that must happen: large, for a busy machine; no test asserts how long something took.
const patience = 60 * time.Second

// output collects what a process says on standard output and standard error.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer  // guarded by mu
	addr string        // guarded by mu: of the first listener, once it is known
	up   chan struct{} // closed when addr is
}

var readyLine = regexp.MustCompile(`(?m)^gokafka \S+ is ready .*PLAINTEXT (\S+:\d+) `)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if o.addr == "" {
		if m := readyLine.FindSubmatch(o.text.Bytes()); m != nil {
			o.addr = string(m[1])
			close(o.up)
		}
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) tail() string {
	s := o.String()
	if cut := len(s) - 6000; cut > 0 {
		s = "…" + s[cut:]
	}
	return s
}

// process is a gokafka that was started.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	out  *output
	done chan struct{} // closed when it has ended
}

// spawn starts gokafka server on a free port with its data in dir, without waiting for it to be ready. change may alter the command.
func spawn(t testing.TB, dir string, change func(*exec.Cmd), overrides ...string) *process {
	t.Helper()
	args := []string{"server", "--log-format", "text", "--override", "log.dirs=" + dir}
	if !strings.Contains(strings.Join(overrides, " "), "listeners=") {
		args = append(args, "--override", "listeners=PLAINTEXT://127.0.0.1:0")
	}
	for _, o := range overrides {
		args = append(args, "--override", o)
	}
	cmd := exec.Command(program, args...)
	// Should the tests themselves be killed, nothing stays behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return run(t, cmd, change)
}

func run(t testing.TB, cmd *exec.Cmd, change func(*exec.Cmd)) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, out: &output{up: make(chan struct{})}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if change != nil {
		change(cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process, which cleanup kills
		_ = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.cleanup)
	return p
}

// start starts gokafka and waits until it is ready.
func start(t testing.TB, dir string, overrides ...string) *process {
	t.Helper()
	p := spawn(t, dir, nil, overrides...)
	p.awaitReady()
	return p
}

func (p *process) awaitReady() {
	p.t.Helper()
	select {
	case <-p.out.up:
	case <-p.done:
		p.t.Fatalf("gokafka ended instead of becoming ready: %s\n%s", p.cmd.ProcessState, p.out.tail())
	case <-time.After(patience):
		p.t.Fatalf("gokafka is not ready\n%s", p.out.tail())
	}
}

// addr is where the broker listens.
func (p *process) addr() string {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	return p.out.addr
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// await waits for the end of the process.
func (p *process) await() *os.ProcessState {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("gokafka does not end\n%s", p.out.tail())
	}
	return p.cmd.ProcessState
}

// kill is kill -9.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	p.await()
}

// stop asks the process to stop and checks that it does, with status 0.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if s := p.await(); !s.Success() {
		p.t.Fatalf("after SIGTERM gokafka ended with %s\n%s", s, p.out.tail())
	}
}

// cleanup ends the process and looks for what must not be in any output.
func (p *process) cleanup() {
	if p.running() {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	text := p.out.String()
	for _, bad := range []string{"panic", "DATA RACE", "goroutine 1", "fatal error"} {
		if at := strings.Index(text, bad); at >= 0 {
			p.t.Errorf("gokafka said %q: %s", bad, text[at:min(len(text), at+4000)])
		}
	}
	if p.t.Failed() {
		p.t.Logf("gokafka (pid %d) said:\n%s", p.cmd.Process.Pid, p.out.tail())
	}
}

// said fails unless the output holds all words.
func (p *process) said(words ...string) {
	p.t.Helper()
	text := p.out.String()
	for _, w := range words {
		if !strings.Contains(text, w) {
			p.t.Errorf("no %q in what gokafka said:\n%s", w, p.out.tail())
		}
	}
}

// status reads a number of /proc/PID/status, such as VmRSS in KiB or Threads.
func (p *process) status(key string) int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == key+":" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				p.t.Fatal(err)
			}
			return n
		}
	}
	p.t.Fatalf("no %s in /proc/PID/status", key)
	return 0
}

// numFDs counts the open file descriptors.
func (p *process) numFDs() int {
	p.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(entries)
}

// eventually waits until ok returns "", and fails with what it said last when it never does.
func eventually(t testing.TB, ok func() string) {
	t.Helper()
	var last string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if last = ok(); last == "" {
			return
		}
	}
	t.Fatal(last)
}
