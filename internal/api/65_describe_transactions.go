package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeTransactions: key 65, version 0 (KIP-664).
//
// Behaviour: state, producer, time-out, start and partitions of each transactional id, from its coordinator; TRANSACTIONAL_ID_NOT_FOUND for one that it
// does not know.
func (s *session) describeTransactions(ctx context.Context, req *kmsg.DescribeTransactionsRequest) (*kmsg.DescribeTransactionsResponse, error) {
	resp := req.ResponseKind().(*kmsg.DescribeTransactionsResponse)
	for _, id := range distinct(req.TransactionalIDs) {
		rt := kmsg.NewDescribeTransactionsResponseTransactionState()
		rt.TransactionalID = id
		d, err := s.api.Txns.Describe(ctx, id)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			rt.ErrorCode = s.code(err)
			resp.TransactionStates = append(resp.TransactionStates, rt)
			continue
		}
		rt.State, rt.TimeoutMillis, rt.StartTimestamp, rt.ProducerID, rt.ProducerEpoch = d.State, d.TimeoutMs, d.StartMs, d.ProducerID, d.Epoch
		for _, tp := range d.Partitions {
			if n := len(rt.Topics); n == 0 || rt.Topics[n-1].Topic != tp.Topic {
				rt.Topics = append(rt.Topics, kmsg.DescribeTransactionsResponseTransactionStateTopic{Topic: tp.Topic})
			}
			last := &rt.Topics[len(rt.Topics)-1]
			last.Partitions = append(last.Partitions, tp.Partition)
		}
		resp.TransactionStates = append(resp.TransactionStates, rt)
	}
	return resp, nil
}
