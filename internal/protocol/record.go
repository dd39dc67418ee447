package protocol

import (
	"errors"
	"fmt"
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"
)

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

// RecordInfo is what can be known of a record without keeping it.
type RecordInfo struct {
	Offset      int64
	TimestampMs int64
	KeyBytes    int32 // -1 = null key
	ValueBytes  int32 // -1 = null value
}

const (
	maxVarintBytes  = 5
	maxVarlongBytes = 10
)

var (
	errVarint    = errors.New("Found invalid record structure")
	errPremature = errors.New("Incorrect declared batch size, premature EOF reached")
	errLeftover  = errors.New("Incorrect declared batch size, records still remaining in file")
)

// rawRecord is a record as it lies in its batch. The slices are set only where the whole record was at hand.
type rawRecord struct {
	timestampDelta int64
	offsetDelta    int32
	keyBytes       int32 // negative = null
	valueBytes     int32
	numHeaders     int32
	key, value     []byte
	headers        []byte
}

// recordScanner goes over the records of a batch. It must be closed.
type recordScanner struct {
	src       byteSource
	remaining int32
	readBytes int64 // of records so far, lengths included
}

func scanRecords(b Batch) (recordScanner, error) {
	n := b.NumRecords()
	if n < 0 {
		return recordScanner{}, fmt.Errorf("Found invalid record count %d in magic v%d batch", n, b.Magic())
	}
	src, err := openSource(b.Codec(), b.Magic(), b[BatchHeaderBytes:])
	if err != nil {
		return recordScanner{}, decompressError(err)
	}
	return recordScanner{src: src, remaining: n}, nil
}

func decompressError(err error) error {
	return fmt.Errorf("Failed to decompress record stream: %w", err)
}

// explain returns err, an error of the source while reading a record, in Kafka's words.
func (s *recordScanner) explain(err, short error) error {
	switch {
	case s.src.err != nil:
		return decompressError(s.src.err)
	case err == errShort:
		return short
	}
	return err
}

// length takes the length of the next record.
func (s *recordScanner) length() (int, error) {
	n, err := s.src.varint()
	if err != nil {
		return 0, s.explain(err, errPremature)
	}
	if n < 0 {
		return 0, errVarint
	}
	s.remaining--
	s.readBytes += int64(varintSize(n)) + int64(n)
	return int(n), nil
}

// skim reads the next record into r without copying anything, however large it is.
func (s *recordScanner) skim(r *rawRecord) error {
	n, err := s.length()
	if err != nil {
		return err
	}
	if n > windowBytes && s.src.in != nil {
		return s.skimLarge(r, n)
	}
	if !s.src.fill(n) {
		return s.explain(s.src.short(), fmt.Errorf("Invalid record size: expected %d bytes in record payload, "+
			"but instead the buffer has only %d remaining bytes.", n, len(s.src.buf)))
	}
	body := s.src.buf[:n:n]
	s.src.buf = s.src.buf[n:]
	return parseRecord(body, r)
}

// next reads the next record into r whole. Its slices alias the batch, or else memory that is never used again.
func (s *recordScanner) next(r *rawRecord) error {
	n, err := s.length()
	if err != nil {
		return err
	}
	if n > maxInflatedBytes {
		return fmt.Errorf("record of %d bytes, more than %d", n, maxInflatedBytes)
	}
	body, err := s.src.take(n)
	if err != nil {
		return s.explain(err, fmt.Errorf("Invalid record size: expected %d bytes in record payload, but the record payload reached EOF.", n))
	}
	return parseRecord(body, r)
}

// finish checks that nothing comes after the last record.
func (s *recordScanner) finish() error {
	if s.src.atEnd() {
		return nil
	}
	if s.src.err != nil {
		return decompressError(s.src.err)
	}
	return errLeftover
}

