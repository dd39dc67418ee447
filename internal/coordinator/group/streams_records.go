package group

import (
	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// replayStreams applies a record of a KIP-1071 group.
func (s *shard) replayStreams(groupID string, r record) error {
	key, value, err := records.ParseGroup(r.Key, r.Value)
	if err != nil {
		return err
	}
	g, ok := s.groups[groupID].(*streams)
	if !ok {
		if r.Value == nil {
			return nil
		}
		if c, isClassic := s.groups[groupID].(*classic); isClassic && c.stored != nil {
			return nil // Kafka writes the tombstone of a classic group before it makes another of its name
		}
		g = newStreams(s, groupID)
		s.groups[groupID] = g
	}
	g.replay(key, value)
	return nil
}

func (g *streams) replay(key records.Key, value records.Value) {
	switch k := key.(type) {
	case *records.StreamsGroupMetadataKey:
		v, _ := value.(*records.StreamsGroupMetadataValue)
		if v == nil {
			g.vanish()
			return
		}
		g.epoch, g.hash, g.validated = v.Epoch, v.MetadataHash, v.ValidatedTopologyEpoch
		g.configs = map[string]string{}
		for _, c := range v.LastAssignmentConfigs {
			g.configs[c.Key] = c.Value
		}
	case *records.StreamsGroupTopologyKey:
		g.topology, _ = value.(*records.StreamsGroupTopologyValue)
	case *records.StreamsGroupMemberMetadataKey:
		v, _ := value.(*records.StreamsGroupMemberMetadataValue)
		if v == nil {
			g.forget(k.MemberID)
			return
		}
		m := g.member(k.MemberID)
		g.hold(m, -1) // its process may be another
		m.meta = v
		g.hold(m, 1)
	case *records.StreamsGroupTargetAssignmentMetadataKey:
		g.targetEpoch, g.assignedMs = -1, 0
		if v, _ := value.(*records.StreamsGroupTargetAssignmentMetadataValue); v != nil {
			g.targetEpoch, g.assignedMs = v.AssignmentEpoch, v.AssignmentTimestamp
		}
	case *records.StreamsGroupTargetAssignmentMemberKey:
		v, _ := value.(*records.StreamsGroupTargetAssignmentMemberValue)
		if v == nil {
			if m := g.members[k.MemberID]; m != nil {
				m.target = nil
			}
			return
		}
		g.member(k.MemberID).target = &tasks{targetTasks(v.ActiveTasks), targetTasks(v.StandbyTasks), targetTasks(v.WarmupTasks)}
	case *records.StreamsGroupCurrentMemberAssignmentKey:
		g.replayCurrent(k.MemberID, value)
	}
}

func (g *streams) replayCurrent(id string, value records.Value) {
	v, _ := value.(*records.StreamsGroupCurrentMemberAssignmentValue)
	if v == nil {
		if m := g.members[id]; m != nil {
			g.hold(m, -1)
			m.current = newStreamsCurrent()
		}
		return
	}
	m := g.member(id)
	g.hold(m, -1)
	m.current = streamsCurrent{
		epoch: v.MemberEpoch, previous: v.PreviousMemberEpoch, state: v.State,
		assigned: tasks{ownedTasks(v.ActiveTasks, v.MemberEpoch), plainTasks(v.StandbyTasks), plainTasks(v.WarmupTasks)},
		revoking: tasks{ownedTasks(v.ActiveTasksPendingRevocation, v.MemberEpoch), plainTasks(v.StandbyTasksPendingRevocation), plainTasks(v.WarmupTasksPendingRevocation)},
	}
	g.hold(m, 1)
}

// vanish replays the tombstone of the group; offsets that it leaves are those of a simple group.
func (g *streams) vanish() {
	delete(g.s.groups, g.id)
	if !g.s.loading {
		g.removed()
	}
	if len(g.s.offsets.byGroup[g.id]) > 0 {
		g.s.orSimple(g.id)
	}
}

func newStreamsCurrent() streamsCurrent { return streamsCurrent{previous: -1} }

func newStreamsMeta() *records.StreamsGroupMemberMetadataValue {
	return &records.StreamsGroupMemberMetadataValue{RebalanceTimeoutMs: -1, TopologyEpoch: -1, ClientTags: []records.KeyValue{}}
}

// member returns the member, which the first of its records makes.
func (g *streams) member(id string) *streamsMember {
	m := g.members[id]
	if m == nil {
		m = &streamsMember{meta: newStreamsMeta(), current: newStreamsCurrent()}
		g.members[id] = m
	}
	return m
}

func (g *streams) forget(id string) {
	if m := g.members[id]; m != nil {
		g.hold(m, -1)
		delete(g.members, id)
	}
}

// hold counts the process of a member as owner of what the member has, or no more.
func (g *streams) hold(m *streamsMember, n int) {
	for _, t := range []tasks{m.current.assigned, m.current.revoking} {
		for role, set := range []taskSet{activeTask: t.active, standbyTask: t.standby, warmupTask: t.warmup} {
			for id := range set {
				key := ownedTask{id, taskRole(role)}
				of := g.owners[key]
				if of == nil {
					of = map[string]int{}
					g.owners[key] = of
				}
				if of[m.meta.ProcessID] += n; of[m.meta.ProcessID] == 0 {
					delete(of, m.meta.ProcessID)
				}
				if len(of) == 0 {
					delete(g.owners, key)
				}
			}
		}
	}
}

func (g *streams) epochRecord(epoch int32, hash int64, validated int32, configs map[string]string) record {
	return record{
		Key: records.AppendKey(nil, &records.StreamsGroupMetadataKey{GroupID: g.id}),
		Value: records.AppendValue(nil, &records.StreamsGroupMetadataValue{
			Epoch: epoch, MetadataHash: hash, ValidatedTopologyEpoch: validated, LastAssignmentConfigs: keyValues(configs)}),
	}
}

func (g *streams) memberRecord(id string, meta *records.StreamsGroupMemberMetadataValue) record {
	return record{Key: records.AppendKey(nil, &records.StreamsGroupMemberMetadataKey{GroupID: g.id, MemberID: id}), Value: records.AppendValue(nil, meta)}
}

func (g *streams) topologyRecord(t *records.StreamsGroupTopologyValue) record {
	return record{Key: records.AppendKey(nil, &records.StreamsGroupTopologyKey{GroupID: g.id}), Value: records.AppendValue(nil, t)}
}

func (g *streams) targetRecord(id string, t tasks) record {
	return record{
		Key: records.AppendKey(nil, &records.StreamsGroupTargetAssignmentMemberKey{GroupID: g.id, MemberID: id}),
		Value: records.AppendValue(nil, &records.StreamsGroupTargetAssignmentMemberValue{
			ActiveTasks: t.active.target(), StandbyTasks: t.standby.target(), WarmupTasks: t.warmup.target()}),
	}
}

func (g *streams) targetEpochRecord(epoch int32, nowMs int64) record {
	return record{
		Key:   records.AppendKey(nil, &records.StreamsGroupTargetAssignmentMetadataKey{GroupID: g.id}),
		Value: records.AppendValue(nil, &records.StreamsGroupTargetAssignmentMetadataValue{AssignmentEpoch: epoch, AssignmentTimestamp: nowMs}),
	}
}

func (g *streams) currentRecord(id string, c streamsCurrent) record {
	return record{
		Key: records.AppendKey(nil, &records.StreamsGroupCurrentMemberAssignmentKey{GroupID: g.id, MemberID: id}),
		Value: records.AppendValue(nil, &records.StreamsGroupCurrentMemberAssignmentValue{
			MemberEpoch: c.epoch, PreviousMemberEpoch: c.previous, State: c.state,
			ActiveTasks: c.assigned.active.owned(true), StandbyTasks: c.assigned.standby.owned(false), WarmupTasks: c.assigned.warmup.owned(false),
			ActiveTasksPendingRevocation:  c.revoking.active.owned(true),
			StandbyTasksPendingRevocation: c.revoking.standby.owned(false),
			WarmupTasksPendingRevocation:  c.revoking.warmup.owned(false),
		}),
	}
}
