package group

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator/records"
)

func standbyReplicas(configs map[string]string) int {
	n, err := strconv.Atoi(configs["num.standby.replicas"])
	if err != nil {
		return 0
	}
	return max(n, 0)
}

// topologyOf is the topology of a request as it is recorded. Nothing of it aliases the request.
func topologyOf(t *kmsg.StreamsGroupHeartbeatRequestTopology) *records.StreamsGroupTopologyValue {
	v := &records.StreamsGroupTopologyValue{Epoch: t.Epoch, Subtopologies: []records.Subtopology{}}
	for _, sub := range t.Subtopologies {
		r := records.Subtopology{
			SubtopologyID: string([]byte(sub.SubtopologyID)), SourceTopics: clonedTexts(sub.SourceTopics), SourceTopicRegex: []string{},
			StateChangelogTopics: topicInfos(sub.StateChangelogTopics), RepartitionSinkTopics: clonedTexts(sub.RepartitionSinkTopics),
			RepartitionSourceTopics: topicInfos(sub.RepartitionSourceTopics), CopartitionGroups: []records.CopartitionGroup{},
		}
		for _, g := range sub.CopartitionGroups {
			r.CopartitionGroups = append(r.CopartitionGroups, records.CopartitionGroup{
				SourceTopics: clonedNumbers(g.SourceTopics), SourceTopicRegex: []int16{}, RepartitionSourceTopics: clonedNumbers(g.RepartitionSourceTopics),
			})
		}
		v.Subtopologies = append(v.Subtopologies, r)
	}
	return v
}

func clonedTexts(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string([]byte(s))
	}
	return out
}

func clonedNumbers(list []int16) []int16 { return append([]int16{}, list...) }

func topicInfos(list []kmsg.TopicInfo) []records.TopicInfo {
	out := []records.TopicInfo{}
	for _, t := range list {
		info := records.TopicInfo{Name: string([]byte(t.Topic)), Partitions: t.NumPartitions, ReplicationFactor: t.ReplicationFactor, TopicConfigs: []records.KeyValue{}}
		for _, c := range t.Configs {
			info.TopicConfigs = append(info.TopicConfigs, records.KeyValue{Key: string([]byte(c.Key)), Value: string([]byte(c.Value))})
		}
		out = append(out, info)
	}
	return out
}

// sameTopology compares two topologies, in whatever order their subtopologies are.
func sameTopology(a, b *records.StreamsGroupTopologyValue) bool {
	canonical := func(t *records.StreamsGroupTopologyValue) []byte {
		c := *t
		c.Subtopologies = slices.SortedFunc(slices.Values(t.Subtopologies), func(x, y records.Subtopology) int { return cmp.Compare(x.SubtopologyID, y.SubtopologyID) })
		return records.AppendValue(nil, &c)
	}
	return slices.Equal(canonical(a), canonical(b))
}

// describe answers StreamsGroupDescribe.
func (g *streams) describe() kmsg.StreamsGroupDescribeResponseGroup {
	d := kmsg.NewStreamsGroupDescribeResponseGroup()
	d.Group, d.State, d.Epoch, d.AssignmentEpoch = g.id, g.stateName(), g.epoch, g.targetEpoch
	d.Topology = g.describeTopology()
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		m := g.members[id]
		dm := kmsg.NewStreamsGroupDescribeResponseGroupMember()
		dm.MemberID, dm.MemberEpoch, dm.InstanceID, dm.RackID = id, m.current.epoch, m.meta.InstanceID, m.meta.RackID
		dm.ClientID, dm.ClientHost, dm.TopologyEpoch, dm.ProcessID = m.meta.ClientID, m.meta.ClientHost, m.meta.TopologyEpoch, m.meta.ProcessID
		if e := m.meta.UserEndpoint; e != nil {
			dm.UserEndpoint = &kmsg.StreamsGroupDescribeResponseGroupMemberUserEndpoint{Host: e.Host, Port: e.Port}
		}
		for _, t := range m.meta.ClientTags {
			dm.ClientTags = append(dm.ClientTags, kmsg.StreamsGroupDescribeResponseGroupMemberClientTag{Key: t.Key, Value: t.Value})
		}
		dm.Assignment = described(m.current.assigned)
		if m.target != nil {
			dm.TargetAssignment = described(*m.target)
		}
		d.Members = append(d.Members, dm)
	}
	return d
}

