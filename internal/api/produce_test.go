package api

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

func plain(t testing.TB, values ...string) []byte {
	return batch(t, protocol.BatchOptions{}, values...)
}

func TestProduceAnswersOffsetsInEveryVersionOfBatches(t *testing.T) {
	tb := newTestBroker(t)
	id := tb.createTopic("t", 1)
	c := tb.client()
	want := int64(0)
	for version := int16(3); version <= 13; version++ {
		for _, acks := range []int16{1, -1} {
			req := produceOf(version, acks, "t", 0, plain(t, "a", "b"))
			req.Topics[0].TopicID = id
			resp := answer[*kmsg.ProduceResponse](c, req)
			p := resp.Topics[0].Partitions[0]
			if p.ErrorCode != 0 || p.BaseOffset != want || p.LogAppendTime != -1 {
				t.Fatalf("v%d acks %d: %+v, want base offset %d", version, acks, p, want)
			}
			if version >= 5 && p.LogStartOffset != 0 {
				t.Errorf("v%d: log start offset %d", version, p.LogStartOffset)
			}
			if version >= 13 && resp.Topics[0].TopicID != id {
				t.Errorf("v%d: topic id %x", version, resp.Topics[0].TopicID)
			}
			want += 2
		}
	}
}

func TestProduceAcksZero(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 1)
	c := tb.client()
	resp, err := c.send(t.Context(), produceOf(9, 0, "t", 0, plain(t, "a")))
	if err != nil || resp != nil {
		t.Errorf("acks=0 is answered with %v, %v; want nothing", resp, err)
	}
	p, err := tb.b.Partition("t", 0)
	if err != nil || p.LogEndOffset() != 1 {
		t.Errorf("the record was not written: %v", err)
	}
	_, err = c.send(t.Context(), produceOf(9, 0, "nope", 0, plain(t, "a")))
	if err == nil || !strings.Contains(err.Error(), "nope-0: UNKNOWN_TOPIC_OR_PARTITION") {
		t.Errorf("an error with acks=0 closes the connection; got %v", err)
	}
}

func TestProduceErrors(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 2)
	tb.createTopic("small", 1, "max.message.bytes", "200")
	tb.createTopic("compacted", 1, "cleanup.policy", "compact")
	if _, err := tb.client().session.(*session).api.ensureTopics(t.Context(), []string{groupMetadataTopic}); err != nil {
		t.Fatal(err)
	}
	corrupt := plain(t, "a")
	corrupt[len(corrupt)-1]++
	zstd := batch(t, protocol.BatchOptions{Codec: protocol.CodecZstd}, "a")
	transactional := batch(t, protocol.BatchOptions{ProducerID: 5, Transactional: true}, "a")
	for _, tc := range []struct {
		name string
		req  *kmsg.ProduceRequest
		want *kerr.Error
	}{
		{"unknown topic", produceOf(9, -1, "nope", 0, plain(t, "a")), kerr.UnknownTopicOrPartition},
		{"unknown partition", produceOf(9, -1, "t", 2, plain(t, "a")), kerr.UnknownTopicOrPartition},
		{"negative partition", produceOf(9, -1, "t", -1, plain(t, "a")), kerr.UnknownTopicOrPartition},
		{"unknown topic id", produceOf(13, -1, "", 0, plain(t, "a")), kerr.UnknownTopicID},
		{"acks 2", produceOf(9, 2, "t", 0, plain(t, "a")), kerr.InvalidRequiredAcks},
		{"internal topic", produceOf(9, -1, groupMetadataTopic, 0, plain(t, "a")), kerr.InvalidTopicException},
		{"corrupt", produceOf(9, -1, "t", 0, corrupt), kerr.CorruptMessage},
		{"two batches", produceOf(9, -1, "t", 0, append(plain(t, "a"), plain(t, "b")...)), kerr.InvalidRecord},
		{"no batch", produceOf(9, -1, "t", 0, nil), kerr.InvalidRecord},
		{"zstd before v7", produceOf(6, -1, "t", 0, zstd), kerr.UnsupportedCompressionType},
		{"too large", produceOf(9, -1, "small", 0, plain(t, strings.Repeat("x", 300))), kerr.MessageTooLarge},
		{"no key", produceOf(9, -1, "compacted", 0, plain(t, "a")), kerr.InvalidRecord},
		{"transactional without an id", produceOf(9, -1, "t", 0, transactional), kerr.TransactionalIDAuthorizationFailed},
	} {
		resp := answer[*kmsg.ProduceResponse](tb.client(), tc.req)
		p := resp.Topics[0].Partitions[0]
		if p.ErrorCode != tc.want.Code || p.BaseOffset != -1 {
			t.Errorf("%s: %v with base offset %d, want %v", tc.name, kerr.ErrorForCode(p.ErrorCode), p.BaseOffset, tc.want)
		}
		if tc.name == "no key" && (len(p.ErrorRecords) != 1 || p.ErrorMessage == nil) {
			t.Errorf("no key: record errors %v, message %v", p.ErrorRecords, p.ErrorMessage)
		}
	}
	withID := produceOf(9, -1, "t", 0, transactional)
	withID.TransactionID = kmsg.StringPtr("tx")
	if p := answer[*kmsg.ProduceResponse](tb.client(), withID).Topics[0].Partitions[0]; p.ErrorCode != kerr.NotEnoughReplicas.Code { // no coordinator yet
		t.Errorf("transactional: %v", kerr.ErrorForCode(p.ErrorCode))
	}
}

