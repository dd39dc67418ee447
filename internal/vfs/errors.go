package vfs

import (
	"errors"
	"syscall"
)

// IsNoSpace reports whether err says that the disk, or the user's share of it, is
// full: a failure that passes when somebody makes room, unlike an I/O error.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
