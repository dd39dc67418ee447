package log

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// MetadataTopic is the directory that Load leaves to its owner.
const MetadataTopic = "__cluster_metadata"

// OpenDirs locks the log directories, which it makes when missing, and checks that
// they belong to this node and cluster. Load opens the logs.
//
// A directory that is locked, or belongs to another node or cluster, is an error
// that says what to do. A directory that cannot be used otherwise is offline, as
// long as another one works.
func OpenDirs(o ManagerOptions) (*Manager, error) {
	m := &Manager{fs: o.FS, config: o.Config, logger: o.Logger, nowMs: o.NowMs, clusterID: o.ClusterID, wake: make(chan struct{}, 1)}
	if m.logger == nil {
		m.logger = zap.NewNop()
	}
	if m.nowMs == nil {
		m.nowMs = func() int64 { return time.Now().UnixMilli() }
	}
	m.mu.logs = map[protocol.TopicPartition]*Log{}
	m.mu.damaged = map[protocol.TopicPartition]damagedLog{}
	m.mu.futures = map[protocol.TopicPartition]*Log{}
	m.mu.preferred = map[protocol.TopicPartition]string{}
	m.queue.toFlush = map[*Log]struct{}{}
	m.mu.brokerEpoch = -1
	m.cleaning = newCleaning(m)
	if err := m.openDirs(o); err != nil {
		for _, d := range m.dirs {
			if d.lock != nil {
				d.lock.Close()
			}
		}
		return nil, err
	}
	m.watchDirs()
	return m, nil
}

func (m *Manager) openDirs(o ManagerOptions) error {
	if len(o.Dirs) == 0 {
		return errors.New("log.dirs names no directory")
	}
	working := 0
	metas := make([]*metaProperties, len(o.Dirs))
	for i, name := range o.Dirs {
		d := &logDir{written: map[string]string{}}
		d.path = cleanDir(name)
		d.cleaned = newCleanedOffsets(m.fs, d.path)
		for _, other := range m.dirs {
			if other.path == d.path {
				return fmt.Errorf("log.dirs names %s twice", d.path)
			}
		}
		m.dirs = append(m.dirs, d)
		meta, err := m.openDir(d)
		if wrong := (*misuse)(nil); errors.As(err, &wrong) {
			return err
		}
		if err != nil {
			d.fail(storageError("open the log directory "+d.path, err))
			continue
		}
		metas[i] = meta
		working++
	}
	for _, d := range m.dirs {
		if err := d.err(); err != nil && working > 0 { // the others go on without it
			m.logger.Error("log directory is offline", zap.String("dir", d.path), zapErr(err))
		}
	}
	if working == 0 {
		return fmt.Errorf("%w; make it a directory that this user can write to, or set log.dirs to another one", m.dirs[0].err())
	}
	if err := m.adopt(metas, o.NodeID); err != nil {
		return err
	}
	for _, d := range m.dirs {
		if d.err() != nil {
			continue
		}
		if err := m.takeMark(d); err != nil {
			_ = m.failDir(d, "remove the mark of a clean stop in "+d.path, err) // told
			d.clean = false
		}
	}
	return m.noneLeft()
}

// noneLeft returns an error when all log directories are offline.
func (m *Manager) noneLeft() error {
	if len(m.Dirs()) > 0 {
		return nil
	}
	return fmt.Errorf("all log directories are offline: %w", m.dirs[0].err())
}

