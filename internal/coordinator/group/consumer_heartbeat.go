package group

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/coordinator/records"
)

type consumerHeartbeat = kmsg.ConsumerGroupHeartbeatRequest

// beatReply is the answer to a heartbeat, errors with their text inside.
type beatReply = coordinator.Reply[*kmsg.ConsumerGroupHeartbeatResponse]

// refused is an error with the text that clients get.
type refused struct {
	code *kerr.Error
	text string
}

func (e *refused) Error() string { return e.text }
func (e *refused) Unwrap() error { return e.code }

func refuse(code *kerr.Error, format string, args ...any) error {
	return &refused{code, fmt.Sprintf(format, args...)}
}

// checkBeat is what can be said of a heartbeat without knowing the group, with Kafka's texts.
func checkBeat(req *consumerHeartbeat, known []string) error {
	invalid := func(text string) error { return refuse(kerr.InvalidRequest, "%s", text) }
	empty := func(s *string) bool { return s != nil && strings.TrimSpace(*s) == "" }
	switch {
	case strings.TrimSpace(req.Group) == "":
		return invalid("GroupId can't be empty.")
	case empty(req.InstanceID):
		return invalid("InstanceId can't be empty.")
	case empty(req.RackID):
		return invalid("RackId can't be empty.")
	}
	if (req.Version >= 1 || req.MemberEpoch != epochJoin) && strings.TrimSpace(req.MemberID) == "" {
		return invalid("MemberId can't be empty.")
	}
	switch {
	case req.MemberEpoch == epochJoin:
		switch {
		case req.RebalanceTimeoutMillis == -1:
			return invalid("RebalanceTimeoutMs must be provided in first request.")
		case req.Topics == nil || len(req.Topics) > 0:
			return invalid("TopicPartitions must be empty when (re-)joining.")
		case req.SubscribedTopicNames == nil && (req.SubscribedTopicRegex == nil || *req.SubscribedTopicRegex == ""):
			return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
		}
	case req.MemberEpoch == epochLeaveStatic && req.InstanceID == nil:
		return invalid("InstanceId can't be null.")
	case req.MemberEpoch < epochLeaveStatic:
		return invalid("MemberEpoch is invalid.")
	}
	if req.ServerAssignor != nil && !slices.Contains(known, *req.ServerAssignor) {
		return refuse(kerr.UnsupportedAssignor, "ServerAssignor %s is not supported. Supported assignors: %s.", *req.ServerAssignor, strings.Join(known, ", "))
	}
	return nil
}

// consumerGroup returns the group for a heartbeat. A member may join a name that is free, or that of a classic group, which gives way: one with members
// is upgraded.
func (s *shard) consumerGroup(req *consumerHeartbeat) (g *consumer, before []record, err error) {
	switch have := s.groups[req.Group].(type) {
	case *consumer:
		return have, nil, nil
	case nil:
	case *classic:
		switch {
		case req.MemberEpoch != epochJoin:
			return nil, nil, refuse(kerr.GroupIDNotFound, "Group %s is not a consumer group.", req.Group)
		case have.state != empty:
			return s.upgrade(have)
		case have.stored != nil:
			before = have.tombstones()
		}
	default:
		return nil, nil, refuse(kerr.GroupIDNotFound, "Group %s is not a consumer group.", req.Group)
	}
	if req.MemberEpoch < epochJoin {
		return nil, nil, refuse(kerr.GroupIDNotFound, "Group %s not found.", req.Group)
	}
	if req.MemberEpoch != epochJoin {
		return nil, nil, refuse(kerr.GroupIDNotFound, "Consumer group %s not found.", req.Group)
	}
	return newConsumer(s, strings.Clone(req.Group)), before, nil
}

// consumerBeat serves a heartbeat of the new protocol.
func (s *shard) consumerBeat(client Client, req *consumerHeartbeat, reply *beatReply) []record {
	g, before, err := s.consumerGroup(req)
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
		resp := kmsg.NewPtrConsumerGroupHeartbeatResponse()
		resp.MemberID, resp.MemberEpoch = &req.MemberID, req.MemberEpoch
		reply.Done(resp)
		return list
	}
	b := beat{g: g, req: req, client: client, id: req.MemberID, list: before}
	if b.id == "" {
		b.id = s.env.NewID()
	}
	if err := b.run(); err != nil {
		reply.Fail(err)
		return nil
	}
	was, _ := s.groups[req.Group].(*classic)
	s.env.AfterAppend(func(err error) {
		if err != nil {
			return
		}
		if was != nil {
			was.upgraded()
		}
		b.watch()
	})
	reply.Done(b.response())
	return b.list
}

