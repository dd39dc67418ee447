package group

import (
	"cmp"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// consumer is a group of the protocol of KIP-848: the coordinator assigns, and leads each member to its part of the assignment one heartbeat after the
// other. The group epoch grows with every change of members or subscriptions; the target assignment is made for an epoch; a member's epoch is the one
// whose target it has reached, or is giving partitions up for.
type consumer struct {
	id string
	s  *shard

	// Durable: changed by shard.Replay only, values are replaced.
	epoch       int32
	hash        int64 // of the topics that the members subscribe to
	targetEpoch int32
	assignedMs  int64 // when the target was made
	members     map[string]*consumerMember
	regexes     map[string]*records.ConsumerGroupRegularExpressionValue
	legacy      bool // there is a record of kind 4, which Kafka wrote before 4.1

	// Derived from the members while replaying.
	static map[string]string      // member id by instance id
	owners map[uuid]map[int32]int // how many members have, or have still to give up, a partition

	// Soft.
	seen      int64           // the version of the topics when hash was last compared with them
	rejoining map[string]bool // classic members that have been told to join again
}

// consumerMember is a member; the values in it are replaced, not changed.
type consumerMember struct {
	meta    *records.ConsumerGroupMemberMetadataValue // nil until the record is replayed
	target  assignment
	current current
}

// Member states, numbered as in the record.
const (
	memberStable int8 = iota
	memberUnrevoked
	memberUnreleased
)

// current is how far a member has come.
type current struct {
	epoch, previous int32
	state           int8
	assigned        assignment
	revoking        assignment // still to be given up
}

// holds is what the member has, what it is giving up included.
func (c current) holds() assignment {
	all := maps.Clone(c.assigned)
	if all == nil {
		all = assignment{}
	}
	for topic, ps := range c.revoking {
		all[topic] = slices.Sorted(slices.Values(slices.Concat(all[topic], ps)))
	}
	return all
}

// Special member epochs of the heartbeat.
const (
	epochJoin        = 0
	epochLeave       = -1
	epochLeaveStatic = -2 // a static member that will come back
)

var _ group = (*consumer)(nil)

func newConsumer(s *shard, id string) *consumer {
	return &consumer{
		id: id, s: s, members: map[string]*consumerMember{}, regexes: map[string]*records.ConsumerGroupRegularExpressionValue{},
		static: map[string]string{}, owners: map[uuid]map[int32]int{}, seen: -1,
	}
}

func (g *consumer) groupType() string { return typeConsumer }

// Names of states, as Kafka's ConsumerGroupState.
const (
	stateAssigning   = "Assigning"
	stateReconciling = "Reconciling"
)

func (g *consumer) stateName() string {
	switch {
	case len(g.members) == 0:
		return empty.String()
	case g.epoch > g.targetEpoch:
		return stateAssigning
	}
	for _, m := range g.members {
		if m.current.state != memberStable || m.current.epoch != g.targetEpoch {
			return stateReconciling
		}
	}
	return stable.String()
}

func (g *consumer) isIdle() bool { return len(g.members) == 0 }

// loaded arms the timers: members have their whole session time-out to be heard of.
func (g *consumer) loaded() {
	for id, m := range g.members {
		g.watch(id)
		if m.current.state == memberUnrevoked && !m.isClassic() {
			g.watchRevocation(id, m.current.epoch)
		}
	}
}

func (g *consumer) removed() {
	for id := range g.members {
		g.unwatch(id)
	}
}

func (g *consumer) timer(kind, member string) string {
	return "consumer/" + kind + "/" + strconv.Quote(g.id) + "/" + member
}

// watch removes the member when it is not heard of for the session time-out.
func (g *consumer) watch(id string) {
	timeout := g.s.consumerTimes(g.id).session
	if m := g.members[id]; m != nil && m.isClassic() {
		timeout = milliseconds(m.meta.ClassicMemberMetadata.SessionTimeoutMs)
	}
	g.s.env.Schedule(g.timer("session", id), timeout, func() []record { return g.late(id, "member has not been heard of and is removed") })
}

// watchRevocation removes the member when it has not given up its partitions within its rebalance time-out.
func (g *consumer) watchRevocation(id string, epoch int32) {
	timeout := time.Duration(g.members[id].meta.RebalanceTimeoutMs) * time.Millisecond
	g.s.env.Schedule(g.timer("rebalance", id), timeout, func() []record {
		m := g.members[id]
		if m == nil || m.current.epoch != epoch || m.current.state != memberUnrevoked {
			return nil
		}
		g.s.log.Info("member has not given up its partitions in time and is removed", zap.String("group", g.id), zap.String("member", id))
		return g.fence(id)
	})
}

func (g *consumer) unwatch(id string) {
	for _, kind := range []string{"session", "rebalance", "join", "sync"} {
		g.s.env.Cancel(g.timer(kind, id))
	}
	delete(g.rejoining, id)
}

// fence removes members and begins a new epoch for the others, or makes a classic group of them where they all use the classic protocol.
func (g *consumer) fence(ids ...string) []record {
	g.s.env.AfterAppend(func(err error) {
		for _, id := range ids {
			if err != nil {
				g.watch(id) // it is tried again
			} else {
				g.unwatch(id)
			}
		}
	})
	if g.staysClassic(ids) {
		return g.downgrade(ids, nil, true)
	}
	var list []record
	for _, id := range ids {
		list = append(list, g.removal(id)...)
	}
	return append(list, g.epochRecord(g.epoch+1, g.hashWithout(ids...)))
}

// removal is the tombstones of a member.
func (g *consumer) removal(id string) []record {
	return []record{
		{Key: records.AppendKey(nil, &records.ConsumerGroupCurrentMemberAssignmentKey{GroupID: g.id, MemberID: id})},
		{Key: records.AppendKey(nil, &records.ConsumerGroupTargetAssignmentMemberKey{GroupID: g.id, MemberID: id})},
		{Key: records.AppendKey(nil, &records.ConsumerGroupMemberMetadataKey{GroupID: g.id, MemberID: id})},
	}
}

func (g *consumer) tombstones() []record {
	ids := slices.Sorted(maps.Keys(g.members))
	var list []record
	for _, id := range ids {
		list = append(list, g.removal(id)[0])
	}
	for _, id := range ids {
		list = append(list, g.removal(id)[1])
	}
	list = append(list, record{Key: records.AppendKey(nil, &records.ConsumerGroupTargetAssignmentMetadataKey{GroupID: g.id})})
	for _, id := range ids {
		list = append(list, g.removal(id)[2])
	}
	if g.legacy {
		list = append(list, record{Key: records.AppendKey(nil, &records.ConsumerGroupPartitionMetadataKey{GroupID: g.id})})
	}
	for _, re := range slices.Sorted(maps.Keys(g.regexes)) {
		list = append(list, record{Key: records.AppendKey(nil, &records.ConsumerGroupRegularExpressionKey{GroupID: g.id, RegularExpression: re})})
	}
	return append(list, record{Key: records.AppendKey(nil, &records.ConsumerGroupMetadataKey{GroupID: g.id})})
}

// The checks of the offset APIs.

func (g *consumer) validateCommit(c commitAs) error {
	if c.generation < 0 && len(g.members) == 0 {
		return nil
	}
	if c.inTxn && c.memberID == "" && c.instanceID == nil && c.generation < 0 {
		return nil
	}
	if m := g.members[c.memberID]; m != nil && !m.isClassic() && !c.inTxn && c.version < 9 {
		return kerr.UnsupportedVersion
	}
	return g.checkMember(c.memberID, c.generation)
}

// checkMember compares the epoch that a client names with that of the member.
func (g *consumer) checkMember(id string, epoch int32) error {
	m := g.members[id]
	switch {
	case m == nil:
		return kerr.UnknownMemberID
	case epoch == m.current.epoch:
		return nil
	case m.isClassic():
		return kerr.IllegalGeneration
	}
	return kerr.StaleMemberEpoch
}

func (g *consumer) validateOffsetDelete() error { return nil }

func (g *consumer) validateDelete() error {
	if len(g.members) > 0 {
		return kerr.NonEmptyGroup
	}
	return nil
}

func (g *consumer) committing(string) {}

func (g *consumer) isSubscribed(topic string) bool {
	for _, m := range g.members {
		if slices.Contains(m.meta.SubscribedTopicNames, topic) || slices.Contains(g.resolved(m.meta.SubscribedTopicRegex), topic) {
			return true
		}
	}
	return false
}

// expiryBase: offsets of a group with members that are not subscribed to the topic, and those of an empty group, count from their commit.
func (g *consumer) expiryBase() (func(committed) int64, bool) {
	return func(c committed) int64 { return c.commitMs }, true
}

func (g *consumer) list() kmsg.ListGroupsResponseGroup {
	return kmsg.ListGroupsResponseGroup{Group: g.id, ProtocolType: "consumer", GroupState: g.stateName(), GroupType: typeConsumer}
}

// resolved returns the topics that a regular expression stands for.
func (g *consumer) resolved(re *string) []string {
	if re == nil {
		return nil
	}
	if v := g.regexes[*re]; v != nil {
		return v.Topics
	}
	return nil
}

// topicsOf returns the topics that exist of those that a member subscribes to; resolve gives those of regular expressions.
func (g *consumer) topicsOf(meta *records.ConsumerGroupMemberMetadataValue, resolve func(*string) []string) []subscribed {
	names := slices.Concat(meta.SubscribedTopicNames, resolve(meta.SubscribedTopicRegex))
	slices.Sort(names)
	var topics []subscribed
	for _, name := range slices.Compact(names) {
		if id, ok := g.s.topics.id(name); ok {
			topics = append(topics, subscribed{name, id, int32(g.s.topics.partitions(name))})
		}
	}
	return topics
}

// hashOf is a digest of the topics that the members subscribe to: when it changes, there is something to assign anew. Kafka keeps another digest in the
// same place, and rebalances once when it finds ours.
func hashOf(members iterMembers) int64 {
	all := map[string]subscribed{}
	for topics := range members {
		for _, t := range topics {
			all[t.name] = t
		}
	}
	if len(all) == 0 {
		return 0
	}
	h := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t := all[name]
		h.Write([]byte(name))
		h.Write(t.id[:])
		h.Write([]byte(strconv.Itoa(int(t.partitions))))
	}
	return int64(h.Sum64())
}

