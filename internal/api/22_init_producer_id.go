package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// InitProducerId: key 22, versions 0–5.
//
// Behaviour:
//   - an idempotent producer gets an id that no other producer has had, with epoch 0, whatever id it had before;
//   - INVALID_REQUEST when only one of producer id and epoch is given;
//   - a transactional id is refused with UNSUPPORTED_VERSION, which clients report as a fatal error with this name.
//
// Version notes:
//   - v3: producer id and epoch of a producer that goes on (KIP-360). v4: PRODUCER_FENCED. v5: KIP-890.
//
// Knowingly missing: transactions, the next step. No transaction API is advertised.

func (s *session) initProducerID(ctx context.Context, req *kmsg.InitProducerIDRequest) (*kmsg.InitProducerIDResponse, error) {
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	switch {
	case (req.ProducerID == -1) != (req.ProducerEpoch == -1):
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp, nil
	case req.TransactionalID != nil && *req.TransactionalID == "":
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp, nil
	case req.TransactionalID != nil:
		s.api.Log.Warn("client wants transactions, which this release does not serve",
			append(s.fields(), zap.String("txn_id", *req.TransactionalID))...)
		resp.ErrorCode = kerr.UnsupportedVersion.Code
		return resp, nil
	}
	id, err := s.api.ProducerIDs.Next(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		resp.ErrorCode = s.code(err)
		return resp, nil
	}
	resp.ProducerID, resp.ProducerEpoch = id, 0
	return resp, nil
}
