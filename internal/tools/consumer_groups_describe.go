package tools

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// describeGroups prints the groups' offsets, members or states.
func (t *consumerGroups) describeGroups(ctx context.Context) error {
	names, err := t.named(ctx)
	if err != nil {
		return err
	}
	described, err := describeConsumerGroups(ctx, t.cl, names)
	if err != nil {
		return throwsExecution(err)
	}
	groups := slices.Sorted(maps.Keys(described))
	rows := map[string][]offsetRow{}
	if t.count(t.members, t.stateOption) == 0 {
		for _, g := range groups {
			if rows[g], err = offsetRows(ctx, t.cl, described[g]); err != nil {
				return err
			}
		}
	}
	for _, name := range groups {
		g := described[name]
		switch {
		case t.Has(t.members):
			err = t.printMembers(g)
		case t.Has(t.stateOption):
			err = t.printState(g)
		default:
			err = t.printOffsets(g, rows[name])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tellState says what is the matter with a group, and whether there is more to show of it.
func (t *consumerGroups) tellState(g groupDescription, rows int) (bool, error) {
	switch g.state {
	case "Dead":
		t.env.printf("\nError: Consumer group '%s' does not exist.\n", g.group)
	case "Empty":
		t.env.errorf("\nConsumer group '%s' has no active members.\n", g.group)
	case "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling":
		t.env.errorf("\nWarning: Consumer group '%s' is rebalancing.\n", g.group)
	case "Stable":
	default:
		return false, fmt.Errorf("Expected a valid consumer group state, but found '%s'.", g.state) //nolint:staticcheck // Kafka's words
	}
	return g.state != "Dead" && rows > 0, nil
}

// offsetRow is a line of the table of offsets.
type offsetRow struct {
	tp                       topicPartition
	offset, end, lag         *int64
	leaderEpoch              *int32
	consumer, host, clientID string
}

// offsetRows are a group's partitions: those of its members, and those that only have offsets.
func offsetRows(ctx context.Context, cl *kgo.Client, g groupDescription) ([]offsetRow, error) {
	offsets, err := committedOffsets(ctx, cl, g.group)
	if err != nil {
		return nil, throwsRuntime(err)
	}
	var rows []offsetRow
	add := func(partitions []topicPartition, consumer, host, clientID string) error {
		ends, err := endOffsets(ctx, cl, partitions)
		if err != nil {
			return err
		}
		for _, tp := range slices.SortedFunc(slices.Values(partitions), topicPartition.compare) {
			row := offsetRow{tp: tp, consumer: consumer, host: host, clientID: clientID}
			if o, ok := offsets[tp]; ok {
				row.offset, row.leaderEpoch = &o.offset, o.leaderEpoch
			}
			if end, ok := ends[tp]; ok {
				row.end = &end
				if row.offset != nil {
					lag := end - *row.offset
					row.lag = &lag
				}
			}
			rows = append(rows, row)
		}
		return nil
	}
	left := maps.Clone(offsets)
	for _, m := range slices.SortedStableFunc(slices.Values(g.members), byAssignment) {
		for _, tp := range m.assigned {
			delete(left, tp)
		}
		if err := add(m.assigned, m.id, m.host, m.clientID); err != nil {
			return nil, err
		}
	}
	return rows, add(sortedPartitions(left), missingColumn, missingColumn, missingColumn)
}

// endOffsets are those of the partitions that have a leader.
func endOffsets(ctx context.Context, cl *kgo.Client, partitions []topicPartition) (map[topicPartition]int64, error) {
	topics, _ := byTopic(partitions)
	leaders, err := partitionLeaders(ctx, cl, topics)
	if err != nil {
		return nil, throwsRuntime(err)
	}
	led := slices.DeleteFunc(slices.Clone(partitions), func(tp topicPartition) bool {
		leader, ok := leaders[tp]
		return ok && leader < 0
	})
	ends, err := listOffsets(ctx, cl, led, latestOffset)
	return ends, throwsRuntime(err)
}

func (t *consumerGroups) printOffsets(g groupDescription, rows []offsetRow) error {
	if more, err := t.tellState(g, len(rows)); !more {
		return err
	}
	groupWidth, topicWidth, consumerWidth, hostWidth := max(15, len(g.group)), 15, 15, 15
	for _, r := range rows {
		topicWidth, consumerWidth, hostWidth = max(topicWidth, len(r.tp.topic)), max(consumerWidth, len(r.consumer)), max(hostWidth, len(r.host))
	}
	row := func(group, topic, partition, epoch, offset, end, lag, consumer, host, clientID string) {
		t.env.printf("\n%-*s %-*s %-10s ", groupWidth, group, topicWidth, topic, partition)
		if t.Has(t.verbose) {
			t.env.printf("%-15s ", epoch)
		}
		t.env.printf("%-15s %-15s %-15s %-*s %-*s %s", offset, end, lag, consumerWidth, consumer, hostWidth, host, clientID)
	}
	row("GROUP", "TOPIC", "PARTITION", "LEADER-EPOCH", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID")
	for _, r := range rows {
		row(g.group, r.tp.topic, strconv.Itoa(int(r.tp.partition)), orMissing(r.leaderEpoch), orMissing(r.offset), orMissing(r.end), orMissing(r.lag), r.consumer, r.host, r.clientID)
	}
	t.env.println()
	return nil
}

func (t *consumerGroups) printMembers(g groupDescription) error {
	// Kafka's tool prints the head of the table even when there is nothing to show.
	if _, err := t.tellState(g, len(g.members)); err != nil {
		return err
	}
	groupWidth, idWidth, instanceWidth, hostWidth, clientWidth, currentWidth, targetWidth := 15, 15, 17, 15, 15, 20, 20
	var instances, classic, modern bool
	for _, m := range g.members {
		groupWidth, idWidth, instanceWidth = max(groupWidth, len(g.group)), max(idWidth, len(m.id)), max(instanceWidth, len(m.instance))
		hostWidth, clientWidth = max(hostWidth, len(m.host)), max(clientWidth, len(m.clientID))
		currentWidth, targetWidth = max(currentWidth, len(assignmentString(m.assigned))), max(targetWidth, len(assignmentString(m.target)))
		instances = instances || m.instance != ""
		classic = classic || m.upgraded != nil && !*m.upgraded
		modern = modern || m.upgraded != nil && *m.upgraded
	}
	row := func(group, id, instance, host, clientID, partitions, epoch, current, targetEpoch, target, upgraded string) {
		t.env.printf("%-*s %-*s ", groupWidth, group, idWidth, id)
		if instances {
			t.env.printf("%-*s ", instanceWidth, instance)
		}
		t.env.printf("%-*s %-*s %-15s ", hostWidth, host, clientWidth, clientID, partitions)
		if t.Has(t.verbose) {
			t.env.printf("%-15s %-*s %-15s %-*s", epoch, currentWidth, current, targetEpoch, targetWidth, target)
			if classic && modern {
				t.env.printf(" %s", upgraded)
			}
		}
		t.env.println()
	}
	t.env.println()
	row("GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS",
		"CURRENT-EPOCH", "CURRENT-ASSIGNMENT", "TARGET-EPOCH", "TARGET-ASSIGNMENT", "UPGRADED")
	for _, m := range g.members {
		upgraded := missingColumn
		if m.upgraded != nil {
			upgraded = strconv.FormatBool(*m.upgraded)
		}
		row(g.group, m.id, m.instance, m.host, m.clientID, strconv.Itoa(len(m.assigned)),
			orMissing(m.epoch), assignmentString(m.assigned), orMissing(g.targetEpoch), assignmentString(m.target), upgraded)
	}
	return nil
}

func (t *consumerGroups) printState(g groupDescription) error {
	if more, err := t.tellState(g, 1); !more {
		return err
	}
	coordinator := fmt.Sprintf("%s:%d  (%d)", g.coordinator.Host, g.coordinator.Port, g.coordinator.NodeID)
	groupWidth, coordinatorWidth := max(15, len(g.group)), max(25, len(coordinator))
	row := func(group, coordinator, assignor, state, epoch, targetEpoch, members string) {
		t.env.printf("\n%-*s %-*s %-20s %-20s ", groupWidth, group, coordinatorWidth, coordinator, assignor, state)
		if t.Has(t.verbose) {
			t.env.printf("%-15s %-25s ", epoch, targetEpoch)
		}
		t.env.printf("%s", members)
	}
	assignor := g.assignor
	if assignor == "" {
		assignor = missingColumn
	}
	row("GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH", "#MEMBERS")
	row(g.group, coordinator, assignor, g.state, orMissing(g.epoch), orMissing(g.targetEpoch), strconv.Itoa(len(g.members)))
	t.env.println()
	return nil
}
