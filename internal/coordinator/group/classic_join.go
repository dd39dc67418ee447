package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// newMemberTimeout is how long the join of a member that does not know its id may wait. Its client may be gone, and would come back as yet
// another member: Kafka's classicGroupNewMemberJoinTimeoutMs.
const newMemberTimeout = 5 * time.Minute

// join handles a JoinGroup request whose session time-out is in range.
func (s *shard) join(client Client, req *kmsg.JoinGroupRequest, reply *coordinator.Reply[*kmsg.JoinGroupResponse]) []record {
	w := &joinWait{version: req.Version, reply: reply}
	known := s.groups[req.Group]
	if known == nil {
		if req.MemberID != "" {
			w.fail(req.MemberID, kerr.UnknownMemberID)
			return nil
		}
		return s.joinNewGroup(client, req, w)
	}
	switch g := known.(type) {
	case *classic:
		return g.joinAs(client, req, w)
	case *consumer:
		switch {
		case len(g.members) > 0:
			return g.joinAs(client, req, w)
		case req.MemberID != "":
			w.fail(req.MemberID, kerr.UnknownMemberID)
			return nil
		default:
			return g.s.replaceByClassic(g.id, g, client, req, w)
		}
	case *streams:
		switch {
		case len(g.members) > 0:
		case req.MemberID != "":
			w.fail(req.MemberID, kerr.UnknownMemberID)
			return nil
		default:
			return g.s.replaceByClassic(g.id, g, client, req, w)
		}
	}
	w.fail("", kerr.InconsistentGroupProtocol)
	return nil
}

// joinNewGroup makes the group. It is written to the log at once, empty, so that it is seen after a restart as it was before.
func (s *shard) joinNewGroup(client Client, req *kmsg.JoinGroupRequest, w *joinWait) []record {
	g := newClassic(s, req.Group)
	s.groups[g.id] = g
	s.env.AfterAppend(func(err error) {
		if err != nil {
			g.abandon(err)
		}
	})
	first := groupRecord(g.id, stored{stateSinceMs: g.stateSinceMs})
	return append([]record{first}, g.joinAs(client, req, w)...)
}

// abandon undoes the creation of a group whose first record could not be written.
func (g *classic) abandon(err error) {
	for _, m := range g.members {
		if m.join != nil {
			m.join.reply.Fail(err)
		}
	}
	g.removed()
	delete(g.s.groups, g.id)
}

func (g *classic) joinAs(client Client, req *kmsg.JoinGroupRequest, w *joinWait) []record {
	ps := protocolsOf(req)
	switch {
	case !g.accepts(req.MemberID):
		return g.reject(req.MemberID, w)
	case !g.supports(req.ProtocolType, ps):
		w.fail(req.MemberID, kerr.InconsistentGroupProtocol)
		return nil
	case req.MemberID == "":
		return g.joinNew(client, req, ps, w)
	}
	return g.joinKnown(client, req, ps, w)
}

// accepts reports whether group.max.size lets the member in.
func (g *classic) accepts(id string) bool {
	m, maxSize := g.byID[id], g.s.limits().maxSize
	switch g.state {
	case empty:
		return true
	case preparingRebalance:
		// Who waits counts, not who is a member: after the maximum was lowered the last to rejoin are turned away.
		return m != nil && m.join != nil || g.awaiting < maxSize
	}
	return m != nil || len(g.members) < maxSize
}

// reject turns a member away for which the group has no room; one that was a member is none any more.
func (g *classic) reject(id string, w *joinWait) []record {
	w.fail("", kerr.GroupMaxSizeReached)
	if g.byID[id] == nil && !g.isPending(id) {
		return nil
	}
	g.s.env.Cancel(g.sessionTimer(id))
	g.remove(id)
	return g.maybeCompleteJoin()
}

