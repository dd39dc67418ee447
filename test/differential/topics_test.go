package differential

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func apiVersions(r *run) {
	for v := range r.versions(kmsg.ApiVersions) {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = "differential", "1.0"
		ask[*kmsg.ApiVersionsResponse](r, "good", v, req)
		if v >= 3 {
			req := kmsg.NewPtrApiVersionsRequest()
			ask[*kmsg.ApiVersionsResponse](r, "no client name", v, req)
			req.ClientSoftwareName, req.ClientSoftwareVersion = "bad name!", "1.0"
			ask[*kmsg.ApiVersionsResponse](r, "bad client name", v, req)
			req.ClientSoftwareName, req.ClientSoftwareVersion = "good", "-bad"
			ask[*kmsg.ApiVersionsResponse](r, "bad client version", v, req)
		}
	}
}

// topicRequest builds a CreateTopics request of one topic.
func topicRequest(name string, partitions int32, replication int16, change ...func(*kmsg.CreateTopicsRequestTopic)) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 15000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replication
	for _, c := range change {
		c(&t)
	}
	req.Topics = append(req.Topics, t)
	return req
}

func topicConfig(kv ...string) func(*kmsg.CreateTopicsRequestTopic) {
	return func(t *kmsg.CreateTopicsRequestTopic) {
		for i := 0; i+1 < len(kv); i += 2 {
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			c.Name = kv[i]
			if kv[i+1] != "null" {
				c.Value = kmsg.StringPtr(kv[i+1])
			}
			t.Configs = append(t.Configs, c)
		}
	}
}

func assignment(parts ...[]int32) func(*kmsg.CreateTopicsRequestTopic) {
	return func(t *kmsg.CreateTopicsRequestTopic) {
		for i, replicas := range parts {
			a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			a.Partition, a.Replicas = int32(i), replicas
			t.ReplicaAssignment = append(t.ReplicaAssignment, a)
		}
	}
}

