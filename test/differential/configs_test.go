package differential

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func describe(kind kmsg.ConfigResourceType, name string, keys ...string) *kmsg.DescribeConfigsRequest {
	req := kmsg.NewPtrDescribeConfigsRequest()
	rr := kmsg.NewDescribeConfigsRequestResource()
	rr.ResourceType, rr.ResourceName = kind, name
	if keys != nil {
		rr.ConfigNames = keys
	}
	req.Resources = append(req.Resources, rr)
	return req
}

// describeConfigs reads configurations. Documentation is compared for presence only: ours is our own text.
func describeConfigs(r *run) {
	r.topic("dc-plain", 1)
	r.topic("dc-set", 1, "cleanup.policy", "compact,delete", "retention.ms", "12345", "compression.type", "gzip", "min.insync.replicas", "1")
	const (
		topic         = kmsg.ConfigResourceTypeTopic
		broker        = kmsg.ConfigResourceTypeBroker
		logger        = kmsg.ConfigResourceTypeBrokerLogger
		clientMetrics = kmsg.ConfigResourceTypeClientMetrics
		group         = kmsg.ConfigResourceTypeGroupConfig
	)
	for v := range r.versions(kmsg.DescribeConfigs) {
		try := func(step string, req *kmsg.DescribeConfigsRequest) *kmsg.DescribeConfigsResponse {
			req.SetVersion(v)
			return r.do(step, req).(*kmsg.DescribeConfigsResponse)
		}
		synonyms := func(req *kmsg.DescribeConfigsRequest) *kmsg.DescribeConfigsRequest {
			req.IncludeSynonyms = true
			return req
		}
		try("topic", describe(topic, "dc-plain"))
		try("topic with configs", describe(topic, "dc-set"))
		try("topic with synonyms", synonyms(describe(topic, "dc-set")))
		try("topic, some keys", describe(topic, "dc-set", "retention.ms", "no.such", "segment.bytes"))
		try("topic, no keys", describe(topic, "dc-set", []string{}...))
		try("unknown topic", describe(topic, "dc-unknown"))
		try("bad topic name", describe(topic, "dc/bad"))
		try("empty topic name", describe(topic, ""))
		try("broker", describe(broker, "1"))
		try("broker with synonyms", synonyms(describe(broker, "1")))
		try("broker, some keys", synonyms(describe(broker, "1", "log.dirs", "log.retention.ms", "log.retention.hours", "num.partitions", "advertised.listeners", "log.segment.bytes")))
		try("broker defaults", synonyms(describe(broker, "")))
		try("other broker", describe(broker, "7"))
		try("broker not a number", describe(broker, "one"))
		try("loggers of other broker", describe(logger, "7"))
		try("loggers of no broker", describe(logger, ""))
		try("loggers not a number", describe(logger, "one"))
		try("loggers, unknown name", describe(logger, "1", "no.such.logger"))
		try("root logger", describe(logger, "1", "root"))
		try("group", describe(group, "dc-group"))
		try("group with synonyms", synonyms(describe(group, "dc-group")))
		try("group without name", describe(group, ""))
		try("client metrics", describe(clientMetrics, "dc-metrics"))
		try("client metrics without name", describe(clientMetrics, ""))
		try("unknown type", describe(3, "x"))
		try("type 0", describe(0, "x"))
		both := describe(topic, "dc-plain", "retention.ms")
		both.Resources = append(both.Resources, describe(topic, "dc-unknown").Resources[0], describe(broker, "1", "num.partitions").Resources[0])
		try("several", both)
		twice := describe(topic, "dc-plain", "retention.ms")
		twice.Resources = append(twice.Resources, twice.Resources[0])
		try("twice", twice)
		try("none", kmsg.NewPtrDescribeConfigsRequest())
		if v >= 3 {
			req := describe(topic, "dc-plain")
			req.IncludeDocumentation = true
			req.SetVersion(v)
			resp := r.quiet(req).(*kmsg.DescribeConfigsResponse)
			documented := 0
			for _, c := range resp.Resources[0].Configs {
				if c.Documentation != nil && *c.Documentation != "" {
					documented++
				}
			}
			r.note("topic documentation", "documented", fmt.Sprint(documented))
		}
	}
}

type configOp struct {
	op    kmsg.IncrementalAlterConfigOp
	name  string
	value string // "null" is null
}

