package main

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// franz is twmb/franz-go: it takes the highest version of each API that it and the broker know.
type franz struct {
	broker string
	client *kgo.Client
	admin  *kadm.Client
}

func newFranz(broker string) (driver, error) {
	c, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		return nil, err
	}
	return &franz{broker, c, kadm.NewClient(c)}, nil
}

func (f *franz) Close()           { f.client.Close() }
func (f *franz) Codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }

func (f *franz) Send(ctx context.Context, topic string, records []record, o sendOptions) ([]int64, error) {
	acks := map[int16]kgo.Acks{0: kgo.NoAck(), 1: kgo.LeaderAck(), -1: kgo.AllISRAcks()}[o.acks()]
	codec := map[string]kgo.CompressionCodec{
		"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[o.Codec] // none: the zero value
	opts := []kgo.Opt{
		kgo.SeedBrokers(f.broker), kgo.RequiredAcks(acks), kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.AllowAutoTopicCreation(), kgo.ProducerBatchMaxBytes(8 << 20), kgo.ProducerLinger(5 * time.Millisecond),
	}
	if !o.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	c, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var rs []*kgo.Record
	for _, r := range records {
		k := &kgo.Record{Topic: topic, Partition: r.Partition, Key: r.Key, Value: r.Value}
		if r.TimestampMs != 0 {
			k.Timestamp = time.UnixMilli(r.TimestampMs)
		}
		for _, h := range r.Headers {
			k.Headers = append(k.Headers, kgo.RecordHeader(h))
		}
		rs = append(rs, k)
	}
	if err := c.ProduceSync(ctx, rs...).FirstErr(); err != nil {
		return nil, err
	}
	offsets := make([]int64, len(rs))
	for i, r := range rs {
		offsets[i] = r.Offset
	}
	return offsets, nil
}

func fromFranz(k *kgo.Record) record {
	r := record{Partition: k.Partition, Offset: k.Offset, TimestampMs: k.Timestamp.UnixMilli(), Key: k.Key, Value: k.Value}
	for _, h := range k.Headers {
		r.Headers = append(r.Headers, header(h))
	}
	return r
}

func (f *franz) Read(ctx context.Context, topic string, partition int32, offset int64, n int) ([]record, error) {
	c, err := kgo.NewClient(kgo.SeedBrokers(f.broker), kgo.FetchMaxPartitionBytes(1000),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(offset)}}))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var got []record
	for len(got) < n {
		fs := c.PollRecords(ctx, n-len(got))
		if err := fs.Err(); err != nil {
			return nil, err
		}
		for _, k := range fs.Records() {
			got = append(got, fromFranz(k))
		}
	}
	return got, nil
}

type franzMember struct {
	c        *kgo.Client
	mu       sync.Mutex
	assigned int // guarded by mu
}

func (f *franz) Join(_ context.Context, group, topic string) (member, error) {
	return f.join(group, topic)
}

func (f *franz) join(group, topic string, opts ...kgo.Opt) (member, error) {
	m := &franzMember{}
	changed := func(by int) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, ps map[string][]int32) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.assigned += by * len(ps[topic])
		}
	}
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(f.broker), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(300*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(changed(1)), kgo.OnPartitionsRevoked(changed(-1)), kgo.OnPartitionsLost(changed(-1)))...)
	if err != nil {
		return nil, err
	}
	m.c = c
	return m, nil
}

func (m *franzMember) Next(ctx context.Context) (record, error) {
	for {
		fs := m.c.PollRecords(ctx, 1)
		if err := fs.Err(); err != nil {
			return record{}, err
		}
		if rs := fs.Records(); len(rs) == 1 {
			return fromFranz(rs[0]), nil
		}
	}
}

func (m *franzMember) Assigned() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.assigned
}

func (m *franzMember) Commit(ctx context.Context) error { return m.c.CommitUncommittedOffsets(ctx) }
func (m *franzMember) Close() error                     { m.c.Close(); return nil }

func (f *franz) OffsetAt(ctx context.Context, topic string, partition int32, timestampMs int64) (int64, error) {
	list := func() (kadm.ListedOffsets, error) { return f.admin.ListOffsetsAfterMilli(ctx, timestampMs, topic) }
	switch timestampMs {
	case -1:
		list = func() (kadm.ListedOffsets, error) { return f.admin.ListEndOffsets(ctx, topic) }
	case -2:
		list = func() (kadm.ListedOffsets, error) { return f.admin.ListStartOffsets(ctx, topic) }
	}
	all, err := list()
	if err != nil {
		return 0, err
	}
	o, _ := all.Lookup(topic, partition)
	return o.Offset, o.Err
}

func (f *franz) Committed(ctx context.Context, group, topic string) (int64, error) {
	all, err := f.admin.FetchOffsets(ctx, group)
	if err != nil {
		return 0, err
	}
	if o, ok := all.Lookup(topic, 0); ok {
		return o.At, o.Err
	}
	return -1, nil
}

func (f *franz) CreateTopic(ctx context.Context, name string, partitions int, configs map[string]string) error {
	cs := map[string]*string{}
	for k, v := range configs {
		cs[k] = &v
	}
	_, err := f.admin.CreateTopic(ctx, int32(partitions), 1, cs, name)
	return err
}

func (f *franz) AddPartitions(ctx context.Context, name string, total int) error {
	all, err := f.admin.UpdatePartitions(ctx, total, name)
	if err != nil {
		return err
	}
	return all.Error()
}

func (f *franz) DeleteTopic(ctx context.Context, name string) error {
	all, err := f.admin.DeleteTopics(ctx, name)
	if err != nil {
		return err
	}
	return all.Error()
}

func (f *franz) Partitions(ctx context.Context, name string) (int, error) {
	all, err := f.admin.ListTopics(ctx)
	return len(all[name].Partitions), err
}

func (f *franz) TopicConfig(ctx context.Context, name, key string) (string, error) {
	all, err := f.admin.DescribeTopicConfigs(ctx, name)
	if err != nil {
		return "", err
	}
	r, err := all.On(name, nil)
	if err != nil {
		return "", err
	}
	for _, c := range r.Configs {
		if c.Key == key {
			return c.MaybeValue(), r.Err
		}
	}
	return "", r.Err
}

func (f *franz) SetTopicConfig(ctx context.Context, name, key, value string) error {
	all, err := f.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: key, Value: &value}}, name)
	if err != nil {
		return err
	}
	return all[0].Err
}

func (f *franz) Groups(ctx context.Context) ([]string, error) {
	all, err := f.admin.ListGroups(ctx)
	return all.Groups(), err
}

func (f *franz) DescribeGroup(ctx context.Context, group string) (string, int, error) {
	all, err := f.admin.DescribeGroups(ctx, group)
	if err != nil {
		return "", 0, err
	}
	return all[group].State, len(all[group].Members), all[group].Err
}

func (f *franz) DeleteGroup(ctx context.Context, group string) error {
	r, err := f.admin.DeleteGroup(ctx, group)
	if err != nil {
		return err
	}
	return r.Err
}
