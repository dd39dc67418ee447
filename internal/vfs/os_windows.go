package vfs

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/windows"
)

// Windows renames no directory while a file in it is open.
var system FS = newReopening(osFS{})

const shareAll = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE

// openFile opens a file as Java's FileChannel does, so that it may be renamed and
// removed while it is open; os.OpenFile does not share that.
func openFile(name string, flag int) (*os.File, error) {
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	access, mode, attributes := uint32(windows.GENERIC_READ), uint32(windows.OPEN_EXISTING), uint32(windows.FILE_ATTRIBUTE_NORMAL)
	if flag&os.O_RDWR != 0 {
		access |= windows.GENERIC_WRITE
	}
	if flag&os.O_CREATE != 0 {
		mode = windows.OPEN_ALWAYS
	}
	h, err := windows.CreateFile(path, access, shareAll, nil, mode, attributes, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(h), name)
	if flag&os.O_TRUNC != 0 {
		if err := f.Truncate(0); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// rename replaces an open file of the new name, too, where the file system can
// (NTFS since Windows 10 1607): MoveFileEx cannot.
func rename(oldName, newName string) error {
	err := renamePOSIX(oldName, newName)
	if isAny(err, []syscall.Errno{windows.ERROR_INVALID_PARAMETER, windows.ERROR_NOT_SUPPORTED, windows.ERROR_INVALID_FUNCTION, windows.ERROR_NOT_SAME_DEVICE}) {
		return os.Rename(oldName, newName)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: err}
	}
	return nil
}

func renamePOSIX(oldName, newName string) error {
	path, err := windows.UTF16PtrFromString(oldName)
	if err != nil {
		return err
	}
	full, err := windows.FullPath(newName)
	if err != nil {
		return err
	}
	target, err := windows.UTF16FromString(full)
	if err != nil {
		return err
	}
	// Backup semantics: so that it may be a directory.
	h, err := windows.CreateFile(path, windows.DELETE|windows.SYNCHRONIZE, shareAll, nil, windows.OPEN_EXISTING,
		windows.FILE_FLAG_BACKUP_SEMANTICS|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(h)
	info := renameInfo(target)
	return windows.SetFileInformationByHandle(h, windows.FileRenameInfoEx, &info[0], uint32(len(info)))
}

// renameInfo is a FILE_RENAME_INFO of a 64-bit system: flags, padding, root directory,
// length of the name in bytes without its final zero, and the name.
func renameInfo(target []uint16) []byte {
	info := binary.LittleEndian.AppendUint32(nil, windows.FILE_RENAME_REPLACE_IF_EXISTS|windows.FILE_RENAME_POSIX_SEMANTICS)
	info = append(info, make([]byte, 12)...)
	info = binary.LittleEndian.AppendUint32(info, uint32(2*(len(target)-1)))
	for _, c := range target {
		info = binary.LittleEndian.AppendUint16(info, c)
	}
	return info
}

// SyncDir has nothing to do: NTFS keeps names in its journal, in order, and there is
// no call that flushes a directory. A missing one is an error as elsewhere.
func (osFS) SyncDir(dir string) error {
	_, err := os.Stat(dir)
	return err
}

func (osFS) Usage(dir string) (total, free int64, err error) {
	path, err := windows.UTF16PtrFromString(dir)
	var available, all uint64
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(path, &available, &all, nil)
	}
	if err != nil {
		return 0, 0, &os.PathError{Op: "GetDiskFreeSpaceEx", Path: dir, Err: err}
	}
	return int64(min(all, math.MaxInt64)), int64(min(available, math.MaxInt64)), nil
}

// A lock of Windows belongs to the handle, and so excludes a second node in this
// process as well; the locked files are remembered only to say so.
var heldLocks struct {
	sync.Mutex
	files []os.FileInfo
}

type osLock struct {
	f    *os.File
	info os.FileInfo
	once sync.Once
	err  error
}

func lockFile(name string) (io.Closer, error) {
	heldLocks.Lock()
	defer heldLocks.Unlock()
	for {
		f, err := openFile(name, os.O_RDWR|os.O_CREATE)
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, err
		}
		// The range that Java's FileChannel.tryLock locks.
		err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0,
			math.MaxUint32, math.MaxInt32, new(windows.Overlapped))
		if err != nil {
			f.Close()
			if !errors.Is(err, windows.ERROR_LOCK_VIOLATION) && !errors.Is(err, windows.ERROR_IO_PENDING) {
				return nil, &os.PathError{Op: "lock", Path: name, Err: err}
			}
			held := &LockedError{Name: name}
			for _, ours := range heldLocks.files {
				if os.SameFile(ours, info) {
					held.Self, held.PID = true, os.Getpid()
				}
			}
			return nil, held
		}
		// The holder removes the file when it stops: a lock on a file without the
		// name excludes nobody, so try again with the new file.
		if now, err := os.Stat(name); err != nil || !os.SameFile(now, info) {
			f.Close()
			continue
		}
		heldLocks.files = append(heldLocks.files, info)
		return &osLock{f: f, info: info}, nil
	}
}

// Close removes the file while the lock still holds, and then lets it go.
func (l *osLock) Close() error {
	l.once.Do(func() {
		heldLocks.Lock()
		defer heldLocks.Unlock()
		err := os.Remove(l.f.Name())
		if os.IsNotExist(err) {
			err = nil
		}
		if closeErr := l.f.Close(); err == nil {
			err = closeErr
		}
		for i, info := range heldLocks.files {
			if os.SameFile(info, l.info) {
				heldLocks.files = append(heldLocks.files[:i], heldLocks.files[i+1:]...)
				break
			}
		}
		l.err = err
	})
	return l.err
}
