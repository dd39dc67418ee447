package sharestate

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/coordinator/records"
	"github.com/gokafka/gokafka/internal/protocol"
)

// answer runs what gives records and an error on the shard of k.
func (c *Coordinator) answer(ctx context.Context, k Key, fn func(*shard) ([]record, error)) error {
	_, err := do(ctx, c, k, func(s *shard, reply *coordinator.Reply[struct{}]) []record {
		list, err := fn(s)
		if err != nil {
			reply.Fail(err)
			return nil
		}
		reply.Done(struct{}{})
		return list
	})
	return err
}

// InitializeShareGroupState begins the state of share partitions, version 0.
func (c *Coordinator) InitializeShareGroupState(ctx context.Context, req *kmsg.InitializeShareGroupStateRequest) *kmsg.InitializeShareGroupStateResponse {
	resp := kmsg.NewPtrInitializeShareGroupStateResponse()
	for _, t := range topicsOf(req.GroupID, req.Topics) {
		rt := kmsg.InitializeShareGroupStateResponseTopic{TopicID: t.TopicID}
		for _, p := range t.Partitions {
			err := c.answer(ctx, Key{req.GroupID, t.TopicID, p.Partition}, func(s *shard) ([]record, error) {
				return s.initialize(Key{req.GroupID, t.TopicID, p.Partition}, p.StateEpoch, p.StartOffset)
			})
			rt.Partitions = append(rt.Partitions, kmsg.InitializeShareGroupStateResponseTopicPartition{
				Partition: p.Partition, ErrorCode: protocol.ErrorCode(err), ErrorMessage: protocol.ErrorMessage(err),
			})
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// ReadShareGroupState reads the state of share partitions for their leader, version 0.
func (c *Coordinator) ReadShareGroupState(ctx context.Context, req *kmsg.ReadShareGroupStateRequest) *kmsg.ReadShareGroupStateResponse {
	resp := kmsg.NewPtrReadShareGroupStateResponse()
	for _, t := range topicsOf(req.GroupID, req.Topics) {
		rt := kmsg.ReadShareGroupStateResponseTopic{TopicID: t.TopicID}
		for _, p := range t.Partitions {
			k := Key{req.GroupID, t.TopicID, p.Partition}
			st, err := do(ctx, c, k, func(s *shard, reply *coordinator.Reply[state]) []record {
				st, list, err := s.read(k, p.LeaderEpoch)
				if err != nil {
					reply.Fail(err)
					return nil
				}
				reply.Done(st)
				return list
			})
			rp := kmsg.ReadShareGroupStateResponseTopicPartition{Partition: p.Partition, ErrorCode: protocol.ErrorCode(err), ErrorMessage: protocol.ErrorMessage(err)}
			if err == nil {
				rp.StateEpoch, rp.StartOffset = st.stateEpoch, st.startOffset
				for _, b := range st.batches {
					rp.StateBatches = append(rp.StateBatches, kmsg.ReadShareGroupStateResponseTopicPartitionStateBatch{
						FirstOffset: b.FirstOffset, LastOffset: b.LastOffset, DeliveryState: b.DeliveryState, DeliveryCount: b.DeliveryCount,
					})
				}
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// WriteShareGroupState writes what has changed in share partitions, versions 0-1.
func (c *Coordinator) WriteShareGroupState(ctx context.Context, req *kmsg.WriteShareGroupStateRequest) *kmsg.WriteShareGroupStateResponse {
	resp := kmsg.NewPtrWriteShareGroupStateResponse()
	resp.Version = req.Version
	for _, t := range topicsOf(req.GroupID, req.Topics) {
		rt := kmsg.WriteShareGroupStateResponseTopic{TopicID: t.TopicID}
		for _, p := range t.Partitions {
			ch := change{stateEpoch: p.StateEpoch, leaderEpoch: p.LeaderEpoch, startOffset: p.StartOffset, complete: noCount}
			if req.Version >= 1 {
				ch.complete = p.DeliveryCompleteCount
			}
			for _, b := range p.StateBatches {
				ch.batches = append(ch.batches, records.StateBatch{
					FirstOffset: b.FirstOffset, LastOffset: b.LastOffset, DeliveryState: b.DeliveryState, DeliveryCount: b.DeliveryCount,
				})
			}
			k := Key{req.GroupID, t.TopicID, p.Partition}
			err := c.answer(ctx, k, func(s *shard) ([]record, error) { return s.put(k, ch) })
			rt.Partitions = append(rt.Partitions, kmsg.WriteShareGroupStateResponseTopicPartition{
				Partition: p.Partition, ErrorCode: protocol.ErrorCode(err), ErrorMessage: protocol.ErrorMessage(err),
			})
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// DeleteShareGroupState forgets share partitions, version 0.
func (c *Coordinator) DeleteShareGroupState(ctx context.Context, req *kmsg.DeleteShareGroupStateRequest) *kmsg.DeleteShareGroupStateResponse {
	resp := kmsg.NewPtrDeleteShareGroupStateResponse()
	for _, t := range topicsOf(req.GroupID, req.Topics) {
		rt := kmsg.DeleteShareGroupStateResponseTopic{TopicID: t.TopicID}
		for _, p := range t.Partitions {
			k := Key{req.GroupID, t.TopicID, p.Partition}
			err := c.answer(ctx, k, func(s *shard) ([]record, error) { return s.remove(k) })
			rt.Partitions = append(rt.Partitions, kmsg.DeleteShareGroupStateResponseTopicPartition{
				Partition: p.Partition, ErrorCode: protocol.ErrorCode(err), ErrorMessage: protocol.ErrorMessage(err),
			})
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// ReadShareGroupStateSummary reads where share partitions are, versions 0-1.
func (c *Coordinator) ReadShareGroupStateSummary(ctx context.Context, req *kmsg.ReadShareGroupStateSummaryRequest) *kmsg.ReadShareGroupStateSummaryResponse {
	resp := kmsg.NewPtrReadShareGroupStateSummaryResponse()
	resp.Version = req.Version
	for _, t := range topicsOf(req.GroupID, req.Topics) {
		rt := kmsg.ReadShareGroupStateSummaryResponseTopic{TopicID: t.TopicID}
		for _, p := range t.Partitions {
			k := Key{req.GroupID, t.TopicID, p.Partition}
			st, err := do(ctx, c, k, func(s *shard, reply *coordinator.Reply[state]) []record {
				st, err := s.summary(k)
				if err != nil {
					reply.Fail(err)
				} else {
					reply.Done(st)
				}
				return nil
			})
			rp := kmsg.NewReadShareGroupStateSummaryResponseTopicPartition()
			rp.Partition, rp.ErrorCode, rp.ErrorMessage = p.Partition, protocol.ErrorCode(err), protocol.ErrorMessage(err)
			if err == nil {
				rp.StateEpoch, rp.LeaderEpoch, rp.StartOffset, rp.DeliveryCompleteCount = st.stateEpoch, max(0, st.leaderEpoch), st.startOffset, st.complete
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// topicsOf are the topics of a request: Kafka has nothing to say of any where no group is named.
func topicsOf[T any](group string, topics []T) []T {
	if group == "" {
		return nil
	}
	return topics
}
