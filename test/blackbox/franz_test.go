package blackbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/gokafka/gokafka/internal/protocol"
)

func TestEveryCodecThereAndBack(t *testing.T) {
	n := start(t, t.TempDir())
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			cl := n.franz(t, kgo.ProducerBatchCompression(codec), kgo.ConsumeTopics("codec-"+name))
			var sent []*kgo.Record
			for i := range 50 {
				sent = append(sent, &kgo.Record{
					Topic: "codec-" + name, Key: fmt.Append(nil, "key", i), Value: []byte(strings.Repeat("value ", i)),
					Headers:   []kgo.RecordHeader{{Key: "h", Value: []byte{byte(i)}}, {Key: "null"}},
					Timestamp: time.UnixMilli(int64(1_700_000_000_000 + i)),
				})
			}
			if err := cl.ProduceSync(within(t), sent...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			got := poll(t, cl, len(sent))
			if len(got) != len(sent) {
				t.Fatalf("%d records came back of %d", len(got), len(sent))
			}
			byKey := map[string]*kgo.Record{}
			for _, r := range got {
				byKey[string(r.Key)] = r
			}
			for _, want := range sent {
				r := byKey[string(want.Key)]
				if r == nil || string(r.Value) != string(want.Value) || !r.Timestamp.Equal(want.Timestamp) || len(r.Headers) != 2 ||
					r.Headers[0].Value[0] != want.Headers[0].Value[0] || r.Headers[1].Value != nil {
					t.Fatalf("record %s came back as %+v", want.Key, r)
				}
			}
		})
	}
}

