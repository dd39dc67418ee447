package group

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gokafka/gokafka/internal/config"
)

// limits are the configuration keys that the package obeys.
type limits struct {
	initialRebalanceDelay  time.Duration // group.initial.rebalance.delay.ms
	minSessionTimeoutMs    int32         // group.min.session.timeout.ms
	maxSessionTimeoutMs    int32         // group.max.session.timeout.ms
	maxSize                int           // group.max.size
	offsetMetadataMaxBytes int           // offset.metadata.max.bytes
	retention              time.Duration // offsets.retention.minutes
	retentionCheck         time.Duration // offsets.retention.check.interval.ms

	assignors       []string      // group.consumer.assignors, by name
	consumerMaxSize int           // group.consumer.max.size
	migration       migration     // group.consumer.migration.policy
	shareMaxSize    int           // group.share.max.size
	shareTimes      consumerTimes // group.share.session.timeout.ms, .heartbeat.interval.ms, .assignment.interval.ms
	consumerTimes   consumerTimes // group.consumer.session.timeout.ms, .heartbeat.interval.ms, .assignment.interval.ms
	streams         streamsConfig // group.streams.*
}

// consumerTimes are those of a KIP-848 group, or of a share group.
type consumerTimes struct{ session, heartbeat, assignment time.Duration }

func limitsOf(c *config.Config) limits {
	return limits{
		initialRebalanceDelay:  milliseconds(c.Int64("group.initial.rebalance.delay.ms")),
		minSessionTimeoutMs:    int32(c.Int64("group.min.session.timeout.ms")),
		maxSessionTimeoutMs:    int32(c.Int64("group.max.session.timeout.ms")),
		maxSize:                c.Int("group.max.size"),
		offsetMetadataMaxBytes: c.Int("offset.metadata.max.bytes"),
		retention:              milliseconds(min(c.Int64("offsets.retention.minutes"), math.MaxInt64/int64(time.Minute)) * 60_000),
		retentionCheck:         milliseconds(c.Int64("offsets.retention.check.interval.ms")),
		assignors:              assignorNames(c.List("group.consumer.assignors")),
		consumerMaxSize:        c.Int("group.consumer.max.size"),
		migration:              migrationOf(c.String("group.consumer.migration.policy")),
		streams:                streamsConfigOf(c),
		shareMaxSize:           c.Int("group.share.max.size"),
		shareTimes: consumerTimes{
			session:   milliseconds(c.Int64("group.share.session.timeout.ms")),
			heartbeat: milliseconds(c.Int64("group.share.heartbeat.interval.ms")),

			assignment: milliseconds(c.Int64("group.share.assignment.interval.ms")),
		},
		consumerTimes: consumerTimes{
			session:   milliseconds(c.Int64("group.consumer.session.timeout.ms")),
			heartbeat: milliseconds(c.Int64("group.consumer.heartbeat.interval.ms")),
			// Kafka's own default makes a member wait for its first partitions until the heartbeat after the next.
			assignment: milliseconds(c.Int64("group.consumer.assignment.interval.ms")),
		},
	}
}

// assignorNames are the assignors of a configuration, which may name Kafka's classes.
func assignorNames(configured []string) []string {
	var names []string
	for _, c := range configured {
		switch {
		case strings.HasSuffix(c, ".UniformAssignor"):
			c = "uniform"
		case strings.HasSuffix(c, ".RangeAssignor"):
			c = "range"
		}
		if assignors[c] != nil {
			names = append(names, c)
		}
	}
	if names == nil {
		names = []string{"uniform", "range"}
	}
	return names
}

// consumerTimes returns the times of a group: its own configuration wins over the broker's.
func (s *shard) consumerTimes(groupID string) consumerTimes {
	t := s.limits().consumerTimes
	own := s.configOf(groupID)
	for key, to := range map[string]*time.Duration{
		"consumer.session.timeout.ms": &t.session, "consumer.heartbeat.interval.ms": &t.heartbeat, "consumer.assignment.interval.ms": &t.assignment,
	} {
		if ms, err := strconv.ParseInt(own[key], 10, 64); err == nil {
			*to = milliseconds(ms)
		}
	}
	return t
}

func milliseconds[N int32 | int64](ms N) time.Duration {
	return time.Duration(min(int64(ms), math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}
