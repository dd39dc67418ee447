package sharestate

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/coordinator"
)

// Options of a [Coordinator]. All but Logger are required.
type Options struct {
	Journal coordinator.Journal // of __share_group_state
	Config  func() *config.Config
	// NumPartitions is the number of partitions of __share_group_state, 0 while the topic does not exist.
	NumPartitions func() int32
	// Exists tells whether the cluster has the partition of a topic.
	Exists func(topicID [16]byte, partition int32) bool
	// Prune gives up the records of a partition of __share_group_state before an offset. It must not block.
	Prune  func(partition int32, before int64)
	Logger *zap.Logger
	Now    func() time.Time
	NewID  func() string // random UUIDs, as of [coordinator.UUIDs]
}

// Coordinator serves the share partitions of the partitions of __share_group_state that this node leads. All methods are safe for concurrent use.
// Authorization is the caller's.
type Coordinator struct {
	o  Options
	rt *coordinator.Runtime[*shard]
}

// New makes a coordinator that hosts nothing until [Coordinator.Load].
func New(o Options) *Coordinator {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	limits := func() limits { return limitsOf(o.Config()) }
	build := func(_ int32, env coordinator.Env) *shard {
		return &shard{env: env, limits: limits, prune: o.Prune, exists: o.Exists, states: map[Key]state{}}
	}
	timeout := milliseconds(o.Config().Int64("share.coordinator.write.timeout.ms"))
	rt := coordinator.New(o.Journal, build, coordinator.Options{Now: o.Now, NewID: o.NewID, Logger: o.Logger, CommitTimeout: timeout})
	return &Coordinator{o: o, rt: rt}
}

func limitsOf(c *config.Config) limits {
	return limits{
		updatesPerSnapshot: c.Int("share.coordinator.snapshot.update.records.per.snapshot"),
		pruneInterval:      milliseconds(c.Int64("share.coordinator.state.topic.prune.interval.ms")),
		coldInterval:       milliseconds(c.Int64("share.coordinator.cold.partition.snapshot.interval.ms")),
	}
}

func milliseconds(ms int64) time.Duration {
	return time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// PartitionFor returns the partition of __share_group_state that a share partition belongs to, 0 while the topic does not exist.
func (c *Coordinator) PartitionFor(k Key) int32 {
	n := c.o.NumPartitions()
	if n <= 0 {
		return 0
	}
	return coordinator.PartitionFor(k.String(), n)
}

// Load starts to load the states of a partition that this node leads since leaderEpoch. It returns at once.
func (c *Coordinator) Load(partition, leaderEpoch int32) { c.rt.Load(partition, leaderEpoch) }

// Unload drops the states of a partition that this node does not lead any more.
func (c *Coordinator) Unload(partition, leaderEpoch int32) { c.rt.Unload(partition, leaderEpoch) }

// OnTopicsDeleted forgets the share partitions of deleted topics. It does not wait for that.
func (c *Coordinator) OnTopicsDeleted(ids [][16]byte) {
	gone := make(map[[16]byte]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	c.rt.Broadcast(func(s *shard) []record { return s.topicsDeleted(gone) })
}

// Close unloads everything and waits for the shards' goroutines.
func (c *Coordinator) Close() { c.rt.Close() }

// Loading reports whether a partition is being loaded.
func (c *Coordinator) Loading(ctx context.Context) bool {
	for _, p := range c.rt.Partitions() {
		_, err := coordinator.Do(ctx, c.rt, p, func(_ *shard, reply *coordinator.Reply[struct{}]) []record {
			reply.Done(struct{}{})
			return nil
		})
		if errors.Is(err, kerr.CoordinatorLoadInProgress) {
			return true
		}
	}
	return false
}

// do runs fn on the shard of the share partition. Errors are kerr values.
func do[R any](ctx context.Context, c *Coordinator, k Key, fn func(*shard, *coordinator.Reply[R]) []record) (R, error) {
	n := c.o.NumPartitions()
	if n <= 0 {
		var none R
		return none, kerr.CoordinatorNotAvailable
	}
	r, err := coordinator.Do(ctx, c.rt, coordinator.PartitionFor(k.String(), n), fn)
	return r, journalError(err)
}

// journalError translates errors of the log under the coordinator into those that its clients know how to retry.
func journalError(err error) error {
	any := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil:
		return nil
	case any(kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, context.Canceled, context.DeadlineExceeded):
		return kerr.CoordinatorNotAvailable
	case any(kerr.NotLeaderForPartition, kerr.KafkaStorageError, kerr.UnknownLeaderEpoch):
		return kerr.NotCoordinator
	case any(kerr.MessageTooLarge, kerr.RecordListTooLarge):
		return kerr.UnknownServerError
	}
	return err
}
