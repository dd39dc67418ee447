package broker

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/protocol"
)

// Partition is this node's replica of a partition. Its methods are safe for concurrent use.
type Partition struct {
	tp     protocol.TopicPartition
	id     [16]byte
	newest atomic.Pointer[log.Log] // the log, or one that has moved and knows where to; see log
	config func() *config.Config
	logger *zap.Logger
	nowMs  func() int64

	state    atomic.Pointer[replicaState]
	topic    atomic.Pointer[config.Topic] // the topic's effective configuration
	watchers watchers

	reportedFullMs atomic.Int64 // when the log was last told that the disk is full
}

// replicaState is what the metadata image says of this replica; it is replaced, never changed.
type replicaState struct {
	leading     bool
	leaderEpoch int32
	isr         []int32
	deleted     bool
	failed      error // why its log cannot be used
}

// log returns the partition's log. It is another one after a move to another log directory.
func (p *Partition) log() *log.Log {
	l := p.newest.Load()
	for next := l.Successor(); next != nil; next = l.Successor() {
		p.newest.CompareAndSwap(l, next)
		l = next
	}
	return l
}

// onLog calls fn with the partition's log, and again with its successor when the log moves to another log directory meanwhile.
func onLog[T any](p *Partition, fn func(*log.Log) (T, error)) (T, error) {
	for {
		l := p.log()
		v, err := fn(l)
		if err == nil || l.Successor() == nil {
			return v, err
		}
	}
}

// TopicPartition returns the partition's name.
func (p *Partition) TopicPartition() protocol.TopicPartition { return p.tp }

// TopicID returns the id of the topic's present incarnation.
func (p *Partition) TopicID() [16]byte { return p.id }

// LeaderEpoch returns the epoch of the present leader.
func (p *Partition) LeaderEpoch() int32 { return p.state.Load().leaderEpoch }

// HighWatermark returns the offset up to which, exclusively, records are committed and may be read.
func (p *Partition) HighWatermark() int64 { return p.log().HighWatermark() }

// LogStartOffset returns the first offset that is still there.
func (p *Partition) LogStartOffset() int64 { return p.log().StartOffset() }

// LogEndOffset returns the offset that the next record will get.
func (p *Partition) LogEndOffset() int64 { return p.log().EndOffset() }

// LastStableOffset returns the offset up to which, exclusively, a reader of committed transactions may read.
func (p *Partition) LastStableOffset() int64 { return p.log().LastStableOffset() }

// Producers returns the state of the producers that the partition remembers.
func (p *Partition) Producers() []log.ProducerState { return p.log().Producers() }

// Config returns the topic's effective configuration as of the last image.
func (p *Partition) Config() *config.Topic { return p.topic.Load() }

// Watch registers w to be woken whenever the high watermark, the last stable offset or the log start moves or the leadership ends.
// The returned function takes the registration back; it may be called once.
func (p *Partition) Watch(w *Waiter) (stop func()) { return p.watchers.add(w) }

// CheckLeaderEpoch compares the leader epoch that a client believes in with ours: kerr.FencedLeaderEpoch when the client's is older,
// kerr.UnknownLeaderEpoch when it is newer, kerr.NotLeaderForPartition when this node does not lead. −1 means that the client does not say.
// See KIP-320.
func (p *Partition) CheckLeaderEpoch(current int32) error {
	s, err := p.leader()
	if err != nil {
		return err
	}
	switch {
	case current < 0 || current == s.leaderEpoch:
		return nil
	case current < s.leaderEpoch:
		return fmt.Errorf("%s: leader epoch %d is older than the current %d: %w", p.tp, current, s.leaderEpoch, kerr.FencedLeaderEpoch)
	default:
		return fmt.Errorf("%s: leader epoch %d is newer than the current %d: %w", p.tp, current, s.leaderEpoch, kerr.UnknownLeaderEpoch)
	}
}

// WaitCommitted returns when every record before offset end is committed.
func (p *Partition) WaitCommitted(ctx context.Context, end int64) error {
	if p.log().HighWatermark() >= end {
		return nil
	}
	w := NewWaiter()
	defer p.Watch(w)()
	for {
		if _, err := p.leader(); err != nil {
			return err
		}
		if p.log().HighWatermark() >= end {
			return nil
		}
		if err := w.Wait(ctx); err != nil {
			return err
		}
	}
}

// leader returns the state when this replica leads, else the error for the client.
func (p *Partition) leader() (*replicaState, error) {
	s := p.state.Load()
	switch {
	case s.deleted:
		return nil, fmt.Errorf("%s was deleted: %w", p.tp, kerr.UnknownTopicOrPartition)
	case s.failed != nil:
		return nil, offline(p.tp, s.failed)
	case !s.leading:
		return nil, fmt.Errorf("%s is not led by this node: %w", p.tp, kerr.NotLeaderForPartition)
	}
	return s, nil
}

// become takes over what a new image says of the replica.
func (p *Partition) become(s replicaState) error {
	prev := p.state.Load()
	if s.leading && (prev == nil || prev.leaderEpoch != s.leaderEpoch || !prev.leading) {
		_, err := onLog(p, func(l *log.Log) (_ struct{}, err error) {
			return struct{}{}, l.AssignLeaderEpoch(s.leaderEpoch, l.EndOffset())
		})
		if err != nil {
			return fmt.Errorf("%s: begin leader epoch %d: %w", p.tp, s.leaderEpoch, err)
		}
	}
	p.state.Store(&s)
	p.advanceHighWatermark(&s)
	p.watchers.wakeAll()
	return nil
}

// advanceHighWatermark commits what every in-sync replica has. With this node as the only one, that is all there is.
func (p *Partition) advanceHighWatermark(s *replicaState) (moved bool) {
	if !s.leading || len(s.isr) > 1 {
		return false
	}
	for {
		l := p.log()
		if end := l.EndOffset(); l.HighWatermark() < end {
			l.SetHighWatermark(end)
			moved = true
		}
		if l.Successor() == nil { // else the successor may not have heard of it
			return moved
		}
	}
}
