package group

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/coordinator"
)

// Options of a [Coordinator]. All but Logger are required.
type Options struct {
	Journal coordinator.Journal // of __consumer_offsets
	Config  func() *config.Config
	// NumPartitions is the number of partitions of __consumer_offsets; while the topic does not exist that which it will have, 0 for unknown.
	NumPartitions func() int32
	// TopicPartitions is the number of partitions of a topic, 0 for one that does not exist.
	TopicPartitions func(topic string) int
	// TopicID and TopicName translate between the name and the id of an existing topic.
	TopicID   func(topic string) (id [16]byte, ok bool)
	TopicName func(id [16]byte) (topic string, ok bool)
	// Topics yields the names of all topics; TopicsVersion is another number when they have changed.
	Topics        func() iter.Seq[string]
	TopicsVersion func() int64
	// GroupConfig is the configuration of a group resource; it may be nil.
	GroupConfig func(groupID string) map[string]string
	// ShareState is the share coordinator.
	ShareState ShareState
	Logger     *zap.Logger
	Now        func() time.Time
	NewID      func() string // random UUIDs, as of [coordinator.UUIDs]
}

// Client is who sends a request.
type Client struct {
	ID   string // client.id, may be empty
	Host string // address as Kafka prints it: "/127.0.0.1"
}

// Coordinator serves the group APIs for the partitions of __consumer_offsets that this node leads. All methods are safe for concurrent use;
// each returns a complete response of the request's version, errors inside. Byte slices in a response are shared with the group's state and
// must not be changed. Requests are not kept: what outlives the call is cloned. Authorization, and topics that a client may not see, are the
// caller's. When ctx ends, a response is returned that nobody is there to read.
type Coordinator struct {
	o  Options
	rt *coordinator.Runtime[*shard]
	// limits reads the configuration, which may change while the broker runs.
	limits     func() limits
	shareGates sync.Map // chan struct{} by group: held while the state of its partitions is begun
}

// New makes a coordinator that hosts nothing until [Coordinator.Load].
func New(o Options) *Coordinator {
	commitTimeout := milliseconds(o.Config().Int64("offsets.commit.timeout.ms"))
	return newCoordinator(o, commitTimeout, cachedLimits(o.Config))
}

// cachedLimits reads the configuration's limits when it is another one than the last time.
func cachedLimits(get func() *config.Config) func() limits {
	type of struct {
		config *config.Config
		limits limits
	}
	var last atomic.Pointer[of]
	return func() limits {
		c := get()
		known := last.Load()
		if known == nil || known.config != c {
			known = &of{c, limitsOf(c)}
			last.Store(known)
		}
		return known.limits
	}
}

func newCoordinator(o Options, commitTimeout time.Duration, limits func() limits) *Coordinator {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	c := &Coordinator{o: o, limits: limits}
	build := func(partition int32, env coordinator.Env) *shard {
		s := newShard(env, limits, o.Logger)
		s.topics = topicView{id: o.TopicID, name: o.TopicName, partitions: o.TopicPartitions, all: o.Topics, version: o.TopicsVersion}
		if o.GroupConfig != nil {
			s.configOf = o.GroupConfig
		}
		return s
	}
	c.rt = coordinator.New(o.Journal, build, coordinator.Options{Now: o.Now, NewID: o.NewID, Logger: o.Logger, CommitTimeout: commitTimeout})
	return c
}

// PartitionFor returns the partition of __consumer_offsets that a group belongs to, 0 while their number is not known.
func (c *Coordinator) PartitionFor(groupID string) int32 {
	n := c.o.NumPartitions()
	if n <= 0 {
		return 0
	}
	return PartitionFor(groupID, n)
}

// Load starts to load the groups of a partition that this node leads since leaderEpoch. It returns at once.
func (c *Coordinator) Load(partition, leaderEpoch int32) { c.rt.Load(partition, leaderEpoch) }

// Unload drops the groups of a partition that this node does not lead any more, or whatever the epoch when that is negative. Clients that
// wait get NOT_COORDINATOR.
func (c *Coordinator) Unload(partition, leaderEpoch int32) { c.rt.Unload(partition, leaderEpoch) }

// OnTopicsDeleted removes the committed offsets of deleted topics, before any request that comes later. It does not wait for the removal.
func (c *Coordinator) OnTopicsDeleted(topics []string) {
	c.rt.Broadcast(func(s *shard) []record { return s.topicsDeleted(topics) })
}

// Close unloads everything and waits for the shards' goroutines.
func (c *Coordinator) Close() { c.rt.Close() }

// do runs fn on the shard of the group. Errors are kerr values, those of the journal as clients of a coordinator know them.
func do[R any](ctx context.Context, c *Coordinator, groupID string, fn func(*shard, *coordinator.Reply[R]) []record) (R, error) {
	n := c.o.NumPartitions()
	if n <= 0 {
		var none R
		return none, kerr.CoordinatorNotAvailable
	}
	r, err := coordinator.Do(ctx, c.rt, PartitionFor(groupID, n), fn)
	return r, coordinator.ClientError(err)
}

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
