package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap/zapcore"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/metadata"
)

func describeOf(version int16, kind int8, name string, keys ...string) *kmsg.DescribeConfigsRequest {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Version = version
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceType(kind), name, keys
	req.Resources = append(req.Resources, r)
	return req
}

func TestDescribeConfigsByVersion(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 1, "retention.ms", "5")
	c := tb.client()
	for version := int16(0); version <= 4; version++ {
		req := describeOf(version, metadata.ResourceTopic, "t", "retention.ms", "segment.ms", "no.such")
		req.IncludeSynonyms, req.IncludeDocumentation = version >= 1, version >= 3
		got := answer[*kmsg.DescribeConfigsResponse](c, req).Resources[0]
		if got.ErrorCode != 0 || len(got.Configs) != 2 {
			t.Fatalf("version %d: %+v", version, got)
		}
		set, unset := got.Configs[0], got.Configs[1]
		if set.Name != "retention.ms" {
			set, unset = unset, set
		}
		if *set.Value != "5" {
			t.Errorf("version %d: retention.ms is %s", version, *set.Value)
		}
		if version == 0 {
			if set.IsDefault || !unset.IsDefault {
				t.Errorf("version 0: is_default %v of a set, %v of an unset configuration", set.IsDefault, unset.IsDefault)
			}
			continue
		}
		if set.Source != kmsg.ConfigSource(config.SourceTopic) || unset.Source != kmsg.ConfigSource(config.SourceDefault) || len(set.ConfigSynonyms) == 0 {
			t.Errorf("version %d: sources %v and %v, synonyms %v", version, set.Source, unset.Source, set.ConfigSynonyms)
		}
		if documented := set.Documentation != nil; documented != (version >= 3) {
			t.Errorf("version %d: documented %v", version, documented)
		}
	}
}

func TestDescribeConfigsOneUnknownTypeSpoilsAll(t *testing.T) {
	tb := newTestBroker(t)
	req := describeOf(4, metadata.ResourceBroker, "1")
	req.Resources = append(req.Resources, describeOf(4, 99, "x").Resources...)
	for _, r := range answer[*kmsg.DescribeConfigsResponse](tb.client(), req).Resources {
		if r.ErrorCode != kerr.InvalidRequest.Code || r.Configs != nil {
			t.Errorf("%s: code %d, %d configs", r.ResourceName, r.ErrorCode, len(r.Configs))
		}
	}
}

func TestDescribeConfigsOfGroupShowsBrokerDefaults(t *testing.T) {
	tb := newTestBroker(t, "group.consumer.session.timeout.ms", "50000")
	req := describeOf(4, metadata.ResourceGroup, "g", "consumer.session.timeout.ms", "share.isolation.level")
	req.IncludeSynonyms = true
	got := answer[*kmsg.DescribeConfigsResponse](tb.client(), req).Resources[0].Configs
	if len(got) != 2 || *got[0].Value != "50000" || got[0].Source != kmsg.ConfigSource(config.SourceStaticBroker) {
		t.Errorf("%+v", got)
	}
	if got[0].ConfigSynonyms[0].Name != "group.consumer.session.timeout.ms" || got[1].ConfigSynonyms[0].Name != "share.isolation.level" {
		t.Errorf("synonyms %+v, %+v", got[0].ConfigSynonyms, got[1].ConfigSynonyms)
	}
}

// outcomes is the code and text of each resource of an answer.
type resourceOutcome struct {
	Code int16
	Text string
}

func incrementalOutcomes(c *testClient, req *kmsg.IncrementalAlterConfigsRequest) []resourceOutcome {
	var out []resourceOutcome
	for _, r := range answer[*kmsg.IncrementalAlterConfigsResponse](c, req).Resources {
		o := resourceOutcome{Code: r.ErrorCode}
		if r.ErrorMessage != nil {
			o.Text = *r.ErrorMessage
		}
		out = append(out, o)
	}
	return out
}

