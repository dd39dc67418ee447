package tools

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/client"
	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var consoleConsumerTool = Tool{Name: "kafka-console-consumer", Summary: "print the records of a topic", Run: runConsoleConsumer}

const consoleConsumerLog = "org.apache.kafka.tools.consumer.ConsoleConsumer"

// consoleConsumer is one run of kafka-console-consumer.
type consoleConsumer struct {
	*command

	topic, include, whitelist, partition, offset, fromBeginning *jopt.Option
	bootstrap, group, isolation, maxMessages, timeout           *jopt.Option
	skipOnError, systestEvents                                  *jopt.Option
	consumerProperty, consumerConfig                            renamed
	formatting                                                  formatterOptions

	properties client.Properties
	out        *recordPrinter
}

func runConsoleConsumer(ctx context.Context, env *Env, args []string) int {
	c := newConsoleConsumer(env)
	err := c.start(args)
	if err == nil {
		err = c.prepare()
	}
	if err != nil {
		return c.end(ctx, err)
	}
	err = c.run(ctx)
	return c.out.end(ctx, err, c.Has(c.systestEvents))
}

func newConsoleConsumer(env *Env) *consoleConsumer {
	c := &consoleConsumer{command: newCommand(env, "This tool helps to read data from Kafka topics and outputs it to standard output.")}
	c.topic = c.Accepts("topic", "The topic to read.").WithRequiredArg("topic")
	c.include = c.Accepts("include", "Read all topics whose names match.").WithRequiredArg("Java regex (String)")
	c.whitelist = c.Accepts("whitelist", "The name of --include in Kafka 2.").WithRequiredArg("Java regex (String)").Hidden()
	c.partition = c.Accepts("partition", "Read this partition only, from its end unless --offset says otherwise.").WithRequiredArg("partition").OfType(jopt.Integer)
	c.offset = c.Accepts("offset", "Where to begin: a number, 'earliest' or 'latest'.").WithRequiredArg("consume offset").DefaultsTo("latest")
	c.fromBeginning = c.Accepts("from-beginning", "Begin with the first record, unless the group has committed where it was; else with the next that is written.")
	c.bootstrap = c.Accepts("bootstrap-server", "REQUIRED: Addresses of brokers.").WithRequiredArg("server to connect to")
	c.group = c.Accepts("group", "The consumer group to be a member of, whose offsets are committed.").WithRequiredArg("consumer group id")
	c.isolation = c.Accepts("isolation-level", "read_committed leaves out records of transactions that were not committed.").WithRequiredArg("").DefaultsTo("read_uncommitted")
	c.maxMessages = c.Accepts("max-messages", "End after so many records.").WithRequiredArg("num_messages").OfType(jopt.Integer)
	c.timeout = c.Accepts("timeout-ms", "End when no record has come for so long.").WithRequiredArg("timeout_ms").OfType(jopt.Long)
	c.skipOnError = c.Accepts("skip-message-on-error", "Go on after a record that cannot be shown.")
	c.systestEvents = c.Accepts("enable-systest-events", "Print \"shutdown_complete\" at the end, for Kafka's own system tests.")
	c.formatting.accept(c.command)
	c.consumerProperty = renamed{
		c.Accepts("consumer-property", "(DEPRECATED) Use --command-property instead.").WithRequiredArg("consumer_prop"),
		c.Accepts("command-property", "A property of the consumer, key=value.").WithRequiredArg("consumer_prop"),
	}
	c.consumerConfig = renamed{
		c.Accepts("consumer.config", "(DEPRECATED) Use --command-config instead.").WithRequiredArg("config file"),
		c.Accepts("command-config", "File with properties of the consumer; [command-property] counts for more.").WithRequiredArg("config file"),
	}
	return c
}

// prepare checks the command line and makes properties and formatter of it.
func (c *consoleConsumer) prepare() error {
	for _, p := range []renamed{c.consumerProperty, c.consumerConfig} {
		if err := c.checkRenamedForConsumer(p); err != nil {
			return err
		}
	}
	if c.command.count(c.topic, c.include, c.whitelist) != 1 {
		return usagef("Exactly one of --include/--topic is required. ")
	}
	switch {
	case c.Has(c.partition) && !c.Has(c.topic):
		return usagef("The topic is required when partition is specified.")
	case c.Has(c.partition) && c.Has(c.fromBeginning) && c.Has(c.offset):
		return usagef("Options from-beginning and offset cannot be specified together.")
	case !c.Has(c.partition) && c.Has(c.offset):
		return usagef("The partition is required when offset is specified.")
	}
	if err := c.requires(c.bootstrap); err != nil {
		return err
	}
	if err := c.Single(c.topic, c.include, c.whitelist, c.partition, c.offset, c.bootstrap, c.group, c.isolation, c.maxMessages, c.timeout); err != nil {
		return err
	}
	if err := c.consumerProperties(); err != nil {
		return err
	}
	if _, err := c.beginning(); err != nil {
		return err
	}
	format, err := c.formatting.find(c.command)
	c.out = newRecordPrinter(c.env, consoleConsumerLog, format)
	return err
}

