package protocol

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answer is what a Produce response says of a partition.
type answer struct {
	Code    string
	Message string
	Records []RecordError
}

// TestAgainstKafka sends to the Kafka broker at $GOKAFKA_PEER what Validate refuses, and compares the answers. /work/shared/kafka starts one.
func TestAgainstKafka(t *testing.T) {
	addr := os.Getenv("GOKAFKA_PEER")
	if addr == "" {
		t.Skip("GOKAFKA_PEER is not set")
	}
	client, err := Dial(t.Context(), new(net.Dialer).DialContext, addr, "differ")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	// Where our answer is not Kafka's: because we are stricter, or know better than UNKNOWN_SERVER_ERROR, or because Kafka fails the whole request before it looks
	// at partitions.
	differs := map[string][2]string{
		"bytes after the batch":            {"OK", "INVALID_RECORD"},
		"unknown codec":                    {"UNKNOWN_SERVER_ERROR", "UNSUPPORTED_COMPRESSION_TYPE"},
		"too short for a batch":            {"UNKNOWN_SERVER_ERROR", "CORRUPT_MESSAGE"},
		"transactional without a producer": {"TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "INVALID_RECORD"},
		"magic 3":                          {"CORRUPT_MESSAGE", "CORRUPT_MESSAGE"}, // with a message
		"short length":                     {"CORRUPT_MESSAGE", "CORRUPT_MESSAGE"},
		"nonsense after the batch":         {"CORRUPT_MESSAGE", "CORRUPT_MESSAGE"},
	}
	for i, c := range refusals() {
		o := lenient()
		o.NowMs = time.Now().UnixMilli()
		if c.rules != nil {
			c.rules(&o)
		}
		if o.ProduceVersion < 3 || o.NowMs == testNowMs || o.NowMs == 0 || o.TimestampBeforeMaxMs < math.MaxInt64 {
			continue // Kafka 4 does not serve it, or its clock is another
		}
		o.TopicPartition = TopicPartition{Topic: fmt.Sprintf("differ-%d-%d", time.Now().UnixNano(), i)}
		createTopic(t, client, o)
		for _, codec := range allCodecs {
			data := c.records(t, codec)
			theirs := produceTo(t, client, o.TopicPartition, data)
			_, err := Validate(c.records(t, codec), o)
			ours := answer{Code: "OK"}
			if ire, ok := errors.AsType[*InvalidRecordsError](err); ok {
				ours = answer{Code: ire.Err.(*kerr.Error).Message, Records: ire.Records}
				if len(ire.Records) > 0 { // Kafka tells the message only then
					ours.Message = ire.Message
				}
			}
			if codes, ok := differs[c.name]; ok {
				if got := [2]string{theirs.Code, ours.Code}; got != codes {
					t.Errorf("%s, %s: Kafka's and our answer are %s, expected %s", c.name, codec, got, codes)
				}
				continue
			}
			if diff := cmp.Diff(theirs, ours); diff != "" {
				t.Errorf("%s, %s: Kafka -, we +\n%s", c.name, codec, diff)
			}
		}
	}
}

// TestKafkaStoresTheSame sends what Validate accepts, and compares what Kafka has stored with what Validate would have us store.
func TestKafkaStoresTheSame(t *testing.T) {
	addr := os.Getenv("GOKAFKA_PEER")
	if addr == "" {
		t.Skip("GOKAFKA_PEER is not set")
	}
	client, err := Dial(t.Context(), new(net.Dialer).DialContext, addr, "differ")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	told := func(tt TimestampType, maxMs int64) func(Codec) Batch {
		return func(codec Codec) Batch {
			b := build(t, plain(codec), threeRecords(codec)...)
			b.SetTimestamp(tt, maxMs)
			return b
		}
	}
	for name, c := range map[string]struct {
		batch func(codec Codec) Batch
		codec *Codec
	}{
		"as it is":                {batch: func(codec Codec) Batch { return build(t, plain(codec), sampleRecords()...) }},
		"max timestamp too large": {batch: told(CreateTime, 1<<50)},
		"max timestamp too small": {batch: told(CreateTime, 0)},
		"without timestamps": {batch: func(codec Codec) Batch {
			return build(t, plain(codec), Record{TimestampMs: -1}, Record{TimestampMs: -1})
		}},
		"converted to zstd": {batch: func(codec Codec) Batch { return build(t, plain(codec), sampleRecords()...) }, codec: codecPtr(CodecZstd)},
		"converted to none": {batch: func(codec Codec) Batch { return build(t, plain(codec), sampleRecords()...) }, codec: codecPtr(CodecNone)},
		"idempotent, to lz4": {batch: func(codec Codec) Batch {
			return build(t, BatchOptions{Codec: codec, ProducerID: 9}, sampleRecords()...)
		}, codec: codecPtr(CodecLZ4)},
		"from an absurd timestamp": {batch: func(codec Codec) Batch { return build(t, plain(codec), Record{TimestampMs: 5}, Record{TimestampMs: 1}) }},
	} {
		for _, codec := range allCodecs {
			o := lenient()
			o.NowMs, o.Codec = time.Now().UnixMilli(), c.codec
			o.TopicPartition.Topic, o.TopicPartition.Partition = fmt.Sprintf("stores-%d", time.Now().UnixNano()), 0
			createTopic(t, client, o)
			if a := produceTo(t, client, o.TopicPartition, c.batch(codec)); a.Code != "OK" {
				t.Errorf("%s, %s: %+v", name, codec, a)
				continue
			}
			theirs := Batch(fetchFrom(t, client, o.TopicPartition))
			got, err := Validate(c.batch(codec), o)
			if err != nil {
				t.Errorf("%s, %s: %v", name, codec, err)
				continue
			}
			ours := Batch(got.Records)
			ours.Stamp(0, theirs.LeaderEpoch())
			// Length and CRC differ with the compressor.
			if got.Converted && ours.Codec() != CodecNone {
				copy(ours[posLength:], theirs[posLength:posLength+4])
				copy(ours[posCRC:], theirs[posCRC:posCRC+4])
			}
			if diff := cmp.Diff([]byte(theirs[:BatchHeaderBytes]), []byte(ours[:BatchHeaderBytes])); diff != "" {
				t.Errorf("%s, %s: Kafka -, we +\n%s", name, codec, diff)
			}
			sameRecords(t, collect(t, theirs), collect(t, ours))
		}
	}
}

func fetchFrom(t *testing.T, client *Client, tp TopicPartition) []byte {
	t.Helper()
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(12)
	req.MaxWaitMillis, req.MinBytes = 5000, 1
	p := kmsg.NewFetchRequestTopicPartition()
	p.PartitionMaxBytes = 10 << 20
	req.Topics = []kmsg.FetchRequestTopic{{Topic: tp.Topic, Partitions: []kmsg.FetchRequestTopicPartition{p}}}
	resp, err := client.Request(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches
}

func createTopic(t *testing.T, client *Client, o ValidateOptions) {
	t.Helper()
	configs := map[string]string{"max.message.bytes": strconv.Itoa(int(o.MaxBatchBytes)), "message.timestamp.type": o.TimestampType.String()}
	if o.Codec != nil {
		configs["compression.type"] = o.Codec.String()
		if *o.Codec == CodecNone {
			configs["compression.type"] = "uncompressed"
		}
	}
	if o.KeyRequired {
		configs["cleanup.policy"] = "compact"
	}
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = o.TopicPartition.Topic, 1, 1
	for name, value := range configs {
		topic.Configs = append(topic.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: name, Value: &value})
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(5)
	req.TimeoutMillis = 10000
	req.Topics = append(req.Topics, topic)
	resp, err := client.Request(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode); err != nil {
		t.Fatal(err)
	}
}

func produceTo(t *testing.T, client *Client, tp TopicPartition, records []byte) answer {
	t.Helper()
	if records == nil {
		records = []byte{} // null records are never answered by Kafka 4.3.1
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		req := kmsg.NewPtrProduceRequest()
		req.SetVersion(9)
		req.Acks, req.TimeoutMillis = -1, 10000
		req.Topics = []kmsg.ProduceRequestTopic{{Topic: tp.Topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: tp.Partition, Records: records}}}}
		resp, err := client.Request(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		p := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		if p.ErrorCode == kerr.UnknownTopicOrPartition.Code || p.ErrorCode == kerr.NotLeaderForPartition.Code {
			time.Sleep(50 * time.Millisecond) // the topic is on its way
			continue
		}
		a := answer{Code: "OK"}
		if err := kerr.TypedErrorForCode(p.ErrorCode); err != nil {
			a.Code = err.Message
		}
		if p.ErrorMessage != nil {
			a.Message = *p.ErrorMessage
		}
		for _, r := range p.ErrorRecords {
			a.Records = append(a.Records, RecordError{r.RelativeOffset, *r.ErrorMessage})
		}
		return a
	}
}
