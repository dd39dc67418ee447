package group

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// A group changes its protocol while it is in use when the first member of the new protocol comes to a classic group (upgrade), and when the last one
// has gone from a consumer group (downgrade). In between members of both protocols are in one consumer group: classic_member.go.

// migration is group.consumer.migration.policy.
type migration struct{ upgrade, downgrade bool }

func migrationOf(policy string) migration {
	switch strings.ToLower(policy) {
	case "upgrade":
		return migration{upgrade: true}
	case "downgrade":
		return migration{downgrade: true}
	case "bidirectional":
		return migration{upgrade: true, downgrade: true}
	}
	return migration{}
}

// upgrade makes a consumer group of a classic one with members: each keeps what was assigned to it last, in the generation as its epoch. The
// group that is returned is what the records will make, and no part of the shard before they are replayed.
func (s *shard) upgrade(c *classic) (*consumer, []record, error) {
	refused := func(text string) error {
		s.log.Info("classic group cannot become a consumer group", zap.String("group", c.id), zap.String("reason", text))
		return refuse(kerr.GroupIDNotFound, "Cannot upgrade classic group %s to consumer group because %s.", c.id, text)
	}
	switch l := s.limits(); {
	case !l.migration.upgrade:
		return nil, nil, refused("online upgrade is disabled")
	case c.protocolType != consumerProtocol:
		return nil, nil, refused("the group does not use the consumer embedded protocol")
	case len(c.members) > l.consumerMaxSize:
		return nil, nil, refused("the group size exceeds the consumer group maximum size")
	}
	g := newConsumer(s, c.id)
	var metas, targets, currents []record
	all, given := map[string]*records.ConsumerGroupMemberMetadataValue{}, map[uuid]map[int32]bool{}
	has, owned := map[string]assignment{}, map[string]assignment{}
	for _, m := range c.members {
		var err error
		all[m.id], has[m.id], owned[m.id], err = c.asConsumer(m)
		switch {
		case errors.Is(err, errCustomAssignor):
			return nil, nil, refused("an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor before re-attempting the upgrade")
		case err != nil:
			return nil, nil, refused("the embedded consumer protocol is malformed")
		}
		for topic, ps := range has[m.id] {
			if given[topic] == nil {
				given[topic] = map[int32]bool{}
			}
			for _, p := range ps {
				given[topic][p] = true
			}
		}
	}
	open := false
	for _, m := range c.members {
		metas = append(metas, g.memberRecord(m.id, all[m.id]))
		targets = append(targets, g.targetRecord(m.id, has[m.id]))
		// What a cooperative member owned when it joined, and is to give up, it may use until it has joined again. Kafka 4.3.1 gives it away at once.
		keeps := maps.Clone(has[m.id])
		for topic, ps := range owned[m.id] {
			ps = slices.DeleteFunc(ps, func(p int32) bool { return given[topic][p] })
			if len(ps) > 0 {
				open = true
				keeps[topic] = slices.Sorted(slices.Values(slices.Concat(keeps[topic], ps)))
			}
		}
		currents = append(currents, g.currentRecord(m.id, current{epoch: c.generation, previous: c.generation, assigned: keeps}))
	}
	hash := hashOf(func(yield func([]subscribed) bool) {
		for _, meta := range all {
			if !yield(g.topicsOf(meta, g.resolved)) {
				return
			}
		}
	})
	if open || !complete(all, given, g) {
		hash = 0 // differs from that of the topics: the first heartbeat assigns anew, whether a subscription has changed or not
	}
	made := slices.Concat(metas, []record{g.epochRecord(c.generation, hash)}, targets, []record{g.targetEpochRecord(c.generation, 0)}, currents)
	for _, r := range made {
		key, value, err := records.ParseGroup(r.Key, r.Value)
		if err != nil {
			return nil, nil, err
		}
		g.replay(key, value)
	}
	return g, append(c.tombstones(), made...), nil
}

// complete reports whether as many partitions are given as the topics of the members have: in the middle of a rebalance some belong to nobody.
func complete(metas map[string]*records.ConsumerGroupMemberMetadataValue, given map[uuid]map[int32]bool, g *consumer) bool {
	for _, meta := range metas {
		for _, t := range g.topicsOf(meta, g.resolved) {
			if len(given[t.id]) < int(t.partitions) {
				return false
			}
		}
	}
	return true
}

// asConsumer is a classic member as one of a consumer group, what it has, and what it owned when it joined.
func (g *classic) asConsumer(m *member) (meta *records.ConsumerGroupMemberMetadataValue, has, owned assignment, err error) {
	if has, err = g.s.parseAssignment(m.held); err != nil {
		return nil, nil, nil, err
	}
	// During the first rebalance of a group no protocol is chosen yet.
	metadata := m.metadata(deref(g.protocol))
	if metadata == nil && len(m.protocols) > 0 {
		metadata = m.protocols[0].metadata
	}
	sub, err := parseSubscription(metadata)
	if err != nil {
		return nil, nil, nil, err
	}
	owned = assignment{}
	for _, t := range sub.OwnedPartitions {
		if id, ok := g.s.topics.id(t.Topic); ok {
			owned[id] = slices.Compact(slices.Sorted(slices.Values(slices.Concat(owned[id], t.Partitions))))
		}
	}
	return &records.ConsumerGroupMemberMetadataValue{
		InstanceID: m.instanceID, RackID: sub.Rack, ClientID: m.clientID, ClientHost: m.clientHost, SubscribedTopicNames: topicNames(sub.Topics),
		RebalanceTimeoutMs: m.rebalanceTimeoutMs, ClassicMemberMetadata: classicMetadata(m.sessionTimeoutMs, m.protocols),
	}, has, owned, nil
}

