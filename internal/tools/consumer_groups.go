package tools

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var consumerGroupsTool = Tool{
	Name:    "kafka-consumer-groups",
	Summary: "list and describe consumer groups, delete them, and reset their offsets",
	Run: func(ctx context.Context, env *Env, args []string) int {
		t := newConsumerGroups(env)
		return t.end(ctx, t.run(ctx, args))
	},
}

// consumerGroups is one run of kafka-consumer-groups.
type consumerGroups struct {
	*command
	offsetReset
	cl *kgo.Client

	bootstrap, commandConfig, timeout                    *jopt.Option
	allGroups, allTopics                                 *jopt.Option
	list, describe, del, reset, deleteOffsets, regex     *jopt.Option
	members, verbose, offsetsOnly, stateOption, typeOnly *jopt.Option
}

func newConsumerGroups(env *Env) *consumerGroups {
	c := newCommand(env, "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or reset consumer group offsets.")
	t := &consumerGroups{command: c}
	t.c = c
	t.bootstrap = c.Accepts("bootstrap-server", "The brokers to ask first. Needed for everything but --validate-regex.").WithRequiredArg("server to connect to")
	t.group = c.Accepts("group", "A consumer group; may be given again.").WithRequiredArg("consumer group")
	t.topics = c.Accepts("topic", "A topic to reset or delete the offsets of, or some of its partitions: topic1:0,1,2. May be given again.").WithRequiredArg("topic")
	t.allTopics = c.Accepts("all-topics", "All topics that the group has offsets for.")
	t.list = c.Accepts("list", "List the consumer groups.")
	t.describe = c.Accepts("describe", "Show a group's offsets and how far they lag behind.")
	t.allGroups = c.Accepts("all-groups", "All consumer groups.")
	t.del = c.Accepts("delete", "Delete groups, offsets and all: --group g1 --group g2.")
	t.timeout = c.Accepts("timeout", "How long to wait for answers, and for groups to become stable.").WithRequiredArg("timeout (ms)").OfType(jopt.Long).DefaultsTo("30000")
	t.commandConfig = c.Accepts("command-config", "File with properties for the client.").WithRequiredArg("command config property file")
	t.reset = c.Accepts("reset-offsets", "Move the offsets of a group without members. --dry-run, the default, only shows what --execute would do; --export prints it as CSV.\n"+
		"Where to: --to-datetime, --by-duration, --to-earliest, --to-latest, --shift-by, --from-file, --to-current or --to-offset.\n"+
		"Of what: --all-topics or --topic, except with --from-file.")
	t.deleteOffsets = c.Accepts("delete-offsets", "Delete a group's offsets of topics.")
	t.dryRun = c.Accepts("dry-run", "Only show what --reset-offsets would do.")
	t.execute = c.Accepts("execute", "Do what --reset-offsets shows.")
	t.acceptPlaces()
	t.acceptTimes()
	t.members = c.Accepts("members", "With --describe: show the group's members.").AvailableIf(t.describe)
	t.verbose = c.Accepts("verbose", "With --describe: show more.").AvailableIf(t.describe)
	t.offsetsOnly = c.Accepts("offsets", "With --describe: show the offsets of the group's partitions, the default.").AvailableIf(t.describe)
	t.stateOption = c.Accepts("state", "With --describe: show the group's state.\nWith --list: show states, and only groups in those named: --list --state stable,empty").
		AvailableIf(t.describe, t.list).WithOptionalArg("")
	t.typeOnly = c.Accepts("type", "With --list: show types, and only groups of those named: --list --type classic,consumer").AvailableIf(t.list).WithOptionalArg("")
	t.regex = c.Accepts("validate-regex", "Tell whether a regular expression has RE2's syntax.").WithRequiredArg("regex")
	return t
}

