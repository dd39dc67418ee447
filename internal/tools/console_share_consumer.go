package tools

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/client"
	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var consoleShareConsumerTool = Tool{Name: "kafka-console-share-consumer", Summary: "print records as a member of a share group", Run: runConsoleShareConsumer}

// shareConsumer is one run of kafka-console-share-consumer.
type shareConsumer struct {
	*command
	topic, bootstrap, group, maxMessages, timeout *jopt.Option
	reject, release, rejectOnError, systestEvents *jopt.Option
	consumerProperty, consumerConfig              renamed
	formatting                                    formatterOptions

	properties client.Properties
	out        *recordPrinter
}

func runConsoleShareConsumer(ctx context.Context, env *Env, args []string) int {
	c := newShareConsumer(env)
	err := c.start(args)
	if err == nil {
		err = c.prepare()
	}
	if err != nil {
		return c.end(ctx, err)
	}
	return c.out.end(ctx, c.run(ctx), c.Has(c.systestEvents))
}

func newShareConsumer(env *Env) *shareConsumer {
	c := &shareConsumer{command: newCommand(env, "This tool helps to read data from Kafka topics using share groups and outputs it to standard output.")}
	c.topic = c.Accepts("topic", "The topic to read.").WithRequiredArg("topic")
	c.bootstrap = c.Accepts("bootstrap-server", "REQUIRED: Addresses of brokers.").WithRequiredArg("server to connect to")
	c.group = c.Accepts("group", "The share group; else console-share-consumer.").WithRequiredArg("share group id")
	c.maxMessages = c.Accepts("max-messages", "End after so many records.").WithRequiredArg("num_messages").OfType(jopt.Integer)
	c.timeout = c.Accepts("timeout-ms", "End when no record has come for so long.").WithRequiredArg("timeout_ms").OfType(jopt.Integer)
	c.reject = c.Accepts("reject", "Reject the records: nobody gets them any more.")
	c.release = c.Accepts("release", "Release the records: they are delivered once more.")
	c.rejectOnError = c.Accepts("reject-message-on-error", "Reject a record that cannot be shown, and go on.")
	c.systestEvents = c.Accepts("enable-systest-events", "Print \"shutdown_complete\" at the end, for Kafka's own system tests.")
	c.formatting.accept(c.command)
	c.consumerProperty = renamed{
		c.Accepts("consumer-property", "(DEPRECATED) Use --command-property instead.").WithRequiredArg("consumer_prop"),
		c.Accepts("command-property", "A property of the consumer, key=value.").WithRequiredArg("consumer_prop"),
	}
	c.consumerConfig = renamed{
		c.Accepts("consumer-config", "(DEPRECATED) Use --command-config instead.").WithRequiredArg("config file"),
		c.Accepts("command-config", "File with properties of the consumer; [command-property] counts for more.").WithRequiredArg("config file"),
	}
	return c
}

// prepare checks the command line and makes properties and formatter of it.
func (c *shareConsumer) prepare() error {
	if !c.Has(c.topic) {
		return usagef("--topic is a required argument")
	}
	if err := c.requires(c.bootstrap); err != nil {
		return err
	}
	if c.Has(c.reject) && c.Has(c.release) {
		return usagef("At most one of --reject and --release may be specified.")
	}
	if err := firstError(c.checkRenamedForConsumer(c.consumerProperty), c.checkRenamedForConsumer(c.consumerConfig),
		c.Single(c.topic, c.bootstrap, c.group, c.maxMessages, c.timeout)); err != nil {
		return err
	}
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
	switch len(groups) {
	case 0:
		groups = []string{"console-share-consumer"}
	case 1:
	default:
		return usagef("The group ids provided in different places (directly using '--group', via '--consumer-property', or via '--consumer-config') do not match. "+
			"Detected group ids: '%s'", strings.Join(groups, "', '"))
	}
	c.properties["group.id"] = groups[0]
	if c.properties["client.id"] == "" {
		c.properties["client.id"] = "console-share-consumer"
	}
	format, err := c.formatting.find(c.command)
	c.out = newRecordPrinter(c.env, "org.apache.kafka.tools.consumer.ConsoleShareConsumer", format)
	return err
}

func (c *shareConsumer) run(ctx context.Context) error {
	cl, err := client.Connect(ctx, client.Config{Bootstrap: c.Value(c.bootstrap), Properties: c.properties},
		kgo.ShareGroup(c.properties["group.id"]), kgo.ConsumeTopics(c.Value(c.topic)))
	if err != nil {
		return err
	}
	if err = c.checkSupport(ctx, cl); err == nil {
		err = c.consume(ctx, cl)
	}
	cl.Close() // sends what was acknowledged, and leaves the group
	return err
}

// checkSupport tells of brokers that know no share groups; the client would try on and on.
func (c *shareConsumer) checkSupport(ctx context.Context, cl *kgo.Client) error {
	heartbeat := kmsg.NewPtrShareGroupHeartbeatRequest().Key()
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "gokafka-tools", speaks
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(resp.ApiKeys, func(k kmsg.ApiVersionsResponseApiKey) bool { return k.ApiKey == heartbeat && k.MaxVersion >= 1 }) {
		c.out.log("Error processing message, terminating consumer process:", exception{kafkaErrors + "UnsupportedVersionException",
			"The cluster does not support the share group protocol using ShareGroupHeartbeat API version 1 or later. This version of the API was introduced in Apache Kafka v4.1."})
		return errDone
	}
	return nil
}

// consume prints and acknowledges records until there are enough, none has come for long enough, or the context ends.
func (c *shareConsumer) consume(ctx context.Context, cl *kgo.Client) error {
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
		for _, r := range fetches.Records() {
			if left > 0 {
				left--
			}
			if err = c.take(r); err != nil {
				break
			}
		}
		if err = c.out.flush(err); err != nil {
			return err
		}
	}
	return nil
}

// take shows a record and says what became of it.
func (c *shareConsumer) take(r *kgo.Record) error {
	err := c.out.show(r)
	switch {
	case errors.Is(err, errWriting):
		return err
	case err != nil && c.Has(c.rejectOnError):
		c.out.log("Error processing message, rejecting this message: ", err)
		r.Ack(kgo.AckReject)
	case err != nil:
		return err
	case c.Has(c.reject):
		r.Ack(kgo.AckReject)
	case c.Has(c.release):
		r.Ack(kgo.AckRelease)
	default:
		r.Ack(kgo.AckAccept)
	}
	return nil
}
