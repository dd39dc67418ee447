//go:build unix

package cli

import (
	"os"
	"syscall"
)

// mine reports whether a process belongs to the user.
func (t processTable) mine(folder string) bool {
	info, err := os.Stat(folder)
	if err != nil {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == t.user
}
