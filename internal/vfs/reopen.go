package vfs

import (
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
)

// reopening is a file system over one that does not rename a directory in which
// files are open, as Windows does not. It knows the open files: they are closed for
// a moment and opened under their new names, and who reads or writes one meanwhile
// waits.
type reopening struct {
	FS

	mu   sync.Mutex // before any movable.mu
	open map[*movable]struct{}
}

func newReopening(fsys FS) *reopening {
	return &reopening{FS: fsys, open: make(map[*movable]struct{})}
}

// movable is an open file whose descriptor may be replaced.
type movable struct {
	fsys   *reopening
	opened string // the name it was opened by
	again  func(name string) (File, error)

	path string // the name now, "" when it has none any more; guarded by fsys.mu

	mu   sync.RWMutex // held for writing while file changes
	file File
	err  error // why there is no file

	writeMu sync.Mutex
	pos     int64 // of Write; guarded by writeMu
}

func (r *reopening) track(name string, open, again func(string) (File, error)) (File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	m := &movable{fsys: r, opened: name, path: filepath.Clean(name), again: again, file: f}
	r.open[m] = struct{}{}
	return m, nil
}

func (r *reopening) Open(name string) (File, error) { return r.track(name, r.FS.Open, r.FS.Open) }
func (r *reopening) Create(name string) (File, error) {
	return r.track(name, r.FS.Create, r.FS.Open)
}
func (r *reopening) OpenRead(name string) (File, error) {
	return r.track(name, r.FS.OpenRead, r.FS.OpenRead)
}

// WriteFileAtomic goes through Rename here, which knows the open files.
func (r *reopening) WriteFileAtomic(name string, data []byte, sync bool) error {
	return writeFileAtomic(r, name, data, sync)
}

// under reports whether path is dir or lies in it.
func under(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == filepath.Separator || strings.HasSuffix(dir, string(filepath.Separator)))
}

// forget makes the files under path nameless.
func (r *reopening) forget(path string) {
	for m := range r.open {
		if under(m.path, path) {
			m.path = ""
		}
	}
}

func (r *reopening) Remove(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.FS.Remove(name)
	if err == nil {
		r.forget(filepath.Clean(name))
	}
	return err
}

func (r *reopening) RemoveAll(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.FS.RemoveAll(name)
	if err == nil {
		r.forget(filepath.Clean(name))
	}
	return err
}

func (r *reopening) Rename(oldName, newName string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	from, to := filepath.Clean(oldName), filepath.Clean(newName)
	info, err := r.FS.Stat(oldName)
	if err != nil || !info.Dir {
		err := r.FS.Rename(oldName, newName)
		if err == nil && from != to {
			r.forget(to)
			r.renamed(from, to)
		}
		return err
	}
	var inside []*movable
	for m := range r.open {
		if under(m.path, from) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.release()
			inside = append(inside, m)
		}
	}
	err = r.FS.Rename(oldName, newName)
	if err == nil {
		r.renamed(from, to)
	}
	for _, m := range inside {
		m.reopen()
	}
	return err
}

func (r *reopening) renamed(from, to string) {
	for m := range r.open {
		if under(m.path, from) {
			m.path = to + strings.TrimPrefix(m.path, from)
		}
	}
}

// release closes the file for a moment. What it has not written yet is the
// operating system's, as it would be with the file open.
func (m *movable) release() {
	if m.file == nil {
		return
	}
	if err := m.file.Close(); err != nil {
		m.err = err
	}
	m.file = nil
}

func (m *movable) reopen() {
	if m.err == nil {
		m.file, m.err = m.again(m.path)
	}
}

// do runs fn with the file, which stays open while it runs.
func (m *movable) do(fn func(File) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.file == nil {
		return m.err
	}
	return fn(m.file)
}

func (m *movable) ReadAt(b []byte, off int64) (n int, err error) {
	err = m.do(func(f File) error { n, err = f.ReadAt(b, off); return err })
	return n, err
}

func (m *movable) WriteAt(b []byte, off int64) (n int, err error) {
	err = m.do(func(f File) error { n, err = f.WriteAt(b, off); return err })
	return n, err
}

// Write does not use the position of the descriptor, which goes with it.
func (m *movable) Write(b []byte) (int, error) {
	m.writeMu.Lock()
	defer m.writeMu.Unlock()
	n, err := m.WriteAt(b, m.pos)
	m.pos += int64(n)
	return n, err
}

func (m *movable) Truncate(size int64) error {
	return m.do(func(f File) error { return f.Truncate(size) })
}

func (m *movable) Sync() error { return m.do(func(f File) error { return f.Sync() }) }

func (m *movable) Size() (size int64, err error) {
	err = m.do(func(f File) error { size, err = f.Size(); return err })
	return size, err
}

func (m *movable) Name() string { return m.opened }

// Fd: there is none that stays.
func (m *movable) Fd() (uintptr, bool) { return 0, false }

func (m *movable) Close() error {
	m.fsys.mu.Lock()
	delete(m.fsys.open, m)
	m.fsys.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.file == nil {
		return m.err
	}
	err := m.file.Close()
	m.file, m.err = nil, pathError("use", m.opened, fs.ErrClosed)
	return err
}