func set(name, value string) configOp { return configOp{kmsg.IncrementalAlterConfigOpSet, name, value} }
func del(name string) configOp {
	return configOp{kmsg.IncrementalAlterConfigOpDelete, name, "null"}
}
func add(name, value string) configOp {
	return configOp{kmsg.IncrementalAlterConfigOpAppend, name, value}
}
func sub(name, value string) configOp {
	return configOp{kmsg.IncrementalAlterConfigOpSubtract, name, value}
}

func incremental(kind kmsg.ConfigResourceType, name string, ops ...configOp) *kmsg.IncrementalAlterConfigsRequest {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	rr := kmsg.NewIncrementalAlterConfigsRequestResource()
	rr.ResourceType, rr.ResourceName = kind, name
	for _, o := range ops {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Op = o.name, o.op
		if o.value != "null" {
			c.Value = kmsg.StringPtr(o.value)
		}
		rr.Configs = append(rr.Configs, c)
	}
	req.Resources = append(req.Resources, rr)
	return req
}

// settled waits until the broker that answers has seen an alteration: Apache Kafka's broker learns of it
// after its controller has answered.
func (r *run) settled(kind kmsg.ConfigResourceType, name, key string, want *string) {
	r.eventually(func() bool {
		req := describe(kind, name, key)
		req.SetVersion(4)
		resp := r.quiet(req).(*kmsg.DescribeConfigsResponse)
		if len(resp.Resources) != 1 {
			return false
		}
		for _, c := range resp.Resources[0].Configs {
			if c.Name == key {
				return c.Value != nil && want != nil && *c.Value == *want
			}
		}
		return want == nil
	})
}

