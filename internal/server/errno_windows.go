package server

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// isOutOfResources says whether accept failed for want of something that may come back: handles, buffers, or a peer that left the backlog.
func isOutOfResources(err error) bool {
	for _, e := range []error{windows.WSAEMFILE, windows.WSAENOBUFS, windows.WSAECONNRESET, windows.WSAECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isReset says whether the peer broke the connection off.
func isReset(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNABORTED) || errors.Is(err, syscall.EPIPE)
}
