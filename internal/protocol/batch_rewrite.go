package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
)

// Rewriter takes records out of batches, as log compaction does. It keeps its memory from batch to batch, so that a run over a whole log
// allocates next to nothing. The zero value is ready. It is not safe for concurrent use.
type Rewriter struct {
	inflated []byte // records of the batch at hand, if it is compressed
	body     []byte // records of the batch being made
	kept     []keptRecord
}

// keptRecord is a record that stays, as it lies in its batch.
type keptRecord struct {
	raw            []byte // length included
	rest           []byte // from the offset delta on
	attributes     byte
	timestampDelta int64
}

// RetainOptions say what Retain does besides dropping records.
type RetainOptions struct {
	// DeleteHorizonMs is written to a batch that keeps a tombstone (a record without a value) and has no delete horizon yet (KIP-534); below 0 it is not.
	DeleteHorizonMs int64
	// SetHorizon writes it to a batch without tombstones too: a marker of a transaction of which nothing else is left.
	SetHorizon bool
	// KeepEmpty keeps the header of a batch that loses all records: it knows the last offset, and the producer's last sequence.
	KeepEmpty bool
}

// Retained tells what Retain did with a batch.
type Retained struct {
	Read, Kept int   // records
	Batch      Batch // what is left, nil for nothing; it aliases dst
	Same       bool  // the batch is as it was
}

// Records walks over the records of a batch, which it decompresses at once. Keys and values are valid until the next call of a method; headers are
// left out. Errors are those of [Batch.Records].
func (w *Rewriter) Records(b Batch) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		err := w.each(b, func(r Record, _ []byte) bool { return yield(r, nil) })
		if err != nil {
			yield(Record{}, corrupt(b, err))
		}
	}
}

// Retain appends to dst the batch with those records only for which keep returns true. Its offsets stay, first and last included, and so do producer,
// sequence and leader epoch; what is left is compressed with the codec that it had. A batch that changes in nothing is copied as it is. The CRC of b is not
// checked. Errors are those of [Batch.Records].
func (w *Rewriter) Retain(dst []byte, b Batch, o RetainOptions, keep func(Record) bool) ([]byte, Retained, error) {
	var res Retained
	tombstones := false
	w.kept = w.kept[:0]
	err := w.each(b, func(r Record, raw []byte) bool {
		res.Read++
		if keep(r) {
			res.Kept++
			tombstones = tombstones || r.Value == nil
			w.kept = append(w.kept, keptRecord{raw: raw})
		}
		return true
	})
	if err != nil {
		return dst, res, corrupt(b, err)
	}
	at := len(dst)
	newHorizon := (tombstones || o.SetHorizon) && !b.HasDeleteHorizon() && o.DeleteHorizonMs >= 0
	switch {
	case res.Kept == 0 && !o.KeepEmpty:
		return dst, res, nil
	case res.Kept == 0:
		dst = appendEmpty(dst, b)
		res.Same = res.Read == 0 && len(b) == BatchHeaderBytes
	case res.Kept == res.Read && !newHorizon:
		dst = append(dst, b...)
		res.Same = true
	default:
		horizonMs := NoTimestamp
		if newHorizon {
			horizonMs = o.DeleteHorizonMs
		} else if b.HasDeleteHorizon() {
			horizonMs = b.BaseTimestampMs()
		}
		if dst, err = w.appendKept(dst, b, horizonMs); err != nil {
			return dst[:at], res, corrupt(b, err)
		}
	}
	res.Batch = Batch(dst[at:len(dst):len(dst)])
	return dst, res, nil
}

// each calls fn with every record and its bytes until it returns false.
func (w *Rewriter) each(b Batch, fn func(r Record, raw []byte) bool) error {
	rest, err := w.inflate(b)
	if err != nil {
		return err
	}
	n := b.NumRecords()
	if n < 0 {
		return fmt.Errorf("Found invalid record count %d in magic v%d batch", n, b.Magic())
	}
	var raw rawRecord
	for ; n > 0; n-- {
		size, used := varint(rest)
		if used <= 0 || size < 0 {
			return errVarint
		}
		end := used + int(size)
		if end > len(rest) {
			return errPremature
		}
		if err := parseRecord(rest[used:end:end], &raw); err != nil {
			return err
		}
		r := Record{Offset: b.BaseOffset() + int64(raw.offsetDelta), TimestampMs: b.timestamp(raw.timestampDelta), Key: raw.key, Value: raw.value}
		if !fn(r, rest[:end:end]) {
			return nil
		}
		rest = rest[end:]
	}
	if len(rest) > 0 {
		return errLeftover
	}
	return nil
}

