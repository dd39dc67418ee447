package broker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/protocol"
)

// moves are the partitions on their way to another log directory of this node, each with a goroutine of its own from when Broker.Run has begun. As
// many copy at the same time as num.replica.alter.log.dirs.threads says, chunk by chunk and so in turns; all together keep to
// replica.alter.log.dirs.io.max.bytes.per.second.
type moves struct {
	config func() *config.Config
	slots  chan struct{} // who copies holds one

	mu      sync.Mutex
	ctx     context.Context // guarded by mu: nil before Run and after it
	running sync.WaitGroup
	byTP    map[protocol.TopicPartition]*mover // guarded by mu
}

// mover is one partition on its way.
type mover struct {
	b    *Broker
	p    *Partition
	move *log.Move

	ctx     context.Context // ended when it is to end
	cancel  context.CancelFunc
	ended   chan struct{} // closed when it has
	started bool          // guarded by moves.mu
	told    bool          // the controller was asked to note the new directory; read by others after ended only
}

func newMoves(o Options) *moves {
	threads := len(o.Config().LogDirs())
	if c := o.Config(); c.IsSet("num.replica.alter.log.dirs.threads") {
		threads = c.Int("num.replica.alter.log.dirs.threads")
	}
	return &moves{config: o.Config, slots: make(chan struct{}, max(threads, 1)), byTP: map[protocol.TopicPartition]*mover{}}
}

// run has the moves go on until ctx ends, and returns when none does any more.
func (ms *moves) run(ctx context.Context) {
	ms.mu.Lock()
	ms.ctx = ctx
	for _, v := range ms.byTP {
		ms.startLocked(v)
	}
	ms.mu.Unlock()
	<-ctx.Done()
	ms.mu.Lock()
	ms.ctx = nil // nobody starts another one from here on
	ms.mu.Unlock()
	ms.running.Wait()
}

// startLocked gives a move its goroutine, if Run is at work. ms.mu must be held.
func (ms *moves) startLocked(v *mover) {
	if v.started || ms.ctx == nil || ms.ctx.Err() != nil {
		return
	}
	v.started = true
	stop := context.AfterFunc(ms.ctx, v.cancel)
	ms.running.Go(func() { // run waits for it
		defer stop()
		defer v.cancel()
		v.run(v.ctx)
		ms.mu.Lock()
		if ms.byTP[v.p.tp] == v {
			delete(ms.byTP, v.p.tp)
		}
		ms.mu.Unlock()
		close(v.ended)
	})
}

// startMove begins to move a partition, unless it is on its way there or lies there already.
func (b *Broker) startMove(p *Partition, dir string) error {
	ms := b.moves
	ms.mu.Lock()
	_, moving := ms.byTP[p.tp]
	ms.mu.Unlock()
	if moving {
		return nil
	}
	move, err := b.logs.StartMove(p.tp, dir)
	if err != nil || move == nil {
		return err
	}
	v := &mover{b: b, p: p, move: move, ended: make(chan struct{})}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	b.logger.Info("moving a partition to another log directory", append(p.tp.Fields(), zap.String("dir", move.Target()))...)
	ms.mu.Lock()
	defer ms.mu.Unlock()
	ms.byTP[p.tp] = v
	ms.startLocked(v)
	return nil
}

// endMove gives up the move of a partition, if there is one, and returns when the copy is gone.
func (b *Broker) endMove(tp protocol.TopicPartition) {
	ms := b.moves
	ms.mu.Lock()
	v := ms.byTP[tp]
	delete(ms.byTP, tp)
	started := v != nil && v.started
	ms.mu.Unlock()
	if v == nil {
		return
	}
	v.cancel()
	if started {
		<-v.ended
	}
	v.abandon()
}

// abandon removes the copy and takes back what the controller was told.
func (v *mover) abandon() {
	v.move.Abandon()
	if v.told {
		v.b.assignments.add(v.p, v.b.logs.DirectoryOf(v.p.log()))
	}
}

// moveRetry is how long a move waits after an error that may pass, and looks again when nothing has woken it.
const moveRetry = time.Second

// run copies until the copy has taken over, ctx ends, or the move cannot go on.
func (v *mover) run(ctx context.Context) {
	w := NewWaiter()
	defer v.p.Watch(w)()
	var accepted <-chan struct{}
	for ctx.Err() == nil {
		n, err := v.copy(ctx)
		if n == 0 && err == nil {
			if accepted == nil {
				// Kafka's order: the controller notes the new directory first, so that a directory that fails is known to hold the partition.
				v.told, accepted = true, v.b.assignments.add(v.p, v.move.To())
			}
			var done bool
			if done, err = v.finish(ctx, w, accepted); done {
				return
			}
		}
		if err != nil && !v.goesOn(ctx, err) {
			return
		}
	}
}

// copy copies a chunk, within the limits, and returns how much that was.
func (v *mover) copy(ctx context.Context) (n int, err error) {
	select {
	case v.b.moves.slots <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	rate := v.b.config().Int64("replica.alter.log.dirs.io.max.bytes.per.second")
	n, err = v.move.Copy(chunkBytes(rate))
	<-v.b.moves.slots
	if n > 0 && err == nil {
		err = v.move.Pay(ctx, n, rate)
	}
	return n, err
}

// chunkBytes is how much is copied at a time: little enough that a new rate counts soon.
func chunkBytes(rate int64) int32 { return int32(min(max(rate/4, 4<<10), 1<<20)) }

// finish lets the copy take over if the controller has noted that, else waits for that, or for more to copy.
func (v *mover) finish(ctx context.Context, w *Waiter, accepted <-chan struct{}) (done bool, err error) {
	retry := time.NewTimer(moveRetry)
	defer retry.Stop()
	select {
	case <-accepted:
	case <-w.woken:
		return false, nil
	case <-retry.C:
		return false, nil
	case <-ctx.Done():
		return false, nil
	}
	done, err = v.move.Finish()
	if done {
		// What was appended last may not have been committed in the log that it was copied from.
		v.p.advanceHighWatermark(v.p.state.Load())
		v.p.watchers.wakeAll()
	}
	return done, err
}

// goesOn decides what an error means for the move, and waits when it may pass.
func (v *mover) goesOn(ctx context.Context, err error) bool {
	fields := append(v.p.tp.Fields(), zap.String("dir", v.move.Target()), zap.Error(err))
	switch {
	case ctx.Err() != nil:
		return false
	case errors.Is(err, kerr.UnknownTopicOrPartition): // deleted, and the copy with it
		return false
	case v.move.Failed():
		v.b.logger.Error("gave up moving a partition: the log directory that it was to go to has failed", fields...)
		v.abandon()
		return false
	case v.p.log().Failure() != nil: // the next start goes on, if the directory is back by then
		v.b.logger.Error("stopped moving a partition: its log cannot be used", fields...)
		return false
	}
	v.b.logger.Warn("cannot go on with the move of a partition now", fields...)
	retry := time.NewTimer(moveRetry)
	defer retry.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-retry.C:
		return true
	}
}
