package metadata

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// apacheCase is one request whose answer by Apache Kafka 4.3.1 is recorded in testdata/apache-4.3.1.txt. The cases run in
// order, on a single node with id 1 and default settings: later ones see what earlier ones did.
type apacheCase struct {
	name string
	req  kmsg.Request
}

func ptr[T any](v T) *T { return &v }

func at[R kmsg.Request](version int16, r R) R {
	r.SetVersion(version)
	return r
}

type topicSpec struct {
	name       string
	partitions int32
	rf         int16
	assign     [][]int32 // nil: none; element i is for partition i unless ids is set
	ids        []int32
	configs    []string // "k=v", or "k" for null
}

func createTopics(version int16, validateOnly bool, specs ...topicSpec) *kmsg.CreateTopicsRequest {
	req := at(version, kmsg.NewPtrCreateTopicsRequest())
	req.TimeoutMillis, req.ValidateOnly = 10000, validateOnly
	for _, s := range specs {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = s.name, s.partitions, s.rf
		for i, replicas := range s.assign {
			a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			a.Partition, a.Replicas = int32(i), replicas
			if s.ids != nil {
				a.Partition = s.ids[i]
			}
			t.ReplicaAssignment = append(t.ReplicaAssignment, a)
		}
		for _, kv := range s.configs {
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			k, v, ok := strings.Cut(kv, "=")
			c.Name = k
			if ok {
				c.Value = &v
			}
			t.Configs = append(t.Configs, c)
		}
		req.Topics = append(req.Topics, t)
	}
	return req
}

func deleteTopics(version int16, names ...string) *kmsg.DeleteTopicsRequest {
	req := at(version, kmsg.NewPtrDeleteTopicsRequest())
	req.TimeoutMillis = 10000
	if version < 6 {
		req.TopicNames = names
		return req
	}
	for _, n := range names {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = &n
		req.Topics = append(req.Topics, t)
	}
	return req
}

func deleteTopicsByID(topics ...kmsg.DeleteTopicsRequestTopic) *kmsg.DeleteTopicsRequest {
	req := at(6, kmsg.NewPtrDeleteTopicsRequest())
	req.TimeoutMillis, req.Topics = 10000, topics
	return req
}

type growSpec struct {
	name   string
	count  int32
	assign [][]int32
}

func createPartitions(version int16, validateOnly bool, specs ...growSpec) *kmsg.CreatePartitionsRequest {
	req := at(version, kmsg.NewPtrCreatePartitionsRequest())
	req.TimeoutMillis, req.ValidateOnly = 10000, validateOnly
	for _, s := range specs {
		t := kmsg.NewCreatePartitionsRequestTopic()
		t.Topic, t.Count = s.name, s.count
		for _, replicas := range s.assign {
			t.Assignment = append(t.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: replicas})
		}
		req.Topics = append(req.Topics, t)
	}
	return req
}

type alterSpec struct {
	kind int8
	name string
	ops  []string // incremental: "=k=v" set, "-k" delete, "+k=v" append, "~k=v" subtract; legacy: "k=v" or "k" for null
}

func incremental(validateOnly bool, specs ...alterSpec) *kmsg.IncrementalAlterConfigsRequest {
	req := at(1, kmsg.NewPtrIncrementalAlterConfigsRequest())
	req.ValidateOnly = validateOnly
	for _, s := range specs {
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceType(s.kind), s.name
		for _, op := range s.ops {
			c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			c.Op = kmsg.IncrementalAlterConfigOp(strings.IndexByte("=-+~", op[0]))
			k, v, ok := strings.Cut(op[1:], "=")
			c.Name = k
			if ok {
				c.Value = &v
			}
			r.Configs = append(r.Configs, c)
		}
		req.Resources = append(req.Resources, r)
	}
	return req
}

func legacy(version int16, validateOnly bool, specs ...alterSpec) *kmsg.AlterConfigsRequest {
	req := at(version, kmsg.NewPtrAlterConfigsRequest())
	req.ValidateOnly = validateOnly
	for _, s := range specs {
		r := kmsg.NewAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceType(s.kind), s.name
		for _, kv := range s.ops {
			c := kmsg.NewAlterConfigsRequestResourceConfig()
			k, v, ok := strings.Cut(kv, "=")
			c.Name = k
			if ok {
				c.Value = &v
			}
			r.Configs = append(r.Configs, c)
		}
		req.Resources = append(req.Resources, r)
	}
	return req
}