// inflate returns the records of a batch, uncompressed.
func (w *Rewriter) inflate(b Batch) ([]byte, error) {
	if b.Codec() == CodecNone {
		return b[BatchHeaderBytes:], nil
	}
	if b.NumRecords() == 0 && len(b) == BatchHeaderBytes {
		return nil, nil
	}
	in, err := newInflater(b.Codec(), b.Magic(), b[BatchHeaderBytes:])
	if err != nil {
		return nil, decompressError(err)
	}
	defer in.release()
	out := w.inflated[:0]
	for {
		if len(out) == cap(out) {
			out = append(out, make([]byte, max(4<<10, len(b)))...)[:len(out)]
		}
		n, err := in.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if len(out) > maxInflatedBytes {
			return nil, decompressError(fmt.Errorf("more than %d bytes", maxInflatedBytes))
		}
		if errors.Is(err, io.EOF) {
			w.inflated = out
			return out, nil
		}
		if err != nil {
			w.inflated = out
			return nil, decompressError(err)
		}
	}
}

// appendKept appends b with the kept records. As MemoryRecordsBuilder of Kafka does, the base timestamp becomes the horizon, or else the timestamp of
// the first record.
func (w *Rewriter) appendKept(dst []byte, b Batch, horizonMs int64) ([]byte, error) {
	maxMs := NoTimestamp
	for i := range w.kept {
		k := &w.kept[i]
		_, used := varint(k.raw)
		k.attributes = k.raw[used]
		delta, n := varlong(k.raw[used+1:])
		k.timestampDelta, k.rest = delta, k.raw[used+1+n:]
		maxMs = max(maxMs, b.timestamp(delta))
	}
	baseMs := b.timestamp(w.kept[0].timestampDelta)
	attributes := b.attributes()
	if horizonMs >= 0 {
		baseMs = horizonMs
		attributes |= attrDeleteHorizon
	}
	if b.TimestampType() == LogAppendTime {
		maxMs = b.MaxTimestampMs()
	}
	body := w.body[:0]
	for i := range w.kept {
		k := &w.kept[i]
		delta := b.timestamp(k.timestampDelta) - baseMs
		if delta == k.timestampDelta {
			body = append(body, k.raw...)
			continue
		}
		body = appendVarint(body, int32(1+varlongSize(delta)+len(k.rest)))
		body = append(body, k.attributes)
		body = appendVarlong(body, delta)
		body = append(body, k.rest...)
	}
	w.body = body
	at := len(dst)
	dst = append(dst, b[:BatchHeaderBytes]...)
	dst, err := appendRecords(dst, b.Codec(), body)
	if err != nil {
		return dst, err
	}
	out := Batch(dst[at:])
	if len(out) > math.MaxInt32 {
		return dst, fmt.Errorf("batch of more than %d bytes", math.MaxInt32)
	}
	binary.BigEndian.PutUint32(out[posLength:], uint32(len(out)-logOverheadBytes))
	binary.BigEndian.PutUint16(out[posAttributes:], uint16(attributes))
	binary.BigEndian.PutUint64(out[posBaseTimestamp:], uint64(baseMs))
	binary.BigEndian.PutUint64(out[posMaxTimestamp:], uint64(maxMs))
	binary.BigEndian.PutUint32(out[posNumRecords:], uint32(len(w.kept)))
	out.seal()
	return dst, nil
}

// appendRecords appends the records of a batch behind its header, with the codec's default level: Kafka's cleaner knows no other.
func appendRecords(dst []byte, codec Codec, records []byte) ([]byte, error) {
	if codec == CodecNone {
		return append(dst, records...), nil
	}
	return appendCompressed(dst, codec, 0, 2, records)
}

// appendEmpty appends the header of b for no records (as DefaultRecordBatch.writeEmptyHeader of Kafka).
func appendEmpty(dst []byte, b Batch) []byte {
	at := len(dst)
	dst = append(dst, b[:BatchHeaderBytes]...)
	out := Batch(dst[at:])
	binary.BigEndian.PutUint32(out[posLength:], BatchHeaderBytes-logOverheadBytes)
	binary.BigEndian.PutUint16(out[posAttributes:], uint16(b.attributes()&^(attrCodecMask|attrDeleteHorizon)))
	noTimestamp := NoTimestamp
	binary.BigEndian.PutUint64(out[posBaseTimestamp:], uint64(noTimestamp))
	binary.BigEndian.PutUint32(out[posNumRecords:], 0)
	out.seal()
	return dst
}
