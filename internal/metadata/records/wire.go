package records

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrMalformed is what every error of decoding wraps.
var ErrMalformed = errors.New("malformed metadata record")

// reader takes a record apart. After the first error it returns zero values, so that decoders check once, at the end.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w", what, ErrMalformed)
		r.b = nil
	}
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail("it ends too soon")
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) uvarint() uint32 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 5 || v > math.MaxUint32 {
		r.fail("bad varint")
		return 0
	}
	r.b = r.b[n:]
	return uint32(v)
}

func (r *reader) bool() bool {
	b := r.take(1)
	return b != nil && b[0] != 0
}

func (r *reader) int8() int8 {
	if b := r.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) int16() int16 { return int16(r.uint16()) }

func (r *reader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) int64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *reader) float64() float64 { return math.Float64frombits(uint64(r.int64())) }

func (r *reader) uuid() (id [16]byte) {
	copy(id[:], r.take(16))
	return id
}

// length reads a compact length; ok is false for null. It is never above the number of bytes that are left.
func (r *reader) length() (n int, ok bool) {
	v := r.uvarint()
	if v == 0 {
		return 0, false
	}
	if int64(v)-1 > int64(len(r.b)) {
		r.fail("a length beyond the end")
		return 0, true
	}
	return int(v - 1), true
}

// arrayLen reads the length of an array that must not be null.
func (r *reader) arrayLen() int {
	n, ok := r.length()
	if !ok {
		r.fail("null for an array")
	}
	return n
}

func (r *reader) string() string {
	n, ok := r.length()
	if !ok {
		r.fail("null for a string")
	}
	return string(r.take(n))
}

func (r *reader) nullableString() *string {
	n, ok := r.length()
	if !ok {
		return nil
	}
	s := string(r.take(n))
	return &s
}

func (r *reader) bytes() []byte {
	n, ok := r.length()
	if !ok {
		r.fail("null for bytes")
	}
	return append([]byte(nil), r.take(n)...)
}

// tags calls field for each tagged field, with a reader of just its bytes. field returns false for a tag it does not know, which is skipped
// as Kafka does.
func (r *reader) tags(field func(tag uint32, r *reader) bool) {
	last := int64(-1)
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		tag := r.uvarint()
		size := r.uvarint()
		if int64(tag) <= last || int64(size) > int64(len(r.b)) {
			r.fail("bad tag section")
			return
		}
		last = int64(tag)
		sub := reader{b: r.take(int(size))}
		if known := field(tag, &sub); sub.err != nil {
			r.err = sub.err
		} else if known && len(sub.b) > 0 {
			r.fail("a tagged field of another size")
		}
	}
}

func appendUvarint(w []byte, v int) []byte { return binary.AppendUvarint(w, uint64(v)) }

func appendBool(w []byte, v bool) []byte {
	if v {
		return append(w, 1)
	}
	return append(w, 0)
}

func appendInt8(w []byte, v int8) []byte       { return append(w, byte(v)) }
func appendInt16(w []byte, v int16) []byte     { return binary.BigEndian.AppendUint16(w, uint16(v)) }
func appendUint16(w []byte, v uint16) []byte   { return binary.BigEndian.AppendUint16(w, v) }
func appendInt32(w []byte, v int32) []byte     { return binary.BigEndian.AppendUint32(w, uint32(v)) }
func appendInt64(w []byte, v int64) []byte     { return binary.BigEndian.AppendUint64(w, uint64(v)) }
func appendFloat64(w []byte, v float64) []byte { return appendInt64(w, int64(math.Float64bits(v))) }
func appendUuid(w []byte, v [16]byte) []byte   { return append(w, v[:]...) }
func appendLen(w []byte, n int) []byte         { return appendUvarint(w, n+1) }
func appendString(w []byte, v string) []byte   { return append(appendLen(w, len(v)), v...) }
func appendBytes(w, v []byte) []byte           { return append(appendLen(w, len(v)), v...) }

func appendNullableString(w []byte, v *string) []byte {
	if v == nil {
		return append(w, 0)
	}
	return appendString(w, *v)
}

// tagWriter collects tagged fields, which come in ascending order.
type tagWriter struct {
	n int
	b []byte
}

func (t *tagWriter) add(tag int, field []byte) {
	t.n++
	t.b = appendUvarint(t.b, tag)
	t.b = appendUvarint(t.b, len(field))
	t.b = append(t.b, field...)
}

func (t *tagWriter) appendTo(w []byte) []byte { return append(appendUvarint(w, t.n), t.b...) }