func describeConfigs(kind int8, name string, keys ...string) *kmsg.DescribeConfigsRequest {
	req := at(4, kmsg.NewPtrDescribeConfigsRequest())
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceType(kind), name, keys
	req.Resources = append(req.Resources, r)
	return req
}

func electLeaders(version int16, kind int8, all bool, topics ...kmsg.ElectLeadersRequestTopic) *kmsg.ElectLeadersRequest {
	req := at(version, kmsg.NewPtrElectLeadersRequest())
	req.ElectionType, req.TimeoutMillis = kind, 10000
	if req.Topics = topics; !all && topics == nil {
		req.Topics = []kmsg.ElectLeadersRequestTopic{}
	}
	return req
}

func elect(topic string, partitions ...int32) kmsg.ElectLeadersRequestTopic {
	return kmsg.ElectLeadersRequestTopic{Topic: topic, Partitions: partitions}
}

func reassign(version int16, allowRF bool, topic string, partition int32, replicas []int32) *kmsg.AlterPartitionAssignmentsRequest {
	req := at(version, kmsg.NewPtrAlterPartitionAssignmentsRequest())
	req.TimeoutMillis, req.AllowReplicationFactorChange = 10000, allowRF
	t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	t.Topic = topic
	t.Partitions = []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Partition: partition, Replicas: replicas}}
	req.Topics = append(req.Topics, t)
	return req
}

func listReassignments(topics ...kmsg.ListPartitionReassignmentsRequestTopic) *kmsg.ListPartitionReassignmentsRequest {
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.TimeoutMillis, req.Topics = 10000, topics
	return req
}

func updateFeatures(version int16, validateOnly bool, updates ...kmsg.UpdateFeaturesRequestFeatureUpdate) *kmsg.UpdateFeaturesRequest {
	req := at(version, kmsg.NewPtrUpdateFeaturesRequest())
	req.TimeoutMillis, req.ValidateOnly, req.FeatureUpdates = 10000, validateOnly, updates
	return req
}

func feature(name string, level int16, upgradeType int8) kmsg.UpdateFeaturesRequestFeatureUpdate {
	u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	u.Feature, u.MaxVersionLevel, u.UpgradeType, u.AllowDowngrade = name, level, upgradeType, upgradeType > 1
	return u
}

func describeQuorum(version int16, topic string, partitions ...int32) *kmsg.DescribeQuorumRequest {
	req := at(version, kmsg.NewPtrDescribeQuorumRequest())
	t := kmsg.NewDescribeQuorumRequestTopic()
	t.Topic = topic
	for _, p := range partitions {
		t.Partitions = append(t.Partitions, kmsg.DescribeQuorumRequestTopicPartition{Partition: p})
	}
	req.Topics = append(req.Topics, t)
	return req
}

