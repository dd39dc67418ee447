package group

import (
	"bytes"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// sync handles a SyncGroup request.
func (s *shard) sync(req *kmsg.SyncGroupRequest, reply *coordinator.Reply[*kmsg.SyncGroupResponse]) []record {
	w := &syncWait{version: req.Version, reply: reply}
	if c, ok := s.groups[req.Group].(*consumer); ok {
		c.sync(req, w)
		return nil
	}
	g, ok := s.groups[req.Group].(*classic)
	if !ok {
		w.fail(kerr.UnknownMemberID)
		return nil
	}
	if err := g.validateSync(req); err != nil {
		w.fail(err)
		return nil
	}
	m := g.byID[req.MemberID]
	switch g.state {
	case preparingRebalance:
		w.fail(kerr.RebalanceInProgress)
	case completingRebalance:
		if m.sync != nil { // of a connection that is gone
			m.sync.fail(kerr.RebalanceInProgress)
		}
		m.sync = w
		g.synced(m)
		if m.id == g.leader {
			return g.assign(req)
		}
	case stable:
		g.synced(m)
		w.done(g, m)
	}
	return nil
}

func (g *classic) validateSync(req *kmsg.SyncGroupRequest) error {
	if err := g.validateMember(req.MemberID, req.InstanceID); err != nil {
		return err
	}
	switch {
	case req.Generation != g.generation:
		return kerr.IllegalGeneration
	case req.ProtocolType != nil && *req.ProtocolType != g.protocolType,
		req.Protocol != nil && g.protocol != nil && *req.Protocol != *g.protocol:
		return kerr.InconsistentGroupProtocol
	}
	return nil
}

// synced notes that the member has sent SyncGroup.
func (g *classic) synced(m *member) {
	delete(g.unsynced, m.id)
	if len(g.unsynced) == 0 {
		g.s.env.Cancel(g.timer(timerSync))
	}
}

// assign writes the leader's assignment to the log; when it is there, the group is stable and the waiting members get theirs.
func (g *classic) assign(req *kmsg.SyncGroupRequest) []record {
	assignments := make(map[string][]byte, len(g.members))
	for _, a := range req.GroupAssignment {
		if g.byID[a.MemberID] != nil {
			assignments[a.MemberID] = bytes.Clone(a.MemberAssignment)
		}
	}
	if missing := len(g.members) - len(assignments); missing > 0 {
		g.s.log.Warn("the leader did not assign to all members", zap.String("group", g.id), zap.Int32("generation", g.generation),
			zap.Int("missing", missing))
	}
	g.s.env.AfterAppend(func(err error) {
		if err != nil {
			g.resetAssignments(err)
			g.rebalanceSoon("the assignment could not be written")
			return
		}
		for _, m := range g.members {
			m.assignment = assignments[m.id]
			m.held = m.assignment
		}
		g.transitionTo(stable)
		g.s.log.Info("group is stable", zap.String("group", g.id), zap.Int32("generation", g.generation), zap.Int("members", len(g.members)))
		for _, m := range g.members {
			if m.sync != nil {
				m.sync.done(g, m)
				g.syncAnswered(m)
			}
		}
	})
	return []record{groupRecord(g.id, g.value(assignments))}
}

// resetAssignments ends the phase of assignment in failure: waiting members get the error.
func (g *classic) resetAssignments(err error) {
	for _, m := range g.members {
		m.assignment = nil
		if m.sync != nil {
			m.sync.fail(coordinator.ClientError(err))
			g.syncAnswered(m)
		}
	}
}

// syncAnswered begins the member's session again, which had no end while its request waited.
func (g *classic) syncAnswered(m *member) {
	m.sync = nil
	g.rescheduleSession(m, m.session())
}

func (w *syncWait) done(g *classic, m *member) {
	r := kmsg.NewPtrSyncGroupResponse()
	r.Version, r.MemberAssignment = w.version, m.assignment
	r.ProtocolType, r.Protocol = kmsg.StringPtr(g.protocolType), g.protocol
	w.reply.Done(r)
}

func (w *syncWait) fail(err error) { w.reply.Done(failedSync(w.version, err)) }

func failedSync(version int16, err error) *kmsg.SyncGroupResponse {
	r := kmsg.NewPtrSyncGroupResponse()
	r.Version, r.ErrorCode = version, protocol.ErrorCode(err)
	return r
}

// heartbeat handles a Heartbeat request.
func (s *shard) heartbeat(req *kmsg.HeartbeatRequest) error {
	if c, ok := s.groups[req.Group].(*consumer); ok {
		return c.heartbeat(req)
	}
	g, ok := s.groups[req.Group].(*classic)
	if !ok {
		return kerr.UnknownMemberID
	}
	if err := g.validateMember(req.MemberID, req.InstanceID); err != nil {
		return err
	}
	if req.Generation != g.generation {
		return kerr.IllegalGeneration
	}
	m := g.byID[req.MemberID]
	g.rescheduleSession(m, m.session())
	if g.state == preparingRebalance {
		return kerr.RebalanceInProgress
	}
	return nil
}

// leave handles a LeaveGroup request, whose answers per member come in the order of the members.
func (s *shard) leave(groupID string, leavers []kmsg.LeaveGroupRequestMember) ([]kmsg.LeaveGroupResponseMember, []record) {
	if c, ok := s.groups[groupID].(*consumer); ok {
		return c.leaveClassic(leavers)
	}
	g, _ := s.groups[groupID].(*classic)
	answers := make([]kmsg.LeaveGroupResponseMember, 0, len(leavers))
	left := false
	for _, l := range leavers {
		err := error(kerr.UnknownMemberID)
		if g != nil {
			err = g.leave(l)
		}
		left = left || err == nil
		a := kmsg.NewLeaveGroupResponseMember()
		a.MemberID, a.InstanceID, a.ErrorCode = l.MemberID, l.InstanceID, protocol.ErrorCode(err)
		answers = append(answers, a)
	}
	if !left {
		return answers, nil
	}
	if g.state == stable || g.state == completingRebalance {
		return answers, g.prepareRebalance("members left")
	}
	return answers, g.maybeCompleteJoin()
}

// leave removes one member: by its id, or, for administrators, by its instance id alone.
func (g *classic) leave(l kmsg.LeaveGroupRequestMember) error {
	id := l.MemberID
	switch {
	case id == "":
		current, ok := g.static[deref(l.InstanceID)]
		if l.InstanceID == nil || !ok {
			return kerr.UnknownMemberID
		}
		id = current
	case g.isPending(id):
		g.s.env.Cancel(g.sessionTimer(id))
		g.remove(id)
		return nil
	default:
		if err := g.validateMember(id, l.InstanceID); err != nil {
			return err
		}
	}
	g.s.log.Info("member left", zap.String("group", g.id), zap.String("member_id", id), zap.String("reason", deref(l.Reason)))
	g.expel(g.byID[id])
	return nil
}
