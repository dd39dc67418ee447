package main

import (
	"context"
	"errors"
	"fmt"
)

// driver is what the scenarios need of a client. What a client cannot do, whatever the broker, returns an error wrapping
// errors.ErrUnsupported. Offsets of the next record to read are plain int64; partitions count from 0.
type driver interface {
	// Codecs are the compression codecs the client can produce with, "none" among them.
	Codecs() []string
	// Send produces the records, each to its own partition, and returns their offsets once all are acknowledged
	// (-1 where acks is 0).
	Send(ctx context.Context, topic string, records []record, o sendOptions) ([]int64, error)
	// Read returns n records of a partition from offset on.
	Read(ctx context.Context, topic string, partition int32, offset int64, n int) ([]record, error)
	// Join makes a new member of a consumer group that starts at the beginning where nothing is committed.
	Join(ctx context.Context, group, topic string) (member, error)
	// OffsetAt is ListOffsets: timestampMs, or -1 for the end, -2 for the beginning. No such offset: the end or -1.
	OffsetAt(ctx context.Context, topic string, partition int32, timestampMs int64) (int64, error)
	// Committed is the group's committed offset of partition 0, -1 when there is none.
	Committed(ctx context.Context, group, topic string) (int64, error)

	CreateTopic(ctx context.Context, name string, partitions int, configs map[string]string) error
	AddPartitions(ctx context.Context, name string, total int) error
	DeleteTopic(ctx context.Context, name string) error
	// Partitions is the topic's number of partitions, 0 when there is no such topic.
	Partitions(ctx context.Context, name string) (int, error)
	TopicConfig(ctx context.Context, name, key string) (string, error)
	SetTopicConfig(ctx context.Context, name, key, value string) error

	Groups(ctx context.Context) ([]string, error)
	DescribeGroup(ctx context.Context, group string) (state string, members int, err error)
	DeleteGroup(ctx context.Context, group string) error
	Close()
}

// member is one consumer of a group.
type member interface {
	// Next waits for the next record; the position moves past it.
	Next(ctx context.Context) (record, error)
	// Commit commits the position.
	Commit(ctx context.Context) error
	// Assigned is the number of partitions this member has now, -1 when the client does not tell.
	Assigned() int
	Close() error
}

type record struct {
	Partition   int32
	Offset      int64
	TimestampMs int64
	Key, Value  []byte
	Headers     []header
}

type header struct {
	Key   string
	Value []byte
}

type sendOptions struct {
	Codec      string // "" is none
	Acks       int16  // as on the wire; the zero value means all
	NoAcks     bool
	Idempotent bool
}

// acks are the required acks on the wire.
func (o sendOptions) acks() int16 {
	switch {
	case o.NoAcks:
		return 0
	case o.Acks == 0:
		return -1
	}
	return o.Acks
}

// unsupported says what a client cannot do.
func unsupported(format string, args ...any) error {
	return fmt.Errorf(format+" (%w)", append(args, errors.ErrUnsupported)...)
}
