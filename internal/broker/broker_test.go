package broker

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

const nodeID = 1

// fixture is a broker over a file system in memory, with the real controller and the real logs.
type fixture struct {
	*Broker
	t       *testing.T
	fs      vfs.FS
	logs    *log.Manager
	meta    *metadata.Local
	changes []Change
	epoch   int64
	refuse  func(kmsg.Request) error // of requests of the broker itself; nil for none
	stop    func()
}

// Request is the controller as the broker sees it.
func (f *fixture) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	if f.refuse != nil {
		if err := f.refuse(req); err != nil {
			return nil, err
		}
	}
	return f.meta.Controller().Request(ctx, req)
}

func open(t *testing.T, fs vfs.FS) *fixture {
	t.Helper()
	return openDirs(t, fs, "/data")
}

func openDirs(t *testing.T, fs vfs.FS, dirs string) *fixture {
	t.Helper()
	cfg, _, err := config.New([]config.Entry{
		{Key: "node.id", Value: "1"}, {Key: "log.dirs", Value: dirs}, {Key: "listeners", Value: "PLAINTEXT://127.0.0.1:9092"},
	}, config.Defaults{NoFile: true})
	ok(t, err)
	conf := func() *config.Config { return cfg }
	nowMs := func() int64 { return time.Now().UnixMilli() }
	logger := zap.NewNop()
	f := &fixture{t: t, fs: fs, stop: func() {}}
	f.logs, err = log.OpenDirs(log.ManagerOptions{FS: fs, Dirs: cfg.LogDirs(), NodeID: nodeID, Config: conf, Logger: logger, NowMs: nowMs})
	ok(t, err)
	f.meta, err = metadata.Open(metadata.Options{
		FS: fs, Dir: cfg.MetadataLogDir(), NodeID: nodeID, ClusterID: f.logs.ClusterID(), DirectoryIDs: f.directories(),
		Config: conf, Logger: logger, NowMs: nowMs, Rand: rand.Reader,
	})
	ok(t, err)
	store := f.meta.Store()
	f.logs.UseAssignments(func(tp protocol.TopicPartition, id [16]byte) (dir [16]byte, ok bool) {
		if t := store.Image().TopicByID(id); t != nil && int(tp.Partition) < len(t.Partitions) {
			return t.Partitions[tp.Partition].Directory(nodeID), true
		}
		return dir, false
	})
	ok(t, f.logs.Load(t.Context(), func(topic string) config.Topic { return cfg.Topic(store.Image().TopicConfig(topic)) }))
	f.Broker = New(Options{NodeID: nodeID, Config: conf, Logs: f.logs, Logger: logger, NowMs: nowMs, Controller: f, BrokerEpoch: func() int64 { return f.epoch }})
	f.Observe(func(c Change) { f.changes = append(f.changes, c) })
	store.Subscribe(f.Apply)
	f.register()
	return f
}

// run has the broker do what it does on its own.
func (f *fixture) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { _ = f.Run(ctx); close(ended) }()
	f.stop = func() { cancel(); <-ended }
}

func (f *fixture) directories() (ids [][16]byte) {
	for _, d := range f.logs.Dirs() {
		ids = append(ids, f.logs.DirectoryID(d))
	}
	return ids
}

func (f *fixture) close() {
	f.t.Helper()
	f.stop()
	ok(f.t, f.meta.Close())
	ok(f.t, f.logs.Close())
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// register makes the broker one that the controller places partitions on.
func (f *fixture) register() {
	f.t.Helper()
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.Version, req.BrokerID, req.ClusterID = req.MaxVersion(), nodeID, f.logs.ClusterID()
	_, _ = rand.Read(req.IncarnationID[:])
	l := kmsg.NewBrokerRegistrationRequestListener()
	l.Name, l.Host, l.Port = "PLAINTEXT", "localhost", 9092
	req.Listeners = append(req.Listeners, l)
	for _, r := range metadata.SupportedFeatures() {
		x := kmsg.NewBrokerRegistrationRequestFeature()
		x.Name, x.MinSupportedVersion, x.MaxSupportedVersion = r.Name, r.Min, r.Max
		req.Features = append(req.Features, x)
	}
	req.LogDirs = f.directories()
	resp, err := req.RequestWith(f.t.Context(), f.meta.Controller())
	ok(f.t, err)
	ok(f.t, kerr.ErrorForCode(resp.ErrorCode))
	f.epoch = resp.BrokerEpoch
	beat := kmsg.NewPtrBrokerHeartbeatRequest()
	beat.Version, beat.BrokerID, beat.BrokerEpoch = beat.MaxVersion(), nodeID, resp.BrokerEpoch
	beat.CurrentMetadataOffset = f.meta.Store().Image().Offset()
	_, err = beat.RequestWith(f.t.Context(), f.meta.Controller())
	ok(f.t, err)
}

func (f *fixture) create(topic string, partitions int32, configs ...string) {
	f.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, partitions, 1
	for i := 0; i < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = configs[i], &configs[i+1]
		rt.Configs = append(rt.Configs, c)
	}
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(f.t.Context(), f.meta.Controller())
	ok(f.t, err)
	ok(f.t, kerr.ErrorForCode(resp.Topics[0].ErrorCode))
}

