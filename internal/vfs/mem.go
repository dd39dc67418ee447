package vfs

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Mem is a file system in memory that remembers what has been made durable, so
// that CrashClone can show what a power cut leaves. The zero value is not usable.
type Mem struct {
	mu sync.RWMutex // guards every node and the fields below

	root *memNode
	seq  int64 // number of the last change that was not durable when it was made
}

// memNode is a file or a directory; its names are in the directories above it.
type memNode struct {
	dir     bool
	locked  bool
	modTime time.Time

	data    []byte   // file: content as a reader sees it
	durable []byte   // file: content at the last Sync; nil before the first
	ops     []fileOp // file: changes since the last Sync, oldest first
	entries memDir   // directory: names as a reader sees them
	synced  memDir   // directory: names at the last SyncDir
	nameOps []nameOp // directory: changes since the last SyncDir
}

type memDir map[string]*memNode

// fileOp is one write (data set) or truncation (data nil) of a file.
type fileOp struct {
	seq  int64
	off  int64 // of a truncation: the new size
	data []byte
}

// nameOp is one atomic change of a directory: names set, or removed with nil.
type nameOp struct {
	seq int64
	set map[string]*memNode
}

// NewMem returns an empty file system in memory.
func NewMem() *Mem { return &Mem{root: newMemDir()} }

func newMemDir() *memNode {
	return &memNode{dir: true, entries: memDir{}, synced: memDir{}, modTime: time.Now()}
}

// clean makes every name relative to the root, which is also the working
// directory.
func clean(name string) string { return path.Clean("/" + name) }

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (m *Mem) find(name string) *memNode {
	n := m.root
	rest := clean(name)[1:]
	for rest != "" {
		var first string
		first, rest = cutSlash(rest)
		if n == nil || !n.dir {
			return nil
		}
		n = n.entries[first]
	}
	return n
}

func cutSlash(s string) (first, rest string) {
	for i := range len(s) {
		if s[i] == '/' {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// parent returns the directory that holds the name, nil when there is none.
func (m *Mem) parent(name string) (dir *memNode, base string) {
	name = clean(name)
	n := m.find(path.Dir(name))
	if n == nil || !n.dir {
		return nil, ""
	}
	return n, path.Base(name)
}

func (m *Mem) setNames(dir *memNode, set map[string]*memNode) {
	m.seq++
	m.setNamesAt(dir, set, m.seq)
}

func (m *Mem) setNamesAt(dir *memNode, set map[string]*memNode, seq int64) {
	applyNames(dir.entries, set)
	dir.nameOps = append(dir.nameOps, nameOp{seq, set})
	dir.modTime = time.Now()
}

func applyNames(d memDir, set map[string]*memNode) {
	for name, n := range set {
		if n == nil {
			delete(d, name)
		} else {
			d[name] = n
		}
	}
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) { return m.open(name, false) }

// OpenRead implements FS.
func (m *Mem) OpenRead(name string) (File, error) { return m.open(name, true) }

func (m *Mem) open(name string, readOnly bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(name)
	switch {
	case n == nil:
		return nil, pathError("open", name, fs.ErrNotExist)
	case n.dir && !readOnly:
		return nil, pathError("open", name, syscall.EISDIR)
	}
	return &memFile{fs: m, node: n, name: name, readOnly: readOnly}, nil
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base := m.parent(name)
	if dir == nil {
		return nil, pathError("open", name, fs.ErrNotExist)
	}
	n := dir.entries[base]
	switch {
	case n == nil:
		n = &memNode{modTime: time.Now()}
		m.setNames(dir, map[string]*memNode{base: n})
	case n.dir:
		return nil, pathError("open", name, syscall.EISDIR)
	default:
		m.truncate(n, 0)
	}
	return &memFile{fs: m, node: n, name: name}, nil
}

// Rename implements FS.
func (m *Mem) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, fromBase := m.parent(oldName)
	to, toBase := m.parent(newName)
	if from == nil || to == nil || from.entries[fromBase] == nil {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: fs.ErrNotExist}
	}
	n := from.entries[fromBase]
	if old := to.entries[toBase]; old == n {
		return nil
	} else if old != nil && old.dir && (!n.dir || len(old.entries) > 0) {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: fs.ErrExist}
	}
	if from == to {
		m.setNames(from, map[string]*memNode{fromBase: nil, toBase: n})
		return nil
	}
	m.setNames(to, map[string]*memNode{toBase: n})
	m.setNamesAt(from, map[string]*memNode{fromBase: nil}, m.seq)
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base := m.parent(name)
	if dir == nil || dir.entries[base] == nil {
		return pathError("remove", name, fs.ErrNotExist)
	}
	if n := dir.entries[base]; n.dir && len(n.entries) > 0 {
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	m.setNames(dir, map[string]*memNode{base: nil})
	return nil
}

// RemoveAll implements FS.
func (m *Mem) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base := m.parent(name)
	if dir == nil || dir.entries[base] == nil {
		return nil
	}
	m.setNames(dir, map[string]*memNode{base: nil})
	return nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root
	rest := clean(name)[1:]
	for rest != "" {
		var first string
		first, rest = cutSlash(rest)
		next := n.entries[first]
		if next == nil {
			next = newMemDir()
			m.setNames(n, map[string]*memNode{first: next})
		}
		if !next.dir {
			return pathError("mkdir", name, syscall.ENOTDIR)
		}
		n = next
	}
	return nil
}

