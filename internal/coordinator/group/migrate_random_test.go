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

// classicPlayer is a client of the classic protocol. An eager one gives all up before it joins, a cooperative one what it is told to.
type classicPlayer struct {
	h     *harness
	name  string
	id    string
	gen   int32
	coop  bool
	phase string // what it does next: join, sync, beat
	owns  assignment

	members []kmsg.JoinGroupResponseMember // of the leader
	answer  chan func()                    // not nil: a request waits

	instance *string
	heard    time.Time // of the last answer without an error
}

// mayBeGone is how long after the last answer without an error the coordinator is free to remove a member: the shortest of all time-outs. The member
// does not know that, and has to leave alone what it had.
const mayBeGone = 30 * time.Second

// has is what the coordinator may give to nobody else. A member whose request waits is one of the group.
func (p *classicPlayer) has() assignment {
	if waits := p.answer != nil && len(p.answer) == 0; !waits && time.Since(p.heard) >= mayBeGone {
		return assignment{}
	}
	return p.owns
}

func (p *player) has() assignment {
	if time.Since(p.heard) >= mayBeGone {
		return assignment{}
	}
	return p.owns
}

func (p *classicPlayer) client() Client { return Client{ID: p.name, Host: "/h"} }

// step sends the next request, or looks after the one that waits.
func (p *classicPlayer) step() {
	synctest.Wait()
	if p.answer != nil {
		select {
		case take := <-p.answer:
			p.answer = nil
			take()
		default:
		}
		return
	}
	send := map[string]func() func(){"join": p.join, "sync": p.sync, "beat": p.beat}[p.phase]()
	p.answer = make(chan func(), 1)
	go func(answer chan func(), send func()) { send(); close(answer) }(p.answer, send)
	p.step()
}

func (p *classicPlayer) lost(id string) { p.id, p.owns, p.phase = id, assignment{}, "join" }

func (p *classicPlayer) failed(code int16) {
	switch kerr.ErrorForCode(code) {
	case kerr.RebalanceInProgress:
		p.phase = "join"
	case kerr.UnknownMemberID, kerr.FencedInstanceID: // fenced by itself, when a join was forgotten in a restart
		p.lost("")
	case kerr.IllegalGeneration:
		p.lost(p.id)
	case kerr.NotCoordinator, kerr.CoordinatorLoadInProgress: // again
	default:
		p.h.t.Errorf("%s: %v", p.name, kerr.ErrorForCode(code))
	}
}

func (p *classicPlayer) join() func() {
	if !p.coop {
		p.owns = assignment{}
	}
	req := joinRequest("g", p.id)
	req.Version, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis, req.InstanceID = 9, 30_000, 30_000, p.instance
	name := "eager"
	if p.coop {
		name = "coop"
	}
	both := ownedSubscription([]string{"t1"}, p.owns)
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "any", Metadata: both}, {Name: name, Metadata: both}}
	answer := func(r *kmsg.JoinGroupResponse) {
		switch {
		case r.ErrorCode == kerr.MemberIDRequired.Code:
			p.id = r.MemberID
		case r.ErrorCode == kerr.RebalanceInProgress.Code:
			p.id = r.MemberID
		case r.ErrorCode != 0:
			p.failed(r.ErrorCode)
		default:
			p.id, p.gen, p.members, p.phase = r.MemberID, r.Generation, r.Members, "sync"
			if r.SkipAssignment {
				p.members = nil
			}
		}
	}
	return p.later(func() (int16, func()) {
		r := p.h.c.JoinGroup(p.h.t.Context(), p.client(), req)
		return r.ErrorCode, func() { answer(r) }
	})
}

// later runs a request in the goroutine of step, and its answer in the test's.
func (p *classicPlayer) later(request func() (code int16, take func())) func() {
	return func() {
		code, take := request()
		if code == 0 {
			p.heard = time.Now()
		}
		p.answer <- take
	}
}

