package tools

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var streamsGroupsTool = Tool{
	Name:    "kafka-streams-groups",
	Summary: "list and describe streams groups, delete them, and reset their offsets",
	Run: func(ctx context.Context, env *Env, args []string) int {
		t := newStreamsGroups(env)
		return t.end(ctx, t.run(ctx, args))
	},
}

// streamsGroups is one run of kafka-streams-groups.
type streamsGroups struct {
	*command
	offsetReset
	cl *kgo.Client

	bootstrap, commandConfig, timeout            *jopt.Option
	allGroups, allTopics                         *jopt.Option
	list, describe, del, reset, deleteOffsets    *jopt.Option
	members, verbose, offsetsOnly, stateOption   *jopt.Option
	deleteInternalTopic, deleteAllInternalTopics *jopt.Option
}

func newStreamsGroups(env *Env) *streamsGroups {
	c := newCommand(env, "This tool helps to list, or describe streams groups.")
	t := &streamsGroups{command: c}
	t.c = c
	t.bootstrap = c.Accepts("bootstrap-server", "REQUIRED: The brokers to ask first.").WithRequiredArg("server to connect to")
	t.group = c.Accepts("group", "A streams group; may be given again.").WithRequiredArg("streams group")
	t.topics = c.Accepts("input-topic", "A topic to reset or delete the offsets of, or some of its partitions: topic1:0,1,2. May be given again.").WithRequiredArg("topic")
	t.allTopics = c.Accepts("all-input-topics", "All topics that the group reads.")
	t.list = c.Accepts("list", "List the streams groups.")
	t.describe = c.Accepts("describe", "Show a group's offsets and how far they lag behind.")
	t.allGroups = c.Accepts("all-groups", "All streams groups.")
	t.del = c.Accepts("delete", "Delete groups: --group g1 --group g2.")
	t.deleteOffsets = c.Accepts("delete-offsets", "Delete a group's offsets of topics.")
	t.timeout = c.Accepts("timeout", "How long to wait for answers.").WithRequiredArg("timeout (ms)").OfType(jopt.Long).DefaultsTo("30000")
	t.commandConfig = c.Accepts("command-config", "File with properties for the client.").WithRequiredArg("command config property file")
	t.stateOption = c.Accepts("state", "With --describe: show the group's state.\nWith --list: show states, and only groups in those named: --list --state stable,empty").
		AvailableIf(t.list, t.describe).WithOptionalArg("")
	t.members = c.Accepts("members", "With --describe: show the group's members.").AvailableIf(t.describe)
	t.offsetsOnly = c.Accepts("offsets", "With --describe: show the group's offsets, the default.").AvailableIf(t.describe)
	t.reset = c.Accepts("reset-offsets", "Move the offsets of a group without members: --dry-run shows what --execute does; --export prints it as CSV.\n"+
		"Where to: --to-datetime, --by-duration, --to-earliest, --to-latest, --shift-by, --from-file, --to-current or --to-offset.\n"+
		"Of what: --all-input-topics or --input-topic, except with --from-file.")
	t.acceptPlaces()
	t.acceptTimes()
	t.deleteInternalTopic = c.Accepts("delete-internal-topic", "With --reset-offsets --execute: delete this internal topic too. May be given again.").WithRequiredArg("")
	t.deleteAllInternalTopics = c.Accepts("delete-all-internal-topics", "With --delete, or --reset-offsets --execute: delete the group's internal topics too.")
	t.verbose = c.Accepts("verbose", "With --describe: show more.").AvailableIf(t.describe)
	t.dryRun = c.Accepts("dry-run", "Only show what --reset-offsets would do.")
	t.execute = c.Accepts("execute", "Do what --reset-offsets shows.")
	return t
}

