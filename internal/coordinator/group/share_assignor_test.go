package group

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// shareTopic is a topic of n partitions as members want it.
func shareTopic(name byte, n int32) assignment {
	a := assignment{{name}: nil}
	for p := range n {
		a[uuid{name}] = append(a[uuid{name}], p)
	}
	return a
}

func TestSimpleAssignorSharesEvenly(t *testing.T) {
	for _, c := range []struct{ members, partitions, each, most int }{
		{1, 4, 4, 4}, {2, 4, 2, 2}, {3, 4, 1, 2}, {4, 4, 1, 1}, {6, 4, 1, 2}, {8, 4, 1, 1}, {5, 1, 1, 1}, {3, 0, 0, 0},
	} {
		t.Run(fmt.Sprint(c.members, " members, ", c.partitions, " partitions"), func(t *testing.T) {
			wanted := map[string]assignment{}
			for i := range c.members {
				wanted[fmt.Sprint("m", i)] = shareTopic(1, int32(c.partitions))
			}
			readers := map[int32]int{}
			for id, a := range simpleAssignor(wanted, nil) {
				if n := a.len(); n < c.each || n > c.most {
					t.Errorf("%s has %d partitions", id, n)
				}
				for _, p := range a[uuid{1}] {
					readers[p]++
				}
			}
			for p := range int32(c.partitions) {
				if want := (c.members + c.partitions - 1) / c.partitions; readers[p] != want {
					t.Errorf("partition %d has %d members, want %d", p, readers[p], want)
				}
			}
		})
	}
}

// TestSimpleAssignorIsSticky: members come and go; whoever stays loses no more than it has too much of, nobody goes without, and nothing moves without cause.
func TestSimpleAssignorIsSticky(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		topic := shareTopic(1, int32(1+r.IntN(12)))
		wanted, owned := map[string]assignment{}, map[string]assignment{}
		for step := range 30 {
			if id := fmt.Sprint("m", r.IntN(9)); wanted[id] == nil {
				wanted[id] = topic
			} else if len(wanted) > 1 {
				delete(wanted, id)
				delete(owned, id)
			}
			next := simpleAssignor(wanted, owned)
			again := simpleAssignor(wanted, next)
			places := topic.len()
			quota := (len(wanted)+places-1)/places*places/len(wanted) + 1 // the most that anybody may have
			for id := range wanted {
				if !next[id].equal(again[id]) {
					t.Fatalf("seed %d step %d: %s had %v and has %v although nothing has changed", seed, step, id, next[id], again[id])
				}
				if next[id].len() == 0 || next[id].len() > quota {
					t.Fatalf("seed %d step %d: %s has %v of %d places for %d members", seed, step, id, next[id], places, len(wanted))
				}
			}
			owned = next
		}
	}
}

func TestSimpleAssignorByTopicWhereMembersDiffer(t *testing.T) {
	both := shareTopic(1, 2)
	both[uuid{2}] = []int32{0, 1}
	got := simpleAssignor(map[string]assignment{"a": both, "b": shareTopic(1, 2), "c": {}}, map[string]assignment{"a": {uuid{1}: {1}}})
	for id, want := range map[string]assignment{"a": {uuid{1}: {1}, uuid{2}: {0, 1}}, "b": {uuid{1}: {0}}, "c": {}} {
		if !got[id].equal(want) {
			t.Errorf("%s has %v, want %v", id, got[id], want)
		}
	}
}

// TestShareGroupAssignmentInterval: a member that comes soon after another waits for its partitions.
func TestShareGroupAssignmentInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		h.change(func(l *limits) { l.shareTimes.assignment = time.Second })
		a, b := &sharer{id: "a", topics: []string{"t1"}}, &sharer{id: "b", topics: []string{"t1"}}
		a.beat(h)
		if a.has == "" {
			t.Error("the first member waits")
		}
		time.Sleep(100 * time.Millisecond)
		b.beat(h)
		wantHas(t, b, "")
		time.Sleep(time.Second)
		b.beat(h)
		if b.has == "" {
			t.Error("the second member still waits")
		}
	})
}

// TestShareGroupMembersComeTogether: the state of a partition is begun once, however many members find that it has none. Begun again it would forget what was
// delivered in between.
func TestShareGroupMembersComeTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		h.states.slow = time.Second
		members := []*sharer{{id: "a", topics: []string{"t1"}}, {id: "b", topics: []string{"t1"}}, {id: "c", topics: []string{"t1"}}}
		var wg sync.WaitGroup
		for _, m := range members {
			wg.Go(func() { m.beat(h) })
			time.Sleep(100 * time.Millisecond)
		}
		wg.Wait()
		for key, n := range h.states.begun {
			if n != 1 {
				t.Errorf("the state of %s was begun %d times", key, n)
			}
		}
		for _, m := range members {
			m.beat(h)
			if m.has == "" {
				t.Errorf("%s has nothing", m.id)
			}
		}
	})
}
