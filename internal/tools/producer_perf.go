package tools

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/client"
	"github.com/gokafka/gokafka/internal/tools/argparse"
)

var producerPerfTool = Tool{Name: "kafka-producer-perf-test", Summary: "measure how fast records are written", Run: runProducerPerf}

// producerPerf is one run of kafka-producer-perf-test.
type producerPerf struct {
	env    *Env
	parser *argparse.Parser
	ns     *argparse.Namespace

	bootstrap, topic, numRecords, delimiter, throughput                  *argparse.Argument
	producerProps, commandProperty, producerConfig, commandConfig        *argparse.Argument
	printMetrics, transactionalID, transactionDuration, warmup, interval *argparse.Argument
	recordSize, payloadFile, monotonic                                   *argparse.Argument

	properties    client.Properties
	payloads      [][]byte
	random        *rand.Rand
	transactional bool
	duration      time.Duration // of a transaction
}

func runProducerPerf(ctx context.Context, env *Env, args []string) int {
	c := newProducerPerf(env)
	if len(args) == 0 {
		c.parser.PrintHelp(env.Stdout)
		return 0
	}
	var status int
	if c.ns, status = env.parseArgs(c.parser, args, 0); c.ns == nil {
		return status
	}
	err := c.check()
	if err == nil {
		err = c.prepare()
	}
	if err == nil {
		err = c.run(ctx)
	}
	var refused *argparse.Error
	if errors.As(err, &refused) {
		refused.Print(env.Stderr)
		return 1
	}
	return env.finish(ctx, err)
}

func newProducerPerf(env *Env) *producerPerf {
	p := argparse.New("kafka-producer-perf-test", "This tool is used to verify the producer performance. A transactional id, of --transactional-id or of the producer's properties, "+
		"or --transaction-duration-ms make it write in transactions.")
	c := &producerPerf{env: env, parser: p}
	payload := p.Exclusive().Required().Titled("", "Note that you must provide exactly one of --record-size, --payload-file or --payload-monotonic.")
	c.bootstrap = p.Option("Addresses of brokers; they count for more than the property bootstrap.servers.", "--bootstrap-server").Metavar("BOOTSTRAP-SERVER")
	c.topic = p.Option("The topic to write to.", "--topic").Required().Metavar("TOPIC")
	c.numRecords = p.Option("How many records to write.", "--num-records").As(argparse.Long).Required().Metavar("NUM-RECORDS")
	c.delimiter = p.Option("What stands between the payloads of --payload-file; else a line's end. (default: \\n)", "--payload-delimiter").Metavar("PAYLOAD-DELIMITER")
	c.throughput = p.Option("About how many records to write per second; -1: as many as possible.", "--throughput").As(argparse.Double).Required().Metavar("THROUGHPUT")
	c.producerProps = p.Option("(DEPRECATED) Use --command-property instead.", "--producer-props").As(argparse.Many).Metavar("PROP-NAME=PROP-VALUE")
	c.commandProperty = p.Option("Properties of the producer; they count for more than those of files.", "--command-property").As(argparse.Many).Metavar("PROP-NAME=PROP-VALUE")
	c.producerConfig = p.Option("(DEPRECATED) Use --command-config instead.", "--producer.config").Metavar("CONFIG-FILE")
	c.commandConfig = p.Option("File with properties of the producer.", "--command-config").Metavar("CONFIG-FILE")
	c.printMetrics = p.Option("Print the metrics of the client at the end: those that it has in common with Java's. (default: false)", "--print-metrics").As(argparse.StoreTrue)
	c.transactionalID = p.Option("The transactional id; without one, --transaction-duration-ms takes a random one.", "--transactional-id", "--transaction-id").Metavar("TRANSACTIONAL-ID")
	c.transactionDuration = p.Option("When to commit a transaction, in milliseconds; 3000 with a transactional id.", "--transaction-duration-ms").As(argparse.Long).Metavar("TRANSACTION-DURATION")
	c.warmup = p.Option("How many records come before those that a second summary is about. (default: 0)", "--warmup-records").As(argparse.Long).Metavar("WARMUP-RECORDS")
	c.interval = p.Option("Milliseconds between two lines of progress. (default: 5000)", "--reporting-interval").As(argparse.Long).Metavar("INTERVAL-MS")
	c.recordSize = payload.Option("Size of a record in bytes; it is made of random letters.", "--record-size").As(argparse.Integer).Metavar("RECORD-SIZE")
	c.payloadFile = payload.Option("Text file to take payloads from, at random.", "--payload-file").Metavar("PAYLOAD-FILE")
	c.monotonic = payload.Option("The payload is a number that grows. (default: false)", "--payload-monotonic").As(argparse.StoreTrue)
	return c
}

