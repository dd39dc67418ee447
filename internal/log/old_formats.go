package log

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/protocol"
)

// Messages of formats 0 and 1, which Kafka wrote before 0.11, or later for a topic
// with such a message.format.version, are rewritten as record batches when their log
// is opened for the first time: all else knows one format. Offsets, timestamps, keys
// and values stay. (Kafka keeps the old formats, and reads them.) A segment that is
// rewritten replaces the old one as a cleaned segment does, so that a crash leaves the
// one or the other.
//
// A log is looked at when its first segment begins with an old message: a format
// is never lowered in practice, and to read a few bytes of each log is all that a
// start can afford.

// convertedBytes is how much goes into one batch of messages that lay one by one.
const convertedBytes = 16 << 10

func (ld *loader) convertOldFormats() error {
	old, err := ld.beginsOld(ld.segments[0])
	if err != nil || !old {
		return err
	}
	var n, before, after int64
	for i, s := range slices.Backward(ld.segments) { // the first one last: it tells whether all is done
		if s.size.Load() == 0 {
			continue
		}
		cleaned, err := ld.convertSegment(s, i == len(ld.segments)-1 && !ld.o.Clean)
		if err != nil {
			return err
		}
		if cleaned == nil {
			continue
		}
		n, before, after = n+1, before+s.size.Load(), after+cleaned.written
	}
	if n == 0 {
		return nil
	}
	if err := ld.fs.SyncDir(ld.dir); err != nil {
		return err
	}
	ld.logger.Info("rewrote messages of formats 0 and 1 as record batches", zap.String("dir", ld.dir), zap.Int64("segments", n),
		zap.Int64("bytes", before), zap.Int64("bytes_now", after))
	infos, err := ld.fs.List(ld.dir)
	if err != nil {
		return err
	}
	ld.closeLoaded(ld.segments)
	ld.segments, ld.snapshots, ld.indexBytes = nil, nil, map[string]int64{}
	return ld.sortFiles(infos)
}

// beginsOld reports whether the first thing in a segment is a message of format 0 or 1.
func (ld *loader) beginsOld(s *segment) (bool, error) {
	if s.size.Load() <= magicByte {
		return false, nil
	}
	h, err := s.open()
	if err != nil {
		return false, err
	}
	old := isMessageSet(h, 0, s.size.Load())
	h.release()
	if len(ld.segments) > 1 {
		s.closeFiles() // nobody may come for it for long
	}
	return old, nil
}

// convertSegment rewrites a segment; it returns nil when there is nothing old in it.
// What cannot be read at the end of a segment that may be torn is left out, with a
// warning; elsewhere it is an error, and nothing has changed.
func (ld *loader) convertSegment(s *segment, mayBeTorn bool) (_ *cleanedSegment, err error) {
	h, err := s.open()
	if err != nil {
		return nil, err
	}
	defer h.release()
	txns, err := s.abortedTxns()
	if err != nil {
		if _, ok := IsDamage(err); !ok {
			return nil, err
		}
	}
	out, err := createCleaned(ld.fs, ld.dir, s.base, ld.indexInterval())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil || !out.inPlace {
			err = errors.Join(err, out.discard())
			return
		}
		out.closeFiles()
	}()
	c := converter{out: out}
	at, damage, err := c.run(h, s.path(extLog), s.size.Load())
	switch {
	case err != nil:
		return nil, err
	case damage != nil && (!mayBeTorn || messageFollows(h, at+1, s.size.Load())):
		return nil, damage
	case damage != nil:
		ld.logger.Warn("cut off a torn tail", zap.String("file", s.path(extLog)), zap.Int64("offset", c.next), zap.Int64("bytes", s.size.Load()-at), zapErr(damage))
	case !c.old:
		return nil, nil
	}
	out.txns = txns
	if err := out.finish(); err != nil {
		return nil, err
	}
	if err := out.renameAll(extCleaned, extSwap); err != nil {
		return nil, err
	}
	out.inPlace = true // Open completes it from here on
	return out, out.renameAll(extSwap, "")
}

func damaged(name string, at int64, format string, args ...any) *CorruptionError {
	return &CorruptionError{File: name, Position: at, Reason: fmt.Sprintf(format, args...)}
}

// converter writes batches.
type converter struct {
	out     *cleanedSegment
	old     bool  // there was something to convert
	next    int64 // offset after the last record
	builder *protocol.BatchBuilder
	kind    protocol.OldMessages // what the builder's batch has in common
}

