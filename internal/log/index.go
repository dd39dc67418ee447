package log

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
)

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
func be64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// index is a file of entries of one width in ascending order. The newest entries
// wait in memory until some have gathered; an entry never changes. One writer
// (under Log.mu) appends while any number of readers search.
type index struct {
	file  file
	state atomic.Pointer[indexState] // nil until the file has been looked at

	exists atomic.Bool // the file is known to be there
}

// indexState is what a reader sees at one moment. The bytes of tail are never
// changed: the writer only appends behind what any reader was shown.
type indexState struct {
	written int    // entries in the file
	tail    []byte // entries that are not in the file yet
}

const (
	// indexTail is how many entries wait in memory for a write.
	indexTail = 64
	// indexBlock is how many entries a search reads at once.
	indexBlock = 128
	// widest is the width of the widest entry.
	widest = 12
)

var indexBlocks = sync.Pool{New: func() any { return new([indexBlock * widest]byte) }}

// indexFile is an index together with what the segment knows about it.
type indexFile struct {
	*index
	s     *segment
	ext   string
	width int
}

func (x indexFile) name() string { return x.s.path(x.ext) }

func (x indexFile) len() int {
	st := x.state.Load()
	return st.written + len(st.tail)/x.width
}

// append adds an entry; when enough have gathered they are written.
func (x indexFile) append(entry []byte) error {
	st := x.state.Load()
	next := &indexState{written: st.written, tail: append(st.tail, entry...)}
	x.state.Store(next)
	if len(next.tail) >= indexTail*x.width {
		return x.write()
	}
	return nil
}

// write moves the entries in memory to the file, which it creates when missing.
func (x indexFile) write() error {
	st := x.state.Load()
	if len(st.tail) == 0 {
		return nil
	}
	h, err := x.file.acquire(x.s.fs, x.name, true)
	if err != nil {
		return err
	}
	defer h.release()
	if _, err := h.WriteAt(st.tail, int64(st.written*x.width)); err != nil {
		return err
	}
	x.exists.Store(true)
	x.state.Store(&indexState{written: st.written + len(st.tail)/x.width})
	return nil
}

// entry reads entry i.
func (x indexFile) entry(i int) (e [widest]byte, err error) {
	st := x.state.Load()
	if i >= st.written {
		copy(e[:], st.tail[(i-st.written)*x.width:][:x.width])
		return e, nil
	}
	return e, x.read(e[:x.width], i)
}

func (x indexFile) read(p []byte, i int) error {
	h, err := x.file.acquire(x.s.fs, x.name, false)
	if err != nil {
		return err
	}
	defer h.release()
	return readFull(h, p, int64(i*x.width))
}

// floor returns the last entry for which le holds, and its number: −1 for none.
// le must hold for all entries up to some point and for none after. part, within
// [0, 1], is where in the file the entry is expected: entries lie at even
// distances where batches are of even sizes, and one read finds it then.
func (x indexFile) floor(part float64, le func(e []byte) bool) (e [widest]byte, i int, err error) {
	st := x.state.Load()
	if len(st.tail) > 0 && le(st.tail) {
		i := searchBlock(st.tail, x.width, le)
		copy(e[:], st.tail[i*x.width:][:x.width])
		return e, st.written + i, nil
	}
	if st.written == 0 {
		return e, -1, nil
	}
	h, err := x.file.acquire(x.s.fs, x.name, false)
	if err != nil {
		return e, 0, err
	}
	defer h.release()
	block := indexBlocks.Get().(*[indexBlock * widest]byte)
	defer indexBlocks.Put(block)
	lo, hi := 0, st.written // le holds below lo and does not from hi on
	guess := int(part * float64(st.written))
	for {
		// Read the block around the guess, from the last entry known to be low.
		from := max(min(guess-indexBlock/2, hi-indexBlock), lo-1, 0)
		n := min(indexBlock, hi-from)
		if n == 0 {
			return e, -1, nil // from is 0: not even the first entry holds
		}
		entries := block[:n*x.width]
		if err := readFull(h, entries, int64(from*x.width)); err != nil {
			return e, 0, err
		}
		at := searchBlock(entries, x.width, le)
		switch {
		case at < 0 && from > max(lo-1, 0):
			hi = from
		case at == n-1 && from+n < hi:
			lo = from + n
		case at < 0:
			return e, -1, nil
		default:
			copy(e[:], entries[at*x.width:][:x.width])
			return e, from + at, nil
		}
		guess = (lo + hi) / 2
	}
}

// searchBlock returns the number of the last entry for which le holds, −1 for
// none.
func searchBlock(entries []byte, width int, le func([]byte) bool) int {
	lo, hi := 0, len(entries)/width
	for lo < hi {
		mid := (lo + hi) / 2
		if le(entries[mid*width:][:width]) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1
}

// load looks at the file. It reports false when the file is missing, does not
// hold whole entries, or check objects to the last two (prev is nil with one).
func (x indexFile) load(check func(prev, last []byte) bool) (ok bool, err error) {
	h, err := x.file.acquire(x.s.fs, x.name, false)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer h.release()
	size, err := h.Size()
	if err != nil || size%int64(x.width) != 0 {
		return false, err
	}
	n := int(size / int64(x.width))
	if n > 0 {
		var e [2 * widest]byte
		first := max(n-2, 0)
		entries := e[:(n-first)*x.width]
		if err := readFull(h, entries, int64(first*x.width)); err != nil {
			return false, err
		}
		last := entries[len(entries)-x.width:]
		if !check(entries[:len(entries)-x.width], last) {
			return false, nil
		}
	}
	x.exists.Store(true)
	x.state.Store(&indexState{written: n})
	return true, nil
}

// reset makes the index an empty one in a new file.
func (x indexFile) reset() error {
	x.file.close()
	x.state.Store(&indexState{})
	f, err := x.s.fs.Create(x.name())
	if err != nil {
		return err
	}
	x.exists.Store(true)
	return f.Close()
}

func (x indexFile) sync() error {
	h, err := x.file.acquire(x.s.fs, x.name, true)
	if err != nil {
		return err
	}
	defer h.release()
	return h.Sync()
}
