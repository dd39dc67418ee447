package log

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
)

// Compaction keeps of each key the last record. A run reads the dirty part of a
// log (what came since the last run), remembers the last offset of each key there,
// and then writes all segments from the log's first on anew without the records
// that a later one replaces:
//
//	            from                until
//	┌──────────┬──────────┬────────┬────────┬────────┐
//	│  clean   │  clean   │ dirty  │ dirty  │ active │
//	└──────────┴──────────┴────────┴────────┴────────┘
//	 └──────── group ────┘ └─ group ─┘
//
// Small neighbours are put together into one segment. Offsets never change; what
// is left of a batch keeps its base and last offset, its producer and sequences.
// The last batch of a producer stays without records, for the sequence it has; so
// does the last batch of a run, for the log's end. Tombstones and the markers of
// transactions that have nothing left get a delete horizon when they are met first
// and go with the first run after it (KIP-534). Rules: Kafka's LogCleaner.

// cleaner cleans one log at a time and keeps its buffers in between. It is not
// safe for concurrent use.
type cleaner struct {
	o        cleanerOptions
	keys     offsetMap
	rewriter protocol.Rewriter
	in, out  []byte
	stats    cleanStats
}

// cleanerOptions are the share of one of log.cleaner.threads in what the
// configuration gives all of them.
type cleanerOptions struct {
	mapBytes   int64
	loadFactor float64
	ioBytes    int
	pay        func(ctx context.Context, bytes int) error // for bytes that were read or written; waits
}

// cleanStats tells what a run did.
type cleanStats struct {
	keys                     int
	bytesRead, bytesWritten  int64
	recordsRead, recordsKept int64
	invalid                  int64 // records without a key
}

// errCleaningAborted says that the log has changed under the cleaner's hands, so
// that what it has found out of it does not hold.
var errCleaningAborted = errors.New("the log was truncated, shortened or closed while it was cleaned")

// cleanJob is a log to clean, as it was when it was chosen.
type cleanJob struct {
	log  *Log
	view *view
	from int64 // first dirty offset
	// until is the base offset of the first segment that must not be cleaned: the
	// active one, one that reaches beyond the last stable offset, or one that is too
	// young.
	until                  int64
	cleanBytes, dirtyBytes int64
	overdue                bool // there are records older than max.compaction.lag.ms
	generation             int64
}

// ratio is the dirty part of what could be cleaned.
func (j *cleanJob) ratio() float64 {
	if j.dirtyBytes == 0 {
		return 0
	}
	return float64(j.dirtyBytes) / float64(j.cleanBytes+j.dirtyBytes)
}

// due reports whether the log should be cleaned now.
func (j *cleanJob) due() bool {
	return j.overdue && j.dirtyBytes > 0 || j.ratio() > j.log.config.Load().MinCleanableDirtyRatio
}

// cleanJob works out what of the log could be cleaned, the part before cleanedTo
// having been cleaned already; −1 when that is not known.
func (l *Log) cleanJob(cleanedTo, nowMs int64) (*cleanJob, error) {
	v, c, start := l.view.Load(), l.config.Load(), l.logStart.Load()
	j := &cleanJob{log: l, view: v, from: cleanedTo}
	if cleanedTo < start || cleanedTo > v.end {
		j.from = start
	}
	active := v.active().base
	limit := min(l.LastStableOffset(), active)
	if c.MinCompactionLagMs > 0 {
		for i := v.floor(j.from); i < len(v.segments)-1; i++ {
			largest, err := v.segments[i].largestTimestamp()
			if err != nil {
				return nil, err
			}
			if largest.timestampMs > nowMs-c.MinCompactionLagMs {
				limit = min(limit, v.segments[i].base)
				break
			}
		}
	}
	j.until = v.segments[v.floor(min(max(limit, j.from), active))].base
	for i, s := range v.segments[:len(v.segments)-1] {
		if s.base < j.from {
			j.cleanBytes += s.size.Load()
		}
		if s.base < j.until && v.endOf(i) > j.from {
			j.dirtyBytes += s.size.Load()
		}
	}
	if c.MaxCompactionLagMs < math.MaxInt64 && j.dirtyBytes > 0 {
		oldest, err := l.oldestDirty(j)
		if err != nil {
			return nil, err
		}
		j.overdue = oldest < nowMs-max(c.MaxCompactionLagMs, 0)
	}
	return j, nil
}

