package group

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// streams is a group of the protocol of KIP-1071, of the instances of a Kafka Streams application. As in a KIP-848 group the coordinator assigns and leads
// each member to its part by epochs; what is assigned are tasks, which follow from the topology that the first member brings along.
type streams struct {
	id string
	s  *shard

	// Durable: changed by shard.Replay only, values are replaced.
	epoch       int32
	hash        int64 // of the topics of the topology
	validated   int32 // the epoch of the topology whose topics have been found right, -1 when none is
	configs     map[string]string
	targetEpoch int32
	assignedMs  int64 // when the target assignment was made
	topology    *records.StreamsGroupTopologyValue
	members     map[string]*streamsMember

	// Derived from the members while replaying.
	owners map[ownedTask]map[string]int // how many members of a process have, or have still to give up, a task

	// Soft.
	seen          int64               // the version of the topics when configured was made
	configured    *configuredTopology // nil: not looked at since the load
	delayed       bool                // the first assignment waits for more members
	shutdownBy    string              // the member that asked for the shutdown of the application
	endpointEpoch int32               // grows with what members with an endpoint have
}

// ownedTask is a task in one of its roles.
type ownedTask struct {
	taskID
	role taskRole
}

type taskRole int8

const (
	activeTask taskRole = iota
	standbyTask
	warmupTask
)

// streamsMember is a member; the values in it are replaced, not changed.
type streamsMember struct {
	meta    *records.StreamsGroupMemberMetadataValue
	target  *tasks // nil: none is recorded
	current streamsCurrent
}

// streamsCurrent is how far a member has come; its states are those of a KIP-848 member.
type streamsCurrent struct {
	epoch, previous int32
	state           int8
	assigned        tasks
	revoking        tasks // still to be given up
}

func (c streamsCurrent) equal(o streamsCurrent) bool {
	return c.epoch == o.epoch && c.previous == o.previous && c.state == o.state && c.assigned.equal(o.assigned) && c.revoking.equal(o.revoking)
}

// reconciled reports whether the member has all that the target of the epoch gives it.
func (c streamsCurrent) reconciled(targetEpoch int32) bool {
	return c.state == memberStable && c.epoch == targetEpoch
}

var _ group = (*streams)(nil)

// newStreams makes a group at epoch 1, with an empty assignment of the same epoch.
func newStreams(s *shard, id string) *streams {
	return &streams{
		id: id, s: s, epoch: 1, validated: -1, targetEpoch: 1, configs: map[string]string{},
		members: map[string]*streamsMember{}, owners: map[ownedTask]map[string]int{}, seen: -1,
	}
}

func (g *streams) groupType() string { return typeStreams }

const stateNotReady = "NotReady"

func (g *streams) stateName() string {
	switch {
	case len(g.members) == 0:
		return empty.String()
	case g.topology == nil || g.topology.Epoch != g.validated:
		return stateNotReady
	case g.epoch > g.targetEpoch:
		return stateAssigning
	}
	for _, m := range g.members {
		if !m.current.reconciled(g.targetEpoch) {
			return stateReconciling
		}
	}
	return stable.String()
}

func (g *streams) isIdle() bool { return len(g.members) == 0 }

// loaded arms the timers: members have their whole session time-out to be heard of.
func (g *streams) loaded() {
	for id, m := range g.members {
		g.watch(id)
		if m.current.state == memberUnrevoked {
			g.watchRevocation(id, m.current.epoch)
		}
	}
}

func (g *streams) removed() {
	for id := range g.members {
		g.unwatch(id)
	}
	g.s.env.Cancel(g.timer("initial", ""))
}

func (g *streams) timer(kind, member string) string {
	return "streams/" + kind + "/" + strconv.Quote(g.id) + "/" + member
}

// watch removes the member when it is not heard of for the session time-out.
func (g *streams) watch(id string) {
	g.s.env.Schedule(g.timer("session", id), g.s.streamsConfig(g.id).session, func() []record {
		if g.members[id] == nil {
			return nil
		}
		g.s.log.Info("member has not been heard of and is removed", zap.String("group", g.id), zap.String("member", id))
		return g.fence(id)
	})
}

