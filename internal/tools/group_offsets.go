package tools

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// deleteNamedOffsets deletes a group's offsets of topics, or of some of their partitions ("topic:0,1"), and tells how that went.
func deleteNamedOffsets(ctx context.Context, env *Env, cl *kgo.Client, group string, names []string) error {
	results := map[topicPartition]error{}
	var partitions []topicPartition
	for _, name := range names {
		if strings.Contains(name, ":") {
			named, err := parsePartitions(name)
			if err != nil {
				return err
			}
			partitions = append(partitions, named...)
			continue
		}
		leaders, err := partitionLeaders(ctx, cl, []string{name})
		if err != nil {
			results[topicPartition{name, -1}] = throwsExecution(err)
		}
		partitions = append(partitions, sortedPartitions(leaders)...)
	}
	return deletePartitionOffsets(ctx, env, cl, group, partitions, results)
}

// deletePartitionOffsets deletes a group's offsets and tells how that went, with the results that there are already.
func deletePartitionOffsets(ctx context.Context, env *Env, cl *kgo.Client, group string, partitions []topicPartition, results map[topicPartition]error) error {
	top, err := deleteOffsets(ctx, cl, group, partitions, results)
	if err != nil {
		return err
	}
	switch {
	case top == nil:
		env.printf("Request succeeded for deleting offsets from group %s.\n", group)
	case errors.Is(top, kerr.InvalidGroupID), errors.Is(top, kerr.GroupIDNotFound), errors.Is(top, kerr.GroupAuthorizationFailed), errors.Is(top, kerr.NonEmptyGroup):
		env.printf("\nError: %s\n", exceptionOf(top).message)
	case errors.Is(top, kerr.GroupSubscribedToTopic), errors.Is(top, kerr.TopicAuthorizationFailed), errors.Is(top, kerr.UnknownTopicOrPartition):
		env.printf("\nError: Encountered some partition-level error, see the follow-up details.\n")
	default:
		env.printf("\nError: Encountered some unknown error: %s\n", top)
	}
	width := 15
	for tp := range results {
		width = max(width, len(tp.topic))
	}
	row := func(topic, partition, status string) {
		env.printf("\n%-*s %-10s %-15s", width, topic, partition, status)
	}
	row("TOPIC", "PARTITION", "STATUS")
	for _, tp := range sortedPartitions(results) {
		partition, status := missingColumn, "Successful"
		if tp.partition >= 0 {
			partition = fmt.Sprint(tp.partition)
		}
		if err := results[tp]; err != nil {
			status = "Error: " + err.Error()
		}
		row(tp.topic, partition, status)
	}
	env.println()
	return nil
}

// deleteOffsets notes for each partition how its deletion went, and returns the first error of any of them.
func deleteOffsets(ctx context.Context, cl *kgo.Client, group string, partitions []topicPartition, results map[topicPartition]error) (top, err error) {
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = group
	topics, numbers := byTopic(partitions)
	for _, name := range topics {
		rt := kmsg.NewOffsetDeleteRequestTopic()
		rt.Topic = name
		for _, n := range slices.Compact(numbers[name]) {
			rp := kmsg.NewOffsetDeleteRequestTopicPartition()
			rp.Partition = n
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	if top = answered(resp.ErrorCode, nil); top != nil {
		for _, tp := range partitions {
			results[tp] = throwsExecution(top)
		}
		return top, nil
	}
	for _, rt := range resp.Topics {
		for _, rp := range rt.Partitions {
			failed := answered(rp.ErrorCode, nil)
			results[topicPartition{rt.Topic, rp.Partition}] = throwsExecution(failed)
			if top == nil {
				top = failed
			}
		}
	}
	return top, nil
}
