package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// stockKafka4 has the keys of the server.properties that Kafka 4.3 ships.
const stockKafka4 = `process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
`

// stockKafka28 has the keys of the server.properties that Kafka 2.8 ships.
const stockKafka28 = `broker.id=0
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kafka-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
zookeeper.connect=localhost:2181
zookeeper.connection.timeout.ms=18000
group.initial.rebalance.delay.ms=0
`

func runStart(ctx context.Context, e *env, r row, _ broker) error {
	return each(ctx, e, r, map[string]func(context.Context) error{
		"no-file": e.startWithoutFile,
		"kafka-2.8-file": func(ctx context.Context) error {
			return e.startWithFile(ctx, "kafka-2.8", stockKafka28, "(?i)zookeeper")
		},
		"kafka-4-file": func(ctx context.Context) error { return e.startWithFile(ctx, "kafka-4", stockKafka4, "") },
		"environment":  e.startWithEnvironment,
		"port-0":       e.startOnPort0,
		"unknown-key":  e.startWithUnknownKey,
	})
}

// folder is a new folder for one start.
func (e *env) folder(name string) (string, error) {
	dir := filepath.Join(e.tmp, strings.ReplaceAll(name, " ", "-"))
	return dir, os.MkdirAll(dir, 0o755)
}

// run starts gokafka with these words after "server", waits for an answer at addr, calls use (nil: nothing), and stops it. It returns what it said.
func (e *env) run(ctx context.Context, dir, addr string, cmd *exec.Cmd, use func() error) (string, error) {
	p, err := startProcess(filepath.Join(dir, "said.log"), cmd)
	if err != nil {
		return "", err
	}
	if err := awaitBroker(ctx, addr, p); err != nil {
		return "", err
	}
	if use != nil {
		if err := use(); err != nil {
			return "", errors.Join(err, p.kill())
		}
	}
	if err := p.terminate(); err != nil {
		return "", err
	}
	b, err := os.ReadFile(p.log)
	return string(b), err
}

// tutorialAt sends and reads a few records.
func (e *env) tutorialAt(ctx context.Context, addr string) error {
	out, err := e.command(ctx, e.goClients(), "franz-go", addr, "^tutorial$")
	if err == nil && !strings.HasPrefix(out, "ok ") {
		err = errors.New(strings.TrimSpace(out))
	}
	return err
}

