package group

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// assign makes the target assignment of an epoch. The member id, when it is given, is as meta says instead of as recorded. While there is something wrong
// with the topics, nobody has anything to do.
func (g *streams) assign(epoch int32, id string, meta *records.StreamsGroupMemberMetadataValue, c *configuredTopology, configs map[string]string) (map[string]tasks, []record) {
	ids := slices.Collect(maps.Keys(g.members))
	if id != "" && g.members[id] == nil {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	specs := make([]streamsSpec, len(ids))
	for i, member := range ids {
		specs[i].id = member
		if m := g.members[member]; m != nil {
			specs[i].process = m.meta.ProcessID
			if m.target != nil {
				specs[i].had = *m.target
			}
		}
		if member == id {
			specs[i].process = meta.ProcessID
		}
	}
	targets := map[string]tasks{}
	if c.ready {
		targets = assignTasks(specs, c, standbyReplicas(configs))
	}
	var list []record
	for _, member := range ids {
		m := g.members[member]
		if m == nil || m.target == nil || !m.target.equal(targets[member]) {
			list = append(list, g.targetRecord(member, targets[member]))
		}
	}
	g.s.log.Info("assigned", zap.String("group", g.id), zap.Int32("epoch", epoch), zap.Int("members", len(ids)), zap.String("assignor", "sticky"))
	return targets, append(list, g.targetEpochRecord(epoch, g.s.nowMs()))
}

// reconcile leads the member on towards its target, as CurrentAssignmentBuilder of Kafka.
func (b *streamsBeat) reconcile() error {
	was := b.current
	switch {
	case was.reconciled(b.targetEpoch):
		return nil
	case was.state == memberStable, was.state == memberUnreleased:
		b.current = b.advance(was.epoch)
	case was.state == memberUnrevoked:
		if b.stillOwns(was.revoking) {
			return nil
		}
		b.current = b.advance(was.epoch + 1)
	default: // of a newer Kafka
		if b.req.ActiveTasks == nil || !b.owns().isEmpty() {
			return refuse(kerr.FencedMemberEpoch, "The streams group member is in a unknown state. The member must abandon all its tasks and rejoin.")
		}
		b.current = b.advance(b.targetEpoch)
	}
	if !b.current.equal(was) {
		b.list = append(b.list, b.g.currentRecord(b.id, b.current))
	}
	return nil
}

// stillOwns reports whether the member has not yet given up all of the tasks; one that does not say has not.
func (b *streamsBeat) stillOwns(revoking tasks) bool {
	return b.req.ActiveTasks == nil || b.owns().intersects(revoking)
}

// advance takes the next step: first what is not in the target is given up, then what is free of the rest of the target is taken. An active task is free
// when nobody has it; a process may have a task in one role only.
func (b *streamsBeat) advance(epoch int32) streamsCurrent {
	had := b.current.assigned
	heldHere := func(id taskID, role taskRole) bool { return b.g.owners[ownedTask{id, role}][b.meta.ProcessID] > 0 }
	copyHere := func(id taskID) bool { return heldHere(id, standbyTask) || heldHere(id, warmupTask) }
	active := split(had.active, b.target.active, b.targetEpoch, func(id taskID) bool {
		return len(b.g.owners[ownedTask{id, activeTask}]) > 0 || copyHere(id)
	})
	passive := func(id taskID) bool { return heldHere(id, activeTask) || copyHere(id) }
	standby, warmup := split(had.standby, b.target.standby, 0, passive), split(had.warmup, b.target.warmup, 0, passive)

	next := streamsCurrent{epoch: b.targetEpoch, previous: b.current.epoch, assigned: tasks{active.kept, standby.kept, warmup.kept}}
	revoking := tasks{active.revoked, standby.revoked, warmup.revoked}
	if !revoking.isEmpty() && b.stillOwns(revoking) {
		next.epoch, next.state, next.revoking = epoch, memberUnrevoked, revoking
		return next
	}
	for _, s := range []*taskSplit{&active, &standby, &warmup} {
		maps.Copy(s.kept, s.free)
	}
	if active.unreleased || standby.unreleased || warmup.unreleased {
		next.state = memberUnreleased
	}
	return next
}

// taskSplit is what of a target a member has, must give up, and can take.
type taskSplit struct {
	kept, revoked, free taskSet
	unreleased          bool // there is more that it cannot take yet
}

func split(had, target taskSet, epoch int32, taken func(taskID) bool) taskSplit {
	s := taskSplit{kept: taskSet{}, revoked: taskSet{}, free: taskSet{}}
	for id, given := range had {
		if target.has(id) {
			s.kept[id] = given
		} else {
			s.revoked[id] = given
		}
	}
	for id := range target {
		switch {
		case had.has(id):
		case taken(id):
			s.unreleased = true
		default:
			s.free[id] = epoch
		}
	}
	return s
}
