package metadata

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata/records"
	"github.com/gokafka/gokafka/internal/vfs"
)

func TestFreshClusterBeginsAsApaches(t *testing.T) {
	n := newTestNode(t).open()
	img := n.image()
	want := map[string]int16{
		"metadata.version": 30, "eligible.leader.replicas.version": 1, "group.version": 1, "share.version": 1, "streams.version": 1, "transaction.version": 2,
	}
	if diff := cmp.Diff(want, img.Features()); diff != "" {
		t.Error(diff)
	}
	if got := img.BrokerConfig(-1); len(got) != 1 || got["min.insync.replicas"] != "1" {
		t.Errorf("cluster defaults: %v", got)
	}
	if img.Epoch() != 1 || img.ControllerID() != 1 || img.ClusterID() != testClusterID || len(img.Controllers()) != 1 || img.Offset() != 12 {
		t.Errorf("epoch %d, controller %d of %v, offset %d", img.Epoch(), img.ControllerID(), img.Controllers(), img.Offset())
	}
	for name, want := range map[string]string{
		"quorum-state": `{"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}`,
		"00000000000000000000-0000000000.checkpoint": "",
		"partition.metadata":                         "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ",
	} {
		text, err := n.fs.ReadFile("/data/__cluster_metadata-0/" + name)
		if err != nil || want != "" && strings.TrimSpace(string(text)) != want {
			t.Errorf("%s: %s %v", name, text, err)
		}
	}
	if text, err := n.fs.ReadFile("/data/bootstrap.checkpoint"); err != nil || len(text) != 411 {
		t.Errorf("bootstrap.checkpoint: %d bytes, Kafka's has 411; %v", len(text), err)
	}
}

func TestStaticVotersAreKeptOutOfTheLog(t *testing.T) {
	n := newTestNode(t, "controller.quorum.voters", "1@localhost:9093", "controller.listener.names", "CONTROLLER",
		"listeners", "PLAINTEXT://:9092,CONTROLLER://:9093", "process.roles", "broker,controller").open()
	if n.image().kraftVersion != 0 || n.image().voters != nil {
		t.Errorf("kraft.version %d, voters %v", n.image().kraftVersion, n.image().voters)
	}
	text, err := n.fs.ReadFile("/data/__cluster_metadata-0/quorum-state")
	want := `{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}`
	if err != nil || string(text) != want {
		t.Errorf("quorum-state: %s %v", text, err)
	}
	n.close()
	n.open()
	if n.image().Epoch() != 2 {
		t.Errorf("epoch %d after a restart", n.image().Epoch())
	}
}

