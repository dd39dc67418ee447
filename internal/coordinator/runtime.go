package coordinator

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/protocol"
)

type record = protocol.Record

// Options of a [Runtime]. Now and NewID are required.
type Options struct {
	Now        func() time.Time
	NewID      func() string // a random UUID in its text form; [UUIDs] makes one from a reader
	Logger     *zap.Logger   // none when nil
	QueueLimit int           // requests that wait for one shard's goroutine before callers wait in turn; 1024 when 0
	// CommitTimeout bounds how long a completed reply is held until its records are committed, then it fails with REQUEST_TIMED_OUT. The
	// records stay. 5s when 0, as offsets.commit.timeout.ms.
	CommitTimeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.Now == nil || o.NewID == nil {
		panic("coordinator: Options.Now and Options.NewID are required")
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.QueueLimit == 0 {
		o.QueueLimit = 1024
	}
	if o.CommitTimeout == 0 {
		o.CommitTimeout = 5 * time.Second
	}
	return o
}

// Runtime hosts the shards of the partitions that this node leads. Its methods are safe for concurrent use.
type Runtime[S Shard] struct {
	journal Journal
	build   func(partition int32, env Env) S
	o       Options
	wg      sync.WaitGroup // one per runner goroutine

	mu struct {
		sync.Mutex
		closed bool
		shards map[int32]*runner[S]
	}
}

// runner is one life of one shard: from the load of the log to the unload.
type runner[S Shard] struct {
	loop
	shard S // owned by the goroutine; read by events, which run there
	state atomic.Int32
	ended chan struct{} // closed when the goroutine has ended
}

const (
	stateLoading int32 = iota
	stateActive
)

// New makes a runtime with nothing loaded. build makes the empty shard of a partition; it is called at each load.
func New[S Shard](j Journal, build func(partition int32, env Env) S, o Options) *Runtime[S] {
	rt := &Runtime[S]{journal: j, build: build, o: o.withDefaults()}
	rt.mu.shards = make(map[int32]*runner[S])
	return rt
}

// Load starts to load the shard of a partition that this node leads since leaderEpoch, and returns at once: until the log is replayed
// requests get COORDINATOR_LOAD_IN_PROGRESS. A shard that is loaded or loading already goes on with the newer epoch.
func (rt *Runtime[S]) Load(partition, leaderEpoch int32) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.mu.closed {
		return
	}
	if r := rt.mu.shards[partition]; r != nil && r.quit.Err() == nil {
		if leaderEpoch > r.leaderEpoch.Load() {
			r.leaderEpoch.Store(leaderEpoch)
		}
		return
	}
	rt.startLocked(partition, leaderEpoch)
}

// startLocked starts a new life of the shard, which begins when the one before has ended.
func (rt *Runtime[S]) startLocked(partition, leaderEpoch int32) {
	var before <-chan struct{}
	if old := rt.mu.shards[partition]; old != nil {
		before = old.ended
	}
	r := &runner[S]{ended: make(chan struct{})}
	r.loop.init(rt.journal, partition, leaderEpoch, rt.o)
	rt.mu.shards[partition] = r
	rt.wg.Add(1)
	go rt.run(r, before)
}

// Unload drops the shard: its goroutine ends and waiting replies fail with NOT_COORDINATOR. It does nothing when the shard was loaded for a
// later epoch than leaderEpoch; a negative epoch unloads in any case. It does not wait for the goroutine.
func (rt *Runtime[S]) Unload(partition, leaderEpoch int32) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	r := rt.mu.shards[partition]
	if r == nil || leaderEpoch >= 0 && leaderEpoch < r.leaderEpoch.Load() {
		return
	}
	r.stop()
}

// Partitions returns the partitions that are loaded or loading, in order.
func (rt *Runtime[S]) Partitions() []int32 {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	var ps []int32
	for p, r := range rt.mu.shards {
		if r.quit.Err() == nil {
			ps = append(ps, p)
		}
	}
	slices.Sort(ps)
	return ps
}

// Broadcast runs fn on the goroutine of each shard that is loaded or loading, there after the load: before all requests that come later. It
// does not wait for fn to run. Records that cannot be appended are lost with a line in the log.
func (rt *Runtime[S]) Broadcast(fn func(S) []protocol.Record) {
	rt.mu.Lock()
	runners := make([]*runner[S], 0, len(rt.mu.shards))
	for _, r := range rt.mu.shards {
		runners = append(runners, r)
	}
	rt.mu.Unlock()
	for _, r := range runners {
		// The error says that the shard was unloaded: its next leader learns of the same by itself.
		_ = r.enqueue(context.Background(), event{run: func() []record { return fn(r.shard) }})
	}
}

