package metadata

import (
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata/records"
)

// maxRecordsPerOp is how many records one request of a user may make (QuorumController.MAX_RECORDS_PER_USER_OP).
const maxRecordsPerOp = 10000

// step is one request on its way: it reads the image as all earlier requests leave it, and collects the records that the request wants. It
// changes nothing else but the controller's soft state about brokers.
type step struct {
	*machine
	img     *Image
	base    int64 // the offset that the first record will get
	nowMs   int64
	records []records.Versioned
}

func (s *step) add(r ...records.Versioned) { s.records = append(s.records, r...) }

// tooMany drops what has been collected when it is more than one request may do, and says so.
func (s *step) tooMany() error {
	if len(s.records) <= maxRecordsPerOp {
		return nil
	}
	s.records = nil
	return refuse(kerr.PolicyViolation, "Unable to perform excessively large batch operation.")
}

// handle answers req. The error is one of the request as a whole for which its response has no place.
func (s *step) handle(req kmsg.Request) (kmsg.Response, error) {
	switch req := req.(type) {
	case *kmsg.CreateTopicsRequest:
		return s.createTopics(req)
	case *adoptRequest:
		return s.adoptTopics(req)
	case *kmsg.DeleteTopicsRequest:
		return s.deleteTopics(req)
	case *kmsg.CreatePartitionsRequest:
		return s.createPartitions(req)
	case *kmsg.AlterConfigsRequest:
		return s.alterConfigs(req)
	case *kmsg.IncrementalAlterConfigsRequest:
		return s.incrementalAlterConfigs(req)
	case *kmsg.AllocateProducerIDsRequest:
		return s.allocateProducerIDs(req)
	case *kmsg.BrokerRegistrationRequest:
		return s.registerBroker(req)
	case *kmsg.BrokerHeartbeatRequest:
		return s.brokerHeartbeat(req)
	case *kmsg.UnregisterBrokerRequest:
		return s.unregisterBroker(req)
	case *kmsg.ElectLeadersRequest:
		return s.electLeaders(req)
	case *kmsg.AlterPartitionRequest:
		return s.alterPartition(req)
	case *kmsg.AlterPartitionAssignmentsRequest:
		return s.alterPartitionAssignments(req)
	case *kmsg.ListPartitionReassignmentsRequest:
		return s.listPartitionReassignments(req)
	case *kmsg.AssignReplicasToDirsRequest:
		return s.assignReplicasToDirs(req)
	case *kmsg.UpdateFeaturesRequest:
		return s.updateFeatures(req)
	case *kmsg.DescribeQuorumRequest:
		return s.describeQuorum(req)
	}
	return nil, refuse(kerr.UnsupportedVersion, "%s is no request for the controller", kmsg.NameForKey(req.Key()))
}

// respond returns an empty response of req's version.
func respond[R kmsg.Response](req kmsg.Request) R {
	resp := req.ResponseKind().(R)
	resp.SetVersion(req.GetVersion())
	return resp
}

// setting returns a dynamic configuration of a topic, of this node or of the cluster, in this order; ok is false when only the file or the
// default has it. It is for configurations whose name is the same for topics and brokers.
func (s *step) setting(topic, name string) (value string, ok bool) {
	for _, m := range []map[string]string{s.img.TopicConfig(topic), s.img.BrokerConfig(s.nodeID), s.img.BrokerConfig(-1)} {
		if v, ok := m[name]; ok {
			return v, true
		}
	}
	return "", false
}

// effectiveMinISR is min.insync.replicas of the topic, but no more than it has replicas.
func (s *step) effectiveMinISR(t *Topic) int {
	least := s.config().Int(minInsyncReplicas)
	if text, ok := s.setting(t.Name, minInsyncReplicas); ok {
		if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
			least = n
		}
	}
	if len(t.Partitions) > 0 {
		least = min(least, len(t.Partitions[0].Replicas))
	}
	return least
}

func (s *step) uncleanElection(topic string) bool {
	const key = "unclean.leader.election.enable"
	if text, ok := s.setting(topic, key); ok {
		return strings.EqualFold(strings.TrimSpace(text), "true")
	}
	return s.config().Bool(key)
}

// isActive says whether the broker may lead and be in sync.
func (s *step) isActive(id int32) bool {
	b := s.img.Broker(id)
	return b != nil && !b.Fenced && !b.InControlledShutdown
}

func (s *step) active(replicas []int32) []int32 {
	return slices.DeleteFunc(slices.Clone(replicas), func(r int32) bool { return !s.isActive(r) })
}

// Directory ids with a meaning (DirectoryId in Kafka, KIP-858).
var (
	dirUnassigned = [16]byte{}      // the broker chooses
	dirLost       = [16]byte{15: 1} // none that is online
	dirMigrating  = [16]byte{15: 2} // not known yet
)

// reservedDir says whether an id is too small to be a directory's.
func reservedDir(id [16]byte) bool { return [15]byte(id[:15]) == [15]byte{} && id[15] < 100 }

// hasOnlineDir says whether the broker can use the directory.
func (s *step) hasOnlineDir(broker int32, dir [16]byte) bool {
	b := s.img.Broker(broker)
	return b != nil && b.HasOnlineDir(dir)
}

// defaultDir is the directory of a new replica as far as the controller can tell: the broker's only one, else the broker's choice.
func (s *step) defaultDir(broker int32) [16]byte {
	b := s.img.Broker(broker)
	switch {
	case b == nil:
		return dirUnassigned
	case len(b.LogDirs) == 0:
		return dirMigrating
	}
	usable := slices.DeleteFunc(slices.Clone(b.LogDirs), func(d [16]byte) bool { return slices.Contains(b.CordonedLogDirs, d) })
	if len(usable) == 1 {
		return usable[0]
	}
	return dirUnassigned
}

func (s *step) defaultDirs(replicas []int32) [][16]byte {
	dirs := make([][16]byte, len(replicas))
	for i, r := range replicas {
		dirs[i] = s.defaultDir(r)
	}
	return dirs
}
