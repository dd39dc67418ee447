//go:build !windows

package node

import "syscall"

// Why an address cannot be bound.
var (
	errAddrInUse    error = syscall.EADDRINUSE
	errNotPermitted error = syscall.EACCES
	errNoSuchAddr   error = syscall.EADDRNOTAVAIL
)
