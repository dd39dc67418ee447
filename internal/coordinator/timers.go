package coordinator

import (
	"container/heap"
	"time"
)

// timer is one scheduled event of a shard.
type timer struct {
	key   string
	at    time.Time
	seq   uint64 // order among timers of the same instant
	fn    func() []record
	index int // in the heap
}

// timers is a heap of keyed timers: first the earliest, among equals the one scheduled first. It has no goroutine and no lock, the shard's
// loop owns it.
type timers struct {
	byKey map[string]*timer
	heap  timerHeap
	seq   uint64
}

func (t *timers) schedule(key string, at time.Time, fn func() []record) {
	t.seq++
	if old := t.byKey[key]; old != nil {
		old.at, old.seq, old.fn = at, t.seq, fn
		heap.Fix(&t.heap, old.index)
		return
	}
	if t.byKey == nil {
		t.byKey = make(map[string]*timer)
	}
	n := &timer{key: key, at: at, seq: t.seq, fn: fn}
	t.byKey[key] = n
	heap.Push(&t.heap, n)
}

func (t *timers) cancel(key string) {
	if old := t.byKey[key]; old != nil {
		delete(t.byKey, key)
		heap.Remove(&t.heap, old.index)
	}
}

// next returns the time of the earliest timer.
func (t *timers) next() (time.Time, bool) {
	if len(t.heap) == 0 {
		return time.Time{}, false
	}
	return t.heap[0].at, true
}

// due removes and returns the earliest timer that is at or before now and was scheduled before limit, or nil.
func (t *timers) due(now time.Time, limit uint64) *timer {
	if len(t.heap) == 0 || t.heap[0].at.After(now) || t.heap[0].seq > limit {
		return nil
	}
	n := heap.Pop(&t.heap).(*timer)
	delete(t.byKey, n.key)
	return n
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *timerHeap) Push(x any) {
	n := x.(*timer)
	n.index = len(*h)
	*h = append(*h, n)
}
func (h *timerHeap) Pop() any {
	old := *h
	n := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return n
}
