// Package group is the group coordinator: membership, rebalancing and assignment of consumer groups, and committed offsets.
//
// A group belongs to one partition of __consumer_offsets (see [PartitionFor]); that partition's shard, run by package coordinator, holds
// the state of its groups and is changed by one goroutine only. The package knows nothing of sockets, files, ACLs or the cluster: topics are
// looked up through the functions of [Options].
//
// A classic group (KIP-62, KIP-345, KIP-394, KIP-814):
//
//	           first member joins                 all joined, or rebalance time-out
//	Empty ───────────────────────► PreparingRebalance ───────────────► CompletingRebalance
//	  ▲   initial rebalance delay      ▲   ▲    │                        │        │
//	  │                                │   │    │ all members gone       │        │ leader's assignment
//	  └────────────────────────────────┼───┼────┘                        │        │ is in the log
//	                                   │   └─────────────────────────────┘        ▼
//	                                   └─────────────────────────────────────── Stable
//	                                      a member joins, leaves, dies or does not sync
//
// Durable state, changed by shard.Replay only: for each group the last GroupMetadataValue written (classic.stored), the committed offsets,
// and offsets pending in transactions. Everything else of a group (the live members, their timers, waiting joins and syncs, the state
// above) is soft: it runs ahead of the log during a rebalance, and is made from the durable state after a load. In Stable both agree.
//
// Records, as Apache Kafka 4.3.1 writes them:
//
//	key                                  value
//	OffsetCommitKey v1 group,topic,part  OffsetCommitValue v4, v1 with an expire timestamp (OffsetCommit v2-4), null to remove
//	GroupMetadataKey v2 group            GroupMetadataValue v3, null to remove
//
// Older value versions, and OffsetCommitKey v0, are read. The records of consumer groups (KIP-848), share groups (KIP-932) and streams
// groups (KIP-1071) are those of package records.
//
// A streams group (KIP-1071) is led as a consumer group of KIP-848 is, by member epochs. What is assigned are tasks: they follow from the topology that
// the first member brings along (streams_topology.go), are shared out by the sticky assignor (streams_assignor.go) and handed over member by member
// (streams_reconcile.go). Internal topics that are missing are named in the answer; whoever called creates them.
//
// A group changes between the classic and the new protocol while it has members (KIP-848; group.consumer.migration.policy): migrate.go. In a consumer group
// members may use either protocol; classic_member.go is the classic one's side.
//
// Goroutines: none but the runtime's.
package group
