package group

import (
	"cmp"
	"maps"
	"slices"
)

// streamsSpec is a member as the task assignor sees it.
type streamsSpec struct {
	id, process string
	had         tasks // what it was to have until now
}

// assignTasks is the sticky assignor of Kafka: tasks stay with the member that had them, or that has their state as a standby, while no member gets more
// than its share; the rest goes to the process with the least load for its members. Members must be sorted by id, so that the result depends on nothing
// else.
func assignTasks(members []streamsSpec, t *configuredTopology, standbyReplicas int) map[string]tasks {
	a := newTaskAssigner(members, t, standbyReplicas)
	a.assignActive()
	if standbyReplicas > 0 {
		a.assignStandby(standbyReplicas)
	}
	result := make(map[string]tasks, len(members))
	for _, m := range members {
		result[m.id] = tasks{a.members[m.id].active, a.members[m.id].standby, taskSet{}}
	}
	return result
}

type taskAssigner struct {
	active, stateful []taskID
	members          map[string]*assigneeMember
	processes        []*assigneeProcess // by id
	activeHolder     map[taskID]*assigneeMember
	standbyHolders   map[taskID][]*assigneeMember

	activeQuota, totalQuota quota
}

// assigneeProcess is an instance of the application, whose members share a disk: it gets each task at most once.
type assigneeProcess struct {
	members []*assigneeMember // by id
	tasks   map[taskID]bool
}

func (p *assigneeProcess) load() float64 { return float64(len(p.tasks)) / float64(len(p.members)) }

type assigneeMember struct {
	process         *assigneeProcess
	active, standby taskSet
}

func (m *assigneeMember) count() int { return len(m.active) + len(m.standby) }

func (m *assigneeMember) give(id taskID, active bool) {
	m.process.tasks[id] = true
	if active {
		m.active[id] = 0
	} else {
		m.standby[id] = 0
	}
}

// quota is how many tasks a member may have. When a member is full, the rest is shared by the others.
type quota struct{ tasks, members, each int }

func newQuota(tasks, members int) quota {
	q := quota{tasks: tasks, members: members}
	if members > 0 {
		q.each = (tasks + members - 1) / members
	}
	return q
}

// given notes that a member now has so many tasks.
func (q *quota) given(count int) {
	if count == q.each {
		*q = newQuota(q.tasks-count, q.members-1)
	}
}

func newTaskAssigner(members []streamsSpec, t *configuredTopology, standbyReplicas int) *taskAssigner {
	a := &taskAssigner{members: map[string]*assigneeMember{}, activeHolder: map[taskID]*assigneeMember{}, standbyHolders: map[taskID][]*assigneeMember{}}
	for id, sub := range t.subtopologies {
		for p := range sub.tasks {
			a.active = append(a.active, taskID{id, p})
			if sub.stateful {
				a.stateful = append(a.stateful, taskID{id, p})
			}
		}
	}
	a.activeQuota = newQuota(len(a.active), len(members))
	a.totalQuota = newQuota(len(a.active)+len(a.stateful)*standbyReplicas, len(members))
	processes := map[string]*assigneeProcess{}
	for _, spec := range members {
		p := processes[spec.process]
		if p == nil {
			p = &assigneeProcess{tasks: map[taskID]bool{}}
			processes[spec.process] = p
		}
		m := &assigneeMember{process: p, active: taskSet{}, standby: taskSet{}}
		p.members = append(p.members, m)
		a.members[spec.id] = m
		for id := range spec.had.active {
			a.activeHolder[id] = m
		}
		for id := range spec.had.standby {
			a.standbyHolders[id] = append(a.standbyHolders[id], m)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(processes)) {
		a.processes = append(a.processes, processes[id])
	}
	return a
}

func byPartition(a, b taskID) int {
	return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.subtopology, b.subtopology))
}

func (a *taskAssigner) assignActive() {
	slices.SortFunc(a.active, byPartition)
	rest := a.active
	for _, holder := range []func(taskID) *assigneeMember{
		func(id taskID) *assigneeMember { return a.activeHolder[id] },
		func(id taskID) *assigneeMember { return leastLoaded(a.standbyHolders[id], nil) },
	} {
		var left []taskID
		for _, id := range rest {
			if m := holder(id); m != nil && m.count() < a.activeQuota.each {
				a.give(m, id, true)
			} else {
				left = append(left, id)
			}
		}
		rest = left
	}
	slices.SortFunc(rest, compareTasks)
	for _, id := range rest {
		a.give(emptiest(a.leastLoadedProcess(func(*assigneeProcess) bool { return true })), id, true)
	}
}

func (a *taskAssigner) assignStandby(replicas int) {
	slices.SortFunc(a.stateful, func(x, y taskID) int { return byPartition(y, x) })
	type waiting struct {
		id taskID
		n  int
	}
	var rest []waiting
	for _, id := range a.stateful {
		for i := range replicas {
			m := a.activeHolder[id]
			if m == nil || m.process.tasks[id] || m.count() >= a.totalQuota.each {
				m = leastLoaded(a.standbyHolders[id], &id)
				if m == nil || m.count() >= a.totalQuota.each {
					rest = append(rest, waiting{id, replicas - i})
					break
				}
			}
			a.give(m, id, false)
		}
	}
	slices.SortFunc(rest, func(x, y waiting) int { return compareTasks(y.id, x.id) })
	for _, w := range rest {
		for range w.n {
			p := a.leastLoadedProcess(func(p *assigneeProcess) bool { return !p.tasks[w.id] })
			if p == nil {
				break // fewer processes than replicas
			}
			a.give(emptiest(p), w.id, false)
		}
	}
}

func (a *taskAssigner) give(m *assigneeMember, id taskID, active bool) {
	m.give(id, active)
	if active {
		a.activeQuota.given(m.count())
	}
	a.totalQuota.given(m.count())
}

// leastLoaded returns the one of the members whose process has the least load, then the one with the fewest tasks. With a task, members of processes that
// have it already do not count.
func leastLoaded(members []*assigneeMember, without *taskID) *assigneeMember {
	var best *assigneeMember
	for _, m := range members {
		if without != nil && m.process.tasks[*without] {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(m.process.load(), best.process.load()), cmp.Compare(m.count(), best.count())) < 0 {
			best = m
		}
	}
	return best
}

func (a *taskAssigner) leastLoadedProcess(may func(*assigneeProcess) bool) *assigneeProcess {
	var best *assigneeProcess
	for _, p := range a.processes {
		if may(p) && (best == nil || p.load() < best.load()) {
			best = p
		}
	}
	return best
}

func emptiest(p *assigneeProcess) *assigneeMember {
	return slices.MinFunc(p.members, func(x, y *assigneeMember) int { return cmp.Compare(x.count(), y.count()) })
}
