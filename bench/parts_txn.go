package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// measureTransactions commits transactions of one record of 100 bytes.
func measureTransactions(ctx context.Context, b *running, f *figures) error {
	if err := createTopic(ctx, b, "txn", 10, nil); err != nil {
		return err
	}
	for _, producers := range []int{1, 50} {
		t := &transactions{b: b, producers: producers}
		l, took, err := t.drive(ctx)
		if err != nil {
			return fmt.Errorf("%d producers: %w", producers, err)
		}
		name := fmt.Sprintf("%d producers", producers)
		f.add(name+": transactions", "1/s", l.requests/l.seconds)
		f.add(name+": broker CPU", "µs/transaction", 1e6*l.brokerCPU/l.requests)
		f.add(name+": commit p50", "ms", ms(quantile(took, 0.5)))
		f.add(name+": commit p99", "ms", ms(quantile(took, 0.99)))
	}
	return nil
}

// transactions are those of some producers.
type transactions struct {
	b              *running
	producers      int
	begun, commits atomic.Int64 // producers that have committed, and how often they have
	bytes          atomic.Int64 // stays 0

	mu   sync.Mutex
	ends []commitEnd
}

// commitEnd is one EndTransaction.
type commitEnd struct {
	began time.Time
	took  time.Duration
}

// drive returns also how long each EndTransaction of the measured time took, sorted.
func (t *transactions) drive(ctx context.Context) (load, []time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	failed := make(chan error, t.producers)
	ended := make(chan struct{}, t.producers)
	for i := range t.producers {
		go func() {
			defer func() { ended <- struct{}{} }()
			if err := t.commitOn(ctx, i); err != nil && ctx.Err() == nil {
				failed <- err
			}
		}()
	}
	defer func() {
		cancel()
		for range t.producers {
			<-ended
		}
	}()
	for began := time.Now(); t.begun.Load() < int64(t.producers) && time.Since(began) < time.Minute; { // the coordinator's topic is made first, and each has its own producer id
		select {
		case err := <-failed:
			return load{}, nil, err
		case <-time.After(10 * time.Millisecond):
		}
	}
	l, err := observe(t.b, &t.commits, &t.bytes)
	took := t.took(time.Now().Add(-time.Duration(l.seconds * float64(time.Second))))
	select {
	case err := <-failed:
		return l, took, err
	default:
		return l, took, err
	}
}

func (t *transactions) commitOn(ctx context.Context, i int) error {
	c, err := t.b.client(kgo.DefaultProduceTopic("txn"), kgo.TransactionalID(fmt.Sprintf("bench-%d-%d", t.producers, i)), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer c.Close()
	value := make([]byte, 100)
	for first := true; ctx.Err() == nil; first = false {
		if err := c.BeginTransaction(); err != nil {
			return err
		}
		if err := c.ProduceSync(ctx, &kgo.Record{Value: value}).FirstErr(); err != nil {
			return err
		}
		began := time.Now()
		if err := c.EndTransaction(ctx, kgo.TryCommit); err != nil {
			return err
		}
		t.ended(began)
		if first {
			t.begun.Add(1)
		}
		t.commits.Add(1)
	}
	return nil
}

func (t *transactions) ended(began time.Time) {
	e := commitEnd{began, time.Since(began)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ends = append(t.ends, e)
}

// took returns how long the commits took that began after since, sorted.
func (t *transactions) took(since time.Time) (took []time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.ends {
		if e.began.After(since) {
			took = append(took, e.took)
		}
	}
	slices.Sort(took)
	return took
}
