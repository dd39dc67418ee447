package group

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// group is what all kinds of groups have in common. Each kind is a type of its own. Methods are called from the shard's goroutine.
type group interface {
	groupType() string // as in ListGroups: "classic"
	stateName() string
	isIdle() bool

	// loaded makes the soft state from the durable state after a load, and arms the timers.
	loaded()
	// removed is called when the group's tombstone has been replayed.
	removed()

	// The checks of the offset APIs. Errors are kerr values.
	validateCommit(c commitAs) error
	validateOffsetDelete() error
	validateDelete() error
	// committing is called for a commit that passed validateCommit.
	committing(memberID string)
	// isSubscribed reports whether the group's members may be reading the topic; it is true when that is not known.
	isSubscribed(topic string) bool
	// expiryBase returns the time from which the retention of an offset counts, false when the group's offsets do not expire now.
	expiryBase() (baseMs func(committed) int64, ok bool)

	list() kmsg.ListGroupsResponseGroup
	// tombstones are the records that remove the group, without its offsets.
	tombstones() []record
}

// epochGroup is a group whose members have epochs.
type epochGroup interface {
	group
	// checkMember compares the epoch that a client names with that of the member.
	checkMember(id string, epoch int32) error
}

// partitionGroup is a group that decides about commits by partition too. It is asked after validateCommit.
type partitionGroup interface {
	validateCommitOf(c commitAs, topic string, partition int32) error
}

func validateCommitOf(g group, c commitAs, topics []commitTopic) error {
	if g, ok := g.(partitionGroup); ok {
		for _, t := range topics {
			for _, p := range t.partitions {
				if err := g.validateCommitOf(c, t.name, p.Partition); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// commitAs is who commits offsets: the fields of an OffsetCommit request.
type commitAs struct {
	memberID   string
	instanceID *string
	generation int32 // -1: not a member
	inTxn      bool  // by TxnOffsetCommit
	version    int16 // of the request
}

// shard is the state of one partition of __consumer_offsets.
type shard struct {
	env    coordinator.Env
	limits func() limits
	log    *zap.Logger

	topics   topicView
	configOf func(groupID string) map[string]string // of the group resource

	groups  map[string]group
	offsets offsets

	loading bool
	unknown map[int16]int // records of kinds that are not understood
}

var _ coordinator.TxnShard = (*shard)(nil)

func newShard(env coordinator.Env, limits func() limits, log *zap.Logger) *shard {
	return &shard{
		env:      env,
		limits:   limits,
		log:      log,
		groups:   make(map[string]group),
		offsets:  newOffsets(),
		configOf: func(string) map[string]string { return nil },
		loading:  true,
		unknown:  make(map[int16]int),
	}
}

// Loaded restores the groups from what was replayed and arms all timers.
func (s *shard) Loaded() {
	s.loading = false
	s.reportUnknown()
	for _, id := range s.groupIDs() {
		s.groups[id].loaded()
	}
	s.scheduleExpiry(s.limits().retentionCheck)
}

// Replay applies one record to the durable state.
func (s *shard) Replay(offset int64, r record) error {
	if isOffsetCommit(r) {
		return s.replayOffset(offset, r)
	}
	d, err := decode(r)
	if err != nil {
		return err
	}
	switch d.kind {
	case keyGroupMetadata:
		s.replayGroup(d.group, d.metadata)
	default:
		switch groupKinds[d.kind] {
		case typeConsumer:
			return s.replayConsumer(d.group, r)
		case typeStreams:
			return s.replayStreams(d.group, r)
		case typeShare:
			return s.replayShare(d.group, r)
		}
		s.unknown[d.kind]++
	}
	return nil
}

func (s *shard) replayOffset(offset int64, r record) error {
	o, err := decodeOffset(r)
	switch {
	case err != nil:
		return err
	case o.removed:
		s.offsets.remove(o.group, o.topic, o.partition)
		return nil
	}
	s.orSimple(o.group)
	o.commit.logOffset = offset
	s.offsets.put(o.group, o.topic, o.partition, o.commit)
	return nil
}

func (s *shard) replayGroup(id string, value *stored) {
	if value == nil {
		if g := s.groups[id]; g != nil {
			delete(s.groups, id)
			g.removed()
		}
		return
	}
	g, ok := s.groups[id].(*classic)
	if !ok {
		g = newClassic(s, id)
		s.groups[id] = g
	}
	g.stored = value
}

// ReplayTxn sets an offset committed in a transaction aside.
func (s *shard) ReplayTxn(offset, producerID int64, _ int16, r record) error {
	d, err := decode(r)
	if err != nil {
		return err
	}
	if d.kind != keyOffsetCommit && d.kind != keyOffsetCommitOld || d.commit == nil {
		return s.Replay(offset, r)
	}
	s.orSimple(d.group)
	d.commit.logOffset = offset
	s.offsets.putPending(producerID, d.group, d.topic, d.partition, *d.commit)
	return nil
}

// ReplayTxnMarker ends a transaction.
func (s *shard) ReplayTxnMarker(producerID int64, _ int16, commit bool) error {
	s.offsets.endTransaction(producerID, commit)
	return nil
}

// orSimple makes a simple group, which has offsets but never had members, when there is no group of the name. id may alias a record.
func (s *shard) orSimple(id string) {
	if s.groups[id] == nil {
		id = strings.Clone(id)
		s.groups[id] = newClassic(s, id)
	}
}

func (s *shard) groupIDs() []string { return slices.Sorted(maps.Keys(s.groups)) }

func (s *shard) nowMs() int64 { return s.env.Now().UnixMilli() }

// deleteGroup returns the records that remove the group and its offsets.
func (s *shard) deleteGroup(id string) ([]record, error) {
	g := s.groups[id]
	if g == nil {
		return nil, kerr.GroupIDNotFound
	}
	if err := g.validateDelete(); err != nil {
		return nil, err
	}
	var records []record
	for _, tp := range s.offsets.partitions(id) {
		records = append(records, offsetTombstone(id, tp.Topic, tp.Partition))
	}
	s.log.Info("group deleted", zap.String("group", id), zap.Int("offsets", len(records)))
	return append(records, g.tombstones()...), nil
}

// topicsDeleted returns the records that remove the offsets of deleted topics.
func (s *shard) topicsDeleted(topics []string) []record {
	gone := make(map[string]struct{}, len(topics))
	for _, t := range topics {
		gone[t] = struct{}{}
	}
	var records []record
	for _, id := range s.groupIDs() {
		for _, tp := range s.offsets.partitions(id) {
			if _, ok := gone[tp.Topic]; ok {
				records = append(records, offsetTombstone(id, tp.Topic, tp.Partition))
			}
		}
	}
	return records
}

func compareTopicPartitions(a, b protocol.TopicPartition) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return cmp.Compare(a.Partition, b.Partition)
}