// parseRecord reads the record that fills body, which does not include the length.
func parseRecord(body []byte, r *rawRecord) error {
	if len(body) < 1 {
		return errVarint
	}
	b := body[1:] // attributes: none are defined
	var n int
	if r.timestampDelta, n = varlong(b); n <= 0 {
		return errVarint
	}
	b = b[n:]
	if r.offsetDelta, n = varint(b); n <= 0 {
		return errVarint
	}
	b = b[n:]
	var ok bool
	if r.keyBytes, r.key, b, ok = sizedBytes(b); !ok {
		return errVarint
	}
	if r.valueBytes, r.value, b, ok = sizedBytes(b); !ok {
		return errVarint
	}
	if r.numHeaders, n = varint(b); n <= 0 {
		return errVarint
	}
	b = b[n:]
	r.headers = b
	if r.numHeaders == 0 && len(b) == 0 {
		return nil
	}
	return checkHeaders(r.numHeaders, b, len(body))
}

// checkHeaders checks that b, the end of a record of bodyBytes, is count headers.
func checkHeaders(count int32, b []byte, bodyBytes int) error {
	if count < 0 {
		return fmt.Errorf("Found invalid number of record headers %d", count)
	}
	if int(count) > len(b) {
		return fmt.Errorf("Found invalid number of record headers. %d is larger than the remaining size of the buffer", count)
	}
	for ; count > 0; count-- {
		size, _, rest, ok := sizedBytes(b)
		if !ok {
			return errVarint
		}
		if size < 0 {
			return fmt.Errorf("Invalid negative header key size %d", size)
		}
		if _, _, b, ok = sizedBytes(rest); !ok {
			return errVarint
		}
	}
	if len(b) != 0 {
		return fmt.Errorf("Invalid record size: expected to read %d bytes in record payload, but instead read %d", bodyBytes, bodyBytes-len(b))
	}
	return nil
}

// sizedBytes takes a varint and as many bytes off b; s is nil for a negative size.
func sizedBytes(b []byte) (size int32, s, rest []byte, ok bool) {
	size, n := varint(b)
	if n <= 0 {
		return 0, nil, nil, false
	}
	b = b[n:]
	if size < 0 {
		return size, nil, b, true
	}
	if int(size) > len(b) {
		return 0, nil, nil, false
	}
	return size, b[:size:size], b[size:], true
}

// skimLarge reads a record of n bytes that does not fit the window.
func (s *recordScanner) skimLarge(r *rawRecord, n int) error {
	f := fieldReader{s: &s.src, left: n}
	f.skip(1)
	r.timestampDelta = f.varlong()
	r.offsetDelta = f.varint()
	r.keyBytes = f.sized()
	r.valueBytes = f.sized()
	r.numHeaders = f.varint()
	if f.err == nil && (r.numHeaders < 0 || int(r.numHeaders) > f.left) {
		return fmt.Errorf("Found invalid number of record headers %d", r.numHeaders)
	}
	for i := int32(0); i < r.numHeaders && f.err == nil; i++ {
		if size := f.sized(); size < 0 && f.err == nil {
			return fmt.Errorf("Invalid negative header key size %d", size)
		}
		f.sized()
	}
	if f.err != nil {
		return s.explain(f.err, errPremature)
	}
	if f.left != 0 {
		return fmt.Errorf("Invalid record size: expected to read %d bytes in record payload, but instead read %d", n, n-f.left)
	}
	return nil
}

// fieldReader takes the fields of one record of left bytes from a source. After an error it returns zeroes.
type fieldReader struct {
	s    *byteSource
	left int
	err  error
}

// spend runs take, and checks that it stays within the record. take must not use up more than the record has in vain.
func (f *fieldReader) spend(n int, err error) {
	if err == nil && n > f.left {
		err = errVarint
	}
	f.left -= n
	f.err = err
}

func (f *fieldReader) skip(n int) {
	switch {
	case f.err != nil:
	case n > f.left:
		f.err = errVarint
	default:
		f.spend(n, f.s.skip(n))
	}
}

