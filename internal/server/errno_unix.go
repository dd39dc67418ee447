//go:build unix

package server

import (
	"errors"
	"syscall"
)

// isOutOfResources says whether accept failed for want of something that may come back: descriptors, memory, or a peer that left the backlog.
func isOutOfResources(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isReset says whether the peer broke the connection off.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
