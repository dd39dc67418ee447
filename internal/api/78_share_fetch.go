package api

import (
	"context"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/share"
)

// ShareFetch: key 78, versions 1–2 (KIP-932).
//
// Behaviour:
//   - the share session says what a member fetches: epoch 0 begins one, -1 ends it and gives back what the member had acquired, as does the end of the
//     connection;
//   - acknowledgements that come along are applied first;
//   - answers as soon as a partition has records for the member, or an error, else when max_wait is over;
//   - records go out as whole batches, acquired is what the answer says: max_records is where no further batch is begun.
//
// Version notes:
//   - v2: acquire mode 1, not one record more than max_records (KIP-1206); renewal of what was acquired (KIP-1222).
func (s *session) shareFetch(ctx context.Context, req *kmsg.ShareFetchRequest) (*kmsg.ShareFetchResponse, error) {
	resp := kmsg.NewPtrShareFetchResponse()
	fail := func(err error) (*kmsg.ShareFetchResponse, error) {
		resp.ErrorCode = s.code(err)
		return resp, nil
	}
	switch {
	case !s.sharing():
		return fail(kerr.UnsupportedVersion)
	case !shareMember(req.GroupID, req.MemberID), req.ShareAcquireMode < 0, req.ShareAcquireMode > 1:
		return fail(kerr.InvalidRequest)
	case req.IsRenewAck && (req.MaxBytes != 0 || req.MinBytes != 0 || req.MaxRecords != 0 || req.MaxWaitMillis != 0):
		return fail(kerr.InvalidRequest)
	}
	group, member := *req.GroupID, *req.MemberID
	s.sharedBy = true
	begin := share.Request{Connection: s.conn.ID, Group: group, Member: member, Epoch: req.ShareSessionEpoch}
	work := newShareWork()
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			tp := share.TopicPartition{TopicID: t.TopicID, Partition: p.Partition}
			begin.Add = append(begin.Add, tp)
			if len(p.AcknowledgementBatches) > 0 {
				begin.HasAcks = true
				var acks []share.Ack
				for _, b := range p.AcknowledgementBatches {
					acks = append(acks, share.Ack{First: b.FirstOffset, Last: b.LastOffset, Types: b.AcknowledgeTypes})
				}
				work.of(tp).acks = acks
			}
		}
	}
	for _, t := range req.ForgottenTopicsData {
		for _, p := range t.Partitions {
			begin.Forget = append(begin.Forget, share.TopicPartition{TopicID: t.TopicID, Partition: p})
		}
	}
	targets, fresh, err := s.api.Shares.BeginFetch(begin)
	if err != nil {
		return fail(err)
	}
	s.applyAcks(ctx, group, member, work, req.IsRenewAck)
	if req.ShareSessionEpoch == share.EpochFinal {
		s.api.Shares.EndSession(ctx, group, member)
	} else if !req.IsRenewAck {
		if err := s.shareFetchAll(ctx, req, group, member, targets, work); err != nil {
			return nil, err
		}
	}
	resp.AcquisitionLockTimeoutMillis = int32(min(s.api.Shares.LockDuration(group).Milliseconds(), math.MaxInt32))
	for _, tp := range fresh {
		work.of(tp).fresh = true
	}
	s.shareFetchAnswer(resp, work)
	return resp, nil
}

// shareFetchAll fetches from all partitions until there is something to answer or the time is over.
func (s *session) shareFetchAll(ctx context.Context, req *kmsg.ShareFetchRequest, group, member string, targets []share.TopicPartition, work *shareWork) error {
	if s.shareFetchOnce(ctx, req, group, member, targets, work) {
		return ctx.Err()
	}
	timed, cancel := context.WithTimeout(ctx, time.Duration(req.MaxWaitMillis)*time.Millisecond)
	defer cancel()
	w := broker.NewWaiter()
	for _, tp := range targets {
		if p, err := s.sharePartition(group, tp); err == nil {
			defer p.Watch(w)()
		}
	}
	for {
		if s.shareFetchOnce(ctx, req, group, member, targets, work) {
			return ctx.Err()
		}
		if err := w.Wait(timed); err != nil {
			return ctx.Err()
		}
	}
}

