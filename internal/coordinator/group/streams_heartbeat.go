package group

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/coordinator/records"
)

type streamsHeartbeat = kmsg.StreamsGroupHeartbeatRequest

// streamsAnswer is the answer to a heartbeat, with the internal topics that are to be created.
type streamsAnswer struct {
	resp    *kmsg.StreamsGroupHeartbeatResponse
	missing []kmsg.CreateTopicsRequestTopic
}

// checkStreamsBeat is what can be said of a heartbeat without knowing the group, with Kafka's texts.
func checkStreamsBeat(req *streamsHeartbeat) error {
	invalid := func(format string, args ...any) error { return refuse(kerr.InvalidRequest, format, args...) }
	empty := func(s *string) bool { return s != nil && strings.TrimSpace(*s) == "" }
	switch {
	case req.InstanceID != nil:
		return invalid("Static membership is not yet supported.")
	case req.TaskOffsets != nil:
		return invalid("TaskOffsets are not supported yet.")
	case req.TaskEndOffsets != nil:
		return invalid("TaskEndOffsets are not supported yet.")
	case len(req.WarmupTasks) > 0:
		return invalid("WarmupTasks are not supported yet.")
	}
	if req.Topology != nil && slices.ContainsFunc(req.Topology.Subtopologies, func(s kmsg.StreamsGroupHeartbeatRequestTopologySubtopology) bool { return len(s.SourceTopicRegex) > 0 }) {
		return invalid("Regular expressions for source topics are not supported yet.")
	}
	switch {
	case strings.TrimSpace(req.MemberID) == "":
		return invalid("MemberId can't be empty.")
	case strings.TrimSpace(req.Group) == "":
		return invalid("GroupId can't be empty.")
	case empty(req.RackID):
		return invalid("RackId can't be empty.")
	case req.MemberEpoch == epochJoin:
		switch {
		case req.RebalanceTimeoutMillis == -1:
			return invalid("RebalanceTimeoutMs must be provided in first request.")
		case req.ActiveTasks == nil || len(req.ActiveTasks) > 0:
			return invalid("ActiveTasks must be empty when (re-)joining.")
		case req.StandbyTasks == nil || len(req.StandbyTasks) > 0:
			return invalid("StandbyTasks must be empty when (re-)joining.")
		case req.WarmupTasks == nil || len(req.WarmupTasks) > 0:
			return invalid("WarmupTasks must be empty when (re-)joining.")
		case req.Topology == nil:
			return invalid("Topology must be non-null when (re-)joining.")
		}
		if err := checkTopology(req.Topology); err != nil {
			return err
		}
	case req.MemberEpoch == epochLeaveStatic:
		return invalid("InstanceId can't be null.")
	case req.MemberEpoch < epochLeaveStatic:
		return invalid("MemberEpoch is %d, but must be greater than or equal to -2.", req.MemberEpoch)
	}
	some, all := req.ActiveTasks != nil || req.StandbyTasks != nil || req.WarmupTasks != nil, req.ActiveTasks != nil && req.StandbyTasks != nil && req.WarmupTasks != nil
	switch {
	case some && !all:
		return invalid("If one task-type is non-null, all must be non-null.")
	case req.MemberEpoch != epochJoin && req.Topology != nil:
		return invalid("Topology can only be provided when (re-)joining.")
	}
	return nil
}

// checkTopology refuses what no topics can fix. Kafka looks at the changelog topics only, and fails with an unknown error on the rest.
func checkTopology(t *kmsg.StreamsGroupHeartbeatRequestTopology) error {
	if t.Epoch < 0 {
		return refuse(kerr.InvalidRequest, "Topology epoch must be non-negative.")
	}
	seen := map[string]bool{}
	for _, sub := range t.Subtopologies {
		for _, c := range sub.StateChangelogTopics {
			if c.NumPartitions != 0 {
				return refuse(kerr.StreamsInvalidTopology, "Changelog topic %s must have an undefined partition count, but it is set to %d.", c.Topic, c.NumPartitions)
			}
		}
		if seen[sub.SubtopologyID] {
			return refuse(kerr.StreamsInvalidTopology, "Subtopology %s is given twice.", sub.SubtopologyID)
		}
		seen[sub.SubtopologyID] = true
		for _, g := range sub.CopartitionGroups {
			out := func(n int) func(int16) bool { return func(i int16) bool { return i < 0 || int(i) >= n } }
			if slices.ContainsFunc(g.SourceTopics, out(len(sub.SourceTopics))) || slices.ContainsFunc(g.RepartitionSourceTopics, out(len(sub.RepartitionSourceTopics))) {
				return refuse(kerr.StreamsInvalidTopology, "A copartition group of subtopology %s names a topic that the subtopology does not have.", sub.SubtopologyID)
			}
		}
	}
	return nil
}

