package share

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/protocol"
)

// Key names a share partition.
type Key struct {
	Group     string
	TopicID   [16]byte
	Partition int32
}

// Stored is the state of a share partition at the share coordinator.
type Stored struct {
	StateEpoch  int32
	StartOffset int64 // −1: the group has not begun
	Batches     []Batch
}

// Change is what a partition's leader writes to it.
type Change struct {
	StateEpoch, LeaderEpoch int32
	StartOffset             int64
	Complete                int32 // how many records from StartOffset on are done with
	Batches                 []Batch
}

// Persister is the share coordinator. Errors are kerr values.
type Persister interface {
	Read(ctx context.Context, k Key, leaderEpoch int32) (Stored, error)
	Write(ctx context.Context, k Key, c Change) error
}

// Partition is a partition as one share group sees it. Its methods are safe for concurrent use.
type Partition struct {
	key       Key
	log       *broker.Partition
	persister Persister
	settings  func() settings
	now       func() time.Time
	logger    *zap.Logger
	// gate is held, one place, by whoever uses what follows. It is held while the coordinator writes, so that what is written and what is known go the
	// same way; who waits for it gives up with its context.
	gate chan struct{}

	loaded      bool
	leaderEpoch int32
	stateEpoch  int32
	tracker     tracker
	timer       *time.Timer // of the first lock that ends
	ended       error       // nothing can be done with it any more
	recordSize  int64       // bytes of a record in the log, as it was read last

	dropped atomic.Bool // it is to end

	mu      sync.Mutex
	waiters map[*broker.Waiter]struct{} // guarded by mu
}

func (p *Partition) enter(ctx context.Context) error {
	select {
	case p.gate <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := p.ended
	if err == nil && p.dropped.Load() {
		err = p.end(kerr.NotLeaderForPartition)
	}
	if err == nil && !p.loaded {
		err = p.load(ctx)
	}
	if err == nil && p.log.LeaderEpoch() != p.leaderEpoch {
		err = p.end(kerr.NotLeaderForPartition)
	}
	if err != nil {
		<-p.gate
	}
	return err
}

// leave ends what enter has begun.
func (p *Partition) leave() {
	p.arm()
	<-p.gate
}

// end has everybody make the partition anew.
func (p *Partition) end(why error) error {
	p.ended = why
	if p.timer != nil {
		p.timer.Stop()
	}
	return why
}

// load reads the state from the share coordinator and finds out where to begin.
func (p *Partition) load(ctx context.Context) error {
	if err := p.log.CheckLeaderEpoch(-1); err != nil {
		return err
	}
	p.leaderEpoch = p.log.LeaderEpoch()
	st, err := p.persister.Read(ctx, p.key, p.leaderEpoch)
	if err != nil {
		return fmt.Errorf("state of share partition %s-%d of group %s: %w", p.log.TopicPartition().Topic, p.key.Partition, p.key.Group, persisterError(err))
	}
	p.stateEpoch = st.StateEpoch
	if st.StartOffset == -1 {
		if st.StartOffset, err = p.firstOffset(); err != nil {
			return err
		}
	}
	p.tracker = restore(st.StartOffset, st.Batches)
	p.loaded = true
	return nil
}

// persisterError translates what the share coordinator says into what a member is told, as Kafka does.
func persisterError(err error) error {
	is := func(targets ...error) bool {
		return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) })
	}
	switch {
	case is(kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress):
		return kerr.CoordinatorNotAvailable
	case is(kerr.FencedLeaderEpoch, kerr.FencedStateEpoch):
		return kerr.NotLeaderForPartition
	case is(kerr.InvalidRequest): // the group has no state for the partition: it does not read it
		return kerr.UnknownServerError
	}
	return err
}

