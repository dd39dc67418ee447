package differential

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// shareMember is a member of a share group that fetches and acknowledges in one version of each API.
type shareMember struct {
	r             *run
	v             int16
	group, member string
	epoch         int32 // of the session, of the next request
}

type shareAck struct {
	topic       string
	partition   int32
	first, last int64
	types       []int8
}

// fetchOf makes a request for partitions, "topic" being 0 of it, with acknowledgements.
func (m *shareMember) fetchOf(change func(*kmsg.ShareFetchRequest), acks ...shareAck) *kmsg.ShareFetchRequest {
	req := kmsg.NewPtrShareFetchRequest()
	req.Version = m.v
	req.GroupID, req.MemberID, req.ShareSessionEpoch = &m.group, &m.member, m.epoch
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.MaxRecords, req.BatchSize = 400, 1, 1<<20, 500, 500
	for _, a := range acks {
		p := shareFetchPartition(req, m.r.topicIDOr(a.topic), a.partition)
		if a.types != nil {
			p.AcknowledgementBatches = append(p.AcknowledgementBatches, kmsg.ShareFetchRequestTopicPartitionAcknowledgementBatch{
				FirstOffset: a.first, LastOffset: a.last, AcknowledgeTypes: a.types,
			})
		}
	}
	if change != nil {
		change(req)
	}
	return req
}

func shareFetchPartition(req *kmsg.ShareFetchRequest, id [16]byte, partition int32) *kmsg.ShareFetchRequestTopicPartition {
	at := -1
	for i := range req.Topics {
		if req.Topics[i].TopicID == id {
			at = i
		}
	}
	if at < 0 {
		at = len(req.Topics)
		req.Topics = append(req.Topics, kmsg.ShareFetchRequestTopic{TopicID: id})
	}
	t := &req.Topics[at]
	for i := range t.Partitions {
		if t.Partitions[i].Partition == partition {
			return &t.Partitions[i]
		}
	}
	t.Partitions = append(t.Partitions, kmsg.ShareFetchRequestTopicPartition{Partition: partition, PartitionMaxBytes: 1 << 20})
	return &t.Partitions[len(t.Partitions)-1]
}

// topicIDOr is the id of a topic, or one that no topic has.
func (r *run) topicIDOr(name string) [16]byte {
	if name == "?" {
		return [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9}
	}
	return r.topicID(name)
}

func (m *shareMember) fetch(step string, change func(*kmsg.ShareFetchRequest), acks ...shareAck) *kmsg.ShareFetchResponse {
	req := m.fetchOf(change, acks...)
	resp := ask[*kmsg.ShareFetchResponse](m.r, m.step(step), m.v, req)
	m.after(resp.ErrorCode)
	return resp
}

// begin starts a session on a partition and fetches until there is something.
func (m *shareMember) begin(step string, change func(*kmsg.ShareFetchRequest), topics ...shareAck) *kmsg.ShareFetchResponse {
	m.epoch = 0
	var resp *kmsg.ShareFetchResponse
	m.r.eventually(func() bool {
		if m.epoch > 0 {
			resp = m.r.quiet(m.fetchOf(change)).(*kmsg.ShareFetchResponse)
		} else {
			resp = m.r.quiet(m.fetchOf(change, topics...)).(*kmsg.ShareFetchResponse)
		}
		m.after(resp.ErrorCode)
		return resp.ErrorCode != 0 || acquired(resp) > 0
	})
	m.r.record(answer{step: m.step(step), version: m.v, key: resp.Key(), lines: m.r.syms.flatten(resp)})
	return resp
}

func acquired(resp *kmsg.ShareFetchResponse) (n int) {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			n += len(p.AcquiredRecords)
		}
	}
	return n
}

func (m *shareMember) step(step string) string { return fmt.Sprint(step, " ", m.v) }

func (m *shareMember) after(code int16) {
	if code == 0 && m.epoch >= 0 {
		m.epoch++
	}
}

