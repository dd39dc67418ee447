package tools

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var configsTool = Tool{
	Name:    "kafka-configs",
	Summary: "show and change the configuration of topics, brokers, users, clients and more",
	Run: func(ctx context.Context, env *Env, args []string) int {
		t := newConfigs(env)
		return t.finish(ctx, args, t.run(ctx, args))
	},
}

// Types of entities.
const (
	topicEntity         = "topics"
	clientEntity        = "clients"
	userEntity          = "users"
	brokerEntity        = "brokers"
	ipEntity            = "ips"
	clientMetricsEntity = "client-metrics"
	groupEntity         = "groups"
	brokerLoggerEntity  = "broker-loggers"
)

var entityTypes = []string{topicEntity, clientEntity, userEntity, brokerEntity, ipEntity, clientMetricsEntity, groupEntity, brokerLoggerEntity}

// configs is one run of kafka-configs.
type configs struct {
	*command
	to kmsg.Requestor

	bootstrap, controller, commandConfig, zooKeeper   *jopt.Option
	alter, describe, all                              *jopt.Option
	entityType, entityName, entityDefault             *jopt.Option
	addConfig, addConfigFile, deleteConfig            *jopt.Option
	named, defaults                                   []entityOption
	types                                             []string // of the entities on the command line
	names                                             []string // beside types; "" is the default entity
	brokerOption, brokerLoggerOption, zooKeeperConfig *jopt.Option
}

// entityOption is a short form, such as --topic.
type entityOption struct {
	option *jopt.Option
	kind   string
}

func newConfigs(env *Env) *configs {
	c := newCommand(env, "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, client-metrics or group")
	t := &configs{command: c}
	t.bootstrap = c.Accepts("bootstrap-server", "The brokers to ask first.").WithRequiredArg("server to connect to")
	t.controller = c.Accepts("bootstrap-controller", "The controllers to ask instead of brokers.").WithRequiredArg("controller to connect to")
	t.commandConfig = c.Accepts("command-config", "File with properties for the client.").WithRequiredArg("command config property file")
	t.alter = c.Accepts("alter", "Change the configuration of an entity.")
	t.describe = c.Accepts("describe", "Show the configuration of entities.")
	t.all = c.Accepts("all", "Show all of it, static values and defaults too.")
	t.entityType = c.Accepts("entity-type", "topics, clients, users, brokers, broker-loggers, ips, client-metrics or groups").WithRequiredArg("")
	t.entityName = c.Accepts("entity-name", "Name of a topic, client id, user, broker id, IP address, client metrics or group").WithRequiredArg("")
	t.entityDefault = c.Accepts("entity-default", "The default of clients, users, brokers or ips")
	t.addConfig = c.Accepts("add-config", "What to set: 'k1=v1,k2=[v1,v2,v2],k3=v3'. Square brackets hold values together that have commas.\n"+
		"Users have: SCRAM-SHA-256 and SCRAM-SHA-512 ([iterations=8192,password=secret]), and what clients have.\n"+
		"Clients have: consumer_byte_rate, controller_mutation_rate, producer_byte_rate, request_percentage.\n"+
		"Ips have: connection_creation_rate.\n"+
		"Users and clients may be given together, for the clients of one user.").WithRequiredArg("")
	t.addConfigFile = c.Accepts("add-config-file", "File with properties to set.").WithRequiredArg("")
	t.deleteConfig = c.Accepts("delete-config", "What to reset: 'k1,k2'").WithRequiredArg("").SeparatedBy(",")
	t.brokerOption = c.Accepts("broker", "Id of a broker.").WithRequiredArg("")
	t.brokerLoggerOption = c.Accepts("broker-logger", "Id of a broker, for its loggers.").WithRequiredArg("")
	t.named = []entityOption{
		{c.Accepts("topic", "Name of a topic.").WithRequiredArg(""), topicEntity},
		{c.Accepts("client", "Id of a client.").WithRequiredArg(""), clientEntity},
		{c.Accepts("user", "Principal name of a user.").WithRequiredArg(""), userEntity},
		{t.brokerOption, brokerEntity},
		{t.brokerLoggerOption, brokerLoggerEntity},
		{c.Accepts("ip", "IP address.").WithRequiredArg(""), ipEntity},
		{c.Accepts("client-metrics", "Name of client metrics.").WithRequiredArg(""), clientMetricsEntity},
		{c.Accepts("group", "Id of a group.").WithRequiredArg(""), groupEntity},
	}
	t.defaults = []entityOption{
		{c.Accepts("client-defaults", "The default of all clients."), clientEntity},
		{c.Accepts("user-defaults", "The default of all users."), userEntity},
		{c.Accepts("broker-defaults", "The default of all brokers."), brokerEntity},
		{c.Accepts("ip-defaults", "The default of all IP addresses."), ipEntity},
	}
	t.zooKeeper = c.acceptsZooKeeper()
	c.Accepts("force", "Kafka 2 asked before it did some things.").Hidden()
	t.zooKeeperConfig = c.Accepts("zk-tls-config-file", "Kafka 2 read ZooKeeper's TLS settings from it.").WithRequiredArg("").Hidden()
	return t
}

