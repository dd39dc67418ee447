package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestTopicsOfZooKeeperDirectory opens a directory as Kafka 2.8 with ZooKeeper leaves it: no metadata log, no partition.metadata, meta.properties of
// version 0.
func TestTopicsOfZooKeeperDirectory(t *testing.T) {
	dir := t.TempDir()
	n, stop := run(t, configured(t, "log.dirs", dir, "node.id", "3", "offsets.topic.num.partitions", "2"))
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.Addrs()[0].Bound), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(t.Context(), 3, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: 1, Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	var commit kadm.Offsets
	commit.AddOffset("t", 1, 7, -1)
	if err := adm.CommitAllOffsets(t.Context(), "g", commit); err != nil {
		t.Fatal(err)
	}
	producer := ask[*kmsg.InitProducerIDResponse](t, n.Addrs()[0].Bound, kmsg.NewPtrInitProducerIDRequest()).ProducerID
	cl.Close()
	cluster := n.ClusterID()
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	for _, name := range []string{"__cluster_metadata-0", "bootstrap.checkpoint", "t-0"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	ids, err := filepath.Glob(dir + "/*/partition.metadata")
	if err != nil || len(ids) == 0 {
		t.Fatal(ids, err)
	}
	for _, name := range ids {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	meta := fmt.Sprintf("#\n#Sun Nov 22 21:58:33 UTC 2026\nbroker.id=3\nversion=0\ncluster.id=%s\n", cluster)
	if err := os.WriteFile(dir+"/meta.properties", []byte(meta), 0o644); err != nil {
		t.Fatal(err)
	}

	var id kadm.TopicID
	for range 2 {
		n, stop = run(t, configured(t, "log.dirs", dir, "node.id", "3"))
		if n.ClusterID() != cluster {
			t.Errorf("cluster %s, it was %s", n.ClusterID(), cluster)
		}
		id = checkAdopted(t, n.Addrs()[0].Bound, producer, id)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkAdopted looks at what the test above made; id is what the topic's was, zero the first time.
func checkAdopted(t *testing.T, addr string, producer int64, id kadm.TopicID) kadm.TopicID {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {1: kgo.NewOffset().At(0)}}))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	topics, err := adm.ListTopicsWithInternal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	topic := topics["t"]
	if len(topics) != 2 || len(topic.Partitions) != 3 || len(topics["__consumer_offsets"].Partitions) != 2 || topic.ID == (kadm.TopicID{}) {
		t.Fatalf("topics: %+v", topics)
	}
	if id != (kadm.TopicID{}) && id != topic.ID {
		t.Errorf("the topic's id is %s, it was %s", topic.ID, id)
	}
	for seen := 0; seen < 10; {
		fetches := cl.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fetches.Records() {
			if string(r.Value) != fmt.Sprint(r.Offset) {
				t.Errorf("offset %d: %s", r.Offset, r.Value)
			}
			seen++
		}
	}
	offsets, err := adm.FetchOffsets(context.Background(), "g")
	if o, ok := offsets.Lookup("t", 1); err != nil || !ok || o.At != 7 {
		t.Errorf("committed: %+v, %v", offsets, err)
	}
	for name, want := range map[string]map[string]string{"t": {"retention.ms": "-1"}, "__consumer_offsets": {"cleanup.policy": "compact"}} {
		configs, err := adm.DescribeTopicConfigs(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range configs[0].Configs {
			if w, ok := want[c.Key]; ok && c.MaybeValue() != w {
				t.Errorf("%s of %s is %s", c.Key, name, c.MaybeValue())
			}
		}
	}
	resp := ask[*kmsg.InitProducerIDResponse](t, addr, kmsg.NewPtrInitProducerIDRequest())
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil || resp.ProducerID <= producer {
		t.Errorf("producer id %d, %v; %d was given away already", resp.ProducerID, err, producer)
	}
	return topic.ID
}

// TestStrayPartitionsAreSetAside: what the metadata does not know is neither served nor deleted.
func TestStrayPartitionsAreSetAside(t *testing.T) {
	dir := t.TempDir()
	n, stop := run(t, configured(t, "log.dirs", dir))
	createTopic := func(name string) {
		t.Helper()
		cl, err := kgo.NewClient(kgo.SeedBrokers(n.Addrs()[0].Bound))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, name); err != nil {
			t.Fatal(err)
		}
	}
	createTopic("t")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"t-1", "unknown-0"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(dir, "t-0"))); err != nil {
			t.Fatal(err)
		}
	}
	n, stop = run(t, configured(t, "log.dirs", dir, "log.retention.ms", "1"))
	createTopic("unknown")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]int{"t-1.*-stray": 1, "unknown-0.*-stray": 1, "t-0": 1, "t-1": 0, "unknown-0": 1} {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(found) != want {
			t.Errorf("%s: %v, %v", pattern, found, err)
		}
	}
}