func (f *fixture) delete(topic string) {
	f.t.Helper()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version, req.TopicNames = 5, []string{topic}
	resp, err := req.RequestWith(f.t.Context(), f.meta.Controller())
	ok(f.t, err)
	ok(f.t, kerr.ErrorForCode(resp.Topics[0].ErrorCode))
}

func (f *fixture) partition(topic string, n int32) *Partition {
	f.t.Helper()
	p, err := f.Partition(topic, n)
	ok(f.t, err)
	return p
}

// batch builds one batch of a record per value.
func batch(t *testing.T, values ...string) []byte {
	t.Helper()
	b := protocol.NewBatchBuilder(protocol.BatchOptions{ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1})
	for _, v := range values {
		b.Append(protocol.Record{TimestampMs: time.Now().UnixMilli(), Key: []byte("k"), Value: []byte(v)})
	}
	out, err := b.Bytes()
	ok(t, err)
	return out
}

var producer = AppendOptions{RequiredAcks: -1, ProduceVersion: 9}

func (f *fixture) append(p *Partition, values ...string) log.Appended {
	f.t.Helper()
	a, err := p.Append(batch(f.t, values...), producer)
	ok(f.t, err)
	return a
}

func read(t *testing.T, p *Partition, offset int64) []string {
	t.Helper()
	r, err := p.Read(ReadOptions{Offset: offset, MaxBytes: 1 << 20, MinOne: true, LeaderEpoch: -1, LastFetchedEpoch: -1})
	ok(t, err)
	defer r.Region.Release()
	data, err := r.Region.AppendTo(nil)
	ok(t, err)
	var values []string
	for b, err := range protocol.Batches(data) {
		ok(t, err)
		for rec, err := range b.Records() {
			ok(t, err)
			values = append(values, fmt.Sprintf("%d=%s", rec.Offset, rec.Value))
		}
	}
	return values
}

func TestAppendedRecordsAreCommittedAndReadable(t *testing.T) {
	f := open(t, vfs.NewMem())
	defer f.close()
	f.create("t", 2)
	p := f.partition("t", 1)
	if a := f.append(p, "a", "b"); a.BaseOffset != 0 || a.LastOffset != 1 {
		t.Errorf("appended %+v", a)
	}
	f.append(p, "c")
	if p.HighWatermark() != 3 || p.LastStableOffset() != 3 || p.LogEndOffset() != 3 {
		t.Errorf("high watermark %d, last stable offset %d, log end offset %d, want 3", p.HighWatermark(), p.LastStableOffset(), p.LogEndOffset())
	}
	if got := fmt.Sprint(read(t, p, 1)); got != "[0=a 1=b 2=c]" { // the batch that holds the offset comes whole
		t.Errorf("read %s", got)
	}
	if _, err := f.Partition("t", 2); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("partition 2 of 2: %v", err)
	}
}

func TestEpochsFenceClients(t *testing.T) {
	f := open(t, vfs.NewMem())
	defer f.close()
	f.create("t", 1)
	p := f.partition("t", 0)
	f.append(p, "a")
	for epoch, want := range map[int32]error{p.LeaderEpoch(): nil, -1: nil, p.LeaderEpoch() + 1: kerr.UnknownLeaderEpoch} {
		if err := p.CheckLeaderEpoch(epoch); !errors.Is(err, want) {
			t.Errorf("epoch %d: %v, want %v", epoch, err, want)
		}
	}
	p.state.Store(&replicaState{leading: true, leaderEpoch: 7, isr: []int32{nodeID}})
	if err := p.CheckLeaderEpoch(6); !errors.Is(err, kerr.FencedLeaderEpoch) {
		t.Errorf("old epoch: %v", err)
	}
	p.state.Store(&replicaState{leaderEpoch: 8, isr: []int32{2}})
	if _, err := p.Append(batch(t, "b"), producer); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("append to a follower: %v", err)
	}
	if _, err := p.Read(ReadOptions{LeaderEpoch: -1, LastFetchedEpoch: -1}); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("read from a follower: %v", err)
	}
}

