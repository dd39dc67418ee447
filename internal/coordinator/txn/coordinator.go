package txn

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// Options of a [Coordinator]. All but Logger are required.
type Options struct {
	Journal coordinator.Journal // of __transaction_state
	Config  func() *config.Config
	// NumPartitions is the number of partitions of __transaction_state, 0 while the topic does not exist.
	NumPartitions func() int32
	ProducerIDs   *ProducerIDs
	// Leader tells who leads a partition; −1 when nobody does at present, ok is false when the partition does not exist.
	Leader func(tp protocol.TopicPartition) (node int32, ok bool)
	// WriteMarkers sends a request to a node, this one included.
	WriteMarkers func(ctx context.Context, node int32, req *kmsg.WriteTxnMarkersRequest) (*kmsg.WriteTxnMarkersResponse, error)
	Logger       *zap.Logger
	Now          func() time.Time
	NewID        func() string // random UUIDs, as of [coordinator.UUIDs]
}

// Coordinator serves the transactional ids of the partitions of __transaction_state that this node leads. All methods are safe for concurrent use.
// Authorization is the caller's, and whether partitions exist.
type Coordinator struct {
	o       Options
	rt      *coordinator.Runtime[*shard]
	markers *markers
}

// limits are the configuration keys that the package obeys.
type limits struct {
	maxTimeoutMs   int32         // transaction.max.timeout.ms
	abortInterval  time.Duration // transaction.abort.timed.out.transaction.cleanup.interval.ms
	expireInterval time.Duration // transaction.remove.expired.transaction.cleanup.interval.ms
	expiration     time.Duration // transactional.id.expiration.ms
}

func limitsOf(c *config.Config) limits {
	ms := func(key string) time.Duration {
		return time.Duration(min(c.Int64(key), math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
	}
	return limits{
		maxTimeoutMs:   int32(c.Int("transaction.max.timeout.ms")),
		abortInterval:  ms("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
		expireInterval: ms("transaction.remove.expired.transaction.cleanup.interval.ms"),
		expiration:     ms("transactional.id.expiration.ms"),
	}
}

// New makes a coordinator that hosts nothing until [Coordinator.Load].
func New(o Options) *Coordinator {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	c := &Coordinator{o: o}
	c.markers = newMarkers(o, c.complete)
	limits := func() limits { return limitsOf(o.Config()) }
	build := func(_ int32, env coordinator.Env) *shard { return newShard(env, limits, c.markers.add, o.Logger) }
	c.rt = coordinator.New(o.Journal, build, coordinator.Options{Now: o.Now, NewID: o.NewID, Logger: o.Logger})
	return c
}

// PartitionFor returns the partition of __transaction_state that a transactional id belongs to, 0 while the topic does not exist.
func (c *Coordinator) PartitionFor(id string) int32 {
	n := c.o.NumPartitions()
	if n <= 0 {
		return 0
	}
	return coordinator.PartitionFor(id, n)
}

// Load starts to load the transactional ids of a partition that this node leads since leaderEpoch. It returns at once.
func (c *Coordinator) Load(partition, leaderEpoch int32) { c.rt.Load(partition, leaderEpoch) }

// Unload drops the transactional ids of a partition that this node does not lead any more.
func (c *Coordinator) Unload(partition, leaderEpoch int32) { c.rt.Unload(partition, leaderEpoch) }

// Close unloads everything and waits for the goroutines. Decided transactions whose markers are not written go on at the next load.
func (c *Coordinator) Close() {
	c.rt.Close()
	c.markers.close()
}

// ProducerIDs returns the source of producer ids, for producers without a transactional id.
func (c *Coordinator) ProducerIDs() *ProducerIDs { return c.o.ProducerIDs }

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

// do runs fn on the shard of the transactional id. Errors are kerr values.
func do[R any](ctx context.Context, c *Coordinator, id string, fn func(*shard, *coordinator.Reply[R]) []record) (R, error) {
	var none R
	if id == "" {
		return none, kerr.InvalidRequest
	}
	n := c.o.NumPartitions()
	if n <= 0 {
		return none, kerr.NotCoordinator
	}
	r, err := coordinator.Do(ctx, c.rt, coordinator.PartitionFor(id, n), fn)
	return r, coordinator.ClientError(err)
}

// withProducerID is do for what may need a new producer id.
func withProducerID[R any](ctx context.Context, c *Coordinator, id string, fn func(*shard, int64, *coordinator.Reply[R]) []record) (R, error) {
	fresh := int64(noProducerID)
	for {
		r, err := do(ctx, c, id, func(s *shard, reply *coordinator.Reply[R]) []record { return fn(s, fresh, reply) })
		if !errors.Is(err, errNeedProducerID) {
			return r, err
		}
		if fresh, err = c.o.ProducerIDs.Next(ctx); err != nil {
			return r, err
		}
	}
}

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
