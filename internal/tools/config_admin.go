package tools

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/client"
)

// configChange sets a key, or with a nil value resets it.
type configChange struct {
	key   string
	value *string
}

// alterConfigs changes the configuration of a resource, all at once.
func alterConfigs(ctx context.Context, to kmsg.Requestor, kind kmsg.ConfigResourceType, name string, changes []configChange) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kind, name
	for _, c := range changes {
		rc := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		rc.Name, rc.Value, rc.Op = c.key, c.value, kmsg.IncrementalAlterConfigOpSet
		if c.value == nil {
			rc.Op, rc.Value = kmsg.IncrementalAlterConfigOpDelete, new(string)
		}
		resource.Configs = append(resource.Configs, rc)
	}
	req.Resources = append(req.Resources, resource)
	resp, err := req.RequestWith(ctx, to)
	if err != nil {
		return err
	}
	for _, r := range resp.Resources {
		if err := answered(r.ErrorCode, r.ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}

// describeConfigs is the configuration of a resource, sorted by key.
func describeConfigs(ctx context.Context, to kmsg.Requestor, kind kmsg.ConfigResourceType, name string) ([]kmsg.DescribeConfigsResponseResourceConfig, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms = true
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kind, name
	req.Resources = append(req.Resources, resource)
	resp, err := req.RequestWith(ctx, to)
	if err != nil {
		return nil, err
	}
	var all []kmsg.DescribeConfigsResponseResourceConfig
	for _, r := range resp.Resources {
		if err := answered(r.ErrorCode, r.ErrorMessage); err != nil {
			return nil, err
		}
		all = append(all, r.Configs...)
	}
	slices.SortFunc(all, func(a, b kmsg.DescribeConfigsResponseResourceConfig) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// listConfigResources are the names of resources of a kind that have a configuration (KIP-1142; before Kafka 4.1 only client-metrics).
func listConfigResources(ctx context.Context, to kmsg.Requestor, kind kmsg.ConfigResourceType) ([]string, error) {
	req := kmsg.NewPtrListConfigResourcesRequest()
	if kind != kmsg.ConfigResourceTypeClientMetrics {
		req.ResourceTypes = []int8{int8(kind)}
	}
	resp, err := req.RequestWith(ctx, to)
	if err != nil {
		return nil, err
	}
	if err := answered(resp.ErrorCode, nil); err != nil {
		return nil, err
	}
	var names []string
	for _, r := range resp.ConfigResources {
		if resp.Version == 0 || r.Type == int8(kind) {
			names = append(names, r.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// configSources are Java's names for where a value comes from.
var configSources = map[kmsg.ConfigSource]string{
	kmsg.ConfigSourceDynamicTopicConfig: "DYNAMIC_TOPIC_CONFIG", kmsg.ConfigSourceDynamicBrokerConfig: "DYNAMIC_BROKER_CONFIG",
	kmsg.ConfigSourceDynamicDefaultBrokerConfig: "DYNAMIC_DEFAULT_BROKER_CONFIG", kmsg.ConfigSourceStaticBrokerConfig: "STATIC_BROKER_CONFIG",
	kmsg.ConfigSourceDefaultConfig: "DEFAULT_CONFIG", kmsg.ConfigSourceDynamicBrokerLoggerConfig: "DYNAMIC_BROKER_LOGGER_CONFIG",
	kmsg.ConfigSourceClientMetricsConfig: "DYNAMIC_CLIENT_METRICS_CONFIG", kmsg.ConfigSourceGroupConfig: "DYNAMIC_GROUP_CONFIG",
}

// javaText is a string as Java prints one that may be null.
func javaText(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

// javaDouble is a number as Java's Double.toString gives it: "1.0", "1.5E7".
func javaDouble(f float64) string {
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	e, _ := strconv.Atoi(exponent)
	if f != 0 && (e < -3 || e >= 7) {
		return decimal(mantissa) + "E" + strconv.Itoa(e)
	}
	return decimal(strconv.FormatFloat(f, 'f', -1, 64))
}

// decimal gives a number a fraction.
func decimal(s string) string {
	if strings.Contains(s, ".") || strings.ContainsAny(s, "IN") {
		return s
	}
	return s + ".0"
}

// controllers asks the controllers of --bootstrap-controller, which know nothing of the metadata by which clients find brokers. The one that is active
// answers what needs it.
type controllers struct{ cl *kgo.Client }

// connectControllers makes a client of controllers, and waits until one has answered.
func connectControllers(ctx context.Context, bootstrap, commandConfig string) (*controllers, error) {
	properties, err := client.ReadProperties(commandConfig)
	if err != nil {
		return nil, err
	}
	opts, err := client.Options(client.Config{Bootstrap: bootstrap, Properties: properties})
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(opts, kgo.RequestRetries(1))...)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, client.ConnectTimeout)
	defer cancel()
	var failed error
	for _, b := range cl.SeedBrokers() {
		_, err := b.Request(limited, kmsg.NewPtrApiVersionsRequest())
		if err == nil {
			return &controllers{cl}, nil
		}
		failed = cmp.Or(failed, err)
	}
	cl.Close()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, &client.UnreachableError{Servers: strings.Split(bootstrap, ","), Cause: failed.Error(), Err: failed}
}

// Request asks each controller until one does it.
func (c *controllers) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	var failed error
	for _, b := range c.cl.SeedBrokers() {
		resp, err := b.Request(ctx, req)
		if err == nil && !refusedAsInactive(resp) {
			return resp, nil
		}
		if err == nil {
			err = answered(41, nil)
		}
		failed = cmp.Or(failed, err)
	}
	return nil, failed
}

// refusedAsInactive reports an answer of NOT_CONTROLLER.
func refusedAsInactive(resp kmsg.Response) bool {
	const notController, notLeader = 41, 6
	switch r := resp.(type) {
	case *kmsg.UpdateFeaturesResponse:
		return r.ErrorCode == notController
	case *kmsg.UnregisterBrokerResponse:
		return r.ErrorCode == notController
	case *kmsg.AddRaftVoterResponse:
		return r.ErrorCode == notController || r.ErrorCode == notLeader
	case *kmsg.RemoveRaftVoterResponse:
		return r.ErrorCode == notController || r.ErrorCode == notLeader
	case *kmsg.DescribeQuorumResponse:
		return r.ErrorCode == notLeader || len(r.Topics) == 1 && len(r.Topics[0].Partitions) == 1 && r.Topics[0].Partitions[0].ErrorCode == notLeader
	case *kmsg.IncrementalAlterConfigsResponse:
		return slices.ContainsFunc(r.Resources, func(x kmsg.IncrementalAlterConfigsResponseResource) bool { return x.ErrorCode == notController })
	case *kmsg.CreateACLsResponse:
		return slices.ContainsFunc(r.Results, func(x kmsg.CreateACLsResponseResult) bool { return x.ErrorCode == notController })
	case *kmsg.DeleteACLsResponse:
		return slices.ContainsFunc(r.Results, func(x kmsg.DeleteACLsResponseResult) bool { return x.ErrorCode == notController })
	case *kmsg.AlterClientQuotasResponse:
		return slices.ContainsFunc(r.Entries, func(x kmsg.AlterClientQuotasResponseEntry) bool { return x.ErrorCode == notController })
	case *kmsg.AlterUserSCRAMCredentialsResponse:
		return slices.ContainsFunc(r.Results, func(x kmsg.AlterUserSCRAMCredentialsResponseResult) bool { return x.ErrorCode == notController })
	}
	return false
}

// clusterNodes are the ids of those that answer in the cluster: its brokers, or its controllers.
func clusterNodes(ctx context.Context, to kmsg.Requestor) ([]string, error) {
	var ids []int32
	if _, ok := to.(*controllers); ok {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.EndpointType = 2 // controllers
		resp, err := req.RequestWith(ctx, to)
		if err != nil {
			return nil, err
		}
		if err := answered(resp.ErrorCode, resp.ErrorMessage); err != nil {
			return nil, err
		}
		for _, b := range resp.Brokers {
			ids = append(ids, b.NodeID)
		}
	} else {
		req := kmsg.NewPtrMetadataRequest()
		req.Topics = []kmsg.MetadataRequestTopic{}
		resp, err := req.RequestWith(ctx, to)
		if err != nil {
			return nil, err
		}
		for _, b := range resp.Brokers {
			ids = append(ids, b.NodeID)
		}
	}
	slices.Sort(ids)
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = strconv.Itoa(int(id))
	}
	return names, nil
}
