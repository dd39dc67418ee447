package log

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/vfs"
)

// chore is something that Run does again and again.
type chore struct {
	name  string
	every func() time.Duration // asked before each round, as the configuration may change
	do    func() error
	next  time.Time
}

// idleClose is how long a file of a log stays open without use, at least.
const idleClose = time.Minute

// Run keeps house until ctx ends: retention, flushes, checkpoints, delayed
// removals, on the caller's goroutine, and compaction on others, for which it
// waits. It returns nil. A failure is logged, and the chore done again at its next
// time.
func (m *Manager) Run(ctx context.Context) error {
	ms := func(key string) func() time.Duration {
		return func() time.Duration {
			const never = int64(time.Hour/time.Millisecond) * 24 * 365 // the largest values would overflow a Duration
			return time.Duration(min(max(m.config().Int64(key), 1), never)) * time.Millisecond
		}
	}
	every := func(d time.Duration) func() time.Duration { return func() time.Duration { return d } }
	chores := []*chore{
		{name: "retention", every: ms("log.retention.check.interval.ms"), do: m.retain},
		{name: "flush by time", every: ms("log.flush.scheduler.interval.ms"), do: m.flushByTime},
		{name: "recovery point checkpoint", every: ms("log.flush.offset.checkpoint.interval.ms"), do: func() error { return m.checkpointAll(recoveryPointFile) }},
		{name: "log start checkpoint", every: ms("log.flush.start.offset.checkpoint.interval.ms"), do: func() error { return m.checkpointAll(startOffsetFile) }},
		{name: "high watermark checkpoint", every: ms("replica.high.watermark.checkpoint.interval.ms"), do: func() error { return m.checkpointAll(highWatermarkFile) }},
		{name: "producer expiry", every: ms("producer.id.expiration.check.interval.ms"), do: m.expireProducers},
		{name: "idle files", every: every(idleClose), do: m.closeIdleFiles},
	}
	if m.config().Bool("log.cleaner.enable") {
		var cleaning sync.WaitGroup
		defer cleaning.Wait()
		cleaning.Go(func() { m.cleaning.run(ctx) })
	}
	now := time.Now()
	for _, c := range chores {
		c.next = now.Add(c.every())
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := m.doQueued()
		now = time.Now()
		for _, c := range chores {
			if !c.next.After(now) {
				if err := c.do(); err != nil {
					m.logger.Error("housekeeping failed", zap.String("chore", c.name), zapErr(err))
				}
				c.next = time.Now().Add(c.every())
			}
			wait = min(wait, time.Until(c.next))
		}
		timer.Reset(max(wait, 0))
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
		case <-timer.C:
		}
	}
}

// doQueued flushes the logs that have rolled and removes what is due. It returns
// how long until the next removal.
func (m *Manager) doQueued() time.Duration {
	nowMs := m.nowMs()
	m.queue.Lock()
	flushes := make([]*Log, 0, len(m.queue.toFlush))
	for l := range m.queue.toFlush {
		flushes = append(flushes, l)
	}
	clear(m.queue.toFlush)
	var due []string
	wait := time.Hour
	m.queue.toRemove = slices.DeleteFunc(m.queue.toRemove, func(r removal) bool {
		if r.atMs <= nowMs {
			due = append(due, r.name)
			return true
		}
		wait = min(wait, time.Duration(r.atMs-nowMs)*time.Millisecond)
		return false
	})
	m.queue.Unlock()
	for _, l := range flushes {
		if err := l.Flush(); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, errDeleted) && !errors.Is(err, ErrMoved) {
			m.logger.Error("cannot flush a log that has rolled", append(l.tp.Fields(), zapErr(err))...)
		}
	}
	for _, name := range due {
		if d := m.dirOf(name); d != nil && d.err() != nil {
			continue // the next start removes it
		}
		if err := m.fs.RemoveAll(name); err != nil {
			m.logger.Error("cannot remove what was deleted", zap.String("dir", name), zapErr(err))
		}
	}
	return wait
}

// eachLog calls fn for every log and returns all errors but those of logs that are
// offline or deleted, which were told when they happened.
func (m *Manager) eachLog(fn func(l *Log) error) error {
	var errs []error
	for tp, l := range m.All() {
		if l.check() != nil {
			continue
		}
		if err := fn(l); err != nil && l.check() == nil { // else it was deleted, or went offline, meanwhile
			m.logger.Error("housekeeping of a log failed", append(tp.Fields(), zapErr(err))...)
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errs[0]
	}
	return nil
}

func (m *Manager) retain() error {
	return m.eachLog(func(l *Log) error {
		_, err := l.Retain(m.nowMs())
		return err
	})
}

func (m *Manager) flushByTime() error {
	return m.eachLog(func(l *Log) error { return l.FlushIfOlder(m.nowMs()) })
}

func (m *Manager) expireProducers() error {
	return m.eachLog(func(l *Log) error {
		l.ExpireProducers(m.nowMs())
		return nil
	})
}

func (m *Manager) closeIdleFiles() error {
	m.mu.RLock()
	futures := slices.Collect(maps.Values(m.mu.futures))
	m.mu.RUnlock()
	for _, l := range futures {
		l.CloseIdleFiles()
	}
	return m.eachLog(func(l *Log) error {
		l.CloseIdleFiles()
		return nil
	})
}

func (m *Manager) checkpointAll(file string) error {
	var errs []error
	for _, d := range m.dirs {
		if d.err() == nil {
			errs = append(errs, m.checkpoint(d, file))
		}
	}
	return errors.Join(errs...)
}

// checkpoint writes checkpoints of a log directory. One that is as it was is not
// written again, but for the recovery points: that shows once a minute whether the
// directory can still be written.
func (m *Manager) checkpoint(d *logDir, files ...string) error {
	d.checkpointMu.Lock()
	defer d.checkpointMu.Unlock()
	if err := m.probe(d); err != nil { // the directory below a mount point could be written
		return err
	}
	for _, file := range files {
		o := offsets{}
		for _, in := range m.logsIn(d) {
			tp, l := in.tp, in.log
			switch file {
			case recoveryPointFile:
				o[tp] = l.RecoveryPoint()
			case highWatermarkFile:
				o[tp] = l.HighWatermark()
			case startOffsetFile:
				// Only where DeleteRecords has moved it into a segment; else the first
				// segment's name tells.
				if start := l.StartOffset(); start > l.view.Load().segments[0].base {
					o[tp] = start
				}
			}
		}
		m.keepDamaged(d, file, o)
		text := formatOffsets(o)
		if d.written[file] == string(text) && file != recoveryPointFile {
			continue
		}
		if err := m.fs.WriteFileAtomic(d.path+"/"+file, text, true); err != nil {
			if vfs.IsNoSpace(err) {
				return storageError("write "+d.path+"/"+file, err)
			}
			return m.failDir(d, "write "+d.path+"/"+file, err)
		}
		d.written[file] = string(text)
	}
	return nil
}

// keepDamaged keeps what the checkpoint said of partitions that could not be
// opened: they may be repaired.
func (m *Manager) keepDamaged(d *logDir, file string, o offsets) {
	was := map[string]offsets{recoveryPointFile: d.recoveryPoints, startOffsetFile: d.startOffsets, highWatermarkFile: d.highWatermarks}[file]
	m.mu.RLock()
	defer m.mu.RUnlock()
	for tp, dl := range m.mu.damaged {
		if offset, ok := was[tp]; ok && dl.dir == d {
			o[tp] = offset
		}
	}
}