// leave removes a member, or notes that a static one will come back.
func (g *consumer) leave(req *consumerHeartbeat) ([]record, error) {
	id := req.MemberID
	m := g.members[id]
	if req.InstanceID != nil {
		holder, ok := g.static[*req.InstanceID]
		switch {
		case !ok:
			return nil, refuse(kerr.UnknownMemberID, "Instance id %s is unknown.", *req.InstanceID)
		case holder != id:
			return nil, refuse(kerr.FencedInstanceID, "Static member %s with instance id %s was fenced by member %s.", id, *req.InstanceID, holder)
		}
	}
	if m == nil {
		return nil, refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", id, g.id)
	}
	if req.MemberEpoch == epochLeaveStatic {
		c := m.current
		c.epoch, c.revoking, c.state = epochLeaveStatic, nil, memberStable
		g.s.log.Info("static member leaves for a while", zap.String("group", g.id), zap.String("member", id))
		return []record{g.currentRecord(id, c)}, nil
	}
	g.s.log.Info("member leaves", zap.String("group", g.id), zap.String("member", id))
	return g.fence(strings.Clone(id)), nil
}

// beat is one heartbeat of a member that stays or comes. It changes nothing: what it decides are records.
type beat struct {
	g      *consumer
	req    *consumerHeartbeat
	client Client
	id     string
	list   []record

	was      *consumerMember                // nil: new
	replaced string                         // the member whose place a static one takes
	classic  *records.ClassicMemberMetadata // not nil: by JoinGroup
	meta     *records.ConsumerGroupMemberMetadataValue
	target   assignment
	current  current
	revoking bool                // the member was giving partitions up before, in the epoch it is in
	resolved map[string][]string // regular expressions that this heartbeat has looked up
	epoch    int32

	targetEpoch int32 // of target
}

func (b *beat) run() error {
	if err := b.find(); err != nil {
		return err
	}
	subscription, err := b.update()
	if err != nil {
		return err
	}
	b.targetEpoch = b.g.targetEpoch
	b.refresh(subscription)
	b.assign()
	return b.reconcile()
}

// find looks the member up and judges its epoch.
func (b *beat) find() error {
	g, req := b.g, b.req
	b.was = g.members[b.id]
	if req.InstanceID != nil {
		holder, taken := g.static[*req.InstanceID]
		switch {
		case taken && holder != b.id && req.MemberEpoch == epochJoin:
			if m := g.members[holder]; !m.isClassic() && m.current.epoch != epochLeaveStatic {
				return refuse(kerr.UnreleasedInstanceID, "Static member %s with instance id %s cannot join the group because the instance id is owned by %s member.", b.id, *req.InstanceID, holder)
			}
			b.replaced, b.was = holder, nil
		case taken && holder != b.id:
			return refuse(kerr.FencedInstanceID, "Static member %s with instance id %s was fenced by member %s.", b.id, *req.InstanceID, holder)
		case !taken && req.MemberEpoch != epochJoin:
			return refuse(kerr.UnknownMemberID, "Instance id %s is unknown.", *req.InstanceID)
		}
	}
	switch {
	case b.was == nil && req.MemberEpoch != epochJoin:
		return refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", b.id, g.id)
	case b.was == nil && b.replaced == "":
		if limit := g.s.limits().consumerMaxSize; len(g.members) >= limit {
			return refuse(kerr.GroupMaxSizeReached, "The consumer group has reached its maximum capacity of %d members.", limit)
		}
	case b.was != nil:
		return b.judge(b.was.current)
	}
	return nil
}

// judge compares the epoch that a member has sent with its own. The one before is good as long as it owns nothing but what it was given: then it has
// missed an answer.
func (b *beat) judge(c current) error {
	got := b.req.MemberEpoch
	switch {
	case got == c.epoch, got == epochJoin:
		return nil
	case got > c.epoch:
		return refuse(kerr.FencedMemberEpoch, "The consumer group member has a greater member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", got, c.epoch)
	case got == c.previous && b.req.Topics != nil && b.owns().within(c.assigned):
		return nil
	}
	return refuse(kerr.FencedMemberEpoch, "The consumer group member has a smaller member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", got, c.epoch)
}

// owns is what the member says that it has.
func (b *beat) owns() assignment {
	a := assignment{}
	for _, t := range b.req.Topics {
		a[t.TopicID] = slices.Sorted(slices.Values(t.Partitions))
	}
	return a
}

