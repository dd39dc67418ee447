package txn

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// settleTime is how long a request waits for the markers of the transaction before.
const settleTime = 100 * time.Millisecond

// shard is the state of one partition of __transaction_state.
type shard struct {
	env    coordinator.Env
	limits func() limits
	// complete sends the markers of a decided transaction; it must not block.
	markers func(job)
	log     *zap.Logger

	txns map[string]*transaction

	// Soft state: who waits for a decided transaction to be complete, by transactional id.
	waiting map[string][]waiter
	seq     int
}

// waiter is a timer that is brought forward when its transaction is complete.
type waiter struct {
	key string
	fn  func() []record
}

func newShard(env coordinator.Env, limits func() limits, markers func(job), log *zap.Logger) *shard {
	return &shard{env: env, limits: limits, markers: markers, log: log, txns: map[string]*transaction{}, waiting: map[string][]waiter{}}
}

// Loaded goes on with what the log says is decided, and arms the timers.
func (s *shard) Loaded() {
	for _, id := range slices.Sorted(maps.Keys(s.txns)) {
		if t := s.txns[id]; t.state.isDecided() {
			s.sendMarkers(id, t)
		}
	}
	s.env.Schedule("time-outs", s.limits().abortInterval, s.abortTimedOut)
	s.env.Schedule("expiration", s.limits().expireInterval, s.expire)
}

// Replay applies one record.
func (s *shard) Replay(_ int64, r record) error {
	id, t, err := decode(r)
	if err != nil {
		return err
	}
	if t == nil {
		delete(s.txns, id)
		return nil
	}
	s.txns[id] = t
	return nil
}

// ReplayTxnMarker is never called for a log that Kafka or gokafka wrote: the log of transactions has none itself.
func (s *shard) ReplayTxnMarker(int64, int16, bool) error { return nil }

func (s *shard) nowMs() int64 { return s.env.Now().UnixMilli() }

// write returns the record of what a transactional id becomes.
func (s *shard) write(id string, next transaction) []record {
	if now := s.txns[id]; now != nil && !slices.Contains(follows[next.state], now.state) {
		panic(fmt.Sprintf("transactional id %q cannot go from %v to %v", id, now.state, next.state))
	}
	if last := next.lastEpoch; last != noProducerEpoch { // it is not in the record
		s.env.AfterAppend(func(err error) {
			if t := s.txns[id]; err == nil && t != nil {
				t.lastEpoch = last
			}
		})
	}
	return []record{encode(id, next)}
}

// settled runs fn as an event of its own once the transaction is complete, or after settleTime.
func (s *shard) settled(id string, fn func() []record) {
	s.seq++
	w := waiter{key: "settled/" + strconv.Itoa(s.seq), fn: fn}
	w.fn = func() []record {
		s.waiting[id] = slices.DeleteFunc(s.waiting[id], func(o waiter) bool { return o.key == w.key })
		if len(s.waiting[id]) == 0 {
			delete(s.waiting, id)
		}
		return fn()
	}
	s.waiting[id] = append(s.waiting[id], w)
	s.env.Schedule(w.key, settleTime, w.fn)
}

// sendMarkers has the markers of a decided transaction written.
func (s *shard) sendMarkers(id string, t *transaction) {
	s.markers(job{
		owner: s, shard: s.env.Partition, id: id, todo: maps.Clone(t.partitions),
		marker: coordinator.Marker{
			ProducerID: t.producerID, Epoch: t.epoch, CoordinatorEpoch: s.env.LeaderEpoch, Version: int8(t.version), Commit: t.state == prepareCommit,
		},
	})
}