// Close unloads everything and waits until all goroutines have ended. Nothing can be loaded afterwards.
func (rt *Runtime[S]) Close() {
	rt.mu.Lock()
	rt.mu.closed = true
	for _, r := range rt.mu.shards {
		r.stop()
	}
	rt.mu.Unlock()
	rt.wg.Wait()
}

// active returns the partition's runner when it takes requests.
func (rt *Runtime[S]) active(partition int32) (*runner[S], error) {
	rt.mu.Lock()
	r := rt.mu.shards[partition]
	rt.mu.Unlock()
	switch {
	case r == nil || r.quit.Err() != nil:
		return nil, errNotCoordinator
	case r.state.Load() == stateLoading:
		return nil, kerr.CoordinatorLoadInProgress
	}
	return r, nil
}

// run is the shard's goroutine. [Runtime.Close] waits for it. before is closed when the goroutine of the shard's earlier life has ended.
func (rt *Runtime[S]) run(r *runner[S], before <-chan struct{}) {
	defer rt.wg.Done()
	defer close(r.ended)
	defer func() { // the runner stays known until a next life, its state need not
		var none S
		r.shard, r.replay, r.replayTxn, r.endTxn = none, nil, nil, nil
		r.reset()
	}()
	if before != nil {
		<-before
	}
	if !rt.load(r) {
		return
	}
	r.state.Store(stateActive)
	err := r.serve()
	if err == nil {
		return
	}
	// The shard's memory can no longer be trusted, its log can.
	r.log.Error("loading the coordinator shard again after a failure", zap.Error(err))
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if r.quit.Err() == nil && !rt.mu.closed {
		r.stop()
		rt.startLocked(r.partition, r.leaderEpoch.Load())
	}
}

// load replays the log into a new shard, trying again while the log cannot be read. It reports whether the shard may serve.
func (rt *Runtime[S]) load(r *runner[S]) bool {
	const firstPause, longestPause = 100 * time.Millisecond, 30 * time.Second
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		started := rt.o.Now()
		n, err := rt.replayLog(r)
		switch {
		case r.quit.Err() != nil:
			return false
		case err == nil:
			r.log.Debug("coordinator shard loaded", zap.Int("records", n), zap.Duration("took", rt.o.Now().Sub(started)))
			return true
		}
		r.log.Error("cannot load the coordinator shard, trying again", zap.Duration("pause", pause), zap.Error(err))
		select {
		case <-time.After(pause):
		case <-r.quit.Done():
			return false
		}
	}
}

func (rt *Runtime[S]) replayLog(r *runner[S]) (n int, err error) {
	r.reset()
	r.shard = rt.build(r.partition, r.env())
	r.replay, r.endTxn, r.replayTxn = r.shard.Replay, r.shard.ReplayTxnMarker, nil
	txn, _ := any(r.shard).(TxnShard)
	if txn != nil {
		r.replayTxn = txn.ReplayTxn
	}
	err = r.journal.Load(r.quit, r.partition, func(b protocol.Batch, offset int64, rec record) error {
		n++
		r.written = offset
		if err := r.replayLoaded(r.shard, txn, b, offset, rec); err != nil {
			// One record that cannot be understood must not take the other groups of the partition away.
			r.log.Error("skipped a record that cannot be replayed", zap.Int64("offset", offset), zap.Error(err))
		}
		return r.quit.Err()
	})
	if err != nil {
		return n, err
	}
	_, err = r.guard(func() []record { r.shard.Loaded(); return nil })
	return n, err
}

// replayLoaded replays one record of the log; a panic becomes an error.
func (l *loop) replayLoaded(s Shard, txn TxnShard, b protocol.Batch, offset int64, rec record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	switch {
	case b.IsControl():
		kind, _, err := protocol.ParseControlMarker(rec)
		if err != nil || kind != protocol.ControlAbort && kind != protocol.ControlCommit {
			return err
		}
		return s.ReplayTxnMarker(b.ProducerID(), b.ProducerEpoch(), kind == protocol.ControlCommit)
	case b.IsTransactional() && txn != nil:
		return txn.ReplayTxn(offset, b.ProducerID(), b.ProducerEpoch(), rec)
	}
	return s.Replay(offset, rec)
}