func TestBootstrapCheckpointOfKafkaStorageDecides(t *testing.T) {
	n := newTestNode(t)
	img := newImage("")
	img.features = img.features.put("metadata.version", 25).put("group.version", 1)
	data, err := encodeSnapshot(img, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.fs.WriteFileAtomic("/data/bootstrap.checkpoint", data, true); err != nil {
		t.Fatal(err)
	}
	n.open()
	if diff := cmp.Diff(map[string]int16{"metadata.version": 25, "group.version": 1}, n.image().Features()); diff != "" {
		t.Error(diff)
	}
	if got := n.image().BrokerConfig(-1); got != nil {
		t.Errorf("cluster defaults without eligible leader replicas: %v", got)
	}
}

// TestRestartKeepsEverything compares the image before and after a restart, with snapshots after every few records and without.
func TestRestartKeepsEverything(t *testing.T) {
	for _, between := range []string{"1", "700", "20971520"} {
		t.Run(between, func(t *testing.T) {
			n := newTestNode(t, "metadata.log.max.record.bytes.between.snapshots", between).start()
			rng := rand.New(rand.NewPCG(1, 2))
			for range 5 {
				for range 20 {
					n.randomRequest(rng)
				}
				before := dump(n.image())
				offset := n.image().Offset()
				n.close()
				n.open()
				after := dump(n.image())
				if diff := cmp.Diff(withoutControllers(before), withoutControllers(after)); diff != "" {
					t.Fatal(diff)
				}
				if n.image().Offset() != offset+2 { // leader change, controller registration
					t.Errorf("offset %d after %d", n.image().Offset(), offset)
				}
			}
			ids, err := n.local.journal.listSnapshots()
			if err != nil || between == "1" && len(ids) < 2 || len(ids) > 3 {
				t.Errorf("snapshots %v %v", ids, err)
			}
		})
	}
}

func withoutControllers(list []records.Versioned) []records.Versioned {
	return slices.DeleteFunc(slices.Clone(list), func(r records.Versioned) bool {
		_, ok := r.Record.(*records.RegisterControllerRecord)
		return ok
	})
}

// randomRequest sends a request of a kind and with a content that rng chooses, many of them wrong.
func (n *testNode) randomRequest(rng *rand.Rand) {
	n.t.Helper()
	topic := fmt.Sprintf("t%d", rng.IntN(8))
	broker := int32(1 + rng.IntN(3))
	epoch := int64(-1)
	if b := n.image().Broker(broker); b != nil {
		epoch = b.Epoch
	}
	switch rng.IntN(12) {
	case 0, 1, 2:
		ask[kmsg.Response](n, createTopics(7, rng.IntN(9) == 0, topicSpec{name: topic, partitions: int32(rng.IntN(5)), rf: int16(rng.IntN(4)),
			configs: []string{"retention.ms=" + fmt.Sprint(rng.IntN(100))}}, topicSpec{name: topic + "x", partitions: 1, rf: 1}))
	case 3:
		ask[kmsg.Response](n, deleteTopics(6, topic))
	case 4:
		ask[kmsg.Response](n, createPartitions(3, false, growSpec{name: topic, count: int32(rng.IntN(9))}))
	case 5:
		ask[kmsg.Response](n, incremental(false, alterSpec{ResourceTopic, topic, []string{"=min.insync.replicas=" + fmt.Sprint(rng.IntN(3)), "-retention.ms"}},
			alterSpec{ResourceBroker, "", []string{"=message.max.bytes=" + fmt.Sprint(1000+rng.IntN(9))}}))
	case 6:
		ask[kmsg.Response](n, legacy(2, false, alterSpec{ResourceTopic, topic, []string{"segment.ms=" + fmt.Sprint(1+rng.IntN(99))}}))
	case 7:
		ask[kmsg.Response](n, &kmsg.AllocateProducerIDsRequest{BrokerID: broker, BrokerEpoch: epoch})
	case 8:
		dir := testDirID
		dir[0] = byte(broker)
		n.nowMs += int64(rng.IntN(2) * 10000)
		ask[kmsg.Response](n, registration(broker, byte(rng.IntN(3)), dir))
	case 9, 10:
		if epoch >= 0 {
			n.beat(broker, epoch, rng.IntN(4) == 0, rng.IntN(6) == 0)
		}
	case 11:
		ask[kmsg.Response](n, reassign(1, true, topic, int32(rng.IntN(3)), []int32{broker}))
	}
	n.checkInvariants()
}

// checkInvariants looks for what must never be, whatever was asked.
func (n *testNode) checkInvariants() {
	n.t.Helper()
	img := n.image()
	count := 0
	for t := range img.Topics() {
		count++
		if img.Topic(t.Name) != t || img.TopicByID(t.ID) != t || len(t.Partitions) == 0 {
			n.t.Fatalf("topic %s is not what its name or id finds", t.Name)
		}
		for i, p := range t.Partitions {
			bad := ""
			switch {
			case len(p.Replicas) == 0 || len(p.Replicas) != len(p.Directories):
				bad = "replicas and directories"
			case !containsAll(p.Replicas, p.ISR) || !containsAll(p.Replicas, p.ELR):
				bad = "in sync, and no replica"
			case slices.ContainsFunc(p.ISR, func(r int32) bool { return slices.Contains(p.ELR, r) }):
				bad = "in sync and eligible"
			case p.Leader != NoLeader && !slices.Contains(p.ISR, p.Leader):
				bad = "leads and is not in sync"
			case p.Leader != NoLeader && (img.Broker(p.Leader) == nil || img.Broker(p.Leader).Fenced):
				bad = "leads and is fenced"
			case p.PartitionEpoch < p.LeaderEpoch:
				bad = "epochs"
			}
			if bad != "" {
				n.t.Fatalf("%s-%d: %s: %+v", t.Name, i, bad, p)
			}
		}
	}
	if count != img.NumTopics() || img.topicsByID.len() != count {
		n.t.Fatalf("%d topics, %d by name, %d by id", count, img.NumTopics(), img.topicsByID.len())
	}
	for res := range img.ConfigResources() {
		if res.Type == ResourceTopic && img.Topic(res.Name) == nil {
			n.t.Fatalf("configurations of %s, which is no topic", res.Name)
		}
	}
}

func TestRandomRequestsKeepInvariants(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			n := newTestNode(t, "metadata.log.max.record.bytes.between.snapshots", "3000").start()
			rng := rand.New(rand.NewPCG(seed, 7))
			for range 150 {
				n.randomRequest(rng)
			}
		})
	}
}

