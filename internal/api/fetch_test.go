package api

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

// consume returns a Fetch request of partition 0.
func consume(version int16, topic string, id [16]byte, offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = version, 0, 1, 1<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, id
	p := kmsg.NewFetchRequestTopicPartition()
	p.FetchOffset, p.PartitionMaxBytes = offset, 1<<20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

func batchesOf(t testing.TB, records []byte) (bases []int64) {
	t.Helper()
	for b, err := range protocol.Batches(records) {
		if err != nil {
			t.Fatal(err)
		}
		bases = append(bases, b.BaseOffset())
	}
	return bases
}

func TestFetchReturnsTheWholeBatchOfAnyOffset(t *testing.T) {
	tb := newTestBroker(t)
	id := tb.createTopic("t", 1)
	c := tb.client()
	c.mustProduce("t", 0, plain(t, "a", "b", "c"))
	c.mustProduce("t", 0, batch(t, protocol.BatchOptions{Codec: protocol.CodecGzip}, "d", "e"))
	for version := int16(4); version <= 18; version++ {
		for offset := int64(0); offset <= 5; offset++ {
			resp := answer[*kmsg.FetchResponse](c, consume(version, "t", id, offset))
			p := resp.Topics[0].Partitions[0]
			if p.ErrorCode != 0 || p.HighWatermark != 5 || p.LastStableOffset != 5 {
				t.Fatalf("v%d offset %d: %+v", version, offset, p)
			}
			bases := batchesOf(t, p.RecordBatches)
			want := map[bool]int{true: 2, false: 1}[offset < 3]
			if offset == 5 {
				want = 0
			}
			if len(bases) != want || p.RecordBatches == nil {
				t.Errorf("v%d offset %d: batches at %v, want %d of them", version, offset, bases, want)
			}
		}
	}
}

func TestFetchLimits(t *testing.T) {
	tb := newTestBroker(t)
	id := tb.createTopic("t", 2)
	c := tb.client()
	one := plain(t, strings.Repeat("x", 1000))
	for range 3 {
		c.mustProduce("t", 0, one)
		c.mustProduce("t", 1, one)
	}
	fetch := func(maxBytes, partitionMaxBytes int32) (batches [2]int) {
		req := consume(13, "t", id, 0)
		req.MaxBytes = maxBytes
		req.Topics[0].Partitions[0].PartitionMaxBytes = partitionMaxBytes
		second := req.Topics[0].Partitions[0]
		second.Partition = 1
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, second)
		resp := answer[*kmsg.FetchResponse](c, req)
		for i := range batches {
			batches[i] = len(batchesOf(t, resp.Topics[0].Partitions[i].RecordBatches))
		}
		return batches
	}
	n := int32(len(one))
	for _, tc := range []struct {
		maxBytes, partitionMaxBytes int32
		want                        [2]int
	}{
		{100 * n, 100 * n, [2]int{3, 3}},
		{100 * n, 2 * n, [2]int{2, 2}},
		{4 * n, 100 * n, [2]int{3, 1}},
		{1, 100 * n, [2]int{1, 0}}, // one batch at least, of the first partition that has any
		{100 * n, 1, [2]int{1, 0}},
		{0, 0, [2]int{1, 0}},
	} {
		if got := fetch(tc.maxBytes, tc.partitionMaxBytes); got != tc.want {
			t.Errorf("max bytes %d, of a partition %d: %v batches, want %v", tc.maxBytes, tc.partitionMaxBytes, got, tc.want)
		}
	}
}

func TestFetchErrors(t *testing.T) {
	tb := newTestBroker(t)
	id := tb.createTopic("t", 1)
	c := tb.client()
	c.mustProduce("t", 0, plain(t, "a"))
	with := func(version int16, change func(*kmsg.FetchRequest, *kmsg.FetchRequestTopicPartition)) *kmsg.FetchRequest {
		req := consume(version, "t", id, 0)
		change(req, &req.Topics[0].Partitions[0])
		return req
	}
	for _, tc := range []struct {
		name string
		req  *kmsg.FetchRequest
		want *kerr.Error
	}{
		{"beyond the end", consume(12, "t", id, 2), kerr.OffsetOutOfRange},
		{"negative", consume(12, "t", id, -1), kerr.OffsetOutOfRange},
		{"unknown topic", consume(12, "nope", id, 0), kerr.UnknownTopicOrPartition},
		{"unknown topic id", consume(13, "", [16]byte{1, 2}, 0), kerr.UnknownTopicID},
		{"no topic id", consume(13, "", [16]byte{}, 0), kerr.UnknownTopicID},
		{"old leader epoch", with(12, func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = 1000 }), kerr.UnknownLeaderEpoch},
		{"follower", with(12, func(r *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) { r.ReplicaID = 5 }), kerr.NotLeaderForPartition},
		{"follower with epoch", with(12, func(r *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			r.ReplicaID, p.CurrentLeaderEpoch = 5, 0
		}), kerr.UnknownLeaderEpoch},
		{"follower state", with(15, func(r *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) { r.ReplicaState.ID = 5 }), kerr.NotLeaderForPartition},
	} {
		tc.req.MaxWaitMillis = 60_000 // errors are told at once
		resp := answer[*kmsg.FetchResponse](c, tc.req)
		p := resp.Topics[0].Partitions[0]
		if p.ErrorCode != tc.want.Code || p.HighWatermark != -1 || len(p.RecordBatches) != 0 {
			t.Errorf("%s: %v, high watermark %d; want %v", tc.name, kerr.ErrorForCode(p.ErrorCode), p.HighWatermark, tc.want)
		}
		if tc.name == "follower state" {
			continue
		}
	}
}

