package protocol

import (
	"errors"
	"iter"
)

var errNotYet = errors.New("protocol: being written")

// Record is one record of a batch, with absolute offset and timestamp. A nil Key or Value is Kafka's null.
type Record struct {
	Offset      int64
	TimestampMs int64
	Key, Value  []byte
	Headers     []RecordHeader
}

// RecordHeader is one header of a record. A nil Value is Kafka's null.
type RecordHeader struct {
	Key   string
	Value []byte
}

// Records walks over the records of the batch, decompressing where needed. It stops after the first error, which wraps kerr.CorruptMessage
// (or kerr.UnsupportedCompressionType). Keys and values alias the batch if it is not compressed, and memory of their own,
// never reused, if it is; the slice of headers is the record's own.
func (b Batch) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) { yield(Record{}, errNotYet) }
}
