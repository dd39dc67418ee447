package log

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// guarded appends the first batch of a transaction as a partition that verifies does.
func (tl *testLog) guarded(guard uint64, batch []byte, want error) {
	tl.t.Helper()
	_, err := tl.Append(batch, AppendOptions{VerifyTxns: true, Guard: guard})
	if !isKerr(err, want) {
		tl.t.Errorf("%v, want %v", err, want)
	}
}

func isKerr(err, want error) bool {
	if want == nil {
		return err == nil
	}
	return protocol.ErrorCode(err) == protocol.ErrorCode(want)
}

// end writes a marker as a coordinator does.
func (tl *testLog) end(id int64, epoch int16, version int8, want error) {
	tl.t.Helper()
	_, err := tl.Append(marker(tl.t, id, epoch, protocol.ControlCommit), AppendOptions{Origin: Coordinator, TxnVersion: version})
	if !isKerr(err, want) {
		tl.t.Errorf("marker of epoch %d: %v, want %v", epoch, err, want)
	}
}

// TestNoTransactionBeginsUnconfirmed: the first batch of a transaction needs the guard of now (KIP-890); all that follow need none, also after a restart.
func TestNoTransactionBeginsUnconfirmed(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), nil)
	tl.guarded(0, transactional(t, 3, 1, 0, 1), kerr.InvalidTxnState)
	guard := tl.VerifyTxn(3, 1, 0, false)
	if again := tl.VerifyTxn(3, 1, 0, false); guard == 0 || again != guard {
		t.Errorf("guards %d, %d", guard, again)
	}
	tl.guarded(guard+1, transactional(t, 3, 1, 0, 1), kerr.InvalidTxnState)
	tl.guarded(guard, transactional(t, 4, 1, 0, 1), kerr.InvalidTxnState) // another producer's
	tl.guarded(guard, transactional(t, 3, 1, 0, 1), nil)
	if g := tl.VerifyTxn(3, 1, 1, false); g != 0 {
		t.Errorf("guard %d for an open transaction", g)
	}
	tl.guarded(0, transactional(t, 3, 1, 1, 1), nil)
	tl = tl.reopen(nil)
	tl.guarded(0, transactional(t, 3, 1, 2, 1), nil)
	tl.end(3, 1, 0, nil)
	tl.guarded(guard, transactional(t, 3, 1, 3, 1), kerr.InvalidTxnState) // that of the transaction before
	if g := tl.VerifyTxn(3, 1, 3, false); g == 0 {
		t.Error("no guard for the next transaction")
	}
}

// TestMarkerTakesTheGuardAway: the coordinator has confirmed, then the transaction times out, and only then the batch arrives.
func TestMarkerTakesTheGuardAway(t *testing.T) {
	for name, epoch := range map[string]int16{"same-epoch": 1, "fenced": 2} {
		t.Run(name, func(t *testing.T) {
			tl := openTest(t, vfs.NewMem(), nil)
			guard := tl.VerifyTxn(3, 1, 0, false)
			tl.end(3, epoch, 0, nil)
			_, err := tl.Append(transactional(t, 3, 1, 0, 1), AppendOptions{VerifyTxns: true, Guard: guard})
			if err == nil {
				t.Fatal("a transaction began that nobody will end")
			}
			if len(tl.producers.open) > 0 {
				t.Errorf("open: %v", tl.producers.open)
			}
			if next := tl.VerifyTxn(3, epoch, 0, false); next == 0 || next == guard {
				t.Errorf("the next guard is %d, the one before was %d", next, guard)
			}
		})
	}
}

// TestLateMarkersOfVersion2: a marker carries an epoch of its own, so that one that comes late or twice ends nothing.
func TestLateMarkersOfVersion2(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), nil)
	tl.guarded(tl.VerifyTxn(3, 1, 0, true), transactional(t, 3, 1, 0, 1), nil)
	tl.end(3, 2, 2, nil)
	tl.guarded(tl.VerifyTxn(3, 2, 0, true), transactional(t, 3, 2, 0, 1), nil)
	tl.end(3, 2, 2, kerr.InvalidProducerEpoch) // once more
	tl.end(3, 1, 2, kerr.InvalidProducerEpoch)
	tl.guarded(0, transactional(t, 3, 2, 1, 1), nil) // it is open still
	tl.guarded(tl.VerifyTxn(3, 1, 1, true), transactional(t, 3, 1, 1, 1), kerr.InvalidProducerEpoch)
	tl.end(3, 3, 2, nil)
	if len(tl.producers.open) > 0 {
		t.Errorf("open: %v", tl.producers.open)
	}
	tl.end(3, 3, 0, nil) // version 1 may repeat it, which does no harm
}

// TestFirstSequenceOfATransaction: when the answer of the coordinator is late the batches that wait for it must come in order.
func TestFirstSequenceOfATransaction(t *testing.T) {
	tl := openTest(t, vfs.NewMem(), nil)
	guard := tl.VerifyTxn(3, 1, 0, false)
	tl.VerifyTxn(3, 1, 5, false)
	tl.guarded(guard, transactional(t, 3, 1, 5, 1), kerr.OutOfOrderSequenceNumber)
	tl.guarded(guard, transactional(t, 3, 1, 0, 5), nil)
	tl.guarded(0, transactional(t, 3, 1, 5, 1), nil)
	// Who is unknown here may go on with any sequence in version 1, but begins each epoch with 0 in version 2.
	tl.guarded(tl.VerifyTxn(4, 1, 7, false), transactional(t, 4, 1, 7, 1), nil)
	tl.guarded(tl.VerifyTxn(5, 1, 7, true), transactional(t, 5, 1, 7, 1), kerr.OutOfOrderSequenceNumber)
	tl.guarded(tl.VerifyTxn(5, 2, 0, true), transactional(t, 5, 2, 0, 1), nil) // in its next epoch
}
