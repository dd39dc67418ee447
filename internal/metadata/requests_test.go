package metadata

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func text(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

// TestVersionsThatApacheDropped asks with version 0 of what Apache 4 serves from 1 or 2 on.
func TestVersionsThatApacheDropped(t *testing.T) {
	n := newTestNode(t).start()
	for version := range int16(2) {
		name := fmt.Sprint("t", version)
		c := ask[*kmsg.CreateTopicsResponse](n, createTopics(version, false, topicSpec{name: name, partitions: 1, rf: 1}, topicSpec{name: "a b", partitions: 1, rf: 1}))
		if c.Version != version || c.Topics[0].ErrorCode != 0 || c.Topics[1].ErrorCode != kerr.InvalidTopicException.Code || n.image().Topic(name) == nil {
			t.Errorf("CreateTopics %d: %+v", version, c)
		}
		d := ask[*kmsg.DeleteTopicsResponse](n, deleteTopics(version, name, "nope"))
		if d.Version != version || d.Topics[0].ErrorCode != 0 || d.Topics[1].ErrorCode != kerr.UnknownTopicOrPartition.Code || n.image().Topic(name) != nil {
			t.Errorf("DeleteTopics %d: %+v", version, d)
		}
	}
}

// TestDeleteTopicsNamedTwice: a topic given by its id and by its name stays, as in Kafka; the differential test found that we deleted it.
func TestDeleteTopicsNamedTwice(t *testing.T) {
	n := newTestNode(t).start()
	ask[kmsg.Response](n, createTopics(7, false, topicSpec{name: "a", partitions: 1, rf: 1}, topicSpec{name: "b", partitions: 1, rf: 1}, topicSpec{name: "c", partitions: 1, rf: 1}))
	id := n.image().Topic("b").ID
	r := ask[*kmsg.DeleteTopicsResponse](n, deleteTopicsByID(
		kmsg.DeleteTopicsRequestTopic{Topic: ptr("c")}, kmsg.DeleteTopicsRequestTopic{TopicID: id}, kmsg.DeleteTopicsRequestTopic{Topic: ptr("b")}))
	var got []string
	for _, x := range r.Topics {
		got = append(got, fmt.Sprint(text(x.Topic), " ", x.ErrorCode, " ", text(x.ErrorMessage)))
	}
	want := "c 0 null, b 42 The provided topic name maps to an ID that was already supplied."
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
	if n.image().NumTopics() != 2 || n.image().Topic("b") == nil {
		t.Errorf("%d topics are left, want a and b", n.image().NumTopics())
	}
}

func TestDeletionDisabled(t *testing.T) {
	n := newTestNode(t, "delete.topic.enable", "false").start()
	ask[kmsg.Response](n, createTopics(7, false, topicSpec{name: "a", partitions: 1, rf: 1}))
	for version, want := range map[int16]*kerr.Error{2: kerr.InvalidRequest, 6: kerr.TopicDeletionDisabled} {
		r := ask[*kmsg.DeleteTopicsResponse](n, deleteTopics(version, "a"))
		if len(r.Topics) != 1 || r.Topics[0].ErrorCode != want.Code || text(r.Topics[0].Topic) != "a" {
			t.Errorf("version %d: %+v", version, r.Topics)
		}
	}
	if n.image().Topic("a") == nil {
		t.Error("it was deleted")
	}
}

// TestDeletedAndCreatedAgain gets a new id and none of the old configurations.
func TestDeletedAndCreatedAgain(t *testing.T) {
	n := newTestNode(t).start()
	ask[kmsg.Response](n, createTopics(7, false, topicSpec{name: "a.b", partitions: 3, rf: 1, configs: []string{"retention.ms=5"}}))
	old := n.image().Topic("a.b")
	ask[kmsg.Response](n, deleteTopics(6, "a.b"))
	if len(n.image().TopicConfig("a.b")) != 0 || n.image().TopicByID(old.ID) != nil {
		t.Error("something is left")
	}
	r := ask[*kmsg.CreateTopicsResponse](n, createTopics(7, false, topicSpec{name: "a_b", partitions: 1, rf: 1}, topicSpec{name: "a.b", partitions: 1, rf: 1}))
	if r.Topics[0].ErrorCode != 0 || r.Topics[1].ErrorCode != 0 {
		t.Errorf("%+v", r.Topics)
	}
	if now := n.image().Topic("a.b"); now.ID == old.ID || len(now.Partitions) != 1 || len(n.image().TopicConfig("a.b")) != 0 || len(old.Partitions) != 3 {
		t.Errorf("%+v", now)
	}
}

func TestProducerIDBlocks(t *testing.T) {
	n := newTestNode(t).start()
	next := func(epoch int64) *kmsg.AllocateProducerIDsResponse {
		return ask[*kmsg.AllocateProducerIDsResponse](n, &kmsg.AllocateProducerIDsRequest{BrokerID: 1, BrokerEpoch: epoch})
	}
	for i := range int64(3) {
		if r := next(n.epoch); r.ErrorCode != 0 || r.ProducerIDStart != i*1000 || r.ProducerIDLen != 1000 {
			t.Errorf("block %d: %+v", i, r)
		}
	}
	if r := next(n.epoch + 1); r.ErrorCode != kerr.StaleBrokerEpoch.Code {
		t.Errorf("stale: %+v", r)
	}
	n.close()
	n.open()
	if r := next(n.epoch); r.ProducerIDStart != 3000 {
		t.Errorf("after a restart: %+v", r)
	}
	img := *n.image()
	last := *img.producerIDs
	last.NextProducerID = math.MaxInt64 - 5
	img.producerIDs = &last
	s := &step{machine: &n.local.controller.machine, img: &img}
	if resp, err := s.allocateProducerIDs(&kmsg.AllocateProducerIDsRequest{BrokerID: 1, BrokerEpoch: n.epoch}); err != nil ||
		resp.(*kmsg.AllocateProducerIDsResponse).ErrorCode != kerr.UnknownServerError.Code {
		t.Errorf("exhausted: %+v %v", resp, err)
	}
}

func TestTooMuchInOneRequest(t *testing.T) {
	n := newTestNode(t).start()
	r := ask[*kmsg.CreateTopicsResponse](n, createTopics(7, false, topicSpec{name: "t", partitions: 9999, rf: 1}))
	if r.Topics[0].ErrorCode != 0 || len(n.image().Topic("t").Partitions) != 9999 {
		t.Errorf("9999 partitions: %+v", r.Topics[0].ErrorMessage)
	}
	g := ask[*kmsg.CreatePartitionsResponse](n, createPartitions(3, false, growSpec{name: "t", count: 30000}))
	if g.Topics[0].ErrorCode != kerr.PolicyViolation.Code || len(n.image().Topic("t").Partitions) != 9999 {
		t.Errorf("20001 more: %+v", g.Topics[0])
	}
	g = ask[*kmsg.CreatePartitionsResponse](n, createPartitions(3, false, growSpec{name: "t", count: 19999}))
	if g.Topics[0].ErrorCode != 0 || len(n.image().Topic("t").Partitions) != 19999 {
		t.Errorf("10000 more: %+v", g.Topics[0])
	}
}

// TestControllersOwnConfigChecks asks what the api would have refused already.
func TestControllersOwnConfigChecks(t *testing.T) {
	n := newTestNode(t).start()
	ask[kmsg.Response](n, createTopics(7, false, topicSpec{name: "t", partitions: 1, rf: 1}))
	for _, c := range []struct {
		spec alterSpec
		want string
	}{
		{alterSpec{ResourceTopic, "t", []string{"=retention.ms"}}, "42 Null value not supported for : retention.ms"},
		{alterSpec{ResourceBroker, "x", []string{"=log.cleaner.threads=2"}}, "42 Unable to parse broker name as a base 10 number."},
		{alterSpec{ResourceBroker, "-3", []string{"=log.cleaner.threads=2"}}, "42 Invalid negative broker ID."},
		{alterSpec{ResourceBroker, "7", []string{"=log.cleaner.threads=2"}}, "102 Broker 7 is not registered."},
		{alterSpec{ResourceBrokerLogger, "1", []string{"=x=DEBUG"}}, "42 Unknown resource type 8"},
		{alterSpec{ResourceGroup, "g", []string{"=consumer.session.timeout.ms=50000", "=consumer.heartbeat.interval.ms=15000"}}, "0 null"},
		{alterSpec{ResourceGroup, "g", []string{"=consumer.session.timeout.ms=0"}}, "40 Invalid value 0 for configuration consumer.session.timeout.ms: Value must be at least 1"},
		{alterSpec{ResourceGroup, "g", []string{"=share.auto.offset.reset=by_duration:PT1H", "=share.renew.acknowledge.enable=TRUE"}}, "0 null"},
		{alterSpec{ResourceGroup, "g", []string{"=share.renew.acknowledge.enable=perhaps"}},
			"40 Invalid value perhaps for configuration share.renew.acknowledge.enable: Expected value to be either true or false"},
		{alterSpec{ResourceGroup, "g", []string{"=streams.num.standby.replicas=9"}}, "40 streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas"},
		{alterSpec{ResourceClientMetrics, "m", []string{"=match=client_id=(?!x)y,client_source_port=1.*"}}, "0 null"},
		{alterSpec{ResourceClientMetrics, "m", []string{"+metrics=a.b,c", "-match"}}, "0 null"},
	} {
		r := ask[*kmsg.IncrementalAlterConfigsResponse](n, incremental(false, c.spec)).Resources[0]
		if got := fmt.Sprint(r.ErrorCode, " ", text(r.ErrorMessage)); got != c.want {
			t.Errorf("%+v: %s\nwant %s", c.spec, got, c.want)
		}
	}
	if got := n.image().ConfigsOf(ResourceClientMetrics, "m"); got["metrics"] != "a.b,c" || len(got) != 1 {
		t.Errorf("client metrics: %v", got)
	}
	r := ask[*kmsg.IncrementalAlterConfigsResponse](n, incremental(false, alterSpec{ResourceTopic, "t", []string{"=retention.ms=1"}},
		alterSpec{ResourceTopic, "t", []string{"=retention.ms=2"}}))
	if len(r.Resources) != 1 || text(r.Resources[0].ErrorMessage) != "Duplicate resource." {
		t.Errorf("%+v", r.Resources)
	}
}

// TestPlacementIsEven spreads leaders and replicas over brokers and racks.
func TestPlacementIsEven(t *testing.T) {
	n := newTestNode(t).open()
	for id := int32(1); id <= 6; id++ {
		dir := testDirID
		dir[0] = byte(id)
		req := registration(id, 1, dir)
		req.Rack = ptr(string(rune('a' + (id-1)/2)))
		epoch := ask[*kmsg.BrokerRegistrationResponse](n, req).BrokerEpoch
		n.beat(id, epoch, false, false)
	}
	ask[kmsg.Response](n, createTopics(7, false, topicSpec{name: "t", partitions: 60, rf: 3}))
	leaders, replicas := map[int32]int{}, map[int32]int{}
	for i, p := range n.image().Topic("t").Partitions {
		leaders[p.Leader]++
		racks := map[int32]bool{}
		for _, r := range p.Replicas {
			replicas[r]++
			racks[(r-1)/2] = true
		}
		if len(racks) != 3 {
			t.Errorf("partition %d: replicas %v are not in three racks", i, p.Replicas)
		}
	}
	for id := int32(1); id <= 6; id++ {
		if leaders[id] != 10 || replicas[id] != 30 {
			t.Errorf("broker %d leads %d of 60 and has %d of 180", id, leaders[id], replicas[id])
		}
	}
}
