package containers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// said is what a command printed and how it ended.
type said struct {
	out    string // standard output
	errs   string // standard error
	status int
}

func command(t *testing.T, name string, args ...string) said {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return said{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// podman runs a command of podman that has to succeed, and returns what it prints.
func podman(t *testing.T, args ...string) string {
	t.Helper()
	s := command(t, "podman", args...)
	if s.status != 0 {
		t.Fatalf("podman %s: status %d\n%s%s", strings.Join(args, " "), s.status, s.out, s.errs)
	}
	return strings.TrimSpace(s.out)
}

// box is a container.
type box struct {
	t  *testing.T
	id string
}

// start runs a container in the background; args are podman's flags, the image and the command. It is gone after the test, and its log is shown when that failed.
func start(t *testing.T, args ...string) *box {
	t.Helper()
	b := &box{t, podman(t, append([]string{"run", "--pull", "never", "-d"}, args...)...)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the container %s:\n%s", strings.Join(args, " "), b.log())
		}
		_ = exec.Command("podman", "rm", "-f", "-v", "-t", "0", b.id).Run() // may be gone
	})
	return b
}

// broker starts a container with the image and waits until its broker is ready. Port 9092 is published at a free port.
func broker(t *testing.T, args ...string) *box {
	t.Helper()
	b := start(t, append([]string{"-p", "127.0.0.1::9092"}, append(args, image)...)...)
	b.ready()
	return b
}

func (b *box) log() string {
	var out bytes.Buffer
	cmd := exec.Command("podman", "logs", b.id)
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // there may be none
	return out.String()
}

// waitLog waits for a text in the log.
func (b *box) waitLog(text string) {
	b.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if strings.Contains(b.log(), text) {
			return
		}
		if b.inspect("{{.State.Running}}") == "false" {
			if strings.Contains(b.log(), text) {
				return
			}
			b.t.Fatalf("the container has ended without %q in its log", text)
		}
	}
	b.t.Fatalf("no %q in the log within 2 minutes", text)
}

// ready waits for the last of the lines that others wait for, and checks that the others stand before it, each once.
func (b *box) ready() {
	b.t.Helper()
	b.waitLog("Kafka Server started")
	for _, line := range []string{"The broker has been unfenced. Transitioning from RECOVERY to RUNNING.", "] started (", "Kafka Server started"} {
		if n := strings.Count(b.log(), line); n != 1 {
			b.t.Errorf("%q stands %d times in the log", line, n)
		}
	}
}

func (b *box) inspect(format string) string {
	b.t.Helper()
	return podman(b.t, "inspect", "--format", format, b.id)
}

// exec runs a command in the container.
func (b *box) exec(args ...string) said {
	b.t.Helper()
	return command(b.t, "podman", append([]string{"exec", b.id}, args...)...)
}

// must runs a command in the container that has to succeed, and returns what it prints.
func (b *box) must(args ...string) string {
	b.t.Helper()
	s := b.exec(args...)
	if s.status != 0 {
		b.t.Fatalf("in the container: %s: status %d\n%s%s", strings.Join(args, " "), s.status, s.out, s.errs)
	}
	return s.out
}

// addr is the published address of a port of the container.
func (b *box) addr(port string) string {
	b.t.Helper()
	first, _, _ := strings.Cut(podman(b.t, "port", b.id, port+"/tcp"), "\n")
	return first
}

// client connects through the published port 9092; whatever the broker tells to connect to is noted, and replaced by that port.
func (b *box) client(told *[]string, opts ...kgo.Opt) *kgo.Client {
	b.t.Helper()
	addr := b.addr("9092")
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers("bootstrap:1"),
		kgo.Dialer(func(ctx context.Context, network, host string) (net.Conn, error) {
			if told != nil && host != "bootstrap:1" {
				*told = append(*told, host)
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}),
	}, opts...)...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(cl.Close)
	return cl
}

// sendAndRead writes a record to a topic that the first record makes, and reads it back. It returns the addresses that the broker told.
func (b *box) sendAndRead(topic string) []string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*time.Minute)
	defer cancel()
	var told []string
	cl := b.client(&told, kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic(topic), kgo.ConsumeTopics(topic), kgo.MaxConcurrentFetches(1))
	if err := cl.ProduceSync(ctx, kgo.StringRecord("value")).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
	b.read(ctx, cl, "value")
	return told
}

// read polls until the first record, which must have that value.
func (b *box) read(ctx context.Context, cl *kgo.Client, value string) {
	b.t.Helper()
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			b.t.Fatal("nothing read within 2 minutes", fetches.Err())
		}
		for _, r := range fetches.Records() {
			if string(r.Value) != value {
				b.t.Fatalf("read %q, want %q", r.Value, value)
			}
			return
		}
	}
}

// inspectImage returns the configuration of an image.
func inspectImage(t *testing.T, name string) (info struct {
	Size         int64
	Architecture string
	Config       struct {
		User         string
		Cmd          []string
		Entrypoint   []string
		ExposedPorts map[string]any
		Volumes      map[string]any
	}
	HealthCheck struct{ Test []string }
}) {
	t.Helper()
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(podman(t, "image", "inspect", name)), &list); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(list[0], &info); err != nil {
		t.Fatal(err)
	}
	return info
}
