package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// broker is a kind of broker that can be started any number of times.
type broker struct {
	name    string
	prepare func(ctx context.Context, properties string) error // what must be done once to a new directory
	command func(properties string) *exec.Cmd
	topics  func(args ...string) *exec.Cmd // its kafka-topics
	sizeMiB func() float64
	addr    string // of one that runs already and is nobody's here; the rest is nil then
	pid     int    // of that, 0 when it is not known
}

// other returns a broker that runs already, wherever that is. With its process id, on this machine, its CPU and memory are measured.
func other(addr string, pid int) broker {
	return broker{name: "other", addr: addr, pid: pid, sizeMiB: func() float64 { return 0 }}
}

// newBrokers returns Apache Kafka and gokafka, in this order.
func newBrokers(subject string) ([]broker, error) {
	libs, err := kafkaLibs()
	if err != nil {
		return nil, err
	}
	subject, err = filepath.Abs(subject)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(subject); err != nil {
		return nil, fmt.Errorf("%w (make build)", err)
	}
	java := func(heap string, args ...string) []string {
		return append([]string{heap, "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
			"-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true", "-cp", libs + "/*"}, args...)
	}
	return []broker{
		{
			name: "kafka",
			prepare: func(ctx context.Context, properties string) error {
				out, err := exec.CommandContext(ctx, "java", java("-Xmx256M", "kafka.tools.StorageTool", "format", "--standalone",
					"-t", "4L6g3nShT-eMCtK--X86sw", "-c", properties)...).CombinedOutput()
				if err != nil {
					return fmt.Errorf("format: %w: %s", err, out)
				}
				return nil
			},
			command: func(properties string) *exec.Cmd {
				return exec.Command("java", java("-Xmx1G", "-Xms1G", "kafka.Kafka", properties)...)
			},
			topics:  javaTopics(java),
			sizeMiB: func() float64 { return treeMiB(libs) },
		},
		{
			name:    "gokafka",
			prepare: func(context.Context, string) error { return nil },
			command: func(properties string) *exec.Cmd { return exec.Command(subject, "server", properties) },
			topics: func(args ...string) *exec.Cmd {
				return exec.Command(subject, append([]string{"kafka-topics"}, args...)...)
			},
			sizeMiB: func() float64 { return treeMiB(subject) },
		},
	}, nil
}

// kafkaLibs fetches Apache Kafka 4.3.1 when it is not there yet and returns the directory of its jars.
func kafkaLibs() (string, error) {
	out, err := exec.Command("test/compat/kafka/fetch.sh").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("fetch Apache Kafka (run this from the repo's root): %w: %s", err, out)
	}
	cache := os.Getenv("KAFKA_PEER_CACHE")
	if cache == "" {
		dir := os.Getenv("XDG_CACHE_HOME")
		if dir == "" {
			dir = filepath.Join(os.Getenv("HOME"), ".cache")
		}
		cache = filepath.Join(dir, "kafka-peer")
	}
	return filepath.Join(cache, "kafka-4", "libs"), nil
}

// running is a broker's process and its directory.
type running struct {
	kind       broker
	dir        string
	properties string
	addr       string
	cmd        *exec.Cmd
	exited     chan struct{}
	topics     []string // that were created

	prepared time.Duration // what the broker needed before its first start
	ready    time.Duration // from the start of the process to the first answered Metadata
}

// commonProps are what both brokers are told beside the parts' own and the addresses.
var commonProps = []string{
	"offsets.topic.replication.factor=1", "group.initial.rebalance.delay.ms=0",
	"transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
	"share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1",
}