func (m *shareMember) acknowledge(step string, change func(*kmsg.ShareAcknowledgeRequest), acks ...shareAck) {
	req := kmsg.NewPtrShareAcknowledgeRequest()
	req.GroupID, req.MemberID, req.ShareSessionEpoch = &m.group, &m.member, m.epoch
	for _, a := range acks {
		id := m.r.topicIDOr(a.topic)
		at := -1
		for i := range req.Topics {
			if req.Topics[i].TopicID == id {
				at = i
			}
		}
		if at < 0 {
			at = len(req.Topics)
			req.Topics = append(req.Topics, kmsg.ShareAcknowledgeRequestTopic{TopicID: id})
		}
		t := &req.Topics[at]
		b := kmsg.ShareAcknowledgeRequestTopicPartitionAcknowledgementBatch{FirstOffset: a.first, LastOffset: a.last, AcknowledgeTypes: a.types}
		if n := len(t.Partitions) - 1; n >= 0 && t.Partitions[n].Partition == a.partition {
			t.Partitions[n].AcknowledgementBatches = append(t.Partitions[n].AcknowledgementBatches, b)
			continue
		}
		p := kmsg.ShareAcknowledgeRequestTopicPartition{Partition: a.partition}
		if a.types != nil {
			p.AcknowledgementBatches = append(p.AcknowledgementBatches, b)
		}
		t.Partitions = append(t.Partitions, p)
	}
	if change != nil {
		change(req)
	}
	resp := ask[*kmsg.ShareAcknowledgeResponse](m.r, m.step(step), m.v, req)
	m.after(resp.ErrorCode)
}

// offsets records where the group is.
func (m *shareMember) offsets(step, topic string) {
	req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	req.Groups = []kmsg.DescribeShareGroupOffsetsRequestGroup{{
		GroupID: m.group, Topics: []kmsg.DescribeShareGroupOffsetsRequestGroupTopic{{Topic: topic, Partitions: []int32{0}}},
	}}
	ask[*kmsg.DescribeShareGroupOffsetsResponse](m.r, m.step(step), m.r.newest(kmsg.DescribeShareGroupOffsets), req)
}

// shareFetches is what members of a share group fetch and acknowledge, in every version.
func shareFetches(r *run) {
	if r.alone != nil {
		return
	}
	for v := range r.versions(kmsg.ShareFetch) {
		shareSessions(r, v)
		shareDeliveries(r, v)
		shareLimits(r, v)
	}
	shareIsolation(r)
	shareReset(r)
}

