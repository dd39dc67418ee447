package share

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gokafka/gokafka/internal/config"
)

// Where a group begins to read, share.auto.offset.reset.
const (
	resetLatest = iota
	resetEarliest
	resetByDuration
)

// settings are those of a group: its own configuration wins over the broker's.
type settings struct {
	lock          time.Duration // share.record.lock.duration.ms
	maxDeliveries int16         // share.delivery.count.limit
	maxLocks      int64         // share.partition.max.record.locks
	reset         int           // share.auto.offset.reset
	back          time.Duration // of by_duration
	readCommitted bool          // share.isolation.level
	renew         bool          // share.renew.acknowledge.enable
}

func settingsOf(c *config.Config, own map[string]string) settings {
	number := func(key string) int64 {
		if n, err := strconv.ParseInt(strings.TrimSpace(own[key]), 10, 64); err == nil {
			return n
		}
		return c.Int64("group." + key)
	}
	s := settings{
		lock:          time.Duration(number("share.record.lock.duration.ms")) * time.Millisecond,
		maxDeliveries: int16(number("share.delivery.count.limit")),
		maxLocks:      number("share.partition.max.record.locks"),
		readCommitted: own["share.isolation.level"] == "read_committed",
		renew:         !strings.EqualFold(strings.TrimSpace(own["share.renew.acknowledge.enable"]), "false"),
	}
	reset := strings.ToLower(own["share.auto.offset.reset"])
	if duration, ok := strings.CutPrefix(reset, "by_duration:"); ok {
		s.reset, s.back = resetByDuration, parseDuration(duration)
	} else if reset == "earliest" {
		s.reset = resetEarliest
	}
	return s
}

var isoDuration = regexp.MustCompile(`^p(?:(\d+)d)?(?:t(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?)?$`)

// parseDuration parses PnDTnHnMn.nS in lower case; what is not one, or too long, is as long as can be.
func parseDuration(text string) time.Duration {
	m := isoDuration.FindStringSubmatch(text)
	if m == nil {
		return math.MaxInt64
	}
	var seconds float64
	for i, each := range []float64{86400, 3600, 60, 1} {
		n, _ := strconv.ParseFloat(m[i+1], 64) // "" is 0
		seconds += n * each
	}
	if seconds > math.MaxInt64/float64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(seconds * float64(time.Second))
}
