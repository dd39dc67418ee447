package metadata

import (
	"bytes"
	"cmp"
	"iter"
	"strings"

	"github.com/gokafka/gokafka/internal/metadata/records"
)

// Resource types of configurations (ConfigResource.Type in Kafka).
const (
	ResourceTopic         int8 = 2
	ResourceBroker        int8 = 4
	ResourceBrokerLogger  int8 = 8
	ResourceClientMetrics int8 = 16
	ResourceGroup         int8 = 32
)

// NoLeader is the Leader of a partition that has none.
const NoLeader int32 = -1

// Resource names one set of configurations. Name is "" for the default of all brokers.
type Resource struct {
	Type int8
	Name string
}

func (r Resource) compare(o Resource) int {
	return cmp.Or(cmp.Compare(r.Type, o.Type), strings.Compare(r.Name, o.Name))
}

// Image is the state of the cluster at one offset of the metadata log. It never changes: hold one as long as you
// like, read it from any goroutine, and modify nothing that it returns.
type Image struct {
	offset       int64 // of the last record in this image, -1 for none
	epoch        int32 // leader epoch of that record
	timestampMs  int64 // append time of that record
	clusterID    string
	controllerID int32

	topics      tree[string, *Topic]
	topicsByID  tree[[16]byte, *Topic]
	collisions  tree[string, []string] // topics by collisionKey, those that have one
	brokers     tree[int32, *Broker]
	controllers tree[int32, *ControllerRegistration]
	configs     tree[Resource, map[string]string]
	features    tree[string, int16]

	producerIDs *records.ProducerIDsRecord // the last one, nil for none

	security // ACLs, credentials, tokens, quotas
	quorum   // what the control records say
}

// quorum is what KRaft's control records say about the voters.
type quorum struct {
	kraftVersion int16
	voters       *records.VotersRecord // nil with kraft.version 0
}

func newImage(clusterID string) *Image {
	return &Image{
		offset: -1, clusterID: clusterID, controllerID: -1,
		topics:      newTree[string, *Topic](strings.Compare),
		topicsByID:  newTree[[16]byte, *Topic](compareUUID),
		collisions:  newTree[string, []string](strings.Compare),
		brokers:     newTree[int32, *Broker](cmp.Compare[int32]),
		controllers: newTree[int32, *ControllerRegistration](cmp.Compare[int32]),
		configs:     newTree[Resource, map[string]string](Resource.compare),
		features:    newTree[string, int16](strings.Compare),
		security:    newSecurity(),
	}
}

func compareUUID(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) }

// Topic is one topic. Partitions[i] is partition i.
type Topic struct {
	Name       string
	ID         [16]byte
	Partitions []Partition
}

// Partition is the replicated state of one partition: who has it, who leads it, and the epochs that fence the past.
type Partition struct {
	Replicas       []int32
	ISR            []int32
	ELR            []int32 // eligible leader replicas (KIP-966)
	LastKnownELR   []int32
	Adding         []int32    // replicas that a reassignment adds
	Removing       []int32    // replicas that a reassignment removes
	Directories    [][16]byte // log directory ids, parallel to Replicas
	Leader         int32      // NoLeader when there is none
	LeaderEpoch    int32
	PartitionEpoch int32
	Recovering     bool // an uncleanly elected leader has not recovered yet
}

// Endpoint is where a broker or a controller listens.
type Endpoint struct {
	Name     string // the listener's name
	Host     string
	Port     uint16
	Protocol int16 // SecurityProtocol: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL
}

// FeatureRange is the range of levels of a feature that a node supports.
type FeatureRange struct {
	Name     string
	Min, Max int16
}

// Broker is one registered broker.
type Broker struct {
	ID                   int32
	Epoch                int64
	IncarnationID        [16]byte
	Rack                 *string
	Endpoints            []Endpoint
	Features             []FeatureRange
	Fenced               bool
	InControlledShutdown bool
	LogDirs              [][16]byte
	CordonedLogDirs      [][16]byte // nil before the broker has told

	migratingZk bool // kept for snapshots
}

