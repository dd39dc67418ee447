package group

import (
	"context"
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
)

// TestConcurrentRebalances: in many groups at once members come, leave, die without a word, and die between join and sync, while all of them rebalance
// and the coordinator is loaded again in between. No two members ever have the same share of one generation, and when all is quiet each has one.
func TestConcurrentRebalances(t *testing.T) {
	const groups, steps = 40, 1200
	seed := time.Now().UnixNano() % 1_000_000_000
	synctest.Test(t, func(t *testing.T) {
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewSource(seed))
		h := newHarness(t, 3)
		all := make([]*churningGroup, groups)
		for i := range all {
			all[i] = &churningGroup{t: t, h: h, id: fmt.Sprintf("group-%d", i)}
		}
		for step := range steps {
			all[rng.Intn(groups)].step(rng)
			time.Sleep(time.Duration(rng.Intn(500)) * time.Millisecond)
			if step%100 == 99 {
				for _, g := range all {
					g.wantOwnShares()
				}
				h.check()
			}
			if step == steps/2 {
				h.restart()
			}
		}
		time.Sleep(time.Minute) // the session of the dead, and the rebalance time-out of those who did not sync
		for _, g := range all {
			wantStable(t, g.living, len(g.living))
		}
		h.check()
		for _, g := range all {
			for len(g.living) > 0 {
				g.stop(0)
			}
		}
		time.Sleep(time.Minute)
		h.inspect(func(_ int32, s *shard) {
			for _, g := range s.groups {
				if !g.isIdle() {
					t.Errorf("not empty:\n%s", dumpGroup(g.(*classic)))
				}
			}
		})
		h.check()
		if n := h.open; n != 0 {
			t.Errorf("%d requests without an answer", n)
		}
	})
}

// churningGroup is a group whose members come and go.
type churningGroup struct {
	t      *testing.T
	h      *harness
	id     string
	next   int
	living []*loopClient
	stops  []context.CancelFunc // of the living
}

func (g *churningGroup) step(rng *rand.Rand) {
	switch n := rng.Intn(10); {
	case n < 4 || len(g.living) == 0:
		g.start(rng.Intn(2) == 0)
	case n < 6:
		g.stop(rng.Intn(len(g.living)))
	default:
		g.vanish()
	}
}

func (g *churningGroup) start(leaves bool) {
	ctx, stop := context.WithCancel(g.t.Context())
	c := &loopClient{h: g.h, group: g.id, name: fmt.Sprintf("%s-c%d", g.id, g.next)}
	g.next++
	g.living, g.stops = append(g.living, c), append(g.stops, stop)
	go c.run(ctx, leaves)
}

// stop ends a member, which leaves or not as it was started.
func (g *churningGroup) stop(i int) {
	g.stops[i]()
	g.living, g.stops = slices.Delete(g.living, i, i+1), slices.Delete(g.stops, i, i+1)
}

// vanish has a member join, as the leader perhaps, and never be heard of again.
func (g *churningGroup) vanish() {
	c := &loopClient{h: g.h, group: g.id, name: "vanishes"}
	go func() {
		c.id = c.join(g.t.Context()).MemberID
		c.join(g.t.Context())
	}()
}

func (g *churningGroup) wantOwnShares() {
	g.t.Helper()
	type share struct {
		generation int32
		assignment string
	}
	owners := map[share]*loopClient{}
	for _, c := range g.living {
		generation, assignment := c.get()
		if generation == 0 {
			continue
		}
		s := share{generation, assignment}
		if owners[s] != nil {
			g.t.Errorf("%s and %s both have %q of generation %d", c.name, owners[s].name, assignment, generation)
		}
		owners[s] = c
	}
}

// TestHalfOfTheMembersDieBetweenJoinAndSync: the leader among them, so that nobody gets an assignment before these are given up.
func TestHalfOfTheMembersDieBetweenJoinAndSync(t *testing.T) {
	const living, dying = 100, 100
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		g := &churningGroup{t: t, h: h, id: "g"}
		for range dying {
			g.vanish()
		}
		synctest.Wait()
		for range living {
			g.start(true)
		}
		time.Sleep(10 * time.Second)
		h.inspect(func(_ int32, s *shard) {
			c := s.groups["g"].(*classic)
			if c.state != completingRebalance || len(c.members) != living+dying {
				t.Errorf("%s with %d members, the test proves nothing", c.state, len(c.members))
			}
		})
		h.check()
		time.Sleep(time.Minute)
		wantStable(t, g.living, living)
		h.check()
		for len(g.living) > 0 {
			g.stop(0)
		}
		synctest.Wait()
	})
}

// commitMany commits an offset for partitions [0, n) of t1.
func (h *harness) commitMany(group string, n int, offset int64) {
	h.t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 8, group, -1
	topic := kmsg.OffsetCommitRequestTopic{Topic: "t1"}
	for p := range n {
		topic.Partitions = append(topic.Partitions, kmsg.OffsetCommitRequestTopicPartition{Partition: int32(p), Offset: offset, LeaderEpoch: -1})
	}
	req.Topics = []kmsg.OffsetCommitRequestTopic{topic}
	for _, p := range h.c.OffsetCommit(h.t.Context(), Client{}, req).Topics[0].Partitions {
		if p.ErrorCode != 0 {
			h.t.Fatalf("%s, partition %d: %s", group, p.Partition, codeName(p.ErrorCode))
		}
	}
}

