package tools

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// verifyAssignment tells how far a plan is, and takes away its throttles when it is done.
func (t *reassign) verifyAssignment(ctx context.Context, text []byte) error {
	p, err := parseReassignment(text)
	if err != nil {
		return err
	}
	partsOngoing, err := t.verifyPartitions(ctx, p)
	if err != nil {
		return err
	}
	dirsOngoing, err := t.verifyDirs(ctx, p)
	if err != nil || partsOngoing || dirsOngoing || t.Has(t.preserve) {
		return err
	}
	return t.clearThrottles(ctx, p)
}

// verifyPartitions reports whether any partition is on its way.
func (t *reassign) verifyPartitions(ctx context.Context, p plan) (ongoing bool, err error) {
	running, err := t.reassignments(ctx)
	if err != nil {
		return false, err
	}
	current := map[topicPartition][]int32{}
	for _, topic := range p.topics() {
		replicas, err := t.replicasOf(ctx, []string{topic})
		if err != nil && !isUnknownTopic(err) {
			return false, err
		}
		maps.Copy(current, replicas)
	}
	t.env.println("Status of partition reassignment:")
	wanted := p.replicas()
	for _, tp := range sortedPartitions(wanted) {
		switch _, ok := running[tp]; {
		case ok:
			t.env.printf("Reassignment of partition %s is still in progress.\n", tp)
		case slices.Equal(current[tp], wanted[tp]):
			t.env.printf("Reassignment of partition %s is completed.\n", tp)
		default:
			t.env.printf("There is no active reassignment of partition %s, but replica set is %s rather than %s.\n",
				tp, joinNumbers(current[tp], ","), joinNumbers(wanted[tp], ","))
		}
	}
	return len(running) > 0, nil
}

// isUnknownTopic reports the error of replicasOf for a topic that there is not.
func isUnknownTopic(err error) bool {
	e := exceptionOf(err)
	return e.class == "java.util.concurrent.ExecutionException" &&
		len(e.message) > len(kafkaErrors) && e.message[:min(len(e.message), len(kafkaErrors)+len("UnknownTopicOrPartition"))] == kafkaErrors+"UnknownTopicOrPartition"
}

// replicaDirs are the log directories that a replica is in and moves to, "" for none.
type replicaDirs struct{ current, future string }

// describeDirs asks brokers for the log directories of replicas.
func (t *reassign) describeDirs(ctx context.Context, replicas []topicReplica) (map[topicReplica]replicaDirs, error) {
	byBroker := map[int32][]topicPartition{}
	for _, r := range replicas {
		byBroker[r.broker] = append(byBroker[r.broker], r.topicPartition)
	}
	all := map[topicReplica]replicaDirs{}
	for _, broker := range slices.Sorted(maps.Keys(byBroker)) {
		req := kmsg.NewPtrDescribeLogDirsRequest()
		topics, numbers := byTopic(byBroker[broker])
		for _, name := range topics {
			rt := kmsg.NewDescribeLogDirsRequestTopic()
			rt.Topic, rt.Partitions = name, numbers[name]
			req.Topics = append(req.Topics, rt)
		}
		resp, err := req.RequestWith(ctx, t.cl.Broker(int(broker)))
		if err == nil {
			err = answered(resp.ErrorCode, nil)
		}
		if err != nil {
			return nil, throwsExecution(err)
		}
		for _, dir := range resp.Dirs {
			for _, rt := range dir.Topics {
				for _, p := range rt.Partitions {
					r := topicReplica{topicPartition{rt.Topic, p.Partition}, broker}
					d := all[r]
					if p.IsFuture {
						d.future = dir.Dir
					} else {
						d.current = dir.Dir
					}
					all[r] = d
				}
			}
		}
	}
	return all, nil
}

// currentDirs are the log directories of the partitions' replicas; brokers that cannot be asked are left out.
func (t *reassign) currentDirs(ctx context.Context, partitions map[topicPartition][]int32) (map[topicReplica]string, error) {
	alive, err := t.brokers(ctx)
	if err != nil {
		return nil, err
	}
	var replicas []topicReplica
	for tp, ids := range partitions {
		for _, id := range ids {
			if slices.ContainsFunc(alive, func(b rackedBroker) bool { return b.id == id }) {
				replicas = append(replicas, topicReplica{tp, id})
			}
		}
	}
	found, err := t.describeDirs(ctx, replicas)
	if err != nil {
		return nil, err
	}
	dirs := map[topicReplica]string{}
	for r, d := range found {
		if d.current != "" {
			dirs[r] = d.current
		}
	}
	return dirs, nil
}

// movingDirs are the replicas of a plan that move between log directories, with the directories that they come from.
func (t *reassign) movingDirs(ctx context.Context, p plan) (map[topicReplica]string, error) {
	if len(p.dirs) == 0 || t.cl == nil {
		return nil, nil
	}
	found, err := t.describeDirs(ctx, slices.Collect(maps.Keys(p.dirs)))
	if err != nil {
		return nil, err
	}
	moving := map[topicReplica]string{}
	for r, d := range found {
		if d.current != "" && d.future != "" {
			moving[r] = d.current
		}
	}
	return moving, nil
}

// verifyDirs reports whether any replica moves between log directories.
func (t *reassign) verifyDirs(ctx context.Context, p plan) (ongoing bool, err error) {
	found, err := t.describeDirs(ctx, slices.Collect(maps.Keys(p.dirs)))
	if err != nil {
		return false, err
	}
	for _, r := range slices.SortedFunc(maps.Keys(p.dirs), topicReplica.compare) {
		target := p.dirs[r]
		switch d := found[r]; {
		case d.current == "":
			t.env.printf("Partition %s is not found in any live log dir on broker %d. There is likely an offline log directory on the broker.\n", r.topicPartition, r.broker)
			ongoing = true // or it is still on its way to the broker
		case d.future == target:
			t.env.printf("Reassignment of replica %s is still in progress.\n", r)
			ongoing = true
		case d.future != "":
			t.env.printf("Partition %s on broker %d is being moved to log dir %s instead of %s.\n", r.topicPartition, r.broker, d.future, target)
			ongoing = true
		case d.current == target:
			t.env.printf("Reassignment of replica %s completed successfully.\n", r)
		default:
			t.env.printf("Partition %s on broker %d is not being moved from log dir %s to %s.\n", r.topicPartition, r.broker, d.current, target)
		}
	}
	if len(p.dirs) == 0 {
		t.env.println() // as Kafka's tool, which prints a list of none
	}
	return ongoing, nil
}
