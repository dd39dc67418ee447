package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// The raw load generator sends frames that were encoded before, over plain sockets, and looks at no more of the answers than it must: on a machine
// of two cores a client that works is a broker that waits.

// rawConn is one connection. It belongs to one goroutine.
type rawConn struct {
	net.Conn
	in  *bufio.Reader
	buf []byte
}

func dialRaw(addr string) (*rawConn, error) { return dialSmall(addr, 64<<10) }

func dialSmall(addr string, bufferBytes int) (*rawConn, error) {
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	return &rawConn{Conn: c, in: bufio.NewReaderSize(c, bufferBytes)}, nil
}

// receive returns the next response without its size. It is valid until the next call.
func (c *rawConn) receive() ([]byte, error) {
	prefix, err := c.in.Peek(4)
	if err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(prefix))
	_, _ = c.in.Discard(4)
	if cap(c.buf) < n {
		c.buf = make([]byte, n)
	}
	_, err = io.ReadFull(c.in, c.buf[:n])
	return c.buf[:n], err
}

// call sends a frame and returns its response.
func (c *rawConn) call(frame []byte) ([]byte, error) {
	if _, err := c.Write(frame); err != nil {
		return nil, err
	}
	return c.receive()
}

// flow is what one connection does over and over.
type flow struct {
	next     func() (frame []byte, size int) // the frame to send and how many bytes of records it stands for
	answered func(response []byte) (size int, err error)
	depth    int  // requests under way
	mute     bool // nothing is answered (acks=0)
}

// load is what a measurement found.
type load struct {
	requests, bytes      float64
	seconds              float64
	brokerCPU, clientCPU float64
}

func (l load) add(f *figures, name string, size bool) {
	if size {
		f.add(name+": broker CPU", "s/GiB", l.brokerCPU/(l.bytes/(1<<30)))
		f.add(name+": throughput", "MiB/s", l.bytes/(1<<20)/l.seconds)
	} else {
		f.add(name+": broker CPU", "µs/request", 1e6*l.brokerCPU/l.requests)
		f.add(name+": rate", "requests/s", l.requests/l.seconds)
	}
}

// most is how many bytes a measurement may take, so that a fast broker does not fill the disk.
const most = 1 << 30

// heat gives a broker all kinds of load, so that a JVM has compiled what it will be measured with.
func heat(ctx context.Context, b *running) error {
	if settings.heat <= 0 {
		return nil
	}
	if err := createTopic(ctx, b, "heat", 8, nil); err != nil {
		return err
	}
	ends, err := fillRaw(b, "heat", 8, 16<<10, 16<<20)
	if err != nil {
		return err
	}
	kinds := []produceCase{
		{recordBytes: 1 << 10, partitions: 8, producers: 1, acks: -1},
		{recordBytes: 1 << 10, batch: 16 << 10, partitions: 8, producers: 4, acks: -1, idempotent: true},
		{recordBytes: 1 << 10, batch: largeBatch, partitions: 8, producers: 1, acks: -1},
	}
	was := settings
	defer func() { settings = was }()
	settings.warm, settings.measured = 0, was.heat/6
	for _, c := range kinds {
		flows, err := c.flows(b, "heat")
		if err != nil {
			return err
		}
		if _, err := drive(b, flows); err != nil {
			return err
		}
	}
	for _, each := range []int32{16 << 10, 1 << 20} {
		f := newFetchFrame("heat", []int32{0, 1, 2, 3, 4, 5, 6, 7}, 50<<20, each, 1, 500, ends)
		if _, err := drive(b, []flow{{depth: 1, answered: f.fetched, next: func() ([]byte, int) { return f.frame, 0 }}}); err != nil {
			return err
		}
	}
	frame := apiVersionsFrame()
	if _, err := drive(b, slices.Repeat([]flow{{depth: 1, next: func() ([]byte, int) { return frame, len(frame) }}}, 8)); err != nil {
		return err
	}
	return removeTopic(ctx, b, "heat")
}

// drive runs one flow per connection: first to warm up, then measured for the time that settings have.
func drive(b *running, flows []flow) (load, error) {
	var (
		requests, bytes atomic.Int64
		stop            atomic.Bool
		wg              sync.WaitGroup
		failed          = make(chan error, len(flows))
	)
	for _, f := range flows {
		c, err := dialRaw(b.addr)
		if err != nil {
			stop.Store(true)
			return load{}, err
		}
		wg.Go(func() {
			defer func() { _ = c.Close() }()
			if err := f.run(c, &requests, &bytes, &stop); err != nil {
				failed <- err
			}
		})
	}
	phase := func(d time.Duration, limit int64) (r load, err error) {
		r0, b0, cpu0, own0, began := requests.Load(), bytes.Load(), b.cpuSeconds(), ownCPU(), time.Now()
		for time.Since(began) < d && bytes.Load()-b0 < limit && err == nil {
			select {
			case err = <-failed:
			case <-time.After(5 * time.Millisecond):
			}
		}
		return load{requests: float64(requests.Load() - r0), bytes: float64(bytes.Load() - b0), seconds: time.Since(began).Seconds(),
			brokerCPU: b.cpuSeconds() - cpu0, clientCPU: ownCPU() - own0}, err
	}
	_, err := phase(settings.warm, most/2)
	var l load
	if err == nil {
		l, err = phase(settings.measured, most)
	}
	stop.Store(true)
	wg.Wait()
	if err == nil && l.requests == 0 {
		err = errors.New("no request was answered in the measured time")
	}
	return l, err
}

func (f flow) run(c *rawConn, requests, bytes *atomic.Int64, stop *atomic.Bool) error {
	sizes := make([]int, 0, f.depth) // of the requests under way
	send := func() error {
		frame, size := f.next()
		sizes = append(sizes, size)
		_, err := c.Write(frame)
		return err
	}
	if f.mute {
		for !stop.Load() {
			frame, size := f.next()
			if _, err := c.Write(frame); err != nil {
				return fmt.Errorf("acks=0: %w", err)
			}
			requests.Add(1)
			bytes.Add(int64(size))
		}
		_, err := c.call(apiVersionsFrame()) // all that was sent is handled
		return err
	}
	for range f.depth {
		if err := send(); err != nil {
			return err
		}
	}
	for len(sizes) > 0 {
		response, err := c.receive()
		if err != nil {
			return err
		}
		size := sizes[0]
		copy(sizes, sizes[1:])
		sizes = sizes[:len(sizes)-1]
		if f.answered != nil {
			more, err := f.answered(response)
			if err != nil {
				return err
			}
			size += more
		}
		requests.Add(1)
		bytes.Add(int64(size))
		if !stop.Load() {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return nil
}

// ownCPU is the CPU time of this process.
func ownCPU() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
