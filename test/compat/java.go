package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// javaScenarios are the tutorial, step by step, with the stock command line tools.
var javaScenarios = []string{"topics", "producer", "broker-list", "keys", "consumer", "partition", "group", "groups", "reset", "get-offsets", "versions",
	"configs", "log-dirs", "delete-records", "verifiable", "perf", "delete", "transactions", "txn-perf", "kafka-transactions", "find-hanging", "kip848", "kip932", "streams", "streams-group"}

func javaRows() []row {
	var all []row
	for _, v := range []struct{ version, name string }{{"4", "java-4.3.1"}, {"28", "java-2.8.2"}} {
		r := row{name: v.name, section: "stock tools", scenarios: javaScenarios}
		r.run = func(ctx context.Context, e *env, r row, b broker) error { return runJava(ctx, e, r, v.version, b) }
		if v.version == "4" { // its console producer has no --broker-list any more
			r.scenarios = slices.DeleteFunc(slices.Clone(javaScenarios), func(s string) bool { return s == "broker-list" })
		}
		if v.version == "28" {
			r.scenarios = slices.DeleteFunc(slices.Clone(r.scenarios), func(s string) bool {
				return slices.Contains([]string{"txn-perf", "kafka-transactions", "find-hanging", "kip848", "kip932", "streams", "streams-group"}, s)
			})
		}
		r.notOn = map[string]map[string]string{"apache-28": {
			"reset":   "in 2.8 a group goes with the last of its offsets",
			"configs": "2.8 answers INVALID_REQUEST to a wrong value",
		}}
		all = append(all, r)
	}
	return all
}

// java runs the tools of one version against one broker; its scenarios share the topics that setup makes.
type java struct {
	e       *env
	version string
	addr    string
	name    string // prefix of topics and groups
	log     *os.File
}

