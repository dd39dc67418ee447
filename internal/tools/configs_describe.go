package tools

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// resourceKinds are the entities whose configuration is that of a resource, and where what they have of their own comes from.
var resourceKinds = map[string]struct {
	kind    kmsg.ConfigResourceType
	dynamic kmsg.ConfigSource // Unknown: show everything
}{
	topicEntity:         {kmsg.ConfigResourceTypeTopic, kmsg.ConfigSourceDynamicTopicConfig},
	brokerEntity:        {kmsg.ConfigResourceTypeBroker, kmsg.ConfigSourceDynamicBrokerConfig},
	brokerLoggerEntity:  {kmsg.ConfigResourceTypeBrokerLogger, kmsg.ConfigSourceUnknown},
	clientMetricsEntity: {kmsg.ConfigResourceTypeClientMetrics, kmsg.ConfigSourceClientMetricsConfig},
	groupEntity:         {kmsg.ConfigResourceTypeGroupConfig, kmsg.ConfigSourceGroupConfig},
}

func (t *configs) describeEntities(ctx context.Context) error {
	switch t.types[0] {
	case userEntity, clientEntity:
		if err := t.describeQuotas(ctx); err != nil {
			return err
		}
		if slices.Contains(t.types, clientEntity) || slices.Contains(t.names, "") {
			return nil
		}
		return t.describeScram(ctx)
	case ipEntity:
		return t.describeQuotas(ctx)
	}
	return t.describeResources(ctx)
}

// describeResources shows resources: the one that is named, or all there are.
func (t *configs) describeResources(ctx context.Context) error {
	kind := t.types[0]
	var names []string
	if len(t.names) == 0 {
		all, err := t.resourceNames(ctx, kind)
		if err != nil {
			return err
		}
		names = all
		if kind == brokerEntity {
			names = append(names, "")
		}
	} else {
		names = t.names[:1]
		if !t.Has(t.all) && (names[0] != "" || kind != brokerEntity) {
			all, err := t.resourceNames(ctx, kind)
			if err != nil {
				return err
			}
			if !slices.Contains(all, names[0]) {
				t.env.printf("The %s '%s' doesn't exist and doesn't have dynamic config.\n", strings.TrimSuffix(kind, "s"), names[0])
				return nil
			}
		}
	}
	for _, name := range names {
		if err := t.describeResource(ctx, kind, name); err != nil {
			return err
		}
	}
	return nil
}

func (t *configs) describeResource(ctx context.Context, kind, name string) error {
	show, dynamic := "Dynamic", resourceKinds[kind].dynamic
	if t.Has(t.all) {
		show, dynamic = "All", kmsg.ConfigSourceUnknown
	}
	if name == "" {
		t.env.printf("Default configs for %s in the cluster are:\n", kind)
		if dynamic != kmsg.ConfigSourceUnknown {
			dynamic = kmsg.ConfigSourceDynamicDefaultBrokerConfig
		}
	} else {
		t.env.printf("%s configs for %s %s are:\n", show, singular(kind), name)
	}
	values, err := describeConfigs(ctx, t.to, resourceKinds[kind].kind, name)
	if err != nil {
		return err
	}
	for _, v := range values {
		if dynamic != kmsg.ConfigSourceUnknown && v.Source != dynamic {
			continue
		}
		synonyms := make([]string, len(v.ConfigSynonyms))
		for i, s := range v.ConfigSynonyms {
			synonyms[i] = configSources[s.Source] + ":" + s.Name + "=" + javaText(s.Value)
		}
		t.env.printf("  %s=%s sensitive=%t synonyms={%s}\n", v.Name, javaText(v.Value), v.IsSensitive, strings.Join(synonyms, ", "))
	}
	return nil
}

// singular is a type of entity without its last letter: Kafka's tool does so with "client-metrics" as well.
func singular(kind string) string { return kind[:len(kind)-1] }

// resourceNames are the resources of a type that there are.
func (t *configs) resourceNames(ctx context.Context, kind string) ([]string, error) {
	switch kind {
	case topicEntity:
		return topicNames(ctx, t.to)
	case clientMetricsEntity:
		return listConfigResources(ctx, t.to, kmsg.ConfigResourceTypeClientMetrics)
	case groupEntity:
		return t.groupNames(ctx)
	}
	return clusterNodes(ctx, t.to)
}

func topicNames(ctx context.Context, to kmsg.Requestor) ([]string, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = nil
	resp, err := req.RequestWith(ctx, to)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, topic := range resp.Topics {
		names = append(names, *topic.Topic)
	}
	slices.Sort(names)
	return names, nil
}

