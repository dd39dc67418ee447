package docs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/tools"
)

// notRun stands for the output of a block that was left out.
const notRun = "\x00"

// deadline is for one block; nothing is measured with it.
const deadline = 4 * time.Minute

// TestPages runs every page from its top.
func TestPages(t *testing.T) {
	bin := build(t)
	for _, page := range pages(t) {
		blocks := read(t, page)
		if !slices.ContainsFunc(blocks, func(b block) bool { return b.language == "sh" || b.language == "properties" }) {
			continue
		}
		t.Run(strings.ReplaceAll(page, "/", "_"), func(t *testing.T) {
			t.Parallel()
			newSandbox(t, bin).run(blocks)
		})
	}
}

// build makes the binary, once for all pages, as README.md says.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "gokafka")
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/gokafka")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// sandbox is where a page is run.
type sandbox struct {
	t          *testing.T
	dir        string
	port       string
	environ    []string
	background *exec.Cmd
	ended      chan error    // of the background block
	log        *lockedBuffer // of the background block
	printed    string        // by the last block that ran
	live       bool          // that was the background block, which goes on printing
}

// shim stands before gokafka in PATH: it moves brokers that are started without an address from port 9092, where another may be, and from /tmp.
const shim = `#!/bin/sh
case $1 in
server) export KAFKA_LISTENERS="${KAFKA_LISTENERS:-PLAINTEXT://localhost:@port@}" KAFKA_LOG_DIRS="${KAFKA_LOG_DIRS:-@dir@/data}" ;;
dev) case " $* " in *" -p "* | *" --port "*) ;; *) set -- "$@" --port @port@ ;; esac ;;
esac
exec @bin@ "$@"
`

var given sync.Map // the ports of all pages

// freePort is a port that nobody listens on and no other page gets. It is below those that the system gives to whoever dials or asks for any: the page
// needs it only later, and again after its broker has ended.
func freePort() string {
	for {
		port := strconv.Itoa(13000 + rand.IntN(18000))
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		if l, err := net.Listen("tcp", ":"+port); err == nil { // of both families
			l.Close()
			return port
		}
	}
}

func newSandbox(t *testing.T, bin string) *sandbox {
	t.Helper()
	port := freePort()
	s := &sandbox{t: t, dir: t.TempDir(), port: port, log: new(lockedBuffer)}
	path := filepath.Join(t.TempDir(), "bin")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("@port@", port, "@dir@", s.dir, "@bin@", bin).Replace(shim)
	if err := os.WriteFile(filepath.Join(path, "gokafka"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tool := range tools.All() {
		for _, name := range []string{tool.Name, tool.Name + ".sh"} {
			if err := os.Symlink(bin, filepath.Join(path, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "config"), filepath.Join(s.dir, "config")); err != nil { // as in a checkout or an archive
		t.Fatal(err)
	}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "KAFKA_") && !strings.HasPrefix(v, "PATH=") {
			s.environ = append(s.environ, v)
		}
	}
	s.environ = append(s.environ, "PATH="+path+":"+os.Getenv("PATH"), "GOKAFKA_BOOTSTRAP=localhost:"+port, "NO_COLOR=1")
	t.Cleanup(s.stop)
	return s
}

// with are the clients at hand: GOKAFKA_DOCS_WITH="kafka-python=PATH:/…/bin node=NODE_PATH:/…", a variable and what comes first in it.
func with(name string) (variable, value string, ok bool) {
	for _, w := range strings.Fields(os.Getenv("GOKAFKA_DOCS_WITH")) {
		if rest, found := strings.CutPrefix(w, name+"="); found {
			variable, value, ok = strings.Cut(rest, ":")
			return variable, value, ok
		}
	}
	return "", "", false
}

func (s *sandbox) run(blocks []block) {
	s.t.Helper()
	for _, b := range blocks {
		text := regexp.MustCompile(`\b(localhost|127\.0\.0\.1):9092\b`).ReplaceAllString(b.text, "$1:"+s.port)
		switch {
		case b.do == "compat", b.do == "test":
		case b.do == "file":
			s.write(b, text)
		case b.do == "output":
			s.expect(b, text)
		case b.do == "background":
			s.start(b, text)
		case b.language == "properties":
			s.properties(b, text)
		case b.language == "sh" && b.do == "with":
			variable, value, ok := with(b.arg)
			if !ok {
				s.t.Logf("%s: not run, %s is not at hand (make compat RUN=docs)", b, b.arg)
				s.printed, s.live = notRun, false
				continue
			}
			s.foreground(b, text, 0, variable+"="+value+prepended(s.environ, variable))
		case b.language == "sh":
			status := 0
			if b.do == "status" {
				status, _ = strconv.Atoi(b.arg)
			}
			s.foreground(b, text, status)
		}
		if s.t.Failed() {
			s.t.Fatalf("%s: the rest of the page is not run; the broker says:\n%s", b, s.log)
		}
	}
}

// prepended is what a variable had before, to come after what is put first.
func prepended(environ []string, variable string) string {
	for _, v := range environ {
		if old, ok := strings.CutPrefix(v, variable+"="); ok && variable == "PATH" {
			return ":" + old
		}
	}
	return ""
}

func (s *sandbox) command(ctx context.Context, text string, more ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", text)
	cmd.Dir = s.dir
	cmd.Env = append(slices.Clone(s.environ), more...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that what it starts can be ended with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func (s *sandbox) foreground(b block, text string, status int, more ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), deadline)
	defer cancel()
	cmd := s.command(ctx, text, more...)
	out, err := cmd.CombinedOutput()
	s.printed, s.live = string(out), false
	if code := cmd.ProcessState.ExitCode(); code != status {
		s.t.Errorf("%s: status %d, want %d (%v)\n%s\n%s", b, code, status, err, text, out)
	}
}

// start starts a block that goes on, and waits until a broker answers.
func (s *sandbox) start(b block, text string) {
	s.t.Helper()
	s.stop()
	s.log = new(lockedBuffer)
	cmd := s.command(context.Background(), text)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.background, s.ended = cmd, make(chan error, 1)
	go func() { s.ended <- cmd.Wait() }()
	for end := time.Now().Add(deadline); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", "localhost:"+s.port); err == nil {
			conn.Close()
			s.live = true
			return
		}
		select {
		case err := <-s.ended:
			s.background = nil
			s.t.Errorf("%s: ended with %v", b, err)
			return
		default:
		}
		if time.Now().After(end) {
			s.t.Errorf("%s: no broker on port %s", b, s.port)
			return
		}
	}
}

