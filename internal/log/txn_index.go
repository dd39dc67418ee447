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
// no file. The slice is the caller's.
func (s *segment) abortedTxns() ([]AbortedTxn, error) {
	if !s.hasTxnIndex.Load() {
		return nil, nil
	}
	if left := s.leftTxns.Load(); left != nil {
		return slices.Clone(*left), nil
	}
	name := s.path(extTxnIndex)
	b, err := s.fs.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) { // the segment has left the log since the caller found it
		if left := s.leftTxns.Load(); left != nil {
			return slices.Clone(*left), nil
		}
		return nil, nil
	}
	if err != nil {
		return nil, storageError("read "+name, err)
	}
	return parseTxnIndex(name, b)
}

// appendTxns adds entries at the end of the transaction index.
func (s *segment) appendTxns(txns []AbortedTxn) error {
	if len(txns) == 0 {
		return nil
	}
	name := s.path(extTxnIndex)
	open := s.fs.Open
	if !s.hasTxnIndex.Load() {
		open = s.fs.Create
	}
	f, err := open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return err
	}
	var b []byte
	for _, t := range txns {
		e := t.encode()
		b = append(b, e[:]...)
	}
	if _, err := f.WriteAt(b, size); err != nil {
		return err
	}
	s.hasTxnIndex.Store(true)
	return nil
}

// replaceTxns makes the transaction index hold exactly these.
func (s *segment) replaceTxns(txns []AbortedTxn) error {
	if s.hasTxnIndex.Load() {
		if err := s.fs.Remove(s.path(extTxnIndex)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		s.hasTxnIndex.Store(false)
	}
	return s.appendTxns(txns)
}
