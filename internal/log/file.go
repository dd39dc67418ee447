package log

import (
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/gokafka/gokafka/internal/vfs"
)

// file is a file that is opened when somebody needs it, and closed again when it
// has been idle or its owner is gone and nobody reads from it any more.
type file struct {
	mu   sync.Mutex // held while opening
	open atomic.Pointer[handle]
	used atomic.Bool // since the last closeIdle
	gone bool        // guarded by mu: no handle may be made any more
}

// handle is an open file with a count of its users; the file that holds it is
// one of them.
type handle struct {
	vfs.File
	refs atomic.Int32
}

// acquire fails when the last user has left: the handle is being closed.
func (h *handle) acquire() bool {
	for {
		n := h.refs.Load()
		if n == 0 {
			return false
		}
		if h.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (h *handle) release() {
	if h.refs.Add(-1) == 0 {
		h.File.Close() // nothing depends on it: what must be durable was synced
	}
}

// acquire returns the open file, to be released after use. The name is asked for
// only when the file must be opened. With create, a missing file is made.
func (f *file) acquire(fsys vfs.FS, name func() string, create bool) (*handle, error) {
	if !f.used.Load() {
		f.used.Store(true)
	}
	if h := f.open.Load(); h != nil && h.acquire() {
		return h, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if h := f.open.Load(); h != nil && h.acquire() {
		return h, nil
	}
	if f.gone {
		return nil, fs.ErrNotExist
	}
	opened, err := fsys.Open(name())
	if create && errors.Is(err, fs.ErrNotExist) {
		opened, err = fsys.Create(name())
	}
	if err != nil {
		return nil, err
	}
	h := &handle{File: opened}
	h.refs.Store(2)
	f.open.Store(h)
	return h, nil
}

// close lets go of the open file, if there is one; it is opened again on demand.
func (f *file) close() {
	f.mu.Lock()
	h := f.open.Swap(nil)
	f.mu.Unlock()
	if h != nil {
		h.release()
	}
}

// closeIdle closes the file unless it was used since the last call.
func (f *file) closeIdle() {
	if !f.used.Swap(false) && f.open.Load() != nil {
		f.close()
	}
}

// remove closes the file for good: whoever has it open keeps it, nobody opens it
// any more.
func (f *file) remove() {
	f.mu.Lock()
	f.gone = true
	f.mu.Unlock()
	f.close()
}
