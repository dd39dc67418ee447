package group

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator/records"
	"github.com/gokafka/gokafka/internal/protocol"
)

// Members of a consumer group that use the classic protocol. What a heartbeat of the new protocol does in one is a JoinGroup here, whose subscription says
// what the member owns: the answer names its epoch as the generation, and SyncGroup brings its assignment. Nobody is a leader, and nobody waits for others.
// A Heartbeat is answered with REBALANCE_IN_PROGRESS when there is something for the member to do, which then has its rebalance time-out to join again.

func (m *consumerMember) isClassic() bool {
	return m.meta.ClassicMemberMetadata != nil && len(m.meta.ClassicMemberMetadata.SupportedProtocols) > 0
}

func classicMetadata(sessionTimeoutMs int32, ps []memberProtocol) *records.ClassicMemberMetadata {
	m := &records.ClassicMemberMetadata{SessionTimeoutMs: sessionTimeoutMs}
	for _, p := range ps {
		m.SupportedProtocols = append(m.SupportedProtocols, records.ClassicProtocol{Name: p.name, Metadata: p.metadata})
	}
	return m
}

func equalClassic(a, b *records.ClassicMemberMetadata) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.SessionTimeoutMs == b.SessionTimeoutMs && slices.EqualFunc(a.SupportedProtocols, b.SupportedProtocols, func(x, y records.ClassicProtocol) bool {
		return x.Name == y.Name && bytes.Equal(x.Metadata, y.Metadata)
	})
}

// supportsClassic reports whether a member with these protocols may join: the classic members have to have one in common, should the group become a
// classic one again.
func (g *consumer) supportsClassic(ps []memberProtocol) bool {
	return slices.ContainsFunc(ps, func(p memberProtocol) bool {
		for _, m := range g.members {
			if m.isClassic() && !slices.ContainsFunc(m.meta.ClassicMemberMetadata.SupportedProtocols, func(q records.ClassicProtocol) bool { return q.Name == p.name }) {
				return false
			}
		}
		return true
	})
}

// joinAs is a JoinGroup of a client that uses the classic protocol.
func (g *consumer) joinAs(client Client, req *kmsg.JoinGroupRequest, w *joinWait) []record {
	l, ps, id := g.s.limits(), protocolsOf(req), req.MemberID
	switch {
	case l.migration == migration{}:
		g.s.log.Info("classic members cannot join the group because its migration is disabled", zap.String("group", g.id))
		w.fail("", kerr.InconsistentGroupProtocol)
		return nil
	case len(g.members) >= l.consumerMaxSize && g.members[id] == nil:
		w.fail("", kerr.GroupMaxSizeReached)
		return nil
	case req.ProtocolType != consumerProtocol || !g.supportsClassic(ps):
		w.fail("", kerr.InconsistentGroupProtocol)
		return nil
	}
	if id == "" {
		id = g.s.env.NewID()
		if req.InstanceID == nil && req.Version >= 4 { // KIP-394
			w.fail(id, kerr.MemberIDRequired)
			return nil
		}
	}
	sub, err := parseSubscription(ps[0].metadata)
	if err != nil {
		g.s.log.Info("a classic member's subscription cannot be read", zap.String("group", g.id), zap.String("client_id", client.ID), zap.Error(err))
		w.fail("", kerr.InconsistentGroupProtocol)
		return nil
	}
	b := beat{g: g, req: g.beatOf(req, sub), client: client, id: strings.Clone(id), classic: classicMetadata(req.SessionTimeoutMillis, ps)}
	if err := b.findClassic(req.MemberID == ""); err != nil {
		w.fail("", err)
		return nil
	}
	list, downgraded, err := b.runClassic()
	if err != nil {
		w.fail("", err)
		return nil
	}
	g.s.env.AfterAppend(func(err error) {
		if err != nil {
			w.reply.Fail(err)
			return
		}
		if !downgraded {
			b.watch()
		}
		r := w.response()
		r.MemberID, r.Generation, r.ProtocolType, r.Protocol = b.id, b.current.epoch, kmsg.StringPtr(consumerProtocol), &ps[0].name
		w.reply.Done(r)
	})
	return list
}

// noEpoch is that of a beat of a classic member, which says neither that it comes nor how far it is.
const noEpoch = -1