func (c *producerPerf) refuse(message string) error {
	return &argparse.Error{Parser: c.parser, Message: message}
}

func (c *producerPerf) check() error {
	ns := c.ns
	const unset = 1
	switch {
	case ns.Int64(c.numRecords, unset) <= 0:
		return c.refuse("--num-records should be greater than zero.")
	case ns.Int64(c.warmup, 0) >= ns.Int64(c.numRecords, unset):
		return c.refuse("The value for --warmup-records must be strictly fewer than the number of records in the test, --num-records.")
	case ns.Int(c.recordSize, unset) <= 0:
		return c.refuse("--record-size should be greater than zero.")
	case !ns.Has(c.bootstrap) && !ns.Has(c.commandProperty) && !ns.Has(c.producerProps) && !ns.Has(c.producerConfig) && !ns.Has(c.commandConfig):
		return c.refuse("At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or --command-config must be specified.")
	case ns.Has(c.commandProperty) && ns.Has(c.producerProps):
		return c.refuse("--command-property and --producer-props cannot be specified together.")
	case ns.Has(c.commandConfig) && ns.Has(c.producerConfig):
		return c.refuse("--command-config and --producer.config cannot be specified together.")
	case ns.Int64(c.transactionDuration, unset) <= 0:
		return c.refuse("--transaction-duration-ms should be greater than zero.")
	case ns.Int64(c.interval, unset) <= 0:
		return c.refuse("--reporting-interval should be greater than zero.")
	}
	for old, new := range map[*argparse.Argument]string{c.producerProps: "--producer-props has been deprecated and will be removed in a future version. Use --command-property",
		c.producerConfig: "--producer.config has been deprecated and will be removed in a future version. Use --command-config"} {
		if ns.Has(old) {
			c.env.printf("Option %s instead.\n", new)
		}
	}
	return nil
}

// prepare reads payloads and properties.
func (c *producerPerf) prepare() error {
	if err := c.readPayloads(); err != nil {
		return err
	}
	file := c.ns.Value(c.commandConfig) + c.ns.Value(c.producerConfig) // one of them
	p, err := client.ReadProperties(file)
	if err != nil {
		return err
	}
	for _, pair := range append(c.ns.Values(c.producerProps), c.ns.Values(c.commandProperty)...) {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || value == "" {
			return exception{illegalArgument, "Invalid property: " + pair}
		}
		p[key] = value
	}
	if p["client.id"] == "" {
		p["client.id"] = "perf-producer-client"
	}
	if id := c.ns.Value(c.transactionalID); id != "" {
		p["transactional.id"] = id
	}
	c.transactional = p["transactional.id"] != "" || c.ns.Has(c.transactionDuration)
	if c.transactional && p["transactional.id"] == "" {
		var id [16]byte
		binary.BigEndian.PutUint64(id[:8], rand.Uint64())
		binary.BigEndian.PutUint64(id[8:], rand.Uint64())
		p["transactional.id"] = "performance-producer-" + uuidString(id)
	}
	c.duration = time.Duration(c.ns.Int64(c.transactionDuration, 3000)) * time.Millisecond
	c.properties = p
	return nil
}

func (c *producerPerf) readPayloads() error {
	name := c.ns.Value(c.payloadFile)
	if name == "" {
		return nil
	}
	full, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	c.env.printf("Reading payloads from: %s\n", full)
	text, err := os.ReadFile(full)
	if err != nil || len(text) == 0 {
		return exception{illegalArgument, "File does not exist or empty file provided."}
	}
	delimiter := c.ns.Value(c.delimiter)
	if delimiter == "" || delimiter == `\n` {
		delimiter = "\n"
	}
	parts := strings.Split(string(text), delimiter)
	for len(parts) > 1 && parts[len(parts)-1] == "" { // Java's split drops empty ends
		parts = parts[:len(parts)-1]
	}
	c.env.printf("Number of records read: %d\n", len(parts))
	for _, part := range parts {
		c.payloads = append(c.payloads, []byte(part))
	}
	return nil
}

