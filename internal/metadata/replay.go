package metadata

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gokafka/gokafka/internal/metadata/records"
)

// errReplay is what every error of replaying wraps: the log contradicts itself.
var errReplay = errors.New("inconsistent metadata log")

// replayer makes the next Image out of one and the records that follow it. What it has copied once it changes in place, so that a topic of many
// partitions costs its size, not its square. The trees are shared with the image it began with.
type replayer struct {
	img     Image
	topics  map[string]*openTopic
	configs map[Resource]map[string]string

	inTransaction bool
	transaction   []records.Record // held until EndTransaction (KIP-868)
}

// openTopic is a topic that is being changed.
type openTopic struct {
	Topic
	// ahead holds partitions that came before one with a lower id: Kafka writes those of one topic in the order of a hash map.
	ahead map[int32]Partition
}

func newReplayer(from *Image) *replayer {
	return &replayer{img: *from, topics: map[string]*openTopic{}, configs: map[Resource]map[string]string{}}
}

// apply replays one record. Errors wrap errReplay; the replayer is of no use after one.
func (p *replayer) apply(r records.Record) error {
	switch r := r.(type) {
	case *records.BeginTransactionRecord:
		if p.inTransaction {
			return fmt.Errorf("a transaction begins inside another: %w", errReplay)
		}
		p.inTransaction = true
		return nil
	case *records.EndTransactionRecord, *records.AbortTransactionRecord:
		if !p.inTransaction {
			return fmt.Errorf("a transaction ends that has not begun: %w", errReplay)
		}
		held := p.transaction
		p.inTransaction, p.transaction = false, nil
		if _, aborted := r.(*records.AbortTransactionRecord); aborted {
			return nil
		}
		for _, r := range held {
			if err := p.applyNow(r); err != nil {
				return err
			}
		}
		return nil
	}
	if p.inTransaction {
		p.transaction = append(p.transaction, r)
		return nil
	}
	return p.applyNow(r)
}

func (p *replayer) applyNow(r records.Record) error {
	if p.img.security.apply(r) {
		return nil
	}
	switch r := r.(type) {
	case *records.TopicRecord:
		return p.topic(r)
	case *records.PartitionRecord:
		return p.partition(r)
	case *records.PartitionChangeRecord:
		return p.partitionChange(r)
	case *records.RemoveTopicRecord:
		return p.removeTopic(r)
	case *records.ClearELRRecord:
		return p.clearELR(r)
	case *records.ConfigRecord:
		p.config(r)
	case *records.FeatureLevelRecord:
		if r.FeatureLevel == 0 {
			p.img.features = p.img.features.remove(r.Name)
		} else {
			p.img.features = p.img.features.put(r.Name, r.FeatureLevel)
		}
	case *records.ProducerIDsRecord:
		if next := p.img.NextProducerID(); r.NextProducerID < next {
			return fmt.Errorf("next producer id %d after %d: %w", r.NextProducerID, next, errReplay)
		}
		p.img.producerIDs = r
	case *records.RegisterControllerRecord:
		p.img.controllers = p.img.controllers.put(r.ControllerID, &ControllerRegistration{
			ID: r.ControllerID, IncarnationID: r.IncarnationID, ZkMigrationReady: r.ZkMigrationReady,
			Endpoints: endpointsOf(r.EndPoints), Features: featuresOf(r.Features),
		})
	case *records.NoOpRecord:
	default:
		return p.broker(r)
	}
	return nil
}

// image returns the image after all records so far, the last of which is at offset. The replayer may go on.
func (p *replayer) image(offset int64, epoch int32, timestampMs int64) (*Image, error) {
	for _, name := range sortedKeys(p.topics) {
		t := p.topics[name]
		if len(t.ahead) > 0 {
			return nil, fmt.Errorf("topic %s has partition %d but not %d: %w", name, sortedKeys(t.ahead)[0], len(t.Partitions), errReplay)
		}
		topic := t.Topic
		p.img.topics = p.img.topics.put(name, &topic)
		p.img.topicsByID = p.img.topicsByID.put(topic.ID, &topic)
	}
	for res, values := range p.configs {
		if len(values) == 0 {
			p.img.configs = p.img.configs.remove(res)
		} else {
			p.img.configs = p.img.configs.put(res, values)
		}
	}
	clear(p.topics)
	clear(p.configs)
	p.img.offset, p.img.epoch, p.img.timestampMs = offset, epoch, timestampMs
	img := p.img
	return &img, nil
}

