package api

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/protocol"
)

// TestFetchFrameReadsAsKmsg encodes a response with everything in it in every version and has kmsg read it.
func TestFetchFrameReadsAsKmsg(t *testing.T) {
	rack := "r1"
	a := [16]byte{1}
	b := [16]byte{2}
	targets := []fetchTarget{
		{topic: "a", topicID: a, partition: 0},
		{topic: "a", topicID: a, partition: 7},
		{topic: "b", topicID: b, partition: 1},
		{topic: "b", topicID: b, partition: 2},
		{topic: "a", topicID: a, partition: 3},
	}
	for version := int16(0); version <= 18; version++ {
		s := &session{header: protocol.Header{CorrelationID: 77}}
		f := &s.fetchScratch.frame
		f.reset(s, &kmsg.FetchRequest{Version: version})
		f.code, f.sessionID = 70, 9
		for i := range targets {
			r := fetchResult{target: &targets[i]}
			r.clear()
			f.results = append(f.results, r)
		}
		f.results[0].highWatermark, f.results[0].lastStableOffset, f.results[0].logStartOffset = 10, 9, 8
		f.results[0].hasAborted = true
		f.results[0].aborted = []log.AbortedTxn{{ProducerID: 5, FirstOffset: 6}, {ProducerID: 7, FirstOffset: 8}}
		f.results[0].converted = []byte("records")
		f.results[1].hasAborted = true
		f.results[2].unchanged = true
		f.results[3].code = 6
		f.results[3].leader, f.results[3].leaderEpoch = 4, 5
		f.results[4].diverging = &broker.EpochEnd{Epoch: 2, EndOffset: 33}
		if version >= 16 {
			f.addBroker(4, "host", 9092, &rack)
			f.addBroker(4, "host", 9092, &rack)
		}
		hint := f.SizeHint()
		frame := f.AppendTo(nil)
		if got := int(binary.BigEndian.Uint32(frame)); got != len(frame)-4 {
			t.Fatalf("v%d: size prefix is %d, want %d", version, got, len(frame)-4)
		}
		if len(frame) > hint+64 {
			t.Errorf("v%d: the frame has %d bytes, hinted were %d", version, len(frame), hint)
		}
		body := frame[8:]
		if version >= 12 {
			body = body[1:]
		}
		got := kmsg.NewPtrFetchResponse()
		got.Version = version
		if err := got.ReadFrom(body); err != nil {
			t.Fatalf("v%d: kmsg cannot read the response: %v", version, err)
		}
		if again := got.AppendTo(nil); string(again) != string(body) {
			t.Errorf("v%d: kmsg encodes %x, the frame has %x", version, again, body)
		}
		checkFetchResponse(t, version, got)
	}
}

func checkFetchResponse(t *testing.T, version int16, got *kmsg.FetchResponse) {
	t.Helper()
	type partition struct {
		Topic     string
		ID        byte
		Partition int32
		Records   string
	}
	var parts []partition
	for _, rt := range got.Topics {
		for _, rp := range rt.Partitions {
			parts = append(parts, partition{rt.Topic, rt.TopicID[0], rp.Partition, string(rp.RecordBatches)})
		}
	}
	want := []partition{{"a", 1, 0, "records"}, {"a", 1, 7, ""}, {"b", 2, 2, ""}, {"a", 1, 3, ""}}
	for i := range want {
		if version >= 13 {
			want[i].Topic = ""
		} else {
			want[i].ID = 0
		}
	}
	if diff := cmp.Diff(want, parts); diff != "" {
		t.Errorf("v%d: partitions (-want +got):\n%s", version, diff)
	}
	if len(got.Topics) != 3 {
		t.Errorf("v%d: %d topic entries, want 3: neighbours share one", version, len(got.Topics))
	}
	first := got.Topics[0].Partitions[0]
	if version >= 4 && (len(first.AbortedTransactions) != 2 || first.AbortedTransactions[1].FirstOffset != 8 || first.LastStableOffset != 9) {
		t.Errorf("v%d: aborted transactions are %+v", version, first.AbortedTransactions)
	}
	if version >= 12 {
		if l := got.Topics[1].Partitions[0].CurrentLeader; l.LeaderID != 4 || l.LeaderEpoch != 5 {
			t.Errorf("v%d: current leader is %+v", version, l)
		}
		if d := got.Topics[2].Partitions[0].DivergingEpoch; d.Epoch != 2 || d.EndOffset != 33 {
			t.Errorf("v%d: diverging epoch is %+v", version, d)
		}
	}
	if version >= 16 && (len(got.Brokers) != 1 || got.Brokers[0].Host != "host") {
		t.Errorf("v%d: brokers are %+v", version, got.Brokers)
	}
	if version >= 7 && (got.ErrorCode != 70 || got.SessionID != 9) {
		t.Errorf("v%d: error %d, session %d", version, got.ErrorCode, got.SessionID)
	}
}
