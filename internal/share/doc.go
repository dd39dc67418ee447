// Package share is the side of share groups (KIP-932) that lies with the partitions: which records of a partition a share group has delivered, to whom, and
// what became of them.
//
//	ShareFetch ─► Manager ─► Partition ─► broker.Partition.Read
//	                            │
//	                         tracker    runs of offsets, each Available, Acquired, Acknowledged or Archived
//	                            │
//	                         Persister  what is acknowledged, released or archived, before it counts
//
// A tracker is pure: it is told the time and returns what has to be written. A Partition is one tracker with its log, its state at the share coordinator
// and the timer of its locks. Deliveries are not written, as in Kafka: after a restart records in delivery are available again, delivered as often as was
// written last. What members acknowledge is written before the answer.
//
// Records between the start offset and the end offset of a share partition are in flight. What is done with at the start moves the start offset; the end
// offset is behind the last record that was ever delivered.
//
// Goroutines: none of its own, but for the timers of locks, one for each share partition with records in delivery.
package share
