package tools

import (
	"context"
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var topicsTool = Tool{Name: "kafka-topics", Summary: "create, list, describe, alter and delete topics", Run: runTopics}

const topicCommand = "org.apache.kafka.tools.TopicCommand"

// topicsCommand is one run of kafka-topics.
type topicsCommand struct {
	*command
	cl *kgo.Client

	bootstrap, commandConfig, zookeeper                                *jopt.Option
	list, create, delete, alter, describe                              *jopt.Option
	topic, topicID, config, deleteConfig                               *jopt.Option
	partitions, replicationFactor, replicaAssignment, perResponse      *jopt.Option
	ifExists, ifNotExists, excludeInternal                             *jopt.Option
	underReplicated, unavailable, underMinISR, atMinISR, withOverrides *jopt.Option
}

func runTopics(ctx context.Context, env *Env, args []string) int {
	c := newTopicsCommand(env)
	if err := c.start(args); err != nil {
		return c.end(ctx, err)
	}
	if err := c.check(); err != nil {
		return c.end(ctx, err)
	}
	bootstrap := c.Value(c.bootstrap)
	if bootstrap == "" {
		bootstrap = env.brokersNextTo(c.Value(c.zookeeper))
	}
	err := c.singles()
	if err == nil {
		err = c.run(ctx, bootstrap)
	}
	if err == nil {
		return 0
	}
	if ended(ctx, err) {
		return interrupted
	}
	env.printf("Error while executing topic command : %s\n", exceptionOf(err).message)
	env.logError(err, topicCommand)
	return 1
}

func newTopicsCommand(env *Env) *topicsCommand {
	c := &topicsCommand{command: newCommand(env, "This tool helps to create, delete, describe, or change a topic.")}
	c.bootstrap = c.Accepts("bootstrap-server", "REQUIRED: Addresses of brokers, separated by commas.").WithRequiredArg("server to connect to")
	c.commandConfig = c.Accepts("command-config", "File with properties for the connection.").WithRequiredArg("command config property file")
	c.zookeeper = c.acceptsZooKeeper()
	c.list = c.Accepts("list", "Print the names of all topics.")
	c.create = c.Accepts("create", "Make a topic.")
	c.delete = c.Accepts("delete", "Delete topics.")
	c.alter = c.Accepts("alter", "Give topics more partitions. (kafka-configs changes their configurations.)")
	c.describe = c.Accepts("describe", "Print the details of topics.")
	c.topic = c.Accepts("topic", `The topic; all but --create take a regular expression too, in which a "." that stands for itself is written "\.".`).WithRequiredArg("topic")
	c.topicID = c.Accepts("topic-id", "The id of the topic to describe.").WithRequiredArg("topic-id")
	c.config = c.Accepts("config", "With --create: a configuration of the topic; may be repeated. There are:\n\t"+strings.Join(config.TopicKeyNames(), "\n\t")+
		"\nkafka-configs changes them later.").WithRequiredArg("name=value")
	c.deleteConfig = c.Accepts("delete-config", "Does nothing any more, since Kafka 4.0.").WithRequiredArg("name")
	c.partitions = c.Accepts("partitions", "How many partitions the topic gets (with --create: else the cluster's default) or shall have (with --alter: "+
		"keys then go to other partitions than before).").WithRequiredArg("# of partitions").OfType(jopt.Integer)
	c.replicationFactor = c.Accepts("replication-factor", "On how many brokers each partition of the new topic is kept; else the cluster's default.").
		WithRequiredArg("replication factor").OfType(jopt.Integer)
	c.replicaAssignment = c.Accepts("replica-assignment", "The brokers of each partition, one partition after the other.").
		WithRequiredArg("broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , broker_id_for_part2_replica1 : broker_id_for_part2_replica2 , ...")
	c.underReplicated = c.Accepts("under-replicated-partitions", "With --describe: only partitions with replicas that are not in sync.")
	c.unavailable = c.Accepts("unavailable-partitions", "With --describe: only partitions without a live leader.")
	c.underMinISR = c.Accepts("under-min-isr-partitions", "With --describe: only partitions with fewer replicas in sync than min.insync.replicas.")
	c.atMinISR = c.Accepts("at-min-isr-partitions", "With --describe: only partitions with just as many replicas in sync as min.insync.replicas.")
	c.withOverrides = c.Accepts("topics-with-overrides", "With --describe: only topics that have configurations of their own.")
	c.ifExists = c.Accepts("if-exists", "With --alter, --delete and --describe: a topic that is missing is no error.")
	c.ifNotExists = c.Accepts("if-not-exists", "With --create: a topic that is there already is no error.")
	c.excludeInternal = c.Accepts("exclude-internal", "With --list and --describe: leave out Kafka's own topics.")
	c.perResponse = c.Accepts("partition-size-limit-per-response", "The most partitions to ask for with one request.").
		WithRequiredArg("maximum number of partitions per response").OfType(jopt.Integer)
	// Of Kafka 2.8.
	c.Accepts("force", "").Hidden()
	c.Accepts("disable-rack-aware", "").Hidden()
	return c
}

// check refuses combinations of options that make no sense.
func (c *topicsCommand) check() error {
	if c.count(c.create, c.list, c.alter, c.describe, c.delete) != 1 {
		return usagef("Command must include exactly one action: --list, --describe, --create, --alter or --delete")
	}
	if c.Has(c.deleteConfig) {
		c.env.errorf("delete-config option is no longer supported and deprecated since version 4.0. The config will be fully removed in future releases.\n")
	}
	if !c.Has(c.bootstrap) && !c.Has(c.zookeeper) {
		return exception{illegalArgument, "--bootstrap-server must be specified"}
	}
	if c.Has(c.describe) && c.Has(c.ifExists) {
		if !c.Has(c.topic) && !c.Has(c.topicID) {
			return usagef("--topic or --topic-id is required to describe a topic")
		}
		if c.Has(c.topic) && c.Has(c.topicID) {
			c.env.println("Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID")
		}
	}
	if !c.Has(c.list) && !c.Has(c.describe) {
		if err := c.requires(c.topic); err != nil {
			return err
		}
	}
	if c.Has(c.alter) {
		if c.Has(c.bootstrap) && c.Has(c.config) {
			return usagef(`Option combination "[%s, %s]" can't be used with option "%s" (To alter topic configurations, the kafka-configs tool can be used.)`,
				c.bootstrap, c.config, c.alter)
		}
		if err := c.requires(c.partitions); err != nil {
			return err
		}
	}
	return c.checkCombinations()
}

func (c *topicsCommand) checkCombinations() error {
	only := func(o *jopt.Option, actions ...*jopt.Option) error {
		return c.excludes(o, without([]*jopt.Option{c.alter, c.create, c.describe, c.list, c.delete}, actions...)...)
	}
	report := func(o *jopt.Option) error {
		return firstError(only(o, c.describe), c.excludes(o, c.withOverrides))
	}
	var created error
	if c.Has(c.create) {
		created = c.excludes(c.replicaAssignment, c.partitions, c.replicationFactor)
	}
	return firstError(
		only(c.config, c.alter, c.create), only(c.partitions, c.alter, c.create), only(c.replicationFactor, c.create),
		only(c.replicaAssignment, c.alter, c.create), created,
		report(c.underReplicated), report(c.underMinISR), report(c.atMinISR), report(c.unavailable),
		only(c.withOverrides, c.describe), c.excludes(c.withOverrides, c.underReplicated, c.underMinISR, c.atMinISR, c.unavailable),
		only(c.ifExists, c.alter, c.delete, c.describe), only(c.ifNotExists, c.create), only(c.excludeInternal, c.list, c.describe))
}

// singles refuses options that were given twice.
func (c *topicsCommand) singles() error {
	if err := c.Single(c.bootstrap, c.commandConfig, c.topic, c.topicID, c.partitions, c.replicationFactor, c.replicaAssignment, c.perResponse); err != nil {
		return exception{"joptsimple.MultipleArgumentsForOptionException", err.Error()}
	}
	return nil
}

func (c *topicsCommand) run(ctx context.Context, bootstrap string) error {
	// What is wrong with the command line alone is told without a broker.
	wanted, err := c.newTopic()
	if err != nil {
		return err
	}
	if c.cl, err = connect(ctx, bootstrap, c.Value(c.commandConfig)); err != nil {
		return err
	}
	defer c.cl.Close()
	switch {
	case c.Has(c.create):
		return c.createTopic(ctx, wanted)
	case c.Has(c.alter):
		return c.alterTopics(ctx, wanted)
	case c.Has(c.list):
		topics, err := c.matching(ctx)
		if err != nil {
			return err
		}
		c.env.printf("%s\n", strings.Join(names(topics), "\n"))
		return nil
	case c.Has(c.describe):
		return c.describeTopics(ctx)
	}
	return c.deleteTopics(ctx)
}

// newTopic is what --create and --alter ask for.
func (c *topicsCommand) newTopic() (kmsg.CreateTopicsRequestTopic, error) {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = c.Value(c.topic), -1, -1
	if !c.Has(c.create) && !c.Has(c.alter) {
		return t, nil
	}
	for _, pair := range c.Values(c.config) {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || value == "" || strings.Contains(value, "=") {
			return t, exception{illegalArgument, `requirement failed: Invalid topic config: all configs to be added must be in the format "key=val".`}
		}
		entry := kmsg.NewCreateTopicsRequestTopicConfig()
		entry.Name, entry.Value = strings.TrimSpace(name), kmsg.StringPtr(strings.TrimSpace(value))
		// The last of a name counts.
		t.Configs = append(slices.DeleteFunc(t.Configs, func(c kmsg.CreateTopicsRequestTopicConfig) bool { return c.Name == entry.Name }), entry)
	}
	if c.Has(c.partitions) {
		if t.NumPartitions = c.Int(c.partitions); t.NumPartitions < 1 && c.Has(c.create) {
			return t, exception{illegalArgument, "The partitions must be greater than 0"}
		}
	}
	if c.Has(c.replicationFactor) {
		factor := c.Int(c.replicationFactor)
		if factor < 1 || factor > math.MaxInt16 {
			return t, exception{illegalArgument, "The replication factor must be between 1 and 32767 inclusive"}
		}
		t.ReplicationFactor = int16(factor)
	}
	if text := c.Value(c.replicaAssignment); text != "" {
		replicas, err := parseReplicaAssignment(text)
		if err != nil {
			return t, err
		}
		for i, r := range replicas {
			a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			a.Partition, a.Replicas = int32(i), r
			t.ReplicaAssignment = append(t.ReplicaAssignment, a)
		}
	}
	return t, nil
}

// parseReplicaAssignment reads "1:2,2:3": the brokers of each partition.
func parseReplicaAssignment(text string) ([][]int32, error) {
	var partitions [][]int32
	for i, list := range strings.Split(text, ",") {
		var brokers, twice []int32
		for id := range strings.SplitSeq(list, ":") {
			n, err := strconv.ParseInt(strings.TrimSpace(id), 10, 32)
			if err != nil {
				return nil, exception{"java.lang.NumberFormatException", `For input string: "` + strings.TrimSpace(id) + `"`}
			}
			if slices.Contains(brokers, int32(n)) && !slices.Contains(twice, int32(n)) {
				twice = append(twice, int32(n))
			}
			brokers = append(brokers, int32(n))
		}
		if len(twice) > 0 {
			return nil, exception{"org.apache.kafka.tools.AdminCommandFailedException", "Partition replica lists may not contain duplicate entries: " + joinNumbers(twice, ",")}
		}
		if i > 0 && len(brokers) != len(partitions[0]) {
			return nil, exception{"org.apache.kafka.server.common.AdminOperationException",
				"Partition " + strconv.Itoa(i) + " has different replication factor: [" + joinNumbers(brokers, ", ") + "]"}
		}
		partitions = append(partitions, brokers)
	}
	return partitions, nil
}

// timeoutMillis is how long brokers may take for changes.
const timeoutMillis = 30_000

func (c *topicsCommand) createTopic(ctx context.Context, t kmsg.CreateTopicsRequestTopic) error {
	if strings.ContainsAny(t.Topic, "._") {
		c.env.println("WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. " +
			"To avoid issues it is best to use either, but not both.")
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis, req.Topics = timeoutMillis, append(req.Topics, t)
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return err
	}
	for _, r := range resp.Topics {
		if r.ErrorCode == kerr.TopicAlreadyExists.Code && c.Has(c.ifNotExists) {
			return nil
		}
		if err := answered(r.ErrorCode, r.ErrorMessage); err != nil {
			return err
		}
	}
	c.env.printf("Created topic %s.\n", t.Topic)
	return nil
}

func (c *topicsCommand) alterTopics(ctx context.Context, t kmsg.CreateTopicsRequestTopic) error {
	topics, err := c.existing(ctx)
	if err != nil || len(topics) == 0 {
		return err
	}
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = timeoutMillis
	for _, topic := range topics {
		rt := kmsg.NewCreatePartitionsRequestTopic()
		rt.Topic, rt.Count = *topic.Topic, c.Int(c.partitions)
		for i, a := range t.ReplicaAssignment {
			if i >= len(topic.Partitions) {
				ra := kmsg.NewCreatePartitionsRequestTopicAssignment()
				ra.Replicas = a.Replicas
				rt.Assignment = append(rt.Assignment, ra)
			}
		}
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return err
	}
	for _, r := range resp.Topics {
		if err := answered(r.ErrorCode, r.ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}

func (c *topicsCommand) deleteTopics(ctx context.Context) error {
	topics, err := c.existing(ctx)
	if err != nil || len(topics) == 0 {
		return err
	}
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = timeoutMillis
	for _, topic := range topics {
		req.TopicNames = append(req.TopicNames, *topic.Topic) // up to version 5
		rt := kmsg.NewDeleteTopicsRequestTopic()
		rt.Topic = topic.Topic
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return err
	}
	for _, r := range resp.Topics {
		if err := answered(r.ErrorCode, r.ErrorMessage); err != nil {
			return err
		}
	}
	return nil
}

// existing are the topics that match --topic; an error when there must be one and is none.
func (c *topicsCommand) existing(ctx context.Context) ([]kmsg.MetadataResponseTopic, error) {
	topics, err := c.matching(ctx)
	if err == nil && len(topics) == 0 && c.Value(c.topic) != "" && !c.Has(c.ifExists) {
		err = exception{illegalArgument, "Topic '" + c.Value(c.topic) + "' does not exist as expected"}
	}
	return topics, err
}

// matching are the topics that match --topic, or all, by name.
func (c *topicsCommand) matching(ctx context.Context) ([]kmsg.MetadataResponseTopic, error) {
	all, err := listTopics(ctx, c.cl)
	if err != nil {
		return nil, err
	}
	allowed := regexp.MustCompile("")
	if c.Has(c.topic) {
		if allowed, err = topicFilter(c.Value(c.topic)); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(all, func(t kmsg.MetadataResponseTopic) bool {
		return !allowed.MatchString(*t.Topic) || c.Has(c.excludeInternal) && isInternal(*t.Topic)
	}), nil
}

// listTopics are all topics of a cluster by name, Kafka's own included.
func listTopics(ctx context.Context, cl *kgo.Client) ([]kmsg.MetadataResponseTopic, error) {
	req := kmsg.NewPtrMetadataRequest() // no topics: all
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	for _, t := range resp.Topics {
		if t.Topic == nil {
			return nil, errors.New("the broker sent a topic without a name")
		}
	}
	slices.SortFunc(resp.Topics, func(a, b kmsg.MetadataResponseTopic) int { return strings.Compare(*a.Topic, *b.Topic) })
	return resp.Topics, nil
}

func names(topics []kmsg.MetadataResponseTopic) []string {
	all := make([]string, len(topics))
	for i, t := range topics {
		all[i] = *t.Topic
	}
	return all
}