// shareSessions are the epochs of share sessions and the mistakes of their members.
func shareSessions(r *run, v int16) {
	topic, group := fmt.Sprint("shf-s", v), fmt.Sprint("shf-sessions", v)
	r.shareReady(group)
	r.topic(topic, 2)
	s := sharer{r, group}
	s.config("share.auto.offset.reset", "earliest")
	id1, id2 := "AAAAAAAAQACAAAAAAAAAAA", "AAAAAAAAQACAAAAAAAAAAQ"
	m := &shareMember{r: r, v: v, group: group, member: id1}
	whole := shareAck{topic: topic}
	m.fetch("no such group", nil, whole)
	m.epoch = 0
	s.join(id1, topic)
	r.produce(topic, 0, plain("a", "b", "c"))

	m.fetch("no group", func(q *kmsg.ShareFetchRequest) { q.GroupID = nil }, whole)
	m.epoch = 0
	m.fetch("no member", func(q *kmsg.ShareFetchRequest) { q.MemberID = nil }, whole)
	m.fetch("empty member", func(q *kmsg.ShareFetchRequest) { q.MemberID = kmsg.StringPtr("") }, whole)
	m.epoch = 5
	m.fetch("no session", nil, whole)
	m.epoch = -1
	m.fetch("no session to end", nil, whole)
	m.epoch = -2
	m.fetch("epoch -2", nil, whole)
	m.epoch = 0
	m.acknowledge("acknowledge begins no session", nil, shareAck{topic, 0, 0, 0, []int8{1}})
	m.epoch = 0
	m.acknowledge("no acknowledgement", nil)
	m.epoch = 3
	m.acknowledge("acknowledge, no session", nil, shareAck{topic, 0, 0, 0, []int8{1}})
	m.epoch = 0
	m.fetch("acknowledgement in the first request", nil, shareAck{topic, 0, 0, 0, []int8{1}})
	m.begin("begin", nil, whole)
	m.fetch("nothing more", nil)
	m.epoch += 2
	m.fetch("epoch too large", nil)
	m.epoch -= 3
	m.fetch("epoch too small", nil)
	m.acknowledge("acknowledge with a small epoch", nil, shareAck{topic, 0, 0, 0, []int8{1}})
	m.epoch++
	m.fetch("partition 1", nil, shareAck{topic: topic, partition: 1})
	r.produce(topic, 1, plain("p1"))
	m.fetch("of partition 1", nil)
	m.fetch("acknowledge what is not acquired", nil, shareAck{topic, 1, 0, 5, []int8{1}})
	m.acknowledge("of nothing", nil, shareAck{topic: topic})

	// A member that the group does not have, and a second session.
	other := &shareMember{r: r, v: v, group: group, member: id2}
	other.fetch("not a member", nil, whole)
	other.fetch("not a member, again", nil)
	bad := &shareMember{r: r, v: v, group: group, member: "not a uuid"}
	bad.fetch("member id that is no uuid", nil, whole)
	long := &shareMember{r: r, v: v, group: group, member: "0123456789012345678901234567890123456789"}
	long.fetch("long member id", nil, whole)
	bad.acknowledge("acknowledge as no uuid", nil, shareAck{topic, 0, 0, 0, []int8{1}})

	// The end of the session gives the records back.
	m.epoch = -1
	m.fetch("end the session with partitions", nil, whole)
	m.fetch("end the session", nil, shareAck{topic, 0, 0, 0, []int8{1}})
	m.begin("what was given back", nil, whole)
	epoch := m.epoch
	m.epoch = -1
	m.acknowledge("acknowledge ends the session", nil, shareAck{topic, 0, 1, 1, []int8{1}})
	m.epoch = epoch
	m.acknowledge("the session is over", nil, shareAck{topic, 0, 1, 1, []int8{1}})
	other.epoch = -1
	other.fetch("the other ends", nil)
	// Partitions that are not there, each in a session of its own: Kafka loses count of some.
	begun := func(do func()) {
		m.epoch = 0
		m.r.quiet(m.fetchOf(nil, shareAck{topic: topic, partition: 1}))
		m.epoch = 1
		do()
	}
	gone := shareAck{topic, 7, 0, 0, []int8{1}}
	begun(func() { m.fetch("unknown topic", nil, shareAck{topic: "?"}) })
	begun(func() { m.fetch("unknown partition", nil, shareAck{topic: topic, partition: 9}) })
	begun(func() { m.fetch("acknowledge along of an unknown topic", nil, shareAck{"?", 0, 0, 0, []int8{1}}) })
	begun(func() { m.fetch("acknowledge along of an unknown partition", nil, gone) })
	begun(func() { m.acknowledge("of an unknown topic", nil, shareAck{"?", 0, 0, 0, []int8{1}}) })
	begun(func() { m.acknowledge("of an unknown partition", nil, gone) })
	begun(func() { m.acknowledge("of a negative partition", nil, shareAck{topic, -1, 0, 0, []int8{1}}) })
	m.offsets("where the group is", topic)
	r.leave(group, id1)
}

func (r *run) leave(group, member string) {
	r.quiet(sharer{r, group}.request(member, -1, nil))
}