// beatOf says a JoinGroup in the words of the new protocol.
func (g *consumer) beatOf(req *kmsg.JoinGroupRequest, sub kmsg.ConsumerMemberMetadata) *consumerHeartbeat {
	b := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	b.Group, b.MemberEpoch, b.InstanceID, b.RackID, b.RebalanceTimeoutMillis = req.Group, noEpoch, req.InstanceID, sub.Rack, req.RebalanceTimeoutMillis
	b.SubscribedTopicNames, b.SubscribedTopicRegex = topicNames(sub.Topics), kmsg.StringPtr("")
	b.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for _, t := range sub.OwnedPartitions {
		if id, ok := g.s.topics.id(t.Topic); ok {
			b.Topics = append(b.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: id, Partitions: t.Partitions})
		}
	}
	return b
}

// findClassic looks up who joins. A static member without a member id takes the place of the one with its instance id, whatever protocol that uses.
func (b *beat) findClassic(unknown bool) error {
	if b.req.InstanceID == nil {
		b.was = b.g.members[b.id]
		return nil
	}
	holder, taken := b.g.static[*b.req.InstanceID]
	switch {
	case unknown && taken:
		b.replaced = holder
	case unknown:
	case !taken:
		return kerr.UnknownMemberID
	case holder != b.id:
		return kerr.FencedInstanceID
	default:
		b.was = b.g.members[holder]
	}
	return nil
}

// runClassic is run for a classic member. The group becomes a classic one when the member takes the place of the last that is not.
func (b *beat) runClassic() (list []record, downgraded bool, err error) {
	subscription, err := b.update()
	if err != nil {
		return nil, false, err
	}
	b.targetEpoch = b.g.targetEpoch
	b.refresh(subscription)
	if b.replaced != "" && b.g.staysClassicReplacing(b.replaced) {
		rebalance := b.targetEpoch < b.epoch
		if !rebalance {
			if err := b.reconcile(); err != nil {
				return nil, false, err
			}
			rebalance = b.current.state != memberStable || b.g.unsettled(b.replaced)
		}
		return b.g.downgrade(nil, &returning{id: b.id, replaces: b.replaced, meta: b.meta}, rebalance), true, nil
	}
	b.assign()
	if err := b.reconcile(); err != nil {
		return nil, false, err
	}
	return b.list, false, nil
}

// unsettled reports whether one of the others does not have its target yet: it would go on in a classic group without, or with what another still has.
func (g *consumer) unsettled(but string) bool {
	for id, m := range g.members {
		if id != but && (m.current.state != memberStable || m.current.epoch != g.targetEpoch) {
			return true
		}
	}
	return false
}

// classicMember looks up the sender of a classic request, which has to use the classic protocol.
func (g *consumer) classicMember(id string, instanceID *string, generation int32) (*consumerMember, error) {
	if instanceID != nil {
		holder, ok := g.static[*instanceID]
		switch {
		case !ok:
			return nil, kerr.UnknownMemberID
		case holder != id:
			return nil, kerr.FencedInstanceID
		}
	}
	m := g.members[id]
	switch {
	case m == nil || !m.isClassic():
		return nil, kerr.UnknownMemberID
	case m.current.epoch != generation:
		return nil, kerr.IllegalGeneration
	}
	return m, nil
}

// sync hands a classic member its assignment.
func (g *consumer) sync(req *kmsg.SyncGroupRequest, w *syncWait) {
	m, err := g.classicMember(req.MemberID, req.InstanceID, req.Generation)
	if err != nil {
		w.fail(err)
		return
	}
	p := m.meta.ClassicMemberMetadata.SupportedProtocols[0]
	switch {
	case req.ProtocolType != nil && *req.ProtocolType != consumerProtocol, req.Protocol != nil && *req.Protocol != p.Name:
		w.fail(kerr.InconsistentGroupProtocol)
		return
	case m.current.epoch < g.targetEpoch && m.current.state != memberUnrevoked:
		// One that has to give partitions up has joined already; it is led on when it has done so.
		g.watchJoin(req.MemberID)
		w.fail(kerr.RebalanceInProgress)
		return
	}
	g.s.env.Cancel(g.timer("sync", req.MemberID))
	g.watch(req.MemberID)
	r := kmsg.NewPtrSyncGroupResponse()
	r.Version, r.ProtocolType, r.Protocol = w.version, cloned(req.ProtocolType), cloned(req.Protocol)
	r.MemberAssignment = g.s.formatAssignment(m.current.assigned, p.Metadata)
	w.reply.Done(r)
}