func (t *consumerGroups) run(ctx context.Context, args []string) error {
	if err := t.start(args); err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	if t.Has(t.regex) {
		t.validateRegex(t.Value(t.regex))
		return nil
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
	// As Kafka's tool: the error is part of the output, and the status is that of a success.
	t.env.printf("\nError: Executing consumer group command failed due to %s\n", exceptionOf(err).message)
	return nil
}

// check refuses wrong combinations of options, in the order in which Kafka's tool looks for them.
func (t *consumerGroups) check() error {
	scopes := []*jopt.Option{t.group, t.allGroups}
	levels := []*jopt.Option{t.list, t.describe, t.del, t.reset}
	if !t.Has(t.regex) {
		if err := t.requires(t.bootstrap); err != nil {
			return err
		}
	}
	if t.Has(t.describe) {
		if t.count(scopes...) == 0 {
			return usagef("Option %s takes one of these options: %s", t.describe, optionList(scopes...))
		}
		if views := []*jopt.Option{t.members, t.offsetsOnly, t.stateOption}; t.count(views...) > 1 {
			return usagef("Option %s takes at most one of these options: %s", t.describe, optionList(views...))
		}
		if len(t.Values(t.stateOption)) > 0 {
			return usagef("Option %s does not take a value for %s", t.describe, t.stateOption)
		}
	}
	if t.Has(t.del) {
		if t.count(scopes...) == 0 {
			return usagef("Option %s takes one of these options: %s", t.del, optionList(scopes...))
		}
		if t.Has(t.topics) {
			return usagef("The consumer does not support topic-specific offset deletion from a consumer group.")
		}
	}
	if t.Has(t.deleteOffsets) && t.count(t.group, t.topics) < 2 {
		return usagef("Option %s takes the following options: %s", t.deleteOffsets, optionList(t.group, t.topics))
	}
	if t.Has(t.reset) {
		if err := t.checkReset(scopes); err != nil {
			return err
		}
	}
	if err := firstError(
		t.excludes(t.group, t.allGroups),
		t.excludes(t.group, without(levels, t.describe, t.del, t.reset)...),
		t.excludes(t.topics, without(levels, t.del, t.reset)...),
	); err != nil {
		return err
	}
	if actions := []*jopt.Option{t.list, t.describe, t.del, t.reset, t.deleteOffsets, t.regex}; t.count(actions...) != 1 {
		names := make([]string, len(actions))
		for i, o := range actions {
			names[i] = "--" + o.Name()
		}
		return usagef("Command must include exactly one action: %s", strings.Join(names, ", "))
	}
	return nil
}

func (t *consumerGroups) checkReset(scopes []*jopt.Option) error {
	if t.Has(t.dryRun) && t.Has(t.execute) {
		return usagef("Option %s only accepts one of %s and %s", t.reset, t.execute, t.dryRun)
	}
	if t.count(t.dryRun, t.execute) == 0 {
		t.env.errorf("WARN: No action will be performed as the --execute option is missing. " +
			"In version 5.0, this command will require either --dry-run or --execute to be specified. " +
			"You should add the --dry-run option explicitly if you are scripting this command and want to keep the current default behavior without prompting.\n")
	}
	if t.count(scopes...) == 0 {
		return usagef("Option %s takes one of these options: %s", t.reset, optionList(scopes...))
	}
	return t.offsetReset.check()
}

func (t *consumerGroups) act(ctx context.Context) error {
	switch {
	case t.Has(t.list):
		return t.listGroups(ctx)
	case t.Has(t.describe):
		return t.describeGroups(ctx)
	case t.Has(t.del):
		return t.deleteGroups(ctx)
	case t.Has(t.reset):
		return t.resetGroups(ctx)
	}
	return t.deleteGroupOffsets(ctx)
}

// validateRegex knows Go's regular expressions, which are RE2's, as those of the broker are.
func (t *consumerGroups) validateRegex(text string) {
	_, err := regexp.Compile(text)
	var wrong *syntax.Error
	switch {
	case err == nil:
		t.env.printf("The regular expression `%s` is valid.\n", text)
	case errors.As(err, &wrong):
		t.env.printf("The regular expression `%s` is invalid: %s.\n", text, wrong.Code)
	default:
		t.env.printf("The regular expression `%s` is invalid: %s.\n", text, err)
	}
}

// listGroups prints the names of groups, or a table when types or states are asked for.
func (t *consumerGroups) listGroups(ctx context.Context) error {
	filter := groupFilter{kinds: consumerKinds, protocols: consumerProtocols}
	showType, showState := t.Has(t.typeOnly), t.Has(t.stateOption)
	if showType || showState {
		kinds, err := groupKinds(t.Value(t.typeOnly), "Classic", "Consumer")
		if err != nil {
			return err
		}
		states, err := groupStates(t.Value(t.stateOption))
		if err != nil {
			return err
		}
		filter.kinds, filter.states = kinds, states
	}
	groups, err := listGroups(ctx, t.cl, filter)
	if err != nil {
		return throwsExecution(err)
	}
	if !showType && !showState {
		for _, g := range groups {
			t.env.println(g.group)
		}
		return nil
	}
	width := 15
	for _, g := range groups {
		width = max(width, len(g.group))
	}
	row := func(group, kind, state string) {
		t.env.printf("%-*s", width+10, group)
		if showType {
			t.env.printf(" %-20s", kind)
		}
		if showState {
			t.env.printf(" %-20s", state)
		}
		t.env.println()
	}
	row("GROUP", "TYPE", "STATE")
	for _, g := range groups {
		row(g.group, g.kind, g.state)
	}
	return nil
}

// groupKinds reads the argument of --type. Nothing is no filter.
func groupKinds(text string, valid ...string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var kinds []string
	for kind := range strings.SplitSeq(strings.ToLower(text), ",") {
		kind = strings.TrimSpace(kind)
		if !slices.ContainsFunc(valid, func(v string) bool { return strings.EqualFold(v, kind) }) {
			return nil, usagef("Invalid types list '%s'. Valid types are: %s", strings.ToLower(text), strings.Join(valid, ", "))
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// States of groups of consumers.
var consumerGroupStates = []string{"PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling"}

// groupStates reads the argument of --state. Nothing is no filter.
func groupStates(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	return statesOf(text, consumerGroupStates...)
}

// statesOf reads names of states, in any case and with or without underscores.
func statesOf(text string, valid ...string) ([]string, error) {
	var states []string
	for name := range strings.SplitSeq(text, ",") {
		name = strings.ReplaceAll(strings.TrimSpace(name), "_", "")
		i := slices.IndexFunc(valid, func(s string) bool { return strings.EqualFold(s, name) })
		if i < 0 {
			return nil, usagef("Invalid state list '%s'. Valid states are: %s", text, strings.Join(valid, ", "))
		}
		states = append(states, valid[i])
	}
	return states, nil
}

// named are the groups of the command line: those of --group, or all there are.
func (t *consumerGroups) named(ctx context.Context) ([]string, error) {
	if !t.Has(t.allGroups) {
		return t.Values(t.group), nil
	}
	groups, err := listGroups(ctx, t.cl, groupFilter{kinds: consumerKinds, protocols: consumerProtocols})
	if err != nil {
		return nil, throwsRuntime(err)
	}
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.group
	}
	return names, nil
}

// deleteGroups deletes groups, and tells those that it could not delete.
func (t *consumerGroups) deleteGroups(ctx context.Context) error {
	groups, err := t.named(ctx)
	if err != nil {
		return err
	}
	done, failed := deleteGroups(ctx, t.cl, groups)
	reportDeletion(t.env, "consumer groups", done, failed)
	return nil
}

// deleteGroups asks the groups' coordinators to delete them.
func deleteGroups(ctx context.Context, cl *kgo.Client, groups []string) (done []string, failed map[string]error) {
	failed = map[string]error{}
	for _, group := range slices.Compact(slices.Sorted(slices.Values(groups))) {
		if _, err := kadm.NewClient(cl).DeleteGroup(ctx, group); err != nil {
			failed[group] = err
			continue
		}
		done = append(done, group)
	}
	return done, failed
}

func reportDeletion(env *Env, what string, done []string, failed map[string]error) {
	quoted := make([]string, len(done))
	for i, g := range done {
		quoted[i] = "'" + g + "'"
	}
	if len(failed) == 0 {
		env.printf("Deletion of requested %s (%s) was successful.\n", what, strings.Join(quoted, ", "))
		return
	}
	env.printf("\nError: Deletion of some %s failed:\n", what)
	for _, g := range slices.Sorted(maps.Keys(failed)) {
		env.printf("* Group '%s' could not be deleted due to: %s\n", g, exceptionOf(failed[g]).String())
	}
	if len(done) > 0 {
		env.printf("\nThese %s were deleted successfully: %s\n", what, strings.Join(quoted, ", "))
	}
}

// resetGroups moves the offsets of groups without members, or shows where they would go.
func (t *consumerGroups) resetGroups(ctx context.Context) error {
	groups, err := t.named(ctx)
	if err != nil {
		return err
	}
	plans := map[string]map[topicPartition]int64{}
	for _, group := range groups {
		described, err := describeConsumerGroups(ctx, t.cl, []string{group})
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return throwsRuntime(err)
		}
		if state := described[group].state; err == nil && state != "Empty" && state != "Dead" {
			t.env.printf("\nError: Assignments can only be reset if the group '%s' is inactive, but the current state is %s.\n", group, state)
			plans[group] = nil
			continue
		}
		if plans[group], err = t.resetGroup(ctx, group); err != nil {
			return err
		}
	}
	if t.Has(t.export) {
		t.printCSV(plans, groups)
	} else {
		t.print(plans, groups)
	}
	return nil
}

func (t *consumerGroups) resetGroup(ctx context.Context, group string) (map[topicPartition]int64, error) {
	var partitions []topicPartition
	var err error
	switch {
	case t.Has(t.allTopics):
		current, err := committedOffsets(ctx, t.cl, group)
		if err != nil {
			return nil, throwsRuntime(err)
		}
		partitions = sortedPartitions(current)
	case t.Has(t.topics):
		partitions, err = t.partitions(ctx, t.cl)
	case !t.Has(t.fromFile):
		err = usagef("One of the reset scopes should be defined: --all-topics, --topic.")
	}
	if err != nil {
		return nil, err
	}
	plan, err := t.offsets(ctx, t.cl, group, partitions)
	if err != nil || t.Has(t.dryRun) || !t.Has(t.execute) {
		return plan, err
	}
	return plan, commitOffsets(ctx, t.cl, group, plan)
}

// commitOffsets sets a group's offsets from outside of it.
func commitOffsets(ctx context.Context, cl *kgo.Client, group string, plan map[topicPartition]int64) error {
	var offsets kadm.Offsets
	for tp, at := range plan {
		offsets.Add(kadm.Offset{Topic: tp.topic, Partition: tp.partition, At: at, LeaderEpoch: -1})
	}
	return kadm.NewClient(cl).CommitAllOffsets(ctx, group, offsets)
}

// deleteGroupOffsets deletes a group's offsets of the topics and partitions named.
func (t *consumerGroups) deleteGroupOffsets(ctx context.Context) error {
	return deleteNamedOffsets(ctx, t.env, t.cl, t.Value(t.group), t.Values(t.topics))
}
