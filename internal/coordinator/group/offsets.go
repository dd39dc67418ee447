package group

import (
	"maps"
	"slices"
	"strings"

	"github.com/gokafka/gokafka/internal/protocol"
)

// offsets are the committed offsets of a shard's groups, and those that wait in open transactions. All of it is durable state: the methods
// that change it are called while replaying only.
type offsets struct {
	byGroup map[string]topicOffsets
	pending map[int64]map[string]map[protocol.TopicPartition]committed // by producer id and group
	open    map[string]map[int64]struct{}                              // producers with pending offsets, by group
}

type topicOffsets map[string]map[int32]committed

func newOffsets() offsets {
	return offsets{
		byGroup: make(map[string]topicOffsets),
		pending: make(map[int64]map[string]map[protocol.TopicPartition]committed),
		open:    make(map[string]map[int64]struct{}),
	}
}

func (o *offsets) get(groupID, topic string, partition int32) (committed, bool) {
	c, ok := o.byGroup[groupID][topic][partition]
	return c, ok
}

// put stores an offset. The names may alias a record: they are cloned where they are new.
func (o *offsets) put(groupID, topic string, partition int32, c committed) {
	topics := o.byGroup[groupID]
	if topics == nil {
		topics = make(topicOffsets)
		o.byGroup[strings.Clone(groupID)] = topics
	}
	partitions := topics[topic]
	if partitions == nil {
		partitions = make(map[int32]committed)
		topics[strings.Clone(topic)] = partitions
	}
	partitions[partition] = c
}

// remove drops the offset, and what open transactions would commit for the partition.
func (o *offsets) remove(groupID, topic string, partition int32) {
	topics := o.byGroup[groupID]
	delete(topics[topic], partition)
	if len(topics[topic]) == 0 {
		delete(topics, topic)
	}
	if len(topics) == 0 {
		delete(o.byGroup, groupID)
	}
	tp := protocol.TopicPartition{Topic: topic, Partition: partition}
	for producerID := range o.open[groupID] {
		delete(o.pending[producerID][groupID], tp)
	}
}

// putPending sets an offset aside until the producer's transaction ends.
func (o *offsets) putPending(producerID int64, groupID, topic string, partition int32, c committed) {
	groups := o.pending[producerID]
	if groups == nil {
		groups = make(map[string]map[protocol.TopicPartition]committed)
		o.pending[producerID] = groups
	}
	if groups[groupID] == nil {
		groups[groupID] = make(map[protocol.TopicPartition]committed)
	}
	groups[groupID][protocol.TopicPartition{Topic: topic, Partition: partition}] = c
	if o.open[groupID] == nil {
		o.open[groupID] = make(map[int64]struct{})
	}
	o.open[groupID][producerID] = struct{}{}
}

// endTransaction applies or drops what the producer's transaction has set aside.
func (o *offsets) endTransaction(producerID int64, commit bool) {
	for groupID, tps := range o.pending[producerID] {
		delete(o.open[groupID], producerID)
		if len(o.open[groupID]) == 0 {
			delete(o.open, groupID)
		}
		if !commit {
			continue
		}
		for tp, c := range tps {
			// A commit outside of the transaction, later in the log, wins over the pending one.
			if now, ok := o.get(groupID, tp.Topic, tp.Partition); !ok || now.logOffset < c.logOffset {
				o.put(groupID, tp.Topic, tp.Partition, c)
			}
		}
	}
	delete(o.pending, producerID)
}

// count returns how many offsets the group has committed.
func (o *offsets) count(groupID string) (n int) {
	for _, partitions := range o.byGroup[groupID] {
		n += len(partitions)
	}
	return n
}

// isPending reports whether an open transaction has an offset for the partition.
func (o *offsets) isPending(groupID, topic string, partition int32) bool {
	tp := protocol.TopicPartition{Topic: topic, Partition: partition}
	for producerID := range o.open[groupID] {
		if _, ok := o.pending[producerID][groupID][tp]; ok {
			return true
		}
	}
	return false
}

// partitions returns all partitions for which the group has a committed or pending offset, in order.
func (o *offsets) partitions(groupID string) []protocol.TopicPartition {
	all := make(map[protocol.TopicPartition]struct{})
	for topic, partitions := range o.byGroup[groupID] {
		for partition := range partitions {
			all[protocol.TopicPartition{Topic: topic, Partition: partition}] = struct{}{}
		}
	}
	for producerID := range o.open[groupID] {
		for tp := range o.pending[producerID][groupID] {
			all[tp] = struct{}{}
		}
	}
	return slices.SortedFunc(maps.Keys(all), compareTopicPartitions)
}
