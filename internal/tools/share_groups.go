package tools

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var shareGroupsTool = Tool{
	Name:    "kafka-share-groups",
	Summary: "list and describe share groups, delete them, and reset their offsets",
	Run: func(ctx context.Context, env *Env, args []string) int {
		t := newShareGroups(env)
		return t.end(ctx, t.run(ctx, args))
	},
}

// shareGroups is one run of kafka-share-groups.
type shareGroups struct {
	*command
	offsetReset
	cl *kgo.Client

	bootstrap, commandConfig, timeout          *jopt.Option
	allGroups, allTopics                       *jopt.Option
	list, describe, del, reset, deleteOffsets  *jopt.Option
	members, verbose, offsetsOnly, stateOption *jopt.Option
}

func newShareGroups(env *Env) *shareGroups {
	c := newCommand(env, "This tool helps to list, describe, reset and delete share groups.")
	t := &shareGroups{command: c}
	t.c = c
	t.bootstrap = c.Accepts("bootstrap-server", "REQUIRED: The brokers to ask first.").WithRequiredArg("server to connect to")
	t.group = c.Accepts("group", "A share group; may be given again.").WithRequiredArg("share group")
	t.topics = c.Accepts("topic", "A topic to reset or delete the offsets of; when resetting also some of its partitions: topic1:0,1,2. May be given again.").WithRequiredArg("topic")
	t.allTopics = c.Accepts("all-topics", "All topics that the group has offsets for.")
	t.list = c.Accepts("list", "List the share groups.")
	t.describe = c.Accepts("describe", "Show a group's offsets.")
	t.allGroups = c.Accepts("all-groups", "All share groups.")
	t.del = c.Accepts("delete", "Delete groups: --group g1 --group g2.")
	t.timeout = c.Accepts("timeout", "How long to wait for answers.").WithRequiredArg("timeout (ms)").OfType(jopt.Long).DefaultsTo("30000")
	t.commandConfig = c.Accepts("command-config", "File with properties for the client.").WithRequiredArg("command config property file")
	t.reset = c.Accepts("reset-offsets", "Move the start offsets of a group without members: --dry-run shows what --execute does.\n"+
		"Where to: --to-datetime, --to-earliest or --to-latest. Of what: --all-topics or --topic.")
	t.deleteOffsets = c.Accepts("delete-offsets", "Delete a group's offsets of topics.")
	t.dryRun = c.Accepts("dry-run", "Only show what --reset-offsets would do.")
	t.execute = c.Accepts("execute", "Do what --reset-offsets shows.")
	t.acceptTimes()
	t.members = c.Accepts("members", "With --describe: show the group's members.").AvailableIf(t.describe)
	t.offsetsOnly = c.Accepts("offsets", "With --describe: show the group's offsets, the default.").AvailableIf(t.describe)
	t.stateOption = c.Accepts("state", "With --describe: show the group's state.\nWith --list: show states, and only groups in those named: --list --state stable,empty").
		AvailableIf(t.describe, t.list).WithOptionalArg("")
	t.verbose = c.Accepts("verbose", "With --describe: show more.").AvailableIf(t.describe)
	return t
}

func (t *shareGroups) run(ctx context.Context, args []string) error {
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
	// As Kafka's tool: the error is part of the output, and the status is that of a success.
	t.env.printf("\nError: Executing share group command failed due to %s\n", exceptionOf(err).message)
	return nil
}

func (t *shareGroups) act(ctx context.Context) error {
	switch {
	case t.Has(t.list):
		return t.listGroups(ctx)
	case t.Has(t.describe):
		return t.describeGroups(ctx)
	case t.Has(t.del):
		return t.deleteGroups(ctx)
	case t.Has(t.reset):
		return t.resetGroup(ctx)
	}
	return t.deleteGroupOffsets(ctx)
}

