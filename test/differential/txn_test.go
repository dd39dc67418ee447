package differential

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// txnClient is a transactional producer that speaks one version of each API.
type txnClient struct {
	r     *run
	id    string
	topic string
	p     kmsg.InitProducerIDResponse
	init  int16 // versions
	add   int16
	write int16
	end   int16
	seq   map[int32]int32
}

// txnReady waits until the coordinator of a transactional id serves: Apache Kafka creates __transaction_state on demand.
func (r *run) txnReady(id string) {
	r.eventually(func() bool {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.Version, req.CoordinatorType, req.CoordinatorKey = 2, 1, id
		if r.quiet(req).(*kmsg.FindCoordinatorResponse).ErrorCode != 0 {
			return false
		}
		d := kmsg.NewPtrDescribeTransactionsRequest()
		d.TransactionalIDs = []string{id}
		code := r.quiet(d).(*kmsg.DescribeTransactionsResponse).TransactionStates[0].ErrorCode
		return code == kerr.TransactionalIDNotFound.Code || code == 0
	})
}

func (c *txnClient) initRequest() *kmsg.InitProducerIDRequest {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.TransactionalID, req.TransactionTimeoutMillis = c.init, kmsg.StringPtr(c.id), 60000
	return req
}

// start inits the producer and records what it got, asking again while an earlier transaction is ending.
func (c *txnClient) start(step string) {
	c.settle()
	c.r.eventually(func() bool {
		c.p = *c.r.quiet(c.initRequest()).(*kmsg.InitProducerIDResponse)
		return c.p.ErrorCode != kerr.ConcurrentTransactions.Code && c.p.ErrorCode != kerr.CoordinatorLoadInProgress.Code
	})
	c.seq = map[int32]int32{}
	c.r.note(step, "epoch", fmt.Sprint(c.p.ErrorCode, " ", c.p.ProducerEpoch))
}

// settle waits until no markers are on their way.
func (c *txnClient) settle() {
	c.r.eventually(func() bool {
		d := kmsg.NewPtrDescribeTransactionsRequest()
		d.TransactionalIDs = []string{c.id}
		s := c.r.quiet(d).(*kmsg.DescribeTransactionsResponse).TransactionStates[0]
		return s.State != "PrepareCommit" && s.State != "PrepareAbort"
	})
}

func (c *txnClient) describe(step string) {
	c.settle()
	d := kmsg.NewPtrDescribeTransactionsRequest()
	d.TransactionalIDs = []string{c.id}
	resp := c.r.quiet(d).(*kmsg.DescribeTransactionsResponse).TransactionStates[0]
	c.r.note(step, "state", fmt.Sprint(resp.State, " epoch ", resp.ProducerEpoch, " timeout ", resp.TimeoutMillis, " started ", resp.StartTimestamp > 0, " topics ", len(resp.Topics)))
}

func (c *txnClient) adds(step string, change func(*kmsg.AddPartitionsToTxnRequest), partitions ...int32) {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = c.id, c.p.ProducerID, c.p.ProducerEpoch
	req.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: c.topic, Partitions: partitions}}
	if change != nil {
		change(req)
	}
	if c.add >= 4 {
		req.Transactions = []kmsg.AddPartitionsToTxnRequestTransaction{{
			TransactionalID: req.TransactionalID, ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch,
			Topics: []kmsg.AddPartitionsToTxnRequestTransactionTopic{{Topic: req.Topics[0].Topic, Partitions: partitions}},
		}}
	}
	ask[*kmsg.AddPartitionsToTxnResponse](c.r, step, c.add, req)
}

func (c *txnClient) writes(step string, partition int32, change func(*batch), values ...string) {
	b := plain(values...)
	b.attributes, b.producerID, b.epoch, b.sequence = 1<<4, c.p.ProducerID, c.p.ProducerEpoch, c.seq[partition]
	if change != nil {
		change(&b)
	}
	req := produceRequest(c.topic, partition, b.bytes())
	req.TransactionID = kmsg.StringPtr(c.id)
	resp := ask[*kmsg.ProduceResponse](c.r, step, c.write, req)
	if len(resp.Topics) == 1 && resp.Topics[0].Partitions[0].ErrorCode == 0 && change == nil {
		c.seq[partition] += int32(len(values))
	}
}

