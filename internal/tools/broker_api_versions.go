package tools

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var brokerAPIVersionsTool = Tool{Name: "kafka-broker-api-versions", Summary: "print the APIs and versions that brokers speak", Run: runBrokerAPIVersions}

func runBrokerAPIVersions(ctx context.Context, env *Env, args []string) int {
	c := newCommand(env, "This tool helps to retrieve broker version information.")
	bootstrap := c.Accepts("bootstrap-server", "REQUIRED: Addresses of brokers.").WithRequiredArg("server(s) to use for bootstrapping")
	commandConfig := c.Accepts("command-config", "File with properties for the connection.").WithRequiredArg("command config property file")
	err := c.start(args)
	if err == nil {
		err = firstError(c.requires(bootstrap), c.Single(bootstrap, commandConfig))
	}
	if err != nil {
		return c.end(ctx, err)
	}
	cl, err := connect(ctx, c.Value(bootstrap), c.Value(commandConfig))
	if err != nil {
		return c.end(ctx, err)
	}
	defer cl.Close()
	return c.end(ctx, env.printAPIVersions(ctx, cl))
}

// printAPIVersions prints what each broker of the cluster speaks.
func (e *Env) printAPIVersions(ctx context.Context, cl *kgo.Client) error {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none
	metadata, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	for _, b := range metadata.Brokers {
		rack := "null"
		if b.Rack != nil {
			rack = *b.Rack
		}
		e.printf("%s:%d (id: %d rack: %s isFenced: false) -> ", b.Host, b.Port, b.NodeID, rack)
		versions, err := askAPIVersions(ctx, cl, b.NodeID)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			e.printf("ERROR: %s\n", exceptionOf(err).message)
		default:
			e.printf("(\n\t%s\n)\n", strings.Join(apiLines(versions), ",\n\t"))
		}
	}
	return nil
}

func askAPIVersions(ctx context.Context, cl *kgo.Client, broker int32) ([]kmsg.ApiVersionsResponseApiKey, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "gokafka-tools", speaks
	resp, err := req.RequestWith(ctx, cl.Broker(int(broker)))
	if err != nil {
		return nil, err
	}
	return resp.ApiKeys, answered(resp.ErrorCode, nil)
}

// apiLines shows each API of a broker, and those that it lacks, by key.
func apiLines(advertised []kmsg.ApiVersionsResponseApiKey) []string {
	lines := map[int16]string{}
	for key, api := range javaAPIs {
		lines[key] = fmt.Sprintf("%s(%d): UNSUPPORTED", api.name, key)
	}
	for _, a := range advertised {
		versions := fmt.Sprint(a.MinVersion)
		if a.MaxVersion != a.MinVersion {
			versions = fmt.Sprintf("%d to %d", a.MinVersion, a.MaxVersion)
		}
		api, known := javaAPIs[a.ApiKey]
		internal, between := internalAPIs[a.ApiKey]
		switch {
		case known:
			lines[a.ApiKey] = fmt.Sprintf("%s(%d): %s [%s]", api.name, a.ApiKey, versions, api.usable(a.MinVersion, a.MaxVersion))
		case between:
			lines[a.ApiKey] = fmt.Sprintf("%s(%d): %s", internal, a.ApiKey, versions)
		default:
			lines[a.ApiKey] = fmt.Sprintf("UNKNOWN(%d): %s", a.ApiKey, versions)
		}
	}
	var sorted []string
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		sorted = append(sorted, lines[key])
	}
	return sorted
}

// usable says which version a Java client would use.
func (a javaAPI) usable(lowest, highest int16) string {
	switch {
	case a.latest < lowest:
		return "unusable: node too new"
	case highest < a.oldest:
		return "unusable: node too old"
	}
	return fmt.Sprintf("usable: %d", min(a.latest, highest))
}