// shareDeliveries is what members say of what they got.
func shareDeliveries(r *run, v int16) {
	topic, group := fmt.Sprint("shf-d", v), fmt.Sprint("shf-deliveries", v)
	r.shareReady(group)
	r.topic(topic, 1)
	s := sharer{r, group}
	s.config("share.auto.offset.reset", "earliest", "share.delivery.count.limit", "3")
	m := &shareMember{r: r, v: v, group: group, member: "AAAAAAAAQACAAAAAAAAAAA"}
	s.join(m.member, topic)
	r.produce(topic, 0, plain("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"))
	ack := func(first, last int64, types ...int8) shareAck { return shareAck{topic, 0, first, last, types} }
	m.begin("all", nil, shareAck{topic: topic})
	for _, bad := range []struct {
		step string
		acks []shareAck
	}{
		{"no types", []shareAck{ack(0, 1, []int8{}...)}},
		{"type -1", []shareAck{ack(0, 1, -1)}},
		{"type 4", []shareAck{ack(0, 1, 4)}},
		{"type 5", []shareAck{ack(0, 1, 5)}},
		{"too few types", []shareAck{ack(0, 2, 1, 1)}},
		{"too many types", []shareAck{ack(0, 0, 1, 1)}},
		{"backwards", []shareAck{ack(3, 2, 1)}},
		{"negative", []shareAck{ack(-2, 1, 1)}},
		{"out of order", []shareAck{ack(4, 5, 1), ack(0, 1, 1)}},
		{"overlapping", []shareAck{ack(0, 2, 1), ack(2, 3, 1)}},
		{"beyond the end", []shareAck{ack(8, 12, 1)}},
		{"behind the end", []shareAck{ack(20, 22, 1)}},
	} {
		m.acknowledge(bad.step, nil, bad.acks...)
		m.fetch(bad.step+", along", func(q *kmsg.ShareFetchRequest) { q.MaxWaitMillis = 50 }, bad.acks...)
	}
	if v >= 2 {
		renew := func(q *kmsg.ShareAcknowledgeRequest) { q.IsRenewAck = true }
		m.acknowledge("renew", renew, ack(0, 1, 4))
		m.acknowledge("renew and accept at a time", renew, ack(0, 1, 4), ack(2, 2, 1))
		m.acknowledge("renew by offset", renew, ack(3, 5, 4, 4, 4))
		m.acknowledge("renew what is beyond", renew, ack(20, 21, 4))
		m.acknowledge("renew what is accepted", renew, ack(2, 2, 4))
		m.acknowledge("renew without the flag", nil, ack(0, 1, 4))
		m.acknowledge("the flag without a renewal", renew, ack(0, 0, 1))
		none := func(q *kmsg.ShareFetchRequest) {
			q.IsRenewAck, q.MaxWaitMillis, q.MinBytes, q.MaxBytes, q.MaxRecords, q.BatchSize = true, 0, 0, 0, 0, 0
		}
		m.fetch("renewal along with a fetch", func(q *kmsg.ShareFetchRequest) { q.IsRenewAck = true }, ack(3, 4, 4))
		m.fetch("renewal along, no fetch", none, ack(3, 4, 4))
		m.fetch("renewal along, without the flag", nil, ack(3, 4, 4))
		m.fetch("the flag along", none)
	}
	m.acknowledge("release", nil, ack(1, 1, 2))
	m.fetch("released", nil)
	m.fetch("all kinds along", nil, ack(1, 5, 1, 1, 2, 3, 0))
	m.acknowledge("once more", nil, ack(4, 4, 1))
	m.acknowledge("half of it is done with", nil, ack(4, 6, 1))
	m.acknowledge("several batches", nil, ack(6, 6, 2), ack(7, 7, 1))
	m.offsets("where the group is", topic)
	// Delivered too often.
	m.fetch("again", nil)
	for i := range 3 {
		m.acknowledge(fmt.Sprint("release again ", i), nil, ack(3, 3, 2))
		m.fetch(fmt.Sprint("released again ", i), nil)
	}
	m.acknowledge("accept the rest", nil, ack(6, 9, 1, 1, 1, 1))
	m.acknowledge("accept what is left", nil, ack(6, 6, 1), ack(8, 9, 1))
	m.offsets("at the end", topic)
	m.acknowledge("before the start", nil, ack(0, 1, 1))
	r.leave(group, m.member)
}