// argumentError ends kafka-configs with a message and no help.
func argumentError(message string) error { return exception{illegalArgument, message} }

// finish says what went wrong: mistakes of the command line in a line, other things with the command line that failed.
func (t *configs) finish(ctx context.Context, args []string, err error) int {
	var wrong usageError
	if err == nil || errors.As(err, &wrong) || errors.Is(err, errDone) || errors.Is(err, errFailed) || ended(ctx, err) || t.to == nil {
		return t.end(ctx, err)
	}
	e := exceptionOf(err)
	switch e.class {
	case illegalArgument, kafkaErrors + "UnsupportedVersionException", kafkaErrors + "InvalidConfigurationException":
		return t.end(ctx, e)
	}
	if strings.HasPrefix(e.class, kafkaErrors) {
		e = exceptionOf(throwsExecution(e))
	}
	t.env.errorf("Error while executing config command with args '%s'\n%s\n", strings.Join(args, " "), e.String())
	return 1
}

func (t *configs) run(ctx context.Context, args []string) error {
	if err := t.start(args); err != nil {
		return err
	}
	t.types, t.names = t.entities()
	if err := t.check(); err != nil {
		return err
	}
	if t.Has(t.controller) {
		c, err := connectControllers(ctx, t.Value(t.controller), t.Value(t.commandConfig))
		if err != nil {
			return err
		}
		defer c.cl.Close()
		t.to = c
	} else {
		bootstrap := t.Value(t.bootstrap)
		if bootstrap == "" {
			bootstrap = t.env.brokersNextTo(t.Value(t.zooKeeper))
		}
		cl, err := connect(ctx, bootstrap, t.Value(t.commandConfig))
		if err != nil {
			return err
		}
		defer cl.Close()
		t.to = cl
	}
	if t.Has(t.describe) {
		return t.describeEntities(ctx)
	}
	if len(t.types) != len(t.names) {
		return argumentError("An entity name must be specified for every entity type")
	}
	return t.alterEntity(ctx)
}

// entities are the types and names of the command line: --entity-type and --entity-name or --entity-default as they follow each other, then short forms.
func (t *configs) entities() (types, names []string) {
	types = slices.Clone(t.Values(t.entityType))
	given := t.Values(t.entityName)
	for _, o := range t.InOrder() {
		switch o {
		case t.entityName:
			names, given = append(names, given[0]), given[1:]
		case t.entityDefault:
			names = append(names, "")
		}
	}
	for _, e := range t.named {
		if t.Has(e.option) {
			types, names = append(types, e.kind), append(names, t.Value(e.option))
		}
	}
	for _, e := range t.defaults {
		if t.Has(e.option) {
			types, names = append(types, e.kind), append(names, "")
		}
	}
	return types, names
}

