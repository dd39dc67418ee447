package wire

import (
	"encoding/binary"
	"math"
)

// The Append functions append one value to w.

// AppendUvarint appends v as an unsigned varint.
func AppendUvarint(w []byte, v int) []byte { return binary.AppendUvarint(w, uint64(v)) }

// AppendBool appends a byte, 1 or 0.
func AppendBool(w []byte, v bool) []byte {
	if v {
		return append(w, 1)
	}
	return append(w, 0)
}

// AppendInt8 appends a byte.
func AppendInt8(w []byte, v int8) []byte { return append(w, byte(v)) }

// AppendInt16 appends two bytes, big-endian like all the numbers.
func AppendInt16(w []byte, v int16) []byte { return binary.BigEndian.AppendUint16(w, uint16(v)) }

// AppendUint16 appends two bytes.
func AppendUint16(w []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(w, v) }

// AppendInt32 appends four bytes.
func AppendInt32(w []byte, v int32) []byte { return binary.BigEndian.AppendUint32(w, uint32(v)) }

// AppendInt64 appends eight bytes.
func AppendInt64(w []byte, v int64) []byte { return binary.BigEndian.AppendUint64(w, uint64(v)) }

// AppendFloat64 appends eight bytes.
func AppendFloat64(w []byte, v float64) []byte { return AppendInt64(w, int64(math.Float64bits(v))) }

// AppendUuid appends 16 bytes.
func AppendUuid(w []byte, v [16]byte) []byte { return append(w, v[:]...) }

// AppendLen appends a compact length.
func AppendLen(w []byte, n int) []byte { return AppendUvarint(w, n+1) }

// AppendNull appends the compact length of what is null.
func AppendNull(w []byte) []byte { return append(w, 0) }

// AppendString appends a string with a compact length.
func AppendString(w []byte, v string) []byte { return append(AppendLen(w, len(v)), v...) }

// AppendBytes appends bytes with a compact length.
func AppendBytes(w, v []byte) []byte { return append(AppendLen(w, len(v)), v...) }

// AppendNullableString appends a string with a compact length, or null.
func AppendNullableString(w []byte, v *string) []byte {
	if v == nil {
		return AppendNull(w)
	}
	return AppendString(w, *v)
}

// AppendPresent appends the byte before a struct that may be null: 1, or -1 when it is.
func AppendPresent(w []byte, present bool) []byte {
	if present {
		return AppendInt8(w, 1)
	}
	return AppendInt8(w, -1)
}

// AppendTaggedPresent is AppendPresent in a tagged field: 1, or 0 for null.
func AppendTaggedPresent(w []byte, present bool) []byte { return AppendBool(w, present) }

// AppendFixedString appends a string with a length of two bytes.
func AppendFixedString(w []byte, v string) []byte {
	return append(AppendInt16(w, int16(len(v))), v...)
}

// AppendNoTags appends an empty section of tagged fields.
func AppendNoTags(w []byte) []byte { return append(w, 0) }

// TagWriter collects tagged fields, which come in ascending order.
type TagWriter struct {
	n int
	b []byte
}

// Add adds a field.
func (t *TagWriter) Add(tag int, field []byte) {
	t.n++
	t.b = AppendUvarint(t.b, tag)
	t.b = AppendUvarint(t.b, len(field))
	t.b = append(t.b, field...)
}

// AppendTo appends the section of the tagged fields.
func (t *TagWriter) AppendTo(w []byte) []byte { return append(AppendUvarint(w, t.n), t.b...) }