func (p *replayer) topic(r *records.TopicRecord) error {
	if p.img.Topic(r.Name) != nil || p.topics[r.Name] != nil {
		return fmt.Errorf("topic %s is created twice: %w", r.Name, errReplay)
	}
	p.topics[r.Name] = &openTopic{Topic: Topic{Name: r.Name, ID: r.TopicID}}
	// The id must be found by the partition records that follow; image replaces this one.
	p.img.topicsByID = p.img.topicsByID.put(r.TopicID, &p.topics[r.Name].Topic)
	if key, ok := collisionKey(r.Name); ok {
		others, _ := p.img.collisions.get(key)
		p.img.collisions = p.img.collisions.put(key, append(slices.Clip(others), r.Name))
	}
	return nil
}

// open returns the topic of that id, ready to be changed.
func (p *replayer) open(id [16]byte) (*openTopic, error) {
	t := p.img.TopicByID(id)
	if t == nil {
		return nil, fmt.Errorf("no topic of id %s: %w", uuidString(id), errReplay)
	}
	if o := p.topics[t.Name]; o != nil {
		return o, nil
	}
	o := &openTopic{Topic: *t}
	o.Partitions = slices.Clone(t.Partitions)
	p.topics[t.Name] = o
	return o, nil
}

func (p *replayer) partition(r *records.PartitionRecord) error {
	t, err := p.open(r.TopicID)
	if err != nil {
		return err
	}
	part := Partition{
		Replicas: r.Replicas, ISR: r.ISR, ELR: nilIfEmpty(r.EligibleLeaderReplicas), LastKnownELR: nilIfEmpty(r.LastKnownELR),
		Adding: r.AddingReplicas, Removing: r.RemovingReplicas, Directories: r.Directories,
		Leader: r.Leader, LeaderEpoch: r.LeaderEpoch, PartitionEpoch: r.PartitionEpoch, Recovering: r.LeaderRecoveryState != 0,
	}
	if part.Directories == nil {
		part.Directories = make([][16]byte, len(part.Replicas)) // UNASSIGNED, of before KIP-858
	}
	switch {
	case len(part.Replicas) == 0 || len(part.Directories) != len(part.Replicas):
		return fmt.Errorf("partition %s-%d: replicas %v with %d directories: %w", t.Name, r.PartitionID, part.Replicas, len(part.Directories), errReplay)
	case r.PartitionID < 0:
		return fmt.Errorf("partition %s-%d: %w", t.Name, r.PartitionID, errReplay)
	case int(r.PartitionID) < len(t.Partitions):
		t.Partitions[r.PartitionID] = part
	case int(r.PartitionID) > len(t.Partitions):
		if t.ahead == nil {
			t.ahead = map[int32]Partition{}
		}
		t.ahead[r.PartitionID] = part
	default:
		t.Partitions = append(t.Partitions, part)
		for len(t.ahead) > 0 {
			next, ok := t.ahead[int32(len(t.Partitions))]
			if !ok {
				break
			}
			delete(t.ahead, int32(len(t.Partitions)))
			t.Partitions = append(t.Partitions, next)
		}
	}
	return nil
}

func (p *replayer) partitionChange(r *records.PartitionChangeRecord) error {
	t, err := p.open(r.TopicID)
	if err != nil {
		return err
	}
	if r.PartitionID < 0 || int(r.PartitionID) >= len(t.Partitions) {
		return fmt.Errorf("change of partition %s-%d, which is not there: %w", t.Name, r.PartitionID, errReplay)
	}
	merged := t.Partitions[r.PartitionID].merge(r)
	if len(merged.Replicas) == 0 || len(merged.Directories) != len(merged.Replicas) {
		return fmt.Errorf("partition %s-%d: replicas %v with %d directories: %w", t.Name, r.PartitionID, merged.Replicas, len(merged.Directories), errReplay)
	}
	t.Partitions[r.PartitionID] = merged
	return nil
}

