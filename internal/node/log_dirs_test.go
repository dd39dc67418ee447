package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/vfs"
)

// disks are log directories of which any can be made to fail.
type disks struct {
	dirs   []string
	broken atomic.Pointer[string]
}

func newDisks(t *testing.T, n int) *disks {
	d := &disks{}
	for range n {
		d.dirs = append(d.dirs, t.TempDir())
	}
	return d
}

func (d *disks) fail(dir string) { d.broken.Store(&dir) }

func (d *disks) open(t *testing.T, keyValues ...string) *Node {
	t.Helper()
	fs := vfs.Fault(vfs.OS(), func(op vfs.Op, name string) error {
		if dir := d.broken.Load(); dir != nil && op != vfs.OpClose && (strings.HasPrefix(name, *dir+"/") || name == *dir) {
			return syscall.EIO
		}
		return nil
	})
	cfg := configured(t, append([]string{"log.dirs", strings.Join(d.dirs, ",")}, keyValues...)...)
	n, err := Open(t.Context(), cfg, Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (d *disks) run(t *testing.T, keyValues ...string) (*Node, func() error) {
	t.Helper()
	n := d.open(t, keyValues...)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	return n, func() error { cancel(); return <-ended }
}

func client(t *testing.T, n *Node, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(n.Addrs()[0].Bound), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// until waits for something that others bring about.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func lies(t *testing.T, adm *kadm.Client, topic string, partition int32) (dir string, moving bool) {
	t.Helper()
	described, err := adm.DescribeAllLogDirs(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	described.Each(func(d kadm.DescribedLogDir) {
		if p, ok := d.Topics.Lookup(topic, partition); ok {
			if p.IsFuture {
				moving = true
			} else {
				dir = d.Dir
			}
		}
	})
	return dir, moving
}

// TestMoveWhileProducingAndConsuming moves a partition between two directories of a running broker. Every record arrives once, in order.
func TestMoveWhileProducingAndConsuming(t *testing.T) {
	d := newDisks(t, 2)
	n, stop := d.run(t)
	c := client(t, n, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().AtStart()}}))
	adm := kadm.NewClient(c)
	if _, err := adm.CreateTopic(t.Context(), 1, 1, map[string]*string{"segment.bytes": kadm.StringPtr("1048576")}, "t"); err != nil {
		t.Fatal(err)
	}
	var producing, consuming sync.WaitGroup
	done, all := make(chan struct{}), make(chan struct{})
	sent := atomic.Int64{}
	producing.Go(func() {
		p := client(t, n, kgo.DefaultProduceTopic("t"), kgo.ProducerLinger(0))
		value := strings.Repeat("x", 1000)
		for {
			select {
			case <-done:
				return
			default:
			}
			records := make([]*kgo.Record, 20)
			for i := range records {
				records[i] = &kgo.Record{Key: fmt.Append(nil, sent.Load()+int64(i)), Value: []byte(value)}
			}
			if err := p.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
				t.Error(err)
				return
			}
			sent.Add(int64(len(records)))
		}
	})
	received := atomic.Int64{}
	consuming.Go(func() {
		for next := int64(0); ; {
			select {
			case <-all:
				if next >= sent.Load() {
					return
				}
			default:
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			c.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				if r.Offset != next || string(r.Key) != fmt.Sprint(next) {
					t.Errorf("at %d came %s at %d", next, r.Key, r.Offset)
				}
				next = r.Offset + 1
				received.Store(next)
			})
			cancel()
			if t.Failed() {
				return
			}
		}
	})
	until(t, "something to move", func() bool { return received.Load() > 500 })
	for i := range 4 {
		from, _ := lies(t, adm, "t", 0)
		to := d.dirs[(slices.Index(d.dirs, from)+1)%2]
		var req kadm.AlterReplicaLogDirsReq
		set := kadm.TopicsSet{}
		set.Add("t", 0)
		req.Add(to, set)
		resp, err := adm.AlterBrokerReplicaLogDirs(t.Context(), n.Config().NodeID(), req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Each(func(r kadm.AlterReplicaLogDirsResponse) {
			if r.Err != nil {
				t.Errorf("move %d: %v", i, r.Err)
			}
		})
		until(t, "move to "+to, func() bool { dir, moving := lies(t, adm, "t", 0); return dir == to && !moving })
		before := received.Load()
		until(t, "records after the move", func() bool { return received.Load() > before })
	}
	close(done)
	producing.Wait()
	close(all)
	consuming.Wait()
	c.Close()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if received.Load() != sent.Load() {
		t.Errorf("sent %d, received %d", sent.Load(), received.Load())
	}
}