func incrementalAlterConfigs(r *run) {
	const (
		topic         = kmsg.ConfigResourceTypeTopic
		broker        = kmsg.ConfigResourceTypeBroker
		logger        = kmsg.ConfigResourceTypeBrokerLogger
		clientMetrics = kmsg.ConfigResourceTypeClientMetrics
		group         = kmsg.ConfigResourceTypeGroupConfig
	)
	for v := range r.versions(kmsg.IncrementalAlterConfigs) {
		name := "ia-" + string(rune('a'+v))
		r.topic(name, 1)
		try := func(step string, req *kmsg.IncrementalAlterConfigsRequest) {
			ask[*kmsg.IncrementalAlterConfigsResponse](r, step, v, req)
		}
		state := func(step string, kind kmsg.ConfigResourceType, name string, keys ...string) {
			req := describe(kind, name, keys...)
			req.IncludeSynonyms = true
			ask[*kmsg.DescribeConfigsResponse](r, step, r.newest(kmsg.DescribeConfigs), req)
		}
		try("set", incremental(topic, name, set("retention.ms", "1000"), set("cleanup.policy", "compact")))
		r.settled(topic, name, "retention.ms", kmsg.StringPtr("1000"))
		state("after set", topic, name, "retention.ms", "cleanup.policy")
		try("append", incremental(topic, name, add("cleanup.policy", "delete")))
		r.settled(topic, name, "cleanup.policy", kmsg.StringPtr("compact,delete"))
		try("append what is there", incremental(topic, name, add("cleanup.policy", "delete")))
		try("subtract", incremental(topic, name, sub("cleanup.policy", "compact")))
		r.settled(topic, name, "cleanup.policy", kmsg.StringPtr("delete"))
		state("after subtract", topic, name, "cleanup.policy")
		try("delete", incremental(topic, name, del("retention.ms")))
		r.settled(topic, name, "retention.ms", kmsg.StringPtr("604800000"))
		state("after delete", topic, name, "retention.ms")
		try("delete what is not set", incremental(topic, name, del("segment.ms")))
		try("delete unknown", incremental(topic, name, del("no.such.config")))
		try("append to a scalar", incremental(topic, name, add("retention.ms", "1")))
		try("subtract from a scalar", incremental(topic, name, sub("retention.ms", "1")))
		try("unknown config", incremental(topic, name, set("no.such.config", "1")))
		try("bad value", incremental(topic, name, set("retention.ms", "soon")))
		try("out of range", incremental(topic, name, set("segment.bytes", "1")))
		try("bad list element", incremental(topic, name, set("cleanup.policy", "burn")))
		try("null value", incremental(topic, name, set("retention.ms", "null")))
		try("empty value", incremental(topic, name, set("retention.ms", "")))
		try("same key twice", incremental(topic, name, set("retention.ms", "1"), set("retention.ms", "2")))
		try("unknown operation", incremental(topic, name, configOp{9, "retention.ms", "1"}))
		try("no operations", incremental(topic, name))
		try("unknown topic", incremental(topic, "ia-unknown", set("retention.ms", "1")))
		try("bad topic name", incremental(topic, "ia/bad", set("retention.ms", "1")))
		try("empty topic name", incremental(topic, "", set("retention.ms", "1")))
		try("min insync on topic", incremental(topic, name, set("min.insync.replicas", "0")))
		only := incremental(topic, name, set("retention.ms", "777"))
		only.ValidateOnly = true
		try("validate only", only)
		only = incremental(topic, name, set("retention.ms", "x"))
		only.ValidateOnly = true
		try("validate only, bad", only)
		state("after validate only", topic, name, "retention.ms")
		twice := incremental(topic, name, set("retention.ms", "1"))
		twice.Resources = append(twice.Resources, twice.Resources[0])
		try("resource twice", twice)
		mixed := incremental(topic, name, set("flush.ms", "100"))
		mixed.Resources = append(mixed.Resources, incremental(topic, "ia-unknown", set("flush.ms", "1")).Resources[0], incremental(broker, "7", set("log.cleaner.threads", "2")).Resources[0])
		try("mixed", mixed)

		try("broker", incremental(broker, "1", set("log.cleaner.io.buffer.load.factor", "0.8")))
		r.settled(broker, "1", "log.cleaner.io.buffer.load.factor", kmsg.StringPtr("0.8"))
		state("after broker", broker, "1", "log.cleaner.io.buffer.load.factor")
		try("broker default", incremental(broker, "", set("log.retention.ms", "99999999")))
		r.settled(broker, "", "log.retention.ms", kmsg.StringPtr("99999999"))
		r.settled(broker, "1", "log.retention.ms", kmsg.StringPtr("99999999"))
		state("after broker default", broker, "1", "log.retention.ms")
		state("topic after broker default", topic, name, "retention.ms")
		try("broker delete", incremental(broker, "1", del("log.cleaner.io.buffer.load.factor")))
		try("broker default delete", incremental(broker, "", del("log.retention.ms")))
		r.settled(broker, "", "log.retention.ms", nil)
		r.settled(broker, "1", "log.cleaner.io.buffer.load.factor", kmsg.StringPtr("0.9"))
		try("broker read only", incremental(broker, "1", set("log.dirs", "/tmp/elsewhere")))
		try("broker unknown", incremental(broker, "1", set("no.such.config", "1")))
		try("broker bad value", incremental(broker, "1", set("log.cleaner.threads", "many")))
		try("broker out of range", incremental(broker, "1", set("log.cleaner.threads", "-1")))
		try("broker default of a per broker config", incremental(broker, "", set("listeners", "PLAINTEXT://127.0.0.1:1")))
		try("other broker", incremental(broker, "7", set("log.cleaner.threads", "2")))
		try("broker not a number", incremental(broker, "one", set("log.cleaner.threads", "2")))
		try("broker append to scalar", incremental(broker, "1", add("log.cleaner.threads", "2")))

		try("logger", incremental(logger, "1", set("root", "INFO")))
		try("logger unknown", incremental(logger, "1", set("no.such.logger", "INFO")))
		try("logger bad level", incremental(logger, "1", set("root", "LOUD")))
		try("logger append", incremental(logger, "1", add("root", "INFO")))
		try("logger subtract", incremental(logger, "1", sub("root", "INFO")))
		try("logger delete root", incremental(logger, "1", del("root")))
		try("logger delete unknown", incremental(logger, "1", del("no.such.logger")))
		try("logger other broker", incremental(logger, "7", set("root", "INFO")))
		try("logger not a number", incremental(logger, "x", set("root", "INFO")))
		try("logger no broker", incremental(logger, "", set("root", "INFO")))

		try("group", incremental(group, "ia-group", set("consumer.session.timeout.ms", "50000")))
		r.settled(group, "ia-group", "consumer.session.timeout.ms", kmsg.StringPtr("50000"))
		state("after group", group, "ia-group", "consumer.session.timeout.ms")
		try("group unknown config", incremental(group, "ia-group", set("no.such", "1")))
		try("group bad value", incremental(group, "ia-group", set("consumer.session.timeout.ms", "x")))
		try("group out of range", incremental(group, "ia-group", set("consumer.session.timeout.ms", "1")))
		try("group without name", incremental(group, "", set("consumer.session.timeout.ms", "50000")))
		try("group delete", incremental(group, "ia-group", del("consumer.session.timeout.ms")))
		try("client metrics", incremental(clientMetrics, "ia-metrics", set("interval.ms", "1000"), set("metrics", "a.b")))
		r.settled(clientMetrics, "ia-metrics", "metrics", kmsg.StringPtr("a.b"))
		state("after client metrics", clientMetrics, "ia-metrics")
		try("client metrics unknown config", incremental(clientMetrics, "ia-metrics", set("no.such", "1")))
		try("client metrics out of range", incremental(clientMetrics, "ia-metrics", set("interval.ms", "1")))
		try("client metrics bad match", incremental(clientMetrics, "ia-metrics", set("match", "x")))
		try("client metrics without name", incremental(clientMetrics, "", set("interval.ms", "1000")))
		try("client metrics delete", incremental(clientMetrics, "ia-metrics", del("interval.ms"), del("metrics")))
		try("unknown type", incremental(3, "x", set("a", "b")))
		try("type 0", incremental(0, "x", set("a", "b")))
		try("none", kmsg.NewPtrIncrementalAlterConfigsRequest())
	}
}

