package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kerr"
)

// inflater decompresses a stream in memory of bounded size, however much comes out.
type inflater interface {
	io.Reader
	// release gives the inflater's memory back. It must not be used after.
	release()
}

// newInflater returns a reader of what src decompresses to. Magic is that of the batch or message around src:
// the LZ4 frames in messages of magic 0 have a wrong header checksum.
func newInflater(codec Codec, magic int8, src []byte) (inflater, error) {
	switch codec {
	case CodecGzip:
		return newGzipInflater(src)
	case CodecSnappy:
		return newSnappyInflater(src), nil
	case CodecLZ4:
		return newLZ4Inflater(src, magic == 0)
	case CodecZstd:
		return newZstdInflater(src)
	}
	return nil, fmt.Errorf("%s: %w", codec, kerr.UnsupportedCompressionType)
}

type gzipInflater struct {
	gzip.Reader
	src bytes.Reader
}

var gzipInflaters = sync.Pool{New: func() any { return new(gzipInflater) }}

func newGzipInflater(src []byte) (inflater, error) {
	z := gzipInflaters.Get().(*gzipInflater)
	z.src.Reset(src)
	if err := z.Reset(&z.src); err != nil {
		z.release()
		return nil, noEOF(err)
	}
	return z, nil
}

func (z *gzipInflater) release() {
	z.src.Reset(nil)
	gzipInflaters.Put(z)
}

// noEOF makes an early end an error in its own right, for readers whose io.EOF means that all is well.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// The zstd windows that decoders are kept for, and the largest taken at all, which is what zstd itself defaults to and
// what its highest level (22) produces.
const (
	zstdPooledWindowBytes = 8 << 20
	zstdMaxWindowBytes    = 128 << 20
)

type zstdInflater struct {
	dec    *zstd.Decoder
	src    bytes.Reader
	pooled bool
}

var zstdInflaters = sync.Pool{New: func() any {
	dec, err := newZstdDecoder(zstdPooledWindowBytes)
	if err != nil {
		return err
	}
	return &zstdInflater{dec: dec, pooled: true}
}}

// newZstdDecoder returns a decoder that works in the caller's goroutine, in a window of at most maxWindow: never on a whole frame
// at once, whose announced size may be a lie.
func newZstdDecoder(maxWindow uint64) (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeBuffersBelow(0))
}

func newZstdInflater(src []byte) (inflater, error) {
	var z *zstdInflater
	var h zstd.Header
	if err := h.Decode(src); err == nil && max(h.WindowSize, windowOfSingleSegment(&h)) > zstdPooledWindowBytes {
		dec, err := newZstdDecoder(zstdMaxWindowBytes)
		if err != nil {
			return nil, err
		}
		z = &zstdInflater{dec: dec}
	} else {
		switch got := zstdInflaters.Get().(type) {
		case error:
			return nil, got
		case *zstdInflater:
			z = got
		}
	}
	z.src.Reset(src)
	if err := z.dec.Reset(&z.src); err != nil {
		z.release()
		return nil, noEOF(err)
	}
	return z, nil
}

// windowOfSingleSegment returns the size of a frame that is its own window.
func windowOfSingleSegment(h *zstd.Header) uint64 {
	if !h.SingleSegment || !h.HasFCS {
		return 0
	}
	return h.FrameContentSize
}

func (z *zstdInflater) Read(p []byte) (int, error) { return z.dec.Read(p) }

func (z *zstdInflater) release() {
	z.src.Reset(nil)
	if !z.pooled {
		z.dec.Close()
		return
	}
	if z.dec.Reset(nil) == nil {
		zstdInflaters.Put(z)
	}
}

// snappyInflater reads either one raw snappy block or Java's ("xerial") framing of many:
//
//	82 'S' 'N' 'A' 'P' 'P' 'Y' 0 | version int32 | lowest compatible version int32 | (size int32 | block) …
type snappyInflater struct {
	src    []byte // not yet decoded
	framed bool
	block  []byte // memory of the decoded block
	rest   []byte // of block, not yet read
	err    error
}

var (
	xerialMagic = []byte("\x82SNAPPY\x00")

	errSnappy = errors.New("malformed snappy data")
)

const (
	xerialHeaderBytes = 16
	// A snappy copy of three bytes yields at most 64: whoever announces more than that per byte lies.
	snappyMaxRatio = 22
	// Blocks larger than this are not kept for the next batch.
	snappyPooledBlockBytes = 1 << 20
)

var snappyInflaters = sync.Pool{New: func() any { return new(snappyInflater) }}

func newSnappyInflater(src []byte) inflater {
	z := snappyInflaters.Get().(*snappyInflater)
	z.src, z.rest, z.err = src, nil, nil
	if z.framed = len(src) >= xerialHeaderBytes && bytes.HasPrefix(src, xerialMagic); z.framed {
		z.src = src[xerialHeaderBytes:]
	}
	return z
}

func (z *snappyInflater) Read(p []byte) (int, error) {
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

func (z *snappyInflater) nextBlock() error {
	if len(z.src) == 0 {
		return io.EOF
	}
	block := z.src
	if z.framed {
		if bytes.HasPrefix(z.src, xerialMagic) && len(z.src) >= xerialHeaderBytes {
			// Streams may be joined; Java's reader goes on too.
			z.src = z.src[xerialHeaderBytes:]
			return nil
		}
		if len(z.src) < 4 {
			return io.ErrUnexpectedEOF
		}
		size := binary.BigEndian.Uint32(z.src)
		if uint64(size) > uint64(len(z.src)-4) {
			return io.ErrUnexpectedEOF
		}
		block = z.src[4 : 4+size]
	}
	n, err := snappy.DecodedLen(block)
	if err != nil || n > (len(block)+1)*snappyMaxRatio {
		return errSnappy
	}
	// Strict: what only klauspost's dialect can read would be lost to other clients.
	if z.block, err = snappy.DecodeStrict(z.block[:cap(z.block)], block); err != nil {
		return errSnappy
	}
	z.rest = z.block
	if z.framed {
		z.src = z.src[4+len(block):]
	} else {
		z.src = nil
	}
	return nil
}

func (z *snappyInflater) release() {
	z.src, z.rest = nil, nil
	if cap(z.block) > snappyPooledBlockBytes {
		z.block = nil
	}
	snappyInflaters.Put(z)
}
