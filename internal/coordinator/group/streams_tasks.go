package group

import (
	"cmp"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// taskID is a task: a partition of the topics that a subtopology reads.
type taskID struct {
	subtopology string
	partition   int32
}

// taskSet is a set of tasks: for each the epoch in which its member was given it. Only active tasks of a member have one; elsewhere it is 0.
type taskSet map[taskID]int32

// tasks are what a member has, or is to have.
type tasks struct{ active, standby, warmup taskSet }

func (t tasks) isEmpty() bool { return len(t.active)+len(t.standby)+len(t.warmup) == 0 }

func (t tasks) equal(o tasks) bool {
	return maps.Equal(t.active, o.active) && maps.Equal(t.standby, o.standby) && maps.Equal(t.warmup, o.warmup)
}

// intersects reports whether there is a task that both have in the same role.
func (t tasks) intersects(o tasks) bool {
	return t.active.intersects(o.active) || t.standby.intersects(o.standby) || t.warmup.intersects(o.warmup)
}

// within reports whether o has all of the tasks.
func (t tasks) within(o tasks) bool {
	return t.active.within(o.active) && t.standby.within(o.standby) && t.warmup.within(o.warmup)
}

func (s taskSet) has(id taskID) bool { _, ok := s[id]; return ok }

func (s taskSet) within(o taskSet) bool {
	for id := range s {
		if !o.has(id) {
			return false
		}
	}
	return true
}

func (s taskSet) intersects(o taskSet) bool {
	for id := range s {
		if o.has(id) {
			return true
		}
	}
	return false
}

func compareTasks(a, b taskID) int {
	return cmp.Or(cmp.Compare(a.subtopology, b.subtopology), cmp.Compare(a.partition, b.partition))
}

func (s taskSet) sorted() []taskID { return slices.SortedFunc(maps.Keys(s), compareTasks) }

// bySubtopology calls fn for each subtopology, in order, with its partitions and their epochs.
func (s taskSet) bySubtopology(fn func(subtopology string, partitions, epochs []int32)) {
	ids := s.sorted()
	for len(ids) > 0 {
		n := 0
		var partitions, epochs []int32
		for n < len(ids) && ids[n].subtopology == ids[0].subtopology {
			partitions, epochs = append(partitions, ids[n].partition), append(epochs, s[ids[n]])
			n++
		}
		fn(ids[0].subtopology, partitions, epochs)
		ids = ids[n:]
	}
}

// wire are the tasks as responses have them.
func (s taskSet) wire() []kmsg.TaskIDs {
	list := []kmsg.TaskIDs{}
	s.bySubtopology(func(subtopology string, partitions, _ []int32) {
		list = append(list, kmsg.TaskIDs{SubtopologyID: subtopology, Partitions: partitions})
	})
	return list
}

// target are the tasks as a record of the target assignment has them.
func (s taskSet) target() []records.TaskIDs {
	list := []records.TaskIDs{}
	s.bySubtopology(func(subtopology string, partitions, _ []int32) {
		list = append(list, records.TaskIDs{SubtopologyID: subtopology, Partitions: partitions})
	})
	return list
}

// owned are the tasks as a record of a member's current assignment has them; only active ones with epochs.
func (s taskSet) owned(withEpochs bool) []records.OwnedTaskIDs {
	list := []records.OwnedTaskIDs{}
	s.bySubtopology(func(subtopology string, partitions, epochs []int32) {
		if !withEpochs {
			epochs = []int32{}
		}
		list = append(list, records.OwnedTaskIDs{SubtopologyID: subtopology, Partitions: partitions, AssignmentEpochs: epochs})
	})
	return list
}

func requestedTasks(list []kmsg.TaskIDs) taskSet {
	s := taskSet{}
	for _, t := range list {
		for _, p := range t.Partitions {
			s[taskID{t.SubtopologyID, p}] = 0
		}
	}
	return s
}

func targetTasks(list []records.TaskIDs) taskSet {
	s := taskSet{}
	for _, t := range list {
		for _, p := range t.Partitions {
			s[taskID{t.SubtopologyID, p}] = 0
		}
	}
	return s
}

// ownedTasks reads active tasks with their epochs; what Kafka wrote before it kept these counts as given in the member's epoch.
func ownedTasks(list []records.OwnedTaskIDs, epoch int32) taskSet {
	s := taskSet{}
	for _, t := range list {
		for i, p := range t.Partitions {
			given := epoch
			if len(t.AssignmentEpochs) == len(t.Partitions) {
				given = t.AssignmentEpochs[i]
			}
			s[taskID{t.SubtopologyID, p}] = given
		}
	}
	return s
}

// plainTasks reads standby and warm-up tasks, which have no epochs.
func plainTasks(list []records.OwnedTaskIDs) taskSet {
	s := taskSet{}
	for _, t := range list {
		for _, p := range t.Partitions {
			s[taskID{t.SubtopologyID, p}] = 0
		}
	}
	return s
}