// watchRevocation removes the member when it has not given up its tasks within its rebalance time-out.
func (g *streams) watchRevocation(id string, epoch int32) {
	timeout := time.Duration(g.members[id].meta.RebalanceTimeoutMs) * time.Millisecond
	g.s.env.Schedule(g.timer("rebalance", id), timeout, func() []record {
		m := g.members[id]
		if m == nil || m.current.epoch != epoch {
			return nil
		}
		g.s.log.Info("member has not given up its tasks in time and is removed", zap.String("group", g.id), zap.String("member", id))
		return g.fence(id)
	})
}

func (g *streams) unwatch(id string) {
	g.s.env.Cancel(g.timer("session", id))
	g.s.env.Cancel(g.timer("rebalance", id))
}

// fence removes a member and begins a new epoch for the others.
func (g *streams) fence(id string) []record {
	g.s.env.AfterAppend(func(err error) {
		if err != nil {
			g.watch(id) // it is tried again
			return
		}
		g.unwatch(id)
		if len(g.members) == 0 {
			g.shutdownBy = ""
		}
	})
	return append(g.removal(id), g.epochRecord(g.epoch+1, g.hash, g.validated, g.configs))
}

// delayAssignment lets a new group wait for more members before its first assignment.
func (g *streams) delayAssignment(delay time.Duration) {
	if g.delayed {
		return
	}
	g.delayed = true
	g.s.env.Schedule(g.timer("initial", ""), delay, func() []record {
		g.delayed = false
		if len(g.members) == 0 || g.configured == nil || g.epoch <= g.targetEpoch {
			return nil
		}
		_, list := g.assign(g.epoch, "", nil, g.configured, g.configs)
		return list
	})
}

// removal is the tombstones of a member.
func (g *streams) removal(id string) []record {
	return []record{
		{Key: records.AppendKey(nil, &records.StreamsGroupCurrentMemberAssignmentKey{GroupID: g.id, MemberID: id})},
		{Key: records.AppendKey(nil, &records.StreamsGroupTargetAssignmentMemberKey{GroupID: g.id, MemberID: id})},
		{Key: records.AppendKey(nil, &records.StreamsGroupMemberMetadataKey{GroupID: g.id, MemberID: id})},
	}
}

func (g *streams) tombstones() []record {
	var list []record
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		list = append(list, g.removal(id)...)
	}
	return append(list,
		record{Key: records.AppendKey(nil, &records.StreamsGroupTargetAssignmentMetadataKey{GroupID: g.id})},
		record{Key: records.AppendKey(nil, &records.StreamsGroupMetadataKey{GroupID: g.id})},
		record{Key: records.AppendKey(nil, &records.StreamsGroupTopologyKey{GroupID: g.id})})
}

// The checks of the offset APIs.

func (g *streams) validateCommit(c commitAs) error {
	if c.generation < 0 && (len(g.members) == 0 || c.inTxn && c.memberID == "" && c.instanceID == nil) {
		return nil
	}
	m := g.members[c.memberID]
	switch {
	case m == nil:
		return kerr.UnknownMemberID
	case !c.inTxn && c.version < 9:
		return kerr.UnsupportedVersion
	case c.generation > m.current.epoch:
		return c.stale()
	}
	return nil
}

// stale is the error for an epoch that is not the member's; in a transaction it is that of a classic generation, which producers know.
func (c commitAs) stale() error {
	if c.inTxn {
		return kerr.IllegalGeneration
	}
	return kerr.StaleMemberEpoch
}

// validateCommitOf lets a member commit with an older epoch than its own when it has had the task of the partition since then: it has not heard the
// last answer, and no other member has had the task meanwhile.
func (g *streams) validateCommitOf(c commitAs, topic string, partition int32) error {
	m := g.members[c.memberID]
	if m == nil || c.generation == m.current.epoch {
		return nil
	}
	if g.topology == nil {
		return c.stale()
	}
	for _, sub := range g.topology.Subtopologies {
		if !slices.Contains(sub.SourceTopics, topic) && !slices.ContainsFunc(sub.RepartitionSourceTopics, func(t records.TopicInfo) bool { return t.Name == topic }) {
			continue
		}
		id := taskID{sub.SubtopologyID, partition}
		for _, set := range []taskSet{m.current.assigned.active, m.current.revoking.active} {
			if given, ok := set[id]; ok && c.generation >= given {
				return nil
			}
		}
	}
	return c.stale()
}

