package tools

import (
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/client"
	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var consumerPerfTool = Tool{Name: "kafka-consumer-perf-test", Summary: "measure how fast records are read", Run: runConsumerPerf}

// consumerPerf is one run of kafka-consumer-perf-test.
type consumerPerf struct {
	*command
	bootstrap, brokerList, topic, include, group, fetchSize, fromLatest, socketBuffer *jopt.Option
	property, printMetrics, detailed, timeout, interval, dateFormat, hideHeader       *jopt.Option
	config, number                                                                    renamed

	joining joinTimes
}

func runConsumerPerf(ctx context.Context, env *Env, args []string) int {
	c := newConsumerPerf(env)
	err := c.start(args)
	if err == nil {
		err = c.check()
	}
	if err == nil {
		err = c.run(ctx)
	}
	return c.end(ctx, err)
}

func newConsumerPerf(env *Env) *consumerPerf {
	c := &consumerPerf{command: newCommand(env, "This tool is used to verify the consumer performance.")}
	c.bootstrap = c.Accepts("bootstrap-server", "REQUIRED: Addresses of brokers.").WithRequiredArg("server to connect to")
	c.brokerList = c.Accepts("broker-list", "The name of --bootstrap-server in Kafka 2.").WithRequiredArg("broker-list").Hidden()
	c.topic = c.Accepts("topic", "The topic to read.").WithRequiredArg("topic")
	c.include = c.Accepts("include", "Read all topics whose names match.").WithRequiredArg("Java regex (String)")
	c.group = c.Accepts("group", "The consumer group.").WithRequiredArg("gid").DefaultsTo("perf-consumer-" + strconv.Itoa(rand.IntN(100_000)))
	c.fetchSize = c.Accepts("fetch-size", "Most bytes of a partition in one answer.").WithRequiredArg("size").OfType(jopt.Integer).DefaultsTo("1048576")
	c.fromLatest = c.Accepts("from-latest", "Begin with the next record that is written, not with the first, unless the group has committed where it was.")
	c.socketBuffer = c.Accepts("socket-buffer-size", "Accepted; the system sizes the socket's buffer.").WithRequiredArg("size").OfType(jopt.Integer).DefaultsTo("2097152")
	c.property = c.Accepts("command-property", "A property of the consumer, key=value; it counts for more than those of files.").WithRequiredArg("prop1=val1")
	c.config = renamed{
		c.Accepts("consumer.config", "(DEPRECATED) Use --command-config instead.").WithRequiredArg("config file"),
		c.Accepts("command-config", "File with properties of the consumer.").WithRequiredArg("config file"),
	}
	c.printMetrics = c.Accepts("print-metrics", "Print the metrics of the client at the end: those that it has in common with Java's.")
	c.detailed = c.Accepts("show-detailed-stats", "Print figures for each interval.")
	c.timeout = c.Accepts("timeout", "End when no record has come for so long.").WithOptionalArg("milliseconds").OfType(jopt.Long).DefaultsTo("10000")
	c.number = renamed{
		c.Accepts("messages", "(DEPRECATED) Use --num-records instead.").WithRequiredArg("count").OfType(jopt.Long),
		c.Accepts("num-records", "REQUIRED: How many records to read.").WithRequiredArg("count").OfType(jopt.Long),
	}
	c.interval = c.Accepts("reporting-interval", "Milliseconds between two lines of progress.").WithRequiredArg("interval_ms").OfType(jopt.Long).DefaultsTo("5000")
	c.dateFormat = c.Accepts("date-format", "How times are shown, in the letters of java.text.SimpleDateFormat.").WithRequiredArg("date format").
		DefaultsTo("yyyy-MM-dd HH:mm:ss:SSS")
	c.hideHeader = c.Accepts("hide-header", "Leave out the line with the names of the columns.")
	// Of Kafka 2.8.
	c.Accepts("threads", "").WithRequiredArg("count").Hidden()
	c.Accepts("num-fetch-threads", "").WithRequiredArg("count").Hidden()
	return c
}

func (c *consumerPerf) check() error {
	if n := c.count(c.topic, c.include); n != 1 {
		return usagef("Exactly one of the following arguments is required: %s", optionList(c.topic, c.include))
	}
	if n := c.count(c.number.old, c.number.new); n != 1 {
		return usagef("Exactly one of the following arguments is required: %s", optionList(c.number.old, c.number.new))
	}
	if c.Has(c.config.old) && c.Has(c.config.new) {
		return usagef("Options --%s and --%s cannot be specified together.", c.config.old.Name(), c.config.new.Name())
	}
	for _, p := range []renamed{c.number, c.config} {
		if c.Has(p.old) {
			c.env.printf("Warning: --%s is deprecated. Use --%s instead.\n", p.old.Name(), p.new.Name())
		}
	}
	if !regexp.MustCompile(`^\d+$`).MatchString(c.Value(c.interval)) {
		return usagef(`Cannot parse argument '%s' of option reporting-interval`, c.Value(c.interval))
	}
	return c.Single(c.bootstrap, c.topic, c.include, c.group, c.fetchSize, c.timeout, c.number.old, c.number.new, c.interval, c.dateFormat)
}

// joinTimes is how long the consumer has waited for its group to give it partitions.
type joinTimes struct {
	mu           sync.Mutex
	begun        time.Time
	total, round time.Duration // round: since the last line of progress
}

func (j *joinTimes) revoked(now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.begun = now
}

func (j *joinTimes) assigned(now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.total += now.Sub(j.begun)
	j.round += now.Sub(j.begun)
}

// took returns both times, in milliseconds, and begins a new round if asked for.
func (j *joinTimes) took(newRound bool) (total, round int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	total, round = j.total.Milliseconds(), j.round.Milliseconds()
	if newRound {
		j.round = 0
	}
	return total, round
}

// properties are the consumer's.
func (c *consumerPerf) properties() (client.Properties, error) {
	var name string
	if files := c.either(c.config); len(files) > 0 {
		name = files[0]
	}
	p, err := client.ReadProperties(name)
	if err != nil {
		return nil, err
	}
	p = p.With(keyValues(c.Values(c.property)))
	p["group.id"], p["max.partition.fetch.bytes"], p["auto.offset.reset"] = c.Value(c.group), c.Value(c.fetchSize), "earliest"
	if c.Has(c.fromLatest) {
		p["auto.offset.reset"] = "latest"
	}
	if p["client.id"] == "" {
		p["client.id"] = "perf-consumer-client"
	}
	return p, nil
}

func (c *consumerPerf) run(ctx context.Context) error {
	if !c.Has(c.hideHeader) {
		first := "start.time, end.time"
		if c.Has(c.detailed) {
			first = "time, threadId"
		}
		c.env.printf("%s, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n", first)
	}
	if c.Int64(c.interval) <= 0 {
		return exception{illegalArgument, "Reporting interval must be greater than 0."}
	}
	address := c.Value(c.bootstrap)
	if c.Has(c.brokerList) {
		address = c.Value(c.brokerList)
	}
	p, err := c.properties()
	if err != nil {
		return err
	}
	reading, err := consumerOptions(p)
	if err != nil {
		return err
	}
	member, err := groupOptions(p)
	if err != nil {
		return err
	}
	metrics := &perfMetrics{kind: "consumer", id: p["client.id"], start: c.env.Now()}
	opts := append(append(reading, member...), kgo.WithHooks(metrics),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { c.joining.assigned(c.env.Now()) }),
		kgo.OnPartitionsRevoked(func(context.Context, *kgo.Client, map[string][]int32) { c.joining.revoked(c.env.Now()) }))
	if c.Has(c.include) {
		opts = append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics("^(?:"+c.Value(c.include)+")$"))
	} else {
		opts = append(opts, kgo.ConsumeTopics(c.Value(c.topic)))
	}
	begun := c.env.Now()
	c.joining.begun = begun
	cl, err := client.Connect(ctx, client.Config{Bootstrap: address, Properties: p}, opts...)
	if err != nil {
		return err
	}
	read, err := c.consume(ctx, cl, begun)
	end := c.env.Now()
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if !strings.EqualFold(p["enable.auto.commit"], "false") {
		err = firstError(err, cl.CommitMarkedOffsets(leaving))
	}
	err = firstError(err, cl.LeaveGroupContext(leaving))
	cl.CloseAllowingRebalance()
	if err != nil {
		return err
	}
	if !c.Has(c.detailed) {
		c.printTotal(begun, end, read)
	}
	if c.Has(c.printMetrics) {
		metrics.print(c.env)
	}
	return nil
}

