package differential

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// produceScenario sends every kind of good and bad batch in every version. Null records are not among them: Apache Kafka 4.3.1 throws and never
// answers.
func produceScenario(r *run) {
	const partitions = 64 // one per step of the plain topic: what one step appends does not move the offsets of the others
	r.topic("pr-plain", partitions)
	r.topic("pr-small", 1, "max.message.bytes", "200")
	r.topic("pr-compact", 1, "cleanup.policy", "compact")
	r.topic("pr-append", 1, "message.timestamp.type", "LogAppendTime")
	r.topic("pr-strict", 1, "message.timestamp.after.max.ms", "1000", "message.timestamp.before.max.ms", "7200000")
	r.topic("pr-gzip", 1, "compression.type", "gzip")
	id := map[string][16]byte{}
	for _, n := range []string{"pr-plain", "pr-small", "pr-compact", "pr-append", "pr-strict", "pr-gzip"} {
		id[n] = r.topicID(n)
	}
	for v := range r.versions(kmsg.Produce) {
		if v < 3 {
			continue // Kafka answers these with UNSUPPORTED_VERSION, gokafka converts: see oldProduce
		}
		request := func(topic string, partition int32, records []byte) *kmsg.ProduceRequest {
			req := produceRequest(topic, partition, records)
			req.Topics[0].TopicID = id[topic]
			return req
		}
		next := int32(0)
		try := func(step, topic string, partition int32, records []byte) {
			if topic == "pr-plain" && partition == 0 {
				partition = next
				next++
			}
			ask[*kmsg.ProduceResponse](r, step, v, request(topic, partition, records))
		}
		changed := func(f func(*kmsg.RecordBatch)) []byte {
			b := plain("a", "b")
			b.mutate = f
			return b.bytes()
		}
		broken := func(f func([]byte)) []byte {
			b := plain("a", "b")
			b.corrupt = f
			return b.bytes()
		}
		try("good", "pr-plain", 0, plain("a", "b", "c").bytes())
		try("unknown topic", "pr-unknown", 0, plain("a").bytes())
		try("unknown partition", "pr-plain", 99, plain("a").bytes())
		try("negative partition", "pr-plain", -1, plain("a").bytes())
		try("empty records", "pr-plain", 0, []byte{})
		try("bad crc", "pr-plain", 0, broken(func(b []byte) { b[20]++ }))
		try("changed byte", "pr-plain", 0, broken(func(b []byte) { b[len(b)-1]++ }))
		try("magic 1 in a v2 batch", "pr-plain", 0, broken(func(b []byte) { b[16] = 1 }))
		try("magic 3", "pr-plain", 0, broken(func(b []byte) { b[16] = 3 }))
		try("message set v1", "pr-plain", 0, messageSet(1, nil, []byte("old"), baseTimestampMs))
		try("message set v0", "pr-plain", 0, messageSet(0, nil, []byte("old"), 0))
		try("two batches", "pr-plain", 0, append(plain("a").bytes(), plain("b").bytes()...))
		try("cut short", "pr-plain", 0, plain("a", "b").bytes()[:60])
		try("cut in the header", "pr-plain", 0, plain("a", "b").bytes()[:20])
		try("ten bytes", "pr-plain", 0, plain("a", "b").bytes()[:10])
		try("trailing bytes", "pr-plain", 0, append(plain("a").bytes(), 1, 2, 3))
		try("length too small", "pr-plain", 0, broken(func(b []byte) { binary.BigEndian.PutUint32(b[8:], 10) }))
		try("length negative", "pr-plain", 0, broken(func(b []byte) { binary.BigEndian.PutUint32(b[8:], 0xffffffff) }))
		try("length too large", "pr-plain", 0, broken(func(b []byte) { binary.BigEndian.PutUint32(b[8:], 5000) }))
		try("base offset 7", "pr-plain", 0, broken(func(b []byte) { b[7] = 7 }))
		try("no records", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) {
			b.Records, b.NumRecords, b.LastOffsetDelta, b.Length = nil, 0, -1, 49
		}))
		try("count too small", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.NumRecords = 1 }))
		try("count too large", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.NumRecords = 3 }))
		try("count and delta too large", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta = 3, 2 }))
		try("count and delta too small", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta = 1, 0 }))
		try("count negative", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.NumRecords = -1 }))
		try("last offset delta too small", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.LastOffsetDelta = 0 }))
		try("last offset delta too large", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.LastOffsetDelta = 9 }))
		try("garbage records", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) {
			for i := range b.Records {
				b.Records[i] = 0xff
			}
		}))
		try("garbage compressed", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.Attributes = 1 }))
		try("unknown codec", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.Attributes = 5 }))
		try("control batch", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.Attributes = 0x20 }))
		try("transactional without producer", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.Attributes = 0x10 }))
		try("log append time from a producer", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.Attributes = 0x08 }))
		try("delete horizon from a producer", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.Attributes = 0x40 }))
		try("max timestamp -1", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.MaxTimestamp = -1 }))
		try("timestamp -1", "pr-plain", 0, changed(func(b *kmsg.RecordBatch) { b.FirstTimestamp, b.MaxTimestamp = -1, -1 }))
		try("leader epoch 9", "pr-plain", 0, broken(func(b []byte) { b[15] = 9 }))
		try("too large", "pr-small", 0, plain(string(make([]byte, 300))).bytes())
		try("just fits", "pr-small", 0, plain(string(make([]byte, 120))).bytes())
		try("no key on a compacted topic", "pr-compact", 0, plain("a", "b").bytes())
		keyed := plain("a")
		keyed.key = []byte("k")
		try("key on a compacted topic", "pr-compact", 0, keyed.bytes())
		try("log append time", "pr-append", 0, plain("a", "b").bytes())
		future := plain("a", "b")
		future.timestampMs = time.Now().Add(2 * time.Hour).UnixMilli()
		try("too far in the future", "pr-strict", 0, future.bytes())
		past := plain("a", "b")
		past.timestampMs = 1000
		try("too old", "pr-strict", 0, past.bytes())
		try("recompressed", "pr-gzip", 0, plain("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").bytes())
		try("recompressed, count too large", "pr-gzip", 0, changed(func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta = 3, 2 }))
		for _, acks := range []int16{1, 2, -2, 3} {
			req := request("pr-plain", partitions-1, plain("acks").bytes())
			req.Acks = acks
			ask[*kmsg.ProduceResponse](r, fmt.Sprintf("acks %d", acks), v, req)
		}
		quick := request("pr-plain", partitions-1, plain("quick").bytes())
		quick.TimeoutMillis = 0
		ask[*kmsg.ProduceResponse](r, "timeout 0", v, quick)
		txn := request("pr-plain", partitions-2, plain("txn").bytes())
		txn.TransactionID = kmsg.StringPtr("pr-txn")
		ask[*kmsg.ProduceResponse](r, "transactional id, plain batch", v, txn)
		two := request("pr-plain", partitions-3, plain("x").bytes())
		two.Topics[0].Partitions = append(two.Topics[0].Partitions, request("pr-plain", partitions-4, broken(func(b []byte) { b[20]++ })).Topics[0].Partitions[0])
		two.Topics = append(two.Topics, request("pr-compact", 0, plain("x").bytes()).Topics[0])
		ask[*kmsg.ProduceResponse](r, "good and bad", v, two)
		dup := request("pr-plain", partitions-5, plain("x").bytes())
		dup.Topics[0].Partitions = append(dup.Topics[0].Partitions, dup.Topics[0].Partitions[0])
		ask[*kmsg.ProduceResponse](r, "partition twice", v, dup)
		empty := kmsg.NewPtrProduceRequest()
		empty.Acks = -1
		ask[*kmsg.ProduceResponse](r, "nothing", v, empty)
		if v >= 13 {
			bad := request("pr-plain", 0, plain("x").bytes())
			bad.Topics[0].TopicID = [16]byte{7}
			ask[*kmsg.ProduceResponse](r, "unknown id", v, bad)
		}
		quiet := request("pr-plain", partitions-6, plain("no acks").bytes())
		quiet.Acks = 0
		r.end()
		ask0(r, "acks 0", v, quiet)
		// The next request on the connection shows that nothing was written before.
		ask[*kmsg.MetadataResponse](r, "after acks 0", 4, emptyMetadata())
	}
	r.offsets("end", "pr-plain", partitions)
}

