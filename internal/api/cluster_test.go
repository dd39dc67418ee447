package api

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func metadataOf(version int16, topics ...string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Version, req.AllowAutoTopicCreation = version, true
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, t)
	}
	return req
}

func topicNames(resp *kmsg.MetadataResponse) string {
	var names []string
	for _, t := range resp.Topics {
		name := "<null>"
		if t.Topic != nil {
			name = *t.Topic
		}
		if t.ErrorCode != 0 {
			name += "!" + kerr.ErrorForCode(t.ErrorCode).(*kerr.Error).Message
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func TestMetadataInEveryVersion(t *testing.T) {
	tb := newTestBroker(t)
	id := tb.createTopic("b", 2)
	tb.createTopic("a", 1)
	c := tb.client()
	for version := int16(0); version <= 13; version++ {
		resp := answer[*kmsg.MetadataResponse](c, metadataOf(version, "b"))
		if len(resp.Brokers) != 1 || resp.Brokers[0].NodeID != testNode || resp.Brokers[0].Host != "127.0.0.1" || resp.Brokers[0].Port != 9092 {
			t.Fatalf("v%d: brokers %+v", version, resp.Brokers)
		}
		if version >= 1 && (resp.ControllerID != testNode || resp.Brokers[0].Rack == nil || *resp.Brokers[0].Rack != "r1") {
			t.Errorf("v%d: controller %d, broker %+v", version, resp.ControllerID, resp.Brokers[0])
		}
		if version >= 2 && (resp.ClusterID == nil || *resp.ClusterID != tb.api.ClusterID) {
			t.Errorf("v%d: cluster id %v", version, resp.ClusterID)
		}
		b := resp.Topics[0]
		if b.ErrorCode != 0 || len(b.Partitions) != 2 || version >= 10 && b.TopicID != id {
			t.Fatalf("v%d: topic %+v", version, b)
		}
		p := b.Partitions[1]
		if p.ErrorCode != 0 || p.Partition != 1 || p.Leader != testNode || len(p.Replicas) != 1 || len(p.ISR) != 1 || len(p.OfflineReplicas) != 0 {
			t.Errorf("v%d: partition %+v", version, p)
		}
		if version >= 8 && b.AuthorizedOperations != notRequested {
			t.Errorf("v%d: authorized operations %d", version, b.AuthorizedOperations)
		}

		none := answer[*kmsg.MetadataResponse](c, metadataOf(version))
		all := metadataOf(version)
		all.Topics = nil
		if version == 0 {
			if got := topicNames(none); got != "a b" {
				t.Errorf("v0: an empty list gives %q, want all topics", got)
			}
			continue
		}
		if len(none.Topics) != 0 {
			t.Errorf("v%d: an empty list gives %q", version, topicNames(none))
		}
		if got := topicNames(answer[*kmsg.MetadataResponse](c, all)); got != "a b" {
			t.Errorf("v%d: null gives %q", version, got)
		}
	}
}

func TestMetadataCreatesTopics(t *testing.T) {
	tb := newTestBroker(t, "num.partitions", "3")
	c := tb.client()
	req := metadataOf(9, "new", "bad name", "new", "")
	resp := answer[*kmsg.MetadataResponse](c, req)
	if got, want := topicNames(resp), "new bad name!INVALID_TOPIC_EXCEPTION !INVALID_TOPIC_EXCEPTION"; got != want {
		t.Fatalf("topics are %q, want %q", got, want)
	}
	if p := resp.Topics[0].Partitions; len(p) != 3 || p[0].Leader != testNode {
		t.Errorf("partitions of the new topic: %+v", p)
	}
	c.mustProduce("new", 2, plain(t, "ready at once"))

	req = metadataOf(9, "other")
	req.AllowAutoTopicCreation = false
	if got := topicNames(answer[*kmsg.MetadataResponse](c, req)); got != "other!UNKNOWN_TOPIC_OR_PARTITION" {
		t.Errorf("without permission: %q", got)
	}
	off := newTestBroker(t, "auto.create.topics.enable", "false")
	if got := topicNames(answer[*kmsg.MetadataResponse](off.client(), metadataOf(3, "other"))); got != "other!UNKNOWN_TOPIC_OR_PARTITION" {
		t.Errorf("with auto.create.topics.enable=false: %q", got)
	}
	if got := topicNames(answer[*kmsg.MetadataResponse](c, metadataOf(3, shareGroupStateTopic, transactionStateTopic, groupMetadataTopic))); got !=
		shareGroupStateTopic+" "+transactionStateTopic+" "+groupMetadataTopic {
		t.Errorf("internal topics: %q", got)
	}
}

func TestMetadataCreatesATopicOnceForMany(t *testing.T) {
	tb := newTestBroker(t)
	var wg sync.WaitGroup
	for range 8 {
		c := tb.client()
		wg.Go(func() {
			resp, err := c.send(t.Context(), metadataOf(9, "same"))
			if err != nil {
				t.Error(err)
				return
			}
			if got := topicNames(resp.(*kmsg.MetadataResponse)); got != "same" {
				t.Errorf("got %q", got)
			}
		})
	}
	wg.Wait()
}

func TestMetadataByTopicID(t *testing.T) {
	tb := newTestBroker(t)
	id := tb.createTopic("a", 1)
	c := tb.client()
	req := metadataOf(12)
	for _, id := range [][16]byte{id, {9}} {
		mt := kmsg.NewMetadataRequestTopic()
		mt.TopicID = id
		req.Topics = append(req.Topics, mt)
	}
	if got := topicNames(answer[*kmsg.MetadataResponse](c, req)); got != "a <null>!UNKNOWN_TOPIC_ID" {
		t.Errorf("by id: %q", got)
	}
	req.Version = 10
	if got := topicNames(answer[*kmsg.MetadataResponse](c, req)); !strings.HasSuffix(got, "!INVALID_REQUEST") {
		t.Errorf("an id in version 10: %q", got)
	}
}

func TestAuthorizedOperationsWithoutAuthorizer(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("a", 1)
	req := metadataOf(8, "a")
	req.IncludeClusterAuthorizedOperations, req.IncludeTopicAuthorizedOperations = true, true
	resp := answer[*kmsg.MetadataResponse](tb.client(), req)
	if resp.AuthorizedOperations != 8096 || resp.Topics[0].AuthorizedOperations != 3576 {
		t.Errorf("cluster %d, topic %d; Kafka answers 8096 and 3576", resp.AuthorizedOperations, resp.Topics[0].AuthorizedOperations)
	}
}

func TestDescribeCluster(t *testing.T) {
	tb := newTestBroker(t)
	c := tb.client()
	for version := int16(0); version <= 2; version++ {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.Version, req.EndpointType = version, 1
		resp := answer[*kmsg.DescribeClusterResponse](c, req)
		if resp.ErrorCode != 0 || resp.ControllerID != testNode || len(resp.Brokers) != 1 || resp.ClusterID != tb.api.ClusterID ||
			resp.ClusterAuthorizedOperations != notRequested {
			t.Errorf("v%d: %+v", version, resp)
		}
		if version == 0 {
			continue
		}
		for endpoint, want := range map[int8]*kerr.Error{2: kerr.MismatchedEndpointType, 7: kerr.UnsupportedEndpointType} {
			req.EndpointType = endpoint
			if resp := answer[*kmsg.DescribeClusterResponse](c, req); resp.ErrorCode != want.Code || resp.ErrorMessage == nil {
				t.Errorf("v%d: endpoint type %d: %+v", version, endpoint, resp)
			}
		}
	}
}

func TestDescribeTopicPartitionsPages(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("a", 3)
	tb.createTopic("b", 2)
	c := tb.client()
	describe := func(cursor *kmsg.DescribeTopicPartitionsRequestCursor, limit int32, topics ...string) *kmsg.DescribeTopicPartitionsResponse {
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		req.Cursor, req.ResponsePartitionLimit = cursor, limit
		for _, name := range topics {
			rt := kmsg.NewDescribeTopicPartitionsRequestTopic()
			rt.Topic = name
			req.Topics = append(req.Topics, rt)
		}
		return answer[*kmsg.DescribeTopicPartitionsResponse](c, req)
	}
	var pages []string
	var cursor *kmsg.DescribeTopicPartitionsRequestCursor
	for range 10 {
		resp := describe(cursor, 2)
		var page []string
		for _, rt := range resp.Topics {
			for _, p := range rt.Partitions {
				page = append(page, *rt.Topic+string(rune('0'+p.Partition)))
			}
		}
		pages = append(pages, strings.Join(page, " "))
		if resp.NextCursor == nil {
			break
		}
		next := kmsg.NewDescribeTopicPartitionsRequestCursor()
		next.Topic, next.Partition = resp.NextCursor.Topic, resp.NextCursor.Partition
		cursor = &next
	}
	if diff := cmp.Diff([]string{"a0 a1", "a2 b0", "b1"}, pages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	resp := describe(nil, 100, "nope", "a", "bad name")
	var codes []int16
	for _, rt := range resp.Topics {
		codes = append(codes, rt.ErrorCode)
	}
	if diff := cmp.Diff([]int16{0, kerr.InvalidTopicException.Code, kerr.UnknownTopicOrPartition.Code}, codes); diff != "" {
		t.Errorf("codes, in the order of names (-want +got):\n%s", diff)
	}
	bad := kmsg.NewDescribeTopicPartitionsRequestCursor()
	bad.Topic = "zz"
	if resp := describe(&bad, 10, "a"); resp.Topics[0].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("a cursor that is not among the topics: %+v", resp)
	}
}
