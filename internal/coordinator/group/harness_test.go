package group

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/coordinator/coordinatortest"
)

// harness is a coordinator over a journal in memory, in a synctest bubble.
type harness struct {
	states  fakeStates
	t       *testing.T
	journal *coordinatortest.Journal
	c       *Coordinator
	limits  atomic.Pointer[limits]
	ids     atomic.Int64
	changes atomic.Int64 // of topics
	epoch   int32
	numPart int32

	mu     sync.Mutex
	topics map[string]int // partitions
	trace  []string       // answers since the last settle
	open   int            // requests without an answer
}

func newHarness(t *testing.T, partitions int32) *harness {
	h := &harness{t: t, journal: coordinatortest.New(), numPart: partitions, topics: map[string]int{"t1": 4, "t2": 4}}
	h.limits.Store(&limits{
		initialRebalanceDelay:  3 * time.Second,
		minSessionTimeoutMs:    1000,
		maxSessionTimeoutMs:    60_000,
		maxSize:                1000,
		offsetMetadataMaxBytes: 16,
		retention:              24 * time.Hour,
		retentionCheck:         10 * time.Minute,
		assignors:              []string{"uniform", "range"},
		consumerMaxSize:        1000,
		migration:              migration{upgrade: true, downgrade: true},
		shareMaxSize:           3,
		shareTimes:             consumerTimes{session: 45 * time.Second, heartbeat: 5 * time.Second},
		consumerTimes:          consumerTimes{session: 45 * time.Second, heartbeat: 5 * time.Second},
		streams:                streamsConfig{session: 45 * time.Second, heartbeat: 5 * time.Second, maxSize: 1000},
	})
	o := Options{
		Journal:         h.journal,
		NumPartitions:   func() int32 { return h.numPart },
		TopicPartitions: func(topic string) int { h.mu.Lock(); defer h.mu.Unlock(); return h.topics[topic] },
		TopicID: func(topic string) ([16]byte, bool) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return topicID(topic), h.topics[topic] > 0
		},
		TopicName: func(id [16]byte) (string, bool) {
			name := strings.TrimRight(string(id[:]), "\x00")
			h.mu.Lock()
			defer h.mu.Unlock()
			return name, h.topics[name] > 0
		},
		Topics: func() iter.Seq[string] {
			h.mu.Lock()
			defer h.mu.Unlock()
			return slices.Values(slices.Sorted(maps.Keys(h.topics)))
		},
		TopicsVersion: h.changes.Load,
		ShareState:    &h.states,
		Logger:        zap.NewNop(),
		Now:           time.Now,
		NewID:         func() string { return fmt.Sprint(h.ids.Add(1)) },
	}
	h.c = newCoordinator(o, 5*time.Second, func() limits { return *h.limits.Load() })
	t.Cleanup(h.c.Close)
	h.load()
	return h
}

// topicID makes the id of a topic from its name, which tests can read.
func topicID(topic string) (id [16]byte) { copy(id[:], topic); return id }

func (h *harness) load() {
	h.epoch++
	for p := range h.numPart {
		h.c.Load(p, h.epoch)
	}
	synctest.Wait()
}

// restart drops all that is not in the log.
func (h *harness) restart() {
	for p := range h.numPart {
		h.c.Unload(p, -1)
	}
	h.load()
}

func (h *harness) change(fn func(*limits)) {
	l := *h.limits.Load()
	fn(&l)
	h.limits.Store(&l)
}

// ask runs a request that may wait; its answer goes to the trace when it comes.
func (h *harness) ask(name string, request func(ctx context.Context) string) {
	h.mu.Lock()
	h.open++
	h.mu.Unlock()
	go func() {
		answer := request(h.t.Context())
		h.mu.Lock()
		defer h.mu.Unlock()
		h.open--
		h.trace = append(h.trace, name+": "+answer)
	}()
}

// settle waits until nothing moves and returns what was answered, sorted.
func (h *harness) settle() []string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	trace := h.trace
	h.trace = nil
	slices.Sort(trace)
	return trace
}

// inspect runs fn on each shard.
func (h *harness) inspect(fn func(partition int32, s *shard)) {
	for p := range h.numPart {
		_, err := coordinator.Do(h.t.Context(), h.c.rt, p, func(s *shard, reply *coordinator.Reply[int]) []record {
			fn(p, s)
			reply.Done(0)
			return nil
		})
		if err != nil {
			h.t.Errorf("inspect partition %d: %v", p, err)
		}
	}
}

