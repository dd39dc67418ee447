package differential

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func cluster(r *run) {
	for v := range r.versions(kmsg.DescribeCluster) {
		req := kmsg.NewPtrDescribeClusterRequest()
		ask[*kmsg.DescribeClusterResponse](r, "plain", v, req)
		req.IncludeClusterAuthorizedOperations = true
		ask[*kmsg.DescribeClusterResponse](r, "operations", v, req)
		if v >= 1 {
			for _, kind := range []int8{2, 3, 0} {
				req := kmsg.NewPtrDescribeClusterRequest()
				req.EndpointType = kind
				ask[*kmsg.DescribeClusterResponse](r, fmt.Sprintf("endpoint type %d", kind), v, req)
			}
		}
		if v >= 2 {
			req := kmsg.NewPtrDescribeClusterRequest()
			req.IncludeFencedBrokers = true
			ask[*kmsg.DescribeClusterResponse](r, "fenced brokers", v, req)
		}
	}
}

func logDirs(r *run) {
	r.topic("ld-one", 2)
	r.topic("ld-two", 1)
	r.produce("ld-one", 0, plain("a", "b"))
	for v := range r.versions(kmsg.DescribeLogDirs) {
		try := func(step string, topics ...kmsg.DescribeLogDirsRequestTopic) {
			req := kmsg.NewPtrDescribeLogDirsRequest()
			req.Topics = topics
			ask[*kmsg.DescribeLogDirsResponse](r, step, v, req)
		}
		one := kmsg.NewDescribeLogDirsRequestTopic()
		one.Topic, one.Partitions = "ld-one", []int32{0, 1}
		two := kmsg.NewDescribeLogDirsRequestTopic()
		two.Topic, two.Partitions = "ld-two", []int32{0, 5}
		gone := kmsg.NewDescribeLogDirsRequestTopic()
		gone.Topic, gone.Partitions = "ld-unknown", []int32{0}
		try("one", one)
		try("two", one, two)
		try("unknown", gone)
		try("none", []kmsg.DescribeLogDirsRequestTopic{}...)
	}
}

func sasl(r *run) {
	for v := range r.versions(kmsg.SASLHandshake) {
		req := kmsg.NewPtrSASLHandshakeRequest()
		req.Mechanism = "PLAIN"
		ask[*kmsg.SASLHandshakeResponse](r, "handshake", v, req)
		req.Mechanism = "NONSENSE"
		ask[*kmsg.SASLHandshakeResponse](r, "handshake unknown mechanism", v, req)
	}
	for v := range r.versions(kmsg.SASLAuthenticate) {
		req := kmsg.NewPtrSASLAuthenticateRequest()
		req.SASLAuthBytes = []byte("\x00user\x00password")
		ask[*kmsg.SASLAuthenticateResponse](r, "authenticate", v, req)
	}
}

func acls(r *run) {
	for v := range r.versions(kmsg.DescribeACLs) {
		req := kmsg.NewPtrDescribeACLsRequest()
		req.ResourceType, req.Operation, req.PermissionType = kmsg.ACLResourceTypeAny, kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
		req.ResourcePatternType = kmsg.ACLResourcePatternTypeAny
		ask[*kmsg.DescribeACLsResponse](r, "describe", v, req)
	}
	for v := range r.versions(kmsg.CreateACLs) {
		req := kmsg.NewPtrCreateACLsRequest()
		c := kmsg.NewCreateACLsRequestCreation()
		c.ResourceType, c.ResourceName, c.Principal, c.Host = kmsg.ACLResourceTypeTopic, "t", "User:a", "*"
		c.Operation, c.PermissionType, c.ResourcePatternType = kmsg.ACLOperationRead, kmsg.ACLPermissionTypeAllow, kmsg.ACLResourcePatternTypeLiteral
		req.Creations = append(req.Creations, c, c)
		ask[*kmsg.CreateACLsResponse](r, "create", v, req)
		ask[*kmsg.CreateACLsResponse](r, "create none", v, kmsg.NewPtrCreateACLsRequest())
	}
	for v := range r.versions(kmsg.DeleteACLs) {
		req := kmsg.NewPtrDeleteACLsRequest()
		f := kmsg.NewDeleteACLsRequestFilter()
		f.ResourceType, f.Operation, f.PermissionType = kmsg.ACLResourceTypeAny, kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
		f.ResourcePatternType = kmsg.ACLResourcePatternTypeAny
		req.Filters = append(req.Filters, f)
		ask[*kmsg.DeleteACLsResponse](r, "delete", v, req)
	}
}

