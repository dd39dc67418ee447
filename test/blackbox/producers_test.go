package blackbox_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestProducersAreForgotten: a producer is known for producer.id.expiration.ms after its last record, and as long as its transaction is open. That can be
// changed while the broker runs.
func TestProducersAreForgotten(t *testing.T) {
	n := start(t, t.TempDir(), "num.partitions", "1", "producer.id.expiration.check.interval.ms", "20")
	admin := kadm.NewClient(n.franz(t))
	hourOld := func(cl *kgo.Client) {
		t.Helper()
		r := &kgo.Record{Topic: "old", Value: []byte("x"), Timestamp: time.Now().Add(-time.Hour)}
		if err := cl.ProduceSync(within(t), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	known := func() int {
		t.Helper()
		d, err := admin.DescribeProducers(within(t), kadm.TopicsSet{"old": {0: {}}})
		if err != nil {
			t.Fatal(err)
		}
		return len(d.SortedProducers())
	}
	open := n.franz(t, kgo.TransactionalID("open"))
	if err := open.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	hourOld(open)
	hourOld(n.franz(t))
	produce(t, n.franz(t), "old", "new")
	if got := known(); got != 3 {
		t.Fatalf("%d producers", got)
	}
	soon := "600000"
	if _, err := admin.AlterBrokerConfigs(within(t), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "producer.id.expiration.ms", Value: &soon}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old producer to be forgotten", func() bool { return known() == 2 })
}