// payload is the value of the n-th record.
func (c *producerPerf) payload(n int64) []byte {
	switch {
	case c.payloads != nil:
		return c.payloads[c.random.IntN(len(c.payloads))]
	case c.ns.Has(c.recordSize):
		return randomLetters(c.random, int(c.ns.Int(c.recordSize, 0)))
	}
	return strconv.AppendInt(nil, n, 10)
}

// randomLetters makes n letters of A to Z; a random number is good for 13 of them.
func randomLetters(random *rand.Rand, n int) []byte {
	text := make([]byte, n)
	var v uint64
	for i := range text {
		if i%13 == 0 {
			v = random.Uint64()
		}
		text[i] = byte('A' + v%26)
		v /= 26
	}
	return text
}

func (c *producerPerf) run(ctx context.Context) error {
	opts, err := producerOptions(c.properties)
	if err != nil {
		return err
	}
	metrics := &perfMetrics{kind: "producer", id: c.properties["client.id"], start: c.env.Now()}
	cl, err := client.Connect(ctx, client.Config{Bootstrap: c.ns.Value(c.bootstrap), Properties: c.properties}, append(opts, kgo.WithHooks(metrics))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	c.random = rand.New(rand.NewPCG(0, 0)) // Java's payloads are the same in every run, too
	records, warmup := c.ns.Int64(c.numRecords, 0), c.ns.Int64(c.warmup, 0)
	interval := time.Duration(c.ns.Int64(c.interval, 5000)) * time.Millisecond
	if warmup > 0 {
		c.env.printf("Warmup first %d records. Steady state results will print after the complete test summary.\n", warmup)
	}
	all := newPerfStats(c.env, records, interval, false)
	steady, err := c.produce(ctx, cl, records, warmup, all)
	if err != nil {
		return err
	}
	all.printTotal()
	if steady != nil {
		steady.printTotal()
	}
	if c.ns.Has(c.printMetrics) {
		metrics.print(c.env)
	}
	return nil
}

// produce writes the records. What comes behind the warm-up is counted in stats of its own as well.
func (c *producerPerf) produce(ctx context.Context, cl *kgo.Client, records, warmup int64, all *perfStats) (steady *perfStats, err error) {
	throttle := throttle{perSecond: c.ns.Float(c.throughput, -1), start: c.env.Now()}
	topic := c.ns.Value(c.topic)
	var began time.Time // the transaction; zero between two
	for i := range records {
		if c.transactional && began.IsZero() {
			if err := cl.BeginTransaction(); err != nil {
				return nil, err
			}
			began = c.env.Now()
		}
		if warmup > 0 && i == warmup {
			steady = newPerfStats(c.env, records-warmup, all.interval, true)
			all.silence()
			c.env.println("In steady state.")
		}
		sent, counted := c.env.Now(), steady
		r := &kgo.Record{Topic: topic, Value: c.payload(i)}
		cl.Produce(ctx, r, func(r *kgo.Record, err error) {
			if err != nil {
				if ctx.Err() == nil {
					c.env.errorf("%s\n", exceptionOf(err).String())
				}
				return
			}
			now := c.env.Now()
			all.record(sent, now, len(r.Value))
			if counted != nil {
				counted.record(sent, now, len(r.Value))
			}
		})
		if c.transactional && sent.Sub(began) >= c.duration {
			if err := commit(ctx, cl); err != nil {
				return nil, err
			}
			began = time.Time{}
		}
		if err := throttle.wait(ctx, i+1, c.env.Now()); err != nil {
			return nil, err
		}
	}
	if !began.IsZero() {
		return steady, commit(ctx, cl)
	}
	return steady, cl.Flush(ctx)
}

// commit ends a transaction.
func commit(ctx context.Context, cl *kgo.Client) error {
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("committing a transaction: %w", err)
	}
	return nil
}

// throttle keeps a loop to a rate.
type throttle struct {
	perSecond float64 // negative: as fast as can be; 0: not at all
	start     time.Time
}

// wait sleeps while more was done than the rate allows until now.
func (t throttle) wait(ctx context.Context, done int64, now time.Time) error {
	if t.perSecond < 0 {
		return ctx.Err()
	}
	var timer <-chan time.Time // of a rate of 0: for ever
	if t.perSecond > 0 {
		ahead := time.Duration(float64(done)/t.perSecond*float64(time.Second)) - now.Sub(t.start)
		if ahead < time.Millisecond {
			return ctx.Err()
		}
		timer = time.After(ahead)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer:
		return nil
	}
}
