// Package broker holds the partitions that this node hosts: who leads them, what may be appended and read, and when a reader should look again.
//
//	api ──► Broker.Partition(topic, n) ──► Partition.Append / Read / Watch ──► log.Log
//	metadata.Store ──► Broker.Apply(prev, next): become leader, create, delete
//	coordinator.Runtime ──► Broker.Journal("__consumer_offsets"): the same partitions as a journal of records
//
// A partition on this node has one replica, this one, until nodes are more than one: the high watermark then follows the log end offset as part
// of each append. Leader epochs, the in-sync replicas and the high watermark are real all the same, taken from the metadata image and the log.
//
// Locks, in this order and never the reverse: Broker.mu, Partition.mu, the log's own. Waiters are woken after all locks are released.
//
// The package starts no goroutine. It must not know API versions, connections or groups.
package broker
