package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/protocol"
)

// loadProps let both brokers remove what a case has written soon after it, so that a run needs some GiB of disk and no more.
var loadProps = []string{"log.segment.delete.delay.ms=1000", "log.initial.task.delay.ms=1000"}

// largeBatch is as much as message.max.bytes, 1 MiB and 12 bytes, lets through with whole records.
const largeBatch = 1 << 20

// produceCase is raw load: one batch for one partition in each request, unless spread puts all partitions into each.
type produceCase struct {
	name                  string
	recordBytes, batch    int
	acks                  int16
	codec                 protocol.Codec
	idempotent, spread    bool
	partitions, producers int
	perRequest            bool // broker CPU is told by request, not by size
}

var produceCases = []produceCase{
	{name: "1 record of 1 KiB", recordBytes: 1 << 10, perRequest: true},
	{name: "1 record of 100 B", recordBytes: 100, perRequest: true},
	{name: "16 KiB batches", recordBytes: 1 << 10, batch: 16 << 10},
	{name: "16 KiB batches of 100 B", recordBytes: 100, batch: 16 << 10},
	{name: "16 KiB batches, acks=1", recordBytes: 1 << 10, batch: 16 << 10, acks: 1},
	{name: "16 KiB batches, acks=0", recordBytes: 1 << 10, batch: 16 << 10, acks: 0},
	{name: "16 KiB batches, idempotent", recordBytes: 1 << 10, batch: 16 << 10, idempotent: true},
	{name: "16 KiB batches, 8 producers", recordBytes: 1 << 10, batch: 16 << 10, producers: 8},
	{name: "256 KiB batches", recordBytes: 1 << 10, batch: 256 << 10},
	{name: "256 KiB batches of 100 B", recordBytes: 100, batch: 256 << 10},
	{name: "256 KiB batches, lz4", recordBytes: 1 << 10, batch: 256 << 10, codec: protocol.CodecLZ4},
	{name: "1 MiB batches", recordBytes: 1 << 10, batch: largeBatch},
	{name: "64 partitions, 4 KiB for each in a request", recordBytes: 1 << 10, batch: 4 << 10, partitions: 64, spread: true},
	{name: "64 partitions, 8 idempotent producers, 16 KiB", recordBytes: 1 << 10, batch: 16 << 10, partitions: 64, producers: 8, idempotent: true},
}

func init() {
	for i := range produceCases {
		c := &produceCases[i]
		c.partitions, c.producers = max(c.partitions, 1), max(c.producers, 1)
		if c.acks == 0 && c.name != "16 KiB batches, acks=0" {
			c.acks = -1
		}
	}
}

func measureProduce(ctx context.Context, b *running, f *figures) error {
	for i, c := range produceCases {
		if !settings.cases.MatchString(c.name) {
			continue
		}
		topic := fmt.Sprintf("produce-%d", i)
		if err := createTopic(ctx, b, topic, int32(c.partitions), nil); err != nil {
			return err
		}
		flows, err := c.flows(b, topic)
		if err != nil {
			return err
		}
		l, err := drive(b, flows)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		l.add(f, c.name, !c.perRequest)
		if err := removeTopic(ctx, b, topic); err != nil {
			return err
		}
	}
	for _, c := range []struct {
		name                  string
		partitions, producers int
	}{{"franz-go, 1 partition", 1, 1}, {"franz-go, 64 partitions, 8 idempotent producers", 64, 8}} {
		if !settings.cases.MatchString(c.name) {
			continue
		}
		topic := fmt.Sprintf("franz-%d", c.producers)
		if err := createTopic(ctx, b, topic, int32(c.partitions), nil); err != nil {
			return err
		}
		l, err := driveFranz(ctx, b, topic, c.producers)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		l.add(f, c.name, true)
		if err := removeTopic(ctx, b, topic); err != nil {
			return err
		}
	}
	return nil
}

