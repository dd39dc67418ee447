package metadata

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/metadata/records"
)

// createTopics answers CreateTopics 0–7. Each topic succeeds or fails by itself. As in Kafka the answers come in the order of the request, but
// names that occur twice, and the metadata topic, come last (ControllerApis.createTopics).
func (s *step) createTopics(req *kmsg.CreateTopicsRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.CreateTopicsResponse](req)
	topics, duplicates := splitDuplicates(req.Topics, func(t kmsg.CreateTopicsRequestTopic) string { return t.Topic })
	prohibited := false
	topics = slices.DeleteFunc(topics, func(t kmsg.CreateTopicsRequestTopic) bool {
		prohibited = prohibited || t.Topic == metadataTopic
		return t.Topic == metadataTopic
	})

	overall := s.tooManyPartitions(topics)
	for i := range topics {
		var result kmsg.CreateTopicsResponseTopic
		err := overall
		if err == nil {
			result, err = s.createTopic(&topics[i], req.Version)
		}
		if err != nil {
			result = refusedTopic(topics[i].Topic, err)
		}
		resp.Topics = append(resp.Topics, result)
	}
	if err := s.tooMany(); err != nil {
		for i, t := range resp.Topics {
			resp.Topics[i] = refusedTopic(t.Topic, err)
		}
	}
	for _, name := range duplicates {
		resp.Topics = append(resp.Topics, refusedTopic(name, refuse(kerr.InvalidRequest, "Duplicate topic name.")))
	}
	if prohibited {
		resp.Topics = append(resp.Topics, refusedTopic(metadataTopic,
			refuse(kerr.InvalidRequest, "Creation of internal topic %s is prohibited.", metadataTopic)))
	}
	if req.ValidateOnly {
		s.records = nil
	}
	return resp, nil
}

// splitDuplicates returns the items whose name occurs once, in order, and the names that occur more than once.
func splitDuplicates[T any](items []T, name func(T) string) (once []T, duplicates []string) {
	seen := map[string]int{}
	for _, item := range items {
		n := name(item)
		if seen[n]++; seen[n] == 2 {
			duplicates = append(duplicates, n)
		}
	}
	for _, item := range items {
		if seen[name(item)] == 1 {
			once = append(once, item)
		}
	}
	return once, duplicates
}

func refusedTopic(name string, err error) kmsg.CreateTopicsResponseTopic {
	t := kmsg.NewCreateTopicsResponseTopic()
	t.Topic = name
	t.NumPartitions, t.ReplicationFactor = -1, -1
	t.ErrorCode, t.ErrorMessage = codeOf(err)
	return t
}

func (s *step) tooManyPartitions(topics []kmsg.CreateTopicsRequestTopic) error {
	total := 0
	for _, t := range topics {
		switch {
		case len(t.ReplicaAssignment) > 0:
			total += len(t.ReplicaAssignment)
		case t.NumPartitions == -1:
			total += s.config().Int("num.partitions")
		case t.NumPartitions > 0:
			total += int(t.NumPartitions)
		}
	}
	if total > maxRecordsPerOp {
		return refuse(kerr.PolicyViolation, "Excessively large number of partitions per request.")
	}
	return nil
}

func (s *step) createTopic(t *kmsg.CreateTopicsRequestTopic, version int16) (kmsg.CreateTopicsResponseTopic, error) {
	result := kmsg.NewCreateTopicsResponseTopic()
	if err := s.checkNewName(t.Topic); err != nil {
		return result, err
	}
	configs, err := creationConfigs(t)
	if err != nil {
		return result, err
	}
	partitions, err := s.newPartitions(t)
	if err != nil {
		return result, err
	}
	id, err := s.newTopicID()
	if err != nil {
		return result, err
	}
	s.add(records.V0(&records.TopicRecord{Name: t.Topic, TopicID: id}))
	s.addConfigs(Resource{ResourceTopic, t.Topic}, changesTo(nil, configs))
	for i := range partitions {
		s.add(partitions[i].record(s.img, id, int32(i)))
	}
	result.Topic, result.TopicID = t.Topic, id
	result.NumPartitions, result.ReplicationFactor = int32(len(partitions)), int16(len(partitions[0].Replicas))
	if version >= 5 {
		result.Configs = s.effectiveConfigs(configs)
	}
	return result, nil
}

func (s *step) checkNewName(name string) error {
	switch {
	case s.img.Topic(name) != nil:
		return refuse(kerr.TopicAlreadyExists, "Topic '%s' already exists.", name)
	default:
		if err := checkTopicName(name); err != nil {
			return err
		}
	}
	if key, ok := collisionKey(name); ok {
		if others, _ := s.img.collisions.get(key); len(others) > 0 {
			return refuse(kerr.InvalidTopicException, "Topic '%s' collides with existing topic: %s", name, others[0])
		}
	}
	return nil
}

func creationConfigs(t *kmsg.CreateTopicsRequestTopic) (map[string]string, error) {
	configs := make(map[string]string, len(t.Configs))
	var nulls []string
	for _, c := range t.Configs {
		if c.Value == nil {
			nulls = append(nulls, c.Name)
		} else {
			configs[c.Name] = *c.Value
		}
	}
	if len(nulls) > 0 {
		return nil, refuse(kerr.InvalidConfig, "Null value not supported for topic configs: %s", strings.Join(nulls, ","))
	}
	return configs, config.ValidateTopicConfigs(configs)
}

