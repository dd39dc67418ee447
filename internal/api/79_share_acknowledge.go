package api

import (
	"context"
	"errors"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/share"
)

// ShareAcknowledge: key 79, versions 1–2 (KIP-932).
//
// Behaviour: accepts, releases or rejects what a member has acquired, partition by partition: all of a partition's acknowledgements count or none. With
// session epoch -1 the session ends and what is not acknowledged is given back.
//
// Version notes:
//   - v2: renewal (KIP-1222).
func (s *session) shareAcknowledge(ctx context.Context, req *kmsg.ShareAcknowledgeRequest) (*kmsg.ShareAcknowledgeResponse, error) {
	resp := kmsg.NewPtrShareAcknowledgeResponse()
	fail := func(err error) (*kmsg.ShareAcknowledgeResponse, error) {
		resp.ErrorCode = s.code(err)
		return resp, nil
	}
	switch {
	case !s.sharing():
		return fail(kerr.UnsupportedVersion)
	case !shareMember(req.GroupID, req.MemberID):
		return fail(kerr.InvalidRequest)
	}
	group, member := *req.GroupID, *req.MemberID
	if err := s.api.Shares.BeginAcknowledge(group, member, req.ShareSessionEpoch); err != nil {
		return fail(err)
	}
	work, said := newShareWork(), false
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			w := work.of(share.TopicPartition{TopicID: t.TopicID, Partition: p.Partition})
			for _, b := range p.AcknowledgementBatches {
				w.acks, said = append(w.acks, share.Ack{First: b.FirstOffset, Last: b.LastOffset, Types: b.AcknowledgeTypes}), true
			}
		}
	}
	s.applyAcks(ctx, group, member, work, req.IsRenewAck)
	if req.ShareSessionEpoch == share.EpochFinal {
		s.api.Shares.EndSession(ctx, group, member)
	}
	resp.AcquisitionLockTimeoutMillis = int32(min(s.api.Shares.LockDuration(group).Milliseconds(), math.MaxInt32))
	for _, w := range work.list {
		if !said {
			break // nothing is to be answered where nothing was said of any partition
		}
		p := kmsg.NewShareAcknowledgeResponseTopicPartition()
		p.Partition = w.tp.Partition
		if w.ackErr != nil {
			p.ErrorCode, p.ErrorMessage = s.code(w.ackErr), shareMessage(w.ackErr)
		}
		if p.ErrorCode == kerr.NotLeaderForPartition.Code || p.ErrorCode == kerr.FencedLeaderEpoch.Code {
			p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = s.shareLeader(w.tp)
		}
		i := 0
		for i < len(resp.Topics) && resp.Topics[i].TopicID != w.tp.TopicID {
			i++
		}
		if i == len(resp.Topics) {
			resp.Topics = append(resp.Topics, kmsg.ShareAcknowledgeResponseTopic{TopicID: w.tp.TopicID})
		}
		resp.Topics[i].Partitions = append(resp.Topics[i].Partitions, p)
	}
	return resp, nil
}

// shareWork is what a request of a share group wants of its partitions, in the order of the request, and what came of it.
type shareWork struct {
	list []*sharePart
	by   map[share.TopicPartition]*sharePart
}

type sharePart struct {
	tp      share.TopicPartition
	acks    []share.Ack
	ackErr  error
	done    bool // there is something to answer
	fresh   bool // new to the session
	err     error
	fetched share.Fetched
}

func newShareWork() *shareWork { return &shareWork{by: map[share.TopicPartition]*sharePart{}} }

func (w *shareWork) of(tp share.TopicPartition) *sharePart {
	p := w.by[tp]
	if p == nil {
		p = &sharePart{tp: tp}
		w.by[tp] = p
		w.list = append(w.list, p)
	}
	return p
}

// applyAcks applies the acknowledgements of a request. Renewals come in requests that say so.
func (s *session) applyAcks(ctx context.Context, group, member string, work *shareWork, renew bool) {
	most := share.AckReject
	if renew {
		most = share.AckRenew
	}
	for _, w := range work.list {
		if len(w.acks) == 0 {
			continue
		}
		if w.ackErr = checkAcks(w.acks, most); w.ackErr != nil {
			continue
		}
		p, err := s.sharePartition(group, w.tp)
		if err == nil {
			err = p.Acknowledge(ctx, member, w.acks)
		}
		w.ackErr = err
	}
}

// checkAcks refuses acknowledgements that make no sense whatever was delivered: out of order, of unknown types. Kafka says no more than that.
func checkAcks(acks []share.Ack, most int8) error {
	before := int64(-1)
	for _, a := range acks {
		if a.First < before || a.Last < a.First || a.First < 0 || len(a.Types) == 0 || len(a.Types) > 1 && int64(len(a.Types)) != a.Last-a.First+1 {
			return kerr.InvalidRequest
		}
		before = a.Last
		for _, t := range a.Types {
			if t < share.AckGap || t > most {
				return kerr.InvalidRequest
			}
		}
	}
	return nil
}

// shareMember reports whether a request names its group and its member, whose id is not longer than a UUID.
func shareMember(group, member *string) bool {
	const longest = 36
	return group != nil && *group != "" && member != nil && *member != "" && len(*member) <= longest
}

// shareMessage is what a member is told of an error besides its code.
func shareMessage(err error) *string {
	if _, bare := err.(*kerr.Error); bare || errors.Is(err, kerr.UnknownTopicOrPartition) { //nolint:errorlint // one that says more is wrapped
		return nil
	}
	return protocol.ErrorMessage(err)
}
