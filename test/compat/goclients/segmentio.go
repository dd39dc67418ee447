package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
)

// segmentio is segmentio/kafka-go: Writer and Client negotiate, Reader and Conn send a mixture of hard-coded old versions.
type segmentio struct{ c *kafka.Client }

func newSegmentio(broker string) (driver, error) {
	return &segmentio{&kafka.Client{Addr: kafka.TCP(broker), Timeout: 20 * time.Second, Transport: &kafka.Transport{MetadataTTL: 50 * time.Millisecond}}}, nil
}

func (s *segmentio) Close()           {}
func (s *segmentio) Codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }

func (s *segmentio) Send(ctx context.Context, topic string, records []record, o sendOptions) ([]int64, error) {
	if o.Idempotent {
		return nil, unsupported("kafka-go has no idempotent producer")
	}
	codec := map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}[o.Codec]
	w := &kafka.Writer{
		Addr: s.c.Addr, Topic: topic, RequiredAcks: kafka.RequiredAcks(o.acks()), Compression: codec, BatchBytes: 8 << 20, BatchSize: len(records),
		BatchTimeout: 10 * time.Millisecond, AllowAutoTopicCreation: true, MaxAttempts: 3,
		Transport: &kafka.Transport{MetadataTTL: time.Second},
		Balancer:  kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return int(m.WriterData.(int32)) }),
	}
	defer w.Close()
	offsets := make([]int64, len(records))
	ms := make([]kafka.Message, len(records))
	for i, r := range records {
		ms[i] = kafka.Message{Key: r.Key, Value: r.Value, WriterData: r.Partition}
		if r.TimestampMs != 0 {
			ms[i].Time = time.UnixMilli(r.TimestampMs)
		}
		for _, h := range r.Headers {
			ms[i].Headers = append(ms[i].Headers, kafka.Header(h))
		}
	}
	w.Completion = func(done []kafka.Message, _ error) { // one batch: the records of a call go to one partition
		for i := range done {
			offsets[i] = done[i].Offset
		}
	}
	for {
		err := w.WriteMessages(ctx, ms...)
		if errors.Is(err, kafka.UnknownTopicOrPartition) && ctx.Err() == nil { // as its README says: retry while the topic is being created
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		return offsets, err
	}
}

func fromSegmentio(m kafka.Message) record {
	r := record{Partition: int32(m.Partition), Offset: m.Offset, TimestampMs: m.Time.UnixMilli(), Key: m.Key, Value: m.Value}
	if len(m.Value) == 0 {
		r.Value = nil // Reader does not tell null from empty
	}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, header(h))
	}
	return r
}

func (s *segmentio) reader(cfg kafka.ReaderConfig) *kafka.Reader {
	cfg.Brokers, cfg.MaxWait, cfg.MinBytes, cfg.MaxBytes = []string{s.c.Addr.String()}, 200*time.Millisecond, 1, 4<<20
	return kafka.NewReader(cfg)
}

func (s *segmentio) Read(ctx context.Context, topic string, partition int32, offset int64, n int) ([]record, error) {
	r := s.reader(kafka.ReaderConfig{Topic: topic, Partition: int(partition)})
	defer r.Close()
	if err := r.SetOffset(offset); err != nil {
		return nil, err
	}
	var got []record
	for len(got) < n {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			return nil, err
		}
		got = append(got, fromSegmentio(m))
	}
	return got, nil
}

type segmentioMember struct {
	r    *kafka.Reader
	last map[int]kafka.Message
}

func (s *segmentio) Join(_ context.Context, group, topic string) (member, error) {
	r := s.reader(kafka.ReaderConfig{GroupID: group, Topic: topic, StartOffset: kafka.FirstOffset, HeartbeatInterval: 300 * time.Millisecond,
		SessionTimeout: 10 * time.Second, RebalanceTimeout: 10 * time.Second, JoinGroupBackoff: 100 * time.Millisecond})
	return &segmentioMember{r, map[int]kafka.Message{}}, nil
}