// Endpoint returns the endpoint of the listener, and whether the broker has one.
func (b *Broker) Endpoint(listener string) (Endpoint, bool) {
	for _, e := range b.Endpoints {
		if e.Name == listener {
			return e, true
		}
	}
	return Endpoint{}, false
}

// ControllerRegistration is what a controller has told about itself.
type ControllerRegistration struct {
	ID               int32
	IncarnationID    [16]byte
	ZkMigrationReady bool
	Endpoints        []Endpoint
	Features         []FeatureRange
}

// Offset returns the offset of the last record that this image holds, -1 for an empty one.
func (i *Image) Offset() int64 { return i.offset }

// Epoch returns the leader epoch of the metadata log at Offset.
func (i *Image) Epoch() int32 { return i.epoch }

// ClusterID returns the id of the cluster, a base64 UUID of 22 characters.
func (i *Image) ClusterID() string { return i.clusterID }

// ControllerID returns the node id of the active controller, -1 when unknown.
func (i *Image) ControllerID() int32 { return i.controllerID }

// Topic returns the topic of that name, or nil.
func (i *Image) Topic(name string) *Topic {
	t, _ := i.topics.get(name)
	return t
}

// TopicByID returns the topic of that id, or nil.
func (i *Image) TopicByID(id [16]byte) *Topic {
	t, _ := i.topicsByID.get(id)
	return t
}

// Topics yields all topics in ascending order of their names.
func (i *Image) Topics() iter.Seq[*Topic] {
	return func(yield func(*Topic) bool) {
		for _, t := range i.topics.all() {
			if !yield(t) {
				return
			}
		}
	}
}

// NumTopics returns the number of topics.
func (i *Image) NumTopics() int { return i.topics.len() }

// Brokers returns the registered brokers in ascending order of their ids, fenced ones included.
func (i *Image) Brokers() []Broker {
	bs := make([]Broker, 0, i.brokers.len())
	for _, b := range i.brokers.all() {
		bs = append(bs, *b)
	}
	return bs
}

// Broker returns the registered broker of that id, or nil.
func (i *Image) Broker(id int32) *Broker {
	b, _ := i.brokers.get(id)
	return b
}

// Controllers returns the registered controllers in ascending order of their ids.
func (i *Image) Controllers() []ControllerRegistration {
	cs := make([]ControllerRegistration, 0, i.controllers.len())
	for _, c := range i.controllers.all() {
		cs = append(cs, *c)
	}
	return cs
}

// TopicConfig returns the configurations set on the topic; nil when there are none.
func (i *Image) TopicConfig(name string) map[string]string { return i.ConfigsOf(ResourceTopic, name) }

// Feature returns the finalized level of a feature, 0 when it is not enabled.
func (i *Image) Feature(name string) int16 {
	level, _ := i.features.get(name)
	return level
}

// BrokerConfig returns the dynamic configurations of one broker, or for id -1 those of all brokers by default.
func (i *Image) BrokerConfig(id int32) map[string]string {
	return i.ConfigsOf(ResourceBroker, brokerResourceName(id))
}

// ConfigsOf returns the configurations set on a resource; nil when there are none.
func (i *Image) ConfigsOf(resourceType int8, name string) map[string]string {
	m, _ := i.configs.get(Resource{resourceType, name})
	return m
}

// ConfigResources yields every resource that has configurations, in order of type and name.
func (i *Image) ConfigResources() iter.Seq2[Resource, map[string]string] { return i.configs.all() }

// KRaftVersion returns the finalized level of kraft.version, which is not among Features: control records keep it.
func (i *Image) KRaftVersion() int16 { return i.kraftVersion }

// Features returns the finalized features by name.
func (i *Image) Features() map[string]int16 {
	m := make(map[string]int16, i.features.len())
	for name, level := range i.features.all() {
		m[name] = level
	}
	return m
}

// NextProducerID returns the first producer id that no broker has been given yet.
func (i *Image) NextProducerID() int64 {
	if i.producerIDs == nil {
		return 0
	}
	return i.producerIDs.NextProducerID
}
