package blackbox_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
)

// TestSarama produces and consumes with sarama as it speaks to brokers of each version, from message sets of magic 0 on.
func TestSarama(t *testing.T) {
	t.Parallel()
	n := start(t, t.TempDir())
	for _, v := range []sarama.KafkaVersion{
		sarama.V0_8_2_0, sarama.V0_9_0_0, sarama.V0_10_2_0, sarama.V0_11_0_0, sarama.V2_1_0_0, sarama.V2_8_0_0, sarama.MaxVersion,
	} {
		t.Run(v.String(), func(t *testing.T) {
			topic := "sarama-" + v.String()
			cfg := sarama.NewConfig()
			cfg.Version = v
			cfg.Metadata.Retry.Max, cfg.Producer.Retry.Max = 50, 50 // a busy machine may need longer than its three times 250 ms
			cfg.Producer.Return.Successes = true
			cfg.Producer.RequiredAcks = sarama.WaitForAll
			cfg.Producer.Partitioner = sarama.NewManualPartitioner
			cfg.Consumer.MaxWaitTime = 100 * time.Millisecond
			cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
			if v.IsAtLeast(sarama.V0_10_0_0) { // its LZ4 for older brokers is not what they read
				cfg.Producer.Compression = sarama.CompressionLZ4
			}
			if v.IsAtLeast(sarama.V0_11_0_0) {
				cfg.Producer.Idempotent = true
				cfg.Net.MaxOpenRequests = 1
			}
			produceSarama(t, n.addr, cfg, topic)
			consumer, err := sarama.NewConsumer([]string{n.addr}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = consumer.Close() }()
			pc, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = pc.Close() }()
			for i := range 20 {
				select {
				case m := <-pc.Messages():
					if string(m.Value) != fmt.Sprint(i) || m.Offset != int64(i) {
						t.Fatalf("message %d is %s at offset %d", i, m.Value, m.Offset)
					}
				case <-within(t).Done():
					t.Fatalf("no message after %d", i)
				}
			}
			if v.IsAtLeast(sarama.V0_10_2_0) {
				consumeSaramaGroup(t, n.addr, cfg, topic)
			}
		})
	}
}

func produceSarama(t *testing.T, addr string, cfg *sarama.Config, topic string) {
	t.Helper()
	producer, err := sarama.NewSyncProducer([]string{addr}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = producer.Close() }()
	for i := range 20 {
		m := &sarama.ProducerMessage{Topic: topic, Partition: 0, Key: sarama.StringEncoder("k"), Value: sarama.StringEncoder(fmt.Sprint(i))}
		if _, offset, err := producer.SendMessage(m); err != nil || offset != int64(i) {
			t.Fatalf("message %d is at offset %d: %v", i, offset, err)
		}
	}
}

func consumeSaramaGroup(t *testing.T, addr string, cfg *sarama.Config, topic string) {
	t.Helper()
	g, err := sarama.NewConsumerGroup([]string{addr}, "g-"+topic, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = g.Close() }()
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	h := &saramaMember{want: 20, done: cancel}
	for ctx.Err() == nil { // a session that ends early, for a rebalance, is followed by another
		if err := g.Consume(ctx, []string{topic}, h); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if h.got != h.want {
		t.Errorf("the group got %d messages, want %d", h.got, h.want)
	}
}

// saramaMember counts messages and leaves after the last.
type saramaMember struct {
	got, want int // touched by the one claim that has messages
	done      func()
}

func (*saramaMember) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (m *saramaMember) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	for {
		select {
		case msg, ok := <-c.Messages():
			if !ok {
				return nil
			}
			s.MarkMessage(msg, "")
			if m.got++; m.got == m.want {
				s.Commit()
				m.done()
				return nil
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

// TestKafkaGo produces and consumes with segmentio/kafka-go: its writer, its reader alone and in a group, and its low-level connection.
func TestKafkaGo(t *testing.T) {
	t.Parallel()
	n := start(t, t.TempDir())
	for name, codec := range map[string]kafka.Compression{"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd} {
		t.Run(name, func(t *testing.T) {
			ctx, topic := within(t), "segmentio-"+name
			conn, err := kafka.DialContext(ctx, "tcp", n.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if err := conn.CreateTopics(kafka.TopicConfig{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}); err != nil {
				t.Fatal(err)
			}
			transport := &kafka.Transport{} // the default one would answer from its memory that the topic does not exist
			defer transport.CloseIdleConnections()
			w := &kafka.Writer{Addr: kafka.TCP(n.addr), Topic: topic, Compression: codec, BatchSize: 10, RequiredAcks: kafka.RequireAll, Transport: transport}
			defer func() { _ = w.Close() }()
			var messages []kafka.Message
			for i := range 20 {
				messages = append(messages, kafka.Message{Key: []byte("k"), Value: fmt.Append(nil, i), Headers: []kafka.Header{{Key: "h", Value: []byte("v")}}})
			}
			if err := w.WriteMessages(ctx, messages...); err != nil {
				t.Fatal(err)
			}
			for _, group := range []string{"", "g-" + topic} {
				r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{n.addr}, Topic: topic, GroupID: group, StartOffset: kafka.FirstOffset, MaxBytes: 1 << 20, MaxWait: 100 * time.Millisecond})
				for i := range messages {
					m, err := r.ReadMessage(ctx)
					if err != nil {
						t.Fatalf("group %q, message %d: %v", group, i, err)
					}
					if string(m.Value) != fmt.Sprint(i) {
						t.Fatalf("group %q: message %d is %s", group, i, m.Value)
					}
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
