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
	owner  *shard // the life of the shard that has decided it; only to compare
	shard  int32  // partition of __transaction_state
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
	jobs  map[string]*progress // by transactional id: one at a time
}

// nodeQueue holds what waits for one node.
type nodeQueue struct {
	parts []part
	wake  chan struct{} // of capacity 1
}

// part is what one node has to do of a job.
type part struct {
	job
	of *progress
}

// progress of a job. markers.mu guards it.
//
// A shard that is loaded anew sends what it finds decided, and does not know of the requests that its earlier life has under way. Were the transaction
// complete before these arrive, they would end the next one: in transaction version 1 it has the same epoch. The later job therefore waits until the
// requests of the earlier one are answered, and nothing more of that is sent.
type progress struct {
	left    int // parts that are not done
	dropped bool
	next    *job // in its place
}

// Queues that are no node's.
const (
	later   = -1 // what failed, or has no leader now: it is routed anew after a pause
	nothing = -2 // jobs without any partition
)

// retryPause is between two attempts.
const retryPause = 100 * time.Millisecond

func newMarkers(o Options, complete func(context.Context, job) error) *markers {
	m := &markers{o: o, complete: complete, nodes: map[int32]*nodeQueue{}, jobs: map[string]*progress{}}
	m.quit, m.stop = context.WithCancel(context.Background())
	return m
}

func (m *markers) close() {
	m.mu.Lock()
	m.stop()
	m.mu.Unlock()
	m.wg.Wait()
}

// add takes a job, in place of an earlier one of the same transactional id. It does not block.
func (m *markers) add(j job) {
	m.mu.Lock()
	if earlier := m.jobs[j.id]; earlier != nil {
		earlier.dropped, earlier.next = true, &j
		m.mu.Unlock()
		return
	}
	p := &progress{left: 1}
	m.jobs[j.id] = p
	m.mu.Unlock()
	m.route(part{j, p})
}

// ended forgets a job of which nothing is under way any more, and begins the one that has come in its place.
func (m *markers) ended(p part) {
	m.mu.Lock()
	delete(m.jobs, p.id)
	next := p.of.next
	m.mu.Unlock()
	if next != nil {
		m.add(*next)
	}
}

// route splits a part over the nodes that lead its partitions now.
func (m *markers) route(p part) {
	byNode := map[int32]part{}
	if m.isDropped(p) {
		p.todo = nil
	}
	for tp := range p.todo {
		node, ok := m.o.Leader(tp)
		if !ok { // deleted: there is nothing to end any more
			continue
		}
		at, ok := byNode[node]
		if !ok {
			at = p
			at.todo = map[protocol.TopicPartition]struct{}{}
			byNode[node] = at
		}
		at.todo[tp] = struct{}{}
	}
	if len(byNode) == 0 {
		p.todo = nil
		byNode[nothing] = p
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p.of.left += len(byNode) - 1
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
		m.write(node, m.wanted(parts))
	}
	for _, p := range parts {
		m.mu.Lock()
		dropped := p.of.dropped
		done := dropped || len(p.todo) == 0
		last := p.of.left == 1
		if done && !last {
			p.of.left--
		}
		m.mu.Unlock()
		switch {
		case !done:
			again = append(again, p)
		case !last:
		case dropped || m.completed(p):
			m.ended(p)
		default:
			again = append(again, p)
		}
	}
	return again
}

// wanted returns the parts whose job was not dropped.
func (m *markers) wanted(parts []part) []part {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return p.of.dropped })
}

func (m *markers) isDropped(p part) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return p.of.dropped
}

// completed records that a job is done, and reports whether that was the end of it.
func (m *markers) completed(p part) bool {
	err := m.complete(m.quit, p.job)
	if err == nil || isAny(err, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress) || m.quit.Err() != nil {
		return true
	}
	m.o.Logger.Warn("cannot record that a transaction is complete, trying again", zap.String("txn_id", p.id), zap.Error(err))
	return false
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
		if s != j.owner {
			return nil // the shard was loaded anew, and has its own job for it
		}
		return s.complete(j.id, j.marker)
	})
	return err
}