// List implements FS.
func (m *Mem) List(dir string) ([]FileInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := m.find(dir)
	switch {
	case n == nil:
		return nil, pathError("open", dir, fs.ErrNotExist)
	case !n.dir:
		return nil, pathError("readdir", dir, syscall.ENOTDIR)
	}
	infos := make([]FileInfo, 0, len(n.entries))
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		infos = append(infos, n.entries[name].info(name))
	}
	return infos, nil
}

func (n *memNode) info(name string) FileInfo {
	return FileInfo{Name: name, Size: int64(len(n.data)), Dir: n.dir, ModTime: n.modTime}
}

// Stat implements FS.
func (m *Mem) Stat(name string) (FileInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := m.find(name)
	if n == nil {
		return FileInfo{}, pathError("stat", name, fs.ErrNotExist)
	}
	return n.info(path.Base(clean(name))), nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(dir)
	if n == nil || !n.dir {
		return pathError("open", dir, fs.ErrNotExist)
	}
	if len(n.nameOps) > 0 {
		n.synced, n.nameOps = maps.Clone(n.entries), nil
	}
	return nil
}

// Lock implements FS.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base := m.parent(name)
	if dir == nil {
		return nil, pathError("open", name, fs.ErrNotExist)
	}
	n := dir.entries[base]
	if n == nil {
		n = &memNode{modTime: time.Now()}
		m.setNames(dir, map[string]*memNode{base: n})
	}
	if n.locked {
		return nil, &LockedError{Name: name, PID: os.Getpid(), Self: true}
	}
	n.locked = true
	return &memLock{fs: m, node: n, name: name}, nil
}

type memLock struct {
	fs   *Mem
	node *memNode
	name string
	once sync.Once
}

func (l *memLock) Close() error {
	l.once.Do(func() {
		l.fs.Remove(l.name) // the node is ours: nobody else removes a held lock
		l.fs.mu.Lock()
		l.node.locked = false
		l.fs.mu.Unlock()
	})
	return nil
}

// ReadFile implements FS.
func (m *Mem) ReadFile(name string) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := m.find(name)
	switch {
	case n == nil:
		return nil, pathError("open", name, fs.ErrNotExist)
	case n.dir:
		return nil, pathError("read", name, syscall.EISDIR)
	}
	return bytes.Clone(n.data), nil
}

// WriteFileAtomic implements FS.
func (m *Mem) WriteFileAtomic(name string, data []byte, sync bool) error {
	return writeFileAtomic(m, name, data, sync)
}

// Usage implements FS: a terabyte, of which the files take their part.
func (m *Mem) Usage(dir string) (total, free int64, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.find(dir) == nil {
		return 0, 0, pathError("statfs", dir, fs.ErrNotExist)
	}
	return 1 << 40, 1<<40 - m.root.size(), nil
}

func (n *memNode) size() int64 {
	sum := int64(len(n.data))
	for _, e := range n.entries {
		sum += e.size()
	}
	return sum
}
