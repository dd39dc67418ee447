package api

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/protocol"
)

// DescribeConfigs: key 32, versions 0–4.
//
// Behaviour:
//   - topics, this broker ("" asks for the dynamic defaults of the cluster), this broker's loggers, telemetry subscriptions, groups;
//   - a list of keys filters, unknown keys in it are left out; null or empty asks for all;
//   - the source of a value is that of its first synonym; synonyms and documentation are sent only on request;
//   - one resource of an unknown type spoils the whole request: INVALID_REQUEST for all of its resources, as in Kafka.
//
// Version notes:
//   - v0: is_default instead of a source, no synonyms (Kafka 4 dropped it). v1: source and synonyms (KIP-226).
//   - v3: type and documentation (KIP-569). v4: flexible.
func (s *session) describeConfigs(_ context.Context, req *kmsg.DescribeConfigsRequest) (*kmsg.DescribeConfigsResponse, error) {
	resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
	known := !slices.ContainsFunc(req.Resources, func(r kmsg.DescribeConfigsRequestResource) bool { return !describable(r.ResourceType) })
	image := s.api.Metadata.Image()
	for _, r := range req.Resources {
		rr := kmsg.NewDescribeConfigsResponseResource()
		rr.ResourceType, rr.ResourceName = r.ResourceType, r.ResourceName
		var described []config.Described
		err := error(kerr.InvalidRequest)
		if known {
			described, err = s.describeResource(image, r)
		}
		switch {
		case err == nil || err == kerr.UnknownTopicOrPartition: // Kafka sends the code of an unknown topic without a message
			rr.ErrorCode, rr.ErrorMessage = protocol.ErrorCode(err), kmsg.StringPtr("")
		case err == kerr.InvalidRequest:
			rr.ErrorCode, rr.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr(invalidRequestText)
		default:
			result := outcomeOf(err)
			rr.ErrorCode, rr.ErrorMessage = result.code, result.message
		}
		for _, d := range described {
			if len(r.ConfigNames) == 0 || slices.Contains(r.ConfigNames, d.Name) {
				rr.Configs = append(rr.Configs, describedConfig(d, req))
			}
		}
		resp.Resources = append(resp.Resources, rr)
	}
	return resp, nil
}

// invalidRequestText is Kafka's text of INVALID_REQUEST where it gives no reason of its own (Errors.java).
const invalidRequestText = "This most likely occurs because of a request being malformed by the client library or the message was sent to an " +
	"incompatible broker. See the broker logs for more details."

func describable(t kmsg.ConfigResourceType) bool {
	switch int8(t) {
	case metadata.ResourceTopic, metadata.ResourceBroker, metadata.ResourceBrokerLogger, metadata.ResourceClientMetrics, metadata.ResourceGroup:
		return true
	}
	return false
}

func (s *session) describeResource(image *metadata.Image, r kmsg.DescribeConfigsRequestResource) ([]config.Described, error) {
	c := s.api.Config()
	defaults, perBroker := image.BrokerConfig(-1), image.BrokerConfig(s.api.NodeID)
	switch int8(r.ResourceType) {
	case metadata.ResourceTopic:
		if err := checkTopicName(r.ResourceName); err != nil {
			return nil, err
		}
		if image.Topic(r.ResourceName) == nil {
			return nil, kerr.UnknownTopicOrPartition
		}
		return c.DescribeTopic(image.TopicConfig(r.ResourceName), defaults, perBroker), nil
	case metadata.ResourceBroker:
		if r.ResourceName == "" {
			return dynamicDefaults(c.DescribeBroker(defaults, perBroker), defaults), nil
		}
		if err := s.checkBrokerID(r.ResourceName, "Unexpected broker id, expected %d or empty string, but received %s"); err != nil {
			return nil, err
		}
		return c.DescribeBroker(defaults, perBroker), nil
	case metadata.ResourceBrokerLogger:
		if r.ResourceName == "" {
			return nil, reject(kerr.InvalidRequest, "Broker id must not be empty")
		}
		if err := s.checkBrokerID(r.ResourceName, "Unexpected broker id, expected %d but received %s"); err != nil {
			return nil, err
		}
		return s.describeLoggers(), nil
	case metadata.ResourceClientMetrics:
		if r.ResourceName == "" {
			return nil, reject(kerr.InvalidRequest, "Client metrics subscription name must not be empty")
		}
		return describeClientMetrics(image.ConfigsOf(metadata.ResourceClientMetrics, r.ResourceName)), nil
	default:
		if r.ResourceName == "" {
			return nil, reject(kerr.InvalidRequest, "Group name must not be empty")
		}
		return describeGroup(c, c.DescribeBroker(defaults, perBroker), image.ConfigsOf(metadata.ResourceGroup, r.ResourceName)), nil
	}
}

// checkBrokerID returns Kafka's error for a resource name that is not this broker's id; mismatch takes the id and the name.
func (s *session) checkBrokerID(name, mismatch string) error {
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return reject(kerr.InvalidRequest, "Broker id must be an integer, but it is: %s", name)
	}
	if int32(id) != s.api.NodeID {
		return reject(kerr.InvalidRequest, mismatch, s.api.NodeID, name)
	}
	return nil
}

// dynamicDefaults are the configurations that are set for all brokers, seen without any one broker's.
func dynamicDefaults(all []config.Described, defaults map[string]string) []config.Described {
	var out []config.Described
	for _, d := range all {
		value, ok := defaults[d.Name]
		if !ok {
			continue
		}
		d.Synonyms = slices.DeleteFunc(slices.Clone(d.Synonyms), func(s config.Synonym) bool { return s.Source != config.SourceDynamicDefaultBroker })
		d.Source = config.SourceDynamicDefaultBroker
		if d.Value = nil; !d.Sensitive {
			d.Value = &value
		}
		out = append(out, d)
	}
	return out
}

func (s *session) describeLoggers() []config.Described {
	var out []config.Described
	for name, level := range s.api.LogLevels.all() {
		out = append(out, config.Described{Name: name, Value: &level, Source: config.SourceDynamicBrokerLogger})
	}
	slices.SortFunc(out, func(a, b config.Described) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// describedConfig turns a description into the answer's entry, with what the request asks for.
func describedConfig(d config.Described, req *kmsg.DescribeConfigsRequest) kmsg.DescribeConfigsResponseResourceConfig {
	c := kmsg.NewDescribeConfigsResponseResourceConfig()
	c.Name, c.Value, c.ReadOnly, c.IsSensitive = d.Name, d.Value, d.ReadOnly, d.Sensitive
	c.Source, c.ConfigType = kmsg.ConfigSource(d.Source), kmsg.ConfigType(d.Type)
	if req.Version == 0 {
		c.IsDefault = d.Source == config.SourceDefault
	}
	if req.IncludeSynonyms {
		for _, syn := range d.Synonyms {
			cs := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
			cs.Name, cs.Value, cs.Source = syn.Name, syn.Value, kmsg.ConfigSource(syn.Source)
			c.ConfigSynonyms = append(c.ConfigSynonyms, cs)
		}
	}
	if req.IncludeDocumentation && d.Doc != "" || d.Source == config.SourceDynamicBrokerLogger {
		c.Documentation = &d.Doc // of loggers always empty and never null, as in Kafka
	}
	return c
}
