package tools

import (
	"context"
	"errors"
	"strings"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

// speaks is the version of Apache Kafka whose tools these are.
const speaks = "4.3.1"

// commandLine is the options of one run of a tool, --help and --version included.
type commandLine struct {
	jopt.Parser
	env           *Env
	about         string // first line of the help
	help, version *jopt.Option
}

func newCommandLine(env *Env, about string) *commandLine {
	c := &commandLine{env: env, about: about}
	c.help = c.Accepts("help", "Print this help.").ForHelp()
	c.version = c.Accepts("version", "Print the version.").ForHelp()
	return c
}

// parse reads the arguments. Nil options: the tool ends with the status.
func (c *commandLine) parse(args []string) (*jopt.Options, int) {
	opts, err := c.Parse(args)
	switch {
	case len(args) == 0:
		return nil, c.usage(c.about)
	case err != nil:
		return nil, c.usage(err.Error())
	case opts.Has(c.help):
		return nil, c.usage(c.about)
	case opts.Has(c.version):
		c.env.printVersion()
		return nil, 0
	}
	return opts, 0
}

// usage ends a tool with a line and the help on standard error, as Kafka's tools do for wrong command lines and for --help alike.
func (c *commandLine) usage(message string) int {
	c.env.errorf("%s\n", message)
	if err := c.PrintHelp(c.env.Stderr); err != nil {
		return 1
	}
	return 1
}

// require reports the first of the options that is missing, with Kafka's words.
func (c *commandLine) require(opts *jopt.Options, required ...*jopt.Option) error {
	for _, o := range required {
		if !opts.Has(o) {
			return usageError(`Missing required argument "` + o.String() + `"`)
		}
	}
	return nil
}

// exclude reports the first of the others that was given beside an option, with Kafka's words.
func (c *commandLine) exclude(opts *jopt.Options, o *jopt.Option, others ...*jopt.Option) error {
	if !opts.Has(o) {
		return nil
	}
	for _, other := range others {
		if opts.Has(other) {
			return usageError(`Option "` + o.String() + `" can't be used with option "` + other.String() + `"`)
		}
	}
	return nil
}

// usageError is a mistake in the command line, to be told with the help.
type usageError string

func (e usageError) Error() string { return string(e) }

// firstError returns the first that is not nil.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// printVersion prints the version of Kafka that the tools stand for, and their own.
func (e *Env) printVersion() { e.println(VersionText(e.Version)) }

// VersionText is what the tools of a version of gokafka say of it.
func VersionText(version string) string { return speaks + " (gokafka " + version + ")" }

// interrupted is the status of a process that a SIGINT ended.
const interrupted = 130

// ended reports whether an error is only that the tool was told to end.
func ended(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, ctx.Err()))
}

// acceptsZooKeeper adds the option by which tools before Kafka 3.0 found their cluster.
func (c *commandLine) acceptsZooKeeper() *jopt.Option {
	return c.Accepts("zookeeper", "Kafka 2 asked ZooKeeper; now its host is asked for a broker on port 9092.").WithRequiredArg("hosts").Hidden()
}

// brokersNextTo guesses, with a notice, that brokers listen on the hosts of a ZooKeeper connect string, and on Kafka's own port.
func (e *Env) brokersNextTo(zookeeper string) string {
	hosts, _, _ := strings.Cut(zookeeper, "/")
	var brokers []string
	for h := range strings.SplitSeq(hosts, ",") {
		if colon := strings.LastIndexByte(h, ':'); colon > strings.LastIndexByte(h, ']') {
			h = h[:colon]
		}
		brokers = append(brokers, h+":9092")
	}
	bootstrap := strings.Join(brokers, ",")
	e.errorf("There is no ZooKeeper any more: using --bootstrap-server %s in place of --zookeeper %s.\n", bootstrap, zookeeper)
	return bootstrap
}
