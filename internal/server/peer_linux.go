package server

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// peerLeft reports whether the peer has closed its side of the connection, or broken it off. It reads nothing: what the peer sent before, and
// nobody has read yet, stays. That it may have closed only one direction and still wait for an answer does not count: to Kafka, too, the end of
// what a client sends is the end of the connection.
func peerLeft(nc net.Conn) bool {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	left := false
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		const established = 1 // TCP_ESTABLISHED of Linux; every other state of an accepted connection is one of its end
		left = err == nil && info.State != established
	})
	return err == nil && left
}
