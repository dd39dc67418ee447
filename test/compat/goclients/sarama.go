package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// saramaDriver is IBM/sarama, which picks the version of each API by the Kafka version it is configured with, not by what the broker offers:
// 0.8.2 sends Produce 0 and Fetch 0 with message sets of magic 0, as a service that never set Config.Version did.
type saramaDriver struct {
	version sarama.KafkaVersion
	broker  string
	client  sarama.Client
	admin   sarama.ClusterAdmin // nil before 0.10.2: CreateTopics is not older
	helper  *saramaDriver       // of the newest version, for what the scenarios need but this version has no call for
}

func newSarama(broker string, v sarama.KafkaVersion) (driver, error) {
	s := &saramaDriver{version: v, broker: broker}
	var err error
	if s.client, err = sarama.NewClient([]string{broker}, s.config()); err != nil {
		return nil, err
	}
	if v.IsAtLeast(sarama.V0_10_2_0) {
		if s.admin, err = sarama.NewClusterAdminFromClient(s.client); err != nil {
			return nil, err
		}
	}
	if v == sarama.MaxVersion {
		return s, nil
	}
	helper, err := newSarama(broker, sarama.MaxVersion)
	if err != nil {
		return nil, err
	}
	s.helper = helper.(*saramaDriver)
	return s, nil
}

func (s *saramaDriver) config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = s.version
	c.ApiVersionsRequest = s.version.IsAtLeast(sarama.V0_10_0_0) // an 0.8.2 client knew of no such thing
	c.Producer.Return.Successes = true
	c.Producer.MaxMessageBytes = 8 << 20
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Flush.Frequency = 10 * time.Millisecond
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.Session.Timeout = 10 * time.Second
	c.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	return c
}

func (s *saramaDriver) Close() { _ = s.client.Close() }

func (s *saramaDriver) Codecs() []string {
	codecs := []string{"none", "gzip", "snappy"}
	if s.version.IsAtLeast(sarama.V0_10_0_0) {
		codecs = append(codecs, "lz4")
	}
	if s.version.IsAtLeast(sarama.V2_1_0_0) {
		codecs = append(codecs, "zstd")
	}
	return codecs
}

func (s *saramaDriver) Send(_ context.Context, topic string, records []record, o sendOptions) ([]int64, error) {
	c := s.config()
	c.Producer.RequiredAcks = sarama.RequiredAcks(o.acks())
	c.Producer.Compression = map[string]sarama.CompressionCodec{
		"gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}[o.Codec]
	if o.Idempotent {
		if !s.version.IsAtLeast(sarama.V0_11_0_0) {
			return nil, unsupported("no idempotent producer before 0.11")
		}
		c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
	}
	p, err := sarama.NewSyncProducer([]string{s.broker}, c)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	ms := make([]*sarama.ProducerMessage, len(records))
	for i, r := range records {
		ms[i] = &sarama.ProducerMessage{Topic: topic, Partition: r.Partition, Key: encoder(r.Key), Value: encoder(r.Value)}
		if r.TimestampMs != 0 {
			ms[i].Timestamp = time.UnixMilli(r.TimestampMs)
		}
		for _, h := range r.Headers {
			ms[i].Headers = append(ms[i].Headers, sarama.RecordHeader{Key: []byte(h.Key), Value: h.Value})
		}
	}
	if err := p.SendMessages(ms); err != nil {
		if each := (sarama.ProducerErrors)(nil); errors.As(err, &each) {
			err = fmt.Errorf("%w first: %w", err, each[0].Err)
		}
		return nil, err
	}
	offsets := make([]int64, len(ms))
	for i, m := range ms {
		offsets[i] = m.Offset
	}
	return offsets, nil
}

func encoder(b []byte) sarama.Encoder {
	if b == nil {
		return nil
	}
	return sarama.ByteEncoder(b)
}

func fromSarama(m *sarama.ConsumerMessage) record {
	r := record{Partition: m.Partition, Offset: m.Offset, Key: m.Key, Value: m.Value}
	if !m.Timestamp.IsZero() {
		r.TimestampMs = m.Timestamp.UnixMilli()
	}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, header{string(h.Key), h.Value})
	}
	return r
}

