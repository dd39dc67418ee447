package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// program runs one of java/*.java with this version's client.
func (j *java) program(ctx context.Context, class string, args ...string) said {
	ctx, cancel := context.WithTimeout(ctx, 170*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(j.e.here, "kafka", "program.sh"), append([]string{j.version, class, j.addr}, args...)...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, 5*time.Second
	err := cmd.Run()
	s := said{class, out.String(), errs.String(), cmd.ProcessState.ExitCode()}
	fmt.Fprintf(j.log, "$ %s %s\n%s%s[%d %v]\n", class, strings.Join(args, " "), s.out, s.errs, s.status, err)
	return s
}

// committed reads a topic to its end as a reader of committed records, whose offsets have gaps.
func (j *java) committed(ctx context.Context, topic string) said {
	s := j.tool(ctx, "", "kafka-console-consumer", "--topic", topic, "--from-beginning", "--isolation-level", "read_committed", "--timeout-ms", "10000")
	if strings.Contains(s.errs, "Processed a total of") {
		s.status = 0 // 1 in some versions, because it ended for its time-out
	}
	return s
}

// transactions copies a topic exactly once. The first process ends in the midst of a transaction, as if it were killed; the next one goes on.
func (j *java) transactions(ctx context.Context) error {
	t, err := j.produce(ctx, "txn", 60)
	if err != nil {
		return err
	}
	out, name := t+"-out", t+"-g"
	return first(
		func() error {
			if s := j.program(ctx, "Copy", t, out, name, "classic", "60", "4"); s.status != 9 {
				return fmt.Errorf("ended with status %d instead of in the midst of a transaction: %s", s.status, tail(s.errs))
			}
			return nil
		},
		func() error { return j.program(ctx, "Copy", t, out, name, "classic", "60").must(`^copied up to 60$`) },
		func() error { return j.committed(ctx, out).mustPrint(lines("m", 60)) },
	)
}

// txnPerf commits every 50 ms.
func (j *java) txnPerf(ctx context.Context) error {
	t := j.topic("txn-perf")
	return first(
		func() error {
			return j.raw(ctx, "", "kafka-producer-perf-test", "--bootstrap-server", j.addr, "--topic", t, "--num-records", "20000", "--record-size", "100", "--throughput", "20000",
				"--transactional-id", t, "--transaction-duration-ms", "50").must(`^20000 records sent, [\d.]+ records/sec`)
		},
		func() error {
			if s := j.committed(ctx, t); strings.Count(s.out, "\n") != 20000 {
				return fmt.Errorf("%d of 20000 records are committed: %s", strings.Count(s.out, "\n"), tail(s.errs))
			}
			return nil
		},
	)
}

// kafkaTransactions looks at an open transaction, and aborts it by force.
func (j *java) kafkaTransactions(ctx context.Context) error {
	t := j.topic("hanging")
	run := func(args ...string) said { return j.tool(ctx, "", "kafka-transactions", args...) }
	return first(
		func() error { return j.program(ctx, "Copy", "open", t, t).must(`^open$`) },
		func() error { return j.tool(ctx, "after\n", "kafka-console-producer", "--topic", t).must() },
		func() error { return run("list").must(`^` + t + ` *\t\d+ *\t\d+ *\tOngoing`) },
		func() error {
			return run("list", "--transactional-id-pattern", t+".*", "--duration-filter", "0").must(`^` + t + ` *\t`)
		},
		func() error {
			return run("describe", "--transactional-id", t).must(`^\d+ *\t` + t + ` *\t\d+ *\t0 *\tOngoing *\t60000 *\t\d+ *\t\d+ *\t` + t + `-0`)
		},
		func() error {
			return run("describe", "--transactional-id", t+"-not").mustFail("could not be found")
		},
		func() error {
			return run("describe-producers", "--topic", t, "--partition", "0").must(`^\d+ *\t0 *\t-1 *\t0 *\t\d+ *\t0 *\t`)
		},
		func() error { // it is open for less than the longest time-out
			if s := run("find-hanging", "--topic", t); s.status != 0 || strings.Contains(s.out, t) {
				return fmt.Errorf("find-hanging: %s", tail(s.out+s.errs))
			}
			return nil
		},
		func() error { return j.committed(ctx, t).mustPrint("") },
		func() error { return run("abort", "--topic", t, "--partition", "0", "--start-offset", "0").must() },
		func() error { return j.committed(ctx, t).mustPrint("after\n") },
		func() error {
			return run("describe-producers", "--topic", t, "--partition", "0").must(`^\d+ *\t0 *\t\d+ *\t0 *\t\d+ *\tNone`)
		},
	)
}

// kip848 reads as a member of a group of the new protocol, and looks at the group.
func (j *java) kip848(ctx context.Context) error {
	t, err := j.produce(ctx, "kip848", 60)
	if err != nil {
		return err
	}
	g := t + "-g"
	member := []string{"--topic", t, "--group", g, "--from-beginning", "--command-property", "group.protocol=consumer"}
	groups := func(args ...string) said {
		return j.tool(ctx, "", "kafka-consumer-groups", append([]string{"--group", g}, args...)...)
	}
	return first(
		func() error { return j.consume(ctx, 40, member...).mustPrint(lines("m", 40)) },
		func() error {
			return groups("--describe", "--offsets").must(`^` + g + ` +` + t + ` +0 +40 +60 +20 +- +- +-`)
		},
		func() error { return groups("--describe", "--state").must(`^` + g + ` .* uniform +Empty +0`) },
		func() error {
			return j.tool(ctx, "", "kafka-groups", "--list", "--group-type", "consumer").must(`^` + g + ` +Consumer +consumer`)
		},
		func() error {
			return j.tool(ctx, "", "kafka-consumer-groups", "--list", "--type", "consumer", "--state", "empty").must(`^` + g + ` +Consumer +Empty`)
		},
		func() error { return groups("--reset-offsets", "--topic", t, "--to-offset", "58", "--execute").must() },
		func() error { return j.consume(ctx, 2, member...).mustPrint("m58\nm59\n") },
		func() error { // the group becomes one of the classic protocol, and of the new one again
			return j.produceMore(ctx, t, "more")
		},
		func() error { return j.consume(ctx, 1, "--topic", t, "--group", g).mustPrint("more\n") },
		func() error {
			return j.tool(ctx, "", "kafka-groups", "--list", "--group-type", "classic").must(`^` + g + ` +Classic +consumer`)
		},
		func() error { return j.produceMore(ctx, t, "again") },
		func() error { return j.consume(ctx, 1, member...).mustPrint("again\n") },
		func() error {
			return j.program(ctx, "Copy", t, t+"-out", t+"-copy", "consumer", "60").must(`^copied up to 6[0-2]$`)
		},
		func() error { return groups("--delete").must(`was successful`) },
	)
}

// kip932 reads as members of a share group, and looks at the group.
func (j *java) kip932(ctx context.Context) error {
	t, err := j.produce(ctx, "kip932", 30)
	if err != nil {
		return err
	}
	g := t + "-g"
	groups := func(args ...string) said {
		return j.tool(ctx, "", "kafka-share-groups", append([]string{"--group", g}, args...)...)
	}
	return first(
		func() error { return j.program(ctx, "Share", t, g).mustPrint("implicit\nexplicit\ntogether\n") },
		func() error { return groups("--describe", "--state").must(`^` + g + ` .* Empty +0`) },
		func() error { return groups("--describe", "--offsets").must(`^` + g + ` +` + t + ` +0 +\d+ +`) },
		func() error {
			return j.tool(ctx, "", "kafka-groups", "--list", "--group-type", "share").must(`^` + g + ` +Share +share`)
		},
		func() error { return groups("--reset-offsets", "--topic", t, "--to-earliest", "--execute").must() },
		func() error { return groups("--describe", "--offsets").must(`^` + g + ` +` + t + ` +0 +0 +`) },
		func() error {
			return j.tool(ctx, "", "kafka-console-share-consumer", "--topic", t, "--group", g, "--max-messages", "3", "--timeout-ms", "30000").mustPrint("m0\nm1\nm2\n")
		},
		func() error { return groups("--delete").must(`was successful`) },
	)
}

func (j *java) produceMore(ctx context.Context, topic, value string) error {
	return j.tool(ctx, value+"\n", "kafka-console-producer", "--topic", topic).must()
}