// complete records that all markers of a transaction are written.
func (s *shard) complete(id string, m coordinator.Marker) []record {
	t := s.txns[id]
	if t == nil || !t.state.isDecided() || t.producerID != m.ProducerID || t.epoch != m.Epoch {
		return nil // done already, though the answer said that it was not
	}
	done := completeAbort
	if t.state == prepareCommit {
		done = completeCommit
	}
	next := t.to(done, s.nowMs())
	next.partitions, next.lastEpoch = nil, t.lastEpoch
	if t.version >= 2 && t.nextProducerID != noProducerID {
		next.producerID, next.epoch, next.lastEpoch = t.nextProducerID, 0, t.epoch
	}
	s.env.AfterAppend(func(err error) {
		if err != nil {
			return
		}
		for _, w := range s.waiting[id] {
			s.env.Schedule(w.key, 0, w.fn)
		}
	})
	return s.write(id, next)
}

// abortTimedOut aborts the transactions that have been open for longer than their producers asked for.
func (s *shard) abortTimedOut() []record {
	s.env.Schedule("time-outs", s.limits().abortInterval, s.abortTimedOut)
	now := s.nowMs()
	var records []record
	for _, id := range slices.Sorted(maps.Keys(s.txns)) {
		t := s.txns[id]
		if t.state != ongoing || t.startMs+int64(t.timeoutMs) >= now || len(records) >= maxAtOnce {
			continue
		}
		s.log.Info("aborting a transaction that has timed out", zap.String("txn_id", id), zap.Int64("producer_id", t.producerID),
			zap.Int16("producer_epoch", t.epoch), zap.Int32("timeout_ms", t.timeoutMs))
		records = append(records, s.fence(id, t)...)
	}
	return records
}

// fence aborts an open transaction without its producer, whom the bumped epoch keeps out from now on.
func (s *shard) fence(id string, t *transaction) []record {
	next := t.to(prepareAbort, s.nowMs())
	next.epoch, next.lastEpoch, next.version = t.epoch+1, noProducerEpoch, serverVersion
	return s.decide(id, next)
}

// decide records the outcome of a transaction; the markers follow when it is in the log.
func (s *shard) decide(id string, next transaction) []record {
	s.env.AfterAppend(func(err error) {
		if t := s.txns[id]; err == nil && t != nil {
			s.sendMarkers(id, t)
		}
	})
	return s.write(id, next)
}

// expire removes transactional ids that have not been used for long.
func (s *shard) expire() []record {
	s.env.Schedule("expiration", s.limits().expireInterval, s.expire)
	oldest := s.nowMs() - s.limits().expiration.Milliseconds()
	var records []record
	for _, id := range slices.Sorted(maps.Keys(s.txns)) {
		if t := s.txns[id]; t.state.isIdle() && t.updateMs <= oldest && len(records) < maxAtOnce {
			records = append(records, tombstone(id))
		}
	}
	if len(records) > 0 {
		s.log.Info("transactional ids have expired", zap.Int("ids", len(records)))
	}
	return records
}

// maxAtOnce bounds the records of one batch; the others go at the next time.
const maxAtOnce = 1000

// serverVersion is the transaction version of what the coordinator does on its own.
const serverVersion = 2

// producer is a producer id with its epoch.
type producer struct {
	id    int64
	epoch int16
}

var noProducer = producer{noProducerID, noProducerEpoch}

// errNeedProducerID asks the caller to come again with a new producer id, which takes a request to the controller.
var errNeedProducerID = fmt.Errorf("a producer id is needed")

