package group

import (
	"maps"
	"math"
	"slices"
)

// Kafka's simple assignor of share groups: every partition has the same number of members, as few as give each member something, and nobody has much more
// than the others. What a member had it keeps, as far as that allows.

// sharePlace is a partition that a share group reads.
type sharePlace struct {
	topic     uuid
	partition int32
}

func placesOf(a assignment) []sharePlace {
	var list []sharePlace
	for _, topic := range a.topics() {
		for _, p := range a[topic] {
			list = append(list, sharePlace{topic, p})
		}
	}
	return list
}

// simpleAssignor assigns the partitions of wanted, by member, where owned is what members had. Members that want the same share all partitions evenly;
// where they differ each topic is shared evenly on its own.
func simpleAssignor(wanted, owned map[string]assignment) map[string]assignment {
	targets := map[string]assignment{}
	var first assignment
	alike := true
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		targets[id] = assignment{}
		if first == nil {
			first = wanted[id]
		}
		alike = alike && first.equal(wanted[id])
	}
	if alike {
		sharePlaces(slices.Sorted(maps.Keys(wanted)), placesOf(first), owned, targets)
		return targets
	}
	all := assignment{}
	by := map[uuid][]string{}
	for _, id := range slices.Sorted(maps.Keys(wanted)) {
		for topic, ps := range wanted[id] {
			all[topic], by[topic] = ps, append(by[topic], id)
		}
	}
	for _, topic := range all.topics() {
		sharePlaces(by[topic], placesOf(assignment{topic: all[topic]}), owned, targets)
	}
	return targets
}

// sharePlaces adds the places to what the members have in targets.
func sharePlaces(members []string, places []sharePlace, owned, targets map[string]assignment) {
	if len(members) == 0 || len(places) == 0 {
		return
	}
	sharing := (len(members) + len(places) - 1) / len(places) // members of each place
	each := float64(sharing*len(places)) / float64(len(members))
	has := make([][]sharePlace, len(members))
	readers := make(map[sharePlace]int, len(places))
	for i, id := range members {
		quota := shareQuota(each, i)
		for _, at := range places {
			// One place more than its share nobody keeps, and no place keeps a member too many.
			if len(has[i]) < quota && readers[at] < sharing && owned[id].has(at.topic, at.partition) {
				has[i] = append(has[i], at)
				readers[at]++
			}
		}
	}
	// Who is the worst off gets the place next that has the fewest members.
	for _, at := range places {
		for readers[at] < sharing {
			best := -1
			for i := range members {
				if len(has[i]) < shareQuota(each, i) && !slices.Contains(has[i], at) && (best < 0 || len(has[i]) < len(has[best])) {
					best = i
				}
			}
			if best < 0 {
				break
			}
			has[best] = append(has[best], at)
			readers[at]++
		}
	}
	for i, id := range members {
		for _, at := range has[i] {
			ps := targets[id][at.topic]
			pos, _ := slices.BinarySearch(ps, at.partition)
			targets[id][at.topic] = slices.Insert(slices.Clone(ps), pos, at.partition)
		}
	}
}

// shareQuota is how many places the member at index i is to have.
func shareQuota(each float64, i int) int {
	return int(math.Ceil(each*float64(i+1))) - int(math.Ceil(each*float64(i)))
}
