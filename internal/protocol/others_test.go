package protocol_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/gokafka/gokafka/internal/protocol"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// keeper is as little of a broker as makes clients of other people produce their bytes into Validate and read back
// what Validate and DownConvert made of them: one topic "t" with one partition.
type keeper struct {
	addr     *net.TCPAddr
	versions map[int16][2]int16 // served, by key

	mu struct {
		sync.Mutex
		log        []byte // stamped batches
		end        int64
		produced   map[int16]int // requests by version
		fetched    map[int16]int
		codecs     map[protocol.Codec]int
		conversion int
		failures   []error
	}
}

func startKeeper(t *testing.T, maxProduce, maxFetch int16) *keeper {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{addr: l.Addr().(*net.TCPAddr), versions: map[int16][2]int16{0: {0, maxProduce}, 1: {0, maxFetch}, 2: {0, 5}, 3: {0, 8}, 18: {0, 3}, 22: {0, 1}}}
	k.mu.produced, k.mu.fetched, k.mu.codecs = map[int16]int{}, map[int16]int{}, map[protocol.Codec]int{}
	var wg sync.WaitGroup
	var conns sync.Map
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Store(conn, nil)
			wg.Go(func() { k.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		conns.Range(func(conn, _ any) bool { conn.(net.Conn).Close(); return true })
		wg.Wait()
		for _, err := range k.mu.failures {
			t.Error(err)
		}
	})
	return k
}

func (k *keeper) serve(conn net.Conn) {
	defer conn.Close()
	for {
		frame, err := protocol.ReadFrame(conn, 100<<20, nil)
		if err != nil {
			return
		}
		h, body, err := protocol.ParseHeader(frame)
		if err != nil {
			k.fail(err)
			return
		}
		req, err := protocol.ParseBody(h, body)
		if err != nil {
			k.fail(err)
			return
		}
		resp := k.answer(h, req)
		if resp == nil {
			k.fail(fmt.Errorf("no answer to %s v%d", kmsg.NameForKey(h.Key), h.Version))
			return
		}
		if _, err := conn.Write(protocol.AppendResponse(nil, h.CorrelationID, resp)); err != nil {
			return
		}
	}
}

func (k *keeper) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.failures = append(k.mu.failures, err)
}

func (k *keeper) answer(h protocol.Header, req kmsg.Request) kmsg.Response {
	resp := protocol.NewResponse(req)
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		for key, v := range k.versions {
			resp.(*kmsg.ApiVersionsResponse).ApiKeys = append(resp.(*kmsg.ApiVersionsResponse).ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key, MinVersion: v[0], MaxVersion: v[1]})
		}
	case *kmsg.MetadataRequest:
		m := resp.(*kmsg.MetadataResponse)
		m.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 1, Host: k.addr.IP.String(), Port: int32(k.addr.Port)}}
		m.ControllerID = 1
		m.Topics = []kmsg.MetadataResponseTopic{{Topic: kmsg.StringPtr("t"), Partitions: []kmsg.MetadataResponseTopicPartition{{Leader: 1, Replicas: []int32{1}, ISR: []int32{1}}}}}
	case *kmsg.InitProducerIDRequest:
		resp.(*kmsg.InitProducerIDResponse).ProducerID = 77
	case *kmsg.ListOffsetsRequest:
		k.listOffsets(req, resp.(*kmsg.ListOffsetsResponse))
	case *kmsg.ProduceRequest:
		k.produce(h.Version, req, resp.(*kmsg.ProduceResponse))
	case *kmsg.FetchRequest:
		k.fetch(h.Version, req, resp.(*kmsg.FetchResponse))
	default:
		return nil
	}
	return resp
}

func (k *keeper) listOffsets(req *kmsg.ListOffsetsRequest, resp *kmsg.ListOffsetsResponse) {
	k.mu.Lock()
	defer k.mu.Unlock()
	offset := int64(0)
	if req.Topics[0].Partitions[0].Timestamp == -1 {
		offset = k.mu.end
	}
	p := kmsg.NewListOffsetsResponseTopicPartition()
	p.Offset, p.OldStyleOffsets = offset, []int64{offset}
	resp.Topics = []kmsg.ListOffsetsResponseTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsResponseTopicPartition{p}}}
}

