package main

import (
	"context"
	"fmt"
	"time"
)

// measureGrowth shows how the cost of the same work grows with what the broker holds.
func measureGrowth(ctx context.Context, b *running, f *figures) error {
	if err := growPartitions(ctx, b, f); err != nil {
		return err
	}
	for _, conns := range []int{10, 100, 1000} {
		frame := apiVersionsFrame()
		var flows []flow
		for range conns {
			flows = append(flows, flow{depth: 1, next: func() ([]byte, int) { return frame, len(frame) }})
		}
		l, err := drive(b, flows)
		if err != nil {
			return err
		}
		f.add(fmt.Sprintf("%d connections: broker CPU of ApiVersions", conns), "µs/request", 1e6*l.brokerCPU/l.requests)
	}
	return growData(ctx, b, f)
}

// growPartitions has one record for each partition in turn.
func growPartitions(ctx context.Context, b *running, f *figures) error {
	for _, partitions := range []int{10, 100, 1000} {
		topic := fmt.Sprintf("grown-%d", partitions)
		if err := createTopic(ctx, b, topic, int32(partitions), nil); err != nil {
			return err
		}
		if _, err := fillRaw(b, topic, int32(partitions), 0, 1); err != nil { // all are there
			return err
		}
		rss := b.rssMiB()
		c := produceCase{recordBytes: 1 << 10, acks: -1, partitions: partitions, producers: 1}
		flows, err := c.flows(b, topic)
		if err != nil {
			return err
		}
		l, err := drive(b, flows)
		if err != nil {
			return err
		}
		f.add(fmt.Sprintf("%d partitions: broker CPU of a record produced", partitions), "µs/request", 1e6*l.brokerCPU/l.requests)
		f.add(fmt.Sprintf("%d partitions: resident memory", partitions), "MiB", rss)
	}
	return nil
}

// growData reads the last 8 MiB of a log, and asks for an offset by a timestamp in it.
func growData(ctx context.Context, b *running, f *figures) error {
	for _, mib := range []int{10, 100, 1000} {
		topic := fmt.Sprintf("data-%d", mib)
		if err := createTopic(ctx, b, topic, 1, nil); err != nil {
			return err
		}
		ends, err := fillRaw(b, topic, 1, 64<<10, mib<<20)
		if err != nil {
			return err
		}
		frame := newFetchFrame(topic, []int32{0}, 50<<20, 1<<20, 1, 500, nil)
		tail := max(0, ends[0]-8<<10)
		frame.seek(0, tail)
		l, err := drive(b, []flow{{depth: 1, next: func() ([]byte, int) { return frame.frame, 0 }, answered: func(r []byte) (int, error) {
			n, err := frame.fetched(r)
			if at := int64(be.Uint64(frame.frame[frame.offsets[0]:])); at >= ends[0] {
				frame.seek(0, tail)
			}
			return n, err
		}}})
		if err != nil {
			return err
		}
		f.add(fmt.Sprintf("%d MiB: broker CPU of the last 8 MiB fetched", mib), "s/GiB", l.brokerCPU/(l.bytes/(1<<30)))
		find := listOffsetsFrame(topic, time.Now().Add(-time.Minute).UnixMilli())
		l, err = drive(b, []flow{{depth: 1, next: func() ([]byte, int) { return find, len(find) }}})
		if err != nil {
			return err
		}
		f.add(fmt.Sprintf("%d MiB: broker CPU of an offset by timestamp", mib), "µs/request", 1e6*l.brokerCPU/l.requests)
	}
	return nil
}

func listOffsetsFrame(topic string, timestampMs int64) []byte {
	body := be.AppendUint32(nil, 0xffffffff)
	body = be.AppendUint32(body, 1)
	body = appendString(body, topic)
	body = be.AppendUint32(body, 1)
	body = be.AppendUint32(body, 0)
	body = be.AppendUint64(body, uint64(timestampMs))
	return request(2, 1, body)
}
