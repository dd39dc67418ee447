//go:build unix

package server

import (
	"net"
	"syscall"
)

// nowReader reads what has come on a connection already, without waiting. The zero value finds that nothing has.
type nowReader struct {
	raw  syscall.RawConn
	p    []byte
	n    int
	read func(fd uintptr) bool
}

// of has the reader read from nc, if that is a socket.
func (r *nowReader) of(nc net.Conn) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	r.raw = raw
	r.read = func(fd uintptr) bool {
		r.n, _ = syscall.Read(int(fd), r.p)
		return true
	}
}

// able says whether Read can find anything at all.
func (r *nowReader) able() bool { return r.raw != nil }

// Read returns how many bytes it has read into p. None also stands for the end and for errors: who waits for more will meet them.
func (r *nowReader) Read(p []byte) int {
	if r.raw == nil {
		return 0
	}
	r.p, r.n = p, 0
	err := r.raw.Read(r.read)
	r.p = nil
	if err != nil {
		return 0
	}
	return max(r.n, 0)
}