func (c *txnClient) ends(step string, commit bool, change func(*kmsg.EndTxnRequest)) {
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = c.id, c.p.ProducerID, c.p.ProducerEpoch, commit
	if change != nil {
		change(req)
	}
	resp := ask[*kmsg.EndTxnResponse](c.r, step, c.end, req)
	c.settle()
	if resp.ErrorCode == 0 && c.end >= 5 && resp.ProducerEpoch != c.p.ProducerEpoch {
		c.p.ProducerID, c.p.ProducerEpoch = resp.ProducerID, resp.ProducerEpoch
		c.seq = map[int32]int32{}
	}
}

// transactions is the life of transactional producers, of transaction version 1 and 2, with every mistake that has an error of its own.
func transactions(r *run) {
	r.txnReady("tx-ready")
	ends := []int16{}
	for v := range r.versions(kmsg.EndTxn) {
		ends = append(ends, v)
	}
	for _, v := range ends {
		c := &txnClient{r: r, id: fmt.Sprint("tx-", v), topic: fmt.Sprint("tx-", v), init: min(v, 5), add: min(v, 3), write: 9, end: v}
		switch {
		case v >= 5:
			c.write = 12
		case v == 4: // between the two: TRANSACTION_ABORTABLE is known
			c.write = 11
		}
		r.topic(c.topic, 4)
		c.adds("add before init", nil, 0)
		c.ends("end before init", true, nil)
		c.start("init")
		c.describe("fresh")
		c.ends("commit of nothing", true, nil)
		c.ends("abort of nothing", false, nil)
		c.start("init again")
		if v < 5 {
			c.writes("write without add", 0, nil, "x")
			c.adds("add", nil, 0, 1)
			c.adds("add again", nil, 0, 1)
			c.adds("add unknown partition", nil, 1, 77)
			c.adds("add unknown topic", func(q *kmsg.AddPartitionsToTxnRequest) { q.Topics[0].Topic = "tx-unknown" }, 0)
			c.adds("add with other producer", func(q *kmsg.AddPartitionsToTxnRequest) { q.ProducerID += 999 }, 0)
			c.adds("add with old epoch", func(q *kmsg.AddPartitionsToTxnRequest) { q.ProducerEpoch-- }, 0)
			c.adds("add with new epoch", func(q *kmsg.AddPartitionsToTxnRequest) { q.ProducerEpoch++ }, 0)
			c.adds("add for nobody", func(q *kmsg.AddPartitionsToTxnRequest) { q.TransactionalID = "tx-nobody" }, 0)
			c.adds("add for the empty id", func(q *kmsg.AddPartitionsToTxnRequest) { q.TransactionalID = "" }, 0)
		}
		c.writes("write", 0, nil, "a", "b")
		c.writes("write more", 0, nil, "c")
		c.writes("write again", 0, func(b *batch) { b.sequence = 0 }, "a", "b")
		c.writes("write to another", 1, nil, "d")
		c.writes("not in the transaction", 2, func(b *batch) { b.attributes = 0 }, "plain")
		c.writes("plain in an open one", 1, func(b *batch) { b.attributes = 0; b.sequence = 1 }, "plain")
		c.writes("old epoch", 0, func(b *batch) { b.epoch-- }, "x")
		c.writes("gap", 0, func(b *batch) { b.sequence += 5 }, "x")
		c.describe("open")
		c.ends("commit with other producer", true, func(q *kmsg.EndTxnRequest) { q.ProducerID += 999 })
		c.ends("commit with old epoch", true, func(q *kmsg.EndTxnRequest) { q.ProducerEpoch-- })
		c.ends("commit with new epoch", true, func(q *kmsg.EndTxnRequest) { q.ProducerEpoch++ })
		c.ends("commit for nobody", true, func(q *kmsg.EndTxnRequest) { q.TransactionalID = "tx-nobody" })
		c.ends("commit for the empty id", true, func(q *kmsg.EndTxnRequest) { q.TransactionalID = "" })
		was := c.p
		c.ends("commit", true, nil)
		c.describe("committed")
		again := func(q *kmsg.EndTxnRequest) { q.ProducerID, q.ProducerEpoch = was.ProducerID, was.ProducerEpoch }
		c.ends("commit again", true, again)
		c.ends("abort after commit", false, again)
		r.ends("committed", c.topic, 3)
		if v < 5 {
			c.writes("write after commit", 0, nil, "x")
			c.writes("write again after commit", 0, func(b *batch) { b.sequence = 2 }, "c")
			c.adds("add for the next", nil, 3)
		}
		c.writes("write the next", 3, nil, "e")
		was = c.p
		c.ends("abort", false, nil)
		c.describe("aborted")
		c.ends("abort again", false, again)
		c.ends("commit after abort", true, again)
		r.ends("aborted", c.topic, 4)
		r.fetchCommitted("fetch aborted", c.topic, 3)
		r.fetchCommitted("fetch committed", c.topic, 0)
		// A second producer comes while a transaction is open.
		c.adds("add what a new one aborts", nil, 2)
		c.writes("write what a new one aborts", 2, nil, "f")
		zombie := *c
		c.start("init over an open one")
		zombie.writes("write by a zombie", 2, nil, "x")
		zombie.ends("commit by a zombie", true, nil)
		if c.init >= 3 {
			keep := func(step string, id int64, epoch int16) {
				req := c.initRequest()
				req.ProducerID, req.ProducerEpoch = id, epoch
				resp := r.quiet(req).(*kmsg.InitProducerIDResponse)
				r.note(step, "epoch", fmt.Sprint(resp.ErrorCode, " ", resp.ProducerEpoch))
			}
			keep("go on", c.p.ProducerID, c.p.ProducerEpoch)
			keep("go on, retry", c.p.ProducerID, c.p.ProducerEpoch)
			keep("go on with an old epoch", c.p.ProducerID, max(0, c.p.ProducerEpoch-1))
			keep("go on with another producer", c.p.ProducerID+999, c.p.ProducerEpoch)
		}
		for _, timeout := range []int32{0, -1, 900001} {
			req := c.initRequest()
			req.TransactionTimeoutMillis = timeout
			ask[*kmsg.InitProducerIDResponse](r, fmt.Sprint("timeout ", timeout), c.init, req)
		}
		producers := kmsg.NewPtrDescribeProducersRequest()
		producers.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: c.topic, Partitions: []int32{0, 1, 2, 3}}}
		ask[*kmsg.DescribeProducersResponse](r, fmt.Sprint("producers ", v), 0, producers)
	}
	for v := range r.versions(kmsg.ListTransactions) {
		list := func(step string, change func(*kmsg.ListTransactionsRequest)) {
			req := kmsg.NewPtrListTransactionsRequest()
			req.DurationFilterMillis = -1
			change(req)
			resp := ask[*kmsg.ListTransactionsResponse](r, step, v, req)
			_ = resp
		}
		list("all", func(*kmsg.ListTransactionsRequest) {})
		list("by state", func(q *kmsg.ListTransactionsRequest) {
			q.StateFilters = []string{"CompleteCommit", "Nonsense", "ongoing"}
		})
		list("by producer", func(q *kmsg.ListTransactionsRequest) { q.ProducerIDFilters = []int64{12345678} })
		if v >= 1 {
			list("by duration", func(q *kmsg.ListTransactionsRequest) { q.DurationFilterMillis = 1 << 40 })
		}
		if v >= 2 {
			list("by pattern", func(q *kmsg.ListTransactionsRequest) { q.TransactionalIDPattern = kmsg.StringPtr("tx-[01]") })
			list("by bad pattern", func(q *kmsg.ListTransactionsRequest) { q.TransactionalIDPattern = kmsg.StringPtr("tx-[") })
			list("by empty pattern", func(q *kmsg.ListTransactionsRequest) { q.TransactionalIDPattern = kmsg.StringPtr("") })
		}
	}
	d := kmsg.NewPtrDescribeTransactionsRequest()
	d.TransactionalIDs = []string{"tx-nobody", ""}
	ask[*kmsg.DescribeTransactionsResponse](r, "describe nobody", 0, d)
}