// stop ends the background block as Ctrl-C does.
func (s *sandbox) stop() {
	if s.background == nil {
		return
	}
	group := -s.background.Process.Pid
	_ = syscall.Kill(group, syscall.SIGINT)
	timer := time.AfterFunc(deadline, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
	err := <-s.ended
	timer.Stop()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && !exit.Exited() {
		s.t.Errorf("the broker was ended by %v:\n%s", err, s.log)
	}
	s.background = nil
}

func (s *sandbox) write(b block, text string) {
	s.t.Helper()
	name := filepath.Join(s.dir, b.arg)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if b.language == "properties" {
		s.properties(b, text)
	}
	if b.language == "go" {
		s.module(filepath.Dir(name))
	}
}

// module makes a folder a Go module with the dependencies of ours, in the same versions.
func (s *sandbox) module(dir string) {
	s.t.Helper()
	for _, f := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join("..", "..", f))
		if err != nil {
			s.t.Fatal(err)
		}
		if f == "go.mod" {
			root, err := filepath.Abs("../..")
			if err != nil {
				s.t.Fatal(err)
			}
			text = bytes.Replace(text, []byte("module github.com/gokafka/gokafka\n"), []byte("module example\n"), 1)
			text = fmt.Appendf(text, "\nrequire github.com/gokafka/gokafka v0.0.0\nreplace github.com/gokafka/gokafka => %s\n", root)
		}
		if err := os.WriteFile(filepath.Join(dir, f), text, 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
}

// expect looks for each line among what the last block has printed.
func (s *sandbox) expect(b block, text string) {
	s.t.Helper()
	if s.printed == notRun {
		return
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line == "…" {
			continue
		}
		parts := strings.Split(line, "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		pattern := regexp.MustCompile(`(?m)^\s*` + strings.Join(parts, ".*") + `\s*$`)
		if !s.hasPrinted(pattern) {
			s.t.Errorf("%s: the page shows a line that was not printed: %s\nbut:\n%s", b, line, s.printed)
		}
	}
}

// hasPrinted looks for a line; what runs in the background may need a moment for it.
func (s *sandbox) hasPrinted(line *regexp.Regexp) bool {
	for end := time.Now().Add(time.Minute); s.live && !line.MatchString(s.log.String()) && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	if s.live {
		s.printed = s.log.String()
	}
	return line.MatchString(s.printed)
}

// properties has a broker read a piece of a server.properties.
func (s *sandbox) properties(b block, text string) {
	s.t.Helper()
	entries, err := config.Parse(b.String(), []byte(text))
	if err != nil {
		s.t.Error(err)
		return
	}
	_, notices, err := config.New(entries, config.Defaults{NoFile: true})
	if err != nil {
		s.t.Error(err)
	}
	for _, u := range notices.Unknown {
		s.t.Errorf("%s: no such key: %s", b, u.Key)
	}
	if len(notices.NotHonoured) > 0 {
		s.t.Errorf("%s: keys that do nothing: %v", b, notices.NotHonoured)
	}
}

// lockedBuffer takes the output of a process while others look at it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
