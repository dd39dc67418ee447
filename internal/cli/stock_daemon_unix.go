//go:build unix

package cli

import "syscall"

// detached are the attributes of a process that outlives this terminal.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
