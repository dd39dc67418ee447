package config

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestTopicDefaults(t *testing.T) {
	want := Topic{
		CleanupDelete: true, CompressionType: "producer", GzipLevel: -1, LZ4Level: 9, ZstdLevel: 3,
		DeleteRetentionMs: 86400000, FileDeleteDelayMs: 60000, FlushMessages: math.MaxInt64, FlushMs: math.MaxInt64, IndexIntervalBytes: 4096,
		MaxCompactionLagMs: math.MaxInt64, MaxMessageBytes: 1048588, TimestampAfterMaxMs: 3600000, TimestampBeforeMaxMs: math.MaxInt64, TimestampType: "CreateTime",
		MinCleanableDirtyRatio: 0.5, MinInsyncReplicas: 1, RetentionBytes: -1, RetentionMs: 604800000,
		SegmentBytes: 1073741824, SegmentIndexBytes: 10485760, SegmentMs: 604800000,
	}
	c := mustLoad(t, "", Defaults{NoFile: true})
	if diff := cmp.Diff(want, c.Topic(nil)); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestTopicPrecedence(t *testing.T) {
	for _, tc := range []struct {
		name, text          string
		defaults, perBroker map[string]string
		overrides           map[string]string
		get                 func(Topic) int64
		want                int64
	}{
		{"hours", "log.retention.hours=2", nil, nil, nil, func(t Topic) int64 { return t.RetentionMs }, 7200000},
		{"minutes over hours", "log.retention.hours=2\nlog.retention.minutes=3", nil, nil, nil, func(t Topic) int64 { return t.RetentionMs }, 180000},
		{"ms over minutes", "log.retention.ms=5\nlog.retention.minutes=3", nil, nil, nil, func(t Topic) int64 { return t.RetentionMs }, 5},
		{"negative is forever", "log.retention.hours=-7", nil, nil, nil, func(t Topic) int64 { return t.RetentionMs }, -1},
		{"dynamic default over file", "log.retention.ms=5", map[string]string{"log.retention.ms": "6"}, nil, nil, func(t Topic) int64 { return t.RetentionMs }, 6},
		{"broker over dynamic default", "", map[string]string{"log.retention.ms": "6"}, map[string]string{"log.retention.ms": "7"}, nil, func(t Topic) int64 { return t.RetentionMs }, 7},
		{"topic over broker", "", nil, map[string]string{"log.retention.ms": "7"}, map[string]string{"retention.ms": "8"}, func(t Topic) int64 { return t.RetentionMs }, 8},
		{"invalid override is as if absent", "log.retention.ms=5", nil, nil, map[string]string{"retention.ms": "x"}, func(t Topic) int64 { return t.RetentionMs }, 5},
		{"roll", "log.roll.hours=1\nlog.roll.jitter.hours=1", nil, nil, nil, func(t Topic) int64 { return t.SegmentMs + t.SegmentJitterMs }, 7200000},
		{"roll ms", "log.roll.hours=1\nlog.roll.ms=9", nil, nil, nil, func(t Topic) int64 { return t.SegmentMs }, 9},
		{"flush from the scheduler's interval", "log.flush.scheduler.interval.ms=9", nil, nil, nil, func(t Topic) int64 { return t.FlushMs }, 9},
		{"timestamp difference of 2.8", "log.message.timestamp.difference.max.ms=9", nil, nil, nil, func(t Topic) int64 { return t.TimestampBeforeMaxMs }, 9},
		{"after it, too", "log.message.timestamp.difference.max.ms=9", nil, nil, nil, func(t Topic) int64 { return t.TimestampAfterMaxMs }, 9},
		{"but the new key counts more", "log.message.timestamp.difference.max.ms=9\nlog.message.timestamp.after.max.ms=8", nil, nil, nil, func(t Topic) int64 { return t.TimestampAfterMaxMs }, 8},
		{"small segments for tests", "", nil, nil, map[string]string{"internal.segment.bytes": "100"}, func(t Topic) int64 { return t.SegmentBytes }, 100},
	} {
		c, err := mustLoad(t, tc.text, Defaults{}).WithDynamic(tc.defaults, tc.perBroker)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := tc.get(c.Topic(tc.overrides)); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestCleanupPolicies(t *testing.T) {
	c := mustLoad(t, "", Defaults{})
	for policy, want := range map[string][2]bool{"delete": {true, false}, "compact": {false, true}, "compact, delete": {true, true}, "": {false, false}} {
		got := c.Topic(map[string]string{"cleanup.policy": policy})
		if got.CleanupDelete != want[0] || got.CleanupCompact != want[1] {
			t.Errorf("%q: delete %v, compact %v", policy, got.CleanupDelete, got.CleanupCompact)
		}
	}
}

// The messages were recorded from a 4.3.1 broker's answers to IncrementalAlterConfigs.
func TestTopicMessagesAreKafkas(t *testing.T) {
	for _, tc := range []struct{ name, value, want string }{
		{"retention.ms", "abc", "Invalid value abc for configuration retention.ms: Not a number of type LONG"},
		{"retention.ms", "1e3", "Invalid value 1e3 for configuration retention.ms: Not a number of type LONG"},
		{"retention.ms", "", "Invalid value  for configuration retention.ms: Not a number of type LONG"},
		{"retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
		{"retention.ms", " 7 ", ""},
		{"retention.ms", "+5", ""},
		{"nope", "x", "Unknown topic config name: nope"},
		{"message.format.version", "2.8", "Unknown topic config name: message.format.version"},
		{"segment.bytes", "1", "Invalid value 1 for configuration segment.bytes: Value must be at least 1048576"},
		{"segment.bytes", "99999999999", "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT"},
		{"internal.segment.bytes", "100", ""},
		{"cleanup.policy", "foo", "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete"},
		{"cleanup.policy", "", ""},
		{"cleanup.policy", "delete,delete", ""},
		{"cleanup.policy", "delete,,compact", "Configuration 'cleanup.policy' values must not be empty."},
		{"compression.gzip.level", "0", "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"},
		{"compression.lz4.level", "18", "Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17"},
		{"compression.zstd.level", "23", "Invalid value 23 for configuration compression.zstd.level: Value must be no more than 22"},
		{"compression.type", "brotli", "Invalid value brotli for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
		{"min.cleanable.dirty.ratio", "2", "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
		{"min.cleanable.dirty.ratio", "x", "Invalid value x for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE"},
		{"preallocate", "maybe", "Invalid value maybe for configuration preallocate: Expected value to be either true or false"},
		{"unclean.leader.election.enable", "TRUE", ""},
		{"follower.replication.throttled.replicas", "x", "Invalid value [x] for configuration follower.replication.throttled.replicas: follower.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
		{"follower.replication.throttled.replicas", "*", ""},
		{"follower.replication.throttled.replicas", "0:1,1:2", ""},
		{"retention.bytes", "-5", ""},
		{"remote.storage.enable", "true", "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."},
		{"max.compaction.lag.ms", "-1", "Invalid value -1 for configuration max.compaction.lag.ms: Value must be at least 1"},
		{"message.timestamp.type", "createTime", "Invalid value createTime for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime"},
		{"min.insync.replicas", "0", "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1"},
	} {
		wantInvalid(t, ValidateTopicConfigs(map[string]string{tc.name: tc.value}), tc.name+"="+tc.value, tc.want, kerr.InvalidConfig)
	}
	wantInvalid(t, ValidateTopicConfigs(map[string]string{"min.compaction.lag.ms": "5", "max.compaction.lag.ms": "3"}), "lags",
		"conflict topic config setting min.compaction.lag.ms (5) > max.compaction.lag.ms (3)", kerr.InvalidConfig)
}

// Recorded in the same way.
func TestBrokerMessagesAreKafkas(t *testing.T) {
	for _, tc := range []struct {
		perBroker         bool
		name, value, want string
	}{
		{true, "log.retention.ms", "abc", "Invalid value abc for configuration log.retention.ms: Not a number of type LONG"},
		{false, "log.retention.ms", "-2", ""},
		{false, "nope", "x", ""},
		{true, "retention.ms", "8", ""},
		{true, "log.dirs", "x", "Cannot update these configs dynamically: [log.dirs]"},
		{true, "node.id", "4", "Cannot update these configs dynamically: [node.id]"},
		{true, "auto.create.topics.enable", "false", "Cannot update these configs dynamically: [auto.create.topics.enable]"},
		{true, "num.io.threads", "0", "Invalid value 0 for configuration num.io.threads: Value must be at least 1"},
		{false, "principal.builder.class", "x", "Cannot update these configs at default cluster level, broker id must be specified: [principal.builder.class]"},
		{true, "ssl.keystore.location", "/x", "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.location]"},
		{false, "ssl.keystore.location", "/x", "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.location]"},
		{true, "listener.name.plaintext.ssl.keystore.location", "/x", ""},
		{false, "listener.name.plaintext.ssl.keystore.location", "/x", "Cannot update these configs at default cluster level, broker id must be specified: [listener.name.plaintext.ssl.keystore.location]"},
		{false, "log.cleanup.policy", "foo", "Invalid value foo for configuration log.cleanup.policy: String must be one of: compact, delete"},
		{false, "log.segment.bytes", "10", "Invalid value 10 for configuration log.segment.bytes: Value must be at least 1048576"},
		{false, "leader.replication.throttled.rate", "10", ""},
		{true, "leader.replication.throttled.rate", "-1", "Invalid value -1 for configuration leader.replication.throttled.rate: Value must be at least 0"},
		{false, "unclean.leader.election.enable", "maybe", "Invalid value maybe for configuration unclean.leader.election.enable: Expected value to be either true or false"},
	} {
		wantInvalid(t, ValidateBroker(tc.name, tc.value, tc.perBroker), tc.name+"="+tc.value, tc.want, kerr.InvalidRequest)
	}
	// Kafka can do these while it runs; this release says no instead of storing them without effect.
	if err := ValidateBroker("listeners", "PLAINTEXT://:1", true); !errors.Is(err, kerr.InvalidRequest) {
		t.Errorf("listeners: %v", err)
	}
}

func wantInvalid(t *testing.T, err error, what, message string, wraps error) {
	t.Helper()
	switch {
	case err == nil && message == "":
	case err == nil:
		t.Errorf("%s: accepted; want %s", what, message)
	case err.Error() != message || !errors.Is(err, wraps):
		t.Errorf("%s:\n got %v (%v)\nwant %s (%v)", what, err, errors.Unwrap(err), message, wraps)
	}
}

func TestDynamicUpdates(t *testing.T) {
	base := mustLoad(t, "message.max.bytes=1000", Defaults{})
	c, err := base.WithDynamic(map[string]string{"message.max.bytes": "2000", "num.io.threads": "x"}, map[string]string{"log.retention.ms": "5", "log.dirs": "/x"})
	if err == nil {
		t.Error("invalid updates were not named")
	}
	if c.Int("message.max.bytes") != 2000 || c.Int64("log.retention.ms") != 5 || c.Int("num.io.threads") != 8 || c.LogDirs()[0] != "/tmp/kafka-logs" {
		t.Errorf("%d %d %d %v", c.Int("message.max.bytes"), c.Int64("log.retention.ms"), c.Int("num.io.threads"), c.LogDirs())
	}
	if base.Int("message.max.bytes") != 1000 || base.IsSet("log.retention.ms") || !c.IsSet("log.retention.ms") {
		t.Error("the configuration underneath changed, or a dynamic update does not count as set")
	}
	c, err = c.WithDynamic(nil, nil)
	if err != nil || c.Int("message.max.bytes") != 1000 {
		t.Errorf("taking the updates away: %d, %v", c.Int("message.max.bytes"), err)
	}
}

func TestAccessorsPanicOnMistakes(t *testing.T) {
	c := mustLoad(t, "", Defaults{})
	for name, f := range map[string]func(){
		"unknown key": func() { c.Int("no.such.key") },
		"other type":  func() { c.Int("listeners") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
