package differential

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func fetchRequest(topic string, id [16]byte, partition int32, offset int64, change ...func(*kmsg.FetchRequest)) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = 100
	req.MinBytes = 1
	req.MaxBytes = 1 << 20
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, 1<<20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	for _, c := range change {
		c(req)
	}
	return req
}

// fetchScenario reads a topic of known contents in every version, from good and bad places.
func fetchScenario(r *run) {
	r.topic("fe-one", 2)
	r.produce("fe-one", 0, plain("a", "b", "c"), plain("d"), plain("e", "f"))
	r.topic("fe-two", 1)
	r.produce("fe-two", 0, plain("x"))
	r.topic("fe-empty", 1)
	id := map[string][16]byte{"fe-one": r.topicID("fe-one"), "fe-two": r.topicID("fe-two"), "fe-empty": r.topicID("fe-empty")}
	for v := range r.versions(kmsg.Fetch) {
		try := func(step, topic string, partition int32, offset int64, change ...func(*kmsg.FetchRequest)) *kmsg.FetchResponse {
			return ask[*kmsg.FetchResponse](r, step, v, fetchRequest(topic, id[topic], partition, offset, change...))
		}
		part := func(f func(*kmsg.FetchRequestTopicPartition)) func(*kmsg.FetchRequest) {
			return func(q *kmsg.FetchRequest) { f(&q.Topics[0].Partitions[0]) }
		}
		for o := int64(0); o <= 6; o++ {
			try(fmt.Sprintf("at %d", o), "fe-one", 0, o)
		}
		try("past the end", "fe-one", 0, 7)
		try("negative", "fe-one", 0, -1)
		try("empty partition", "fe-one", 1, 0)
		try("empty partition at 1", "fe-one", 1, 1)
		try("unknown partition", "fe-one", 5, 0)
		try("negative partition", "fe-one", -1, 0)
		if v < 13 {
			try("unknown topic", "fe-unknown", 0, 0)
		} else {
			try("unknown id", "fe-unknown", 0, 0, func(q *kmsg.FetchRequest) { q.Topics[0].TopicID = [16]byte{4, 2} })
			try("zero id", "fe-unknown", 0, 0)
		}
		try("partition bytes 1", "fe-one", 0, 0, part(func(p *kmsg.FetchRequestTopicPartition) { p.PartitionMaxBytes = 1 }))
		try("partition bytes 0", "fe-one", 0, 0, part(func(p *kmsg.FetchRequestTopicPartition) { p.PartitionMaxBytes = 0 }))
		try("bytes 1", "fe-one", 0, 1, func(q *kmsg.FetchRequest) { q.MaxBytes = 1 })
		try("min bytes not reached", "fe-one", 0, 5, func(q *kmsg.FetchRequest) { q.MinBytes = 100000 })
		try("no wait", "fe-empty", 0, 0, func(q *kmsg.FetchRequest) { q.MaxWaitMillis = 0 })
		try("read committed", "fe-one", 0, 0, func(q *kmsg.FetchRequest) { q.IsolationLevel = 1 })
		try("two topics", "fe-one", 0, 4, func(q *kmsg.FetchRequest) {
			q.Topics = append(q.Topics, fetchRequest("fe-two", id["fe-two"], 0, 0).Topics[0])
		})
		try("no topics", "fe-one", 0, 0, func(q *kmsg.FetchRequest) { q.Topics = nil })
		try("unknown replica", "fe-one", 0, 0, func(q *kmsg.FetchRequest) {
			if q.ReplicaID = 7; v >= 15 {
				q.ReplicaState.ID = 7
			}
		})
		if v >= 5 {
			try("log start offset from a consumer", "fe-one", 0, 0, part(func(p *kmsg.FetchRequestTopicPartition) { p.LogStartOffset = 3 }))
		}
		if v >= 9 {
			epoch := func(n int32) func(*kmsg.FetchRequest) {
				return part(func(p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = n })
			}
			try("current epoch", "fe-one", 0, 4, epoch(0))
			try("epoch of the future", "fe-one", 0, 4, epoch(9))
			try("epoch -2", "fe-one", 0, 4, epoch(-2))
		}
		if v >= 12 {
			last := func(n int32) func(*kmsg.FetchRequest) {
				return part(func(p *kmsg.FetchRequestTopicPartition) { p.LastFetchedEpoch = n })
			}
			try("last fetched epoch", "fe-one", 0, 4, last(0))
			try("last fetched epoch unknown", "fe-one", 0, 4, last(5))
			try("last fetched epoch past the end", "fe-one", 0, 7, last(0))
			other := func(q *kmsg.FetchRequest) { q.ClusterID = kmsg.StringPtr("some-other-cluster") }
			try("cluster id of another", "fe-one", 0, 4, other)
		}
		if v >= 11 {
			try("rack", "fe-one", 0, 4, func(q *kmsg.FetchRequest) { q.Rack = "r1" })
		}
		if v >= 7 {
			fetchSessions(r, v, id)
		}
	}
}

