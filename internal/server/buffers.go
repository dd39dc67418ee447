package server

import (
	"slices"
	"sync"
)

const (
	smallBufferBytes  = 16 << 10
	mediumBufferBytes = 256 << 10
	streamBufferBytes = 512 << 10 // with half of it the system takes a third more time for each byte
	largestKeptBytes  = 16 << 20
	mostKeptBytes     = 64 << 20
)

// Frames and responses use pooled buffers of three kinds, small, medium and whatever grew beyond that, and a Streamer has one of its own. A frame larger than medium
// starts in a medium buffer unless a grown one is at hand, and grows with the bytes that really arrive: an announced size alone reserves nothing
// more.
var (
	smallBuffers, mediumBuffers sync.Pool
	grownBuffers                grownList
	streamBuffers               = sync.Pool{New: func() any { return new([streamBufferBytes]byte) }}
)

// grownList keeps grown buffers. Not a sync.Pool, which the garbage collector empties: with large buffers made anew it runs all the time, and took a third
// of the broker's time where requests have several MiB.
type grownList struct {
	mu    sync.Mutex
	free  []*buffer // guarded by mu
	bytes int       // guarded by mu: their capacities
	spare int       // guarded by mu: how many of them nobody has needed since the last trim
}

// take returns a buffer that has room for size bytes, else the largest; nil when there is none.
func (l *grownList) take(size int) *buffer {
	l.mu.Lock()
	defer l.mu.Unlock()
	best := -1
	for i, b := range l.free {
		if best >= 0 {
			had, has := cap(l.free[best].bytes), cap(b.bytes)
			if had >= size && (has < size || has >= had) || had < size && has <= had {
				continue
			}
		}
		best = i
	}
	if best < 0 {
		return nil
	}
	b := l.free[best]
	l.free = slices.Delete(l.free, best, best+1)
	l.bytes -= cap(b.bytes)
	l.spare = min(l.spare, len(l.free))
	return b
}

// put keeps a buffer unless it is huge, or many are kept already.
func (l *grownList) put(b *buffer) {
	size := cap(b.bytes)
	l.mu.Lock()
	defer l.mu.Unlock()
	if size > largestKeptBytes || l.bytes+size > mostKeptBytes {
		return
	}
	l.free = append(l.free, b)
	l.bytes += size
}

// trim lets go of the buffers that nobody has needed since it was called last.
func (l *grownList) trim() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.free[:l.spare] {
		l.bytes -= cap(b.bytes)
	}
	l.free = slices.Delete(l.free, 0, l.spare)
	l.spare = len(l.free)
}

// buffer is a pooled byte slice; its holder may grow bytes by append and gives it back with release.
type buffer struct{ bytes []byte }

// takeBuffer returns an empty buffer for about size bytes.
func takeBuffer(size int) *buffer {
	pool, initial := &mediumBuffers, mediumBufferBytes
	switch {
	case size <= smallBufferBytes:
		pool, initial = &smallBuffers, smallBufferBytes
	case size > mediumBufferBytes:
		if b := grownBuffers.take(size); b != nil {
			return b
		}
	}
	if b, ok := pool.Get().(*buffer); ok {
		return b
	}
	return &buffer{bytes: make([]byte, 0, initial)}
}

// release gives the buffer back to the pool of its present size.
func (b *buffer) release() {
	c := cap(b.bytes)
	b.bytes = b.bytes[:0]
	switch {
	case c > mediumBufferBytes:
		grownBuffers.put(b)
	case c == mediumBufferBytes:
		mediumBuffers.Put(b)
	case c >= smallBufferBytes:
		smallBuffers.Put(b)
	}
}
