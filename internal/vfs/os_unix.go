//go:build unix

package vfs

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

var system FS = osFS{}

func openFile(name string, flag int) (*os.File, error) { return os.OpenFile(name, flag, 0o644) }

func rename(oldName, newName string) error { return os.Rename(oldName, newName) }

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (osFS) Usage(dir string) (total, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}

// A POSIX record lock belongs to the process: it does not exclude a second node
// in this process, and closing any descriptor of the file drops it. So the files
// locked by this process are remembered, and a second attempt never opens one.
var heldLocks struct {
	sync.Mutex
	files map[fileKey]bool
}

type fileKey struct{ dev, ino uint64 }

type osLock struct {
	f    *os.File
	key  fileKey
	once sync.Once
	err  error
}

func lockFile(name string) (io.Closer, error) {
	heldLocks.Lock()
	defer heldLocks.Unlock()
	for {
		var st unix.Stat_t
		if unix.Stat(name, &st) == nil && heldLocks.files[keyOf(&st)] {
			return nil, &LockedError{Name: name, PID: os.Getpid(), Self: true}
		}
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
		if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock); err != nil {
			defer f.Close()
			if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
				return nil, &os.PathError{Op: "lock", Path: name, Err: err}
			}
			held := &LockedError{Name: name}
			query := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
			if unix.FcntlFlock(f.Fd(), unix.F_GETLK, &query) == nil && query.Type != unix.F_UNLCK && query.Pid > 0 {
				held.PID = int(query.Pid)
			}
			return nil, held
		}
		// The holder removes the file when it stops: a lock on a file without
		// the name excludes nobody, so try again with the new file.
		var opened unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &opened); err != nil {
			f.Close()
			return nil, &os.PathError{Op: "stat", Path: name, Err: err}
		}
		if unix.Stat(name, &st) != nil || keyOf(&st) != keyOf(&opened) {
			f.Close()
			continue
		}
		if heldLocks.files == nil {
			heldLocks.files = map[fileKey]bool{}
		}
		heldLocks.files[keyOf(&opened)] = true
		return &osLock{f: f, key: keyOf(&opened)}, nil
	}
}

func keyOf(st *unix.Stat_t) fileKey { return fileKey{uint64(st.Dev), uint64(st.Ino)} }

// Close removes the file while the lock still holds, and then lets it go.
func (l *osLock) Close() error {
	l.once.Do(func() {
		heldLocks.Lock()
		defer heldLocks.Unlock()
		err := os.Remove(l.f.Name())
		if os.IsNotExist(err) {
			err = nil // somebody removed it: the lock goes all the same
		}
		if closeErr := l.f.Close(); err == nil {
			err = closeErr
		}
		delete(heldLocks.files, l.key)
		l.err = err
	})
	return l.err
}
