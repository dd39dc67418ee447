package tools

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// streamsGroup is a streams group with its coordinator.
type streamsGroup struct {
	kmsg.StreamsGroupDescribeResponseGroup
	coordinator kgo.BrokerMetadata
}

// describeStreamsGroup asks a group's coordinator for it. The client does not find the coordinator of this request by itself.
func describeStreamsGroup(ctx context.Context, cl *kgo.Client, group string) (*streamsGroup, error) {
	found := kadm.NewClient(cl).FindGroupCoordinators(ctx, group)[group]
	if found.Err != nil {
		return nil, found.Err
	}
	req := kmsg.NewPtrStreamsGroupDescribeRequest()
	req.Groups = []string{group}
	resp, err := req.RequestWith(ctx, cl.Broker(int(found.NodeID)))
	if err != nil {
		return nil, err
	}
	if len(resp.Groups) == 0 {
		return nil, fmt.Errorf("the coordinator of group %s did not tell of it", group)
	}
	g := resp.Groups[0]
	if err := answered(g.ErrorCode, g.ErrorMessage); err != nil {
		return nil, err
	}
	return &streamsGroup{g, kgo.BrokerMetadata{NodeID: found.NodeID, Host: found.Host, Port: found.Port}}, nil
}

// sourceTopics are the topics that the group reads; those that it writes itself to repartition records only when asked for.
func (g *streamsGroup) sourceTopics(repartitioned bool) []string {
	var topics []string
	for _, s := range g.subtopologies() {
		topics = append(topics, s.SourceTopics...)
		if repartitioned {
			for _, t := range s.RepartitionSourceTopics {
				topics = append(topics, t.Topic)
			}
		}
	}
	return topics
}

// ownTopics are the topics for repartitioning and for the logs of state stores.
func (g *streamsGroup) ownTopics() []string {
	var topics []string
	for _, s := range g.subtopologies() {
		for _, t := range slices.Concat(s.RepartitionSourceTopics, s.StateChangelogTopics) {
			topics = append(topics, t.Topic)
		}
	}
	return topics
}

func (g *streamsGroup) subtopologies() []kmsg.StreamsGroupDescribeResponseGroupTopologySubtopology {
	if g.Topology == nil {
		return nil
	}
	return g.Topology.Subtopologies
}

var internalTopicName = regexp.MustCompile(`(-changelog|-repartition|-subscription-registration-topic|-subscription-response-topic|` +
	`.+-KTABLE-FK-JOIN-SUBSCRIPTION-(REGISTRATION|RESPONSE)-[0-9]+-topic)$`)

// isInternalTopic tells by the name of a topic whether Kafka Streams has made it for an application.
func isInternalTopic(topic, application string) bool {
	return strings.HasPrefix(topic, application+"-") && internalTopicName.MatchString(topic)
}

