// Package log keeps the records of partitions: for each an append-only sequence
// of batches in segment files, with all that is needed to find, expire, compact
// and recover them. It knows nothing of topics' metadata, of replicas, of who may
// read, or of raft.
//
// # Directory
//
// Names and formats are Apache Kafka's; its tools read the files.
//
//	<log dir>/                                one of log.dirs
//	  .lock                                   fcntl lock, held while running
//	  meta.properties                         cluster.id, node.id, directory.id
//	  .kafka_cleanshutdown                    written by Close, removed by OpenDirs
//	  recovery-point-offset-checkpoint        below it everything is fsynced
//	  replication-offset-checkpoint           high watermarks
//	  log-start-offset-checkpoint             where DeleteRecords moved the start to
//	  cleaner-offset-checkpoint               up to where compacted logs were cleaned
//	  <topic>-<n>/                            one partition
//	    00000000000000000000.log              batches, from this offset on
//	    00000000000000000000.index            offset → position, 8 bytes each
//	    00000000000000000000.timeindex        timestamp → offset, 12 bytes each
//	    00000000000000000000.txnindex         aborted transactions, 34 bytes each
//	    00000000000000000042.snapshot         state of the producers before offset 42
//	    00000000000000000000.log.deleted      replaced or expired, on its way out
//	    00000000000000000000.log.cleaned      a compacted segment that is being written
//	    00000000000000000000.log.swap         and one that is put in its place
//	    leader-epoch-checkpoint               leader epoch → its first offset
//	    partition.metadata                    the topic's id
//	  <topic>-<n>.<32 hex digits>-delete/     deleted, or moved to another log directory, on its way out
//	  <topic>-<n>.<32 hex digits>-future/     a copy, on its way in from another log directory (see Move)
//	  <topic>-<n>.<32 hex digits>-stray/      of a topic that the cluster does not have
//
// The log files are the truth. Everything else in a partition is derived from
// them and may be missing or damaged: it is rebuilt. (The checkpoints of the log
// directory are different: a recovery point only says what need not be looked at,
// but a start offset and a high watermark cannot be derived.)
//
// Compaction leaves gaps between the offsets of a log, within batches and between
// them, and batches without records; cleaner.go says how it goes, cleaner_swap.go
// how its segments get into the log.
//
// # What is durable when
//
// Append writes to the page cache: a crash of the process loses nothing. Flush
// makes everything durable and moves the recovery point; it happens after each
// roll, by flush.messages and flush.ms, and on Close. After a start that was not
// preceded by a clean stop, all segments that reach beyond the recovery point are
// scanned, CRC by CRC. A torn tail (bytes after the last whole batch) is cut off
// with a warning. Damage that is followed by whole batches is not a torn tail:
// Open fails with a *CorruptionError and changes nothing.
//
// # Concurrency
//
// Log.mu serializes whatever changes a log. Readers take no lock: they load an
// immutable view (segments, size of the last one, log end offset) and read files.
// A file is opened when it is needed, is counted while somebody reads from it,
// and is closed when it has been idle, so that a quiet partition costs no
// descriptor. Locks are taken in the order Manager.lifecycle, Manager.mu, Log.mu,
// Log.flushMu (of a log that moves before those of its copy), and then one of the
// leaves: Manager.queue, cleanedOffsets.mu, the locks of segments and files.
// cleaning.mu and logDir.checkpointMu come before Manager.mu.
//
// The package starts goroutines in Manager.Load, Manager.Close and Manager.Run,
// which wait for them. Run keeps house on its caller's goroutine, and cleans up to
// log.cleaner.threads logs at a time on others. A cleaner takes Log.mu only to swap
// segments, which is a few renames; it leaves when somebody wants the log
// (cleaning.abort), and gives up when the log was truncated or shortened meanwhile.
//
// Messages of formats 0 and 1, from before Kafka 0.11, are rewritten as record batches
// when a log that begins with them is opened; offsets and timestamps stay.
package log
