package group

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// ShareState is the share coordinator, which keeps the state of share partitions.
type ShareState interface {
	InitializeShareGroupState(context.Context, *kmsg.InitializeShareGroupStateRequest) *kmsg.InitializeShareGroupStateResponse
	DeleteShareGroupState(context.Context, *kmsg.DeleteShareGroupStateRequest) *kmsg.DeleteShareGroupStateResponse
	ReadShareGroupStateSummary(context.Context, *kmsg.ReadShareGroupStateSummaryRequest) *kmsg.ReadShareGroupStateSummaryResponse
}

// textOf is the text of an error that clients get.
func textOf(err error) *string {
	if r, ok := errors.AsType[*refused](err); ok {
		if r.text == "" {
			return nil
		}
		return &r.text
	}
	return protocol.ErrorMessage(err)
}

// ShareGroupHeartbeat serves members of share groups (KIP-932), version 1. Partitions that the group has not read before get a state at the share
// coordinator, on this occasion, before they are assigned.
func (c *Coordinator) ShareGroupHeartbeat(ctx context.Context, client Client, req *kmsg.ShareGroupHeartbeatRequest) *kmsg.ShareGroupHeartbeatResponse {
	err := checkShareBeat(req)
	var a shareAnswer
	if err == nil {
		a, err = do(ctx, c, req.GroupID, func(s *shard, reply *shareReply) []record { return s.shareBeat(client, req, reply) })
	}
	if err == nil && len(a.missing) > 0 {
		a, err = c.initializeMissing(ctx, client, req, a)
	}
	if err != nil {
		a.resp = kmsg.NewPtrShareGroupHeartbeatResponse()
		a.resp.ErrorCode, a.resp.ErrorMessage = protocol.ErrorCode(err), textOf(err)
	}
	a.resp.Version = req.Version
	return a.resp
}

// initializeMissing begins the state of the partitions that a heartbeat has found without one, and answers the heartbeat again. Members that come at the
// same time wait for the one that does it: a state that is begun twice would forget what was delivered in between.
func (c *Coordinator) initializeMissing(ctx context.Context, client Client, req *kmsg.ShareGroupHeartbeatRequest, before shareAnswer) (shareAnswer, error) {
	gate, _ := c.shareGates.LoadOrStore(strings.Clone(req.GroupID), make(chan struct{}, 1))
	select {
	case gate.(chan struct{}) <- struct{}{}:
		defer func() { <-gate.(chan struct{}) }()
	case <-ctx.Done():
		return before, nil
	}
	v, err := c.shareView(ctx, req.GroupID, false)
	if err != nil {
		return before, nil //nolint:nilerr // the group has gone meanwhile, and the next heartbeat will say so
	}
	missing, others := assignment{}, false
	for topic, ps := range before.missing {
		for _, p := range ps {
			if v.initialized.has(topic, p) {
				others = true
			} else {
				missing[topic] = append(missing[topic], p)
			}
		}
	}
	if done := c.initializeShares(ctx, req.GroupID, before.epoch, missing, noStart); len(done) > 0 {
		return do(ctx, c, req.GroupID, func(s *shard, reply *shareReply) []record {
			return s.shareInitialized(req.GroupID, req.MemberID, done, before, reply)
		})
	}
	if !others {
		return before, nil
	}
	again := *req
	again.MemberEpoch = before.resp.MemberEpoch
	return do(ctx, c, req.GroupID, func(s *shard, reply *shareReply) []record { return s.shareBeat(client, &again, reply) })
}

const noStart = -1 // the partition's leader finds out where to begin

