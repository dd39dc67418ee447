package tools

import (
	"bufio"
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/client"
	"github.com/gokafka/gokafka/internal/tools/jopt"
)

// formatterOptions are those that say how a console consumer shows records.
type formatterOptions struct {
	class, config, keyDeserializer, valueDeserializer *jopt.Option
	property                                          renamed
}

func (o *formatterOptions) accept(c *command) {
	o.class = c.Accepts("formatter", "How records are shown: DefaultMessageFormatter, LoggingMessageFormatter, NoOpMessageFormatter, and for Kafka's own topics "+
		"OffsetsMessageFormatter, GroupMetadataMessageFormatter, ShareGroupMessageFormatter, TransactionLogMessageFormatter.").
		WithRequiredArg("class").DefaultsTo("org.apache.kafka.tools.consumer.DefaultMessageFormatter")
	o.config = c.Accepts("formatter-config", "File with such properties; [formatter-property] counts for more.").WithRequiredArg("config file")
	o.keyDeserializer = c.Accepts("key-deserializer", "The class of the deserializer for keys.").WithRequiredArg("deserializer for keys")
	o.valueDeserializer = c.Accepts("value-deserializer", "The class of the deserializer for values.").WithRequiredArg("deserializer for values")
	const showing = " What is shown:\n print.timestamp=true|false\n print.key=true|false\n print.offset=true|false\n print.delivery=true|false\n" +
		" print.epoch=true|false\n print.partition=true|false\n print.headers=true|false\n print.value=true|false\n key.separator=<key.separator>\n" +
		" line.separator=<line.separator>\n headers.separator=<headers.separator>\n null.literal=<null.literal>\n key.deserializer=<key.deserializer>\n" +
		" value.deserializer=<value.deserializer>\n headers.deserializer=<headers.deserializer>\nDeserializers are those of org.apache.kafka.common.serialization."
	o.property = renamed{
		c.Accepts("property", "(DEPRECATED)"+showing).WithRequiredArg("prop"),
		c.Accepts("formatter-property", strings.TrimSpace(showing)).WithRequiredArg("prop"),
	}
}

// find makes the formatter that was asked for.
func (o *formatterOptions) find(c *command) (messageFormatter, error) {
	if err := c.checkRenamedForConsumer(o.property); err != nil {
		return nil, err
	}
	p, err := client.ReadProperties(c.Value(o.config))
	if err != nil {
		return nil, err
	}
	if v := c.Value(o.keyDeserializer); v != "" {
		p["key.deserializer"] = v
	}
	if v := c.Value(o.valueDeserializer); v != "" {
		p["value.deserializer"] = v
	}
	maps.Copy(p, keyValues(c.either(o.property)))
	return findFormatter(c.env, c.Value(o.class), p)
}

// checkRenamedForConsumer is checkRenamed in the words of the console consumers.
func (c *command) checkRenamedForConsumer(p renamed) error {
	if c.Has(p.old) && c.Has(p.new) {
		return usagef("Options --%s and --%s cannot be specified together.", p.old.Name(), p.new.Name())
	}
	if c.Has(p.old) {
		c.env.printf("Option --%s is deprecated and will be removed in a future version. Use --%s instead.\n", p.old.Name(), p.new.Name())
	}
	return nil
}

// timeToWait is how long a consumer waits for a record; negative: for ever.
func timeToWait(c *command, timeout *jopt.Option) time.Duration {
	if !c.Has(timeout) {
		return -1
	}
	return time.Duration(c.Int64(timeout)) * time.Millisecond
}

// recordPrinter is the standard output of a console consumer, and what it says beside that.
type recordPrinter struct {
	env    *Env
	logger string // in the log's lines
	format messageFormatter
	to     *bufio.Writer
	text   []byte // memory for a record
	shown  int    // records
}

func newRecordPrinter(env *Env, logger string, format messageFormatter) *recordPrinter {
	return &recordPrinter{env: env, logger: logger, format: format, to: bufio.NewWriterSize(env.Stdout, 256<<10)}
}

// log writes a line to standard error as Kafka's tools do, and the error below it.
func (p *recordPrinter) log(what string, err error) {
	p.env.errorf("%s ERROR %s  (%s)\n%s\n", p.env.stamp(), what, p.logger, exceptionOf(err).String())
}

// errWriting is that nobody reads what is printed any more.
var errWriting = errors.New("standard output is closed")

// poll waits for records. errDone: there is no use in waiting on, and why has been said.
func (p *recordPrinter) poll(ctx context.Context, cl *kgo.Client, most int, patience time.Duration) (kgo.Fetches, error) {
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if patience >= 0 {
		waiting, cancel = context.WithTimeout(ctx, patience)
	}
	defer cancel()
	for {
		fetches := cl.PollRecords(waiting, most)
		if ctx.Err() != nil && fetches.NumRecords() == 0 {
			return nil, ctx.Err()
		}
		for _, e := range fetches.Errors() {
			if waiting.Err() == nil && !passing(e.Err) {
				p.log("Error processing message, terminating consumer process:", e.Err)
				return nil, errDone
			}
		}
		switch {
		case fetches.NumRecords() > 0:
			return fetches, nil
		case waiting.Err() != nil:
			p.env.errorf("%s ERROR Error processing message, terminating consumer process:  (%s)\n%sTimeoutException\n", p.env.stamp(), p.logger, kafkaErrors)
			return nil, errDone
		}
	}
}

// passing reports whether the client goes on by itself after an error of a poll.
func passing(err error) bool {
	_, lost := errors.AsType[*kgo.ErrDataLoss](err) // it begins anew where auto.offset.reset says
	return lost || kerr.IsRetriable(err) || errors.Is(err, context.DeadlineExceeded)
}

// show writes a record.
func (p *recordPrinter) show(r *kgo.Record) error {
	p.shown++
	var err error
	p.text, err = p.format(p.text[:0], r)
	if _, writeErr := p.to.Write(p.text); writeErr != nil { // the columns before one that failed, as Java
		return errWriting
	}
	return err
}

// flush makes everything seen that was shown, and says so when nobody sees it. It takes and returns the error of what came before.
func (p *recordPrinter) flush(err error) error {
	if flushErr := p.to.Flush(); err == nil && flushErr != nil {
		err = errWriting
	}
	if errors.Is(err, errWriting) {
		p.env.errorf("Unable to write to standard out, closing consumer.\n")
		return errDone
	}
	return err
}

// end says how many records there were and what ended the tool, and gives the exit status. What the broker refused ends it with 0, as in Java.
func (p *recordPrinter) end(ctx context.Context, err error, systestEvents bool) int {
	p.env.errorf("Processed a total of %d messages\n", p.shown)
	if systestEvents {
		p.env.println("shutdown_complete")
	}
	switch {
	case err == nil, errors.Is(err, errDone):
		return 0
	case errors.Is(err, errFailed):
		return 1
	case ended(ctx, err):
		return interrupted
	}
	p.log("Unknown error when running consumer:", err)
	return 1
}
