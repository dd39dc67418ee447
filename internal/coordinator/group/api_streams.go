package group

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// StreamsGroupHeartbeat serves members of streams groups (KIP-1071), version 0. The topics are those that the topology needs and that do not exist: the
// caller creates them, and the members are given tasks when they are there.
func (c *Coordinator) StreamsGroupHeartbeat(ctx context.Context, client Client, req *kmsg.StreamsGroupHeartbeatRequest) (*kmsg.StreamsGroupHeartbeatResponse, []kmsg.CreateTopicsRequestTopic) {
	err := checkStreamsBeat(req)
	var answer streamsAnswer
	if err == nil {
		answer, err = do(ctx, c, req.Group, func(s *shard, reply *coordinator.Reply[streamsAnswer]) []record {
			return s.streamsBeat(client, req, reply)
		})
	}
	if err != nil {
		answer.resp = kmsg.NewPtrStreamsGroupHeartbeatResponse()
		answer.resp.ErrorCode, answer.resp.ErrorMessage = protocol.ErrorCode(err), protocol.ErrorMessage(err)
		if r, ok := errors.AsType[*refused](err); ok {
			answer.resp.ErrorMessage = &r.text
		}
	}
	answer.resp.Version = req.Version
	return answer.resp, answer.missing
}

// StreamsGroupDescribe describes streams groups, version 0.
func (c *Coordinator) StreamsGroupDescribe(ctx context.Context, req *kmsg.StreamsGroupDescribeRequest) *kmsg.StreamsGroupDescribeResponse {
	resp := kmsg.NewPtrStreamsGroupDescribeResponse()
	resp.Version = req.Version
	for _, id := range req.Groups {
		d, err := do(ctx, c, id, func(s *shard, reply *coordinator.Reply[kmsg.StreamsGroupDescribeResponseGroup]) []record {
			g, ok := s.groups[id].(*streams)
			switch {
			case ok:
				reply.Done(g.describe())
			case s.groups[id] != nil:
				reply.Fail(refuse(kerr.GroupIDNotFound, "Group %s is not a streams group.", id))
			default:
				reply.Fail(refuse(kerr.GroupIDNotFound, "Group %s not found.", id))
			}
			return nil
		})
		if id == "" {
			err = kerr.InvalidGroupID
		}
		if err != nil {
			d = kmsg.NewStreamsGroupDescribeResponseGroup()
			d.Group, d.ErrorCode = id, protocol.ErrorCode(err)
			if r, ok := errors.AsType[*refused](err); ok {
				d.ErrorMessage = &r.text
			}
		}
		resp.Groups = append(resp.Groups, d)
	}
	return resp
}
