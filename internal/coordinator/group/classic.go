package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// state of a classic group. Dead has no value: a group that is removed is not in the shard any more.
type state int8

const (
	empty state = iota
	preparingRebalance
	completingRebalance
	stable
)

var stateNames = [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"}

func (s state) String() string { return stateNames[s] }

// classic is a group whose members agree on a protocol and whose leader, a client, assigns. Its methods run on the shard's goroutine.
type classic struct {
	id string
	s  *shard

	stored *stored // durable: changed by shard.Replay only; nil for a simple group

	// All below is soft: made by loaded, and ahead of stored during a rebalance.
	state        state
	previous     state
	stateSinceMs int64  // noTimestamp: written by a version that did not keep it
	protocolType string // "" until the first member
	protocol     *string
	generation   int32
	leader       string // member id, "" for none

	members   []*member // in the order in which they joined
	byID      map[string]*member
	static    map[string]string   // member id by instance id
	supported map[string]int      // members that support a protocol
	awaiting  int                 // members whose join waits
	pending   map[string]struct{} // ids given with MEMBER_ID_REQUIRED, not yet used (KIP-394)
	unsynced  map[string]struct{} // members of this generation that have not sent SyncGroup

	subscribed map[string]struct{} // topics of all members; nil when not known
	joinedLate bool                // a member joined during the initial delay, which is extended for it
}

var _ group = (*classic)(nil)

func newClassic(s *shard, id string) *classic {
	return &classic{
		id:           id,
		s:            s,
		stateSinceMs: s.nowMs(),
		byID:         make(map[string]*member),
		static:       make(map[string]string),
		supported:    make(map[string]int),
		pending:      make(map[string]struct{}),
		unsynced:     make(map[string]struct{}),
	}
}

func (g *classic) groupType() string { return "classic" }
func (g *classic) stateName() string { return g.state.String() }

// isIdle reports whether nobody is in the group or about to join it.
func (g *classic) isIdle() bool { return g.state == empty && len(g.pending) == 0 }

// loaded makes the group as it was stored: its members have their whole session time-out to be heard of.
func (g *classic) loaded() {
	v := g.stored
	if v == nil {
		return
	}
	g.generation, g.protocolType, g.protocol, g.stateSinceMs = v.generation, v.protocolType, v.protocol, v.stateSinceMs
	if v.leader != nil {
		g.leader = *v.leader
	}
	for _, sm := range v.members {
		m := &member{
			id:                 sm.memberID,
			instanceID:         sm.instanceID,
			clientID:           sm.clientID,
			clientHost:         sm.clientHost,
			rebalanceTimeoutMs: sm.rebalanceTimeoutMs,
			sessionTimeoutMs:   sm.sessionTimeoutMs,
			assignment:         sm.assignment,
			held:               sm.assignment,
		}
		if v.protocol != nil {
			m.protocols = []memberProtocol{{name: *v.protocol, metadata: sm.subscription}}
		}
		g.add(m)
		g.rescheduleSession(m, m.session())
	}
	if len(g.members) > 0 {
		g.state, g.previous = stable, empty
	}
	g.updateSubscribed()
	if len(g.members) > 0 && v.leader == nil {
		g.rebalanceSoon("loaded in the middle of a downgrade from a consumer group")
	}
	if len(g.members) > g.s.limits().maxSize {
		g.rebalanceSoon("loaded with more members than group.max.size")
	}
}

// removed cancels what would still be done for the group.
func (g *classic) removed() {
	for id := range g.pending {
		g.s.env.Cancel(g.sessionTimer(id))
	}
	for _, m := range g.members {
		g.s.env.Cancel(m.sessionTimer)
	}
	for _, kind := range []string{timerJoin, timerSync, timerRebalance} {
		g.s.env.Cancel(g.timer(kind))
	}
}

// value is the group as it would be stored, each member with its assignment as assignments has it, or the one it has when that is nil.
func (g *classic) value(assignments map[string][]byte) stored {
	v := stored{
		protocolType: g.protocolType,
		protocol:     g.protocol,
		generation:   g.generation,
		stateSinceMs: g.stateSinceMs,
	}
	if g.leader != "" {
		leader := g.leader
		v.leader = &leader
	}
	for _, m := range g.members {
		assignment := m.assignment
		if assignments != nil {
			assignment = assignments[m.id]
		}
		v.members = append(v.members, m.stored(deref(g.protocol), assignment))
	}
	return v
}

func (g *classic) transitionTo(next state) {
	g.previous, g.state = g.state, next
	g.stateSinceMs = g.s.nowMs()
}

// Timers of a group, besides one per session. The zero byte keeps names of groups and members apart.
const (
	timerJoin      = "join"      // the end of the initial delay, or of the rebalance time-out
	timerSync      = "sync"      // members that do not send SyncGroup are removed
	timerRebalance = "rebalance" // rebalanceSoon
)

func (g *classic) timer(kind string) string { return kind + "\x00" + g.id }

func (g *classic) sessionTimer(memberID string) string {
	return "session\x00" + g.id + "\x00" + memberID
}

// rescheduleSession gives the member until in to be heard of again.
func (g *classic) rescheduleSession(m *member, in time.Duration) {
	if m.expire == nil {
		m.sessionTimer = g.sessionTimer(m.id)
		m.expire = func() []record { return g.expireSession(m.id) }
	}
	g.s.env.Schedule(m.sessionTimer, in, m.expire)
}

// Members.

func (g *classic) add(m *member) {
	if m.instanceID != nil {
		g.static[*m.instanceID] = m.id
	}
	if g.leader == "" {
		g.leader = m.id
	}
	g.members = append(g.members, m)
	g.byID[m.id] = m
	g.support(m, 1)
	delete(g.pending, m.id)
}

// remove forgets a member or pending member. Its join and sync have been answered before.
func (g *classic) remove(id string) {
	delete(g.pending, id)
	delete(g.unsynced, id)
	m := g.byID[id]
	if m == nil {
		return
	}
	delete(g.byID, id)
	g.members = slices.DeleteFunc(g.members, func(o *member) bool { return o == m })
	g.support(m, -1)
	if m.join != nil {
		g.awaiting--
	}
	if m.instanceID != nil {
		delete(g.static, *m.instanceID)
	}
	if g.leader == id {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
}

func (g *classic) support(m *member, n int) {
	for _, p := range m.protocols {
		if g.supported[p.name] += n; g.supported[p.name] == 0 {
			delete(g.supported, p.name)
		}
	}
}

// update takes over what a member says in a new JoinGroup, which waits from now on.
func (g *classic) update(m *member, req *kmsg.JoinGroupRequest, ps []memberProtocol, w *joinWait) {
	g.support(m, -1)
	m.protocols = ps
	g.support(m, 1)
	m.rebalanceTimeoutMs, m.sessionTimeoutMs = req.RebalanceTimeoutMillis, req.SessionTimeoutMillis
	g.await(m, w)
}

// await makes w the member's waiting join. An older one, of a connection that is gone, is let go.
func (g *classic) await(m *member, w *joinWait) {
	if m.join != nil {
		m.join.fail(m.id, kerr.RebalanceInProgress)
	} else {
		g.awaiting++
	}
	m.join = w
}

// supports reports whether a member of that kind may join: same protocol type, and a protocol that all members support.
func (g *classic) supports(protocolType string, ps []memberProtocol) bool {
	if g.state == empty {
		return protocolType != "" && len(ps) > 0
	}
	return protocolType == g.protocolType && slices.ContainsFunc(ps, func(p memberProtocol) bool {
		return g.supported[p.name] == len(g.members)
	})
}

// selectProtocol takes the votes of the members: each for the first of its protocols that all support. The most votes win; among equals the
// protocol that was voted for first.
func (g *classic) selectProtocol() string {
	votes := make(map[string]int)
	best := ""
	var order []string
	for _, m := range g.members {
		for _, p := range m.protocols {
			if g.supported[p.name] == len(g.members) {
				if votes[p.name] == 0 {
					order = append(order, p.name)
				}
				votes[p.name]++
				break
			}
		}
	}
	for _, name := range order {
		if best == "" || votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

func (g *classic) rebalanceTimeout() time.Duration {
	longest := int32(0)
	for _, m := range g.members {
		longest = max(longest, m.rebalanceTimeoutMs)
	}
	return milliseconds(longest)
}

func (g *classic) allJoined() bool { return len(g.members) == g.awaiting && len(g.pending) == 0 }

// validateMember checks the identity of a request; a static member that has been replaced is fenced (KIP-345).
func (g *classic) validateMember(id string, instanceID *string) error {
	if instanceID != nil {
		current, ok := g.static[*instanceID]
		switch {
		case !ok:
			return kerr.UnknownMemberID
		case current != id:
			return kerr.FencedInstanceID
		}
	}
	if g.byID[id] == nil {
		return kerr.UnknownMemberID
	}
	return nil
}

// updateSubscribed computes the topics that the members of this generation subscribe to.
func (g *classic) updateSubscribed() {
	g.subscribed = nil
	if g.protocolType != consumerProtocol || len(g.members) > 0 && g.protocol == nil {
		return
	}
	topics := make(map[string]struct{})
	for _, m := range g.members {
		if err := addSubscribedTopics(topics, m.metadata(*g.protocol)); err != nil {
			g.s.log.Warn("the topics of a group are not known: its offsets will not expire while it has members",
				zap.String("group", g.id), zap.String("member_id", m.id), zap.Error(err))
			return
		}
	}
	g.subscribed = topics
}

// What the offset APIs ask.

func (g *classic) validateCommit(c commitAs) error {
	if c.generation < 0 && g.state == empty {
		return nil // not a member: an administrator, or a consumer that assigns itself
	}
	if c.generation < 0 && c.memberID == "" && c.instanceID == nil {
		if c.inTxn {
			return nil // a producer of before KIP-447 names no member
		}
		return kerr.UnknownMemberID
	}
	if err := g.validateMember(c.memberID, c.instanceID); err != nil {
		return err
	}
	switch {
	case c.generation != g.generation:
		return kerr.IllegalGeneration
	case g.state == completingRebalance && !c.inTxn:
		return kerr.RebalanceInProgress
	}
	return nil
}

// committing: a commit keeps the member's session alive, as a heartbeat does.
func (g *classic) committing(memberID string) {
	if m := g.byID[memberID]; m != nil && (g.state == stable || g.state == preparingRebalance) {
		g.rescheduleSession(m, m.session())
	}
}

func (g *classic) validateOffsetDelete() error {
	if g.state != empty && g.protocolType != consumerProtocol {
		return kerr.NonEmptyGroup
	}
	return nil
}

func (g *classic) validateDelete() error {
	if g.state != empty {
		return kerr.NonEmptyGroup
	}
	return nil
}

func (g *classic) isSubscribed(topic string) bool {
	if g.subscribed == nil {
		return g.protocolType == consumerProtocol
	}
	_, ok := g.subscribed[topic]
	return ok
}

// expiryBase as KIP-211 has it: offsets of a group with members live on while subscribed, those of an empty group from the moment it became
// empty, those of a simple group from their commit.
func (g *classic) expiryBase() (func(committed) int64, bool) {
	sinceCommit := func(c committed) int64 { return c.commitMs }
	switch {
	case g.protocolType == "":
		return sinceCommit, true
	case g.state == empty:
		if g.stateSinceMs == noTimestamp {
			return sinceCommit, true
		}
		return func(committed) int64 { return g.stateSinceMs }, true
	case g.state == stable && g.subscribed != nil:
		return sinceCommit, true
	}
	return nil, false
}

func (g *classic) list() kmsg.ListGroupsResponseGroup {
	return kmsg.ListGroupsResponseGroup{
		Group:        g.id,
		ProtocolType: g.protocolType,
		GroupState:   g.stateName(),
		GroupType:    g.groupType(),
	}
}

func (g *classic) tombstones() []record { return []record{groupTombstone(g.id)} }

func (g *classic) describe() kmsg.DescribeGroupsResponseGroup {
	d := kmsg.NewDescribeGroupsResponseGroup()
	d.Group, d.State, d.ProtocolType = g.id, g.stateName(), g.protocolType
	if g.state == stable {
		d.Protocol = deref(g.protocol)
	}
	for _, m := range g.members {
		dm := m.describe()
		if g.state == stable {
			dm.ProtocolMetadata = m.metadata(d.Protocol)
		}
		d.Members = append(d.Members, dm)
	}
	return d
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
