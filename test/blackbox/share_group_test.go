package blackbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// startShare runs a node whose share groups are quick and begin at the start.
func startShare(t *testing.T, dir string, overrides ...string) *running {
	return start(t, dir, append([]string{
		"num.partitions", "1", "share.coordinator.state.topic.num.partitions", "3", "group.share.heartbeat.interval.ms", "50",
		"group.share.min.heartbeat.interval.ms", "50", "group.share.min.record.lock.duration.ms", "1000",
	}, overrides...)...)
}

func setShareConfigs(t *testing.T, n *running, group string, configs map[string]string) {
	t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	for k, v := range configs {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Value = k, &v
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(within(t), n.franz(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(resp.Resources[0].ErrorCode); err != nil {
		t.Fatal(err)
	}
}

func sharing(t *testing.T, n *running, group string, topics ...string) *kgo.Client {
	return n.franz(t, kgo.ShareGroup(group), kgo.ConsumeTopics(topics...), kgo.MetadataMinAge(50*time.Millisecond))
}

// TestShareGroupMembersShareAPartition: three members read one partition, each record once.
func TestShareGroupMembersShareAPartition(t *testing.T) {
	t.Parallel()
	n := startShare(t, t.TempDir())
	setShareConfigs(t, n, "sg", map[string]string{"share.auto.offset.reset": "earliest"})
	const total = 300
	writer := n.franz(t)
	produce(t, writer, "queue", "first")
	values := make(chan string, total)
	for range 3 {
		cl := n.franz(t, kgo.ShareGroup("sg"), kgo.ConsumeTopics("queue"), kgo.ShareMaxRecords(20))
		go func() {
			for {
				fs := cl.PollRecords(t.Context(), 20)
				if fs.IsClientClosed() || t.Context().Err() != nil {
					return
				}
				for _, r := range fs.Records() {
					values <- fmt.Sprint(string(r.Value), "/", r.DeliveryCount())
				}
			}
		}()
	}
	// A member that has not joined when the last record was read shares nothing.
	eventually(t, "three members that share the partition", func() bool {
		d := shareDescribe(t, n, "sg")
		return d.GroupState == "Stable" && d.Assignor == "simple" && len(d.Members) == 3 && !slices.ContainsFunc(d.Members,
			func(m kmsg.ShareGroupDescribeResponseGroupMember) bool { return len(m.Assignment.TopicPartitions) != 1 })
	})
	for i := range 30 { // a batch each
		produce(t, writer, "queue", numbered(fmt.Sprint("r", i), total/30)...)
	}
	ctx := within(t)
	seen := map[string]bool{}
	for range total + 1 {
		select {
		case v := <-values:
			if seen[v] || !strings.HasSuffix(v, "/1") {
				t.Errorf("%s was delivered more than once", v)
			}
			seen[v] = true
		case <-ctx.Done():
			t.Fatalf("%d records were read, want %d", len(seen), total+1)
		}
	}
}

func shareDescribe(t *testing.T, n *running, group string) kmsg.ShareGroupDescribeResponseGroup {
	t.Helper()
	req := kmsg.NewPtrShareGroupDescribeRequest()
	req.GroupIDs = []string{group}
	cl := n.franz(t)
	defer cl.Close() // who waits for something asks often
	resp, err := req.RequestWith(within(t), cl)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Groups[0]
}

// shareOffset returns the start offset and the lag of a group on partition 0.
func shareOffset(t *testing.T, n *running, group, topic string) (start, lag int64) {
	t.Helper()
	req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	g := kmsg.NewDescribeShareGroupOffsetsRequestGroup()
	g.GroupID = group
	g.Topics = []kmsg.DescribeShareGroupOffsetsRequestGroupTopic{{Topic: topic, Partitions: []int32{0}}}
	req.Groups = append(req.Groups, g)
	resp, err := req.RequestWith(within(t), n.franz(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(resp.Groups[0].ErrorCode); err != nil {
		t.Fatal(err)
	}
	p := resp.Groups[0].Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		t.Fatal(err)
	}
	return p.StartOffset, p.Lag
}

// deliveries polls until n records were delivered, marks each as mark says, and returns "value/count" in order.
func deliveries(t *testing.T, cl *kgo.Client, n int, mark func(*kgo.Record) kgo.AckStatus) []string {
	t.Helper()
	var got []string
	for len(got) < n {
		fs := cl.PollFetches(within(t))
		if err := fs.Err(); err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		for _, r := range fs.Records() {
			got = append(got, fmt.Sprint(string(r.Value), "/", r.DeliveryCount()))
			cl.MarkAcks(mark(r), r)
		}
		if err := cl.FlushAcks(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(got)
	return got
}

func as(status kgo.AckStatus) func(*kgo.Record) kgo.AckStatus {
	return func(*kgo.Record) kgo.AckStatus { return status }
}

// TestShareGroupAcknowledgements: what is accepted or rejected does not come again, what is released does, until it was delivered often enough; also
// after a restart.
func TestShareGroupAcknowledgements(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := startShare(t, dir)
	setShareConfigs(t, n, "sg", map[string]string{"share.auto.offset.reset": "earliest", "share.delivery.count.limit": "3"})
	together(t, n, "queue", numbered("r", 6)...)
	cl := sharing(t, n, "sg", "queue")
	got := deliveries(t, cl, 6, func(r *kgo.Record) kgo.AckStatus {
		switch r.Offset {
		case 0, 3:
			return kgo.AckAccept
		case 4:
			return kgo.AckReject
		}
		return kgo.AckRelease
	})
	if want := []string{"r-0/1", "r-1/1", "r-2/1", "r-3/1", "r-4/1", "r-5/1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if start, lag := shareOffset(t, n, "sg", "queue"); start != 1 || lag != 3 {
		t.Errorf("start offset %d, lag %d; want 1 and 3", start, lag)
	}
	n.stop()

	n = startShare(t, dir)
	cl = sharing(t, n, "sg", "queue")
	// The first client may have fetched them again: a second delivery that nobody saw.
	last := map[string]int32{}
	for last["r-1"] < 3 || last["r-2"] < 3 || last["r-5"] < 3 {
		deliveries(t, cl, 1, func(r *kgo.Record) kgo.AckStatus {
			v := string(r.Value)
			if was := last[v]; r.DeliveryCount() <= max(was, 1) || r.DeliveryCount() > 3 || !slices.Contains([]string{"r-1", "r-2", "r-5"}, v) {
				t.Errorf("%s is delivery %d after %d", v, r.DeliveryCount(), was)
			}
			last[v] = r.DeliveryCount()
			return kgo.AckRelease
		})
	}
	if start, lag := shareOffset(t, n, "sg", "queue"); start != 6 || lag != 0 {
		t.Errorf("start offset %d, lag %d; want 6 and 0", start, lag)
	}
	produce(t, n.franz(t), "queue", "more")
	if got, want := deliveries(t, cl, 1, as(kgo.AckAccept)), []string{"more/1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestShareGroupLocks: a record comes again when its lock ends, unless that was renewed, and when the member's connection ends.
func TestShareGroupLocks(t *testing.T) {
	t.Parallel()
	n := startShare(t, t.TempDir(), "group.share.record.lock.duration.ms", "2000")
	setShareConfigs(t, n, "sg", map[string]string{"share.auto.offset.reset": "earliest"})
	together(t, n, "queue", "a", "b")
	slow := sharing(t, n, "sg", "queue")
	held := poll(t, slow, 2)
	quick := sharing(t, n, "sg", "queue")
	for _, d := range deliveries(t, quick, 2, as(kgo.AckAccept)) { // the slow one may have fetched them twice
		if strings.HasSuffix(d, "/1") {
			t.Errorf("%s, want a later delivery", d)
		}
	}
	slow.MarkAcks(kgo.AckAccept, held...)
	if err := slow.FlushAcks(within(t)); err != nil {
		t.Errorf("flush: %v", err)
	}
	if start, lag := shareOffset(t, n, "sg", "queue"); start != 2 || lag != 0 {
		t.Errorf("start offset %d, lag %d; want 2 and 0", start, lag)
	}
}

// TestShareGroupReadCommitted: of transactions only what was committed is delivered.
func TestShareGroupReadCommitted(t *testing.T) {
	n := startShare(t, t.TempDir())
	setShareConfigs(t, n, "sg", map[string]string{"share.auto.offset.reset": "earliest", "share.isolation.level": "read_committed"})
	producer := n.franz(t, kgo.TransactionalID("tx"), kgo.DefaultProduceTopic("queue"))
	for i, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, producer, "queue", fmt.Sprint("x", i), fmt.Sprint("y", i))
		if err := producer.EndTransaction(within(t), end); err != nil {
			t.Fatal(err)
		}
	}
	cl := sharing(t, n, "sg", "queue")
	if got, want := deliveries(t, cl, 4, as(kgo.AckAccept)), []string{"x1/1", "x3/1", "y1/1", "y3/1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestShareGroupAdministration: offsets are set and deleted while nobody is there, and the group is deleted with its state.
func TestShareGroupAdministration(t *testing.T) {
	t.Parallel()
	n := startShare(t, t.TempDir())
	setShareConfigs(t, n, "sg", map[string]string{"share.auto.offset.reset": "earliest"})
	produce(t, n.franz(t), "queue", "a", "b", "c")
	cl := sharing(t, n, "sg", "queue")
	deliveries(t, cl, 3, as(kgo.AckAccept))

	alter := kmsg.NewPtrAlterShareGroupOffsetsRequest()
	alter.GroupID = "sg"
	alter.Topics = []kmsg.AlterShareGroupOffsetsRequestTopic{{Topic: "queue", Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{StartOffset: 1}}}}
	remove := kmsg.NewPtrDeleteShareGroupOffsetsRequest()
	remove.GroupID = "sg"
	remove.Topics = []kmsg.DeleteShareGroupOffsetsRequestTopic{{Topic: "queue"}}
	other := n.franz(t)
	if resp, err := alter.RequestWith(within(t), other); err != nil || resp.ErrorCode != kerr.NonEmptyGroup.Code {
		t.Errorf("alter with members: %+v, %v", resp, err)
	}
	if resp, err := remove.RequestWith(within(t), other); err != nil || resp.ErrorCode != kerr.NonEmptyGroup.Code {
		t.Errorf("delete with members: %+v, %v", resp, err)
	}
	cl.Close()
	if resp, err := alter.RequestWith(within(t), other); err != nil || resp.ErrorCode != 0 || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Errorf("alter: %+v, %v", resp, err)
	}
	if start, lag := shareOffset(t, n, "sg", "queue"); start != 1 || lag != 2 {
		t.Errorf("start offset %d, lag %d; want 1 and 2", start, lag)
	}
	cl = sharing(t, n, "sg", "queue")
	if got, want := deliveries(t, cl, 2, as(kgo.AckAccept)), []string{"b/1", "c/1"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	cl.Close()
	if resp, err := remove.RequestWith(within(t), other); err != nil || resp.ErrorCode != 0 || resp.Topics[0].ErrorCode != 0 {
		t.Errorf("delete: %+v, %v", resp, err)
	}
	if start, _ := shareOffset(t, n, "sg", "queue"); start != -1 {
		t.Errorf("start offset %d after it was deleted", start)
	}
	admin := kadm.NewClient(other)
	if resp, err := admin.DeleteGroups(within(t), "sg"); err != nil || resp.Error() != nil {
		t.Errorf("delete group: %v, %v", resp, err)
	}
	if d := shareDescribe(t, n, "sg"); d.ErrorCode != kerr.GroupIDNotFound.Code {
		t.Errorf("%+v", d)
	}
	cl = sharing(t, n, "sg", "queue")
	if got, want := deliveries(t, cl, 3, as(kgo.AckAccept)), []string{"a/1", "b/1", "c/1"}; !slices.Equal(got, want) {
		t.Errorf("after the group was deleted %v, want %v", got, want)
	}
}
