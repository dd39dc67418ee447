package group

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// share is a share group (KIP-932): members read the same partitions side by side. The coordinator says who reads which; a member takes a new assignment
// at once, as nobody has to give anything up. Partitions are assigned once the share coordinator has begun their state.
type share struct {
	id string
	s  *shard

	// Durable: changed by shard.Replay only, values are replaced.
	epoch       int32
	hash        int64 // of the topics that the members subscribe to
	targetEpoch int32
	assignedMs  int64 // when the target was made
	members     map[string]*shareMember
	state       *records.ShareGroupStatePartitionMetadataValue // which partitions have a state; nil: none
}

// shareMember is a member; the values in it are replaced, not changed.
type shareMember struct {
	meta    *records.ShareGroupMemberMetadataValue
	target  assignment
	current current
}

var _ group = (*share)(nil)

func newShare(s *shard, id string) *share {
	return &share{id: id, s: s, epoch: firstEpoch, targetEpoch: firstEpoch, members: map[string]*shareMember{}}
}

func (g *share) groupType() string { return typeShare }

func (g *share) stateName() string {
	if len(g.members) == 0 {
		return empty.String()
	}
	return stable.String()
}

// isIdle is false: an empty share group stays until it is deleted, so that its place in the partitions is not lost.
func (g *share) isIdle() bool { return false }

func (g *share) loaded() {
	for id := range g.members {
		g.watch(id)
	}
}

func (g *share) removed() {
	for id := range g.members {
		g.s.env.Cancel(g.timer(id))
	}
}

func (g *share) timer(member string) string {
	return "share/session/" + strconv.Quote(g.id) + "/" + member
}

// watch removes the member when it is not heard of for the session time-out.
func (g *share) watch(id string) {
	g.s.env.Schedule(g.timer(id), g.s.shareTimes(g.id).session, func() []record {
		if g.members[id] == nil {
			return nil
		}
		g.s.log.Info("member has not been heard of and is removed", zap.String("group", g.id), zap.String("member", id))
		return g.fence(id)
	})
}

// fence removes a member and begins a new epoch for the others.
func (g *share) fence(id string) []record {
	g.s.env.AfterAppend(func(err error) {
		if err != nil {
			g.watch(id) // it is tried again
			return
		}
		g.s.env.Cancel(g.timer(id))
	})
	return append(g.removal(id), g.epochRecord(g.epoch+1, g.hashOf("", nil, id)))
}

func (g *share) removal(id string) []record {
	return []record{
		{Key: records.AppendKey(nil, &records.ShareGroupCurrentMemberAssignmentKey{GroupID: g.id, MemberID: id})},
		{Key: records.AppendKey(nil, &records.ShareGroupTargetAssignmentMemberKey{GroupID: g.id, MemberID: id})},
		{Key: records.AppendKey(nil, &records.ShareGroupMemberMetadataKey{GroupID: g.id, MemberID: id})},
	}
}

func (g *share) tombstones() []record {
	var list []record
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		list = append(list, g.removal(id)...)
	}
	if g.targetEpoch > 0 {
		list = append(list, record{Key: records.AppendKey(nil, &records.ShareGroupTargetAssignmentMetadataKey{GroupID: g.id})})
	}
	if g.state != nil {
		list = append(list, record{Key: records.AppendKey(nil, &records.ShareGroupStatePartitionMetadataKey{GroupID: g.id})})
	}
	return append(list, record{Key: records.AppendKey(nil, &records.ShareGroupMetadataKey{GroupID: g.id})})
}

// A share group commits no offsets: where it is is the share coordinator's.

func (g *share) validateCommit(commitAs) error { return kerr.GroupIDNotFound }

func (g *share) validateOffsetDelete() error { return kerr.GroupIDNotFound }

func (g *share) validateDelete() error {
	if len(g.members) > 0 {
		return kerr.NonEmptyGroup
	}
	return nil
}

func (g *share) committing(string) {}

func (g *share) isSubscribed(topic string) bool {
	for _, m := range g.members {
		if slices.Contains(m.meta.SubscribedTopicNames, topic) {
			return true
		}
	}
	return false
}

func (g *share) expiryBase() (func(committed) int64, bool) { return nil, false }