func (p *classicPlayer) sync() func() {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 3, "g", p.id, p.gen, p.instance
	for id, a := range p.assign() {
		req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: id, MemberAssignment: embeddedAssignment(showOwned(a)[1:])})
	}
	return p.later(func() (int16, func()) {
		r := p.h.c.SyncGroup(p.h.t.Context(), p.client(), req)
		return r.ErrorCode, func() {
			if r.ErrorCode != 0 {
				p.failed(r.ErrorCode)
				return
			}
			var v kmsg.ConsumerMemberAssignment
			if err := v.ReadFrom(r.MemberAssignment); err != nil {
				p.h.t.Errorf("%s: assignment %x: %v", p.name, r.MemberAssignment, err)
			}
			has := assignment{}
			for _, t := range v.Topics {
				has[topicID(t.Topic)] = slices.Sorted(slices.Values(t.Partitions))
			}
			p.phase = "beat"
			if !p.owns.within(has) { // cooperative: it gives these up and says so
				p.phase = "join"
			}
			p.owns = has
		}
	})
}

// assign is what a leader does: as even as it can be, but what another member still owns is not given away yet.
func (p *classicPlayer) assign() map[string]assignment {
	if len(p.members) == 0 {
		return nil
	}
	owner, load := map[int32]string{}, map[string]int{}
	for _, m := range p.members {
		sub, _ := parseSubscription(m.ProtocolMetadata)
		for _, t := range sub.OwnedPartitions {
			for _, n := range t.Partitions {
				owner[n] = m.MemberID
			}
		}
	}
	p.h.mu.Lock()
	n := int32(p.h.topics["t1"])
	p.h.mu.Unlock()
	most := (int(n) + len(p.members) - 1) / len(p.members)
	all := map[string]assignment{}
	for _, m := range p.members {
		all[m.MemberID] = assignment{topicID("t1"): nil}
	}
	give := func(to string, partition int32) {
		load[to]++
		all[to][topicID("t1")] = append(all[to][topicID("t1")], partition)
	}
	var free []int32
	for partition := range n {
		switch o := owner[partition]; {
		case o == "":
			free = append(free, partition)
		case load[o] < most:
			give(o, partition)
		}
	}
	for _, partition := range free {
		least := slices.MinFunc(p.members, func(a, b kmsg.JoinGroupResponseMember) int { return load[a.MemberID] - load[b.MemberID] })
		give(least.MemberID, partition)
	}
	return all
}

func (p *classicPlayer) beat() func() {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 4, "g", p.id, p.gen, p.instance
	return p.later(func() (int16, func()) {
		r := p.h.c.Heartbeat(p.h.t.Context(), p.client(), req)
		return r.ErrorCode, func() {
			if r.ErrorCode != 0 {
				p.failed(r.ErrorCode)
			}
		}
	})
}

func (p *classicPlayer) leave() {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group, req.Members = 5, "g", []kmsg.LeaveGroupRequestMember{{MemberID: p.id, InstanceID: p.instance}}
	p.owns = assignment{}
	p.h.c.LeaveGroup(p.h.t.Context(), p.client(), req)
}

// TestMixedGroupInvariants plays members of both protocols in one group, which is upgraded and downgraded again and again: no partition ever belongs to two
// members of which the coordinator has heard in time, the log replayed is the live state, and when all are quiet each partition belongs to somebody.
func TestMixedGroupInvariants(t *testing.T) {
	seeds := []uint64{103, 141} // a downgrade while others have not come to their target; members that are silent for longer than their session
	more := uint64(45)
	if testing.Short() {
		more = 10
	}
	for seed := range more {
		seeds = append(seeds, seed)
	}
	changes := 0
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { changes += playMixed(t, seed) })
		})
	}
	t.Logf("%d changes of the protocol", changes)
	if changes < len(seeds)*3 {
		t.Errorf("only %d changes of the protocol in %d plays", changes, len(seeds))
	}
}

