package txn

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/coordinator/coordinatortest"
	"github.com/gokafka/gokafka/internal/protocol"
)

type (
	topicPartition = protocol.TopicPartition
	markersRequest = kmsg.WriteTxnMarkersRequest
)

func tp(topic string, partition int32) topicPartition {
	return topicPartition{Topic: topic, Partition: partition}
}

// harness is a coordinator over a journal in memory, in a synctest bubble, and the partitions that it writes markers to.
type harness struct {
	t       *testing.T
	journal *coordinatortest.Journal
	options Options
	epoch   int32
	numPart int32

	mu         sync.Mutex
	c          *Coordinator
	logs       map[topicPartition]map[int64]*producerInLog // by producer id
	moved      int32                                       // leaders are this many nodes further
	leaderless map[topicPartition]bool
	deleted    map[topicPartition]bool
	refuse     error                                                           // of each marker
	intercept  func(req *markersRequest, apply func()) (lost error, err error) // nil: markers are applied and answered at once
	requests   int

	replayed map[int32]*replayedLog // by partition: what check has read
}

// replayedLog is a log's state up to a number of its batches.
type replayedLog struct {
	batches int
	txns    map[string]*transaction
	given   map[int64]string // producer id to transactional id
}

// producerInLog is what a partition knows of a producer: what internal/log keeps for transactions.
type producerInLog struct {
	epoch            int16
	coordinatorEpoch int32
	open             *transactionInLog
	guard            int // of a verification under way, 0 for none
	lastGuard        int
	ended            []bool // committed?
}

// transactionInLog is what a client wrote in one transaction, and how its partitions ended it.
type transactionInLog struct {
	mu    sync.Mutex
	ended map[topicPartition]string // "" while it is open
}

func (x *transactionInLog) end(at topicPartition, how string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ended[at] = how
}

func newHarness(t *testing.T, keys ...string) *harness {
	h := &harness{t: t, journal: coordinatortest.New(), numPart: 2, logs: map[topicPartition]map[int64]*producerInLog{}, leaderless: map[topicPartition]bool{},
		deleted: map[topicPartition]bool{}, replayed: map[int32]*replayedLog{}}
	var entries []config.Entry
	for i := 0; i < len(keys); i += 2 {
		entries = append(entries, config.Entry{Key: keys[i], Value: keys[i+1], Source: "test"})
	}
	cfg, _, err := config.New(entries, config.Defaults{NoFile: true})
	if err != nil {
		t.Fatal(err)
	}
	h.options = Options{
		Journal:       h.journal,
		Config:        func() *config.Config { return cfg },
		NumPartitions: func() int32 { return h.numPart },
		ProducerIDs:   NewProducerIDs(&blocks{next: 1000}, 1, func() int64 { return 1 }),
		Leader: func(at topicPartition) (int32, bool) {
			h.mu.Lock()
			defer h.mu.Unlock()
			switch {
			case h.deleted[at]:
				return -1, false
			case h.leaderless[at]:
				return -1, true
			}
			return (at.Partition + h.moved) % 3, true
		},
		WriteMarkers: h.writeMarkers,
		Now:          time.Now,
		NewID:        func() string { return "" },
	}
	h.c = New(h.options)
	t.Cleanup(func() { h.coordinator().Close() })
	h.load()
	return h
}

func (h *harness) coordinator() *Coordinator {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.c
}

func (h *harness) load() {
	h.epoch++
	for p := range h.numPart {
		h.coordinator().Load(p, h.epoch)
	}
	synctest.Wait()
}

// reload drops all that is not in the log, as when the partitions' leadership goes and comes back.
func (h *harness) reload() {
	for p := range h.numPart {
		h.coordinator().Unload(p, -1)
	}
	h.load()
}

// restart is another process over the same log.
func (h *harness) restart() {
	h.coordinator().Close()
	c := New(h.options)
	h.mu.Lock()
	h.c = c
	h.mu.Unlock()
	h.load()
}

// seed writes what a transactional id was before, and loads it.
func (h *harness) seed(id string, t transaction) {
	h.t.Helper()
	if _, err := h.journal.AppendBatch(h.coordinator().PartitionFor(id), h.epoch, protocol.BatchOptions{ProducerID: -1}, []record{encode(id, t)}); err != nil {
		h.t.Fatal(err)
	}
	h.restart()
}