// check refuses wrong combinations of options, in the order in which Kafka's tool looks for them.
func (t *shareGroups) check() error {
	if err := t.requires(t.bootstrap); err != nil {
		return err
	}
	levels := []*jopt.Option{t.list, t.describe, t.del, t.reset}
	if t.Has(t.describe) {
		if t.count(t.group, t.allGroups) == 0 {
			return usagef("Option %s takes one of these options: %s", t.describe, optionList(t.allGroups, t.group))
		}
		if t.count(t.members, t.offsetsOnly, t.stateOption) > 1 {
			return usagef("Option %s takes at most one of these options: %s", t.describe, optionList(t.members, t.offsetsOnly, t.stateOption))
		}
		if len(t.Values(t.stateOption)) > 0 {
			return usagef("Option %s does not take a value for %s", t.describe, t.stateOption)
		}
	}
	if t.Has(t.del) {
		switch {
		case t.count(t.group, t.allGroups) == 0:
			return usagef("Option %s takes the options %s or %s", t.del, t.group, t.allGroups)
		case t.count(t.group, t.allGroups) == 2:
			return usagef("Option %s takes either %s or %s, not both.", t.del, t.group, t.allGroups)
		case t.Has(t.topics):
			return usagef("Option %s does not take the option: %s", t.del, t.topics)
		}
	}
	if t.Has(t.deleteOffsets) && t.count(t.group, t.topics) < 2 {
		return usagef("Option %s takes the following options: %s", t.deleteOffsets, optionList(t.group, t.topics))
	}
	if t.Has(t.reset) {
		if err := t.checkReset(); err != nil {
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
	if t.count(append(levels, t.deleteOffsets)...) != 1 {
		return usagef("Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets.")
	}
	return nil
}

func (t *shareGroups) checkReset() error {
	switch {
	case t.Has(t.dryRun) && t.Has(t.execute):
		return usagef("Option %s only accepts one of %s and %s", t.reset, t.execute, t.dryRun)
	case t.count(t.dryRun, t.execute) == 0:
		return usagef("Option %s takes the option: %s or %s", t.reset, t.execute, t.dryRun)
	case !t.Has(t.group):
		return usagef("Option %s takes the option: %s", t.reset, t.group)
	case t.count(t.topics, t.allTopics) == 0:
		return usagef("Option %s takes one of these options: %s", t.reset, optionList(t.allTopics, t.topics))
	case t.count(t.toEarliest, t.toLatest, t.toDatetime) == 0:
		return usagef("Option %s takes one of these options: %s", t.reset, optionList(t.toDatetime, t.toEarliest, t.toLatest))
	}
	return t.offsetReset.check()
}

func (t *shareGroups) listed(ctx context.Context, states []string) ([]groupListing, error) {
	return listGroups(ctx, t.cl, groupFilter{kinds: []string{"share"}, states: states})
}

func (t *shareGroups) listGroups(ctx context.Context) error {
	var states []string
	if text := t.Value(t.stateOption); text != "" {
		var err error
		if states, err = statesOf(text, "Stable", "Dead", "Empty"); err != nil {
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
func (t *shareGroups) named(ctx context.Context) ([]string, error) {
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

// shareGroup is a share group with its coordinator.
type shareGroup struct {
	kmsg.ShareGroupDescribeResponseGroup
	coordinator kgo.BrokerMetadata
}

func (t *shareGroups) described(ctx context.Context, groups []string) (map[string]shareGroup, error) {
	all := map[string]shareGroup{}
	if len(groups) == 0 {
		return all, nil
	}
	req := kmsg.NewPtrShareGroupDescribeRequest()
	req.GroupIDs = groups
	for _, shard := range t.cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		for _, g := range shard.Resp.(*kmsg.ShareGroupDescribeResponse).Groups {
			if err := answered(g.ErrorCode, g.ErrorMessage); err != nil {
				return nil, err
			}
			all[g.GroupID] = shareGroup{g, shard.Meta}
		}
	}
	return all, nil
}

func (t *shareGroups) describeGroups(ctx context.Context) error {
	names, err := t.named(ctx)
	if err != nil {
		return err
	}
	described, err := t.described(ctx, names)
	if err != nil {
		return throwsExecution(err)
	}
	for _, name := range slices.Sorted(maps.Keys(described)) {
		switch g := described[name]; {
		case t.Has(t.members):
			t.printMembers(g)
		case t.Has(t.stateOption):
			t.printState(g)
		default:
			offsets, err := shareOffsets(ctx, t.cl, name)
			if err != nil {
				return throwsRuntime(err)
			}
			t.printOffsets(name, offsets)
		}
	}
	return nil
}

// tellState says what is the matter with a group, and whether there is more to show of it.
func (t *shareGroups) tellState(g shareGroup, rows int) bool {
	switch g.GroupState {
	case "Dead":
		t.env.printf("\nError: Share group '%s' does not exist.\n", g.GroupID)
	case "Empty":
		t.env.errorf("\nShare group '%s' has no active members.\n", g.GroupID)
	}
	return g.GroupState != "Dead" && rows > 0
}

// shareOffset is where a share group is in a partition; nil where it has not begun.
type shareOffset struct {
	start, lag  *int64
	leaderEpoch *int32
}

func shareOffsets(ctx context.Context, cl *kgo.Client, group string) (map[topicPartition]shareOffset, error) {
	req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	rg := kmsg.NewDescribeShareGroupOffsetsRequestGroup()
	rg.GroupID = group
	req.Groups = append(req.Groups, rg)
	all := map[topicPartition]shareOffset{}
	for _, shard := range cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		for _, g := range shard.Resp.(*kmsg.DescribeShareGroupOffsetsResponse).Groups {
			if err := answered(g.ErrorCode, g.ErrorMessage); err != nil {
				return nil, err
			}
			for _, topic := range g.Topics {
				for _, p := range topic.Partitions {
					if err := answered(p.ErrorCode, p.ErrorMessage); err != nil {
						return nil, err
					}
					var o shareOffset
					if p.StartOffset >= 0 {
						o.start, o.leaderEpoch = &p.StartOffset, &p.LeaderEpoch
						if p.Lag >= 0 {
							o.lag = &p.Lag
						}
					}
					all[topicPartition{topic.Topic, p.Partition}] = o
				}
			}
		}
	}
	return all, nil
}

func (t *shareGroups) printOffsets(group string, offsets map[topicPartition]shareOffset) {
	if len(offsets) == 0 {
		t.env.printf("\nShare group '%s' has no offset information.\n", group)
		return
	}
	groupWidth, topicWidth := max(15, len(group)), 15
	for tp := range offsets {
		topicWidth = max(topicWidth, len(tp.topic))
	}
	row := func(group, topic, partition, epoch, start, lag string) {
		t.env.printf("\n%-*s %-*s %-10s ", groupWidth, group, topicWidth, topic, partition)
		if t.Has(t.verbose) {
			t.env.printf("%-13s ", epoch)
		}
		t.env.printf("%-13s %s", start, lag)
	}
	row("GROUP", "TOPIC", "PARTITION", "LEADER-EPOCH", "START-OFFSET", "LAG")
	for _, tp := range sortedPartitions(offsets) {
		o := offsets[tp]
		row(group, tp.topic, strconv.Itoa(int(tp.partition)), orMissing(o.leaderEpoch), orMissing(o.start), orMissing(o.lag))
	}
	t.env.println()
}

func (t *shareGroups) printState(g shareGroup) {
	t.tellState(g, 1)
	coordinator := fmt.Sprintf("%s:%d  (%d)", g.coordinator.Host, g.coordinator.Port, g.coordinator.NodeID)
	row := func(group, coordinatorText, state, epoch, assignmentEpoch, members string) {
		t.env.printf("\n%-*s %-*s %-15s ", max(15, len(g.GroupID)), group, max(25, len(coordinator)), coordinatorText, state)
		if t.Has(t.verbose) {
			t.env.printf("%-12s %-17s ", epoch, assignmentEpoch)
		}
		t.env.printf("%s", members)
	}
	row("GROUP", "COORDINATOR (ID)", "STATE", "GROUP-EPOCH", "ASSIGNMENT-EPOCH", "#MEMBERS")
	row(g.GroupID, coordinator, g.GroupState, fmt.Sprint(g.GroupEpoch), fmt.Sprint(g.AssignmentEpoch), strconv.Itoa(len(g.Members)))
	t.env.println()
}

func (t *shareGroups) printMembers(g shareGroup) {
	if !t.tellState(g, len(g.Members)) {
		return
	}
	members := slices.SortedFunc(slices.Values(g.Members), func(a, b kmsg.ShareGroupDescribeResponseGroupMember) int {
		return strings.Compare(a.MemberID, b.MemberID)
	})
	groupWidth, idWidth, hostWidth, clientWidth := max(15, len(g.GroupID)), 15, 15, 15
	for _, m := range members {
		idWidth, hostWidth, clientWidth = max(idWidth, len(m.MemberID)), max(hostWidth, len(m.ClientHost)), max(clientWidth, len(m.ClientID))
	}
	row := func(group, id, host, client, partitions, epoch, assignment string) {
		t.env.printf("\n%-*s %-*s %-*s %-*s %-12s ", groupWidth, group, idWidth, id, hostWidth, host, clientWidth, client, partitions)
		if t.Has(t.verbose) {
			t.env.printf("%-13s ", epoch)
		}
		t.env.printf("%s", assignment)
	}
	row("GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS", "MEMBER-EPOCH", "ASSIGNMENT")
	for _, m := range members {
		var assigned []topicPartition
		for _, tp := range m.Assignment.TopicPartitions {
			for _, p := range tp.Partitions {
				assigned = append(assigned, topicPartition{tp.Topic, p})
			}
		}
		assignment := ""
		if len(assigned) > 0 {
			assignment = assignmentString(assigned)
		}
		row(g.GroupID, m.MemberID, m.ClientHost, m.ClientID, strconv.Itoa(len(assigned)), fmt.Sprint(m.MemberEpoch), assignment)
	}
	t.env.println()
}

// deleteGroups deletes those of the groups that are share groups without members, and tells why it did not delete the others.
func (t *shareGroups) deleteGroups(ctx context.Context) error {
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
			refused[name] = exception{illegalArgument, "Group '" + name + "' is not a share group."}
		case state == "Dead":
			refused[name] = exception{"java.lang.IllegalStateException", "Share group '" + name + "' group state is DEAD."}
		case state != "Empty":
			refused[name] = exception{kafkaErrors + "GroupNotEmptyException", "Share group '" + name + "' is not EMPTY."}
		}
	}
	names = except(names, func(name string) bool { return refused[name] != nil })
	done, failed := deleteGroups(ctx, t.cl, names)
	maps.Copy(failed, refused)
	reportDeletion(t.env, "share groups", done, failed)
	return nil
}

func (t *shareGroups) resetGroup(ctx context.Context) error {
	group := t.Value(t.group)
	described, err := t.described(ctx, []string{group})
	switch {
	case errors.Is(err, kerr.GroupIDNotFound):
	case err != nil:
		t.env.errorf("%s\n", exceptionOf(err).message)
		return errFailed
	case described[group].GroupState != "Empty" && described[group].GroupState != "Dead":
		t.env.errorf("Share group '%s' is not empty.\n", group)
		return errFailed
	}
	var partitions []topicPartition
	if t.Has(t.topics) {
		partitions, err = t.partitions(ctx, t.cl)
	} else {
		var offsets map[topicPartition]shareOffset
		offsets, err = shareOffsets(ctx, t.cl, group)
		partitions = sortedPartitions(offsets)
	}
	if err != nil {
		return err
	}
	plan, err := t.offsets(ctx, t.cl, group, partitions)
	if err != nil {
		return err
	}
	if t.Has(t.execute) {
		if err := alterShareOffsets(ctx, t.cl, group, plan); err != nil {
			return err
		}
	}
	t.print(map[string]map[topicPartition]int64{group: plan}, []string{group})
	return nil
}

func alterShareOffsets(ctx context.Context, cl *kgo.Client, group string, plan map[topicPartition]int64) error {
	req := kmsg.NewPtrAlterShareGroupOffsetsRequest()
	req.GroupID = group
	topics, numbers := byTopic(sortedPartitions(plan))
	for _, name := range topics {
		rt := kmsg.NewAlterShareGroupOffsetsRequestTopic()
		rt.Topic = name
		for _, n := range numbers[name] {
			rp := kmsg.NewAlterShareGroupOffsetsRequestTopicPartition()
			rp.Partition, rp.StartOffset = n, plan[topicPartition{name, n}]
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	if err := answered(resp.ErrorCode, resp.ErrorMessage); err != nil {
		return err
	}
	for _, rt := range resp.Topics {
		for _, p := range rt.Partitions {
			if err := answered(p.ErrorCode, p.ErrorMessage); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *shareGroups) deleteGroupOffsets(ctx context.Context) error {
	group, topics := t.Value(t.group), slices.Compact(slices.Sorted(slices.Values(t.Values(t.topics))))
	req := kmsg.NewPtrDeleteShareGroupOffsetsRequest()
	req.GroupID = group
	for _, name := range topics {
		rt := kmsg.NewDeleteShareGroupOffsetsRequestTopic()
		rt.Topic = name
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, t.cl)
	if err != nil {
		return throwsExecution(err)
	}
	results := map[string]error{}
	top := answered(resp.ErrorCode, resp.ErrorMessage)
	for _, name := range topics {
		results[name] = top
	}
	for _, rt := range resp.Topics {
		results[rt.Topic] = answered(rt.ErrorCode, rt.ErrorMessage)
	}
	switch {
	case top == nil:
	case errors.Is(top, kerr.InvalidGroupID), errors.Is(top, kerr.GroupIDNotFound), errors.Is(top, kerr.GroupAuthorizationFailed), errors.Is(top, kerr.NonEmptyGroup):
		t.env.printf("\nError: %s\n", exceptionOf(top).message)
	default:
		t.env.printf("\nError: Encounter some unknown error: %s\n", exceptionOf(top).String())
	}
	width := 15
	for _, name := range topics {
		width = max(width, len(name))
	}
	t.env.printf("\n%-*s %s", width, "TOPIC", "STATUS")
	for _, name := range topics {
		status := "Successful"
		if err := results[name]; err != nil {
			status = "Error: " + exceptionOf(err).message
		}
		t.env.printf("\n%-*s %s", width, name, status)
	}
	t.env.println()
	return nil
}
