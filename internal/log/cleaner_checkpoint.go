package log

import (
	"errors"
	"maps"
	"sync"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// cleanedOffsets says up to which offset each log of a log directory was cleaned,
// and keeps the file with that up to date. No lock is taken while its own is held.
type cleanedOffsets struct {
	fs   vfs.FS
	name string

	mu         sync.Mutex
	offsets    offsets
	generation map[protocol.TopicPartition]int64 // how often what was known of a log became void
}

func newCleanedOffsets(fsys vfs.FS, dir string) *cleanedOffsets {
	return &cleanedOffsets{fs: fsys, name: dir + "/" + cleanedFile, offsets: offsets{}, generation: map[protocol.TopicPartition]int64{}}
}

// load reads the file and forgets logs that are not there any more.
func (c *cleanedOffsets) load(there []protocol.TopicPartition) error {
	o, err := readOffsets(c.fs, c.name)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tp := range there {
		if offset, ok := o[tp]; ok {
			c.offsets[tp] = offset
		}
	}
	return err
}

// get returns the offset, −1 when there is none, and what set wants to see.
func (c *cleanedOffsets) get(tp protocol.TopicPartition) (offset, generation int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	offset, ok := c.offsets[tp]
	if !ok {
		offset = -1
	}
	return offset, c.generation[tp]
}

// set notes that a log was cleaned, unless it was truncated or deleted since
// generation was got.
func (c *cleanedOffsets) set(tp protocol.TopicPartition, offset, generation int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.offsets[tp]; c.generation[tp] != generation || ok && old == offset {
		return nil
	}
	c.offsets[tp] = offset
	return c.write()
}

// lower notes that a log loses its records from offset on. What comes in their
// place was never cleaned: taken for clean, a tombstone there could go before the
// values that it deletes.
func (c *cleanedOffsets) lower(tp protocol.TopicPartition, offset int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation[tp]++
	if old, ok := c.offsets[tp]; !ok || old <= offset {
		return nil
	}
	c.offsets[tp] = offset
	return c.write()
}

// forget removes a log: what gets its name next is another one.
func (c *cleanedOffsets) forget(tp protocol.TopicPartition) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.generation, tp)
	if _, ok := c.offsets[tp]; !ok {
		return nil
	}
	delete(c.offsets, tp)
	return c.write()
}

func (c *cleanedOffsets) write() error {
	if err := c.fs.WriteFileAtomic(c.name, formatOffsets(c.offsets), true); err != nil {
		return storageError("write "+c.name, err)
	}
	return nil
}

// all returns a copy of the offsets.
func (c *cleanedOffsets) all() offsets {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.offsets)
}

// cleanedOf returns the offsets of the directory that holds the log.
func (m *Manager) cleanedOf(l *Log) *cleanedOffsets {
	for _, d := range m.dirs {
		if &d.directory == l.directory {
			return d.cleaned
		}
	}
	return newCleanedOffsets(m.fs, l.dir) // not one of ours
}

// lowerCleaned is Options.Truncating.
func (m *Manager) lowerCleaned(l *Log, offset int64) error {
	return m.noteCleaned(l, m.cleanedOf(l).lower(l.tp, offset))
}

// noteCleaned takes a log directory offline whose checkpoint cannot be written,
// but for a full disk.
func (m *Manager) noteCleaned(l *Log, err error) error {
	if err == nil || vfs.IsNoSpace(err) || errors.Is(err, ErrClosed) {
		return err
	}
	return l.fail("note what was cleaned", err)
}
