package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/client"
	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var consoleProducerTool = Tool{Name: "kafka-console-producer", Summary: "write lines of standard input to a topic", Run: runConsoleProducer}

// consoleProducer is one run of kafka-console-producer.
type consoleProducer struct {
	*command

	topic, bootstrap, brokerList, sync, codec, lineReader *jopt.Option
	readerConfig, maxPartitionMemory                      *jopt.Option
	readerProperty, producerProperty, producerConfig      renamed
	merged                                                []mergedOption
}

// mergedOption is one that stands for a property of the producer.
type mergedOption struct {
	property string
	option   *jopt.Option
}

func runConsoleProducer(ctx context.Context, env *Env, args []string) int {
	c := newConsoleProducer(env)
	err := c.start(args)
	if err == nil {
		err = c.check()
	}
	if err == nil {
		err = c.run(ctx)
	}
	var wrong usageError
	if err == nil || errors.Is(err, errDone) || errors.Is(err, errFailed) || errors.As(err, &wrong) || ended(ctx, err) {
		return c.end(ctx, err)
	}
	env.errorf("%s\n", exceptionOf(err).String()) // Java prints the stack, which begins with the class
	return 1
}

func newConsoleProducer(env *Env) *consoleProducer {
	c := &consoleProducer{command: newCommand(env, "This tool helps to read data from standard input and publish it to Kafka.")}
	c.topic = c.Accepts("topic", "REQUIRED: The topic to write to.").WithRequiredArg("topic")
	c.bootstrap = c.Accepts("bootstrap-server", "REQUIRED: Addresses of brokers, HOST1:PORT1,HOST2:PORT2.").WithRequiredArg("server to connect to")
	c.brokerList = c.Accepts("broker-list", "The name of --bootstrap-server in Kafka 2.").WithRequiredArg("broker-list").Hidden()
	c.sync = c.Accepts("sync", "Wait for each record to be acknowledged before the next is read.")
	c.codec = c.Accepts("compression-codec", "none, gzip, snappy, lz4 or zstd; gzip when no codec follows.").WithOptionalArg("compression-codec")
	c.lineReader = c.Accepts("line-reader", "What makes records of lines; there is only the one.").WithRequiredArg("reader_class").
		DefaultsTo("org.apache.kafka.tools.LineMessageReader")

	c.merge("batch.size", "batch-size", "Size of batches (batch.size). Batches of this tool grow to 1 MB when there is much to send; a larger value raises that.",
		"size", jopt.Integer, "16384")
	c.merge("retries", "message-send-max-retries", "How often a record is sent again (retries).", "", jopt.Integer, "3")
	c.merge("retry.backoff.ms", "retry-backoff-ms", "Time to wait before trying again (retry.backoff.ms).", "", jopt.Long, "100")
	c.merge("linger.ms", "timeout", "How long a record may wait for others to share a batch (linger.ms). When it is not given, none waits.", "timeout_ms", jopt.Long, "1000")
	c.merge("acks", "request-required-acks", "Whose acknowledgement to wait for (acks): 0, 1, -1 or all.", "request required acks", jopt.String, "-1")
	c.merge("request.timeout.ms", "request-timeout-ms", "How long the broker may wait for its followers (request.timeout.ms).", "request timeout ms", jopt.Integer, "1500")
	c.merge("metadata.max.age.ms", "metadata-expiry-ms", "When to ask anew where partitions are (metadata.max.age.ms).", "metadata expiration interval", jopt.Long, "300000")
	c.merge("max.block.ms", "max-block-ms", "How much longer than delivery.timeout.ms a record may take (max.block.ms).", "max block on send", jopt.Long, "60000")
	c.merge("buffer.memory", "max-memory-bytes", "Most bytes to have under way (buffer.memory).", "total memory in bytes", jopt.Long, "33554432")
	c.merge("send.buffer.bytes", "socket-buffer-size", "Accepted; the system sizes the socket's buffer.", "size", jopt.Integer, "102400")
	c.maxPartitionMemory = c.merge("batch.size", "max-partition-memory-bytes", "(Deprecated) Use --batch-size instead.", "memory in bytes per partition", jopt.Integer, "16384")

	const reading = " How lines are read:\n parse.key=false\n parse.headers=false\n ignore.error=false\n key.separator=\\t\n headers.delimiter=\\t\n" +
		" headers.separator=,\n headers.key.separator=:\n null.marker=   what stands for null in keys, values and headers\nA line is then:\n" +
		" parse.headers=true and parse.key=true:\n  \"h1:v1,h2:v2...\\tkey\\tvalue\"\n parse.key=true:\n  \"key\\tvalue\"\n parse.headers=true:\n  \"h1:v1,h2:v2...\\tvalue\""
	c.readerProperty = renamed{
		c.Accepts("property", "(DEPRECATED)"+reading).WithRequiredArg("prop"),
		c.Accepts("reader-property", strings.TrimSpace(reading)).WithRequiredArg("prop"),
	}
	c.readerConfig = c.Accepts("reader-config", "File with such properties; [reader-property] counts for more.").WithRequiredArg("config file")
	c.producerProperty = renamed{
		c.Accepts("producer-property", "(DEPRECATED) Use --command-property instead.").WithRequiredArg("producer_prop"),
		c.Accepts("command-property", "A property of the producer, key=value.").WithRequiredArg("producer_prop"),
	}
	c.producerConfig = renamed{
		c.Accepts("producer.config", "(DEPRECATED) Use --command-config instead.").WithRequiredArg("config file"),
		c.Accepts("command-config", "File with properties of the producer; [command-property] counts for more.").WithRequiredArg("config file"),
	}
	return c
}