func incrementalOf(kind int8, name string, op kmsg.IncrementalAlterConfigOp, key string, value *string) *kmsg.IncrementalAlterConfigsRequest {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Version = 1
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceType(kind), name
	cc := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	cc.Op, cc.Name, cc.Value = op, key, value
	r.Configs = append(r.Configs, cc)
	req.Resources = append(req.Resources, r)
	return req
}

// TestLoggersChangeWhileRunning has Kafka's texts, which kafka-configs.sh prints.
func TestLoggersChangeWhileRunning(t *testing.T) {
	tb := newTestBroker(t)
	tb.api.LogLevels = NewLogLevels(zapcore.InfoLevel, "broker")
	c := tb.client()
	const set, del, add = kmsg.IncrementalAlterConfigOpSet, kmsg.IncrementalAlterConfigOpDelete, kmsg.IncrementalAlterConfigOpAppend
	debug, loud := kmsg.StringPtr("DEBUG"), kmsg.StringPtr("LOUD")
	invalid, config := kerr.InvalidRequest.Code, kerr.InvalidConfig.Code
	for _, tc := range []struct {
		broker string
		op     kmsg.IncrementalAlterConfigOp
		logger string
		level  *string
		want   resourceOutcome
	}{
		{"1", set, "broker", debug, resourceOutcome{}},
		{"1", set, "nobody", debug, resourceOutcome{config, "Logger nobody does not exist!"}},
		{"1", set, "broker", loud, resourceOutcome{config, "Cannot set the log level of broker to LOUD as it is not a supported log level. " +
			"Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"}},
		{"1", add, "broker", debug, resourceOutcome{invalid, "APPEND operation is not allowed for the BROKER_LOGGER resource"}},
		{"1", del, "root", nil, resourceOutcome{invalid, "Removing the log level of the root logger is not allowed"}},
		{"7", set, "broker", debug, resourceOutcome{invalid, "Unexpected node id. Expected 1, but received 7"}},
		{"", set, "broker", debug, resourceOutcome{invalid, "Node id must be an integer, but it is: "}},
		{"1", set, "broker", nil, resourceOutcome{invalid, "Null value not supported for : broker"}},
	} {
		got := incrementalOutcomes(c, incrementalOf(metadata.ResourceBrokerLogger, tc.broker, tc.op, tc.logger, tc.level))
		if diff := cmp.Diff([]resourceOutcome{tc.want}, got); diff != "" {
			t.Errorf("%s %s of %q: %s", tc.logger, tc.broker, tc.broker, diff)
		}
	}
	shown := map[string]string{}
	for _, d := range answer[*kmsg.DescribeConfigsResponse](c, describeOf(4, metadata.ResourceBrokerLogger, "1")).Resources[0].Configs {
		shown[d.Name] = *d.Value
	}
	if diff := cmp.Diff(map[string]string{"root": "INFO", "broker": "DEBUG"}, shown); diff != "" {
		t.Error(diff)
	}
	only := incrementalOf(metadata.ResourceBrokerLogger, "1", del, "broker", nil)
	only.ValidateOnly = true
	incrementalOutcomes(c, only)
	if got := tb.api.LogLevels.all()["broker"]; got != "DEBUG" {
		t.Errorf("validate only changed the level to %s", got)
	}
	only.ValidateOnly = false
	incrementalOutcomes(c, only)
	if got := tb.api.LogLevels.all()["broker"]; got != "INFO" {
		t.Errorf("a removed level is %s, want root's", got)
	}
}

// TestAlterConfigsResourceTwiceIsAnswered: Apache Kafka 4.3.1 never answers this request.
func TestAlterConfigsResourceTwiceIsAnswered(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 1)
	for version := int16(0); version <= 2; version++ {
		req := kmsg.NewPtrAlterConfigsRequest()
		req.Version = version
		r := kmsg.NewAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, "t"
		req.Resources = append(req.Resources, r, r)
		got := answer[*kmsg.AlterConfigsResponse](tb.client(), req).Resources
		if len(got) != 2 || got[0].ErrorCode != kerr.InvalidRequest.Code || *got[1].ErrorMessage != "Each resource must appear at most once." {
			t.Errorf("version %d: %+v", version, got)
		}
	}
}

