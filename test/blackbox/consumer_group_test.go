package blackbox_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// members848 consume a group of the new protocol (KIP-848) and note who has which partitions.
type members848 struct {
	t     *testing.T
	n     *running
	mu    sync.Mutex // guards owned and got
	owned map[string]map[string][]int32
	got   []string
}

func (m *members848) join(name string, opts ...kgo.Opt) *kgo.Client {
	return m.enter(name, append([]kgo.Opt{kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer())}, opts...)...)
}

// enter is join with the classic protocol, or with what opts say.
func (m *members848) enter(name string, opts ...kgo.Opt) *kgo.Client {
	change := func(take bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.owned[name] == nil {
				m.owned[name] = map[string][]int32{}
			}
			for topic, ps := range topics {
				kept := slices.DeleteFunc(m.owned[name][topic], func(p int32) bool { return slices.Contains(ps, p) })
				if take {
					kept = append(kept, ps...)
				}
				m.owned[name][topic] = kept
			}
		}
	}
	// franz-go leaves the commit before a rebalance to whoever has a callback of their own.
	revoked := func(ctx context.Context, cl *kgo.Client, topics map[string][]int32) {
		_ = cl.CommitUncommittedOffsets(ctx)
		change(false)(ctx, cl, topics)
	}
	cl := m.n.franz(m.t, append([]kgo.Opt{
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(50 * time.Millisecond), kgo.MetadataMaxAge(100 * time.Millisecond),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(revoked), kgo.OnPartitionsLost(change(false)),
	}, opts...)...)
	go func() {
		for {
			fs := cl.PollFetches(m.t.Context())
			if fs.IsClientClosed() || m.t.Context().Err() != nil {
				return
			}
			for _, r := range fs.Records() {
				m.mu.Lock()
				m.got = append(m.got, string(r.Value))
				m.mu.Unlock()
			}
		}
	}()
	return cl
}

