package log

import (
	"cmp"
	"slices"

	"github.com/gokafka/gokafka/internal/protocol"
)

// cleanedTxns follows the transactions of a log while it is read from its start,
// to tell which batches were aborted and which markers nobody needs any more: as
// CleanedTransactionMetadata of Kafka does.
type cleanedTxns struct {
	pending   []AbortedTxn          // not begun yet, ascending by first offset
	aborted   map[int64]*ongoingTxn // by producer: begun, and its marker not met yet
	committed map[int64]struct{}    // producers with batches since their last marker, not aborted
}

// ongoingTxn is an aborted transaction. It was seen when a batch of it is still
// there.
type ongoingTxn struct {
	AbortedTxn
	seen bool
}

func newCleanedTxns() *cleanedTxns {
	return &cleanedTxns{aborted: map[int64]*ongoingTxn{}, committed: map[int64]struct{}{}}
}

// expect adds aborted transactions of the part of the log that is read next. One
// may be added again.
func (c *cleanedTxns) expect(txns []AbortedTxn) {
	if len(txns) == 0 {
		return
	}
	c.pending = append(c.pending, txns...)
	slices.SortStableFunc(c.pending, func(a, b AbortedTxn) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
}

func (c *cleanedTxns) begin(upTo int64) {
	for len(c.pending) > 0 && c.pending[0].FirstOffset <= upTo {
		t := c.pending[0]
		c.pending = c.pending[1:]
		if c.aborted[t.ProducerID] == nil {
			c.aborted[t.ProducerID] = &ongoingTxn{AbortedTxn: t}
		}
	}
}

// data notes a batch of records and reports whether its transaction was aborted.
func (c *cleanedTxns) data(b protocol.Batch) bool {
	c.begin(b.LastOffset())
	if !b.IsTransactional() {
		return false
	}
	if t := c.aborted[b.ProducerID()]; t != nil {
		t.seen = true
		return true
	}
	c.committed[b.ProducerID()] = struct{}{}
	return false
}

// marker notes a control batch. It is obsolete when nothing is left of what it
// ends. While an abort marker is needed, so is the entry of its transaction in the
// index, which is returned.
func (c *cleanedTxns) marker(b protocol.Batch, w *protocol.Rewriter) (obsolete bool, entry *AbortedTxn, err error) {
	c.begin(b.LastOffset())
	for r, err := range w.Records(b) {
		if err != nil {
			return false, nil, err
		}
		kind, _, err := protocol.ParseControlMarker(r)
		if err != nil {
			return false, nil, err
		}
		id := b.ProducerID()
		switch kind {
		case protocol.ControlAbort:
			t := c.aborted[id]
			delete(c.aborted, id)
			if t != nil && t.seen {
				return false, &t.AbortedTxn, nil
			}
			return true, nil, nil
		case protocol.ControlCommit:
			_, seen := c.committed[id]
			delete(c.committed, id)
			return !seen, nil, nil
		}
		return false, nil, nil
	}
	return true, nil, nil // it was emptied before
}