func TestMinInsyncReplicas(t *testing.T) {
	f := open(t, vfs.NewMem())
	defer f.close()
	f.create("t", 1, "min.insync.replicas", "2")
	p := f.partition("t", 0)
	if _, err := p.Append(batch(t, "a"), producer); !errors.Is(err, kerr.NotEnoughReplicas) {
		t.Errorf("acks=all: %v", err)
	}
	if _, err := p.Append(batch(t, "a"), AppendOptions{RequiredAcks: 1, ProduceVersion: 9}); err != nil {
		t.Errorf("acks=1: %v", err)
	}
}

// TestWaiterMissesNothing lets an append come between the look and the wait: the wait must return at once.
func TestWaiterMissesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, vfs.NewMem())
		defer f.close()
		f.create("t", 1)
		p := f.partition("t", 0)
		w := NewWaiter()
		stop := p.Watch(w)
		f.append(p, "between the look and the wait")
		began := time.Now()
		ok(t, w.Wait(t.Context()))
		if time.Since(began) != 0 {
			t.Error("waited though the partition had moved")
		}

		go func() { time.Sleep(time.Second); f.append(p, "later") }()
		ok(t, w.Wait(t.Context()))
		if time.Since(began) != time.Second {
			t.Errorf("woken after %v, want 1s", time.Since(began))
		}

		stop()
		f.append(p, "nobody looks")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("woken by a partition it no longer watches: %v", err)
		}
	})
}

func TestDeletionEndsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, vfs.NewMem())
		defer f.close()
		f.create("t", 1)
		p := f.partition("t", 0)
		ended := make(chan error)
		go func() { ended <- p.WaitCommitted(t.Context(), 1) }()
		synctest.Wait()
		f.delete("t")
		if err := <-ended; !errors.Is(err, kerr.UnknownTopicOrPartition) {
			t.Errorf("wait on a deleted partition: %v", err)
		}
		if _, err := p.Append(batch(t, "a"), producer); !errors.Is(err, kerr.UnknownTopicOrPartition) {
			t.Errorf("append to a deleted partition: %v", err)
		}
		if _, err := f.Partition("t", 0); !errors.Is(err, kerr.UnknownTopicOrPartition) {
			t.Errorf("deleted partition: %v", err)
		}
		f.create("t", 1)
		if got := read(t, f.partition("t", 0), 0); len(got) != 0 {
			t.Errorf("the new topic has the records of the deleted one: %v", got)
		}
	})
}

func TestObserversHearOfLeadership(t *testing.T) {
	f := open(t, vfs.NewMem())
	defer f.close()
	f.create("t", 1)
	f.delete("t")
	if len(f.changes) != 2 || !f.changes[0].Leading || f.changes[1].Leading || f.changes[0].LeaderEpoch != f.changes[1].LeaderEpoch {
		t.Errorf("told of %+v", f.changes)
	}
}

func TestRestartKeepsRecordsAndTopicsOfTheirIDs(t *testing.T) {
	fs := vfs.NewMem()
	f := open(t, fs)
	f.create("t", 1)
	f.append(f.partition("t", 0), "a", "b")
	id := f.partition("t", 0).TopicID()
	f.close()

	f = open(t, fs)
	p := f.partition("t", 0)
	if got := fmt.Sprint(read(t, p, 0)); got != "[0=a 1=b]" || p.HighWatermark() != 2 || p.TopicID() != id {
		t.Errorf("after the restart: %s, high watermark %d", got, p.HighWatermark())
	}
	f.append(p, "c")
	f.close()

	// A directory of this name that belongs to another topic is set aside, and its records neither served nor deleted.
	name := "/data/t-0/partition.metadata"
	text, err := fs.ReadFile(name)
	ok(t, err)
	at := bytes.Index(text, []byte("topic_id: ")) + len("topic_id: ")
	ok(t, fs.WriteFileAtomic(name, append(text[:at:at], "AAAAAAAAAAAAAAAAAAAAAg"...), true))
	f = open(t, fs)
	defer f.close()
	if got := read(t, f.partition("t", 0), 0); len(got) != 0 {
		t.Errorf("served the records of another topic: %v", got)
	}
	strays := 0
	infos, err := fs.List("/data")
	ok(t, err)
	for _, i := range infos {
		if bytes.HasSuffix([]byte(i.Name), []byte("-stray")) {
			strays++
		}
	}
	if strays != 1 {
		t.Errorf("%d stray directories, want 1", strays)
	}
}

func TestConfigurationReachesPartitions(t *testing.T) {
	f := open(t, vfs.NewMem())
	defer f.close()
	f.create("t", 2, "max.message.bytes", "200")
	p := f.partition("t", 1)
	large := batch(t, string(make([]byte, 300)))
	if _, err := p.Append(large, producer); !errors.Is(err, kerr.MessageTooLarge) {
		t.Fatalf("300 bytes at a limit of 200: %v", err)
	}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, "t"
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = "max.message.bytes", kmsg.StringPtr("1000")
	r.Configs = append(r.Configs, c)
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(t.Context(), f.meta.Controller())
	ok(t, err)
	ok(t, kerr.ErrorForCode(resp.Resources[0].ErrorCode))
	if _, err := p.Append(large, producer); err != nil {
		t.Errorf("after the limit was raised: %v", err)
	}
}

func TestOffsetsByTimestamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, vfs.NewMem())
		defer f.close()
		f.create("t", 1)
		p := f.partition("t", 0)
		first := time.Now().UnixMilli()
		f.append(p, "a")
		time.Sleep(time.Second)
		f.append(p, "b", "c")
		_, err := p.DeleteRecords(1)
		ok(t, err)
		for _, c := range []struct{ timestamp, want int64 }{
			{TimestampLatest, 3}, {TimestampEarliest, 1}, {TimestampMax, 1}, {TimestampEarliestLocal, 1}, {TimestampLatestTiered, -1},
			{TimestampEarliestPendingUpload, -1}, {0, 1}, {first + 1000, 1}, {first + 1001, -1},
		} {
			found, err := p.OffsetForTimestamp(c.timestamp, false, -1)
			if err != nil || found.Offset != c.want {
				t.Errorf("timestamp %d: offset %d, %v, want %d", c.timestamp, found.Offset, err, c.want)
			}
		}
		if _, err := p.OffsetForTimestamp(-99, false, -1); err == nil {
			t.Error("timestamp -99 was looked up")
		}
	})
}

func TestDeleteRecords(t *testing.T) {
	f := open(t, vfs.NewMem())
	defer f.close()
	f.create("t", 1)
	f.create("compacted", 1, "cleanup.policy", "compact")
	p := f.partition("t", 0)
	f.append(p, "a")
	f.append(p, "b")
	if _, err := p.DeleteRecords(3); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("beyond the high watermark: %v", err)
	}
	if low, err := p.DeleteRecords(1); err != nil || low != 1 {
		t.Errorf("low watermark %d, %v", low, err)
	}
	if _, err := p.Read(ReadOptions{Offset: 0, MaxBytes: 1, LeaderEpoch: -1, LastFetchedEpoch: -1}); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("read of a deleted offset: %v", err)
	}
	if low, err := p.DeleteRecords(-1); err != nil || low != 2 {
		t.Errorf("all of them: low watermark %d, %v", low, err)
	}
	if _, err := f.partition("compacted", 0).DeleteRecords(-1); !errors.Is(err, kerr.PolicyViolation) {
		t.Errorf("of a compacted topic: %v", err)
	}
}

func TestDivergingFetcherIsToldWhere(t *testing.T) {
	f := open(t, vfs.NewMem())
	defer f.close()
	f.create("t", 1)
	p := f.partition("t", 0)
	f.append(p, "a", "b")
	r, err := p.Read(ReadOptions{Offset: 5, MaxBytes: 100, LeaderEpoch: -1, LastFetchedEpoch: p.LeaderEpoch()})
	ok(t, err)
	if r.Diverging == nil || r.Diverging.EndOffset != 2 || r.Diverging.Epoch != p.LeaderEpoch() {
		t.Errorf("diverging %+v, want epoch %d ending at 2", r.Diverging, p.LeaderEpoch())
	}
}

func TestJournalLoadsWhatItAppended(t *testing.T) {
	fs := vfs.NewMem()
	f := open(t, fs)
	f.create("j", 1)
	p, j := f.partition("j", 0), f.Journal("j")
	for i := range 5 {
		last, err := j.Append(t.Context(), 0, p.LeaderEpoch(), coordinator.Pending{Records: []protocol.Record{
			{TimestampMs: 1, Key: []byte{byte(i)}, Value: []byte("v")}, {TimestampMs: 1, Key: []byte{byte(i)}},
		}})
		ok(t, err)
		ok(t, j.WaitCommitted(t.Context(), 0, last))
	}
	if _, err := j.Append(t.Context(), 0, p.LeaderEpoch()+1, coordinator.Pending{Records: []protocol.Record{{}}}); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("append of another epoch's shard: %v", err)
	}
	f.close()
	f = open(t, fs)
	defer f.close()
	var offsets []int64
	ok(t, f.Journal("j").Load(t.Context(), 0, func(_ protocol.Batch, offset int64, r protocol.Record) error {
		if int(r.Key[0]) != int(offset)/2 || (r.Value == nil) != (offset%2 == 1) {
			t.Errorf("offset %d: %v", offset, r)
		}
		offsets = append(offsets, offset)
		return nil
	}))
	if len(offsets) != 10 {
		t.Errorf("loaded %v", offsets)
	}
}
