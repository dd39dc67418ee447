package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// printCodecs reads a topic to its end and prints each codec that a batch of it came in, with the number of its records.
func printCodecs(broker, topic string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	names := []string{"none", "gzip", "snappy", "lz4", "zstd"}
	n := make([]int, len(names))
	err := readAll(ctx, broker, topic, func(r *kgo.Record) error { n[r.Attrs.CompressionType()]++; return nil })
	for i, name := range names {
		if n[i] > 0 {
			fmt.Println(name, n[i])
		}
	}
	return err
}

// readAll calls fn with every record of the topic, the partitions each in order.
func readAll(ctx context.Context, broker, topic string, fn func(*kgo.Record) error) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer c.Close()
	ends, err := kadm.NewClient(c).ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	if err := ends.Error(); err != nil {
		return err
	}
	left := map[int32]bool{}
	ends.Each(func(o kadm.ListedOffset) { left[o.Partition] = o.Offset > 0 })
	for {
		done := true
		for _, more := range left {
			done = done && !more
		}
		if done {
			return nil
		}
		fs := c.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			return err
		}
		for r := range fs.RecordsAll() {
			if err := fn(r); err != nil {
				return err
			}
			if end, _ := ends.Lookup(topic, r.Partition); r.Offset+1 >= end.Offset {
				left[r.Partition] = false
			}
		}
	}
}

// load produces numbered records to the topic, idempotent and with acks=all, until standard input closes; a broker that goes away is waited for.
// Each acknowledged record becomes a line "PARTITION OFFSET VALUE" of file. It ends with an error if any record failed for good.
func load(broker, topic, file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	c, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(16<<10), kgo.RecordRetries(1<<30), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }))
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(stop) }()
	var (
		mu     sync.Mutex
		failed error // guarded by mu
	)
	padding := strings.Repeat("x", 100)
	for i := 0; ; i++ {
		select {
		case <-stop:
			err := c.Flush(context.Background())
			mu.Lock()
			defer mu.Unlock()
			return errors.Join(err, failed)
		default:
		}
		c.Produce(context.Background(), kgo.StringRecord(fmt.Sprint(i, "-", padding)), func(r *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = fmt.Errorf("record %d: %w", i, err)
				return
			}
			fmt.Fprintln(f, r.Partition, r.Offset, i) // at once: this process may be killed
		})
		if i%50 == 49 {
			time.Sleep(time.Millisecond) // some tens of thousands a second: a load, not a benchmark
		}
	}
}

// verify compares the topic with the file that load wrote: each acknowledged record is at its partition and offset, none is there twice.
func verify(broker, topic, file string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	type place struct {
		partition int32
		offset    int64
	}
	acked := map[place]int{}
	for in := bufio.NewScanner(f); in.Scan(); {
		var p place
		var i int
		if _, err := fmt.Sscan(in.Text(), &p.partition, &p.offset, &i); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if other, ok := acked[p]; ok {
			return fmt.Errorf("records %d and %d were both acknowledged with partition %d, offset %d", i, other, p.partition, p.offset)
		}
		acked[p] = i
	}
	found, seen, next := 0, map[int]place{}, map[int32]int64{}
	err = readAll(ctx, broker, topic, func(r *kgo.Record) error {
		var i int
		if _, err := fmt.Sscanf(string(r.Value), "%d-", &i); err != nil {
			return fmt.Errorf("partition %d, offset %d: unexpected value %.20q", r.Partition, r.Offset, r.Value)
		}
		p := place{r.Partition, r.Offset}
		if r.Offset != next[r.Partition] {
			return fmt.Errorf("partition %d: offset %d follows %d", r.Partition, r.Offset, next[r.Partition]-1)
		}
		next[r.Partition]++
		if other, twice := seen[i]; twice {
			return fmt.Errorf("record %d is there twice: %+v and %+v", i, other, p)
		}
		seen[i] = p
		if want, ok := acked[p]; ok {
			if want != i {
				return fmt.Errorf("%+v was acknowledged for record %d but holds record %d", p, want, i)
			}
			found++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if found != len(acked) {
		return fmt.Errorf("%d of %d acknowledged records are lost", len(acked)-found, len(acked))
	}
	fmt.Printf("%d acknowledged, %d in the topic\n", len(acked), len(seen))
	return nil
}
