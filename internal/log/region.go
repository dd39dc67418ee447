package log

import (
	"io"

	"github.com/gokafka/gokafka/internal/vfs"
)

// Region is a run of whole batches in a file. It holds the file open until
// Release, which must be called once on one of its copies; the zero Region is
// empty and needs none. The bytes are those of the log: nothing is copied until
// somebody asks.
type Region struct {
	log      *Log
	view     *view // in which it was found
	h        *handle
	position int64
	length   int
	start    int64
	end      int64
}

// Len returns the number of bytes.
func (r Region) Len() int { return r.length }

// StartOffset returns the base offset of the first batch, or the offset that was
// asked for where a gap, or the end of an earlier read, lies before it.
func (r Region) StartOffset() int64 { return r.start }

// EndOffset returns one past the last offset of the last batch.
func (r Region) EndOffset() int64 { return r.end }

// AbortedTxns returns the aborted transactions that have records in the region from
// offset from on, as Log.AbortedTxns does. Other than that it goes by the segments
// in which the region was found: the log's may have been cleaned twice since, and
// remember nothing of records that are still in this region.
func (r Region) AbortedTxns(from int64) ([]AbortedTxn, error) {
	if r.length == 0 {
		return nil, nil
	}
	txns, err := r.view.abortedTxns(from, r.end)
	if err != nil {
		if why := r.log.check(); why != nil { // the partition was deleted, and its files are somewhere else
			return nil, why
		}
		return nil, r.log.readFailed("read the aborted transactions of "+r.log.dir, err)
	}
	return txns, nil
}

// File returns the file and where in it the region begins, for sendfile; nil for
// an empty region. The file must not be used after Release, nor be closed.
func (r Region) File() (f vfs.File, offset int64) {
	if r.h == nil {
		return nil, 0
	}
	return r.h.File, r.position
}

// AppendTo appends the bytes to dst, with one read.
func (r Region) AppendTo(dst []byte) ([]byte, error) {
	if r.length == 0 {
		return dst, nil
	}
	n := len(dst)
	if cap(dst)-n < r.length {
		grown := make([]byte, n, n+r.length)
		copy(grown, dst)
		dst = grown
	}
	if err := readFull(r.h, dst[n:n+r.length], r.position); err != nil {
		return dst[:n], r.log.readFailed("read "+r.h.Name(), err)
	}
	return dst[:n+r.length], nil
}

// ReadAt reads from the region, off counting from its first byte.
func (r Region) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(r.length) {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), int64(r.length)-off)]
	if err := readFull(r.h, want, r.position+off); err != nil {
		return 0, r.log.readFailed("read "+r.h.Name(), err)
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

// Release lets go of the file.
func (r Region) Release() {
	if r.h != nil {
		r.h.release()
	}
}
