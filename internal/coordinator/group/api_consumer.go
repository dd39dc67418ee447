package group

import (
	"context"
	"errors"
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// topicView is what a shard sees of the topics.
type topicView struct {
	id         func(name string) (uuid, bool)
	name       func(id uuid) (string, bool)
	partitions func(name string) int
	all        func() iter.Seq[string]
	version    func() int64 // changes when topics change
}

// ConsumerGroupHeartbeat serves members of the new protocol (KIP-848), versions 0-1.
func (c *Coordinator) ConsumerGroupHeartbeat(ctx context.Context, client Client, req *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatResponse {
	err := checkBeat(req, c.limits().assignors)
	var resp *kmsg.ConsumerGroupHeartbeatResponse
	if err == nil {
		resp, err = do(ctx, c, req.Group, func(s *shard, reply *coordinator.Reply[*kmsg.ConsumerGroupHeartbeatResponse]) []record {
			return s.consumerBeat(client, req, reply)
		})
	}
	if err != nil {
		resp = kmsg.NewPtrConsumerGroupHeartbeatResponse()
		resp.ErrorCode, resp.ErrorMessage = protocol.ErrorCode(err), protocol.ErrorMessage(err)
		if r, ok := errors.AsType[*refused](err); ok {
			resp.ErrorMessage = &r.text
		}
	}
	resp.Version = req.Version
	return resp
}

// ConsumerGroupDescribe describes groups of the new protocol, versions 0-1.
func (c *Coordinator) ConsumerGroupDescribe(ctx context.Context, req *kmsg.ConsumerGroupDescribeRequest) *kmsg.ConsumerGroupDescribeResponse {
	resp := kmsg.NewPtrConsumerGroupDescribeResponse()
	resp.Version = req.Version
	for _, id := range req.Groups {
		d, err := do(ctx, c, id, func(s *shard, reply *coordinator.Reply[kmsg.ConsumerGroupDescribeResponseGroup]) []record {
			g, ok := s.groups[id].(*consumer)
			switch {
			case ok:
				reply.Done(g.describe())
			case s.groups[id] != nil:
				reply.Fail(refuse(kerr.GroupIDNotFound, "Group %s is not a consumer group.", id))
			default:
				reply.Fail(refuse(kerr.GroupIDNotFound, "Group %s not found.", id))
			}
			return nil
		})
		switch {
		case id == "":
			d = kmsg.NewConsumerGroupDescribeResponseGroup()
			d.ErrorCode = kerr.InvalidGroupID.Code
		case err != nil:
			d = kmsg.NewConsumerGroupDescribeResponseGroup()
			d.Group, d.ErrorCode = id, protocol.ErrorCode(err)
			if r, ok := errors.AsType[*refused](err); ok {
				d.ErrorMessage = &r.text
			}
		}
		resp.Groups = append(resp.Groups, d)
	}
	return resp
}