// startWithoutFile is the first thing a newcomer does: no configuration at all, localhost:9092, data under /tmp/kafka-logs. It happens in a network
// and a /tmp of its own where the machine lets us make them, for the real ones may be in use; otherwise with both overridden.
func (e *env) startWithoutFile(ctx context.Context) error {
	dir, err := e.folder("no-file")
	if err != nil {
		return err
	}
	script := fmt.Sprintf(`
mount -t tmpfs tmpfs /mnt && cp %q %q /mnt && mount -t tmpfs tmpfs /tmp && ip link set lo up || exit 99
/mnt/%s server > /tmp/said 2>&1 &
for i in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/9092) 2>/dev/null && break; sleep 0.05; done
/mnt/goclients franz-go localhost:9092 '^tutorial$' || { cat /tmp/said; exit 1; }
kill $! && wait $! && ls -a /tmp/kafka-logs && echo SAID && cat /tmp/said`, e.bin, e.goClients(), filepath.Base(e.bin))
	cmd := exec.CommandContext(ctx, "unshare", "--net", "--mount", "bash", "-c", script)
	out, err := cmd.CombinedOutput()
	if err == nil {
		for _, want := range []string{"ok tutorial", ".kafka_cleanshutdown", "meta.properties", "9092"} {
			if !strings.Contains(string(out), want) {
				return fmt.Errorf("no %q in: %s", want, tail(string(out)))
			}
		}
		return nil
	}
	if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() != 99 && !strings.Contains(string(out), "unshare") {
		return fmt.Errorf("%w: %s", err, tail(string(out)))
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	addr := fmt.Sprint("127.0.0.1:", port)
	_, err = e.run(ctx, dir, addr, exec.Command(e.bin, "server", "--override", "listeners=PLAINTEXT://"+addr, "--override", "log.dirs="+dir+"/data"),
		func() error { return e.tutorialAt(ctx, addr) })
	return err
}

// startWithFile starts a stock file with nothing changed but port and folder, and looks for a word in what it said.
func (e *env) startWithFile(ctx context.Context, name, text, says string) error {
	dir, err := e.folder(name)
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	addr := fmt.Sprint("127.0.0.1:", port)
	file := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	listeners := "PLAINTEXT://" + addr
	args := []string{"server", file, "--override", "log.dirs=" + dir + "/data"}
	if strings.Contains(text, "CONTROLLER://") {
		args = append(args, "--override", fmt.Sprintf("listeners=%s,CONTROLLER://127.0.0.1:%d", listeners, port+10000), "--override", "advertised.listeners="+listeners)
	} else {
		args = append(args, "--override", "listeners="+listeners)
	}
	said, err := e.run(ctx, dir, addr, exec.Command(e.bin, args...), func() error { return e.tutorialAt(ctx, addr) })
	if err != nil {
		return err
	}
	if !regexp.MustCompile(says).MatchString(said) {
		return fmt.Errorf("no %q in what it said: %s", says, tail(said))
	}
	return nil
}

func (e *env) startWithEnvironment(ctx context.Context) error {
	dir, err := e.folder("environment")
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	addr := fmt.Sprint("127.0.0.1:", port)
	cmd := exec.Command(e.bin, "server")
	cmd.Env = append(os.Environ(), "KAFKA_LISTENERS=PLAINTEXT://"+addr, "KAFKA_LOG_DIRS="+dir+"/data", "KAFKA_NUM_PARTITIONS=3", "KAFKA_LOG_RETENTION_MS=1234567")
	_, err = e.run(ctx, dir, addr, cmd, func() error {
		s := &state{addr: addr}
		c, admin, err := s.client()
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := admin.CreateTopic(ctx, -1, -1, nil, "t"); err != nil {
			return err
		}
		topics, err := admin.ListTopics(ctx, "t")
		if err != nil {
			return err
		}
		if n := len(topics["t"].Partitions); n != 3 {
			return fmt.Errorf("KAFKA_NUM_PARTITIONS=3 gave %d partitions", n)
		}
		configs, err := admin.DescribeTopicConfigs(ctx, "t")
		if err != nil {
			return err
		}
		return hasConfig(configs, "retention.ms", "1234567")
	})
	return err
}

func hasConfig(all kadm.ResourceConfigs, key, want string) error {
	for _, r := range all {
		for _, c := range r.Configs {
			if c.Key == key && c.MaybeValue() != want {
				return fmt.Errorf("%s is %s, want %s", key, c.MaybeValue(), want)
			}
		}
	}
	return nil
}

// startOnPort0 takes any free port and finds it in what the broker prints.
func (e *env) startOnPort0(ctx context.Context) error {
	dir, err := e.folder("port-0")
	if err != nil {
		return err
	}
	cmd := exec.Command(e.bin, "server", "--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override", "log.dirs="+dir+"/data")
	p, err := startProcess(filepath.Join(dir, "said.log"), cmd)
	if err != nil {
		return err
	}
	addr := regexp.MustCompile(`127\.0\.0\.1:([1-9]\d*)`)
	var found string
	for end := time.Now().Add(time.Minute); found == "" && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		b, err := os.ReadFile(p.log)
		if err != nil {
			return err
		}
		found = addr.FindString(string(b))
	}
	if found == "" {
		return errors.Join(fmt.Errorf("it never said its port: %s", lastLine(p.log)), p.kill())
	}
	if err := errors.Join(awaitBroker(ctx, found, p), e.tutorialAt(ctx, found)); err != nil {
		return errors.Join(err, p.kill())
	}
	return p.terminate()
}

func (e *env) startWithUnknownKey(ctx context.Context) error {
	dir, err := e.folder("unknown-key")
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	addr := fmt.Sprint("127.0.0.1:", port)
	said, err := e.run(ctx, dir, addr, exec.Command(e.bin, "server", "--override", "listeners=PLAINTEXT://"+addr, "--override", "log.dirs="+dir+"/data",
		"--override", "log.retention.hors=7"), nil)
	if err != nil {
		return err
	}
	if !strings.Contains(said, "log.retention.hors") || !strings.Contains(said, "log.retention.hours") {
		return fmt.Errorf("the misspelt key is not named with what was meant: %s", tail(said))
	}
	return nil
}