// newPartitions works out the partitions of a new topic, by the given assignment or by the placer.
func (s *step) newPartitions(t *kmsg.CreateTopicsRequestTopic) ([]Partition, error) {
	switch {
	case len(t.ReplicaAssignment) > 0:
		return s.assignedPartitions(t)
	case t.ReplicationFactor < -1 || t.ReplicationFactor == 0:
		return nil, refuse(kerr.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
	case t.NumPartitions < -1 || t.NumPartitions == 0:
		return nil, refuse(kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.")
	}
	count, factor := int(t.NumPartitions), int(t.ReplicationFactor)
	if count == -1 {
		count = s.config().Int("num.partitions")
	}
	if factor == -1 {
		factor = s.config().Int("default.replication.factor")
	}
	assignments, err := s.place(0, count, factor)
	if r := (*rejection)(nil); errors.As(err, &r) {
		return nil, refuse(r.err, "Unable to replicate the partition %d time(s): %s", factor, *r.message)
	}
	partitions := make([]Partition, count)
	for i, replicas := range assignments {
		isr := s.active(replicas)
		if len(isr) == 0 {
			return nil, refuse(kerr.InvalidReplicationFactor,
				"Unable to replicate the partition %d time(s): All brokers are currently fenced or in controlled shutdown.", factor)
		}
		partitions[i] = s.newPartition(replicas, isr)
	}
	return partitions, nil
}

func (s *step) assignedPartitions(t *kmsg.CreateTopicsRequestTopic) ([]Partition, error) {
	switch {
	case t.ReplicationFactor != -1:
		return nil, refuse(kerr.InvalidRequest, "A manual partition assignment was specified, but replication factor was not set to -1.")
	case t.NumPartitions != -1:
		return nil, refuse(kerr.InvalidRequest, "A manual partition assignment was specified, but numPartitions was not set to -1.")
	}
	given := map[int32]Partition{}
	factor := 0
	for _, a := range t.ReplicaAssignment {
		if _, twice := given[a.Partition]; twice {
			return nil, refuse(kerr.InvalidReplicaAssignment, "Found multiple manual partition assignments for partition %d", a.Partition)
		}
		if err := s.checkAssignment(a.Replicas, factor); err != nil {
			return nil, err
		}
		factor = len(a.Replicas)
		isr := s.active(a.Replicas)
		if len(isr) == 0 {
			return nil, refuse(kerr.InvalidReplicaAssignment,
				"All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", a.Partition)
		}
		given[a.Partition] = s.newPartition(a.Replicas, isr)
	}
	partitions := make([]Partition, len(given))
	for i := range partitions {
		p, ok := given[int32(i)]
		if !ok {
			return nil, refuse(kerr.InvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
		}
		partitions[i] = p
	}
	return partitions, nil
}

// checkAssignment refuses replicas that a partition cannot have; factor is the number that they must be, 0 for any.
func (s *step) checkAssignment(replicas []int32, factor int) error {
	if len(replicas) == 0 {
		return refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
	}
	sorted := slices.Sorted(slices.Values(replicas))
	for i, id := range sorted {
		if s.img.Broker(id) == nil {
			return refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment includes broker %d, but no such broker is registered.", id)
		}
		if i > 0 && sorted[i-1] == id {
			return refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment includes the broker %d more than once.", id)
		}
	}
	if factor > 0 && len(replicas) != factor {
		return refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment includes a partition with %d replica(s), but this is not "+
			"consistent with previous partitions, which have %d replica(s).", len(replicas), factor)
	}
	return nil
}

func (s *step) newPartition(replicas, isr []int32) Partition {
	return Partition{Replicas: replicas, ISR: isr, Directories: s.defaultDirs(replicas), Leader: isr[0]}
}

// newTopicID draws a random id (UUID version 4) that Kafka would draw too: not reserved, and not one that starts with '-' in base64, which
// command lines take for an option.
func (s *step) newTopicID() ([16]byte, error) {
	for {
		var id [16]byte
		if _, err := io.ReadFull(s.rand, id[:]); err != nil {
			return id, refuse(kerr.UnknownServerError, "no randomness for a topic id: %v", err)
		}
		id[6] = id[6]&0x0f | 0x40
		id[8] = id[8]&0x3f | 0x80
		if !reservedDir(id) && uuidString(id)[0] != '-' && s.img.TopicByID(id) == nil {
			return id, nil
		}
	}
}

// effectiveConfigs is what CreateTopics 5+ tells about the new topic's configurations (KIP-525).
func (s *step) effectiveConfigs(configs map[string]string) []kmsg.CreateTopicsResponseTopicConfig {
	described := s.config().DescribeTopic(configs, s.img.BrokerConfig(-1), s.img.BrokerConfig(s.nodeID))
	out := make([]kmsg.CreateTopicsResponseTopicConfig, len(described))
	for i, d := range described {
		source := d.Source
		if k, ok := config.LookupTopicKey(d.Name); ok && source == config.SourceDefault && slices.ContainsFunc(k.Synonyms, s.config().IsSet) {
			// Unlike DescribeConfigs the controller counts keys in hours and minutes as set by the file (KafkaConfigSchema).
			source = config.SourceStaticBroker
		}
		out[i] = kmsg.CreateTopicsResponseTopicConfig{Name: d.Name, Value: d.Value, ReadOnly: d.ReadOnly, Source: source, IsSensitive: d.Sensitive}
	}
	return out
}
