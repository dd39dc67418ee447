package kafkatest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/kafkatest"
)

func dial(t testing.TB, b *kafkatest.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Addr()), kgo.DisableClientMetrics()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestTopicsAndProperties(t *testing.T) {
	b := kafkatest.Start(t,
		kafkatest.Topic("orders", 3, "cleanup.policy=compact", "segment.bytes=1048576"), kafkatest.Topic("events", 1),
		kafkatest.NoAutoCreate(), kafkatest.Property("num.partitions", "5"))
	adm := kadm.NewClient(dial(t, b, kgo.AllowAutoTopicCreation()))
	ctx := within(t)
	topics, err := adm.ListTopics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := topics.Names(); fmt.Sprint(got) != "[events orders]" || len(topics["orders"].Partitions) != 3 || len(topics["events"].Partitions) != 1 {
		t.Errorf("topics: %v", topics)
	}
	configs, err := adm.DescribeTopicConfigs(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		switch {
		case c.Key == "cleanup.policy" && *c.Value != "compact", c.Key == "segment.bytes" && *c.Value != "1048576":
			t.Errorf("%s=%s", c.Key, *c.Value)
		}
	}
	if m, err := adm.Metadata(ctx, "nothing"); err != nil || !errors.Is(m.Topics["nothing"].Err, kerr.UnknownTopicOrPartition) || m.Cluster != b.ClusterID() {
		t.Errorf("a topic that does not exist: %v, %v", m, err)
	}
	b.CreateTopic("later", -1)
	if m, err := adm.Metadata(ctx, "later"); err != nil || len(m.Topics["later"].Partitions) != 5 {
		t.Errorf("a topic made later: %v, %v", m, err)
	}
	if len(b.Addrs()) != 1 || b.Addrs()[0] != b.Addr() {
		t.Errorf("addresses %v", b.Addrs())
	}
}

func TestSeveralListeners(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Property("listeners", "A://127.0.0.1:0,B://127.0.0.1:0"), kafkatest.Topic("t", 1),
		kafkatest.Property("listener.security.protocol.map", "A:PLAINTEXT,B:PLAINTEXT,CONTROLLER:PLAINTEXT"),
		kafkatest.Property("inter.broker.listener.name", "A"))
	addrs := b.Addrs()
	if len(addrs) != 2 || addrs[0] == addrs[1] {
		t.Fatalf("addresses %v", addrs)
	}
	for _, a := range addrs {
		conn, err := net.Dial("tcp", a)
		if err != nil {
			t.Error(err)
			continue
		}
		conn.Close()
	}
}

func TestParallel(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			b := kafkatest.Start(t)
			mu.Lock()
			if seen[b.Addr()] || seen[b.ClusterID()] || seen[b.Dir()] {
				t.Errorf("%s, %s, %s: not its own", b.Addr(), b.ClusterID(), b.Dir())
			}
			seen[b.Addr()], seen[b.ClusterID()], seen[b.Dir()] = true, true, true
			mu.Unlock()
			value := []byte(t.Name())
			cl := dial(t, b, kgo.AllowAutoTopicCreation(), kgo.ConsumeTopics("t"), kgo.ConsumerGroup("g"))
			if err := cl.ProduceSync(within(t), &kgo.Record{Topic: "t", Value: value}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if rs := cl.PollFetches(within(t)).Records(); len(rs) != 1 || string(rs[0].Value) != string(value) {
				t.Errorf("read %v", rs)
			}
		})
	}
}