// runBadInput starts gokafka with what cannot work: it must end with a status other than 0 and say so in one clear line per problem.
func runBadInput(ctx context.Context, e *env, r row, _ broker) error {
	return each(ctx, e, r, map[string]func(context.Context) error{
		"port-in-use": e.portInUse, "dir-locked": e.dirLocked, "dir-unwritable": e.dirUnwritable, "disk-full": e.diskFull,
		"wrong-values": e.wrongValues, "other-cluster": e.otherCluster,
		"no-such-file": func(ctx context.Context) error {
			return e.refuses(ctx, exec.Command(e.bin, "server", "/no/such/server.properties"), 1, "/no/such/server.properties")
		},
	})
}

// refuses runs cmd, which must end by itself with a status other than 0. What it says on both outputs must hold all words, be no longer than
// maxLines, and must not be a stack trace.
func (e *env) refuses(ctx context.Context, cmd *exec.Cmd, maxLines int, words ...string) error {
	status, said, err := runProcess(ctx, cmd)
	if err != nil {
		return fmt.Errorf("%w: %s", err, tail(said))
	}
	if status == 0 {
		return fmt.Errorf("ended with status 0: %s", tail(said))
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			return fmt.Errorf("no %q in: %s", w, tail(said))
		}
	}
	if strings.Contains(said, "goroutine ") || strings.Contains(said, "panic") {
		return fmt.Errorf("a stack trace: %s", tail(said))
	}
	if n := strings.Count(strings.TrimSpace(said), "\n") + 1; n > maxLines {
		return fmt.Errorf("%d lines, want at most %d: %s", n, maxLines, said)
	}
	return nil
}

// server is the command with a free port and dir.
func (e *env) server(dir string, overrides ...string) *exec.Cmd {
	args := []string{"server", "--override", "log.dirs=" + dir}
	if !strings.Contains(strings.Join(overrides, " "), "listeners=") {
		overrides = append(overrides, "listeners=PLAINTEXT://127.0.0.1:0")
	}
	for _, o := range overrides {
		args = append(args, "--override", o)
	}
	return exec.Command(e.bin, args...)
}

func (e *env) portInUse(ctx context.Context) error {
	dir, err := e.folder("port-in-use")
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	addr := l.Addr().String()
	return e.refuses(ctx, e.server(dir, "listeners=PLAINTEXT://"+addr), 1, addr, "in use")
}

func (e *env) dirLocked(ctx context.Context) error {
	b, err := e.newBroker("dir-locked")
	if err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	err = e.refuses(ctx, e.server(b.dataDir()), 1, b.dataDir(), "lock")
	return errors.Join(err, b.stop())
}

// dirUnwritable tries a folder below a file, which not even root can make, and one of another user.
func (e *env) dirUnwritable(ctx context.Context) error {
	dir, err := e.folder("dir-unwritable")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		return err
	}
	if err := e.refuses(ctx, e.server(filepath.Join(file, "data")), 1, filepath.Join(file, "data")); err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return nil // as root we can become somebody who may not write there
	}
	for _, d := range []string{e.tmp, dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			return err
		}
	}
	bin := filepath.Join(dir, "gokafka") // where it lies, nobody may not look
	if err := copyFile(bin, e.bin); err != nil {
		return err
	}
	cmd := e.server(filepath.Join(dir, "data"))
	cmd.Path, cmd.Args[0] = bin, bin
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return e.refuses(ctx, cmd, 1, filepath.Join(dir, "data"), "permission denied")
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

