package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/gokafka/gokafka/internal/tools"
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
	if status, ok := calledAsServer(version, os.Args, os.Stdin, os.Stdout, os.Stderr, os.Environ()); ok {
		return status
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
	cmd, err := root.ExecuteC()
	var status exitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	}
	fmt.Fprintln(stderr, "gokafka:", err)
	if _, usage := errors.AsType[usageError](err); usage || isCobraUsage(root, cmd, args, err) {
		if cmd.HasParent() {
			fmt.Fprintf(stderr, "usage: %s\n", cmd.UseLine())
		}
		fmt.Fprintf(stderr, "see: %s --help\n", cmd.CommandPath())
		return 2
	}
	return 1
}

// isCobraUsage reports whether cobra has found the mistake, in the names of commands or in the flags: it has no error type for that.
func isCobraUsage(root, cmd *cobra.Command, args []string, err error) bool {
	if _, _, unknown := root.Find(args); unknown != nil {
		return true
	}
	for _, wrong := range []error{cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups()} {
		if wrong != nil && wrong.Error() == err.Error() {
			return true
		}
	}
	return false
}

const welcome = `gokafka %s: a Kafka broker. Kafka's clients, tools and configuration files work with it as they are.

  gokafka dev --topics orders      # a broker on localhost:9092 for this afternoon; gokafka server is one to keep
  gokafka produce orders hello     # write to it
  gokafka consume orders           # and read that back

Kafka's own tools are in here, too: gokafka kafka-topics --bootstrap-server localhost:9092 --list
gokafka help lists all commands.
`

// The groups of commands in the help.
const (
	groupBroker = "broker"
	groupData   = "data"
	groupCheck  = "check"
	groupSelf   = "self"
)

func newRoot(version string, environ []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "gokafka",
		Short:         "A Kafka broker, and what one does with it",
		Long:          "A Kafka broker, and what one does with it. The commands about topics, records and groups work with any Kafka: -b says where it is.",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			fmt.Fprintf(cmd.OutOrStdout(), welcome, version)
			return nil
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetVersionTemplate("gokafka {{.Version}}\n")
	root.AddGroup(&cobra.Group{ID: groupBroker, Title: "A broker:"}, &cobra.Group{ID: groupData, Title: "Topics, records, groups:"},
		&cobra.Group{ID: groupCheck, Title: "Is it well?"}, &cobra.Group{ID: groupSelf, Title: "gokafka itself:"})
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
		}
		root.AddCommand(cmds...)
	}
	add(groupBroker, newServer(version, environ), newDev(version, environ), newContainer(version, environ))
	add(groupData, newTopic(environ), newProduce(environ), newConsume(environ), newTail(environ), newGroup(environ), newConfig(environ), newACL(environ))
	add(groupCheck, newWait(environ), newHealth(environ), newDoctor(environ))
	add(groupSelf, newVersion(version), newMan(version))
	root.SetHelpCommandGroupID(groupSelf)
	root.SetCompletionCommandGroupID(groupSelf)
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		help(cmd, args)
		if cmd == root {
			listTools(cmd.OutOrStdout())
		}
	})
	return root
}

// listTools writes what there is of Kafka's own tools.
func listTools(w io.Writer) {
	fmt.Fprintln(w, "\nKafka's tools, by their own names or as gokafka NAME (with their own --help):")
	for _, t := range tools.All() {
		fmt.Fprintf(w, "  %-30s %s\n", t.Name, t.Summary)
	}
	for _, s := range stockServers() {
		fmt.Fprintf(w, "  %-30s %s\n", s.name, s.summary)
	}
}