// shareLimits is how much a member gets at a time.
func shareLimits(r *run, v int16) {
	topic, group := fmt.Sprint("shf-l", v), fmt.Sprint("shf-limits", v)
	r.shareReady(group)
	r.topic(topic, 1)
	s := sharer{r, group}
	s.config("share.auto.offset.reset", "earliest", "share.partition.max.record.locks", "100")
	one := &shareMember{r: r, v: v, group: group, member: "AAAAAAAAQACAAAAAAAAAAA"}
	s.join(one.member, topic)
	for i := range 6 {
		r.produce(topic, 0, plain(numbered(fmt.Sprint("b", i, "-"), 10)...))
	}
	r.produce(topic, 0, plain(numbered("c", 30)...))
	r.produce(topic, 0, plain(numbered("d", 30)...))
	least := func(records, batch int32, mode int8) func(*kmsg.ShareFetchRequest) {
		return func(q *kmsg.ShareFetchRequest) { q.MaxRecords, q.BatchSize, q.ShareAcquireMode = records, batch, mode }
	}
	one.begin("five records", least(5, 5, 0), shareAck{topic: topic})
	one.fetch("fifteen records", least(15, 5, 0))
	if v >= 2 {
		one.fetch("five, strictly", least(5, 5, 1))
		one.fetch("eight, strictly", least(8, 3, 1))
		one.fetch("two, strictly", least(2, 100, 1))
	}
	one.fetch("all that may be locked", nil)
	one.fetch("more is not", nil)
	one.acknowledge("accept ten", nil, shareAck{topic, 0, 0, 9, []int8{1}})
	one.fetch("ten more", nil)
	one.offsets("where the group is", topic)
	r.leave(group, one.member)
	one.fetch("after it has left", nil)
	// Odd wishes, each in a session of its own.
	s.config("share.partition.max.record.locks", "2000")
	odd := func(step string, change func(*kmsg.ShareFetchRequest)) {
		one.epoch = 0
		r.produce(topic, 0, plain("x", "y"))
		one.fetch(step, change, shareAck{topic: topic})
	}
	odd("no records", least(0, 5, 0))
	odd("negative records", least(-1, 5, 0))
	odd("batches of one", least(5, 1, 0))
	odd("no bytes", func(q *kmsg.ShareFetchRequest) { q.MaxBytes = 0 })
	odd("min above max", func(q *kmsg.ShareFetchRequest) { q.MinBytes, q.MaxBytes = 100, 10 })
	if v >= 2 {
		odd("unknown mode", least(2, 100, 2))
	}
}

func numbered(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(prefix, i)
	}
	return list
}

// shareIsolation is what a group gets of transactions.
func shareIsolation(r *run) {
	const topic = "shf-txn"
	r.topic(topic, 1)
	r.txnReady("shf-txn")
	c := &txnClient{r: r, id: "shf-txn", topic: topic, init: 4, add: 3, write: 9, end: 3}
	c.start("start")
	c.adds("add", nil, 0)
	c.writes("write", 0, nil, "a0", "a1")
	c.ends("abort", false, nil)
	c.start("start again")
	c.adds("add again", nil, 0)
	c.writes("write again", 0, nil, "c0", "c1")
	c.ends("commit", true, nil)
	c.settle()
	r.produce(topic, 0, plain("p"))
	v := r.newest(kmsg.ShareFetch)
	for _, level := range []string{"read_uncommitted", "read_committed"} {
		group := "shf-" + level
		r.shareReady(group)
		s := sharer{r, group}
		s.config("share.auto.offset.reset", "earliest", "share.isolation.level", level)
		m := &shareMember{r: r, v: v, group: group, member: "AAAAAAAAQACAAAAAAAAAAA"}
		s.join(m.member, topic)
		m.begin(level, nil, shareAck{topic: topic})
		m.fetch(level+", more", nil)
		m.offsets(level, topic)
		r.leave(group, m.member)
	}
}

// shareReset is where groups begin to read.
func shareReset(r *run) {
	const topic = "shf-reset"
	r.topic(topic, 1)
	old := plain("old")
	old.timestampMs -= 3 * 3600 * 1000
	r.produce(topic, 0, old, plain("new"))
	v := r.newest(kmsg.ShareFetch)
	finds := map[string]bool{"earliest": true, "by_duration:PT2H": true, "by_duration:P2D": true}
	for i, reset := range []string{"earliest", "latest", "by_duration:PT2H", "by_duration:PT10M", "by_duration:P2D", ""} {
		group := fmt.Sprint("shf-reset", i)
		r.shareReady(group)
		s := sharer{r, group}
		if reset != "" {
			s.config("share.auto.offset.reset", reset)
		}
		m := &shareMember{r: r, v: v, group: group, member: "AAAAAAAAQACAAAAAAAAAAA"}
		s.join(m.member, topic)
		got := false
		for range 6 { // Kafka reads the state at its leisure
			resp := r.quiet(m.fetchOf(nil, shareAck{topic: topic})).(*kmsg.ShareFetchResponse)
			m.after(resp.ErrorCode)
			if got = acquired(resp) > 0; got || !finds[reset] && m.epoch > 2 {
				if got {
					r.note("reset "+reset, "first offset", fmt.Sprint(resp.Topics[0].Partitions[0].AcquiredRecords[0].FirstOffset))
				}
				break
			}
		}
		more := plain(fmt.Sprint("more", i))
		more.timestampMs += 3600 * 1000 // now
		r.produce(topic, 0, more)
		r.eventually(func() bool {
			resp := r.quiet(m.fetchOf(nil)).(*kmsg.ShareFetchResponse)
			m.after(resp.ErrorCode)
			if n := acquired(resp); n > 0 {
				a := resp.Topics[0].Partitions[0].AcquiredRecords[0]
				r.note("more after "+reset, "acquired", fmt.Sprint(a.FirstOffset, a.LastOffset))
				return true
			}
			return resp.ErrorCode != 0
		})
		m.offsets("offsets after "+reset, topic)
		m.epoch = -1
		r.quiet(m.fetchOf(nil))
		r.leave(group, m.member)
	}
}

