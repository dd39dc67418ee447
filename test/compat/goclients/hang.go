package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// hang leaves transactions open that no coordinator will ever end: partition 0 gets one of a producer id that none of them knows, partition 1 one of a
// producer that its coordinator knows, but not as writing there. That is what KIP-890 prevents; the broker must have been told not to
// (transaction.partition.verification.enable). The records are 20 minutes old. It prints the producer ids.
func hang(broker, topic string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.MaxVersions(kversion.V3_7_0()))
	if err != nil {
		return err
	}
	defer c.Close()
	for partition, id := range []*string{nil, kmsg.StringPtr(topic)} {
		pid, err := newProducerID(ctx, c, id)
		if err != nil {
			return fmt.Errorf("InitProducerID: %w", err)
		}
		if err := writeUnannounced(ctx, c, topic, int32(partition), pid); err != nil {
			return fmt.Errorf("Produce: %w", err)
		}
		fmt.Println(pid)
	}
	return nil
}

func newProducerID(ctx context.Context, c *kgo.Client, transactionalID *string) (int64, error) {
	for {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = transactionalID, 60000, -1, -1
		resp, err := req.RequestWith(ctx, c)
		if err == nil && kerr.IsRetriable(kerr.ErrorForCode(resp.ErrorCode)) {
			select {
			case <-time.After(50 * time.Millisecond):
				continue
			case <-ctx.Done():
			}
		}
		if err != nil {
			return 0, err
		}
		return resp.ProducerID, kerr.ErrorForCode(resp.ErrorCode)
	}
}

// writeUnannounced writes two transactional records; the client is an old one, as Produce 12 adds partitions to transactions by itself.
func writeUnannounced(ctx context.Context, c *kgo.Client, topic string, partition int32, pid int64) error {
	at := time.Now().Add(-20 * time.Minute).UnixMilli()
	b := kmsg.RecordBatch{Magic: 2, PartitionLeaderEpoch: -1, Attributes: 1 << 4, LastOffsetDelta: 1, FirstTimestamp: at, MaxTimestamp: at, ProducerID: pid, NumRecords: 2}
	for i := range 2 {
		r := kmsg.Record{OffsetDelta: int32(i), Value: []byte("hangs")}
		r.Length = int32(len(r.AppendTo(nil)) - 1) // but for the length itself
		b.Records = r.AppendTo(b.Records)
	}
	b.Length = int32(len(b.AppendTo(nil)) - 12)
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis, req.TransactionID = -1, 10000, kmsg.StringPtr(topic)
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: partition, Records: raw}}}}
	resp, err := req.RequestWith(ctx, c)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}