// amount is what was read.
type amount struct{ records, bytes int64 }

func (a amount) megabytes() float64 { return float64(a.bytes) / (1 << 20) }

// consume reads as many records as were asked for, or until none comes.
func (c *consumerPerf) consume(ctx context.Context, cl *kgo.Client, begun time.Time) (read amount, err error) {
	wanted := c.Int64(c.number.new)
	if c.Has(c.number.old) {
		wanted = c.Int64(c.number.old)
	}
	patience := time.Duration(c.Int64(c.timeout)) * time.Millisecond
	interval := time.Duration(c.Int64(c.interval)) * time.Millisecond
	reported, last, lastConsumed := begun, amount{}, begun
	for read.records < wanted && c.env.Now().Sub(lastConsumed) <= patience {
		waiting, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		fetches := cl.PollRecords(waiting, int(min(wanted-read.records, mostAtOnce)))
		cancel()
		if ctx.Err() != nil {
			return read, ctx.Err()
		}
		for _, e := range fetches.Errors() {
			if !passing(e.Err) && !errors.Is(e.Err, context.DeadlineExceeded) {
				return read, e.Err
			}
		}
		now := c.env.Now()
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, r := range p.Records {
				read.bytes += int64(len(r.Key) + len(r.Value))
			}
			if n := len(p.Records); n > 0 {
				read.records += int64(n)
				lastConsumed = now
				cl.MarkCommitRecords(p.Records[n-1])
			}
		})
		if now.Sub(reported) >= interval && fetches.NumRecords() > 0 {
			c.progress(read, last, reported, now)
			reported, last = now, read
		}
	}
	if read.records < wanted {
		c.env.printf("WARNING: Exiting before consuming the expected number of records: timeout (%d ms) exceeded. You can use the --timeout option to increase the timeout.\n",
			patience.Milliseconds())
	}
	return read, nil
}

