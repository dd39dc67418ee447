// Command compat runs the stock clients of Kafka against a gokafka process: make compat.
//
// It installs pinned versions of foreign clients into .compat/ (kafka-python, aiokafka, confluent-kafka, kafkajs, the Java tools of two Kafka
// versions; kcat comes from the system), starts a broker on a free port of 127.0.0.1 with its data in a temporary folder, runs every
// client through its scenarios, restarts and kills brokers of its own, and feeds the command line bad input. It prints a table, client ×
// scenario, the reasons of what failed, and a last line "N passed, N failed, N skipped".
//
// The same scenarios run against Apache Kafka, which is how they are proved right: -peer 4 starts Kafka 4.3.1, -peer 28 starts 2.8.2,
// -broker takes one that runs already.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

type options struct {
	bin    string
	peer   string
	broker string
	work   string
	run    string
	jobs   int
	list   bool
	keep   bool
	// rewrite writes docs/compatibility.md instead of comparing it.
	rewrite bool
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin/gokafka", "the gokafka to test")
	flag.StringVar(&o.peer, "peer", "", "test Apache Kafka instead: 4 (4.3.1) or 28 (2.8.2)")
	flag.StringVar(&o.broker, "broker", os.Getenv("COMPAT_BROKER"), "test the broker at HOST:PORT instead (no restarts then)")
	flag.StringVar(&o.work, "work", ".compat", "where clients are installed")
	flag.StringVar(&o.run, "run", "", "regexp: only scenarios whose CLIENT/SCENARIO matches")
	flag.IntVar(&o.jobs, "jobs", 2, "clients at once")
	flag.BoolVar(&o.list, "list", false, "only list the scenarios")
	flag.BoolVar(&o.rewrite, "rewrite", false, "write what was seen into docs/compatibility.md instead of comparing")
	flag.BoolVar(&o.keep, "keep", false, "keep the brokers' folders")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	failed, err := compat(ctx, o)
	stop()
	killAll()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
	}
	if err != nil || failed > 0 {
		os.Exit(1)
	}
}

// compat runs what o selects and returns how many scenarios failed.
func compat(ctx context.Context, o options) (failed int, err error) {
	only, err := regexp.Compile(o.run)
	if err != nil {
		return 0, fmt.Errorf("-run: %w", err)
	}
	here, err := filepath.Abs("test/compat")
	if err != nil {
		return 0, err
	}
	if _, err := os.Stat(filepath.Join(here, "kafka", "cli.sh")); err != nil {
		return 0, fmt.Errorf("not in the root of the repository: %w", err)
	}
	if o.work, err = filepath.Abs(o.work); err != nil {
		return 0, err
	}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return 0, err
	}
	selected := selectRows(rows(), only, o)
	if o.list {
		for _, r := range selected {
			for _, s := range r.selected {
				fmt.Println(r.name + "/" + s)
			}
		}
		return 0, nil
	}
	if len(selected) == 0 {
		return 0, errors.New("-run selects nothing (-list prints what there is)")
	}
	tmp, err := os.MkdirTemp("", "compat-")
	if err != nil {
		return 0, err
	}
	e := &env{options: o, here: here, tmp: tmp, report: newReport()}
	start := time.Now()
	if err := e.install(ctx, selected); err != nil {
		return 0, err
	}
	fmt.Printf("installed (%.0f s)\n", time.Since(start).Seconds())
	if err := e.runAll(ctx, selected); err != nil {
		return 0, fmt.Errorf("%w (logs: %s)", err, tmp)
	}
	e.report.print(selected)
	failed = e.report.count()[failedVerdict]
	fmt.Printf("compat took %.0f s\n", time.Since(start).Seconds())
	if failed > 0 || o.keep {
		fmt.Println("logs:", tmp)
	} else if err := os.RemoveAll(tmp); err != nil {
		return failed, err
	}
	e.report.printTotals()
	return failed, errors.Join(ctx.Err(), e.checkPage(selected))
}