func createTopics(r *run) {
	r.topic("ct-existing", 1)
	r.topic("ct.collide", 1)
	for v := range r.versions(kmsg.CreateTopics) {
		try := func(step string, req *kmsg.CreateTopicsRequest) {
			ask[*kmsg.CreateTopicsResponse](r, step, v, req)
		}
		suffix := string(rune('a' + v))
		try("good", topicRequest("ct-good-"+suffix, 3, 1))
		try("good with configs", topicRequest("ct-configs-"+suffix, 1, 1, topicConfig("cleanup.policy", "compact", "retention.ms", "1000", "max.message.bytes", "5000")))
		try("good with assignment", topicRequest("ct-assigned-"+suffix, -1, -1, assignment([]int32{1}, []int32{1})))
		try("default partitions and replication", topicRequest("ct-default-"+suffix, -1, -1))
		try("exists", topicRequest("ct-existing", 1, 1))
		try("collides with a dot", topicRequest("ct_collide", 1, 1))
		try("empty name", topicRequest("", 1, 1))
		try("dot", topicRequest(".", 1, 1))
		try("dot dot", topicRequest("..", 1, 1))
		try("bad characters", topicRequest("ct/bad", 1, 1))
		try("249 characters", topicRequest(strings.Repeat("x", 248)+suffix, 1, 1))
		try("250 characters", topicRequest(strings.Repeat("y", 250), 1, 1))
		try("metadata topic", topicRequest("__cluster_metadata", 1, 1))
		try("no partitions", topicRequest("ct-none", 0, 1))
		try("minus two partitions", topicRequest("ct-none", -2, 1))
		try("too many partitions", topicRequest("ct-many", 100001, 1))
		try("no replicas", topicRequest("ct-none", 1, 0))
		try("minus two replicas", topicRequest("ct-none", 1, -2))
		try("two replicas", topicRequest("ct-two", 1, 2))
		try("assignment and partitions", topicRequest("ct-both", 1, -1, assignment([]int32{1})))
		try("assignment and replication", topicRequest("ct-both", -1, 1, assignment([]int32{1})))
		try("assignment to unknown broker", topicRequest("ct-unknown", -1, -1, assignment([]int32{7})))
		try("assignment twice the same", topicRequest("ct-dup", -1, -1, assignment([]int32{1, 1})))
		try("empty assignment", topicRequest("ct-empty", -1, -1, assignment([]int32{})))
		try("uneven assignment", topicRequest("ct-uneven", -1, -1, assignment([]int32{1}, []int32{1, 2})))
		try("assignment with a gap", topicRequest("ct-gap", -1, -1, assignment([]int32{1}, []int32{1}), func(t *kmsg.CreateTopicsRequestTopic) { t.ReplicaAssignment[1].Partition = 2 }))
		try("assignment negative partition", topicRequest("ct-neg", -1, -1, assignment([]int32{1}), func(t *kmsg.CreateTopicsRequestTopic) { t.ReplicaAssignment[0].Partition = -1 }))
		try("unknown config", topicRequest("ct-conf", 1, 1, topicConfig("no.such.config", "1")))
		try("bad config value", topicRequest("ct-conf", 1, 1, topicConfig("retention.ms", "soon")))
		try("config out of range", topicRequest("ct-conf", 1, 1, topicConfig("segment.bytes", "1")))
		try("bad enum", topicRequest("ct-conf", 1, 1, topicConfig("compression.type", "rar")))
		try("bad list", topicRequest("ct-conf", 1, 1, topicConfig("cleanup.policy", "burn")))
		try("null config", topicRequest("ct-conf", 1, 1, topicConfig("retention.ms", "null")))
		try("same config twice", topicRequest("ct-conf2-"+suffix, 1, 1, topicConfig("retention.ms", "1000", "retention.ms", "2000")))
		try("local retention over retention", topicRequest("ct-conf3-"+suffix, 1, 1, topicConfig("local.retention.ms", "5000", "retention.ms", "1000")))
		try("remote storage", topicRequest("ct-remote", 1, 1, topicConfig("remote.storage.enable", "true")))

		twice := topicRequest("ct-twice", 1, 1)
		twice.Topics = append(twice.Topics, twice.Topics[0], topicRequest("ct-other-"+suffix, 1, 1).Topics[0])
		try("name twice", twice)
		mixed := topicRequest("ct-mixed-"+suffix, 1, 1)
		mixed.Topics = append(mixed.Topics, topicRequest("ct-existing", 1, 1).Topics[0], topicRequest("ct bad", 1, 1).Topics[0])
		try("mixed", mixed)
		pair := topicRequest("ct.pair."+suffix, 1, 1)
		pair.Topics = append(pair.Topics, topicRequest("ct_pair_"+suffix, 1, 1).Topics[0])
		try("two that collide", pair)
		try("no topics", kmsg.NewPtrCreateTopicsRequest())
		if v >= 1 {
			only := topicRequest("ct-only", 2, 1, topicConfig("retention.ms", "1000"))
			only.ValidateOnly = true
			try("validate only", only)
			only = topicRequest("ct-existing", 2, 1)
			only.ValidateOnly = true
			try("validate only exists", only)
		}
		zero := topicRequest("ct-timeout-"+suffix, 1, 1)
		zero.TimeoutMillis = -1
		try("negative timeout", zero)
		r.quiet(withVersion(deleteRequest(5, "ct-timeout-"+suffix), 5))
	}
}

func deleteRequest(v int16, names ...string) *kmsg.DeleteTopicsRequest {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = 15000
	for _, n := range names {
		if v < 6 {
			req.TopicNames = append(req.TopicNames, n)
			continue
		}
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = kmsg.StringPtr(n)
		req.Topics = append(req.Topics, t)
	}
	return req
}

