package group

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

type shard struct{}

func (*shard) Loaded()                                  {}
func (*shard) Replay(int64, protocol.Record) error      { return nil }
func (*shard) ReplayTxnMarker(int64, int16, bool) error { return nil }

// New makes a coordinator that hosts nothing until [Coordinator.Load].
func New(o Options) *Coordinator { return &Coordinator{o: o} }

// PartitionFor returns the partition of __consumer_offsets that a group belongs to.
func (c *Coordinator) PartitionFor(groupID string) int32 { return 0 }

// Load starts to load the groups of a partition that this node leads since leaderEpoch. It returns at once.
func (c *Coordinator) Load(partition, leaderEpoch int32) {}

// Unload drops the groups of a partition that this node does not lead any more.
func (c *Coordinator) Unload(partition, leaderEpoch int32) {}

// OnTopicsDeleted removes the committed offsets of deleted topics.
func (c *Coordinator) OnTopicsDeleted(topics []string) {}

// Close unloads everything and waits for the shards' goroutines.
func (c *Coordinator) Close() {}

func (c *Coordinator) JoinGroup(ctx context.Context, client Client, req *kmsg.JoinGroupRequest) *kmsg.JoinGroupResponse {
	return nil
}
func (c *Coordinator) SyncGroup(ctx context.Context, client Client, req *kmsg.SyncGroupRequest) *kmsg.SyncGroupResponse {
	return nil
}
func (c *Coordinator) Heartbeat(ctx context.Context, client Client, req *kmsg.HeartbeatRequest) *kmsg.HeartbeatResponse {
	return nil
}
func (c *Coordinator) LeaveGroup(ctx context.Context, client Client, req *kmsg.LeaveGroupRequest) *kmsg.LeaveGroupResponse {
	return nil
}
func (c *Coordinator) OffsetCommit(ctx context.Context, client Client, req *kmsg.OffsetCommitRequest) *kmsg.OffsetCommitResponse {
	return nil
}
func (c *Coordinator) OffsetFetch(ctx context.Context, client Client, req *kmsg.OffsetFetchRequest) *kmsg.OffsetFetchResponse {
	return nil
}
func (c *Coordinator) OffsetDelete(ctx context.Context, client Client, req *kmsg.OffsetDeleteRequest) *kmsg.OffsetDeleteResponse {
	return nil
}
func (c *Coordinator) DescribeGroups(ctx context.Context, client Client, req *kmsg.DescribeGroupsRequest) *kmsg.DescribeGroupsResponse {
	return nil
}
func (c *Coordinator) ListGroups(ctx context.Context, client Client, req *kmsg.ListGroupsRequest) *kmsg.ListGroupsResponse {
	return nil
}
func (c *Coordinator) DeleteGroups(ctx context.Context, client Client, req *kmsg.DeleteGroupsRequest) *kmsg.DeleteGroupsResponse {
	return nil
}
