package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/protocol"
)

// Topics to fetch from, of this size each: "small" has one partition of 16 KiB batches, "large" one of 1 MiB, "wide" 64 of 16 KiB.
const fetchedBytes = 256 << 20

var fetchTopics = []struct {
	name       string
	batch      int
	partitions int32
}{{"small", 16 << 10, 1}, {"large", largeBatch, 1}, {"wide", 16 << 10, 64}}

type fetchCase struct {
	name, topic string
	partitions  int32
	each        int32 // partition.max.bytes
	consumers   int
	cold        bool
}

var fetchCases = []fetchCase{
	{"1 MiB", "large", 1, 1 << 20, 1, false},
	{"1 MiB of 16 KiB batches", "small", 1, 1 << 20, 1, false},
	{"16 KiB", "small", 1, 16 << 10, 1, false},
	{"1 MiB, 20 consumers", "large", 1, 1 << 20, 20, false},
	{"16 KiB, 20 consumers", "small", 1, 16 << 10, 20, false},
	{"64 partitions, 16 KiB of each in a request", "wide", 64, 16 << 10, 1, false},
	{"64 partitions, 256 KiB of each in a request", "wide", 64, 256 << 10, 1, false},
	{"1 MiB, cold", "large", 1, 1 << 20, 1, true},
	{"16 KiB, cold", "small", 1, 16 << 10, 1, true},
}

func measureFetch(ctx context.Context, b *running, f *figures) error {
	ends := map[string]map[int32]int64{}
	for _, t := range fetchTopics {
		if err := createTopic(ctx, b, t.name, t.partitions, nil); err != nil {
			return err
		}
		var err error
		if ends[t.name], err = fillRaw(b, t.name, t.partitions, t.batch, fetchedBytes); err != nil {
			return fmt.Errorf("fill %s: %w", t.name, err)
		}
	}
	for _, c := range fetchCases {
		if !settings.cases.MatchString(c.name) {
			continue
		}
		l, err := c.measure(b, ends[c.topic])
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		l.add(f, c.name, true)
	}
	for _, c := range []struct{ topic, name string }{{"small", "franz-go, 1 partition"}, {"wide", "franz-go, 64 partitions"}} {
		if !settings.cases.MatchString(c.name) {
			continue
		}
		l, err := consumeFranz(ctx, b, c.topic)
		if err != nil {
			return err
		}
		l.add(f, c.name, true)
	}
	return nil
}

func (c fetchCase) measure(b *running, ends map[int32]int64) (load, error) {
	const limit = 50 << 20 // what consumers ask for by default
	var flows []flow
	var all []int32
	for i := range c.partitions {
		all = append(all, i)
	}
	for i := range c.consumers {
		frame := newFetchFrame(c.topic, all, limit, c.each, 1, 500, ends)
		for _, p := range all { // consumers of the same data are at different places in it
			frame.seek(p, ends[p]*int64(i)/int64(c.consumers))
		}
		flows = append(flows, flow{depth: 1, answered: frame.fetched, next: func() ([]byte, int) { return frame.frame, 0 }})
	}
	if !c.cold {
		return drive(b, flows)
	}
	return c.fromDisk(b, flows[0])
}

// fromDisk reads everything once after the kernel has forgotten it.
func (c fetchCase) fromDisk(b *running, f flow) (load, error) {
	if err := forget(b.dir); err != nil {
		return load{}, err
	}
	conn, err := dialRaw(b.addr)
	if err != nil {
		return load{}, err
	}
	defer func() { _ = conn.Close() }()
	var l load
	cpu, began := b.cpuSeconds(), time.Now()
	for l.bytes < fetchedBytes*9/10 && time.Since(began) < 10*time.Second {
		frame, _ := f.next()
		r, err := conn.call(frame)
		if err != nil {
			return l, err
		}
		n, err := f.answered(r)
		if err != nil {
			return l, err
		}
		l.bytes, l.requests = l.bytes+float64(n), l.requests+1
	}
	l.seconds, l.brokerCPU = time.Since(began).Seconds(), b.cpuSeconds()-cpu
	return l, nil
}

// forget drops the broker's segments from the page cache.
func forget(dir string) error {
	syscall.Sync()
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".log") || !d.Type().IsRegular() {
			return nil // the broker may remove files meanwhile
		}
		return dropCache(path)
	})
}

// fillRaw produces about size bytes and returns the end offsets.
func fillRaw(b *running, topic string, partitions int32, batchBytes, size int) (map[int32]int64, error) {
	c, err := dialRaw(b.addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	batch := records(1024, batchBytes, protocol.CodecNone, -1)
	rounds := max(1, size/(len(batch)*int(partitions)))
	ends := map[int32]int64{}
	for p := range partitions {
		frame := newProduceFrame(topic, []int32{p}, batch, -1)
		for i := range rounds {
			for attempt := 0; ; attempt++ {
				r, err := c.call(frame.frame)
				if err == nil {
					_, err = produced(r)
				}
				if err == nil {
					break
				}
				if i > 0 || attempt == 100 { // a leader that was named may take a moment to serve
					return nil, err
				}
				time.Sleep(50 * time.Millisecond)
			}
		}
		ends[p] = int64(rounds) * int64(frame.records)
	}
	return ends, nil
}

// consumeFranz reads a topic with franz-go from its beginning, over and over.
func consumeFranz(ctx context.Context, b *running, topic string) (load, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var requests, bytes atomic.Int64
	done := make(chan struct{})
	defer func() { cancel(); <-done }()
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			c, err := b.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			if err != nil {
				return
			}
			for got := 0; got < fetchedBytes*9/10 && ctx.Err() == nil; {
				c.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got += len(r.Value); requests.Add(1); bytes.Add(int64(len(r.Value))) })
			}
			c.Close()
		}
	}()
	return observe(b, &requests, &bytes)
}