func deleteTopics(r *run) {
	for v := range r.versions(kmsg.DeleteTopics) {
		try := func(step string, req *kmsg.DeleteTopicsRequest) {
			ask[*kmsg.DeleteTopicsResponse](r, step, v, req)
		}
		r.topic("dt-good", 2)
		r.topic("dt-stays", 1)
		try("good", deleteRequest(v, "dt-good"))
		try("again", deleteRequest(v, "dt-good"))
		try("unknown", deleteRequest(v, "dt-unknown"))
		try("bad name", deleteRequest(v, "dt/bad"))
		try("empty name", deleteRequest(v, ""))
		try("metadata topic", deleteRequest(v, "__cluster_metadata"))
		try("twice", deleteRequest(v, "dt-stays", "dt-stays"))
		try("none", deleteRequest(v))
		if v >= 6 {
			byID := func(name *string, id [16]byte) kmsg.DeleteTopicsRequestTopic {
				t := kmsg.NewDeleteTopicsRequestTopic()
				t.Topic, t.TopicID = name, id
				return t
			}
			req := deleteRequest(v)
			id := r.topicID("dt-stays")
			req.Topics = []kmsg.DeleteTopicsRequestTopic{byID(nil, [16]byte{})}
			try("neither name nor id", req)
			req.Topics = []kmsg.DeleteTopicsRequestTopic{byID(kmsg.StringPtr("dt-stays"), id)}
			try("name and id", req)
			req.Topics = []kmsg.DeleteTopicsRequestTopic{byID(nil, [16]byte{1, 2, 3})}
			try("unknown id", req)
			req.Topics = []kmsg.DeleteTopicsRequestTopic{byID(nil, id), byID(nil, id)}
			try("id twice", req)
			req.Topics = []kmsg.DeleteTopicsRequestTopic{byID(nil, id), byID(kmsg.StringPtr("dt-stays"), [16]byte{})}
			try("name of the same id", req)
			req.Topics = []kmsg.DeleteTopicsRequestTopic{byID(nil, id)}
			try("by id", req)
		} else {
			try("the other", deleteRequest(v, "dt-stays", "dt-unknown"))
		}
	}
}

func createPartitions(r *run) {
	for v := range r.versions(kmsg.CreatePartitions) {
		name := "cp-" + string(rune('a'+v))
		r.topic(name, 2)
		one := func(topic string, count int32, assignment ...[]int32) *kmsg.CreatePartitionsRequest {
			req := kmsg.NewPtrCreatePartitionsRequest()
			req.TimeoutMillis = 15000
			t := kmsg.NewCreatePartitionsRequestTopic()
			t.Topic, t.Count = topic, count
			for _, a := range assignment {
				ta := kmsg.NewCreatePartitionsRequestTopicAssignment()
				ta.Replicas = a
				t.Assignment = append(t.Assignment, ta)
			}
			req.Topics = append(req.Topics, t)
			return req
		}
		try := func(step string, req *kmsg.CreatePartitionsRequest) {
			ask[*kmsg.CreatePartitionsResponse](r, step, v, req)
		}
		try("good", one(name, 3))
		try("same count", one(name, 3))
		try("fewer", one(name, 1))
		try("negative", one(name, -1))
		try("zero", one(name, 0))
		try("unknown topic", one("cp-unknown", 3))
		try("empty name", one("", 3))
		try("good assignment", one(name, 5, []int32{1}, []int32{1}))
		try("assignment of wrong length", one(name, 8, []int32{1}))
		try("assignment to unknown broker", one(name, 6, []int32{9}))
		try("assignment of other replication", one(name, 6, []int32{1, 2}))
		try("empty assignment", one(name, 6, []int32{}))
		try("assignment twice the same", one(name, 6, []int32{1, 1}))
		twice := one(name, 6)
		twice.Topics = append(twice.Topics, twice.Topics[0])
		try("twice", twice)
		only := one(name, 9)
		only.ValidateOnly = true
		try("validate only", only)
		mixed := one(name, 6)
		mixed.Topics = append(mixed.Topics, one("cp-unknown", 2).Topics[0])
		try("mixed", mixed)
		try("none", kmsg.NewPtrCreatePartitionsRequest())
	}
}