func (m *segmentioMember) Next(ctx context.Context) (record, error) {
	msg, err := m.r.FetchMessage(ctx)
	if err == nil {
		m.last[msg.Partition] = msg
	}
	return fromSegmentio(msg), err
}

func (m *segmentioMember) Commit(ctx context.Context) error {
	for _, msg := range m.last {
		if err := m.r.CommitMessages(ctx, msg); err != nil {
			return err
		}
	}
	return nil
}

func (m *segmentioMember) Assigned() int { return -1 }
func (m *segmentioMember) Close() error  { return m.r.Close() }

func (s *segmentio) OffsetAt(ctx context.Context, topic string, partition int32, timestampMs int64) (int64, error) {
	r, err := s.c.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {{Partition: int(partition), Timestamp: timestampMs}}}})
	if err != nil {
		return 0, err
	}
	p := r.Topics[topic][0]
	switch timestampMs {
	case -1:
		return p.LastOffset, p.Error
	case -2:
		return p.FirstOffset, p.Error
	}
	for o := range p.Offsets {
		return o, p.Error
	}
	return -1, p.Error
}

func (s *segmentio) Committed(ctx context.Context, group, topic string) (int64, error) {
	r, err := s.c.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {0}}})
	if err != nil {
		return 0, err
	}
	return r.Topics[topic][0].CommittedOffset, errors.Join(r.Error, r.Topics[topic][0].Error)
}

func (s *segmentio) CreateTopic(ctx context.Context, name string, partitions int, configs map[string]string) error {
	t := kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: 1}
	for k, v := range configs {
		t.ConfigEntries = append(t.ConfigEntries, kafka.ConfigEntry{ConfigName: k, ConfigValue: v})
	}
	r, err := s.c.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{t}})
	if err != nil {
		return err
	}
	return r.Errors[name]
}

func (s *segmentio) AddPartitions(ctx context.Context, name string, total int) error {
	r, err := s.c.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: name, Count: int32(total)}}})
	if err != nil {
		return err
	}
	return r.Errors[name]
}

func (s *segmentio) DeleteTopic(ctx context.Context, name string) error {
	r, err := s.c.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}})
	if err != nil {
		return err
	}
	return r.Errors[name]
}

func (s *segmentio) Partitions(ctx context.Context, name string) (int, error) {
	r, err := s.c.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return 0, err
	}
	for _, t := range r.Topics {
		if t.Name == name {
			return len(t.Partitions), t.Error
		}
	}
	return 0, nil
}

func (s *segmentio) TopicConfig(ctx context.Context, name, key string) (string, error) {
	r, err := s.c.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: name, ConfigNames: []string{key}}}})
	if err != nil {
		return "", err
	}
	if err := r.Resources[0].Error; err != nil || len(r.Resources[0].ConfigEntries) == 0 {
		return "", err
	}
	return r.Resources[0].ConfigEntries[0].ConfigValue, nil
}

func (s *segmentio) SetTopicConfig(ctx context.Context, name, key, value string) error {
	r, err := s.c.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: name,
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: key, Value: value, ConfigOperation: kafka.ConfigOperationSet}}}}})
	if err != nil {
		return err
	}
	return r.Resources[0].Error
}

func (s *segmentio) Groups(ctx context.Context) ([]string, error) {
	r, err := s.c.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return nil, err
	}
	var all []string
	for _, g := range r.Groups {
		all = append(all, g.GroupID)
	}
	return all, r.Error
}

func (s *segmentio) DescribeGroup(ctx context.Context, group string) (string, int, error) {
	r, err := s.c.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return "", 0, err
	}
	return r.Groups[0].GroupState, len(r.Groups[0].Members), r.Groups[0].Error
}

func (s *segmentio) DeleteGroup(ctx context.Context, group string) error {
	r, err := s.c.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return err
	}
	return r.Errors[group]
}