type iterMembers = func(yield func([]subscribed) bool)

func (g *consumer) hashWithout(ids ...string) int64 {
	return hashOf(func(yield func([]subscribed) bool) {
		for other, m := range g.members {
			if !slices.Contains(ids, other) && !yield(g.topicsOf(m.meta, g.resolved)) {
				return
			}
		}
	})
}

// describe answers ConsumerGroupDescribe.
func (g *consumer) describe() kmsg.ConsumerGroupDescribeResponseGroup {
	d := kmsg.NewConsumerGroupDescribeResponseGroup()
	d.Group, d.State, d.Epoch, d.AssignmentEpoch, d.AssignorName = g.id, g.stateName(), g.epoch, g.targetEpoch, g.assignor("", nil)
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		m := g.members[id]
		dm := kmsg.NewConsumerGroupDescribeResponseGroupMember()
		dm.MemberID, dm.InstanceID, dm.RackID, dm.MemberEpoch = id, m.meta.InstanceID, m.meta.RackID, m.current.epoch
		dm.ClientID, dm.ClientHost = m.meta.ClientID, m.meta.ClientHost
		re := deref(m.meta.SubscribedTopicRegex) // Kafka answers an empty one for none
		dm.SubscribedTopics, dm.SubscribedTopicRegex = m.meta.SubscribedTopicNames, &re
		if dm.MemberType = 1; m.isClassic() {
			dm.MemberType = 0
		}
		for _, t := range g.s.named(m.current.holds()) {
			dm.Assignment.TopicPartitions = append(dm.Assignment.TopicPartitions, kmsg.AssignmentTopicPartition{TopicID: t.id, Topic: t.name, Partitions: t.partitions})
		}
		for _, t := range g.s.named(m.target) {
			dm.TargetAssignment.TopicPartitions = append(dm.TargetAssignment.TopicPartitions, kmsg.AssignmentTopicPartition{TopicID: t.id, Topic: t.name, Partitions: t.partitions})
		}
		d.Members = append(d.Members, dm)
	}
	return d
}

type namedTopic struct {
	id         uuid
	name       string
	partitions []int32
}

// named returns the topics of an assignment that exist, with their names, in the order of these.
func (s *shard) named(a assignment) []namedTopic {
	var all []namedTopic
	for id, ps := range a {
		if name, ok := s.topics.name(id); ok {
			all = append(all, namedTopic{id, name, ps})
		}
	}
	slices.SortFunc(all, func(a, b namedTopic) int { return cmp.Compare(a.name, b.name) })
	return all
}

// assignor returns the assignor that most members ask for, the first of the configuration when nobody does. The member id has asks instead of what is
// recorded for it.
func (g *consumer) assignor(id string, asks *string) string {
	known := g.s.limits().assignors
	votes := map[string]int{}
	for other, m := range g.members {
		want := m.meta.ServerAssignor
		if other == id {
			want = asks
		}
		if want != nil && slices.Contains(known, *want) {
			votes[*want]++
		}
	}
	if asks != nil && g.members[id] == nil {
		votes[*asks]++
	}
	best := known[0]
	for _, name := range slices.Sorted(maps.Keys(votes)) {
		if votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

func cloned(s *string) *string {
	if s == nil {
		return nil
	}
	c := strings.Clone(*s)
	return &c
}
