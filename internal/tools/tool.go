package tools

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
)

// Tool is one of Kafka's command-line tools.
type Tool struct {
	Name    string // "kafka-topics"
	Summary string // a line for lists of tools
	// Run executes the tool and returns its exit status. The context ends at the first SIGINT or SIGTERM: the tool then says what Kafka's says and returns.
	Run func(ctx context.Context, env *Env, args []string) int
}

// Env is what a tool may touch of its process.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string // KEY=value
	Version        string   // of gokafka
	// Now is the clock of the tool.
	Now func() time.Time
}

// Lookup finds a tool by the name or path of a command: "kafka-topics", "/opt/kafka/bin/kafka-topics.sh", "kafka-topics.exe".
func Lookup(command string) (Tool, bool) {
	name := filepath.Base(strings.ReplaceAll(command, `\`, "/"))
	for _, suffix := range []string{".exe", ".sh", ".bat"} {
		name = strings.TrimSuffix(name, suffix)
	}
	for _, t := range All() {
		if t.Name == name {
			return t, true
		}
	}
	return Tool{}, false
}

// printf writes to standard output. A broken pipe ends the process by signal; other errors show when the tool ends.
func (e *Env) printf(format string, args ...any) { fmt.Fprintf(e.Stdout, format, args...) }

// println writes a line to standard output.
func (e *Env) println(args ...any) { fmt.Fprintln(e.Stdout, args...) }

// errorf writes to standard error.
func (e *Env) errorf(format string, args ...any) { fmt.Fprintf(e.Stderr, format, args...) }

// stamp is the time as Kafka's tools print it before a line of their log: "[2026-11-22 15:12:11,807]".
func (e *Env) stamp() string {
	return "[" + strings.Replace(e.Now().Format("2006-01-02 15:04:05.000"), ".", ",", 1) + "]"
}