// merge accepts an option that stands for a property.
func (c *consoleProducer) merge(property, name, description, describedAs string, t jopt.Type, otherwise string) *jopt.Option {
	o := c.Accepts(name, description).WithRequiredArg(describedAs).OfType(t).DefaultsTo(otherwise)
	c.merged = append(c.merged, mergedOption{property, o})
	return o
}

func (c *consoleProducer) check() error {
	if err := c.requires(c.topic); err != nil {
		return err
	}
	if err := checkBootstrap(c.address()); err != nil {
		return err
	}
	if err := c.checkRenamed(c.producerConfig, c.producerProperty, c.readerProperty); err != nil {
		return err
	}
	if c.Has(c.maxPartitionMemory) {
		c.env.println("Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache Kafka 5.0. Use --batch-size instead.")
	}
	if err := c.Single(c.topic, c.bootstrap, c.codec, c.producerConfig.old, c.producerConfig.new); err != nil {
		c.env.errorf("%s\n", err)
		return errFailed
	}
	if class := c.Value(c.lineReader); class != "org.apache.kafka.tools.LineMessageReader" && class != "kafka.tools.ConsoleProducer$LineMessageReader" {
		return exception{"java.lang.ClassNotFoundException", class}
	}
	return nil
}

func (c *consoleProducer) address() string {
	if c.Has(c.brokerList) {
		return c.Value(c.brokerList)
	}
	return c.Value(c.bootstrap)
}

// properties are the producer's: those of the file, over them those of the command line.
func (c *consoleProducer) properties() (client.Properties, error) {
	var file string
	if files := c.either(c.producerConfig); len(files) > 0 {
		file = files[0]
	}
	p, err := client.ReadProperties(file)
	if err != nil {
		return nil, err
	}
	maps.Copy(p, keyValues(c.either(c.producerProperty)))
	if c.Has(c.codec) {
		if p["compression.type"] = c.Value(c.codec); p["compression.type"] == "" {
			p["compression.type"] = "gzip"
		}
	}
	if p["client.id"] == "" {
		p["client.id"] = "console-producer"
	}
	for _, m := range c.merged {
		if c.Has(m.option) {
			p[m.property] = c.Value(m.option)
		}
	}
	return p, nil
}

// keyValues reads "key=value" arguments as Kafka's tools do: without "=" the value is empty.
func keyValues(pairs []string) client.Properties {
	p := client.Properties{}
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		p[key] = value
	}
	return p
}

func (c *consoleProducer) run(ctx context.Context) error {
	reading, err := client.ReadProperties(c.Value(c.readerConfig))
	if err != nil {
		return err
	}
	prompt := func() {}
	if isTerminal(c.env.Stdin) && isTerminal(c.env.Stdout) {
		prompt = func() { c.env.printf(">") }
	}
	lines, err := newLineReader(c.env.Stdin, c.Value(c.topic), reading.With(keyValues(c.either(c.readerProperty))), prompt)
	if err != nil {
		return err
	}
	p, err := c.properties()
	if err != nil {
		return err
	}
	opts, err := producerOptions(p)
	if err != nil {
		return err
	}
	cl, err := client.Connect(ctx, client.Config{Bootstrap: c.address(), Properties: p}, opts...)
	if err != nil {
		return err
	}
	defer cl.Close()

	// Reading a terminal or a pipe cannot be interrupted, so a goroutine does it; it ends with the process if not before.
	read := make(chan error, 1)
	go func() { read <- c.produce(ctx, cl, lines) }()
	select {
	case err = <-read:
	case <-ctx.Done():
		err = ctx.Err()
	}
	// What was read is written, also when a later line was wrong or the tool was interrupted.
	flushing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if flushErr := cl.Flush(flushing); err == nil {
		err = flushErr
	}
	return err
}

// produce sends a record for each line.
func (c *consoleProducer) produce(ctx context.Context, cl *kgo.Client, lines *lineReader) error {
	sync := c.Has(c.sync)
	background := context.WithoutCancel(ctx) // a signal ends the reading, not what is under way
	for ctx.Err() == nil {
		rec, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !sync {
			cl.Produce(background, rec, c.logFailure)
			continue
		}
		if err := cl.ProduceSync(background, rec).FirstErr(); err != nil {
			e := exceptionOf(err)
			return exception{"java.util.concurrent.ExecutionException", e.String()}
		}
	}
	return ctx.Err()
}

// logFailure tells of a record that was not written. The tool goes on, and its status is still 0, as Java's.
func (c *consoleProducer) logFailure(rec *kgo.Record, err error) {
	if err == nil {
		return
	}
	c.env.errorf("%s ERROR Error when sending message to topic %s with key: %s, value: %s with error: (org.apache.kafka.clients.producer.internals.ErrorLoggingCallback)\n%s\n",
		c.env.stamp(), rec.Topic, size(rec.Key), size(rec.Value), exceptionOf(err).String())
}

func size(b []byte) string {
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%d bytes", len(b))
}

// isTerminal reports whether a person is at the other end.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
