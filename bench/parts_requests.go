package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// measureRequests asks for ApiVersions, the smallest request there is, one at a time on each connection.
func measureRequests(_ context.Context, b *running, f *figures) error {
	for _, conns := range []int{1, 8, 500} {
		frame := apiVersionsFrame()
		all := make([][]time.Duration, conns)
		var flows []flow
		for i := range conns {
			var sent time.Time
			flows = append(flows, flow{depth: 1,
				next:     func() ([]byte, int) { sent = time.Now(); return frame, len(frame) },
				answered: func([]byte) (int, error) { all[i] = append(all[i], time.Since(sent)); return 0, nil },
			})
		}
		l, err := drive(b, flows)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("ApiVersions, %d connections", conns)
		l.add(f, name, false)
		d := slices.Concat(all...)
		slices.Sort(d)
		f.add(name+": p50", "ms", ms(quantile(d, 0.5)))
		f.add(name+": p99", "ms", ms(quantile(d, 0.99)))
	}
	return nil
}

// quantile of sorted values.
func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return d[min(len(d)-1, int(q*float64(len(d))))]
}

// measureIdle has 1,000 consumers wait for records that do not come: a Fetch each 500 ms, which is what fetch.max.wait.ms of consumers is.
func measureIdle(ctx context.Context, b *running, f *figures) error {
	const consumers = 1000
	if err := createTopic(ctx, b, "idle", 10, nil); err != nil {
		return err
	}
	stop := make(chan struct{})
	failed := make(chan error, consumers)
	ended := make(chan struct{})
	left := atomic.Int64{}
	left.Store(consumers)
	defer func() { close(stop); <-ended }()
	for i := range consumers {
		go func() {
			defer func() {
				if left.Add(-1) == 0 {
					close(ended)
				}
			}()
			failed <- idleConsumer(b, int32(i%10), stop)
		}()
		time.Sleep(time.Millisecond / 2)
	}
	time.Sleep(settings.warm)
	cpu, began := b.cpuSeconds(), time.Now()
	select {
	case err := <-failed:
		return fmt.Errorf("an idle consumer: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(5 * settings.measured):
	}
	f.add("CPU with 1,000 idle consumers", "% of a core", 100*(b.cpuSeconds()-cpu)/time.Since(began).Seconds())
	f.add("resident memory with them", "MiB", b.rssMiB())
	return nil
}

func idleConsumer(b *running, partition int32, stop chan struct{}) error {
	c, err := dialSmall(b.addr, 4096)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	frame := newFetchFrame("idle", []int32{partition}, 50<<20, 1<<20, 1, 500, nil)
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		r, err := c.call(frame.frame)
		if err == nil {
			_, err = frame.fetched(r)
		}
		if err != nil {
			return err
		}
	}
}