// shareFetchOnce looks at each partition once and says whether that is enough for an answer. Who comes first changes from request to request.
func (s *session) shareFetchOnce(ctx context.Context, req *kmsg.ShareFetchRequest, group, member string, targets []share.TopicPartition, work *shareWork) bool {
	bytes := int32(min(s.api.Config().Int("fetch.max.bytes"), int(req.MaxBytes)))
	records := int64(req.MaxRecords) // 0 and less: none
	enough := req.MaxWaitMillis <= 0
	for i := range targets {
		tp := targets[(i+int(req.ShareSessionEpoch))%len(targets)]
		w := work.of(tp)
		if w.done || records <= 0 || bytes <= 0 {
			continue
		}
		p, err := s.sharePartition(group, tp)
		var f share.Fetched
		if err == nil {
			f, err = p.Fetch(ctx, share.FetchOptions{
				Member: member, MaxBytes: max(bytes/int32(len(targets)-i), 1), MinOne: true, MaxRecords: records, Strict: req.ShareAcquireMode == 1,
				BatchSize: int64(req.BatchSize),
			})
		}
		if ctx.Err() != nil {
			return true
		}
		if err != nil || len(f.Acquired) > 0 {
			w.done, w.err, w.fetched, enough = true, err, f, true
			bytes -= int32(min(len(f.Records), math.MaxInt32))
			records -= f.Count
		}
	}
	return enough
}

// sharePartition returns the share partition of a group.
func (s *session) sharePartition(group string, tp share.TopicPartition) (*share.Partition, error) {
	t := s.api.Metadata.Image().TopicByID(tp.TopicID)
	if t == nil {
		return nil, kerr.UnknownTopicID
	}
	p, err := s.api.partition(t.Name, tp.Partition)
	if err != nil {
		return nil, err
	}
	return s.api.Shares.Partition(group, p), nil
}

// shareFetchAnswer says what came of the partitions, also of those that are new to the session and have nothing yet.
func (s *session) shareFetchAnswer(resp *kmsg.ShareFetchResponse, work *shareWork) {
	for _, w := range work.list {
		if !w.done && w.acks == nil && !w.fresh {
			continue
		}
		p := kmsg.NewShareFetchResponseTopicPartition()
		p.Partition, p.Records = w.tp.Partition, []byte{}
		if w.err != nil {
			p.ErrorCode = s.code(w.err)
		}
		if w.ackErr != nil {
			p.AcknowledgeErrorCode, p.AcknowledgeErrorMessage = s.code(w.ackErr), shareMessage(w.ackErr)
		}
		if len(w.fetched.Acquired) > 0 {
			p.Records = w.fetched.Records
		}
		for _, a := range w.fetched.Acquired {
			p.AcquiredRecords = append(p.AcquiredRecords, kmsg.ShareFetchResponseTopicPartitionAcquiredRecord{
				FirstOffset: a.First, LastOffset: a.Last, DeliveryCount: a.Count,
			})
		}
		if p.ErrorCode == kerr.NotLeaderForPartition.Code || p.ErrorCode == kerr.FencedLeaderEpoch.Code {
			p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = s.shareLeader(w.tp)
		}
		i := 0
		for i < len(resp.Topics) && resp.Topics[i].TopicID != w.tp.TopicID {
			i++
		}
		if i == len(resp.Topics) {
			resp.Topics = append(resp.Topics, kmsg.ShareFetchResponseTopic{TopicID: w.tp.TopicID})
		}
		resp.Topics[i].Partitions = append(resp.Topics[i].Partitions, p)
	}
}

// shareLeader is who leads a partition.
func (s *session) shareLeader(tp share.TopicPartition) (leader, epoch int32) {
	if t := s.api.Metadata.Image().TopicByID(tp.TopicID); t != nil {
		leader, epoch, _ = s.currentLeader(t.Name, tp.Partition)
		return leader, epoch
	}
	return -1, -1
}
