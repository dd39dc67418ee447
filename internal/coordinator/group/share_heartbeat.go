package group

import (
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// shareAnswer is the answer to a heartbeat, and which partitions want a state before they can be assigned.
type shareAnswer struct {
	resp    *kmsg.ShareGroupHeartbeatResponse
	missing assignment
	epoch   int32 // of the group
}

type shareReply = coordinator.Reply[shareAnswer]

// checkShareBeat is what can be said of a heartbeat without knowing the group, with Kafka's texts.
func checkShareBeat(req *kmsg.ShareGroupHeartbeatRequest) error {
	const longestMember = 36 // a UUID is as long
	switch {
	case req.MemberID == "" || len(req.MemberID) > longestMember:
		return refuse(kerr.InvalidRequest, "")
	case strings.TrimSpace(req.MemberID) == "":
		return refuse(kerr.InvalidRequest, "MemberId can't be empty.")
	case strings.TrimSpace(req.GroupID) == "":
		return refuse(kerr.InvalidRequest, "GroupId can't be empty.")
	case req.RackID != nil && strings.TrimSpace(*req.RackID) == "":
		return refuse(kerr.InvalidRequest, "RackId can't be empty.")
	case req.MemberEpoch == epochJoin && len(req.SubscribedTopicNames) == 0:
		return refuse(kerr.InvalidRequest, "SubscribedTopicNames must be set in first request.")
	case req.MemberEpoch < epochLeave:
		return refuse(kerr.InvalidRequest, "MemberEpoch is invalid.")
	}
	return nil
}

// shareGroup returns a share group; one that does not exist is made when a member joins.
func (s *shard) shareGroup(id string, join bool) (*share, error) {
	switch have := s.groups[id].(type) {
	case *share:
		return have, nil
	case nil:
		if join {
			return newShare(s, strings.Clone(id)), nil
		}
		return nil, refuse(kerr.GroupIDNotFound, "Share group %s not found.", id)
	}
	return nil, refuse(kerr.GroupIDNotFound, "Group %s is not a share group.", id)
}

// shareBeat serves a heartbeat of a share group.
func (s *shard) shareBeat(client Client, req *kmsg.ShareGroupHeartbeatRequest, reply *shareReply) []record {
	g, err := s.shareGroup(req.GroupID, req.MemberEpoch == epochJoin)
	if err != nil {
		if req.MemberEpoch == epochLeave && s.groups[req.GroupID] == nil {
			err = refuse(kerr.GroupIDNotFound, "Group %s not found.", req.GroupID) // Kafka has another text for it
		}
		reply.Fail(err)
		return nil
	}
	was := g.members[req.MemberID]
	if was == nil && req.MemberEpoch != epochJoin {
		reply.Fail(refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", req.MemberID, g.id))
		return nil
	}
	if req.MemberEpoch == epochLeave {
		s.log.Info("member leaves", zap.String("group", g.id), zap.String("member", req.MemberID))
		resp := kmsg.NewPtrShareGroupHeartbeatResponse()
		id := req.MemberID
		resp.MemberID, resp.MemberEpoch = &id, epochLeave
		reply.Done(shareAnswer{resp: resp})
		return g.fence(strings.Clone(id))
	}
	b := shareBeat{g: g, id: req.MemberID, was: was, epoch: g.epoch, joins: req.MemberEpoch == epochJoin, full: req.SubscribedTopicNames != nil}
	if err := b.judge(req.MemberEpoch); err != nil {
		reply.Fail(err)
		return nil
	}
	b.update(client, req)
	b.assign(false)
	return b.finish(reply)
}

// shareInitialized takes up partitions that have a state now, and answers a member's heartbeat again.
func (s *shard) shareInitialized(groupID, memberID string, done assignment, before shareAnswer, reply *shareReply) []record {
	g, ok := s.groups[groupID].(*share)
	if !ok || g.members[memberID] == nil {
		reply.Done(before)
		return nil
	}
	m := g.members[memberID]
	b := shareBeat{g: g, id: memberID, was: m, meta: m.meta, epoch: g.epoch + 1, current: m.current, full: true}
	state := g.stateRecord(done, nil)
	b.list = []record{state, g.epochRecord(b.epoch, g.hash)}
	// The assignment is made with them already: they are durable as soon as it is.
	_, value, err := records.ParseGroup(state.Key, state.Value)
	if err != nil {
		panic(err)
	}
	with := *g
	with.state = value.(*records.ShareGroupStatePartitionMetadataValue)
	b.g = &with
	b.assign(true)
	return b.finish(reply)
}

// shareBeat is one heartbeat of a member that stays or comes. It changes nothing: what it decides are records.
type shareBeat struct {
	g     *share
	id    string
	was   *shareMember // nil: new
	joins bool
	full  bool // the member has told all of itself, and is told all

	list    []record
	meta    *records.ShareGroupMemberMetadataValue
	current current
	epoch   int32
}

// judge compares the epoch that a member has sent with its own; the one before is good, too: then it has missed an answer.
func (b *shareBeat) judge(got int32) error {
	if b.was == nil {
		if limit := b.g.s.limits().shareMaxSize; len(b.g.members) >= limit {
			return refuse(kerr.GroupMaxSizeReached, "The share group has reached its maximum capacity of %d members.", limit)
		}
		return nil
	}
	c := b.was.current
	switch {
	case got > c.epoch:
		return refuse(kerr.FencedMemberEpoch, "The share group member has a greater member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", got, c.epoch)
	case got < c.epoch && got != c.previous && got != epochJoin:
		return refuse(kerr.FencedMemberEpoch, "The share group member has a smaller member epoch (%d) than the one known by the group coordinator (%d), and it does not match the previous member epoch (%d). The member must abandon all its partitions and rejoin.", got, c.epoch, c.previous)
	}
	return nil
}

// update works out what the member is now, and begins a new epoch where there is something to assign anew.
func (b *shareBeat) update(client Client, req *kmsg.ShareGroupHeartbeatRequest) {
	g := b.g
	old := &records.ShareGroupMemberMetadataValue{}
	if b.was != nil {
		old, b.current = b.was.meta, b.was.current
	}
	next := *old
	next.ClientID, next.ClientHost = client.ID, client.Host
	if req.RackID != nil {
		next.RackID = cloned(req.RackID)
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
	b.meta = &next
	subscription := b.was == nil || !slices.Equal(old.SubscribedTopicNames, next.SubscribedTopicNames)
	if subscription || old.ClientID != next.ClientID || old.ClientHost != next.ClientHost || !equalText(old.RackID, next.RackID) {
		b.list = append(b.list, g.memberRecord(strings.Clone(b.id), b.meta))
	}
	if hash := g.hashOf(b.id, next.SubscribedTopicNames, ""); subscription || hash != g.hash {
		b.epoch++
		b.list = append(b.list, g.epochRecord(b.epoch, hash))
	}
}

// tooSoon reports whether there has just been an assignment: the next waits for a later heartbeat. What was assigned while no partition had a state does not
// count.
func (g *share) tooSoon() bool {
	interval := g.s.shareTimes(g.id).assignment.Milliseconds()
	return interval > 0 && g.assignedMs > 0 && g.s.nowMs() < g.assignedMs+interval
}

// assign makes the target assignment of a new epoch, and gives the member its part.
func (b *shareBeat) assign(anew bool) {
	g := b.g
	var target assignment
	if b.was != nil {
		target = b.was.target
	}
	targetEpoch := g.targetEpoch
	if anew || b.epoch > targetEpoch && !g.tooSoon() {
		targets := g.assign(g.subscriptions(b.id, b.meta.SubscribedTopicNames, ""))
		for _, id := range slices.Sorted(maps.Keys(targets)) {
			var had assignment
			if m := g.members[id]; m != nil {
				had = m.target
			}
			if had == nil || !had.equal(targets[id]) {
				b.list = append(b.list, g.targetRecord(strings.Clone(id), targets[id]))
			}
		}
		target, targetEpoch = targets[b.id], b.epoch
		b.list = append(b.list, g.targetEpochRecord(targetEpoch, g.s.nowMs()))
		g.s.log.Info("assigned", zap.String("group", g.id), zap.Int32("epoch", targetEpoch), zap.Int("members", len(targets)))
	}
	if b.was != nil && b.current.epoch == targetEpoch {
		return
	}
	b.current = current{epoch: targetEpoch, previous: b.current.epoch, assigned: target}
	b.list = append(b.list, g.currentRecord(strings.Clone(b.id), b.current))
}

func (b *shareBeat) finish(reply *shareReply) []record {
	g, id := b.g, strings.Clone(b.id)
	g.s.env.AfterAppend(func(err error) {
		if live, ok := g.s.groups[g.id].(*share); err == nil && ok && live.members[id] != nil {
			live.watch(id)
		}
	})
	resp := kmsg.NewPtrShareGroupHeartbeatResponse()
	resp.MemberID, resp.MemberEpoch = &id, b.current.epoch
	resp.HeartbeatIntervalMillis = int32(g.s.shareTimes(g.id).heartbeat.Milliseconds())
	if b.joins || b.full || b.was == nil || !b.was.current.assigned.equal(b.current.assigned) {
		a := &kmsg.ShareGroupHeartbeatResponseAssignment{TopicPartitions: []kmsg.ShareGroupHeartbeatResponseAssignmentTopicPartition{}}
		for _, topic := range b.current.assigned.topics() {
			a.TopicPartitions = append(a.TopicPartitions, kmsg.ShareGroupHeartbeatResponseAssignmentTopicPartition{TopicID: topic, Partitions: b.current.assigned[topic]})
		}
		resp.Assignment = a
	}
	reply.Done(shareAnswer{resp: resp, missing: g.uninitialized(b.id, b.meta.SubscribedTopicNames), epoch: b.epoch})
	return b.list
}
