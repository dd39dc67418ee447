package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/protocol"
)

// Produce: key 0, versions 0–13.
//
// Behaviour:
//   - appends partition by partition in the order of the request (phase 1), then with acks=-1 waits until each append is
//     committed or the timeout is over, REQUEST_TIMED_OUT (phase 2);
//   - acks=0 is never answered; an error there closes the connection, so that the producer notices and looks for the leader;
//   - acks other than −1, 0, 1: INVALID_REQUIRED_ACKS, nothing is written;
//   - a partition named twice: the last one counts, as in Kafka, and is answered once;
//   - internal topics: INVALID_TOPIC_EXCEPTION, but for the client id of Kafka's own admin tools;
//   - transactional records without a transactional id: TRANSACTIONAL_ID_AUTHORIZATION_FAILED for all partitions;
//   - the first batch of a transaction waits for the word of the transaction's coordinator that the partition is part of it (KIP-890);
//   - records that break a rule of Kafka's LogValidator are refused with its error, and named from version 8 on.
//
// Version notes:
//   - v0–v2: message sets of magic 0 and 1, converted to batches. v1: throttle time. v2: log append time.
//   - v3: exactly one batch per partition; transactional id. v4: KAFKA_STORAGE_ERROR (before: NOT_LEADER_OR_FOLLOWER).
//   - v5: log start offset. v7: zstd. v8: record errors and message (KIP-467).
//   - v10: the current leader and its address with NOT_LEADER_OR_FOLLOWER (KIP-951). v13: topic ids (KIP-516).
//   - v11: TRANSACTION_ABORTABLE, before it INVALID_TXN_STATE. v12: transaction version 2, a partition becomes part of the transaction by this (KIP-890).

// adminClientID is the client id with which Kafka's tools may write to internal topics (AdminUtils.ADMIN_CLIENT_ID).
const adminClientID = "__admin_client"

// produceScratch is kept by a session from one Produce request to the next.
type produceScratch struct {
	resp    kmsg.ProduceResponse
	pending []pendingAppend
	seen    map[producedPartition]struct{}
	joins   map[producedPartition]joined // of a transactional request: what the partitions were given for their first batch
}

// joined is the outcome of letting a partition join a transaction.
type joined struct {
	guard uint64
	err   error
}

// pendingAppend is an append that is not committed yet; topic and partition index into the response.
type pendingAppend struct {
	partition    *broker.Partition
	until        int64
	topic, index int
}

// maxScratchPartitions bounds what a session keeps of a large request.
const maxScratchPartitions = 256

func (s *session) produce(ctx context.Context, req *kmsg.ProduceRequest) (*kmsg.ProduceResponse, error) {
	sc := &s.produceScratch
	resp := &sc.resp
	*resp = kmsg.ProduceResponse{Version: req.Version, Topics: resp.Topics[:0]}
	sc.pending = sc.pending[:0]

	whole := wholeProduceError(req)
	repeated := sc.repeated(req)
	sc.joins = nil
	if whole == nil && req.TransactionID != nil {
		if sc.joins, whole = s.joinTransaction(ctx, req); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	partitions := 0
	for i := range req.Topics {
		t := &req.Topics[i]
		name, unknown := s.producedTopic(req.Version, t)
		rt := addProducedTopic(resp, t)
		for j := range t.Partitions {
			tp := &t.Partitions[j]
			if repeated && producedLater(req, i, j) {
				continue
			}
			partitions++
			rp := addProducedPartition(rt, tp.Partition)
			err := cmpError(unknown, whole)
			if err == nil {
				err = s.appendRecords(req, name, tp, rp, len(resp.Topics)-1, len(rt.Partitions)-1)
			}
			if err != nil {
				s.produceFailed(req, name, rp, err)
			}
		}
		if len(rt.Partitions) == 0 {
			resp.Topics = resp.Topics[:len(resp.Topics)-1]
		}
	}
	if req.Acks == 0 {
		return nil, produceErrors(resp)
	}
	if len(sc.pending) > 0 {
		if err := s.awaitCommitted(ctx, req, sc); err != nil {
			return nil, err
		}
	}
	if partitions > maxScratchPartitions {
		*sc = produceScratch{}
	}
	return resp, nil
}

// wholeProduceError is the error of every partition of a request that is wrong as a whole.
func wholeProduceError(req *kmsg.ProduceRequest) error {
	if req.Version >= 3 {
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				if !isTransactional(req.Topics[i].Partitions[j].Records) {
					continue
				}
				if req.TransactionID == nil {
					return kerr.TransactionalIDAuthorizationFailed
				}
			}
		}
	}
	return nil
}