// firstOffset is where a group begins to read, by share.auto.offset.reset.
func (p *Partition) firstOffset() (int64, error) {
	s := p.settings()
	at := int64(broker.TimestampLatest)
	switch s.reset {
	case resetEarliest:
		at = broker.TimestampEarliest
	case resetByDuration:
		at = max(0, p.now().Add(-s.back).UnixMilli())
	}
	found, err := p.log.OffsetForTimestamp(at, s.readCommitted, -1)
	if err != nil {
		return 0, err
	}
	if !found.OK || found.Offset < 0 { // nothing is that young
		found, err = p.log.OffsetForTimestamp(broker.TimestampLatest, s.readCommitted, -1)
	}
	return found.Offset, err
}

// write persists a changed tracker and takes it over. It is called within the gate.
func (p *Partition) write(ctx context.Context, next tracker, changed []Batch) error {
	if len(changed) == 0 && next.start == p.tracker.start {
		p.tracker = next
		return nil
	}
	c := Change{StateEpoch: p.stateEpoch, LeaderEpoch: p.leaderEpoch, StartOffset: next.start, Complete: next.complete()}
	for _, b := range changed {
		if b.Last >= next.start {
			b.First = max(b.First, next.start)
			c.Batches = append(c.Batches, b)
		}
	}
	err := p.persister.Write(ctx, p.key, c)
	if err != nil {
		if errors.Is(err, kerr.FencedStateEpoch) || errors.Is(err, kerr.FencedLeaderEpoch) {
			return p.end(persisterError(err))
		}
		return fmt.Errorf("write the state of share partition %s-%d of group %s: %w", p.log.TopicPartition().Topic, p.key.Partition, p.key.Group, persisterError(err))
	}
	p.tracker = next
	p.wake()
	return nil
}

// FetchOptions say what a member wants.
type FetchOptions struct {
	Member     string
	MaxBytes   int32
	MinOne     bool
	MaxRecords int64
	Strict     bool // not one record more
	BatchSize  int64
}

// Fetched is what a member got. Records are whole batches; of these, only what is in Acquired is the member's.
type Fetched struct {
	Records  []byte
	Acquired []Range
	Count    int64 // records in Acquired
}

// Fetch acquires records for a member. It does not wait for any.
func (p *Partition) Fetch(ctx context.Context, o FetchOptions) (Fetched, error) {
	if err := p.enter(ctx); err != nil {
		return Fetched{}, err
	}
	defer p.leave()
	s := p.settings()
	if start := p.log.LogStartOffset(); start > p.tracker.start {
		p.tracker.moveTo(start)
	}
	for {
		from := p.tracker.next()
		if from >= p.tracker.end && from >= p.tracker.room(s.maxLocks) {
			return Fetched{}, nil
		}
		r, err := p.log.Read(broker.ReadOptions{
			Offset: from, MaxBytes: p.readSize(o), MinOne: o.MinOne, LeaderEpoch: -1, LastFetchedEpoch: -1, ReadCommitted: s.readCommitted,
		})
		if err != nil {
			if errors.Is(err, kerr.OffsetOutOfRange) && from > r.HighWatermark { // the log was cut behind what the group has read
				p.tracker = restore(r.HighWatermark, nil)
			}
			return Fetched{}, err
		}
		buf, err := r.Region.AppendTo(nil)
		r.Region.Release()
		if err != nil || len(buf) == 0 {
			return Fetched{}, err
		}
		batches, aborted, err := layout(buf, r)
		if err != nil || len(batches) == 0 {
			return Fetched{}, err
		}
		p.recordSize = int64(len(buf)) / max(1, batches[len(batches)-1].Last-batches[0].First+1)
		got := p.tracker.take(from, batches, acquire{
			member: o.Member, maxRecords: o.MaxRecords, strict: o.Strict, limit: s.maxLocks, until: p.now().Add(s.lock),
		})
		if len(got) > 0 && len(aborted) > 0 {
			if got, err = p.dropAborted(ctx, o.Member, got, aborted); err != nil {
				return Fetched{}, err
			}
		}
		if len(got) > 0 {
			return fetched(buf, got, batches, o.BatchSize), nil
		}
		if p.tracker.next() <= from {
			return Fetched{}, nil
		}
	}
}

