package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gokafka/gokafka/internal/protocol"
)

// measureLatency takes the time from before a record is sent until a consumer that waits for it has it: first at 1,000 records a second, then at half of
// what the broker can do. Records have 1 KiB, each goes out alone with acks=all. The sender goes by the clock, not by the answers, so that a broker that
// stalls is charged for all that came meanwhile.
func measureLatency(ctx context.Context, b *running, f *figures) error {
	if err := createTopic(ctx, b, "latency", 1, nil); err != nil {
		return err
	}
	if _, err := fillRaw(b, "latency", 1, 0, 1); err != nil {
		return err
	}
	if _, err := endToEnd(b, 1000, settings.warm); err != nil { // warm
		return err
	}
	e, err := endToEnd(b, 1000, 4*settings.measured)
	if err != nil {
		return err
	}
	e.add(f, "1,000/s")
	f.add("1,000/s: broker CPU", "% of a core", 100*e.brokerCPU/e.seconds)
	f.curve("latency", percentiles(e.times))

	most, err := endToEnd(b, 0, settings.warm+settings.measured)
	if err != nil {
		return err
	}
	rate := float64(len(most.times)) / most.seconds
	f.add("most, one record a request", "records/s", rate)
	half, err := endToEnd(b, rate/2, 2*settings.measured)
	if err != nil {
		return err
	}
	half.add(f, "half of the most")
	f.curve("latency-half", percentiles(half.times))
	return nil
}

// delivered is what came through.
type delivered struct {
	times              []time.Duration // sorted
	seconds, brokerCPU float64
}

func (d delivered) add(f *figures, name string) {
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}} {
		f.add(name+": "+q.name, "ms", ms(quantile(d.times, q.at)))
	}
}

// percentiles is the distribution as points of nines and milliseconds.
func percentiles(d []time.Duration) (points []point) {
	for _, q := range []float64{0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9995, 0.9999} {
		if float64(len(d))*(1-q) >= 1 {
			points = append(points, point{q, ms(quantile(d, q))})
		}
	}
	return points
}

// endToEnd sends records for so long, rate a second, or as fast as 64 under way allow when rate is 0, and consumes them.
func endToEnd(b *running, rate float64, d time.Duration) (delivered, error) {
	producer, err := dialRaw(b.addr)
	if err != nil {
		return delivered{}, err
	}
	defer func() { _ = producer.Close() }()
	consumer, err := dialRaw(b.addr)
	if err != nil {
		return delivered{}, err
	}
	defer func() { _ = consumer.Close() }()
	frame := newProduceFrame("latency", []int32{0}, records(1024, 0, protocol.CodecNone, -1), -1).frame
	r, err := producer.call(frame)
	if err != nil {
		return delivered{}, err
	}
	first := producedBase(r) + 1

	var (
		mu     sync.Mutex
		sent   []time.Time // of offset first+i
		got    atomic.Int64
		failed = make(chan error, 3)
		wg     sync.WaitGroup
		slots  = make(chan struct{}, 1<<20)
		times  []time.Duration
		target atomic.Int64 // how many are sent, once that is known
	)
	target.Store(-1)
	if rate == 0 {
		slots = make(chan struct{}, 64)
	}
	cpu, began := b.cpuSeconds(), time.Now()
	wg.Go(func() { // producer's answers
		for n := int64(0); ; n++ {
			if all := target.Load(); all >= 0 && n >= all {
				return
			}
			r, err := producer.receive()
			if err == nil {
				_, err = produced(r)
			}
			if err != nil {
				failed <- err
				return
			}
			<-slots
		}
	})
	wg.Go(func() { // consumer
		f := newFetchFrame("latency", []int32{0}, 50<<20, 1<<20, 1, 500, nil)
		f.seek(0, first)
		for {
			r, err := consumer.call(f.frame)
			if err == nil {
				_, err = f.fetched(r)
			}
			if err != nil {
				failed <- err
				return
			}
			now, until := time.Now(), int64(be.Uint64(f.frame[f.offsets[0]:]))-first
			mu.Lock()
			for i := int64(len(times)); i < until; i++ {
				times = append(times, now.Sub(sent[i]))
			}
			mu.Unlock()
			got.Store(until)
			if all := target.Load(); all >= 0 && until >= all {
				return
			}
		}
	})
	n := int64(0)
	for time.Since(began) < d && err == nil {
		if rate > 0 {
			due := began.Add(time.Duration(float64(n) / rate * float64(time.Second)))
			if wait := time.Until(due); wait > 50*time.Microsecond {
				time.Sleep(wait)
			}
		}
		select {
		case slots <- struct{}{}:
		case err = <-failed:
			continue
		}
		mu.Lock()
		sent = append(sent, time.Now())
		mu.Unlock()
		_, err = producer.Write(frame)
		n++
	}
	seconds := time.Since(began).Seconds()
	target.Store(n)
	if err == nil { // one more, uncounted, so that both readers come round and see that it is over
		slots <- struct{}{}
		mu.Lock()
		sent = append(sent, time.Now())
		mu.Unlock()
		_, err = producer.Write(frame)
	}
	for end := time.Now().Add(30 * time.Second); err == nil && got.Load() < n; {
		select {
		case err = <-failed:
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(end) {
			err = fmt.Errorf("%d of %d records arrived", got.Load(), n)
		}
	}
	_ = producer.Close()
	_ = consumer.Close()
	wg.Wait()
	if err != nil {
		return delivered{}, err
	}
	times = times[:n]
	slices.Sort(times)
	return delivered{times: times, seconds: seconds, brokerCPU: b.cpuSeconds() - cpu}, nil
}