// has reports whether one of the types is on the command line.
func (t *configs) has(types ...string) bool {
	return slices.ContainsFunc(t.types, func(s string) bool { return slices.Contains(types, s) })
}

// check refuses wrong command lines, in the order in which Kafka's tool looks for mistakes.
func (t *configs) check() error {
	if t.count(t.alter, t.describe) != 1 {
		return usagef("Command must include exactly one action: --describe, --alter")
	}
	if err := t.excludes(t.describe, t.alter, t.addConfig, t.deleteConfig); err != nil {
		return err
	}
	if duplicates := duplicatesOf(t.types); len(duplicates) > 0 {
		return argumentError("Duplicate entity type(s) specified: " + strings.Join(duplicates, ","))
	}
	if t.count(t.bootstrap, t.controller, t.zooKeeper) == 0 {
		return argumentError("Either --bootstrap-server or --bootstrap-controller must be specified.")
	}
	for _, kind := range t.types {
		if !slices.Contains(entityTypes, kind) {
			return argumentError("Invalid entity type " + kind + ", the entity type must be one of " + strings.Join(entityTypes, ", ") +
				" with a --bootstrap-server or --bootstrap-controller argument")
		}
	}
	switch {
	case len(t.types) == 0:
		return argumentError("At least one entity type must be specified")
	case len(t.types) > 1 && (len(t.types) != 2 || !slices.Contains(t.types, userEntity) || !slices.Contains(t.types, clientEntity)):
		return argumentError("Only 'users' and 'clients' entity types may be specified together")
	case t.count(t.entityType, t.entityName, t.entityDefault) > 0 &&
		slices.ContainsFunc(slices.Concat(t.named, t.defaults), func(e entityOption) bool { return t.Has(e.option) }):
		return argumentError("--entity-{type,name,default} should not be used in conjunction with specific entity flags")
	case t.count(t.bootstrap, t.controller) > 1:
		return argumentError("Only one of --bootstrap-server or --bootstrap-controller can be specified")
	}
	if err := t.checkBrokers(); err != nil {
		return err
	}
	if t.Has(t.describe) {
		return t.checkDescribe()
	}
	return t.checkAlter()
}

// duplicatesOf are the elements that there are more than once.
func duplicatesOf(all []string) []string {
	var duplicates []string
	for i, s := range all {
		if slices.Contains(all[:i], s) {
			duplicates = append(duplicates, s)
		}
	}
	return duplicates
}

func (t *configs) checkBrokers() error {
	if !t.has(brokerEntity, brokerLoggerEntity) {
		return nil
	}
	for _, name := range t.names {
		if _, err := strconv.ParseInt(name, 10, 32); name != "" && err != nil {
			return argumentError("The entity name for " + t.types[0] + " must be a valid integer broker id, but it is: " + name)
		}
	}
	return nil
}

func (t *configs) checkDescribe() error {
	if !t.has(userEntity, clientEntity, brokerEntity, ipEntity) && t.Has(t.entityDefault) {
		return argumentError("--entity-default must not be specified with --describe of " + strings.Join(t.types, ","))
	}
	if t.has(brokerLoggerEntity) && !slices.ContainsFunc(t.names, nonEmpty) {
		return argumentError("An entity name must be specified with --describe of " + strings.Join(t.types, ","))
	}
	return nil
}

func nonEmpty(s string) bool { return s != "" }

func (t *configs) checkAlter() error {
	switch {
	case t.has(userEntity, clientEntity, brokerEntity, ipEntity):
		if len(t.names) == 0 {
			return argumentError("An entity-name or default entity must be specified with --alter of users, clients, brokers or ips")
		}
	case !slices.ContainsFunc(t.names, nonEmpty):
		return argumentError("An entity name must be specified with --alter of " + strings.Join(t.types, ","))
	}
	if t.Has(t.addConfig) && t.Has(t.addConfigFile) {
		return argumentError("Only one of --add-config or --add-config-file must be specified")
	}
	if t.count(t.addConfig, t.addConfigFile, t.deleteConfig) == 0 {
		return argumentError("At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter")
	}
	return nil
}
