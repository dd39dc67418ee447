package log

import (
	"context"
	"sync"
	"time"
)

// throttle spreads work over time: all who pay share one rate. It lets through
// what a short while allows at once.
type throttle struct {
	mu   sync.Mutex
	paid time.Time // until when the rate has been used up
}

// throttleBurst is how far ahead of the rate a payer may be without waiting.
const throttleBurst = 100 * time.Millisecond

// pay waits until n more bytes are within the rate, or ctx ends.
func (t *throttle) pay(ctx context.Context, n int, bytesPerSecond float64) error {
	return t.payWithin(ctx, n, bytesPerSecond, throttleBurst)
}

// payWithin is pay for a rate that is measured over a while: so much of it may go
// through at once.
func (t *throttle) payWithin(ctx context.Context, n int, bytesPerSecond float64, burst time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	cost := float64(n) / max(bytesPerSecond, 1e-9) * float64(time.Second)
	if cost < 1 {
		return nil
	}
	now := time.Now()
	t.mu.Lock()
	if t.paid.Before(now) {
		t.paid = now
	}
	t.paid = t.paid.Add(time.Duration(min(cost, float64(24*time.Hour))))
	wait := t.paid.Sub(now)
	t.mu.Unlock()
	if wait <= burst {
		return nil
	}
	timer := time.NewTimer(wait - burst)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
