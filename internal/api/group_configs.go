package api

import (
	"slices"
	"strconv"

	"github.com/gokafka/gokafka/internal/config"
)

// groupKey is one configuration of a group (GroupConfig.java). Broker is the broker configuration that is its default; fixed is the default of
// those that have none.
type groupKey struct {
	name, broker, fixed string
	kind                int8 // as DescribeConfigs numbers types
	doc                 string
}

// Types of configurations as DescribeConfigs numbers them.
const (
	typeBoolean int8 = 1
	typeString  int8 = 2
	typeInt     int8 = 3
	typeList    int8 = 7
)

var groupKeys = []groupKey{
	{"consumer.assignment.interval.ms", "group.consumer.assignment.interval.ms", "", typeInt, "The time between two assignments of a consumer group."},
	{"consumer.heartbeat.interval.ms", "group.consumer.heartbeat.interval.ms", "", typeInt, "How often a member of a consumer group sends heartbeats."},
	{"consumer.session.timeout.ms", "group.consumer.session.timeout.ms", "", typeInt, "After how long without a heartbeat a member of a consumer group is removed."},
	{"share.assignment.interval.ms", "group.share.assignment.interval.ms", "", typeInt, "The time between two assignments of a share group."},
	{"share.auto.offset.reset", "", "latest", typeString, "Where a share group starts to read: latest, earliest or by_duration:PnDTnHnMn.nS."},
	{"share.delivery.count.limit", "group.share.delivery.count.limit", "", typeInt, "How often a record is delivered to a share group before it is archived."},
	{"share.heartbeat.interval.ms", "group.share.heartbeat.interval.ms", "", typeInt, "How often a member of a share group sends heartbeats."},
	{"share.isolation.level", "", "read_uncommitted", typeString, "Whether a share group sees records of open and aborted transactions: read_uncommitted or read_committed."},
	{"share.partition.max.record.locks", "group.share.partition.max.record.locks", "", typeInt, "How many records of a partition a share group may hold at once."},
	{"share.record.lock.duration.ms", "group.share.record.lock.duration.ms", "", typeInt, "How long a member of a share group holds a record before others get it."},
	{"share.renew.acknowledge.enable", "", "true", typeBoolean, "Whether members of a share group may renew their hold on a record."},
	{"share.session.timeout.ms", "group.share.session.timeout.ms", "", typeInt, "After how long without a heartbeat a member of a share group is removed."},
	{"streams.assignment.interval.ms", "group.streams.assignment.interval.ms", "", typeInt, "The time between two assignments of a streams group."},
	{"streams.heartbeat.interval.ms", "group.streams.heartbeat.interval.ms", "", typeInt, "How often a member of a streams group sends heartbeats."},
	{"streams.initial.rebalance.delay.ms", "group.streams.initial.rebalance.delay.ms", "", typeInt, "How long a new streams group waits for more members before its first assignment."},
	{"streams.num.standby.replicas", "group.streams.num.standby.replicas", "", typeInt, "How many standby replicas each task of a streams group has."},
	{"streams.session.timeout.ms", "group.streams.session.timeout.ms", "", typeInt, "After how long without a heartbeat a member of a streams group is removed."},
}

// clientMetricsKeys are the configurations of a telemetry subscription (ClientMetricsConfigs.java).
var clientMetricsKeys = []groupKey{
	{"interval.ms", "", "300000", typeInt, "How often clients push the metrics of this subscription."},
	{"match", "", "", typeList, "Which clients the subscription is for: attribute=regex, all of which must match."},
	{"metrics", "", "", typeList, "Prefixes of the names of the metrics that are wanted; * for all."},
}

// describeGroup describes all configurations of a group, with those set on it.
func describeGroup(c *config.Config, brokerConfigs []config.Described, set map[string]string) []config.Described {
	out := make([]config.Described, 0, len(groupKeys))
	for _, k := range groupKeys {
		d := config.Described{Name: k.name, Type: k.kind, Doc: k.doc, Source: config.SourceDefault}
		value := k.fixed
		if k.broker != "" {
			value = strconv.Itoa(c.Int(k.broker))
			d.Synonyms = brokerSynonyms(brokerConfigs, k.broker)
		} else {
			d.Synonyms = []config.Synonym{{Name: k.name, Value: &k.fixed, Source: config.SourceDefault}}
		}
		if v, ok := set[k.name]; ok {
			value = v
			d.Source = config.SourceGroup
			d.Synonyms = append([]config.Synonym{{Name: k.name, Value: &v, Source: config.SourceGroup}}, d.Synonyms...)
		} else if len(d.Synonyms) > 0 {
			d.Source = d.Synonyms[0].Source
		}
		d.Value = &value
		out = append(out, d)
	}
	return out
}

// brokerSynonyms are the places that a broker configuration is looked for in.
func brokerSynonyms(described []config.Described, name string) []config.Synonym {
	i := slices.IndexFunc(described, func(d config.Described) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return slices.Clone(described[i].Synonyms)
}

// describeClientMetrics describes all configurations of a telemetry subscription, with those set on it.
func describeClientMetrics(set map[string]string) []config.Described {
	out := make([]config.Described, 0, len(clientMetricsKeys))
	for _, k := range clientMetricsKeys {
		value := k.fixed
		d := config.Described{Name: k.name, Type: k.kind, Doc: k.doc, Source: config.SourceDefault}
		if v, ok := set[k.name]; ok {
			value = v
			d.Source = config.SourceClientMetrics
			d.Synonyms = []config.Synonym{{Name: k.name, Value: &v, Source: config.SourceClientMetrics}}
		}
		d.Value = &value
		out = append(out, d)
	}
	return out
}
