package txn

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// job is a decided transaction whose markers are to be written.
type job struct {
	shard  int32 // partition of __transaction_state
	id     string
	marker coordinator.Marker
	todo   map[protocol.TopicPartition]struct{}
}

// markers writes the markers of decided transactions to the partitions' leaders, those of all transactions that wait for the same node in one request, and
// again until all are written or the shard was unloaded. One goroutine per node; close ends and awaits them.
type markers struct {
	o        Options
	complete func(context.Context, job) error // records that a job's markers are written
	quit     context.Context
	stop     context.CancelFunc
	wg       sync.WaitGroup

	mu    sync.Mutex // guards what follows, and the queues
	nodes map[int32]*nodeQueue
}

// nodeQueue holds what waits for one node.
type nodeQueue struct {
	parts []part
	wake  chan struct{} // of capacity 1
}

// part is what one node has to do of a job. left counts the parts of the job that are not done; markers.mu guards it.
type part struct {
	job
	left *int
}

// Queues that are no node's.
const (
	later   = -1 // what failed, or has no leader now: it is routed anew after a pause
	nothing = -2 // jobs without any partition
)

// retryPause is between two attempts.
const retryPause = 100 * time.Millisecond

func newMarkers(o Options, complete func(context.Context, job) error) *markers {
	m := &markers{o: o, complete: complete, nodes: map[int32]*nodeQueue{}}
	m.quit, m.stop = context.WithCancel(context.Background())
	return m
}

func (m *markers) close() {
	m.mu.Lock()
	m.stop()
	m.mu.Unlock()
	m.wg.Wait()
}

// add takes a job. It does not block.
func (m *markers) add(j job) {
	left := 1
	m.route(part{j, &left})
}

// route splits a part over the nodes that lead its partitions now.
func (m *markers) route(p part) {
	byNode := map[int32]part{}
	for tp := range p.todo {
		node, ok := m.o.Leader(tp)
		if !ok { // deleted: there is nothing to end any more
			continue
		}
		at, ok := byNode[node]
		if !ok {
			at = part{job{p.shard, p.id, p.marker, map[protocol.TopicPartition]struct{}{}}, p.left}
			byNode[node] = at
		}
		at.todo[tp] = struct{}{}
	}
	if len(byNode) == 0 {
		byNode[nothing] = part{job{p.shard, p.id, p.marker, nil}, p.left}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	*p.left += len(byNode) - 1
	for node, at := range byNode {
		m.putLocked(node, at)
	}
}

// putLocked puts a part into a queue. m.mu must be held.
func (m *markers) putLocked(node int32, p part) {
	if m.quit.Err() != nil {
		return
	}
	q := m.nodes[node]
	if q == nil {
		q = &nodeQueue{wake: make(chan struct{}, 1)}
		m.nodes[node] = q
		m.wg.Go(func() { m.run(node, q) })
	}
	q.parts = append(q.parts, p)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run is the goroutine of a queue.
func (m *markers) run(node int32, q *nodeQueue) {
	for {
		select {
		case <-q.wake:
		case <-m.quit.Done():
			return
		}
		if node == later {
			select {
			case <-time.After(retryPause):
			case <-m.quit.Done():
				return
			}
		}
		m.mu.Lock()
		parts := q.parts
		q.parts = nil
		m.mu.Unlock()
		if node == later {
			for _, p := range parts {
				m.route(p)
			}
			continue
		}
		again := m.work(node, parts)
		m.mu.Lock()
		for _, p := range again {
			m.putLocked(later, p)
		}
		m.mu.Unlock()
	}
}

// work does what it can of the parts and returns the others, each with what is left of it.
func (m *markers) work(node int32, parts []part) (again []part) {
	if node != nothing {
		m.write(node, parts)
	}
	for _, p := range parts {
		if len(p.todo) > 0 {
			again = append(again, p)
			continue
		}
		m.mu.Lock()
		last := *p.left == 1
		if !last {
			*p.left--
		}
		m.mu.Unlock()
		if !last {
			continue
		}
		if err := m.complete(m.quit, p.job); err != nil && !isAny(err, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress) && m.quit.Err() == nil {
			m.o.Logger.Warn("cannot record that a transaction is complete, trying again", zap.String("txn_id", p.id), zap.Error(err))
			again = append(again, p)
		}
	}
	return again
}

// write sends the markers of all parts in one request and takes off what is done.
func (m *markers) write(node int32, parts []part) {
	req := kmsg.NewPtrWriteTxnMarkersRequest()
	req.Version = req.MaxVersion()
	for _, p := range parts {
		if len(p.todo) == 0 {
			continue
		}
		rm := kmsg.NewWriteTxnMarkersRequestMarker()
		rm.ProducerID, rm.ProducerEpoch, rm.Committed = p.marker.ProducerID, p.marker.Epoch, p.marker.Commit
		rm.CoordinatorEpoch, rm.TransactionVersion = p.marker.CoordinatorEpoch, p.marker.Version
		for _, tp := range (transaction{partitions: p.todo}).sorted() {
			if n := len(rm.Topics); n == 0 || rm.Topics[n-1].Topic != tp.Topic {
				rm.Topics = append(rm.Topics, kmsg.WriteTxnMarkersRequestMarkerTopic{Topic: tp.Topic})
			}
			last := &rm.Topics[len(rm.Topics)-1]
			last.Partitions = append(last.Partitions, tp.Partition)
		}
		req.Markers = append(req.Markers, rm)
	}
	if len(req.Markers) == 0 {
		return
	}
	resp, err := m.o.WriteMarkers(m.quit, node, req)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			m.o.Logger.Warn("cannot write transaction markers, trying again", zap.Int32("broker", node), zap.Error(err))
		}
		return
	}
	for _, rm := range resp.Markers {
		for _, t := range rm.Topics {
			for _, rp := range t.Partitions {
				m.written(parts, rm.ProducerID, protocol.TopicPartition{Topic: t.Topic, Partition: rp.Partition}, kerr.ErrorForCode(rp.ErrorCode))
			}
		}
	}
}

// written notes the outcome of a marker.
func (m *markers) written(parts []part, producerID int64, tp protocol.TopicPartition, err error) {
	i := slices.IndexFunc(parts, func(p part) bool { _, ok := p.todo[tp]; return ok && p.marker.ProducerID == producerID })
	if i < 0 {
		return
	}
	p := parts[i]
	switch {
	case err == nil:
	case isAny(err, kerr.InvalidProducerEpoch):
		// The partition has seen this epoch, or a later one: our marker is there already, since nobody gets a later epoch before it is.
		m.o.Logger.Debug("transaction marker was written before", zap.String("txn_id", p.id), zap.Stringer("partition", tp))
	case isAny(err, kerr.TransactionCoordinatorFenced):
		m.o.Logger.Info("another coordinator has ended the transaction", zap.String("txn_id", p.id), zap.Stringer("partition", tp))
	case isAny(err, kerr.UnsupportedForMessageFormat):
	default:
		m.o.Logger.Debug("transaction marker not written yet", zap.String("txn_id", p.id), zap.Stringer("partition", tp), zap.Error(err))
		return
	}
	delete(p.todo, tp)
}

// complete records on the shard that the markers of a job are written.
func (c *Coordinator) complete(ctx context.Context, j job) error {
	_, err := coordinator.Do(ctx, c.rt, j.shard, func(s *shard, reply *coordinator.Reply[struct{}]) []record {
		reply.Done(struct{}{})
		return s.complete(j.id, j.marker)
	})
	return err
}
