package main

import (
	"context"
	"time"
)

// measureMemory watches the resident memory of the broker under what makes it grow: connections first, while nothing has been freed yet that they
// could take.
func measureMemory(ctx context.Context, b *running, f *figures) error {
	watch := watchMemory(b, f)
	defer watch()
	time.Sleep(time.Second)
	f.add("idle", "MiB", b.rssMiB())
	if size := b.kind.sizeMiB(); size > 0 {
		f.add("size: binary, or jars without a JRE", "MiB", size)
	}
	if err := idleConnections(b, f); err != nil {
		return err
	}
	if err := createTopic(ctx, b, "million", 8, nil); err != nil {
		return err
	}
	if _, err := fillRaw(b, "million", 8, 16<<10, 1<<30); err != nil {
		return err
	}
	f.add("after a million records of 1 KiB, from one producer", "MiB", b.rssMiB())
	if err := fill(ctx, b, "million", 256<<20, nil); err != nil {
		return err
	}
	f.add("after 256 MiB more from franz-go, batches of 1 MiB", "MiB", b.rssMiB())
	return nil
}

func idleConnections(b *running, f *figures) error {
	const conns = 5000
	rss, cpu := b.rssMiB(), b.cpuSeconds()
	var open []*rawConn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for range conns {
		c, err := dialSmall(b.addr, 16)
		if err != nil {
			return err
		}
		open = append(open, c)
		if _, err := c.call(apiVersionsFrame()); err != nil {
			return err
		}
		c.buf = nil
	}
	f.add("CPU of 5,000 connections opened", "s", b.cpuSeconds()-cpu)
	time.Sleep(2 * time.Second)
	f.add("at 5,000 idle connections", "MiB", b.rssMiB())
	f.add("per idle connection", "KiB", max(0, 1024*(b.rssMiB()-rss)/conns))
	cpu = b.cpuSeconds()
	time.Sleep(2 * time.Second)
	f.add("CPU with 5,000 idle connections", "% of a core", 100*(b.cpuSeconds()-cpu)/2)
	return nil
}

// watchMemory notes the resident memory twice a second until the returned function is called.
func watchMemory(b *running, f *figures) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	began := time.Now()
	var points []point
	go func() {
		defer close(ended)
		t := time.NewTicker(250 * time.Millisecond)
		defer t.Stop()
		for {
			points = append(points, point{time.Since(began).Seconds(), b.rssMiB()})
			select {
			case <-end:
				return
			case <-t.C:
			}
		}
	}()
	return func() { close(end); <-ended; f.curve("memory", points) }
}