// ask0 sends a request that has no answer.
func ask0(r *run, step string, v int16, req kmsg.Request) {
	req.SetVersion(v)
	r.do(step, req)
}

func emptyMetadata() *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	return req
}

// offsets records start, end and largest timestamp of each partition.
func (r *run) offsets(step, topic string, partitions int32) {
	for _, ts := range []int64{-2, -1, -3} {
		req := kmsg.NewPtrListOffsetsRequest()
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for p := range partitions {
			rp := kmsg.NewListOffsetsRequestTopicPartition()
			rp.Partition, rp.Timestamp = p, ts
			t.Partitions = append(t.Partitions, rp)
		}
		req.Topics = append(req.Topics, t)
		ask[*kmsg.ListOffsetsResponse](r, fmt.Sprintf("%s, offsets at %d", step, ts), r.newest(kmsg.ListOffsets), req)
	}
}

// idempotence sends sequences of an idempotent producer that a broker must take, must recognise, and must refuse.
func idempotence(r *run) {
	r.topic("id-one", 3)
	init := func(step string, v int16, change func(*kmsg.InitProducerIDRequest)) *kmsg.InitProducerIDResponse {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionTimeoutMillis = 60000
		if change != nil {
			change(req)
		}
		return ask[*kmsg.InitProducerIDResponse](r, step, v, req)
	}
	r.eventually(func() bool { // Apache Kafka answers COORDINATOR_LOAD_IN_PROGRESS until it has its first block of ids
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionTimeoutMillis = 60000
		return r.quiet(req).(*kmsg.InitProducerIDResponse).ErrorCode == 0
	})
	for v := range r.versions(kmsg.InitProducerID) {
		got := init("init", v, nil)
		if v >= 3 {
			init("init with own id", v, func(q *kmsg.InitProducerIDRequest) { q.ProducerID, q.ProducerEpoch = got.ProducerID, got.ProducerEpoch })
			init("init with id, no epoch", v, func(q *kmsg.InitProducerIDRequest) { q.ProducerID = got.ProducerID })
			init("init with epoch, no id", v, func(q *kmsg.InitProducerIDRequest) { q.ProducerEpoch = 3 })
		}
		init("init with timeout 0", v, func(q *kmsg.InitProducerIDRequest) { q.TransactionTimeoutMillis = 0 })
		init("init with empty transactional id", v, func(q *kmsg.InitProducerIDRequest) { q.TransactionalID = kmsg.StringPtr("") })
	}
	v := r.newest(kmsg.Produce)
	if v > 12 {
		v = 12
	}
	pid := init("init", r.newest(kmsg.InitProducerID), nil).ProducerID
	send := func(step string, partition int32, id int64, epoch int16, sequence int32, values ...string) {
		b := plain(values...)
		b.producerID, b.epoch, b.sequence = id, epoch, sequence
		ask[*kmsg.ProduceResponse](r, step, v, produceRequest("id-one", partition, b.bytes()))
	}
	send("first", 0, pid, 0, 0, "a", "b", "c")
	send("second", 0, pid, 0, 3, "d")
	send("duplicate of the first", 0, pid, 0, 0, "a", "b", "c")
	send("duplicate of the second", 0, pid, 0, 3, "d")
	send("overlapping", 0, pid, 0, 2, "c", "d")
	send("gap", 0, pid, 0, 9, "x")
	for i := range int32(5) {
		send(fmt.Sprintf("more %d", i), 0, pid, 0, 4+i, "m")
	}
	send("duplicate out of the window", 0, pid, 0, 0, "a", "b", "c")
	send("duplicate of the oldest kept", 0, pid, 0, 4, "m")
	send("new epoch not at 0", 0, pid, 1, 5, "x")
	send("new epoch", 0, pid, 1, 0, "e1")
	send("old epoch", 0, pid, 0, 9, "x")
	send("old epoch from 0", 0, pid, 0, 0, "x")
	send("unknown producer not at 0", 1, pid+1000, 0, 5, "x")
	send("after that", 1, pid+1000, 0, 6, "x")
	send("negative sequence", 1, pid+2000, 0, -1, "x")
	send("negative epoch", 1, pid+2000, -1, 0, "x")
	send("sequence wraps", 2, pid+3000, 0, 2147483646, "a", "b", "c", "d")
	send("sequence after the wrap", 2, pid+3000, 0, 2, "e")
	for v := range r.versions(kmsg.DescribeProducers) {
		req := kmsg.NewPtrDescribeProducersRequest()
		t := kmsg.NewDescribeProducersRequestTopic()
		t.Topic, t.Partitions = "id-one", []int32{0, 2, 9}
		u := kmsg.NewDescribeProducersRequestTopic()
		u.Topic, u.Partitions = "id-unknown", []int32{0}
		req.Topics = append(req.Topics, t, u)
		ask[*kmsg.DescribeProducersResponse](r, "describe producers", v, req)
	}
	r.offsets("end", "id-one", 3)
}

