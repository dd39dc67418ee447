// Package broker holds the partitions that this node hosts: who leads them, what may be appended and read, and when a reader should look again.
//
//	api ──► Broker.Partition(topic, n) ──► Partition.Append / Read / Watch ──► log.Log
//	metadata.Store ──► Broker.Apply(prev, next): become leader, create, delete
//	coordinator.Runtime ──► Broker.Journal("__consumer_offsets"): the same partitions as a journal of records
//
// A partition on this node has one replica, this one, until nodes are more than one: the high watermark then follows the log end offset as part
// of each append. Leader epochs, the in-sync replicas and the high watermark are real all the same, taken from the metadata image and the log.
//
// A partition's log may move to another log directory of the node: see moves. The copying is the log's; this package decides when, paces it, and has
// the controller note the new directory (assignments) before the copy takes over. After that Partition.log is another one, and who has met the old
// one in the middle of something is sent on by onLog.
//
// Locks, in this order and never the reverse: Broker.changing, Broker.mu, moves.mu, assignments.mu, the log's own. Waiters are woken after Broker.mu
// is released.
//
// Goroutines: those of Broker.Run, which waits for them: one that talks to the controller, and one for each partition that moves. The package must not
// know API versions, connections or groups.
package broker