// ends lists the last stable offsets and high watermarks of partitions.
func (r *run) ends(step, topic string, partitions int32) {
	for isolation := range int8(2) {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID, req.IsolationLevel = -1, isolation
		t := kmsg.ListOffsetsRequestTopic{Topic: topic}
		for p := range partitions {
			t.Partitions = append(t.Partitions, kmsg.ListOffsetsRequestTopicPartition{Partition: p, CurrentLeaderEpoch: -1, Timestamp: -1})
		}
		req.Topics = append(req.Topics, t)
		ask[*kmsg.ListOffsetsResponse](r, fmt.Sprint(step, ", ends at isolation ", isolation), 7, req)
	}
}

// fetchCommitted reads a partition read_committed.
func (r *run) fetchCommitted(step, topic string, partition int32) {
	req := fetchRequest(topic, [16]byte{}, partition, 0, func(q *kmsg.FetchRequest) { q.IsolationLevel = 1 })
	req.Version = 12
	resp := r.quiet(req).(*kmsg.FetchResponse)
	for i := range resp.Topics[0].Partitions {
		p := &resp.Topics[0].Partitions[i]
		var batches []string
		for b := p.RecordBatches; len(b) >= 61; b = b[12+int(binary.BigEndian.Uint32(b[8:])):] { // markers differ in their timestamps
			batches = append(batches, fmt.Sprint(binary.BigEndian.Uint64(b), " attributes ", binary.BigEndian.Uint16(b[21:]), " epoch ", binary.BigEndian.Uint16(b[51:]), " bytes ", binary.BigEndian.Uint32(b[8:])))
		}
		r.note(step, "answer", fmt.Sprint(p.ErrorCode, " stable ", p.LastStableOffset, " end ", p.HighWatermark, " aborted ", len(p.AbortedTransactions), " batches ", batches))
	}
}

