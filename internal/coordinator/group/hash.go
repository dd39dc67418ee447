package group

import "unicode/utf16"

// PartitionFor returns the partition of __consumer_offsets, which has numPartitions > 0, that a group belongs to: Java's String.hashCode of
// the id, made non-negative as Kafka's Utils.abs does, modulo the number of partitions. Clients and other brokers rely on it.
func PartitionFor(groupID string, numPartitions int32) int32 {
	var hash int32
	for _, unit := range utf16.Encode([]rune(groupID)) {
		hash = 31*hash + int32(unit)
	}
	if hash < 0 {
		if hash = -hash; hash < 0 { // Integer.MIN_VALUE has no positive counterpart: Utils.abs makes it 0
			hash = 0
		}
	}
	return hash % numPartitions
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
