package group

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/protocol"
)

// JoinGroup lets a client join a group, versions 0-9. It returns when the rebalance that the join begins, or meets, is done.
func (c *Coordinator) JoinGroup(ctx context.Context, client Client, req *kmsg.JoinGroupRequest) *kmsg.JoinGroupResponse {
	if req.Group == "" {
		return failedJoin(req.Version, req.MemberID, kerr.InvalidGroupID)
	}
	l := c.limits()
	if t := req.SessionTimeoutMillis; t < l.minSessionTimeoutMs || t > l.maxSessionTimeoutMs {
		return failedJoin(req.Version, req.MemberID, kerr.InvalidSessionTimeout)
	}
	own := *req
	if own.Version == 0 { // one time-out for both
		own.RebalanceTimeoutMillis = own.SessionTimeoutMillis
	}
	resp, err := do(ctx, c, own.Group, func(s *shard, reply *coordinator.Reply[*kmsg.JoinGroupResponse]) []record {
		return s.join(client, &own, reply)
	})
	if err != nil {
		return failedJoin(req.Version, req.MemberID, err)
	}
	return resp
}

// SyncGroup brings the leader's assignment, and takes each member's, versions 0-5. It returns when the assignment is in the log.
func (c *Coordinator) SyncGroup(ctx context.Context, _ Client, req *kmsg.SyncGroupRequest) *kmsg.SyncGroupResponse {
	switch {
	case req.Version >= 5 && (req.ProtocolType == nil || req.Protocol == nil): // mandatory since KIP-559
		return failedSync(req.Version, kerr.InconsistentGroupProtocol)
	case req.Group == "":
		return failedSync(req.Version, kerr.InvalidGroupID)
	}
	resp, err := do(ctx, c, req.Group, func(s *shard, reply *coordinator.Reply[*kmsg.SyncGroupResponse]) []record {
		return s.sync(req, reply)
	})
	if err != nil {
		return failedSync(req.Version, err)
	}
	return resp
}

// Heartbeat keeps a member's session alive and tells it of a rebalance, versions 0-4.
func (c *Coordinator) Heartbeat(ctx context.Context, _ Client, req *kmsg.HeartbeatRequest) *kmsg.HeartbeatResponse {
	resp := kmsg.NewPtrHeartbeatResponse()
	resp.Version = req.Version
	if req.Group == "" {
		resp.ErrorCode = kerr.InvalidGroupID.Code
		return resp
	}
	answer, err := do(ctx, c, req.Group, func(s *shard, reply *coordinator.Reply[error]) []record {
		reply.Done(s.heartbeat(req))
		return nil
	})
	switch {
	case errors.Is(err, kerr.CoordinatorLoadInProgress): // who it is will be known soon: do not alarm the member
	case err != nil:
		resp.ErrorCode = protocol.ErrorCode(err)
	default:
		resp.ErrorCode = protocol.ErrorCode(answer)
	}
	return resp
}

// LeaveGroup removes members, versions 0-5; several since version 3, static ones by their instance id (KIP-345).
func (c *Coordinator) LeaveGroup(ctx context.Context, _ Client, req *kmsg.LeaveGroupRequest) *kmsg.LeaveGroupResponse {
	resp := kmsg.NewPtrLeaveGroupResponse()
	resp.Version = req.Version
	if req.Group == "" {
		resp.ErrorCode = kerr.InvalidGroupID.Code
		return resp
	}
	leavers := req.Members
	if req.Version < 3 {
		leavers = []kmsg.LeaveGroupRequestMember{{MemberID: req.MemberID}}
	}
	answers, err := do(ctx, c, req.Group, func(s *shard, reply *coordinator.Reply[[]kmsg.LeaveGroupResponseMember]) []record {
		answers, records := s.leave(req.Group, leavers)
		reply.Done(answers)
		return records
	})
	switch {
	case err != nil:
		resp.ErrorCode = protocol.ErrorCode(err)
	case req.Version < 3:
		resp.ErrorCode = answers[0].ErrorCode
	default:
		resp.Members = answers
	}
	return resp
}