func metadata(r *run) {
	r.topic("md-one", 3)
	r.topic("md-two", 1, "min.insync.replicas", "1")
	id := r.topicID("md-one")
	for v := range r.versions(kmsg.Metadata) {
		named := func(names ...string) *kmsg.MetadataRequest {
			req := kmsg.NewPtrMetadataRequest()
			req.Topics = []kmsg.MetadataRequestTopic{}
			for _, n := range names {
				t := kmsg.NewMetadataRequestTopic()
				t.Topic = kmsg.StringPtr(n)
				req.Topics = append(req.Topics, t)
			}
			req.AllowAutoTopicCreation = false
			req.IncludeTopicAuthorizedOperations = true
			return req
		}
		try := func(step string, req *kmsg.MetadataRequest) { ask[*kmsg.MetadataResponse](r, step, v, req) }
		try("one", named("md-one"))
		try("two", named("md-two", "md-one"))
		try("twice the same", named("md-one", "md-one"))
		if v >= 4 {
			try("unknown", named("md-unknown"))
			try("bad name", named("md/bad"))
			try("empty name", named(""))
			try("mixed", named("md-one", "md-unknown", "md-two"))
		}
		if v >= 1 {
			try("no topics", named())
		}
		if v >= 10 {
			byID := named()
			t := kmsg.NewMetadataRequestTopic()
			t.TopicID = id
			byID.Topics = append(byID.Topics, t)
			try("by id", byID)
			t.TopicID = [16]byte{9, 9, 9}
			byID.Topics[0] = t
			try("unknown id", byID)
			t.TopicID = id
			t.Topic = kmsg.StringPtr("md-one")
			byID.Topics[0] = t
			try("name and id", byID)
			byID.Topics[0] = kmsg.NewMetadataRequestTopic()
			try("neither", byID)
		}
		if v >= 8 && v <= 10 {
			cluster := named()
			cluster.IncludeClusterAuthorizedOperations = true
			try("cluster operations", cluster)
		}
	}
}

// autoCreation asks for topics that do not exist, letting the broker create them. Apache Kafka creates them after it has answered, so what is
// compared is the answer once they are there.
func autoCreation(r *run) {
	for v := range r.versions(kmsg.Metadata) {
		request := func(name string) *kmsg.MetadataRequest {
			req := kmsg.NewPtrMetadataRequest()
			req.AllowAutoTopicCreation = true
			t := kmsg.NewMetadataRequestTopic()
			t.Topic = kmsg.StringPtr(name)
			req.Topics = append(req.Topics, t)
			req.SetVersion(v)
			return req
		}
		name := "ac-" + string(rune('a'+v))
		r.eventually(func() bool {
			t := r.quiet(request(name)).(*kmsg.MetadataResponse).Topics[0]
			return t.ErrorCode == 0 && len(t.Partitions) > 0
		})
		ask[*kmsg.MetadataResponse](r, "created", v, request(name))
		ask[*kmsg.MetadataResponse](r, "bad name", v, request("ac/bad"))
		ask[*kmsg.MetadataResponse](r, "empty name", v, request(""))
		ask[*kmsg.MetadataResponse](r, "too long a name", v, request(strings.Repeat("z", 250)))
	}
}

func describeTopicPartitions(r *run) {
	r.topic("dp-a", 3)
	r.topic("dp-b", 2)
	for v := range r.versions(kmsg.DescribeTopicPartitions) {
		named := func(limit int32, names ...string) *kmsg.DescribeTopicPartitionsRequest {
			req := kmsg.NewPtrDescribeTopicPartitionsRequest()
			req.ResponsePartitionLimit = limit
			for _, n := range names {
				t := kmsg.NewDescribeTopicPartitionsRequestTopic()
				t.Topic = n
				req.Topics = append(req.Topics, t)
			}
			return req
		}
		try := func(step string, req *kmsg.DescribeTopicPartitionsRequest) {
			ask[*kmsg.DescribeTopicPartitionsResponse](r, step, v, req)
		}
		try("two", named(2000, "dp-b", "dp-a"))
		try("unknown", named(2000, "dp-unknown", "dp-a"))
		try("limit", named(2, "dp-a", "dp-b"))
		try("limit 0", named(0, "dp-a", "dp-b"))
		try("limit of one topic", named(3, "dp-a", "dp-b"))
		next := named(2000, "dp-a", "dp-b")
		next.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: "dp-a", Partition: 2}
		try("cursor", next)
		next.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: "dp-aa", Partition: 0}
		try("cursor between", next)
		next.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: "dp-a", Partition: -1}
		try("cursor negative", next)
		next.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: "dp-a", Partition: 9}
		try("cursor past the end", next)
		try("bad name", named(10, "dp/bad"))
		try("twice", named(10, "dp-a", "dp-a"))
	}
}
