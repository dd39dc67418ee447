package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// nativeCases are command lines that Kafka's own tool (4.3.1) and the one in gokafka's binary both run, one after the other against the same broker; their
// standard output and exit status must be the same. Scenarios are named after the tools, and kept in files beside this one.
//
// "TOOL ARGS" runs both, "do TOOL ARGS" only ours, to prepare something; "hang TOPIC" leaves transactions open. Arguments are separated by spaces; {dir} is a folder with nativeFiles, {side} a
// word that differs between the two, for what each makes or deletes; "< FILE" at the end gives the tool one of the files as its standard input.
// --bootstrap-server comes first unless the arguments name a server, or the tool asks none. {broker} is the broker's address, {data} its log directory.
var nativeCases = merged(nativeRecordCases, nativeGroupCases, nativeClusterCases)

// askNobody are tools that work on files.
var askNobody = []string{"kafka-storage", "kafka-dump-log"}

// nativeFiles are what command lines read, by name. {dir} in a file is their folder.
var nativeFiles = merged(nativeRecordFiles, nativeGroupFiles, nativeClusterFiles)

// merged is the maps of all files in one.
func merged[V any](parts ...map[string]V) map[string]V {
	all := map[string]V{}
	for _, p := range parts {
		maps.Copy(all, p)
	}
	return all
}

func nativeScenarios() []string { return slices.Sorted(maps.Keys(nativeCases)) }

func nativeRow() row {
	return row{name: "native-tools", section: "native tools", scenarios: nativeScenarios(), ownBroker: true, run: runNative}
}

func runNative(ctx context.Context, e *env, r row, _ broker) error {
	b, err := e.newBroker(r.name)
	if err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	defer b.stop()
	dir := filepath.Join(e.tmp, r.name+"-files")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range nativeFiles {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "{dir}", dir)), 0o644); err != nil {
			return err
		}
	}
	log, err := os.Create(filepath.Join(e.tmp, r.name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	j := &java{e, "4", b.addr(), r.name, log}
	do := map[string]func(context.Context) error{}
	for scenario, cases := range nativeCases {
		do[scenario] = func(ctx context.Context) error {
			in := strings.NewReplacer("{dir}", dir, "{broker}", b.addr(), "{data}", b.dataDir())
			for _, line := range cases {
				if err := j.beside(ctx, in.Replace(line)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return each(ctx, e, r, do)
}

// Words for {side}.
const javaSide, nativeSide = "sidejava", "sideours"

// beside runs a line of nativeCases.
func (j *java) beside(ctx context.Context, line string) error {
	if topic, ok := strings.CutPrefix(line, "hang "); ok {
		_, err := j.e.command(ctx, j.e.goClients(), "hang", j.addr, topic)
		return err
	}
	line, prepare := strings.CutPrefix(line, "do ")
	line, file, _ := strings.Cut(line, " < ")
	input := nativeFiles[file]
	fields := strings.Fields(line)
	tool, args := fields[0], fields[1:]
	if !slices.Contains(askNobody, tool) && !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--bootstrap") }) {
		args = append([]string{"--bootstrap-server", j.addr}, args...)
	}
	if prepare {
		if ours := j.native(ctx, input, tool, args...); ours.status != 0 {
			return fmt.Errorf("%s: status %d: %s", line, ours.status, tail(ours.errs+ours.out))
		}
		return nil
	}
	on := func(side string) []string {
		all := slices.Clone(args)
		for i := range all {
			all[i] = strings.ReplaceAll(all[i], "{side}", side)
		}
		return all
	}
	theirs, ours := j.raw(ctx, input, tool, on(javaSide)...), j.native(ctx, input, tool, on(nativeSide)...)
	if theirs.status != ours.status {
		return fmt.Errorf("%s: Java's status is %d, ours %d: %s", line, theirs.status, ours.status, tail(ours.errs+ours.out))
	}
	if want, got := masked(theirs.out), masked(ours.out); want != got {
		return fmt.Errorf("%s:\nJava says\n%s\nwe say\n%s", line, want, got)
	}
	return nil
}

// native runs the tool in gokafka's binary.
func (j *java) native(ctx context.Context, input, tool string, args ...string) said {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, j.e.bin, append([]string{tool}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = strings.NewReader(input), &out, &errs, 5*time.Second
	err := cmd.Run()
	s := said{tool, out.String(), errs.String(), cmd.ProcessState.ExitCode()}
	fmt.Fprintf(j.log, "$ gokafka %s %s\n%s%s[%d %v]\n", tool, strings.Join(args, " "), s.out, s.errs, s.status, err)
	return s
}

var (
	stackTrace = regexp.MustCompile(`(?m)^(\tat |Caused by: |\t\.\.\. |(java|org\.apache|joptsimple)\.[\w.$]+: ).*\n|^(java|org\.apache)\.[\w.$]+Exception\n`)
	stamps     = regexp.MustCompile(`\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\]`)
	sides      = regexp.MustCompile("\\b(" + javaSide + "|" + nativeSide + ")\\b")
	createdAt  = regexp.MustCompile(`CreateTime:\d+`)
	decimals   = regexp.MustCompile(`[\d.:]*\d`)
	figures    = regexp.MustCompile(`(?m)^\d+ records sent, .*|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}, .*`)
	topicIDs   = regexp.MustCompile(`TopicId: [\w-]{22}`)
	dirIDs     = regexp.MustCompile(`directory\.id=[\w-]{22}`)
)

// groupNotice is an advertisement in the output of Java's consumers.
const groupNotice = "The consumer rebalance protocol (KIP-848) is production-ready! Set group.protocol=consumer to try it out. See https://kafka.apache.org/documentation/#consumer_rebalance_protocol\n"

// masked is an output without what differs by nature: Java's stack traces, times, ids, and the order of lines that comes from the order of Java's hash tables.
func masked(out string) string {
	out = stackTrace.ReplaceAllString(out, "")
	out = stamps.ReplaceAllString(out, "[TIME]")
	out = sides.ReplaceAllString(out, "SIDE")
	out = createdAt.ReplaceAllString(out, "CreateTime:TIME")
	out = figures.ReplaceAllStringFunc(out, func(line string) string { return decimals.ReplaceAllString(line, "N") })
	out = strings.ReplaceAll(out, groupNotice, "")
	out = topicIDs.ReplaceAllString(out, "TopicId: ID")
	out = dirIDs.ReplaceAllString(out, "directory.id=ID")
	all := strings.Split(strings.TrimSpace(out), "\n")
	for i := range all { // the last line has lost its padding, and which one is last is a hash table's whim
		all[i] = strings.TrimRight(all[i], " ")
		if head, configs, ok := strings.Cut(all[i], "Configs: "); ok {
			list := strings.Split(configs, ",")
			slices.Sort(list)
			all[i] = head + "Configs: " + strings.Join(list, ",")
		}
	}
	all = slices.DeleteFunc(all, func(line string) bool { return line == "" })
	slices.Sort(all)
	return strings.Join(all, "\n")
}
