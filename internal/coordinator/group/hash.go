package group

import "github.com/gokafka/gokafka/internal/coordinator"

// PartitionFor returns the partition of __consumer_offsets, which has numPartitions > 0, that a group belongs to.
func PartitionFor(groupID string, numPartitions int32) int32 {
	return coordinator.PartitionFor(groupID, numPartitions)
}

// javaLength is String.length() of Java: UTF-16 code units. Kafka's limits on text count these.
func javaLength(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}