// joinNew is the join of a client without a member id.
func (g *classic) joinNew(client Client, req *kmsg.JoinGroupRequest, ps []memberProtocol, w *joinWait) []record {
	if req.InstanceID != nil {
		id := *req.InstanceID + "-" + g.s.env.NewID()
		if old, ok := g.static[*req.InstanceID]; ok {
			return g.joinReplacing(client, req, ps, g.byID[old], id, w)
		}
		return g.joinAdding(client, req, ps, id, w)
	}
	id := client.ID + "-" + g.s.env.NewID()
	if req.Version < 4 {
		return g.joinAdding(client, req, ps, id, w)
	}
	// KIP-394: a client that does not come back with the id it is given never becomes a member.
	g.pending[id] = struct{}{}
	g.s.env.Schedule(g.sessionTimer(id), milliseconds(req.SessionTimeoutMillis), func() []record { return g.expireSession(id) })
	w.fail(id, kerr.MemberIDRequired)
	return nil
}

func (g *classic) isPending(id string) bool {
	_, ok := g.pending[id]
	return ok
}

// joinKnown is the join of a client with a member id.
func (g *classic) joinKnown(client Client, req *kmsg.JoinGroupRequest, ps []memberProtocol, w *joinWait) []record {
	id := req.MemberID
	if g.isPending(id) {
		if req.InstanceID != nil { // ids are not reserved for static members
			w.fail(id, kerr.UnknownServerError)
			return nil
		}
		return g.joinAdding(client, req, ps, id, w)
	}
	if err := g.validateMember(id, req.InstanceID); err != nil {
		w.fail(id, err)
		return nil
	}
	m := g.byID[id]
	switch {
	case g.state == preparingRebalance:
		return g.joinUpdating(m, req, ps, w, "member joins during the rebalance")
	case g.state == stable && g.leader == id:
		// The leader may know of changes that no metadata shows, such as new partitions.
		return g.joinUpdating(m, req, ps, w, "leader joins again")
	case !m.matches(ps):
		return g.joinUpdating(m, req, ps, w, "member joins with other metadata")
	}
	// The answer to the join of this generation did not reach the member, or it has nothing new to say: it goes on with SyncGroup.
	w.done(g, m, g.leader, g.state == completingRebalance && g.leader == id, false)
	return nil
}

func (g *classic) joinUpdating(m *member, req *kmsg.JoinGroupRequest, ps []memberProtocol, w *joinWait, reason string) []record {
	g.update(m, req, ps, w)
	return g.rebalanceOrCompleteJoin(reason)
}

func (g *classic) joinAdding(client Client, req *kmsg.JoinGroupRequest, ps []memberProtocol, id string, w *joinWait) []record {
	if g.state == preparingRebalance && g.previous == empty {
		g.joinedLate = true
	}
	if len(g.members) == 0 {
		g.protocolType = req.ProtocolType
	}
	m := &member{
		id:                 id,
		instanceID:         req.InstanceID,
		clientID:           client.ID,
		clientHost:         client.Host,
		rebalanceTimeoutMs: req.RebalanceTimeoutMillis,
		sessionTimeoutMs:   req.SessionTimeoutMillis,
		protocols:          ps,
		isNew:              true,
	}
	g.add(m)
	g.await(m, w)
	g.rescheduleSession(m, newMemberTimeout)
	return g.rebalanceOrCompleteJoin("new member joins")
}

// joinReplacing is the return of a static member that has lost its member id, most often by a restart (KIP-345). It gets a new id and the
// old one's assignment, without a rebalance where the group is stable and agrees on the same protocol.
func (g *classic) joinReplacing(client Client, req *kmsg.JoinGroupRequest, ps []memberProtocol, old *member, id string, w *joinWait) []record {
	oldLeader := g.leader
	m := g.replaceStatic(old, id, client)
	g.update(m, req, ps, w)
	switch g.state {
	case completingRebalance:
		// The leader may be assigning to the old id at this moment.
		return g.prepareRebalance("static member is replaced while the leader assigns")
	case stable:
		if g.selectProtocol() != deref(g.protocol) {
			return g.rebalanceOrCompleteJoin("static member returns with other protocols")
		}
	default:
		return g.maybeCompleteJoin()
	}
	g.s.log.Info("static member returned without a rebalance", zap.String("group", g.id), zap.String("instance_id", *req.InstanceID),
		zap.String("member_id", id), zap.String("replaces", old.id))
	g.s.env.AfterAppend(func(err error) {
		if err != nil {
			g.unreplaceStatic(m, old, err)
			return
		}
		m.join, g.awaiting = nil, g.awaiting-1
		if w.version >= 9 { // KIP-814: the leader may look at the group, but is not to assign
			isLeader := g.leader == m.id
			w.done(g, m, g.leader, isLeader, isLeader)
			return
		}
		// A client that is told of another leader does not assign.
		w.done(g, m, oldLeader, false, false)
	})
	return []record{groupRecord(g.id, g.value(nil))}
}

