package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gokafka/gokafka/internal/config"
)

func newConfig(environ []string) *cobra.Command {
	cmd := groupCommand("config", "Show and change what topics, brokers and groups are configured with; check a configuration file",
		"get, set and unset ask a running cluster; check looks at a file.")
	r := newRemote(cmd, environ)
	cmd.AddCommand(newConfigGet(r), newConfigSet(r), newConfigUnset(r), newConfigCheck(environ))
	return cmd
}

func newConfigCheck(environ []string) *cobra.Command {
	var source configSource
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Say what a server would make of a configuration file, without starting it",
		Long: "Checks FILE together with the KAFKA_… variables of the environment and the overrides, as `gokafka server` does: all mistakes with their " +
			"lines, then the keys that are not known or not honoured yet. Exit status 1 when a server would not start.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("config check takes one file")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			source.file = args[0]
			_, notices, err := source.load(environ)
			if err != nil {
				return reportConfig(cmd.ErrOrStderr(), err)
			}
			for _, line := range noticeLines(notices) {
				fmt.Fprintln(cmd.OutOrStdout(), line)
			}
			fmt.Fprintln(cmd.OutOrStdout(), source.file+": ok")
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&source.overrides, "override", nil, "set `key=value` over the file; may be repeated")
	return cmd
}

// configSource is where the configuration of a server comes from: later ones lie over earlier ones.
type configSource struct {
	file      string
	overrides []string
	container *container // instead of the file and the environment
}

// load reads and checks the configuration. Mistakes in it are a *configError.
func (s configSource) load(environ []string) (*config.Config, config.Notices, error) {
	var entries []config.Entry
	var mistakes []error
	if s.container != nil {
		entries, mistakes = s.container.entries()
		c, notices, err := checked(entries, config.Defaults{Hostname: hostname()}, mistakes)
		notices.Hints = append(notices.Hints, s.container.hints...)
		return c, notices, err
	}
	if s.file != "" {
		text, err := os.ReadFile(s.file)
		if err != nil {
			return nil, config.Notices{}, fmt.Errorf("cannot read the configuration: %w", err)
		}
		if entries, err = config.Parse(s.file, text); err != nil {
			mistakes = append(mistakes, err)
		}
	}
	variables := config.FromEnviron(environ)
	entries = append(entries, variables...)
	for _, o := range s.overrides {
		key, value, ok := strings.Cut(o, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return nil, config.Notices{}, usageError{fmt.Errorf("--override %s: write key=value", o)}
		}
		entries = append(entries, config.Entry{Key: key, Value: value, Source: "--override"})
	}
	d := config.Defaults{NoFile: s.file == ""}
	if s.file != "" || len(variables) > 0 {
		d.Hostname = hostname()
	}
	return checked(entries, d, mistakes)
}

// checked makes the configuration, unless there are mistakes in it besides those already found.
func checked(entries []config.Entry, d config.Defaults, mistakes []error) (*config.Config, config.Notices, error) {
	c, notices, err := config.New(entries, d)
	if err != nil {
		mistakes = append(mistakes, err)
	}
	if len(mistakes) > 0 {
		return nil, notices, &configError{errors.Join(mistakes...)}
	}
	return c, notices, nil
}

// configError holds the mistakes in a configuration, one per line.
type configError struct{ error }

// reportConfig prints the mistakes in a configuration and returns the exit status for them. Other errors it returns as they are.
func reportConfig(w io.Writer, err error) error {
	bad, ok := errors.AsType[*configError](err)
	if !ok {
		return err
	}
	fmt.Fprintln(w, bad)
	if n := strings.Count(bad.Error(), "\n") + 1; n > 1 {
		fmt.Fprintf(w, "gokafka: %d mistakes in the configuration\n", n)
	}
	return exitStatus(1)
}

// noticeLines say what became of the parts of a configuration that do not take effect as written, one line each.
func noticeLines(n config.Notices) []string {
	var lines []string
	if len(n.NotHonoured) > 0 {
		lines = append(lines, "not honoured by this release: "+strings.Join(n.NotHonoured, ", "))
	}
	if len(n.Unknown) > 0 {
		unknown := make([]string, len(n.Unknown))
		for i, s := range n.Unknown {
			unknown[i] = s.Key + " (" + s.Source + ")"
			if s.DidYouMean != "" {
				unknown[i] = s.Key + " (" + s.Source + "; did you mean " + s.DidYouMean + "?)"
			}
		}
		lines = append(lines, "unknown: "+strings.Join(unknown, ", "))
	}
	lines = append(lines, n.Legacy...)
	return append(lines, n.Hints...)
}

// hostname is the name of this machine that Kafka would advertise for a listener on all interfaces. It must resolve: a name that not even this
// machine knows is of no use to clients, and localhost at least works here.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := net.DefaultResolver.LookupHost(ctx, name); err != nil {
		return "localhost"
	}
	return name
}
