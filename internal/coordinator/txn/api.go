package txn

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// InitProducerID begins a new life of a transactional id: it fences its earlier producers, ends what they left open, and returns the producer id and
// epoch to go on with. producerID and epoch are what the producer had if it goes on after an error (KIP-360), else −1.
//
// Errors: INVALID_TRANSACTION_TIMEOUT, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS, those of a coordinator.
func (c *Coordinator) InitProducerID(ctx context.Context, id string, timeoutMs int32, producerID int64, epoch int16) (int64, int16, error) {
	if id != "" && (timeoutMs <= 0 || timeoutMs > limitsOf(c.o.Config()).maxTimeoutMs) {
		return noProducerID, noProducerEpoch, kerr.InvalidTransactionTimeout
	}
	var expected *producer
	if producerID != noProducerID {
		expected = &producer{producerID, epoch}
	}
	p, err := withProducerID(ctx, c, id, func(s *shard, fresh int64, reply *coordinator.Reply[producer]) []record {
		return s.initProducer(id, timeoutMs, expected, fresh, false, reply)
	})
	if err != nil {
		p = noProducer
	}
	return p.id, p.epoch, err
}

// AddPartitions makes partitions part of the producer's transaction. version is 2 for producers of transaction version 2.
//
// Errors: INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS, those of a coordinator.
func (c *Coordinator) AddPartitions(ctx context.Context, id string, producerID int64, epoch int16, partitions []protocol.TopicPartition, version int16) error {
	_, err := do(ctx, c, id, func(s *shard, reply *coordinator.Reply[struct{}]) []record {
		return s.add(id, producer{producerID, epoch}, partitions, version, false, reply)
	})
	return err
}

// VerifyPartitions tells of each partition whether it is part of the producer's transaction: nil or TRANSACTION_ABORTABLE.
//
// Errors: as AddPartitions.
func (c *Coordinator) VerifyPartitions(ctx context.Context, id string, producerID int64, epoch int16, partitions []protocol.TopicPartition) ([]error, error) {
	return do(ctx, c, id, func(s *shard, reply *coordinator.Reply[[]error]) []record {
		errs, err := s.verify(id, producer{producerID, epoch}, partitions)
		if err != nil {
			reply.Fail(err)
		} else {
			reply.Done(errs)
		}
		return nil
	})
}

// EndTxn commits or aborts the producer's transaction and returns the producer id and epoch to go on with, which are new in transaction version 2.
//
// Errors: INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, INVALID_TXN_STATE, CONCURRENT_TRANSACTIONS, those of a coordinator.
func (c *Coordinator) EndTxn(ctx context.Context, id string, producerID int64, epoch int16, commit bool, version int16) (int64, int16, error) {
	p, err := withProducerID(ctx, c, id, func(s *shard, fresh int64, reply *coordinator.Reply[producer]) []record {
		return s.end(id, producer{producerID, epoch}, commit, version, fresh, reply)
	})
	if err != nil {
		p = noProducer
	}
	return p.id, p.epoch, err
}

// Description is what there is to know of a transactional id.
type Description struct {
	ID         string
	ProducerID int64
	Epoch      int16
	State      string
	TimeoutMs  int32
	StartMs    int64
	Partitions []protocol.TopicPartition // in order
}

// Describe returns the state of a transactional id.
//
// Errors: TRANSACTIONAL_ID_NOT_FOUND, INVALID_REQUEST for an empty one, those of a coordinator.
func (c *Coordinator) Describe(ctx context.Context, id string) (Description, error) {
	return do(ctx, c, id, func(s *shard, reply *coordinator.Reply[Description]) []record {
		if t := s.txns[id]; t != nil {
			reply.Done(t.describe(id))
		} else {
			reply.Fail(kerr.TransactionalIDNotFound)
		}
		return nil
	})
}

func (t *transaction) describe(id string) Description {
	return Description{id, t.producerID, t.epoch, t.state.String(), t.timeoutMs, t.startMs, t.sorted()}
}

// Filter says which transactional ids List returns.
type Filter struct {
	ProducerIDs []int64  // all when empty
	States      []string // by name, as the names are written; all when empty
	DurationMs  int64    // open for longer than this; −1: any
	Match       func(id string) bool
}

// List returns the transactional ids of all partitions that this node leads, in order, and the states of the filter that do not exist.
//
// Errors: COORDINATOR_LOAD_IN_PROGRESS.
func (c *Coordinator) List(ctx context.Context, f Filter) (found []Description, unknown []string, err error) {
	for _, name := range f.States {
		if !slices.Contains(stateNames[:], name) {
			unknown = append(unknown, name)
		}
	}
	for _, p := range c.rt.Partitions() {
		part, err := coordinator.Do(ctx, c.rt, p, func(s *shard, reply *coordinator.Reply[[]Description]) []record {
			reply.Done(s.list(f))
			return nil
		})
		if err != nil {
			if isAny(err, kerr.NotCoordinator) {
				continue // it went while we looked
			}
			return nil, unknown, err
		}
		found = append(found, part...)
	}
	slices.SortFunc(found, func(a, b Description) int { return cmp.Compare(a.ID, b.ID) })
	return found, unknown, nil
}

func (s *shard) list(f Filter) (found []Description) {
	now := s.nowMs()
	for id, t := range s.txns {
		switch {
		case len(f.ProducerIDs) > 0 && !slices.Contains(f.ProducerIDs, t.producerID):
		case len(f.States) > 0 && !slices.Contains(f.States, t.state.String()):
		case f.DurationMs >= 0 && now-t.startMs <= f.DurationMs:
		case f.Match != nil && !f.Match(id):
		default:
			d := t.describe(strings.Clone(id))
			found = append(found, d)
		}
	}
	return found
}