// replaceStatic puts a member with a new id in the place of old, whose waiting requests are fenced.
func (g *classic) replaceStatic(old *member, id string, client Client) *member {
	if old.join != nil {
		old.join.fail(old.id, kerr.FencedInstanceID)
		old.join, g.awaiting = nil, g.awaiting-1
	}
	if old.sync != nil {
		old.sync.fail(kerr.FencedInstanceID)
		old.sync = nil
	}
	m := &member{
		id:                 id,
		instanceID:         old.instanceID,
		clientID:           client.ID,
		clientHost:         client.Host,
		rebalanceTimeoutMs: old.rebalanceTimeoutMs,
		sessionTimeoutMs:   old.sessionTimeoutMs,
		protocols:          old.protocols,
		assignment:         old.assignment,
		held:               old.held,
	}
	g.swap(old, m)
	return m
}

// swap puts one member in the place of another.
func (g *classic) swap(old, m *member) {
	g.members[slices.Index(g.members, old)] = m
	delete(g.byID, old.id)
	g.byID[m.id] = m
	if m.instanceID != nil {
		g.static[*m.instanceID] = m.id
	}
	if g.leader == old.id {
		g.leader = m.id
	}
	if _, ok := g.unsynced[old.id]; ok {
		delete(g.unsynced, old.id)
		g.unsynced[m.id] = struct{}{}
	}
	g.support(old, -1)
	g.support(m, 1)
	g.s.env.Cancel(old.sessionTimer)
	g.rescheduleSession(m, m.session())
}

// unreplaceStatic takes the replacement back that could not be written.
func (g *classic) unreplaceStatic(m, old *member, err error) {
	m.join.reply.Fail(err)
	m.join, g.awaiting = nil, g.awaiting-1
	g.swap(m, old)
}

// done answers the join: the member is in the current generation. withMembers is for the leader only.
func (w *joinWait) done(g *classic, m *member, leader string, withMembers, skipAssignment bool) {
	r := w.response()
	r.Generation, r.LeaderID, r.MemberID, r.SkipAssignment = g.generation, leader, m.id, skipAssignment
	r.Protocol = g.protocol
	if g.protocol == nil {
		r.Protocol = kmsg.StringPtr("")
	}
	r.ProtocolType = kmsg.StringPtr(g.protocolType)
	if withMembers {
		for _, o := range g.members {
			r.Members = append(r.Members, kmsg.JoinGroupResponseMember{
				MemberID:         o.id,
				InstanceID:       o.instanceID,
				ProtocolMetadata: o.metadata(deref(g.protocol)),
			})
		}
	}
	w.reply.Done(r)
}

func (w *joinWait) fail(memberID string, err error) {
	w.reply.Done(failedJoin(w.version, memberID, err))
}

func (w *joinWait) response() *kmsg.JoinGroupResponse {
	r := kmsg.NewPtrJoinGroupResponse()
	r.Version = w.version
	return r
}

func failedJoin(version int16, memberID string, err error) *kmsg.JoinGroupResponse {
	r := kmsg.NewPtrJoinGroupResponse()
	r.Version, r.MemberID, r.ErrorCode = version, memberID, protocol.ErrorCode(err)
	if version < 7 { // not nullable yet
		r.Protocol = kmsg.StringPtr("")
	}
	return r
}
