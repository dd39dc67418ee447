package group

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
)

// loopClient behaves as a consumer does: join, sync, heartbeats, and again when it is told to.
type loopClient struct {
	h     *harness
	group string
	name  string

	mu         sync.Mutex
	generation int32 // of the assignment; 0 while there is none
	assignment string
	id         string
}

func (c *loopClient) set(generation int32, assignment string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation, c.assignment = generation, assignment
}

func (c *loopClient) get() (int32, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.generation, c.assignment
}

// run lasts until ctx ends: without a word, unless leave is set.
func (c *loopClient) run(ctx context.Context, leave bool) {
	for ctx.Err() == nil {
		r := c.join(ctx)
		switch r.ErrorCode {
		case 0:
			c.id = r.MemberID
			if c.sync(ctx, r) {
				c.beat(ctx, r.Generation)
			}
			c.set(0, "")
		case kerr.MemberIDRequired.Code:
			c.id = r.MemberID
		case kerr.UnknownMemberID.Code:
			c.id = ""
		default:
			pause(ctx, 100*time.Millisecond)
		}
	}
	if leave {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Version, req.Group = 4, c.group
		req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: c.id}}
		c.h.c.LeaveGroup(context.Background(), Client{}, req)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (c *loopClient) join(ctx context.Context) *kmsg.JoinGroupResponse {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID, req.ProtocolType = 9, c.group, c.id, consumerProtocol
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10_000, 30_000
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: subscription("t1")}}
	return c.h.c.JoinGroup(ctx, Client{ID: c.name, Host: "/127.0.0.1"}, req)
}

func (c *loopClient) sync(ctx context.Context, r *kmsg.JoinGroupResponse) bool {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.Generation, req.MemberID = 3, c.group, r.Generation, r.MemberID
	for i, m := range r.Members {
		req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{
			MemberID: m.MemberID, MemberAssignment: fmt.Appendf(nil, "%d of %d", i, len(r.Members))})
	}
	s := c.h.c.SyncGroup(ctx, Client{}, req)
	if s.ErrorCode == 0 {
		c.set(r.Generation, string(s.MemberAssignment))
	}
	return s.ErrorCode == 0
}

// beat sends heartbeats and commits until the group has something else to say than that all is well.
func (c *loopClient) beat(ctx context.Context, generation int32) {
	for {
		pause(ctx, 3*time.Second)
		if ctx.Err() != nil {
			return
		}
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.Generation, req.MemberID = 4, c.group, generation, c.id
		switch code := c.h.c.Heartbeat(ctx, Client{}, req).ErrorCode; code {
		case 0, kerr.NotCoordinator.Code:
		case kerr.UnknownMemberID.Code:
			c.id = ""
			return
		default:
			return
		}
	}
}

type crowd struct {
	clients []*loopClient
	wg      sync.WaitGroup
}

func (c *crowd) start(ctx context.Context, h *harness, group string, n int, leave bool) {
	for range n {
		client := &loopClient{h: h, group: group, name: fmt.Sprintf("c%d", len(c.clients))}
		c.clients = append(c.clients, client)
		c.wg.Go(func() { client.run(ctx, leave) })
	}
}

// wantStable checks that the clients share one generation and that each has an assignment of its own.
func wantStable(t *testing.T, clients []*loopClient, n int) int32 {
	t.Helper()
	var generation int32
	var assignments []string
	for _, c := range clients {
		g, a := c.get()
		if g == 0 {
			continue
		}
		if generation == 0 {
			generation = g
		}
		if g != generation {
			t.Fatalf("client %s is in generation %d, another in %d", c.name, g, generation)
		}
		assignments = append(assignments, a)
	}
	slices.Sort(assignments)
	if len(assignments) != n || len(slices.Compact(assignments)) != n {
		t.Fatalf("%d clients have an assignment of their own, want %d", len(assignments), n)
	}
	return generation
}

func TestFiveHundredMembersInOneGroup(t *testing.T) {
	const members, die = 500, 100
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		var all crowd
		living, stop := context.WithCancel(t.Context())
		dying, kill := context.WithCancel(t.Context())
		all.start(dying, h, "g", die, false)
		all.start(living, h, "g", members-die, true)
		time.Sleep(time.Minute)
		wantStable(t, all.clients, members)
		h.check()

		kill() // at once, without leaving
		time.Sleep(time.Minute)
		wantStable(t, all.clients[die:], members-die)
		h.check()

		h.restart()
		before := wantStable(t, all.clients[die:], members-die)
		time.Sleep(time.Minute)
		if after := wantStable(t, all.clients[die:], members-die); after != before {
			t.Errorf("the restart cost a rebalance: generation %d, was %d", after, before)
		}

		stop()
		all.wg.Wait()
		time.Sleep(time.Minute)
		h.inspect(func(_ int32, s *shard) {
			if g := s.groups["g"].(*classic); !g.isIdle() {
				t.Errorf("not empty:\n%s", dumpGroup(g))
			}
		})
		h.check()
	})
}

