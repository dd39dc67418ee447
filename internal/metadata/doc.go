// Package metadata holds what the cluster looks like, and the only way to change it.
//
// An Image is the state at one offset of the metadata log: topics, partitions, brokers, configurations, features, producer ids, ACLs, credentials,
// quotas. It is immutable; the next one shares with it all that has not changed. The Store has the current Image and tells subscribers of each new
// one. The Controller takes Kafka's controller requests, works out records from the image and nothing else, and answers when the records are on
// disk, replayed and seen:
//
//	CreateTopics … ──► Controller ──step──► records ──► __cluster_metadata-0 ──► replay ──► Image ──► Store ──► subscribers
//	   ▲                (one goroutine)                  (one fsync a round)                                        │
//	   └──────────────────────────────────────── reply ◄────────────────────────────────────────────────────────────┘
//
// What must not get in here: sockets, principals and ACL decisions (api, security), where partitions lie on the disk (log), what a leader does
// (broker).
//
// # On disk
//
// Kafka's KRaft formats, so that Apache Kafka opens what we wrote and we open what it wrote:
//
//	metadata.log.dir/
//	  bootstrap.checkpoint                        the first records of a new cluster
//	  __cluster_metadata-0/
//	    00000000000000000000.log …                batches of records (package records), by package log
//	    00000000000000000120-0000000005.checkpoint  snapshot: all records below offset 120, the last of epoch 5
//	    quorum-state                              the last leader epoch
//
// Each request's records are one batch, which a log keeps whole or not at all. Each start is a new leader epoch, with a LeaderChange control record at
// its head; quorum-state is written before, so that no epoch is used twice. With controller.quorum.voters the voters are static (kraft.version 0),
// else they are in the log and in the snapshots (kraft.version 1, KIP-853).
//
// # Goroutines
//
// Controller.run, from Open to Close, and at most one that writes a snapshot of an immutable Image, which Close waits for. Subscribers run on the
// controller's goroutine.
//
// # Invariants
//
//   - An image is published only when every record in it is durable; after a failed write nothing is published or answered any more.
//   - A handler reads its step's image, which has the effects of all requests before it, and changes nothing but the step's records and the soft
//     state about brokers' last heartbeats.
//   - A leader is in sync and not fenced; ISR and ELR are disjoint parts of the replicas; epochs only grow.
//
// A single node's controller does not fence a broker that is silent for broker.session.timeout.ms: the broker is this process.
package metadata
