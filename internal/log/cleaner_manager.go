package log

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// cleaning chooses the logs to clean and runs the cleaners, up to
// log.cleaner.threads at a time. The dirtiest log comes first. With nothing to do
// it looks again after log.cleaner.backoff.ms, and holds no memory meanwhile. The
// keys of the configuration are read anew for each log.
type cleaning struct {
	m        *Manager
	throttle throttle

	queue []*Log // used by run only: still to look at of those that were due, dirtiest first

	mu struct {
		sync.Mutex
		running     map[*Log]*runningClean
		uncleanable map[*Log]error
		idle        []*cleaner // for reuse
	}
}

// runningClean is a log that is being cleaned.
type runningClean struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the cleaner has let go of the log
}

func newCleaning(m *Manager) *cleaning {
	c := &cleaning{m: m}
	c.mu.running = map[*Log]*runningClean{}
	c.mu.uncleanable = map[*Log]error{}
	return c
}

// Uncleanable returns the partitions that compaction has given up, and why: until
// the next start they only grow.
func (m *Manager) Uncleanable() map[protocol.TopicPartition]error {
	c := m.cleaning
	c.mu.Lock()
	defer c.mu.Unlock()
	errs := make(map[protocol.TopicPartition]error, len(c.mu.uncleanable))
	for l, err := range c.mu.uncleanable {
		errs[l.tp] = err
	}
	return errs
}

// run cleans logs until ctx ends. It returns when all cleaners have.
func (c *cleaning) run(ctx context.Context) {
	ended := make(chan bool) // whether the cleaning went well
	running := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := false
	for {
		for !pause && running < c.m.config().Int("log.cleaner.threads") {
			j := c.next()
			if j == nil {
				pause = true
				break
			}
			running++
			jobCtx := c.begin(ctx, j)
			worker := c.takeCleaner()
			go func() { // run waits for it
				ok := c.clean(jobCtx, worker, j)
				c.end(j.log)
				ended <- ok
			}()
		}
		if running == 0 {
			c.dropIdle()
		}
		timer.Reset(time.Duration(min(max(c.m.config().Int64("log.cleaner.backoff.ms"), 1), math.MaxInt32)) * time.Millisecond)
		select {
		case <-ctx.Done():
			for ; running > 0; running-- {
				<-ended
			}
			return
		case ok := <-ended:
			running--
			pause = !ok // what has failed would fail again at once
		case <-timer.C:
			pause = false
			c.afterBackoff()
		}
	}
}

