package group

import (
	"math"
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
}

func limitsOf(c *config.Config) limits {
	return limits{
		initialRebalanceDelay:  milliseconds(c.Int64("group.initial.rebalance.delay.ms")),
		minSessionTimeoutMs:    int32(c.Int64("group.min.session.timeout.ms")),
		maxSessionTimeoutMs:    int32(c.Int64("group.max.session.timeout.ms")),
		maxSize:                c.Int("group.max.size"),
		offsetMetadataMaxBytes: c.Int("offset.metadata.max.bytes"),
		retention:              milliseconds(min(c.Int64("offsets.retention.minutes"), math.MaxInt64/int64(time.Minute)) * 60_000),
		retentionCheck:         milliseconds(c.Int64("offsets.retention.check.interval.ms")),
	}
}

func milliseconds[N int32 | int64](ms N) time.Duration {
	return time.Duration(min(int64(ms), math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}
