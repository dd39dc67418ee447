package vfs

import (
	"bytes"
	"io"
	"io/fs"
	"sync/atomic"
	"syscall"
	"time"
)

// memFile is an open file of Mem; it outlives the removal of its name.
type memFile struct {
	fs       *Mem
	node     *memNode
	name     string
	readOnly bool
	pos      int64 // guarded by fs.mu
	closed   atomic.Bool
}

func (f *memFile) Name() string        { return f.name }
func (f *memFile) Fd() (uintptr, bool) { return 0, false }

func (f *memFile) Close() error {
	if f.closed.Swap(true) {
		return pathError("close", f.name, fs.ErrClosed)
	}
	return nil
}

func (f *memFile) check(op string, write bool) error {
	switch {
	case f.closed.Load():
		return pathError(op, f.name, fs.ErrClosed)
	case write && f.readOnly:
		return pathError(op, f.name, syscall.EBADF)
	case f.node.dir:
		return pathError(op, f.name, syscall.EISDIR)
	}
	return nil
}

func (f *memFile) Size() (int64, error) {
	if err := f.check("stat", false); err != nil {
		return 0, err
	}
	f.fs.mu.RLock()
	defer f.fs.mu.RUnlock()
	return int64(len(f.node.data)), nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.check("read", false); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("read", f.name, syscall.EINVAL)
	}
	f.fs.mu.RLock()
	defer f.fs.mu.RUnlock()
	if off >= int64(len(f.node.data)) {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	if err := f.check("write", true); err != nil {
		return 0, err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.write(f.node, p, f.pos)
	f.pos += int64(len(p))
	return len(p), nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.check("write", true); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, pathError("write", f.name, syscall.EINVAL)
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.write(f.node, p, off)
	return len(p), nil
}

func (f *memFile) Truncate(size int64) error {
	if err := f.check("truncate", true); err != nil {
		return err
	}
	if size < 0 {
		return pathError("truncate", f.name, syscall.EINVAL)
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.truncate(f.node, size)
	return nil
}

// Sync folds what was changed since the last Sync into the durable content.
func (f *memFile) Sync() error {
	if err := f.check("sync", false); err != nil {
		return err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	n := f.node
	for _, op := range n.ops {
		n.durable = op.apply(n.durable)
	}
	n.ops = nil
	return nil
}

func (m *Mem) write(n *memNode, p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	m.seq++
	op := fileOp{seq: m.seq, off: off, data: bytes.Clone(p)}
	n.ops = append(n.ops, op)
	n.data = op.apply(n.data)
	n.modTime = time.Now()
}

func (m *Mem) truncate(n *memNode, size int64) {
	m.seq++
	op := fileOp{seq: m.seq, off: size}
	n.ops = append(n.ops, op)
	n.data = op.apply(n.data)
	n.modTime = time.Now()
}

// apply returns content after the change. It may change content in place, as
// append does.
func (op fileOp) apply(content []byte) []byte {
	size := op.off + int64(len(op.data))
	switch {
	case op.data == nil && size < int64(len(content)):
		clear(content[size:])
		return content[:size]
	case size > int64(len(content)):
		content = append(content, make([]byte, size-int64(len(content)))...)
	}
	copy(content[op.off:], op.data)
	return content
}