func playMixed(t *testing.T, seed uint64) (changes int) {
	rng := rand.New(rand.NewPCG(seed, 2))
	h := newHarness(t, 1)
	h.change(func(l *limits) { l.initialRebalanceDelay = 0 })
	news, classics := map[string]*player{}, map[string]*classicPlayer{}
	all := func() map[string]*player {
		m := map[string]*player{}
		for name, p := range news {
			m[name] = &player{owns: p.has()}
		}
		for name, p := range classics {
			m[name] = &player{owns: p.has()}
		}
		return m
	}
	was, logged := "", 0
	check := func() {
		t.Helper()
		synctest.Wait()
		owners(t, all())
		h.checkGroups()
		if n := len(h.journal.Batches(0)); n != logged {
			logged = n
			h.checkLog()
		}
		h.inspect(func(_ int32, s *shard) {
			now := "classic"
			if g := s.groups["g"]; g != nil {
				now = g.groupType()
			}
			if now != was {
				was = now
				changes++
			}
		})
		if t.Failed() {
			t.FailNow()
		}
	}
	step := func() {
		for _, name := range slices.Sorted(maps.Keys(news)) {
			news[name].beat(h, nil)
			check()
		}
		for _, name := range slices.Sorted(maps.Keys(classics)) {
			classics[name].step()
			check()
		}
	}
	come := func(name string, modern bool, instance *string) {
		if modern {
			news[name] = &player{id: name, topics: []string{"t1"}, instance: instance}
			news[name].beat(h, nil)
			return
		}
		classics[name] = &classicPlayer{h: h, name: name, phase: "join", owns: assignment{}, coop: rng.IntN(2) == 0, instance: instance}
		classics[name].step()
	}
	for i := range 120 {
		name := fmt.Sprint("m", i)
		var instance *string
		if rng.IntN(3) == 0 {
			instance = &name
		}
		switch n := rng.IntN(24); {
		case n < 2 && len(news) < 2:
			come(name, true, instance)
		case n < 5 && len(classics) < 3:
			come(name, false, instance)
		case n < 8 && len(news) > 0:
			name = slices.Sorted(maps.Keys(news))[rng.IntN(len(news))]
			p := news[name]
			delete(news, name)
			switch {
			case p.instance != nil && p.epoch > 0: // comes back with the other protocol
				if n < 7 {
					p.epoch = epochLeaveStatic
					p.beat(h, nil)
				}
				come(name+"+", false, p.instance)
			case n < 7 && p.epoch > 0:
				p.epoch = epochLeave
				p.beat(h, nil)
			}
		case n < 9 && len(classics) > 0:
			name = slices.Sorted(maps.Keys(classics))[rng.IntN(len(classics))]
			p := classics[name]
			delete(classics, name)
			if p.instance != nil {
				come(name+"+", rng.IntN(2) == 0, p.instance)
				break
			}
			p.leave()
		case n < 10 && i%3 == 0:
			h.journal.FailAppends(kerr.KafkaStorageError)
			step()
			h.journal.FailAppends(nil)
		case n < 10:
			// What a member has had before a downgrade is known until the coordinator moves, as in Kafka: then only what it is to have is in the log, until
			// the rebalance that follows has ended.
			settled := true
			h.inspect(func(_ int32, s *shard) {
				if g, ok := s.groups["g"].(*classic); ok {
					settled = g.stored == nil || g.stored.leader != nil || len(g.stored.members) == 0
				}
			})
			if settled {
				h.restart()
			}
		case n < 11:
			h.mu.Lock()
			h.topics["t1"]++
			h.mu.Unlock()
			h.changes.Add(1)
		case n < 13:
			time.Sleep(time.Duration(rng.IntN(8)) * time.Second)
		case n < 18 && len(news) > 0:
			news[slices.Sorted(maps.Keys(news))[rng.IntN(len(news))]].beat(h, nil)
		case n < 23 && len(classics) > 0:
			classics[slices.Sorted(maps.Keys(classics))[rng.IntN(len(classics))]].step()
		default:
			step()
		}
		check()
	}
	if len(news)+len(classics) == 0 {
		return changes
	}
	for range 100 {
		step()
		time.Sleep(time.Second)
	}
	h.mu.Lock()
	want := h.topics["t1"]
	h.mu.Unlock()
	if was == "classic" { // its leader is not told of new partitions: the last rebalance counts
		for _, p := range classics {
			p.phase = "join"
		}
		for range 20 {
			step()
			time.Sleep(time.Second)
		}
	}
	if got := owners(t, all()); got != want {
		t.Errorf("%d of %d partitions have an owner", got, want)
		for name, p := range all() {
			t.Logf("%s has %s", name, showOwned(p.owns))
		}
		h.inspect(func(_ int32, s *shard) {
			switch g := s.groups["g"].(type) {
			case *classic:
				t.Log(dumpGroup(g))
			case *consumer:
				t.Log(dumpConsumer(g))
			}
		})
	}
	return changes
}