// oldestDirty returns the smallest timestamp of the dirty segments' first batches.
func (l *Log) oldestDirty(j *cleanJob) (int64, error) {
	l.mu.Lock() // segments note their first timestamp under it
	defer l.mu.Unlock()
	oldest := int64(math.MaxInt64)
	for i := j.view.floor(j.from); i < len(j.view.segments)-1; i++ {
		first, err := j.view.segments[i].rollTimestamp()
		if err != nil {
			return 0, err
		}
		if first > 0 {
			oldest = min(oldest, first)
		}
	}
	return oldest, nil
}

// clean cleans a log and returns the offset up to which it is clean now: j.until,
// or less when the map was too small for all keys. It stops with an error of ctx
// when that ends, and with errCleaningAborted when the log changes otherwise than
// by appends. What was put in place by then stays; the rest is cleaned up.
func (c *cleaner) clean(ctx context.Context, j *cleanJob, nowMs int64) (cleanedTo int64, err error) {
	cleanedTo, err = c.cleanLog(ctx, j, nowMs)
	if err != nil && j.log.check() != nil {
		err = fmt.Errorf("%w: %w", errCleaningAborted, err)
	}
	return cleanedTo, err
}

func (c *cleaner) cleanLog(ctx context.Context, j *cleanJob, nowMs int64) (cleanedTo int64, err error) {
	c.stats = cleanStats{}
	defer c.shrink()
	if err := j.log.removeCleaned(); err != nil {
		return j.from, err
	}
	if err := c.buildMap(ctx, j); err != nil {
		return j.from, err
	}
	c.stats.keys = c.keys.n
	cleanedTo = c.keys.latest + 1
	segments := j.view.segments[:len(j.view.segments)-1]
	for i, s := range segments {
		if s.base >= cleanedTo {
			segments = segments[:i]
			break
		}
		if err := s.load(); err != nil { // its indexes' sizes count; and see replaceSegments
			return j.from, err
		}
	}
	txns := newCleanedTxns()
	for _, group := range groupSegments(segments, j.log.config.Load(), j.until) {
		if err := c.cleanGroup(ctx, j, group, txns, nowMs); err != nil {
			return j.from, err
		}
	}
	return cleanedTo, nil
}

// shrink lets go of buffers that a large batch has made large.
func (c *cleaner) shrink() {
	if cap(c.in) > c.ioBytes() {
		c.in = nil
	}
	if cap(c.out) > 2*c.ioBytes() {
		c.out = nil
	}
	c.rewriter = protocol.Rewriter{}
}

func (c *cleaner) ioBytes() int { return max(c.o.ioBytes, chunkBytes) }

// maxGroupBytes leaves a group room to grow in a file whose positions are int32:
// a batch that gets a delete horizon may become larger.
const maxGroupBytes = math.MaxInt32 - 32<<20

// groupSegments puts neighbours together that fit into one segment, as
// Cleaner.groupSegmentsBySize of Kafka does.
func groupSegments(segments []*segment, c *config.Topic, until int64) [][]*segment {
	maxBytes := min(c.SegmentBytes, maxGroupBytes)
	var groups [][]*segment
	for i := 0; i < len(segments); {
		first := segments[i]
		size := first.size.Load()
		offsets, times := int64(first.offsetIndex().len())*offsetEntryBytes, int64(first.timeIndex().len())*timeEntryBytes
		end := i + 1
		for ; end < len(segments); end++ {
			s := segments[end]
			size += s.size.Load()
			offsets += int64(s.offsetIndex().len()) * offsetEntryBytes
			times += int64(s.timeIndex().len()) * timeEntryBytes
			last := until - 1
			if end+1 < len(segments) {
				last = segments[end+1].base - 1
			}
			if size > maxBytes || max(offsets, times) > c.SegmentIndexBytes || s.size.Load() > 0 && last-first.base > math.MaxInt32 {
				break
			}
		}
		groups = append(groups, segments[i:end])
		i = end
	}
	return groups
}

