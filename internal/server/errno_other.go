//go:build !unix && !windows

package server

// isOutOfResources knows no errors of the moment on this system beyond those that net reports as time-outs.
func isOutOfResources(error) bool { return false }

// isReset does not tell a reset from another error on this system.
func isReset(error) bool { return false }
