package blackbox_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestShareGroupStrictLimit: a member that asks for no more than so many records gets no more, although a batch has more.
func TestShareGroupStrictLimit(t *testing.T) {
	n := startShare(t, t.TempDir())
	setShareConfigs(t, n, "strict", map[string]string{"share.auto.offset.reset": "earliest"})
	produce(t, n.franz(t), "strict", numbered("r", 10)...)
	cl := n.franz(t, kgo.ShareGroup("strict"), kgo.ConsumeTopics("strict"), kgo.ShareMaxRecords(3), kgo.ShareMaxRecordsStrict())
	for got := 0; got < 10; {
		fs := cl.PollFetches(within(t))
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		if k := fs.NumRecords(); k > 3 {
			t.Errorf("%d records at a time", k)
		}
		got += fs.NumRecords()
	}
}

// TestShareGroupByDuration: a group begins with what is younger than the time it names.
func TestShareGroupByDuration(t *testing.T) {
	n := startShare(t, t.TempDir())
	setShareConfigs(t, n, "young", map[string]string{"share.auto.offset.reset": "by_duration:PT1H"})
	writer := n.franz(t)
	for _, r := range []*kgo.Record{
		{Topic: "ages", Value: []byte("old"), Timestamp: time.Now().Add(-2 * time.Hour)}, {Topic: "ages", Value: []byte("young"), Timestamp: time.Now()},
	} {
		if err := writer.ProduceSync(within(t), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if got := deliveries(t, sharing(t, n, "young", "ages"), 1, as(kgo.AckAccept)); !slices.Equal(got, []string{"young/1"}) {
		t.Errorf("got %v", got)
	}
}

// TestShareGroupRenewal: who renews its hold keeps a record for longer than a lock lasts.
func TestShareGroupRenewal(t *testing.T) {
	t.Parallel()
	n := startShare(t, t.TempDir())
	setShareConfigs(t, n, "renew", map[string]string{"share.auto.offset.reset": "earliest", "share.record.lock.duration.ms": "1000"})
	produce(t, n.franz(t), "renew", "kept", "lost")
	cl := sharing(t, n, "renew", "renew")
	held := map[string]*kgo.Record{}
	for len(held) < 2 {
		fs := cl.PollFetches(within(t))
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) { held[string(r.Value)] = r })
	}
	for range 5 { // longer than a lock in all
		cl.MarkAcks(kgo.AckRenew, held["kept"])
		if err := cl.FlushAcks(within(t)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
	}
	if got := deliveries(t, sharing(t, n, "renew", "renew"), 1, as(kgo.AckAccept)); !strings.HasPrefix(got[0], "lost/") {
		t.Errorf("another member got %v", got)
	}
	cl.MarkAcks(kgo.AckAccept, held["kept"])
	if err := cl.FlushAcks(within(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all is done with", func() bool {
		start, lag := shareOffset(t, n, "renew", "renew")
		return start == 2 && lag == 0
	})
}
