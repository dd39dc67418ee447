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
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Configuration that throttles reassignments.
var (
	brokerThrottles = []string{"leader.replication.throttled.rate", "follower.replication.throttled.rate", "replica.alter.log.dirs.io.max.bytes.per.second"}
	topicThrottles  = []string{"leader.replication.throttled.replicas", "follower.replication.throttled.replicas"}
)

// executeAssignment starts a plan, after it has printed what undoes it.
func (t *reassign) executeAssignment(ctx context.Context, text []byte) error {
	p, err := parseReassignment(text)
	if err == nil {
		err = p.check()
	}
	if err != nil {
		return err
	}
	running, err := t.reassignments(ctx)
	if err != nil {
		return err
	}
	if len(running) > 0 && !t.Has(t.additional) {
		return terse("Cannot execute because there is an existing partition assignment.  Use --additional to override this and " +
			"create a new partition assignment in addition to the existing one. The --additional " +
			"flag can also be used to change the throttle by resubmitting the current reassignment.")
	}
	current, err := t.planned(ctx, p)
	if err != nil {
		return err
	}
	dirs, err := t.currentDirs(ctx, current)
	if err != nil {
		return err
	}
	t.env.printf("Current partition replica assignment\n\n%s\n\nSave this to use as the --reassignment-json-file option during rollback\n", reassignmentJSON(current, dirs))
	if err := t.setThrottles(ctx, p, running, current); err != nil {
		return err
	}
	wanted := p.replicas()
	failed, err := t.alterAssignments(ctx, wanted)
	if err != nil {
		return err
	}
	if len(failed) > 0 {
		return terse("Error reassigning partition(s):\n" + partitionErrors(failed))
	}
	t.env.printf("Successfully started partition reassignment%s for %s\n", plural(len(wanted)), partitionNames(wanted))
	if len(p.dirs) > 0 {
		return t.moveDirs(ctx, p.dirs)
	}
	return nil
}

