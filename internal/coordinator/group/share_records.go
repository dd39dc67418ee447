package group

import (
	"slices"

	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// replayShare applies a record of a share group.
func (s *shard) replayShare(groupID string, r record) error {
	key, value, err := records.ParseGroup(r.Key, r.Value)
	if err != nil {
		return err
	}
	g, ok := s.groups[groupID].(*share)
	if !ok {
		if r.Value == nil {
			return nil
		}
		if c, isClassic := s.groups[groupID].(*classic); isClassic && c.stored != nil {
			return nil // Kafka writes the tombstone of a classic group before it makes another of its name
		}
		g = newShare(s, groupID)
		s.groups[groupID] = g
	}
	g.replay(key, value)
	return nil
}

func (g *share) replay(key records.Key, value records.Value) {
	switch k := key.(type) {
	case *records.ShareGroupMetadataKey:
		v, _ := value.(*records.ShareGroupMetadataValue)
		if v == nil {
			delete(g.s.groups, g.id)
			if !g.s.loading {
				g.removed()
			}
			return
		}
		g.epoch, g.hash = v.Epoch, v.MetadataHash
	case *records.ShareGroupMemberMetadataKey:
		v, _ := value.(*records.ShareGroupMemberMetadataValue)
		if v == nil {
			delete(g.members, k.MemberID)
			return
		}
		g.member(k.MemberID).meta = v
	case *records.ShareGroupTargetAssignmentMetadataKey:
		g.targetEpoch, g.assignedMs = 0, 0
		if v, _ := value.(*records.ShareGroupTargetAssignmentMetadataValue); v != nil {
			g.targetEpoch, g.assignedMs = v.AssignmentEpoch, v.AssignmentTimestamp
		}
	case *records.ShareGroupTargetAssignmentMemberKey:
		if v, _ := value.(*records.ShareGroupTargetAssignmentMemberValue); v != nil {
			g.member(k.MemberID).target = fromTopicPartitions(v.TopicPartitions)
		} else if m := g.members[k.MemberID]; m != nil {
			m.target = nil
		}
	case *records.ShareGroupCurrentMemberAssignmentKey:
		if v, _ := value.(*records.ShareGroupCurrentMemberAssignmentValue); v != nil {
			g.member(k.MemberID).current = current{epoch: v.MemberEpoch, previous: v.PreviousMemberEpoch, state: v.State, assigned: fromTopicPartitions(v.AssignedPartitions)}
		} else if m := g.members[k.MemberID]; m != nil {
			m.current = current{}
		}
	case *records.ShareGroupStatePartitionMetadataKey:
		g.state, _ = value.(*records.ShareGroupStatePartitionMetadataValue)
	}
}

// member returns the member, which the first of its records makes.
func (g *share) member(id string) *shareMember {
	m := g.members[id]
	if m == nil {
		m = &shareMember{meta: &records.ShareGroupMemberMetadataValue{}}
		g.members[id] = m
	}
	return m
}

func fromTopicPartitions(list []records.TopicPartitions) assignment {
	a := assignment{}
	for _, t := range list {
		if len(t.Partitions) > 0 {
			a[t.TopicID] = slices.Sorted(slices.Values(t.Partitions))
		}
	}
	return a
}

func toTopicPartitions(a assignment) []records.TopicPartitions {
	list := []records.TopicPartitions{}
	for _, topic := range a.topics() {
		list = append(list, records.TopicPartitions{TopicID: topic, Partitions: a[topic]})
	}
	return list
}

func (g *share) epochRecord(epoch int32, hash int64) record {
	return record{
		Key:   records.AppendKey(nil, &records.ShareGroupMetadataKey{GroupID: g.id}),
		Value: records.AppendValue(nil, &records.ShareGroupMetadataValue{Epoch: epoch, MetadataHash: hash}),
	}
}

func (g *share) memberRecord(id string, meta *records.ShareGroupMemberMetadataValue) record {
	return record{
		Key:   records.AppendKey(nil, &records.ShareGroupMemberMetadataKey{GroupID: g.id, MemberID: id}),
		Value: records.AppendValue(nil, meta),
	}
}

func (g *share) targetRecord(id string, a assignment) record {
	return record{
		Key:   records.AppendKey(nil, &records.ShareGroupTargetAssignmentMemberKey{GroupID: g.id, MemberID: id}),
		Value: records.AppendValue(nil, &records.ShareGroupTargetAssignmentMemberValue{TopicPartitions: toTopicPartitions(a)}),
	}
}

func (g *share) targetEpochRecord(epoch int32, nowMs int64) record {
	return record{
		Key:   records.AppendKey(nil, &records.ShareGroupTargetAssignmentMetadataKey{GroupID: g.id}),
		Value: records.AppendValue(nil, &records.ShareGroupTargetAssignmentMetadataValue{AssignmentEpoch: epoch, AssignmentTimestamp: nowMs}),
	}
}

func (g *share) currentRecord(id string, c current) record {
	return record{
		Key: records.AppendKey(nil, &records.ShareGroupCurrentMemberAssignmentKey{GroupID: g.id, MemberID: id}),
		Value: records.AppendValue(nil, &records.ShareGroupCurrentMemberAssignmentValue{
			MemberEpoch: c.epoch, PreviousMemberEpoch: c.previous, State: c.state, AssignedPartitions: toTopicPartitions(c.assigned),
		}),
	}
}

// stateRecord is which partitions have a state: those that have one already, of topics that exist, and more, less those of some topics.
func (g *share) stateRecord(more assignment, less map[uuid]bool) record {
	all := map[uuid][]int32{}
	v := &records.ShareGroupStatePartitionMetadataValue{
		InitializingTopics: []records.NamedTopicPartitions{}, InitializedTopics: []records.NamedTopicPartitions{}, DeletingTopics: []records.NamedTopic{},
	}
	if g.state != nil {
		for _, t := range g.state.InitializedTopics {
			all[t.TopicID] = slices.Clone(t.Partitions)
		}
	}
	for topic, ps := range more {
		all[topic] = slices.Compact(slices.Sorted(slices.Values(slices.Concat(all[topic], ps))))
	}
	for _, t := range g.s.named(all) {
		if !less[t.id] {
			v.InitializedTopics = append(v.InitializedTopics, records.NamedTopicPartitions{TopicID: t.id, TopicName: t.name, Partitions: t.partitions})
		}
	}
	return record{
		Key:   records.AppendKey(nil, &records.ShareGroupStatePartitionMetadataKey{GroupID: g.id}),
		Value: records.AppendValue(nil, v),
	}
}