func TestThousandGroups(t *testing.T) {
	const groups, members = 1000, 2
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 10)
		var all crowd
		living, stop := context.WithCancel(t.Context())
		for g := range groups {
			all.start(living, h, fmt.Sprintf("group-%d", g), members, true)
		}
		time.Sleep(30 * time.Second)
		stable := func() {
			t.Helper()
			for g := range groups {
				wantStable(t, all.clients[g*members:(g+1)*members], members)
			}
		}
		stable()
		h.check()
		list := kmsg.NewPtrListGroupsRequest()
		list.Version, list.StatesFilter = 5, []string{"Stable"}
		if r := h.c.ListGroups(t.Context(), Client{}, list); len(r.Groups) != groups {
			t.Errorf("%d stable groups", len(r.Groups))
		}
		h.restart()
		time.Sleep(30 * time.Second)
		stable()
		stop()
		all.wg.Wait()
		time.Sleep(50 * time.Hour)
		if r := h.c.ListGroups(t.Context(), Client{}, kmsg.NewPtrListGroupsRequest()); len(r.Groups) != 0 {
			t.Errorf("%d groups did not expire", len(r.Groups))
		}
	})
}

func TestLimitsOfTheDefaultConfig(t *testing.T) {
	c, _, err := config.New(nil, config.Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	want := limits{
		initialRebalanceDelay:  3 * time.Second,
		minSessionTimeoutMs:    6000,
		maxSessionTimeoutMs:    1_800_000,
		maxSize:                2147483647,
		offsetMetadataMaxBytes: 4096,
		retention:              7 * 24 * time.Hour,
		retentionCheck:         10 * time.Minute,
		assignors:              []string{"uniform", "range"},
		consumerMaxSize:        2147483647,
		migration:              migration{upgrade: true, downgrade: true},
		shareMaxSize:           200,
		shareTimes:             consumerTimes{session: 45 * time.Second, heartbeat: 5 * time.Second, assignment: time.Second},
		consumerTimes:          consumerTimes{session: 45 * time.Second, heartbeat: 5 * time.Second, assignment: time.Second},
		streams:                streamsConfig{45 * time.Second, 5 * time.Second, time.Second, 3 * time.Second, 0, 2147483647},
	}
	if got := limitsOf(c); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if ms := c.Int64("offsets.commit.timeout.ms"); ms != 5000 {
		t.Errorf("offsets.commit.timeout.ms is %d", ms)
	}
}

// TestRequestsWhileLoading: what each API answers in that time.
func TestRequestsWhileLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 2)
		gate := make(chan struct{})
		h.journal.HoldLoads(gate)
		h.restart()
		loading := kerr.CoordinatorLoadInProgress.Code
		client := &loopClient{h: h, group: "g"}
		if code := client.join(t.Context()).ErrorCode; code != loading {
			t.Errorf("join: %s", codeName(code))
		}
		beat := kmsg.NewPtrHeartbeatRequest()
		beat.Group = "g"
		if code := h.c.Heartbeat(t.Context(), Client{}, beat).ErrorCode; code != 0 {
			t.Errorf("heartbeat: %s", codeName(code))
		}
		if code := h.c.ListGroups(t.Context(), Client{}, kmsg.NewPtrListGroupsRequest()).ErrorCode; code != loading {
			t.Errorf("list: %s", codeName(code))
		}
		fetch := kmsg.NewPtrOffsetFetchRequest()
		fetch.Version, fetch.Group = 1, "g"
		fetch.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t1", Partitions: []int32{0}}}
		if p := h.c.OffsetFetch(t.Context(), Client{}, fetch).Topics[0].Partitions[0]; p.ErrorCode != loading || p.Offset != -1 {
			t.Errorf("fetch version 1: %+v", p)
		}
		fetch.Version = 2
		if code := h.c.OffsetFetch(t.Context(), Client{}, fetch).ErrorCode; code != loading {
			t.Errorf("fetch version 2: %s", codeName(code))
		}
		close(gate)
		synctest.Wait()
		h.numPart = 0 // __consumer_offsets does not exist yet
		if code := h.c.OffsetFetch(t.Context(), Client{}, fetch).ErrorCode; code != kerr.NotCoordinator.Code {
			t.Errorf("fetch without the topic: %s", codeName(code))
		}
		if code := client.join(t.Context()).ErrorCode; code != kerr.CoordinatorNotAvailable.Code {
			t.Errorf("join without the topic: %s", codeName(code))
		}
		h.numPart = 2
	})
}

// TestCallerThatIsGone: a connection that closes while its JoinGroup waits.
func TestCallerThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		var all crowd
		all.start(ctx, h, "g", 3, false)
		time.Sleep(time.Second)
		cancel()
		all.wg.Wait()
		h.check()
		time.Sleep(20 * time.Second)
		client := &loopClient{h: h, group: "g"}
		client.id = client.join(t.Context()).MemberID
		r := client.join(t.Context())
		if r.ErrorCode != 0 || len(r.Members) != 1 {
			t.Errorf("got %s, %d members", codeName(r.ErrorCode), len(r.Members))
		}
		h.check()
	})
}
