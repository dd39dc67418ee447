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
	"slices"
	"strings"
	"syscall"
	"time"
)

// part is a group of figures that are measured in one life of a broker.
type part struct {
	name, about string
	props       []string // lines added to server.properties
	run         func(ctx context.Context, b *running, f *figures) error
	anywhere    bool // needs no more than the broker's address
	hot         bool // the broker is warmed up first: a JVM's first seconds cost several times what later ones do
}

// parts are all there are, in the order in which they run.
var parts = []part{
	{"start", "start to the first answered Metadata in an empty directory; what an idle broker takes", nil, measureStart, false, false},
	{"topics", "1,000 topics with 10 partitions each: created, held, found again after a clean stop", nil, measureTopics, false, false},
	{"recovery", "1 GiB in 8 partitions, kill -9, start", nil, measureRecovery, false, false},
	{"produce", "records produced by raw connections with acks=all, one partition and one producer where nothing else is said, and by franz-go", loadProps, measureProduce, true, true},
	{"fetch", "256 MiB fetched over and over from the page cache, or once from the disk (cold), by raw connections and franz-go", loadProps, measureFetch, true, true},
	{"latency", "end to end: from before the Produce request of one record of 1 KiB, acks=all, to the consumer that waits for it, raw connections", loadProps, measureLatency, true, true},
	{"requests", "ApiVersions, one request under way on each connection", nil, measureRequests, true, true},
	{"memory", "resident memory, and the size of what is installed", loadProps, measureMemory, false, false},
	{"idle", "1,000 consumers without records, each with a Fetch that waits 500 ms", nil, measureIdle, true, true},
	{"transactions", "transactions of one record of 100 B in franz-go, one after the other for each producer", loadProps, measureTransactions, true, true},
	{"groups", "offset commits by raw connections, groups of 100 consumers of franz-go, a start with a million offset commits", groupsProps, measureGroups, true, true},
	{"growth", "the same work with 10 and 100 times the partitions, connections and data", loadProps, measureGrowth, true, true},
	{"clients", "other people's clients, 1 KiB records", loadProps, measureClients, true, true},
	{"compaction", "512 MiB of 1 KiB records with 50,000 keys, compacted", compactionProps, measureCompaction, false, false},
	{"tools", "kafka-topics --list with three topics, the tool of each with its own broker", nil, measureTools, false, false},
}

// settings of the load.
var settings struct {
	warm, measured, heat time.Duration
	cases                *regexp.Regexp // of produce and fetch
}

// arguments of the command line.
type arguments struct {
	only, who, addr, out, subject, dir, kase string
	rounds, pid                              int
}

func main() {
	var a arguments
	flag.StringVar(&a.only, "part", "", "regexp over the parts' names")
	flag.StringVar(&a.who, "broker", "", "regexp over kafka and gokafka")
	flag.StringVar(&a.addr, "addr", "", "measure this broker alone, which runs already")
	flag.IntVar(&a.pid, "pid", 0, "with -addr: the broker's process on this machine, for its CPU and memory")
	flag.IntVar(&a.rounds, "n", 3, "rounds; the table has their medians")
	flag.StringVar(&a.out, "o", "", "write the report to this file, with plots and results.json beside it (bench/RESULTS.md is the one in the repo)")
	flag.StringVar(&a.subject, "bin", "bin/gokafka", "gokafka's binary")
	flag.StringVar(&a.dir, "dir", "", "where the brokers' data goes; a temporary directory when empty")
	flag.StringVar(&a.kase, "case", "", "regexp over the cases of produce and fetch")
	flag.DurationVar(&settings.heat, "heat", 8*time.Second, "how long a broker gets all kinds of load before a part that measures load; 0 also leaves the memory untouched")
	flag.DurationVar(&settings.warm, "warm", time.Second/2, "how long load goes on before it is measured")
	flag.DurationVar(&settings.measured, "measured", 2*time.Second, "how long it is measured")
	list := flag.Bool("list", false, "print the parts")
	flag.Parse()
	if *list {
		for _, p := range parts {
			fmt.Printf("%-12s %s\n", p.name, p.about)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, a); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures the chosen parts, broker by broker and round by round. A part that fails is told of and leaves the others alone.
func run(ctx context.Context, a arguments) error {
	wanted, err := regexp.Compile(a.only)
	if err != nil {
		return err
	}
	if settings.cases, err = regexp.Compile(a.kase); err != nil {
		return err
	}
	if a.kase != "" && a.out != "" {
		return errors.New("-case is for looking closer: the report has whole parts")
	}
	brokers, err := a.brokers()
	if err != nil {
		return err
	}
	if a.dir, err = os.MkdirTemp(a.dir, "gokafka-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(a.dir) }()
	all, kept := results{}, filepath.Join(filepath.Dir(a.out), "results.json")
	if a.out != "" {
		if all, err = loadResults(kept); err != nil {
			return err
		}
	}
	if settings.heat > 0 {
		if err := touchMemory(); err != nil {
			return fmt.Errorf("touch the free memory: %w", err)
		}
	}
	var failed []string
	for _, p := range parts {
		if !wanted.MatchString(p.name) || a.addr != "" && !p.anywhere {
			continue
		}
		r, err := a.measure(ctx, p, brokers)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			failed = append(failed, p.name)
			continue
		}
		fmt.Print(r.table(p))
		all[p.name] = r
		if a.out == "" {
			continue
		}
		if err := write(all, a.out, kept); err != nil {
			return err
		}
	}
	if failed != nil {
		return fmt.Errorf("parts that failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

// write puts down what there is so far.
func write(all results, out, kept string) error {
	if err := all.save(kept); err != nil {
		return err
	}
	plots, err := writePlots(all, filepath.Dir(out))
	if err != nil {
		return err
	}
	return os.WriteFile(out, []byte(report(all, plots)), 0o644)
}

func (a arguments) brokers() ([]broker, error) {
	if a.addr != "" {
		return []broker{other(a.addr, a.pid)}, nil
	}
	asked, err := regexp.Compile("^(" + a.who + ")")
	if err != nil {
		return nil, err
	}
	brokers, err := newBrokers(a.subject)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(brokers, func(b broker) bool { return !asked.MatchString(b.name) }), nil
}

// measure runs all rounds of a part.
func (a arguments) measure(ctx context.Context, p part, brokers []broker) (*result, error) {
	r := &result{Part: p.name, Date: time.Now().UTC().Format("2006-01-02 15:04"), Version: gokafkaVersion(), Rounds: a.rounds, Load: loadAverage(), Figures: map[string]*figures{}}
	began := time.Now()
	for round := range a.rounds {
		order := slices.Clone(brokers)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, b := range order {
			settleDisk()
			fmt.Fprintf(os.Stderr, "%s, round %d of %d: %s\n", p.name, round+1, a.rounds, b.name)
			if err := measure(ctx, p, b, a.dir, r.of(b.name)); err != nil {
				return nil, fmt.Errorf("%s with %s: %w", p.name, b.name, err)
			}
		}
	}
	r.Seconds = time.Since(began).Seconds()
	return r, nil
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
	defer r.clean()
	if p.hot {
		if err := heat(ctx, r); err != nil {
			return fmt.Errorf("warming up: %w", err)
		}
	}
	return p.run(ctx, r, f)
}