func alterConfigs(r *run) {
	alter := func(kind kmsg.ConfigResourceType, name string, kv ...string) *kmsg.AlterConfigsRequest {
		req := kmsg.NewPtrAlterConfigsRequest()
		rr := kmsg.NewAlterConfigsRequestResource()
		rr.ResourceType, rr.ResourceName = kind, name
		for i := 0; i+1 < len(kv); i += 2 {
			c := kmsg.NewAlterConfigsRequestResourceConfig()
			c.Name = kv[i]
			if kv[i+1] != "null" {
				c.Value = kmsg.StringPtr(kv[i+1])
			}
			rr.Configs = append(rr.Configs, c)
		}
		req.Resources = append(req.Resources, rr)
		return req
	}
	const (
		topic  = kmsg.ConfigResourceTypeTopic
		broker = kmsg.ConfigResourceTypeBroker
		logger = kmsg.ConfigResourceTypeBrokerLogger
	)
	for v := range r.versions(kmsg.AlterConfigs) {
		name := "al-" + string(rune('a'+v))
		r.topic(name, 1, "flush.ms", "5000")
		try := func(step string, req *kmsg.AlterConfigsRequest) { ask[*kmsg.AlterConfigsResponse](r, step, v, req) }
		state := func(step string, keys ...string) {
			ask[*kmsg.DescribeConfigsResponse](r, step, r.newest(kmsg.DescribeConfigs), describe(topic, name, keys...))
		}
		try("replace", alter(topic, name, "retention.ms", "1000"))
		r.settled(topic, name, "retention.ms", kmsg.StringPtr("1000"))
		state("after replace", "retention.ms", "flush.ms")
		try("nothing", alter(topic, name))
		r.settled(topic, name, "retention.ms", kmsg.StringPtr("604800000"))
		try("unknown config", alter(topic, name, "no.such", "1"))
		try("bad value", alter(topic, name, "retention.ms", "soon"))
		try("null value", alter(topic, name, "retention.ms", "null"))
		try("same key twice", alter(topic, name, "retention.ms", "1", "retention.ms", "2"))
		try("unknown topic", alter(topic, "al-unknown", "retention.ms", "1"))
		try("bad topic name", alter(topic, "al/bad", "retention.ms", "1"))
		try("empty topic name", alter(topic, "", "retention.ms", "1"))
		only := alter(topic, name, "retention.ms", "777")
		only.ValidateOnly = true
		try("validate only", only)
		state("after validate only", "retention.ms")
		try("other broker", alter(broker, "7", "log.cleaner.threads", "1"))
		try("broker read only", alter(broker, "1", "log.dirs", "/x"))
		try("broker unknown", alter(broker, "1", "no.such", "1"))
		try("broker not a number", alter(broker, "one", "log.cleaner.threads", "1"))
		try("logger", alter(logger, "1", "root", "INFO"))
		try("unknown type", alter(3, "x", "a", "b"))
		try("none", kmsg.NewPtrAlterConfigsRequest())
	}
}

func listConfigResources(r *run) {
	r.topic("lr-plain", 1)
	r.topic("lr-set", 1, "retention.ms", "12345")
	for v := range r.versions(kmsg.ListConfigResources) {
		try := func(step string, types ...int8) {
			req := kmsg.NewPtrListConfigResourcesRequest()
			req.ResourceTypes = types
			ask[*kmsg.ListConfigResourcesResponse](r, step, v, req)
		}
		try("client metrics", 16)
		if v == 0 {
			try("all")
			continue
		}
		try("brokers", 4)
		try("loggers", 8)
		try("groups", 32)
		try("groups and metrics", 16, 32)
		try("type 3", 3)
		try("type 0", 0)
		try("type 99", 99)
	}
}
