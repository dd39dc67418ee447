package tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gokafka/gokafka/internal/cli"
	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/node"
	"github.com/gokafka/gokafka/internal/tools"
	"github.com/gokafka/gokafka/test/hanging"
)

func TestMain(m *testing.M) {
	main := func() { os.Exit(cli.Main("v0.0.0-test")) }
	commands := map[string]func(){"gokafka": main}
	for _, t := range tools.All() {
		commands[t.Name] = main
	}
	testscript.Main(m, commands)
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(9 * time.Minute), // a tool that hangs is told where
		Setup: func(env *testscript.Env) error {
			addr, stop, err := serve(filepath.Join(env.WorkDir, ".broker"))
			if err != nil {
				return err
			}
			env.Defer(func() {
				if err := stop(); err != nil {
					t.Errorf("the broker ended with %v", err)
				}
			})
			env.Setenv("BROKER", addr)
			env.Setenv("NOWHERE", "127.0.0.1:1") // nobody listens there, and the system gives it to nobody
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"like": like, "until": until, "hang": hang},
	})
}

// serve runs a gokafka over dir until stop is called.
func serve(dir string) (addr string, stop func() error, err error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", nil, err
	}
	cfg, _, err := config.New([]config.Entry{
		{Key: "listeners", Value: "PLAINTEXT://127.0.0.1:0"},
		{Key: "log.dirs", Value: dir},
		{Key: "offsets.topic.num.partitions", Value: "2"},
		{Key: "group.initial.rebalance.delay.ms", Value: "0"},
	}, config.Defaults{NoFile: true})
	if err != nil {
		return "", nil, err
	}
	n, err := node.Open(context.Background(), cfg, node.Options{})
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	return n.Addrs()[0].Bound, func() error {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}, nil
}

// hang leaves transactions open that no coordinator knows of, and sets $PID0 and $PID1.
func hang(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hang TOPIC")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ids, err := hanging.Leave(ctx, ts.Getenv("BROKER"), args[0])
	ts.Check(err)
	for i, id := range ids {
		ts.Setenv(fmt.Sprint("PID", i), strconv.FormatInt(id, 10))
	}
}

// until waits for a regular expression in a file that something in the background writes.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until FILE regexp")
	}
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var text []byte
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, err = os.ReadFile(ts.MkAbs(args[0])) // it may not be there yet
		if err == nil && want.Match(text) {
			return
		}
	}
	ts.Fatalf("no %q in %s: %v\n%s", args[1], args[0], err, text)
}

// like compares a text with one that has wildcards.
func like(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: like stdout|stderr|FILE want")
	}
	got, want := ts.ReadFile(args[0]), ts.ReadFile(args[1])
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		switch {
		case i >= len(gotLines):
			ts.Fatalf("line %d is missing: %q\nin:\n%s", i+1, wantLines[i], got)
		case i >= len(wantLines):
			ts.Fatalf("line %d is one too many: %q", i+1, gotLines[i])
		case !matches(gotLines[i], strings.Split(wantLines[i], "<*>")):
			ts.Fatalf("line %d is %q, want %q\nin:\n%s", i+1, gotLines[i], wantLines[i], got)
		}
	}
}

// matches reports whether a line is the parts in their order with anything between them.
func matches(line string, parts []string) bool {
	last := len(parts) - 1
	rest, ok := strings.CutPrefix(line, parts[0])
	if last == 0 || !ok {
		return ok && rest == ""
	}
	for _, p := range parts[1:last] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, parts[last])
}
