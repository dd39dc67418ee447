package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/protocol"
)

// Options configure a [Broker].
type Options struct {
	NodeID int32
	Config func() *config.Config // the configuration in force
	Logs   *log.Manager
	Logger *zap.Logger
	NowMs  func() int64

	// Controller is told which log directories partitions lie in, on behalf of the broker's incarnation of that epoch. A broker without a
	// controller tells nobody.
	Controller  kmsg.Requestor
	BrokerEpoch func() int64
}

// Broker is the set of partitions that this node hosts. Its methods are safe for concurrent use, but for Apply, which the metadata store calls
// in order.
type Broker struct {
	nodeID int32
	config func() *config.Config
	logs   *log.Manager
	logger *zap.Logger
	nowMs  func() int64

	assignments *assignments
	moves       *moves

	changing sync.Mutex      // held while partitions come and go: by Apply, DirectoryFailed and AlterReplicaLogDir
	applied  *config.Config  // guarded by changing: the configuration of the last Apply
	image    *metadata.Image // guarded by changing: the image of the last Apply

	mu         sync.RWMutex
	partitions map[protocol.TopicPartition]*Partition // guarded by mu
	failed     map[protocol.TopicPartition]failure    // guarded by mu: hosted here, but its log cannot be used
	observers  []func(Change)                         // set before the first Apply
}

// failure says of which topic a partition's log cannot be used, and why.
type failure struct {
	topicID [16]byte
	err     error
}

// Change tells of a partition whose leadership on this node began or ended.
type Change struct {
	TopicPartition protocol.TopicPartition
	LeaderEpoch    int32
	Leading        bool
}

// New returns a broker without partitions: the first Apply brings them.
func New(o Options) *Broker {
	return &Broker{
		nodeID: o.NodeID, config: o.Config, logs: o.Logs, logger: o.Logger, nowMs: o.NowMs,
		assignments: newAssignments(o), moves: newMoves(o),
		partitions: map[protocol.TopicPartition]*Partition{}, failed: map[protocol.TopicPartition]failure{},
	}
}

// Run does what the broker does on its own: it moves partitions between log directories and tells the controller where they lie. It returns when
// ctx has ended and all is at rest. Call it once.
func (b *Broker) Run(ctx context.Context) error {
	var running sync.WaitGroup
	running.Go(func() { b.assignments.run(ctx) })
	running.Go(func() { b.retryWhereDiskWasFull(ctx) })
	b.moves.run(ctx)
	running.Wait()
	return nil
}

// Observe has fn called, within Apply, for each change of leadership on this node: coordinators load and unload by it. Call it before the first
// Apply.
func (b *Broker) Observe(fn func(Change)) { b.observers = append(b.observers, fn) }

// Partition returns the partition of this node.
//
// Errors: kerr.UnknownTopicOrPartition, and kerr.KafkaStorageError when its log cannot be used.
func (b *Broker) Partition(topic string, partition int32) (*Partition, error) {
	tp := protocol.TopicPartition{Topic: topic, Partition: partition}
	b.mu.RLock()
	p := b.partitions[tp]
	failure, failed := b.failed[tp]
	b.mu.RUnlock()
	switch {
	case p != nil:
		return p, nil
	case failed:
		return nil, offline(tp, failure.err)
	default:
		return nil, fmt.Errorf("%s is not on this node: %w", tp, kerr.UnknownTopicOrPartition)
	}
}

func offline(tp protocol.TopicPartition, why error) error {
	return fmt.Errorf("%s is offline (%w): %w", tp, why, kerr.KafkaStorageError)
}

// Apply brings the partitions of this node in line with a new image: those that are gone are deleted, new ones are created, and the others learn
// of their leadership and configuration. It is a subscriber of the metadata store.
func (b *Broker) Apply(prev, next *metadata.Image) {
	b.changing.Lock()
	defer b.changing.Unlock()
	cfg := b.config()
	first, reconfigured := b.applied == nil, cfg != b.applied
	b.applied, b.image = cfg, next
	b.assignments.apply(next)
	for was, is := range next.TopicChanges(prev) {
		if was != nil && (is == nil || was.ID != is.ID) {
			b.remove(was)
		}
		if is != nil {
			b.update(is, cfg.Topic(next.TopicConfig(is.Name)), first)
		}
	}
	for name := range next.TopicConfigChanges(prev) {
		if t := next.Topic(name); t != nil {
			b.reconfigure(t, cfg.Topic(next.TopicConfig(name)))
		}
	}
	if reconfigured {
		for t := range next.Topics() {
			b.reconfigure(t, cfg.Topic(next.TopicConfig(t.Name)))
		}
	}
}

