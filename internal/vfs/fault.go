package vfs

import (
	"errors"
	"io"
	"path"
)

// Op is a kind of call that the rule of Fault sees.
type Op string

// The calls of FS and File that a rule can fail.
const (
	OpOpen     Op = "open"
	OpOpenRead Op = "open-read"
	OpCreate   Op = "create"
	OpRename   Op = "rename" // with the old name
	OpRemove   Op = "remove"
	OpMkdir    Op = "mkdir"
	OpList     Op = "list"
	OpStat     Op = "stat"
	OpSyncDir  Op = "sync-dir"
	OpLock     Op = "lock"
	OpUsage    Op = "usage"
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpTruncate Op = "truncate"
	OpSync     Op = "sync"
	OpClose    Op = "close"
)

// Changes tells whether a call of this kind may change what is on the disk.
func (op Op) Changes() bool {
	switch op {
	case OpCreate, OpRename, OpRemove, OpMkdir, OpSyncDir, OpWrite, OpTruncate, OpSync:
		return true
	}
	return false
}

// TornWrite is an error with which a rule lets the first N bytes of a write, or
// of a read, through before it fails with Err.
type TornWrite struct {
	N   int
	Err error
}

func (e *TornWrite) Error() string { return "torn: " + e.Err.Error() }
func (e *TornWrite) Unwrap() error { return e.Err }

// Fault returns fs with a rule in front of every call: a call for which the rule
// returns an error fails with it and does nothing (but see TornWrite). The rule
// is called from many goroutines. A rule that only looks makes a trace.
func Fault(fs FS, rule func(op Op, name string) error) FS { return &faultFS{fs, rule} }

type faultFS struct {
	fs   FS
	rule func(op Op, name string) error
}

type faultFile struct {
	File
	fs *faultFS
}

func (f *faultFS) open(op Op, name string, open func(string) (File, error)) (File, error) {
	if err := f.rule(op, name); err != nil {
		return nil, err
	}
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	return &faultFile{file, f}, nil
}

func (f *faultFS) Open(name string) (File, error)     { return f.open(OpOpen, name, f.fs.Open) }
func (f *faultFS) OpenRead(name string) (File, error) { return f.open(OpOpenRead, name, f.fs.OpenRead) }
func (f *faultFS) Create(name string) (File, error)   { return f.open(OpCreate, name, f.fs.Create) }

func (f *faultFS) Rename(oldName, newName string) error {
	if err := f.rule(OpRename, oldName); err != nil {
		return err
	}
	return f.fs.Rename(oldName, newName)
}

func (f *faultFS) Remove(name string) error {
	if err := f.rule(OpRemove, name); err != nil {
		return err
	}
	return f.fs.Remove(name)
}

func (f *faultFS) RemoveAll(name string) error {
	if err := f.rule(OpRemove, name); err != nil {
		return err
	}
	return f.fs.RemoveAll(name)
}

func (f *faultFS) MkdirAll(name string) error {
	if err := f.rule(OpMkdir, name); err != nil {
		return err
	}
	return f.fs.MkdirAll(name)
}

func (f *faultFS) List(dir string) ([]FileInfo, error) {
	if err := f.rule(OpList, dir); err != nil {
		return nil, err
	}
	return f.fs.List(dir)
}

func (f *faultFS) Stat(name string) (FileInfo, error) {
	if err := f.rule(OpStat, name); err != nil {
		return FileInfo{}, err
	}
	return f.fs.Stat(name)
}

func (f *faultFS) SyncDir(dir string) error {
	if err := f.rule(OpSyncDir, dir); err != nil {
		return err
	}
	return f.fs.SyncDir(dir)
}

func (f *faultFS) Lock(name string) (io.Closer, error) {
	if err := f.rule(OpLock, name); err != nil {
		return nil, err
	}
	return f.fs.Lock(name)
}

func (f *faultFS) Usage(dir string) (total, free int64, err error) {
	if err := f.rule(OpUsage, dir); err != nil {
		return 0, 0, err
	}
	return f.fs.Usage(dir)
}

// ReadFile reads through this FS's own files, so that the rule sees each step.
func (f *faultFS) ReadFile(name string) ([]byte, error) {
	file, err := f.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	n, err := file.ReadAt(data, 0)
	if n == len(data) || errors.Is(err, io.EOF) {
		err = nil
	}
	return data[:n], err
}

func (f *faultFS) WriteFileAtomic(name string, data []byte, sync bool) error {
	return writeFileAtomic(f, path.Clean(name), data, sync)
}

func (f *faultFile) ReadAt(p []byte, off int64) (int, error) {
	err := f.fs.rule(OpRead, f.Name())
	if err == nil {
		return f.File.ReadAt(p, off)
	}
	if torn := (*TornWrite)(nil); errors.As(err, &torn) {
		n, _ := f.File.ReadAt(p[:min(torn.N, len(p))], off)
		return n, err
	}
	return 0, err
}

func (f *faultFile) Write(p []byte) (int, error) {
	return f.write(p, f.File.Write)
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	return f.write(p, func(p []byte) (int, error) { return f.File.WriteAt(p, off) })
}

func (f *faultFile) write(p []byte, write func([]byte) (int, error)) (int, error) {
	err := f.fs.rule(OpWrite, f.Name())
	if err == nil {
		return write(p)
	}
	if torn := (*TornWrite)(nil); errors.As(err, &torn) {
		n, _ := write(p[:min(torn.N, len(p))])
		return n, err
	}
	return 0, err
}

func (f *faultFile) Truncate(size int64) error {
	if err := f.fs.rule(OpTruncate, f.Name()); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultFile) Sync() error {
	if err := f.fs.rule(OpSync, f.Name()); err != nil {
		return err
	}
	return f.File.Sync()
}

// Close always closes: a rule can only make it report an error.
func (f *faultFile) Close() error {
	ruled := f.fs.rule(OpClose, f.Name())
	if err := f.File.Close(); err != nil {
		return err
	}
	return ruled
}
