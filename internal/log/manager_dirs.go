package log

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// DirFailure tells of a log directory that went offline while the node runs.
type DirFailure struct {
	Dir string   // as log.dirs has it, cleaned
	ID  [16]byte // its directory.id
	Err error
}

// Failures returns the channel on which each log directory that fails after
// OpenDirs is told, once. It has room for all of them: who meets a failure never
// waits. It is not closed.
func (m *Manager) Failures() <-chan DirFailure { return m.failures }

// watchDirs has the failures of the directories told from now on.
func (m *Manager) watchDirs() {
	m.failures = make(chan DirFailure, len(m.dirs))
	for _, d := range m.dirs {
		d.failures = m.failures
	}
}

// failDir takes a log directory offline.
func (m *Manager) failDir(d *logDir, doing string, err error) error {
	err = storageError(doing, err)
	if d.fail(fmt.Errorf("the log directory is offline after a failure: %w", err)) {
		m.logger.Error("log directory goes offline: restart after the disk is repaired", zap.String("dir", d.path), zapErr(err))
	}
	return err
}

// probe takes a log directory offline that has lost its meta.properties: it was
// unmounted or removed.
func (m *Manager) probe(d *logDir) error {
	if _, err := m.fs.Stat(d.path + "/" + metaPropertiesFile); err != nil {
		return m.failDir(d, "look at the log directory "+d.path, err)
	}
	return nil
}

// readFailed makes an error of reading one for clients. When the disk is to blame,
// or is gone, the log directory goes offline, as in Kafka.
func (l *Log) readFailed(doing string, err error) error {
	if l.directory.path == "" || l.check() != nil {
		return storageError(doing, err)
	}
	gone := false
	if errors.Is(err, fs.ErrNotExist) {
		_, statErr := l.fs.Stat(l.directory.path + "/" + metaPropertiesFile)
		gone = statErr != nil
	}
	if gone || vfs.IsDiskFailure(err) {
		return l.fail(doing, err)
	}
	return storageError(doing, err)
}

// Failure returns why the log cannot be used, nil when it can.
func (l *Log) Failure() error { return l.check() }

// HasOfflineDirs reports whether one of log.dirs cannot be used.
func (m *Manager) HasOfflineDirs() bool {
	return slices.ContainsFunc(m.dirs, func(d *logDir) bool { return d.err() != nil })
}

// DirectoryOf returns the directory.id of the log directory that holds the log.
func (m *Manager) DirectoryOf(l *Log) [16]byte { return l.directory.id }

// dirNamed returns the log directory of that path, as log.dirs has it or absolute.
//
// Errors: kerr.LogDirNotFound; kerr.KafkaStorageError when it is offline.
func (m *Manager) dirNamed(name string) (*logDir, error) {
	for _, d := range m.dirs {
		if cleanDir(name) != d.path && cleanDir(name) != absolute(d.path) {
			continue
		}
		if err := d.err(); err != nil {
			return nil, fmt.Errorf("log directory %s is offline: %w", name, err)
		}
		return d, nil
	}
	return nil, fmt.Errorf("log.dirs does not name %s: %w", name, kerr.LogDirNotFound)
}

// CheckDir returns nil for the path of a log directory that works.
//
// Errors: kerr.LogDirNotFound, kerr.KafkaStorageError.
func (m *Manager) CheckDir(name string) error {
	_, err := m.dirNamed(name)
	return err
}

// cordoned reports whether a log directory is to get no new partitions (KIP-1066).
func (m *Manager) cordoned(d *logDir) bool {
	return slices.ContainsFunc(m.config().CordonedLogDirs(), func(c string) bool { return cleanDir(c) == d.path })
}

// CordonedDirs returns the ids of the log directories that are to get no new
// partitions (KIP-1066).
func (m *Manager) CordonedDirs() [][16]byte {
	ids := [][16]byte{}
	for _, d := range m.dirs {
		if d.err() == nil && m.cordoned(d) {
			ids = append(ids, d.id)
		}
	}
	return ids
}

// CheckNotCordoned refuses the path of a log directory that is to get no new
// partitions.
//
// Errors: kerr.InvalidReplicaAssignment.
func (m *Manager) CheckNotCordoned(name string) error {
	if d, err := m.dirNamed(name); err == nil && m.cordoned(d) {
		return fmt.Errorf("log directory %s is cordoned: %w", name, kerr.InvalidReplicaAssignment)
	}
	return nil
}