// update creates the partitions of t that belong here and tells all of them their state. With existed they are from before this start.
func (b *Broker) update(t *metadata.Topic, topic config.Topic, existed bool) {
	for i := range t.Partitions {
		tp := protocol.TopicPartition{Topic: t.Name, Partition: int32(i)}
		if !slices.Contains(t.Partitions[i].Replicas, b.nodeID) {
			continue
		}
		b.mu.RLock()
		p, known := b.partitions[tp], b.failed[tp]
		b.mu.RUnlock()
		if l, ok := b.logs.Get(tp); p == nil && known.topicID == t.ID && ok && l.Failure() != nil {
			continue // its log directory has failed, until the next start
		}
		if p == nil {
			l, err := b.openLog(tp, log.CreateOptions{TopicID: t.ID, Config: topic, Directory: t.Partitions[i].Directory(b.nodeID), Existed: existed})
			if err != nil {
				b.fail(tp, failure{t.ID, err})
				continue
			}
			p = &Partition{tp: tp, id: t.ID, config: b.config, logger: b.logger, nowMs: b.nowMs}
			p.newest.Store(l)
			p.topic.Store(&topic)
		}
		b.become(p, &t.Partitions[i])
		b.settleDirectory(p, t.Partitions[i].Directory(b.nodeID))
	}
}

// openLog returns the partition's log: the one found on disk when it belongs to this topic or does not say to which (its partition.metadata was lost
// in a power cut, or an old Kafka wrote none), else a new one. A directory that belongs to another topic of the same name is set aside, not deleted.
func (b *Broker) openLog(tp protocol.TopicPartition, o log.CreateOptions) (*log.Log, error) {
	if l, ok := b.logs.Get(tp); ok {
		id := l.TopicID()
		if err := l.Failure(); err != nil && (id == o.TopicID || id == [16]byte{}) {
			return nil, err
		}
		switch id {
		case [16]byte{}:
			if err := l.SetTopicID(o.TopicID); err != nil {
				return nil, err
			}
			fallthrough
		case o.TopicID:
			l.SetConfig(o.Config)
			return l, nil
		}
		b.logger.Warn("partition directory belongs to another topic of this name, setting it aside", append(tp.Fields(), zap.String("dir", l.Dir()))...)
		if err := b.logs.MarkStray(tp); err != nil && l.Failure() == nil {
			return nil, fmt.Errorf("set the stray directory of %s aside: %w", tp, err)
		}
	}
	return b.logs.CreateIn(tp, o)
}

// become tells p its state and makes it reachable.
func (b *Broker) become(p *Partition, m *metadata.Partition) {
	prev := p.state.Load()
	s := replicaState{leading: m.Leader == b.nodeID, leaderEpoch: m.LeaderEpoch, isr: m.ISR}
	if err := p.become(s); err != nil {
		b.fail(p.tp, failure{p.id, err})
		return
	}
	b.mu.Lock()
	b.partitions[p.tp] = p
	delete(b.failed, p.tp)
	b.mu.Unlock()
	if prev == nil || prev.leading != s.leading || prev.leaderEpoch != s.leaderEpoch {
		b.tell(Change{TopicPartition: p.tp, LeaderEpoch: s.leaderEpoch, Leading: s.leading})
	}
}

func (b *Broker) fail(tp protocol.TopicPartition, f failure) {
	b.mu.Lock()
	was := b.failed[tp]
	delete(b.partitions, tp)
	b.failed[tp] = f
	b.mu.Unlock()
	if was.err == nil || was.err.Error() != f.err.Error() { // a retry that failed as before is not worth a line
		b.logger.Error("partition cannot be used", append(tp.Fields(), zap.Error(f.err))...)
	}
}

func (b *Broker) tell(c Change) {
	for _, fn := range b.observers {
		fn(c)
	}
}

// reconfigure gives the partitions of t their topic's new configuration.
func (b *Broker) reconfigure(t *metadata.Topic, topic config.Topic) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for i := range t.Partitions {
		if p := b.partitions[protocol.TopicPartition{Topic: t.Name, Partition: int32(i)}]; p != nil {
			p.topic.Store(&topic)
			p.log().SetConfig(topic)
		}
	}
}

// remove ends the partitions of a deleted topic: whoever uses or waits for one learns it, and its directory is renamed for deletion.
func (b *Broker) remove(t *metadata.Topic) {
	for i := range t.Partitions {
		tp := protocol.TopicPartition{Topic: t.Name, Partition: int32(i)}
		b.mu.Lock()
		p := b.partitions[tp]
		_, failed := b.failed[tp]
		delete(b.partitions, tp)
		delete(b.failed, tp)
		b.mu.Unlock()
		if p == nil && !failed {
			continue
		}
		if p != nil {
			b.end(p, replicaState{deleted: true})
		}
		if err := b.logs.Delete(tp); err != nil {
			b.logger.Error("delete the log of a deleted topic", append(tp.Fields(), zap.Error(err))...)
		}
	}
}

// end tells those who use or wait for a partition, and the observers, that it is gone or cannot be used.
func (b *Broker) end(p *Partition, s replicaState) {
	s.leaderEpoch = p.LeaderEpoch()
	p.state.Store(&s)
	p.watchers.wakeAll()
	b.tell(Change{TopicPartition: p.tp, LeaderEpoch: s.leaderEpoch})
}

// Partitions returns all partitions of this node, in no order.
func (b *Broker) Partitions() []*Partition {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Collect(maps.Values(b.partitions))
}