// diskFull fills a small file system while a producer writes. The log says so, and when there is room again, the producer goes on (after a restart,
// if the broker ended) and nothing that was acknowledged is lost.
func (e *env) diskFull(ctx context.Context) error {
	dir, err := e.folder("disk-full")
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		return err
	}
	if out, err := e.command(ctx, "mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", data); err != nil {
		return fmt.Errorf("%w: no small file system to be had here: %s %v", errSkip, out, err)
	}
	defer func() { _, _ = e.command(context.WithoutCancel(ctx), "umount", "-l", data) }()
	b, err := e.newBroker("disk-full")
	if err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	g, ok := b.(*gokafka)
	if !ok {
		return fmt.Errorf("%w: gokafka only", errSkip)
	}
	if err := loadTopic(ctx, b.addr()); err != nil {
		return errors.Join(err, b.kill())
	}
	acked := filepath.Join(dir, "acked.txt")
	load, stopLoad, err := e.startLoad(b.addr(), "load", acked)
	if err != nil {
		return err
	}
	full := func() error {
		b, err := os.ReadFile(g.process.log)
		if err == nil && !strings.Contains(string(b), "no space left on device") {
			err = fmt.Errorf("the log does not say that the disk is full: %s", tail(string(b)))
		}
		return err
	}
	if err := within(2*time.Minute, full); err != nil {
		return errors.Join(err, load.kill(), b.kill())
	}
	time.Sleep(time.Second)
	select {
	case <-g.process.done: // Apache Kafka ends when its last log directory fails
		if g.process.cmd.ProcessState.Success() {
			return errors.Join(errors.New("the broker ended with status 0 on a full disk"), load.kill())
		}
	default:
	}
	if _, err := e.command(ctx, "mount", "-o", "remount,size=400m", data); err != nil {
		return errors.Join(err, load.kill(), b.kill())
	}
	select {
	case <-g.process.done:
		if err := b.start(ctx); err != nil {
			return errors.Join(fmt.Errorf("start with room again: %w", err), load.kill())
		}
	default:
	}
	size := func() int64 {
		info, err := os.Stat(acked)
		if err != nil {
			return -1
		}
		return info.Size()
	}
	before := size()
	if err := within(2*time.Minute, func() error {
		if size() == before {
			return errors.New("with room again, nothing more is acknowledged")
		}
		return nil
	}); err != nil {
		return errors.Join(err, load.kill(), b.kill())
	}
	stopLoad()
	select {
	case <-load.done:
	case <-time.After(2 * time.Minute):
		return errors.Join(errors.New("with room again, the producer does not come to its end"), load.kill(), b.kill())
	}
	if load.err != nil {
		return errors.Join(fmt.Errorf("the producer: %w: %s", load.err, lastLine(load.log)), b.kill())
	}
	for _, end := range []func() error{b.kill, b.stop} { // once running on, once after a recovery
		if _, err := e.command(ctx, e.goClients(), "verify", b.addr(), "load", acked); err != nil {
			return errors.Join(fmt.Errorf("with room again: %w", err), b.kill())
		}
		if err := end(); err != nil {
			return err
		}
		if err := b.start(ctx); err != nil {
			return err
		}
	}
	return b.stop()
}

// within calls check until it returns nil, for at most d.
func within(d time.Duration, check func() error) error {
	for end := time.Now().Add(d); ; time.Sleep(50 * time.Millisecond) {
		if err := check(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

func (e *env) wrongValues(ctx context.Context) error {
	dir, err := e.folder("wrong-values")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "server.properties")
	text := "broker.id=0\nlog.retention.hours=7d\n\nnum.partitions=0\nlog.cleanup.policy=shred\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs=" + dir + "/data\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	if err := e.refuses(ctx, exec.Command(e.bin, "server", file), 4, file+":2:", "log.retention.hours", "7d", file+":4:", "num.partitions", file+":5:", "shred"); err != nil {
		return err
	}
	return e.refuses(ctx, e.server(dir+"/data", "num.io.threads=many"), 1, "--override", "num.io.threads", "many")
}

// otherCluster puts the folders of two clusters into one log.dirs.
func (e *env) otherCluster(ctx context.Context) error {
	var dirs, ids []string
	for _, name := range []string{"cluster-a", "cluster-b"} {
		b, err := e.newBroker(name)
		if err != nil {
			return err
		}
		if err := b.start(ctx); err != nil {
			return err
		}
		if err := b.stop(); err != nil {
			return err
		}
		meta, err := os.ReadFile(filepath.Join(b.dataDir(), "meta.properties"))
		if err != nil {
			return err
		}
		id := regexp.MustCompile(`(?m)^cluster\.id=(\S+)$`).FindSubmatch(meta)
		if id == nil {
			return fmt.Errorf("no cluster.id in meta.properties: %s", meta)
		}
		dirs, ids = append(dirs, b.dataDir()), append(ids, string(id[1]))
	}
	return e.refuses(ctx, e.server(strings.Join(dirs, ",")), 1, dirs[1], ids[0], ids[1])
}
