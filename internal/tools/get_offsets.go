package tools

import (
	"context"
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/client"
	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var getOffsetsTool = Tool{Name: "kafka-get-offsets", Summary: "print the first, last or other offsets of partitions", Run: runGetOffsets}

// getOffsets is one run of kafka-get-offsets.
type getOffsets struct {
	*command
	bootstrap, brokerList, commandConfig, topicPartitions, topic, partitions, time, excludeInternal *jopt.Option
}

func runGetOffsets(ctx context.Context, env *Env, args []string) int {
	c := &getOffsets{command: newCommand(env, "An interactive shell for getting topic-partition offsets.")}
	c.bootstrap = c.Accepts("bootstrap-server", "REQUIRED. Addresses of brokers, HOST1:PORT1,HOST2:PORT2.").WithRequiredArg("HOST1:PORT1,...,HOST3:PORT3")
	c.brokerList = c.Accepts("broker-list", "The name of --bootstrap-server in Kafka 2.").WithRequiredArg("HOST1:PORT1,...,HOST3:PORT3").Hidden()
	c.topicPartitions = c.Accepts("topic-partitions", "Topics and their partitions: for each a regular expression of names, and behind ':' a number, a range 'FROM-TO' "+
		"(without TO itself), 'FROM-' or '-TO'. Either may be left out for all.").WithRequiredArg("topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3")
	c.topic = c.Accepts("topic", "The topic, also as a regular expression; else all.").WithRequiredArg("topic")
	c.partitions = c.Accepts("partitions", "Numbers of partitions, separated by commas; else all.").WithRequiredArg("partition ids")
	c.time = c.Accepts("time", "Which offsets: of the first record at or after a time, or of those by name.").
		WithRequiredArg("<timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload").
		DefaultsTo("latest")
	c.commandConfig = c.Accepts("command-config", "File with properties for the connection.").WithRequiredArg("config file")
	c.excludeInternal = c.Accepts("exclude-internal-topics", "Leave out Kafka's own topics.")
	// Of Kafka 2.8.
	c.Accepts("offsets", "").WithRequiredArg("count").Hidden()
	c.Accepts("max-wait-ms", "").WithRequiredArg("ms").Hidden()

	err := c.start(args)
	if err == nil {
		err = c.run(ctx)
	}
	var wrong usageError
	if err == nil || errors.Is(err, errDone) || errors.Is(err, errFailed) || errors.As(err, &wrong) || ended(ctx, err) {
		return c.end(ctx, err)
	}
	env.errorf("Error occurred: %s\n", exceptionOf(err).message)
	return 1
}

func (c *getOffsets) run(ctx context.Context) error {
	address := c.bootstrap
	if c.Has(c.brokerList) {
		address = c.brokerList
	}
	if err := c.requires(address); err != nil {
		return err
	}
	if err := checkBootstrap(c.Value(address)); err != nil {
		return err
	}
	if err := c.Single(address, c.topicPartitions, c.topic, c.partitions, c.time, c.commandConfig); err != nil {
		return err
	}
	if c.Has(c.topicPartitions) && (c.Has(c.topic) || c.Has(c.partitions)) {
		return errors.New("--topic-partitions cannot be used with --topic or --partitions")
	}
	timestamp, err := parseOffsetTime(c.Value(c.time))
	if err != nil {
		return err
	}
	wanted, err := c.filter()
	if err != nil {
		return err
	}
	p, err := client.ReadProperties(c.Value(c.commandConfig))
	if err != nil {
		return err
	}
	p["client.id"] = "GetOffsetShell"
	cl, err := client.Connect(ctx, client.Config{Bootstrap: c.Value(address), Properties: p})
	if err != nil {
		return err
	}
	defer cl.Close()
	topics, err := listTopics(ctx, cl)
	if err != nil {
		return err
	}
	var partitions []topicPartition
	for _, t := range topics {
		for _, p := range t.Partitions {
			tp := topicPartition{*t.Topic, p.Partition}
			if wanted(tp) && !(c.Has(c.excludeInternal) && isInternal(tp.topic)) {
				partitions = append(partitions, tp)
			}
		}
	}
	if len(partitions) == 0 {
		return errors.New("Could not match any topic-partitions with the specified filters") //nolint:staticcheck // Kafka's words
	}
	return c.print(ctx, cl, partitions, timestamp)
}

// offsetTimes are names for timestamps that stand for more than a time.
var offsetTimes = map[string]int64{"latest": -1, "earliest": -2, "max-timestamp": -3, "earliest-local": -4, "latest-tiered": -5, "earliest-pending-upload": -6}

func parseOffsetTime(text string) (int64, error) {
	if t, ok := offsetTimes[text]; ok {
		return t, nil
	}
	t, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, errors.New("Malformed time argument " + text + ". Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / " + //nolint:staticcheck // Kafka's words
			"-5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format timestamp")
	}
	return t, nil
}

