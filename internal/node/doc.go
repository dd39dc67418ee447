// Package node is the composition root: it opens everything in the order of dependence, runs it, and closes it in reverse.
//
//	log dirs (lock, meta.properties) → metadata log → partition logs → broker, coordinators → api → listeners → registration → adoption of unknown topics → ready
//
// There is no global state: a process may hold any number of nodes. Only this package knows all others, and only it and cmd, cli and vfs touch the
// operating system.
//
// Goroutines: those of the parts, each owned by its part; and one per listener plus one for the log manager's housekeeping, owned by [Node.Run],
// which returns when all have ended.
package node
