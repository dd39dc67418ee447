package vfs

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// FS is a tree of files. It is safe for concurrent use. Errors of missing and
// existing files satisfy errors.Is with fs.ErrNotExist and fs.ErrExist.
type FS interface {
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// OpenRead opens an existing file for reading.
	OpenRead(name string) (File, error)
	// Create opens a file for reading and writing, emptied when it existed.
	Create(name string) (File, error)
	// Rename moves a file or directory, replacing a file of the new name.
	Rename(oldName, newName string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// RemoveAll removes a file or a tree; a missing one is no error.
	RemoveAll(name string) error
	// MkdirAll makes a directory and its parents; an existing one is no error.
	MkdirAll(name string) error
	// List returns the entries of a directory, sorted by name.
	List(dir string) ([]FileInfo, error)
	// Stat describes one file or directory.
	Stat(name string) (FileInfo, error)
	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on the file, which it creates when missing,
	// with fcntl as Java's FileLock does. The lock ends with Close, which also
	// removes the file, or with the process. A held lock is a *LockedError.
	Lock(name string) (io.Closer, error)
	// ReadFile returns a whole file.
	ReadFile(name string) ([]byte, error)
	// WriteFileAtomic replaces a file by writing name.tmp and renaming it. With
	// sync the data and the name are durable when it returns.
	WriteFileAtomic(name string, data []byte, sync bool) error
	// Usage tells the size of the volume that holds dir and what is free for us.
	Usage(dir string) (total, free int64, err error)
}

// File is an open file. ReadAt and WriteAt are safe for concurrent use. Write
// writes at the file's position, which starts at 0 and only Write moves.
type File interface {
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	// Truncate sets the size; bytes added read as zero.
	Truncate(size int64) error
	// Sync makes the content durable. After an error nothing may be assumed about
	// what had been written since the last success (the kernel forgets it).
	Sync() error
	Size() (int64, error)
	Name() string
	// Fd returns the descriptor for sendfile, and false when there is none.
	Fd() (uintptr, bool)
}

// FileInfo describes an entry of a directory.
type FileInfo struct {
	Name    string // last element of the path
	Size    int64
	Dir     bool
	ModTime time.Time
}

// ErrLocked says that another process, or another user in this one, holds a lock.
var ErrLocked = errors.New("locked")

// LockedError is the failure of Lock on a held lock; it matches ErrLocked.
type LockedError struct {
	Name string
	PID  int // of the holder; 0 when unknown
	Self bool
}

func (e *LockedError) Error() string {
	switch {
	case e.Self:
		return fmt.Sprintf("%s is already locked by this process", e.Name)
	case e.PID > 0:
		return fmt.Sprintf("%s is locked by another process (pid %d)", e.Name, e.PID)
	default:
		return fmt.Sprintf("%s is locked by another process", e.Name)
	}
}

// Is reports whether the target is ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }
