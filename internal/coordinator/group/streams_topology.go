package group

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// Status codes of a heartbeat's answer.
const (
	statusStaleTopology int8 = iota
	statusMissingSourceTopics
	statusIncorrectlyPartitionedTopics
	statusMissingInternalTopics
	statusShutdownApplication
	statusAssignmentDelayed
)

// configuredTopology is a topology together with the topics as they are: how many tasks each subtopology has, and which internal topics are missing.
type configuredTopology struct {
	hash int64 // of the topics
	// ready is set when there is nothing wrong. Otherwise status says what is, and tasks may not be assigned.
	ready  bool
	status int8
	detail string

	subtopologies map[string]*configuredSubtopology // nil when topics are missing or wrongly partitioned
	missing       []kmsg.CreateTopicsRequestTopic   // internal topics to create
}

type configuredSubtopology struct {
	tasks         int32 // as many as the largest of its input topics has partitions
	stateful      bool
	input         []string // source and repartition source topics
	partitionsOf  map[string]int32
	internalParts map[string]int32 // partitions of its repartition source and changelog topics
}

// topicProblem is what a topology cannot be run with.
type topicProblem struct {
	status int8
	detail string
}

func (p *topicProblem) Error() string { return p.detail }

// configureTopology compares a topology with the topics, as InternalTopicManager in Kafka.
//
// Errors wrap kerr.StreamsInvalidTopology: no topics could make the topology work.
func configureTopology(t *records.StreamsGroupTopologyValue, view topicView) (*configuredTopology, error) {
	c := &configuredTopology{hash: hashOfTopology(t, view)}
	p := &partitioning{topology: t, view: view, decided: map[string]int32{}}
	err := p.run(c)
	if problem, ok := err.(*topicProblem); ok {
		c.status, c.detail, c.subtopologies, c.missing = problem.status, problem.detail, nil, nil
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	if len(c.missing) > 0 {
		var names []string
		for _, m := range c.missing {
			names = append(names, m.Topic)
		}
		c.status, c.detail = statusMissingInternalTopics, "Internal topics are missing: "+summarized(names)
		return c, nil
	}
	c.ready = true
	return c, nil
}

// requiredTopics are all the topics that a topology reads or keeps its state in, sorted.
func requiredTopics(t *records.StreamsGroupTopologyValue) []string {
	all := map[string]bool{}
	for _, sub := range t.Subtopologies {
		for _, name := range sub.SourceTopics {
			all[name] = true
		}
		for _, info := range slices.Concat(sub.RepartitionSourceTopics, sub.StateChangelogTopics) {
			all[info.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// hashOfTopology is a digest of the topics that there are of those the topology needs. Kafka keeps another digest in the same place, and rebalances once
// when it finds ours.
func hashOfTopology(t *records.StreamsGroupTopologyValue, view topicView) int64 {
	h, found := fnv.New64a(), false
	for _, name := range requiredTopics(t) {
		id, ok := view.id(name)
		if !ok {
			continue
		}
		found = true
		h.Write([]byte(name))
		h.Write(id[:])
		h.Write([]byte(strconv.Itoa(view.partitions(name))))
	}
	if !found {
		return 0
	}
	return int64(h.Sum64())
}

// summarized names the first three topics.
func summarized(names []string) string {
	const limit = 3
	if len(names) <= limit {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d additional topics", strings.Join(names[:limit], ", "), len(names)-limit)
}

// partitioning decides how many partitions the internal topics of a topology are to have.
type partitioning struct {
	topology *records.StreamsGroupTopologyValue
	view     topicView
	decided  map[string]int32
}

// count returns the partitions of a topic that exists, else those decided for it; 0 when neither is known.
func (p *partitioning) count(topic string) int32 {
	if n := p.view.partitions(topic); n > 0 {
		return int32(n)
	}
	return p.decided[topic]
}

func (p *partitioning) run(c *configuredTopology) error {
	if err := p.missingSources(); err != nil {
		return err
	}
	if err := p.repartitionTopics(); err != nil {
		return err
	}
	for i := range p.topology.Subtopologies {
		if err := p.copartition(&p.topology.Subtopologies[i]); err != nil {
			return err
		}
	}
	c.subtopologies = map[string]*configuredSubtopology{}
	for i := range p.topology.Subtopologies {
		sub := &p.topology.Subtopologies[i]
		most := int32(0)
		cs := &configuredSubtopology{stateful: len(sub.StateChangelogTopics) > 0, partitionsOf: map[string]int32{}, internalParts: map[string]int32{}}
		for _, topic := range inputTopics(sub) {
			cs.partitionsOf[topic] = p.count(topic)
			most = max(most, p.count(topic))
		}
		if most == 0 {
			return refuse(kerr.StreamsInvalidTopology, "No source topics found for subtopology %s", sub.SubtopologyID)
		}
		for _, info := range sub.StateChangelogTopics {
			p.decided[info.Name] = most
			cs.internalParts[info.Name] = most
		}
		for _, info := range sub.RepartitionSourceTopics {
			cs.internalParts[info.Name] = p.decidedFor(info)
		}
		cs.tasks, cs.input = most, inputTopics(sub)
		c.subtopologies[sub.SubtopologyID] = cs
	}
	return p.missingInternal(c)
}

// decidedFor are the partitions of an internal topic: those that the application asks for, else those that follow from its input.
func (p *partitioning) decidedFor(info records.TopicInfo) int32 {
	if info.Partitions != 0 {
		return info.Partitions
	}
	return p.decided[info.Name]
}

// inputTopics are the topics that a subtopology reads, each once.
func inputTopics(sub *records.Subtopology) []string {
	names := slices.Clone(sub.SourceTopics)
	for _, info := range sub.RepartitionSourceTopics {
		names = append(names, info.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (p *partitioning) missingSources() error {
	missing := map[string]bool{}
	for _, sub := range p.topology.Subtopologies {
		for _, topic := range sub.SourceTopics {
			if p.view.partitions(topic) == 0 {
				missing[topic] = true
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &topicProblem{statusMissingSourceTopics, "Source topics " + summarized(slices.Sorted(maps.Keys(missing))) + " are missing."}
}

// repartitionTopics decides the partitions of repartition topics: those asked for, else as many as the largest input of the subtopologies that write
// them has. Chains of subtopologies are followed until nothing is left to decide.
func (p *partitioning) repartitionTopics() error {
	for _, sub := range p.topology.Subtopologies {
		for _, info := range sub.RepartitionSourceTopics {
			if info.Partitions != 0 {
				p.decided[info.Name] = info.Partitions
			}
		}
	}
	for again := true; again; {
		again = false
		progress := false
		for i := range p.topology.Subtopologies {
			sub := &p.topology.Subtopologies[i]
			for _, sink := range sub.RepartitionSinkTopics {
				if p.decided[sink] != 0 {
					continue
				}
				most := int32(0)
				for _, info := range sub.RepartitionSourceTopics {
					most = max(most, p.decided[info.Name])
				}
				for _, topic := range sub.SourceTopics {
					most = max(most, p.count(topic))
				}
				if most == 0 {
					again = true
					continue
				}
				p.decided[sink] = most
				progress = true
			}
		}
		if again && !progress {
			return refuse(kerr.StreamsInvalidTopology, "Failed to compute number of partitions for all repartition topics. There may be loops in the topology that cannot be resolved.")
		}
	}
	for _, sub := range p.topology.Subtopologies {
		for _, info := range sub.RepartitionSourceTopics {
			if p.decided[info.Name] == 0 {
				return refuse(kerr.StreamsInvalidTopology, "Failed to compute number of partitions for all repartition topics, because a repartition source topic is never used as a sink topic.")
			}
		}
	}
	return nil
}

// copartition makes the topics that are joined have the same number of partitions, where it can be chosen, and objects where it cannot. Repartition
// topics whose partitions the application has fixed decide only for their own group of topics; in Kafka those of other groups take part too, which
// refuses topologies that there is nothing wrong with.
func (p *partitioning) copartition(sub *records.Subtopology) error {
	for _, g := range sub.CopartitionGroups {
		repartition, fixed, others := map[string]int32{}, map[string]int32{}, map[string]int32{}
		for _, i := range g.RepartitionSourceTopics {
			info := sub.RepartitionSourceTopics[i]
			repartition[info.Name] = p.count(info.Name)
			if info.Partitions != 0 {
				fixed[info.Name] = p.count(info.Name)
			}
		}
		for _, i := range g.SourceTopics {
			if topic := sub.SourceTopics[i]; repartition[topic] == 0 {
				others[topic] = p.count(topic)
			}
		}
		n, same := int32(0), true
		switch {
		case len(others) > 0:
			n, same = agreed(others)
			fixed = others
		case len(fixed) > 0:
			n, same = agreed(fixed)
		default:
			for _, count := range repartition {
				n = max(n, count)
			}
		}
		if !same {
			return &topicProblem{statusIncorrectlyPartitionedTopics, "Following topics do not have the same number of partitions: [" + javaMap(fixed) + "]"}
		}
		for _, i := range g.RepartitionSourceTopics {
			info := sub.RepartitionSourceTopics[i]
			if count := p.count(info.Name); info.Partitions != 0 && count != n {
				return &topicProblem{statusIncorrectlyPartitionedTopics, fmt.Sprintf(
					"Number of partitions [%d] of repartition topic [%s] doesn't match number of partitions [%d] of the source topic.", count, info.Name, n)}
			}
			p.decided[info.Name] = n
		}
	}
	return nil
}

// agreed returns the number that all topics have, false when they differ.
func agreed(counts map[string]int32) (n int32, same bool) {
	for _, count := range counts {
		if n != 0 && count != n {
			return n, false
		}
		n = count
	}
	return n, true
}

// javaMap prints a map as java.util.TreeMap does.
func javaMap(m map[string]int32) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, fmt.Sprintf("%s=%d", k, m[k]))
	}
	return "{" + strings.Join(list, ", ") + "}"
}

// missingInternal lists the internal topics that do not exist; one that does must be partitioned as was decided.
func (p *partitioning) missingInternal(c *configuredTopology) error {
	wanted := map[string]kmsg.CreateTopicsRequestTopic{}
	for i := range p.topology.Subtopologies {
		sub := &p.topology.Subtopologies[i]
		for _, info := range slices.Concat(sub.RepartitionSourceTopics, sub.StateChangelogTopics) {
			wanted[info.Name] = creatable(info, c.subtopologies[sub.SubtopologyID].internalParts[info.Name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		want := wanted[name]
		switch n := int32(p.view.partitions(name)); n {
		case 0:
			c.missing = append(c.missing, want)
		case want.NumPartitions:
		default:
			return &topicProblem{statusIncorrectlyPartitionedTopics, fmt.Sprintf(
				"Existing topic %s has different number of partitions: expected %d, found %d", name, want.NumPartitions, n)}
		}
	}
	return nil
}

func creatable(info records.TopicInfo, partitions int32) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = info.Name, partitions, info.ReplicationFactor
	if t.ReplicationFactor == 0 {
		t.ReplicationFactor = -1
	}
	for _, kv := range info.TopicConfigs {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		value := kv.Value
		c.Name, c.Value = kv.Key, &value
		t.Configs = append(t.Configs, c)
	}
	return t
}
