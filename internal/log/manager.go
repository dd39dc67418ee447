package log

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"path"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// ManagerOptions say which log directories a node has.
type ManagerOptions struct {
	FS        vfs.FS
	Dirs      []string // log.dirs; made when missing
	NodeID    int32
	ClusterID string // "": that of the directories, or a new one
	Config    func() *config.Config
	Logger    *zap.Logger  // nil is silent
	NowMs     func() int64 // nil is time.Now
}

// Manager holds the logs of all partitions in all log directories. Its methods are
// safe for concurrent use.
type Manager struct {
	fs        vfs.FS
	config    func() *config.Config
	logger    *zap.Logger
	nowMs     func() int64
	clusterID string
	dirs      []*logDir // in the order of log.dirs
	cleaning  *cleaning
	failures  chan DirFailure

	moveThrottle throttle
	assigned     func(tp protocol.TopicPartition, topicID [16]byte) (dir [16]byte, ok bool)
	closeOnce    sync.Once
	closeErr     error

	lifecycle sync.Mutex // held while a log is retired, or replaced by its copy; taken before mu

	mu struct {
		sync.RWMutex
		logs        map[protocol.TopicPartition]*Log
		damaged     map[protocol.TopicPartition]damagedLog // could not be opened
		futures     map[protocol.TopicPartition]*Log       // copies in another log directory that will replace them
		preferred   map[protocol.TopicPartition]string     // log directories for logs that are not there yet
		duplicates  []dirLog                               // found by Load in a second directory
		brokerEpoch int64
	}

	// queue is what logs want done; they hold their own lock when they ask.
	queue struct {
		sync.Mutex
		toFlush  map[*Log]struct{}
		toRemove []removal
	}
	wake chan struct{} // something was queued
}

// logDir is one of log.dirs.
type logDir struct {
	directory
	lock  io.Closer // nil when offline from the start
	clean bool      // the last stop was a clean one

	loaded  bool     // all logs were opened, or found damaged
	futures []string // names of the directories of unfinished moves, as of the start

	recoveryPoints, startOffsets, highWatermarks offsets // as of the start

	cleaned *cleanedOffsets

	checkpointMu sync.Mutex
	written      map[string]string // guarded by checkpointMu: last content of each checkpoint
}

// damagedLog is a partition that could not be opened.
type damagedLog struct {
	dir *logDir
	err error
}

// removal is a file or directory to remove at a time.
type removal struct {
	name string
	atMs int64
}

// ClusterID returns the cluster's id, the given one or that of the directories.
func (m *Manager) ClusterID() string { return m.clusterID }

// Dirs returns the log directories that work, in the order of log.dirs.
func (m *Manager) Dirs() []string {
	var dirs []string
	for _, d := range m.dirs {
		if d.err() == nil {
			dirs = append(dirs, d.path)
		}
	}
	return dirs
}

// DirectoryID returns the id of a log directory, zero for an unknown one.
func (m *Manager) DirectoryID(dir string) [16]byte {
	for _, d := range m.dirs {
		if d.path == cleanDir(dir) {
			return d.id
		}
	}
	return [16]byte{}
}

func cleanDir(dir string) string { return path.Clean(dir) }

// SetBrokerEpoch gives the epoch that Close notes for the next start (KIP-966).
func (m *Manager) SetBrokerEpoch(epoch int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.brokerEpoch = epoch
}

// WasClean reports whether every log directory was closed cleanly before this
// start.
func (m *Manager) WasClean() bool {
	return !slices.ContainsFunc(m.dirs, func(d *logDir) bool { return !d.clean })
}

// Get returns a partition's log. A log whose directory has failed is returned too,
// and answers with errors.
func (m *Manager) Get(tp protocol.TopicPartition) (*Log, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	l, ok := m.mu.logs[tp]
	if ok {
		l = l.latest()
	}
	return l, ok
}

// All returns all logs, sorted by topic and partition, as of the call.
func (m *Manager) All() iter.Seq2[protocol.TopicPartition, *Log] {
	m.mu.RLock()
	logs := maps.Clone(m.mu.logs)
	m.mu.RUnlock()
	return func(yield func(protocol.TopicPartition, *Log) bool) {
		for _, tp := range slices.SortedFunc(maps.Keys(logs), compareTopicPartitions) {
			if !yield(tp, logs[tp]) {
				return
			}
		}
	}
}

// Damaged returns the partitions that are there but could not be opened, and why.
// Create refuses them: what is there may be wanted.
func (m *Manager) Damaged() map[protocol.TopicPartition]error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	errs := make(map[protocol.TopicPartition]error, len(m.mu.damaged))
	for tp, d := range m.mu.damaged {
		errs[tp] = d.err
	}
	return errs
}

func (m *Manager) logOptions(d *logDir, c config.Topic) Options {
	return Options{
		Config: c, NowMs: m.nowMs, Logger: m.logger, ProducerIDExpirationMs: m.producerIDExpirationMs,
		FlushSoon: m.flushSoon, RemoveLater: m.removeLater, Truncating: m.lowerCleaned, directory: &d.directory,
	}
}

func (m *Manager) producerIDExpirationMs() int64 {
	return m.config().Int64("producer.id.expiration.ms")
}

// Delete takes a partition away: its directory is renamed, so that the name is
// free at once, and removed after file.delete.delay.ms. A partition that is not
// there is no error.
func (m *Manager) Delete(tp protocol.TopicPartition) error {
	return m.retire(tp, suffixDelete)
}

// MarkStray takes a partition away that the cluster does not have, and keeps its
// directory under another name for the administrator to look at.
func (m *Manager) MarkStray(tp protocol.TopicPartition) error {
	return m.retire(tp, suffixStray)
}

