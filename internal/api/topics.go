package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/metadata"
)

// Internal topics (Topic.java).
const (
	groupMetadataTopic    = "__consumer_offsets"
	transactionStateTopic = "__transaction_state"
	shareGroupStateTopic  = "__share_group_state"
)

const maxTopicNameBytes = 249

// noTopicID is the id that stands for none.
var noTopicID [16]byte

func isInternal(topic string) bool {
	return topic == groupMetadataTopic || topic == transactionStateTopic || topic == shareGroupStateTopic
}

// checkTopicName returns nil for a name that a topic may have, else an error wrapping kerr.InvalidTopicException with
// Kafka's text (Topic.validate).
func checkTopicName(name string) error {
	var reason string
	switch {
	case name == "":
		reason = "the empty string is not allowed"
	case name == "." || name == "..":
		reason = fmt.Sprintf("'%s' is not allowed", name)
	case len(name) > maxTopicNameBytes:
		reason = fmt.Sprintf("the length of '%s' is longer than the max allowed length %d", name, maxTopicNameBytes)
	case !legalTopicChars(name):
		reason = fmt.Sprintf("'%s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name)
	default:
		return nil
	}
	return fmt.Errorf("Topic name is invalid: %s: %w", reason, kerr.InvalidTopicException) //nolint:staticcheck // Kafka's text, sent to clients
}

func legalTopicChars(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}

// partition returns this node's replica of a partition.
//
// Errors: kerr.UnknownTopicOrPartition when the cluster has no such partition, kerr.NotLeaderForPartition when another
// node (or, for a moment, nobody yet) has it, kerr.KafkaStorageError.
func (a *API) partition(topic string, partition int32) (*broker.Partition, error) {
	p, err := a.Broker.Partition(topic, partition)
	if err == nil || !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return p, err
	}
	if t := a.Metadata.Image().Topic(topic); t != nil && partition >= 0 && int(partition) < len(t.Partitions) {
		return nil, fmt.Errorf("%s-%d: %w", topic, partition, kerr.NotLeaderForPartition)
	}
	return nil, err
}

// hasPartition says whether the cluster has the partition.
func hasPartition(image *metadata.Image, topic string, partition int32) bool {
	t := image.Topic(topic)
	return t != nil && partition >= 0 && int(partition) < len(t.Partitions)
}

// currentLeader tells a client that came to the wrong node where to go (KIP-951): the leader and its epoch as the image
// has them, and its broker when it can be reached.
func (s *session) currentLeader(topic string, partition int32) (leader, epoch int32, at *metadata.Broker) {
	image := s.api.Metadata.Image()
	if !hasPartition(image, topic, partition) {
		return -1, -1, nil
	}
	p := &image.Topic(topic).Partitions[partition]
	b := image.Broker(p.Leader)
	if _, ok := s.aliveEndpoint(b); !ok {
		return p.Leader, p.LeaderEpoch, nil
	}
	return p.Leader, p.LeaderEpoch, b
}

// ensureTopics creates the topics that do not exist, with the broker's defaults or as an internal topic must be, and returns when they are ready to use.
// The result has an error for each topic that could not be created.
func (a *API) ensureTopics(ctx context.Context, names []string) (map[string]error, error) {
	select {
	case a.creating <- struct{}{}:
		defer func() { <-a.creating }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	failed := map[string]error{}
	cfg, image := a.Config(), a.Metadata.Image()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	req.TimeoutMillis = int32(cfg.Int("request.timeout.ms"))
	for _, name := range names {
		switch {
		case image.Topic(name) != nil:
		default:
			req.Topics = append(req.Topics, creatableTopic(cfg, name, aliveBrokers(image)))
		}
	}
	if len(req.Topics) == 0 {
		return failed, nil
	}
	resp, err := ask[*kmsg.CreateTopicsResponse](ctx, a.Controller, req)
	if err != nil {
		return nil, err
	}
	for _, t := range resp.Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		switch {
		case err == nil:
			a.Log.Info("topic created on demand", zap.String("topic", t.Topic), zap.Int32("partitions", t.NumPartitions))
		case errors.Is(err, kerr.TopicAlreadyExists):
		case t.ErrorMessage != nil:
			failed[t.Topic] = fmt.Errorf("%s: %w", *t.ErrorMessage, err)
		default:
			failed[t.Topic] = err
		}
	}
	return failed, nil
}

func aliveBrokers(image *metadata.Image) int {
	alive := 0
	for _, b := range image.Brokers() {
		if !b.Fenced {
			alive++
		}
	}
	return alive
}

// creatableTopic describes a topic that is created on demand, as AutoTopicCreationManager.scala does, but for one thing: internal topics get no
// more replicas than there are brokers alive. Kafka leaves them uncreated and every group waiting until as many have joined as its default of 3 asks
// for, which is the first thing that goes wrong with one broker and a configuration of one's own.
func creatableTopic(cfg *config.Config, name string, alive int) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic = name
	set := func(key, value string) {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = key, &value
		t.Configs = append(t.Configs, c)
	}
	internal := func(prefix string) {
		t.NumPartitions = int32(cfg.Int(prefix + "num.partitions"))
		t.ReplicationFactor = int16(max(1, min(cfg.Int(prefix+"replication.factor"), alive)))
		set("cleanup.policy", "compact")
		set("segment.bytes", strconv.Itoa(cfg.Int(prefix+"segment.bytes")))
	}
	switch name {
	case groupMetadataTopic:
		internal("offsets.topic.")
		set("compression.type", "producer") // records keep the codec of offsets.topic.compression.codec
	case transactionStateTopic:
		internal("transaction.state.log.")
		set("compression.type", "uncompressed")
		set("unclean.leader.election.enable", "false")
		set("min.insync.replicas", strconv.Itoa(min(cfg.Int("transaction.state.log.min.isr"), int(t.ReplicationFactor))))
	case shareGroupStateTopic:
		t.NumPartitions = int32(cfg.Int("share.coordinator.state.topic.num.partitions"))
		t.ReplicationFactor = int16(max(1, min(cfg.Int("share.coordinator.state.topic.replication.factor"), alive)))
		set("cleanup.policy", "delete") // the coordinator gives up what it needs no more
		set("segment.bytes", strconv.Itoa(cfg.Int("share.coordinator.state.topic.segment.bytes")))
		set("compression.type", "producer")
		set("retention.ms", "-1")
		set("min.insync.replicas", strconv.Itoa(min(cfg.Int("share.coordinator.state.topic.min.isr"), int(t.ReplicationFactor))))
	default:
		t.NumPartitions, t.ReplicationFactor = int32(cfg.Int("num.partitions")), int16(cfg.Int("default.replication.factor"))
	}
	return t
}
