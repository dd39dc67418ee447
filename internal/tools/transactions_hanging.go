package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/argparse"
)

// activeProducer is a producer of a partition.
type activeProducer struct {
	kmsg.DescribeProducersResponseTopicPartitionActiveProducer
	at topicPartition
}

func isNotFound(err error) bool { return errors.Is(err, kerr.TransactionalIDNotFound) }

// producers asks for the producers of partitions: a broker, or each partition's leader when it is -1.
func (t *transactions) producers(ctx context.Context, broker int32, partitions []topicPartition) (all []activeProducer, err error) {
	byBroker := map[int32][]topicPartition{broker: partitions}
	if broker < 0 {
		if byBroker, err = t.leaders(ctx, partitions); err != nil {
			return nil, err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(byBroker)) {
		req := kmsg.NewPtrDescribeProducersRequest()
		topics, numbers := byTopic(byBroker[id])
		for _, name := range topics {
			topic := kmsg.NewDescribeProducersRequestTopic()
			topic.Topic, topic.Partitions = name, numbers[name]
			req.Topics = append(req.Topics, topic)
		}
		resp, err := req.RequestWith(ctx, t.cl.Broker(int(id)))
		if err != nil {
			return nil, err
		}
		for _, topic := range resp.Topics {
			for _, p := range topic.Partitions {
				if err := answered(p.ErrorCode, p.ErrorMessage); err != nil {
					return nil, err
				}
				for _, a := range p.ActiveProducers {
					all = append(all, activeProducer{a, topicPartition{topic.Topic, p.Partition}})
				}
			}
		}
	}
	return all, nil
}

// layout asks where partitions are. No topics are all topics.
func (t *transactions) layout(ctx context.Context, topics ...string) ([]kmsg.MetadataResponseTopic, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = &name
		req.Topics = append(req.Topics, topic)
	}
	resp, err := req.RequestWith(ctx, t.cl)
	if err != nil {
		return nil, err
	}
	for _, topic := range resp.Topics {
		if err := answered(topic.ErrorCode, nil); err != nil {
			return nil, err
		}
	}
	return resp.Topics, nil
}

// leaders tells which broker leads which partitions.
func (t *transactions) leaders(ctx context.Context, partitions []topicPartition) (map[int32][]topicPartition, error) {
	names, _ := byTopic(partitions)
	topics, err := t.layout(ctx, names...)
	if err != nil {
		return nil, err
	}
	leaders := map[topicPartition]int32{}
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			leaders[topicPartition{*topic.Topic, p.Partition}] = p.Leader
		}
	}
	byBroker := map[int32][]topicPartition{}
	for _, p := range partitions {
		leader, ok := leaders[p]
		if !ok {
			return nil, answered(kerr.UnknownTopicOrPartition.Code, nil)
		}
		if leader < 0 {
			return nil, answered(kerr.LeaderNotAvailable.Code, nil)
		}
		byBroker[leader] = append(byBroker[leader], p)
	}
	return byBroker, nil
}

func (t *transactions) describeProducers(ctx context.Context, ns *argparse.Namespace) error {
	at := topicPartition{ns.Value(t.producersTopic), ns.Int(t.producersPartition, 0)}
	broker, asked := ns.Int(t.producersBroker, -1), "leader"
	if broker >= 0 {
		asked = fmt.Sprintf("broker %d", broker)
	}
	all, err := t.producers(ctx, broker, []topicPartition{at})
	if err != nil {
		return because(err, "Failed to describe producers for partition %s on %s", at, asked)
	}
	var rows [][]string
	for _, p := range all {
		start := "None"
		if p.CurrentTxnStartOffset >= 0 {
			start = strconv.FormatInt(p.CurrentTxnStartOffset, 10)
		}
		rows = append(rows, []string{
			strconv.FormatInt(p.ProducerID, 10), strconv.Itoa(int(p.ProducerEpoch)), strconv.Itoa(int(p.CoordinatorEpoch)),
			strconv.Itoa(int(p.LastSequence)), strconv.FormatInt(p.LastTimestamp, 10), start,
		})
	}
	t.env.printTable([]string{"ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch", "LastSequence", "LastTimestamp", "CurrentTransactionStartOffset"}, rows)
	return nil
}

