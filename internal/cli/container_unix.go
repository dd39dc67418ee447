//go:build unix

package cli

import "syscall"

var errReadOnlyFS error = syscall.EROFS
