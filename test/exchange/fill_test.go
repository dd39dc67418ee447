package exchange

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func pointer[T any](v T) *T { return &v }

// fill gives the broker something of everything; round makes names and values differ.
func (h *house) fill(round string) {
	h.t.Helper()
	h.fillTopics(round)
	h.fillRecords(round)
	h.fillConfigs(round)
	h.deleteRecords(round)
}

// fillTopics creates topics, grows one, and deletes one with records in it.
func (h *house) fillTopics(round string) {
	h.t.Helper()
	adm := kadm.NewClient(h.client())
	for name, configs := range map[string]map[string]*string{
		"plain-" + round:   nil,
		"settled-" + round: {"retention.ms": pointer("86400000"), "segment.bytes": pointer("1048576"), "message.timestamp.type": pointer("LogAppendTime")},
		"compact-" + round: {"cleanup.policy": pointer("compact"), "min.cleanable.dirty.ratio": pointer("0.1")},
		"gone-" + round:    nil,
		"txn-" + round:     nil,
	} {
		_, err := adm.CreateTopic(h.within(), 3, 1, configs, name)
		h.must(err)
	}
	grown, err := adm.UpdatePartitions(h.within(), 4, "plain-"+round)
	h.must(errors.Join(err, grown.Error()))
	h.produce("gone-"+round, kgo.NoCompression(), "will be deleted")
	deleted, err := adm.DeleteTopics(h.within(), "gone-"+round)
	h.must(errors.Join(err, deleted.Error()))
}

// fillRecords writes records with all codecs, keys, headers, null values and big ones, over several batches and segments.
func (h *house) fillRecords(round string) {
	h.t.Helper()
	for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		for n := range 3 {
			h.produce("plain-"+round, codec, fmt.Sprintf("codec %d batch %d %s", i, n, strings.Repeat("x", 1000*i)))
		}
		h.produce("settled-"+round, codec, fmt.Sprintf("appended %d", i))
		h.produce("compact-"+round, codec, "compacted")
	}
}

// deleteRecords moves the start of a log into a segment.
func (h *house) deleteRecords(round string) {
	h.t.Helper()
	var before kadm.Offsets
	before.AddOffset("settled-"+round, 1, 4, -1)
	deleted, err := kadm.NewClient(h.client()).DeleteRecords(h.within(), before)
	h.must(errors.Join(err, deleted.Error()))
}

// produce writes one batch to each of the first three partitions: with key, headers, null value, empty value.
func (h *house) produce(topic string, codec kgo.CompressionCodec, value string) {
	h.t.Helper()
	cl := h.client(kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5*time.Millisecond))
	defer cl.Close()
	h.must(cl.ProduceSync(h.within(), sample(topic, value)...).FirstErr())
}

func sample(topic, value string) (rs []*kgo.Record) {
	for p := range int32(3) {
		key := func(n int) []byte { return fmt.Appendf(nil, "key-%d", n) }
		rs = append(rs,
			&kgo.Record{Topic: topic, Partition: p, Key: key(1), Value: []byte(value)},
			&kgo.Record{Topic: topic, Partition: p, Key: key(2), Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}, {Key: "null"}, {Key: "h", Value: []byte{}}}},
			&kgo.Record{Topic: topic, Partition: p, Key: key(3), Value: nil},
			&kgo.Record{Topic: topic, Partition: p, Key: []byte{}, Value: []byte{}},
		)
	}
	return rs
}

// fillConfigs changes dynamic configurations of topics and brokers.
func (h *house) fillConfigs(round string) {
	h.t.Helper()
	adm := kadm.NewClient(h.client())
	change := func(change func() (kadm.AlterConfigsResponses, error)) {
		h.t.Helper()
		resp, err := change()
		h.must(err)
		for _, r := range resp {
			h.must(r.Err)
		}
	}
	number := fmt.Sprint(1_000_000 + len(round)*1000 + int(round[0]))
	change(func() (kadm.AlterConfigsResponses, error) {
		return adm.AlterTopicConfigs(h.within(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: &number}}, "plain-"+round)
	})
	change(func() (kadm.AlterConfigsResponses, error) {
		return adm.AlterBrokerConfigs(h.within(), []kadm.AlterConfig{{Name: "message.max.bytes", Value: &number}})
	})
	change(func() (kadm.AlterConfigsResponses, error) {
		return adm.AlterBrokerConfigs(h.within(), []kadm.AlterConfig{{Name: "log.flush.interval.ms", Value: &number}}, h.nodeID())
	})
}