// TestEveryFranzVersion produces and consumes as franz-go did for brokers from 0.8 to the newest: with message sets and
// batches, with and without groups.
func TestEveryFranzVersion(t *testing.T) {
	n := start(t, t.TempDir())
	for name, v := range map[string]*kversion.Versions{
		"0.8": kversion.V0_8_2(), "0.9": kversion.V0_9_0(), "0.10.0": kversion.V0_10_0(), "0.10.2": kversion.V0_10_2(),
		"0.11": kversion.V0_11_0(), "1.1": kversion.V1_1_0(), "2.1": kversion.V2_1_0(), "2.4": kversion.V2_4_0(), "2.8": kversion.V2_8_0(),
		"3.5": kversion.V3_5_0(), "3.9": kversion.V3_9_0(), "4.0": kversion.V4_0_0(), "4.3": kversion.V4_3_0(),
	} {
		t.Run(name, func(t *testing.T) {
			topic := "franz-" + name
			opts := []kgo.Opt{kgo.MaxVersions(v), kgo.ProducerBatchCompression(kgo.SnappyCompression())}
			if !v.HasKey(22) {
				opts = append(opts, kgo.DisableIdempotentWrite())
			}
			produce(t, n.franz(t, opts...), topic, numbered("r", 20)...)
			direct := n.franz(t, kgo.MaxVersions(v), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			if got := poll(t, direct, 20); len(got) != 20 {
				t.Errorf("%d records, want 20", len(got))
			}
			if name == "0.8" { // groups came with 0.9
				return
			}
			member := n.franz(t, kgo.MaxVersions(v), kgo.ConsumeTopics(topic), kgo.ConsumerGroup("g-"+name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			if got := poll(t, member, 20); len(got) != 20 {
				t.Errorf("%d records in the group, want 20", len(got))
			}
			if err := member.CommitUncommittedOffsets(within(t)); err != nil {
				t.Errorf("commit: %v", err)
			}
		})
	}
}

// TestIdempotentProducersLoseAndRepeatNothing has several producers write at once; every record is there once and in order.
func TestIdempotentProducersLoseAndRepeatNothing(t *testing.T) {
	n := start(t, t.TempDir())
	const producers, each = 4, 500
	var wg sync.WaitGroup
	for i := range producers {
		cl := n.franz(t, kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		wg.Go(func() {
			for j := range each {
				cl.Produce(t.Context(), &kgo.Record{Topic: "once", Partition: int32(i % 3), Key: fmt.Append(nil, i), Value: fmt.Append(nil, j)},
					func(_ *kgo.Record, err error) {
						if err != nil {
							t.Errorf("producer %d: %v", i, err)
						}
					})
			}
			if err := cl.Flush(within(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	next := map[string]int{}
	for _, r := range poll(t, n.franz(t, kgo.ConsumeTopics("once")), producers*each) {
		if want := fmt.Sprint(next[string(r.Key)]); string(r.Value) != want {
			t.Fatalf("producer %s: record %s where %s was due", r.Key, r.Value, want)
		}
		next[string(r.Key)]++
	}
}

func TestConsumerThatWaitsGetsTheRecord(t *testing.T) {
	n := start(t, t.TempDir())
	producer := n.franz(t)
	produce(t, producer, "poll", "first")
	consumer := n.franz(t, kgo.ConsumeTopics("poll"), kgo.FetchMaxWait(20*time.Second))
	poll(t, consumer, 1)
	for i := range 20 {
		produce(t, producer, "poll", fmt.Sprint(i))
		if got := poll(t, consumer, 1); string(got[0].Value) != fmt.Sprint(i) {
			t.Fatalf("got %s, want %d", got[0].Value, i)
		}
	}
}

func TestOffsetsByTime(t *testing.T) {
	n := start(t, t.TempDir())
	cl := n.franz(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	base := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	var records []*kgo.Record
	for i := range 10 {
		records = append(records, &kgo.Record{Topic: "time", Value: fmt.Append(nil, i), Timestamp: base.Add(time.Duration(i) * time.Minute)})
	}
	if err := cl.ProduceSync(within(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	adm := kadm.NewClient(cl)
	at := func(what string, list func() (kadm.ListedOffsets, error), want int64) {
		t.Helper()
		offsets, err := list()
		if err == nil {
			err = offsets.Error()
		}
		if o, _ := offsets.Lookup("time", 0); err != nil || o.Offset != want {
			t.Errorf("%s: offset %d, %v; want %d", what, o.Offset, err, want)
		}
	}
	ctx := within(t)
	at("start", func() (kadm.ListedOffsets, error) { return adm.ListStartOffsets(ctx, "time") }, 0)
	at("end", func() (kadm.ListedOffsets, error) { return adm.ListEndOffsets(ctx, "time") }, 10)
	at("committed", func() (kadm.ListedOffsets, error) { return adm.ListCommittedOffsets(ctx, "time") }, 10)
	at("after the fourth", func() (kadm.ListedOffsets, error) {
		return adm.ListOffsetsAfterMilli(ctx, base.Add(3*time.Minute).UnixMilli()+1, "time")
	}, 4)
	at("largest timestamp", func() (kadm.ListedOffsets, error) { return adm.ListMaxTimestampOffsets(ctx, "time") }, 9)
}

// TestGroupMembersShareAndTakeOver has two consumers share the partitions of a topic; when one leaves, the other gets its part.
func TestGroupMembersShareAndTakeOver(t *testing.T) {
	n := start(t, t.TempDir())
	producer := n.franz(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if _, err := kadm.NewClient(producer).CreateTopic(within(t), 4, 1, nil, "shared"); err != nil {
		t.Fatal(err)
	}
	toAll := func(value string) {
		t.Helper()
		for p := range int32(4) {
			if err := producer.ProduceSync(within(t), &kgo.Record{Topic: "shared", Partition: p, Value: []byte(value)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, balancer := range map[string]kgo.GroupBalancer{"eager": kgo.RangeBalancer(), "cooperative": kgo.CooperativeStickyBalancer()} {
		t.Run(name, func(t *testing.T) {
			owned := newOwners()
			join := func(member string) *kgo.Client {
				return n.franz(t, kgo.ConsumerGroup("g-"+name), kgo.ConsumeTopics("shared"), kgo.Balancers(balancer), kgo.ClientID(member),
					kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(50*time.Millisecond),
					kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) { owned.add(member, got["shared"]) }),
					kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { owned.remove(member, lost["shared"]) }),
					kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { owned.remove(member, lost["shared"]) }))
			}
			consume := func(ctx context.Context, cl *kgo.Client) {
				for ctx.Err() == nil {
					cl.PollFetches(ctx)
					cl.AllowRebalance()
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			first := join("first")
			go consume(ctx, first)
			owned.await(t, "first", 4)
			second := join("second")
			go consume(ctx, second)
			owned.await(t, "first", 2)
			owned.await(t, "second", 2)
			toAll("x")
			second.Close()
			owned.await(t, "first", 4)
			first.Close()
		})
	}
}

// owners tracks which member has which partitions.
type owners struct {
	mu  sync.Mutex
	set map[string][]int32
	now chan struct{} // closed at the next change
}

func newOwners() *owners { return &owners{set: map[string][]int32{}, now: make(chan struct{})} }

func (o *owners) add(member string, partitions []int32) {
	o.change(member, func(have []int32) []int32 { return append(have, partitions...) })
}

func (o *owners) remove(member string, partitions []int32) {
	o.change(member, func(have []int32) []int32 {
		return slices.DeleteFunc(have, func(p int32) bool { return slices.Contains(partitions, p) })
	})
}

func (o *owners) change(member string, fn func([]int32) []int32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.set[member] = fn(slices.Clone(o.set[member]))
	close(o.now)
	o.now = make(chan struct{})
}

func (o *owners) await(t *testing.T, member string, n int) {
	t.Helper()
	late := time.After(deadline)
	for {
		o.mu.Lock()
		have, now := len(o.set[member]), o.now
		o.mu.Unlock()
		if have == n {
			return
		}
		select {
		case <-now:
		case <-late:
			t.Fatalf("member %s has %d partitions, want %d; all: %v", member, have, n, o.set)
		}
	}
}

// TestRestartKeepsEverything stops a node and starts another over its directory: records, committed offsets and topics are
// there, and offsets go on where they were.
func TestRestartKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	n := start(t, dir)
	producer := n.franz(t)
	produce(t, producer, "kept", numbered("before", 100)...)
	member := n.franz(t, kgo.ConsumeTopics("kept"), kgo.ConsumerGroup("g"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	poll(t, member, 100)
	if err := member.CommitUncommittedOffsets(within(t)); err != nil {
		t.Fatal(err)
	}
	member.Close()
	adm := kadm.NewClient(producer)
	before, err := adm.ListTopics(within(t), "kept")
	if err != nil {
		t.Fatal(err)
	}
	producer.Close()
	n.stop()

	n = start(t, dir)
	again := n.franz(t)
	after, err := kadm.NewClient(again).ListTopics(within(t), "kept")
	if err != nil {
		t.Fatal(err)
	}
	if before["kept"].ID != after["kept"].ID || len(after["kept"].Partitions) != len(before["kept"].Partitions) {
		t.Errorf("the topic was %+v and is %+v", before["kept"], after["kept"])
	}
	produce(t, again, "kept", numbered("after", 10)...)
	member = n.franz(t, kgo.ConsumeTopics("kept"), kgo.ConsumerGroup("g"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	for _, r := range poll(t, member, 10) {
		if !strings.HasPrefix(string(r.Value), "after-") {
			t.Errorf("the group reads %s again", r.Value)
		}
	}
	all := n.franz(t, kgo.ConsumeTopics("kept"))
	seen := map[string]bool{}
	for _, r := range poll(t, all, 110) {
		seen[string(r.Value)] = true
	}
	if len(seen) != 110 {
		t.Errorf("%d different records, want 110", len(seen))
	}
}

// TestRestartRemembersIdempotentProducers sends a batch, and the same again after a restart, as a producer does whose
// answer was lost: it is there once.
func TestRestartRemembersIdempotentProducers(t *testing.T) {
	dir := t.TempDir()
	n := start(t, dir)
	cl := n.franz(t)
	init, err := kmsg.NewPtrInitProducerIDRequest().RequestWith(within(t), cl)
	if err != nil || init.ErrorCode != 0 {
		t.Fatalf("producer id: %v, %+v", err, init)
	}
	if _, err := kadm.NewClient(cl).CreateTopic(within(t), 1, 1, nil, "once"); err != nil {
		t.Fatal(err)
	}
	b := protocol.NewBatchBuilder(protocol.BatchOptions{ProducerID: init.ProducerID, ProducerEpoch: init.ProducerEpoch})
	b.Append(protocol.Record{TimestampMs: time.Now().UnixMilli(), Value: []byte("x")})
	records, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	send := func(cl *kgo.Client) int64 {
		t.Helper()
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TimeoutMillis = -1, 10_000
		rt := kmsg.NewProduceRequestTopic()
		rt.Topic = "once"
		topics, err := kadm.NewClient(cl).ListTopics(within(t), "once")
		if err != nil {
			t.Fatal(err)
		}
		rt.TopicID = topics["once"].ID
		p := kmsg.NewProduceRequestTopicPartition()
		p.Records = records
		rt.Partitions = append(rt.Partitions, p)
		req.Topics = append(req.Topics, rt)
		resp, err := cl.Broker(1).Request(within(t), req)
		if err != nil {
			t.Fatal(err)
		}
		got := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		if got.ErrorCode != 0 {
			t.Fatalf("produce: %v", kerr.ErrorForCode(got.ErrorCode))
		}
		return got.BaseOffset
	}
	produce(t, cl, "once", "before")
	first := send(cl)
	cl.Close()
	n.stop()
	n = start(t, dir)
	cl = n.franz(t)
	if again := send(cl); again != first {
		t.Errorf("the repeated batch is at offset %d, the first was at %d", again, first)
	}
	ends, err := kadm.NewClient(cl).ListEndOffsets(within(t), "once")
	if o, _ := ends.Lookup("once", 0); err != nil || o.Offset != first+1 {
		t.Errorf("the log ends at %d, %v; want %d", o.Offset, err, first+1)
	}
}

func TestTopicsOnDemand(t *testing.T) {
	n := start(t, t.TempDir(), "num.partitions", "5")
	produce(t, n.franz(t), "wanted", "x")
	topics, err := kadm.NewClient(n.franz(t)).ListTopics(within(t), "wanted")
	if err != nil || len(topics["wanted"].Partitions) != 5 {
		t.Errorf("topic %+v, %v; want 5 partitions", topics["wanted"], err)
	}
	off := start(t, t.TempDir(), "auto.create.topics.enable", "false")
	err = off.franz(t, kgo.UnknownTopicRetries(1)).ProduceSync(within(t), &kgo.Record{Topic: "unwanted"}).FirstErr()
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("with auto.create.topics.enable=false: %v", err)
	}
}
