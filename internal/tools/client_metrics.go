package tools

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var clientMetricsTool = Tool{
	Name:    "kafka-client-metrics",
	Summary: "show and change which metrics clients push",
	Run: func(ctx context.Context, env *Env, args []string) int {
		t := newClientMetrics(env)
		return t.end(ctx, t.run(ctx, args))
	},
}

// clientMetrics is one run of kafka-client-metrics.
type clientMetrics struct {
	*command
	cl *kgo.Client

	bootstrap, commandConfig, alter, del, describe, list *jopt.Option
	name, generateName, interval, match, metrics         *jopt.Option
}

func newClientMetrics(env *Env) *clientMetrics {
	c := newCommand(env, "This tool helps to manipulate and describe client metrics configurations.")
	return &clientMetrics{
		command:       c,
		bootstrap:     c.Accepts("bootstrap-server", "REQUIRED: The brokers to ask first.").WithRequiredArg("server to connect to"),
		commandConfig: c.Accepts("command-config", "File with properties for the client.").WithRequiredArg("command config property file"),
		alter:         c.Accepts("alter", "Change client metrics."),
		del:           c.Accepts("delete", "Delete client metrics."),
		describe:      c.Accepts("describe", "Show client metrics."),
		list:          c.Accepts("list", "List the names of client metrics."),
		name:          c.Accepts("name", "Name of client metrics.").WithRequiredArg("name"),
		generateName:  c.Accepts("generate-name", "Make up a name."),
		interval:      c.Accepts("interval", "Milliseconds between pushes. Empty resets it.").WithRequiredArg("push interval"),
		match: c.Accepts("match", "Which clients, 'k1=v1,k2=v2', by: \n\tclient_id\n\tclient_instance_id\n\tclient_software_name\n"+
			"\tclient_software_version\n\tclient_source_address\n\tclient_source_port").WithRequiredArg("k1=v1,k2=v2").SeparatedBy(","),
		metrics: c.Accepts("metrics", "What the names of metrics begin with: 'm1,m2'.").WithRequiredArg("m1,m2").SeparatedBy(","),
	}
}

func (t *clientMetrics) run(ctx context.Context, args []string) error {
	if err := t.start(args); err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	cl, err := connect(ctx, t.Value(t.bootstrap), t.Value(t.commandConfig))
	if err != nil {
		return err
	}
	defer cl.Close()
	t.cl = cl
	switch {
	case t.Has(t.alter):
		err = t.alterMetrics(ctx)
	case t.Has(t.del):
		err = t.deleteMetrics(ctx)
	case t.Has(t.describe):
		err = t.describeMetrics(ctx)
	default:
		var names []string
		if names, err = listConfigResources(ctx, cl, kmsg.ConfigResourceTypeClientMetrics); err == nil {
			t.env.println(strings.Join(names, "\n"))
		}
	}
	if err == nil || ended(ctx, err) {
		return err
	}
	t.env.printf("Error while executing client metrics command : %s\n", exceptionOf(err).message)
	return errFailed
}

func (t *clientMetrics) check() error {
	if t.count(t.alter, t.del, t.describe, t.list) != 1 {
		return usagef("Command must include exactly one action: --alter, --delete, --describe or --list.")
	}
	if !t.Has(t.bootstrap) {
		return errors.New("--bootstrap-server must be specified.") //nolint:staticcheck // Kafka's words
	}
	if err := firstError(
		t.excludes(t.del, t.generateName, t.interval, t.match, t.metrics),
		t.excludes(t.describe, t.generateName, t.interval, t.match, t.metrics),
		t.excludes(t.list, t.name, t.generateName, t.interval, t.match, t.metrics),
	); err != nil {
		return err
	}
	if t.Has(t.alter) && t.count(t.name, t.generateName) != 1 {
		return errors.New("One of --name or --generate-name must be specified with --alter.") //nolint:staticcheck // Kafka's words
	}
	if interval := t.Value(t.interval); interval != "" {
		if _, err := strconv.ParseInt(interval, 10, 32); err != nil {
			return errors.New("Invalid interval value. Enter an integer, or leave empty to reset.") //nolint:staticcheck // Kafka's words
		}
	}
	if t.Has(t.del) && !t.Has(t.name) {
		return errors.New("A client metrics resource name must be specified with --delete.") //nolint:staticcheck // Kafka's words
	}
	return nil
}

func (t *clientMetrics) alterMetrics(ctx context.Context) error {
	name := t.Value(t.name)
	if t.Has(t.generateName) {
		var id [16]byte
		rand.Read(id[:])
		name = base64.RawURLEncoding.EncodeToString(id[:])
	}
	var changes []configChange
	for _, o := range []struct {
		option *jopt.Option
		key    string
	}{{t.interval, "interval.ms"}, {t.metrics, "metrics"}, {t.match, "match"}} {
		if !t.Has(o.option) {
			continue
		}
		c := configChange{key: o.key}
		if value := strings.Join(t.Values(o.option), ","); value != "" {
			c.value = &value
		}
		changes = append(changes, c)
	}
	if err := alterConfigs(ctx, t.cl, kmsg.ConfigResourceTypeClientMetrics, name, changes); err != nil {
		return err
	}
	t.env.printf("Altered client metrics config for %s.\n", name)
	return nil
}

func (t *clientMetrics) deleteMetrics(ctx context.Context) error {
	name := t.Value(t.name)
	values, err := describeConfigs(ctx, t.cl, kmsg.ConfigResourceTypeClientMetrics, name)
	if err != nil {
		return err
	}
	var changes []configChange
	for _, v := range values {
		changes = append(changes, configChange{key: v.Name})
	}
	if err := alterConfigs(ctx, t.cl, kmsg.ConfigResourceTypeClientMetrics, name, changes); err != nil {
		return err
	}
	t.env.printf("Deleted client metrics config for %s.\n", name)
	return nil
}

func (t *clientMetrics) describeMetrics(ctx context.Context) error {
	names, err := listConfigResources(ctx, t.cl, kmsg.ConfigResourceTypeClientMetrics)
	if err != nil {
		return err
	}
	if t.Has(t.name) {
		if !slices.Contains(names, t.Value(t.name)) {
			t.env.printf("The client metric resource %s doesn't exist and doesn't have dynamic config.\n", t.Value(t.name))
			return nil
		}
		names = []string{t.Value(t.name)}
	}
	for _, name := range names {
		values, err := describeConfigs(ctx, t.cl, kmsg.ConfigResourceTypeClientMetrics, name)
		if err != nil {
			return err
		}
		t.env.printf("Client metrics configs for %s are:\n", name)
		for _, v := range values {
			t.env.printf("  %s=%s\n", v.Name, javaText(v.Value))
		}
	}
	return nil
}