// start prepares a new directory and starts the broker in it.
func (b broker) start(ctx context.Context, dir string, props []string) (*running, error) {
	if b.addr != "" {
		return &running{kind: b, dir: dir, addr: b.addr}, probe(b.addr)
	}
	port, controller, err := freePorts()
	if err != nil {
		return nil, err
	}
	r := &running{kind: b, dir: dir, properties: filepath.Join(dir, "server.properties"), addr: fmt.Sprintf("127.0.0.1:%d", port)}
	lines := append([]string{
		"process.roles=broker,controller", "node.id=1", fmt.Sprintf("controller.quorum.bootstrap.servers=127.0.0.1:%d", controller),
		fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", port, controller),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", port, controller),
		"controller.listener.names=CONTROLLER", "inter.broker.listener.name=PLAINTEXT",
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT", "log.dirs=" + filepath.Join(dir, "data"),
	}, commonProps...)
	lines = append(lines, props...)
	if err := os.WriteFile(r.properties, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := b.prepare(ctx, r.properties); err != nil {
		return nil, err
	}
	r.prepared = time.Since(began)
	return r, r.launch(ctx)
}

// launch starts the process and waits until it answers.
func (r *running) launch(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(r.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	r.cmd = r.kind.command(r.properties)
	r.cmd.Stdout, r.cmd.Stderr = log, log
	began := time.Now()
	if err := r.cmd.Start(); err != nil {
		return err
	}
	r.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) { _ = cmd.Wait(); close(exited) }(r.cmd, r.exited)
	for {
		if probe(r.addr) == nil {
			r.ready = time.Since(began)
			return nil
		}
		select {
		case <-r.exited:
			text, _ := os.ReadFile(filepath.Join(r.dir, "log"))
			return fmt.Errorf("%s ended before it was ready:\n%s", r.kind.name, text[max(0, len(text)-2000):])
		case <-ctx.Done():
			r.kill()
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// stop ends the broker as an operator does and waits for it.
func (r *running) stop() error {
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-r.exited:
		return nil
	case <-time.After(2 * time.Minute):
		return errors.New("the broker did not stop within two minutes")
	}
}

// kill ends the broker as a power cut does, the kernel's page cache apart.
func (r *running) kill() {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Kill()
	<-r.exited
}

func (r *running) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(r.addr)}, opts...)...)
}

// clean removes the topics that a part has made on a broker which goes on without us.
func (r *running) clean() {
	if r.cmd != nil || len(r.topics) == 0 {
		return
	}
	if c, err := r.client(); err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		_, _ = kadm.NewClient(c).DeleteTopics(ctx, r.topics...)
		cancel()
		c.Close()
	}
}

func (r *running) pid() int {
	if r.cmd == nil {
		return r.kind.pid
	}
	return r.cmd.Process.Pid
}

// rssMiB is the resident memory of the process.
func (r *running) rssMiB() float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.pid()))
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(string(rest))[0], 64)
			return kb / 1024
		}
	}
	return 0
}

// cpuSeconds is the CPU time that the process has used.
func (r *running) cpuSeconds() float64 {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.pid()))
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(rest))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100 // USER_HZ
}

// descriptors is the number of open file descriptors.
func (r *running) descriptors() float64 {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.pid()))
	return float64(len(entries))
}

// treeMiB is the size of a file, or of all files below a directory.
func treeMiB(root string) float64 {
	total := int64(0)
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return float64(total) / (1 << 20)
}

// freePorts returns two ports that nobody listens on.
func freePorts() (a, b int, err error) {
	var ports [2]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, 0, err
		}
		defer func() { _ = l.Close() }()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports[0], ports[1], nil
}

// probe asks for ApiVersions and then Metadata; nil means that both were answered and a broker is known.
func probe(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	format := kmsg.NewRequestFormatter()
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Version = 1
	for i, req := range []kmsg.Request{kmsg.NewPtrApiVersionsRequest(), metadata} {
		if _, err := c.Write(format.AppendRequest(nil, req, int32(i))); err != nil {
			return err
		}
		var size [4]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return err
		}
		body := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(c, body); err != nil {
			return err
		}
		resp := req.ResponseKind()
		if err := resp.ReadFrom(body[4:]); err != nil {
			return err
		}
		if m, ok := resp.(*kmsg.MetadataResponse); ok && len(m.Brokers) == 0 {
			return errors.New("no broker yet")
		}
	}
	return nil
}