func described(t tasks) kmsg.StreamsAssignment {
	return kmsg.StreamsAssignment{ActiveTasks: t.active.wire(), StandbyTasks: t.standby.wire(), WarmupTasks: t.warmup.wire()}
}

// describeTopology describes the topology, with the partitions of internal topics as decided when the topics are right.
func (g *streams) describeTopology() *kmsg.StreamsGroupDescribeResponseGroupTopology {
	if g.topology == nil {
		return nil
	}
	t := kmsg.NewStreamsGroupDescribeResponseGroupTopology()
	t.Epoch, t.Subtopologies = g.topology.Epoch, []kmsg.StreamsGroupDescribeResponseGroupTopologySubtopology{}
	for _, sub := range g.topology.Subtopologies {
		ds := kmsg.NewStreamsGroupDescribeResponseGroupTopologySubtopology()
		ds.SubtopologyID, ds.SourceTopics = sub.SubtopologyID, slices.Sorted(slices.Values(sub.SourceTopics))
		ds.RepartitionSinkTopics = slices.Sorted(slices.Values(sub.RepartitionSinkTopics))
		var decided map[string]int32
		if g.configured != nil && g.configured.ready {
			decided = g.configured.subtopologies[sub.SubtopologyID].internalParts
		}
		ds.StateChangelogTopics, ds.RepartitionSourceTopics = describedTopics(sub.StateChangelogTopics, decided), describedTopics(sub.RepartitionSourceTopics, decided)
		t.Subtopologies = append(t.Subtopologies, ds)
	}
	slices.SortFunc(t.Subtopologies, func(a, b kmsg.StreamsGroupDescribeResponseGroupTopologySubtopology) int {
		return cmp.Compare(a.SubtopologyID, b.SubtopologyID)
	})
	return &t
}

func describedTopics(list []records.TopicInfo, decided map[string]int32) []kmsg.TopicInfo {
	out := []kmsg.TopicInfo{}
	for _, info := range list {
		t := kmsg.NewTopicInfo()
		t.Topic, t.NumPartitions, t.ReplicationFactor = info.Name, info.Partitions, info.ReplicationFactor
		if n, ok := decided[info.Name]; ok {
			t.NumPartitions = n
		}
		for _, c := range info.TopicConfigs {
			t.Configs = append(t.Configs, kmsg.TopicInfoConfig{Key: c.Key, Value: c.Value})
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b kmsg.TopicInfo) int { return cmp.Compare(a.Topic, b.Topic) })
	return out
}

// endpoints tells where the partitions of the members with an endpoint are, for interactive queries; the member of the heartbeat last.
func (b *streamsBeat) endpoints() []kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpoint {
	list := []kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpoint{}
	if b.configured.subtopologies == nil {
		return list
	}
	add := func(meta *records.StreamsGroupMemberMetadataValue, assigned tasks) {
		if meta.UserEndpoint == nil {
			return
		}
		e := kmsg.NewStreamsGroupHeartbeatResponsePartitionsByUserEndpoint()
		e.UserEndpoint = kmsg.Endpoint{Host: meta.UserEndpoint.Host, Port: meta.UserEndpoint.Port}
		e.ActivePartitions = []kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpointActivePartition{}
		e.StandbyPartitions = []kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpointStandbyPartition{}
		b.partitionsOf(assigned.active, func(topic string, partitions []int32) {
			e.ActivePartitions = append(e.ActivePartitions, kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpointActivePartition{Topic: topic, Partitions: partitions})
		})
		b.partitionsOf(assigned.standby, func(topic string, partitions []int32) {
			e.StandbyPartitions = append(e.StandbyPartitions, kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpointStandbyPartition{Topic: topic, Partitions: partitions})
		})
		list = append(list, e)
	}
	for _, id := range slices.Sorted(maps.Keys(b.g.members)) {
		if id != b.id {
			add(b.g.members[id].meta, b.g.members[id].current.assigned)
		}
	}
	add(b.meta, b.current.assigned)
	return list
}

// partitionsOf yields the partitions of the input topics that tasks read. A topic with fewer partitions than the task numbers has fewer.
func (b *streamsBeat) partitionsOf(set taskSet, fn func(topic string, partitions []int32)) {
	set.bySubtopology(func(subtopology string, partitions, _ []int32) {
		sub := b.configured.subtopologies[subtopology]
		if sub == nil {
			return
		}
		for _, topic := range sub.input {
			var have []int32
			for _, p := range partitions {
				if p < sub.partitionsOf[topic] {
					have = append(have, p)
				}
			}
			fn(topic, have)
		}
	})
}