func (h *house) nodeID() int32 {
	h.t.Helper()
	brokers, err := kadm.NewClient(h.client()).ListBrokers(h.within())
	h.must(err)
	return brokers[0].NodeID
}

// consume has a member of the group read the next n records of a topic and commit. The group must go on where it was: no record comes twice.
func (h *house) consume(groupID, topic string, n int, opts ...kgo.Opt) {
	h.t.Helper()
	cl := h.client(append([]kgo.Opt{
		kgo.ConsumerGroup(groupID), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}, opts...)...)
	ctx := h.within()
	for read := 0; read < n; {
		fetches := cl.PollRecords(ctx, n-read)
		h.must(fetches.Err())
		for _, r := range fetches.Records() {
			place := fmt.Sprintf("%s %s-%d@%d", groupID, topic, r.Partition, r.Offset)
			if h.consumed[place] {
				h.t.Errorf("consumed twice: %s", place)
			}
			h.consumed[place] = true
			read++
		}
	}
	h.must(cl.CommitUncommittedOffsets(ctx))
	h.must(cl.LeaveGroupContext(ctx))
	cl.Close()
}

// share has a member of a share group take and accept the next n records of a topic.
func (h *house) share(groupID, topic string, n int) {
	h.t.Helper()
	earliest := "earliest"
	configs := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeGroupConfig, groupID
	r.Configs = []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "share.auto.offset.reset", Value: &earliest}}
	configs.Resources = append(configs.Resources, r)
	resp, err := configs.RequestWith(h.within(), h.client())
	h.must(err)
	h.must(kerr.ErrorForCode(resp.Resources[0].ErrorCode))
	cl := h.client(kgo.ShareGroup(groupID), kgo.ConsumeTopics(topic), kgo.ShareMaxRecords(int32(n)))
	ctx := h.within()
	for read := 0; read < n; {
		fetches := cl.PollRecords(ctx, n-read)
		h.must(fetches.Err())
		rs := fetches.Records()
		for _, r := range rs {
			place := fmt.Sprintf("%s %s-%d@%d", groupID, topic, r.Partition, r.Offset)
			if h.consumed[place] {
				h.t.Errorf("consumed twice: %s", place)
			}
			h.consumed[place] = true
		}
		cl.MarkAcks(kgo.AckAccept, rs...)
		_ = cl.FlushAcks(ctx)
		read += len(rs)
	}
	h.must(cl.LeaveGroupContext(ctx))
	cl.Close()
}

// security sets what gokafka has no API for, or checks that it is still there.
func (h *house) security(set bool) {
	h.t.Helper()
	adm := kadm.NewClient(h.client())
	if set {
		quotas, err := adm.AlterClientQuotas(h.within(), []kadm.AlterClientQuotaEntry{{
			Entity: kadm.ClientQuotaEntity{{Type: "user", Name: pointer("alice")}}, Ops: []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 1e6}},
		}})
		h.must(errors.Join(err, quotas[0].Err))
		users, err := adm.AlterUserSCRAMs(h.within(), nil, []kadm.UpsertSCRAM{{User: "alice", Mechanism: kadm.ScramSha256, Iterations: 5000, Password: "secret"}})
		h.must(errors.Join(err, users.Error()))
		return
	}
	quotas, err := adm.DescribeClientQuotas(h.within(), false, nil)
	h.must(err)
	if len(quotas) != 1 || len(quotas[0].Values) != 1 || quotas[0].Values[0].Value != 1e6 {
		h.t.Errorf("quotas: %+v", quotas)
	}
	users, err := adm.DescribeUserSCRAMs(h.within())
	h.must(err)
	if u := users["alice"]; len(u.CredInfos) != 1 || u.CredInfos[0].Iterations != 5000 {
		h.t.Errorf("credentials: %+v", users)
	}
}

// transact writes a transaction to all partitions of a topic and ends it; with kgo.TryAbort it is one that readers of committed records do not see.
func (h *house) transact(id, topic, value string, how kgo.TransactionEndTry) {
	h.t.Helper()
	cl := h.begin(id, topic, value)
	h.must(cl.EndTransaction(h.within(), how))
	cl.Close()
}

// begin writes a transaction and leaves it open.
func (h *house) begin(id, topic, value string) *kgo.Client {
	h.t.Helper()
	cl := h.client(kgo.TransactionalID(id), kgo.TransactionTimeout(10*time.Minute))
	h.must(cl.BeginTransaction())
	h.must(cl.ProduceSync(h.within(), sample(topic, value)...).FirstErr())
	return cl
}