// update works out what the member is now and reports whether its subscription has changed.
func (b *beat) update() (subscription bool, err error) {
	g, req := b.g, b.req
	old := &records.ConsumerGroupMemberMetadataValue{RebalanceTimeoutMs: -1}
	switch {
	case b.was != nil:
		old, b.target, b.current = b.was.meta, b.was.target, b.was.current
	case b.replaced != "":
		m := g.members[b.replaced]
		old, b.target = m.meta, m.target
		b.current = current{epoch: 0, previous: 0, assigned: m.current.assigned}
	}
	next := *old
	next.ClassicMemberMetadata = b.classic
	next.ClientID, next.ClientHost = b.client.ID, b.client.Host
	if req.InstanceID != nil {
		next.InstanceID = cloned(req.InstanceID)
	}
	if req.RackID != nil {
		next.RackID = cloned(req.RackID)
	}
	if req.RebalanceTimeoutMillis != -1 {
		next.RebalanceTimeoutMs = req.RebalanceTimeoutMillis
	}
	if req.ServerAssignor != nil {
		next.ServerAssignor = cloned(req.ServerAssignor)
	}
	if req.SubscribedTopicNames != nil {
		names := slices.Sorted(slices.Values(req.SubscribedTopicNames))
		for i, n := range names {
			names[i] = strings.Clone(n)
		}
		next.SubscribedTopicNames = slices.Compact(names)
	}
	if next.SubscribedTopicNames == nil {
		next.SubscribedTopicNames = []string{}
	}
	if req.SubscribedTopicRegex != nil {
		next.SubscribedTopicRegex = nil
		if *req.SubscribedTopicRegex != "" {
			next.SubscribedTopicRegex = cloned(req.SubscribedTopicRegex)
		}
	}
	b.meta = &next
	regexChanged := !equalText(old.SubscribedTopicRegex, next.SubscribedTopicRegex)
	if regexChanged && next.SubscribedTopicRegex != nil {
		if _, err := regexp.Compile(*next.SubscribedTopicRegex); err != nil {
			return false, refuse(kerr.InvalidRegularExpression, "SubscribedTopicRegex `%s` is not a valid regular expression: %s.", *next.SubscribedTopicRegex, regexMistake(err))
		}
	}
	subscription = b.was == nil && b.replaced == "" || regexChanged || !slices.Equal(old.SubscribedTopicNames, next.SubscribedTopicNames)
	changed := subscription || b.was == nil || old.ClientID != next.ClientID || old.ClientHost != next.ClientHost || old.RebalanceTimeoutMs != next.RebalanceTimeoutMs ||
		!equalText(old.ServerAssignor, next.ServerAssignor) || !equalText(old.InstanceID, next.InstanceID) || !equalText(old.RackID, next.RackID) ||
		!equalClassic(old.ClassicMemberMetadata, next.ClassicMemberMetadata)
	if g.epoch == 0 {
		b.list = append(b.list, g.epochRecord(firstEpoch, 0)) // the group itself comes first
	}
	if b.replaced != "" {
		b.list = append(b.list, g.removal(b.replaced)...)
	}
	if changed {
		b.list = append(b.list, g.memberRecord(b.id, b.meta))
	}
	if b.replaced != "" {
		b.list = append(b.list, g.targetRecord(b.id, b.target))
	}
	return subscription, nil
}

// regexMistake is what is wrong with a regular expression, in the words that RE2 has for it in Java, too.
func regexMistake(err error) string {
	if s, ok := errors.AsType[*syntax.Error](err); ok {
		return s.Code.String()
	}
	return err.Error()
}