func (f *fieldReader) varint() int32 {
	if f.err != nil {
		return 0
	}
	f.s.fill(maxVarintBytes)
	v, n := varint(f.s.buf)
	f.spend(max(n, 0), f.s.took(n))
	return v
}

func (f *fieldReader) varlong() int64 {
	if f.err != nil {
		return 0
	}
	f.s.fill(maxVarlongBytes)
	v, n := varlong(f.s.buf)
	f.spend(max(n, 0), f.s.took(n))
	return v
}

func (f *fieldReader) sized() int32 {
	size := f.varint()
	if size > 0 {
		f.skip(int(size))
	}
	return size
}

// Records walks over the records of the batch, decompressing where needed. It stops after the first error, which wraps kerr.CorruptMessage
// (or kerr.UnsupportedCompressionType). Keys and values alias the batch if it is not compressed, and memory of their own,
// never reused, if it is; the slice of headers is the record's own.
func (b Batch) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s, err := scanRecords(b)
		if err != nil {
			yield(Record{}, corrupt(b, err))
			return
		}
		defer s.src.close()
		var raw rawRecord
		for s.remaining > 0 {
			if err := s.next(&raw); err != nil {
				yield(Record{}, corrupt(b, err))
				return
			}
			r := Record{Offset: b.BaseOffset() + int64(raw.offsetDelta), TimestampMs: b.timestamp(raw.timestampDelta),
				Key: raw.key, Value: raw.value, Headers: raw.recordHeaders()}
			if !yield(r, nil) {
				return
			}
		}
		if err := s.finish(); err != nil {
			yield(Record{}, corrupt(b, err))
		}
	}
}

// Infos walks over the records like Records, but keeps nothing of them, and allocates nothing: for searching and counting.
func (b Batch) Infos() iter.Seq2[RecordInfo, error] {
	return func(yield func(RecordInfo, error) bool) {
		s, err := scanRecords(b)
		if err != nil {
			yield(RecordInfo{}, corrupt(b, err))
			return
		}
		defer s.src.close()
		var raw rawRecord
		for s.remaining > 0 {
			if err := s.skim(&raw); err != nil {
				yield(RecordInfo{}, corrupt(b, err))
				return
			}
			info := RecordInfo{Offset: b.BaseOffset() + int64(raw.offsetDelta), TimestampMs: b.timestamp(raw.timestampDelta),
				KeyBytes: max(raw.keyBytes, -1), ValueBytes: max(raw.valueBytes, -1)}
			if !yield(info, nil) {
				return
			}
		}
		if err := s.finish(); err != nil {
			yield(RecordInfo{}, corrupt(b, err))
		}
	}
}

// timestamp returns the time of the record with the given delta.
func (b Batch) timestamp(delta int64) int64 {
	if b.TimestampType() == LogAppendTime {
		return b.MaxTimestampMs()
	}
	return b.BaseTimestampMs() + delta
}

// recordHeaders returns the headers, which parseRecord has checked.
func (r *rawRecord) recordHeaders() []RecordHeader {
	if r.numHeaders == 0 {
		return nil
	}
	headers := make([]RecordHeader, r.numHeaders)
	b := r.headers
	for i := range headers {
		var key []byte
		_, key, b, _ = sizedBytes(b)
		headers[i].Key = string(key)
		_, headers[i].Value, b, _ = sizedBytes(b)
	}
	return headers
}

// corrupt wraps what is wrong with the records of b, unless it is their compression.
func corrupt(b Batch, err error) error {
	if errors.Is(err, kerr.UnsupportedCompressionType) {
		return fmt.Errorf("batch at offset %d: %w", b.BaseOffset(), err)
	}
	return fmt.Errorf("batch at offset %d: %w: %w", b.BaseOffset(), err, kerr.CorruptMessage)
}