var apacheCases = []apacheCase{
	{"create v7 with a config", createTopics(7, false, topicSpec{name: "t1", partitions: 1, rf: 1, configs: []string{"retention.ms=1000"}})},
	{"create: exists", createTopics(7, false, topicSpec{name: "t1", partitions: 1, rf: 1})},
	{"create: exists, validate only, bad in other ways too", createTopics(7, true, topicSpec{name: "t1", partitions: 0, rf: 5})},
	{"create: names", createTopics(7, false,
		topicSpec{name: "", partitions: 1, rf: 1}, topicSpec{name: ".", partitions: 1, rf: 1}, topicSpec{name: "..", partitions: 1, rf: 1},
		topicSpec{name: strings.Repeat("x", 250), partitions: 1, rf: 1}, topicSpec{name: "a b", partitions: 1, rf: 1},
		topicSpec{name: "ä", partitions: 1, rf: 1}, topicSpec{name: "a/b", partitions: 1, rf: 1})},
	{"create: name of 249", createTopics(7, true, topicSpec{name: strings.Repeat("x", 249), partitions: 1, rf: 1})},
	{"create: dots and underscores", createTopics(7, false, topicSpec{name: "a.b_c", partitions: 1, rf: 1})},
	{"create: collision", createTopics(7, false, topicSpec{name: "a_b.c", partitions: 1, rf: 1}, topicSpec{name: "a.b.c", partitions: 1, rf: 1})},
	{"create: exists and collides with itself", createTopics(7, false, topicSpec{name: "a.b_c", partitions: 1, rf: 1})},
	{"create: collision within one request", createTopics(7, false, topicSpec{name: "q.1", partitions: 1, rf: 1}, topicSpec{name: "q_1", partitions: 1, rf: 1})},
	{"create: defaults", createTopics(7, false, topicSpec{name: "def", partitions: -1, rf: -1})},
	{"create: partitions", createTopics(7, false, topicSpec{name: "p0", partitions: 0, rf: 1}, topicSpec{name: "p-2", partitions: -2, rf: 1})},
	{"create: replication factor", createTopics(7, false, topicSpec{name: "r0", partitions: 1, rf: 0}, topicSpec{name: "r-2", partitions: 1, rf: -2},
		topicSpec{name: "r2", partitions: 1, rf: 2}, topicSpec{name: "r3", partitions: 3, rf: 3}, topicSpec{name: "r0p0", partitions: 0, rf: 0})},
	{"create: assignment with counts", createTopics(7, false, topicSpec{name: "m1", partitions: 1, rf: -1, assign: [][]int32{{1}}},
		topicSpec{name: "m2", partitions: -1, rf: 1, assign: [][]int32{{1}}}, topicSpec{name: "m2b", partitions: 1, rf: 1, assign: [][]int32{{1}}})},
	{"create: assignments", createTopics(7, false,
		topicSpec{name: "m3", partitions: -1, rf: -1, assign: [][]int32{{1}, {1}}, ids: []int32{0, 0}},
		topicSpec{name: "m4", partitions: -1, rf: -1, assign: [][]int32{{1}, {1}}, ids: []int32{1, 2}},
		topicSpec{name: "m4n", partitions: -1, rf: -1, assign: [][]int32{{1}, {1}}, ids: []int32{-1, 0}},
		topicSpec{name: "m5", partitions: -1, rf: -1, assign: [][]int32{{9}}},
		topicSpec{name: "m6", partitions: -1, rf: -1, assign: [][]int32{{}}},
		topicSpec{name: "m7", partitions: -1, rf: -1, assign: [][]int32{{1, 1}}},
		topicSpec{name: "m8", partitions: -1, rf: -1, assign: [][]int32{{1, 2}}},
		topicSpec{name: "m9", partitions: -1, rf: -1, assign: [][]int32{{1}, {1}, {1}}, ids: []int32{2, 0, 1}},
		topicSpec{name: "m10", partitions: -1, rf: -1, assign: [][]int32{{1}, {}}})},
	{"create: duplicates", createTopics(7, false, topicSpec{name: "d1", partitions: 1, rf: 1}, topicSpec{name: "d2", partitions: 1, rf: 1},
		topicSpec{name: "d1", partitions: 2, rf: 1})},
	{"create: metadata topic", createTopics(7, false, topicSpec{name: "__cluster_metadata", partitions: 1, rf: 1}, topicSpec{name: "after", partitions: 1, rf: 1})},
	{"create: configs", createTopics(7, false,
		topicSpec{name: "c1", partitions: 1, rf: 1, configs: []string{"no.such=1"}},
		topicSpec{name: "c2", partitions: 1, rf: 1, configs: []string{"retention.ms=soon"}},
		topicSpec{name: "c3", partitions: 1, rf: 1, configs: []string{"retention.ms", "segment.ms"}},
		topicSpec{name: "c4", partitions: 1, rf: 1, configs: []string{"cleanup.policy=shred"}},
		topicSpec{name: "c5", partitions: 1, rf: 1, configs: []string{"segment.bytes=10"}},
		topicSpec{name: "c6", partitions: 1, rf: 1, configs: []string{"cleanup.policy=compact,delete", "min.insync.replicas=2", "max.message.bytes=1000"}},
		topicSpec{name: "c7", partitions: 1, rf: 1, configs: []string{"min.insync.replicas=0"}},
		topicSpec{name: "c8", partitions: 0, rf: 1, configs: []string{"no.such=1"}})},
	{"create: validate only", createTopics(7, true, topicSpec{name: "v1", partitions: 3, rf: 1}, topicSpec{name: "v2", partitions: 0, rf: 1})},
	{"create: validated topic is not there", createTopics(7, false, topicSpec{name: "v1", partitions: 2, rf: 1})},
	{"create v2", createTopics(2, false, topicSpec{name: "z0", partitions: 1, rf: 1})},
	{"create v2: errors", createTopics(2, false, topicSpec{name: "z0", partitions: 1, rf: 1}, topicSpec{name: "z0d", partitions: -1, rf: -1})},
	{"create v2: mixed", createTopics(2, false, topicSpec{name: "z1", partitions: 1, rf: 1}, topicSpec{name: "z0", partitions: 1, rf: 1})},
	{"create v3: defaults", createTopics(3, false, topicSpec{name: "z3", partitions: -1, rf: -1})},
	{"create v4", createTopics(4, false, topicSpec{name: "z4", partitions: -1, rf: -1})},
	{"create v5", createTopics(5, false, topicSpec{name: "z5", partitions: 2, rf: 1, configs: []string{"segment.ms=60000"}}, topicSpec{name: "z0", partitions: 1, rf: 1})},
	{"create v6", createTopics(6, false, topicSpec{name: "z6", partitions: 2, rf: 1})},
	{"create: too many partitions", createTopics(7, false, topicSpec{name: "big", partitions: 10001, rf: 1}, topicSpec{name: "small", partitions: 1, rf: 1})},
	{"create: most partitions", createTopics(7, true, topicSpec{name: "big", partitions: 10000, rf: 1})},
	{"create: far too many partitions", createTopics(7, false, topicSpec{name: "huge", partitions: 2147483647, rf: 1}, topicSpec{name: "huge2", partitions: 2147483647, rf: 1})},
	{"create: nothing", createTopics(7, false)},

	{"grow", createPartitions(3, false, growSpec{name: "t1", count: 3})},
	{"grow: errors", createPartitions(3, false, growSpec{name: "t1", count: 3}, growSpec{name: "t1x", count: 3}, growSpec{name: "def", count: 0},
		growSpec{name: "z5", count: 1}, growSpec{name: "z4", count: -1}, growSpec{name: "z6", count: 4, assign: [][]int32{{1}}})},
	{"grow: assignments", createPartitions(3, false, growSpec{name: "z4", count: 2, assign: [][]int32{{7}}}, growSpec{name: "z5", count: 3, assign: [][]int32{{1, 2}}},
		growSpec{name: "z6", count: 3, assign: [][]int32{{}}}, growSpec{name: "def", count: 2, assign: [][]int32{{1}}})},
	{"grow: duplicates", createPartitions(3, false, growSpec{name: "t1", count: 4}, growSpec{name: "z6", count: 3}, growSpec{name: "t1", count: 5})},
	{"grow: validate only", createPartitions(3, true, growSpec{name: "t1", count: 9})},
	{"grow v0", createPartitions(0, false, growSpec{name: "t1", count: 4}, growSpec{name: "t1x", count: 2})},

	{"alter: set, delete, append, subtract", incremental(false, alterSpec{ResourceTopic, "t1", []string{"=segment.ms=70000", "-retention.ms", "+cleanup.policy=compact"}})},
	{"alter: result", describeConfigs(ResourceTopic, "t1", "segment.ms", "retention.ms", "cleanup.policy")},
	{"alter: subtract", incremental(false, alterSpec{ResourceTopic, "t1", []string{"~cleanup.policy=delete", "-no.such.key"}})},
	{"alter: subtract result", describeConfigs(ResourceTopic, "t1", "cleanup.policy")},
	{"alter: append twice and blanks", incremental(false, alterSpec{ResourceTopic, "t1", []string{"+cleanup.policy=compact,delete"}})},
	{"alter: append result", describeConfigs(ResourceTopic, "t1", "cleanup.policy")},
	{"alter: append to no list", incremental(false, alterSpec{ResourceTopic, "t1", []string{"+segment.ms=1"}})},
	{"alter: subtract from no list", incremental(false, alterSpec{ResourceTopic, "t1", []string{"~segment.ms=1"}})},
	{"alter: unknown key", incremental(false, alterSpec{ResourceTopic, "t1", []string{"=no.such=1"}})},
	{"alter: bad value", incremental(false, alterSpec{ResourceTopic, "t1", []string{"=retention.ms=x"}})},
	{"alter: null value", incremental(false, alterSpec{ResourceTopic, "t1", []string{"=retention.ms"}})},
	{"alter: duplicate key", incremental(false, alterSpec{ResourceTopic, "t1", []string{"=retention.ms=1", "=retention.ms=2"}})},
	{"alter: unknown topic", incremental(false, alterSpec{ResourceTopic, "nope", []string{"=retention.ms=1"}})},
	{"alter: bad topic name", incremental(false, alterSpec{ResourceTopic, "a b", []string{"=retention.ms=1"}})},
	{"alter: empty topic name", incremental(false, alterSpec{ResourceTopic, "", []string{"=retention.ms=1"}})},
	{"alter: duplicate resource", incremental(false, alterSpec{ResourceTopic, "t1", []string{"=retention.ms=1"}}, alterSpec{ResourceTopic, "t1", []string{"=retention.ms=2"}},
		alterSpec{ResourceTopic, "def", []string{"=retention.ms=5"}})},
	{"alter: unknown kind", incremental(false, alterSpec{3, "x", []string{"=a=1"}}, alterSpec{77, "x", []string{"=a=1"}}, alterSpec{0, "x", []string{"=a=1"}})},
	{"alter: validate only", incremental(true, alterSpec{ResourceTopic, "t1", []string{"=retention.ms=77"}}, alterSpec{ResourceTopic, "nope", []string{"=retention.ms=77"}})},
	{"alter: unknown operation", func() kmsg.Request {
		r := incremental(false, alterSpec{ResourceTopic, "t1", []string{"=retention.ms=1"}})
		r.Resources[0].Configs[0].Op = 9
		return r
	}()},
	{"alter: broker default", incremental(false, alterSpec{ResourceBroker, "", []string{"=log.retention.ms=3600000"}})},
	{"alter: broker", incremental(false, alterSpec{ResourceBroker, "1", []string{"=log.cleaner.threads=2"}})},
	{"alter: broker result", describeConfigs(ResourceBroker, "1", "log.cleaner.threads", "log.retention.ms")},
	{"alter: other broker", incremental(false, alterSpec{ResourceBroker, "2", []string{"=log.cleaner.threads=2"}}, alterSpec{ResourceBroker, "x", []string{"=log.cleaner.threads=2"}},
		alterSpec{ResourceBroker, "-1", []string{"=log.cleaner.threads=2"}})},
	{"alter: broker errors", incremental(false, alterSpec{ResourceBroker, "1", []string{"=log.cleaner.threads=0"}}, alterSpec{ResourceBroker, "", []string{"=log.cleaner.threads=x"}})},
	{"alter: broker read-only", incremental(false, alterSpec{ResourceBroker, "1", []string{"=node.id=4"}})},
	{"alter: broker unknown key", incremental(false, alterSpec{ResourceBroker, "1", []string{"=no.such.key=4"}})},
	{"alter: broker default per-broker key", incremental(false, alterSpec{ResourceBroker, "", []string{"=listeners=PLAINTEXT://:1"}})},
	{"alter: broker append to no list", incremental(false, alterSpec{ResourceBroker, "", []string{"+log.cleaner.threads=1"}})},
	{"alter: broker delete", incremental(false, alterSpec{ResourceBroker, "1", []string{"-log.cleaner.threads"}}, alterSpec{ResourceBroker, "", []string{"-log.retention.ms"}})},
	{"alter: min.insync.replicas default deleted", incremental(true, alterSpec{ResourceBroker, "", []string{"-min.insync.replicas"}})},
	{"alter: min.insync.replicas of a broker", incremental(true, alterSpec{ResourceBroker, "1", []string{"=min.insync.replicas=1"}})},
	{"alter: group", incremental(false, alterSpec{ResourceGroup, "g", []string{"=consumer.session.timeout.ms=50000"}})},
	{"alter: group errors", incremental(false, alterSpec{ResourceGroup, "", []string{"=consumer.session.timeout.ms=50000"}}, alterSpec{ResourceGroup, "g1", []string{"=no.such=1"}},
		alterSpec{ResourceGroup, "g2", []string{"=consumer.session.timeout.ms=1"}}, alterSpec{ResourceGroup, "g3", []string{"=consumer.session.timeout.ms=x"}},
		alterSpec{ResourceGroup, "g4", []string{"=consumer.heartbeat.interval.ms=1"}}, alterSpec{ResourceGroup, "g5", []string{"=consumer.session.timeout.ms=9000000"}})},
	{"alter: group heartbeat above session", incremental(false, alterSpec{ResourceGroup, "g6", []string{"=consumer.session.timeout.ms=45000", "=consumer.heartbeat.interval.ms=14000"}},
		alterSpec{ResourceGroup, "g7", []string{"=share.isolation.level=read_never"}}, alterSpec{ResourceGroup, "g8", []string{"=share.auto.offset.reset=never"}})},
	{"alter: client metrics", incremental(false, alterSpec{ResourceClientMetrics, "cm", []string{"=interval.ms=1000", "=metrics=org.apache.", "=match=client_id=x.*"}})},
	{"alter: client metrics errors", incremental(false, alterSpec{ResourceClientMetrics, "", []string{"=interval.ms=1000"}}, alterSpec{ResourceClientMetrics, "c1", []string{"=no.such=1"}},
		alterSpec{ResourceClientMetrics, "c2", []string{"=interval.ms=1"}}, alterSpec{ResourceClientMetrics, "c3", []string{"=interval.ms=x"}},
		alterSpec{ResourceClientMetrics, "c4", []string{"=match=nonsense"}}, alterSpec{ResourceClientMetrics, "c5", []string{"=match=foo=bar"}},
		alterSpec{ResourceClientMetrics, "c6", []string{"=match=client_id=("}})},
	{"alter: mixed", incremental(false, alterSpec{ResourceTopic, "t1", []string{"=retention.ms=9"}}, alterSpec{ResourceTopic, "nope", []string{"=retention.ms=9"}},
		alterSpec{ResourceBroker, "", []string{"=message.max.bytes=2000000"}})},
	{"alter: mixed result", describeConfigs(ResourceTopic, "t1", "retention.ms", "segment.ms", "cleanup.policy", "max.message.bytes")},
	{"alter: nothing to do", incremental(false, alterSpec{ResourceTopic, "t1", nil}, alterSpec{ResourceTopic, "nope", nil})},

	{"legacy alter", legacy(2, false, alterSpec{ResourceTopic, "t1", []string{"retention.ms=123"}})},
	{"legacy alter result", describeConfigs(ResourceTopic, "t1", "retention.ms", "segment.ms", "cleanup.policy")},
	{"legacy alter: errors", legacy(2, false, alterSpec{ResourceTopic, "nope", []string{"retention.ms=123"}}, alterSpec{ResourceTopic, "def", []string{"retention.ms"}},
		alterSpec{ResourceTopic, "z5", []string{"retention.ms=1", "retention.ms=2"}}, alterSpec{ResourceTopic, "z6", []string{"no.such=2"}},
		alterSpec{ResourceBroker, "5", []string{"log.cleaner.threads=1"}}, alterSpec{8, "1", []string{"a=DEBUG"}}, alterSpec{9, "1", []string{"a=DEBUG"}})},
	{"legacy alter: duplicates", legacy(2, false, alterSpec{ResourceTopic, "t1", []string{"retention.ms=1"}}, alterSpec{ResourceTopic, "t1", []string{"retention.ms=2"}})},
	{"legacy alter v0: broker", legacy(0, false, alterSpec{ResourceBroker, "1", []string{"log.cleaner.threads=1"}})},
	{"legacy alter v0: broker cleared", legacy(0, false, alterSpec{ResourceBroker, "1", nil})},
	{"legacy alter: validate only", legacy(2, true, alterSpec{ResourceTopic, "t1", nil})},
	{"legacy alter: broker default", legacy(2, true, alterSpec{ResourceBroker, "", nil})},

	{"elect: all", electLeaders(2, 0, true)},
	{"elect: all unclean", electLeaders(2, 1, true)},
	{"elect: some", electLeaders(2, 0, false, elect("t1", 0, 1, 99), elect("nope", 0), elect("t1"))},
	{"elect: unclean", electLeaders(2, 1, false, elect("t1", 0))},
	{"elect: unknown kind", electLeaders(2, 5, false, elect("t1", 0))},
	{"elect v0", electLeaders(0, 0, false, elect("t1", 0))},
	{"elect: nothing", electLeaders(2, 0, false)},

	{"reassign: same", reassign(1, true, "t1", 0, []int32{1})},
	{"reassign: unknown broker", reassign(1, true, "t1", 0, []int32{2})},
	{"reassign: more", reassign(1, true, "t1", 0, []int32{1, 2})},
	{"reassign: twice", reassign(1, true, "t1", 0, []int32{1, 1})},
	{"reassign: empty", reassign(1, true, "t1", 0, []int32{})},
	{"reassign: cancel", reassign(1, true, "t1", 0, nil)},
	{"reassign: unknown topic", reassign(1, true, "nope", 0, []int32{1})},
	{"reassign: unknown partition", reassign(1, true, "t1", 99, []int32{1})},
	{"reassign v0", reassign(0, true, "t1", 0, nil)},
	{"reassign: no change of the factor", reassign(1, false, "t1", 0, []int32{1, 2})},
	{"reassignments: all", listReassignments()},
	{"reassignments: some", listReassignments(kmsg.ListPartitionReassignmentsRequestTopic{Topic: "t1", Partitions: []int32{0, 99}},
		kmsg.ListPartitionReassignmentsRequestTopic{Topic: "nope", Partitions: []int32{0}})},

	{"features: same level", updateFeatures(2, false, feature("metadata.version", 30, 1))},
	{"features: too new", updateFeatures(2, false, feature("metadata.version", 99, 1))},
	{"features: too new v1", updateFeatures(1, false, feature("metadata.version", 99, 1), feature("group.version", 1, 1))},
	{"features: too new v0", updateFeatures(0, false, feature("metadata.version", 99, 1))},
	{"features: too old", updateFeatures(2, false, feature("metadata.version", 1, 2))},
	{"features: downgrade without saying so", updateFeatures(2, false, feature("metadata.version", 29, 1))},
	{"features: unsafe downgrade", updateFeatures(2, true, feature("metadata.version", 7, 3))},
	{"features: safe downgrade", updateFeatures(2, true, feature("metadata.version", 7, 2))},
	{"features: safe downgrade by one", updateFeatures(2, true, feature("metadata.version", 29, 2))},
	{"features: unknown", updateFeatures(2, false, feature("no.such.feature", 1, 1))},
	{"features: negative", updateFeatures(2, false, feature("group.version", -1, 2))},
	{"features: off", updateFeatures(2, true, feature("share.version", 0, 2))},
	{"features: off as an upgrade", updateFeatures(2, true, feature("share.version", 0, 1))},
	{"features: upgrade type 0", updateFeatures(2, true, feature("share.version", 0, 0))},
	{"features: up as a downgrade", updateFeatures(2, true, feature("share.version", 2, 2))},
	{"features: transactions down", updateFeatures(2, true, feature("transaction.version", 1, 2))},
	{"features: elr off", updateFeatures(2, true, feature("eligible.leader.replicas.version", 0, 2))},
	{"features: streams off and v1 results", updateFeatures(1, true, feature("streams.version", 0, 2))},
	{"features: kraft.version", updateFeatures(2, true, feature("kraft.version", 1, 1))},
	{"features: kraft.version down", updateFeatures(2, true, feature("kraft.version", 0, 2))},
	{"features: none", updateFeatures(2, true)},

	{"unregister: unknown", func() kmsg.Request {
		r := kmsg.NewPtrUnregisterBrokerRequest()
		r.BrokerID = 9
		return r
	}()},

	{"quorum v0", describeQuorum(0, "__cluster_metadata", 0)},
	{"quorum v1", describeQuorum(1, "__cluster_metadata", 0)},
	{"quorum v2", describeQuorum(2, "__cluster_metadata", 0)},
	{"quorum: other topic", describeQuorum(2, "t1", 0)},
	{"quorum: other partition", describeQuorum(2, "__cluster_metadata", 1)},
	{"quorum: no topic", at(2, kmsg.NewPtrDescribeQuorumRequest())},

	{"delete: errors", deleteTopics(6, "nope", "t1", "t1", "", "a b")},
	{"delete: by id", deleteTopicsByID(kmsg.DeleteTopicsRequestTopic{TopicID: [16]byte{1, 2, 3}}, kmsg.DeleteTopicsRequestTopic{},
		kmsg.DeleteTopicsRequestTopic{TopicID: [16]byte{7}}, kmsg.DeleteTopicsRequestTopic{TopicID: [16]byte{7}},
		kmsg.DeleteTopicsRequestTopic{Topic: ptr("t1"), TopicID: [16]byte{8}})},
	{"delete", deleteTopics(6, "t1", "def")},
	{"delete v5", deleteTopics(5, "t1", "z5")},
	{"delete v4", deleteTopics(4, "t1", "z4")},
	{"delete v1", deleteTopics(1, "t1", "z6", "z6")},
	{"delete: metadata topic", deleteTopics(6, "__cluster_metadata")},
	{"delete: nothing", deleteTopics(6)},
	{"create again", createTopics(7, false, topicSpec{name: "t1", partitions: 1, rf: 1})},
	{"create again: configs are gone", describeConfigs(ResourceTopic, "t1", "retention.ms", "segment.ms", "cleanup.policy")},
}