func runJava(ctx context.Context, e *env, r row, version string, b broker) error {
	log, err := os.Create(filepath.Join(e.tmp, r.name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	j := &java{e, version, b.addr(), fmt.Sprintf("java%s-%x", version, time.Now().UnixMilli()&0xffffff), log}
	return each(ctx, e, r, map[string]func(context.Context) error{
		"topics": j.topics, "producer": j.producer, "broker-list": j.brokerList, "keys": j.keys, "consumer": j.consumer, "partition": j.partition,
		"group": j.group, "groups": j.groups, "reset": j.reset, "get-offsets": j.getOffsets, "versions": j.versions, "configs": j.configs,
		"log-dirs": j.logDirs, "delete-records": j.deleteRecords, "verifiable": j.verifiable, "perf": j.perf, "delete": j.delete,
		"transactions": j.transactions, "txn-perf": j.txnPerf, "kafka-transactions": j.kafkaTransactions, "find-hanging": j.findHanging,
		"kip848": j.kip848, "kip932": j.kip932, "streams": j.streams, "streams-group": j.streamsGroup,
	})
}

// said is what a tool did.
type said struct {
	tool   string
	out    string // standard output
	errs   string // standard error
	status int
}

// tool runs one with --bootstrap-server; input is its standard input.
func (j *java) tool(ctx context.Context, input, tool string, args ...string) said {
	return j.raw(ctx, input, tool, append([]string{"--bootstrap-server", j.addr}, args...)...)
}

func (j *java) raw(ctx context.Context, input, tool string, args ...string) said {
	ctx, cancel := context.WithTimeout(ctx, 170*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(j.e.here, "kafka", "cli.sh"), append([]string{j.version, tool}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = strings.NewReader(input), &out, &errs, 5*time.Second
	err := cmd.Run()
	s := said{tool, out.String(), errs.String(), cmd.ProcessState.ExitCode()}
	fmt.Fprintf(j.log, "$ %s %s\n%s%s[%d %v]\n", tool, strings.Join(args, " "), s.out, s.errs, s.status, err)
	return s
}

// must fails unless the tool ended with status 0 and its standard output matches each regexp (multi-line mode).
func (s said) must(patterns ...string) error {
	if s.status != 0 {
		return fmt.Errorf("%s ended with status %d: %s", s.tool, s.status, tail(s.errs+s.out))
	}
	return s.says(patterns...)
}

func (s said) says(patterns ...string) error {
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(s.out) {
			return fmt.Errorf("%s: no %q in its output: %s", s.tool, p, tail(s.out+s.errs))
		}
	}
	return nil
}

// mustFail fails unless the tool ended with another status than 0 and said so.
func (s said) mustFail(word string) error {
	if s.status == 0 || !strings.Contains(s.out+s.errs, word) {
		return fmt.Errorf("%s ended with status %d, want a failure that says %q: %s", s.tool, s.status, word, tail(s.out+s.errs))
	}
	return nil
}

func tail(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return s[max(0, len(s)-400):]
}

func (j *java) topic(word string) string { return j.name + "-" + word }

// lines are "PREFIX0\nPREFIX1\n…", n of them.
func lines(prefix string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, prefix+fmt.Sprint(i))
	}
	return b.String()
}

// produce makes a topic of one partition with n lines m0, m1, … in it.
func (j *java) produce(ctx context.Context, word string, n int) (string, error) {
	topic := j.topic(word)
	return topic, j.tool(ctx, lines("m", n), "kafka-console-producer", "--topic", topic).must()
}

// consume runs the console consumer for n records and returns its standard output.
func (j *java) consume(ctx context.Context, n int, args ...string) said {
	return j.tool(ctx, "", "kafka-console-consumer", append([]string{"--max-messages", fmt.Sprint(n), "--timeout-ms", "30000"}, args...)...)
}

func (s said) mustPrint(want string) error {
	if err := s.must(); err != nil {
		return err
	}
	if s.out != want {
		return fmt.Errorf("%s printed %.200q, want %.200q", s.tool, s.out, want)
	}
	return nil
}

func first(errs ...func() error) error {
	for _, f := range errs {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (j *java) topics(ctx context.Context) error {
	t := j.topic("topics")
	id := `TopicId: [A-Za-z0-9_-]{22}\t`
	if j.version == "28" {
		id = `(TopicId: [A-Za-z0-9_-]{22}\t)?`
	}
	return first(
		func() error {
			return j.tool(ctx, "", "kafka-topics", "--create", "--partitions", "1", "--replication-factor", "1", "--topic", t).must(`^Created topic ` + t + `\.$`)
		},
		func() error {
			return j.tool(ctx, "", "kafka-topics", "--create", "--topic", t).mustFail("already exists")
		},
		func() error {
			return j.tool(ctx, "", "kafka-topics", "--create", "--if-not-exists", "--topic", t).must()
		},
		func() error { return j.tool(ctx, "", "kafka-topics", "--list").must(`^` + t + `$`) },
		func() error {
			return j.tool(ctx, "", "kafka-topics", "--describe", "--topic", t).must(
				`^Topic: `+t+`\t`+id+`PartitionCount: 1\tReplicationFactor: 1\tConfigs: `, `^\tTopic: `+t+`\tPartition: 0\tLeader: \d+\tReplicas: \d+\tIsr: \d+`)
		},
		func() error {
			return j.tool(ctx, "", "kafka-topics", "--alter", "--partitions", "3", "--topic", t).must()
		},
		func() error {
			return j.tool(ctx, "", "kafka-topics", "--describe", "--topic", t).must(`PartitionCount: 3`, `Partition: 2\tLeader: \d+\tReplicas: \d+\tIsr: \d+`)
		},
		func() error {
			return j.tool(ctx, "", "kafka-topics", "--alter", "--partitions", "2", "--topic", t).mustFail("")
		},
		func() error {
			return j.tool(ctx, "", "kafka-topics", "--describe", "--topic", t+"-not").mustFail("does not exist")
		},
		func() error {
			return j.tool(ctx, "", "kafka-topics", "--create", "--topic", t+"-rf", "--partitions", "1", "--replication-factor", "3").mustFail("InvalidReplicationFactor")
		},
	)
}

func (j *java) producer(ctx context.Context) error { // the topic is made by the first record
	t, err := j.produce(ctx, "producer", 10)
	if err != nil {
		return err
	}
	return j.consume(ctx, 10, "--topic", t, "--from-beginning").mustPrint(lines("m", 10))
}

func (j *java) brokerList(ctx context.Context) error {
	t := j.topic("broker-list")
	if err := j.raw(ctx, lines("old", 5), "kafka-console-producer", "--broker-list", j.addr, "--topic", t).must(); err != nil {
		return err
	}
	return j.consume(ctx, 5, "--topic", t, "--from-beginning").mustPrint(lines("old", 5))
}

func (j *java) keys(ctx context.Context) error {
	t := j.topic("keys")
	if err := j.tool(ctx, "a:1\nb:2\na:3\n", "kafka-console-producer", "--topic", t, "--property", "parse.key=true", "--property", "key.separator=:",
		"--compression-codec", "lz4").must(); err != nil {
		return err
	}
	return j.consume(ctx, 3, "--topic", t, "--from-beginning", "--property", "print.key=true", "--property", "print.partition=true",
		"--property", "print.offset=true", "--property", "print.timestamp=true").must(
		`^CreateTime:\d+\tPartition:0\tOffset:0\t(NO_HEADERS\t)?a\t1$`, `\tOffset:1\t(NO_HEADERS\t)?b\t2$`, `\tOffset:2\t(NO_HEADERS\t)?a\t3$`)
}

func (j *java) consumer(ctx context.Context) error {
	t, err := j.produce(ctx, "consumer", 20)
	if err != nil {
		return err
	}
	// Without --max-messages it goes on until nothing has come for a while, and says so with status 0 or 1 by version.
	s := j.tool(ctx, "", "kafka-console-consumer", "--topic", t, "--from-beginning", "--timeout-ms", "12000")
	if s.out != lines("m", 20) || !strings.Contains(s.errs, "Processed a total of 20 messages") {
		return fmt.Errorf("until the time-out: %s", tail(s.out+s.errs))
	}
	include := "--include"
	if j.version == "28" {
		include = "--whitelist" // its older name
	}
	return j.consume(ctx, 3, include, t, "--from-beginning").mustPrint(lines("m", 3))
}

func (j *java) partition(ctx context.Context) error {
	t, err := j.produce(ctx, "partition", 20)
	if err != nil {
		return err
	}
	return first(
		func() error {
			return j.consume(ctx, 2, "--topic", t, "--partition", "0", "--offset", "13").mustPrint("m13\nm14\n")
		},
		func() error {
			return j.consume(ctx, 1, "--topic", t, "--partition", "0", "--offset", "earliest").mustPrint("m0\n")
		},
	)
}

func (j *java) group(ctx context.Context) error {
	t, err := j.produce(ctx, "group", 6)
	if err != nil {
		return err
	}
	g := j.topic("g")
	return first(
		func() error {
			return j.consume(ctx, 4, "--topic", t, "--group", g, "--from-beginning").mustPrint(lines("m", 4))
		},
		func() error { return j.consume(ctx, 2, "--topic", t, "--group", g).mustPrint("m4\nm5\n") },
	)
}

func (j *java) groups(ctx context.Context) error {
	t, err := j.produce(ctx, "groups", 6)
	if err != nil {
		return err
	}
	g := j.topic("groups-g")
	return first(
		func() error { return j.consume(ctx, 4, "--topic", t, "--group", g, "--from-beginning").must() },
		func() error { return j.tool(ctx, "", "kafka-consumer-groups", "--list").must(`^` + g + `$`) },
		func() error {
			return j.tool(ctx, "", "kafka-consumer-groups", "--describe", "--group", g).must(
				`^GROUP +TOPIC +PARTITION +CURRENT-OFFSET +LOG-END-OFFSET +LAG +`, `^`+g+` +`+t+` +0 +4 +6 +2 +- +- +-`)
		},
		func() error {
			return j.tool(ctx, "", "kafka-consumer-groups", "--describe", "--group", g, "--state").must(`^` + g + ` .*Empty +0`)
		},
		func() error { return j.withMember(ctx, t, g) },
	)
}

// withMember describes the group while the console consumer is in it.
func (j *java) withMember(ctx context.Context, topic, group string) error {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan said, 1)
	go func() {
		done <- j.tool(ctx, "", "kafka-console-consumer", "--topic", topic, "--group", group, "--timeout-ms", "60000")
	}()
	defer func() { cancel(); <-done }()
	var err error
	for range 10 {
		if err = j.tool(ctx, "", "kafka-consumer-groups", "--describe", "--group", group).must(`^` + group + ` +` + topic + ` +0 +[46] +6 +[02] +\S*consumer-\S+ +/127\.0\.0\.1`); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	return first(
		func() error {
			return j.tool(ctx, "", "kafka-consumer-groups", "--describe", "--group", group, "--members").must(`^` + group + ` +\S*consumer-\S+ +/127\.0\.0\.1 +\S*consumer\S* +1`)
		},
		func() error {
			s := j.tool(ctx, "", "kafka-consumer-groups", "--delete", "--group", group)
			if !strings.Contains(s.out+s.errs, "not empty") {
				return fmt.Errorf("deleting a group with a member: %s", tail(s.out+s.errs))
			}
			return nil
		},
	)
}

func (j *java) reset(ctx context.Context) error {
	t, err := j.produce(ctx, "reset", 6)
	if err != nil {
		return err
	}
	g := j.topic("reset-g")
	to := func(want string, how ...string) func() error {
		return func() error {
			return j.tool(ctx, "", "kafka-consumer-groups", append([]string{"--reset-offsets", "--group", g, "--topic", t, "--execute"}, how...)...).must(
				`^` + g + ` +` + t + ` +0 +` + want)
		}
	}
	return first(
		func() error { return j.consume(ctx, 6, "--topic", t, "--group", g, "--from-beginning").must() },
		to("0", "--to-earliest"),
		to("5", "--shift-by", "5"),
		to("3", "--to-offset", "3"),
		to("6", "--to-datetime", "2038-01-01T00:00:00.000"),
		to("0", "--by-duration", "PT1H"),
		func() error { return j.consume(ctx, 6, "--topic", t, "--group", g).mustPrint(lines("m", 6)) },
		func() error {
			return j.tool(ctx, "", "kafka-consumer-groups", "--delete-offsets", "--group", g, "--topic", t).must(`^` + t + ` +0 +Successful`)
		},
		func() error {
			return j.tool(ctx, "", "kafka-consumer-groups", "--delete", "--group", g).must(`Deletion of requested consumer groups .*` + g + `.* was successful`)
		},
		func() error {
			s := j.tool(ctx, "", "kafka-consumer-groups", "--describe", "--group", g)
			if !strings.Contains(s.out+s.errs, "does not exist") && !strings.Contains(s.out+s.errs, "not found") {
				return fmt.Errorf("a deleted group is still described: %s", tail(s.out+s.errs))
			}
			return nil
		},
	)
}

func (j *java) getOffsets(ctx context.Context) error {
	t, err := j.produce(ctx, "get-offsets", 7)
	if err != nil {
		return err
	}
	run := func(args ...string) said {
		if j.version == "28" { // its tool takes --broker-list only
			return j.raw(ctx, "", "kafka-get-offsets", append([]string{"--broker-list", j.addr, "--topic", t}, args...)...)
		}
		return j.tool(ctx, "", "kafka-get-offsets", append([]string{"--topic", t}, args...)...)
	}
	return first(
		func() error { return run().must(`^` + t + `:0:7$`) },
		func() error { return run("--time", "-2").must(`^` + t + `:0:0$`) },
		func() error { return run("--time", "1000").must(`^` + t + `:0:0$`) },
		func() error {
			if j.version == "28" {
				return nil
			}
			return first(
				func() error { return run("--time", "max-timestamp").must(`^` + t + `:0:[0-6]$`) },
				func() error { return run("--time", "latest").must(`^` + t + `:0:7$`) },
			)
		},
	)
}

func (j *java) versions(ctx context.Context) error {
	want := []string{`^\S+:\d+ \(id: \d+ rack: null.*\) -> \($`}
	for _, api := range []string{`Produce\(0\)`, `Fetch\(1\)`, `ListOffsets\(2\)`, `Metadata\(3\)`, `OffsetCommit\(8\)`, `OffsetFetch\(9\)`, `FindCoordinator\(10\)`,
		`JoinGroup\(11\)`, `ApiVersions\(18\)`, `CreateTopics\(19\)`, `InitProducerId\(22\)`, `DescribeConfigs\(32\)`, `DeleteGroups\(42\)`, `DescribeCluster\(60\)`} {
		want = append(want, `^\t`+api+`: \d+( to \d+)? \[usable: \d+\]`)
	}
	return j.tool(ctx, "", "kafka-broker-api-versions").must(want...)
}

func (j *java) configs(ctx context.Context) error {
	t := j.topic("configs")
	of := []string{"--entity-type", "topics", "--entity-name", t}
	run := func(args ...string) said { return j.tool(ctx, "", "kafka-configs", append(of, args...)...) }
	return first(
		func() error {
			return j.tool(ctx, "", "kafka-topics", "--create", "--topic", t, "--config", "retention.ms=1234567").must()
		},
		func() error { return run("--describe").must(`retention\.ms=1234567`) },
		func() error {
			return run("--alter", "--add-config", "segment.bytes=10485760,retention.ms=2345678").must(`^Completed updating config for topic ` + t)
		},
		func() error {
			return run("--describe").must(`retention\.ms=2345678 .*DYNAMIC_TOPIC_CONFIG:retention\.ms=2345678`, `segment\.bytes=10485760`)
		},
		func() error { return run("--alter", "--delete-config", "retention.ms").must() },
		func() error {
			if s := run("--describe"); s.status != 0 || strings.Contains(s.out, "retention.ms=2345678") {
				return fmt.Errorf("still there after --delete-config: %s", tail(s.out+s.errs))
			}
			return nil
		},
		func() error {
			return run("--describe", "--all").must(`retention\.ms=604800000 `, `cleanup\.policy=delete `)
		},
		func() error {
			return run("--alter", "--add-config", "retention.ms=soon").mustFail("InvalidConfigurationException")
		},
	)
}

func (j *java) logDirs(ctx context.Context) error {
	t, err := j.produce(ctx, "log-dirs", 3)
	if err != nil {
		return err
	}
	return j.tool(ctx, "", "kafka-log-dirs", "--describe", "--topic-list", t).must(`"partition":"` + t + `-0","size":[1-9]\d*,"offsetLag":0,"isFuture":false`)
}

func (j *java) deleteRecords(ctx context.Context) error {
	t, err := j.produce(ctx, "delete-records", 10)
	if err != nil {
		return err
	}
	file := filepath.Join(j.e.tmp, t+".json")
	text := fmt.Sprintf(`{"partitions":[{"topic":%q,"partition":0,"offset":7}],"version":1}`, t)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	return first(
		func() error {
			return j.tool(ctx, "", "kafka-delete-records", "--offset-json-file", file).must(`partition: ` + t + `-0\s+low_watermark: 7`)
		},
		func() error { return j.consume(ctx, 3, "--topic", t, "--from-beginning").mustPrint("m7\nm8\nm9\n") },
	)
}

func (j *java) verifiable(ctx context.Context) error { // prints every acknowledgement and every record as JSON
	t := j.topic("verifiable")
	return first(
		func() error {
			return j.raw(ctx, "", "kafka-verifiable-producer", "--bootstrap-server", j.addr, "--topic", t, "--max-messages", "1000").must(
				`"name":"tool_data","sent":1000,"acked":1000`)
		},
		func() error {
			return j.raw(ctx, "", "kafka-verifiable-consumer", "--bootstrap-server", j.addr, "--topic", t, "--group-id", t+"-g", "--max-messages", "1000",
				"--reset-policy", "earliest").must(`"name":"partitions_assigned".*"partition":0`, `"name":"offsets_committed".*"offset":1000.*"success":true`)
		},
	)
}

// perf moves a million records of 100 bytes.
func (j *java) perf(ctx context.Context) error {
	t := j.topic("perf")
	n := "1000000"
	return first(
		func() error {
			return j.tool(ctx, "", "kafka-topics", "--create", "--topic", t, "--partitions", "3").must()
		},
		func() error {
			return j.raw(ctx, "", "kafka-producer-perf-test", "--topic", t, "--num-records", n, "--record-size", "100", "--throughput", "-1",
				"--producer-props", "bootstrap.servers="+j.addr, "acks=all").must(`^1000000 records sent, [\d.]+ records/sec`)
		},
		func() error {
			s := j.tool(ctx, "", "kafka-consumer-perf-test", "--topic", t, "--messages", n, "--timeout", "60000")
			if err := s.must(`^start\.time, end\.time`); err != nil {
				return err
			}
			f := strings.Split(s.out[strings.LastIndex(strings.TrimSpace(s.out), "\n")+1:], ", ")
			if len(f) < 5 || f[4] != n {
				return fmt.Errorf("kafka-consumer-perf-test read %q, want %s records", f, n)
			}
			return nil
		},
		func() error { return j.tool(ctx, "", "kafka-topics", "--delete", "--topic", t).must() },
	)
}

func (j *java) delete(ctx context.Context) error {
	t, err := j.produce(ctx, "delete", 1)
	if err != nil {
		return err
	}
	return first(
		func() error { return j.tool(ctx, "", "kafka-topics", "--delete", "--topic", t).must() },
		func() error {
			if s := j.tool(ctx, "", "kafka-topics", "--list"); s.status != 0 || strings.Contains(s.out, t+"\n") {
				return fmt.Errorf("still listed: %s", tail(s.out+s.errs))
			}
			return nil
		},
		func() error {
			return j.tool(ctx, "", "kafka-topics", "--delete", "--topic", t).mustFail("does not exist")
		},
		// The name is free again, and the new topic is empty.
		func() error { return j.tool(ctx, "", "kafka-topics", "--create", "--topic", t).must() },
		func() error {
			if s := j.tool(ctx, "", "kafka-console-consumer", "--topic", t, "--from-beginning", "--timeout-ms", "2000"); s.out != "" {
				return fmt.Errorf("records of the deleted topic came back: %s", tail(s.out))
			}
			return nil
		},
	)
}
