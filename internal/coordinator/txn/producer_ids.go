package txn

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ProducerIDs gives out producer ids, each once in the life of the cluster. Safe for concurrent use.
type ProducerIDs struct {
	controller  kmsg.Requestor
	nodeID      int32
	brokerEpoch func() int64

	// turn is a lock that can be waited for with a context; next and until belong to its holder.
	turn        chan struct{}
	next, until int64 // the rest of the block: [next, until)
}

// NewProducerIDs returns a source of producer ids that fetches its blocks from the controller in the name of the node.
// brokerEpoch returns the epoch of the node's registration at that time.
func NewProducerIDs(controller kmsg.Requestor, nodeID int32, brokerEpoch func() int64) *ProducerIDs {
	return &ProducerIDs{controller: controller, nodeID: nodeID, brokerEpoch: brokerEpoch, turn: make(chan struct{}, 1)}
}

// Next returns an unused producer id. It waits for the controller when the block at hand is used up.
//
// Errors: kerr.CoordinatorLoadInProgress, which clients retry, when the controller cannot be asked (as Kafka's
// ProducerIdManager), and the error of ctx.
func (p *ProducerIDs) Next(ctx context.Context) (int64, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return -1, ctx.Err()
	}
	if p.next == p.until {
		if err := p.fetchBlock(ctx); err != nil {
			return -1, err
		}
	}
	id := p.next
	p.next++
	return id, nil
}

// fetchBlock asks the controller for a block. Call with the turn held.
func (p *ProducerIDs) fetchBlock(ctx context.Context) error {
	req := kmsg.NewPtrAllocateProducerIDsRequest()
	req.BrokerID = p.nodeID
	req.BrokerEpoch = p.brokerEpoch()
	resp, err := p.controller.Request(ctx, req)
	if err != nil {
		return fmt.Errorf("allocate producer ids: %v: %w", err, kerr.CoordinatorLoadInProgress)
	}
	block := resp.(*kmsg.AllocateProducerIDsResponse)
	if err := kerr.ErrorForCode(block.ErrorCode); err != nil {
		return fmt.Errorf("allocate producer ids: %v: %w", err, kerr.CoordinatorLoadInProgress)
	}
	if block.ProducerIDStart < 0 || block.ProducerIDLen <= 0 {
		return fmt.Errorf("allocate producer ids: the controller gave %d ids from %d: %w",
			block.ProducerIDLen, block.ProducerIDStart, kerr.CoordinatorLoadInProgress)
	}
	p.next, p.until = block.ProducerIDStart, block.ProducerIDStart+int64(block.ProducerIDLen)
	return nil
}