func TestBrokerChangesAreCheckedBeforeTheyAreStored(t *testing.T) {
	tb := newTestBroker(t)
	c := tb.client()
	for _, tc := range []struct {
		name, key, value, text string
		op                     kmsg.IncrementalAlterConfigOp
		code                   int16
	}{
		{"1", "log.dirs", "/x", "Cannot update these configs dynamically: [log.dirs]", kmsg.IncrementalAlterConfigOpSet, kerr.InvalidRequest.Code},
		{"7", "log.cleaner.threads", "2", "Unexpected broker id, expected 1, but received 7", kmsg.IncrementalAlterConfigOpSet, kerr.InvalidRequest.Code},
		{"1", "log.cleaner.threads", "2", "Config value append is not allowed for config key: log.cleaner.threads", kmsg.IncrementalAlterConfigOpAppend, kerr.InvalidConfig.Code},
		{"", "log.retention.ms", "777", "", kmsg.IncrementalAlterConfigOpSet, 0},
	} {
		got := incrementalOutcomes(c, incrementalOf(metadata.ResourceBroker, tc.name, tc.op, tc.key, &tc.value))
		if diff := cmp.Diff([]resourceOutcome{{tc.code, tc.text}}, got); diff != "" {
			t.Errorf("%s of %q: %s", tc.key, tc.name, diff)
		}
	}
	defaults := answer[*kmsg.DescribeConfigsResponse](c, describeOf(4, metadata.ResourceBroker, "")).Resources[0].Configs
	found := false
	for _, d := range defaults {
		if d.Name == "log.retention.ms" {
			found = *d.Value == "777" && d.Source == kmsg.ConfigSource(config.SourceDynamicDefaultBroker)
		}
	}
	if !found {
		t.Errorf("the new default of all brokers is not shown: %+v", defaults)
	}
}

func TestListConfigResourcesByVersion(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 1)
	c := tb.client()
	list := func(version int16, types ...int8) (int16, []string) {
		req := kmsg.NewPtrListConfigResourcesRequest()
		req.Version, req.ResourceTypes = version, types
		resp := answer[*kmsg.ListConfigResourcesResponse](c, req)
		var names []string
		for _, r := range resp.ConfigResources {
			names = append(names, r.Name)
		}
		return resp.ErrorCode, names
	}
	for _, tc := range []struct {
		version int16
		types   []int8
		code    int16
		want    []string
	}{
		{0, nil, 0, nil}, // telemetry subscriptions only
		{1, nil, 0, []string{"t", "1", "1"}},
		{1, []int8{metadata.ResourceBroker}, 0, []string{"1"}},
		{1, []int8{metadata.ResourceTopic, 3}, kerr.UnsupportedVersion.Code, nil},
	} {
		code, names := list(tc.version, tc.types...)
		if code != tc.code || !cmp.Equal(names, tc.want) {
			t.Errorf("version %d types %v: code %d, %v, want %d, %v", tc.version, tc.types, code, names, tc.code, tc.want)
		}
	}
}

func TestChangeList(t *testing.T) {
	for _, tc := range []struct {
		list, change string
		add          bool
		want         string
	}{
		{"", "a", true, "a"},
		{"a", "a,b", true, "a,b"},
		{"a,b", "a", false, "b"},
		{"a", "a", false, ""},
		{"a", "b", false, "a"},
	} {
		if got := changeList(tc.list, tc.change, tc.add); got != tc.want {
			t.Errorf("%q and %q, add %v: %q, want %q", tc.list, tc.change, tc.add, got, tc.want)
		}
	}
}