// takeMark notes whether the last stop was a clean one, and removes the mark. Were
// it to come back after a power cut, the next start would trust logs that it must
// not trust.
func (m *Manager) takeMark(d *logDir) error {
	err := m.fs.Remove(d.path + "/" + cleanShutdownFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	d.clean = true
	return m.fs.SyncDir(d.path)
}

// misuse is an error of a directory that stops the start: the operator has made a
// mistake that going on would make worse.
type misuse struct{ error }

func (e *misuse) Unwrap() error { return e.error }

// openDir locks a directory and reads its meta.properties, nil when it has none.
func (m *Manager) openDir(d *logDir) (*metaProperties, error) {
	if _, err := m.fs.Stat(d.path); errors.Is(err, fs.ErrNotExist) {
		if err := m.fs.MkdirAll(d.path); err != nil {
			return nil, err
		}
		// Who may make a directory there may not be allowed to read it.
		if err := m.fs.SyncDir(path.Dir(d.path)); err != nil && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
	}
	lock, err := m.fs.Lock(d.path + "/" + lockFile)
	if held := (*vfs.LockedError)(nil); errors.As(err, &held) {
		return nil, &misuse{fmt.Errorf("log directory %s is in use: %w; stop that process, or set log.dirs to another directory", d.path, err)}
	}
	if err != nil {
		return nil, err
	}
	d.lock = lock
	name := d.path + "/" + metaPropertiesFile
	text, err := m.fs.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	meta, err := parseMetaProperties(name, text)
	if err != nil {
		return nil, &misuse{fmt.Errorf("%w; repair the file, or set log.dirs to another directory", err)}
	}
	return &meta, nil
}

// adopt checks that the directories belong together and to this node, and writes
// meta.properties where it is missing or of Kafka with ZooKeeper.
func (m *Manager) adopt(metas []*metaProperties, nodeID int32) error {
	source := "the configuration"
	for i, meta := range metas {
		if meta == nil {
			continue
		}
		name := m.dirs[i].path + "/" + metaPropertiesFile
		switch {
		case meta.nodeID >= 0 && meta.nodeID != nodeID:
			return fmt.Errorf("%s belongs to node.id %d, but this node is configured as %d: set node.id=%d, or log.dirs to another directory", name, meta.nodeID, nodeID, meta.nodeID)
		case meta.clusterID == "":
		case m.clusterID == "":
			m.clusterID, source = meta.clusterID, name
		case meta.clusterID != m.clusterID:
			return fmt.Errorf("%s belongs to cluster %s, but %s says %s: set log.dirs to the directories of one cluster", name, meta.clusterID, source, m.clusterID)
		}
	}
	isNew := !slices.ContainsFunc(metas, func(meta *metaProperties) bool { return meta != nil })
	if m.clusterID == "" {
		m.clusterID = formatID(newID())
	}
	for i, d := range m.dirs {
		if d.err() != nil {
			continue
		}
		want := metaProperties{version: 1, clusterID: m.clusterID, nodeID: nodeID}
		if metas[i] != nil {
			want.directoryID = metas[i].directoryID
		}
		if want.directoryID == [16]byte{} {
			want.directoryID = newID()
		}
		for _, other := range m.dirs[:i] {
			if other.err() == nil && other.id == want.directoryID {
				return fmt.Errorf("%s and %s have the same directory.id %s in %s: one is a copy of the other; take the copy out of log.dirs",
					other.path, d.path, formatID(want.directoryID), metaPropertiesFile)
			}
		}
		d.id = want.directoryID
		if metas[i] != nil && *metas[i] == want {
			continue
		}
		if metas[i] == nil && !isNew {
			m.logger.Warn("a log directory is empty and new to this node; if it should hold data, look whether its disk is mounted", zap.String("dir", d.path))
		}
		if err := m.fs.WriteFileAtomic(d.path+"/"+metaPropertiesFile, want.format(time.UnixMilli(m.nowMs())), true); err != nil {
			_ = m.failDir(d, "write "+d.path+"/"+metaPropertiesFile, err) // told
		}
	}
	return nil
}

// newID returns a random UUID (version 4) that no command line takes for an
// option, as Kafka's Uuid.randomUuid does.
func newID() (id [16]byte) {
	for {
		rand.Read(id[:])
		id[6] = id[6]&0x0f | 0x40
		id[8] = id[8]&0x3f | 0x80
		if formatID(id)[0] != '-' {
			return id
		}
	}
}

// Load opens the log of every partition directory, after recovering it if the last
// stop was not a clean one. A partition that cannot be opened is logged, stays
// offline (see Damaged) and does not stop the others.
func (m *Manager) Load(ctx context.Context, topicConfig func(topic string) config.Topic) error {
	started := time.Now()
	done := make(chan error, len(m.dirs))
	for _, d := range m.dirs {
		go func() { done <- m.loadDir(ctx, d, topicConfig) }() // waited for below
	}
	var errs []error
	for range m.dirs {
		errs = append(errs, <-done)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := m.noneLeft(); err != nil {
		return err
	}
	m.settle(topicConfig)
	m.mu.RLock()
	defer m.mu.RUnlock()
	m.logger.Info("loaded all logs", zap.Int("logs", len(m.mu.logs)), zap.Int("damaged", len(m.mu.damaged)), zap.Bool("clean_shutdown", m.WasClean()), zap.Duration("took", time.Since(started)))
	return nil
}

func (m *Manager) loadDir(ctx context.Context, d *logDir, topicConfig func(topic string) config.Topic) error {
	if d.err() != nil {
		return nil
	}
	tps, err := m.prepareDir(d)
	if err != nil {
		_ = m.failDir(d, "load the log directory "+d.path, err) // told
		return nil
	}
	var loaded, scanned atomic.Int64
	defer m.tellProgress(d, &loaded, &scanned, len(tps))()
	err = parallel(m.recoveryThreads(), tps, func(tp protocol.TopicPartition) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		m.loadLog(d, tp, topicConfig(tp.Topic), &scanned)
		loaded.Add(1)
		return nil
	})
	if err == nil {
		err = parallel(m.recoveryThreads(), d.futures, func(name string) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			tp, _ := parseFutureName(name)
			m.loadFuture(d, name, tp, topicConfig(tp.Topic))
			return nil
		})
	}
	d.loaded = err == nil
	return err
}