func (k *keeper) produce(version int16, req *kmsg.ProduceRequest, resp *kmsg.ProduceResponse) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.produced[version]++
	p := kmsg.NewProduceResponseTopicPartition()
	got, err := protocol.Validate(req.Topics[0].Partitions[0].Records, protocol.ValidateOptions{TopicPartition: protocol.TopicPartition{Topic: "t"}, ProduceVersion: version,
		TimestampBeforeMaxMs: math.MaxInt64, TimestampAfterMaxMs: math.MaxInt64, NowMs: time.Now().UnixMilli()})
	if err != nil {
		k.mu.failures = append(k.mu.failures, err)
		p.ErrorCode, p.ErrorMessage = protocol.ErrorCode(err), protocol.ErrorMessage(err)
	} else {
		b := protocol.Batch(got.Records)
		b.Stamp(k.mu.end, 0)
		p.BaseOffset = k.mu.end
		k.mu.end = b.LastOffset() + 1
		k.mu.log = append(k.mu.log, b...)
		k.mu.codecs[b.Codec()]++
		if got.Converted {
			k.mu.conversion++
		}
	}
	resp.Topics = []kmsg.ProduceResponseTopic{{Topic: "t", Partitions: []kmsg.ProduceResponseTopicPartition{p}}}
}

func (k *keeper) fetch(version int16, req *kmsg.FetchRequest, resp *kmsg.FetchResponse) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.fetched[version]++
	if len(req.Topics) == 0 {
		return
	}
	from := req.Topics[0].Partitions[0].FetchOffset
	var records []byte
	for b, err := range protocol.Batches(k.mu.log) {
		if err == nil && b.LastOffset() >= from {
			records = append(records, b...)
		}
	}
	var err error
	switch {
	case version <= 1:
		records, err = protocol.DownConvert(records, 0, from)
	case version <= 3:
		records, err = protocol.DownConvert(records, 1, from)
	}
	if err != nil {
		k.mu.failures = append(k.mu.failures, err)
	}
	p := kmsg.NewFetchResponseTopicPartition()
	p.HighWatermark, p.LastStableOffset, p.RecordBatches = k.mu.end, k.mu.end, records
	resp.Topics = []kmsg.FetchResponseTopic{{Topic: "t", Partitions: []kmsg.FetchResponseTopicPartition{p}}}
}

// sent is one record as every client can tell it.
type sent struct {
	offset      int64
	timestampMs int64
	key, value  string
	headers     string
}

const t0Ms = 1_700_000_000_000

// toSend are the records that each client produces. Old formats lose headers, magic 0 loses the timestamp.
func toSend(magic int8) []sent {
	var out []sent
	for i := range 40 {
		s := sent{offset: int64(i), timestampMs: t0Ms + int64(i*7%5), key: "key-" + strconv.Itoa(i%3), value: fmt.Sprintf("value %d %0*d", i, i*100, i)}
		if magic == 2 {
			s.headers = "h=" + strconv.Itoa(i) + ";"
		}
		if magic == 0 {
			s.timestampMs = -1
		}
		out = append(out, s)
	}
	return out
}

func same(t *testing.T, got, want []sent) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("record %d: %.200s, want %.200s", i, fmt.Sprintf("%+v", got[i]), fmt.Sprintf("%+v", want[i]))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
}

// check tells that the client used the versions and the codec it was made to.
func (k *keeper) check(t *testing.T, produce, fetch int16, codec protocol.Codec) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mu.produced[produce] == 0 || len(k.mu.produced) != 1 || fetch >= 0 && (k.mu.fetched[fetch] == 0 || len(k.mu.fetched) != 1) {
		t.Errorf("produced with versions %v, want %d; fetched with %v, want %d", k.mu.produced, produce, k.mu.fetched, fetch)
	}
	if k.mu.codecs[codec] == 0 {
		t.Errorf("codecs %v, want %s", k.mu.codecs, codec)
	}
	if (k.mu.conversion > 0) != (produce < 3) {
		t.Errorf("%d conversions of Produce version %d", k.mu.conversion, produce)
	}
}