// readSize is how many bytes a fetch reads: what clients allow is for far more records than they want at a time, and would be read for nothing.
func (p *Partition) readSize(o FetchOptions) int32 {
	const least = 128 << 10
	wanted := int64(math.MaxInt32)
	if o.MaxRecords < math.MaxInt32 && p.recordSize < math.MaxInt32/4 {
		wanted = 2 * p.recordSize * o.MaxRecords
	}
	return int32(min(int64(o.MaxBytes), max(least, wanted)))
}

// layout returns the ranges of the batches that were read, and those of aborted transactions among them.
func layout(buf []byte, r broker.ReadResult) (all, aborted []Range, err error) {
	for b, err := range protocol.Batches(buf) {
		if errors.Is(err, protocol.ErrTruncated) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		at := Range{First: b.BaseOffset(), Last: b.LastOffset()}
		all = append(all, at)
		if !b.IsTransactional() || b.IsControl() {
			continue
		}
		for _, a := range r.Aborted {
			if a.ProducerID == b.ProducerID() && a.FirstOffset <= at.First && at.First <= a.LastOffset {
				aborted = append(aborted, at)
				break
			}
		}
	}
	return all, aborted, nil
}

// dropAborted archives what was acquired of aborted transactions.
func (p *Partition) dropAborted(ctx context.Context, member string, got, aborted []Range) (kept []Range, err error) {
	next := p.tracker.clone()
	var changed []Batch
	for _, a := range aborted {
		changed = append(changed, next.drop(member, a.First, a.Last)...)
	}
	next.tidy()
	if err := p.write(ctx, next, changed); err != nil {
		return nil, err
	}
	for _, g := range got {
		at := g.First
		for _, a := range aborted {
			if a.Last < at || a.First > g.Last {
				continue
			}
			if a.First > at {
				kept = append(kept, Range{at, a.First - 1, g.Count})
			}
			at = a.Last + 1
		}
		if at <= g.Last {
			kept = append(kept, Range{at, g.Last, g.Count})
		}
	}
	return kept, nil
}

// fetched leaves out of buf the batches before and behind what was acquired, and cuts what was acquired at batches of the log into pieces of about
// batchSize records.
func fetched(buf []byte, got, batches []Range, batchSize int64) Fetched {
	var f Fetched
	first, last := got[0].First, got[len(got)-1].Last
	at := 0
	for b, err := range protocol.Batches(buf) {
		if err != nil {
			break
		}
		if b.LastOffset() >= first && b.BaseOffset() <= last {
			if f.Records == nil {
				f.Records = buf[at:at:len(buf)]
			}
			f.Records = f.Records[:len(f.Records)+len(b)]
		}
		at += len(b)
	}
	for _, g := range joined(got) {
		f.Count += g.Last - g.First + 1
		for _, b := range batches {
			if batchSize <= 0 || g.Last-g.First+1 <= batchSize {
				break
			}
			// A piece ends with a batch of the log, once it has batchSize records.
			if b.Last >= g.First && b.Last < g.Last && b.Last-g.First+1 >= batchSize {
				f.Acquired = append(f.Acquired, Range{g.First, b.Last, g.Count})
				g.First = b.Last + 1
			}
		}
		f.Acquired = append(f.Acquired, g)
	}
	return f
}

// joined makes one range of neighbours that were delivered as often.
func joined(got []Range) []Range {
	var out []Range
	for _, g := range got {
		if n := len(out) - 1; n >= 0 && out[n].Last+1 == g.First && out[n].Count == g.Count {
			out[n].Last = g.Last
			continue
		}
		out = append(out, g)
	}
	return out
}