// progress prints a line of --show-detailed-stats.
func (c *consumerPerf) progress(read, last amount, from, to time.Time) {
	_, joined := c.joining.took(true)
	if !c.Has(c.detailed) {
		return
	}
	recent := amount{read.records - last.records, read.bytes - last.bytes}
	elapsed := float64(to.Sub(from).Milliseconds())
	fetching := to.Sub(from).Milliseconds() - joined
	megabytes, records := 0.0, 0.0
	if fetching > 0 {
		megabytes, records = 1000*recent.megabytes()/float64(fetching), 1000*float64(recent.records)/float64(fetching)
	}
	c.env.printf("%s, 0, %s, %s, %d, %s, %d, %d, %s, %s\n", simpleDate(c.Value(c.dateFormat), to), fixed(read.megabytes(), 4),
		fixed(1000*recent.megabytes()/elapsed, 4), read.records, fixed(1000*float64(recent.records)/elapsed, 4), joined, fetching, fixed(megabytes, 4), fixed(records, 4))
}

func (c *consumerPerf) printTotal(begun, end time.Time, read amount) {
	joined, _ := c.joining.took(false)
	elapsed := end.Sub(begun).Seconds()
	fetching := end.Sub(begun).Milliseconds() - joined
	format := c.Value(c.dateFormat)
	c.env.printf("%s, %s, %s, %s, %d, %s, %d, %d, %s, %s\n", simpleDate(format, begun), simpleDate(format, end), fixed(read.megabytes(), 4),
		fixed(read.megabytes()/elapsed, 4), read.records, fixed(float64(read.records)/elapsed, 4), joined, fetching,
		fixed(read.megabytes()/(float64(fetching)/1000), 4), fixed(float64(read.records)/(float64(fetching)/1000), 4))
}
