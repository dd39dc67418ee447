package coordinator

import "unicode/utf16"

// PartitionFor returns the partition, of numPartitions > 0, of an internal topic that a group or a transactional id belongs to: Java's
// String.hashCode of the id, made non-negative as Kafka's Utils.abs does, modulo the number of partitions. Clients and other brokers rely on it.
func PartitionFor(id string, numPartitions int32) int32 {
	var hash int32
	for _, unit := range utf16.Encode([]rune(id)) {
		hash = 31*hash + int32(unit)
	}
	if hash < 0 {
		if hash = -hash; hash < 0 { // Integer.MIN_VALUE has no positive counterpart: Utils.abs makes it 0
			hash = 0
		}
	}
	return hash % numPartitions
}
