package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func measureStart(_ context.Context, b *running, f *figures) error {
	f.add("format of an empty directory", "ms", ms(b.prepared))
	f.add("start to ready", "ms", ms(b.ready))
	f.add("both together", "ms", ms(b.prepared+b.ready))
	cpu := b.cpuSeconds()
	time.Sleep(10 * time.Second)
	f.add("resident memory, fresh", "MiB", b.rssMiB())
	f.add("CPU when idle", "% of a core", 100*(b.cpuSeconds()-cpu)/10)
	f.add("open files, fresh", "", b.descriptors())
	began := time.Now()
	if err := b.stop(); err != nil {
		return err
	}
	f.add("clean stop", "ms", ms(time.Since(began)))
	return nil
}

func measureTopics(ctx context.Context, b *running, f *figures) error {
	const topics, partitions, perRequest = 1000, 10, 10
	c, err := b.client()
	if err != nil {
		return err
	}
	defer c.Close()
	admin := kadm.NewClient(c)
	rss, files, cpu := b.rssMiB(), b.descriptors(), b.cpuSeconds()
	began := time.Now()
	for i := 0; i < topics; i += perRequest {
		var names []string
		for j := range perRequest {
			names = append(names, fmt.Sprintf("topic-%04d", i+j))
		}
		created, err := admin.CreateTopics(ctx, partitions, 1, nil, names...)
		if err != nil {
			return err
		}
		if err := created.Error(); err != nil {
			return err
		}
	}
	if err := awaitLeaders(ctx, admin, topics*partitions); err != nil {
		return err
	}
	f.add("1,000 topics × 10 partitions created and led", "s", time.Since(began).Seconds())
	f.add("broker CPU for that", "s", b.cpuSeconds()-cpu)
	f.add("memory per partition", "KiB", 1024*(b.rssMiB()-rss)/(topics*partitions))
	f.add("open files per partition", "", (b.descriptors()-files)/(topics*partitions))

	began = time.Now()
	if err := b.stop(); err != nil {
		return err
	}
	f.add("clean stop with 10,000 partitions", "ms", ms(time.Since(began)))
	if err := b.launch(ctx); err != nil {
		return err
	}
	again := time.Now()
	if err := awaitLeaders(ctx, admin, topics*partitions); err != nil {
		return err
	}
	f.add("clean start with 10,000 partitions, all led", "ms", ms(b.ready+time.Since(again)))
	return nil
}

// awaitLeaders waits until so many partitions have a leader.
func awaitLeaders(ctx context.Context, admin *kadm.Client, want int) error {
	for {
		details, err := admin.ListTopics(ctx)
		if err == nil {
			led := 0
			for _, t := range details {
				for _, p := range t.Partitions {
					if p.Err == nil && p.Leader >= 0 {
						led++
					}
				}
			}
			if led >= want {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func measureRecovery(ctx context.Context, b *running, f *figures) error {
	const bytes, partitions = 1 << 30, 8
	if err := createTopic(ctx, b, "recovered", partitions, nil); err != nil {
		return err
	}
	if err := fill(ctx, b, "recovered", bytes, nil); err != nil {
		return err
	}
	b.kill()
	if err := b.launch(ctx); err != nil {
		return err
	}
	f.add("start after kill -9 with 1 GiB", "ms", ms(b.ready))
	f.add("broker CPU for that", "s", b.cpuSeconds())
	return nil
}

// compactionProps have the cleaner look every second, and let 256 MiB and more be cleaned in one go.
var compactionProps = []string{"log.cleaner.backoff.ms=1000", "log.segment.bytes=67108864"}

func measureCompaction(ctx context.Context, b *running, f *figures) error {
	const bytes, keys = 512 << 20, 50_000
	policy, ratio, off := "compact", "0.01", "0.99"
	if err := createTopic(ctx, b, "compacted", 1, map[string]*string{"cleanup.policy": &policy, "min.cleanable.dirty.ratio": &off,
		"min.compaction.lag.ms": ptr("3600000")}); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	if err := fill(ctx, b, "compacted", bytes, func(key []byte) { binary.BigEndian.PutUint64(key, uint64(rng.IntN(keys))) }); err != nil {
		return err
	}
	c, err := b.client()
	if err != nil {
		return err
	}
	defer c.Close()
	admin := kadm.NewClient(c)
	cpu, began := b.cpuSeconds(), time.Now()
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "min.compaction.lag.ms", Value: ptr("0")}, {Op: kadm.SetConfig, Name: "min.cleanable.dirty.ratio", Value: &ratio},
	}, "compacted")
	if err != nil {
		return err
	}
	if _, err := altered.On("compacted", nil); err != nil {
		return err
	}
	// The log is clean when only the live records and the active segment are left.
	const cleanBelow = keys*1100 + 2*64<<20
	for {
		dirs, err := admin.DescribeAllLogDirs(ctx, nil)
		if err == nil {
			size := int64(0)
			dirs.Each(func(d kadm.DescribedLogDir) {
				d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
					if p.Topic == "compacted" {
						size += p.Size
					}
				})
			})
			if size > 0 && size < cleanBelow {
				break
			}
		}
		if time.Since(began) > 10*time.Minute {
			return fmt.Errorf("not compacted within ten minutes")
		}
		time.Sleep(50 * time.Millisecond)
	}
	f.add("512 MiB compacted", "s", time.Since(began).Seconds())
	f.add("broker CPU for that", "s", b.cpuSeconds()-cpu)
	f.add("resident memory after it", "MiB", b.rssMiB())
	return nil
}

func ptr(s string) *string { return &s }

func createTopic(ctx context.Context, b *running, name string, partitions int32, configs map[string]*string) error {
	c, err := b.client()
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := kadm.NewClient(c).CreateTopic(ctx, partitions, 1, configs, name)
	if err != nil {
		return err
	}
	b.topics = append(b.topics, name)
	if r.Err != nil {
		return r.Err
	}
	// Metadata may name a leader before that serves the partition.
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		ends, err := kadm.NewClient(c).ListEndOffsets(ctx, name)
		if err == nil {
			if err = ends.Error(); err == nil && len(ends[name]) == int(partitions) {
				return nil
			}
		}
		if ctx.Err() != nil || time.Since(began) > 2*time.Minute {
			return fmt.Errorf("topic %s is not served: %w", name, errors.Join(err, ctx.Err()))
		}
	}
}

// fill produces about size bytes of 1 KiB records, whose 8 byte keys setKey writes when it is not nil.
func fill(ctx context.Context, b *running, topic string, size int, setKey func(key []byte)) error {
	c, err := b.client(kgo.DefaultProduceTopic(topic), kgo.ProducerBatchMaxBytes(1<<20), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(50_000))
	if err != nil {
		return err
	}
	defer c.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	value := make([]byte, 1024)
	for i := range value {
		value[i] = byte(rng.IntN(256))
	}
	failed := make(chan error, 1)
	for range size / len(value) {
		r := &kgo.Record{Value: value}
		if setKey != nil {
			r.Key = make([]byte, 8)
			setKey(r.Key)
		}
		c.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := c.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
