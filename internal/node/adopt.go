package node

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/metadata"
)

// adopting says whether the log directories are to tell the metadata what topics there are: it knows none, and they were written by Kafka with
// ZooKeeper (to 3.9), where the metadata was not among them and 2.8 wrote no partition.metadata, or the metadata log was lost. Else what they hold
// of unknown topics is of no use: a topic's deletion that a power cut has half undone.
func (n *Node) adopting() bool {
	if n.metadata.Store().Image().NumTopics() > 0 {
		return false
	}
	if n.metadata.Fresh() {
		return true
	}
	for _, l := range n.logs.All() {
		if l.TopicID() == [16]byte{} {
			return true
		}
	}
	return false
}

// setStraysAside renames the directories of partitions that the metadata does not know, as Kafka does. Otherwise they would be kept as partitions,
// and what they hold would expire by the defaults; so it is there until somebody has looked at it.
func (n *Node) setStraysAside() error {
	if n.adopting() {
		return nil
	}
	image := n.metadata.Store().Image()
	for tp, l := range n.logs.All() {
		if int(tp.Partition) < partitionsOf(image, tp.Topic) || l.Failure() != nil { // a directory that has failed is left alone
			continue
		}
		n.log.Warn("the cluster metadata does not know this partition: its directory is set aside as a stray", append(tp.Fields(), zap.String("dir", l.Dir()))...)
		if err := n.logs.MarkStray(tp); err != nil {
			return err
		}
	}
	return nil
}

// adoptTopics makes the topics whose partitions lie in the log directories known to metadata that has none. Names and partitions are those of the
// directories, ids those of partition.metadata, else new ones.
//
// Configurations are not known. So that nothing is deleted for want of them, an adopted topic is kept without limit until somebody sets one.
func (n *Node) adoptTopics(ctx context.Context) error {
	if !n.adopting() {
		return nil
	}
	found := map[string]*metadata.AdoptedTopic{}
	partition := func(topic string, id int32) *metadata.AdoptedPartition {
		t := found[topic]
		if t == nil {
			t = &metadata.AdoptedTopic{Name: topic, Configs: n.adoptedConfigs(topic)}
			found[topic] = t
		}
		for int(id) >= len(t.Partitions) {
			t.Partitions = append(t.Partitions, metadata.AdoptedPartition{})
		}
		return &t.Partitions[id]
	}
	here := 0
	highestProducerID := int64(-1)
	for tp, l := range n.logs.All() {
		p := partition(tp.Topic, tp.Partition)
		p.LeaderEpoch, p.Directory = l.LeaderEpoch()+1, n.logs.DirectoryID(path.Dir(l.Dir()))
		if id := l.TopicID(); id != [16]byte{} {
			found[tp.Topic].ID = id
		}
		for _, producer := range l.Producers() {
			highestProducerID = max(highestProducerID, producer.ProducerID)
		}
		here++
	}
	for tp := range n.logs.Damaged() {
		partition(tp.Topic, tp.Partition)
		here++
	}
	if len(found) == 0 {
		return nil
	}
	topics := make([]metadata.AdoptedTopic, 0, len(found))
	total := 0
	for _, name := range slices.Sorted(maps.Keys(found)) {
		topics = append(topics, *found[name])
		total += len(found[name].Partitions)
	}
	if err := n.metadata.Controller().AdoptTopics(ctx, topics, freshProducerID(highestProducerID)); err != nil {
		return err
	}
	n.log.Warn("the log directories hold topics that the cluster metadata does not know, as those of Kafka with ZooKeeper do: they were entered into it. "+
		"Their configurations are not known: retention.ms and retention.bytes are set to -1, so that nothing is deleted; set what they shall have",
		zap.Int("topics", len(topics)), zap.Int("partitions", here), zap.Int("partitions_not_here", total-here))
	return nil
}

// freshProducerID returns a producer id above all that the cluster has given away, of which highest is the highest that left a trace in the logs
// (-1: none did). Brokers take ids in blocks of 1000, and producers may have been silent: a million ids more are a distance that costs nothing.
func freshProducerID(highest int64) int64 {
	const distance = 1_000_000
	return (highest/1000+1)*1000 + distance
}

// adoptedConfigs are the configurations of an adopted topic: for the internal topics those that Kafka gives them.
func (n *Node) adoptedConfigs(topic string) map[string]string {
	compacted := func(compression, segmentBytes string) map[string]string {
		return map[string]string{"cleanup.policy": "compact", "compression.type": compression, "segment.bytes": fmt.Sprint(n.Config().Int(segmentBytes))}
	}
	switch topic {
	case offsetsTopic:
		return compacted("producer", "offsets.topic.segment.bytes")
	case "__transaction_state":
		return compacted("uncompressed", "transaction.state.log.segment.bytes")
	case shareTopic:
		return map[string]string{
			"cleanup.policy": "delete", "compression.type": "producer", "retention.ms": "-1",
			"segment.bytes": fmt.Sprint(n.Config().Int("share.coordinator.state.topic.segment.bytes")),
		}
	}
	return map[string]string{"retention.ms": "-1", "retention.bytes": "-1"}
}
