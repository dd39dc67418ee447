package tools

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// anyLogDir in a plan leaves the choice of the log directory to the broker.
const anyLogDir = "any"

// topicReplica names a replica.
type topicReplica struct {
	topicPartition
	broker int32
}

// String is how Java shows it: "topic-0-1".
func (r topicReplica) String() string { return fmt.Sprintf("%s-%d", r.topicPartition, r.broker) }

func (r topicReplica) compare(other topicReplica) int {
	if r.broker != other.broker {
		return int(r.broker - other.broker)
	}
	return r.topicPartition.compare(other.topicPartition)
}

// plan is what a file of --reassignment-json-file asks for.
type plan struct {
	partitions []plannedPartition
	dirs       map[topicReplica]string // of replicas that are not to be just anywhere
}

type plannedPartition struct {
	topicPartition
	replicas []int32
}

// replicas are those of the partitions.
func (p plan) replicas() map[topicPartition][]int32 {
	all := map[topicPartition][]int32{}
	for _, x := range p.partitions {
		all[x.topicPartition] = x.replicas
	}
	return all
}

// topics are those of the partitions, sorted.
func (p plan) topics() []string {
	var names []string
	for _, x := range p.partitions {
		names = append(names, x.topic)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// parseReassignment reads a plan.
func parseReassignment(text []byte) (plan, error) {
	var data struct {
		Version    *int `json:"version"`
		Partitions []struct {
			Topic     string    `json:"topic"`
			Partition *int32    `json:"partition"`
			Replicas  []int32   `json:"replicas"`
			LogDirs   *[]string `json:"log_dirs"`
		} `json:"partitions"`
	}
	if err := json.Unmarshal(text, &data); err != nil {
		return plan{}, fmt.Errorf("the reassignment is not valid JSON of its kind: %w", err)
	}
	if data.Version != nil && *data.Version != 1 {
		return plan{}, fmt.Errorf("Not supported version field value %d", *data.Version) //nolint:staticcheck // Kafka's words
	}
	p := plan{dirs: map[topicReplica]string{}}
	for _, d := range data.Partitions {
		if d.Topic == "" || d.Partition == nil {
			return plan{}, errors.New("each partition of the reassignment needs \"topic\", \"partition\" and \"replicas\"")
		}
		tp := topicPartition{d.Topic, *d.Partition}
		p.partitions = append(p.partitions, plannedPartition{tp, d.Replicas})
		if d.LogDirs == nil {
			continue
		}
		if len(*d.LogDirs) != len(d.Replicas) {
			return plan{}, fmt.Errorf("Size of replicas list [%s] is different from size of log dirs list [%s] for partition %s", //nolint:staticcheck // Kafka's words
				joinNumbers(d.Replicas, ", "), strings.Join(*d.LogDirs, ", "), tp)
		}
		for i, dir := range *d.LogDirs {
			if dir != anyLogDir {
				p.dirs[topicReplica{tp, d.Replicas[i]}] = dir
			}
		}
	}
	return p, nil
}

// check refuses plans that cannot be meant.
func (p plan) check() error {
	if len(p.partitions) == 0 {
		return errors.New("Partition reassignment list cannot be empty") //nolint:staticcheck // Kafka's words
	}
	seen := map[topicPartition]bool{}
	var twice, lists []string
	for _, x := range p.partitions {
		if len(x.replicas) == 0 {
			return errors.New("Partition replica list cannot be empty") //nolint:staticcheck // Kafka's words
		}
		if seen[x.topicPartition] {
			twice = append(twice, x.topicPartition.String())
		}
		seen[x.topicPartition] = true
		var again []int32
		for i, r := range x.replicas {
			if slices.Contains(x.replicas[:i], r) && !slices.Contains(again, r) {
				again = append(again, r)
			}
		}
		if len(again) > 0 {
			lists = append(lists, fmt.Sprintf("%s contains multiple entries for %s", x.topicPartition, joinNumbers(again, ",")))
		}
	}
	if len(twice) > 0 {
		return errors.New("Partition reassignment contains duplicate topic partitions: " + strings.Join(twice, ",")) //nolint:staticcheck // Kafka's words
	}
	if len(lists) > 0 {
		return errors.New("Partition replica lists may not contain duplicate entries: " + strings.Join(lists, ". ")) //nolint:staticcheck // Kafka's words
	}
	return nil
}

// parseTopicsToMove reads the file of --topics-to-move-json-file.
func parseTopicsToMove(text []byte) ([]string, error) {
	var data struct {
		Version *int `json:"version"`
		Topics  []struct {
			Topic string `json:"topic"`
		} `json:"topics"`
	}
	if err := json.Unmarshal(text, &data); err != nil {
		return nil, fmt.Errorf("the list of topics is not valid JSON of its kind: %w", err)
	}
	if data.Version != nil && *data.Version != 1 {
		return nil, fmt.Errorf("Not supported version field value %d", *data.Version) //nolint:staticcheck // Kafka's words
	}
	var names []string
	for _, t := range data.Topics {
		names = append(names, t.Topic)
	}
	return names, nil
}

// reassignmentJSON is a plan as --reassignment-json-file reads it.
func reassignmentJSON(replicas map[topicPartition][]int32, dirs map[topicReplica]string) string {
	type partition struct {
		Topic     string   `json:"topic"`
		Partition int32    `json:"partition"`
		Replicas  []int32  `json:"replicas"`
		LogDirs   []string `json:"log_dirs"`
	}
	data := struct {
		Version    int         `json:"version"`
		Partitions []partition `json:"partitions"`
	}{1, []partition{}}
	for _, tp := range sortedPartitions(replicas) {
		p := partition{tp.topic, tp.partition, replicas[tp], nil}
		for _, r := range replicas[tp] {
			dir, ok := dirs[topicReplica{tp, r}]
			if !ok {
				dir = anyLogDir
			}
			p.LogDirs = append(p.LogDirs, dir)
		}
		data.Partitions = append(data.Partitions, p)
	}
	text, err := json.Marshal(data)
	if err != nil {
		return err.Error() // strings and numbers always marshal
	}
	return string(text)
}

// spreadPartitions gives each topic's partitions as many replicas as its first one has, striped over the brokers so that leaders and followers are even, and
// replicas on different racks as far as there are racks. One topic begins where the one before ended.
func spreadPartitions(current map[topicPartition][]int32, brokers []rackedBroker) (map[topicPartition][]int32, error) {
	racked := 0
	for _, b := range brokers {
		if b.rack != "" {
			racked++
		}
	}
	if racked != 0 && racked != len(brokers) {
		return nil, errors.New("Not all brokers have rack information. Add --disable-rack-aware in command line to make replica assignment without rack information.") //nolint:staticcheck // Kafka's words
	}
	ring := alternateRacks(brokers)
	proposed := map[topicPartition][]int32{}
	next := 0
	partitions := sortedPartitions(current)
	for i, tp := range partitions {
		first := tp
		if i > 0 && partitions[i-1].topic == tp.topic {
			first = topicPartition{tp.topic, partitions[slices.IndexFunc(partitions, func(x topicPartition) bool { return x.topic == tp.topic })].partition}
		}
		factor := len(current[first])
		if factor > len(ring) {
			return nil, exception{kafkaErrors + "InvalidReplicationFactorException",
				fmt.Sprintf("The target replication factor of %d cannot be reached because only %d broker(s) are registered.", factor, len(ring))}
		}
		proposed[tp] = stripe(ring, next, factor)
		next++
	}
	return proposed, nil
}

// alternateRacks orders brokers so that neighbours are on different racks as far as that goes.
func alternateRacks(brokers []rackedBroker) []rackedBroker {
	byRack := map[string][]rackedBroker{}
	var racks []string
	for _, b := range brokers {
		if byRack[b.rack] == nil {
			racks = append(racks, b.rack)
		}
		byRack[b.rack] = append(byRack[b.rack], b)
	}
	slices.Sort(racks)
	var ring []rackedBroker
	for len(ring) < len(brokers) {
		for _, r := range racks {
			if left := byRack[r]; len(left) > 0 {
				ring, byRack[r] = append(ring, left[0]), left[1:]
			}
		}
	}
	return ring
}

// stripe picks the replicas of the n-th partition: its leader goes round the ring, its followers are one further apart with each round; a rack comes twice
// only when all have come.
func stripe(ring []rackedBroker, n, factor int) []int32 {
	size := len(ring)
	replicas := []int32{ring[n%size].id}
	used := map[string]int{ring[n%size].rack: 1}
	for round := 1; len(replicas) < factor; {
		before := len(replicas)
		for i := 0; i < size-1 && len(replicas) < factor; i++ {
			b := ring[(n+1+(n/size+i)%(size-1))%size]
			if !slices.Contains(replicas, b.id) && used[b.rack] < round {
				replicas = append(replicas, b.id)
				used[b.rack]++
			}
		}
		if len(replicas) == before {
			round++
		}
	}
	return replicas
}