// run reads the log file to its end, or to what is neither a message nor a batch.
func (c *converter) run(r io.ReaderAt, name string, size int64) (at int64, damage *CorruptionError, err error) {
	in := bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 1<<20)
	c.next = c.out.base
	for at < size {
		head, err := in.Peek(magicByte + 1)
		if err != nil && !errors.Is(err, io.EOF) {
			return at, nil, storageError("read "+name, err)
		}
		n, magic, ok := protocol.PeekBatch(head)
		if !ok || magic < 0 || magic > 2 || int64(n) > size-at {
			damage = damaged(name, at, "neither a message nor a batch")
			break
		}
		entry := make([]byte, n)
		if _, err := io.ReadFull(in, entry); err != nil {
			return at, nil, storageError("read "+name, err)
		}
		if magic == 2 {
			damage, err = c.keep(entry, name, at)
		} else {
			damage, err = c.convert(entry, name, at)
		}
		if err != nil {
			return at, nil, err
		}
		if damage != nil {
			break
		}
		at += int64(n)
	}
	return at, damage, c.flush()
}

// keep writes a batch as it is.
func (c *converter) keep(b protocol.Batch, name string, at int64) (*CorruptionError, error) {
	if err := b.CheckCRC(); err != nil {
		return damaged(name, at, "%v", err), nil
	}
	if b.BaseOffset() < c.next {
		return damaged(name, at, "a batch with offset %d after %d", b.BaseOffset(), c.next-1), nil
	}
	if err := c.flush(); err != nil {
		return nil, err
	}
	c.next = b.LastOffset() + 1
	return nil, c.write(b)
}

func (c *converter) convert(entry []byte, name string, at int64) (*CorruptionError, error) {
	m, err := protocol.ReadOldMessages(entry)
	if err != nil {
		return damaged(name, at, "%v", err), nil
	}
	c.old = true
	for _, r := range m.Records {
		if r.Offset < c.next || r.Offset-c.out.base > math.MaxInt32 {
			return damaged(name, at, "a message with offset %d after %d", r.Offset, c.next-1), nil
		}
		c.next = r.Offset + 1
	}
	// Compressed messages were a batch of their producer, and stay one.
	if m.Codec != protocol.CodecNone || c.builder == nil || !c.fits(m) {
		if err := c.flush(); err != nil {
			return nil, err
		}
		c.builder = protocol.NewBatchBuilder(protocol.BatchOptions{
			Codec: m.Codec, TimestampType: m.TimestampType, LogAppendTimeMs: m.TimestampMs, ProducerID: protocol.NoProducerID,
			BaseOffset: m.Records[0].Offset, LeaderEpoch: noLeaderEpoch,
		})
		c.kind = m
	}
	for _, r := range m.Records {
		c.builder.Append(r)
	}
	return nil, nil
}

// noLeaderEpoch is that of records from before there were leader epochs.
const noLeaderEpoch = -1

// fits reports whether a message that is not compressed may go into the batch that is
// being built.
func (c *converter) fits(m protocol.OldMessages) bool {
	return c.kind.Codec == protocol.CodecNone && c.builder.Len() < convertedBytes && c.kind.TimestampType == m.TimestampType &&
		(m.TimestampType != protocol.LogAppendTime || c.kind.TimestampMs == m.TimestampMs) &&
		(c.kind.TimestampMs == noTimestamp) == (m.TimestampMs == noTimestamp)
}

func (c *converter) flush() error {
	if c.builder == nil {
		return nil
	}
	b, err := c.builder.Bytes()
	c.builder = nil
	if err != nil {
		return fmt.Errorf("rewrite messages of an old format: %w", err)
	}
	return c.write(b)
}

func (c *converter) write(b protocol.Batch) error {
	if err := c.out.note(b, 0); err != nil {
		return err
	}
	return c.out.write(b)
}

// messageFollows reports whether a whole message or batch lies at from or behind it:
// then what is before it is no torn tail.
func messageFollows(r io.ReaderAt, from, size int64) bool {
	if size-from > scanBytes {
		return true // more than any write is
	}
	rest := make([]byte, max(size-from, 0))
	if readFull(r, rest, from) != nil {
		return true
	}
	for i := range rest {
		n, magic, ok := protocol.PeekBatch(rest[i:])
		if !ok || n > len(rest)-i {
			continue
		}
		entry := rest[i:][:n]
		if magic == 2 && protocol.Batch(entry).CheckCRC() == nil {
			return true
		}
		if magic == 0 || magic == 1 {
			if _, err := protocol.ReadOldMessages(entry); err == nil {
				return true
			}
		}
	}
	return false
}
