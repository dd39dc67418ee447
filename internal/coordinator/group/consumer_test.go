package group

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// player is a client of the new protocol that does as it is told: it gives up what it must with the next heartbeat.
type player struct {
	id       string
	epoch    int32
	owns     assignment
	topics   []string
	instance *string
	heard    time.Time // of the last answer without an error
}

func (p *player) beat(h *harness, change func(*kmsg.ConsumerGroupHeartbeatRequest)) *kmsg.ConsumerGroupHeartbeatResponse {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.MemberEpoch, req.InstanceID = 1, "g", p.id, p.epoch, p.instance
	req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	if p.epoch == epochJoin {
		req.RebalanceTimeoutMillis, req.SubscribedTopicNames = 30_000, p.topics
		p.owns = assignment{}
	}
	for _, topic := range p.owns.topics() {
		req.Topics = append(req.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: topic, Partitions: p.owns[topic]})
	}
	if change != nil {
		change(req)
	}
	resp := h.c.ConsumerGroupHeartbeat(h.t.Context(), Client{ID: "c", Host: "/h"}, req)
	switch {
	case resp.ErrorCode == kerr.FencedMemberEpoch.Code || resp.ErrorCode == kerr.UnknownMemberID.Code:
		p.epoch, p.owns = epochJoin, assignment{}
	case resp.ErrorCode == 0 && req.MemberEpoch >= 0:
		p.epoch, p.heard = resp.MemberEpoch, time.Now()
		if resp.Assignment != nil {
			p.owns = assignment{}
			for _, t := range resp.Assignment.Topics {
				p.owns[t.TopicID] = slices.Sorted(slices.Values(t.Partitions))
			}
		}
	}
	return resp
}

// owners fails when two players have the same partition.
func owners(t *testing.T, players map[string]*player) int {
	t.Helper()
	by := map[string]string{}
	for id, p := range players {
		for topic, ps := range p.owns {
			for _, n := range ps {
				key := fmt.Sprint(string(topic[:2]), n)
				if other, taken := by[key]; taken {
					t.Fatalf("%s belongs to %s and %s", key, other, id)
				}
				by[key] = id
			}
		}
	}
	return len(by)
}

// TestConsumerGroupInvariants plays random members, with restarts, silent members and growing topics: no partition ever belongs to two members that have
// heard the last answer, what the log holds is what the shard knows, and when all are quiet each partition belongs to somebody and the load is even.
func TestConsumerGroupInvariants(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				h := newHarness(t, 1)
				players := map[string]*player{}
				pick := func() *player {
					ids := slices.Sorted(maps.Keys(players))
					if len(ids) == 0 {
						return nil
					}
					return players[ids[rng.IntN(len(ids))]]
				}
				for i := range 150 {
					p := pick()
					switch n := rng.IntN(20); {
					case n < 3 && len(players) < 6:
						id := fmt.Sprint("m", i)
						players[id] = &player{id: id, topics: [][]string{{"t1"}, {"t1", "t2"}, {"t2"}}[rng.IntN(3)]}
						players[id].beat(h, nil)
					case p == nil:
					case n == 3:
						delete(players, p.id)
						if p.epoch > 0 {
							p.epoch = epochLeave
							p.beat(h, nil)
						}
					case n == 4:
						delete(players, p.id) // silent: its session ends
						p.owns = nil
						for range 10 {
							time.Sleep(5 * time.Second)
							for _, id := range slices.Sorted(maps.Keys(players)) {
								players[id].beat(h, nil)
							}
						}
					case n == 5:
						h.mu.Lock()
						h.topics["t1"]++
						h.mu.Unlock()
						h.changes.Add(1)
					case n == 6:
						h.restart()
					case n == 7 && p.epoch > 0:
						p.topics = []string{"t1", "t2"}
						p.beat(h, func(q *kmsg.ConsumerGroupHeartbeatRequest) {
							q.SubscribedTopicNames, q.RebalanceTimeoutMillis = p.topics, 30_000
						})
					default:
						p.beat(h, nil)
					}
					owners(t, players)
					h.check()
				}
				if len(players) == 0 {
					return
				}
				for range 40 {
					for _, id := range slices.Sorted(maps.Keys(players)) {
						players[id].beat(h, nil)
					}
				}
				wanted := map[string]int{}
				for _, p := range players {
					for _, topic := range p.topics {
						wanted[topic] = h.topics[topic]
					}
				}
				total := 0
				for _, n := range wanted {
					total += n
				}
				if got := owners(t, players); got != total {
					t.Errorf("%d of %d partitions have an owner", got, total)
				}
				h.inspect(func(_ int32, s *shard) {
					if g := s.groups["g"].(*consumer); g.stateName() != "Stable" {
						t.Errorf("the group is %s", g.stateName())
					}
				})
			})
		})
	}
}

