package main

import (
	"context"
	"fmt"
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
		l, err := driveTransactions(ctx, b, producers)
		if err != nil {
			return fmt.Errorf("%d producers: %w", producers, err)
		}
		name := fmt.Sprintf("%d producers", producers)
		f.add(name+": transactions", "1/s", l.requests/l.seconds)
		f.add(name+": broker CPU", "µs/transaction", 1e6*l.brokerCPU/l.requests)
	}
	return nil
}

func driveTransactions(ctx context.Context, b *running, producers int) (load, error) {
	ctx, cancel := context.WithCancel(ctx)
	var commits, begun, bytes atomic.Int64
	failed := make(chan error, producers)
	ended := make(chan struct{}, producers)
	for i := range producers {
		go func() {
			defer func() { ended <- struct{}{} }()
			if err := commitOn(ctx, b, i, producers, &begun, &commits); err != nil && ctx.Err() == nil {
				failed <- err
			}
		}()
	}
	defer func() {
		cancel()
		for range producers {
			<-ended
		}
	}()
	for began := time.Now(); begun.Load() < int64(producers) && time.Since(began) < time.Minute; { // the coordinator's topic is made first, and each has its own producer id
		select {
		case err := <-failed:
			return load{}, err
		case <-time.After(10 * time.Millisecond):
		}
	}
	l, err := observe(b, &commits, &bytes)
	select {
	case err := <-failed:
		return l, err
	default:
		return l, err
	}
}

func commitOn(ctx context.Context, b *running, i, producers int, begun, commits *atomic.Int64) error {
	c, err := b.client(kgo.DefaultProduceTopic("txn"), kgo.TransactionalID(fmt.Sprintf("bench-%d-%d", producers, i)), kgo.ProducerBatchCompression(kgo.NoCompression()))
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
		if err := c.EndTransaction(ctx, kgo.TryCommit); err != nil {
			return err
		}
		if first {
			begun.Add(1)
		}
		commits.Add(1)
	}
	return nil
}
