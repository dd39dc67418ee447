package exchange

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// deadline is how long a test waits for what must happen; nothing is measured with it.
const deadline = 3 * time.Minute

const compatKafka = "../compat/kafka/"

// house is a log directory with a server.properties and a port, where one broker after the other moves in.
type house struct {
	t     *testing.T
	dir   string
	dirs  []string // log.dirs
	port  int
	props []string

	compacted []string // topics that a cleaner has been over

	consumed map[string]bool // by group, topic, partition and offset
	killed   bool            // the last broker did not stop by itself
	metas    []string        // meta.properties of each of dirs, but for the comments
}

// props keep internal topics small and everything quick.
var props = []string{
	"offsets.topic.num.partitions=4", "transaction.state.log.num.partitions=2",
	"share.coordinator.state.topic.num.partitions=2", "log.index.interval.bytes=512", "broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500",
	"metadata.log.max.record.bytes.between.snapshots=3000",
}

// newHouse makes a house with n log directories.
func newHouse(t *testing.T, n int) *house {
	h := &house{t: t, dir: t.TempDir(), port: freePort(t), props: props, consumed: map[string]bool{}}
	h.dirs = []string{filepath.Join(h.dir, "data")}
	for i := 2; i <= n; i++ {
		h.dirs = append(h.dirs, filepath.Join(h.dir, fmt.Sprint("data", i)))
	}
	h.props = append(slices.Clone(props), "log.dirs="+strings.Join(h.dirs, ","))
	return h
}

func (h *house) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(h.port)) }

// checkDirs checks what a broker leaves in its log directories besides the logs: the mark of a clean stop, and always the same ids.
func (h *house) checkDirs(clean bool) {
	h.t.Helper()
	var metas []string
	for _, dir := range h.dirs {
		mark, err := os.ReadFile(filepath.Join(dir, ".kafka_cleanshutdown"))
		if clean && !cleanMark.Match(mark) || !clean && err == nil {
			h.t.Errorf("mark of a clean stop in %s: %q, %v", dir, mark, err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "meta.properties"))
		h.must(err)
		lines := slices.DeleteFunc(strings.Fields(string(text)), func(field string) bool { return !strings.Contains(field, "=") })
		slices.Sort(lines)
		metas = append(metas, strings.Join(lines, " "))
	}
	if h.metas != nil && !slices.Equal(metas, h.metas) {
		h.t.Errorf("meta.properties are %q, they were %q", metas, h.metas)
	}
	h.metas = metas
}

var cleanMark = regexp.MustCompile(`^\{"version":0,"brokerEpoch":\d+\}$`)

// freePort is a port nobody listens on, with room for what up.sh puts 10000 further. Both are below those that the system gives to whoever dials:
// nobody must take them while one broker is gone and the next not there yet.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		port := 12000 + int(time.Now().UnixNano()/1000%10000)
		if free(port) && free(port+10000) {
			return port
		}
	}
}

func free(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
	return err == nil && l.Close() == nil
}

// broker is a process that lives in a house. It never outlives the test, nor the test's process.
type broker struct {
	*house
	name  string
	pids  []int // the broker, then its ZooKeeper
	guard io.Closer
	log   string
	from  int64 // where in log this run begins
	heals bool  // it came after one that was killed, and may have something to say
	cmd   *exec.Cmd
}

// apache starts Apache Kafka 4.3.1, or 2.8.2 with its ZooKeeper.
func (h *house) apache(version string) *broker {
	h.t.Helper()
	b := &broker{house: h, name: "Apache " + version, log: filepath.Join(h.dir, "server.log")}
	b.from, b.heals = sizeOf(b.log), h.killed
	up := exec.Command(compatKafka+"up.sh", append([]string{version, strconv.Itoa(h.port), h.dir}, h.props...)...)
	var stderr bytes.Buffer
	up.Stderr = &stderr
	out, err := up.Output()
	if err != nil {
		h.t.Fatalf("%s: %v: %s\n%s", b.name, err, stderr.String(), b.complaints())
	}
	var pid, zookeeper int
	n, _ := fmt.Sscanf(string(out), "PID %d ZK_PID %d", &pid, &zookeeper)
	b.pids = []int{pid, zookeeper}[:n]
	b.watch()
	return b
}