func (s *saramaDriver) Read(ctx context.Context, topic string, partition int32, offset int64, n int) ([]record, error) {
	c, err := sarama.NewConsumer([]string{s.broker}, s.config())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	p, err := c.ConsumePartition(topic, partition, offset)
	if err != nil {
		return nil, err
	}
	defer p.AsyncClose()
	var got []record
	for len(got) < n {
		select {
		case m := <-p.Messages():
			got = append(got, fromSarama(m))
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d records: %w", len(got), n, ctx.Err())
		}
	}
	return got, nil
}

// saramaMember turns sarama's handler inside out: ConsumeClaim hands records to Next.
type saramaMember struct {
	g        sarama.ConsumerGroup
	messages chan *sarama.ConsumerMessage
	cancel   func()
	done     chan struct{}
	mu       sync.Mutex
	session  sarama.ConsumerGroupSession // guarded by mu; nil between sessions
	assigned int                         // guarded by mu
	err      error                       // guarded by mu: the first of Consume
}

func (s *saramaDriver) Join(_ context.Context, group, topic string) (member, error) {
	if !s.version.IsAtLeast(sarama.V0_10_2_0) {
		return nil, unsupported("sarama has no groups before 0.10.2")
	}
	g, err := sarama.NewConsumerGroup([]string{s.broker}, group, s.config())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &saramaMember{g: g, messages: make(chan *sarama.ConsumerMessage), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		for ctx.Err() == nil {
			if err := g.Consume(ctx, []string{topic}, m); err != nil && !errors.Is(err, context.Canceled) {
				m.mu.Lock()
				m.err = err
				m.mu.Unlock()
				cancel()
			}
		}
	}()
	return m, nil
}

func (m *saramaMember) set(s sarama.ConsumerGroupSession, assigned int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session, m.assigned = s, assigned
}

// Setup, Cleanup and ConsumeClaim are sarama.ConsumerGroupHandler.
func (m *saramaMember) Setup(s sarama.ConsumerGroupSession) error {
	n := 0
	for _, ps := range s.Claims() {
		n += len(ps)
	}
	m.set(s, n)
	return nil
}

func (m *saramaMember) Cleanup(sarama.ConsumerGroupSession) error { m.set(nil, 0); return nil }

func (m *saramaMember) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for msg := range c.Messages() {
		select {
		case m.messages <- msg:
			s.MarkMessage(msg, "")
		case <-s.Context().Done():
			return nil
		}
	}
	return nil
}

func (m *saramaMember) Next(ctx context.Context) (record, error) {
	select {
	case msg := <-m.messages:
		return fromSarama(msg), nil
	case <-m.done:
		m.mu.Lock()
		defer m.mu.Unlock()
		return record{}, fmt.Errorf("consume: %w", m.err)
	case <-ctx.Done():
		return record{}, ctx.Err()
	}
}

func (m *saramaMember) Commit(context.Context) error {
	time.Sleep(50 * time.Millisecond) // MarkMessage of the last record comes after Next had it
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == nil {
		return errors.New("no session")
	}
	m.session.Commit()
	return nil
}

func (m *saramaMember) Assigned() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.assigned
}

func (m *saramaMember) Close() error {
	m.cancel()
	<-m.done
	return m.g.Close()
}

func (s *saramaDriver) OffsetAt(_ context.Context, topic string, partition int32, timestampMs int64) (int64, error) {
	if timestampMs >= 0 && !s.version.IsAtLeast(sarama.V0_10_1_0) {
		return 0, unsupported("no offsets by the time of a record before 0.10.1")
	}
	return s.client.GetOffset(topic, partition, timestampMs)
}