func magicOf(produce int16) int8 { return int8(min(max(produce-1, 0), 2)) }

func TestFranzGo(t *testing.T) {
	codecs := map[protocol.Codec]kgo.CompressionCodec{protocol.CodecNone: kgo.NoCompression(), protocol.CodecGzip: kgo.GzipCompression(), protocol.CodecSnappy: kgo.SnappyCompression(),
		protocol.CodecLZ4: kgo.Lz4Compression(), protocol.CodecZstd: kgo.ZstdCompression()}
	for _, v := range [][2]int16{{0, 0}, {1, 1}, {2, 2}, {2, 3}, {3, 4}, {7, 10}, {9, 12}} {
		for codec, option := range codecs {
			if codec == protocol.CodecZstd && v[0] < 7 {
				continue
			}
			if codec == protocol.CodecLZ4 && v[1] < 2 {
				continue // franz-go insists on the right checksum, where Kafka's brokers and librdkafka know the broken one
			}
			t.Run(fmt.Sprintf("produce %d, fetch %d, %s", v[0], v[1], codec), func(t *testing.T) {
				t.Parallel()
				k := startKeeper(t, v[0], v[1])
				versions := new(kversion.Versions)
				for key, r := range k.versions {
					versions.SetMaxKeyVersion(key, r[1])
				}
				options := []kgo.Opt{kgo.SeedBrokers(k.addr.String()), kgo.MaxVersions(versions), kgo.ProducerBatchCompression(option), kgo.ProducerLinger(20 * time.Millisecond),
					kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().AtStart()}})}
				if v[0] < 3 {
					options = append(options, kgo.DisableIdempotentWrite())
				}
				cl, err := kgo.NewClient(options...)
				if err != nil {
					t.Fatal(err)
				}
				defer cl.Close()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				want := toSend(magicOf(v[0]))
				var records []*kgo.Record
				for _, s := range want {
					r := &kgo.Record{Topic: "t", Key: []byte(s.key), Value: []byte(s.value), Timestamp: time.UnixMilli(s.timestampMs)}
					if s.headers != "" {
						r.Headers = []kgo.RecordHeader{{Key: "h", Value: []byte(s.headers[2 : len(s.headers)-1])}}
					}
					records = append(records, r)
				}
				if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
					t.Fatal(err)
				}
				var got []sent
				for len(got) < len(want) && ctx.Err() == nil {
					cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
						s := sent{offset: r.Offset, timestampMs: r.Timestamp.UnixMilli(), key: string(r.Key), value: string(r.Value)}
						for _, h := range r.Headers {
							s.headers += h.Key + "=" + string(h.Value) + ";"
						}
						if r.Attrs.TimestampType() == -1 { // magic 0: none
							s.timestampMs = -1
						}
						got = append(got, s)
					})
				}
				if v[1] < 2 { // a fetch of magic 0 does not tell
					for i := range want {
						want[i].timestampMs = -1
					}
				}
				if v[1] < 4 {
					for i := range want {
						want[i].headers = ""
					}
				}
				same(t, got, want)
				k.check(t, v[0], v[1], codec)
			})
		}
	}
}

