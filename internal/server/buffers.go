package server

import "sync"

const (
	smallBufferBytes  = 16 << 10
	mediumBufferBytes = 256 << 10
	streamBufferBytes = 512 << 10
	largestKeptBytes  = 8 << 20
)

// Frames and responses use pooled buffers of four kinds: small, medium, that of a Streamer, and whatever grew beyond them. A frame larger than medium starts in a
// medium buffer unless a grown one is at hand, and grows with the bytes that really arrive: an announced size alone reserves nothing more. A
// buffer beyond the largest is left to the garbage collector, so that one huge request does not pin its size for good.
var smallBuffers, mediumBuffers, streamBuffers, grownBuffers sync.Pool

// buffer is a pooled byte slice; its holder may grow bytes by append and gives it back with release.
type buffer struct{ bytes []byte }

// takeBuffer returns an empty buffer for about size bytes.
func takeBuffer(size int) *buffer {
	pool, initial := &grownBuffers, mediumBufferBytes
	switch {
	case size <= smallBufferBytes:
		pool, initial = &smallBuffers, smallBufferBytes
	case size <= mediumBufferBytes:
		pool = &mediumBuffers
	}
	if b, ok := pool.Get().(*buffer); ok {
		return b
	}
	return &buffer{bytes: make([]byte, 0, initial)}
}

// takeStreamBuffer returns a buffer for the pieces of a large response. Twice the size costs a third less time a byte, while the system takes them.
func takeStreamBuffer() *buffer {
	if b, ok := streamBuffers.Get().(*buffer); ok {
		return b
	}
	return &buffer{bytes: make([]byte, 0, streamBufferBytes)}
}

// release gives the buffer back to the pool of its present size.
func (b *buffer) release() {
	c := cap(b.bytes)
	b.bytes = b.bytes[:0]
	switch {
	case c > largestKeptBytes:
	case c == streamBufferBytes:
		streamBuffers.Put(b)
	case c > mediumBufferBytes:
		grownBuffers.Put(b)
	case c == mediumBufferBytes:
		mediumBuffers.Put(b)
	case c >= smallBufferBytes:
		smallBuffers.Put(b)
	}
}