func (h *harness) writeMarkers(_ context.Context, _ int32, req *markersRequest) (*kmsg.WriteTxnMarkersResponse, error) {
	h.mu.Lock()
	intercept := h.intercept
	h.requests++
	h.mu.Unlock()
	var resp *kmsg.WriteTxnMarkersResponse
	apply := func() { resp = h.applyMarkers(req) }
	if intercept == nil {
		apply()
		return resp, nil
	}
	if lost, err := intercept(req, apply); lost != nil || err != nil {
		return nil, fmt.Errorf("%v %v", lost, err)
	}
	return resp, nil
}

func (h *harness) applyMarkers(req *markersRequest) *kmsg.WriteTxnMarkersResponse {
	h.mu.Lock()
	defer h.mu.Unlock()
	resp := req.ResponseKind().(*kmsg.WriteTxnMarkersResponse)
	for _, m := range req.Markers {
		rm := kmsg.WriteTxnMarkersResponseMarker{ProducerID: m.ProducerID}
		for _, t := range m.Topics {
			rt := kmsg.WriteTxnMarkersResponseMarkerTopic{Topic: t.Topic}
			for _, p := range t.Partitions {
				rp := kmsg.WriteTxnMarkersResponseMarkerTopicPartition{Partition: p}
				if err := h.applyMarker(tp(t.Topic, p), m); err != nil {
					rp.ErrorCode = protocol.ErrorCode(err)
				}
				rt.Partitions = append(rt.Partitions, rp)
			}
			rm.Topics = append(rm.Topics, rt)
		}
		resp.Markers = append(resp.Markers, rm)
	}
	return resp
}

// applyMarker does to a partition what internal/log does.
func (h *harness) applyMarker(at topicPartition, m kmsg.WriteTxnMarkersRequestMarker) error {
	switch {
	case h.deleted[at]:
		return kerr.UnknownTopicOrPartition
	case h.leaderless[at]:
		return kerr.NotLeaderForPartition
	case h.refuse != nil:
		return h.refuse
	}
	p := h.producer(at, m.ProducerID)
	switch {
	case m.ProducerEpoch < p.epoch, m.TransactionVersion >= 2 && m.ProducerEpoch == p.epoch:
		return kerr.InvalidProducerEpoch
	case m.CoordinatorEpoch < p.coordinatorEpoch:
		return kerr.TransactionCoordinatorFenced
	}
	p.epoch, p.coordinatorEpoch, p.guard = m.ProducerEpoch, m.CoordinatorEpoch, 0
	p.ended = append(p.ended, m.Committed)
	if p.open != nil {
		how := "abort"
		if m.Committed {
			how = "commit"
		}
		p.open.end(at, how)
		p.open = nil
	}
	return nil
}

// producer is what a partition knows of a producer. h.mu must be held.
func (h *harness) producer(at topicPartition, id int64) *producerInLog {
	if h.logs[at] == nil {
		h.logs[at] = map[int64]*producerInLog{}
	}
	if h.logs[at][id] == nil {
		h.logs[at][id] = &producerInLog{epoch: -1, coordinatorEpoch: -1}
	}
	return h.logs[at][id]
}

// append writes a record in a transaction, as the broker does: what is not open in the partition is confirmed by the coordinator first.
func (h *harness) append(id string, p producer, version int16, at topicPartition, x *transactionInLog) error {
	h.mu.Lock()
	log := h.producer(at, p.id)
	if log.open == x && log.epoch == p.epoch {
		h.mu.Unlock()
		return nil
	}
	if log.guard == 0 {
		log.lastGuard++
		log.guard = log.lastGuard
	}
	guard := log.guard
	h.mu.Unlock()
	var err error
	if version >= 2 {
		err = h.coordinator().AddPartitions(h.t.Context(), id, p.id, p.epoch, []topicPartition{at}, 2)
	} else if errs, all := h.coordinator().VerifyPartitions(h.t.Context(), id, p.id, p.epoch, []topicPartition{at}); all != nil {
		err = all
	} else {
		err = errs[0]
	}
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.deleted[at] || h.leaderless[at]:
		return kerr.NotLeaderForPartition
	case p.epoch < log.epoch:
		return kerr.InvalidProducerEpoch
	case log.guard != guard:
		return kerr.InvalidTxnState
	case log.open != nil && log.open != x:
		h.t.Errorf("%v: %+v begins a transaction while another of the producer is open", at, p)
	}
	log.epoch, log.guard, log.open = p.epoch, 0, x
	x.mu.Lock()
	x.ended[at] = ""
	x.mu.Unlock()
	return nil
}

