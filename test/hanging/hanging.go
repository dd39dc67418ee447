// Package hanging leaves transactions open that no coordinator will ever end, for the tests of what finds and aborts them.
package hanging

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

// Leave writes to partitions 0 and 1 of a topic: to the first with a producer id that no coordinator knows, to the second with that of a producer whose
// transactional id is the topic's name, and whose coordinator does not know that it writes there. That is what KIP-890 prevents; the broker must have been
// told not to (transaction.partition.verification.enable). The records are 20 minutes old, two in each partition. It returns the producer ids.
func Leave(ctx context.Context, broker, topic string) (ids [2]int64, err error) {
	c, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.MaxVersions(kversion.V3_7_0()))
	if err != nil {
		return ids, err
	}
	defer c.Close()
	for partition, transactionalID := range []*string{nil, &topic} {
		if ids[partition], err = newProducerID(ctx, c, transactionalID); err != nil {
			return ids, fmt.Errorf("InitProducerID: %w", err)
		}
		if err := writeUnannounced(ctx, c, topic, int32(partition), ids[partition]); err != nil {
			return ids, fmt.Errorf("Produce: %w", err)
		}
	}
	return ids, nil
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