// checkMember compares the epoch that a client names with that of the member.
func (g *streams) checkMember(id string, epoch int32) error {
	m := g.members[id]
	switch {
	case m == nil:
		return kerr.UnknownMemberID
	case epoch != m.current.epoch:
		return kerr.StaleMemberEpoch
	}
	return nil
}

func (g *streams) validateOffsetDelete() error { return nil }

func (g *streams) validateDelete() error {
	if len(g.members) > 0 {
		return kerr.NonEmptyGroup
	}
	return nil
}

func (g *streams) committing(string) {}

func (g *streams) isSubscribed(topic string) bool {
	if len(g.members) == 0 || g.topology == nil {
		return false
	}
	for _, sub := range g.topology.Subtopologies {
		if slices.Contains(sub.SourceTopics, topic) || slices.ContainsFunc(sub.RepartitionSourceTopics, func(t records.TopicInfo) bool { return t.Name == topic }) {
			return true
		}
	}
	return false
}

// expiryBase: offsets of topics that the group does not read, and those of an empty group, count from their commit.
func (g *streams) expiryBase() (func(committed) int64, bool) {
	return func(c committed) int64 { return c.commitMs }, true
}

func (g *streams) list() kmsg.ListGroupsResponseGroup {
	return kmsg.ListGroupsResponseGroup{Group: g.id, ProtocolType: typeStreams, GroupState: g.stateName(), GroupType: typeStreams}
}

// streamsConfig is the configuration of streams groups.
type streamsConfig struct {
	session, heartbeat time.Duration
	interval           time.Duration // between two assignments
	initialDelay       time.Duration
	standbyReplicas    int64
	maxSize            int
}

func streamsConfigOf(c *config.Config) streamsConfig {
	return streamsConfig{
		session:         milliseconds(c.Int64("group.streams.session.timeout.ms")),
		heartbeat:       milliseconds(c.Int64("group.streams.heartbeat.interval.ms")),
		interval:        milliseconds(c.Int64("group.streams.assignment.interval.ms")),
		initialDelay:    milliseconds(c.Int64("group.streams.initial.rebalance.delay.ms")),
		standbyReplicas: c.Int64("group.streams.num.standby.replicas"),
		maxSize:         c.Int("group.streams.max.size"),
	}
}

// streamsConfig returns the configuration of a group: its own wins over the broker's.
func (s *shard) streamsConfig(groupID string) streamsConfig {
	c := s.limits().streams
	own := s.configOf(groupID)
	for key, to := range map[string]*time.Duration{
		"streams.session.timeout.ms": &c.session, "streams.heartbeat.interval.ms": &c.heartbeat,
		"streams.assignment.interval.ms": &c.interval, "streams.initial.rebalance.delay.ms": &c.initialDelay,
	} {
		if ms, err := strconv.ParseInt(own[key], 10, 64); err == nil {
			*to = milliseconds(ms)
		}
	}
	if n, err := strconv.ParseInt(own["streams.num.standby.replicas"], 10, 64); err == nil {
		c.standbyReplicas = n
	}
	return c
}

// assignmentConfigs is what of the configuration an assignment depends on, as the group records it.
func (c streamsConfig) assignmentConfigs() map[string]string {
	return map[string]string{"num.standby.replicas": strconv.FormatInt(c.standbyReplicas, 10)}
}

func keyValues(m map[string]string) []records.KeyValue {
	list := []records.KeyValue{}
	for k, v := range m {
		list = append(list, records.KeyValue{Key: k, Value: v})
	}
	slices.SortFunc(list, func(a, b records.KeyValue) int { return cmp.Compare(a.Key, b.Key) })
	return list
}