// initProducer gives a producer the next epoch of its transactional id, or a new producer id. expected is what the producer had, if it goes on after an
// error (KIP-360); fresh is an unused producer id, or noProducerID.
func (s *shard) initProducer(id string, timeoutMs int32, expected *producer, fresh int64, again bool, reply *coordinator.Reply[producer]) []record {
	fail := func(err error) []record { reply.Fail(err); return nil }
	known := s.txns[id]
	if known == nil {
		if fresh == noProducerID {
			return fail(errNeedProducerID)
		}
		known = &transaction{producerID: fresh, previousProducerID: noProducerID, nextProducerID: noProducerID, epoch: noProducerEpoch, lastEpoch: noProducerEpoch, startMs: -1}
	}
	if expected != nil && known.epoch != noProducerEpoch && expected.id != known.producerID &&
		(expected.id != known.previousProducerID || !isExhausted(expected.epoch)) {
		return fail(kerr.ProducerFenced)
	}
	retry := func() []record { return s.initProducer(id, timeoutMs, expected, fresh, true, reply) }
	switch {
	case known.state.isDecided():
		if again {
			return fail(kerr.ConcurrentTransactions)
		}
		s.settled(id, retry)
		return nil
	case known.state == ongoing:
		if again {
			return fail(kerr.ConcurrentTransactions)
		}
		s.env.AfterAppend(func(err error) {
			if err != nil {
				reply.Fail(err)
				return
			}
			s.settled(id, retry)
		})
		return s.fence(id, known)
	}
	next := known.to(empty, s.nowMs())
	next.timeoutMs, next.partitions, next.startMs, next.version, next.lastEpoch = timeoutMs, nil, -1, 0, noProducerEpoch
	switch {
	case isExhausted(known.epoch) && (expected == nil || expected.epoch == known.epoch):
		if fresh == noProducerID {
			return fail(errNeedProducerID)
		}
		next.producerID, next.epoch = fresh, 0
		if expected != nil {
			next.lastEpoch = known.epoch
		}
	case expected == nil:
		next.epoch = known.epoch + 1
	case known.epoch == noProducerEpoch, expected.epoch == known.epoch:
		next.epoch, next.lastEpoch = known.epoch+1, known.epoch
	case expected.epoch == known.lastEpoch: // a retry of what was done already
		next.lastEpoch = known.lastEpoch
	default:
		return fail(kerr.ProducerFenced)
	}
	reply.Done(producer{next.producerID, next.epoch})
	return s.write(id, next)
}

// check compares a request's producer with the one of the transactional id.
func (s *shard) check(id string, p producer) (*transaction, error) {
	t := s.txns[id]
	switch {
	case t == nil, t.producerID != p.id:
		return nil, kerr.InvalidProducerIDMapping
	case t.epoch != p.epoch, t.epoch == math.MaxInt16: // which nobody is given
		return nil, kerr.ProducerFenced
	}
	return t, nil
}

// add makes partitions part of the transaction, which begins with the first of them.
func (s *shard) add(id string, p producer, partitions []protocol.TopicPartition, version int16, again bool, reply *coordinator.Reply[struct{}]) []record {
	t, err := s.check(id, p)
	if err != nil {
		reply.Fail(err)
		return nil
	}
	switch {
	case t.state.isDecided() && again:
		reply.Fail(kerr.ConcurrentTransactions)
		return nil
	case t.state.isDecided():
		s.settled(id, func() []record { return s.add(id, p, partitions, version, true, reply) })
		return nil
	}
	reply.Done(struct{}{})
	if t.state == ongoing && t.has(partitions) {
		return nil
	}
	next := t.to(ongoing, s.nowMs())
	next.version, next.lastEpoch = version, t.lastEpoch
	if t.state != ongoing {
		next.startMs = next.updateMs
	}
	next.partitions = make(map[protocol.TopicPartition]struct{}, len(t.partitions)+len(partitions))
	maps.Copy(next.partitions, t.partitions)
	for _, tp := range partitions {
		next.partitions[tp] = struct{}{}
	}
	return s.write(id, next)
}

// verify tells of each partition whether it is part of the transaction: nil or TRANSACTION_ABORTABLE.
func (s *shard) verify(id string, p producer, partitions []protocol.TopicPartition) ([]error, error) {
	t, err := s.check(id, p)
	if err != nil {
		return nil, err
	}
	if t.state.isDecided() {
		return nil, kerr.ConcurrentTransactions
	}
	errs := make([]error, len(partitions))
	for i, tp := range partitions {
		if _, ok := t.partitions[tp]; !ok {
			errs[i] = kerr.TransactionAbortable
		}
	}
	return errs, nil
}
