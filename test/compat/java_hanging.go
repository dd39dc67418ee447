package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// findHanging finds transactions that no coordinator will end, and ends them by force.
func (j *java) findHanging(ctx context.Context) error {
	t := j.topic("hangs")
	run := func(args ...string) said { return j.tool(ctx, "", "kafka-transactions", args...) }
	verification := func(change ...string) error {
		return j.tool(ctx, "", "kafka-configs", append([]string{"--entity-type", "brokers", "--entity-default", "--alter"}, change...)...).must()
	}
	var known string // the producer id whose transaction the coordinator knows, elsewhere
	find := func(want string, args ...string) func() error {
		return func() error {
			s := run(append([]string{"find-hanging"}, args...)...)
			if err := s.must(); err != nil {
				return err
			}
			var found []string
			for line := range strings.Lines(s.out) {
				if f := strings.Fields(line); f[0] == t {
					found = append(found, strings.Join([]string{f[1], f[3], f[4], f[5], f[7]}, " ")) // without producer id and time
				}
			}
			slices.Sort(found)
			if got := strings.Join(found, ", "); got != want {
				return fmt.Errorf("find-hanging %v: %s, want %s", args, got, want)
			}
			return nil
		}
	}
	return first(
		func() error {
			return j.tool(ctx, "", "kafka-topics", "--create", "--topic", t, "--partitions", "2").must()
		},
		func() error { return verification("--add-config", "transaction.partition.verification.enable=false") },
		func() error {
			out, err := j.e.command(ctx, j.e.goClients(), "hang", j.addr, t)
			if f := strings.Fields(out); len(f) == 2 {
				known = f[1]
			}
			return err
		},
		func() error { return verification("--delete-config", "transaction.partition.verification.enable") },
		func() error {
			return j.tool(ctx, "one\ntwo\nthree\n", "kafka-console-producer", "--topic", t, "--producer-property", "batch.size=1").must()
		},
		func() error {
			return run("list", "--transactional-id-pattern", t).must(`^` + t + ` *\t\d+ *\t` + known + ` *\tEmpty`)
		},
		func() error { return j.committed(ctx, t).mustPrint("") },
		find("", "--topic", t, "--max-transaction-timeout", "30"),
		find("0 0 -1 0 20, 1 0 -1 0 20", "--topic", t),
		find("1 0 -1 0 20", "--topic", t, "--partition", "1"),
		find("0 0 -1 0 20, 1 0 -1 0 20", "--broker-id", "1"),
		func() error { return run("abort", "--topic", t, "--partition", "0", "--start-offset", "0").must() },
		func() error {
			return run("abort", "--topic", t, "--partition", "1", "--producer-id", known, "--producer-epoch", "0", "--coordinator-epoch", "0").must()
		},
		find("", "--topic", t),
		func() error {
			s := j.committed(ctx, t)
			if got := strings.Fields(s.out); !sameWords(got, "one", "two", "three") {
				return fmt.Errorf("committed after abort: %q: %s", got, tail(s.errs))
			}
			return nil
		},
	)
}

// sameWords compares in whatever order.
func sameWords(got []string, want ...string) bool {
	slices.Sort(got)
	slices.Sort(want)
	return slices.Equal(got, want)
}
