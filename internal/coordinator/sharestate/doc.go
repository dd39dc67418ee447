// Package sharestate is the share coordinator (KIP-932): it keeps the delivery state of share partitions in Kafka's topic __share_group_state, where the
// leaders of the partitions read it when they begin and write it as records are acknowledged.
//
// A share partition is a partition as one share group sees it. Its key, GROUP:TOPIC-ID:PARTITION, decides to which partition of the topic it belongs; the
// node that leads that one runs its shard on package coordinator. Two kinds of records make up the state: a snapshot has all of it, an update adds to the
// snapshot before it. After share.coordinator.snapshot.update.records.per.snapshot updates there is another snapshot. What a snapshot has made
// superfluous at the start of the log is given up from time to time (Options.Prune).
//
// Two epochs fence writers: the state epoch grows when the state is initialised anew, by a group that comes again or by AlterShareGroupOffsets, and the
// leader epoch is that of the partition's leader.
package sharestate
