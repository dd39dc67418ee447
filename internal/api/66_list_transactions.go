package api

import (
	"context"
	"regexp"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator/txn"
)

// ListTransactions: key 66, versions 0–2 (KIP-664).
//
// Behaviour: the transactional ids whose coordinator this node is, filtered by state and producer id; states that do not exist are named.
//
// Version notes:
//   - v1: those open for longer than a duration (KIP-994). v2: those whose id matches a regular expression as a whole (KIP-1152);
//     INVALID_REGULAR_EXPRESSION for one that is not valid.
func (s *session) listTransactions(ctx context.Context, req *kmsg.ListTransactionsRequest) (*kmsg.ListTransactionsResponse, error) {
	resp := req.ResponseKind().(*kmsg.ListTransactionsResponse)
	f := txn.Filter{ProducerIDs: req.ProducerIDFilters, States: req.StateFilters, DurationMs: -1}
	if req.Version >= 1 {
		f.DurationMs = req.DurationFilterMillis
	}
	if req.TransactionalIDPattern != nil && *req.TransactionalIDPattern != "" {
		re, err := regexp.Compile(`\A(?:` + *req.TransactionalIDPattern + `)\z`)
		if err != nil {
			resp.ErrorCode = kerr.InvalidRegularExpression.Code
			return resp, nil
		}
		f.Match = re.MatchString
	}
	found, unknown, err := s.api.Txns.List(ctx, f)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	resp.UnknownStateFilters = unknown
	if err != nil {
		resp.ErrorCode = s.code(err)
		return resp, nil
	}
	for _, d := range found {
		rt := kmsg.NewListTransactionsResponseTransactionState()
		rt.TransactionalID, rt.ProducerID, rt.TransactionState = d.ID, d.ProducerID, d.State
		resp.TransactionStates = append(resp.TransactionStates, rt)
	}
	return resp, nil
}