func TestRestart(t *testing.T) {
	for name, opts := range map[string][]kafkatest.Option{"files": nil, "memory": {kafkatest.InMemory()}} {
		t.Run(name, func(t *testing.T) {
			b := kafkatest.Start(t, append(opts, kafkatest.Topic("t", 1))...)
			cl := dial(t, b, kgo.ConsumeTopics("t"))
			addr, cluster := b.Addr(), b.ClusterID()
			send := func(v string) {
				t.Helper()
				if err := cl.ProduceSync(within(t), &kgo.Record{Topic: "t", Value: []byte(v)}).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			send("before")
			b.Stop()
			b.Stop()
			if conn, err := net.Dial("tcp", addr); err == nil {
				conn.Close()
				t.Error("stopped, and somebody answers")
			}
			b.Restart()
			if b.Addr() != addr || b.ClusterID() != cluster {
				t.Errorf("was %s %s, is %s %s", addr, cluster, b.Addr(), b.ClusterID())
			}
			send("after")
			b.Restart() // while it runs
			var got []string
			for ctx := within(t); len(got) < 2 && ctx.Err() == nil; {
				for _, r := range cl.PollFetches(ctx).Records() {
					got = append(got, string(r.Value))
				}
			}
			if strings.Join(got, ",") != "before,after" {
				t.Errorf("read %v", got)
			}
		})
	}
}

func TestWhereTheDataIs(t *testing.T) {
	dir := t.TempDir()
	if b := kafkatest.Start(t, kafkatest.Dir(dir), kafkatest.Topic("kept", 1)); b.Dir() != dir {
		t.Errorf("dir %s, want %s", b.Dir(), dir)
	}
	if _, err := os.Stat(filepath.Join(dir, "kept-0")); err != nil {
		t.Error(err)
	}
	b := kafkatest.Start(t, kafkatest.InMemory(), kafkatest.Topic("t", 1))
	if _, err := os.Stat(b.Dir()); err == nil {
		t.Error("in memory, and there is a folder ", b.Dir())
	}
}

// fake is a test that fails without failing the real one. It runs in a goroutine of its own, since Fatal ends that.
type fake struct {
	testing.TB
	failed   bool
	logs     []string
	cleanups []func()
}

func (f *fake) Helper()          {}
func (f *fake) Cleanup(c func()) { f.cleanups = append(f.cleanups, c) }
func (f *fake) Failed() bool     { return f.failed }
func (f *fake) Logf(format string, args ...any) {
	f.logs = append(f.logs, fmt.Sprintf(format, args...))
}
func (f *fake) Error(args ...any) { f.failed = true; f.logs = append(f.logs, fmt.Sprint(args...)) }
func (f *fake) Fatal(args ...any) { f.Error(args...); runtime.Goexit() }
func (f *fake) Fatalf(format string, args ...any) {
	f.Fatal(fmt.Sprintf(format, args...))
}

func (f *fake) run(test func()) string {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for i := len(f.cleanups) - 1; i >= 0; i-- {
				f.cleanups[i]()
			}
		}()
		test()
	}()
	<-done
	return strings.Join(f.logs, "\n")
}

func TestMistakesFailTheTestAtOnce(t *testing.T) {
	for want, opts := range map[string][]kafkatest.Option{
		`kafkatest: kafkatest.Property: num.partitions: "many" is not an integer`: {kafkatest.Property("num.partitions", "many")},
		`kafkatest: topic a b: INVALID_TOPIC_EXCEPTION`:                           {kafkatest.Topic("a b", 1)},
		`kafkatest: topic t: INVALID_CONFIG`:                                      {kafkatest.Topic("t", 1, "retention.ms=soon")},
		`kafkatest: topic t: "retention.ms" is not of the form key=value`:         {kafkatest.Topic("t", 1, "retention.ms")},
	} {
		f := &fake{TB: t}
		reached := false
		if log := f.run(func() { kafkatest.Start(f, opts...); reached = true }); !f.failed || reached || !strings.HasPrefix(log, want) {
			t.Errorf("failed %v, went on %v, want %q:\n%s", f.failed, reached, want, log)
		}
	}
}

func TestLogIsPrintedWhenTheTestFails(t *testing.T) {
	for name, tc := range map[string]struct {
		opts []kafkatest.Option
		fail bool
		want bool
	}{
		"passes":         {nil, false, false},
		"fails":          {nil, true, true},
		"passes, always": {[]kafkatest.Option{kafkatest.LogAlways()}, false, true},
	} {
		f := &fake{TB: t}
		addr := ""
		log := f.run(func() {
			addr = kafkatest.Start(f, append(tc.opts, kafkatest.Dir(t.TempDir()))...).Addr()
			f.failed = tc.fail
		})
		if got := strings.HasPrefix(log, "kafkatest: log of the broker at "+addr+"\n") && strings.Contains(log, "stopping"); got != tc.want || !tc.want && log != "" {
			t.Errorf("%s: %s", name, log)
		}
	}
}

// TestNothingIsLeftBehind looks at the goroutines after tests with a client that still waits for records.
func TestNothingIsLeftBehind(t *testing.T) {
	for range 3 {
		t.Run("", func(t *testing.T) {
			b := kafkatest.Start(t, kafkatest.Topic("t", 2))
			cl := dial(t, b, kgo.ConsumeTopics("t"), kgo.ConsumerGroup("g"), kgo.FetchMaxWait(5*time.Second))
			if err := cl.ProduceSync(within(t), &kgo.Record{Topic: "t", Value: []byte("v")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			cl.PollFetches(within(t))
		})
	}
	stacks := make([]byte, 1<<20)
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		text := string(stacks[:runtime.Stack(stacks, true)])
		if !strings.Contains(text, "gokafka/internal/") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("goroutines of brokers that have ended:\n%s", text)
		}
	}
}

// BenchmarkStart measures from nothing to a broker that serves, and its end.
func BenchmarkStart(b *testing.B) {
	for name, opts := range map[string][]kafkatest.Option{
		"files": nil, "memory": {kafkatest.InMemory()}, "files with a topic": {kafkatest.Topic("t", 3)},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				kafkatest.Start(b, opts...).Stop()
			}
		})
	}
}