func deleteRecords(r *run) {
	for v := range r.versions(kmsg.DeleteRecords) {
		name := "dr-" + string(rune('a'+v))
		r.topic(name, 2)
		r.topic(name+"-compact", 1, "cleanup.policy", "compact")
		r.produce(name, 0, plain("a", "b", "c"), plain("d", "e"))
		try := func(step, topic string, partition int32, offset int64) {
			req := kmsg.NewPtrDeleteRecordsRequest()
			req.TimeoutMillis = 10000
			t := kmsg.NewDeleteRecordsRequestTopic()
			t.Topic = topic
			p := kmsg.NewDeleteRecordsRequestTopicPartition()
			p.Partition, p.Offset = partition, offset
			t.Partitions = append(t.Partitions, p)
			req.Topics = append(req.Topics, t)
			ask[*kmsg.DeleteRecordsResponse](r, step, v, req)
		}
		try("to 1", name, 0, 1)
		try("back to 0", name, 0, 0)
		try("past the end", name, 0, 6)
		try("to the end", name, 0, 5)
		try("to the high watermark", name, 0, -1)
		try("negative", name, 0, -2)
		try("empty partition", name, 1, 0)
		try("empty partition, high watermark", name, 1, -1)
		try("unknown partition", name, 7, 0)
		try("unknown topic", "dr-unknown", 0, 0)
		try("compacted topic", name+"-compact", 0, 0)
		try("internal topic", "__cluster_metadata", 0, 0)
		r.offsets("after", name, 2)
	}
}
