package blackbox_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// TestOffsetsBeforeTheirTopicExists: kafkajs adds a group to its transaction before anybody has asked where a group is, which is what creates
// __consumer_offsets. The partition added must be the one that the offsets go to.
func TestOffsetsBeforeTheirTopicExists(t *testing.T) {
	n := start(t, t.TempDir(), "num.partitions", "1")
	cl := n.franz(t)
	old := n.franz(t, kgo.MaxVersions(kversion.V3_7_0())) // TxnOffsetCommit 5 would add the group by itself
	const id = "first-of-all"
	produce(t, cl, "copied", "x")
	init := kmsg.NewPtrInitProducerIDRequest()
	init.TransactionalID, init.TransactionTimeoutMillis = kmsg.StringPtr(id), 60000
	p, err := init.RequestWith(within(t), cl)
	if err != nil || p.ErrorCode != 0 {
		t.Fatal(p, err)
	}
	for g := range 5 { // no partition of __consumer_offsets has them all
		group := fmt.Sprint("group-", g)
		add := kmsg.NewPtrAddOffsetsToTxnRequest()
		add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = id, p.ProducerID, p.ProducerEpoch, group
		added, err := add.RequestWith(within(t), cl)
		if err != nil || added.ErrorCode != 0 {
			t.Fatalf("%s: add: %v, %v", group, kerr.ErrorForCode(added.ErrorCode), err)
		}
	}
	for g := range 5 {
		commit := kmsg.NewPtrTxnOffsetCommitRequest()
		commit.TransactionalID, commit.Group, commit.ProducerID, commit.ProducerEpoch, commit.Generation = id, fmt.Sprint("group-", g), p.ProducerID, p.ProducerEpoch, -1
		commit.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: "copied", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{Offset: 1, LeaderEpoch: -1}}}}
		committed, err := commit.RequestWith(within(t), old)
		if err != nil || committed.Topics[0].Partitions[0].ErrorCode != 0 {
			t.Errorf("%s: commit: %+v, %v", commit.Group, committed, err)
		}
	}
}