// streamsGroup returns the group for a heartbeat. A member may join a name that is free, or that of a classic group without members, which gives way.
func (s *shard) streamsGroup(req *streamsHeartbeat) (g *streams, before []record, err error) {
	switch have := s.groups[req.Group].(type) {
	case *streams:
		return have, nil, nil
	case nil:
		if req.MemberEpoch < 0 {
			return nil, nil, refuse(kerr.GroupIDNotFound, "Group %s not found.", req.Group)
		}
		if req.MemberEpoch != epochJoin {
			return nil, nil, refuse(kerr.GroupIDNotFound, "Streams group %s not found.", req.Group)
		}
	case *classic:
		if req.MemberEpoch != epochJoin || !have.isIdle() {
			return nil, nil, refuse(kerr.GroupIDNotFound, "Group %s is not a streams group.", req.Group)
		}
		if have.stored != nil {
			before = have.tombstones()
		}
	default:
		return nil, nil, refuse(kerr.GroupIDNotFound, "Group %s is not a streams group.", req.Group)
	}
	return newStreams(s, strings.Clone(req.Group)), before, nil
}

// streamsBeat serves a heartbeat of a member of a streams group.
func (s *shard) streamsBeat(client Client, req *streamsHeartbeat, reply *coordinator.Reply[streamsAnswer]) []record {
	g, before, err := s.streamsGroup(req)
	if err != nil {
		reply.Fail(err)
		return nil
	}
	if req.MemberEpoch < 0 {
		list, err := g.leave(req)
		if err != nil {
			reply.Fail(err)
			return nil
		}
		resp := kmsg.NewPtrStreamsGroupHeartbeatResponse()
		resp.MemberID, resp.MemberEpoch, resp.Status = req.MemberID, req.MemberEpoch, []kmsg.StreamsGroupHeartbeatResponseStatus{}
		reply.Done(streamsAnswer{resp: resp})
		return list
	}
	b := streamsBeat{g: g, req: req, client: client, id: strings.Clone(req.MemberID), list: before, conf: s.streamsConfig(g.id)}
	if err := b.run(); err != nil {
		reply.Fail(err)
		return nil
	}
	s.env.AfterAppend(func(err error) {
		if err == nil {
			b.done()
		}
	})
	reply.Done(streamsAnswer{b.response(), b.configured.missing})
	return b.list
}

// leave removes a member.
func (g *streams) leave(req *streamsHeartbeat) ([]record, error) {
	id := strings.Clone(req.MemberID)
	if req.ShutdownApplication && g.shutdownBy == "" {
		g.shutdownBy = id
	}
	if g.members[id] == nil {
		return nil, refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", id, g.id)
	}
	g.s.log.Info("member leaves", zap.String("group", g.id), zap.String("member", id))
	return g.fence(id), nil
}

// streamsBeat is one heartbeat of a member that stays or comes. It changes nothing durable: what it decides are records.
type streamsBeat struct {
	g      *streams
	req    *streamsHeartbeat
	client Client
	id     string
	conf   streamsConfig
	list   []record
	status []kmsg.StreamsGroupHeartbeatResponseStatus

	was        *streamsMember // nil: new
	meta       *records.StreamsGroupMemberMetadataValue
	topology   *records.StreamsGroupTopologyValue
	configured *configuredTopology
	version    int64 // of the topics, for which configured is right
	bump       bool
	epoch      int32
	delayed    bool // the first assignment waits

	targetEpoch int32
	target      tasks
	current     streamsCurrent
}

func (b *streamsBeat) run() error {
	if err := b.find(); err != nil {
		return err
	}
	b.update()
	if err := b.updateTopology(); err != nil {
		return err
	}
	if err := b.configure(); err != nil {
		return err
	}
	b.begin()
	b.retarget()
	return b.reconcile()
}

// find looks the member up and judges the epoch that it has sent. The one before is good as long as the member has nothing but what it was given: then
// it has missed an answer.
func (b *streamsBeat) find() error {
	g, got := b.g, b.req.MemberEpoch
	b.was = g.members[b.id]
	if got == epochJoin {
		if len(g.members) >= b.conf.maxSize {
			return refuse(kerr.GroupMaxSizeReached, "The streams group has reached its maximum capacity of %d members.", b.conf.maxSize)
		}
		return nil
	}
	if b.was == nil {
		return refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", b.id, g.id)
	}
	c := b.was.current
	switch {
	case got == c.epoch:
		return nil
	case got > c.epoch:
		return refuse(kerr.FencedMemberEpoch, "The streams group member has a greater member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", got, c.epoch)
	case got == c.previous && b.req.ActiveTasks != nil && b.owns().within(c.assigned):
		return nil
	}
	return refuse(kerr.FencedMemberEpoch, "The streams group member has a smaller member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", got, c.epoch)
}

