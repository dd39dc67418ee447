package log

import (
	"cmp"
	"path"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
)

// UseAssignments gives Load the cluster's word on which log directory a partition of
// this node lies in: the directory.id, and false when the cluster does not have the
// partition. Call it before Load.
func (m *Manager) UseAssignments(fn func(tp protocol.TopicPartition, topicID [16]byte) (dir [16]byte, ok bool)) {
	m.assigned = fn
}

// assignedDir returns what UseAssignments' function says, zero for nothing.
func (m *Manager) assignedDir(l *Log) [16]byte {
	if m.assigned == nil {
		return [16]byte{}
	}
	dir, _ := m.assigned(l.tp, l.TopicID())
	return dir
}

// settle decides what becomes of partitions of which Load has found more than one
// copy: a crash has cut their move to another log directory short.
func (m *Manager) settle(topicConfig func(topic string) config.Topic) {
	m.mu.Lock()
	duplicates := m.mu.duplicates
	m.mu.duplicates = nil
	m.mu.Unlock()
	for _, d := range duplicates {
		m.settleDuplicate(d.tp, d.log)
	}
	for _, d := range m.dirs {
		for _, in := range m.logsIn(d) {
			if m.isFuture(in) {
				m.settleFuture(d, in, topicConfig)
			}
		}
	}
}

func (m *Manager) isFuture(in dirLog) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.mu.futures[in.tp] == in.log
}

// settleDuplicate chooses between two directories of a partition. A move ends with
// the copy taking the partition's name in its log directory and the original losing
// it in the other; in between, or when the second step fails, both have it. Whatever
// happened, the one that went on has all that the other has: the longer one stays.
// Kafka refuses to start instead. The other is set aside, never deleted.
func (m *Manager) settleDuplicate(tp protocol.TopicPartition, second *Log) {
	m.mu.RLock()
	first := m.mu.logs[tp]
	m.mu.RUnlock()
	keep, leave := first, second
	if m.better(second, first) {
		keep, leave = second, first
	}
	m.mu.Lock()
	m.mu.logs[tp] = keep
	m.mu.Unlock()
	m.logger.Warn("a partition lies in two log directories, after a move that was cut short: the longer log stays",
		append(tp.Fields(), zap.String("dir", keep.dir), zap.Int64("log_end_offset", keep.EndOffset()), zap.String("set_aside", leave.dir), zap.Int64("set_aside_end_offset", leave.EndOffset()))...)
	m.putAside(leave, suffixStray)
}

func (m *Manager) better(a, b *Log) bool {
	// An earlier topic of the same name: its directory was offline when it was
	// deleted.
	if a.TopicID() != b.TopicID() && m.assigned != nil {
		_, isOurs := m.assigned(a.tp, a.TopicID())
		return isOurs
	}
	if c := cmp.Or(cmp.Compare(a.LeaderEpoch(), b.LeaderEpoch()), cmp.Compare(a.EndOffset(), b.EndOffset())); c != 0 {
		return c > 0
	}
	return a.directory.id == m.assignedDir(a)
}

// putAside closes a log and gives its directory another name.
func (m *Manager) putAside(l *Log, suffix string) {
	l.closeForDelete()
	name := path.Dir(l.dir) + "/" + suffixedName(l.tp, suffix)
	if err := m.fs.Rename(l.dir, name); err != nil {
		m.logger.Error("cannot rename the directory of a log that is not used", append(l.tp.Fields(), zap.String("dir", l.dir), zapErr(err))...)
		return
	}
	if suffix == suffixDelete {
		m.removeLater([]string{name}, l.config.Load().FileDeleteDelayMs)
	}
}

// loadFuture opens the copy of a partition that was on its way to this directory.
func (m *Manager) loadFuture(d *logDir, name string, tp protocol.TopicPartition, c config.Topic) {
	o := m.logOptions(d, c)
	o.Clean = d.clean
	o.RecoveryPoint, o.LogStartOffset, o.HighWatermark = d.recoveryPoints[tp], d.startOffsets[tp], d.highWatermarks[tp]
	l, err := Open(m.fs, d.path+"/"+name, o)
	if err != nil {
		// What it is a copy of is still there, or the administrator must look.
		m.logger.Error("cannot open the copy of a partition for an unfinished move: it is left alone", append(tp.Fields(), zap.String("dir", d.path+"/"+name), zapErr(err))...)
		return
	}
	m.mu.Lock()
	other := m.mu.futures[tp]
	if other == nil {
		m.mu.futures[tp] = l
	}
	m.mu.Unlock()
	if other != nil {
		m.logger.Warn("removed a second copy of a partition for an unfinished move", append(tp.Fields(), zap.String("dir", l.dir))...)
		m.putAside(l, suffixDelete)
	}
}