// isTransactional looks at the first batch's attributes, when there is one.
func isTransactional(records []byte) bool {
	if len(records) < protocol.BatchHeaderBytes {
		return false
	}
	b := protocol.Batch(records)
	return b.Magic() == 2 && b.IsTransactional()
}

// producedTopic returns the name of the topic, or the error of all its partitions.
func (s *session) producedTopic(version int16, t *kmsg.ProduceRequestTopic) (string, error) {
	if version < 13 {
		return t.Topic, nil
	}
	topic := s.api.Metadata.Image().TopicByID(t.TopicID)
	if topic == nil {
		return "", kerr.UnknownTopicID
	}
	return topic.Name, nil
}

// appendRecords writes one partition's records and fills in its part of the response. Phase 1.
func (s *session) appendRecords(req *kmsg.ProduceRequest, topic string, tp *kmsg.ProduceRequestTopicPartition, rp *kmsg.ProduceResponseTopicPartition, topicAt, at int) error {
	p, err := s.api.partition(topic, tp.Partition)
	if err != nil {
		return err
	}
	if req.Acks < -1 || req.Acks > 1 {
		return kerr.InvalidRequiredAcks
	}
	if isInternal(topic) && s.clientID() != adminClientID {
		return fmt.Errorf("cannot append to internal topic %s: %w", topic, kerr.InvalidTopicException)
	}
	join := s.produceScratch.joins[producedPartition{topic: topic, partition: tp.Partition}]
	if join.err != nil {
		if errors.Is(join.err, kerr.InvalidTxnState) || errors.Is(join.err, kerr.NotEnoughReplicas) { // Kafka leaves the others without a text
			rp.ErrorMessage = protocol.ErrorMessage(join.err)
		}
		return join.err
	}
	a, err := p.Append(tp.Records, broker.AppendOptions{RequiredAcks: req.Acks, ProduceVersion: req.Version, TxnGuard: join.guard})
	if err != nil {
		if hasLogStartOffset(err) {
			rp.LogStartOffset = p.LogStartOffset()
		}
		return err
	}
	rp.BaseOffset, rp.LogAppendTime, rp.LogStartOffset = a.BaseOffset, a.LogAppendTimeMs, a.LogStartOffset
	if req.Acks == -1 && p.HighWatermark() <= a.LastOffset {
		s.produceScratch.pending = append(s.produceScratch.pending, pendingAppend{p, a.LastOffset + 1, topicAt, at})
	}
	return nil
}

// awaitCommitted waits for the appends that are not committed yet. Phase 2. Its error is that of ctx.
func (s *session) awaitCommitted(ctx context.Context, req *kmsg.ProduceRequest, sc *produceScratch) error {
	s.flush()
	timed, cancel := context.WithTimeout(ctx, time.Duration(req.TimeoutMillis)*time.Millisecond)
	defer cancel()
	for _, w := range sc.pending {
		err := w.partition.WaitCommitted(timed, w.until)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rp := &sc.resp.Topics[w.topic].Partitions[w.index]
		switch {
		case err == nil:
		case timed.Err() != nil:
			rp.ErrorCode = kerr.RequestTimedOut.Code
		default:
			s.produceFailed(req, w.partition.TopicPartition().Topic, rp, err)
		}
	}
	return nil
}

// produceFailed writes a partition's error into its part of the response.
func (s *session) produceFailed(req *kmsg.ProduceRequest, topic string, rp *kmsg.ProduceResponseTopicPartition, err error) {
	rp.ErrorCode = s.code(err)
	rp.BaseOffset, rp.LogAppendTime = -1, -1
	if rp.ErrorCode == kerr.UnknownServerError.Code {
		rp.ErrorCode = kerr.KafkaStorageError.Code // UNKNOWN_SERVER_ERROR makes idempotent producers write twice (KAFKA-14034)
	}
	switch rp.ErrorCode {
	case kerr.KafkaStorageError.Code:
		if req.Version < 4 {
			rp.ErrorCode = kerr.NotLeaderForPartition.Code
		}
	case kerr.NotLeaderForPartition.Code:
		if req.Version >= 10 {
			s.pointToLeader(topic, rp)
		}
	}
	if invalid, ok := errors.AsType[*protocol.InvalidRecordsError](err); ok {
		rp.ErrorMessage = protocol.ErrorMessage(err)
		for _, r := range invalid.Records {
			re := kmsg.NewProduceResponseTopicPartitionErrorRecord()
			re.RelativeOffset, re.ErrorMessage = r.Index, &r.Message
			rp.ErrorRecords = append(rp.ErrorRecords, re)
		}
	}
}

