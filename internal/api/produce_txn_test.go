package api

import (
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

// TestNextTransactionWaitsForMarkers: the first batch and the first offsets of a transaction of version 2 come while the markers of the one before are
// not written yet. They wait, and the markers that they have waited for are no reason to refuse them. Found by test/blackbox on a busy machine.
func TestNextTransactionWaitsForMarkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := newTestBroker(t, "transaction.state.log.num.partitions", "1")
		topic := tb.createTopic("t", 1)
		tb.createTopic(transactionStateTopic, 1)
		tb.createTopic(groupMetadataTopic, 1)
		synctest.Wait()
		c := tb.client()
		id := "tx"
		init := kmsg.NewPtrInitProducerIDRequest()
		init.Version = 4
		answer[*kmsg.InitProducerIDResponse](c, init) // takes producer id 0, which batch does not know
		init.Version, init.TransactionalID, init.TransactionTimeoutMillis = 4, &id, 60_000
		producer := answer[*kmsg.InitProducerIDResponse](c, init)
		if producer.ErrorCode != 0 {
			t.Fatalf("InitProducerId: %+v", producer)
		}
		epoch := producer.ProducerEpoch
		produce := func(c *testClient) error {
			o := protocol.BatchOptions{ProducerID: producer.ProducerID, ProducerEpoch: epoch, Transactional: true}
			req := produceOf(13, -1, "", 0, batch(t, o, "x"))
			req.Topics[0].TopicID, req.TransactionID = topic, &id
			return kerr.ErrorForCode(answer[*kmsg.ProduceResponse](c, req).Topics[0].Partitions[0].ErrorCode)
		}
		commit := func(c *testClient) error {
			req := kmsg.NewPtrTxnOffsetCommitRequest()
			req.Version, req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch, req.Generation = 5, id, "g", producer.ProducerID, epoch, -1
			rt := kmsg.NewTxnOffsetCommitRequestTopic()
			rt.Topic, rt.Partitions = "t", []kmsg.TxnOffsetCommitRequestTopicPartition{{Offset: 1, LeaderEpoch: -1}}
			req.Topics = append(req.Topics, rt)
			return kerr.ErrorForCode(answer[*kmsg.TxnOffsetCommitResponse](c, req).Topics[0].Partitions[0].ErrorCode)
		}
		if err := produce(c); err != nil {
			t.Fatal(err)
		}
		if err := commit(c); err != nil {
			t.Fatal(err)
		}
		for what, begin := range map[string]func(*testClient) error{"Produce": produce, "TxnOffsetCommit": commit} {
			hold := make(chan struct{})
			tb.holdMarkers.Store(&hold)
			end := kmsg.NewPtrEndTxnRequest()
			end.Version, end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = 5, id, producer.ProducerID, epoch, true
			ended := answer[*kmsg.EndTxnResponse](c, end) // does not wait for long
			if ended.ErrorCode != 0 {
				t.Fatalf("EndTxn: %v", kerr.ErrorForCode(ended.ErrorCode))
			}
			epoch = ended.ProducerEpoch
			begun := make(chan error)
			other := tb.client()
			go func() { begun <- begin(other) }()
			synctest.Wait()
			close(hold)
			if err := <-begun; err != nil {
				t.Errorf("%s: %v", what, err)
			}
			tb.holdMarkers.Store(nil)
			// In both partitions something is to be marked the next time.
			if err := produce(c); err != nil {
				t.Errorf("produce after %s: %v", what, err)
			}
			if err := commit(c); err != nil {
				t.Errorf("commit after %s: %v", what, err)
			}
		}
	})
}