// abort writes the marker that ends a transaction which no coordinator knows any more.
//
//nolint:staticcheck // the errors have Kafka's words
func (t *transactions) abort(ctx context.Context, ns *argparse.Namespace) error {
	at := topicPartition{ns.Value(t.abortTopic), ns.Int(t.abortPartition, 0)}
	marker := kmsg.NewWriteTxnMarkersRequestMarker()
	if ns.Has(t.startOffset) {
		start := ns.Int64(t.startOffset, 0)
		all, err := t.producers(ctx, -1, []topicPartition{at})
		if err != nil {
			return because(err, "Failed to validate producer state for partition %s", at)
		}
		i := slices.IndexFunc(all, func(p activeProducer) bool { return p.CurrentTxnStartOffset == start })
		if i < 0 {
			return fmt.Errorf("Could not find any open transactions starting at offset %d on partition %s", start, at)
		}
		marker.ProducerID, marker.ProducerEpoch, marker.CoordinatorEpoch = all[i].ProducerID, int16(all[i].ProducerEpoch), all[i].CoordinatorEpoch
	} else {
		marker.ProducerID, marker.ProducerEpoch, marker.CoordinatorEpoch = ns.Int64(t.producerID, 0), int16(ns.Int(t.producerEpoch, 0)), ns.Int(t.coordinator, 0)
	}
	// A new producer's transaction has not met a coordinator yet: 0 is no newer than any.
	marker.CoordinatorEpoch = max(0, marker.CoordinatorEpoch)
	topic := kmsg.NewWriteTxnMarkersRequestMarkerTopic()
	topic.Topic, topic.Partitions = at.topic, []int32{at.partition}
	marker.Topics = append(marker.Topics, topic)
	what := fmt.Sprintf("Failed to abort transaction AbortTransactionSpec(topicPartition=%s, producerId=%d, producerEpoch=%d, coordinatorEpoch=%d)",
		at, marker.ProducerID, marker.ProducerEpoch, marker.CoordinatorEpoch)
	byBroker, err := t.leaders(ctx, []topicPartition{at})
	if err != nil {
		return because(err, "%s", what)
	}
	for leader := range byBroker {
		req := kmsg.NewPtrWriteTxnMarkersRequest()
		req.Markers = append(req.Markers, marker)
		resp, err := req.RequestWith(ctx, t.cl.Broker(int(leader)))
		if err != nil {
			return because(err, "%s", what)
		}
		for _, m := range resp.Markers {
			for _, topic := range m.Topics {
				for _, p := range topic.Partitions {
					if err := answered(p.ErrorCode, nil); err != nil {
						return because(err, "%s", what)
					}
				}
			}
		}
	}
	return nil
}

// searched are the partitions in which find-hanging looks.
func (t *transactions) searched(ctx context.Context, ns *argparse.Namespace) (partitions []topicPartition, err error) {
	if ns.Has(t.hangPartition) {
		return []topicPartition{{ns.Value(t.hangTopic), ns.Int(t.hangPartition, 0)}}, nil
	}
	var names []string
	if ns.Has(t.hangTopic) {
		names = append(names, ns.Value(t.hangTopic))
	}
	topics, err := t.layout(ctx, names...)
	if err != nil {
		return nil, because(err, "Failed to describe %d topics", max(1, len(names)))
	}
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			if !ns.Has(t.hangBroker) || slices.Contains(p.Replicas, ns.Int(t.hangBroker, 0)) {
				partitions = append(partitions, topicPartition{*topic.Topic, p.Partition})
			}
		}
	}
	return partitions, nil
}

// findHanging finds transactions that are open in a partition, though their coordinator knows nothing of it.
func (t *transactions) findHanging(ctx context.Context, ns *argparse.Namespace) error {
	partitions, err := t.searched(ctx, ns)
	if err != nil {
		return err
	}
	var candidates []activeProducer
	now := t.env.Now()
	oldest := time.Duration(ns.Int(t.hangTimeout, 15)) * time.Minute
	for some := range slices.Chunk(partitions, 500) {
		all, err := t.producers(ctx, ns.Int(t.hangBroker, -1), some)
		if err != nil {
			return because(err, "Failed to describe producers for %d partitions", len(some))
		}
		for _, p := range all {
			if p.CurrentTxnStartOffset >= 0 && now.Sub(time.UnixMilli(p.LastTimestamp)) > oldest {
				candidates = append(candidates, p)
			}
		}
	}
	hanging, err := t.hanging(ctx, candidates)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range hanging {
		rows = append(rows, []string{
			p.at.topic, strconv.Itoa(int(p.at.partition)), strconv.FormatInt(p.ProducerID, 10), strconv.Itoa(int(p.ProducerEpoch)),
			strconv.Itoa(int(p.CoordinatorEpoch)), strconv.FormatInt(p.CurrentTxnStartOffset, 10), strconv.FormatInt(p.LastTimestamp, 10),
			strconv.FormatInt(int64(now.Sub(time.UnixMilli(p.LastTimestamp))/time.Minute), 10),
		})
	}
	t.env.printTable([]string{"Topic", "Partition", "ProducerId", "ProducerEpoch", "CoordinatorEpoch", "StartOffset", "LastTimestamp", "Duration(min)"}, rows)
	return nil
}

// hanging are those of the candidates that no coordinator will end.
func (t *transactions) hanging(ctx context.Context, candidates []activeProducer) (hanging []activeProducer, err error) {
	if len(candidates) == 0 {
		return nil, nil
	}
	req := kmsg.NewPtrListTransactionsRequest()
	req.DurationFilterMillis = -1
	for _, c := range candidates {
		req.ProducerIDFilters = append(req.ProducerIDFilters, c.ProducerID)
	}
	slices.Sort(req.ProducerIDFilters)
	req.ProducerIDFilters = slices.Compact(req.ProducerIDFilters)
	listings, err := t.listed(ctx, req)
	if err != nil {
		return nil, because(err, "Failed to list transactions for %d producers", len(req.ProducerIDFilters))
	}
	ids := map[int64]string{}
	for _, l := range listings {
		ids[l.ProducerID] = l.TransactionalID
	}
	known := map[int64][]topicPartition{} // partitions whose markers the coordinator will write
	for producer, id := range ids {
		s, err := t.described(ctx, id)
		switch {
		case err == nil:
			known[producer] = s.partitions()
		case !isNotFound(err):
			return nil, because(err, "Failed to describe %d transactions", len(ids))
		}
	}
	for _, c := range candidates {
		if !slices.Contains(known[c.ProducerID], c.at) {
			hanging = append(hanging, c)
		}
	}
	slices.SortStableFunc(hanging, func(a, b activeProducer) int { return cmp.Compare(a.ProducerID, b.ProducerID) })
	return hanging, nil
}
