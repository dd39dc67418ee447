package metadata

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gokafka/gokafka/internal/metadata/records"
	"github.com/gokafka/gokafka/internal/protocol"
)

// apacheDir is what Apache Kafka 4.3.1 left after apacheCases and a clean stop: three leader epochs, snapshots at offsets 0, 61 and 120.
const apacheDir = "testdata/apache-metadata"

// copyApache puts Apache's directory into the node's file system, without the files that skip names.
func copyApache(t *testing.T, n *testNode, skip ...string) {
	t.Helper()
	infos, err := os.ReadDir(apacheDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.fs.MkdirAll("/data/__cluster_metadata-0"); err != nil {
		t.Fatal(err)
	}
next:
	for _, info := range infos {
		for _, s := range skip {
			if strings.Contains(info.Name(), s) {
				continue next
			}
		}
		data, err := os.ReadFile(filepath.Join(apacheDir, info.Name()))
		if err != nil {
			t.Fatal(err)
		}
		dir := "/data/__cluster_metadata-0/"
		if info.Name() == bootstrapFile {
			dir = "/data/"
		}
		if err := n.fs.WriteFileAtomic(dir+info.Name(), data, true); err != nil {
			t.Fatal(err)
		}
	}
}

// dump lists the records that make an image: two images are the same when their dumps are.
func dump(img *Image) []records.Versioned {
	var list []records.Versioned
	img.records(func(r records.Versioned) { list = append(list, r) })
	return list
}

func TestOpenApacheDirectory(t *testing.T) {
	var first []records.Versioned
	for name, skip := range map[string][]string{
		"newest snapshot and tail": nil,
		"middle snapshot and tail": {"0120-"},
		"first snapshot and all":   {"0120-", "0061-"},
		"log alone":                {".checkpoint"},
		"without indexes":          {"index", "leader-epoch"},
		"without quorum-state":     {"quorum-state"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newTestNode(t)
			copyApache(t, n, skip...)
			n.open()
			img := n.image()
			if img.Epoch() != 6 || img.NumTopics() != 14 || img.ControllerID() != 1 || img.kraftVersion != 1 {
				t.Errorf("epoch %d, %d topics, controller %d, kraft.version %d", img.Epoch(), img.NumTopics(), img.ControllerID(), img.kraftVersion)
			}
			if b := img.Broker(1); b == nil || !b.Fenced || !b.InControlledShutdown || b.Epoch != 13 {
				t.Errorf("broker: %+v", b)
			}
			if p := img.Topic("m9").Partitions; len(p) != 3 || p[2].Leader != NoLeader || len(p[2].ELR) != 1 || p[2].LeaderEpoch != 1 {
				t.Errorf("m9: %+v", p)
			}
			if got := img.TopicConfig("c6"); got["min.insync.replicas"] != "2" || len(got) != 3 {
				t.Errorf("configs of c6: %v", got)
			}
			if img.NextProducerID() != 0 || img.ConfigsOf(ResourceGroup, "g")["consumer.session.timeout.ms"] != "50000" {
				t.Errorf("next producer id %d, group configs %v", img.NextProducerID(), img.ConfigsOf(ResourceGroup, "g"))
			}
			got := dump(img)
			got = got[:len(got):len(got)]
			for i, r := range got {
				sortFeatures(r)
				if c, ok := r.Record.(*records.RegisterControllerRecord); ok {
					masked := *c
					masked.IncarnationID = [16]byte{}
					got[i].Record = &masked
				}
			}
			if first == nil {
				first = got
			}
			if diff := cmp.Diff(first, got); diff != "" {
				t.Error(diff)
			}
			// And it goes on from there: the broker comes back, cleanly, and leads.
			n.joinWith(1, 9, 13, img.Topic("m9").Partitions[0].Directories[0])
			if p := n.image().Topic("m9").Partitions[2]; p.Leader != 1 || p.LeaderEpoch != 2 || p.Recovering || len(p.ELR) != 0 || len(p.ISR) != 1 {
				t.Errorf("m9-2 after the return: %+v", p)
			}
		})
	}
}

// TestRecordsAreApachesBytes decodes every record that Apache wrote and encodes it again: the bytes must be the same.
func TestRecordsAreApachesBytes(t *testing.T) {
	names, err := filepath.Glob(apacheDir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, name := range names {
		if !strings.HasSuffix(name, ".log") && !strings.HasSuffix(name, ".checkpoint") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for batch, err := range protocol.Batches(data) {
			if err != nil {
				t.Fatal(name, err)
			}
			for r, err := range batch.Records() {
				if err != nil {
					t.Fatal(name, err)
				}
				var again []byte
				var what any
				if batch.IsControl() {
					c, err := parseControl(r)
					if err != nil {
						t.Fatal(name, r.Offset, err)
					}
					what, again = c, records.AppendControl(nil, c)
				} else {
					v, err := records.Parse(r.Value)
					if err != nil {
						t.Fatal(name, r.Offset, err)
					}
					what, again = v.Record, records.Append(nil, v)
				}
				if !bytes.Equal(again, r.Value) {
					t.Errorf("%s offset %d %T:\nApache %x\nours   %x", name, r.Offset, what, r.Value, again)
				}
				kinds[strings.TrimPrefix(typeName(what), "*records.")]++
			}
		}
	}
	if len(kinds) < 17 {
		t.Errorf("only %d kinds of records: %v", len(kinds), kinds)
	}
}

// TestSnapshotIsApaches compares our snapshot of the image at Apache's snapshot with Apache's own, record by record; Kafka's order is that of a hash
// map.
func TestSnapshotIsApaches(t *testing.T) {
	data, err := os.ReadFile(apacheDir + "/00000000000000000120-0000000005.checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	p := newReplayer(newImage(testClusterID))
	timestampMs, err := decodeSnapshot(data, p)
	if err != nil {
		t.Fatal(err)
	}
	img, err := p.image(119, 5, timestampMs)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := encodeSnapshot(img, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := snapshotRecords(t, ours), snapshotRecords(t, data); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

func snapshotRecords(t *testing.T, data []byte) map[string]int {
	all := map[string]int{}
	for batch, err := range protocol.Batches(data) {
		if err != nil {
			t.Fatal(err)
		}
		for r, err := range batch.Records() {
			if err != nil {
				t.Fatal(err)
			}
			value := r.Value
			if v, err := records.Parse(value); err == nil && !batch.IsControl() {
				// The features of a node are a hash map in Kafka too.
				value = records.Append(nil, sortFeatures(v))
			}
			all[string(r.Key)+"="+string(value)]++
		}
	}
	return all
}