// TestStaticMemberComesBack finds what it had, and nobody else has had it meanwhile.
func TestStaticMemberComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		instance := "i"
		a, b := &player{id: "a", topics: []string{"t1"}, instance: &instance}, &player{id: "b", topics: []string{"t1"}}
		for range 4 {
			a.beat(h, nil)
			b.beat(h, nil)
		}
		had, epoch := a.owns, a.epoch
		again := &player{id: "again", topics: []string{"t1"}, instance: &instance}
		if got := again.beat(h, nil).ErrorCode; got != kerr.UnreleasedInstanceID.Code {
			t.Errorf("a second holder of the instance id: %v", kerr.ErrorForCode(got))
		}
		a.epoch = epochLeaveStatic
		a.beat(h, nil)
		b.beat(h, nil)
		h.restart()
		again.epoch = epochJoin
		again.beat(h, nil)
		if !again.owns.equal(had) || again.epoch != epoch {
			t.Errorf("had %v in epoch %d, has %v in %d", had, epoch, again.owns, again.epoch)
		}
		a.epoch = epoch
		if got := a.beat(h, nil).ErrorCode; got != kerr.FencedInstanceID.Code {
			t.Errorf("the one before: %v", kerr.ErrorForCode(got))
		}
		h.check()
	})
}

// TestMemberThatKeepsItsPartitionsIsRemoved after its rebalance time-out.
func TestMemberThatKeepsItsPartitionsIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		a, b := &player{id: "a", topics: []string{"t1"}}, &player{id: "b", topics: []string{"t1"}}
		a.beat(h, nil)
		all := a.owns
		b.beat(h, nil)
		for {
			a.owns = all // whatever it is told
			if a.beat(h, nil).ErrorCode == kerr.UnknownMemberID.Code {
				break
			}
			b.beat(h, nil)
			if b.owns.len() > 0 { // a is gone, or should be
				if got := a.beat(h, nil).ErrorCode; got != kerr.UnknownMemberID.Code {
					t.Fatalf("b has %v, which a has not given up: %v", b.owns, kerr.ErrorForCode(got))
				}
				break
			}
			time.Sleep(5 * time.Second)
		}
		for range 2 {
			b.beat(h, nil)
		}
		if b.owns.len() != 4 {
			t.Errorf("b has %v", b.owns)
		}
		h.check()
	})
}

func TestAssignors(t *testing.T) {
	one, two := subscribed{"t1", topicID("t1"), 5}, subscribed{"t2", topicID("t2"), 3}
	members := []assignorMember{{id: "a", topics: []subscribed{one, two}}, {id: "b", topics: []subscribed{one}}, {id: "c", topics: []subscribed{one, two}}}
	ranged := assignRange(members)
	if got := fmt.Sprint(ranged["a"][one.id], ranged["b"][one.id], ranged["c"][one.id], ranged["a"][two.id], ranged["c"][two.id]); got != "[0 1] [2 3] [4] [0 1] [2]" {
		t.Errorf("range: %s", got)
	}
	even := assignUniform(members)
	for id, a := range even {
		if n := a.len(); n < 2 || n > 3 {
			t.Errorf("uniform: %s has %d", id, n)
		}
	}
	for i := range members {
		members[i].owned = even[members[i].id]
	}
	if again := assignUniform(members); !maps.EqualFunc(again, even, assignment.equal) {
		t.Errorf("uniform, again: %v, was %v", again, even)
	}
	left := assignUniform(members[:2])
	for id := range left {
		if !even[id].within(left[id]) && left[id].len() > 4 {
			t.Errorf("uniform: %s had %v, has %v", id, even[id], left[id])
		}
	}
}
