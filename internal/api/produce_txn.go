package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

// joinTransaction lets the partitions of a transactional request join the producer's transaction where it is not open yet. It returns the outcome by
// partition, or the error of all.
func (s *session) joinTransaction(ctx context.Context, req *kmsg.ProduceRequest) (map[producedPartition]joined, error) {
	v2 := req.Version >= 12
	var asked []joining
	producerID, epoch := int64(-1), int16(-1)
	for i := range req.Topics {
		t := &req.Topics[i]
		name, unknown := s.producedTopic(req.Version, t)
		if unknown != nil {
			continue
		}
		for j := range t.Partitions {
			tp := &t.Partitions[j]
			if !isTransactional(tp.Records) {
				continue
			}
			b := protocol.Batch(tp.Records)
			if producerID >= 0 && (b.ProducerID() != producerID || b.ProducerEpoch() != epoch) {
				return nil, fmt.Errorf("Transactional records contained more than one producer ID: %w", kerr.InvalidProducerIDMapping) //nolint:staticcheck // Kafka's text
			}
			producerID, epoch = b.ProducerID(), b.ProducerEpoch()
			p, err := s.api.partition(name, tp.Partition)
			if err != nil {
				continue // Append will say so
			}
			guard, needed, err := p.VerifyTxn(producerID, epoch, b.BaseSequence(), v2)
			if err != nil || !needed {
				continue
			}
			asked = append(asked, joining{p, b.BaseSequence(), guard})
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	way := joinVerified
	switch {
	case v2:
		way = joinAdds
	case req.Version >= 11:
		way = joinAbortable
	}
	s.flush()
	joins := make(map[producedPartition]joined, len(asked))
	for i, err := range s.joinTxn(ctx, *req.TransactionID, producerID, epoch, asked, way) {
		tp := asked[i].TopicPartition()
		joins[producedPartition{topic: tp.Topic, partition: tp.Partition}] = joined{asked[i].guard, err}
	}
	return joins, nil
}