// owns is what the member says that it has; it says all kinds of tasks or none.
func (b *streamsBeat) owns() tasks {
	return tasks{requestedTasks(b.req.ActiveTasks), requestedTasks(b.req.StandbyTasks), requestedTasks(b.req.WarmupTasks)}
}

// update works out what the member is now. A change begins a new epoch.
func (b *streamsBeat) update() {
	old := newStreamsMeta()
	b.current = newStreamsCurrent()
	if b.was != nil {
		old, b.current = b.was.meta, b.was.current
	}
	req, next := b.req, *old
	next.ClientID, next.ClientHost = b.client.ID, b.client.Host
	if req.RackID != nil {
		next.RackID = cloned(req.RackID)
	}
	if req.RebalanceTimeoutMillis != -1 {
		next.RebalanceTimeoutMs = req.RebalanceTimeoutMillis
	}
	if req.Topology != nil {
		next.TopologyEpoch = req.Topology.Epoch
	}
	if req.ProcessID != nil {
		next.ProcessID = strings.Clone(*req.ProcessID)
	}
	if req.UserEndpoint != nil {
		next.UserEndpoint = &records.Endpoint{Host: strings.Clone(req.UserEndpoint.Host), Port: req.UserEndpoint.Port}
	}
	if req.ClientTags != nil {
		tags := map[string]string{}
		for _, t := range req.ClientTags {
			tags[strings.Clone(t.Key)] = strings.Clone(t.Value)
		}
		next.ClientTags = keyValues(tags)
	}
	b.meta = &next
	if b.was == nil || !sameStreamsMeta(old, b.meta) {
		b.list = append(b.list, b.g.memberRecord(b.id, b.meta))
		b.bump = true
	}
}

func sameStreamsMeta(a, b *records.StreamsGroupMemberMetadataValue) bool {
	sameEndpoint := a.UserEndpoint == b.UserEndpoint || a.UserEndpoint != nil && b.UserEndpoint != nil && *a.UserEndpoint == *b.UserEndpoint
	return a.ClientID == b.ClientID && a.ClientHost == b.ClientHost && equalText(a.RackID, b.RackID) && a.RebalanceTimeoutMs == b.RebalanceTimeoutMs &&
		a.TopologyEpoch == b.TopologyEpoch && a.ProcessID == b.ProcessID && sameEndpoint && slices.Equal(a.ClientTags, b.ClientTags)
}

// updateTopology takes the topology of the first member; others must bring the same. One that brings an older epoch stays, and is told so.
func (b *streamsBeat) updateTopology() error {
	g := b.g
	b.topology = g.topology
	if b.req.Topology != nil {
		asked := topologyOf(b.req.Topology)
		switch {
		case g.topology == nil:
			b.topology = asked
			b.list = append(b.list, g.topologyRecord(asked))
			g.s.log.Info("topology initialized", zap.String("group", g.id), zap.String("member", b.id), zap.Int32("epoch", asked.Epoch))
		case g.topology.Epoch > asked.Epoch:
		case !sameTopology(g.topology, asked):
			return refuse(kerr.InvalidRequest, "Topology updates are not supported yet.")
		}
	}
	if b.topology == nil {
		return refuse(kerr.UnknownMemberID, "The topology of group %s is not known. The member must rejoin.", g.id)
	}
	if g.topology != nil && b.meta.TopologyEpoch < g.topology.Epoch {
		b.say(statusStaleTopology, "The member's topology epoch %d is behind the group's topology epoch %d.", b.meta.TopologyEpoch, g.topology.Epoch)
	}
	return nil
}

// configure compares the topology with the topics, when these have changed since the last time.
func (b *streamsBeat) configure() error {
	g := b.g
	b.version = g.s.topics.version()
	b.configured = g.configured
	if g.topology == nil || g.configured == nil || g.seen != b.version {
		c, err := configureTopology(b.topology, g.s.topics)
		if err != nil {
			return err
		}
		if c.hash != g.hash {
			b.bump = true
		}
		b.configured = c
	}
	if b.configured.ready {
		for _, list := range [][]kmsg.TaskIDs{b.req.ActiveTasks, b.req.StandbyTasks, b.req.WarmupTasks} {
			if err := checkTasks(list, b.configured); err != nil {
				return err
			}
		}
	}
	if b.validated() != g.validated {
		b.bump = true
	}
	return nil
}

// validated is the epoch of the topology when its topics are right.
func (b *streamsBeat) validated() int32 {
	if b.configured.ready {
		return b.topology.Epoch
	}
	return -1
}