func (t *streamsGroups) run(ctx context.Context, args []string) error {
	if err := t.start(args); err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	cl, err := connect(ctx, t.Value(t.bootstrap), t.Value(t.commandConfig))
	if err != nil {
		return err
	}
	defer cl.Close()
	t.cl = cl
	limited, cancel := context.WithTimeout(ctx, time.Duration(t.Int64(t.timeout))*time.Millisecond)
	defer cancel()
	err = t.act(limited)
	var wrong usageError
	if err == nil || errors.As(err, &wrong) || errors.Is(err, errFailed) || ended(ctx, err) {
		return err
	}
	t.env.printf("\nError: Executing streams group command failed due to %s\n", exceptionOf(err).message)
	return errFailed
}

func (t *streamsGroups) act(ctx context.Context) error {
	switch {
	case t.Has(t.list):
		return t.listGroups(ctx)
	case t.Has(t.describe):
		return t.describeGroups(ctx)
	case t.Has(t.reset):
		return t.resetGroups(ctx)
	case t.Has(t.del):
		return t.deleteGroups(ctx)
	}
	return t.deleteGroupOffsets(ctx)
}

// check refuses wrong combinations of options, in the order in which Kafka's tool looks for them.
func (t *streamsGroups) check() error {
	if err := t.requires(t.bootstrap); err != nil {
		return err
	}
	if t.Has(t.describe) {
		switch {
		case t.count(t.group, t.allGroups) == 0:
			return usagef("Option %s takes one of these options: %s", t.describe, optionList(t.allGroups, t.group))
		case t.count(t.members, t.offsetsOnly, t.stateOption) > 1:
			return usagef("Option %s takes at most one of these options: %s", t.describe, optionList(t.members, t.offsetsOnly, t.stateOption))
		case len(t.Values(t.stateOption)) > 0:
			return usagef("Option %s does not take a value for %s", t.describe, t.stateOption)
		}
	}
	if t.Has(t.del) {
		switch {
		case t.count(t.group, t.allGroups) == 0:
			return usagef("Option %s takes one of these options: %s", t.del, optionList(t.allGroups, t.group))
		case t.count(t.topics, t.allTopics) > 0:
			return usagef("Kafka Streams does not support topic-specific offset deletion from a streams group.")
		}
	}
	if t.Has(t.deleteOffsets) {
		switch {
		case t.count(t.topics, t.allTopics) == 0, !t.Has(t.group):
			return usagef("Option %s takes the %s and one of these options: %s", t.deleteOffsets, t.group, optionList(t.allTopics, t.topics))
		case len(t.Values(t.group)) > 1:
			return usagef("Option %s supports only one %s at a time, but found: [%s]", t.deleteOffsets, t.group, strings.Join(t.Values(t.group), ", "))
		}
	}
	if err := firstError(t.checkReset(), t.checkInternalTopics()); err != nil {
		return err
	}
	if t.count(t.dryRun, t.execute) > 0 && !t.Has(t.reset) {
		return usagef("Only Option %s accepts %s or %s", t.reset, t.execute, t.dryRun)
	}
	if err := firstError(
		t.excludes(t.list, t.members, t.offsetsOnly),
		t.excludes(t.group, t.allGroups),
		t.excludes(t.group, t.list),
		t.excludes(t.topics, t.list, t.describe, t.del),
	); err != nil {
		return err
	}
	if t.count(t.list, t.describe, t.reset, t.del, t.deleteOffsets) != 1 {
		return usagef("Command must include exactly one action: --list, --describe, --delete, --reset-offsets, or --delete-offsets.")
	}
	return nil
}

func (t *streamsGroups) checkReset() error {
	if !t.Has(t.reset) {
		return nil
	}
	switch {
	case t.Has(t.dryRun) && t.Has(t.execute):
		return usagef("Option %s only accepts one of %s and %s", t.reset, t.execute, t.dryRun)
	case t.count(t.dryRun, t.execute) == 0:
		return usagef("Option %s takes the option: %s or %s", t.reset, t.execute, t.dryRun)
	case t.count(t.group, t.allGroups) == 0:
		return usagef("Option %s takes one of these options: %s", t.reset, optionList(t.allGroups, t.group))
	}
	return t.offsetReset.check()
}