// setLeader gives a partition a leader, or takes it away.
func (h *harness) setLeader(at topicPartition, has bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaderless[at] = !has
}

// markersAt are those of a producer in a partition: committed?
func (h *harness) markersAt(at topicPartition, producerID int64) []bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.producer(at, producerID).ended)
}

// sent is the number of requests with markers.
func (h *harness) sent() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.requests
}

// inspect runs fn on each shard.
func (h *harness) inspect(fn func(partition int32, s *shard)) {
	h.t.Helper()
	for p := range h.numPart {
		_, err := coordinator.Do(h.t.Context(), h.coordinator().rt, p, func(s *shard, reply *coordinator.Reply[int]) []record {
			fn(p, s)
			reply.Done(0)
			return nil
		})
		if err != nil {
			h.t.Errorf("inspect partition %d: %v", p, err)
		}
	}
}

// state of a transactional id as it is now.
func (h *harness) state(id string) transaction {
	h.t.Helper()
	var found *transaction
	h.inspect(func(_ int32, s *shard) {
		if t := s.txns[id]; t != nil {
			found = t
		}
	})
	if found == nil {
		h.t.Fatalf("transactional id %s is not known", id)
	}
	return *found
}

// check verifies what must hold between any two events.
func (h *harness) check() {
	h.t.Helper()
	h.inspect(func(p int32, s *shard) {
		log := h.replayed[p]
		if log == nil {
			log = &replayedLog{txns: map[string]*transaction{}, given: map[int64]string{}}
			h.replayed[p] = log
		}
		batches := h.journal.Batches(p)
		for _, b := range batches[log.batches:] {
			for r, err := range b.Records() {
				if err != nil {
					h.t.Fatal(err)
				}
				h.replay(log, r)
			}
		}
		log.batches = len(batches)
		fresh := log.txns
		if a, b := slices.Sorted(maps.Keys(s.txns)), slices.Sorted(maps.Keys(fresh)); !slices.Equal(a, b) {
			h.t.Errorf("partition %d: transactional ids %v, replayed %v", p, a, b)
			return
		}
		for id, t := range s.txns {
			live, replayed := *t, *fresh[id]
			live.lastEpoch = replayed.lastEpoch // not in the record, as in Kafka
			if !reflect.DeepEqual(live, replayed) {
				h.t.Errorf("transactional id %s: %+v, replayed %+v", id, live, replayed)
			}
		}
	})
}

func (h *harness) replay(log *replayedLog, r record) {
	h.t.Helper()
	id, t, err := decode(r)
	if err != nil {
		h.t.Fatal(err)
	}
	if t == nil {
		delete(log.txns, id)
		return
	}
	if err := follow(log.txns[id], t); err != nil {
		h.t.Errorf("transactional id %s: %v", id, err)
	}
	if other, ok := log.given[t.producerID]; ok && other != id {
		h.t.Errorf("producer id %d is that of %s and of %s", t.producerID, other, id)
	}
	log.given[t.producerID], log.txns[id] = id, t
}

// follow checks a record of a transactional id by the one before.
func follow(before, t *transaction) error {
	switch {
	case t.epoch < 0:
		return fmt.Errorf("epoch %d", t.epoch)
	case t.state > completeAbort:
		return fmt.Errorf("state %v is never recorded", t.state)
	case t.state == ongoing && len(t.partitions) == 0, (t.state == completeCommit || t.state == completeAbort) && len(t.partitions) > 0:
		return fmt.Errorf("%v with partitions %v", t.state, t.partitions)
	case before == nil:
		return nil
	case !slices.Contains(follows[t.state], before.state):
		return fmt.Errorf("%v after %v", t.state, before.state)
	case t.producerID == before.producerID && t.epoch < before.epoch:
		return fmt.Errorf("epoch %d after %d of producer id %d", t.epoch, before.epoch, t.producerID)
	case t.producerID != before.producerID && before.state == ongoing:
		return fmt.Errorf("producer id %d takes over from %d in an open transaction", t.producerID, before.producerID)
	case t.producerID != before.producerID && !isExhausted(before.epoch):
		return fmt.Errorf("producer id %d takes over from %d, which has epochs left", t.producerID, before.producerID)
	case t.state == prepareCommit || t.state == prepareAbort:
		if before.state == ongoing && !maps.Equal(t.partitions, before.partitions) {
			return fmt.Errorf("%v with partitions %v, open were %v", t.state, t.partitions, before.partitions)
		}
	}
	return nil
}
