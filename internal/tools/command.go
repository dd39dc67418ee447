package tools

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/client"
	"github.com/gokafka/gokafka/internal/tools/jopt"
)

// command is one run of a tool whose steps end it by returning an error; end turns that into words and a status.
type command struct {
	*commandLine
	*jopt.Options // those of the command line, after start
}

func newCommand(env *Env, about string) *command {
	return &command{commandLine: newCommandLine(env, about)}
}

// errDone ends a tool that has done what it was asked for.
var errDone = errors.New("done")

// errFailed ends a tool that has already said what failed.
var errFailed = errors.New("failed")

// usagef is an error that ends a tool with its help behind the message.
func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// start reads the command line.
func (c *command) start(args []string) error {
	options, status := c.parse(args)
	switch {
	case options != nil:
		c.Options = options
		return nil
	case status == 0:
		return errDone
	}
	return errFailed
}

// end says of an error what the tool has not said yet, and gives the exit status.
func (c *command) end(ctx context.Context, err error) int {
	var wrong usageError
	switch {
	case err == nil, errors.Is(err, errDone):
		return 0
	case errors.Is(err, errFailed):
		return 1
	case errors.As(err, &wrong):
		return c.usage(wrong.Error())
	case ended(ctx, err):
		return interrupted
	}
	c.env.errorf("%s\n", exceptionOf(err).message)
	return 1
}

// requires refuses command lines without one of the options.
func (c *command) requires(options ...*jopt.Option) error { return c.require(c.Options, options...) }

// excludes refuses command lines that have an option and one of the others.
func (c *command) excludes(o *jopt.Option, others ...*jopt.Option) error {
	return c.exclude(c.Options, o, others...)
}

// count is how many of the options are on the command line.
func (c *command) count(options ...*jopt.Option) int {
	n := 0
	for _, o := range options {
		if c.Has(o) {
			n++
		}
	}
	return n
}

// optionList is how Java shows several options in a message.
func optionList(options ...*jopt.Option) string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.String()
	}
	return strings.Join(names, ", ")
}

// without returns the options except some.
func without(options []*jopt.Option, except ...*jopt.Option) []*jopt.Option {
	return slices.DeleteFunc(slices.Clone(options), func(o *jopt.Option) bool { return slices.Contains(except, o) })
}

// connect reaches the cluster that the tool was told of, with the properties of the file behind --command-config.
func connect(ctx context.Context, bootstrap, commandConfig string, opts ...kgo.Opt) (*kgo.Client, error) {
	properties, err := client.ReadProperties(commandConfig)
	if err != nil {
		return nil, err
	}
	return client.Connect(ctx, client.Config{Bootstrap: bootstrap, Properties: properties}, opts...)
}