func (m *Manager) retire(tp protocol.TopicPartition, suffix string) error {
	m.lifecycle.Lock()
	defer m.lifecycle.Unlock()
	m.discardFuture(tp)
	m.mu.Lock()
	delete(m.mu.preferred, tp)
	l, damaged := m.mu.logs[tp], m.mu.damaged[tp]
	delete(m.mu.logs, tp)
	delete(m.mu.damaged, tp)
	m.mu.Unlock()
	var dir string
	delayMs := m.config().Int64("log.segment.delete.delay.ms")
	switch {
	case l != nil:
		m.cleaning.abort(l)
		if err := m.cleanedOf(l).forget(tp); err != nil {
			m.logger.Error("cannot forget up to where a deleted log was cleaned", append(tp.Fields(), zapErr(err))...)
		}
		l.closeForDelete()
		dir, delayMs = l.dir, l.config.Load().FileDeleteDelayMs
	case damaged.err != nil:
		dir = damaged.dir.path + "/" + tp.String()
	default:
		return nil
	}
	renamed := path.Dir(dir) + "/" + suffixedName(tp, suffix)
	if err := m.fs.Rename(dir, renamed); err != nil {
		if d := m.dirOf(dir); d != nil && vfs.IsDiskFailure(err) {
			return m.failDir(d, "delete "+tp.String(), err)
		}
		return storageError("delete "+tp.String(), err)
	}
	m.logger.Info("took a partition away", append(tp.Fields(), zap.String("dir", renamed))...)
	if suffix == suffixDelete {
		m.removeLater([]string{renamed}, delayMs)
	}
	return nil
}

// flushSoon has Run flush a log that has rolled.
func (m *Manager) flushSoon(l *Log) {
	m.queue.Lock()
	m.queue.toFlush[l] = struct{}{}
	m.queue.Unlock()
	m.poke()
}

// removeLater has Run remove files and directories after a delay.
func (m *Manager) removeLater(names []string, delayMs int64) {
	at := m.nowMs() + delayMs
	m.queue.Lock()
	for _, name := range names {
		m.queue.toRemove = append(m.queue.toRemove, removal{name, at})
	}
	m.queue.Unlock()
	m.poke()
}

func (m *Manager) poke() {
	select {
	case m.wake <- struct{}{}:
	default: // Run will look at everything that is queued
	}
}

// Close stops everything: it flushes and closes all logs, writes the checkpoints
// and the mark of a clean stop, and unlocks the directories. Run must have
// returned. Closing twice is harmless.
func (m *Manager) Close() error {
	m.closeOnce.Do(func() { m.closeErr = m.close() })
	return m.closeErr
}

func (m *Manager) close() error {
	started := time.Now()
	var errs []error
	for _, d := range m.dirs {
		if d.lock == nil {
			continue
		}
		errs = append(errs, m.closeDir(d), m.unlock(d))
	}
	err := errors.Join(errs...)
	if err == nil {
		m.logger.Debug("closed all logs", zap.Duration("took", time.Since(started)))
	}
	return err
}

// unlock lets go of a log directory. Of one that has failed nothing can be said any
// more.
func (m *Manager) unlock(d *logDir) error {
	if err := d.lock.Close(); err != nil && d.err() == nil {
		return err
	}
	return nil
}

// closeThreads is how many logs of a directory are closed at a time, at least:
// closing is waiting for fsyncs, and a stop has ten seconds.
const closeThreads = 16

func (m *Manager) closeDir(d *logDir) error {
	if d.err() != nil {
		return nil // that was told when it happened, and there is nothing to save
	}
	mine := m.logsIn(d)
	if err := parallel(max(m.recoveryThreads(), closeThreads), mine, func(in dirLog) error { return in.log.Close() }); err != nil {
		return fmt.Errorf("close the logs in %s: %w", d.path, err)
	}
	if err := d.err(); err != nil {
		return err
	}
	if !d.loaded {
		// The start failed: the checkpoints stay as they were, for all the logs that
		// were not opened, and so does the mark if none was.
		if d.clean && len(mine) == 0 {
			return m.writeMark(d)
		}
		return nil
	}
	if err := m.checkpoint(d, recoveryPointFile, startOffsetFile, highWatermarkFile); err != nil {
		return err
	}
	return m.writeMark(d)
}

// writeMark notes a clean stop, unless a partition could not be opened: the next
// start must look at that one as this start did.
func (m *Manager) writeMark(d *logDir) error {
	m.mu.RLock()
	mark := formatCleanShutdown(m.mu.brokerEpoch)
	for _, dl := range m.mu.damaged {
		if dl.dir == d {
			m.mu.RUnlock()
			return nil
		}
	}
	m.mu.RUnlock()
	if err := m.fs.WriteFileAtomic(d.path+"/"+cleanShutdownFile, mark, true); err != nil {
		return storageError("note the clean stop in "+d.path, err)
	}
	return nil
}

// parallel calls fn for all items on n goroutines and returns all errors.
func parallel[T any](n int, items []T, fn func(T) error) error {
	n = min(n, len(items))
	if n <= 1 {
		var errs []error
		for _, item := range items {
			errs = append(errs, fn(item))
		}
		return errors.Join(errs...)
	}
	queue := make(chan T)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		go func() { // parallel waits for it
			defer wg.Done()
			for item := range queue {
				errs[i] = errors.Join(errs[i], fn(item))
			}
		}()
	}
	for _, item := range items {
		queue <- item
	}
	close(queue)
	wg.Wait()
	return errors.Join(errs...)
}