// planned are the partitions of a plan where they are now; brokers and partitions that there are not are errors.
func (t *reassign) planned(ctx context.Context, p plan) (map[topicPartition][]int32, error) {
	brokers, err := t.brokers(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range p.partitions {
		for _, id := range x.replicas {
			if !slices.ContainsFunc(brokers, func(b rackedBroker) bool { return b.id == id }) {
				return nil, fmt.Errorf("Unknown broker id %d", id) //nolint:staticcheck // Kafka's words
			}
		}
	}
	current, err := t.replicasOf(ctx, p.topics())
	if err != nil {
		return nil, err
	}
	wanted := p.replicas()
	maps.DeleteFunc(current, func(tp topicPartition, _ []int32) bool { return wanted[tp] == nil })
	var missing []string
	for _, tp := range sortedPartitions(wanted) {
		if current[tp] == nil {
			missing = append(missing, tp.String())
		}
	}
	if len(missing) > 0 {
		message := "Unable to find partition: " + strings.Join(missing, ", ")
		return nil, throwsExecution(answered(kerr.UnknownTopicOrPartition.Code, &message))
	}
	return current, nil
}

// setThrottles limits what --throttle and --replica-alter-log-dirs-throttle ask to limit.
func (t *reassign) setThrottles(ctx context.Context, p plan, running map[topicPartition]reassignment, current map[topicPartition][]int32) error {
	between, within := t.Int64(t.throttle), t.Int64(t.logDirThrottle)
	if between < 0 && within < 0 {
		return nil
	}
	t.env.println("Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is removed.")
	if between >= 0 {
		moves := movesOf(p.replicas(), running, current)
		if err := t.throttleMoves(ctx, moves, between); err != nil {
			return err
		}
		t.env.printf("The inter-broker throttle limit was set to %d B/s\n", between)
	}
	if within >= 0 {
		brokers := map[int32]bool{}
		for r := range p.dirs {
			brokers[r.broker] = true
		}
		rate := strconv.FormatInt(within, 10)
		for _, id := range slices.Sorted(maps.Keys(brokers)) {
			if err := t.alterBroker(ctx, id, configChange{brokerThrottles[2], &rate}); err != nil {
				return err
			}
		}
		t.env.printf("The replica-alter-dir throttle limit was set to %d B/s\n", within)
	}
	return nil
}

// move is where a partition comes from, and where it goes besides.
type move struct{ sources, destinations []int32 }

// movesOf are the moves that are under way and those of a plan.
func movesOf(wanted map[topicPartition][]int32, running map[topicPartition]reassignment, current map[topicPartition][]int32) map[topicPartition]move {
	minus := func(all, less []int32) []int32 {
		return slices.DeleteFunc(slices.Clone(all), func(id int32) bool { return slices.Contains(less, id) })
	}
	moves := map[topicPartition]move{}
	for tp, r := range running {
		moves[tp] = move{minus(r.replicas, r.adding), r.adding}
	}
	for tp, replicas := range wanted {
		sources := current[tp]
		if m, ok := moves[tp]; ok {
			sources = m.sources
		}
		moves[tp] = move{sources, minus(replicas, sources)}
	}
	return moves
}

// throttleMoves names the throttled replicas in the topics' configuration, and the rate in the brokers'.
func (t *reassign) throttleMoves(ctx context.Context, moves map[topicPartition]move, rate int64) error {
	leaders, followers := map[string][]string{}, map[string][]string{}
	brokers := map[int32]bool{}
	for tp, m := range moves {
		leaders[tp.topic], followers[tp.topic] = append(leaders[tp.topic], []string{}...), append(followers[tp.topic], []string{}...)
		for _, id := range m.sources {
			leaders[tp.topic] = append(leaders[tp.topic], fmt.Sprintf("%d:%d", tp.partition, id))
			brokers[id] = true
		}
		for _, id := range m.destinations {
			followers[tp.topic] = append(followers[tp.topic], fmt.Sprintf("%d:%d", tp.partition, id))
			brokers[id] = true
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(leaders)) {
		slices.Sort(leaders[topic])
		slices.Sort(followers[topic])
		leader, follower := strings.Join(leaders[topic], ","), strings.Join(followers[topic], ",")
		err := alterConfigs(ctx, t.to, kmsg.ConfigResourceTypeTopic, topic, []configChange{{topicThrottles[0], &leader}, {topicThrottles[1], &follower}})
		if err != nil {
			return throwsExecution(err)
		}
	}
	text := strconv.FormatInt(rate, 10)
	for _, id := range slices.Sorted(maps.Keys(brokers)) {
		if err := t.alterBroker(ctx, id, configChange{brokerThrottles[0], &text}, configChange{brokerThrottles[1], &text}); err != nil {
			return err
		}
	}
	return nil
}

func (t *reassign) alterBroker(ctx context.Context, id int32, changes ...configChange) error {
	return throwsExecution(alterConfigs(ctx, t.to, kmsg.ConfigResourceTypeBroker, strconv.Itoa(int(id)), changes))
}

// clearThrottles takes away all throttles of all brokers and of a plan's topics: nobody knows any more which were set for it.
func (t *reassign) clearThrottles(ctx context.Context, p plan) error {
	brokers, err := t.brokers(ctx)
	if err != nil {
		return err
	}
	var ids []int32
	for _, b := range brokers {
		ids = append(ids, b.id)
	}
	for _, x := range p.partitions {
		ids = append(ids, x.replicas...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	t.env.printf("Clearing broker-level throttles on broker%s %s\n", plural(len(ids)), joinNumbers(ids, ","))
	reset := func(keys []string) []configChange {
		changes := make([]configChange, len(keys))
		for i, k := range keys {
			changes[i].key = k
		}
		return changes
	}
	for _, id := range ids {
		if err := t.alterBroker(ctx, id, reset(brokerThrottles)...); err != nil {
			return err
		}
	}
	topics := p.topics()
	t.env.printf("Clearing topic-level throttles on topic%s %s\n", plural(len(topics)), strings.Join(topics, ","))
	for _, name := range topics {
		if err := alterConfigs(ctx, t.to, kmsg.ConfigResourceTypeTopic, name, reset(topicThrottles)); err != nil {
			return throwsExecution(err)
		}
	}
	return nil
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// partitionNames are the keys, sorted.
func partitionNames[V any](m map[topicPartition]V) string {
	var names []string
	for _, tp := range sortedPartitions(m) {
		names = append(names, tp.String())
	}
	return strings.Join(names, ",")
}

func partitionErrors(failed map[topicPartition]error) string {
	var lines []string
	for _, tp := range sortedPartitions(failed) {
		lines = append(lines, tp.String()+": "+exceptionOf(failed[tp]).message)
	}
	return strings.Join(lines, "\n")
}

// alterAssignments asks the controller for new replicas of partitions; nil replicas cancel. It returns the errors of single partitions.
func (t *reassign) alterAssignments(ctx context.Context, wanted map[topicPartition][]int32) (map[topicPartition]error, error) {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.AllowReplicationFactorChange = !t.Has(t.keepReplicas)
	topics, numbers := byTopic(sortedPartitions(wanted))
	for _, name := range topics {
		rt := kmsg.NewAlterPartitionAssignmentsRequestTopic()
		rt.Topic = name
		for _, n := range numbers[name] {
			rp := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
			rp.Partition, rp.Replicas = n, wanted[topicPartition{name, n}]
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, t.to)
	if err != nil {
		return nil, throwsExecution(err)
	}
	failed := map[topicPartition]error{}
	if err := answered(resp.ErrorCode, resp.ErrorMessage); err != nil {
		for tp := range wanted {
			failed[tp] = err
		}
		return failed, nil
	}
	for _, rt := range resp.Topics {
		for _, p := range rt.Partitions {
			if err := answered(p.ErrorCode, p.ErrorMessage); err != nil {
				failed[topicPartition{rt.Topic, p.Partition}] = err
			}
		}
	}
	return failed, nil
}

// cancelAssignment stops what is under way of a plan.
func (t *reassign) cancelAssignment(ctx context.Context, text []byte) error {
	p, err := parseReassignment(text)
	if err != nil {
		return err
	}
	running, err := t.reassignments(ctx)
	if err != nil {
		return err
	}
	wanted := p.replicas()
	stop := map[topicPartition][]int32{}
	for tp, r := range running {
		if _, ok := wanted[tp]; ok && len(r.adding)+len(r.removing) > 0 {
			stop[tp] = nil
		}
	}
	if len(stop) == 0 {
		t.env.println("None of the specified partition reassignments are active.")
	} else {
		failed, err := t.alterAssignments(ctx, stop)
		if err != nil {
			return err
		}
		if len(failed) > 0 {
			return terse(fmt.Sprintf("Error cancelling partition reassignment%s for:\n%s", plural(len(failed)), partitionErrors(failed)))
		}
		t.env.printf("Successfully cancelled partition reassignment%s for: %s\n", plural(len(stop)), partitionNames(stop))
	}
	back, err := t.movingDirs(ctx, p)
	if err != nil {
		return err
	}
	if len(back) == 0 {
		t.env.printf("None of the specified partition moves are active.")
	} else if err := t.moveDirs(ctx, back); err != nil {
		return err
	}
	if t.Has(t.preserve) {
		return nil
	}
	return t.clearThrottles(ctx, p)
}

// moveDirs has brokers move replicas to log directories, and tries again for replicas that are still on their way to the broker.
func (t *reassign) moveDirs(ctx context.Context, wanted map[topicReplica]string) error {
	pending := maps.Clone(wanted)
	deadline := t.env.Now().Add(time.Duration(t.Int64(t.timeout)) * time.Millisecond)
	for {
		started, err := t.alterDirs(ctx, pending)
		if err != nil {
			return err
		}
		for _, r := range slices.SortedFunc(slices.Values(started), topicReplica.compare) {
			t.env.printf("Successfully started moving log directory to %s for replica %s-%d with broker %d \n", pending[r], r.topic, r.partition, r.broker)
			delete(pending, r)
		}
		if len(pending) == 0 {
			return nil
		}
		if !t.env.Now().Before(deadline) {
			var names []string
			for _, r := range slices.SortedFunc(maps.Keys(pending), topicReplica.compare) {
				names = append(names, r.String())
			}
			return terse(fmt.Sprintf("Timed out before log directory move%s could be started for: %s", plural(len(pending)), strings.Join(names, ",")))
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// alterDirs returns the replicas whose move the brokers have begun.
func (t *reassign) alterDirs(ctx context.Context, wanted map[topicReplica]string) ([]topicReplica, error) {
	requests := map[int32]map[string][]topicPartition{}
	for r, dir := range wanted {
		if requests[r.broker] == nil {
			requests[r.broker] = map[string][]topicPartition{}
		}
		requests[r.broker][dir] = append(requests[r.broker][dir], r.topicPartition)
	}
	var started []topicReplica
	for _, broker := range slices.Sorted(maps.Keys(requests)) {
		req := kmsg.NewPtrAlterReplicaLogDirsRequest()
		for _, dir := range slices.Sorted(maps.Keys(requests[broker])) {
			rd := kmsg.NewAlterReplicaLogDirsRequestDir()
			rd.Dir = dir
			topics, numbers := byTopic(requests[broker][dir])
			for _, name := range topics {
				rt := kmsg.NewAlterReplicaLogDirsRequestDirTopic()
				rt.Topic, rt.Partitions = name, numbers[name]
				rd.Topics = append(rd.Topics, rt)
			}
			req.Dirs = append(req.Dirs, rd)
		}
		resp, err := req.RequestWith(ctx, t.cl.Broker(int(broker)))
		if err != nil {
			return nil, throwsExecution(err)
		}
		for _, rt := range resp.Topics {
			for _, p := range rt.Partitions {
				r := topicReplica{topicPartition{rt.Topic, p.Partition}, broker}
				switch err := answered(p.ErrorCode, nil); {
				case err == nil:
					started = append(started, r)
				case !errors.Is(err, kerr.ReplicaNotAvailable):
					return nil, errors.New("Failed to alter dir for " + r.String()) //nolint:staticcheck // Kafka's words
				}
			}
		}
	}
	return started, nil
}
