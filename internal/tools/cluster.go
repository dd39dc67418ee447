package tools

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/argparse"
)

// clusterTool is kafka-cluster.
var clusterTool = Tool{Name: "kafka-cluster", Summary: "show a cluster's id and endpoints, and unregister brokers", Run: runCluster}

// clusterCommand is one subcommand of kafka-cluster.
type clusterCommand struct {
	parser    *argparse.Parser
	endpoints endpoints
	oldConfig *argparse.Argument
}

func newClusterCommand(p *argparse.Parser, name, help string) *clusterCommand {
	c := &clusterCommand{parser: p.Command(name, help)}
	connection := c.parser.Exclusive().Required()
	c.endpoints.server = connection.Option("The brokers to ask first, as host:port, separated by commas.", "--bootstrap-server", "-b")
	c.endpoints.controller = connection.Option("The controllers to ask first, in the same form.", "--bootstrap-controller", "-C")
	c.oldConfig = c.parser.Option("(DEPRECATED) The old name of --command-config.", "--config")
	c.endpoints.config = c.parser.Option("Property file for the client.", "--command-config", "-c")
	return c
}

func runCluster(ctx context.Context, env *Env, args []string) int {
	p := argparse.New("kafka-cluster", "The Kafka cluster tool.")
	clusterID := newClusterCommand(p, "cluster-id", "Show the ID of a cluster.")
	unregister := newClusterCommand(p, "unregister", "Unregister a broker.")
	list := newClusterCommand(p, "list-endpoints", "List endpoints")
	broker := unregister.parser.Option("The ID of the broker to unregister.", "--id", "-i").As(argparse.Integer).Required()
	fenced := list.parser.Option("Show fenced brokers too.", "--include-fenced-brokers").As(argparse.StoreTrue)
	ns, status := env.parseArgs(p, args, 1)
	if ns == nil {
		return status
	}
	commands := map[string]*clusterCommand{"cluster-id": clusterID, "unregister": unregister, "list-endpoints": list}
	return env.finish(ctx, func() error {
		c := commands[ns.Command()]
		t, err := c.dial(ctx, env, ns)
		if err != nil {
			return err
		}
		defer t.client.Close()
		switch ns.Command() {
		case "cluster-id":
			return env.clusterID(ctx, t)
		case "unregister":
			return env.unregister(ctx, t, ns.Int(broker, 0))
		}
		if t.controllers && ns.Has(fenced) {
			return errors.New("The option --include-fenced-brokers is only supported with --bootstrap-server option") //nolint:staticcheck // Kafka's words
		}
		return env.listEndpoints(ctx, t, ns.Has(fenced))
	}())
}

func (c *clusterCommand) dial(ctx context.Context, env *Env, ns *argparse.Namespace) (*target, error) {
	if ns.Has(c.oldConfig) {
		if ns.Has(c.endpoints.config) {
			return nil, errors.New("--config and --command-config cannot be specified together.") //nolint:staticcheck // Kafka's words
		}
		env.println("Option --config has been deprecated and will be removed in a future version. Use --command-config instead.")
		c.endpoints.config = c.oldConfig
	}
	return c.endpoints.dial(ctx, ns)
}

func (e *Env) clusterID(ctx context.Context, t *target) error {
	resp, err := t.describeCluster(ctx, false)
	if err != nil {
		return executionError{err}
	}
	if resp.ClusterID == "" {
		e.println("No cluster ID found. The Kafka version is probably too old.")
		return nil
	}
	e.println("Cluster ID: " + resp.ClusterID)
	return nil
}

func (e *Env) unregister(ctx context.Context, t *target, id int32) error {
	req := kmsg.NewPtrUnregisterBrokerRequest()
	req.BrokerID = id
	resp, err := req.RequestWith(ctx, t)
	if err == nil {
		err = answered(resp.ErrorCode, resp.ErrorMessage)
	}
	switch {
	case unsupported(err):
		e.println("The target cluster does not support the broker unregistration API.")
		return nil
	case err != nil:
		return executionError{err}
	}
	e.printf("Broker %d is no longer registered.\n", id)
	return nil
}

// unsupported reports that the broker does not know the request.
func unsupported(err error) bool {
	return errors.Is(err, kerr.UnsupportedVersion) || err != nil && strings.Contains(err.Error(), "does not support")
}

func (e *Env) listEndpoints(ctx context.Context, t *target, fenced bool) error {
	resp, err := t.describeCluster(ctx, fenced)
	if err != nil {
		return executionError{err}
	}
	hosts, racks := 0, 10
	for _, b := range resp.Brokers {
		hosts = max(hosts, min(100, len(b.Host)))
		racks = max(racks, len(rackOf(b)))
	}
	kind, state := "broker", []string{"STATE"}
	if t.controllers {
		kind, state = "controller", nil
	}
	line := func(id, host, port, rack string, state []string, kind string) {
		text := fmt.Sprintf("%-10s %-*s %-10s %-*s ", id, hosts, host, port, racks, rack)
		for _, s := range state {
			text += fmt.Sprintf("%-10s ", s)
		}
		e.println(text + fmt.Sprintf("%-15s", kind))
	}
	line("ID", "HOST", "PORT", "RACK", state, "ENDPOINT_TYPE")
	for _, b := range resp.Brokers {
		if state != nil {
			state = []string{"unfenced"}
			if b.IsFenced {
				state = []string{"fenced"}
			}
		}
		line(fmt.Sprint(b.NodeID), b.Host, fmt.Sprint(b.Port), rackOf(b), state, kind)
	}
	return nil
}

func rackOf(b kmsg.DescribeClusterResponseBroker) string {
	if b.Rack == nil {
		return "null"
	}
	return *b.Rack
}