// idempotent is a producer that outlives brokers: it sends batch after batch with its own sequence numbers, byte by byte.
type idempotent struct {
	*house
	topic    string
	id       int64
	epoch    int16
	sequence int32
	last     protocol.Batch
	lastBase int64
}

func (h *house) newIdempotent(topic string) *idempotent {
	h.t.Helper()
	resp, err := kmsg.NewPtrInitProducerIDRequest().RequestWith(h.within(), h.client())
	h.must(err)
	h.must(kerr.ErrorForCode(resp.ErrorCode))
	return &idempotent{house: h, topic: topic, id: resp.ProducerID, epoch: resp.ProducerEpoch}
}

// next sends the next batch.
func (p *idempotent) next() {
	p.t.Helper()
	b := protocol.NewBatchBuilder(protocol.BatchOptions{ProducerID: p.id, ProducerEpoch: p.epoch, BaseSequence: p.sequence})
	for range 3 {
		b.Append(protocol.Record{TimestampMs: time.Now().UnixMilli(), Value: fmt.Appendf(nil, "idempotent %d", p.sequence)})
	}
	batch, err := b.Bytes()
	p.must(err)
	base, err := p.send(batch)
	p.must(err)
	p.last, p.lastBase = batch, base
	p.sequence += 3
}

// goOn checks that the broker knows the producer: what was sent last is a duplicate, a gap is refused, the next is taken.
func (p *idempotent) goOn() {
	p.t.Helper()
	if base, err := p.send(p.last); err != nil || base != p.lastBase {
		p.t.Errorf("the last batch again: base offset %d, %v; it was at %d", base, err, p.lastBase)
	}
	p.sequence += 10
	b := protocol.NewBatchBuilder(protocol.BatchOptions{ProducerID: p.id, ProducerEpoch: p.epoch, BaseSequence: p.sequence})
	b.Append(protocol.Record{TimestampMs: time.Now().UnixMilli(), Value: []byte("gap")})
	batch, err := b.Bytes()
	p.must(err)
	if base, err := p.send(batch); !errors.Is(err, kerr.OutOfOrderSequenceNumber) {
		p.t.Errorf("a gap in the sequence: base offset %d, %v", base, err)
	}
	p.sequence -= 10
	p.next()
}

func (p *idempotent) send(batch protocol.Batch) (base int64, err error) {
	p.t.Helper()
	cl := p.client()
	defer cl.Close()
	meta, err := kadm.NewClient(cl).Metadata(p.within(), p.topic)
	if err != nil {
		return 0, err
	}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = p.topic, meta.Topics[p.topic].ID
	rt.Partitions = []kmsg.ProduceRequestTopicPartition{{Partition: 0, Records: batch}}
	req.Topics = append(req.Topics, rt)
	resp, err := cl.Broker(int(p.nodeID())).Request(p.within(), req)
	if err != nil {
		return 0, err
	}
	got := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	return got.BaseOffset, kerr.ErrorForCode(got.ErrorCode)
}

// mustRead checks what a reader of committed records gets from a topic.
func (h *house) mustRead(topic string, want map[string]int) {
	h.t.Helper()
	if diff := cmp.Diff(want, h.values(topic)); diff != "" {
		h.t.Errorf("committed records of %s (-want +got):\n%s", topic, diff)
	}
}

// values returns how often each value is in a topic, as a reader of committed records gets them.
func (h *house) values(topicName string) map[string]int {
	h.t.Helper()
	// Markers are kept, so that the last offset of a partition is always one that comes.
	c := h.client(kgo.ConsumeTopics(topicName), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	ctx := h.within()
	ends, err := kadm.NewClient(c).ListCommittedOffsets(ctx, topicName)
	h.must(errors.Join(err, ends.Error()))
	starts, err := kadm.NewClient(c).ListStartOffsets(ctx, topicName)
	h.must(errors.Join(err, starts.Error()))
	open := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if s, _ := starts.Lookup(topicName, o.Partition); o.Offset > s.Offset {
			open[o.Partition] = o.Offset
		}
	})
	values := map[string]int{}
	for len(open) > 0 {
		fetches := c.PollFetches(ctx)
		h.must(fetches.Err())
		for _, r := range fetches.Records() {
			if !r.Attrs.IsControl() {
				values[string(r.Value)]++
			}
			if r.Offset+1 >= open[r.Partition] {
				delete(open, r.Partition)
			}
		}
	}
	return values
}