// fetchSessions follows one session through its life (KIP-227).
func fetchSessions(r *run, v int16, id map[string][16]byte) {
	session := func(step string, sessionID, epoch int32, change func(*kmsg.FetchRequest)) *kmsg.FetchResponse {
		req := fetchRequest("fe-one", id["fe-one"], 0, 4)
		req.SessionID, req.SessionEpoch = sessionID, epoch
		req.MaxWaitMillis = 30
		if change != nil {
			change(req)
		}
		resp := ask[*kmsg.FetchResponse](r, step, v, req)
		return resp
	}
	nothing := func(q *kmsg.FetchRequest) { q.Topics = nil }
	first := session("session new", 0, 0, func(q *kmsg.FetchRequest) {
		q.Topics = append(q.Topics, fetchRequest("fe-two", id["fe-two"], 0, 0).Topics[0])
	})
	sid := first.SessionID
	session("session goes on", sid, 1, nothing)
	session("session epoch repeated", sid, 1, nothing)
	session("session epoch skipped", sid, 7, nothing)
	session("session moves one", sid, 2, func(q *kmsg.FetchRequest) { q.Topics[0].Partitions[0].FetchOffset = 6 })
	session("session adds unknown partition", sid, 3, func(q *kmsg.FetchRequest) { q.Topics[0].Partitions[0].Partition = 8 })
	session("session still with error", sid, 4, nothing)
	session("session forgets", sid, 5, func(q *kmsg.FetchRequest) {
		q.Topics = nil
		f := kmsg.NewFetchRequestForgottenTopic()
		f.Topic, f.TopicID, f.Partitions = "fe-one", id["fe-one"], []int32{0, 8}
		q.ForgottenTopics = append(q.ForgottenTopics, f)
	})
	session("session unknown", 1234567, 1, nothing)
	session("session id with epoch 0", sid, 0, nil)
	session("session closed by epoch 0", sid, 6, nothing)
	again := session("session new again", 0, 0, nil)
	session("session close", again.SessionID, -1, nothing)
	session("session after close", again.SessionID, 1, nothing)
	session("session close unknown", 1234567, -1, nothing)
	session("session id 0 with epoch 5", 0, 5, nothing)
	session("no session", 0, -1, nil)
}

func listOffsets(r *run) {
	r.topic("lo-one", 2)
	ts := baseTimestampMs
	at := func(ms int64, values ...string) batch {
		b := plain(values...)
		b.timestampMs = ms
		return b
	}
	r.produce("lo-one", 0, at(ts, "a", "b", "c"), at(ts+1000, "d"), at(ts+500, "e", "f"))
	r.topic("lo-empty", 1)
	for v := range r.versions(kmsg.ListOffsets) {
		try := func(step, topic string, partition int32, timestamp int64, change ...func(*kmsg.ListOffsetsRequest)) {
			req := kmsg.NewPtrListOffsetsRequest()
			req.TimeoutMillis = 5000
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = topic
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = partition, timestamp
			t.Partitions = append(t.Partitions, p)
			req.Topics = append(req.Topics, t)
			for _, c := range change {
				c(req)
			}
			ask[*kmsg.ListOffsetsResponse](r, step, v, req)
		}
		for special := int64(-7); special < 0; special++ {
			try(fmt.Sprintf("special %d", special), "lo-one", 0, special)
			try(fmt.Sprintf("special %d, empty", special), "lo-empty", 0, special)
			try(fmt.Sprintf("special %d, unknown topic", special), "lo-unknown", 0, special)
		}
		try("special -1, read committed", "lo-one", 0, -1, func(q *kmsg.ListOffsetsRequest) { q.IsolationLevel = 1 })
		try("time 0", "lo-one", 0, 0)
		for i, d := range []int64{-1, 0, 1, 2, 3, 500, 501, 999, 1000, 1001} {
			try(fmt.Sprintf("time %d", i), "lo-one", 0, ts+d)
		}
		try("time, empty", "lo-empty", 0, ts)
		try("unknown partition", "lo-one", 7, -1)
		try("negative partition", "lo-one", -1, -1)
		try("as a replica", "lo-one", 0, -1, func(q *kmsg.ListOffsetsRequest) { q.ReplicaID = 1 })
		try("as a debugging consumer", "lo-one", 0, -1, func(q *kmsg.ListOffsetsRequest) { q.ReplicaID = -2 })
		try("partition twice", "lo-one", 0, -1, func(q *kmsg.ListOffsetsRequest) {
			q.Topics[0].Partitions = append(q.Topics[0].Partitions, q.Topics[0].Partitions[0])
		})
		if v >= 4 {
			for _, e := range []int32{0, 5, -2} {
				try(fmt.Sprintf("epoch %d", e), "lo-one", 0, -1, func(q *kmsg.ListOffsetsRequest) { q.Topics[0].Partitions[0].CurrentLeaderEpoch = e })
			}
		}
	}
	for v := range r.versions(kmsg.OffsetForLeaderEpoch) {
		try := func(step, topic string, partition, epoch, current int32) {
			req := kmsg.NewPtrOffsetForLeaderEpochRequest()
			req.ReplicaID = -1
			t := kmsg.NewOffsetForLeaderEpochRequestTopic()
			t.Topic = topic
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			p.Partition, p.LeaderEpoch, p.CurrentLeaderEpoch = partition, epoch, current
			t.Partitions = append(t.Partitions, p)
			req.Topics = append(req.Topics, t)
			ask[*kmsg.OffsetForLeaderEpochResponse](r, step, v, req)
		}
		try("epoch 0", "lo-one", 0, 0, -1)
		try("epoch 1", "lo-one", 0, 1, -1)
		try("epoch -1", "lo-one", 0, -1, -1)
		try("empty", "lo-empty", 0, 0, -1)
		try("current", "lo-one", 0, 0, 0)
		try("current of the future", "lo-one", 0, 0, 5)
		try("unknown topic", "lo-unknown", 0, 0, -1)
		try("unknown partition", "lo-one", 9, 0, -1)
	}
}
