package vfs

import (
	"errors"

	"golang.org/x/sys/unix"
)

// IsHole reports whether the file is known to have no data from pos to its end: it
// reads as zeros there. False says nothing.
func IsHole(f File, pos int64) bool {
	fd, ok := f.Fd()
	if !ok {
		return false
	}
	_, err := unix.Seek(int(fd), pos, unix.SEEK_DATA)
	return errors.Is(err, unix.ENXIO)
}