func electLeaders(r *run) {
	r.topic("el-one", 2)
	for v := range r.versions(kmsg.ElectLeaders) {
		try := func(step string, kind int8, topics ...kmsg.ElectLeadersRequestTopic) {
			req := kmsg.NewPtrElectLeadersRequest()
			req.ElectionType = kind
			req.TimeoutMillis = 5000
			req.Topics = topics
			req.SetVersion(v)
			resp := r.quiet(req).(*kmsg.ElectLeadersResponse)
			resp.Topics = slices.DeleteFunc(resp.Topics, func(t kmsg.ElectLeadersResponseTopic) bool { return !strings.HasPrefix(t.Topic, "el-") })
			r.record(answer{step, v, resp.Key(), r.syms.flatten(resp)}) // other scenarios' topics are not this one's business
		}
		topic := func(name string, partitions ...int32) kmsg.ElectLeadersRequestTopic {
			t := kmsg.NewElectLeadersRequestTopic()
			t.Topic, t.Partitions = name, partitions
			return t
		}
		try("not needed", 0, topic("el-one", 0, 1))
		try("unknown topic", 0, topic("el-unknown", 0))
		try("unknown partition", 0, topic("el-one", 9))
		try("all", 0)
		try("no partitions", 0, topic("el-one"))
		if v >= 1 {
			try("unclean not needed", 1, topic("el-one", 0))
			try("unclean all", 1)
			try("unknown type", 2, topic("el-one", 0))
		}
	}
}

func reassignments(r *run) {
	r.topic("ra-one", 2)
	for v := range r.versions(kmsg.AlterPartitionAssignments) {
		try := func(step, topic string, partition int32, replicas []int32) {
			req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
			req.TimeoutMillis = 5000
			t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
			t.Topic = topic
			p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
			p.Partition, p.Replicas = partition, replicas
			t.Partitions = append(t.Partitions, p)
			req.Topics = append(req.Topics, t)
			ask[*kmsg.AlterPartitionAssignmentsResponse](r, step, v, req)
		}
		try("to where it is", "ra-one", 0, []int32{1})
		try("cancel nothing", "ra-one", 0, nil)
		try("empty", "ra-one", 0, []int32{})
		try("unknown broker", "ra-one", 0, []int32{7})
		try("one known broker", "ra-one", 0, []int32{1, 7})
		try("twice the same", "ra-one", 0, []int32{1, 1})
		try("negative broker", "ra-one", 0, []int32{-1})
		try("unknown topic", "ra-unknown", 0, []int32{1})
		try("unknown partition", "ra-one", 9, []int32{1})
		try("cancel unknown topic", "ra-unknown", 0, nil)
		ask[*kmsg.AlterPartitionAssignmentsResponse](r, "none", v, kmsg.NewPtrAlterPartitionAssignmentsRequest())
	}
	for v := range r.versions(kmsg.ListPartitionReassignments) {
		ask[*kmsg.ListPartitionReassignmentsResponse](r, "list all", v, kmsg.NewPtrListPartitionReassignmentsRequest())
		req := kmsg.NewPtrListPartitionReassignmentsRequest()
		t := kmsg.NewListPartitionReassignmentsRequestTopic()
		t.Topic, t.Partitions = "ra-one", []int32{0, 9}
		u := kmsg.NewListPartitionReassignmentsRequestTopic()
		u.Topic, u.Partitions = "ra-unknown", []int32{0}
		req.Topics = append(req.Topics, t, u)
		ask[*kmsg.ListPartitionReassignmentsResponse](r, "list", v, req)
	}
}

