package coordinator

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Reply is the answer to one request of [Do]. It is completed once, in the event of the request or in a later one of the same shard, and
// reaches the caller when all that the shard had written by then is committed. Completing it a second time, or after the caller has gone,
// does nothing. Its methods may be called from the shard's goroutine only.
type Reply[R any] struct {
	loop *loop
	done bool
	ch   chan outcome[R] // of capacity 1: completing never blocks
	out  outcome[R]
}

type outcome[R any] struct {
	value  R
	err    error
	offset int64 // the last record that has to be committed before the caller may see it
}

// Done completes the reply with a value.
func (r *Reply[R]) Done(value R) { r.complete(outcome[R]{value: value}) }

// Fail completes the reply with an error.
func (r *Reply[R]) Fail(err error) { r.complete(outcome[R]{err: err}) }

func (r *Reply[R]) complete(out outcome[R]) {
	if r.done {
		return
	}
	r.done, r.out = true, out
	r.loop.completed = append(r.loop.completed, r)
}

// release hands the outcome to the caller; err is that of the append of the event in which the reply was completed.
func (r *Reply[R]) release(offset int64, err error) {
	r.out.offset = offset
	if err != nil {
		r.out = outcome[R]{err: err, offset: -1} // nothing of this event was written
	}
	r.ch <- r.out
	r.out = outcome[R]{}
}

// Do runs fn on the goroutine of the partition's shard and waits for the reply that fn, or a later event, completes. fn returns the records
// to append. It reads durable state and may change soft state, as the package comment says.
//
// Errors, besides those that the reply is failed with: NOT_COORDINATOR when the partition is not loaded or is unloaded while waiting,
// COORDINATOR_LOAD_IN_PROGRESS, what the journal answered, and ctx.Err(). When ctx ends the reply is abandoned: fn may still run, and a
// completed reply nobody waits for does no harm.
func Do[S Shard, R any](ctx context.Context, rt *Runtime[S], partition int32, fn func(S, *Reply[R]) []record) (R, error) {
	return do(ctx, rt, partition, event{}, fn)
}

// DoTxn is [Do] with records that belong to a transaction: they are set aside by [TxnShard.ReplayTxn] until a marker decides about them.
//
// Further errors: those of the log about the producer, INVALID_TXN_STATE and INVALID_PRODUCER_EPOCH.
func DoTxn[S TxnShard, R any](ctx context.Context, rt *Runtime[S], partition int32, txn Txn, fn func(S, *Reply[R]) []record) (R, error) {
	return do(ctx, rt, partition, event{txn: &txn}, fn)
}

// EndTxn appends a transaction marker, has the shard apply or drop what it has set aside, and waits until the marker is committed. The errors are
// those of [DoTxn].
func EndTxn[S TxnShard](ctx context.Context, rt *Runtime[S], partition int32, m Marker) error {
	_, err := do(ctx, rt, partition, event{marker: &m}, func(_ S, reply *Reply[struct{}]) []record {
		reply.Done(struct{}{})
		return nil
	})
	return err
}

func do[S Shard, R any](ctx context.Context, rt *Runtime[S], partition int32, ev event, fn func(S, *Reply[R]) []record) (R, error) {
	var none R
	r, err := rt.active(partition)
	if err != nil {
		return none, err
	}
	reply := &Reply[R]{loop: &r.loop, ch: make(chan outcome[R], 1)}
	ev.run, ev.fail = func() []record { return fn(r.shard, reply) }, reply.Fail
	if err := r.enqueue(ctx, ev); err != nil {
		return none, err
	}
	var out outcome[R]
	select {
	case out = <-reply.ch:
	case <-ctx.Done():
		return none, ctx.Err()
	case <-r.quit.Done():
		select {
		case out = <-reply.ch: // completed before the unload
		default:
			return none, errNotCoordinator
		}
	}
	if err := r.waitCommitted(ctx, out.offset); err != nil {
		return none, err
	}
	return out.value, out.err
}

// waitCommitted waits until the record at offset is committed, the caller is gone or the shard unloaded.
func (l *loop) waitCommitted(ctx context.Context, offset int64) error {
	if offset <= l.committed.Load() {
		return nil
	}
	if l.journal.IsCommitted(l.partition, offset) { // the only replica commits with the append: no need for a time-out
		l.noteCommitted(offset)
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, l.o.CommitTimeout)
	defer cancel()
	defer context.AfterFunc(l.quit, cancel)()
	if err := l.journal.WaitCommitted(wait, l.partition, offset); err != nil {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case l.quit.Err() != nil:
			return errNotCoordinator
		case wait.Err() != nil:
			return kerr.RequestTimedOut
		}
		return err
	}
	l.noteCommitted(offset)
	return nil
}

func (l *loop) noteCommitted(offset int64) {
	for {
		known := l.committed.Load()
		if known >= offset || l.committed.CompareAndSwap(known, offset) {
			return
		}
	}
}

var errNotCoordinator error = kerr.NotCoordinator