// flows has a connection for each producer. A producer of 64 partitions goes through those that are its own, one a request.
func (c produceCase) flows(b *running, topic string) ([]flow, error) {
	var flows []flow
	for p := range c.producers {
		id := int64(-1)
		if c.idempotent {
			var err error
			if id, err = newProducerID(b); err != nil {
				return nil, err
			}
		}
		batch := records(c.recordBytes, c.batch, c.codec, id)
		var frames []*produceFrame
		var all []int32
		for i := p % c.partitions; i < c.partitions; i += c.producers {
			all = append(all, int32(i))
			if !c.spread {
				frames = append(frames, newProduceFrame(topic, []int32{int32(i)}, batch, c.acks))
			}
		}
		if c.spread {
			frames = append(frames, newProduceFrame(topic, all, batch, c.acks))
		}
		at, sequence := 0, int32(0)
		flows = append(flows, flow{depth: 5, mute: c.acks == 0, answered: produced, next: func() ([]byte, int) {
			f := frames[at]
			if c.idempotent {
				f.sequence(sequence)
			}
			if at++; at == len(frames) {
				at, sequence = 0, sequence+f.records
			}
			return f.frame, f.payload
		}})
	}
	return flows, nil
}

// newProducerID asks for a producer id, again while the broker is not ready to give one.
func newProducerID(b *running) (int64, error) {
	c, err := dialRaw(b.addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	frame := request(22, 0, be.AppendUint32([]byte{0xff, 0xff}, 0x7fffffff))
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		r, err := c.call(frame)
		if err != nil {
			return 0, err
		}
		code := int16(be.Uint16(r[8:]))
		if code == 0 {
			return int64(be.Uint64(r[10:])), nil
		}
		if time.Since(began) > 30*time.Second {
			return 0, fmt.Errorf("no producer id: %w", kerr.ErrorForCode(code))
		}
	}
}

func removeTopic(ctx context.Context, b *running, topic string) error {
	c, err := b.client()
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = kadm.NewClient(c).DeleteTopics(ctx, topic)
	return err
}

// driveFranz produces records of 1 KiB with franz-go, as it does by default but for compression: idempotent, acks=all, batches of up to 1 MB.
func driveFranz(ctx context.Context, b *running, topic string, producers int) (load, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var requests, bytes atomic.Int64
	value := make([]byte, 1024)
	for range producers {
		c, err := b.client(kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(20_000))
		if err != nil {
			return load{}, err
		}
		defer c.Close()
		go func() {
			for ctx.Err() == nil {
				c.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
					if err == nil {
						requests.Add(1)
						bytes.Add(int64(len(value)))
					}
				})
			}
		}()
	}
	return observe(b, &requests, &bytes)
}

// observe measures what goes on elsewhere: warm first, then for the time that settings have.
func observe(b *running, requests, bytes *atomic.Int64) (load, error) {
	for began := time.Now(); requests.Load() == 0 && time.Since(began) < 30*time.Second; {
		time.Sleep(time.Millisecond)
	}
	for began := time.Now(); time.Since(began) < settings.warm && bytes.Load() < most/2; {
		time.Sleep(5 * time.Millisecond)
	}
	r0, b0, cpu, own, began := requests.Load(), bytes.Load(), b.cpuSeconds(), ownCPU(), time.Now()
	enough := func() bool {
		return time.Since(began) >= settings.measured && requests.Load() > r0 || bytes.Load()-b0 >= most
	}
	for !enough() && time.Since(began) < 30*time.Second {
		time.Sleep(5 * time.Millisecond)
	}
	l := load{requests: float64(requests.Load() - r0), bytes: float64(bytes.Load() - b0), seconds: time.Since(began).Seconds(),
		brokerCPU: b.cpuSeconds() - cpu, clientCPU: ownCPU() - own}
	if l.requests == 0 {
		return l, errors.New("nothing was done within 30 s")
	}
	return l, nil
}
