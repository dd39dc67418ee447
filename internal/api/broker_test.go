package api

import (
	"context"
	"crypto/rand"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/coordinator/group"
	"github.com/gokafka/gokafka/internal/coordinator/sharestate"
	"github.com/gokafka/gokafka/internal/coordinator/txn"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/server"
	"github.com/gokafka/gokafka/internal/share"
	"github.com/gokafka/gokafka/internal/vfs"
)

const (
	testListener = "PLAINTEXT"
	testNode     = 1
)

// testBroker is a whole broker without sockets, in memory.
type testBroker struct {
	t   testing.TB
	api *API
	b   *broker.Broker

	holdMarkers atomic.Pointer[chan struct{}] // if any, transaction markers wait until it is closed
}

// newTestBroker opens a broker in memory; overrides are key, value pairs of its configuration.
func newTestBroker(t testing.TB, overrides ...string) *testBroker {
	t.Helper()
	return newTestBrokerOn(t, vfs.NewMem(), "/data", overrides...)
}

// newTestBrokerOn is newTestBroker over a directory of fs.
func newTestBrokerOn(t testing.TB, fs vfs.FS, dir string, overrides ...string) *testBroker {
	t.Helper()
	entries := []config.Entry{
		{Key: "node.id", Value: "1"}, {Key: "log.dirs", Value: dir}, {Key: "listeners", Value: testListener + "://127.0.0.1:9092"},
		{Key: "broker.rack", Value: "r1"}, {Key: "offsets.topic.num.partitions", Value: "4"},
	}
	for i := 0; i < len(overrides); i += 2 {
		entries = append(entries, config.Entry{Key: overrides[i], Value: overrides[i+1], Source: "test"})
	}
	cfg, _, err := config.New(entries, config.Defaults{NoFile: true})
	if err != nil {
		t.Fatal(err)
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	conf := func() *config.Config { return cfg }
	nowMs := func() int64 { return time.Now().UnixMilli() }
	logger := zap.NewNop()
	logs, err := log.OpenDirs(log.ManagerOptions{FS: fs, Dirs: cfg.LogDirs(), NodeID: testNode, Config: conf, Logger: logger, NowMs: nowMs})
	ok(err)
	meta, err := metadata.Open(metadata.Options{
		FS: fs, Dir: cfg.MetadataLogDir(), NodeID: testNode, ClusterID: logs.ClusterID(),
		DirectoryIDs: [][16]byte{logs.DirectoryID(dir)}, Config: conf, Logger: logger, NowMs: nowMs, Rand: rand.Reader,
	})
	ok(err)
	store := meta.Store()
	ok(logs.Load(t.Context(), func(topic string) config.Topic { return cfg.Topic(store.Image().TopicConfig(topic)) }))
	b := broker.New(broker.Options{NodeID: testNode, Config: conf, Logs: logs, Logger: logger, NowMs: nowMs})
	partitions := func(topic string) int {
		if t := store.Image().Topic(topic); t != nil {
			return len(t.Partitions)
		}
		return 0
	}
	groups := group.New(group.Options{
		Journal: b.Journal(groupMetadataTopic), Config: conf, Logger: logger, TopicPartitions: partitions,
		NumPartitions: func() int32 { return int32(partitions(groupMetadataTopic)) },
		TopicID: func(topic string) (id [16]byte, ok bool) {
			if t := store.Image().Topic(topic); t != nil {
				return t.ID, true
			}
			return id, false
		},
		TopicName: func(id [16]byte) (string, bool) {
			name := topicName(store.Image(), id)
			return name, name != ""
		},
		Now: time.Now, NewID: coordinator.UUIDs(rand.Reader),
	})
	tb := &testBroker{t: t, b: b}
	var epoch atomic.Int64
	a := &API{
		NodeID: testNode, ClusterID: logs.ClusterID(), Config: conf, Broker: b, Metadata: store, Controller: meta.Controller(), Groups: groups,
		ProducerIDs: txn.NewProducerIDs(meta.Controller(), testNode, epoch.Load), Log: logger, NowMs: nowMs,
	}
	a.Txns = txn.New(txn.Options{
		Journal: b.Journal(transactionStateTopic), Config: conf, Logger: logger, ProducerIDs: a.ProducerIDs,
		NumPartitions: func() int32 { return int32(partitions(transactionStateTopic)) },
		Leader: func(tp protocol.TopicPartition) (int32, bool) {
			return testNode, int(tp.Partition) < partitions(tp.Topic)
		},
		WriteMarkers: func(ctx context.Context, _ int32, req *kmsg.WriteTxnMarkersRequest) (*kmsg.WriteTxnMarkersResponse, error) {
			if hold := tb.holdMarkers.Load(); hold != nil {
				<-*hold
			}
			return a.WriteTxnMarkers(ctx, req)
		},
		Now: time.Now, NewID: coordinator.UUIDs(rand.Reader),
	})
	a.ShareState = sharestate.New(sharestate.Options{
		Journal: b.Journal(shareGroupStateTopic), Config: conf, Logger: logger,
		NumPartitions: func() int32 { return int32(partitions(shareGroupStateTopic)) },
		Exists: func(id [16]byte, partition int32) bool {
			topic := store.Image().TopicByID(id)
			return topic != nil && int(partition) < len(topic.Partitions)
		},
		Prune: func(int32, int64) {}, Now: time.Now, NewID: coordinator.UUIDs(rand.Reader),
	})
	a.Shares = share.New(share.Options{
		Config: conf, GroupConfig: func(string) map[string]string { return nil }, Persister: share.PersisterOf(a.ShareState), Now: time.Now, Logger: logger,
	})
	b.Observe(func(c broker.Change) {
		load, unload := groups.Load, groups.Unload
		switch c.TopicPartition.Topic {
		case groupMetadataTopic:
		case transactionStateTopic:
			load, unload = a.Txns.Load, a.Txns.Unload
		case shareGroupStateTopic:
			load, unload = a.ShareState.Load, a.ShareState.Unload
		default:
			return
		}
		if c.Leading {
			load(c.TopicPartition.Partition, c.LeaderEpoch)
		} else {
			unload(c.TopicPartition.Partition, c.LeaderEpoch)
		}
	})
	store.Subscribe(b.Apply)
	t.Cleanup(func() {
		a.Shares.Close()
		a.ShareState.Close()
		a.Txns.Close()
		groups.Close()
		if err := meta.Close(); err != nil {
			t.Error(err)
		}
		if err := logs.Close(); err != nil {
			t.Error(err)
		}
	})
	epoch.Store(register(t, meta.Controller(), logs))
	tb.api = a
	return tb
}

// register makes the broker known to the controller and has it unfenced, as the node does.
func register(t testing.TB, controller kmsg.Requestor, logs *log.Manager) (epoch int64) {
	t.Helper()
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.Version = req.MaxVersion()
	req.BrokerID, req.ClusterID, req.IncarnationID = testNode, logs.ClusterID(), [16]byte{1}
	req.Rack = kmsg.StringPtr("r1")
	e := kmsg.NewBrokerRegistrationRequestListener()
	e.Name, e.Host, e.Port = testListener, "127.0.0.1", 9092
	req.Listeners = append(req.Listeners, e)
	for _, f := range metadata.SupportedFeatures() {
		r := kmsg.NewBrokerRegistrationRequestFeature()
		r.Name, r.MinSupportedVersion, r.MaxSupportedVersion = f.Name, f.Min, f.Max
		req.Features = append(req.Features, r)
	}
	for _, d := range logs.Dirs() {
		req.LogDirs = append(req.LogDirs, logs.DirectoryID(d))
	}
	resp, err := req.RequestWith(t.Context(), controller)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	beat := kmsg.NewPtrBrokerHeartbeatRequest()
	beat.Version = beat.MaxVersion()
	beat.BrokerID, beat.BrokerEpoch, beat.CurrentMetadataOffset = testNode, resp.BrokerEpoch, 1<<40
	alive, err := beat.RequestWith(t.Context(), controller)
	if err == nil {
		err = kerr.ErrorForCode(alive.ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	return resp.BrokerEpoch
}

// createTopic creates a topic with configs as key, value pairs and returns its id.
func (tb *testBroker) createTopic(name string, partitions int32, configs ...string) [16]byte {
	tb.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	req.TimeoutMillis = 10_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, 1
	for i := 0; i < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = configs[i], &configs[i+1]
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(tb.t.Context(), tb.api.Controller)
	if err != nil {
		tb.t.Fatal(err)
	}
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		tb.t.Fatalf("create %s: %v", name, err)
	}
	return resp.Topics[0].TopicID
}

// testClient is one connection to a testBroker. Use one per goroutine.
type testClient struct {
	t       testing.TB
	session server.Session
	buf     []byte
	next    int32
}

func (tb *testBroker) client() *testClient {
	c := &testClient{t: tb.t, session: tb.api.NewSession(server.ConnInfo{Listener: testListener, ID: 1})}
	tb.t.Cleanup(c.session.Close)
	return c
}

// encode returns the request as a frame without its size prefix.
func (c *testClient) encode(req kmsg.Request) []byte {
	c.next++
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, req, c.next)
	return frame[4:]
}

// send has the session handle the request and decodes the answer; nil when there is none.
func (c *testClient) send(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	c.t.Helper()
	frame, err := c.session.Handle(ctx, c.encode(req))
	if err != nil || frame == nil {
		return nil, err
	}
	var pieces []byte
	large, streams := frame.(server.Streamer)
	if streams { // the same bytes, whatever the size of the pieces; odd sizes cut everything somewhere
		piece := make([]byte, 1+int(c.next)*7%300)
		err := large.Stream(piece, func(p []byte) error {
			pieces = append(pieces, p...)
			return nil
		})
		if err != nil {
			c.t.Error(err)
		}
	}
	c.buf = frame.AppendTo(c.buf[:0])
	if streams && !slices.Equal(pieces, c.buf) {
		c.t.Errorf("%s version %d: streamed %d bytes differ from the %d appended", kmsg.NameForKey(req.Key()), req.GetVersion(), len(pieces), len(c.buf))
	}
	if closer, ok := frame.(io.Closer); ok {
		if err := closer.Close(); err != nil {
			c.t.Error(err)
		}
	}
	return c.decode(req, c.buf), nil
}

// decode reads a whole frame as the answer to req and checks that nothing is left over.
func (c *testClient) decode(req kmsg.Request, frame []byte) kmsg.Response {
	c.t.Helper()
	resp := protocol.NewResponse(req)
	body := frame[8:]
	if resp.IsFlexible() && resp.Key() != int16(kmsg.ApiVersions) {
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		c.t.Fatalf("%s version %d: the answer does not decode: %v", kmsg.NameForKey(req.Key()), req.GetVersion(), err)
	}
	if again := resp.AppendTo(nil); !slices.Equal(again, body) {
		c.t.Fatalf("%s version %d: the answer has %d bytes, what was read of it %d", kmsg.NameForKey(req.Key()), req.GetVersion(), len(body), len(again))
	}
	return resp
}

// answer sends a request that has an answer.
func answer[R kmsg.Response](c *testClient, req kmsg.Request) R {
	c.t.Helper()
	resp, err := c.send(c.t.Context(), req)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp == nil {
		c.t.Fatalf("%s: no answer", kmsg.NameForKey(req.Key()))
	}
	return resp.(R)
}

// batch returns a batch of records with these values, at timestamps 1000, 1001, ….
func batch(t testing.TB, o protocol.BatchOptions, values ...string) []byte {
	t.Helper()
	if o.ProducerID == 0 {
		o.ProducerID, o.ProducerEpoch, o.BaseSequence = -1, -1, -1
	}
	b := protocol.NewBatchBuilder(o)
	for i, v := range values {
		b.Append(protocol.Record{Offset: int64(i), TimestampMs: 1000 + int64(i), Value: []byte(v)})
	}
	out, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// produceOf returns a Produce request of one partition.
func produceOf(version int16, acks int16, topic string, partition int32, records []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = version, acks, 1000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, records
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

// mustProduce appends records and returns their base offset.
func (c *testClient) mustProduce(topic string, partition int32, records []byte) int64 {
	c.t.Helper()
	resp := answer[*kmsg.ProduceResponse](c, produceOf(9, -1, topic, partition, records))
	p := resp.Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		c.t.Fatalf("produce: %v %v", kerr.ErrorForCode(p.ErrorCode), p.ErrorMessage)
	}
	return p.BaseOffset
}