func checkTasks(list []kmsg.TaskIDs, t *configuredTopology) error {
	for _, ids := range list {
		sub := t.subtopologies[ids.SubtopologyID]
		if sub == nil {
			return refuse(kerr.InvalidRequest, "Subtopology %s does not exist in the topology.", ids.SubtopologyID)
		}
		for _, p := range ids.Partitions {
			if p < 0 || p >= sub.tasks {
				return refuse(kerr.InvalidRequest, "Task %d for subtopology %s is invalid. Number of tasks for this subtopology: %d", p, ids.SubtopologyID, sub.tasks)
			}
		}
	}
	return nil
}

// begin begins a new epoch where there is something to assign anew.
func (b *streamsBeat) begin() {
	g, configs := b.g, b.conf.assignmentConfigs()
	b.epoch = g.epoch
	if b.bump || !maps.Equal(configs, g.configs) {
		b.epoch++
		b.list = append(b.list, g.epochRecord(b.epoch, b.configured.hash, b.validated(), configs))
	}
	b.delayed = g.delayed || len(g.members) == 0 && b.conf.initialDelay > 0
}

// retarget makes the target assignment of a new epoch, unless it is too early for that.
func (b *streamsBeat) retarget() {
	g := b.g
	b.targetEpoch = g.targetEpoch
	if b.was != nil && b.was.target != nil {
		b.target = *b.was.target
	}
	switch {
	case b.delayed:
		b.target = tasks{}
		b.say(statusAssignmentDelayed, "Assignment delayed due to the configured initial rebalance delay.")
	case g.targetEpoch >= b.epoch:
	case g.assignedMs != 0 && b.conf.interval > 0 && g.s.nowMs() < g.assignedMs+b.conf.interval.Milliseconds():
		b.say(statusAssignmentDelayed, "Assignment delayed due to the configured assignment interval.")
	default:
		targets, list := g.assign(b.epoch, b.id, b.meta, b.configured, b.conf.assignmentConfigs())
		b.list = append(b.list, list...)
		b.target, b.targetEpoch = targets[b.id], b.epoch
	}
}

func (b *streamsBeat) say(code int8, format string, args ...any) {
	s := kmsg.NewStreamsGroupHeartbeatResponseStatus()
	s.StatusCode, s.StatusDetail = code, fmt.Sprintf(format, args...)
	b.status = append(b.status, s)
}

// done puts the soft state right after the heartbeat has been recorded.
func (b *streamsBeat) done() {
	g := b.g
	if live, ok := g.s.groups[g.id].(*streams); ok {
		g = live // the first record of a new group has made it
	}
	if g.members[b.id] == nil {
		return
	}
	g.configured, g.seen = b.configured, b.version
	if b.delayed {
		g.delayAssignment(b.conf.initialDelay)
	}
	g.watch(b.id)
	if b.was == nil || !b.was.current.equal(b.current) {
		if b.current.state == memberUnrevoked {
			g.watchRevocation(b.id, b.current.epoch)
		} else {
			g.s.env.Cancel(g.timer("rebalance", b.id))
		}
	}
	if b.req.ShutdownApplication && g.shutdownBy == "" {
		g.shutdownBy = b.id
	}
}

// response tells the member its epoch, and its tasks when they have changed or when the member cannot know them.
func (b *streamsBeat) response() *kmsg.StreamsGroupHeartbeatResponse {
	g := b.g
	resp := kmsg.NewPtrStreamsGroupHeartbeatResponse()
	resp.MemberID, resp.MemberEpoch, resp.HeartbeatIntervalMillis = b.id, b.current.epoch, int32(b.conf.heartbeat.Milliseconds())
	if b.req.MemberEpoch == epochJoin || b.was == nil || !b.was.current.assigned.equal(b.current.assigned) {
		a := b.current.assigned
		resp.ActiveTasks, resp.StandbyTasks, resp.WarmupTasks = a.active.wire(), a.standby.wire(), a.warmup.wire()
		if b.meta.UserEndpoint != nil {
			g.endpointEpoch++
		}
	}
	if g.endpointEpoch != b.req.EndpointInformationEpoch {
		resp.PartitionsByUserEndpoint = b.endpoints()
	}
	if g.s.groups[g.id] == g { // else the group comes into being with this heartbeat, and begins to count with the next one
		resp.EndpointInformationEpoch = g.endpointEpoch
	}
	if !b.configured.ready {
		b.say(b.configured.status, "%s", b.configured.detail)
	}
	by := g.shutdownBy
	if by == "" && b.req.ShutdownApplication {
		by = b.id
	}
	if by != "" {
		b.say(statusShutdownApplication, "Streams group member %s encountered a fatal error and requested a shutdown for the entire application.", by)
	}
	resp.Status = b.status
	if resp.Status == nil {
		resp.Status = []kmsg.StreamsGroupHeartbeatResponseStatus{}
	}
	return resp
}