// TestCrashLosesNothingAnswered cuts the power at a random moment of a random history, twice. What was answered must be there, whole, and what was
// not answered there in whole or not at all.
func TestCrashLosesNothingAnswered(t *testing.T) {
	for seed := range uint64(60) {
		n := newTestNode(t, "metadata.log.max.record.bytes.between.snapshots", fmt.Sprint(200+seed*50))
		rng := rand.New(rand.NewPCG(seed, 3))
		n.open()
		n.join(1, 1, -1)
		for round := range byte(3) {
			for range rng.IntN(12) {
				n.randomRequest(rng)
			}
			answered := withoutControllers(dump(n.image()))
			mem := n.fs.(*vfs.Mem)
			// The last request is cut off somewhere: its bytes are in the file and were not synced.
			torn := rng.IntN(2) == 0
			name := fmt.Sprint("torn", round) // that of a round before is there to stay, if all of it was on the disk
			if torn {
				n.writeTorn(rng, name, [16]byte{0xee, round})
			}
			crash := mem.CrashClone
			if seed%2 == 1 {
				crash = mem.CrashCloneReordered
			}
			n.fs = crash(rng)
			n.local.Close()
			if err := n.tryOpen(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			n.checkInvariants()
			got := withoutControllers(dump(n.image()))
			if torn {
				got = withoutTopic(got, name)
			}
			if diff := cmp.Diff(answered, got); diff != "" {
				t.Fatalf("seed %d: %s", seed, diff)
			}
		}
		n.local.Close()
	}
}

// writeTorn appends, behind the controller's back and without a sync, what a request would have written.
func (n *testNode) writeTorn(rng *rand.Rand, topic string, id [16]byte) {
	name := path.Join(n.local.journal.dir, "00000000000000000000.log")
	f, err := n.fs.Open(name)
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		n.t.Fatal(err)
	}
	part := &Partition{Replicas: []int32{1}, ISR: []int32{1}, Directories: [][16]byte{testDirID}, Leader: 1}
	img := n.image()
	batch, err := encodeBatch(img.Offset()+1, img.Epoch(), n.nowMs, []records.Versioned{
		records.V0(&records.TopicRecord{Name: topic, TopicID: id}), part.record(img, id, 0), part.record(img, id, 1),
	})
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := f.WriteAt(batch[:rng.IntN(len(batch)+1)], size); err != nil {
		n.t.Fatal(err)
	}
}

func withoutTopic(list []records.Versioned, name string) []records.Versioned {
	var id [16]byte
	partitions := 0
	rest := slices.DeleteFunc(slices.Clone(list), func(r records.Versioned) bool {
		switch r := r.Record.(type) {
		case *records.TopicRecord:
			if r.Name == name {
				id = r.TopicID
				return true
			}
		case *records.PartitionRecord:
			if r.TopicID == id {
				partitions++
				return true
			}
		}
		return false
	})
	if partitions != 0 && partitions != 2 {
		panic(fmt.Sprintf("%d partitions of %s", partitions, name))
	}
	return rest
}