// absolute is how clients see a log directory.
func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return filepath.ToSlash(abs)
	}
	return dir
}

// CreateOptions describe a new log.
type CreateOptions struct {
	TopicID [16]byte
	Config  config.Topic
	// Directory is the directory.id that the cluster's metadata has for the replica
	// (KIP-858); zero when the choice is the manager's.
	Directory [16]byte
	// Existed says that the partition was there before this start, so that it may
	// lie in a directory that is offline now.
	Existed bool
}

// Create is CreateIn without a directory.
func (m *Manager) Create(tp protocol.TopicPartition, topicID [16]byte, c config.Topic) (*Log, error) {
	return m.CreateIn(tp, CreateOptions{TopicID: topicID, Config: c})
}

// CreateIn makes an empty log: in the directory that PreferDir has named, else in
// the one that the options name, else in the one with the fewest partitions. An
// existing log with the same topic id is returned as it is.
//
// Errors: kerr.KafkaStorageError, also for a partition that is there but damaged,
// and for one that may be in a directory that is offline.
func (m *Manager) CreateIn(tp protocol.TopicPartition, o CreateOptions) (*Log, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	doing := "create " + tp.String()
	if l := m.mu.logs[tp]; l != nil {
		if id := l.TopicID(); id != o.TopicID && id != [16]byte{} {
			return nil, storageError(doing, fmt.Errorf("%s belongs to topic id %s, not %s", l.Dir(), formatID(id), formatID(o.TopicID)))
		}
		l.SetConfig(o.Config)
		if l.TopicID() != o.TopicID {
			return l, l.SetTopicID(o.TopicID)
		}
		return l, nil
	}
	if d, ok := m.mu.damaged[tp]; ok {
		return nil, storageError(doing, d.err)
	}
	if f := m.mu.futures[tp]; f != nil {
		return nil, storageError(doing, fmt.Errorf("%s is a copy of it for a move that was not finished, and what it was copied from is not here", f.dir))
	}
	dirs, err := m.placesLocked(tp, o)
	if err != nil {
		return nil, storageError(doing, err)
	}
	var failures []error
	for _, d := range dirs {
		l, err := m.createLocked(d, tp, o)
		if err == nil {
			m.mu.logs[tp] = l
			delete(m.mu.preferred, tp)
			return l, nil
		}
		if vfs.IsDiskFailure(err) {
			err = m.failDir(d, doing, err)
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// placesLocked returns the log directories to try for a new log, best first. m.mu
// must be held.
func (m *Manager) placesLocked(tp protocol.TopicPartition, o CreateOptions) ([]*logDir, error) {
	if name, ok := m.mu.preferred[tp]; ok {
		if d, err := m.dirNamed(name); err == nil {
			return []*logDir{d}, nil
		}
	}
	if !reservedID(o.Directory) {
		i := slices.IndexFunc(m.dirs, func(d *logDir) bool { return d.id == o.Directory && d.err() == nil })
		if i >= 0 {
			return m.dirs[i : i+1], nil
		}
	}
	// A directory that is named, but is none of ours, was taken out of log.dirs, or
	// replaced: the partition begins anew.
	if m.HasOfflineDirs() && (o.Existed || !reservedID(o.Directory)) {
		return nil, errors.New("it may be in a log directory that is offline")
	}
	counts := map[*directory]int{}
	for _, l := range m.mu.logs {
		counts[l.directory]++
	}
	for _, l := range m.mu.futures {
		counts[l.directory]++
	}
	working := slices.DeleteFunc(slices.Clone(m.dirs), func(d *logDir) bool { return d.err() != nil })
	if len(working) == 0 {
		return nil, fmt.Errorf("all log directories are offline: %w", m.dirs[0].err())
	}
	if open := slices.DeleteFunc(slices.Clone(working), m.cordoned); len(open) > 0 {
		working = open // else the controller has found no other place either: it must go somewhere
	}
	slices.SortStableFunc(working, func(a, b *logDir) int { return counts[&a.directory] - counts[&b.directory] })
	return working, nil
}

// reservedID reports whether an id stands for no directory in particular: not
// assigned, lost, not known yet (DirectoryId of Kafka).
func reservedID(id [16]byte) bool { return [15]byte(id[:15]) == [15]byte{} && id[15] < 100 }

func (m *Manager) createLocked(d *logDir, tp protocol.TopicPartition, o CreateOptions) (*Log, error) {
	doing := "create " + tp.String()
	name := d.path + "/" + tp.String()
	if _, err := m.fs.Stat(name); err == nil {
		return nil, storageError(doing, fmt.Errorf("%s is there already but was not loaded", name))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, storageError(doing, err)
	}
	if err := d.cleaned.forget(tp); err != nil {
		return nil, err
	}
	options := m.logOptions(d, o.Config)
	options.TopicID = o.TopicID
	l, err := create(m.fs, name, options.withDefaults())
	if err != nil {
		_ = m.fs.RemoveAll(name) // what was begun, on a full disk say, would be in the way of the next attempt
		return nil, err
	}
	return l, nil
}

// PreferDir has a partition that is not here yet created in the log directory of
// that path, as AlterReplicaLogDirs asks for it. A partition that lies there
// already, or is on its way there, needs nothing.
//
// Errors: kerr.LogDirNotFound, kerr.KafkaStorageError.
func (m *Manager) PreferDir(tp protocol.TopicPartition, dir string) error {
	d, err := m.dirNamed(dir)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range []*Log{m.mu.logs[tp], m.mu.futures[tp]} {
		if l != nil && l.directory == &d.directory {
			return nil
		}
	}
	m.mu.preferred[tp] = d.path
	return nil
}

// dirLog is a log with its partition.
type dirLog struct {
	tp  protocol.TopicPartition
	log *Log
}

// logsIn returns the logs in a log directory, those on their way in included.
func (m *Manager) logsIn(d *logDir) []dirLog {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var in []dirLog
	for tp, l := range m.mu.logs {
		if l.directory == &d.directory {
			in = append(in, dirLog{tp, l})
		}
	}
	for tp, l := range m.mu.futures {
		if l.directory == &d.directory {
			in = append(in, dirLog{tp, l})
		}
	}
	slices.SortFunc(in, func(a, b dirLog) int { return compareTopicPartitions(a.tp, b.tp) })
	return in
}

// dirOf returns the log directory that holds a file or directory, nil for none.
func (m *Manager) dirOf(name string) *logDir {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if i := slices.IndexFunc(m.dirs, func(d *logDir) bool { return d.path == dir }); i >= 0 {
			return m.dirs[i]
		}
		if dir == "." || dir == "/" {
			return nil
		}
	}
}

// DirUsage describes one log directory, for DescribeLogDirs.
type DirUsage struct {
	Dir           string // absolute
	Err           error  // why it is offline
	Cordoned      bool   // it is to get no new partitions
	Total, Usable int64  // bytes of the volume
	Partitions    []PartitionUsage
}

// PartitionUsage is a partition in a log directory.
type PartitionUsage struct {
	protocol.TopicPartition
	SizeBytes int64
	// OffsetLag is how far a future log is behind the log that it is a copy of, or a
	// log behind its high watermark; −1 when that is not known.
	OffsetLag int64
	IsFuture  bool // on its way in from another log directory
}

// DirUsage describes all log directories, in the order of log.dirs.
func (m *Manager) DirUsage() []DirUsage {
	usage := make([]DirUsage, len(m.dirs))
	for i, d := range m.dirs {
		u := &usage[i]
		*u = DirUsage{Dir: absolute(d.path), Err: d.err(), Cordoned: m.cordoned(d), Total: -1, Usable: -1}
		if u.Err != nil {
			continue
		}
		total, free, err := m.fs.Usage(d.path)
		if err != nil {
			m.logger.Warn("cannot tell the size of a volume", zap.String("dir", d.path), zapErr(err))
		} else {
			u.Total, u.Usable = total, free
		}
		for _, in := range m.logsIn(d) {
			u.Partitions = append(u.Partitions, m.usage(in))
		}
	}
	return usage
}

func (m *Manager) usage(in dirLog) PartitionUsage {
	p := PartitionUsage{TopicPartition: in.tp, SizeBytes: in.log.SizeBytes()}
	m.mu.RLock()
	now, future := m.mu.logs[in.tp], m.mu.futures[in.tp]
	m.mu.RUnlock()
	p.IsFuture = in.log == future
	switch {
	case !p.IsFuture:
		p.OffsetLag = max(in.log.HighWatermark()-in.log.EndOffset(), 0)
	case now == nil || now.Failure() != nil:
		p.OffsetLag = -1
	default:
		p.OffsetLag = now.EndOffset() - in.log.EndOffset()
	}
	return p
}