// Acknowledge applies what a member says of the records that it has.
//
// Errors: kerr.InvalidRequest, kerr.InvalidRecordState, those of the persister.
func (p *Partition) Acknowledge(ctx context.Context, member string, acks []Ack) error {
	if err := p.enter(ctx); err != nil {
		return err
	}
	defer p.leave()
	s := p.settings()
	if !s.renew && slices.ContainsFunc(acks, func(a Ack) bool { return slices.Contains(a.Types, AckRenew) }) {
		return fmt.Errorf("Renewing acquisition locks is not enabled for the group.: %w", kerr.InvalidRecordState) //nolint:staticcheck // Kafka's text
	}
	next := p.tracker.clone()
	changed, err := next.acknowledge(member, acks, s.maxDeliveries, p.now().Add(s.lock))
	if err != nil {
		return err
	}
	return p.write(ctx, next, changed)
}

// Release makes available what a member has acquired and not acknowledged.
func (p *Partition) Release(ctx context.Context, member string) error {
	return p.release(ctx, func(t *tracker, limit int16) []Batch { return t.leave(member, limit) })
}

func (p *Partition) release(ctx context.Context, fn func(*tracker, int16) []Batch) error {
	if err := p.enter(ctx); err != nil {
		return err
	}
	defer p.leave()
	next := p.tracker.clone()
	changed := fn(&next, p.settings().maxDeliveries)
	return p.write(ctx, next, changed)
}

// arm sets the timer of the lock that ends first.
func (p *Partition) arm() {
	at, ok := p.tracker.soonest()
	if p.timer != nil {
		p.timer.Stop()
	}
	if !ok || p.ended != nil || p.dropped.Load() {
		return
	}
	p.timer = time.AfterFunc(max(at.Sub(p.now()), 0), p.expire)
}

// expire releases what was acquired for too long.
func (p *Partition) expire() {
	ctx, cancel := context.WithTimeout(context.Background(), expireTimeout)
	defer cancel()
	err := p.release(ctx, func(t *tracker, limit int16) []Batch { return t.expire(p.now(), limit) })
	if err != nil && !p.gone() {
		p.logger.Warn("locks that have ended cannot be written", append(p.log.TopicPartition().Fields(), zap.String("group", p.key.Group), zap.Error(err))...)
		p.retryExpire()
	}
}

// expireTimeout bounds the write of locks that have ended, expirePause is the pause before it is tried again.
const (
	expireTimeout = 10 * time.Second
	expirePause   = time.Second
)

// retryExpire tries again in a while: until then the records stay with their member.
func (p *Partition) retryExpire() {
	p.gate <- struct{}{}
	defer func() { <-p.gate }()
	if p.ended == nil {
		if p.timer != nil {
			p.timer.Stop()
		}
		p.timer = time.AfterFunc(expirePause, p.expire)
	}
}

// Watch registers w to be woken when records may be available. The returned function takes that back.
func (p *Partition) Watch(w *broker.Waiter) (stop func()) {
	log := p.log.Watch(w)
	p.mu.Lock()
	if p.waiters == nil {
		p.waiters = map[*broker.Waiter]struct{}{}
	}
	p.waiters[w] = struct{}{}
	p.mu.Unlock()
	return func() {
		log()
		p.mu.Lock()
		delete(p.waiters, w)
		p.mu.Unlock()
	}
}

func (p *Partition) wake() {
	p.mu.Lock()
	for w := range p.waiters {
		w.Wake()
	}
	p.mu.Unlock()
}

// gone reports whether the partition has ended; one in use may be about to.
func (p *Partition) gone() bool {
	if p.dropped.Load() {
		return true
	}
	select {
	case p.gate <- struct{}{}:
		defer func() { <-p.gate }()
		return p.ended != nil
	default:
		return false
	}
}

// drop ends the partition: whoever comes next gets NOT_LEADER_OR_FOLLOWER, and looks for it anew. It does not wait.
func (p *Partition) drop() {
	p.dropped.Store(true)
	select {
	case p.gate <- struct{}{}:
		_ = p.end(kerr.NotLeaderForPartition)
		<-p.gate
	default: // who uses it will find out
	}
	p.wake()
}
