package coordinator

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"
)

// event is one thing to run on the shard's goroutine.
type event struct {
	run    func() []record
	fail   func(error) // completes the event's reply when run panicked; nil for timers and broadcasts
	txn    *Txn        // in whose transaction the records are
	marker *Marker     // to append instead of records
}

// loop is the part of a shard's goroutine that does not depend on the kind of shard.
type loop struct {
	// Immutable after init.
	journal   Journal
	partition int32
	o         Options
	log       *zap.Logger
	queue     chan event      // bounded: a caller that finds it full waits
	quit      context.Context // done when the shard is unloaded
	stop      context.CancelFunc

	leaderEpoch atomic.Int32
	committed   atomic.Int64 // highest offset known to be committed

	// Owned by the shard's goroutine.
	replay    func(offset int64, r record) error
	replayTxn func(offset, producerID int64, epoch int16, r record) error // nil when the shard knows no transactions
	endTxn    func(producerID int64, epoch int16, commit bool) error
	timers    timers
	written   int64 // offset of the last record in the log, -1 for none
	completed []interface{ release(offset int64, err error) }
	after     []func(error)
}

func (l *loop) init(j Journal, partition, leaderEpoch int32, o Options) {
	l.journal, l.partition, l.o = j, partition, o
	l.log = o.Logger.With(zap.Int32("partition", partition))
	l.queue = make(chan event, o.QueueLimit)
	l.quit, l.stop = context.WithCancel(context.Background())
	l.leaderEpoch.Store(leaderEpoch)
	l.committed.Store(-1)
	l.reset()
}

// reset forgets what a load that failed half way has left.
func (l *loop) reset() {
	l.timers = timers{}
	l.written = -1
	l.completed, l.after = nil, nil
}

func (l *loop) env() Env {
	return Env{
		Now:   l.o.Now,
		NewID: l.o.NewID,
		Schedule: func(key string, d time.Duration, fn func() []record) {
			l.timers.schedule(key, l.o.Now().Add(d), fn)
		},
		Cancel:      l.timers.cancel,
		AfterAppend: func(fn func(error)) { l.after = append(l.after, fn) },
		Partition:   l.partition,
		LeaderEpoch: l.leaderEpoch.Load(),
	}
}

// enqueue puts the event into the queue, waiting while it is full.
func (l *loop) enqueue(ctx context.Context, ev event) error {
	select {
	case l.queue <- ev: // first of all: a client that left behind its last commit and closed the connection is served
		return nil
	default:
	}
	select {
	case l.queue <- ev:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.quit.Done():
		return errNotCoordinator
	}
}

// serve runs events until the shard is unloaded (nil), or its memory is in doubt.
func (l *loop) serve() error {
	tick := time.NewTimer(0)
	defer tick.Stop()
	var armed time.Time // what tick is set to
	for l.quit.Err() == nil {
		if at, ok := l.timers.next(); ok && !at.Equal(armed) {
			armed = at
			tick.Reset(at.Sub(l.o.Now()))
		}
		var err error
		select {
		case <-l.quit.Done():
		case ev := <-l.queue:
			err = l.handle(ev)
		case <-tick.C:
			armed = time.Time{}
			err = l.fire()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fire runs the timers that are due, after the requests that are waiting: these came before the timers.
func (l *loop) fire() error {
	now, limit := l.o.Now(), l.timers.seq
	for range len(l.queue) {
		if err := l.handle(<-l.queue); err != nil {
			return err
		}
	}
	for t := l.timers.due(now, limit); t != nil; t = l.timers.due(now, limit) {
		if err := l.handle(event{run: t.fn}); err != nil {
			return err
		}
	}
	return nil
}

// handle runs one event: records, append, replay, what was to follow, replies.
func (l *loop) handle(ev event) error {
	l.completed, l.after = l.completed[:0], l.after[:0]
	records, fatal := l.guard(ev.run)
	if fatal != nil {
		if ev.fail != nil {
			ev.fail(kerr.UnknownServerError)
		}
		l.release(len(l.completed), kerr.UnknownServerError)
		return fatal
	}
	appended, fatal := l.append(Pending{Records: records, Txn: ev.txn, Marker: ev.marker})
	if fatal != nil {
		l.release(len(l.completed), errNotCoordinator)
		return fatal
	}
	if appended != nil && ev.fail == nil {
		l.log.Warn("cannot append the records of a timer or broadcast", zap.Int("records", len(records)), zap.Error(appended))
	}
	before := len(l.completed)
	_, fatal = l.guard(func() []record {
		for _, fn := range l.after {
			fn(appended)
		}
		return nil
	})
	l.release(before, appended)
	return fatal
}

// release lets the replies completed in this event go: the first n with err, if it is not nil, those that followed the append as they are.
func (l *loop) release(n int, err error) {
	for i, reply := range l.completed {
		if i >= n {
			err = nil
		}
		reply.release(l.written, err)
	}
	clear(l.completed)
	l.completed = l.completed[:0]
}

// append writes a batch and replays it. The first error says that it was not written, the second that it was but could not be replayed. Tombstones
// alone may take several batches, and after an error some of them may be written: what a group of many offsets leaves behind does not fit into one.
func (l *loop) append(b Pending) (appended, fatal error) {
	if len(b.Records) == 0 && b.Marker == nil {
		return nil, nil
	}
	nowMs := l.o.Now().UnixMilli()
	for i := range b.Records {
		b.Records[i].TimestampMs = nowMs
	}
	last, err := l.journal.Append(l.quit, l.partition, l.leaderEpoch.Load(), b)
	if errors.Is(err, kerr.MessageTooLarge) && len(b.Records) > 1 && onlyTombstones(b.Records) {
		first, second := b, b
		half := len(b.Records) / 2
		first.Records, second.Records = b.Records[:half], b.Records[half:]
		if appended, fatal = l.append(first); appended != nil || fatal != nil {
			return appended, fatal
		}
		return l.append(second)
	}
	if err != nil {
		return err, nil
	}
	l.written = last
	_, fatal = l.guard(func() []record {
		if err := l.replayAppended(b, last); err != nil {
			panic(fmt.Sprintf("replay of what was just written, to offset %d: %v", last, err))
		}
		return nil
	})
	return nil, fatal
}

func onlyTombstones(records []record) bool {
	return !slices.ContainsFunc(records, func(r record) bool { return r.Value != nil })
}

func (l *loop) replayAppended(b Pending, last int64) error {
	if m := b.Marker; m != nil {
		return l.endTxn(m.ProducerID, m.Epoch, m.Commit)
	}
	base := last - int64(len(b.Records)) + 1
	for i, r := range b.Records {
		var err error
		if b.Txn != nil {
			err = l.replayTxn(base+int64(i), b.Txn.ProducerID, b.Txn.Epoch, r)
		} else {
			err = l.replay(base+int64(i), r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// guard runs fn and turns a panic into an error: one broken request must not end the broker.
func (l *loop) guard(fn func() []record) (records []record, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(), nil
}