// txnOffsets commits offsets in transactions.
func txnOffsets(r *run) {
	r.coordinatorReady("to-group", "to-v0", "to-v5")
	r.txnReady("to-ready")
	r.topic("to-topic", 2)
	for v := range r.versions(kmsg.TxnOffsetCommit) {
		group := fmt.Sprint("to-v", v)
		c := &txnClient{r: r, id: group, topic: "to-topic", init: 4, add: 3, write: 9, end: 4}
		if v >= 5 {
			c.end, c.write = 5, 12
		}
		commit := func(step string, change func(*kmsg.TxnOffsetCommitRequest)) {
			req := kmsg.NewPtrTxnOffsetCommitRequest()
			req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch, req.Generation = c.id, group, c.p.ProducerID, c.p.ProducerEpoch, -1
			req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: c.topic, Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{Partition: 0, Offset: 7, LeaderEpoch: -1, Metadata: kmsg.StringPtr("m")}}}}
			if change != nil {
				change(req)
			}
			ask[*kmsg.TxnOffsetCommitResponse](r, step, v, req)
		}
		fetch := func(step string, stable bool) {
			req := kmsg.NewPtrOffsetFetchRequest()
			req.Group, req.RequireStable = group, stable
			req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: c.topic, Partitions: []int32{0, 1}}}
			ask[*kmsg.OffsetFetchResponse](r, step, 7, req)
		}
		c.start("init")
		if v < 5 {
			commit("commit without add", nil)
			add := kmsg.NewPtrAddOffsetsToTxnRequest()
			add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = c.id, c.p.ProducerID, c.p.ProducerEpoch, group
			for av := range r.versions(kmsg.AddOffsetsToTxn) {
				ask[*kmsg.AddOffsetsToTxnResponse](r, fmt.Sprint("add offsets for ", v), av, add)
				bad := *add
				bad.ProducerEpoch = 9
				ask[*kmsg.AddOffsetsToTxnResponse](r, fmt.Sprint("add offsets with another epoch for ", v), av, &bad)
			}
		}
		commit("commit", nil)
		commit("unknown partition", func(q *kmsg.TxnOffsetCommitRequest) { q.Topics[0].Partitions[0].Partition = 9 })
		commit("unknown topic", func(q *kmsg.TxnOffsetCommitRequest) { q.Topics[0].Topic = "to-unknown" })
		if v >= 3 {
			commit("with a generation", func(q *kmsg.TxnOffsetCommitRequest) { q.Generation = 3; q.MemberID = "nobody" })
		}
		fetch("pending", false)
		fetch("pending, stable", true)
		c.ends("abort", false, nil)
		fetch("aborted", true)
		if v < 5 {
			add := kmsg.NewPtrAddOffsetsToTxnRequest()
			add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = c.id, c.p.ProducerID, c.p.ProducerEpoch, group
			ask[*kmsg.AddOffsetsToTxnResponse](r, fmt.Sprint("add offsets again for ", v), 3, add)
		}
		commit("commit the second", nil)
		c.ends("commit the transaction", true, nil)
		fetch("committed", true)
		commit("old epoch", func(q *kmsg.TxnOffsetCommitRequest) { q.ProducerEpoch-- })
	}
}
