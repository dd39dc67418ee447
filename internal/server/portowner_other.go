//go:build !linux

package server

// PortOwner finds the process that listens on a TCP port of this machine. It is known for Linux only: elsewhere ok is false.
func PortOwner(int) (pid int, cmd string, ok bool) { return 0, "", false }
