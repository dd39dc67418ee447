package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gokafka/gokafka/internal/tools"
)

// calledAsTool finds the tool of Kafka's that a command line asks for: by the name that the binary was called with, or by its first argument.
func calledAsTool(argv []string) (tools.Tool, []string, bool) {
	if t, ok := tools.Lookup(argv[0]); ok {
		return t, argv[1:], true
	}
	if len(argv) > 1 {
		if t, ok := tools.Lookup(argv[1]); ok {
			return t, argv[2:], true
		}
	}
	return tools.Tool{}, nil, false
}

// runTool executes one of Kafka's tools. Its flags are Kafka's, so cobra does not see them.
func runTool(version string, t tools.Tool, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return t.Run(ctx, &tools.Env{Stdin: stdin, Stdout: stdout, Stderr: stderr, Environ: environ, Version: version, Now: time.Now}, args)
}