// upgraded is called when the classic group has given way to a consumer group: who waits is to join again.
func (g *classic) upgraded() {
	g.s.log.Info("classic group has become a consumer group", zap.String("group", g.id), zap.Int("members", len(g.members)))
	g.removed()
	for _, m := range g.members {
		if m.join != nil {
			m.join.fail(m.id, kerr.RebalanceInProgress)
		}
		if m.sync != nil {
			m.sync.fail(kerr.RebalanceInProgress)
		}
	}
	if live, ok := g.s.groups[g.id].(*consumer); ok {
		for id := range live.members {
			live.watch(id)
		}
	}
}

// staysClassic reports whether the group is to become a classic one when the members leave: only members of the classic protocol would be left in it.
func (g *consumer) staysClassic(leaving []string) bool {
	left := len(g.members) - len(leaving)
	if left == 0 {
		return false
	}
	for id, m := range g.members {
		if !m.isClassic() && !slices.Contains(leaving, id) {
			return false
		}
	}
	return g.mayDowngrade(left)
}

// staysClassicReplacing is staysClassic for a static member of the consumer protocol that comes back with the classic one.
func (g *consumer) staysClassicReplacing(old string) bool {
	for id, m := range g.members {
		if m.isClassic() == (id == old) {
			return false
		}
	}
	return g.mayDowngrade(len(g.members))
}

func (g *consumer) mayDowngrade(members int) bool {
	reason := ""
	switch l := g.s.limits(); {
	case !l.migration.downgrade:
		reason = "the online downgrade is disabled"
	case members > l.maxSize:
		reason = "its group size is greater than classic group max size"
	}
	if reason != "" {
		g.s.log.Info("consumer group cannot become a classic group", zap.String("group", g.id), zap.String("reason", reason))
	}
	return reason == ""
}

// returning is a static member that comes back with the classic protocol.
type returning struct {
	id, replaces string
	meta         *records.ConsumerGroupMemberMetadataValue
}

// downgrade makes a classic group of the group without the members that leave, in the generation of its epoch; each member's assignment is what it was
// to have. With rebalance the members are asked to join again, else they just go on.
func (g *consumer) downgrade(leaving []string, back *returning, rebalance bool) []record {
	c := newClassic(g.s, g.id)
	c.generation, c.protocolType, c.state, c.previous = g.epoch, consumerProtocol, stable, empty
	targets, held := map[string]assignment{}, map[string]assignment{}
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		if m := g.members[id]; !slices.Contains(leaving, id) && (back == nil || id != back.replaces) {
			c.add(m.asClassic(id))
			targets[id], held[id] = m.target, m.current.holds()
		}
	}
	if back != nil {
		m := consumerMember{meta: back.meta}
		c.add(m.asClassic(back.id))
		old := g.members[back.replaces]
		targets[back.id], held[back.id] = old.target, old.current.holds()
	}
	protocol := c.selectProtocol()
	c.protocol = &protocol
	c.updateSubscribed()
	for _, m := range c.members {
		m.assignment = g.s.formatAssignment(targets[m.id], m.metadata(protocol))
		if m.held = m.assignment; rebalance {
			m.held = g.s.formatAssignment(held[m.id], m.metadata(protocol)) // should the group be upgraded again before the members have come
		}
	}
	value := c.value(nil)
	if rebalance {
		value.leader = nil // so that a coordinator that loads this knows that the rebalance is still to come
	}
	list := append(g.tombstones(), groupRecord(c.id, value))
	before := slices.Collect(maps.Keys(g.members))
	g.s.env.AfterAppend(func(err error) {
		live, ok := g.s.groups[c.id].(*classic)
		if err != nil || !ok {
			return
		}
		for _, id := range before {
			g.unwatch(id)
		}
		c.stored = live.stored
		g.s.groups[c.id] = c // the replayed one knows one protocol of each member only
		g.s.log.Info("consumer group has become a classic group", zap.String("group", c.id), zap.Int("members", len(c.members)))
		for _, m := range c.members {
			c.rescheduleSession(m, m.session())
		}
		if rebalance {
			c.prepareRebalance("the group was a consumer group before")
		}
	})
	return list
}

func (m *consumerMember) asClassic(id string) *member {
	c := m.meta.ClassicMemberMetadata
	to := &member{
		id: id, instanceID: m.meta.InstanceID, clientID: m.meta.ClientID, clientHost: m.meta.ClientHost,
		rebalanceTimeoutMs: m.meta.RebalanceTimeoutMs, sessionTimeoutMs: c.SessionTimeoutMs,
	}
	for _, p := range c.SupportedProtocols {
		to.protocols = append(to.protocols, memberProtocol{name: p.Name, metadata: p.Metadata})
	}
	return to
}