// wantOffsets checks that the group has this offset for n partitions.
func (h *harness) wantOffsets(group string, n int, offset int64) {
	h.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group = 7, group
	resp := h.c.OffsetFetch(h.t.Context(), Client{}, req)
	if resp.ErrorCode != 0 {
		h.t.Fatalf("%s: %s", group, codeName(resp.ErrorCode))
	}
	got := 0
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			if got++; p.Offset != offset {
				h.t.Fatalf("%s, partition %d: offset %d, want %d", group, p.Partition, p.Offset, offset)
			}
		}
	}
	if got != n {
		h.t.Fatalf("%s has %d offsets, want %d", group, got, n)
	}
}

// TestLongLog loads a log of 200,000 offsets, with groups of members, groups deleted and transactions in it.
func TestLongLog(t *testing.T) {
	const groups, partitions, commits = 50, 400, 10
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		h.topics["t1"] = partitions
		ctx, stop := context.WithCancel(t.Context())
		var members crowd
		members.start(ctx, h, "with-members", 3, true)
		for i := range commits {
			for g := range groups {
				h.commitMany(fmt.Sprintf("group-%d", g), partitions, int64(i+1))
			}
			h.commitInTxn(int64(i), int64(i))
			h.endTxn(int64(i), i%2 == 0)
		}
		del := kmsg.NewPtrDeleteGroupsRequest()
		del.Groups = []string{"group-0", "group-1"}
		for _, g := range h.c.DeleteGroups(t.Context(), Client{}, del).Groups {
			if g.ErrorCode != 0 {
				t.Fatalf("delete %s: %s", g.Group, codeName(g.ErrorCode))
			}
		}
		time.Sleep(10 * time.Second)
		before := wantStable(t, members.clients, 3)
		h.restart()
		h.wantOffsets("group-0", 0, 0)
		for g := 2; g < groups; g++ {
			h.wantOffsets(fmt.Sprintf("group-%d", g), partitions, commits)
		}
		if got := h.offset(true); got != "8" {
			t.Errorf("the offset of transactions is %s", got)
		}
		h.check()
		time.Sleep(10 * time.Second)
		if after := wantStable(t, members.clients, 3); after != before {
			t.Errorf("the load cost a rebalance: generation %d, was %d", after, before)
		}
		stop()
		members.wg.Wait()
	})
}

// TestMoreOffsetsThanABatchHolds: offsets of a large group, and of a topic that many groups have read, are removed, though the tombstones do not fit
// into one batch.
func TestMoreOffsetsThanABatchHolds(t *testing.T) {
	const groups, partitions = 10, 1000
	for name, remove := range map[string]func(h *harness){
		"expired":       func(*harness) { time.Sleep(25 * time.Hour) },
		"topic deleted": func(h *harness) { h.c.OnTopicsDeleted([]string{"t1"}); time.Sleep(time.Hour) },
		"group deleted": func(h *harness) {
			req := kmsg.NewPtrDeleteGroupsRequest()
			for g := range groups {
				req.Groups = append(req.Groups, fmt.Sprintf("group-%d", g))
			}
			for _, g := range h.c.DeleteGroups(h.t.Context(), Client{}, req).Groups {
				if g.ErrorCode != 0 {
					h.t.Errorf("%s: %s", g.Group, codeName(g.ErrorCode))
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, 1)
				h.topics["t1"] = partitions
				for g := range groups {
					h.commitMany(fmt.Sprintf("group-%d", g), partitions, 1)
				}
				h.journal.LimitBatches(10_000)
				h.inspect(func(_ int32, s *shard) { // not yet
					if n := s.offsets.count("group-0"); n != partitions {
						t.Errorf("%d offsets", n)
					}
				})
				remove(h)
				for range 2 {
					h.inspect(func(_ int32, s *shard) {
						left := 0
						for g := range groups {
							left += s.offsets.count(fmt.Sprintf("group-%d", g))
						}
						if left > 0 {
							t.Errorf("%d offsets are left", left)
						}
					})
					h.check()
					h.restart() // the tombstones are in the log
				}
			})
		})
	}
}

// TestLimitsFollowTheConfig: they are read once for each configuration, of which a change makes another.
func TestLimitsFollowTheConfig(t *testing.T) {
	c, _, err := config.New(nil, config.Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	get := cachedLimits(func() *config.Config { return c })
	if n := get().offsetMetadataMaxBytes; n != 4096 {
		t.Errorf("offset.metadata.max.bytes is %d", n)
	}
	c, _, err = config.New([]config.Entry{{Key: "offset.metadata.max.bytes", Value: "7"}}, config.Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	if n := get().offsetMetadataMaxBytes; n != 7 {
		t.Errorf("offset.metadata.max.bytes is %d after the change to 7", n)
	}
}