// shareStates are the share coordinator's own requests, which brokers send each other.
func shareStates(r *run) {
	if r.alone != nil {
		return
	}
	const group, topic = "shs-group", "shs-topic"
	r.shareReady("shs-group", "shs-warm")
	r.topic(topic, 3)
	sharer{r, "shs-warm"}.join("m", topic) // there is a __share_group_state then
	r.leave("shs-warm", "m")
	id := r.topicID(topic)
	unknown := r.topicIDOr("?")
	r.eventually(func() bool { // the coordinator of the key is loaded
		req := kmsg.NewPtrReadShareGroupStateSummaryRequest()
		req.GroupID = group
		p := kmsg.NewReadShareGroupStateSummaryRequestTopicPartition()
		req.Topics = []kmsg.ReadShareGroupStateSummaryRequestTopic{{TopicID: id, Partitions: []kmsg.ReadShareGroupStateSummaryRequestTopicPartition{p}}}
		code := r.quiet(req).(*kmsg.ReadShareGroupStateSummaryResponse).Topics[0].Partitions[0].ErrorCode
		return code != kerr.CoordinatorLoadInProgress.Code && code != kerr.CoordinatorNotAvailable.Code && code != kerr.NotCoordinator.Code
	})
	initialize := func(step, group string, topic [16]byte, partition, epoch int32, start int64) {
		req := kmsg.NewPtrInitializeShareGroupStateRequest()
		req.GroupID = group
		req.Topics = []kmsg.InitializeShareGroupStateRequestTopic{{TopicID: topic, Partitions: []kmsg.InitializeShareGroupStateRequestTopicPartition{
			{Partition: partition, StateEpoch: epoch, StartOffset: start},
		}}}
		ask[*kmsg.InitializeShareGroupStateResponse](r, step, 0, req)
	}
	read := func(step, group string, topic [16]byte, partition, leaderEpoch int32) {
		req := kmsg.NewPtrReadShareGroupStateRequest()
		req.GroupID = group
		req.Topics = []kmsg.ReadShareGroupStateRequestTopic{{TopicID: topic, Partitions: []kmsg.ReadShareGroupStateRequestTopicPartition{
			{Partition: partition, LeaderEpoch: leaderEpoch},
		}}}
		ask[*kmsg.ReadShareGroupStateResponse](r, step, 0, req)
	}
	summary := func(step, group string, topic [16]byte, partition, leaderEpoch int32) {
		for v := range r.versions(kmsg.ReadShareGroupStateSummary) {
			req := kmsg.NewPtrReadShareGroupStateSummaryRequest()
			req.GroupID = group
			req.Topics = []kmsg.ReadShareGroupStateSummaryRequestTopic{{TopicID: topic, Partitions: []kmsg.ReadShareGroupStateSummaryRequestTopicPartition{
				{Partition: partition, LeaderEpoch: leaderEpoch},
			}}}
			ask[*kmsg.ReadShareGroupStateSummaryResponse](r, step, v, req)
		}
	}
	type stateBatch = kmsg.WriteShareGroupStateRequestTopicPartitionStateBatch
	write := func(step, group string, topic [16]byte, partition, stateEpoch, leaderEpoch int32, start int64, batches ...stateBatch) {
		for v := range r.versions(kmsg.WriteShareGroupState) {
			req := kmsg.NewPtrWriteShareGroupStateRequest()
			req.GroupID = group
			p := kmsg.NewWriteShareGroupStateRequestTopicPartition()
			p.Partition, p.StateEpoch, p.LeaderEpoch, p.StartOffset, p.StateBatches, p.DeliveryCompleteCount = partition, stateEpoch, leaderEpoch, start, batches, 2
			req.Topics = []kmsg.WriteShareGroupStateRequestTopic{{TopicID: topic, Partitions: []kmsg.WriteShareGroupStateRequestTopicPartition{p}}}
			ask[*kmsg.WriteShareGroupStateResponse](r, step, v, req)
		}
	}
	remove := func(step, group string, topic [16]byte, partition int32) {
		req := kmsg.NewPtrDeleteShareGroupStateRequest()
		req.GroupID = group
		req.Topics = []kmsg.DeleteShareGroupStateRequestTopic{{TopicID: topic, Partitions: []kmsg.DeleteShareGroupStateRequestTopicPartition{{Partition: partition}}}}
		ask[*kmsg.DeleteShareGroupStateResponse](r, step, 0, req)
	}
	for _, bad := range []struct {
		step, group string
		topic       [16]byte
		partition   int32
	}{
		{"no group", "", id, 0}, {"no topic id", group, [16]byte{}, 0}, {"unknown topic", group, unknown, 0},
		{"unknown partition", group, id, 7}, {"negative partition", group, id, -1}, {"not initialised", group, id, 1},
	} {
		read("read, "+bad.step, bad.group, bad.topic, bad.partition, 1)
		summary("summary, "+bad.step, bad.group, bad.topic, bad.partition, 1)
		write("write, "+bad.step, bad.group, bad.topic, bad.partition, 1, 1, 0, stateBatch{FirstOffset: 0, LastOffset: 1, DeliveryState: 2, DeliveryCount: 1})
		remove("delete, "+bad.step, bad.group, bad.topic, bad.partition)
		if bad.partition != 1 {
			initialize("initialize, "+bad.step, bad.group, bad.topic, bad.partition, 1, 0)
		}
	}
	initialize("initialize", group, id, 0, 2, -1)
	initialize("initialize again", group, id, 0, 2, 5)
	initialize("initialize, older", group, id, 0, 1, 7)
	read("read without a leader epoch", group, id, 0, -1)
	read("read", group, id, 0, 3)
	read("read, older leader", group, id, 0, 2)
	summary("summary", group, id, 0, 3)
	summary("summary, older leader", group, id, 0, 1)
	b := func(first, last int64, state int8, count int16) stateBatch {
		return stateBatch{FirstOffset: first, LastOffset: last, DeliveryState: state, DeliveryCount: count}
	}
	write("write", group, id, 0, 2, 3, 5, b(5, 9, 0, 1), b(10, 14, 2, 1), b(15, 19, 4, 5))
	read("written", group, id, 0, 3)
	write("write, older leader", group, id, 0, 2, 2, 6)
	write("write, newer leader", group, id, 0, 2, 4, -1, b(7, 11, 2, 2))
	write("write, older state", group, id, 0, 1, 4, 6)
	write("write, newer state", group, id, 0, 9, 4, 6)
	read("written again", group, id, 0, 4)
	summary("summary again", group, id, 0, 4)
	write("move the start", group, id, 0, 9, 4, 12)
	read("moved", group, id, 0, 4)
	initialize("initialize anew", group, id, 0, 10, 3)
	read("anew", group, id, 0, 4)
	remove("delete", group, id, 0)
	remove("delete again", group, id, 0)
	read("deleted", group, id, 0, 4)
	summary("deleted", group, id, 0, 4)
	empty := kmsg.NewPtrReadShareGroupStateRequest()
	empty.GroupID = group
	ask[*kmsg.ReadShareGroupStateResponse](r, "read nothing", 0, empty)
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorType = 6, 2
	find.CoordinatorKeys = []string{"shs-group:" + "AQIDBAUGBwgJAAAAAAAAAA" + ":0", "nonsense", "a:b:c", "g:AQIDBAUGBwgJAAAAAAAAAA:x", "g:AQIDBAUGBwgJAAAAAAAAAA:-1", ":AQIDBAUGBwgJAAAAAAAAAA:0"}
	ask[*kmsg.FindCoordinatorResponse](r, "find the coordinator", 6, find)
}