func quorum(r *run) {
	for v := range r.versions(kmsg.DescribeQuorum) {
		try := func(step, topic string, partitions ...int32) {
			req := kmsg.NewPtrDescribeQuorumRequest()
			t := kmsg.NewDescribeQuorumRequestTopic()
			t.Topic = topic
			for _, p := range partitions {
				rp := kmsg.NewDescribeQuorumRequestTopicPartition()
				rp.Partition = p
				t.Partitions = append(t.Partitions, rp)
			}
			req.Topics = append(req.Topics, t)
			ask[*kmsg.DescribeQuorumResponse](r, step, v, req)
		}
		try("good", "__cluster_metadata", 0)
		try("other topic", "qu-other", 0)
		try("other partition", "__cluster_metadata", 1)
		try("no partitions", "__cluster_metadata")
		ask[*kmsg.DescribeQuorumResponse](r, "none", v, kmsg.NewPtrDescribeQuorumRequest())
	}
	for v := range r.versions(kmsg.UnregisterBroker) {
		req := kmsg.NewPtrUnregisterBrokerRequest()
		req.BrokerID = 77
		ask[*kmsg.UnregisterBrokerResponse](r, "unregister unknown broker", v, req)
	}
}

func features(r *run) {
	for v := range r.versions(kmsg.UpdateFeatures) {
		try := func(step, feature string, level int16, change ...func(*kmsg.UpdateFeaturesRequest)) {
			req := kmsg.NewPtrUpdateFeaturesRequest()
			req.TimeoutMillis = 5000
			f := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
			f.Feature, f.MaxVersionLevel = feature, level
			f.UpgradeType = 1
			req.FeatureUpdates = append(req.FeatureUpdates, f)
			for _, c := range change {
				c(req)
			}
			ask[*kmsg.UpdateFeaturesResponse](r, step, v, req)
		}
		try("unknown feature", "no.such.feature", 1)
		try("level too high", "metadata.version", 9999)
		try("level negative", "metadata.version", -1)
		try("level 0", "group.version", 0)
		if v >= 1 {
			only := func(q *kmsg.UpdateFeaturesRequest) { q.ValidateOnly = true }
			try("validate unknown feature", "no.such.feature", 1, only)
			try("validate too high", "group.version", 99, only)
			try("unknown upgrade type", "group.version", 1, only, func(q *kmsg.UpdateFeaturesRequest) { q.FeatureUpdates[0].UpgradeType = 9 })
		}
		ask[*kmsg.UpdateFeaturesResponse](r, "none", v, kmsg.NewPtrUpdateFeaturesRequest())
	}
}

// garbage sends what is no request. Both brokers end the connection.
func garbage(r *run) {
	frame := func(body ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	header := func(key, version int16, rest ...byte) []byte {
		b := binary.BigEndian.AppendUint16(nil, uint16(key))
		b = binary.BigEndian.AppendUint16(b, uint16(version))
		b = binary.BigEndian.AppendUint32(b, 1) // correlation id
		b = append(b, 0xff, 0xff)               // no client id
		return frame(append(b, rest...)...)
	}
	r.raw("http", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	r.raw("negative size", []byte{0xff, 0xff, 0xff, 0xff})
	r.raw("size 0", []byte{0, 0, 0, 0})
	r.raw("huge size", []byte{0x7f, 0xff, 0xff, 0xff})
	r.raw("one byte", frame(0))
	r.raw("half a header", frame(0, 3, 0, 1))
	r.raw("unknown api", header(999, 0))
	r.raw("negative api", header(-1, 0))
	r.raw("api without a key", header(93, 0))
	r.raw("controller api", header(52, 0))
	r.raw("removed api", header(4, 0))
	r.raw("version too high", header(3, 99))
	r.raw("negative version", header(3, -1))
	r.raw("metadata cut short", header(3, 1, 0, 0))
	r.raw("metadata with a huge array", header(3, 1, 0x7f, 0xff, 0xff, 0xff))
	r.raw("metadata with a negative array", header(3, 1, 0xff, 0xff, 0xff, 0xf0))
	r.raw("api versions too high", header(18, 99, 0))
	r.raw("api versions 5", header(18, 5, 0, 0, 0))
	r.raw("trailing bytes", header(18, 0, 1, 2, 3))
	r.raw("produce without a body", header(0, 9))
	r.raw("client id longer than the frame", frame(0, 18, 0, 0, 0, 0, 0, 1, 0x7f, 0xff))
	r.raw("client id not utf-8", frame(0, 18, 0, 0, 0, 0, 0, 1, 0, 2, 0xff, 0xfe))
}