// pointToLeader names the leader and its address (KIP-951).
func (s *session) pointToLeader(topic string, rp *kmsg.ProduceResponseTopicPartition) {
	leader, epoch, b := s.currentLeader(topic, rp.Partition)
	rp.CurrentLeader.LeaderID, rp.CurrentLeader.LeaderEpoch = leader, epoch
	resp := &s.produceScratch.resp
	if b == nil || slices.ContainsFunc(resp.Brokers, func(rb kmsg.ProduceResponseBroker) bool { return rb.NodeID == b.ID }) {
		return
	}
	at, _ := s.aliveEndpoint(b)
	rb := kmsg.NewProduceResponseBroker()
	rb.NodeID, rb.Host, rb.Port, rb.Rack = b.ID, at.Host, int32(at.Port), b.Rack
	resp.Brokers = append(resp.Brokers, rb)
}

// hasLogStartOffset says whether Kafka answers the log start offset along with err: it does with those that it did not
// expect in the first place (ReplicaManager.appendToLocalLog).
func hasLogStartOffset(err error) bool {
	for _, without := range [...]error{kerr.UnknownTopicOrPartition, kerr.NotLeaderForPartition, kerr.MessageTooLarge,
		kerr.RecordListTooLarge, kerr.CorruptMessage, kerr.KafkaStorageError} {
		if errors.Is(err, without) {
			return false
		}
	}
	return true
}

// produceErrors returns an error that names what failed, nil when nothing did.
func produceErrors(resp *kmsg.ProduceResponse) error {
	var failed []string
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			if p := &t.Partitions[j]; p.ErrorCode != 0 {
				failed = append(failed, fmt.Sprintf("%s-%d: %v", t.Topic, p.Partition, kerr.ErrorForCode(p.ErrorCode)))
			}
		}
	}
	if failed == nil {
		return nil
	}
	return fmt.Errorf("closing the connection because a producer with acks=0 cannot be told of its errors: %s", strings.Join(failed, "; "))
}

// producedPartition identifies a partition within a request.
type producedPartition struct {
	topic     string
	topicID   [16]byte
	partition int32
}

// repeated says whether the request names a partition twice. No producer does: the usual request, one topic with
// ascending partitions, is seen through without a map.
func (sc *produceScratch) repeated(req *kmsg.ProduceRequest) bool {
	ascending := len(req.Topics) == 1
	for i := range req.Topics {
		for j := 1; j < len(req.Topics[i].Partitions) && ascending; j++ {
			ascending = req.Topics[i].Partitions[j-1].Partition < req.Topics[i].Partitions[j].Partition
		}
	}
	if ascending {
		return false
	}
	if sc.seen == nil {
		sc.seen = map[producedPartition]struct{}{}
	}
	clear(sc.seen)
	n := 0
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			sc.seen[producedPartition{t.Topic, t.TopicID, t.Partitions[j].Partition}] = struct{}{}
			n++
		}
	}
	return len(sc.seen) < n
}

// producedLater says whether partition j of topic i is named again after that.
func producedLater(req *kmsg.ProduceRequest, i, j int) bool {
	t, partition := &req.Topics[i], req.Topics[i].Partitions[j].Partition
	for k := i; k < len(req.Topics); k++ {
		later := &req.Topics[k]
		if later.Topic != t.Topic || later.TopicID != t.TopicID {
			continue
		}
		for l := range later.Partitions {
			if (k > i || l > j) && later.Partitions[l].Partition == partition {
				return true
			}
		}
	}
	return false
}

// addProducedTopic adds a topic to a response whose slices are used again.
func addProducedTopic(resp *kmsg.ProduceResponse, t *kmsg.ProduceRequestTopic) *kmsg.ProduceResponseTopic {
	resp.Topics = extend(resp.Topics)
	rt := &resp.Topics[len(resp.Topics)-1]
	*rt = kmsg.ProduceResponseTopic{Topic: t.Topic, TopicID: t.TopicID, Partitions: rt.Partitions[:0]}
	return rt
}

func addProducedPartition(rt *kmsg.ProduceResponseTopic, partition int32) *kmsg.ProduceResponseTopicPartition {
	rt.Partitions = extend(rt.Partitions)
	rp := &rt.Partitions[len(rt.Partitions)-1]
	*rp = kmsg.ProduceResponseTopicPartition{}
	rp.Default()
	rp.Partition, rp.BaseOffset, rp.LogAppendTime, rp.LogStartOffset = partition, -1, -1, -1
	return rp
}

// extend lengthens s by one element, which may hold what it held when s was longer.
func extend[T any](s []T) []T {
	if len(s) < cap(s) {
		return s[:len(s)+1]
	}
	var zero T
	return append(s, zero)
}

// cmpError returns the first error that is not nil.
func cmpError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
