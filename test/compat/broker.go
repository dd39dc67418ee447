package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// broker is a process under test: gokafka, Apache Kafka or one that somebody else started. Starting it again finds the data of before.
type broker interface {
	addr() string
	dataDir() string
	// start returns when it answers.
	start(context.Context) error
	// stop ends it with SIGTERM, waits, and fails when that did not end well.
	stop() error
	// kill ends it with SIGKILL and waits.
	kill() error
}

// newBroker makes a broker of the kind under test with its own folder and port; props are lines of its server.properties.
func (e *env) newBroker(name string, props ...string) (broker, error) {
	if e.broker != "" {
		return external(e.broker), nil
	}
	dir := filepath.Join(e.tmp, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	if e.peer != "" {
		return &apache{version: e.peer, script: filepath.Join(e.here, "kafka", "up.sh"), dir: dir, port: port, props: props}, nil
	}
	return &gokafka{bin: e.bin, dir: dir, port: port, props: props}, nil
}

var given sync.Map // the ports that freePort has returned

// freePort is a port nobody listens on, with room for the controller's or ZooKeeper's 10000 further. Both are below those that the system gives to
// whoever dials: nobody must take them while one broker is gone and the next not there yet.
func freePort() (int, error) {
	for range 1000 {
		port := 12000 + rand.IntN(10000)
		if _, taken := given.LoadOrStore(port, true); !taken && isFree(port) && isFree(port+10000) {
			return port, nil
		}
	}
	return 0, errors.New("no free port between 12000 and 32000")
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
	return err == nil && l.Close() == nil
}

// external is somebody else's broker: it is neither started nor stopped.
type external string

func (x external) addr() string    { return string(x) }
func (x external) dataDir() string { return "" }
func (x external) start(context.Context) error {
	return awaitBroker(context.Background(), string(x), nil)
}
func (x external) stop() error { return nil }
func (x external) kill() error { return errors.New("not ours to kill") }

// gokafka runs `gokafka server FILE --override …` with a file as Kafka 4 ships it.
type gokafka struct {
	bin, dir string
	port     int
	props    []string
	process  *process
}

func (g *gokafka) addr() string    { return fmt.Sprint("127.0.0.1:", g.port) }
func (g *gokafka) dataDir() string { return filepath.Join(g.dir, "data") }

func (g *gokafka) start(ctx context.Context) error {
	file := filepath.Join(g.dir, "server.properties")
	if err := os.WriteFile(file, []byte(stockKafka4), 0o644); err != nil {
		return err
	}
	args := []string{"server", file, "--override", fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:0", g.port),
		"--override", "advertised.listeners=PLAINTEXT://" + g.addr(), "--override", "log.dirs=" + g.dataDir(),
		"--override", "group.initial.rebalance.delay.ms=0"}
	for _, p := range g.props {
		args = append(args, "--override", p)
	}
	var err error
	if g.process, err = startProcess(filepath.Join(g.dir, "server.log"), exec.Command(g.bin, args...)); err != nil {
		return err
	}
	return awaitBroker(ctx, g.addr(), g.process)
}

func (g *gokafka) stop() error {
	if err := g.process.terminate(); err != nil {
		return err
	}
	return noPanic(g.process.log)
}

func (g *gokafka) kill() error { return g.process.kill() }

// noPanic fails when a Go panic went into the log: requests that made one are answered with a closed connection and must not hide.
func noPanic(log string) error {
	b, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "panic") || strings.HasPrefix(line, "goroutine ") {
			return fmt.Errorf("%s: %.300s", log, line)
		}
	}
	return nil
}

// apache is Apache Kafka by kafka/up.sh.
type apache struct {
	version, script, dir string
	port                 int
	props                []string
	pid, zookeeper       int
}

func (a *apache) addr() string    { return fmt.Sprint("127.0.0.1:", a.port) }
func (a *apache) dataDir() string { return filepath.Join(a.dir, "data") }

func (a *apache) start(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, a.script, append([]string{a.version, strconv.Itoa(a.port), a.dir}, a.props...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("up.sh: %w: %s", err, errs.String())
	}
	a.zookeeper = 0
	if n, _ := fmt.Sscanf(string(out), "PID %d ZK_PID %d", &a.pid, &a.zookeeper); n == 0 {
		return fmt.Errorf("up.sh printed %q", out)
	}
	return nil
}

func (a *apache) stop() error { return a.end(syscall.SIGTERM) }
func (a *apache) kill() error { return a.end(syscall.SIGKILL) }

func (a *apache) end(sig syscall.Signal) error {
	for _, pid := range []int{a.pid, a.zookeeper} {
		if pid == 0 {
			continue
		}
		if err := syscall.Kill(pid, sig); err != nil {
			return err
		}
		for end := time.Now().Add(60 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(20 * time.Millisecond) {
			if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); bytes.Contains(b, []byte(") Z ")) {
				break // ended, and nobody's to wait for
			}
			if time.Now().After(end) {
				return fmt.Errorf("process %d did not end by %v", pid, sig)
			}
		}
	}
	return nil
}

// process is a child whose output goes to a file.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended; err is set before
	err  error
}

// started are the children that run, so that none outlives this program.
var started struct {
	sync.Mutex
	all []*process
}

func startProcess(log string, cmd *exec.Cmd) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL // the broker goes when this program does
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	started.Lock()
	started.all = append(started.all, p)
	started.Unlock()
	return p, nil
}

// killAll ends what this program started.
func killAll() {
	started.Lock()
	defer started.Unlock()
	for _, p := range started.all {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// terminate asks it to end with SIGTERM. It must, within Docker's 10 seconds and with status 0.
func (p *process) terminate() error {
	select {
	case <-p.done:
		return fmt.Errorf("ended before it was asked to: %v: %s", p.err, lastLine(p.log))
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		return errors.Join(errors.New("still there 10 s after SIGTERM"), p.kill())
	}
	if p.err != nil {
		return fmt.Errorf("after SIGTERM: %w: %s", p.err, lastLine(p.log))
	}
	return nil
}

func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	<-p.done
	return err
}

// awaitBroker waits until a broker answers Metadata at addr with at least one broker in it, or until p (nil: nobody's) has ended.
func awaitBroker(ctx context.Context, addr string, p *process) error {
	ended := make(chan struct{})
	if p != nil {
		ended = p.done
	}
	limit := time.After(60 * time.Second)
	for {
		err := askMetadata(ctx, addr)
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("the broker ended: %v: %s", p.err, lastLine(p.log))
		case <-limit:
			return fmt.Errorf("no answer from %s within 60 s: %w", addr, err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// askMetadata sends Metadata v1 for no topics, as bytes: no client's retries hide what happens.
func askMetadata(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	body := slices.Concat([]byte{0, 3, 0, 1, 0, 0, 0, 1, 0, 6}, []byte("compat"), make([]byte, 4))
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)); err != nil {
		return err
	}
	head := make([]byte, 12) // size, correlation id, number of brokers
	if _, err := io.ReadFull(conn, head); err != nil {
		return err
	}
	if n := binary.BigEndian.Uint32(head[8:]); n == 0 {
		return errors.New("no brokers in Metadata")
	}
	return nil
}
