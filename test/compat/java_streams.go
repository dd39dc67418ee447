package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// streams counts words exactly once, in two processes one after the other, as a group of the classic protocol.
func (j *java) streams(ctx context.Context) error { return j.wordCount(ctx, "words") }

// streamsGroup is the same with a group of the streams protocol (KIP-1071).
func (j *java) streamsGroup(ctx context.Context) error {
	name := j.topic("swords-app")
	groups := func(args ...string) said { return j.tool(ctx, "", "kafka-streams-groups", args...) }
	return first(
		func() error { return j.wordCount(ctx, "swords", "streams") },
		func() error { return groups("--list").must(`^` + name + `$`) },
		func() error {
			return j.tool(ctx, "", "kafka-groups", "--list", "--group-type", "streams").must(`^` + name + ` +Streams +streams`)
		},
		func() error { return groups("--describe", "--state", "--group", name).must(`^` + name + ` .*Empty +0`) },
		func() error { return groups("--delete", "--group", name).must(`was successful`) },
	)
}

func (j *java) wordCount(ctx context.Context, word string, protocol ...string) error {
	in, out := j.topic(word), j.topic(word+"-counts")
	state := filepath.Join(j.e.tmp, j.topic(word+"-state"))
	create := func(topic string) func() error {
		return func() error {
			return j.tool(ctx, "", "kafka-topics", "--create", "--topic", topic, "--partitions", "2").must()
		}
	}
	count := func(words, want string) func() error {
		return func() error {
			s := j.program(ctx, "WordCount", append([]string{in, out, j.topic(word + "-app"), state, words}, protocol...)...)
			if s.status == 77 {
				return fmt.Errorf("%w: Kafka Streams cannot be had: %s", errSkip, tail(s.errs))
			}
			return s.mustPrint(want)
		}
	}
	return first(
		create(in), create(out),
		func() error {
			return j.tool(ctx, "all streams lead to kafka\nhello kafka streams\njoin kafka summit\n", "kafka-console-producer", "--topic", in).must()
		},
		count("11", "all 1\nhello 1\njoin 1\nkafka 3\nlead 1\nstreams 2\nsummit 1\nto 1\nkafka 3 at word.count\n"),
		func() error { return j.tool(ctx, "kafka again\n", "kafka-console-producer", "--topic", in).must() },
		count("13", "again 1\nall 1\nhello 1\njoin 1\nkafka 4\nlead 1\nstreams 2\nsummit 1\nto 1\nkafka 4 at word.count\n"),
	)
}
