package tools

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// topicPartition names a partition.
type topicPartition struct {
	topic     string
	partition int32
}

// String is how Java shows it: "topic-0".
func (tp topicPartition) String() string { return fmt.Sprintf("%s-%d", tp.topic, tp.partition) }

func (tp topicPartition) compare(other topicPartition) int {
	return cmp.Or(strings.Compare(tp.topic, other.topic), cmp.Compare(tp.partition, other.partition))
}

// sortedPartitions are the keys of a map in the order of topic and number.
func sortedPartitions[V any](m map[topicPartition]V) []topicPartition {
	return slices.SortedFunc(maps.Keys(m), topicPartition.compare)
}

// byTopic gathers the numbers of partitions under their topics, both sorted; it is how requests want them.
func byTopic(partitions []topicPartition) ([]string, map[string][]int32) {
	numbers := map[string][]int32{}
	for _, tp := range slices.SortedFunc(slices.Values(partitions), topicPartition.compare) {
		numbers[tp.topic] = append(numbers[tp.topic], tp.partition)
	}
	return slices.Sorted(maps.Keys(numbers)), numbers
}

// assignmentString shows partitions as "topic:0,1;other:2", "-" when there are none.
func assignmentString(partitions []topicPartition) string {
	if len(partitions) == 0 {
		return missingColumn
	}
	topics, numbers := byTopic(partitions)
	for i, t := range topics {
		topics[i] = t + ":" + joinNumbers(numbers[t], ",")
	}
	return strings.Join(topics, ";")
}

func joinNumbers[N ~int32 | ~int64](numbers []N, separator string) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.FormatInt(int64(n), 10)
	}
	return strings.Join(texts, separator)
}

// missingColumn stands for a value that there is not.
const missingColumn = "-"

// orMissing shows a number, or missingColumn.
func orMissing[N ~int32 | ~int64](n *N) string {
	if n == nil {
		return missingColumn
	}
	return strconv.FormatInt(int64(*n), 10)
}
