package protocol

import (
	"errors"
	"io"
	"sync"
)

// windowBytes is how much of a decompressed stream is in memory at a time.
const windowBytes = 64 << 10

type window [windowBytes]byte

var windows = sync.Pool{New: func() any { return new(window) }}

// errShort says that the bytes ended within something.
var errShort = errors.New("premature end")

// byteSource reads forward over bytes that are in memory or come out of an inflater.
type byteSource struct {
	buf []byte   // the bytes at hand
	in  inflater // where more come from; nil when buf is all there is
	win *window  // memory of buf while in is set
	// arena is where take cuts copies from: memory that is never written twice.
	arena []byte
	err   error // why in ended; nil for a proper end
}

// openSource returns a source over what src decompresses to. It must be closed.
func openSource(codec Codec, magic int8, src []byte) (byteSource, error) {
	if codec == CodecNone {
		return byteSource{buf: src}, nil
	}
	in, err := newInflater(codec, magic, src)
	if err != nil {
		return byteSource{}, err
	}
	win := windows.Get().(*window)
	return byteSource{buf: win[:0], in: in, win: win}, nil
}

func (s *byteSource) close() {
	if s.in != nil {
		s.in.release()
		s.in = nil
	}
	if s.win != nil {
		windows.Put(s.win)
		s.win, s.buf = nil, nil
	}
}

// fill brings n bytes, no more than windowBytes, to hand if the source has as many.
func (s *byteSource) fill(n int) bool {
	if len(s.buf) >= n {
		return true
	}
	if s.in == nil {
		return false
	}
	have := copy(s.win[:], s.buf)
	for have < n && s.in != nil {
		m, err := s.in.Read(s.win[have:])
		have += m
		if err != nil {
			if err != io.EOF {
				s.err = err
			}
			s.in.release()
			s.in = nil
		}
	}
	s.buf = s.win[:have]
	return have >= n
}

// short returns the reason for a fill that failed.
func (s *byteSource) short() error {
	if s.err != nil {
		return s.err
	}
	return errShort
}

// atEnd reports whether nothing is left. A stream that breaks off in an error is not at its end.
func (s *byteSource) atEnd() bool {
	return !s.fill(1) && s.err == nil
}

// varint takes a varint. A source that ends in it gives the reason, one that is no varint errVarint.
func (s *byteSource) varint() (int32, error) {
	s.fill(maxVarintBytes)
	v, n := varint(s.buf)
	return v, s.took(n)
}

func (s *byteSource) took(n int) error {
	switch {
	case n > 0:
		s.buf = s.buf[n:]
		return nil
	case n == 0:
		return s.short()
	}
	return errVarint
}

// skip takes n bytes and forgets them.
func (s *byteSource) skip(n int) error {
	for n > len(s.buf) {
		n -= len(s.buf)
		s.buf = s.buf[:0]
		if !s.fill(1) {
			return s.short()
		}
	}
	s.buf = s.buf[n:]
	return nil
}

// read takes n bytes into dst, which it grows no faster than bytes come.
func (s *byteSource) read(dst []byte, n int) ([]byte, error) {
	for n > 0 {
		if len(s.buf) == 0 && !s.fill(1) {
			return dst, s.short()
		}
		m := min(n, len(s.buf))
		dst = append(dst, s.buf[:m]...)
		s.buf = s.buf[m:]
		n -= m
	}
	return dst, nil
}

// take returns the next n bytes: those of the source's own memory where it was given them, else a copy that is the caller's.
func (s *byteSource) take(n int) ([]byte, error) {
	if s.win == nil {
		if n > len(s.buf) {
			return nil, s.short()
		}
		b := s.buf[:n:n]
		s.buf = s.buf[n:]
		return b, nil
	}
	if n > windowBytes/4 {
		return s.read(make([]byte, 0, min(n, windowBytes)), n)
	}
	if !s.fill(n) {
		return nil, s.short()
	}
	if cap(s.arena)-len(s.arena) < n {
		// Grow from what is at hand, so that a small batch does not cost a large arena.
		s.arena = make([]byte, 0, max(n, min(len(s.buf), windowBytes/4)))
	}
	at := len(s.arena)
	s.arena = append(s.arena, s.buf[:n]...)
	s.buf = s.buf[n:]
	return s.arena[at : at+n : at+n], nil
}
