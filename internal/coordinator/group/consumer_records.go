package group

import (
	"slices"

	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// replayConsumer applies a record of a KIP-848 group.
func (s *shard) replayConsumer(groupID string, r record) error {
	key, value, err := records.ParseGroup(r.Key, r.Value)
	if err != nil {
		return err
	}
	g, ok := s.groups[groupID].(*consumer)
	if !ok {
		if r.Value == nil {
			return nil
		}
		if c, isClassic := s.groups[groupID].(*classic); isClassic && c.stored != nil {
			return nil // Kafka writes the tombstone of a classic group before it makes another of its name
		}
		g = newConsumer(s, groupID)
		s.groups[groupID] = g
	}
	g.replay(key, value)
	return nil
}

func (g *consumer) replay(key records.Key, value records.Value) {
	switch k := key.(type) {
	case *records.ConsumerGroupMetadataKey:
		v, _ := value.(*records.ConsumerGroupMetadataValue)
		if v == nil {
			delete(g.s.groups, g.id)
			if !g.s.loading {
				g.removed()
			}
			if len(g.s.offsets.byGroup[g.id]) > 0 {
				g.s.orSimple(g.id)
			}
			return
		}
		g.epoch, g.hash = v.Epoch, v.MetadataHash
	case *records.ConsumerGroupPartitionMetadataKey:
		g.legacy = value != nil
	case *records.ConsumerGroupMemberMetadataKey:
		v, _ := value.(*records.ConsumerGroupMemberMetadataValue)
		if v == nil {
			g.forget(k.MemberID)
			return
		}
		m := g.member(k.MemberID)
		m.meta = v
		if v.InstanceID != nil {
			g.static[*v.InstanceID] = k.MemberID
		}
	case *records.ConsumerGroupTargetAssignmentMetadataKey:
		g.targetEpoch = 0
		if v, _ := value.(*records.ConsumerGroupTargetAssignmentMetadataValue); v != nil {
			g.targetEpoch, g.assignedMs = v.AssignmentEpoch, v.AssignmentTimestamp
		}
	case *records.ConsumerGroupTargetAssignmentMemberKey:
		v, _ := value.(*records.ConsumerGroupTargetAssignmentMemberValue)
		if v == nil {
			if m := g.members[k.MemberID]; m != nil {
				m.target = nil
			}
			return
		}
		a := assignment{}
		for _, t := range v.TopicPartitions {
			a[t.TopicID] = slices.Sorted(slices.Values(t.Partitions))
		}
		g.member(k.MemberID).target = a
	case *records.ConsumerGroupCurrentMemberAssignmentKey:
		v, _ := value.(*records.ConsumerGroupCurrentMemberAssignmentValue)
		if v == nil {
			if m := g.members[k.MemberID]; m != nil {
				g.hold(m.current, -1)
				m.current = current{}
			}
			return
		}
		m := g.member(k.MemberID)
		g.hold(m.current, -1)
		m.current = current{v.MemberEpoch, v.PreviousMemberEpoch, v.State, owned(v.AssignedPartitions), owned(v.PartitionsPendingRevocation)}
		g.hold(m.current, 1)
	case *records.ConsumerGroupRegularExpressionKey:
		if v, _ := value.(*records.ConsumerGroupRegularExpressionValue); v != nil {
			g.regexes[k.RegularExpression] = v
		} else {
			delete(g.regexes, k.RegularExpression)
		}
	}
}

// member returns the member, which the first of its records makes.
func (g *consumer) member(id string) *consumerMember {
	m := g.members[id]
	if m == nil {
		m = &consumerMember{meta: &records.ConsumerGroupMemberMetadataValue{RebalanceTimeoutMs: -1}}
		g.members[id] = m
	}
	return m
}

func (g *consumer) forget(id string) {
	m := g.members[id]
	if m == nil {
		return
	}
	g.hold(m.current, -1)
	if i := m.meta.InstanceID; i != nil && g.static[*i] == id {
		delete(g.static, *i)
	}
	delete(g.members, id)
}

// hold counts a member as owner of what it has, or no more.
func (g *consumer) hold(c current, n int) {
	for _, a := range []assignment{c.assigned, c.revoking} {
		for topic, ps := range a {
			of := g.owners[topic]
			if of == nil {
				of = map[int32]int{}
				g.owners[topic] = of
			}
			for _, p := range ps {
				if of[p] += n; of[p] == 0 {
					delete(of, p)
				}
			}
			if len(of) == 0 {
				delete(g.owners, topic)
			}
		}
	}
}

func owned(list []records.OwnedPartitions) assignment {
	a := assignment{}
	for _, t := range list {
		if len(t.Partitions) > 0 {
			a[t.TopicID] = slices.Sorted(slices.Values(t.Partitions))
		}
	}
	return a
}

func (g *consumer) epochRecord(epoch int32, hash int64) record {
	return record{
		Key:   records.AppendKey(nil, &records.ConsumerGroupMetadataKey{GroupID: g.id}),
		Value: records.AppendValue(nil, &records.ConsumerGroupMetadataValue{Epoch: epoch, MetadataHash: hash}),
	}
}

func (g *consumer) memberRecord(id string, meta *records.ConsumerGroupMemberMetadataValue) record {
	return record{
		Key:   records.AppendKey(nil, &records.ConsumerGroupMemberMetadataKey{GroupID: g.id, MemberID: id}),
		Value: records.AppendValue(nil, meta),
	}
}

func (g *consumer) targetRecord(id string, a assignment) record {
	v := &records.ConsumerGroupTargetAssignmentMemberValue{TopicPartitions: []records.TopicPartitions{}}
	for _, topic := range a.topics() {
		v.TopicPartitions = append(v.TopicPartitions, records.TopicPartitions{TopicID: topic, Partitions: a[topic]})
	}
	return record{Key: records.AppendKey(nil, &records.ConsumerGroupTargetAssignmentMemberKey{GroupID: g.id, MemberID: id}), Value: records.AppendValue(nil, v)}
}

func (g *consumer) targetEpochRecord(epoch int32, nowMs int64) record {
	return record{
		Key:   records.AppendKey(nil, &records.ConsumerGroupTargetAssignmentMetadataKey{GroupID: g.id}),
		Value: records.AppendValue(nil, &records.ConsumerGroupTargetAssignmentMetadataValue{AssignmentEpoch: epoch, AssignmentTimestamp: nowMs}),
	}
}

func (g *consumer) currentRecord(id string, c current) record {
	v := &records.ConsumerGroupCurrentMemberAssignmentValue{
		MemberEpoch: c.epoch, PreviousMemberEpoch: c.previous, State: c.state,
		AssignedPartitions: ownedRecords(c.assigned, c.epoch), PartitionsPendingRevocation: ownedRecords(c.revoking, c.epoch),
	}
	return record{Key: records.AppendKey(nil, &records.ConsumerGroupCurrentMemberAssignmentKey{GroupID: g.id, MemberID: id}), Value: records.AppendValue(nil, v)}
}

func ownedRecords(a assignment, epoch int32) []records.OwnedPartitions {
	list := []records.OwnedPartitions{}
	for _, topic := range a.topics() {
		epochs := make([]int32, len(a[topic]))
		for i := range epochs {
			epochs[i] = epoch
		}
		list = append(list, records.OwnedPartitions{TopicID: topic, Partitions: a[topic], AssignmentEpochs: epochs})
	}
	return list
}

func (g *consumer) regexRecord(re string, topics []string, version, nowMs int64) record {
	return record{
		Key:   records.AppendKey(nil, &records.ConsumerGroupRegularExpressionKey{GroupID: g.id, RegularExpression: re}),
		Value: records.AppendValue(nil, &records.ConsumerGroupRegularExpressionValue{Topics: topics, Version: version, Timestamp: nowMs}),
	}
}