func equalText(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// refresh looks up the regular expressions and compares the topics with those of the last assignment. It begins a new epoch where there is something
// to assign anew.
func (b *beat) refresh(subscription bool) {
	g := b.g
	b.epoch = max(g.epoch, firstEpoch)
	version := g.s.topics.version()
	if !subscription && g.seen == version {
		return
	}
	g.seen = version // soft: when this heartbeat is not written, the next one with a change looks again
	g.s.env.AfterAppend(func(err error) {
		if err != nil {
			g.seen = -1
		}
	})
	b.resolve(version)
	hash := hashOf(func(yield func([]subscribed) bool) {
		for _, meta := range b.metas() {
			if !yield(g.topicsOf(meta, b.topicsOfRegex)) {
				return
			}
		}
	})
	if subscription || hash != g.hash {
		b.epoch = max(b.epoch, firstEpoch) + 1
		b.list = append(b.list, g.epochRecord(b.epoch, hash))
	}
}

// metas yields the members as they are after this heartbeat.
func (b *beat) metas() func(yield func(string, *records.ConsumerGroupMemberMetadataValue) bool) {
	return func(yield func(string, *records.ConsumerGroupMemberMetadataValue) bool) {
		for id, m := range b.g.members {
			if id != b.id && id != b.replaced && !yield(id, m.meta) {
				return
			}
		}
		yield(b.id, b.meta)
	}
}

// resolve looks up what the regular expressions of all members stand for, and records what has changed.
func (b *beat) resolve(version int64) {
	g := b.g
	b.resolved = map[string][]string{}
	for _, meta := range b.metas() {
		re := meta.SubscribedTopicRegex
		if re == nil || b.resolved[*re] != nil {
			continue
		}
		topics := []string{}
		if compiled, err := regexp.Compile(`\A(?:` + *re + `)\z`); err == nil {
			for name := range g.s.topics.all() {
				if compiled.MatchString(name) {
					topics = append(topics, name)
				}
			}
		}
		slices.Sort(topics)
		b.resolved[*re] = topics
		if v := g.regexes[*re]; v == nil || !slices.Equal(v.Topics, topics) {
			b.list = append(b.list, g.regexRecord(*re, topics, version, g.s.nowMs()))
		}
	}
	for _, re := range slices.Sorted(maps.Keys(g.regexes)) {
		if b.resolved[re] == nil {
			b.list = append(b.list, record{Key: records.AppendKey(nil, &records.ConsumerGroupRegularExpressionKey{GroupID: g.id, RegularExpression: re})})
		}
	}
}

func (b *beat) topicsOfRegex(re *string) []string {
	if re == nil {
		return nil
	}
	if topics, ok := b.resolved[*re]; ok {
		return topics
	}
	return b.g.resolved(re)
}

// firstEpoch is that of a group before its first member has come.
const firstEpoch = 1

// assignsLater reports whether the last target is too young for another one.
func (g *consumer) assignsLater() bool {
	interval := g.s.consumerTimes(g.id).assignment.Milliseconds()
	return interval > 0 && g.assignedMs > 0 && g.s.nowMs() < g.assignedMs+interval
}

// assign makes the target assignment of a new epoch, no sooner after the one before than the configuration says.
func (b *beat) assign() {
	g := b.g
	if b.epoch <= g.targetEpoch {
		return
	}
	if g.assignsLater() {
		return
	}
	var members []assignorMember
	for id, meta := range b.metas() {
		m := assignorMember{id: id, topics: g.topicsOf(meta, b.topicsOfRegex)}
		if meta.InstanceID != nil {
			m.instanceID = *meta.InstanceID
		}
		if id == b.id {
			m.owned = b.target
		} else {
			m.owned = g.members[id].target
		}
		members = append(members, m)
	}
	slices.SortFunc(members, func(x, y assignorMember) int { return strings.Compare(x.id, y.id) })
	name := g.assignor(b.id, b.meta.ServerAssignor)
	targets := assignors[name](members)
	for _, m := range members {
		if a := targets[m.id]; !a.equal(m.owned) || m.owned == nil {
			b.list = append(b.list, g.targetRecord(m.id, a))
		}
	}
	b.target, b.targetEpoch = targets[b.id], b.epoch
	b.list = append(b.list, g.targetEpochRecord(b.epoch, g.s.nowMs()))
	g.s.log.Info("assigned", zap.String("group", g.id), zap.Int32("epoch", b.epoch), zap.Int("members", len(members)), zap.String("assignor", name))
}

// reconcile leads the member on towards its target, as CurrentAssignmentBuilder of Kafka.
func (b *beat) reconcile() error {
	next := b.current
	targetEpoch := b.targetEpoch
	switch {
	case b.req.MemberEpoch == epochJoin && b.was != nil:
		// It has lost all it had and begins anew; what it had stays its own, so that nobody else gets it meanwhile.
		next = b.advance(current{epoch: 0, previous: b.current.previous, assigned: b.current.assigned}, targetEpoch)
	case b.current.state == memberStable && b.current.epoch != targetEpoch:
		next = b.advance(b.current, targetEpoch)
	case b.current.state == memberUnrevoked:
		if b.stillOwns(b.current.revoking) {
			break
		}
		c := b.current
		c.epoch, c.previous = c.epoch+1, c.epoch
		next = b.advance(c, targetEpoch)
	case b.current.state == memberUnreleased:
		next = b.advance(b.current, targetEpoch)
	case b.current.state > memberUnreleased: // of a newer Kafka
		if b.req.Topics == nil || len(b.req.Topics) > 0 {
			return refuse(kerr.FencedMemberEpoch, "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.")
		}
		next = b.advance(current{epoch: targetEpoch, previous: b.current.epoch}, targetEpoch)
	}
	if b.was == nil || next.epoch != b.current.epoch || next.previous != b.current.previous || next.state != b.current.state ||
		!next.assigned.equal(b.current.assigned) || !next.revoking.equal(b.current.revoking) {
		b.list = append(b.list, b.g.currentRecord(b.id, next))
	}
	b.revoking = b.was != nil && b.current.state == memberUnrevoked && b.current.epoch == next.epoch
	b.current = next
	return nil
}

// stillOwns reports whether the member has not yet given up all of the partitions; one that does not say has not.
func (b *beat) stillOwns(revoking assignment) bool {
	if b.req.Topics == nil {
		return true
	}
	owns := b.owns()
	for topic, ps := range revoking {
		for _, p := range ps {
			if owns.has(topic, p) {
				return true
			}
		}
	}
	return false
}

// advance takes the next step: first what is not in the target is given up, then what is free of the rest of the target is taken.
func (b *beat) advance(c current, targetEpoch int32) current {
	kept, revoking, free := assignment{}, assignment{}, assignment{}
	unreleased := false
	for topic, ps := range c.assigned {
		for _, p := range ps {
			if b.target.has(topic, p) {
				kept[topic] = append(kept[topic], p)
			} else {
				revoking[topic] = append(revoking[topic], p)
			}
		}
	}
	for topic, ps := range b.target {
		for _, p := range ps {
			switch {
			case kept.has(topic, p):
			case b.taken(topic, p):
				unreleased = true
			default:
				free[topic] = append(free[topic], p)
			}
		}
	}
	next := current{epoch: c.epoch, previous: c.previous, assigned: kept}
	if revoking.len() > 0 && b.stillOwns(revoking) && b.req.MemberEpoch != epochJoin {
		next.state, next.revoking = memberUnrevoked, revoking
		return next
	}
	for topic, ps := range free {
		kept[topic] = slices.Sorted(slices.Values(slices.Concat(kept[topic], ps)))
	}
	if next.epoch != targetEpoch {
		next.previous, next.epoch = b.current.epoch, targetEpoch
	}
	if unreleased {
		next.state = memberUnreleased
	}
	return next
}

// taken reports whether another member has the partition, or has not given it up.
func (b *beat) taken(topic uuid, p int32) bool {
	n := b.g.owners[topic][p]
	for _, m := range []*consumerMember{b.was, b.g.members[b.replaced]} {
		if m != nil && (m.current.assigned.has(topic, p) || m.current.revoking.has(topic, p)) {
			n--
		}
	}
	return n > 0
}

// watch arms the timers of the member after its heartbeat has been recorded.
func (b *beat) watch() {
	g := b.g
	if live, ok := g.s.groups[g.id].(*consumer); ok {
		g = live // the first record of a new group has made it
	}
	if g.members[b.id] == nil {
		return
	}
	if b.replaced != "" {
		g.unwatch(b.replaced)
	}
	g.watch(b.id)
	g.s.env.Cancel(g.timer("join", b.id))
	delete(g.rejoining, b.id)
	if b.classic != nil {
		g.s.env.Cancel(g.timer("rebalance", b.id))
		g.watchSync(b.id, milliseconds(b.meta.RebalanceTimeoutMs))
		return
	}
	g.s.env.Cancel(g.timer("sync", b.id))
	switch {
	case b.current.state != memberUnrevoked:
		g.s.env.Cancel(g.timer("rebalance", b.id))
	case !b.revoking:
		g.watchRevocation(b.id, b.current.epoch)
	}
}

// response tells the member its epoch, and its assignment when it has changed or when the member cannot know it.
func (b *beat) response() *kmsg.ConsumerGroupHeartbeatResponse {
	resp := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	id := b.id
	resp.MemberID, resp.MemberEpoch = &id, b.current.epoch
	resp.HeartbeatIntervalMillis = int32(b.g.s.consumerTimes(b.g.id).heartbeat.Milliseconds())
	full := b.req.MemberEpoch == epochJoin ||
		b.req.RebalanceTimeoutMillis != -1 && (b.req.SubscribedTopicNames != nil || b.req.SubscribedTopicRegex != nil) && b.req.Topics != nil
	if !full && b.was != nil && b.was.current.assigned.equal(b.current.assigned) {
		return resp
	}
	a := kmsg.ConsumerGroupHeartbeatResponseAssignment{Topics: []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic{}}
	for _, topic := range b.current.assigned.topics() {
		if ps := b.current.assigned[topic]; len(ps) > 0 {
			a.Topics = append(a.Topics, kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic{TopicID: topic, Partitions: ps})
		}
	}
	resp.Assignment = &a
	return resp
}