// buildMap remembers the last offset of each key in the dirty part.
func (c *cleaner) buildMap(ctx context.Context, j *cleanJob) error {
	c.keys.reset(j.until-j.from, maxOffsetSlots(c.o.mapBytes), c.o.loadFactor)
	c.keys.latest = j.from - 1
	aborted, err := j.log.AbortedTxns(j.from, j.until)
	if err != nil {
		return err
	}
	txns := newCleanedTxns()
	txns.expect(aborted)
	for i := j.view.floor(j.from); j.view.segments[i].base < j.until; i++ {
		full, err := c.mapSegment(ctx, j, j.view.segments[i], txns)
		if err != nil || full {
			return err
		}
		// Behind the last batch there may be a gap.
		c.keys.latest = max(c.keys.latest, min(j.view.endOf(i), j.until)-1)
	}
	return nil
}

func (c *cleaner) mapSegment(ctx context.Context, j *cleanJob, s *segment, txns *cleanedTxns) (full bool, err error) {
	if err := s.load(); err != nil {
		return false, err
	}
	position, err := s.positionBefore(j.from)
	if err != nil {
		return false, storageError("read "+s.path(extIndex), err)
	}
	err = c.eachBatch(ctx, s, position, func(b protocol.Batch) error {
		if b.IsControl() {
			if _, _, err := txns.marker(b, &c.rewriter); err != nil {
				return err
			}
		} else if !txns.data(b) {
			for r, err := range c.rewriter.Records(b) {
				if err != nil {
					return err
				}
				if r.Key != nil && r.Offset >= j.from && !c.keys.put(r.Key, r.Offset) {
					full = true
					return errStop
				}
			}
		}
		c.keys.latest = max(c.keys.latest, b.LastOffset())
		return nil
	})
	return full, err
}

// errStop ends a walk over batches without being an error of it.
var errStop = errors.New("stop")

// eachBatch calls fn with every batch of a sealed segment from position on, after
// checking its CRC: what is damaged must not get a new one.
func (c *cleaner) eachBatch(ctx context.Context, s *segment, position int64, fn func(b protocol.Batch) error) error {
	h, err := s.open()
	if errors.Is(err, fs.ErrNotExist) {
		return errCleaningAborted // the segment has left the log
	}
	if err != nil {
		return storageError("open "+s.path(extLog), err)
	}
	defer h.release()
	name, end := s.path(extLog), s.size.Load()
	if cap(c.in) == 0 {
		c.in = make([]byte, c.ioBytes())
	}
	for position < end {
		chunk := c.in[:min(int64(len(c.in)), end-position)]
		if err := readFull(h, chunk, position); err != nil {
			return storageError("read "+name, err)
		}
		used, need, err := c.batchesOf(chunk, name, position, end, fn)
		if errors.Is(err, errStop) {
			return nil
		}
		if err != nil {
			return err
		}
		if used == 0 {
			c.in = make([]byte, need)
			continue
		}
		position += int64(used)
		if err := c.o.pay(ctx, used); err != nil {
			return err
		}
	}
	return nil
}

// batchesOf calls fn with the whole batches of a chunk and returns how many bytes
// they are, and how many the next one needs.
func (c *cleaner) batchesOf(chunk []byte, name string, position, end int64, fn func(b protocol.Batch) error) (used, need int, err error) {
	for used < len(chunk) {
		if end-position-int64(used) < protocol.BatchHeaderBytes {
			return used, 0, corrupt(name, position+int64(used), "%d bytes are less than the header of a batch", end-position-int64(used))
		}
		rest := chunk[used:]
		if len(rest) < protocol.BatchHeaderBytes {
			return used, protocol.BatchHeaderBytes, nil
		}
		size, err := checkHeader(protocol.Batch(rest), name, position+int64(used), end)
		if err != nil || size > len(rest) {
			return used, size, err
		}
		b := protocol.Batch(rest[:size:size])
		if b.CheckCRC() != nil {
			return used, 0, corrupt(name, position+int64(used), "the CRC of a batch of %d bytes does not match", size)
		}
		if err := fn(b); err != nil {
			if errors.Is(err, errStop) {
				return used, 0, err
			}
			return used, 0, fmt.Errorf("%s, byte %d: %w", name, position+int64(used), err)
		}
		used += size
	}
	return used, 0, nil
}
