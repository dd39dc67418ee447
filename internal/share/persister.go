package share

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// StateCoordinator is the share coordinator by its requests.
type StateCoordinator interface {
	ReadShareGroupState(context.Context, *kmsg.ReadShareGroupStateRequest) *kmsg.ReadShareGroupStateResponse
	WriteShareGroupState(context.Context, *kmsg.WriteShareGroupStateRequest) *kmsg.WriteShareGroupStateResponse
}

// PersisterOf returns the share coordinator as the persister of share partitions.
func PersisterOf(c StateCoordinator) Persister { return persister{c} }

type persister struct{ c StateCoordinator }

func (p persister) Read(ctx context.Context, k Key, leaderEpoch int32) (Stored, error) {
	req := kmsg.NewPtrReadShareGroupStateRequest()
	req.GroupID = k.Group
	req.Topics = []kmsg.ReadShareGroupStateRequestTopic{{
		TopicID: k.TopicID, Partitions: []kmsg.ReadShareGroupStateRequestTopicPartition{{Partition: k.Partition, LeaderEpoch: leaderEpoch}},
	}}
	resp := p.c.ReadShareGroupState(ctx, req)
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return Stored{}, kerr.UnknownServerError
	}
	r := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
		return Stored{}, err
	}
	st := Stored{StateEpoch: r.StateEpoch, StartOffset: r.StartOffset}
	for _, b := range r.StateBatches {
		st.Batches = append(st.Batches, Batch{b.FirstOffset, b.LastOffset, State(b.DeliveryState), b.DeliveryCount})
	}
	return st, nil
}

func (p persister) Write(ctx context.Context, k Key, c Change) error {
	req := kmsg.NewPtrWriteShareGroupStateRequest()
	req.Version, req.GroupID = 1, k.Group
	part := kmsg.NewWriteShareGroupStateRequestTopicPartition()
	part.Partition, part.StateEpoch, part.LeaderEpoch, part.StartOffset = k.Partition, c.StateEpoch, c.LeaderEpoch, c.StartOffset
	part.DeliveryCompleteCount = c.Complete
	for _, b := range c.Batches {
		part.StateBatches = append(part.StateBatches, kmsg.WriteShareGroupStateRequestTopicPartitionStateBatch{
			FirstOffset: b.First, LastOffset: b.Last, DeliveryState: int8(b.State), DeliveryCount: b.Count,
		})
	}
	req.Topics = []kmsg.WriteShareGroupStateRequestTopic{{TopicID: k.TopicID, Partitions: []kmsg.WriteShareGroupStateRequestTopicPartition{part}}}
	resp := p.c.WriteShareGroupState(ctx, req)
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return kerr.UnknownServerError
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}
