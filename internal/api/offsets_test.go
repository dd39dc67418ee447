package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

func offsetsOf(version int16, topic string, timestamps ...int64) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version = version
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for i, ts := range timestamps {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.MaxNumOffsets = int32(i), ts, 10
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req
}

// TestListOffsets asks for every kind of timestamp in every version. The records are at 1000…1004, offsets 0…4.
func TestListOffsets(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 1)
	c := tb.client()
	c.mustProduce("t", 0, batch(t, protocol.BatchOptions{Codec: protocol.CodecLZ4}, "a", "b", "c", "d", "e"))
	for _, tc := range []struct {
		timestamp     int64
		since         int16
		offset, found int64
	}{
		{-1, 1, 5, -1},
		{-2, 1, 0, -1},
		{-3, 7, 4, 1004},
		{-4, 8, 0, -1},
		{-5, 9, -1, -1},
		{-6, 11, -1, -1},
		{1003, 1, 3, 1003},
		{0, 1, 0, 1000},
		{1005, 1, -1, -1},
	} {
		for version := int16(1); version <= 11; version++ {
			p := answer[*kmsg.ListOffsetsResponse](c, offsetsOf(version, "t", tc.timestamp)).Topics[0].Partitions[0]
			if version < tc.since {
				if p.ErrorCode != kerr.UnsupportedVersion.Code || p.Offset != -1 {
					t.Errorf("v%d timestamp %d: %+v, want UNSUPPORTED_VERSION", version, tc.timestamp, p)
				}
				continue
			}
			if p.ErrorCode != 0 || p.Offset != tc.offset || p.Timestamp != tc.found {
				t.Errorf("v%d timestamp %d: %+v, want offset %d at %d", version, tc.timestamp, p, tc.offset, tc.found)
			}
			if version >= 4 && tc.offset >= 0 && p.LeaderEpoch < 0 {
				t.Errorf("v%d timestamp %d: no leader epoch", version, tc.timestamp)
			}
		}
	}
}

func TestListOffsetsVersion0(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 1)
	c := tb.client()
	c.mustProduce("t", 0, plain(t, "a", "b", "c"))
	for ts, want := range map[int64][]int64{-1: {3, 0}, -2: {0}, 1001: {1, 0}, 5000: {3, 0}, 0: nil} {
		p := answer[*kmsg.ListOffsetsResponse](c, offsetsOf(0, "t", ts)).Topics[0].Partitions[0]
		if diff := cmp.Diff(want, p.OldStyleOffsets); diff != "" || p.ErrorCode != 0 {
			t.Errorf("timestamp %d: error %d (-want +got):\n%s", ts, p.ErrorCode, diff)
		}
	}
	req := offsetsOf(0, "t", -1)
	req.Topics[0].Partitions[0].MaxNumOffsets = 1
	if p := answer[*kmsg.ListOffsetsResponse](c, req).Topics[0].Partitions[0]; len(p.OldStyleOffsets) != 1 {
		t.Errorf("max_num_offsets=1: %v", p.OldStyleOffsets)
	}
}

