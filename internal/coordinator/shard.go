package coordinator

import (
	"context"
	"time"

	"github.com/gokafka/gokafka/internal/protocol"
)

// Shard is the state machine of one partition. All methods are called from the shard's goroutine.
type Shard interface {
	// Loaded is called once, after the whole log has been replayed: the shard arms its timers.
	Loaded()
	// Replay applies one record to the durable state. It is the only method that changes durable state. The record's bytes may belong to
	// a read buffer: what is kept must be cloned. An error on a record of the log at load is logged and the record skipped; an error on a
	// record just written is a broken invariant and makes the runtime load the shard again.
	Replay(offset int64, r protocol.Record) error
	// ReplayTxnMarker ends the transaction of the producer: what [TxnShard.ReplayTxn] set aside for it is applied or dropped.
	ReplayTxnMarker(producerID int64, epoch int16, commit bool) error
}

// TxnShard is a Shard whose log may hold records of transactions. Without it they would be taken as if they were committed already.
type TxnShard interface {
	Shard
	// ReplayTxn sets one record of an open transaction aside until [Shard.ReplayTxnMarker] decides about it.
	ReplayTxn(offset, producerID int64, epoch int16, r protocol.Record) error
}

// Env is what a shard may use of the world: no other clock, no other randomness. The functions may be called from the shard's goroutine only.
type Env struct {
	Now   func() time.Time
	NewID func() string // a random UUID in its text form

	// Schedule runs fn as an event of its own in d from now, in place of an earlier timer of the same key. The records that fn returns are
	// appended and replayed as those of a request.
	// Records of any event go into one batch, all or nothing, unless they are all tombstones and more than a batch may hold.
	Schedule func(key string, d time.Duration, fn func() []protocol.Record)
	// Cancel removes the timer. It will not run, even if it is due already.
	Cancel func(key string)
	// AfterAppend registers fn to run within this same event, once its records are appended and replayed, or with the error of the append.
	// An event without records counts as appended.
	AfterAppend func(fn func(err error))

	Partition, LeaderEpoch int32
}

// Pending is a batch to append: records, on their own or in a transaction, or the marker that ends one.
type Pending struct {
	Records []protocol.Record
	Txn     *Txn    // in whose transaction the records are; nil: in none
	Marker  *Marker // instead of records
}

// Txn is a producer's transaction as a shard's log sees it.
type Txn struct {
	ProducerID int64
	Epoch      int16
	// Guard is what the partition gave out before the transaction's coordinator confirmed that the partition is part of the transaction
	// (KIP-890); 0 when that needs no proof.
	Guard uint64
}

// Marker ends a producer's transaction.
type Marker struct {
	ProducerID       int64
	Epoch            int16
	CoordinatorEpoch int32
	Version          int8 // of the transaction: 2 when each transaction has an epoch of its own
	Commit           bool
}

// Journal is what the log under a shard must offer: a partition of an internal topic, local or replicated. Errors wrap kerr values.
type Journal interface {
	// Append writes what is pending as one batch, all or nothing, and returns the offset of its last record. It fails when this node does
	// not lead the partition in leaderEpoch.
	Append(ctx context.Context, partition, leaderEpoch int32, b Pending) (lastOffset int64, err error)
	// Load calls fn for each record from the start of the log to its end, those of control batches included, with the batch that holds it.
	// The bytes are valid only during the call. An error of fn ends the load.
	Load(ctx context.Context, partition int32, fn func(b protocol.Batch, offset int64, r protocol.Record) error) error
	// IsCommitted reports whether the record at offset is known to be committed, at once.
	IsCommitted(partition int32, offset int64) bool
	// WaitCommitted returns when the record at offset is committed (below the high watermark).
	WaitCommitted(ctx context.Context, partition int32, offset int64) error
}