// await waits until the members have as many partitions each as said, none of them twice.
func (m *members848) await(want map[string]int) {
	m.t.Helper()
	ctx := within(m.t)
	for {
		m.mu.Lock()
		ok, seen := true, map[string]bool{}
		for name, n := range want {
			count := 0
			for topic, ps := range m.owned[name] {
				count += len(ps)
				for _, p := range ps {
					key := fmt.Sprint(topic, p)
					ok = ok && !seen[key]
					seen[key] = true
				}
			}
			ok = ok && count == n
		}
		text := fmt.Sprint(m.owned)
		m.mu.Unlock()
		if ok {
			return
		}
		if ctx.Err() != nil {
			m.t.Fatalf("want %v, have %s", want, text)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func quick848(t *testing.T, dir string, overrides ...string) *running {
	return start(t, dir, append([]string{
		"num.partitions", "6", "group.consumer.heartbeat.interval.ms", "50", "group.consumer.min.heartbeat.interval.ms", "50",
	}, overrides...)...)
}

// TestConsumerGroupSharesAndTakesOver: members come and go, partitions follow, and what was committed is not read again.
func TestConsumerGroupSharesAndTakesOver(t *testing.T) {
	dir := t.TempDir()
	n := quick848(t, dir)
	produce(t, n.franz(t), "shared", numbered("r", 100)...)
	m := &members848{t: t, n: n, owned: map[string]map[string][]int32{}}
	a := m.join("a", kgo.ConsumerGroup("g848"), kgo.ConsumeTopics("shared"))
	m.await(map[string]int{"a": 6})
	b := m.join("b", kgo.ConsumerGroup("g848"), kgo.ConsumeTopics("shared"))
	m.await(map[string]int{"a": 3, "b": 3})
	c := m.join("c", kgo.ConsumerGroup("g848"), kgo.ConsumeTopics("shared"))
	m.await(map[string]int{"a": 2, "b": 2, "c": 2})

	admin := kadm.NewClient(n.franz(t))
	// What a member was told is what it has; that it has it, the broker hears with its next heartbeat.
	eventually(t, "a stable group of three", func() bool {
		groups, err := admin.ListGroupsByType(within(t), []string{"consumer"})
		if err != nil {
			t.Fatal(err)
		}
		described, err := admin.DescribeConsumerGroups(within(t), "g848")
		if err != nil {
			t.Fatal(err)
		}
		return groups["g848"].State == "Stable" && len(described["g848"].Members) == 3 && described["g848"].AssignorName == "uniform"
	})
	if err := c.CommitUncommittedOffsets(within(t)); err != nil {
		t.Errorf("commit: %v", err)
	}
	c.Close()
	m.await(map[string]int{"a": 3, "b": 3})
	if _, err := admin.CreatePartitions(within(t), 4, "shared"); err != nil {
		t.Fatal(err)
	}
	m.await(map[string]int{"a": 5, "b": 5})
	// Who is given a partition begins at what was committed last, which is nothing if that was before a commit; so all of it is read, maybe twice.
	eventually(t, "100 records to be read and committed", func() bool {
		for _, cl := range []*kgo.Client{a, b} {
			if err := cl.CommitUncommittedOffsets(within(t)); err != nil {
				t.Errorf("commit: %v", err)
			}
		}
		offsets, err := admin.FetchOffsets(within(t), "g848")
		if err != nil {
			t.Fatal(err)
		}
		sum := int64(0)
		offsets.Each(func(o kadm.OffsetResponse) { sum += o.At })
		m.mu.Lock()
		defer m.mu.Unlock()
		slices.Sort(m.got)
		return sum == 100 && len(slices.Compact(slices.Clone(m.got))) == 100
	})
	a.Close()
	b.Close()
	n.stop()

	n = quick848(t, dir)
	produce(t, n.franz(t), "shared", "late")
	again := &members848{t: t, n: n, owned: map[string]map[string][]int32{}}
	again.join("d", kgo.ConsumerGroup("g848"), kgo.ConsumeTopics("shared"))
	again.await(map[string]int{"d": 10})
	for ctx := within(t); ; {
		again.mu.Lock()
		got := slices.Clone(again.got)
		again.mu.Unlock()
		if slices.Equal(got, []string{"late"}) {
			break
		}
		if ctx.Err() != nil || len(got) > 1 {
			t.Fatalf("after the restart: %v", got)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestConsumerGroupByPattern subscribes by a regular expression that the broker evaluates; topics that come later are taken in.
func TestConsumerGroupByPattern(t *testing.T) {
	n := quick848(t, t.TempDir())
	produce(t, n.franz(t), "pat-1", "x")
	produce(t, n.franz(t), "other", "x")
	m := &members848{t: t, n: n, owned: map[string]map[string][]int32{}}
	m.join("a", kgo.ConsumerGroup("pattern"), kgo.ConsumeRegex(), kgo.ConsumeTopics("pat-.*"))
	m.await(map[string]int{"a": 6})
	produce(t, n.franz(t), "pat-2", "x")
	m.await(map[string]int{"a": 12})
}

// TestConsumerGroupForgetsTheSilent: a member that is not heard of loses its partitions to the others.
func TestConsumerGroupForgetsTheSilent(t *testing.T) {
	t.Parallel()
	n := quick848(t, t.TempDir(), "group.consumer.session.timeout.ms", "2000", "group.consumer.min.session.timeout.ms", "1000")
	produce(t, n.franz(t), "silent", "x")
	m := &members848{t: t, n: n, owned: map[string]map[string][]int32{}}
	m.join("a", kgo.ConsumerGroup("silent"), kgo.ConsumeTopics("silent"))
	m.await(map[string]int{"a": 6})
	// A static member leaves for a while: nobody takes its partitions before its session is over.
	b := m.join("b", kgo.ConsumerGroup("silent"), kgo.ConsumeTopics("silent"), kgo.InstanceID("b"))
	m.await(map[string]int{"a": 3, "b": 3})
	b.Close()
	m.mu.Lock()
	m.owned["b"] = nil
	m.mu.Unlock()
	m.await(map[string]int{"a": 6})
}

// TestNewProtocolTakesOverAnEmptyClassicGroup, and the other way round: offsets stay.
func TestNewProtocolTakesOverAnEmptyClassicGroup(t *testing.T) {
	n := quick848(t, t.TempDir())
	produce(t, n.franz(t), "both", numbered("r", 10)...)
	classic := func() *kgo.Client {
		return n.franz(t, kgo.ConsumerGroup("both"), kgo.ConsumeTopics("both"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	}
	cl := classic()
	poll(t, cl, 10)
	if err := cl.CommitUncommittedOffsets(within(t)); err != nil {
		t.Fatal(err)
	}
	cl.Close()
	produce(t, n.franz(t), "both", "eleventh")
	next := n.franz(t, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()), kgo.ConsumerGroup("both"), kgo.ConsumeTopics("both"), kgo.DisableAutoCommit())
	if got := texts(poll(t, next, 1)); !slices.Equal(got, []string{"eleventh"}) {
		t.Errorf("%v", got)
	}
	if err := next.CommitUncommittedOffsets(within(t)); err != nil {
		t.Fatal(err)
	}
	next.Close()
	produce(t, n.franz(t), "both", "twelfth")
	if got := texts(poll(t, classic(), 1)); !slices.Equal(got, []string{"twelfth"}) {
		t.Errorf("%v", got)
	}
}
