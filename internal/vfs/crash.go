package vfs

import (
	"bytes"
	"maps"
	"math"
	"math/rand/v2"
)

// CrashClone returns what a power cut at this moment may leave behind, with the
// changes kept in the order they were made: everything that was synced, of the
// rest everything up to a point chosen by rng, and of the write at that point a
// part (a torn write). A nil rng loses everything that was not synced. Locks are
// gone. m itself is not changed.
func (m *Mem) CrashClone(rng *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	cut := int64(0)
	if rng != nil {
		cut = rng.Int64N(m.seq + 2)
	}
	return m.crash(rng, func() int64 { return cut })
}

// CrashCloneReordered is CrashClone without the order between files: each file
// and each directory keeps a part of its own of what was not synced, as the page
// cache does, which writes files back in any order.
func (m *Mem) CrashCloneReordered(rng *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.crash(rng, func() int64 { return rng.Int64N(m.seq + 2) })
}

// KillClone returns what a process that is killed at this moment leaves behind:
// every change that was made. Locks are gone. m itself is not changed.
func (m *Mem) KillClone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.crash(nil, func() int64 { return math.MaxInt64 })
}

func (m *Mem) crash(rng *rand.Rand, cut func() int64) *Mem {
	c := &crasher{rng: rng, cut: cut, clones: map[*memNode]*memNode{}}
	return &Mem{root: c.clone(m.root)}
}

type crasher struct {
	rng    *rand.Rand
	cut    func() int64
	clones map[*memNode]*memNode // a renamed node may be found under two names
}

func (c *crasher) clone(n *memNode) *memNode {
	if done := c.clones[n]; done != nil {
		return done
	}
	out := &memNode{dir: n.dir, modTime: n.modTime}
	c.clones[n] = out
	cut := c.cut()
	if !n.dir {
		out.data = c.content(n, cut)
		out.durable = bytes.Clone(out.data)
		return out
	}
	names := maps.Clone(n.synced)
	for _, op := range n.nameOps {
		if op.seq <= cut {
			applyNames(names, op.set)
		}
	}
	out.entries = memDir{}
	for name, child := range names {
		out.entries[name] = c.clone(child)
	}
	out.synced = maps.Clone(out.entries)
	return out
}

func (c *crasher) content(n *memNode, cut int64) []byte {
	data := bytes.Clone(n.durable)
	for _, op := range n.ops {
		if op.seq > cut {
			break
		}
		if op.seq == cut && len(op.data) > 0 {
			op.data = op.data[:c.rng.IntN(len(op.data))]
			if len(op.data) == 0 {
				break
			}
		}
		data = op.apply(data)
	}
	return data
}
