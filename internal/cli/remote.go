package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/client"
)

// remote is how a command reaches a cluster, from the flags that all such commands have.
type remote struct {
	bootstrap     string
	commandConfig string
	properties    []string
	format        string
	environ       []string
}

const defaultBootstrap = "localhost:9092"

// bootstrapVariables name the cluster when no flag does; the first that is set counts.
var bootstrapVariables = []string{"GOKAFKA_BOOTSTRAP", "KAFKA_BOOTSTRAP_SERVERS"}

// newRemote gives cmd and all below it the flags of a client.
func newRemote(cmd *cobra.Command, environ []string) *remote {
	r := &remote{environ: environ, format: formatText}
	f := cmd.PersistentFlags()
	f.StringVarP(&r.bootstrap, "bootstrap-server", "b", "", "`address` of a broker, host:port; several with commas (default $GOKAFKA_BOOTSTRAP, or "+defaultBootstrap+")")
	f.StringVar(&r.commandConfig, "command-config", "", "`file` with properties of a Kafka client: security.protocol, sasl.jaas.config, …")
	f.StringArrayVarP(&r.properties, "property", "X", nil, "set the client's property `key=value` over the file; may be repeated")
	return r
}

const formatYAML = "yaml"

// formatFlag gives a command the choice between a table and data.
func (r *remote) formatFlag(cmds ...*cobra.Command) {
	for _, cmd := range cmds {
		cmd.Flags().StringVar(&r.format, "format", formatText, "`format` of the output: text, json or yaml")
		_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{formatText, formatJSON, formatYAML}, cobra.ShellCompDirectiveNoFileComp))
	}
}

// config puts together flags, file and environment.
func (r *remote) config() (client.Config, error) {
	properties, err := client.ReadProperties(r.commandConfig)
	if err != nil {
		return client.Config{}, fmt.Errorf("--command-config: %w", err)
	}
	over, err := client.ParsePairs(r.properties)
	if err != nil {
		return client.Config{}, usageError{fmt.Errorf("--property: %w", err)}
	}
	c := client.Config{Bootstrap: r.bootstrap, Properties: properties.With(over)}
	if c.Bootstrap == "" && c.Properties["bootstrap.servers"] == "" {
		c.Bootstrap = r.fromEnvironment()
	}
	if c.Properties["client.id"] == "" {
		c.Properties["client.id"] = "gokafka-cli"
	}
	return c, nil
}

func (r *remote) fromEnvironment() string {
	for _, name := range bootstrapVariables {
		for _, v := range slices.Backward(r.environ) {
			if value, ok := strings.CutPrefix(v, name+"="); ok && value != "" {
				return value
			}
		}
	}
	return defaultBootstrap
}

// servers are the addresses that the command was given, for messages.
func (r *remote) servers() string {
	c, err := r.config()
	if err != nil {
		return r.bootstrap
	}
	return cmp.Or(c.Bootstrap, c.Properties["bootstrap.servers"])
}

// connect returns a client that has reached a broker.
func (r *remote) connect(ctx context.Context, opts ...kgo.Opt) (*kgo.Client, error) {
	c, err := r.config()
	if err != nil {
		return nil, err
	}
	// A command asks once and ends: metadata that is a moment old is too old, and metrics about it interest nobody.
	opts = append([]kgo.Opt{kgo.MetadataMinAge(100 * time.Millisecond), kgo.DisableClientMetrics()}, opts...)
	return client.Connect(ctx, c, opts...)
}

// cluster is a connection for commands that ask and order.
type cluster struct {
	*kadm.Client
	kgo *kgo.Client
}

// admin is connect for commands that only ask and order. The caller closes the cluster, which closes its connections.
func (r *remote) admin(ctx context.Context) (*cluster, error) {
	cl, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	c := &cluster{Client: kadm.NewClient(cl), kgo: cl}
	c.SetTimeoutMillis(30_000)
	return c, nil
}

// action is what a command does; its context ends with Ctrl-C or SIGTERM.
type action func(ctx context.Context, cmd *cobra.Command, args []string) error

// run makes an action a command's: it checks the common flags and ends quietly when interrupted.
func (r *remote) run(do action) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if !slices.Contains([]string{formatText, formatJSON, formatYAML}, r.format) {
			return usageError{fmt.Errorf("--format %s: one of text, json, yaml", r.format)}
		}
		parent := cmd.Context()
		if parent == nil {
			parent = context.Background()
		}
		ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
		defer stop()
		defer context.AfterFunc(ctx, stop)() // a second signal ends the process at once
		err := do(ctx, cmd, args)
		if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
			return exitStatus(128 + int(syscall.SIGINT))
		}
		return err
	}
}

// endless is run for a command that goes on until it is interrupted: that is how it ends well.
func (r *remote) endless(do action) func(*cobra.Command, []string) error {
	inner := r.run(do)
	return func(cmd *cobra.Command, args []string) error {
		err := inner(cmd, args)
		if errors.Is(err, exitStatus(128+int(syscall.SIGINT))) {
			return nil
		}
		return err
	}
}

// atLeast and atMost check the number of arguments; what names the one that is missing.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < n {
			return usageError{fmt.Errorf("%s: %s is missing", cmd.CommandPath(), what)}
		}
		return nil
	}
}

func atMost(n int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > n {
			return usageError{fmt.Errorf("unexpected argument %q", args[n])}
		}
		return nil
	}
}

// hideDefaults leaves the defaults of flags out of the help: numbers that stand for something else.
func hideDefaults(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		cmd.Flags().Lookup(name).DefValue = ""
	}
}

// groupCommand makes a command that only has others below it.
func groupCommand(use, short, long string) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Long: long, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return cmd.Help()
	}}
}

// unknownCommand says that there is no such command, and which one may have been meant.
func unknownCommand(cmd *cobra.Command, name string) error {
	text := fmt.Sprintf("unknown command %q", name)
	if parent := strings.TrimPrefix(cmd.CommandPath(), "gokafka"); parent != "" {
		text += " of gokafka" + parent
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		text += " (did you mean " + strings.Join(near, " or ") + "?)"
	}
	return usageError{errors.New(text)}
}

// confirm asks on the terminal. Without one there is nobody to ask, so that the answer must be in the command line.
func confirm(cmd *cobra.Command, question string) error {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !isTerminal(in) || !isTerminal(cmd.ErrOrStderr()) {
		return usageError{errors.New(question + " There is no terminal to answer on: add --yes")}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	var answer string
	_, _ = fmt.Fscanln(in, &answer)
	if a := strings.ToLower(answer); a != "y" && a != "yes" {
		return errors.New("nothing done")
	}
	return nil
}