func (t *streamsGroups) checkInternalTopics() error {
	switch {
	case t.Has(t.deleteAllInternalTopics) && t.count(t.reset, t.del) == 0:
		return usagef("Option %s takes one of these options: %s", t.deleteAllInternalTopics, optionList(t.del, t.reset))
	case t.Has(t.deleteAllInternalTopics) && t.Has(t.reset) && !t.Has(t.execute):
		return usagef("Option %s takes %s when %s is used.", t.deleteAllInternalTopics, t.execute, t.reset)
	case !t.Has(t.deleteAllInternalTopics) && t.Has(t.deleteInternalTopic) && t.count(t.reset, t.execute) < 2:
		return usagef("Option %s takes %s when %s is used.", t.deleteInternalTopic, t.reset, t.execute)
	}
	return nil
}

func (t *streamsGroups) listed(ctx context.Context, states []string) ([]groupListing, error) {
	return listGroups(ctx, t.cl, groupFilter{kinds: []string{"streams"}, states: states})
}

func (t *streamsGroups) listGroups(ctx context.Context) error {
	var states []string
	if text := t.Value(t.stateOption); text != "" {
		var err error
		if states, err = statesOf(text, "Stable", "Dead", "Empty", "Assigning", "Reconciling", "NotReady"); err != nil {
			return err
		}
	}
	groups, err := t.listed(ctx, states)
	if err != nil {
		return throwsExecution(err)
	}
	if !t.Has(t.stateOption) {
		for _, g := range groups {
			t.env.println(g.group)
		}
		return nil
	}
	width := 15
	for _, g := range groups {
		width = max(width, len(g.group))
	}
	t.env.printf("%-*s %s\n", width, "GROUP", "STATE")
	for _, g := range groups {
		t.env.printf("%-*s %s\n", width, g.group, g.state)
	}
	return nil
}

// named are the groups of the command line: those of --group, or all there are.
func (t *streamsGroups) named(ctx context.Context) ([]string, error) {
	if !t.Has(t.allGroups) {
		return t.Values(t.group), nil
	}
	groups, err := t.listed(ctx, nil)
	if err != nil {
		return nil, throwsRuntime(err)
	}
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.group
	}
	return names, nil
}

// resetGroups moves the offsets of groups without members, or shows where they would go.
func (t *streamsGroups) resetGroups(ctx context.Context) error {
	groups, err := t.named(ctx)
	if err != nil {
		return err
	}
	plans := map[string]map[topicPartition]int64{}
	for _, name := range groups {
		g, err := describeStreamsGroup(ctx, t.cl, name)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return throwsRuntime(throwsExecution(err))
		}
		if err == nil && g.State != "Empty" && g.State != "Dead" {
			t.env.printf("\nError: Assignments can only be reset if the group '%s' is inactive, but the current state is %s.\n", name, g.State)
			plans[name] = nil
			continue
		}
		if plans[name], err = t.resetGroup(ctx, name, g); err != nil {
			return err
		}
		if t.Has(t.execute) && g != nil {
			t.deleteInternalTopics(ctx, g)
		}
	}
	if t.Has(t.export) {
		t.printCSV(plans, groups)
		return nil
	}
	if len(plans) > 0 {
		t.env.printf("\n%-30s %-30s %-10s %-15s", "GROUP", "TOPIC", "PARTITION", "NEW-OFFSET")
	}
	for _, name := range groups {
		for _, tp := range sortedPartitions(plans[name]) {
			t.env.printf("\n%-30s %-30s %-10d %-15d", name, tp.topic, tp.partition, plans[name][tp])
		}
	}
	t.env.println()
	return nil
}

