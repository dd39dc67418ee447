package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"
)

// canRebalance reports whether a new rebalance may begin; while one is being prepared, members join that one.
func (g *classic) canRebalance() bool { return g.state != preparingRebalance }

func (g *classic) rebalanceOrCompleteJoin(reason string) []record {
	if g.canRebalance() {
		return g.prepareRebalance(reason)
	}
	return g.maybeCompleteJoin()
}

// rebalanceSoon begins a rebalance in an event of its own, where there is none meanwhile.
func (g *classic) rebalanceSoon(reason string) {
	g.s.env.Schedule(g.timer(timerRebalance), 0, func() []record {
		if g.state == empty || !g.canRebalance() {
			return nil
		}
		return g.prepareRebalance(reason)
	})
}

// prepareRebalance asks all members to join again: their heartbeats are answered with REBALANCE_IN_PROGRESS from now on.
func (g *classic) prepareRebalance(reason string) []record {
	if g.state == completingRebalance {
		g.resetAssignments(kerr.RebalanceInProgress)
	}
	clear(g.unsynced)
	g.s.env.Cancel(g.timer(timerSync))

	initial := g.state == empty
	g.transitionTo(preparingRebalance)
	g.s.log.Info("preparing a rebalance", zap.String("group", g.id), zap.Int32("generation", g.generation),
		zap.Int("members", len(g.members)), zap.String("reason", reason))
	if initial {
		delay := g.s.limits().initialRebalanceDelay
		g.joinedLate = false
		g.scheduleInitialDelay(delay, max(g.rebalanceTimeout()-delay, 0))
		return nil
	}
	if g.allJoined() {
		return g.completeJoin()
	}
	g.scheduleJoinTimeout()
	return nil
}

// scheduleInitialDelay waits for more members of a new group (group.initial.rebalance.delay.ms), and again for as long as members keep
// coming, up to the rebalance time-out, of which remaining is left after this delay.
func (g *classic) scheduleInitialDelay(delay, remaining time.Duration) {
	g.s.env.Schedule(g.timer(timerJoin), delay, func() []record {
		if g.state != preparingRebalance {
			return nil
		}
		if !g.joinedLate || remaining == 0 {
			return g.completeJoin()
		}
		g.joinedLate = false
		g.scheduleInitialDelay(min(g.s.limits().initialRebalanceDelay, remaining), max(remaining-delay, 0))
		return nil
	})
}

func (g *classic) scheduleJoinTimeout() {
	g.s.env.Schedule(g.timer(timerJoin), g.rebalanceTimeout(), func() []record {
		if g.state != preparingRebalance {
			return nil
		}
		return g.completeJoin()
	})
}

// maybeCompleteJoin ends the join phase when nobody is waited for; the initial delay is waited for in any case.
func (g *classic) maybeCompleteJoin() []record {
	if g.state != preparingRebalance || g.previous == empty || !g.allJoined() {
		return nil
	}
	return g.completeJoin()
}

// completeJoin begins the next generation with the members that have joined, and the static ones that have not (KIP-345).
func (g *classic) completeJoin() []record {
	g.s.env.Cancel(g.timer(timerJoin))
	g.removeUnjoined()
	if !g.electJoinedLeader() && len(g.members) > 0 {
		// Only static members are left and none of them came: wait for their sessions to end, or for one of them.
		g.s.log.Info("no member joined the rebalance", zap.String("group", g.id), zap.Int("members", len(g.members)))
		g.scheduleJoinTimeout()
		return nil
	}
	g.generation++
	clear(g.unsynced)
	if len(g.members) == 0 {
		return g.becomeEmpty()
	}
	name := g.selectProtocol()
	g.protocol = &name
	g.updateSubscribed()
	g.transitionTo(completingRebalance)
	g.s.log.Info("generation begins", zap.String("group", g.id), zap.Int32("generation", g.generation),
		zap.Int("members", len(g.members)), zap.String("protocol", name), zap.String("leader", g.leader))
	for _, m := range g.members {
		if m.join != nil {
			m.join.done(g, m, g.leader, m.id == g.leader, false)
			m.join, g.awaiting = nil, g.awaiting-1
		}
		m.isNew = false
		g.rescheduleSession(m, m.session())
		g.unsynced[m.id] = struct{}{}
	}
	generation := g.generation
	g.s.env.Schedule(g.timer(timerSync), g.rebalanceTimeout(), func() []record { return g.expireUnsynced(generation) })
	return nil
}

func (g *classic) becomeEmpty() []record {
	g.protocol = nil
	g.updateSubscribed()
	g.transitionTo(empty)
	g.s.log.Info("group is empty", zap.String("group", g.id), zap.Int32("generation", g.generation))
	return []record{groupRecord(g.id, g.value(nil))}
}

// removeUnjoined drops the dynamic members that did not join in time.
func (g *classic) removeUnjoined() {
	var gone []string
	for _, m := range g.members {
		if m.join == nil && !m.isStatic() {
			gone = append(gone, m.id)
		}
	}
	for _, id := range gone {
		g.s.env.Cancel(g.byID[id].sessionTimer)
		g.remove(id)
	}
	if len(gone) > 0 {
		g.s.log.Info("members removed that did not join in time", zap.String("group", g.id), zap.Strings("members", gone))
	}
}

// electJoinedLeader makes sure that the leader is a member that has joined; false when no member has.
func (g *classic) electJoinedLeader() bool {
	if m := g.byID[g.leader]; m != nil && m.join != nil {
		return true
	}
	for _, m := range g.members {
		if m.join != nil {
			g.leader = m.id
			return true
		}
	}
	return false
}

// expireUnsynced removes the members that know the generation but did not send SyncGroup within the rebalance time-out.
func (g *classic) expireUnsynced(generation int32) []record {
	if generation != g.generation || g.state != completingRebalance && g.state != stable || len(g.unsynced) == 0 {
		return nil
	}
	for _, m := range append([]*member(nil), g.members...) {
		if _, ok := g.unsynced[m.id]; ok {
			g.s.log.Info("member removed that did not sync in time", zap.String("group", g.id), zap.String("member_id", m.id))
			g.s.env.Cancel(m.sessionTimer)
			g.remove(m.id)
		}
	}
	return g.prepareRebalance("members did not sync in time")
}

// expireSession removes a member that has not been heard of for its session time-out.
func (g *classic) expireSession(id string) []record {
	if g.isPending(id) {
		g.remove(id)
		if g.state == preparingRebalance && g.allJoined() {
			return g.completeJoin()
		}
		return nil
	}
	m := g.byID[id]
	if m == nil || m.satisfiesHeartbeat() {
		return nil
	}
	g.s.log.Info("member failed", zap.String("group", g.id), zap.String("member_id", id), zap.Int32("session_timeout_ms", m.sessionTimeoutMs))
	g.expel(m)
	switch g.state {
	case stable, completingRebalance:
		return g.prepareRebalance("member failed")
	case preparingRebalance:
		if g.allJoined() {
			return g.completeJoin()
		}
	}
	return nil
}

// expel removes a member. Where its join waits, the client is told to come again as a new one.
func (g *classic) expel(m *member) {
	if m.join != nil {
		m.join.fail("", kerr.UnknownMemberID)
		m.join, g.awaiting = nil, g.awaiting-1
	}
	if m.sync != nil {
		m.sync.fail(kerr.UnknownMemberID)
		m.sync = nil
	}
	g.s.env.Cancel(m.sessionTimer)
	g.remove(m.id)
}