// merge returns p as the change makes it.
func (p Partition) merge(r *records.PartitionChangeRecord) Partition {
	set := func(field *[]int32, to []int32) {
		if to != nil {
			*field = nilIfEmpty(to)
		}
	}
	set(&p.Replicas, r.Replicas)
	set(&p.ISR, r.ISR)
	set(&p.Removing, r.RemovingReplicas)
	set(&p.Adding, r.AddingReplicas)
	set(&p.ELR, r.EligibleLeaderReplicas)
	set(&p.LastKnownELR, r.LastKnownELR)
	if r.Directories != nil {
		p.Directories = r.Directories
	}
	if r.Leader != noLeaderChange {
		p.Leader = r.Leader
		p.LeaderEpoch++
	}
	if r.LeaderRecoveryState != -1 {
		p.Recovering = r.LeaderRecoveryState != 0
	}
	p.PartitionEpoch++
	return p
}

func (p *replayer) removeTopic(r *records.RemoveTopicRecord) error {
	t := p.img.TopicByID(r.TopicID)
	if t == nil {
		return fmt.Errorf("no topic of id %s to remove: %w", uuidString(r.TopicID), errReplay)
	}
	res := Resource{ResourceTopic, t.Name}
	delete(p.topics, t.Name)
	delete(p.configs, res)
	p.img.topics = p.img.topics.remove(t.Name)
	p.img.topicsByID = p.img.topicsByID.remove(r.TopicID)
	p.img.configs = p.img.configs.remove(res)
	if key, ok := collisionKey(t.Name); ok {
		others, _ := p.img.collisions.get(key)
		if others = slices.DeleteFunc(slices.Clone(others), func(n string) bool { return n == t.Name }); len(others) == 0 {
			p.img.collisions = p.img.collisions.remove(key)
		} else {
			p.img.collisions = p.img.collisions.put(key, others)
		}
	}
	return nil
}

// clearELR forgets the eligible leader replicas of one topic, or of all.
func (p *replayer) clearELR(r *records.ClearELRRecord) error {
	names := map[string]bool{}
	if r.TopicName != "" {
		names[r.TopicName] = true
	} else {
		for t := range p.img.Topics() {
			names[t.Name] = true
		}
		for name := range p.topics {
			names[name] = true
		}
	}
	for name := range names {
		t := p.topics[name]
		if t == nil {
			known := p.img.Topic(name)
			if known == nil {
				return fmt.Errorf("no topic %s to clear the ELR of: %w", name, errReplay)
			}
			if !slices.ContainsFunc(known.Partitions, hasELR) {
				continue
			}
			var err error
			if t, err = p.open(known.ID); err != nil {
				return err
			}
		}
		for i := range t.Partitions {
			if hasELR(t.Partitions[i]) {
				change := records.PartitionChangeRecord{Leader: noLeaderChange, LeaderRecoveryState: -1, EligibleLeaderReplicas: []int32{}, LastKnownELR: []int32{}}
				t.Partitions[i] = t.Partitions[i].merge(&change)
			}
		}
	}
	return nil
}

func hasELR(p Partition) bool { return len(p.ELR) > 0 || len(p.LastKnownELR) > 0 }

func (p *replayer) config(r *records.ConfigRecord) {
	res := Resource{r.ResourceType, r.ResourceName}
	values, ok := p.configs[res]
	if !ok {
		if values = maps.Clone(p.img.ConfigsOf(res.Type, res.Name)); values == nil {
			values = map[string]string{}
		}
		p.configs[res] = values
	}
	if r.Value == nil {
		delete(values, r.Name)
	} else {
		values[r.Name] = *r.Value
	}
}

func nilIfEmpty[E any](s []E) []E {
	if len(s) == 0 {
		return nil
	}
	return s
}