// check verifies what must hold between any two events.
func (h *harness) check() {
	h.t.Helper()
	h.checkGroups()
	h.checkLog()
}

func (h *harness) checkGroups() {
	h.t.Helper()
	h.inspect(func(_ int32, s *shard) {
		for id, g := range s.groups {
			c, ok := g.(*classic)
			if !ok {
				continue
			}
			if err := checkClassic(c); err != nil {
				h.t.Errorf("group %s: %v\n%s", id, err, dumpGroup(c))
			}
		}
	})
}

// checkLog compares the live state with what a coordinator that has only the log knows.
func (h *harness) checkLog() {
	h.t.Helper()
	h.inspect(func(p int32, s *shard) {
		fresh := replayed(h.t, h.journal, p)
		if diff := durableDiff(s, fresh); diff != "" {
			h.t.Errorf("partition %d: replay of the log differs from the live state: %s", p, diff)
		}
	})
}

// bareShard is a shard without a runtime, which can only replay.
func bareShard() *shard {
	env := coordinator.Env{
		Now:      time.Now,
		Schedule: func(string, time.Duration, func() []record) {},
		Cancel:   func(string) {},
	}
	return newShard(env, func() limits { return limits{maxSize: 1 << 30} }, zap.NewNop())
}

// replayed is a shard that has only the log.
func replayed(t *testing.T, j *coordinatortest.Journal, partition int32) *shard {
	s := bareShard()
	rt := coordinator.New(j.Clone(), func(int32, coordinator.Env) *shard { return s }, coordinator.Options{
		Now: time.Now, NewID: func() string { return "" }})
	rt.Load(partition, 1<<30)
	for {
		_, err := coordinator.Do(t.Context(), rt, partition, func(_ *shard, reply *coordinator.Reply[int]) []record { reply.Done(0); return nil })
		if err == nil {
			break
		}
		time.Sleep(time.Nanosecond) // still loading
	}
	rt.Close()
	return s
}

func durableDiff(live, fresh *shard) string {
	if a, b := live.groupIDs(), fresh.groupIDs(); !slices.Equal(a, b) {
		return fmt.Sprintf("groups %v, replayed %v", a, b)
	}
	for id, g := range live.groups {
		if a, b := g.groupType(), fresh.groups[id].groupType(); a != b {
			return fmt.Sprintf("group %s: %s, replayed %s", id, a, b)
		}
		if a, ok := g.(*consumer); ok {
			if diff := consumerDiff(a, fresh.groups[id].(*consumer)); diff != "" {
				return fmt.Sprintf("group %s: %s", id, diff)
			}
			continue
		}
		if a, ok := g.(*streams); ok {
			if diff := streamsDiff(a, fresh.groups[id].(*streams)); diff != "" {
				return fmt.Sprintf("group %s: %s", id, diff)
			}
			continue
		}
		if a, ok := g.(*share); ok {
			x, y := *a, *fresh.groups[id].(*share)
			if x.s, y.s = nil, nil; !reflect.DeepEqual(x, y) {
				return fmt.Sprintf("group %s: %+v, replayed %+v", id, x, y)
			}
			continue
		}
		if a, b := g.(*classic).stored, fresh.groups[id].(*classic).stored; !reflect.DeepEqual(a, b) {
			return fmt.Sprintf("group %s: %+v, replayed %+v", id, a, b)
		}
	}
	if !reflect.DeepEqual(live.offsets, fresh.offsets) {
		return fmt.Sprintf("offsets %v, replayed %v", live.offsets, fresh.offsets)
	}
	return ""
}

func consumerDiff(live, fresh *consumer) string {
	a, b := *live, *fresh
	a.s, b.s, a.seen, b.seen, a.rejoining, b.rejoining = nil, nil, 0, 0, nil, nil
	if !reflect.DeepEqual(a, b) {
		return fmt.Sprintf("%+v, replayed %+v", a, b)
	}
	return ""
}

// streamsDiff compares what the log knows of two groups.
func streamsDiff(live, fresh *streams) string {
	a, b := *live, *fresh
	for _, g := range []*streams{&a, &b} {
		g.s, g.seen, g.configured, g.delayed, g.shutdownBy, g.endpointEpoch = nil, 0, nil, false, "", 0
	}
	if !reflect.DeepEqual(a, b) {
		return fmt.Sprintf("%+v, replayed %+v", a, b)
	}
	return ""
}