func (t *streamsGroups) describeGroups(ctx context.Context) error {
	names, err := t.named(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		g, err := describeStreamsGroup(ctx, t.cl, name)
		if err != nil {
			return throwsExecution(err)
		}
		switch {
		case t.Has(t.members):
			t.printMembers(g)
		case t.Has(t.stateOption):
			t.printState(g)
		default:
			if err := t.printOffsets(ctx, g); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *streamsGroups) tellState(g *streamsGroup) {
	switch g.State {
	case "Dead":
		t.env.printf("\nError: Streams group '%s' does not exist.\n", g.Group)
	case "Empty":
		t.env.printf("\nError: Streams group '%s' has no active members.\n", g.Group)
	}
}

func (t *streamsGroups) printState(g *streamsGroup) {
	t.tellState(g)
	coordinator := coordinatorText(g.coordinator)
	row := func(group, coordinatorText, state string, epoch, targetEpoch, members any) {
		t.env.printf("%-*s %-*s %-25s ", max(15, len(g.Group)), group, max(25, len(coordinator)), coordinatorText, state)
		if t.Has(t.verbose) {
			t.env.printf("%-15v %-25v ", epoch, targetEpoch)
		}
		t.env.printf("%v\n", members)
	}
	row("GROUP", "COORDINATOR (ID)", "STATE", "GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH", "#MEMBERS")
	row(g.Group, coordinator, g.State, g.Epoch, g.AssignmentEpoch, len(g.Members))
}

func (t *streamsGroups) printMembers(g *streamsGroup) {
	if g.State == "Dead" || len(g.Members) == 0 {
		return
	}
	t.tellState(g)
	groupWidth, idWidth, processWidth, clientWidth := max(15, len(g.Group)), 15, 15, 15
	for _, m := range g.Members {
		idWidth, processWidth, clientWidth = max(idWidth, len(m.MemberID)), max(processWidth, len(m.ProcessID)), max(clientWidth, len(m.ClientID))
	}
	verbose := t.Has(t.verbose)
	row := func(group string, targetEpoch, topologyEpoch any, id, protocol string, epoch any, process, client, tasks string) {
		t.env.printf("%-*s ", groupWidth, group)
		if verbose {
			t.env.printf("%-25v %-15v", targetEpoch, topologyEpoch)
		}
		t.env.printf("%-*s ", idWidth, id)
		if verbose {
			t.env.printf("%-15s %-15v ", protocol, epoch)
		}
		t.env.printf("%-*s %-*s %s\n", processWidth, process, clientWidth, client, tasks)
	}
	row("GROUP", "TARGET-ASSIGNMENT-EPOCH", "TOPOLOGY-EPOCH", "MEMBER", "MEMBER-PROTOCOL", "MEMBER-EPOCH", "PROCESS", "CLIENT-ID", "ASSIGNMENTS")
	for _, m := range g.Members {
		protocol, tasks := "streams", assignedTasks("", m.Assignment)
		if m.IsClassic {
			protocol = "classic"
		}
		if verbose {
			tasks += assignedTasks("TARGET-", m.TargetAssignment)
		}
		row(g.Group, g.AssignmentEpoch, m.TopologyEpoch, m.MemberID, protocol, m.MemberEpoch, m.ProcessID, m.ClientID, tasks)
	}
}

// assignedTasks are the tasks of a member: "ACTIVE: 0:[0,1]; ".
func assignedTasks(prefix string, a kmsg.StreamsAssignment) string {
	var b strings.Builder
	for _, part := range []struct {
		kind  string
		tasks []kmsg.TaskIDs
	}{{"ACTIVE", a.ActiveTasks}, {"STANDBY", a.StandbyTasks}, {"WARMUP", a.WarmupTasks}} {
		if len(part.tasks) == 0 {
			continue
		}
		b.WriteString(prefix + part.kind + ": ")
		for _, task := range part.tasks {
			fmt.Fprintf(&b, "%s:[%s]; ", task.SubtopologyID, joinNumbers(task.Partitions, ","))
		}
	}
	return b.String()
}

// printOffsets shows the partitions that the members' active tasks read.
func (t *streamsGroups) printOffsets(ctx context.Context, g *streamsGroup) error {
	partitions, err := g.readPartitions()
	if err != nil {
		return err
	}
	first, err := listOffsets(ctx, t.cl, partitions, earliestOffset)
	if err != nil {
		return throwsExecution(err)
	}
	ends, err := listOffsets(ctx, t.cl, partitions, latestOffset)
	if err != nil {
		return throwsExecution(err)
	}
	offsets, err := committedOffsets(ctx, t.cl, g.Group)
	if err != nil {
		return throwsRuntime(err)
	}
	if g.State == "Dead" || len(g.Members) == 0 {
		return nil
	}
	t.tellState(g)
	groupWidth, topicWidth := max(15, len(g.Group)), 15
	for _, tp := range partitions {
		topicWidth = max(topicWidth, len(tp.topic))
	}
	row := func(group, topic string, partition any, offset, epoch string, end, lag any) {
		t.env.printf("%-*s %-*s %-10v ", groupWidth, group, topicWidth, topic, partition)
		if t.Has(t.verbose) {
			t.env.printf("%-15s %-15s %-15v %-15v\n", offset, epoch, end, lag)
		} else {
			t.env.printf("%v\n", lag)
		}
	}
	row("GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LEADER-EPOCH", "LOG-END-OFFSET", "OFFSET-LAG")
	for _, tp := range sortedPartitions(first) {
		lag := ends[tp] - first[tp]
		var offset *int64
		o, ok := offsets[tp]
		if ok {
			offset, lag = &o.offset, ends[tp]-o.offset
		}
		row(g.Group, tp.topic, tp.partition, orMissing(offset), orMissing(o.leaderEpoch), ends[tp], lag)
	}
	return nil
}

// readPartitions are the partitions of the source topics that active tasks stand for.
func (g *streamsGroup) readPartitions() ([]topicPartition, error) {
	sources := map[string][]string{}
	for _, s := range g.subtopologies() {
		topics := slices.Clone(s.SourceTopics)
		for _, t := range s.RepartitionSourceTopics {
			topics = append(topics, t.Topic)
		}
		sources[s.SubtopologyID] = topics
	}
	all := map[topicPartition]bool{}
	for _, m := range g.Members {
		for _, task := range m.Assignment.ActiveTasks {
			topics, ok := sources[task.SubtopologyID]
			if !ok {
				return nil, usagef("Subtopology %s not found in group description!", task.SubtopologyID)
			}
			for _, topic := range topics {
				for _, p := range task.Partitions {
					all[topicPartition{topic, p}] = true
				}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(all), topicPartition.compare), nil
}
