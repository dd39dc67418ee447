package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// EndTxn: key 26, versions 0–5.
//
// Behaviour:
//   - the outcome is decided when this is answered; it is answered when the markers are written or after a moment, where Kafka answers at once and
//     has the next transaction meet CONCURRENT_TRANSACTIONS;
//   - a retry is answered as the first was; another outcome than the one decided is INVALID_TXN_STATE.
//
// Version notes:
//   - v2: PRODUCER_FENCED, before it INVALID_PRODUCER_EPOCH. v5: transaction version 2, each end bumps the epoch and answers what to go on with (KIP-890).
func (s *session) endTxn(ctx context.Context, req *kmsg.EndTxnRequest) (*kmsg.EndTxnResponse, error) {
	resp := req.ResponseKind().(*kmsg.EndTxnResponse)
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	version := int16(0)
	if req.Version >= 5 {
		version = 2
	}
	id, epoch, err := s.api.Txns.EndTxn(ctx, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit, version)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		resp.ErrorCode = s.txnCode(err, req.Version >= 2)
		return resp, nil
	}
	resp.ProducerID, resp.ProducerEpoch = id, epoch
	return resp, nil
}