// consumerProperties gathers the properties of the consumer from file and command line.
func (c *consoleConsumer) consumerProperties() error {
	var name string
	if files := c.either(c.consumerConfig); len(files) > 0 {
		name = files[0]
	}
	file, err := client.ReadProperties(name)
	if err != nil {
		return err
	}
	extra := keyValues(c.either(c.consumerProperty))
	c.properties = file.With(extra)

	var groups []string
	for _, given := range []string{c.Value(c.group), file["group.id"], extra["group.id"]} {
		if given != "" && !slices.Contains(groups, given) {
			groups = append(groups, given)
		}
	}
	if len(groups) > 1 {
		return usagef("The group ids provided in different places (directly using '--group', via '--consumer-property', or via '--consumer.config') do not match. "+
			"Detected group ids: '%s'", strings.Join(groups, "', '"))
	}
	if len(groups) > 0 && c.Has(c.partition) {
		return usagef("Options group and partition cannot be specified together.")
	}
	reset, given := c.properties["auto.offset.reset"]
	switch {
	case given && c.Has(c.fromBeginning) && reset != "earliest":
		c.env.errorf("Can't simultaneously specify --from-beginning and 'auto.offset.reset=%s', please remove one option\n", reset)
		return errFailed
	case !given && c.Has(c.fromBeginning):
		c.properties["auto.offset.reset"] = "earliest"
	}
	if c.properties["client.id"] == "" {
		c.properties["client.id"] = "console-consumer"
	}
	if _, ok := c.properties["isolation.level"]; !ok || c.Has(c.isolation) {
		c.properties["isolation.level"] = c.Value(c.isolation)
	}
	if len(groups) > 0 {
		c.properties["group.id"] = groups[0]
		return nil
	}
	// A group that nobody will ask for again leaves no offsets behind.
	c.properties["group.id"] = "console-consumer-" + strconv.Itoa(rand.IntN(100_000))
	if _, ok := c.properties["enable.auto.commit"]; !ok {
		c.properties["enable.auto.commit"] = "false"
	}
	return nil
}

// beginning is where --partition is read from.
func (c *consoleConsumer) beginning() (kgo.Offset, error) {
	text := c.Value(c.offset)
	if !c.Has(c.offset) && c.Has(c.fromBeginning) {
		text = "earliest"
	}
	switch strings.ToLower(text) {
	case "earliest":
		return kgo.NewOffset().AtStart(), nil
	case "latest":
		return kgo.NewOffset().AtEnd(), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return kgo.Offset{}, usagef("The provided offset value '%s' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long.", text)
	}
	return kgo.NewOffset().At(n), nil
}

// options are the client's.
func (c *consoleConsumer) options() ([]kgo.Opt, error) {
	opts, err := consumerOptions(c.properties)
	if err != nil {
		return nil, err
	}
	if c.Has(c.partition) {
		from, err := c.beginning()
		return append(opts, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{c.Value(c.topic): {c.Int(c.partition): from}})), err
	}
	member, err := groupOptions(c.properties)
	if err != nil {
		return nil, err
	}
	opts = append(opts, member...)
	switch {
	case c.Has(c.topic):
		return append(opts, kgo.ConsumeTopics(c.Value(c.topic))), nil
	case c.Has(c.include):
		return append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics("^(?:"+c.Value(c.include)+")$")), nil
	}
	filter, err := topicFilter(c.Value(c.whitelist))
	if err != nil {
		return nil, err
	}
	return append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(filter.String())), nil
}

func (c *consoleConsumer) run(ctx context.Context) error {
	opts, err := c.options()
	if err != nil {
		return err
	}
	cl, err := client.Connect(ctx, client.Config{Bootstrap: c.Value(c.bootstrap), Properties: c.properties}, opts...)
	if err != nil {
		return err
	}
	err = c.consume(ctx, cl)
	// The group learns at once that its member is gone, and how far it came.
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if !c.Has(c.partition) && !strings.EqualFold(c.properties["enable.auto.commit"], "false") {
		if commitErr := cl.CommitMarkedOffsets(leaving); commitErr != nil && err == nil && ctx.Err() == nil {
			c.out.log("Error committing offsets:", commitErr)
		}
	}
	if leaveErr := cl.LeaveGroupContext(leaving); leaveErr != nil && err == nil && ctx.Err() == nil {
		c.out.log("Error leaving the group:", leaveErr)
	}
	cl.CloseAllowingRebalance()
	return err
}

// mostAtOnce keeps a poll small enough that its records' memory can be used again soon.
const mostAtOnce = 20_000

// consume prints records until there are enough, none has come for long enough, or the context ends.
func (c *consoleConsumer) consume(ctx context.Context, cl *kgo.Client) error {
	left := -1
	if c.Has(c.maxMessages) {
		left = int(c.Int(c.maxMessages))
	}
	for left != 0 {
		most := mostAtOnce
		if left > 0 {
			most = min(left, most)
		}
		fetches, err := c.out.poll(ctx, cl, most, timeToWait(c.command, c.timeout))
		if err != nil {
			return err
		}
		n, err := c.print(cl, fetches)
		if left > 0 {
			left -= n
		}
		if err = c.out.flush(err); err != nil {
			return err
		}
	}
	return nil
}

// print shows the records of a poll and returns how many that were.
func (c *consoleConsumer) print(cl *kgo.Client, fetches kgo.Fetches) (n int, err error) {
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		shown := 0
		for ; shown < len(p.Records) && err == nil; shown++ {
			err = c.out.show(p.Records[shown])
			if c.Has(c.skipOnError) && err != nil && !errors.Is(err, errWriting) {
				c.out.log("Error processing message, skipping this message: ", err)
				err = nil
			}
		}
		n += shown
		if shown > 0 && !c.Has(c.partition) {
			cl.MarkCommitRecords(p.Records[shown-1])
		}
	})
	return n, err
}
