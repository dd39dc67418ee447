package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"
)

// part is a group of figures that are measured in one life of a broker.
type part struct {
	name, about string
	props       []string // lines added to server.properties
	run         func(ctx context.Context, b *running, f *figures) error
}

// parts are all there are, in the order in which they run.
var parts = []part{
	{"start", "start to the first answered Metadata in an empty directory; what an idle broker takes", nil, measureStart},
	{"topics", "1,000 topics with 10 partitions each: created, held, found again after a clean stop", nil, measureTopics},
	{"recovery", "1 GiB in 8 partitions, kill -9, start", nil, measureRecovery},
	{"compaction", "512 MiB of 1 KiB records with 50,000 keys, compacted", compactionProps, measureCompaction},
	{"tools", "kafka-topics --list with three topics, the tool of each with its own broker", nil, measureTools},
}

func main() {
	var (
		only   = flag.String("part", "", "regexp over the parts' names")
		who    = flag.String("broker", "", "regexp over kafka and gokafka")
		rounds = flag.Int("n", 3, "rounds; the table has their medians")
		list   = flag.Bool("list", false, "print the parts")
		out    = flag.String("o", "", "write the table to this file, too (bench/RESULTS.md is the one in the repo)")
		subj   = flag.String("bin", "bin/gokafka", "gokafka's binary")
		work   = flag.String("dir", "", "where the brokers' data goes; a temporary directory when empty")
	)
	flag.Parse()
	if *list {
		for _, p := range parts {
			fmt.Printf("%-12s %s\n", p.name, p.about)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *only, *who, *rounds, *out, *subj, *work); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures the chosen parts, broker by broker and round by round.
func run(ctx context.Context, only, who string, rounds int, out, subject, dir string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	asked, err := regexp.Compile(who)
	if err != nil {
		return err
	}
	if dir, err = os.MkdirTemp(dir, "gokafka-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	brokers, err := newBrokers(subject)
	if err != nil {
		return err
	}
	brokers = slices.DeleteFunc(brokers, func(b broker) bool { return !asked.MatchString(b.name) })
	var results []result
	for _, p := range parts {
		if !wanted.MatchString(p.name) {
			continue
		}
		r := result{part: p, figures: map[string]*figures{}}
		for round := range rounds {
			for _, b := range brokers {
				fmt.Fprintf(os.Stderr, "%s, round %d of %d: %s\n", p.name, round+1, rounds, b.name)
				if err := measure(ctx, p, b, dir, r.of(b.name)); err != nil {
					return fmt.Errorf("%s with %s: %w", p.name, b.name, err)
				}
			}
		}
		results = append(results, r)
	}
	text := report(results, rounds)
	fmt.Print(text)
	if out != "" {
		return os.WriteFile(out, []byte(text), 0o644)
	}
	return nil
}

// measure runs one part against one broker in a fresh directory, and leaves that there: an ext4 without a journal, as virtual machines have it, steps
// over each inode that was deleted within the last minutes when it looks for a free one, so that who comes after a removal of 50,000 files pays for
// it (10,000 partitions took 19 s to make instead of 2).
func measure(ctx context.Context, p part, b broker, dir string, f *figures) error {
	data, err := os.MkdirTemp(dir, b.name+"-"+p.name+"-")
	if err != nil {
		return err
	}
	r, err := b.start(ctx, data, p.props)
	if err != nil {
		return err
	}
	defer r.kill()
	return p.run(ctx, r, f)
}
