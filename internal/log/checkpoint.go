package log

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// The checkpoints of a log directory: a text file each with an offset per
// partition.
//
//	0                      version
//	2                      number of entries
//	test 0 4711            topic, partition, offset
//	test 1 4712
const (
	recoveryPointFile = "recovery-point-offset-checkpoint"
	highWatermarkFile = "replication-offset-checkpoint"
	startOffsetFile   = "log-start-offset-checkpoint"
	cleanedFile       = "cleaner-offset-checkpoint"
)

type offsets map[protocol.TopicPartition]int64

func formatOffsets(o offsets) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "0\n%d\n", len(o))
	for _, tp := range slices.SortedFunc(maps.Keys(o), compareTopicPartitions) {
		fmt.Fprintf(&b, "%s %d %d\n", tp.Topic, tp.Partition, o[tp])
	}
	return b.Bytes()
}

func compareTopicPartitions(a, b protocol.TopicPartition) int {
	if c := strings.Compare(a.Topic, b.Topic); c != 0 {
		return c
	}
	return int(a.Partition) - int(b.Partition)
}

// parseOffsets reads a checkpoint; an empty file, as Kafka makes it at its first
// start, holds nothing.
func parseOffsets(name string, text []byte) (offsets, error) {
	o := offsets{}
	err := parseCheckpoint(name, text, 3, func(fields []string) error {
		partition, err := parseInt(fields[1], 32)
		if err != nil {
			return err
		}
		offset, err := parseInt(fields[2], 64)
		if err != nil {
			return err
		}
		o[protocol.TopicPartition{Topic: fields[0], Partition: int32(partition)}] = offset
		return nil
	})
	return o, err
}

// parseCheckpoint checks version and number of entries and gives each entry's
// fields to fn.
func parseCheckpoint(name string, text []byte, numFields int, fn func(fields []string) error) error {
	if len(text) == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(text), "\r\n"), "\n")
	if len(lines) < 2 {
		return fmt.Errorf("%s: %d lines, want at least a version and a count", name, len(lines))
	}
	if v := strings.TrimSpace(lines[0]); v != "0" {
		return fmt.Errorf("%s:1: version %q, only 0 is known", name, v)
	}
	count, err := strconv.Atoi(strings.TrimSpace(lines[1]))
	if err != nil || count != len(lines)-2 {
		return fmt.Errorf("%s:2: %q entries announced, %d there", name, strings.TrimSpace(lines[1]), len(lines)-2)
	}
	for i, line := range lines[2:] {
		fields := strings.Fields(line)
		if len(fields) != numFields {
			return fmt.Errorf("%s:%d: %d fields, want %d", name, i+3, len(fields), numFields)
		}
		if err := fn(fields); err != nil {
			return fmt.Errorf("%s:%d: %w", name, i+3, err)
		}
	}
	return nil
}

// parseInt accepts what Kafka writes: no negative numbers.
func parseInt(s string, bits int) (int64, error) {
	n, err := strconv.ParseInt(s, 10, bits)
	if err == nil && n < 0 {
		err = fmt.Errorf("%d is negative", n)
	}
	return n, err
}

// readOffsets reads a checkpoint; a missing one holds nothing.
func readOffsets(fsys vfs.FS, name string) (offsets, error) {
	text, err := fsys.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return offsets{}, nil
	}
	if err != nil {
		return nil, err
	}
	return parseOffsets(name, text)
}
