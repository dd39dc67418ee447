package node

import "golang.org/x/sys/windows"

// Why an address cannot be bound, as Winsock says it.
var (
	errAddrInUse    error = windows.WSAEADDRINUSE
	errNotPermitted error = windows.WSAEACCES
	errNoSuchAddr   error = windows.WSAEADDRNOTAVAIL
)
