package share

import (
	"context"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Epochs of a share session with a meaning of their own.
const (
	EpochInitial = 0  // begins a session
	EpochFinal   = -1 // ends it
)

// TopicPartition is a partition by the id of its topic.
type TopicPartition struct {
	TopicID   [16]byte
	Partition int32
}

type sessionKey struct{ group, member string }

// session is what a member fetches, so that it need not say so each time.
type session struct {
	epoch      int32 // of the next request
	connection uint64
	partitions []TopicPartition
}

// Request is a ShareFetch request as its session sees it.
type Request struct {
	Connection    uint64
	Group, Member string
	Epoch         int32
	Add, Forget   []TopicPartition
	HasAcks       bool
}

// BeginFetch brings the session up to the request and returns all partitions to fetch, none with EpochFinal, and those that are new to the session.
//
// Errors: kerr.InvalidRequest, kerr.ShareSessionNotFound, kerr.InvalidShareSessionEpoch, kerr.ShareSessionLimitReached.
func (m *Manager) BeginFetch(r Request) (all, fresh []TopicPartition, err error) {
	k := sessionKey{r.Group, r.Member}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.Epoch != EpochInitial {
		s, err := m.sessionLocked(k, r.Epoch)
		if err != nil || r.Epoch == EpochFinal {
			return nil, nil, err
		}
		s.connection = r.Connection
		for _, tp := range r.Add {
			if !slices.Contains(s.partitions, tp) {
				s.partitions, fresh = append(s.partitions, tp), append(fresh, tp)
			}
		}
		s.partitions = slices.DeleteFunc(slices.Clone(s.partitions), func(tp TopicPartition) bool { return slices.Contains(r.Forget, tp) })
		return s.partitions, fresh, nil
	}
	if r.HasAcks {
		return nil, nil, kerr.InvalidRequest
	}
	if m.sessions[k] == nil && len(m.sessions) >= m.o.Config().Int("group.share.max.share.sessions") {
		return nil, nil, kerr.ShareSessionLimitReached
	}
	s := &session{epoch: 1, connection: r.Connection}
	for _, tp := range r.Add {
		if !slices.Contains(s.partitions, tp) {
			s.partitions = append(s.partitions, tp)
		}
	}
	m.sessions[k] = s
	return s.partitions, s.partitions, nil
}

// BeginAcknowledge checks the session of a ShareAcknowledge request. The errors are those of [Manager.BeginFetch].
func (m *Manager) BeginAcknowledge(group, member string, epoch int32) error {
	if epoch == EpochInitial {
		return kerr.InvalidShareSessionEpoch
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, err := m.sessionLocked(sessionKey{group, member}, epoch)
	return err
}

// sessionLocked returns the session of a request with that epoch, which is not the initial one, and expects the next.
func (m *Manager) sessionLocked(k sessionKey, epoch int32) (*session, error) {
	s := m.sessions[k]
	switch {
	case s == nil:
		return nil, kerr.ShareSessionNotFound
	case epoch == EpochFinal:
		return s, nil
	case epoch != s.epoch:
		return nil, kerr.InvalidShareSessionEpoch
	}
	if s.epoch == math.MaxInt32 {
		s.epoch = 0
	}
	s.epoch++
	return s, nil
}

// EndSession ends a member's session and gives back what it has acquired.
func (m *Manager) EndSession(ctx context.Context, group, member string) {
	m.mu.Lock()
	delete(m.sessions, sessionKey{group, member})
	m.mu.Unlock()
	m.release(ctx, group, member)
}

// Disconnected ends the sessions of a connection that was closed.
func (m *Manager) Disconnected(ctx context.Context, connection uint64) {
	m.mu.Lock()
	var ended []sessionKey
	for k, s := range m.sessions {
		if s.connection == connection {
			ended = append(ended, k)
			delete(m.sessions, k)
		}
	}
	m.mu.Unlock()
	for _, k := range ended {
		m.release(ctx, k.group, k.member)
	}
}