// heartbeat keeps a classic member's session alive and tells it when to join again.
func (g *consumer) heartbeat(req *kmsg.HeartbeatRequest) error {
	m, err := g.classicMember(req.MemberID, req.InstanceID, req.Generation)
	if err != nil {
		return err
	}
	g.watch(req.MemberID)
	if m.current.epoch < g.targetEpoch || m.current.state == memberUnrevoked || m.current.state == memberUnreleased && !g.waits(m) || g.nobodyAssigns() {
		g.watchJoin(req.MemberID)
		return kerr.RebalanceInProgress
	}
	return nil
}

// waits reports whether there is a partition for the member that others have not released yet.
func (g *consumer) waits(m *consumerMember) bool {
	for topic, ps := range m.target {
		for _, p := range ps {
			if !m.current.assigned.has(topic, p) && g.owners[topic][p] > 0 {
				return true
			}
		}
	}
	return false
}

// nobodyAssigns reports whether there is something to assign anew and all members use the classic protocol: then it takes one of them to join again. Kafka
// 4.3.1 leaves partitions without an owner then, until some member joins for another reason.
func (g *consumer) nobodyAssigns() bool {
	for _, m := range g.members {
		if !m.isClassic() {
			return false
		}
	}
	switch {
	case g.assignsLater():
		return false
	case g.epoch > g.targetEpoch:
		return true
	}
	version := g.s.topics.version()
	if g.seen == version {
		return false
	}
	if g.hashWithout("") != g.hash {
		return true
	}
	g.seen = version
	return false
}

// leaveClassic is LeaveGroup; administrators remove members of both protocols by it.
func (g *consumer) leaveClassic(leavers []kmsg.LeaveGroupRequestMember) ([]kmsg.LeaveGroupResponseMember, []record) {
	answers := make([]kmsg.LeaveGroupResponseMember, 0, len(leavers))
	var gone []string
	for _, l := range leavers {
		id, err := g.leaver(l)
		if err == nil && !slices.Contains(gone, id) {
			g.s.log.Info("member left", zap.String("group", g.id), zap.String("member_id", id), zap.String("reason", deref(l.Reason)))
			gone = append(gone, strings.Clone(id))
		}
		a := kmsg.NewLeaveGroupResponseMember()
		a.MemberID, a.InstanceID, a.ErrorCode = l.MemberID, l.InstanceID, protocol.ErrorCode(err)
		answers = append(answers, a)
	}
	if gone == nil {
		return answers, nil
	}
	return answers, g.fence(gone...)
}

func (g *consumer) leaver(l kmsg.LeaveGroupRequestMember) (id string, err error) {
	id = l.MemberID
	if l.InstanceID != nil {
		holder, ok := g.static[*l.InstanceID]
		switch {
		case !ok:
			return "", kerr.UnknownMemberID
		case id != "" && holder != id:
			return "", kerr.FencedInstanceID
		}
		id = holder
	}
	if g.members[id] == nil {
		return "", kerr.UnknownMemberID
	}
	return id, nil
}

// watchJoin removes a classic member that was told to join again and does not within its rebalance time-out, which begins once.
func (g *consumer) watchJoin(id string) {
	if g.rejoining[id] {
		return
	}
	if g.rejoining == nil {
		g.rejoining = map[string]bool{}
	}
	g.rejoining[id] = true
	g.s.env.Schedule(g.timer("join", id), milliseconds(g.members[id].meta.RebalanceTimeoutMs), func() []record {
		delete(g.rejoining, id)
		return g.late(id, "member has not joined again in time and is removed")
	})
}

// watchSync removes a classic member that has joined and does not send SyncGroup.
func (g *consumer) watchSync(id string, timeout time.Duration) {
	g.s.env.Schedule(g.timer("sync", id), timeout, func() []record { return g.late(id, "member did not sync in time and is removed") })
}

func (g *consumer) late(id, text string) []record {
	if g.members[id] == nil {
		return nil
	}
	g.s.log.Info(text, zap.String("group", g.id), zap.String("member", id))
	return g.fence(id)
}
