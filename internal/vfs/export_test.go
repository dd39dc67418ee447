package vfs

// Reopening is what OS() is on Windows, over another file system.
func Reopening(fsys FS) FS { return newReopening(fsys) }