// initializeShares begins the state of share partitions and returns those for which it has.
func (c *Coordinator) initializeShares(ctx context.Context, groupID string, epoch int32, partitions assignment, start int64) assignment {
	if partitions.len() == 0 {
		return nil
	}
	req := kmsg.NewPtrInitializeShareGroupStateRequest()
	req.GroupID = groupID
	for _, topic := range partitions.topics() {
		t := kmsg.InitializeShareGroupStateRequestTopic{TopicID: topic}
		for _, p := range partitions[topic] {
			t.Partitions = append(t.Partitions, kmsg.InitializeShareGroupStateRequestTopicPartition{Partition: p, StateEpoch: epoch, StartOffset: start})
		}
		req.Topics = append(req.Topics, t)
	}
	done := assignment{}
	for _, t := range c.o.ShareState.InitializeShareGroupState(ctx, req).Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode == 0 {
				done[t.TopicID] = append(done[t.TopicID], p.Partition)
				continue
			}
			c.o.Logger.Warn("the state of a share partition cannot be initialised, the next heartbeat tries again",
				zap.String("group", groupID), zap.Int32("partition", p.Partition), zap.Error(kerr.ErrorForCode(p.ErrorCode)))
		}
	}
	return done
}

// ShareGroupDescribe describes share groups, version 1.
func (c *Coordinator) ShareGroupDescribe(ctx context.Context, req *kmsg.ShareGroupDescribeRequest) *kmsg.ShareGroupDescribeResponse {
	resp := kmsg.NewPtrShareGroupDescribeResponse()
	resp.Version = req.Version
	for _, id := range req.GroupIDs {
		d, err := do(ctx, c, id, func(s *shard, reply *coordinator.Reply[kmsg.ShareGroupDescribeResponseGroup]) []record {
			g, err := s.existingShare(id)
			if err != nil {
				reply.Fail(err)
			} else {
				reply.Done(g.describe())
			}
			return nil
		})
		if id == "" {
			err = kerr.InvalidGroupID
		}
		if err != nil {
			d = kmsg.NewShareGroupDescribeResponseGroup()
			d.GroupID, d.ErrorCode = id, protocol.ErrorCode(err)
			if r, ok := errors.AsType[*refused](err); ok {
				d.ErrorMessage = &r.text
			}
		}
		resp.Groups = append(resp.Groups, d)
	}
	return resp
}

// existingShare returns a share group for the requests of administrators.
func (s *shard) existingShare(id string) (*share, error) {
	switch g := s.groups[id].(type) {
	case *share:
		return g, nil
	case nil:
		return nil, refuse(kerr.GroupIDNotFound, "Group %s not found.", id)
	}
	return nil, refuse(kerr.GroupIDNotFound, "Group %s is not a share group.", id)
}

// shareView is what is to be known of a share group before its state is changed.
type shareView struct {
	free        bool // there is no group of that name, of whatever kind
	epoch       int32
	initialized assignment
}

// shareView looks at a share group, which must have no members where empty is asked for.
func (c *Coordinator) shareView(ctx context.Context, id string, empty bool) (shareView, error) {
	if id == "" {
		return shareView{}, refuse(kerr.InvalidGroupID, "The group id is invalid.")
	}
	free := false
	v, err := do(ctx, c, id, func(s *shard, reply *coordinator.Reply[shareView]) []record {
		g, err := s.existingShare(id)
		free = s.groups[id] == nil
		if err == nil && empty && len(g.members) > 0 {
			err = kerr.NonEmptyGroup
		}
		if err != nil {
			reply.Fail(err)
			return nil
		}
		v := shareView{epoch: g.epoch, initialized: assignment{}}
		if g.state != nil {
			for _, t := range g.state.InitializedTopics {
				v.initialized[t.TopicID] = slices.Sorted(slices.Values(t.Partitions))
			}
		}
		reply.Done(v)
		return nil
	})
	v.free = err != nil && free
	return v, err
}

