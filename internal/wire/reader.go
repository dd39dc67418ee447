package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrMalformed is what every error of decoding wraps.
var ErrMalformed = errors.New("malformed record")

// Reader takes a record apart. After the first error it returns zero values, so that decoders check once, at the end. Nothing that it returns
// aliases what it reads.
type Reader struct {
	b   []byte
	err error
}

// NewReader returns a reader of b.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Err returns the first error; it wraps ErrMalformed.
func (r *Reader) Err() error { return r.err }

// Len returns the number of bytes that are left, 0 after an error.
func (r *Reader) Len() int { return len(r.b) }

// Fail makes what the reader's error, when there is none yet.
func (r *Reader) Fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w", what, ErrMalformed)
		r.b = nil
	}
}

func (r *Reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.Fail("it ends too soon")
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// Uvarint reads an unsigned varint of at most 32 bits.
func (r *Reader) Uvarint() uint32 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 5 || v > math.MaxUint32 {
		r.Fail("bad varint")
		return 0
	}
	r.b = r.b[n:]
	return uint32(v)
}

// Bool reads a byte that is 0 for false.
func (r *Reader) Bool() bool {
	b := r.take(1)
	return b != nil && b[0] != 0
}

// Int8 reads a byte.
func (r *Reader) Int8() int8 {
	if b := r.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

// Uint16 reads two bytes, big-endian like all the numbers.
func (r *Reader) Uint16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Int16 reads two bytes.
func (r *Reader) Int16() int16 { return int16(r.Uint16()) }

// Int32 reads four bytes.
func (r *Reader) Int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// Int64 reads eight bytes.
func (r *Reader) Int64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// Float64 reads eight bytes.
func (r *Reader) Float64() float64 { return math.Float64frombits(uint64(r.Int64())) }

// Uuid reads 16 bytes.
func (r *Reader) Uuid() (id [16]byte) {
	copy(id[:], r.take(16))
	return id
}

// Length reads a compact length; ok is false for null. It is never above the number of bytes that are left.
func (r *Reader) Length() (n int, ok bool) {
	v := r.Uvarint()
	if v == 0 {
		return 0, false
	}
	if int64(v)-1 > int64(len(r.b)) {
		r.Fail("a length beyond the end")
		return 0, true
	}
	return int(v - 1), true
}

// ArrayLen reads the length of an array that must not be null.
func (r *Reader) ArrayLen() int {
	n, ok := r.Length()
	if !ok {
		r.Fail("null for an array")
	}
	return n
}

// String reads a string that must not be null.
func (r *Reader) String() string {
	n, ok := r.Length()
	if !ok {
		r.Fail("null for a string")
	}
	return string(r.take(n))
}

// NullableString reads a string that may be null.
func (r *Reader) NullableString() *string {
	n, ok := r.Length()
	if !ok {
		return nil
	}
	s := string(r.take(n))
	return &s
}

// FixedString reads a string with a length of two bytes that must not be null.
func (r *Reader) FixedString() string { return string(r.take(int(r.Int16()))) }

// Bytes reads bytes that must not be null.
func (r *Reader) Bytes() []byte {
	n, ok := r.Length()
	if !ok {
		r.Fail("null for bytes")
	}
	return append([]byte(nil), r.take(n)...)
}

// Present reads the byte before a struct that may be null.
func (r *Reader) Present() bool { return r.Int8() >= 0 }

// TaggedPresent reads the same in a tagged field.
func (r *Reader) TaggedPresent() bool { return r.Uvarint() != 0 }

// NoTags skips a section of tagged fields.
func (r *Reader) NoTags() { r.Tags(func(uint32, *Reader) bool { return false }) }

// Tags calls field for each tagged field, with a reader of just its bytes. field returns false for a tag it does not know, which is skipped
// as Kafka does.
func (r *Reader) Tags(field func(tag uint32, r *Reader) bool) {
	last := int64(-1)
	for n := r.Uvarint(); n > 0 && r.err == nil; n-- {
		tag := r.Uvarint()
		size := r.Uvarint()
		if int64(tag) <= last || int64(size) > int64(len(r.b)) {
			r.Fail("bad tag section")
			return
		}
		last = int64(tag)
		sub := Reader{b: r.take(int(size))}
		if known := field(tag, &sub); sub.err != nil {
			r.err = sub.err
		} else if known && len(sub.b) > 0 {
			r.Fail("a tagged field of another size")
		}
	}
}