// TestProduceNeverAnswersUnknownServerError: the Java producer takes it for final, bumps its epoch, and what was written is written again (KAFKA-14034).
func TestProduceNeverAnswersUnknownServerError(t *testing.T) {
	s := newTestBroker(t).client().session.(*session)
	for _, err := range []error{errors.New("a surprise"), fmt.Errorf("the transaction's coordinator: %w", kerr.UnknownServerError)} {
		for version, want := range map[int16]*kerr.Error{3: kerr.NotLeaderForPartition, 4: kerr.KafkaStorageError, 12: kerr.KafkaStorageError} {
			req := produceOf(version, -1, "t", 0, nil)
			rp := kmsg.NewProduceResponseTopicPartition()
			s.produceFailed(req, "t", &rp, err)
			if rp.ErrorCode != want.Code || rp.BaseOffset != -1 {
				t.Errorf("v%d, %v: %+v", version, err, rp)
			}
		}
	}
}

// TestProduceEmptyMessageSet: before version 3 a partition may come without a message. It is answered without an offset.
func TestProduceEmptyMessageSet(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 1)
	for version := range int16(3) {
		p := answer[*kmsg.ProduceResponse](tb.client(), produceOf(version, -1, "t", 0, nil)).Topics[0].Partitions[0]
		if p.ErrorCode != 0 || p.BaseOffset != -1 {
			t.Errorf("v%d: %+v", version, p)
		}
	}
}

// TestProduceRepeatedPartition: of a partition that is named twice, the last counts, as in Kafka.
func TestProduceRepeatedPartition(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 2)
	c := tb.client()
	req := produceOf(9, -1, "t", 0, plain(t, "first"))
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = 1, plain(t, "other")
	req.Topics[0].Partitions = append(req.Topics[0].Partitions, p)
	p.Partition, p.Records = 0, plain(t, "last", "of", "three")
	req.Topics[0].Partitions = append(req.Topics[0].Partitions, p)
	resp := answer[*kmsg.ProduceResponse](c, req)
	if n := len(resp.Topics[0].Partitions); n != 2 {
		t.Fatalf("%d partitions are answered, want 2", n)
	}
	part, err := tb.b.Partition("t", 0)
	if err != nil || part.LogEndOffset() != 3 {
		t.Errorf("log end offset %d, want 3: only the last counts", part.LogEndOffset())
	}
	// The same over two entries of one topic.
	req.Topics = append(req.Topics, req.Topics[0])
	resp = answer[*kmsg.ProduceResponse](c, req)
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 2 {
		t.Errorf("answered are %+v", resp.Topics)
	}
	if part.LogEndOffset() != 6 {
		t.Errorf("log end offset %d, want 6", part.LogEndOffset())
	}
}

func TestProduceIdempotent(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 1)
	c := tb.client()
	init := kmsg.NewPtrInitProducerIDRequest()
	init.Version = 4
	pid := answer[*kmsg.InitProducerIDResponse](c, init)
	if pid.ErrorCode != 0 || pid.ProducerID < 0 || pid.ProducerEpoch != 0 {
		t.Fatalf("InitProducerId: %+v", pid)
	}
	send := func(sequence int32, values ...string) kmsg.ProduceResponseTopicPartition {
		b := protocol.NewBatchBuilder(protocol.BatchOptions{ProducerID: pid.ProducerID, BaseSequence: sequence})
		for i, v := range values {
			b.Append(protocol.Record{Offset: int64(i), TimestampMs: 1, Value: []byte(v)})
		}
		records, err := b.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return answer[*kmsg.ProduceResponse](c, produceOf(9, -1, "t", 0, records)).Topics[0].Partitions[0]
	}
	if p := send(0, "a", "b"); p.ErrorCode != 0 || p.BaseOffset != 0 {
		t.Fatalf("first batch: %+v", p)
	}
	if p := send(2, "c"); p.ErrorCode != 0 || p.BaseOffset != 2 {
		t.Fatalf("second batch: %+v", p)
	}
	if p := send(0, "a", "b"); p.ErrorCode != 0 || p.BaseOffset != 0 {
		t.Errorf("a repeated batch: %+v, want its offset 0", p)
	}
	if p := send(9, "z"); p.ErrorCode != kerr.OutOfOrderSequenceNumber.Code {
		t.Errorf("a gap: %v", kerr.ErrorForCode(p.ErrorCode))
	}
	describe := kmsg.NewPtrDescribeProducersRequest()
	dt := kmsg.NewDescribeProducersRequestTopic()
	dt.Topic, dt.Partitions = "t", []int32{0, 5}
	describe.Topics = append(describe.Topics, dt)
	d := answer[*kmsg.DescribeProducersResponse](c, describe).Topics[0]
	if len(d.Partitions[0].ActiveProducers) != 1 || d.Partitions[0].ActiveProducers[0].LastSequence != 2 {
		t.Errorf("producers: %+v", d.Partitions[0])
	}
	if d.Partitions[1].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("producers of an unknown partition: %+v", d.Partitions[1])
	}
}

func TestInitProducerIDRefusals(t *testing.T) {
	tb := newTestBroker(t)
	c := tb.client()
	for _, tc := range []struct {
		name  string
		txn   *string
		id    int64
		epoch int16
		want  *kerr.Error
	}{
		{"no coordinator yet", kmsg.StringPtr("tx"), -1, -1, kerr.NotCoordinator},
		{"empty transactional id", kmsg.StringPtr(""), -1, -1, kerr.InvalidRequest},
		{"id without epoch", nil, 5, -1, kerr.InvalidRequest},
	} {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch = 4, tc.txn, tc.id, tc.epoch
		req.TransactionTimeoutMillis = 1000
		resp := answer[*kmsg.InitProducerIDResponse](c, req)
		if resp.ErrorCode != tc.want.Code || resp.ProducerID != -1 {
			t.Errorf("%s: %+v, want %v", tc.name, resp, tc.want)
		}
	}
}
