package share

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
)

// Options of a [Manager]. All but Logger are required.
type Options struct {
	Config func() *config.Config
	// GroupConfig is the configuration of a group resource.
	GroupConfig func(groupID string) map[string]string
	Persister   Persister
	Now         func() time.Time
	Logger      *zap.Logger
}

// Manager has the share partitions and the share sessions of this node. Its methods are safe for concurrent use.
type Manager struct {
	o Options

	mu         sync.Mutex
	partitions map[Key]*Partition      // guarded by mu
	sessions   map[sessionKey]*session // guarded by mu
}

// New returns a manager of nothing.
func New(o Options) *Manager {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return &Manager{o: o, partitions: map[Key]*Partition{}, sessions: map[sessionKey]*session{}}
}

func (m *Manager) settings(group string) settings {
	return settingsOf(m.o.Config(), m.o.GroupConfig(group))
}

// LockDuration is how long a member of the group has what it acquires.
func (m *Manager) LockDuration(group string) time.Duration { return m.settings(group).lock }

// Partition returns the share partition of a group on a partition of this node.
func (m *Manager) Partition(group string, log *broker.Partition) *Partition {
	k := Key{group, log.TopicID(), log.TopicPartition().Partition}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.partitions[k]
	if p == nil || p.gone() {
		p = &Partition{
			key: k, log: log, persister: m.o.Persister, settings: func() settings { return m.settings(group) }, now: m.o.Now, logger: m.o.Logger,
			gate: make(chan struct{}, 1),
		}
		m.partitions[k] = p
	}
	return p
}

// forget drops the share partitions for which which is true: the next fetch reads their state anew. What is under way may end with an error.
func (m *Manager) forget(which func(*Partition) bool) {
	m.mu.Lock()
	var gone []*Partition
	for k, p := range m.partitions {
		if which(p) {
			delete(m.partitions, k)
			gone = append(gone, p)
		}
	}
	m.mu.Unlock()
	for _, p := range gone {
		p.drop()
	}
}

// ForgetGroup drops all share partitions of a group.
func (m *Manager) ForgetGroup(group string) {
	m.forget(func(p *Partition) bool { return p.key.Group == group })
}

// ForgetPartition drops the share partitions of a partition that this node does not lead any more. It does not wait.
func (m *Manager) ForgetPartition(tp protocol.TopicPartition) {
	m.forget(func(p *Partition) bool { return p.log.TopicPartition() == tp })
}

// release gives back what a member has acquired of any partition.
func (m *Manager) release(ctx context.Context, group, member string) {
	m.mu.Lock()
	var of []*Partition
	for k, p := range m.partitions {
		if k.Group == group {
			of = append(of, p)
		}
	}
	m.mu.Unlock()
	for _, p := range of {
		if err := p.Release(ctx, member); err != nil {
			m.o.Logger.Debug("what a member had acquired is not released, its locks will end", zap.String("group", group), zap.Error(err))
		}
	}
}

// Close ends the timers of all locks.
func (m *Manager) Close() { m.forget(func(*Partition) bool { return true }) }
