package txn

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gokafka/gokafka/internal/protocol"
)

// state of a transaction, numbered as in Kafka's TransactionState.
type state int8

const (
	empty state = iota
	ongoing
	prepareCommit
	prepareAbort
	completeCommit
	completeAbort
	dead
	prepareEpochFence
)

// stateNames are those of DescribeTransactions and ListTransactions.
var stateNames = [...]string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence"}

func (s state) String() string { return stateNames[s] }

func (s state) valid() bool { return s >= empty && s <= prepareEpochFence }

// isDecided reports whether the outcome is recorded and the markers are on their way.
func (s state) isDecided() bool { return s == prepareCommit || s == prepareAbort }

// isIdle reports whether no transaction is under way: the next may begin, and the transactional id may expire.
func (s state) isIdle() bool { return s == empty || s == completeCommit || s == completeAbort }

// follows lists, for each state that is recorded, those that it may come from.
var follows = map[state][]state{
	empty:          {empty, completeCommit, completeAbort},
	ongoing:        {empty, ongoing, completeCommit, completeAbort},
	prepareCommit:  {ongoing},
	prepareAbort:   {empty, ongoing, completeCommit, completeAbort}, // of nothing, in transaction version 2
	completeCommit: {prepareCommit},
	completeAbort:  {prepareAbort},
}

const (
	noProducerID    = -1
	noProducerEpoch = -1
)

// transaction is the durable state of a transactional id. It is never changed: [shard.Replay] puts another in its place.
type transaction struct {
	producerID         int64
	previousProducerID int64 // −1: none
	nextProducerID     int64 // −1: none; takes over when the markers are written, because the epochs are used up
	epoch              int16 // −1: none was given out yet
	// lastEpoch is the epoch before, if the same producer asked for a new one: its retry is recognized by it. It is not in the record, as in Kafka.
	lastEpoch  int16
	timeoutMs  int32
	state      state
	partitions map[protocol.TopicPartition]struct{}
	startMs    int64 // −1: no transaction was begun
	updateMs   int64
	version    int16 // transaction version of the client
}

// isExhausted reports whether no client may be given an epoch after this one. One more is kept to fence the last client.
func isExhausted(epoch int16) bool { return epoch >= math.MaxInt16-1 }

// to returns what the transaction becomes.
func (t transaction) to(s state, nowMs int64) transaction {
	t.previousProducerID = t.producerID
	t.nextProducerID = noProducerID
	t.state, t.updateMs = s, nowMs
	return t
}

// sorted returns the partitions in order.
func (t transaction) sorted() []protocol.TopicPartition {
	return slices.SortedFunc(maps.Keys(t.partitions), func(a, b protocol.TopicPartition) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
}

// has reports whether all the partitions are part of the transaction.
func (t transaction) has(partitions []protocol.TopicPartition) bool {
	for _, tp := range partitions {
		if _, ok := t.partitions[tp]; !ok {
			return false
		}
	}
	return true
}
