package vfs

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// Both the system's own numbers and those that Go has invented for it, which Mem uses.
var (
	noSpace = []syscall.Errno{
		windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED, syscall.ENOSPC, syscall.EDQUOT,
	}
	notTheDisk = []syscall.Errno{
		windows.ERROR_FILE_NOT_FOUND, windows.ERROR_PATH_NOT_FOUND, windows.ERROR_ALREADY_EXISTS, windows.ERROR_FILE_EXISTS,
		windows.ERROR_TOO_MANY_OPEN_FILES, windows.ERROR_NOT_ENOUGH_MEMORY, windows.ERROR_OUTOFMEMORY, windows.ERROR_NO_SYSTEM_RESOURCES,
		windows.ERROR_SHARING_VIOLATION, // a virus scanner or a backup looks at the file
		syscall.ENOENT, syscall.EEXIST, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR, syscall.EAGAIN,
	}
)
