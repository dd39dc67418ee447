package sharestate

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/coordinator/records"
	"github.com/gokafka/gokafka/internal/protocol"
)

type record = protocol.Record

// limits are the configuration keys that the package obeys.
type limits struct {
	updatesPerSnapshot int           // share.coordinator.snapshot.update.records.per.snapshot
	pruneInterval      time.Duration // share.coordinator.state.topic.prune.interval.ms
	coldInterval       time.Duration // share.coordinator.cold.partition.snapshot.interval.ms
}

// shard is the state of one partition of __share_group_state.
type shard struct {
	env    coordinator.Env
	limits func() limits
	prune  func(partition int32, before int64)
	exists func(topicID [16]byte, partition int32) bool

	states map[Key]state
	end    int64 // after the last record
	pruned int64 // what is before was given up
}

func (s *shard) Loaded() {
	s.env.Schedule("prune", s.limits().pruneInterval, s.pruneLog)
	s.env.Schedule("cold", s.limits().coldInterval, s.refreshCold)
}

// Replay applies one record.
func (s *shard) Replay(offset int64, r record) error {
	s.end = offset + 1
	key, value, err := records.ParseShare(r.Key, r.Value)
	if err != nil {
		return err
	}
	switch k := key.(type) {
	case *records.ShareSnapshotKey:
		key := Key{k.GroupID, k.TopicID, k.Partition}
		v, _ := value.(*records.ShareSnapshotValue)
		if v == nil {
			delete(s.states, key)
			return nil
		}
		s.states[key] = state{
			snapshotEpoch: v.SnapshotEpoch, stateEpoch: v.StateEpoch, leaderEpoch: v.LeaderEpoch, startOffset: v.StartOffset,
			complete: v.DeliveryCompleteCount, batches: v.StateBatches, createdMs: v.CreateTimestamp, snapshotAt: offset,
		}
	case *records.ShareUpdateKey:
		key := Key{k.GroupID, k.TopicID, k.Partition}
		v, _ := value.(*records.ShareUpdateValue)
		was, ok := s.states[key]
		if v == nil || !ok {
			return nil // its snapshot was given up after the state was deleted
		}
		now := was.update(v.LeaderEpoch, v.StartOffset, v.DeliveryCompleteCount, v.StateBatches)
		now.updates++
		s.states[key] = now
	}
	return nil
}

// ReplayTxnMarker is never called for a log that Kafka or gokafka wrote.
func (s *shard) ReplayTxnMarker(int64, int16, bool) error { return nil }

// Errors with Kafka's texts.
var (
	errFencedState  = fmt.Errorf("The share coordinator rejected the request because the share-group state epoch did not match.: %w", kerr.FencedStateEpoch) //nolint:staticcheck // Kafka's text
	errFencedLeader = fmt.Errorf("The leader epoch in the request is older than the epoch on the broker.: %w", kerr.FencedLeaderEpoch)                       //nolint:staticcheck // Kafka's text
	errNegative     = fmt.Errorf("The partition id cannot be a negative number.: %w", kerr.InvalidRequest)                                                   //nolint:staticcheck // Kafka's text
)

// check refuses a partition that does not exist.
func (s *shard) check(k Key) error {
	if k.Partition < 0 {
		return errNegative
	}
	if !s.exists(k.TopicID, k.Partition) {
		return kerr.UnknownTopicOrPartition
	}
	return nil
}

// initialize begins the state of a share partition, anew if there is one.
func (s *shard) initialize(k Key, stateEpoch int32, startOffset int64) ([]record, error) {
	if err := s.check(k); err != nil {
		return nil, err
	}
	next := state{stateEpoch: stateEpoch, leaderEpoch: noLeaderEpoch, startOffset: startOffset, createdMs: s.env.Now().UnixMilli()}
	if was, ok := s.states[k]; ok {
		if was.stateEpoch > stateEpoch {
			return nil, errFencedState
		}
		next.snapshotEpoch = was.snapshotEpoch + 1
	}
	return []record{s.snapshot(k, next)}, nil
}

// read returns the state for the leader of that epoch; older leaders are fenced from then on.
func (s *shard) read(k Key, leaderEpoch int32) (state, []record, error) {
	st, ok := s.states[k]
	if err := s.check(k); err != nil && (ok || k.Partition < 0) {
		return state{}, nil, err
	}
	if !ok {
		return state{}, nil, fmt.Errorf("Read operation on uninitialized share partition not allowed.: %w", kerr.InvalidRequest) //nolint:staticcheck // Kafka's text
	}
	switch {
	case leaderEpoch == noLeaderEpoch || leaderEpoch == st.leaderEpoch:
		return st, nil, nil
	case leaderEpoch < st.leaderEpoch:
		return state{}, nil, errFencedLeader
	}
	return st, []record{s.write(k, st, leaderEpoch, NoOffset, noCount, nil)}, nil
}

