package log

import (
	"errors"
	"hash/crc32"
	"io"
	"math"
	"sync"

	"github.com/gokafka/gokafka/internal/protocol"
)

// chunkBytes is how much of a log file a walk over headers reads at a time: one
// interval of the offset index.
const chunkBytes = 4 << 10

var chunks = sync.Pool{New: func() any { return new([chunkBytes]byte) }}

// readFull reads exactly len(p) bytes; a file that ends before is an error.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// header is the first 61 bytes of a batch in a file, valid until the function
// that was given it returns, and where it lies.
type header struct {
	protocol.Batch
	pos  int64
	size int
}

func (h header) end() int64 { return h.pos + int64(h.size) }

// eachHeader walks over the batches in [pos, end) of a log file without looking
// at their records, until fn returns false. It returns where it stopped: after
// the last batch that fn accepted. A batch that cannot be is a *CorruptionError.
func eachHeader(r io.ReaderAt, name string, pos, end int64, fn func(h header) bool) (int64, error) {
	chunk := chunks.Get().(*[chunkBytes]byte)
	defer chunks.Put(chunk)
	var window []byte // bytes of the file at [windowPos, windowPos+len(window))
	var windowPos int64
	for pos < end {
		if pos < 0 || end-pos < protocol.BatchHeaderBytes {
			return pos, corrupt(name, pos, "%d bytes are less than the header of a batch", end-pos)
		}
		if pos+protocol.BatchHeaderBytes > windowPos+int64(len(window)) {
			window, windowPos = chunk[:min(chunkBytes, end-pos)], pos
			if err := readFull(r, window, pos); err != nil {
				return pos, storageError("read "+name, err)
			}
		}
		b := protocol.Batch(window[pos-windowPos:][:protocol.BatchHeaderBytes])
		size, err := checkHeader(b, name, pos, end)
		if err != nil {
			return pos, err
		}
		if !fn(header{b, pos, size}) {
			return pos, nil
		}
		pos += int64(size)
	}
	return pos, nil
}

// checkHeader checks what can be checked without the records: magic, length and
// offsets. It needs the 61 bytes of a header.
func checkHeader(b protocol.Batch, name string, pos, end int64) (size int, err error) {
	size, magic, ok := protocol.PeekBatch(b)
	switch {
	case magic != 2:
		return 0, corrupt(name, pos, "a batch with magic %d", magic)
	case !ok:
		return 0, corrupt(name, pos, "a batch with a length below that of its header")
	case int64(size) > end-pos:
		return 0, corrupt(name, pos, "a batch of %d bytes where %d are left", size, end-pos)
	case b.LastOffsetDelta() < 0 || b.NumRecords() < 0 || b.BaseOffset() < 0 || b.BaseOffset() > math.MaxInt64-math.MaxInt32:
		return 0, corrupt(name, pos, "a batch with base offset %d, last offset delta %d and %d records", b.BaseOffset(), b.LastOffsetDelta(), b.NumRecords())
	}
	return size, nil
}

// scanBytes is how much of a log file recovery reads at a time.
const scanBytes = 1 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// scanner reads all of a log file and checks the CRC of each batch, in constant
// memory whatever the lengths in the file say.
type scanner struct {
	r        io.ReaderAt
	name     string
	pos, end int64
	buf      []byte // allocated by the first fill
	window   []byte // bytes of the file at [windowPos, windowPos+len(window))
	winPos   int64
}

func newScanner(r io.ReaderAt, name string, pos, end int64) *scanner {
	return &scanner{r: r, name: name, pos: pos, end: end}
}

// fill makes window hold n bytes from pos on; n is at most scanBytes.
func (s *scanner) fill(pos int64, n int) ([]byte, error) {
	if pos < s.winPos || pos+int64(n) > s.winPos+int64(len(s.window)) {
		if s.buf == nil {
			s.buf = make([]byte, min(scanBytes, s.end-pos))
		}
		s.window, s.winPos = s.buf[:min(int64(len(s.buf)), s.end-pos)], pos
		if err := readFull(s.r, s.window, pos); err != nil {
			s.window = nil
			return nil, storageError("read "+s.name, err)
		}
	}
	return s.window[pos-s.winPos:][:n], nil
}

