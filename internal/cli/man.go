package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan(version string) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:     "man",
		Short:   "Write the manual pages",
		Long:    "Writes a manual page for each command into a directory, gokafka.1, gokafka-topic-create.1, …",
		Example: "  gokafka man --dir /usr/local/share/man/man1",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usageError{errors.New("man: --dir is missing")}
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			return eachCommand(cmd.Root(), func(c *cobra.Command) error {
				f, err := os.Create(filepath.Join(dir, pageName(c)+".1"))
				if err != nil {
					return err
				}
				writePage(f, c, version)
				return f.Close()
			})
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "the `directory` to write to")
	return cmd
}

// eachCommand visits a command and all below it that are documented.
func eachCommand(cmd *cobra.Command, visit func(*cobra.Command) error) error {
	if err := visit(cmd); err != nil {
		return err
	}
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.Name() == "help" {
			continue
		}
		if err := eachCommand(c, visit); err != nil {
			return err
		}
	}
	return nil
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// writePage writes the manual page of a command in troff's man macros. Errors of w show when the caller closes it.
func writePage(w io.Writer, cmd *cobra.Command, version string) {
	name := pageName(cmd)
	section := func(title string) { fmt.Fprintf(w, ".SH %s\n", title) }
	fmt.Fprintf(w, ".TH %s 1 \"\" \"gokafka %s\" \"gokafka\"\n", strings.ToUpper(troff(name)), troff(version))
	section("NAME")
	fmt.Fprintf(w, "%s \\- %s\n", troff(name), troff(cmd.Short))
	section("SYNOPSIS")
	fmt.Fprintf(w, ".B %s\n", troff(cmd.UseLine()))
	if cmd.Long != "" {
		section("DESCRIPTION")
		for paragraph := range strings.SplitSeq(cmd.Long, "\n\n") {
			fmt.Fprintf(w, ".PP\n%s\n", troff(paragraph))
		}
	}
	writeFlags(w, "OPTIONS", cmd.NonInheritedFlags())
	writeFlags(w, "OPTIONS OF ALL OF ITS KIND", cmd.InheritedFlags())
	if below := available(cmd); len(below) > 0 {
		section("COMMANDS")
		for _, c := range below {
			fmt.Fprintf(w, ".TP\n.B %s\n%s\n", troff(c.Name()), troff(c.Short))
		}
	}
	if cmd.Example != "" {
		section("EXAMPLES")
		fmt.Fprintf(w, ".nf\n%s\n.fi\n", troff(cmd.Example))
	}
	var also []string
	if cmd.HasParent() {
		also = append(also, pageName(cmd.Parent()))
	}
	for _, c := range available(cmd) {
		also = append(also, pageName(c))
	}
	section("SEE ALSO")
	for i, page := range also {
		comma := ","
		if i == len(also)-1 {
			comma = ""
		}
		fmt.Fprintf(w, ".BR %s (1)%s\n", troff(page), comma)
	}
}

func available(cmd *cobra.Command) []*cobra.Command {
	var list []*cobra.Command
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			list = append(list, c)
		}
	}
	return list
}

func writeFlags(w io.Writer, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(w, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		text := "--" + f.Name
		if f.Shorthand != "" {
			text = "-" + f.Shorthand + ", " + text
		}
		fmt.Fprintf(w, ".TP\n.B %s", troff(text))
		if value != "" {
			fmt.Fprintf(w, " %s", troff(value))
		}
		if d := f.DefValue; d != "" && d != "false" && d != "0" && d != "[]" && d != "-1" {
			usage += " (default " + d + ")"
		}
		fmt.Fprintf(w, "\n%s\n", troff(usage))
	})
}

// troff protects what troff would take for its own: backslashes, hyphens, and a dot or quote at the beginning of a line.
func troff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
