// Package txn is the coordinator of transactions and the source of producer ids.
//
// Each transactional id belongs to one partition of __transaction_state; the node that leads it runs the id's state machine, a shard on package
// coordinator's runtime. What is durable are records of Kafka's TransactionLogValue: state, producer id and epoch, partitions. The states and what leads
// from one to the other are in state.go:
//
//	Empty ─► Ongoing ─► PrepareCommit ─► CompleteCommit ─► (Ongoing …)
//	              └───► PrepareAbort  ─► CompleteAbort  ─► (Ongoing …)
//
// The decision is made when a Prepare record is committed: from then on the markers are written to all partitions of the transaction, again after each
// restart until all have them, and then Complete is recorded. Markers are an effect: the shard hands them to [Markers], whose goroutines send them with
// WriteTxnMarkers and come back with an event.
//
// Transaction version 2 (KIP-890) gives each transaction an epoch of its own: the Prepare record bumps it, markers carry the bumped epoch, and EndTxn
// answers it; a delayed request of an earlier transaction can then never touch a later one.
//
// Kafka answers CONCURRENT_TRANSACTIONS while markers are on their way, and clients ask again after a pause of tens of milliseconds. Here such requests
// wait a moment for the markers first (settleTime): the client meets no error unless the markers take longer.
package txn
