package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// usageError is a mistake in the command line itself: exit status 2.
type usageError struct{ error }

// exitStatus is returned by a command that has said everything there is to say.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// Main runs the command line of this process and returns its exit status. version is what `gokafka version` says.
func Main(version string) int {
	if t, args, ok := calledAsTool(os.Args); ok {
		return runTool(version, t, args, os.Stdin, os.Stdout, os.Stderr, os.Environ())
	}
	return run(version, os.Args[1:], os.Stdout, os.Stderr, os.Environ())
}

func run(version string, args []string, stdout, stderr io.Writer, environ []string) int {
	if hasDaemonFlag(args) {
		fmt.Fprintln(stderr, "gokafka:", noDaemon)
		return 2
	}
	root := newRoot(version, environ)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	}
	fmt.Fprintln(stderr, "gokafka:", err)
	if _, usage := errors.AsType[usageError](err); usage || isCobraUsage(root, args) {
		fmt.Fprintln(stderr, "see: gokafka help")
		return 2
	}
	return 1
}

// isCobraUsage reports whether the arguments name no command: cobra has no error type for that.
func isCobraUsage(root *cobra.Command, args []string) bool {
	_, _, err := root.Find(args)
	return err != nil
}

const welcome = `gokafka %s: a Kafka broker. Kafka's clients, tools and configuration files work with it as they are.

  gokafka server                                                                             # a broker on localhost:9092
  kafka-console-producer.sh --bootstrap-server localhost:9092 --topic test                   # write to it, line by line
  kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic test --from-beginning  # and read that back

gokafka help lists all commands.
`

func newRoot(version string, environ []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "gokafka",
		Short:         "A Kafka broker",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q", args[0])}
			}
			fmt.Fprintf(cmd.OutOrStdout(), welcome, version)
			return nil
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetVersionTemplate("gokafka {{.Version}}\n")
	root.AddCommand(newServer(version, environ), newVersion(version), newConfig(environ), newContainer(version, environ))
	return root
}