// settleFuture decides about the copy of a partition for an unfinished move: it goes
// on when the original is there. When the original is not, the copy takes its place
// if the cluster has agreed to that already, which it does when the copy has caught
// up (LogManager.recoverAbandonedFutureLogs of Kafka); but not as long as the
// original may lie in a directory that is offline, as it may have more.
func (m *Manager) settleFuture(d *logDir, in dirLog, topicConfig func(topic string) config.Topic) {
	m.mu.RLock()
	now := m.mu.logs[in.tp]
	_, damaged := m.mu.damaged[in.tp]
	m.mu.RUnlock()
	fields := append(in.tp.Fields(), zap.String("dir", in.log.dir))
	switch {
	case now != nil && now.directory != in.log.directory && now.TopicID() == in.log.TopicID():
		m.logger.Info("an unfinished move of a partition goes on", fields...)
		now.moving.Store(true)
		// What was not durable may have got lost in any order, in a power cut, and so
		// leave holes that nothing tells. It is copied again.
		if durable := d.recoveryPoints[in.tp]; !d.clean && durable < in.log.EndOffset() {
			if err := in.log.TruncateTo(durable); err != nil {
				m.logger.Error("cannot go on with the move of a partition", append(fields, zapErr(err))...)
			}
		}
	case now != nil:
		m.logger.Warn("removed the copy of a partition for a move that makes no sense any more", fields...)
		m.dropFuture(in)
		m.putAside(in.log, suffixDelete)
	case damaged || m.HasOfflineDirs():
		m.logger.Error("the copy of a partition for an unfinished move waits for the original, which cannot be read", fields...)
	case m.assignedDir(in.log) == d.id:
		m.promote(d, in, topicConfig(in.tp.Topic))
	default:
		m.logger.Warn("set the copy of a partition aside that has no original", fields...)
		m.dropFuture(in)
		m.putAside(in.log, suffixStray)
	}
}

func (m *Manager) dropFuture(in dirLog) {
	m.mu.Lock()
	delete(m.mu.futures, in.tp)
	m.mu.Unlock()
}

// promote gives a copy the partition's name and opens it under that.
func (m *Manager) promote(d *logDir, in dirLog, c config.Topic) {
	m.dropFuture(in)
	l, err := m.reopen(d, in.log, c)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.logger.Error("partition is offline", append(in.tp.Fields(), zapErr(err))...)
		m.mu.damaged[in.tp] = damagedLog{d, err}
		return
	}
	m.logger.Warn("the copy of a partition that an unfinished move has made takes the place of the original, which is gone",
		append(in.tp.Fields(), zap.String("dir", l.dir), zap.Int64("log_end_offset", l.EndOffset()))...)
	m.mu.logs[in.tp] = l
}

// reopen closes a copy, renames its directory to the partition's own name, durably,
// and opens it again. On an error nobody knows which name it has on the disk, and
// the log directory is offline.
func (m *Manager) reopen(d *logDir, copied *Log, c config.Topic) (*Log, error) {
	if err := copied.Close(); err != nil {
		return nil, err
	}
	name := d.path + "/" + copied.tp.String()
	err := m.fs.Rename(copied.dir, name)
	if err == nil {
		err = m.fs.SyncDir(d.path)
	}
	if err != nil {
		return nil, m.failDir(d, "rename "+copied.dir, err)
	}
	o := m.logOptions(d, c)
	o.Clean, o.TopicID = true, copied.TopicID()
	o.RecoveryPoint, o.LogStartOffset, o.HighWatermark = copied.RecoveryPoint(), copied.StartOffset(), copied.HighWatermark()
	l, err := Open(m.fs, name, o)
	if err != nil {
		return nil, m.failDir(d, "open "+name+" after a move", err)
	}
	l.unsyncedDir = true // of an empty log nothing was synced yet
	return l, nil
}
