package exchange

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestFromZooKeeper opens a directory of Apache Kafka 2.8.2, whose metadata was in ZooKeeper; and goes on to Apache 4.3.1 from there, which by
// itself would have needed a migration with 3.x.
func TestFromZooKeeper(t *testing.T) {
	h := newHouse(t, 1)
	old := h.apache("28")
	adm := kadm.NewClient(h.client())
	_, err := adm.CreateTopic(h.within(), 3, 1, map[string]*string{"cleanup.policy": pointer("compact")}, "compact-z")
	h.must(err)
	for _, name := range []string{"plain-z", "settled-z", "txn-z", "empty-with-dashes-7"} {
		_, err := adm.CreateTopic(h.within(), 3, 1, nil, name)
		h.must(err)
	}
	h.fillRecords("z")
	h.transact("ta", "txn-z", "committed", kgo.TryCommit)
	h.transact("tb", "txn-z", "aborted", kgo.TryAbort)
	p := h.newIdempotent("plain-z")
	p.next()
	h.consume("g", "plain-z", 20)
	var simple kadm.Offsets
	simple.AddOffset("plain-z", 2, 5, 0)
	h.must(adm.CommitAllOffsets(h.within(), "simple", simple))
	seen := h.see()
	old.stop()

	gokafka := h.gokafka("node.id=0")
	is := h.see()
	// What ZooKeeper had is not known, what the directories have is.
	for name, t := range is.Topics {
		was, ok := seen.Topics[name]
		if !ok {
			continue
		}
		t.ID, t.Configs = was.ID, was.Configs
		for i := range t.Partitions {
			if i < len(was.Partitions) {
				// 2.8 has no DescribeProducers, and does not know how to ask for the largest timestamp.
				t.Partitions[i].Producers, t.Partitions[i].MaxTimestamp = was.Partitions[i].Producers, was.Partitions[i].MaxTimestamp
			}
		}
		is.Topics[name] = t
	}
	seen.Features, seen.Configs, is.Features, is.Configs = nil, nil, nil, nil
	if diff := cmp.Diff(seen, is); diff != "" {
		t.Errorf("not what it was (-was +is):\n%s", diff)
	}
	log, err := os.ReadFile(gokafka.log)
	if notices := strings.Count(string(log), "hold topics that the cluster metadata does not know"); err != nil || notices != 1 {
		t.Errorf("%d notices of the adoption, %v", notices, err)
	}
	p.goOn()
	h.consume("g", "plain-z", 5)
	if q := h.newIdempotent("plain-z"); q.id <= p.id {
		t.Errorf("producer id %d was given away already", q.id)
	}
	h.fill("g1")
	seen = h.see()
	gokafka.stop()
	h.dump("-z-") // dump-log 4.3.1 does not find all that 2.8.2 entered into its time indexes

	h.props = append(slices.Clone(h.props), "node.id=0")
	apache := h.apache("4")
	h.mustSee(seen)
	p.goOn()
	h.consume("g", "plain-z", 5)
	h.transact("tc", "txn-z", "committed", kgo.TryCommit)
	apache.stop()
}
