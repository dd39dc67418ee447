package txn

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/coordinator"
)

// end ends the transaction of a producer. The reply has what the producer goes on with: in transaction version 2 an epoch, or a producer id, of its own
// for the next transaction. It is given when the markers are written, or after settleTime.
func (s *shard) end(id string, p producer, commit bool, version int16, fresh int64, reply *coordinator.Reply[producer]) []record {
	t := s.txns[id]
	if t == nil {
		reply.Fail(kerr.InvalidProducerIDMapping)
		return nil
	}
	var verdict verdict
	if version >= 2 {
		verdict = t.endV2(p, commit)
	} else {
		verdict = t.endV1(p, commit)
	}
	switch {
	case verdict.err != nil:
		reply.Fail(verdict.err)
		return nil
	case verdict.wait:
		s.settled(id, func() []record {
			if now := s.txns[id]; now == nil || now.state.isDecided() {
				reply.Fail(kerr.ConcurrentTransactions)
				return nil
			}
			return s.end(id, p, commit, version, fresh, reply)
		})
		return nil
	case verdict.done:
		reply.Done(producer{t.producerID, t.epoch})
		return nil
	}
	next := t.to(prepareAbort, s.nowMs())
	if commit {
		next.state = prepareCommit
	}
	next.version, next.lastEpoch = version, t.lastEpoch
	if t.state != ongoing { // an abort of nothing, which is there to have its epoch
		next.startMs, next.partitions = next.updateMs, nil
	}
	answer := producer{t.producerID, t.epoch}
	if version >= 2 {
		if isExhausted(t.epoch) {
			if fresh == noProducerID {
				reply.Fail(errNeedProducerID)
				return nil
			}
			next.nextProducerID = fresh
		}
		if t.epoch < math.MaxInt16 { // else it was fenced with the last epoch, and this is the abort of nothing
			next.epoch = t.epoch + 1
		}
		next.lastEpoch = t.epoch
		answer.epoch = next.epoch
		if next.nextProducerID != noProducerID {
			answer = producer{next.nextProducerID, 0}
		}
	}
	records := s.decide(id, next)
	s.env.AfterAppend(func(err error) {
		if err != nil {
			reply.Fail(err)
			return
		}
		s.settled(id, func() []record { reply.Done(answer); return nil })
	})
	return records
}

// verdict is what an EndTxn request meets: an error, a transaction that has ended as it wants, one that is about to, or, with none set, one to end.
type verdict struct {
	err        error
	done, wait bool
}

// endV1 judges a request of transaction versions 0 and 1: state and producer must fit, and a retry is known by the outcome alone.
func (t *transaction) endV1(p producer, commit bool) verdict {
	switch {
	case t.producerID != p.id:
		return verdict{err: kerr.InvalidProducerIDMapping}
	case t.epoch != p.epoch:
		return verdict{err: kerr.ProducerFenced}
	}
	switch t.state {
	case ongoing:
		return verdict{}
	case completeCommit:
		return orInvalid(commit, verdict{done: true})
	case completeAbort:
		return orInvalid(!commit, verdict{done: true})
	case prepareCommit:
		return orInvalid(commit, verdict{wait: true})
	case prepareAbort:
		return orInvalid(!commit, verdict{wait: true})
	}
	return verdict{err: kerr.InvalidTxnState}
}

// endV2 judges a request of transaction version 2: since each end bumps the epoch, a retry is known by the epoch before.
func (t *transaction) endV2(p producer, commit bool) verdict {
	bumped := t.version >= 2 // the transaction before ended in version 2
	retryOfOverflow := bumped && t.previousProducerID == p.id && p.epoch == math.MaxInt16-1 && t.epoch == 0
	retry := retryOfOverflow || bumped && t.producerID == p.id && t.epoch == p.epoch+1
	if t.producerID != p.id && !retryOfOverflow {
		return verdict{err: kerr.InvalidProducerIDMapping}
	}
	fits := t.epoch == p.epoch
	switch {
	case !bumped:
	case t.state.isDecided():
		fits = retry
	case t.state.isIdle():
		fits = fits || retry
	}
	if !fits {
		return verdict{err: kerr.ProducerFenced}
	}
	switch t.state {
	case ongoing:
		return verdict{}
	case prepareCommit:
		return orInvalid(commit, verdict{wait: true})
	case prepareAbort:
		return orInvalid(!commit, verdict{wait: true})
	case completeCommit:
		if commit {
			return orInvalid(retry || !bumped, verdict{done: true})
		}
		return orInvalid(!retry && bumped, verdict{})
	case completeAbort:
		if commit {
			return verdict{err: kerr.InvalidTxnState}
		}
		if t.epoch == math.MaxInt16 {
			return verdict{} // timed out; the epoch that has fenced the producer is the last, it needs another producer id
		}
		return verdict{done: retry || !bumped}
	case empty:
		return orInvalid(!commit, verdict{})
	}
	return verdict{err: kerr.InvalidTxnState}
}

func orInvalid(ok bool, v verdict) verdict {
	if !ok {
		return verdict{err: kerr.InvalidTxnState}
	}
	return v
}
