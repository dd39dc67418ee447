package api

import (
	"context"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

// AddOffsetsToTxn: key 25, versions 0–4.
//
// Behaviour: makes the group's partition of __consumer_offsets part of the transaction; the offsets come with TxnOffsetCommit.
//
// Version notes:
//   - v2: PRODUCER_FENCED, before it INVALID_PRODUCER_EPOCH. v4: KIP-890.
func (s *session) addOffsetsToTxn(ctx context.Context, req *kmsg.AddOffsetsToTxnRequest) (*kmsg.AddOffsetsToTxnResponse, error) {
	resp := req.ResponseKind().(*kmsg.AddOffsetsToTxnResponse)
	partition := protocol.TopicPartition{Topic: groupMetadataTopic, Partition: s.api.Groups.PartitionFor(req.Group)}
	err := s.api.Txns.AddPartitions(ctx, strings.Clone(req.TransactionalID), req.ProducerID, req.ProducerEpoch, []protocol.TopicPartition{partition}, 0)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		resp.ErrorCode = s.txnCode(err, req.Version >= 2)
	}
	return resp, nil
}