// TestOneDirectoryFails: its partitions are offline, to clients and to the controller, and the others serve. After the repair a start has all again.
func TestOneDirectoryFails(t *testing.T) {
	d := newDisks(t, 2)
	n, stop := d.run(t)
	c := client(t, n, kgo.RecordRetries(0), kgo.ProducerLinger(0))
	adm := kadm.NewClient(c)
	if _, err := adm.CreateTopic(t.Context(), 2, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	produce := func(partition int32) error {
		return c.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: partition, Value: []byte("v")}).FirstErr()
	}
	lost := int32(0)
	if dir, _ := lies(t, adm, "t", 1); dir == d.dirs[1] {
		lost = 1
	}
	for p := range int32(2) {
		if err := produce(p); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the controller knows the directories", func() bool {
		p := n.metadata.Store().Image().Topic("t").Partitions
		return p[0].Directories[0] != [16]byte{} && p[1].Directories[0] != [16]byte{}
	})
	d.fail(d.dirs[1])
	raw := func(partition int32) int16 {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID = -1
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = "t"
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = partition, 0, -1
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		return ask[*kmsg.ListOffsetsResponse](t, n.Addrs()[0].Bound, req).Topics[0].Partitions[0].ErrorCode
	}
	until(t, "KAFKA_STORAGE_ERROR", func() bool {
		_ = produceRaw(t, n, lost) // whoever meets the failure
		return raw(lost) == kerr.KafkaStorageError.Code
	})
	var described kadm.TopicDetail
	until(t, "the replica is offline", func() bool {
		topics, err := adm.ListTopics(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		described = topics["t"]
		return len(described.Partitions[lost].OfflineReplicas) == 1
	})
	if p := described.Partitions[lost]; p.Leader != -1 || !errors.Is(p.Err, kerr.LeaderNotAvailable) {
		t.Errorf("the partition has leader %d, error %v", p.Leader, p.Err)
	}
	if p := described.Partitions[1-lost]; p.Leader != n.Config().NodeID() || p.Err != nil || len(p.OfflineReplicas) > 0 {
		t.Errorf("the other partition: %+v", p)
	}
	dirs, err := adm.DescribeAllLogDirs(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	dirs.Each(func(dir kadm.DescribedLogDir) {
		if wrong := errors.Is(dir.Err, kerr.KafkaStorageError) != (dir.Dir == d.dirs[1]); wrong {
			t.Errorf("%s: %v", dir.Dir, dir.Err)
		}
	})
	if err := produce(1 - lost); err != nil {
		t.Errorf("the other partition: %v", err)
	}
	c.Close()
	if err := stop(); err != nil {
		t.Errorf("a stop with a directory that failed: %v", err)
	}

	d.broken.Store(nil)
	n, stop = d.run(t)
	c = client(t, n)
	topics, err := kadm.NewClient(c).ListEndOffsets(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	topics.Each(func(o kadm.ListedOffset) {
		if want := int64(2); o.Err != nil || o.Partition == lost && o.Offset != 1 || o.Partition != lost && o.Offset != want {
			t.Errorf("after the repair: %+v", o)
		}
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// produceRaw sends one record without a client's patience.
func produceRaw(t *testing.T, n *Node, partition int32) int16 {
	t.Helper()
	c := client(t, n, kgo.DisableIdempotentWrite(), kgo.RecordRetries(0), kgo.ProducerLinger(0), kgo.RecordDeliveryTimeout(time.Second))
	err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: partition, Value: []byte("v")}).FirstErr()
	if e := (*kerr.Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// TestNodeEndsWithItsDirectories: when the directory with the metadata, or the last one, fails, the node ends with an error that says so.
func TestNodeEndsWithItsDirectories(t *testing.T) {
	for _, c := range []struct {
		what string
		dirs int
		want []string // one of them
	}{{"the only one", 1, []string{"have failed", "cluster metadata"}}, {"the one with the metadata", 2, []string{"cluster metadata"}}} {
		t.Run(c.what, func(t *testing.T) {
			d := newDisks(t, c.dirs)
			n := d.open(t)
			ended := make(chan error, 1)
			go func() { ended <- n.Run(context.Background()) }()
			if _, err := kadm.NewClient(client(t, n)).CreateTopic(t.Context(), 2, 1, nil, "t"); err != nil {
				t.Fatal(err)
			}
			d.fail(d.dirs[0])
			var err error
			until(t, "the end of the node", func() bool {
				for p := range int32(2) {
					_ = produceRaw(t, n, p)
				}
				select {
				case err = <-ended:
					return true
				default:
					return false
				}
			})
			said := func(want string) bool { return err != nil && strings.Contains(err.Error(), want) }
			if !slices.ContainsFunc(c.want, said) || !said(d.dirs[0]) || said("\n") {
				t.Errorf("the node ended with: %v", err)
			}
		})
	}
}

func TestStartWithoutTheMetadataDirectory(t *testing.T) {
	d := newDisks(t, 2)
	_, stop := d.run(t)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	fs := vfs.Fault(vfs.OS(), func(op vfs.Op, name string) error {
		if op == vfs.OpLock && strings.HasPrefix(name, d.dirs[0]) {
			return syscall.EROFS
		}
		return nil
	})
	_, err := Open(t.Context(), configured(t, "log.dirs", strings.Join(d.dirs, ",")), Options{FS: fs})
	if err == nil || !strings.Contains(err.Error(), "metadata") || !strings.Contains(err.Error(), d.dirs[0]) {
		t.Errorf("Open: %v", err)
	}
}