func checkClassic(g *classic) error {
	awaiting, supported, static := 0, make(map[string]int), make(map[string]string)
	for _, m := range g.members {
		if g.byID[m.id] != m {
			return fmt.Errorf("member %s is not in byID", m.id)
		}
		if _, ok := g.pending[m.id]; ok {
			return fmt.Errorf("member %s is pending too", m.id)
		}
		if m.join != nil {
			awaiting++
		}
		if m.instanceID != nil {
			static[*m.instanceID] = m.id
		}
		for _, p := range m.protocols {
			supported[p.name]++
		}
		if m.join != nil && g.state != preparingRebalance {
			return fmt.Errorf("member %s waits to join in state %s", m.id, g.state)
		}
		if m.sync != nil && g.state != completingRebalance {
			return fmt.Errorf("member %s waits to sync in state %s", m.id, g.state)
		}
	}
	switch {
	case len(g.byID) != len(g.members):
		return fmt.Errorf("%d members, %d by id", len(g.members), len(g.byID))
	case awaiting != g.awaiting:
		return fmt.Errorf("awaiting is %d, should be %d", g.awaiting, awaiting)
	case !maps.Equal(supported, g.supported):
		return fmt.Errorf("supported is %v, should be %v", g.supported, supported)
	case !maps.Equal(static, g.static):
		return fmt.Errorf("static is %v, should be %v", g.static, static)
	case len(g.members) > 0 && g.byID[g.leader] == nil || len(g.members) == 0 && g.leader != "":
		return fmt.Errorf("leader is %q", g.leader)
	case g.state == empty && len(g.members) > 0:
		return fmt.Errorf("empty with %d members", len(g.members))
	case (g.state == stable || g.state == completingRebalance) && len(g.members) == 0:
		return fmt.Errorf("%s without members", g.state)
	case g.state == preparingRebalance && len(g.unsynced) > 0:
		return fmt.Errorf("unsynced members while preparing")
	}
	for id := range g.unsynced {
		if g.byID[id] == nil {
			return fmt.Errorf("unsynced %s is not a member", id)
		}
	}
	if g.state == stable && !sameGroup(g.value(nil), *g.stored) {
		return fmt.Errorf("stable, but the log has %+v", *g.stored)
	}
	return nil
}

// sameGroup compares but for the time stamp, and for what a record does not keep: absent and empty bytes.
func sameGroup(a, b stored) bool {
	normal := func(g stored) stored {
		g.stateSinceMs = 0
		g.members = slices.Clone(g.members)
		for i := range g.members {
			g.members[i].subscription = append([]byte{}, g.members[i].subscription...)
			g.members[i].assignment = append([]byte{}, g.members[i].assignment...)
		}
		return g
	}
	return reflect.DeepEqual(normal(a), normal(b))
}

func dumpGroup(g *classic) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s generation=%d leader=%s type=%s protocol=%s\n", g.id, g.state, g.generation, g.leader, g.protocolType, deref(g.protocol))
	for _, m := range g.members {
		fmt.Fprintf(&b, "  %s", m.id)
		if m.instanceID != nil {
			fmt.Fprintf(&b, " instance=%s", *m.instanceID)
		}
		for _, flag := range []struct {
			on   bool
			name string
		}{{m.isNew, "new"}, {m.join != nil, "joining"}, {m.sync != nil, "syncing"}} {
			if flag.on {
				fmt.Fprintf(&b, " %s", flag.name)
			}
		}
		if _, ok := g.unsynced[m.id]; ok {
			fmt.Fprint(&b, " unsynced")
		}
		fmt.Fprintf(&b, " assignment=%s\n", showAssignment(m.assignment))
	}
	for _, id := range slices.Sorted(maps.Keys(g.pending)) {
		fmt.Fprintf(&b, "  %s pending\n", id)
	}
	return b.String()
}

// codeName is the name of an error code, "ok" for none.
func codeName(code int16) string {
	if code == 0 {
		return "ok"
	}
	return kerr.TypedErrorForCode(code).Message
}

// subscription is a ConsumerProtocolSubscription of the topics.
func subscription(topics ...string) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Topics = topics
	return m.AppendTo(nil)
}

// dirty overwrites a byte slice of a request that has been answered, as the connection's next frame does.
func dirty(b []byte) {
	for i := range b {
		b[i] = 0xee
	}
}
