package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/pierrec/lz4/v4"
)

// An LZ4 frame as Kafka writes and reads it (the reference's frame format, with independent blocks only):
//
//	magic uint32 LE | FLG | BD | [content size uint64] | header checksum | (block size uint32 LE | block | [checksum]) … | 0 uint32 | [content checksum]
//
// The header checksum is the second byte of xxHash32 over FLG … content size. Kafka's clients before 0.10, and therefore all messages of magic 0,
// hash the frame's magic along with it: such a frame is written for magic 0, and the checksum is not looked at when reading magic 0 (KAFKA-3160).
const (
	lz4Magic          = 0x184D2204
	lz4Uncompressed   = 1 << 31
	lz4BlockBytes     = 64 << 10
	lz4BlockMaxBytes  = 4 << 20
	lz4DefaultLevel   = 9 // Kafka's default for compression.lz4.level, which means the fast algorithm
	lz4HeaderBytes    = 7
	lz4FlagsVersion   = 1 << 6
	lz4FlagIndepBlock = 1 << 5
	lz4FlagBlockSum   = 1 << 4
	lz4FlagSize       = 1 << 3
	lz4FlagContentSum = 1 << 2
	lz4FlagsReserved  = 0x03
	lz4BlockSize64KiB = 4 << 4
)

type lz4Compressor struct {
	fast lz4.Compressor
	hc   lz4.CompressorHC
}

var lz4Compressors = sync.Pool{New: func() any { return new(lz4Compressor) }}

// block compresses src into dst, which has room for the worst case. It returns 0 where that is no gain.
func (c *lz4Compressor) block(dst, src []byte, level int) int {
	var n int
	var err error
	if level <= 0 || level == lz4DefaultLevel {
		n, err = c.fast.CompressBlock(src, dst)
	} else {
		c.hc.Level = lz4.Level1 << (min(level, 9) - 1)
		n, err = c.hc.CompressBlock(src, dst)
	}
	if err != nil || n >= len(src) {
		return 0
	}
	return n
}

// appendLZ4 appends one frame with blocks of 64 KiB, as Kafka's. Level is 1 to 17, 0 for the default.
func appendLZ4(dst []byte, level int, brokenChecksum bool, src []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, lz4Magic)
	dst = append(dst, lz4FlagsVersion|lz4FlagIndepBlock, lz4BlockSize64KiB)
	hashed := dst[start+4:]
	if brokenChecksum {
		hashed = dst[start:]
	}
	dst = append(dst, byte(xxh32(hashed)>>8))

	c := lz4Compressors.Get().(*lz4Compressor)
	defer lz4Compressors.Put(c)
	for len(src) > 0 {
		block := src[:min(len(src), lz4BlockBytes)]
		src = src[len(block):]
		at := len(dst)
		bound := lz4.CompressBlockBound(len(block))
		dst = append(dst, make([]byte, 4+bound)...)
		if n := c.block(dst[at+4:], block, level); n > 0 {
			binary.LittleEndian.PutUint32(dst[at:], uint32(n))
			dst = dst[:at+4+n]
		} else {
			binary.LittleEndian.PutUint32(dst[at:], uint32(len(block))|lz4Uncompressed)
			dst = append(dst[:at+4], block...)
		}
	}
	return append(dst, 0, 0, 0, 0)
}

var errLZ4 = errors.New("malformed lz4 frame")

type lz4Inflater struct {
	src      []byte // after the frame's header, not yet decoded
	flags    byte
	maxBlock int
	block    []byte // memory of the decoded block
	rest     []byte // not yet read
	err      error
}

var lz4Inflaters = sync.Pool{New: func() any { return new(lz4Inflater) }}

func newLZ4Inflater(src []byte, ignoreHeaderChecksum bool) (inflater, error) {
	if len(src) < lz4HeaderBytes {
		return nil, io.ErrUnexpectedEOF
	}
	if binary.LittleEndian.Uint32(src) != lz4Magic {
		return nil, fmt.Errorf("%w: not an lz4 frame", errLZ4)
	}
	flags, bd := src[4], src[5]
	switch {
	case flags&0xc0 != lz4FlagsVersion:
		return nil, fmt.Errorf("%w: version %d", errLZ4, flags>>6)
	case flags&lz4FlagIndepBlock == 0:
		return nil, fmt.Errorf("%w: dependent blocks are not supported", errLZ4)
	case flags&lz4FlagsReserved != 0 || bd&0x8f != 0 || bd>>4 < 4:
		return nil, fmt.Errorf("%w: descriptor %#02x %#02x", errLZ4, flags, bd)
	}
	end := 6
	if flags&lz4FlagSize != 0 {
		end += 8
	}
	if len(src) <= end {
		return nil, io.ErrUnexpectedEOF
	}
	if !ignoreHeaderChecksum && src[end] != byte(xxh32(src[4:end])>>8) {
		return nil, fmt.Errorf("%w: wrong header checksum", errLZ4)
	}
	z := lz4Inflaters.Get().(*lz4Inflater)
	z.src, z.flags, z.rest, z.err = src[end+1:], flags, nil, nil
	z.maxBlock = 1 << (2*(bd>>4) + 8)
	return z, nil
}

func (z *lz4Inflater) Read(p []byte) (int, error) {
	for len(z.rest) == 0 {
		if z.err == nil {
			z.err = z.nextBlock()
		}
		if z.err != nil {
			return 0, z.err
		}
	}
	n := copy(p, z.rest)
	z.rest = z.rest[n:]
	return n, nil
}

func (z *lz4Inflater) nextBlock() error {
	if len(z.src) < 4 {
		return io.ErrUnexpectedEOF
	}
	word := binary.LittleEndian.Uint32(z.src)
	size := int(word &^ lz4Uncompressed)
	if size == 0 {
		// Like Kafka's reader, look neither at the content checksum nor at what may come after the end.
		if z.flags&lz4FlagContentSum != 0 && len(z.src) < 8 {
			return io.ErrUnexpectedEOF
		}
		return io.EOF
	}
	if size > z.maxBlock {
		return fmt.Errorf("%w: block of %d bytes, more than %d", errLZ4, size, z.maxBlock)
	}
	trailer := 0
	if z.flags&lz4FlagBlockSum != 0 {
		trailer = 4
	}
	if len(z.src) < 4+size+trailer {
		return io.ErrUnexpectedEOF
	}
	block := z.src[4 : 4+size]
	if trailer > 0 && binary.LittleEndian.Uint32(z.src[4+size:]) != xxh32(block) {
		return fmt.Errorf("%w: wrong block checksum", errLZ4)
	}
	z.src = z.src[4+size+trailer:]
	if word&lz4Uncompressed != 0 {
		z.rest = block
		return nil
	}
	// No byte of a block yields more than 255.
	if room := min(z.maxBlock, size*255); cap(z.block) < room {
		z.block = make([]byte, room)
	}
	n, err := lz4.UncompressBlock(block, z.block[:min(z.maxBlock, cap(z.block))])
	if err != nil {
		return fmt.Errorf("%w: %v", errLZ4, err)
	}
	z.rest = z.block[:n]
	return nil
}

func (z *lz4Inflater) release() {
	z.src, z.rest = nil, nil
	lz4Inflaters.Put(z)
}