func TestSarama(t *testing.T) {
	for _, v := range []struct {
		version        sarama.KafkaVersion
		produce, fetch int16
	}{
		{sarama.V0_8_2_0, 0, 0}, {sarama.V0_9_0_0, 0, 1}, {sarama.V0_10_0_0, 2, 2}, {sarama.V0_10_1_0, 2, 3}, {sarama.V0_11_0_0, 3, 5}, {sarama.V2_1_0_0, 7, 10},
	} {
		for codec := protocol.CodecNone; codec <= protocol.CodecZstd; codec++ {
			if codec == protocol.CodecZstd && v.produce < 7 || codec == protocol.CodecLZ4 && v.produce < 2 {
				continue
			}
			t.Run(fmt.Sprintf("%s, %s", v.version, codec), func(t *testing.T) {
				t.Parallel()
				k := startKeeper(t, 9, 12)
				conf := sarama.NewConfig()
				conf.Version = v.version
				conf.Producer.Compression = sarama.CompressionCodec(codec)
				conf.Producer.Partitioner = sarama.NewManualPartitioner
				conf.Producer.Return.Successes = true
				conf.Producer.Flush.Frequency = 20 * time.Millisecond
				conf.ApiVersionsRequest = false
				p, err := sarama.NewSyncProducer([]string{k.addr.String()}, conf)
				if err != nil {
					t.Fatal(err)
				}
				want := toSend(magicOf(v.produce))
				var messages []*sarama.ProducerMessage
				for _, s := range want {
					m := &sarama.ProducerMessage{Topic: "t", Key: sarama.StringEncoder(s.key), Value: sarama.StringEncoder(s.value), Timestamp: time.UnixMilli(s.timestampMs)}
					if s.headers != "" {
						m.Headers = []sarama.RecordHeader{{Key: []byte("h"), Value: []byte(s.headers[2 : len(s.headers)-1])}}
					}
					messages = append(messages, m)
				}
				if err := p.SendMessages(messages); err != nil {
					t.Fatal(err)
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
				c, err := sarama.NewConsumer([]string{k.addr.String()}, conf)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				pc, err := c.ConsumePartition("t", 0, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer pc.Close()
				var got []sent
				deadline := time.After(20 * time.Second)
				for len(got) < len(want) {
					select {
					case m := <-pc.Messages():
						s := sent{offset: m.Offset, timestampMs: m.Timestamp.UnixMilli(), key: string(m.Key), value: string(m.Value)}
						for _, h := range m.Headers {
							s.headers += string(h.Key) + "=" + string(h.Value) + ";"
						}
						if m.Timestamp.IsZero() {
							s.timestampMs = -1
						}
						got = append(got, s)
					case err := <-pc.Errors():
						t.Fatal(err)
					case <-deadline:
						t.Fatalf("%d records in time", len(got))
					}
				}
				same(t, got, want)
				k.check(t, v.produce, v.fetch, codec)
			})
		}
	}
}

func TestKafkaGo(t *testing.T) {
	for _, max := range []int16{2, 3, 7} {
		for codec := protocol.CodecNone; codec <= protocol.CodecZstd; codec++ {
			if codec == protocol.CodecZstd && max < 7 {
				continue
			}
			t.Run(fmt.Sprintf("produce %d, %s", max, codec), func(t *testing.T) {
				t.Parallel()
				k := startKeeper(t, max, 12)
				want := toSend(magicOf(max))
				var messages []kafkago.Message
				for _, s := range want {
					m := kafkago.Message{Key: []byte(s.key), Value: []byte(s.value), Time: time.UnixMilli(s.timestampMs)}
					if s.headers != "" {
						m.Headers = []kafkago.Header{{Key: "h", Value: []byte(s.headers[2 : len(s.headers)-1])}}
					}
					messages = append(messages, m)
				}
				w := &kafkago.Writer{Addr: k.addr, Topic: "t", Compression: kafkago.Compression(codec), BatchTimeout: 20 * time.Millisecond, RequiredAcks: kafkago.RequireAll}
				if err := w.WriteMessages(t.Context(), messages...); err != nil {
					t.Fatal(err)
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
				r := kafkago.NewReader(kafkago.ReaderConfig{Brokers: []string{k.addr.String()}, Topic: "t", MaxWait: 10 * time.Millisecond})
				defer r.Close()
				var got []sent
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				for len(got) < len(want) {
					m, err := r.ReadMessage(ctx)
					if err != nil {
						t.Fatal(err)
					}
					s := sent{offset: m.Offset, timestampMs: m.Time.UnixMilli(), key: string(m.Key), value: string(m.Value)}
					for _, h := range m.Headers {
						s.headers += h.Key + "=" + string(h.Value) + ";"
					}
					got = append(got, s)
				}
				same(t, got, want)
				k.check(t, max, -1, codec)
			})
		}
	}
}