func (g *share) list() kmsg.ListGroupsResponseGroup {
	return kmsg.ListGroupsResponseGroup{Group: g.id, ProtocolType: typeShare, GroupState: g.stateName(), GroupType: typeShare}
}

// topicsOf returns the topics that exist of those subscribed to.
func (g *share) topicsOf(names []string) []subscribed {
	var topics []subscribed
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if id, ok := g.s.topics.id(name); ok {
			topics = append(topics, subscribed{name, id, int32(g.s.topics.partitions(name))})
		}
	}
	return topics
}

// subscriptions are the topic names by member, with those of one member as they are to be, and without another.
func (g *share) subscriptions(id string, names []string, without string) map[string][]string {
	all := map[string][]string{}
	for other, m := range g.members {
		all[other] = m.meta.SubscribedTopicNames
	}
	if id != "" {
		all[id] = names
	}
	delete(all, without)
	return all
}

func (g *share) hashOf(id string, names []string, without string) int64 {
	return hashOf(func(yield func([]subscribed) bool) {
		for _, names := range g.subscriptions(id, names, without) {
			if !yield(g.topicsOf(names)) {
				return
			}
		}
	})
}

// initialized reports whether the partition has a state.
func (g *share) initialized(topic uuid, partition int32) bool {
	if g.state == nil {
		return false
	}
	for _, t := range g.state.InitializedTopics {
		if t.TopicID == topic {
			return slices.Contains(t.Partitions, partition)
		}
	}
	return false
}

// uninitialized are the partitions that members subscribe to and that have no state yet.
func (g *share) uninitialized(id string, names []string) assignment {
	var missing assignment
	for _, names := range g.subscriptions(id, names, "") {
		for _, t := range g.topicsOf(names) {
			if missing[t.id] != nil {
				continue
			}
			for p := range t.partitions {
				if !g.initialized(t.id, p) {
					if missing == nil {
						missing = assignment{}
					}
					missing[t.id] = append(missing[t.id], p)
				}
			}
		}
	}
	return missing
}

// assign gives the members the partitions that have a state of the topics that they want.
func (g *share) assign(subscriptions map[string][]string) map[string]assignment {
	wanted, owned := map[string]assignment{}, map[string]assignment{}
	for id, names := range subscriptions {
		wanted[id] = assignment{}
		for _, t := range g.topicsOf(names) {
			for p := range t.partitions {
				if g.initialized(t.id, p) {
					wanted[id][t.id] = append(wanted[id][t.id], p)
				}
			}
		}
		if m := g.members[id]; m != nil {
			owned[id] = m.target
		}
	}
	return simpleAssignor(wanted, owned)
}

// describe answers ShareGroupDescribe.
func (g *share) describe() kmsg.ShareGroupDescribeResponseGroup {
	d := kmsg.NewShareGroupDescribeResponseGroup()
	d.GroupID, d.GroupState, d.GroupEpoch, d.AssignmentEpoch, d.Assignor = g.id, g.stateName(), g.epoch, g.targetEpoch, "simple"
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		m := g.members[id]
		dm := kmsg.NewShareGroupDescribeResponseGroupMember()
		dm.MemberID, dm.RackID, dm.MemberEpoch, dm.ClientID, dm.ClientHost = id, m.meta.RackID, m.current.epoch, m.meta.ClientID, m.meta.ClientHost
		dm.SubscribedTopicNames = m.meta.SubscribedTopicNames
		for _, t := range g.s.named(m.current.assigned) {
			dm.Assignment.TopicPartitions = append(dm.Assignment.TopicPartitions, kmsg.ShareGroupDescribeResponseGroupMemberAssignmentTopicPartition{
				TopicID: t.id, Topic: t.name, Partitions: t.partitions,
			})
		}
		d.Members = append(d.Members, dm)
	}
	return d
}

// shareTimes returns the times of a share group: its own configuration wins over the broker's.
func (s *shard) shareTimes(groupID string) consumerTimes {
	t := s.limits().shareTimes
	own := s.configOf(groupID)
	for key, to := range map[string]*time.Duration{
		"share.session.timeout.ms": &t.session, "share.heartbeat.interval.ms": &t.heartbeat, "share.assignment.interval.ms": &t.assignment,
	} {
		if ms, err := strconv.ParseInt(own[key], 10, 64); err == nil {
			*to = milliseconds(ms)
		}
	}
	return t
}