// forgetShares has the share coordinator forget partitions of a group.
func (c *Coordinator) forgetShares(ctx context.Context, groupID string, partitions assignment) error {
	if partitions.len() == 0 {
		return nil
	}
	req := kmsg.NewPtrDeleteShareGroupStateRequest()
	req.GroupID = groupID
	for _, topic := range partitions.topics() {
		t := kmsg.DeleteShareGroupStateRequestTopic{TopicID: topic}
		for _, p := range partitions[topic] {
			t.Partitions = append(t.Partitions, kmsg.DeleteShareGroupStateRequestTopicPartition{Partition: p})
		}
		req.Topics = append(req.Topics, t)
	}
	for _, t := range c.o.ShareState.DeleteShareGroupState(ctx, req).Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

// ShareLag counts the records of a partition from an offset on, if that is known.
type ShareLag func(group, topic string, partition int32, start int64) (records int64, ok bool)

// DescribeShareGroupOffsets tells where share groups are, versions 0-1.
func (c *Coordinator) DescribeShareGroupOffsets(ctx context.Context, req *kmsg.DescribeShareGroupOffsetsRequest, lag ShareLag) *kmsg.DescribeShareGroupOffsetsResponse {
	resp := kmsg.NewPtrDescribeShareGroupOffsetsResponse()
	resp.Version = req.Version
	for _, want := range req.Groups {
		g := kmsg.NewDescribeShareGroupOffsetsResponseGroup()
		g.GroupID = want.GroupID
		v, err := c.shareView(ctx, want.GroupID, false)
		if errors.Is(err, kerr.GroupIDNotFound) && want.GroupID != "" && v.free {
			err = nil // a group that is not there has begun nowhere
		}
		if err != nil {
			g.ErrorCode, g.ErrorMessage = protocol.ErrorCode(err), textOf(err)
			resp.Groups = append(resp.Groups, g)
			continue
		}
		topics := want.Topics
		if topics == nil {
			for _, id := range v.initialized.topics() {
				if name, ok := c.o.TopicName(id); ok {
					topics = append(topics, kmsg.DescribeShareGroupOffsetsRequestGroupTopic{Topic: name, Partitions: v.initialized[id]})
				}
			}
		}
		for _, t := range topics {
			g.Topics = append(g.Topics, c.shareOffsets(ctx, want.GroupID, t, v, lag))
		}
		resp.Groups = append(resp.Groups, g)
	}
	return resp
}

func (c *Coordinator) shareOffsets(ctx context.Context, group string, t kmsg.DescribeShareGroupOffsetsRequestGroupTopic, v shareView, lag ShareLag) kmsg.DescribeShareGroupOffsetsResponseGroupTopic {
	rt := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopic()
	rt.Topic = t.Topic
	rt.TopicID, _ = c.o.TopicID(t.Topic)
	for _, p := range t.Partitions {
		rp := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopicPartition()
		rp.Partition, rp.StartOffset, rp.Lag = p, noStart, -1
		if v.initialized.has(rt.TopicID, p) {
			req := kmsg.NewPtrReadShareGroupStateSummaryRequest()
			req.Version, req.GroupID = 1, group
			part := kmsg.NewReadShareGroupStateSummaryRequestTopicPartition()
			part.Partition = p
			req.Topics = []kmsg.ReadShareGroupStateSummaryRequestTopic{{TopicID: rt.TopicID, Partitions: []kmsg.ReadShareGroupStateSummaryRequestTopicPartition{part}}}
			for _, st := range c.o.ShareState.ReadShareGroupStateSummary(ctx, req).Topics {
				for _, sp := range st.Partitions {
					rp.StartOffset, rp.LeaderEpoch, rp.ErrorCode, rp.ErrorMessage = sp.StartOffset, sp.LeaderEpoch, sp.ErrorCode, sp.ErrorMessage
					if sp.ErrorCode == 0 && sp.StartOffset >= 0 {
						if n, ok := lag(group, t.Topic, p, sp.StartOffset); ok {
							rp.Lag = n - int64(max(0, sp.DeliveryCompleteCount)) // below 0 where the offset was set behind the end, as in Kafka
						}
					}
				}
			}
		}
		rt.Partitions = append(rt.Partitions, rp)
	}
	return rt
}

// AlterShareGroupOffsets sets where a share group without members begins to read, version 0. It makes the group when there is none.
func (c *Coordinator) AlterShareGroupOffsets(ctx context.Context, req *kmsg.AlterShareGroupOffsetsRequest) *kmsg.AlterShareGroupOffsetsResponse {
	resp := kmsg.NewPtrAlterShareGroupOffsetsResponse()
	v, err := c.shareView(ctx, req.GroupID, true)
	if v.free {
		v.initialized, err = assignment{}, nil
	}
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = protocol.ErrorCode(err), textOf(err)
		return resp
	}
	done := assignment{}
	for _, t := range req.Topics {
		rt := kmsg.AlterShareGroupOffsetsResponseTopic{Topic: t.Topic}
		id, ok := c.o.TopicID(t.Topic)
		rt.TopicID = id
		for _, p := range t.Partitions {
			rp := kmsg.AlterShareGroupOffsetsResponseTopicPartition{Partition: p.Partition}
			var err error
			switch {
			case !ok || p.Partition < 0 || int(p.Partition) >= c.o.TopicPartitions(t.Topic):
				err = kerr.UnknownTopicOrPartition
			case c.initializeShares(ctx, req.GroupID, v.epoch+1, assignment{id: {p.Partition}}, p.StartOffset).len() == 0:
				err = kerr.CoordinatorNotAvailable
			default:
				done[id] = append(done[id], p.Partition)
			}
			rp.ErrorCode, rp.ErrorMessage = protocol.ErrorCode(err), protocol.ErrorMessage(err)
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	if err := c.changeShare(ctx, req.GroupID, done, nil); err != nil {
		resp.ErrorCode, resp.ErrorMessage, resp.Topics = protocol.ErrorCode(err), textOf(err), nil
	}
	return resp
}

// DeleteShareGroupOffsets forgets topics of a share group without members, version 0.
func (c *Coordinator) DeleteShareGroupOffsets(ctx context.Context, req *kmsg.DeleteShareGroupOffsetsRequest) *kmsg.DeleteShareGroupOffsetsResponse {
	resp := kmsg.NewPtrDeleteShareGroupOffsetsResponse()
	v, err := c.shareView(ctx, req.GroupID, true)
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = protocol.ErrorCode(err), textOf(err)
		return resp
	}
	gone := map[uuid]bool{}
	for _, t := range req.Topics {
		rt := kmsg.DeleteShareGroupOffsetsResponseTopic{Topic: t.Topic}
		var err error
		id, ok := c.o.TopicID(t.Topic)
		rt.TopicID = id
		switch ps := v.initialized[id]; {
		case !ok:
			err = kerr.UnknownTopicOrPartition
		case len(ps) == 0:
			rt.TopicID = uuid{}
			err = refuse(kerr.UnknownTopicOrPartition, "There is no offset information to delete.")
		default:
			if err = c.forgetShares(ctx, req.GroupID, assignment{id: ps}); err == nil {
				gone[id] = true
			}
		}
		rt.ErrorCode, rt.ErrorMessage = protocol.ErrorCode(err), textOf(err)
		resp.Topics = append(resp.Topics, rt)
	}
	if err := c.changeShare(ctx, req.GroupID, nil, gone); err != nil {
		resp.ErrorCode, resp.ErrorMessage, resp.Topics = protocol.ErrorCode(err), textOf(err), nil
	}
	return resp
}

// changeShare notes which partitions of a share group have a state now, and which topics no more.
func (c *Coordinator) changeShare(ctx context.Context, groupID string, more assignment, less map[uuid]bool) error {
	if more.len() == 0 && len(less) == 0 {
		return nil
	}
	_, err := do(ctx, c, groupID, func(s *shard, reply *coordinator.Reply[struct{}]) []record {
		g, err := s.existingShare(groupID)
		if s.groups[groupID] == nil && more.len() > 0 {
			g = newShare(s, strings.Clone(groupID))
			reply.Done(struct{}{})
			return []record{g.epochRecord(firstEpoch, g.hash), g.targetEpochRecord(firstEpoch, s.nowMs()), g.stateRecord(more, nil)}
		}
		if err != nil {
			reply.Fail(err)
			return nil
		}
		reply.Done(struct{}{})
		return []record{g.stateRecord(more, less)}
	})
	return err
}

// deleteShareState forgets all that the share coordinator knows of a group that is about to be deleted, when it is a share group.
func (c *Coordinator) deleteShareState(ctx context.Context, groupID string) error {
	v, err := c.shareView(ctx, groupID, true)
	switch {
	case errors.Is(err, kerr.GroupIDNotFound), errors.Is(err, kerr.InvalidGroupID):
		return nil // not a share group
	case err != nil:
		return err
	}
	return c.forgetShares(ctx, groupID, v.initialized)
}