func (s *saramaDriver) Committed(_ context.Context, group, topic string) (int64, error) {
	if s.admin == nil {
		return 0, unsupported("sarama has no group offsets before 0.10.2")
	}
	r, err := s.admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0}})
	if err != nil {
		return 0, err
	}
	b := r.GetBlock(topic, 0)
	if b == nil {
		return 0, errors.New("no answer for the partition")
	}
	if b.Err != sarama.ErrNoError {
		return 0, b.Err
	}
	return b.Offset, nil
}

func (s *saramaDriver) CreateTopic(ctx context.Context, name string, partitions int, configs map[string]string) error {
	if s.admin == nil {
		return s.helper.CreateTopic(ctx, name, partitions, configs)
	}
	d := &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: 1, ConfigEntries: map[string]*string{}}
	for k, v := range configs {
		d.ConfigEntries[k] = &v
	}
	return s.admin.CreateTopic(name, d, false)
}

func (s *saramaDriver) AddPartitions(ctx context.Context, name string, total int) error {
	if !s.version.IsAtLeast(sarama.V1_0_0_0) {
		return s.helper.AddPartitions(ctx, name, total)
	}
	return s.admin.CreatePartitions(name, int32(total), nil, false)
}

func (s *saramaDriver) DeleteTopic(ctx context.Context, name string) error {
	if s.admin == nil {
		return s.helper.DeleteTopic(ctx, name)
	}
	return s.admin.DeleteTopic(name)
}

func (s *saramaDriver) Partitions(_ context.Context, name string) (int, error) {
	if err := s.client.RefreshMetadata(); err != nil {
		return 0, err
	}
	all, err := s.client.Topics()
	if err != nil {
		return 0, err
	}
	for _, t := range all {
		if t == name {
			ps, err := s.client.Partitions(name)
			return len(ps), err
		}
	}
	return 0, nil
}

func (s *saramaDriver) TopicConfig(_ context.Context, name, key string) (string, error) {
	if !s.version.IsAtLeast(sarama.V0_11_0_0) {
		return "", unsupported("no DescribeConfigs before 0.11")
	}
	all, err := s.admin.DescribeConfigs([]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: name, ConfigNames: []string{key}}}, sarama.DescribeConfigsOptions{})
	if err != nil || len(all) == 0 {
		return "", err
	}
	if all[0].ErrorCode != sarama.ErrNoError {
		return "", all[0].ErrorCode
	}
	for _, c := range all[0].Configs {
		if c.Name == key {
			return c.Value, nil
		}
	}
	return "", fmt.Errorf("no %s in the answer", key)
}

func (s *saramaDriver) SetTopicConfig(_ context.Context, name, key, value string) error {
	if s.version.IsAtLeast(sarama.V2_3_0_0) {
		return s.admin.IncrementalAlterConfig(sarama.TopicResource, name, map[string]sarama.IncrementalAlterConfigsEntry{
			key: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}, false)
	}
	return s.admin.AlterConfig(sarama.TopicResource, name, map[string]*string{key: &value}, false)
}

func (s *saramaDriver) Groups(context.Context) ([]string, error) {
	if s.admin == nil {
		return nil, unsupported("sarama has no groups before 0.10.2")
	}
	all, err := s.admin.ListConsumerGroups()
	var names []string
	for name := range all {
		names = append(names, name)
	}
	return names, err
}

func (s *saramaDriver) DescribeGroup(_ context.Context, group string) (string, int, error) {
	all, err := s.admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return "", 0, err
	}
	if all[0].Err != sarama.ErrNoError {
		return "", 0, all[0].Err
	}
	return all[0].State, len(all[0].Members), nil
}

func (s *saramaDriver) DeleteGroup(ctx context.Context, group string) error {
	if !s.version.IsAtLeast(sarama.V1_1_0_0) {
		return s.helper.DeleteGroup(ctx, group)
	}
	return s.admin.DeleteConsumerGroup(group)
}
