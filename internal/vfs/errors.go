package vfs

import (
	"errors"
	"syscall"
)

// IsNoSpace reports whether err says that the disk, or the user's share of it, is
// full: a failure that passes when somebody makes room, unlike an I/O error.
func IsNoSpace(err error) bool {
	return isAny(err, noSpace)
}

// IsDiskFailure reports whether err is the operating system's word that a disk or a
// directory cannot be used: an I/O error, read-only, no permission. A file that is
// missing, a full disk, and a process that is out of descriptors or memory are
// something else.
func IsDiskFailure(err error) bool {
	var no syscall.Errno
	if !errors.As(err, &no) || IsNoSpace(err) {
		return false
	}
	return !isAny(err, notTheDisk)
}

func isAny(err error, list []syscall.Errno) bool {
	for _, no := range list {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}