func (t *streamsGroups) resetGroup(ctx context.Context, name string, g *streamsGroup) (map[topicPartition]int64, error) {
	var partitions []topicPartition
	switch {
	case t.Has(t.allTopics):
		offsets, err := t.inputOffsets(ctx, name, g)
		if err != nil {
			return nil, err
		}
		partitions = sortedPartitions(offsets)
	case t.Has(t.topics):
		var err error
		if partitions, err = t.partitions(ctx, t.cl); err != nil {
			return nil, err
		}
		if err := checkPartitions(ctx, t.cl, partitions); err != nil {
			return nil, err
		}
		have, err := committedOffsets(ctx, t.cl, name)
		if err != nil {
			return nil, throwsRuntime(err)
		}
		if slices.ContainsFunc(partitions, func(tp topicPartition) bool { _, ok := have[tp]; return !ok }) {
			t.env.printf("\nError: One or more topics are not part of the group '%s'.\n", name)
			partitions = nil
		}
	case !t.Has(t.fromFile):
		return nil, usagef("One of the reset scopes should be defined: --all-topics, --topic.")
	}
	plan, err := t.offsets(ctx, t.cl, name, partitions)
	if err != nil || !t.Has(t.execute) {
		return plan, err
	}
	return plan, commitOffsets(ctx, t.cl, name, plan)
}

// inputOffsets are a group's offsets of the topics that it reads from outside.
func (t *streamsGroups) inputOffsets(ctx context.Context, name string, g *streamsGroup) (map[topicPartition]committed, error) {
	if g == nil {
		message := "Group " + name + " not found."
		return nil, throwsRuntime(answered(kerr.GroupIDNotFound.Code, &message))
	}
	offsets, err := committedOffsets(ctx, t.cl, name)
	if err != nil {
		return nil, throwsRuntime(err)
	}
	sources := g.sourceTopics(false)
	maps.DeleteFunc(offsets, func(tp topicPartition, _ committed) bool { return !slices.Contains(sources, tp.topic) })
	return offsets, nil
}

func (t *streamsGroups) deleteGroupOffsets(ctx context.Context) error {
	name := t.Value(t.group)
	if !t.Has(t.allTopics) {
		return deleteNamedOffsets(ctx, t.env, t.cl, name, t.Values(t.topics))
	}
	g, err := describeStreamsGroup(ctx, t.cl, name)
	if err != nil {
		return throwsRuntime(err)
	}
	offsets, err := t.inputOffsets(ctx, name, g)
	if err != nil {
		return err
	}
	return deletePartitionOffsets(ctx, t.env, t.cl, name, sortedPartitions(offsets), map[topicPartition]error{})
}

// deleteInternalTopics deletes the topics that the command line asks to delete when offsets are reset.
func (t *streamsGroups) deleteInternalTopics(ctx context.Context, g *streamsGroup) {
	topics := t.Values(t.deleteInternalTopic)
	if t.Has(t.deleteAllInternalTopics) {
		topics = t.internalTopics(g)
	}
	if len(topics) == 0 {
		return
	}
	switch _, err := deleteTopics(ctx, t.cl, topics); {
	case err == nil:
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		t.env.printf("\nError: Deleting internal topics for group '%s' failed because the topics do not exist.\n", g.Group)
	default:
		t.env.printf("\nError: Deleting internal topics for group '%s' failed due to %s\n", g.Group, exceptionOf(err).String())
	}
}

// deleteTopics returns the topics that could not be deleted, and the first error.
func deleteTopics(ctx context.Context, cl *kgo.Client, topics []string) (failed []string, first error) {
	resps, err := kadm.NewClient(cl).DeleteTopics(ctx, topics...)
	if err != nil {
		return topics, err
	}
	for _, r := range resps.Sorted() {
		if r.Err != nil {
			failed = append(failed, r.Topic)
			if first == nil {
				first = r.Err
			}
		}
	}
	return failed, first
}

