package config

// Transactions.
var txnKeys = []Key{
	{"transaction.max.timeout.ms", TypeInt, "900000", honour, atLeast(1), "Longest timeout that a transaction may ask for."},
	{"transactional.id.expiration.ms", TypeInt, "604800000", honour, atLeast(1), "How long a transactional id without use is remembered."},
	{"transaction.abort.timed.out.transaction.cleanup.interval.ms", TypeInt, "10000", honour, atLeast(1), "How often transactions past their timeout are looked for."},
	{"transaction.remove.expired.transaction.cleanup.interval.ms", TypeInt, "3600000", honour, atLeast(1), "How often expired transactional ids are looked for."},
	{"transaction.partition.verification.enable", TypeBoolean, "true", honour | cl, unchecked, "Whether a transactional write is checked with the coordinator first (KIP-890)."},
	{"transaction.two.phase.commit.enable", TypeBoolean, "false", later, unchecked, "Whether transactions may be prepared by an outside coordinator (KIP-939)."},
	{"transaction.state.log.num.partitions", TypeInt, "50", honour, atLeast(1), "Partitions of __transaction_state; only counts when it is created."},
	{"transaction.state.log.replication.factor", TypeShort, "3", honour, atLeast(1), "Replicas of __transaction_state; only counts when it is created."},
	{"transaction.state.log.min.isr", TypeInt, "2", honour, atLeast(1), "In-sync replicas that a write to __transaction_state needs."},
	{"transaction.state.log.segment.bytes", TypeInt, "104857600", honour, atLeast(1), "Segment size of __transaction_state."},
	{"transaction.state.log.load.buffer.size", TypeInt, "5242880", accept, atLeast(1), "Read size when transactions are loaded."},
	{"add.partitions.to.txn.retry.backoff.ms", TypeInt, "20", accept, atLeast(1), "First pause before a partition is asked again into a transaction."},
	{"add.partitions.to.txn.retry.backoff.max.ms", TypeInt, "100", accept, atLeast(0), "Longest time that the broker itself tries that."},
}