// afterBackoff does for compacted logs what the cleaner's thread of Kafka does
// besides cleaning: retention.
func (c *cleaning) afterBackoff() {
	for _, l := range c.m.All() {
		if l.config.Load().CleanupCompact && l.check() == nil && !c.isRunning(l) {
			if _, err := l.Retain(c.m.nowMs()); err != nil {
				c.m.logger.Error("retention of a compacted log failed", append(l.tp.Fields(), zapErr(err))...)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for l := range c.mu.uncleanable {
		if now, ok := c.m.Get(l.tp); !ok || now != l {
			delete(c.mu.uncleanable, l)
		}
	}
}

func (c *cleaning) isRunning(l *Log) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.running[l] != nil
}

// next returns a log that is due, nil when there is none.
func (c *cleaning) next() *cleanJob {
	for range 2 {
		for len(c.queue) > 0 {
			l := c.queue[0]
			c.queue = c.queue[1:]
			if j := c.look(l); j != nil {
				return j
			}
		}
		c.queue = c.dirtiest()
	}
	return nil
}

// dirtiest returns the logs that are due, dirtiest first.
func (c *cleaning) dirtiest() []*Log {
	var jobs []*cleanJob
	for _, l := range c.m.All() {
		if j := c.look(l); j != nil {
			jobs = append(jobs, j)
		}
	}
	slices.SortStableFunc(jobs, func(a, b *cleanJob) int { return cmp.Compare(b.ratio(), a.ratio()) })
	logs := make([]*Log, len(jobs))
	for i, j := range jobs {
		logs[i] = j.log
	}
	return logs
}

// look returns what to clean of a log if it is due.
func (c *cleaning) look(l *Log) *cleanJob {
	c.mu.Lock()
	skip := c.mu.running[l] != nil || c.mu.uncleanable[l] != nil
	c.mu.Unlock()
	if skip || !l.config.Load().CleanupCompact || l.check() != nil || l.moving.Load() {
		return nil
	}
	cleanedTo, generation := c.m.cleanedOf(l).get(l.tp)
	j, err := l.cleanJob(cleanedTo, c.m.nowMs())
	if err != nil {
		c.failed(l, err)
		return nil
	}
	if !j.due() {
		return nil
	}
	j.generation = generation
	return j
}

// begin enters a job; its context ends when the log is wanted by somebody else.
func (c *cleaning) begin(ctx context.Context, j *cleanJob) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.running[j.log] = &runningClean{cancel, make(chan struct{})}
	if now, ok := c.m.Get(j.log.tp); !ok || now != j.log || j.log.moving.Load() {
		cancel() // deleted, or on its way, since it was looked at: abort may have come before this
	}
	return ctx
}

func (c *cleaning) end(l *Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.mu.running[l]
	delete(c.mu.running, l)
	r.cancel()
	close(r.done)
}

// abort stops the cleaning of a log, and waits until its files are let alone. The
// log must have left Manager.mu.logs or be moving, so that it is not chosen again. A nil l is
// not cleaned.
func (c *cleaning) abort(l *Log) {
	c.mu.Lock()
	r := c.mu.running[l]
	delete(c.mu.uncleanable, l)
	c.mu.Unlock()
	if r != nil {
		r.cancel()
		<-r.done
	}
}

func (c *cleaning) takeCleaner() *cleaner {
	cfg := c.m.config()
	threads := int64(max(cfg.Int("log.cleaner.threads"), 1))
	worker := &cleaner{}
	c.mu.Lock()
	if n := len(c.mu.idle); n > 0 {
		worker, c.mu.idle = c.mu.idle[n-1], c.mu.idle[:n-1]
	}
	c.mu.Unlock()
	worker.o = cleanerOptions{
		mapBytes:   min(cfg.Int64("log.cleaner.dedupe.buffer.size")/threads, math.MaxInt32),
		loadFactor: cfg.Float("log.cleaner.io.buffer.load.factor"),
		ioBytes:    int(int64(cfg.Int("log.cleaner.io.buffer.size")) / threads / 2),
		pay: func(ctx context.Context, n int) error {
			return c.throttle.pay(ctx, n, c.m.config().Float("log.cleaner.io.max.bytes.per.second"))
		},
	}
	if int64(cap(worker.keys.slots)) > maxOffsetSlots(worker.o.mapBytes) {
		worker.keys = offsetMap{} // the configuration has become smaller
	}
	return worker
}

func (c *cleaning) dropIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.idle = nil
}

// clean cleans a log and notes how far. It reports whether that went well.
func (c *cleaning) clean(ctx context.Context, worker *cleaner, j *cleanJob) bool {
	started := time.Now()
	l := j.log
	l.logger.Debug("cleaning the log", zap.Int64("from", j.from), zap.Int64("until", j.until), zap.Float64("dirty_ratio", j.ratio()))
	cleanedTo, err := worker.clean(ctx, j, c.m.nowMs())
	if err == nil {
		err = c.m.noteCleaned(l, c.m.cleanedOf(l).set(l.tp, cleanedTo, j.generation))
	}
	if err != nil {
		c.failed(l, err)
		return false
	}
	s := worker.stats
	l.logger.Info("cleaned the log", zap.Int64("from", j.from), zap.Int64("until", cleanedTo), zap.Int("keys", s.keys),
		zap.Int64("records_before", s.recordsRead), zap.Int64("records_after", s.recordsKept),
		zap.Int64("bytes_before", s.bytesRead), zap.Int64("bytes_after", s.bytesWritten), zap.Duration("took", time.Since(started)))
	if s.invalid > 0 {
		l.logger.Warn("removed records without a key from a compacted log", zap.Int64("records", s.invalid))
	}
	c.mu.Lock()
	c.mu.idle = append(c.mu.idle, worker)
	c.mu.Unlock()
	return true
}

// failed decides what becomes of a log that could not be cleaned: what is damaged
// is given up; what was in the way may be gone the next time.
func (c *cleaning) failed(l *Log, err error) {
	_, known := c.m.Get(l.tp)
	switch {
	case errors.Is(err, errCleaningAborted), errors.Is(err, context.Canceled), errors.Is(err, fs.ErrNotExist), !known, l.check() != nil:
		l.logger.Debug("stopped cleaning the log", zapErr(err))
	case vfs.IsNoSpace(err):
		l.logger.Warn("cannot clean the log now", zapErr(err))
	default:
		l.logger.Error("the log cannot be cleaned any more until the next start; it only grows", zapErr(err))
		c.mu.Lock()
		c.mu.uncleanable[l] = err
		c.mu.Unlock()
	}
}
