package config

// Topic is the effective configuration of one topic. Times are milliseconds; -1 in a retention means without limit.
type Topic struct {
	CleanupDelete, CleanupCompact             bool
	CompressionType                           string // producer, uncompressed, gzip, snappy, lz4, zstd
	GzipLevel, LZ4Level, ZstdLevel            int
	DeleteRetentionMs, FileDeleteDelayMs      int64
	FlushMessages, FlushMs                    int64
	IndexIntervalBytes                        int
	MaxCompactionLagMs, MinCompactionLagMs    int64
	MaxMessageBytes                           int32
	TimestampAfterMaxMs, TimestampBeforeMaxMs int64
	TimestampType                             string // CreateTime, LogAppendTime
	MinCleanableDirtyRatio                    float64
	MinInsyncReplicas                         int
	Preallocate                               bool
	RetentionBytes, RetentionMs               int64
	SegmentBytes, SegmentIndexBytes           int64
	SegmentJitterMs, SegmentMs                int64
	UncleanLeaderElection                     bool
}

// Topic returns the effective configuration of a topic with these overrides of its own. Overrides that are not valid are as if absent.
func (c *Config) Topic(overrides map[string]string) Topic { return Topic{} }

// ValidateTopic checks one topic configuration as Kafka does; the error wraps kerr.InvalidConfig and has Kafka's text.
func ValidateTopic(name, value string) error { return nil }

// ValidateTopicConfigs checks all overrides of a topic together.
func ValidateTopicConfigs(overrides map[string]string) error { return nil }

// ValidateBroker checks a dynamic update of one broker configuration: perBroker for one broker's, else for the cluster default. The error
// wraps kerr.InvalidRequest or kerr.InvalidConfig as Kafka's does.
func ValidateBroker(name, value string, perBroker bool) error { return nil }