// gokafka starts gokafka with the server.properties of Apache, when that was there before, else without one.
func (h *house) gokafka(overrides ...string) *broker {
	h.t.Helper()
	b := &broker{house: h, name: "gokafka", log: filepath.Join(h.dir, "gokafka.log")}
	b.from, b.heals = sizeOf(b.log), h.killed
	args := []string{"server"}
	if file := filepath.Join(h.dir, "server.properties"); sizeOf(file) > 0 {
		args = append(args, file)
	} else {
		overrides = slices.Concat([]string{"listeners=PLAINTEXT://" + h.addr()}, h.props, overrides)
	}
	for _, o := range overrides {
		args = append(args, "--override", o)
	}
	out, err := os.OpenFile(b.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		h.t.Fatal(err)
	}
	defer out.Close()
	b.cmd = exec.Command(gokafkaBin, args...)
	b.cmd.Stdout, b.cmd.Stderr = out, out
	if err := b.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	b.pids = []int{b.cmd.Process.Pid}
	b.watch()
	for {
		conn, err := net.Dial("tcp", h.addr())
		if err == nil {
			conn.Close()
			return b
		}
		if b.ended(b.pids[0]) {
			h.t.Fatalf("gokafka ended:\n%s", b.complaints())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// watch has the processes killed when the test ends, however it does.
func (b *broker) watch() {
	b.t.Helper()
	script := "read _; kill -9"
	for _, pid := range b.pids {
		script += fmt.Sprint(" ", pid)
	}
	guard := exec.Command("bash", "-c", script)
	stdin, err := guard.StdinPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := guard.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.guard = stdin
	b.t.Cleanup(func() {
		if b.pids != nil {
			if b.ended(b.pids[0]) {
				text, _ := os.ReadFile(b.log)
				b.t.Errorf("%s ended by itself:\n%s", b.name, lastLines(text, 30))
			}
			stdin.Close()
			guard.Wait()
			b.await()
		}
	})
}

// stop ends the broker cleanly.
func (b *broker) stop() { b.t.Helper(); b.end(syscall.SIGTERM) }

// kill ends the broker with SIGKILL.
func (b *broker) kill() { b.t.Helper(); b.end(syscall.SIGKILL) }

func (b *broker) end(sig syscall.Signal) {
	b.t.Helper()
	for _, pid := range b.pids {
		if err := syscall.Kill(pid, sig); err != nil {
			b.t.Fatalf("%s: %v\n%s", b.name, err, b.complaints())
		}
		b.awaitPID(pid)
	}
	if b.cmd != nil {
		if err := b.cmd.Wait(); err != nil && sig == syscall.SIGTERM {
			b.t.Fatalf("%s stopped with %v\n%s", b.name, err, b.complaints())
		}
	}
	b.pids, b.killed = nil, sig == syscall.SIGKILL
	if b.name != "Apache 28" {
		b.checkDirs(sig == syscall.SIGTERM)
	}
	if c := b.complaints(); c != "" && sig == syscall.SIGTERM {
		b.t.Errorf("%s complained:\n%s", b.name, c)
	}
}

func (b *broker) await() {
	for _, pid := range b.pids {
		b.awaitPID(pid)
	}
	b.pids = nil
}

func (b *broker) awaitPID(pid int) {
	b.t.Helper()
	for end := time.Now().Add(deadline); !b.ended(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("%s (%d) does not end", b.name, pid)
		}
	}
}

// ended says whether nothing of a process is left but, maybe, what nobody waits for. Its first thread may end before those that hold the port.
func (b *broker) ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return err != nil || bytes.Contains(stat, []byte(") Z ")) && len(threads) <= 1
}

var (
	grave     = regexp.MustCompile(`\b(FATAL|panic)\b|(?i)stray|corrupt`)
	complaint = regexp.MustCompile(`\bERROR\b|DUPLICATE_BROKER|Recovering unflushed|=RECOVERING`)
	// What Kafka says of every healthy life, or of what these tests do on purpose.
	harmless = regexp.MustCompile(strings.Join([]string{
		`to exist, but it was missing. Creating`, `Auto topic creation failed .* already exists`, `Error processing append operation`,
		`OutOfOrderSequence`, `Performing controller activation`, `Attempting to close NetworkClient`, `event queue overloaded`,
		`No meta.properties file under dir`, `hold topics that the cluster metadata does not know`, `does ZooKeeper's job itself`,
		`Recovering unflushed segment .* for __cluster_metadata-0`, `not honoured by this release`, `CONTROLLER is not opened`,
	}, "|"))
)

// complaints are the lines of this run's log that a healthy exchange does not write.
func (b *broker) complaints() string {
	text, err := os.ReadFile(b.log)
	if err != nil {
		return err.Error()
	}
	var bad []byte
	for line := range bytes.Lines(text[min(b.from, int64(len(text))):]) {
		bothers := complaint.Match(line) || b.cmd != nil && bytes.Contains(line, []byte(" WARN ")) // Kafka warns of much
		if grave.Match(line) || !b.heals && bothers && !harmless.Match(line) {
			bad = append(bad, line[:min(len(line), 500)]...)
		}
	}
	return string(bad)
}

func sizeOf(name string) int64 {
	info, err := os.Stat(name)
	if err != nil {
		return 0
	}
	return info.Size()
}

// client returns a franz-go client that ends with the test.
func (h *house) client(opts ...kgo.Opt) *kgo.Client {
	h.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(h.addr()), kgo.DisableClientMetrics(), kgo.FetchMaxWait(100 * time.Millisecond), kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.RequestRetries(20), kgo.UnknownTopicRetries(100), kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, opts...)...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(cl.Close)
	return cl
}

// within is the context of a test's step.
func (h *house) within() context.Context {
	ctx, cancel := context.WithTimeout(h.t.Context(), deadline)
	h.t.Cleanup(cancel)
	return ctx
}
