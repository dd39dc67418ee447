//go:build unix

package vfs

import "syscall"

var (
	noSpace    = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT}
	notTheDisk = []syscall.Errno{
		syscall.ENOENT, syscall.EEXIST, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR, syscall.EAGAIN,
	}
)