// groupNames are the groups that have members or offsets, and those that have a configuration, where brokers list those (KIP-1142).
func (t *configs) groupNames(ctx context.Context) ([]string, error) {
	var names []string
	if cl, ok := t.to.(*kgo.Client); ok {
		groups, err := listGroups(ctx, cl, groupFilter{})
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			names = append(names, g.group)
		}
	}
	configured, err := listConfigResources(ctx, t.to, kmsg.ConfigResourceTypeGroupConfig)
	if err != nil && !isUnsupported(err) && !errors.Is(err, kerr.ClusterAuthorizationFailed) {
		return nil, err
	}
	names = append(names, configured...)
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Names of the entities that quotas are for, as the protocol and as messages have them.
var (
	quotaEntities = map[string]string{userEntity: "user", clientEntity: "client-id", ipEntity: "ip"}
	quotaTitles   = map[string]string{"user": "user-principal", "client-id": "client-id", "ip": "ip"}
)

// quotas are those of exactly the entities on the command line; types without a name take any.
func (t *configs) quotas(ctx context.Context) ([]kmsg.DescribeClientQuotasResponseEntry, error) {
	if len(t.names) > len(t.types) {
		return nil, argumentError("More entity names specified than entity types")
	}
	req := kmsg.NewPtrDescribeClientQuotasRequest()
	req.Strict = true
	for i, kind := range t.types {
		c := kmsg.NewDescribeClientQuotasRequestComponent()
		c.EntityType = quotaEntities[kind]
		switch {
		case i >= len(t.names):
			c.MatchType = kmsg.QuotasMatchTypeAny
		case t.names[i] == "":
			c.MatchType = kmsg.QuotasMatchTypeDefault
		default:
			c.MatchType, c.Match = kmsg.QuotasMatchTypeExact, &t.names[i]
		}
		req.Components = append(req.Components, c)
	}
	resp, err := req.RequestWith(ctx, t.to)
	if err != nil {
		return nil, err
	}
	return resp.Entries, answered(resp.ErrorCode, resp.ErrorMessage)
}

func (t *configs) describeQuotas(ctx context.Context) error {
	entries, err := t.quotas(ctx)
	if err != nil {
		return err
	}
	var lines []string
	for _, e := range entries {
		var titles, values []string
		for _, kind := range []string{"user", "client-id", "ip"} {
			for _, part := range e.Entity {
				switch {
				case part.Type != kind:
				case part.Name == nil:
					titles = append(titles, "the default "+quotaTitles[kind])
				default:
					titles = append(titles, fmt.Sprintf("%s '%s'", quotaTitles[kind], *part.Name))
				}
			}
		}
		for _, v := range e.Values {
			values = append(values, v.Key+"="+javaDouble(v.Value))
		}
		lines = append(lines, fmt.Sprintf("Quota configs for %s are %s", strings.Join(titles, ", "), strings.Join(values, ", ")))
	}
	slices.Sort(lines)
	for _, line := range lines {
		t.env.println(line)
	}
	return nil
}

// scramNames are the mechanisms with the numbers that the protocol gives them.
var scramNames = []string{"UNKNOWN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

func (t *configs) describeScram(ctx context.Context) error {
	req := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	for _, name := range t.names {
		u := kmsg.NewDescribeUserSCRAMCredentialsRequestUser()
		u.Name = name
		req.Users = append(req.Users, u)
	}
	resp, err := req.RequestWith(ctx, t.to)
	if err != nil {
		return err
	}
	if err := answered(resp.ErrorCode, resp.ErrorMessage); err != nil {
		return err
	}
	for _, r := range resp.Results {
		switch err := answered(r.ErrorCode, r.ErrorMessage); {
		case errors.Is(err, kerr.ResourceNotFound):
		case err != nil:
			e := exceptionOf(err)
			t.env.printf("Error retrieving SCRAM credential configs for user-principal '%s': %s: %s\n", r.User, strings.TrimPrefix(e.class, kafkaErrors), e.message)
		default:
			infos := make([]string, len(r.CredentialInfos))
			for i, info := range r.CredentialInfos {
				infos[i] = fmt.Sprintf("%s=iterations=%d", scramNames[min(max(int(info.Mechanism), 0), 2)], info.Iterations)
			}
			t.env.printf("SCRAM credential configs for user-principal '%s' are %s\n", r.User, strings.Join(infos, ", "))
		}
	}
	return nil
}
