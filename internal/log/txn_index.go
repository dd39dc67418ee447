package log

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"slices"
)

// The transaction index: per entry an aborted transaction that ended in this
// segment. Entries ascend by last offset. The file exists where there is one.
//
//	0         2            10            18           26                   34
//	┌─────────┬────────────┬─────────────┬────────────┬────────────────────┐
//	│ version │ producerId │ firstOffset │ lastOffset │ lastStableOffset   │
//	└─────────┴────────────┴─────────────┴────────────┴────────────────────┘
const txnEntryBytes = 34

// AbortedTxn is a transaction that was aborted: its records between FirstOffset
// and LastOffset, where the abort marker lies, are not for readers of committed
// transactions. LastStableOffset is what it became by the abort.
type AbortedTxn struct{ ProducerID, FirstOffset, LastOffset, LastStableOffset int64 }

func (a AbortedTxn) encode() (e [txnEntryBytes]byte) {
	binary.BigEndian.PutUint64(e[2:], uint64(a.ProducerID))
	binary.BigEndian.PutUint64(e[10:], uint64(a.FirstOffset))
	binary.BigEndian.PutUint64(e[18:], uint64(a.LastOffset))
	binary.BigEndian.PutUint64(e[26:], uint64(a.LastStableOffset))
	return e
}

// parseTxnIndex checks a whole file.
func parseTxnIndex(name string, b []byte) ([]AbortedTxn, error) {
	if len(b)%txnEntryBytes != 0 {
		return nil, corrupt(name, int64(len(b)/txnEntryBytes*txnEntryBytes), "%d bytes are no whole entries of %d", len(b), txnEntryBytes)
	}
	txns := make([]AbortedTxn, 0, len(b)/txnEntryBytes)
	for at := 0; at < len(b); at += txnEntryBytes {
		e := b[at:]
		a := AbortedTxn{int64(be64(e[2:])), int64(be64(e[10:])), int64(be64(e[18:])), int64(be64(e[26:]))}
		switch {
		case be16(e) != 0:
			return nil, corrupt(name, int64(at), "an entry of version %d", be16(e))
		case a.FirstOffset < 0 || a.LastOffset < a.FirstOffset || len(txns) > 0 && a.LastOffset <= txns[len(txns)-1].LastOffset:
			return nil, corrupt(name, int64(at), "a transaction from offset %d to %d", a.FirstOffset, a.LastOffset)
		}
		txns = append(txns, a)
	}
	return txns, nil
}

// abortedTxns returns the transactions of the segment's index; none when there is
// no file. The slice is the caller's. A segment that has left the log since the
// caller found it gives what its index held then. Safe for concurrent use.
func (s *segment) abortedTxns() ([]AbortedTxn, error) {
	size := s.txnBytes.Load() // behind it an entry may be half-written, or about to be taken back
	if size == 0 {
		return nil, nil
	}
	if left := s.leftTxns.Load(); left != nil {
		return slices.Clone(*left), nil
	}
	name := s.path(extTxnIndex)
	b, err := s.fs.ReadFile(name)
	if left := s.leftTxns.Load(); left != nil {
		return slices.Clone(*left), nil // what was read may be of the segment that has taken the name
	}
	if err != nil { // also when it is missing: "none" would show readers what was aborted
		return nil, storageError("read "+name, err)
	}
	return parseTxnIndex(name, b[:min(int64(len(b)), size)])
}

// appendTxns adds entries at the end of the transaction index. After an error
// truncateTxns must follow.
func (s *segment) appendTxns(txns []AbortedTxn) error {
	if len(txns) == 0 {
		return nil
	}
	name := s.path(extTxnIndex)
	open, size := s.fs.Open, s.txnBytes.Load()
	if size == 0 {
		open = s.fs.Create
	}
	f, err := open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var b []byte
	for _, t := range txns {
		e := t.encode()
		b = append(b, e[:]...)
	}
	if _, err := f.WriteAt(b, size); err != nil {
		return err
	}
	s.txnBytes.Store(size + int64(len(b)))
	return nil
}

// truncateTxns cuts the transaction index to its first entries; of an empty one it
// removes the file.
func (s *segment) truncateTxns(size int64) error {
	s.txnBytes.Store(size) // readers first: what they still look at stays
	name := s.path(extTxnIndex)
	if size == 0 {
		if err := s.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	f, err := s.fs.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

// replaceTxns makes the transaction index hold exactly these, of a segment that
// nobody reads yet.
func (s *segment) replaceTxns(txns []AbortedTxn) error {
	if s.txnBytes.Load() > 0 || s.staleTxns {
		if err := s.truncateTxns(0); err != nil {
			return err
		}
		s.staleTxns = false
	}
	return s.appendTxns(txns)
}