// TestCrashAtEveryFileOperationOfOpen fails each operation on files in turn while a cluster is born, restarted and given a topic, and opens what a
// power cut would leave then.
func TestCrashAtEveryFileOperationOfOpen(t *testing.T) {
	boom := errors.New("boom")
	for step := 0; ; step++ {
		n := newTestNode(t, "metadata.log.max.record.bytes.between.snapshots", "1")
		mem := n.fs.(*vfs.Mem)
		var mu sync.Mutex
		count, hit := 0, false
		n.fs = vfs.Fault(mem, func(vfs.Op, string) error {
			mu.Lock()
			defer mu.Unlock()
			count++
			if count > step {
				hit = true
				return boom
			}
			return nil
		})
		answered := n.life()
		mu.Lock()
		done := !hit
		mu.Unlock()
		n.fs = mem.CrashClone(rand.New(rand.NewPCG(uint64(step), 1)))
		if err := n.tryOpen(); err != nil {
			t.Fatalf("after %d operations: %v", step, err)
		}
		if answered && n.image().Topic("t") == nil {
			t.Fatalf("after %d operations: the topic is lost", step)
		}
		if n.image().Feature("metadata.version") != 30 {
			t.Fatalf("after %d operations: features %v", step, n.image().Features())
		}
		n.local.Close()
		if done {
			t.Logf("%d operations", step)
			return
		}
	}
}

// life opens, restarts, creates a topic; it ends with the first error. It returns whether the topic was acknowledged.
func (n *testNode) life() (answered bool) {
	for round := range 2 {
		if err := n.tryOpen(); err != nil {
			return false
		}
		ctx := context.Background()
		dir := testDirID
		c := n.local.Controller()
		resp, err := c.Request(ctx, registration(1, byte(round), dir))
		if err == nil && round == 1 {
			beat := &kmsg.BrokerHeartbeatRequest{BrokerID: 1, BrokerEpoch: resp.(*kmsg.BrokerRegistrationResponse).BrokerEpoch, CurrentMetadataOffset: 1 << 40}
			if _, err = c.Request(ctx, beat); err == nil {
				resp, err = c.Request(ctx, createTopics(7, false, topicSpec{name: "t", partitions: 2, rf: 1}))
				answered = err == nil && resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode == 0
			}
		}
		n.local.Close()
		if err != nil {
			return answered
		}
	}
	return answered
}

// TestDamagedSnapshotIsPassedOver damages the newest snapshot: an older one and the log do.
func TestDamagedSnapshotIsPassedOver(t *testing.T) {
	n := newTestNode(t, "metadata.log.max.record.bytes.between.snapshots", "1").start()
	for i := range 10 {
		ask[kmsg.Response](n, createTopics(7, false, topicSpec{name: fmt.Sprintf("t%d", i), partitions: 1, rf: 1}))
	}
	before := withoutControllers(dump(n.image()))
	n.close()
	ids, err := n.local.journal.listSnapshots()
	if err != nil || len(ids) < 2 {
		t.Fatal(ids, err)
	}
	name := path.Join(n.local.journal.dir, ids[len(ids)-1].name())
	data, err := n.fs.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, damage := range []func([]byte) []byte{
		func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		func(b []byte) []byte { return b[:len(b)-30] },
		func(b []byte) []byte { return nil },
	} {
		if err := n.fs.WriteFileAtomic(name, damage(slices.Clone(data)), true); err != nil {
			t.Fatal(err)
		}
		n.open()
		if diff := cmp.Diff(before, withoutControllers(dump(n.image()))); diff != "" {
			t.Error(diff)
		}
		n.close()
		if _, err := n.fs.Stat(name); err != nil {
			t.Errorf("the damaged snapshot is gone: %v", err)
		}
	}
}

