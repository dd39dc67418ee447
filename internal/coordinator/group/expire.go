package group

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/protocol"
)

// expiryBatch is how many offsets are expired in one event: the rest follows in the next ones, after the requests that wait meanwhile.
const expiryBatch = 1000

// expiryLook is how many offsets are looked at in one event.
const expiryLook = 20_000

const expiryTimer = "expire"

// scheduleExpiry arms the next look for expired offsets and groups (offsets.retention.check.interval.ms).
func (s *shard) scheduleExpiry(in time.Duration) {
	s.env.Schedule(expiryTimer, in, func() []record { return s.expire(s.groupIDs()) })
}

// expire returns tombstones for the expired offsets of the groups, and for the groups that are left without members and offsets.
func (s *shard) expire(groupIDs []string) []record {
	var records []record
	looked := 0
	for i, id := range groupIDs {
		if len(records) >= expiryBatch || looked >= expiryLook {
			rest := groupIDs[i:]
			s.env.Schedule(expiryTimer, 0, func() []record { return s.expire(rest) })
			return records
		}
		if s.groups[id] != nil {
			looked += s.offsets.count(id)
			records = s.expireGroup(records, id)
		}
	}
	s.scheduleExpiry(s.limits().retentionCheck)
	return records
}

func (s *shard) expireGroup(records []record, id string) []record {
	g := s.groups[id]
	baseMs, ok := g.expiryBase()
	nowMs, retentionMs := s.nowMs(), s.limits().retention.Milliseconds()
	var expired []protocol.TopicPartition
	kept := len(s.offsets.open[id]) > 0
	for topic, partitions := range s.offsets.byGroup[id] {
		mayExpire := ok && !g.isSubscribed(topic)
		for partition, c := range partitions {
			if mayExpire && isExpired(c, baseMs, nowMs, retentionMs) && !s.offsets.isPending(id, topic, partition) {
				expired = append(expired, protocol.TopicPartition{Topic: topic, Partition: partition})
			} else {
				kept = true
			}
		}
	}
	if len(expired) > 0 {
		s.log.Info("committed offsets expired", zap.String("group", id), zap.Int("offsets", len(expired)))
	}
	slices.SortFunc(expired, compareTopicPartitions)
	for _, tp := range expired {
		records = append(records, offsetTombstone(id, tp.Topic, tp.Partition))
	}
	if !kept && g.isIdle() {
		s.log.Info("group without members and offsets removed", zap.String("group", id))
		records = append(records, g.tombstones()...)
	}
	return records
}

// isExpired: an expire timestamp that a client of OffsetCommit v2-4 asked for counts, otherwise the retention does (KIP-211).
func isExpired(c committed, baseMs func(committed) int64, nowMs, retentionMs int64) bool {
	if c.expireMs != noTimestamp {
		return nowMs >= c.expireMs
	}
	return nowMs-baseMs(c) >= retentionMs
}