// TestFetchWaits has a consumer wait for a record, and a broker stop under one.
func TestFetchWaits(t *testing.T) {
	tb := newTestBroker(t)
	id := tb.createTopic("t", 1)
	answered := make(chan *kmsg.FetchResponse)
	go func() {
		req := consume(13, "t", id, 0)
		req.MaxWaitMillis = 60_000
		resp, err := tb.client().send(t.Context(), req)
		if err != nil {
			t.Error(err)
		}
		r, _ := resp.(*kmsg.FetchResponse)
		answered <- r
	}()
	select {
	case <-answered:
		t.Fatal("the fetch of an empty partition did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	tb.client().mustProduce("t", 0, plain(t, "a"))
	if resp := <-answered; resp == nil || len(resp.Topics[0].Partitions[0].RecordBatches) == 0 {
		t.Fatalf("the fetch did not get the record: %+v", resp)
	}

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		req := consume(13, "t", id, 1)
		req.MaxWaitMillis = 60_000
		_, err := tb.client().send(ctx, req)
		ended <- err
	}()
	stop()
	if err := <-ended; err == nil {
		t.Error("a fetch went on after the server stopped")
	}
	req := consume(13, "t", id, 1)
	req.MaxWaitMillis = 10
	if resp := answer[*kmsg.FetchResponse](tb.client(), req); resp.Topics[0].Partitions[0].HighWatermark != 1 {
		t.Errorf("after the wait: %+v", resp.Topics[0].Partitions[0])
	}
}

func TestFetchMinBytes(t *testing.T) {
	tb := newTestBroker(t)
	id := tb.createTopic("t", 1)
	one := plain(t, strings.Repeat("x", 500))
	answered := make(chan int)
	go func() {
		req := consume(13, "t", id, 0)
		req.MaxWaitMillis, req.MinBytes = 60_000, int32(len(one)+1)
		resp, err := tb.client().send(t.Context(), req)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		answered <- len(batchesOf(t, resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches))
	}()
	c := tb.client()
	c.mustProduce("t", 0, one)
	select {
	case <-answered:
		t.Fatal("answered with less than min_bytes")
	case <-time.After(20 * time.Millisecond):
	}
	c.mustProduce("t", 0, one)
	if n := <-answered; n != 2 {
		t.Errorf("%d batches, want 2", n)
	}
}

func TestFetchSessionOverTheWire(t *testing.T) {
	tb := newTestBroker(t)
	id := tb.createTopic("t", 3)
	c := tb.client()
	for version := int16(7); version <= 18; version++ {
		full := consume(version, "t", id, 0)
		full.SessionEpoch = 0
		for i := range int32(3) {
			if i > 0 {
				full.Topics[0].Partitions = append(full.Topics[0].Partitions, full.Topics[0].Partitions[0])
			}
			p := &full.Topics[0].Partitions[i]
			p.Partition = i
			part, err := tb.b.Partition("t", i)
			if err != nil {
				t.Fatal(err)
			}
			p.FetchOffset = part.HighWatermark()
		}
		resp := answer[*kmsg.FetchResponse](c, full)
		if resp.SessionID == 0 || len(resp.Topics[0].Partitions) != 3 {
			t.Fatalf("v%d: full fetch: %+v", version, resp)
		}
		next := kmsg.NewPtrFetchRequest()
		next.Version, next.MinBytes, next.MaxBytes, next.SessionID, next.SessionEpoch = version, 1, 1<<20, resp.SessionID, 1
		if resp := answer[*kmsg.FetchResponse](c, next); len(resp.Topics) != 0 || resp.SessionID != next.SessionID {
			t.Errorf("v%d: nothing new: %+v", version, resp)
		}
		c.mustProduce("t", 1, plain(t, "a"))
		next.SessionEpoch = 2
		resp = answer[*kmsg.FetchResponse](c, next)
		if len(resp.Topics) != 1 || resp.Topics[0].Partitions[0].Partition != 1 || len(resp.Topics[0].Partitions[0].RecordBatches) == 0 {
			t.Errorf("v%d: one record: %+v", version, resp.Topics)
		}
		next.SessionEpoch = 2
		if resp := answer[*kmsg.FetchResponse](c, next); resp.ErrorCode != kerr.InvalidFetchSessionEpoch.Code {
			t.Errorf("v%d: repeated epoch: %+v", version, resp)
		}
	}
}

func TestFetchOldVersions(t *testing.T) {
	tb := newTestBroker(t)
	id := tb.createTopic("t", 1)
	tb.createTopic("z", 1)
	c := tb.client()
	c.mustProduce("t", 0, batch(t, protocol.BatchOptions{Codec: protocol.CodecSnappy}, "a", "b"))
	c.mustProduce("z", 0, plain(t, "a"))
	c.mustProduce("z", 0, batch(t, protocol.BatchOptions{Codec: protocol.CodecZstd}, "b"))
	for version := int16(0); version <= 3; version++ {
		p := answer[*kmsg.FetchResponse](c, consume(version, "t", id, 0)).Topics[0].Partitions[0]
		_, magic, ok := protocol.PeekBatch(p.RecordBatches)
		if want := version / 2; p.ErrorCode != 0 || !ok || magic != int8(want) {
			t.Errorf("v%d: error %d, magic %d, want %d", version, p.ErrorCode, magic, want)
		}
		p = answer[*kmsg.FetchResponse](c, consume(version, "z", id, 1)).Topics[0].Partitions[0]
		if p.ErrorCode != kerr.UnsupportedCompressionType.Code {
			t.Errorf("v%d: zstd: %v", version, kerr.ErrorForCode(p.ErrorCode))
		}
	}
	tb.createTopic("zz", 1, "compression.type", "zstd")
	c.mustProduce("zz", 0, plain(t, "a"))
	for version := int16(4); version <= 10; version++ {
		// kafka-python 2.0 fetches with v4 and decompresses zstd: what its producer may send, its consumer must get.
		p := answer[*kmsg.FetchResponse](c, consume(version, "z", id, 0)).Topics[0].Partitions[0]
		if n := len(batchesOf(t, p.RecordBatches)); p.ErrorCode != 0 || n != 2 {
			t.Errorf("v%d: error %d, %d batches; want both", version, p.ErrorCode, n)
		}
		p = answer[*kmsg.FetchResponse](c, consume(version, "zz", id, 0)).Topics[0].Partitions[0]
		want, batches := kerr.UnsupportedCompressionType.Code, 0
		if version == 10 {
			want, batches = 0, 1
		}
		if n := len(batchesOf(t, p.RecordBatches)); p.ErrorCode != want || n != batches {
			t.Errorf("v%d: compression.type=zstd: %v, %d batches; want error %d", version, kerr.ErrorForCode(p.ErrorCode), n, want)
		}
	}
}

func TestFetchOfARecreatedTopic(t *testing.T) {
	tb := newTestBroker(t)
	id := tb.createTopic("t", 1)
	c := tb.client()
	full := consume(13, "t", id, 0)
	full.SessionEpoch = 0
	session := answer[*kmsg.FetchResponse](c, full).SessionID
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.Version, del.TimeoutMillis = 6, 10_000
	dt := kmsg.NewDeleteTopicsRequestTopic()
	dt.Topic = kmsg.StringPtr("t")
	del.Topics = append(del.Topics, dt)
	if _, err := del.RequestWith(t.Context(), tb.api.Controller); err != nil {
		t.Fatal(err)
	}
	if other := tb.createTopic("t", 1); other == id {
		t.Fatal("the new topic has the old one's id")
	}
	next := kmsg.NewPtrFetchRequest()
	next.Version, next.MinBytes, next.MaxBytes, next.SessionID, next.SessionEpoch = 13, 1, 1<<20, session, 1
	resp := answer[*kmsg.FetchResponse](c, next)
	if len(resp.Topics) != 1 || resp.Topics[0].Partitions[0].ErrorCode != kerr.InconsistentTopicID.Code {
		t.Errorf("the session's old topic: %+v", resp.Topics)
	}
	resp = answer[*kmsg.FetchResponse](c, consume(13, "t", id, 0))
	if resp.Topics[0].Partitions[0].ErrorCode != kerr.UnknownTopicID.Code {
		t.Errorf("the old id: %+v", resp.Topics)
	}
}
