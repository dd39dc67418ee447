package api

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// InitProducerId: key 22, versions 0–5.
//
// Behaviour:
//   - an idempotent producer gets an id that no other producer has had, with epoch 0, whatever id it had before;
//   - a transactional one gets the next epoch of its transactional id from the id's coordinator, which aborts what an earlier producer left open: Kafka
//     answers CONCURRENT_TRANSACTIONS meanwhile, here the answer waits a moment for the markers;
//   - INVALID_REQUEST when only one of producer id and epoch is given, and for an empty transactional id.
//
// Version notes:
//   - v3: producer id and epoch of a producer that goes on (KIP-360). v4: PRODUCER_FENCED, before it INVALID_PRODUCER_EPOCH. v5: KIP-890.
func (s *session) initProducerID(ctx context.Context, req *kmsg.InitProducerIDRequest) (*kmsg.InitProducerIDResponse, error) {
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	if (req.ProducerID == -1) != (req.ProducerEpoch == -1) {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp, nil
	}
	var err error
	if req.TransactionalID == nil {
		resp.ProducerEpoch = 0
		resp.ProducerID, err = s.api.ProducerIDs.Next(ctx)
	} else {
		resp.ProducerID, resp.ProducerEpoch, err = s.api.Txns.InitProducerID(ctx, *req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		resp.ProducerID, resp.ProducerEpoch = -1, -1
		resp.ErrorCode = s.txnCode(err, req.Version >= 4)
	}
	return resp, nil
}

// txnCode is the code of a transaction coordinator's error. Older clients know PRODUCER_FENCED under its former name.
func (s *session) txnCode(err error, knowsFenced bool) int16 {
	if !knowsFenced && errors.Is(err, kerr.ProducerFenced) {
		return kerr.InvalidProducerEpoch.Code
	}
	return s.code(err)
}