// progressEvery is how often a load that takes long says how far it is.
const progressEvery = 5 * time.Second

// tellProgress has lines logged about a load that takes long, until stop is called.
func (m *Manager) tellProgress(d *logDir, loaded, scanned *atomic.Int64, of int) (stop func()) {
	began, end, ended := time.Now(), make(chan struct{}), make(chan struct{})
	go func() { // stop waits for it
		defer close(ended)
		t := time.NewTicker(progressEvery)
		defer t.Stop()
		for {
			select {
			case <-end:
				return
			case <-t.C:
				m.logger.Info("loading logs", zap.String("dir", d.path), zap.Bool("clean_shutdown", d.clean), zap.Int64("loaded", loaded.Load()), zap.Int("of", of),
					zap.Int64("scanned_bytes", scanned.Load()), zap.Duration("took", time.Since(began)))
			}
		}
	}()
	return func() { close(end); <-ended }
}

func (m *Manager) recoveryThreads() int {
	return max(1, m.config().Int("num.recovery.threads.per.data.dir"))
}

// prepareDir reads the checkpoints and lists the partitions.
func (m *Manager) prepareDir(d *logDir) ([]protocol.TopicPartition, error) {
	infos, err := m.fs.List(d.path)
	if err != nil {
		return nil, err
	}
	for file, into := range map[string]*offsets{recoveryPointFile: &d.recoveryPoints, startOffsetFile: &d.startOffsets, highWatermarkFile: &d.highWatermarks} {
		if *into, err = readOffsets(m.fs, d.path+"/"+file); err != nil {
			// Without a recovery point everything is scanned; without the others the
			// logs' own files decide.
			m.logger.Warn("ignored a damaged checkpoint", zap.String("dir", d.path), zapErr(err))
			*into = offsets{}
		}
	}
	var tps []protocol.TopicPartition
	for _, info := range infos {
		tp, isPartition := parseDirName(info.Name)
		switch name := d.path + "/" + info.Name; {
		case !info.Dir:
		case hasSuffix(info.Name, suffixDelete):
			m.removeLater([]string{name}, 0)
		case hasSuffix(info.Name, suffixStray):
			m.logger.Warn("a stray partition lies in a log directory: remove it when it is not wanted", zap.String("dir", name))
		case hasSuffix(info.Name, suffixFuture):
			d.futures = append(d.futures, info.Name)
		case isPartition && tp.Topic != MetadataTopic:
			tps = append(tps, tp)
		}
	}
	if err := d.cleaned.load(tps); err != nil {
		m.logger.Warn("ignored a damaged checkpoint: all of each compacted log is cleaned anew", zap.String("dir", d.path), zapErr(err))
	}
	return tps, nil
}

// loadLog opens one log and enters it, or why it could not be opened.
func (m *Manager) loadLog(d *logDir, tp protocol.TopicPartition, c config.Topic, scanned *atomic.Int64) {
	o := m.logOptions(d, c)
	o.Clean, o.scanned = d.clean, scanned
	o.RecoveryPoint, o.LogStartOffset, o.HighWatermark = d.recoveryPoints[tp], d.startOffsets[tp], d.highWatermarks[tp]
	l, err := Open(m.fs, d.path+"/"+tp.String(), o)
	if cleanedTo, _ := d.cleaned.get(tp); err == nil && cleanedTo > l.EndOffset() {
		// A crash has cost what was cleaned; what comes in its place was not.
		if err := d.cleaned.lower(tp, l.EndOffset()); err != nil {
			m.logger.Warn("cannot note that a log lost records that were cleaned", append(tp.Fields(), zapErr(err))...)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && m.mu.logs[tp] != nil {
		m.mu.duplicates = append(m.mu.duplicates, dirLog{tp, l})
		return
	}
	if err != nil {
		m.logger.Error("partition is offline", append(tp.Fields(), zapErr(err))...)
		if vfs.IsDiskFailure(err) {
			_ = m.failDir(d, "load "+d.path+"/"+tp.String(), err) // told
		}
		m.mu.damaged[tp] = damagedLog{d, err}
		return
	}
	m.mu.logs[tp] = l
}
