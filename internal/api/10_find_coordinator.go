package api

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/coordinator/sharestate"
	"github.com/gokafka/gokafka/internal/protocol"
)

// FindCoordinator: key 10, versions 0–6.
//
// Behaviour:
//   - the leader of the group's partition of __consumer_offsets, of the transactional id's of __transaction_state, or of the share partition's of
//     __share_group_state (its key is GROUP:TOPIC-ID:PARTITION), on the listener on which the request came;
//   - creates the internal topic when it is missing, with offsets.topic.*, transaction.state.log.* or share.coordinator.state.topic.*, and answers when it is there and its coordinator
//     serves: Kafka answers COORDINATOR_NOT_AVAILABLE and lets the client ask again.
//
// Version notes:
//   - v1: key type, error message, throttle time. v4: several keys (KIP-699).
//   - v6: key type share (KIP-932); before it is INVALID_REQUEST.
func (s *session) findCoordinator(ctx context.Context, req *kmsg.FindCoordinatorRequest) (*kmsg.FindCoordinatorResponse, error) {
	resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
	if req.Version < 4 {
		c := s.coordinator(ctx, req, req.CoordinatorKey)
		resp.ErrorCode, resp.NodeID, resp.Host, resp.Port = c.ErrorCode, c.NodeID, c.Host, c.Port
		resp.ErrorMessage = kmsg.StringPtr("NONE") // Kafka's Errors.NONE.message()
		if c.ErrorCode != 0 {
			resp.ErrorMessage = protocol.ErrorMessage(kerr.ErrorForCode(c.ErrorCode))
		}
		return resp, nil
	}
	for _, key := range req.CoordinatorKeys {
		resp.Coordinators = append(resp.Coordinators, s.coordinator(ctx, req, key))
	}
	return resp, nil
}

const (
	coordinatorGroup int8 = iota
	coordinatorTransaction
	coordinatorShare
)

// coordinator finds one coordinator.
func (s *session) coordinator(ctx context.Context, req *kmsg.FindCoordinatorRequest, key string) kmsg.FindCoordinatorResponseCoordinator {
	c := kmsg.NewFindCoordinatorResponseCoordinator()
	c.Key, c.NodeID, c.Port, c.ErrorMessage = key, -1, -1, kmsg.StringPtr("")
	if req.CoordinatorType < coordinatorGroup || req.CoordinatorType > coordinatorShare {
		c.ErrorMessage = kmsg.StringPtr(invalidRequestText)
	}
	node, err := s.coordinatorNode(ctx, req, key)
	if err != nil {
		c.ErrorCode = protocol.ErrorCode(err)
		return c
	}
	c.NodeID, c.Host, c.Port = node.id, node.host, node.port
	return c
}

// coordinatorNode is where a coordinator is.
type coordinatorNode struct {
	id   int32
	host string
	port int32
}

func (s *session) coordinatorNode(ctx context.Context, req *kmsg.FindCoordinatorRequest, key string) (coordinatorNode, error) {
	switch {
	case req.CoordinatorType == coordinatorShare && req.Version < 6, req.CoordinatorType < coordinatorGroup, req.CoordinatorType > coordinatorShare:
		return coordinatorNode{}, kerr.InvalidRequest
	}
	topic, partitionFor := groupMetadataTopic, s.api.Groups.PartitionFor
	switch req.CoordinatorType {
	case coordinatorTransaction:
		topic, partitionFor = transactionStateTopic, s.api.Txns.PartitionFor
	case coordinatorShare:
		k, err := sharestate.ParseKey(key)
		if err != nil {
			return coordinatorNode{}, kerr.InvalidRequest
		}
		topic, partitionFor = shareGroupStateTopic, func(string) int32 { return s.api.ShareState.PartitionFor(k) }
	}
	if s.api.Metadata.Image().Topic(topic) == nil {
		if err := s.createInternalTopic(ctx, topic); err != nil {
			s.api.Log.Warn("cannot create an internal topic", zap.String("topic", topic), zap.Error(err))
			return coordinatorNode{}, kerr.CoordinatorNotAvailable
		}
	}
	image := s.api.Metadata.Image()
	partition := partitionFor(key)
	if !hasPartition(image, topic, partition) {
		return coordinatorNode{}, kerr.CoordinatorNotAvailable
	}
	leader := image.Broker(image.Topic(topic).Partitions[partition].Leader)
	e, ok := s.aliveEndpoint(leader)
	if !ok {
		return coordinatorNode{}, kerr.CoordinatorNotAvailable
	}
	return coordinatorNode{leader.ID, e.Host, int32(e.Port)}, nil
}

// createInternalTopic creates the topic of coordinators and waits until they have read their new, empty partitions: else the first request to one
// would meet COORDINATOR_LOAD_IN_PROGRESS and back off.
func (s *session) createInternalTopic(ctx context.Context, topic string) error {
	failed, err := s.api.ensureTopics(ctx, []string{topic})
	if err == nil {
		err = failed[topic]
	}
	if err != nil {
		return err
	}
	loading := s.groupsLoading
	switch topic {
	case transactionStateTopic:
		loading = s.api.Txns.Loading
	case shareGroupStateTopic:
		loading = s.api.ShareState.Loading
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for loading(ctx) {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return nil // the client will find out by itself
		}
	}
	return nil
}

// groupsLoading reports whether a partition of groups is being loaded: ListGroups says so.
func (s *session) groupsLoading(ctx context.Context) bool {
	return s.api.Groups.ListGroups(ctx, s.client(), kmsg.NewPtrListGroupsRequest()).ErrorCode == kerr.CoordinatorLoadInProgress.Code
}
