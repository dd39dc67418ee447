package metadata

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestAdoptTopics(t *testing.T) {
	n := newTestNode(t).start()
	if !n.local.Fresh() {
		t.Error("new metadata is not fresh")
	}
	known := [16]byte{9, 6: 0x40, 8: 0x80}
	elsewhere := [16]byte{7, 7, 7}
	topics := []AdoptedTopic{
		{Name: "__consumer_offsets", Configs: map[string]string{"cleanup.policy": "compact"}, Partitions: make([]AdoptedPartition, 4)},
		{Name: "t", ID: known, Partitions: []AdoptedPartition{{LeaderEpoch: 8, Directory: elsewhere}, {LeaderEpoch: 3}}},
	}
	bad := append(topics[:2:2], AdoptedTopic{Name: "no/topic", Partitions: make([]AdoptedPartition, 1)})
	if err := n.local.Controller().AdoptTopics(t.Context(), bad, 5000); !errors.Is(err, kerr.InvalidTopicException) || n.image().NumTopics() != 0 {
		t.Fatalf("a bad name: %v, %d topics", err, n.image().NumTopics())
	}
	if err := n.local.Controller().AdoptTopics(t.Context(), topics, 5000); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		img := n.image()
		offsets, topic := img.Topic("__consumer_offsets"), img.Topic("t")
		if img.NumTopics() != 2 || len(offsets.Partitions) != 4 || offsets.ID == [16]byte{} || topic.ID != known || len(topic.Partitions) != 2 {
			t.Fatalf("%+v\n%+v", offsets, topic)
		}
		if got := img.TopicConfig("__consumer_offsets")["cleanup.policy"]; got != "compact" || img.NextProducerID() != 5000 {
			t.Errorf("cleanup.policy %q, next producer id %d", got, img.NextProducerID())
		}
		a, b := topic.Partitions[0], topic.Partitions[1]
		if a.Leader != 1 || a.LeaderEpoch != 8 || a.Directories[0] != elsewhere || b.LeaderEpoch != 3 || b.Directories[0] == elsewhere {
			t.Errorf("%+v\n%+v", a, b)
		}
	}
	check()
	if err := n.local.Controller().AdoptTopics(t.Context(), topics, 9000); !errors.Is(err, ErrTopicsKnown) {
		t.Errorf("a second time: %v", err)
	}
	n.close()
	n.open()
	if n.local.Fresh() {
		t.Error("metadata is fresh a second time")
	}
	check()
	n.join(1, 2, n.epoch)
	resp := ask[*kmsg.AllocateProducerIDsResponse](n, &kmsg.AllocateProducerIDsRequest{BrokerID: 1, BrokerEpoch: n.epoch})
	if resp.ProducerIDStart != 5000 {
		t.Errorf("producer ids from %d", resp.ProducerIDStart)
	}
}