// filter is which partitions are asked for.
func (c *getOffsets) filter() (func(topicPartition) bool, error) {
	if c.Has(c.topicPartitions) {
		return parseTopicPartitions(c.Value(c.topicPartitions))
	}
	allowed := regexp.MustCompile("")
	var numbers []int32
	if c.Has(c.topic) {
		var err error
		if allowed, err = topicFilter(c.Value(c.topic)); err != nil {
			return nil, err
		}
	}
	if text := c.Value(c.partitions); text != "" {
		for n := range strings.SplitSeq(text, ",") {
			number, err := strconv.ParseInt(n, 10, 32)
			if err != nil {
				return nil, errors.New("--partitions expects a comma separated list of numeric partition ids, but received: " + text)
			}
			numbers = append(numbers, int32(number))
		}
	}
	return func(tp topicPartition) bool {
		return allowed.MatchString(tp.topic) && (numbers == nil || slices.Contains(numbers, tp.partition))
	}, nil
}

var topicPartitionRule = regexp.MustCompile(`^([^:,]*)(?::(?:([0-9]*)|(?:([0-9]*)-([0-9]*))))?$`)

// parseTopicPartitions reads "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3".
func parseTopicPartitions(text string) (func(topicPartition) bool, error) {
	type rule struct {
		topics   *regexp.Regexp
		from, to int64
	}
	var rules []rule
	for spec := range strings.SplitSeq(text, ",") {
		m := topicPartitionRule.FindStringSubmatch(spec)
		if m == nil {
			return nil, exception{"org.apache.kafka.tools.TerseException", "Invalid rule specification: " + spec}
		}
		r := rule{regexp.MustCompile(""), 0, math.MaxInt32}
		var err error
		if m[1] != "" {
			if r.topics, err = topicFilter(m[1]); err != nil {
				return nil, err
			}
		}
		number := func(text string, otherwise int64) int64 {
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				return n
			}
			return otherwise
		}
		if m[2] != "" {
			r.from = number(m[2], 0)
			r.to = r.from + 1
		} else {
			r.from, r.to = number(m[3], 0), number(m[4], math.MaxInt32)
		}
		rules = append(rules, r)
	}
	return func(tp topicPartition) bool {
		return slices.ContainsFunc(rules, func(r rule) bool {
			return r.topics.MatchString(tp.topic) && int64(tp.partition) >= r.from && int64(tp.partition) < r.to
		})
	}, nil
}

// print asks for the offsets and prints those that there are.
func (c *getOffsets) print(ctx context.Context, cl *kgo.Client, partitions []topicPartition, timestamp int64) error {
	offsets, err := askOffsets(ctx, cl, partitions, timestamp)
	if err != nil {
		return err
	}
	// Java sorts by the text "topic-partition".
	slices.SortFunc(partitions, func(a, b topicPartition) int { return strings.Compare(a.String(), b.String()) })
	for _, tp := range partitions {
		switch o := offsets[tp]; {
		case o.err != nil:
			c.env.errorf("Skip getting offsets for topic-partition %s due to error: %s\n", tp, exceptionOf(o.err).String())
		case o.offset >= 0:
			c.env.printf("%s:%d:%d\n", tp.topic, tp.partition, o.offset)
		}
	}
	return nil
}

// listedOffset is a broker's answer for a partition; −1 when there is no such offset.
type listedOffset struct {
	offset int64
	err    error
}

// askOffsets asks the leaders for the offsets at a timestamp.
func askOffsets(ctx context.Context, cl *kgo.Client, partitions []topicPartition, timestamp int64) (map[topicPartition]listedOffset, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	topics, numbers := byTopic(partitions)
	for _, name := range topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = name
		for _, n := range numbers[name] {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp, p.CurrentLeaderEpoch = n, timestamp, -1
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	offsets := make(map[topicPartition]listedOffset, len(partitions))
	for _, shard := range cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			asked, ok := shard.Req.(*kmsg.ListOffsetsRequest)
			if !ok || ctx.Err() != nil {
				return nil, shard.Err
			}
			for _, t := range asked.Topics {
				for _, p := range t.Partitions {
					offsets[topicPartition{t.Topic, p.Partition}] = listedOffset{-1, shard.Err}
				}
			}
			continue
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				offsets[topicPartition{t.Topic, p.Partition}] = listedOffset{p.Offset, answered(p.ErrorCode, nil)}
			}
		}
	}
	return offsets, nil
}