// next returns the next batch, io.EOF after the last, or a *CorruptionError for
// one that is not whole; pos is where it began. Of a batch above scanBytes only
// the header is returned. The batch is valid until the next call.
func (s *scanner) next() (header, error) {
	pos := s.pos
	if pos == s.end {
		return header{}, io.EOF
	}
	if s.end-pos < protocol.BatchHeaderBytes {
		return header{}, corrupt(s.name, pos, "%d bytes are less than the header of a batch", s.end-pos)
	}
	head, err := s.fill(pos, protocol.BatchHeaderBytes)
	if err != nil {
		return header{}, err
	}
	size, err := checkHeader(head, s.name, pos, s.end)
	if err != nil {
		return header{}, err
	}
	if size <= scanBytes {
		b, err := s.fill(pos, size)
		if err != nil {
			return header{}, err
		}
		if err := protocol.Batch(b).CheckCRC(); err != nil {
			return header{}, corrupt(s.name, pos, "the CRC of a batch of %d bytes does not match", size)
		}
		s.pos = pos + int64(size)
		return header{b, pos, size}, nil
	}
	head = append([]byte(nil), head...)
	sum := crc32.Checksum(head[crcFrom:], castagnoli)
	for at, end := pos+protocol.BatchHeaderBytes, pos+int64(size); at < end; {
		part, err := s.fill(at, int(min(int64(len(s.buf)), end-at)))
		if err != nil {
			return header{}, err
		}
		sum = crc32.Update(sum, castagnoli, part)
		at += int64(len(part))
	}
	if sum != protocol.Batch(head).CRC() {
		return header{}, corrupt(s.name, pos, "the CRC of a batch of %d bytes does not match", size)
	}
	s.pos = pos + int64(size)
	return header{head, pos, size}, nil
}

const (
	magicByte = 16 // where the magic of a batch or message lies
	crcFrom   = 21 // what the CRC of a v2 batch covers begins here
)

// findBatch looks for a whole batch with a base offset in [minOffset, minOffset +
// 2³¹) that begins anywhere in [pos, end). It tells a torn tail, which has none,
// from damage in the middle.
func findBatch(r io.ReaderAt, name string, pos, end, minOffset int64) (found int64, ok bool, err error) {
	s := newScanner(r, name, pos, end)
	for at := pos; at+protocol.BatchHeaderBytes <= end; {
		n := int(min(scanBytes, end-at))
		part, err := s.fill(at, n)
		if err != nil {
			return 0, false, err
		}
		for i := 0; i+protocol.BatchHeaderBytes <= n; i++ {
			b := protocol.Batch(part[i:][:protocol.BatchHeaderBytes])
			if b[magicByte] != 2 || b.BaseOffset() < minOffset || b.BaseOffset()-minOffset > math.MaxInt32 {
				continue
			}
			if _, err := newScanner(r, name, at+int64(i), end).next(); err == nil {
				return at + int64(i), true, nil
			}
		}
		at += int64(n - protocol.BatchHeaderBytes + 1)
	}
	return 0, false, nil
}

// isMessageSet reports whether a message of magic 0 or 1 with a valid CRC lies at
// pos: an old format that Kafka 4 does not read either, and no torn tail.
func isMessageSet(r io.ReaderAt, pos, end int64) bool {
	var head [17]byte
	if end-pos < int64(len(head)) || readFull(r, head[:], pos) != nil {
		return false
	}
	size, magic, ok := protocol.PeekBatch(head[:])
	if !ok || magic > 1 || magic < 0 || int64(size) > end-pos || size > scanBytes {
		return false
	}
	b := make([]byte, size)
	if readFull(r, b, pos) != nil {
		return false
	}
	return crc32.ChecksumIEEE(b[magicByte:]) == be32(b[12:])
}
