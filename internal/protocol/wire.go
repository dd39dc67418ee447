package protocol

import "encoding/binary"

// wireReader takes primitives off the front of b. After running out it is bad and returns zeroes.
type wireReader struct {
	b   []byte
	bad bool
}

func (r *wireReader) fail() { r.b, r.bad = nil, true }

func (r *wireReader) span(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail()
		return nil
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

func (r *wireReader) int16() int16 {
	if len(r.b) < 2 {
		r.fail()
		return 0
	}
	v := int16(binary.BigEndian.Uint16(r.b))
	r.b = r.b[2:]
	return v
}

func (r *wireReader) int32() int32 {
	if len(r.b) < 4 {
		r.fail()
		return 0
	}
	v := int32(binary.BigEndian.Uint32(r.b))
	r.b = r.b[4:]
	return v
}

func (r *wireReader) uvarint() uint32 {
	v, n := uvarint32(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *wireReader) nullableString() *string {
	n := r.int16()
	if n < 0 || r.bad {
		return nil
	}
	s := string(r.span(int(n)))
	return &s
}

func (r *wireReader) nullableBytes() []byte {
	n := r.int32()
	if n < 0 || r.bad {
		return nil
	}
	return r.span(int(n))
}

func (r *wireReader) skipTags() {
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		r.uvarint()
		r.span(int(r.uvarint()))
	}
}

// uvarint32 decodes an unsigned varint of at most five bytes. It returns the number of bytes read,
// or n <= 0 when b ends within it or it does not fit 32 bits.
func uvarint32(b []byte) (v uint32, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint32(b[0]), 1
	}
	for i, c := range b {
		if i == 4 && c > 0x0f {
			return 0, -1
		}
		v |= uint32(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// uvarint64 is uvarint32 for 64 bits and at most ten bytes.
func uvarint64(b []byte) (v uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return binary.Uvarint(b)
}

// varint decodes a zigzag varint of 32 bits, as Kafka writes lengths and offset deltas.
func varint(b []byte) (int32, int) {
	u, n := uvarint32(b)
	return int32(u>>1) ^ -int32(u&1), n
}

// varlong decodes a zigzag varint of 64 bits, as Kafka writes timestamp deltas.
func varlong(b []byte) (int64, int) {
	u, n := uvarint64(b)
	return int64(u>>1) ^ -int64(u&1), n
}

func appendVarint(dst []byte, v int32) []byte {
	return binary.AppendUvarint(dst, uint64(uint32(v<<1)^uint32(v>>31)))
}

func appendVarlong(dst []byte, v int64) []byte {
	return binary.AppendUvarint(dst, uint64(v<<1)^uint64(v>>63))
}

func varintSize(v int32) int {
	n := 1
	for u := uint32(v<<1) ^ uint32(v>>31); u >= 0x80; u >>= 7 {
		n++
	}
	return n
}

func varlongSize(v int64) int {
	n := 1
	for u := uint64(v<<1) ^ uint64(v>>63); u >= 0x80; u >>= 7 {
		n++
	}
	return n
}
