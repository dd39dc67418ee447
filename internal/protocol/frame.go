package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// frameChunkBytes is how far ReadFrame trusts a size prefix: a larger frame's buffer grows
// only as bytes really arrive, so that a connection cannot reserve memory by announcing much.
const frameChunkBytes = 64 << 10

// ErrFrameSize is wrapped by the error of ReadFrame when the size prefix is negative or above the limit.
var ErrFrameSize = errors.New("invalid frame size")

// ReadFrame reads one size-prefixed frame from r and returns its content without the prefix.
// It reads into buf when that is big enough, so the result is valid until the caller uses buf again.
// It returns io.EOF, bare, when r ends before the first byte of a frame; io.ErrUnexpectedEOF (wrapped) when r ends
// inside of one; and an error wrapping ErrFrameSize when the prefix is negative or above maxBytes.
func ReadFrame(r io.Reader, maxBytes int32, buf []byte) ([]byte, error) {
	var prefix [4]byte
	if n, err := io.ReadFull(r, prefix[:]); err != nil {
		if n == 0 {
			return nil, err
		}
		return nil, fmt.Errorf("reading the size of a frame: %w", err)
	}
	size := int32(binary.BigEndian.Uint32(prefix[:]))
	switch {
	case size < 0:
		return nil, fmt.Errorf("%w: %d is negative", ErrFrameSize, size)
	case size > maxBytes:
		return nil, fmt.Errorf("%w: %d bytes are more than the limit of %d", ErrFrameSize, size, maxBytes)
	}
	frame, err := readGrowing(r, int(size), buf[:0])
	if err != nil {
		return nil, fmt.Errorf("reading a frame of %d bytes, %d of them arrived: %w", size, len(frame), err)
	}
	return frame, nil
}

// readGrowing appends exactly n bytes of r to buf, growing it to at most four times what it has already read (or one chunk). Sizes are powers of two,
// so that the buffer of one large frame has room for the next.
func readGrowing(r io.Reader, n int, buf []byte) ([]byte, error) {
	for len(buf) < n {
		if len(buf) == cap(buf) {
			size := frameChunkBytes
			for size < min(n, 4*len(buf)) {
				size *= 2
			}
			buf = append(make([]byte, 0, size), buf...)
		}
		at := len(buf)
		m, err := io.ReadFull(r, buf[at:min(n, cap(buf))])
		buf = buf[:at+m]
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return buf, err
		}
	}
	return buf, nil
}
