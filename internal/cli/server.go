package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/gokafka/gokafka/internal/api"
	"github.com/gokafka/gokafka/internal/node"
)

type serverOptions struct {
	source    configSource
	topics    []topicSpec // to create before the node says that it is ready
	logFormat string
	quiet     bool
	banner    func(started) // instead of the usual one
	readyFile string
	withStdin bool
	version   string
	environ   []string
}

func newServer(version string, environ []string) *cobra.Command {
	o := serverOptions{version: version, environ: environ}
	cmd := &cobra.Command{
		Use:   "server [FILE] [--override key=value]…",
		Short: "Run a broker",
		Long: "Runs a broker until SIGTERM or SIGINT, with the server.properties FILE of Kafka 2.8 to 4.x; without one, on localhost:9092 with its data in\n" +
			"/tmp/kafka-logs. Variables KAFKA_… lie over the file by the rules of Kafka's image, overrides over both. An empty data directory needs no\n" +
			"formatting. The first signal stops the broker cleanly, a second one at once.",
		Example: "  gokafka server\n  gokafka server config/server.properties --override log.dirs=/data --override listeners=PLAINTEXT://:9092",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("unexpected argument %q: server takes one file (write --override key=value for single keys)", args[1])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if o.source.file != "" {
					return usageError{fmt.Errorf("two configuration files: %s and --config %s", args[0], o.source.file)}
				}
				o.source.file = args[0]
			}
			return runServer(cmd.Context(), o, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.source.file, "config", "", "the same as FILE")
	f.StringArrayVar(&o.source.overrides, "override", nil, "set `key=value` over the file; may be repeated")
	f.StringVar(&o.logFormat, "log-format", "", "`format` of the log on standard output: text, json or kafka (default text on a terminal, else kafka)")
	f.BoolVar(&o.quiet, "quiet", false, "no banner, and only warnings and errors in the log")
	f.StringVar(&o.readyFile, "ready-file", "", "write the address to `file` as JSON once the broker serves, and remove it when it stops")
	f.BoolVar(&o.withStdin, "exit-with-stdin", false, "stop when standard input ends, as it does with the process at the other end of the pipe")
	return cmd
}

// noDaemon is the answer to the flag of kafka-server-start.sh. It has a single dash, which no flag package of Go can tell from -d -a -e ….
var noDaemon = usageError{errors.New("-daemon is not supported: gokafka stays in the foreground. Use systemd, a container, or: " +
	"nohup gokafka server … > gokafka.log 2>&1 &")}

func hasDaemonFlag(args []string) bool {
	return len(args) > 0 && args[0] == "server" && slices.Contains(args[1:], "-daemon")
}

// runServer opens the node, says that it is ready, and runs it until a signal.
func runServer(ctx context.Context, o serverOptions, stdin io.Reader, stdout, stderr io.Writer) error {
	began := time.Now()
	if ctx == nil {
		ctx = context.Background()
	}
	cfg, notices, err := o.source.load(o.environ)
	if err != nil {
		return reportConfig(stderr, err)
	}
	log, levels, err := o.logger(stdout)
	if err != nil {
		return err
	}
	ctx, stop := stopOnSignal(ctx, stderr)
	defer stop()
	if o.withStdin {
		var cancel context.CancelFunc
		ctx, cancel = stopWithInput(ctx, stdin, stderr)
		defer cancel()
	}
	if o.readyFile != "" {
		if err := removeReadyFile(o.readyFile); err != nil {
			return err
		}
	}

	n, err := node.Open(ctx, cfg, node.Options{Logger: log, LogLevels: levels, Version: o.version})
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped by a signal during a long recovery
		}
		return err
	}
	ended := make(chan error, 1)
	ctx, end := context.WithCancel(ctx)
	defer end()
	go func() { ended <- n.Run(ctx) }() // waited for below
	createTopics(ctx, n.Controller(), o.topics, log.Named("container"))

	s := started{
		version: o.version, nodeID: cfg.NodeID(), clusterID: n.ClusterID(), logDirs: n.LogDirs(), addrs: n.Addrs(), notices: notices, took: time.Since(began),
	}
	o.announce(s, log, stderr)
	release := newNotifier(o.environ, os.Getpid(), log.Named("node")).ready(ctx, "serving "+s.bootstrap())
	defer release()
	if o.readyFile != "" {
		if err := s.writeReadyFile(o.readyFile); err != nil {
			end()
			return errors.Join(err, waitForEnd(ctx, ended))
		}
		defer func() {
			if err := removeReadyFile(o.readyFile); err != nil {
				log.Named("node").Warn("it tells of a broker that is gone", zap.Error(err))
			}
		}()
	}
	return waitForEnd(ctx, ended)
}

// stopTimeout is what container runtimes grant between SIGTERM and SIGKILL.
const stopTimeout = 10 * time.Second

// waitForEnd waits for Run, but after ctx has ended no longer than stopTimeout: what is left then is recovered at the next start.
func waitForEnd(ctx context.Context, ended <-chan error) error {
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case err := <-ended:
		return err
	case <-timeout.C:
		return fmt.Errorf("not stopped after %s: ending all the same, the next start recovers", stopTimeout)
	}
}

func (o serverOptions) logger(stdout io.Writer) (*zap.Logger, *api.LogLevels, error) {
	format, level := o.logFormat, zapcore.InfoLevel
	if format == "" {
		format = formatKafka
		if isTerminal(stdout) {
			format = formatText
		}
	}
	if o.quiet {
		level = zapcore.WarnLevel
	}
	return newLogger(stdout, strings.ToLower(format), level)
}

// announce says that the node is ready: to the log in Kafka's words, and to standard error as a banner or a line.
func (o serverOptions) announce(s started, log *zap.Logger, stderr io.Writer) {
	s.logReady(log)
	switch {
	case o.banner != nil:
		s.logNotices(log)
		o.banner(s)
	case o.quiet:
		s.logNotices(log)
	case isTerminal(stderr):
		s.printBanner(stderr)
	default:
		s.logNotices(log)
		s.printLine(stderr)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}
