// Package internal holds the rooms of the house; docs/architecture.md is the long form of this page.
//
//	cmd ─► cli ─► node ─► server, api ─► broker ─► log ─► vfs
//	                       │     └─────► metadata ─► log, vfs (its own journal)
//	                       └─► coordinator/group, coordinator/txn ─► coordinator ─► protocol
//	everyone may import protocol and config
//
//	protocol           bytes: frames, headers, record batches, codecs; client.go is one connection
//	vfs                the only way to the disk
//	config             the table of keys, and all that is read from it
//	log                one partition's log, and the manager of all logs
//	coordinator        deterministic shards over a log; knows no groups
//	coordinator/group  consumer groups and committed offsets
//	coordinator/txn    producer ids
//	metadata           the image of the cluster and the only way to change it
//	broker             the partitions of this node
//	api                one file per Kafka API; alone knows versions
//	server             sockets and the connection loop; knows frames, not APIs
//	node               the composition root
//	cli                the command line
//
// Four ideas carry it: one straight line per request (a goroutine per connection, no queues, no callbacks); all state but user records is a
// deterministic shard over a log; kmsg is the vocabulary and kmsg.Requestor the one seam; files, sockets and time are doors that a test can replace.
//
// Locks are taken in the order Broker, Partition, Log, and none is held across a channel operation, a sleep, a network call or a callback into
// another component.
//
// arch_test.go checks what of this a program can check: who imports whom, what pure packages may not call, and that everything is documented.
package internal