// TestOtherQuorumIsRefused opens metadata that other controllers have a say in.
func TestOtherQuorumIsRefused(t *testing.T) {
	n := newTestNode(t).open()
	n.close()
	o := n.options()
	o.NodeID = 2
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "belongs to controller 1") {
		t.Errorf("another node: %v", err)
	}
	img := *n.image()
	more := *img.voters
	more.Voters = append(slices.Clone(more.Voters), records.Voter{VoterID: 2})
	img.voters = &more
	data, err := encodeSnapshot(&img, 1)
	if err != nil {
		t.Fatal(err)
	}
	id := snapshotID{img.offset + 1, img.epoch}
	if err := n.fs.WriteFileAtomic(path.Join(n.local.journal.dir, id.name()), data, true); err != nil {
		t.Fatal(err)
	}
	if err := n.tryOpen(); !errors.Is(err, errOtherVoters) {
		t.Errorf("a quorum of two: %v", err)
	}
}

// TestTransactionCutOffIsAborted opens a log that ends within a transaction of Kafka's controller (KIP-868).
func TestTransactionCutOffIsAborted(t *testing.T) {
	n := newTestNode(t).start()
	before := withoutControllers(dump(n.image()))
	img := n.image()
	batch, err := encodeBatch(img.offset+1, img.epoch, n.nowMs, []records.Versioned{
		records.V0(&records.BeginTransactionRecord{}), records.V0(&records.TopicRecord{Name: "half", TopicID: [16]byte{7}}),
	})
	if err == nil {
		err = n.local.journal.append(batch)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		n.close()
		n.open()
		if diff := cmp.Diff(before, withoutControllers(dump(n.image()))); diff != "" {
			t.Fatal(diff)
		}
	}
}

// TestLogLostBehindSnapshot opens a directory whose log is gone: the snapshot is what is left, and offsets go on after it.
func TestLogLostBehindSnapshot(t *testing.T) {
	n := newTestNode(t)
	copyApache(t, n, ".log", "index", "leader-epoch")
	n.open()
	if n.image().NumTopics() != 14 || n.image().Offset() != 121 || n.image().Epoch() != 6 {
		t.Errorf("%d topics, offset %d, epoch %d", n.image().NumTopics(), n.image().Offset(), n.image().Epoch())
	}
	n.close()
	n.open()
	if n.image().NumTopics() != 14 || n.image().Offset() != 123 || n.image().Epoch() != 7 {
		t.Errorf("again: %d topics, offset %d, epoch %d", n.image().NumTopics(), n.image().Offset(), n.image().Epoch())
	}
}

// TestLogIsCutBehindSnapshots lets the log grow over metadata.max.retention.bytes: segments that snapshots stand for go, and the rest still opens.
func TestLogIsCutBehindSnapshots(t *testing.T) {
	n := newTestNode(t, "metadata.log.max.record.bytes.between.snapshots", "200000", "metadata.log.segment.bytes", "8388608",
		"metadata.max.retention.bytes", "4096")
	n.start()
	ask[kmsg.Response](n, createTopics(7, false, topicSpec{name: "t", partitions: 7, rf: 1}))
	for i := range 24 {
		ask[kmsg.Response](n, incremental(false, alterSpec{ResourceBroker, "", []string{fmt.Sprint("=note=", i, strings.Repeat("x", 1<<20))}}))
		n.local.journal.finishWriting()
	}
	start := n.local.journal.log.StartOffset()
	if start == 0 {
		t.Fatalf("the log of %d bytes still begins at 0", n.local.journal.log.SizeBytes())
	}
	n.close()
	n.open()
	if got := n.image().Topic("t"); got == nil || len(got.Partitions) != 7 {
		t.Errorf("%+v", got)
	}
	n.close()
	// Without the snapshots the beginning is missing, and that must not look like an empty cluster.
	ids, err := n.local.journal.listSnapshots()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if err := n.fs.Remove(path.Join(n.local.journal.dir, id.name())); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.tryOpen(); err == nil || !strings.Contains(err.Error(), "no readable snapshot") {
		t.Errorf("without snapshots: %v", err)
	}
}

// finishWriting waits for a snapshot under way. Only for tests that send no request meanwhile.
func (j *localJournal) finishWriting() {
	if w := j.writing; w != nil {
		<-w
	}
}
