package group

import (
	"maps"
	"slices"
	"strings"
)

// uuid identifies a topic.
type uuid = [16]byte

// assignment is what a member of a consumer group has, or is to have: partitions by topic, in order and without repeats. It is never changed.
type assignment map[uuid][]int32

func (a assignment) has(id uuid, partition int32) bool {
	_, ok := slices.BinarySearch(a[id], partition)
	return ok
}

func (a assignment) len() (n int) {
	for _, ps := range a {
		n += len(ps)
	}
	return n
}

func (a assignment) equal(b assignment) bool { return maps.EqualFunc(a, b, slices.Equal) }

// within reports whether all of a is in b.
func (a assignment) within(b assignment) bool {
	for id, ps := range a {
		for _, p := range ps {
			if !b.has(id, p) {
				return false
			}
		}
	}
	return true
}

// topics returns the topics in a fixed order.
func (a assignment) topics() []uuid {
	return slices.SortedFunc(maps.Keys(a), func(x, y uuid) int { return slices.Compare(x[:], y[:]) })
}

// assignorMember is a member as an assignor sees it.
type assignorMember struct {
	id         string
	instanceID string // "": dynamic
	topics     []subscribed
	owned      assignment // of the last target
}

// subscribed is a topic that exists and that members want.
type subscribed struct {
	name       string
	id         uuid
	partitions int32
}

// assignors are the server-side assignors by name; the first in group.consumer.assignors is the default.
var assignors = map[string]func([]assignorMember) map[string]assignment{
	"uniform": assignUniform,
	"range":   assignRange,
}

// assignRange gives each member of a topic a range of its partitions, topic by topic: members in the order of their instance ids or ids, the first ones
// one more where it does not come out even. Topics with as many partitions are so assigned alike.
func assignRange(members []assignorMember) map[string]assignment {
	byName := slices.Clone(members)
	slices.SortFunc(byName, func(a, b assignorMember) int {
		switch {
		case a.instanceID != "" && b.instanceID != "":
			return strings.Compare(a.instanceID, b.instanceID)
		case a.instanceID != "":
			return -1
		case b.instanceID != "":
			return 1
		}
		return strings.Compare(a.id, b.id)
	})
	all := map[string]assignment{}
	wanted := map[uuid][]string{}
	size := map[uuid]int32{}
	for _, m := range byName {
		all[m.id] = assignment{}
		for _, t := range m.topics {
			wanted[t.id] = append(wanted[t.id], m.id)
			size[t.id] = t.partitions
		}
	}
	for id, by := range wanted {
		n := int32(len(by))
		each, more, next := size[id]/n, size[id]%n, int32(0)
		for i, member := range by {
			count := each
			if int32(i) < more {
				count++
			}
			if count == 0 {
				continue
			}
			ps := make([]int32, count)
			for k := range ps {
				ps[k] = next
				next++
			}
			all[member][id] = ps
		}
	}
	return all
}

// assignUniform balances the partitions of all topics over the members: no two members that could exchange a partition differ by more than one, and
// members keep what they have as far as that allows.
func assignUniform(members []assignorMember) map[string]assignment {
	u := &uniform{load: map[string]int{}, wants: map[string]map[uuid]bool{}, got: map[string]map[uuid]map[int32]bool{}}
	size := map[uuid]int32{}
	for _, m := range members {
		u.order = append(u.order, m.id)
		u.wants[m.id], u.got[m.id] = map[uuid]bool{}, map[uuid]map[int32]bool{}
		for _, t := range m.topics {
			u.wants[m.id][t.id] = true
			size[t.id] = t.partitions
		}
	}
	slices.Sort(u.order)
	owned := map[string]assignment{}
	for _, m := range members {
		owned[m.id] = m.owned
	}
	taken := map[uuid]map[int32]bool{}
	for _, id := range u.order {
		for _, topic := range owned[id].topics() {
			for _, p := range owned[id][topic] {
				if !u.wants[id][topic] || p >= size[topic] || taken[topic][p] {
					continue
				}
				u.give(id, topic, p)
				if taken[topic] == nil {
					taken[topic] = map[int32]bool{}
				}
				taken[topic][p] = true
			}
		}
	}
	topics := slices.SortedFunc(maps.Keys(size), func(x, y uuid) int { return slices.Compare(x[:], y[:]) })
	for _, topic := range topics {
		for p := range size[topic] {
			if !taken[topic][p] {
				u.give(u.least(topic), topic, p)
			}
		}
	}
	u.balance(topics)
	return u.result()
}

// uniform is the work of assignUniform.
type uniform struct {
	order []string // member ids
	load  map[string]int
	wants map[string]map[uuid]bool
	got   map[string]map[uuid]map[int32]bool
}

func (u *uniform) give(member string, topic uuid, p int32) {
	if u.got[member][topic] == nil {
		u.got[member][topic] = map[int32]bool{}
	}
	u.got[member][topic][p] = true
	u.load[member]++
}

func (u *uniform) take(member string, topic uuid, p int32) {
	delete(u.got[member][topic], p)
	u.load[member]--
}

// least returns the member with the fewest partitions of those who want the topic.
func (u *uniform) least(topic uuid) string {
	best := ""
	for _, id := range u.order {
		if u.wants[id][topic] && (best == "" || u.load[id] < u.load[best]) {
			best = id
		}
	}
	return best
}

// balance moves partitions from members that have more to members that have at least two less and want the topic, until there are none. Each move makes
// the sum of the squares of the loads smaller, so that it ends.
func (u *uniform) balance(topics []uuid) {
	for moved := true; moved; {
		moved = false
		for _, topic := range topics {
			for _, from := range u.order {
				ps := u.got[from][topic]
				if len(ps) == 0 {
					continue
				}
				for _, p := range slices.Backward(slices.Sorted(maps.Keys(ps))) {
					to := u.least(topic)
					if u.load[from]-u.load[to] < 2 {
						break
					}
					u.take(from, topic, p)
					u.give(to, topic, p)
					moved = true
				}
			}
		}
	}
}

func (u *uniform) result() map[string]assignment {
	all := make(map[string]assignment, len(u.order))
	for _, id := range u.order {
		a := assignment{}
		for topic, ps := range u.got[id] {
			if len(ps) > 0 {
				a[topic] = slices.Sorted(maps.Keys(ps))
			}
		}
		all[id] = a
	}
	return all
}