func TestListOffsetsErrors(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 1)
	c := tb.client()
	resp := answer[*kmsg.ListOffsetsResponse](c, offsetsOf(7, "t", -1, -1))
	if p := resp.Topics[0].Partitions[1]; p.ErrorCode != kerr.UnknownTopicOrPartition.Code || p.Offset != -1 || p.Timestamp != -1 {
		t.Errorf("unknown partition: %+v", p)
	}
	twice := offsetsOf(7, "t", -1, -2)
	twice.Topics[0].Partitions[1].Partition = 0
	resp = answer[*kmsg.ListOffsetsResponse](c, twice)
	if ps := resp.Topics[0].Partitions; len(ps) != 1 || ps[0].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("a partition named twice: %+v", ps)
	}
	fenced := offsetsOf(7, "t", -1)
	fenced.Topics[0].Partitions[0].CurrentLeaderEpoch = 99
	if p := answer[*kmsg.ListOffsetsResponse](c, fenced).Topics[0].Partitions[0]; p.ErrorCode != kerr.UnknownLeaderEpoch.Code {
		t.Errorf("a leader epoch to come: %+v", p)
	}
	fenced.Topics[0].Partitions[0].CurrentLeaderEpoch = -2
	if p := answer[*kmsg.ListOffsetsResponse](c, fenced).Topics[0].Partitions[0]; p.ErrorCode != kerr.FencedLeaderEpoch.Code {
		t.Errorf("leader epoch -2: %+v", p)
	}
	if p := answer[*kmsg.ListOffsetsResponse](c, offsetsOf(11, "t", -7)).Topics[0].Partitions[0]; p.ErrorCode != kerr.UnsupportedVersion.Code {
		t.Errorf("timestamp -7: %+v", p)
	}
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 1)
	c := tb.client()
	c.mustProduce("t", 0, plain(t, "a", "b"))
	for version := int16(0); version <= 4; version++ {
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		req.Version = version
		rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
		rt.Topic = "t"
		for _, partition := range []int32{0, 1} {
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			p.Partition, p.LeaderEpoch = partition, 0
			rt.Partitions = append(rt.Partitions, p)
		}
		req.Topics = append(req.Topics, rt)
		ps := answer[*kmsg.OffsetForLeaderEpochResponse](c, req).Topics[0].Partitions
		if ps[0].ErrorCode != 0 || ps[0].EndOffset != 2 || version >= 1 && ps[0].LeaderEpoch != 0 {
			t.Errorf("v%d: %+v", version, ps[0])
		}
		if ps[1].ErrorCode != kerr.UnknownTopicOrPartition.Code || ps[1].EndOffset != -1 {
			t.Errorf("v%d: unknown partition: %+v", version, ps[1])
		}
	}
}

func TestDeleteRecords(t *testing.T) {
	tb := newTestBroker(t)
	tb.createTopic("t", 1)
	tb.createTopic("compacted", 1, "cleanup.policy", "compact")
	c := tb.client()
	c.mustProduce("t", 0, plain(t, "a", "b", "c"))
	if _, err := tb.api.ensureTopics(t.Context(), []string{groupMetadataTopic}); err != nil {
		t.Fatal(err)
	}
	del := func(topic string, partition int32, offset int64) kmsg.DeleteRecordsResponseTopicPartition {
		req := kmsg.NewPtrDeleteRecordsRequest()
		req.Version, req.TimeoutMillis = 2, 1000
		rt := kmsg.NewDeleteRecordsRequestTopic()
		rt.Topic = topic
		p := kmsg.NewDeleteRecordsRequestTopicPartition()
		p.Partition, p.Offset = partition, offset
		rt.Partitions = append(rt.Partitions, p)
		req.Topics = append(req.Topics, rt)
		return answer[*kmsg.DeleteRecordsResponse](c, req).Topics[0].Partitions[0]
	}
	for _, tc := range []struct {
		topic     string
		partition int32
		offset    int64
		low       int64
		want      *kerr.Error
	}{
		{"t", 0, 2, 2, nil},
		{"t", 0, 1, 2, nil},
		{"t", 0, 4, -1, kerr.OffsetOutOfRange},
		{"t", 0, -1, 3, nil},
		{"t", 1, 0, -1, kerr.UnknownTopicOrPartition},
		{"compacted", 0, 0, -1, kerr.PolicyViolation},
		{groupMetadataTopic, 0, 0, -1, kerr.InvalidTopicException},
	} {
		p := del(tc.topic, tc.partition, tc.offset)
		if got := kerr.ErrorForCode(p.ErrorCode); p.LowWatermark != tc.low || (tc.want == nil) != (got == nil) || tc.want != nil && got != error(tc.want) {
			t.Errorf("%s-%d to %d: low watermark %d, %v; want %d, %v", tc.topic, tc.partition, tc.offset, p.LowWatermark, got, tc.low, tc.want)
		}
	}
	if p := answer[*kmsg.ListOffsetsResponse](c, offsetsOf(7, "t", -2)).Topics[0].Partitions[0]; p.Offset != 3 {
		t.Errorf("earliest offset is %d after all records are deleted, want 3", p.Offset)
	}
}