// summary returns the state for who only looks; it is empty where there is none.
func (s *shard) summary(k Key) (state, error) {
	if err := s.check(k); err != nil {
		return state{}, err
	}
	if st, ok := s.states[k]; ok {
		return st, nil
	}
	return state{startOffset: NoOffset, complete: noCount}, nil
}

// change is what a leader writes.
type change struct {
	stateEpoch, leaderEpoch int32
	startOffset             int64
	complete                int32
	batches                 []records.StateBatch
}

func (s *shard) put(k Key, c change) ([]record, error) {
	st, ok := s.states[k]
	if err := s.check(k); err != nil && (ok || k.Partition < 0) {
		return nil, err
	}
	switch {
	case !ok:
		return nil, fmt.Errorf("Write operation on uninitialized share partition not allowed.: %w", kerr.InvalidRequest) //nolint:staticcheck // Kafka's text
	case c.leaderEpoch != noLeaderEpoch && c.leaderEpoch < st.leaderEpoch:
		return nil, errFencedLeader
	case c.stateEpoch != -1 && c.stateEpoch < st.stateEpoch:
		return nil, errFencedState
	}
	return []record{s.write(k, st, c.leaderEpoch, c.startOffset, c.complete, c.batches)}, nil
}

// write returns the record of a change: an update, or a snapshot when there were enough of these.
func (s *shard) write(k Key, st state, leaderEpoch int32, startOffset int64, complete int32, batches []records.StateBatch) record {
	if st.updates >= s.limits().updatesPerSnapshot {
		next := st.update(leaderEpoch, startOffset, complete, batches)
		next.snapshotEpoch++
		return s.snapshot(k, next)
	}
	return record{
		Key: records.AppendKey(nil, &records.ShareUpdateKey{GroupID: k.Group, TopicID: k.TopicID, Partition: k.Partition}),
		Value: records.AppendValue(nil, &records.ShareUpdateValue{
			SnapshotEpoch: st.snapshotEpoch, LeaderEpoch: max(leaderEpoch, st.leaderEpoch), StartOffset: startOffset, DeliveryCompleteCount: complete, StateBatches: batches,
		}),
	}
}

func (s *shard) snapshot(k Key, st state) record {
	return record{
		Key: snapshotKey(k),
		Value: records.AppendValue(nil, &records.ShareSnapshotValue{
			SnapshotEpoch: st.snapshotEpoch, StateEpoch: st.stateEpoch, LeaderEpoch: st.leaderEpoch, StartOffset: st.startOffset,
			DeliveryCompleteCount: st.complete, CreateTimestamp: st.createdMs, WriteTimestamp: s.env.Now().UnixMilli(), StateBatches: st.batches,
		}),
	}
}

func snapshotKey(k Key) []byte {
	return records.AppendKey(nil, &records.ShareSnapshotKey{GroupID: k.Group, TopicID: k.TopicID, Partition: k.Partition})
}

// remove forgets a share partition. One that is not known is gone already.
func (s *shard) remove(k Key) ([]record, error) {
	if _, ok := s.states[k]; !ok {
		return nil, s.check(k)
	}
	return []record{{Key: snapshotKey(k)}}, nil
}

// topicsDeleted forgets the share partitions of deleted topics.
func (s *shard) topicsDeleted(gone map[[16]byte]bool) []record {
	var list []record
	for k := range s.states {
		if gone[k.TopicID] {
			list = append(list, record{Key: snapshotKey(k)})
		}
	}
	return list
}

// oldest is the offset of the oldest snapshot that is still needed.
func (s *shard) oldest() int64 {
	first := int64(math.MaxInt64)
	for _, st := range s.states {
		first = min(first, st.snapshotAt)
	}
	return min(first, s.end)
}

// pruneLog gives up what is before the oldest snapshot.
func (s *shard) pruneLog() []record {
	s.env.Schedule("prune", s.limits().pruneInterval, s.pruneLog)
	if before := s.oldest(); before > s.pruned {
		s.pruned = before
		s.prune(s.env.Partition, before)
	}
	return nil
}

// refreshCold writes again the snapshots in the older half of the log, whose share partitions are idle: they would keep all that came after them.
func (s *shard) refreshCold() []record {
	s.env.Schedule("cold", s.limits().coldInterval, s.refreshCold)
	const fewRecords = 1000
	first := s.oldest()
	if s.end-first < fewRecords {
		return nil
	}
	var cold []Key
	for k, st := range s.states {
		if st.snapshotAt < first+(s.end-first)/2 {
			cold = append(cold, k)
		}
	}
	slices.SortFunc(cold, func(a, b Key) int { return int(s.states[a].snapshotAt - s.states[b].snapshotAt) })
	var list []record
	for _, k := range cold[:min(len(cold), 100)] {
		st := s.states[k]
		st.snapshotEpoch++
		list = append(list, s.snapshot(k, st))
	}
	return list
}
