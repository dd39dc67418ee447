package log

import (
	"bytes"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/vfs"
)

// With preallocate a log file gets the full size of a segment when it is made, which
// spares some file systems from changing it with every append, and is cut to what it
// holds when the segment is sealed or the log closed. Behind the batches lie zeros
// until then; the segment's size never counts them. Recovery cuts them off. (Kafka
// also has to: its indexes always are like that. Ours never are.)

// preallocation is how large a new log file is made, 0 for as large as its content.
func preallocation(c *config.Topic) int64 {
	if c == nil || !c.Preallocate {
		return 0
	}
	return c.SegmentBytes
}

// preallocate gives a new log file its full size.
func (s *segment) preallocate(f vfs.File, size int64) error {
	if size <= 0 {
		return nil
	}
	s.preallocated = true // also when it fails halfway: trim makes it right
	return f.Truncate(size)
}

// trim cuts what was preallocated and not used. Log.mu must be held, or the segment
// be unshared.
func (s *segment) trim() error {
	if !s.preallocated {
		return nil
	}
	h, err := s.open()
	if err != nil {
		return err
	}
	defer h.release()
	if err := h.Truncate(s.size.Load()); err != nil {
		return err
	}
	s.preallocated = false
	return nil
}

// trimZeros cuts segment i where zeros begin that reach to its end, if nothing is
// missing behind them: it is the last one, or the next begins where this one ends.
// That is what a preallocated file looks like after a crash.
func (ld *loader) trimZeros(i int, damage *CorruptionError) (ok bool, err error) {
	s := ld.segments[i]
	if i+1 < len(ld.segments) && ld.segments[i+1].base != ld.end {
		return false, nil
	}
	h, err := s.open()
	if err != nil {
		return false, err
	}
	defer h.release()
	if ok, err = zerosFrom(h, s.path(extLog), damage.Position, s.size.Load()); !ok || err != nil {
		return false, err
	}
	if i+1 == len(ld.segments) && !ld.o.Config.Preallocate { // a power cut has cost the content of blocks
		return true, ld.cutTail(i, damage)
	}
	if err := h.Truncate(damage.Position); err != nil {
		return false, err
	}
	ld.logger.Info("cut off zeros behind the last batch", zap.String("segment", damage.File), zap.Int64("position", damage.Position),
		zap.Int64("bytes", s.size.Load()-damage.Position), zap.Int64("offset", ld.end))
	s.size.Store(damage.Position)
	return true, nil
}

// zerosFrom reports whether all of a file in [pos, end) is zero. Holes are not read.
func zerosFrom(f vfs.File, name string, pos, end int64) (bool, error) {
	if vfs.IsHole(f, pos) {
		return true, nil
	}
	zeros := make([]byte, 64<<10)
	part := make([]byte, len(zeros))
	for pos < end {
		part = part[:min(int64(len(part)), end-pos)]
		if err := readFull(f, part, pos); err != nil {
			return false, storageError("read "+name, err)
		}
		if !bytes.Equal(part, zeros[:len(part)]) {
			return false, nil
		}
		pos += int64(len(part))
		if vfs.IsHole(f, pos) {
			return true, nil
		}
	}
	return true, nil
}
