package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

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
func (c *Config) Topic(overrides map[string]string) Topic {
	get := func(name string) any { v, _ := c.topicValue(topicByName[name], overrides); return v }
	long := func(name string) int64 { return get(name).(int64) }
	policy := get("cleanup.policy").([]string)
	t := Topic{
		CleanupDelete: slices.Contains(policy, "delete"), CleanupCompact: slices.Contains(policy, "compact"),
		CompressionType:        get("compression.type").(string),
		GzipLevel:              int(long("compression.gzip.level")),
		LZ4Level:               int(long("compression.lz4.level")),
		ZstdLevel:              int(long("compression.zstd.level")),
		DeleteRetentionMs:      long("delete.retention.ms"),
		FileDeleteDelayMs:      long("file.delete.delay.ms"),
		FlushMessages:          long("flush.messages"),
		FlushMs:                long("flush.ms"),
		IndexIntervalBytes:     int(long("index.interval.bytes")),
		MaxCompactionLagMs:     long("max.compaction.lag.ms"),
		MinCompactionLagMs:     long("min.compaction.lag.ms"),
		MaxMessageBytes:        int32(long("max.message.bytes")),
		TimestampAfterMaxMs:    long("message.timestamp.after.max.ms"),
		TimestampBeforeMaxMs:   long("message.timestamp.before.max.ms"),
		TimestampType:          get("message.timestamp.type").(string),
		MinCleanableDirtyRatio: get("min.cleanable.dirty.ratio").(float64),
		MinInsyncReplicas:      int(long("min.insync.replicas")),
		Preallocate:            get("preallocate").(bool),
		RetentionBytes:         long("retention.bytes"),
		RetentionMs:            long("retention.ms"),
		SegmentBytes:           long("segment.bytes"),
		SegmentIndexBytes:      long("segment.index.bytes"),
		SegmentJitterMs:        long("segment.jitter.ms"),
		SegmentMs:              long("segment.ms"),
		UncleanLeaderElection:  get("unclean.leader.election.enable").(bool),
	}
	if n, ok := get("internal.segment.bytes").(int64); ok {
		t.SegmentBytes = n
	}
	return t
}

// topicValue returns the effective value of a topic configuration, nil when it is null, and whether the topic itself sets it.
func (c *Config) topicValue(k *TopicKey, overrides map[string]string) (v any, own bool) {
	if text, ok := overrides[k.Name]; ok {
		v, bad := parseValue(k.Type, text)
		if bad == nil && k.check.run(k.Name, v) == nil {
			return v, true
		}
	}
	for _, name := range k.Synonyms {
		if v := c.value(name); v != nil {
			return c.asTopicValue(name, v), false
		}
	}
	d := k.DefaultValue()
	if d == nil {
		return nil, false
	}
	v, bad := parseValue(k.Type, *d)
	if bad != nil {
		panic("config: the default of " + k.Name + " is not valid")
	}
	return v, false
}

// asTopicValue converts the value of a broker key to what the topic configuration of the same meaning holds.
func (c *Config) asTopicValue(name string, v any) any {
	const old = "log.message.timestamp.difference.max.ms"
	switch {
	case strings.HasSuffix(name, ".hours"), strings.HasSuffix(name, ".minutes"):
		ms := v.(int64) * 60_000
		if strings.HasSuffix(name, ".hours") {
			ms *= 60
		}
		return unlimited(name, ms)
	case name == "log.retention.ms":
		return unlimited(name, v.(int64))
	case (name == "log.message.timestamp.before.max.ms" || name == "log.message.timestamp.after.max.ms") && c.IsSet(old) && !c.IsSet(name):
		return c.Int64(old)
	}
	return v
}

// unlimited makes every negative retention -1, as KafkaConfig.logRetentionTimeMillis.
func unlimited(name string, ms int64) int64 {
	if strings.HasPrefix(name, "log.retention.") && ms < 0 {
		return -1
	}
	return ms
}

// ValidateTopic checks one topic configuration as Kafka does; the error wraps kerr.InvalidConfig and has Kafka's text.
func ValidateTopic(name, value string) error {
	k, ok := topicByName[name]
	if !ok {
		return invalidConfig("Unknown topic config name: " + name)
	}
	v, bad := parseValue(k.Type, value)
	if bad == nil {
		bad = k.check.run(name, v)
	}
	if bad != nil {
		return invalidConfig(bad.message(name))
	}
	return nil
}

// ValidateTopicConfigs checks all overrides of a topic together: their names, then their values, then what several say together. Of several
// mistakes it reports the first by name.
func ValidateTopicConfigs(overrides map[string]string) error {
	sorted := slices.Sorted(maps.Keys(overrides))
	for _, name := range sorted {
		if topicByName[name] == nil {
			return invalidConfig("Unknown topic config name: " + name)
		}
	}
	for _, name := range sorted {
		if err := ValidateTopic(name, overrides[name]); err != nil {
			return err
		}
	}
	value := func(name string) any {
		text, ok := overrides[name]
		if !ok {
			text = topicByName[name].Default
		}
		v, _ := parseValue(topicByName[name].Type, text)
		return v
	}
	least, most := value("min.compaction.lag.ms").(int64), value("max.compaction.lag.ms").(int64)
	if least > most {
		return invalidConfig(fmt.Sprintf("conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)", least, most))
	}
	if value("remote.storage.enable").(bool) {
		return invalidConfig("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.")
	}
	return nil
}
