package broker

import (
	"context"
	"sync"
	"time"
)

// Waiter is what one long poll waits on: any number of partitions wake it. Its owner registers it with [Partition.Watch], then looks at the
// partitions, and only then calls Wait, so that what happens between the look and the wait is not lost. It belongs to one goroutine; waking it
// is safe from any.
type Waiter struct{ woken chan struct{} }

// NewWaiter returns a waiter that watches nothing.
func NewWaiter() *Waiter { return &Waiter{woken: make(chan struct{}, 1)} }

// Wait returns nil when a watched partition moved since the last Wait (or since the registration), else waits for that, or for the end of ctx,
// whose error it returns.
func (w *Waiter) Wait(ctx context.Context) error {
	select {
	case <-w.woken:
		return nil
	default:
	}
	select {
	case <-w.woken:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// WaitUntil is Wait that also ends, with false, when something comes over the channel: a timer's costs less than the end of a context.
func (w *Waiter) WaitUntil(ctx context.Context, over <-chan time.Time) (woken bool, err error) {
	select {
	case <-w.woken:
		return true, nil
	default:
	}
	select {
	case <-w.woken:
		return true, nil
	case <-over:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// Wake wakes the waiter, for what is not a partition.
func (w *Waiter) Wake() { w.wake() }

func (w *Waiter) wake() {
	select {
	case w.woken <- struct{}{}:
	default: // it is awake already
	}
}

// watchers is the set of waiters of one partition.
type watchers struct {
	mu  sync.Mutex
	set map[*Waiter]struct{} // guarded by mu; nil until the first Watch
}

func (ws *watchers) add(w *Waiter) (remove func()) {
	ws.mu.Lock()
	if ws.set == nil {
		ws.set = map[*Waiter]struct{}{}
	}
	ws.set[w] = struct{}{}
	ws.mu.Unlock()
	return func() {
		ws.mu.Lock()
		delete(ws.set, w)
		ws.mu.Unlock()
	}
}

func (ws *watchers) wakeAll() {
	ws.mu.Lock()
	for w := range ws.set {
		w.wake()
	}
	ws.mu.Unlock()
}
