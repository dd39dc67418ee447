// Package vfs is the only way to touch the disk.
//
// It must not know anything about Kafka. Everything above it names files by
// slash paths, absolute or relative to the working directory, and sees three
// implementations that one suite of tests (vfstest) holds to the same behaviour:
//
//	OS()         the operating system
//	NewMem()     memory; CrashClone gives what a power cut may leave behind
//	Fault(fs, …) another FS whose calls a rule may fail (ENOSPC, EIO, torn write)
//
// Two promises matter for crash safety, and no others are assumed: bytes written
// before a successful File.Sync survive a power cut, and names (create, rename,
// remove) survive one after a successful SyncDir of their directory. A Rename is
// atomic: after a crash a reader finds the old file or the new one.
//
// On Windows, OS() opens files so that they may be renamed and removed while open,
// and closes and opens again those in a directory that is renamed (reopening): NTFS
// refuses to rename a directory with an open file in it. Directories are not synced
// there, since there is no call for it; NTFS journals names in order.
//
// The package starts no goroutines.
package vfs