// deleteGroups deletes those of the groups that are streams groups without members, and tells why it did not delete the others.
func (t *streamsGroups) deleteGroups(ctx context.Context) error {
	listed, err := t.listed(ctx, nil)
	if err != nil {
		return throwsRuntime(err)
	}
	states := map[string]string{}
	for _, g := range listed {
		states[g.group] = g.state
	}
	names := t.Values(t.group)
	if t.Has(t.allGroups) {
		names = slices.Sorted(maps.Keys(states))
	}
	refused := map[string]error{}
	for _, name := range names {
		switch state, ok := states[name]; {
		case !ok:
			refused[name] = exception{illegalArgument, "Group '" + name + "' does not exist or is not a streams group."}
		case state == "Dead":
			refused[name] = exception{"java.lang.IllegalStateException", "Streams group '" + name + "' group state is DEAD."}
		case state != "Empty":
			refused[name] = exception{kafkaErrors + "GroupNotEmptyException", "Streams group '" + name + "' is not EMPTY."}
		}
	}
	names = except(names, func(name string) bool { return refused[name] != nil })
	internal := map[string][]string{}
	if t.Has(t.deleteAllInternalTopics) {
		for _, name := range names {
			g, err := describeStreamsGroup(ctx, t.cl, name)
			if err != nil {
				t.env.printf("\nError: Retrieving internal topics failed due to %s\n", exceptionOf(err).String())
				continue
			}
			if topics := t.internalTopics(g); len(topics) > 0 {
				internal[name] = topics
			}
		}
	}
	done, failed := deleteGroups(ctx, t.cl, names)
	maps.Copy(failed, refused)
	undeleted := map[string]error{}
	for _, name := range done {
		if len(internal[name]) == 0 {
			continue
		}
		left, err := deleteTopics(ctx, t.cl, internal[name])
		for _, topic := range left {
			t.env.printf("Failed to delete internal topic: %s\n", topic)
		}
		if err != nil {
			undeleted[name] = err
		}
	}
	t.reportGroups(done, failed)
	if len(internal) > 0 && len(done) > 0 {
		t.reportTopics(done, internal, undeleted)
	}
	return nil
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = "'" + n + "'"
	}
	return strings.Join(quoted, ", ")
}

func (t *streamsGroups) reportGroups(done []string, failed map[string]error) {
	if len(failed) == 0 {
		if len(done) == 0 {
			done = []string{""} // Kafka's tool puts the quotes around all of them
		}
		t.env.printf("Deletion of requested streams groups (%s) was successful.\n", quoteAll(done))
		return
	}
	t.env.printf("\nError: Deletion of some streams groups failed:\n")
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		t.env.printf("* Group '%s' could not be deleted due to: %s\n", name, exceptionOf(failed[name]).String())
	}
	if len(done) > 0 {
		t.env.printf("\nThese streams groups were deleted successfully: %s.\n", quoteAll(done))
	}
}

func (t *streamsGroups) reportTopics(done []string, internal map[string][]string, undeleted map[string]error) {
	if len(undeleted) == 0 {
		t.env.printf("Deletion of associated internal topics of the streams groups (%s) was successful.\n",
			quoteAll(except(done, func(name string) bool { return internal[name] == nil })))
		return
	}
	t.env.println("Deletion of some associated internal topics failed:")
	for _, name := range slices.Sorted(maps.Keys(undeleted)) {
		t.env.printf("* Internal topics of the streams group '%s' could not be deleted due to: %s\n", name, exceptionOf(undeleted[name]).String())
	}
}

// internalTopics are the topics that the group has made for itself, as far as their names tell.
func (t *streamsGroups) internalTopics(g *streamsGroup) []string {
	sources := g.sourceTopics(false)
	var topics []string
	for _, name := range g.ownTopics() {
		switch {
		case slices.Contains(sources, name):
		case !isInternalTopic(name, g.Group):
			t.env.printf("\nError: The internal topic '%s' is not inferred as internal and thus will not be deleted with the group '%s'.\n", name, g.Group)
		default:
			topics = append(topics, name)
		}
	}
	return topics
}

// coordinatorText is a coordinator as the tool shows it.
func coordinatorText(b kgo.BrokerMetadata) string {
	return fmt.Sprintf("%s:%d (%d)", b.Host, b.Port, b.NodeID)
}
