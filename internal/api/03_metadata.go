package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/protocol"
)

// Metadata: key 3, versions 0–13.
//
// Behaviour:
//   - brokers are those that are registered, not fenced, and have the listener the request came in on, with the address
//     advertised for that listener; for this broker, when nothing was said of that, the address that the client has connected to;
//   - a topic that does not exist is created when auto.create.topics.enable and the request allow it, and is ready when
//     the answer arrives: clients never see LEADER_NOT_AVAILABLE for it (Kafka answers UNKNOWN_TOPIC_OR_PARTITION first).
//     When it cannot be created the controller's error is the topic's;
//   - names that no topic may have get INVALID_TOPIC_EXCEPTION;
//   - a replica is offline when its broker is not there or fenced, or its log directory has failed (KIP-858);
//   - the controller id is a broker that takes admin requests, as in KRaft.
//
// Version notes:
//   - v0: no topics means all topics; replicas that are not alive are left out with REPLICA_NOT_AVAILABLE.
//   - v1: null topics means all, an empty list none; rack, is_internal, controller id. v2: cluster id. v3: throttle time.
//   - v4: allow_auto_topic_creation (always allowed before). v5: offline replicas.
//   - v6: LISTENER_NOT_FOUND instead of LEADER_NOT_AVAILABLE for a leader without the client's listener.
//   - v7: leader epoch (KIP-320). v8–v10: cluster authorized operations (KIP-430); v8: those of topics.
//   - v10: topic ids in the answer; v12: in the request (UNKNOWN_TOPIC_ID). v13: top-level error.

func (s *session) metadata(ctx context.Context, req *kmsg.MetadataRequest) (*kmsg.MetadataResponse, error) {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	if !validMetadataTopics(req) {
		return metadataError(req, resp, kerr.InvalidRequest), nil
	}
	image := s.api.Metadata.Image()
	switch {
	case req.Topics == nil || req.Version == 0 && len(req.Topics) == 0:
		for t := range image.Topics() {
			resp.Topics = append(resp.Topics, s.metadataTopic(image, t, req))
		}
	case wantsTopicIDs(req):
		s.metadataByID(image, req, resp)
	default:
		var err error
		if image, err = s.metadataByName(ctx, image, req, resp); err != nil {
			return nil, err
		}
	}
	s.metadataCluster(image, req, resp)
	return resp, nil
}

// validMetadataTopics is false for a null name or a topic id in versions that do not have them.
func validMetadataTopics(req *kmsg.MetadataRequest) bool {
	if req.Version >= 12 {
		return true
	}
	for i := range req.Topics {
		if req.Topics[i].Topic == nil || req.Topics[i].TopicID != noTopicID {
			return false
		}
	}
	return true
}

// metadataError answers a request that is wrong as a whole.
func metadataError(req *kmsg.MetadataRequest, resp *kmsg.MetadataResponse, e *kerr.Error) *kmsg.MetadataResponse {
	resp.ErrorCode = e.Code
	resp.ControllerID = -1
	for _, t := range req.Topics {
		rt := kmsg.NewMetadataResponseTopic()
		rt.Topic, rt.TopicID, rt.ErrorCode = t.Topic, t.TopicID, e.Code
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func wantsTopicIDs(req *kmsg.MetadataRequest) bool {
	for i := range req.Topics {
		if req.Topics[i].TopicID != noTopicID {
			return true
		}
	}
	return false
}

func (s *session) metadataByID(image *metadata.Image, req *kmsg.MetadataRequest, resp *kmsg.MetadataResponse) {
	seen := map[[16]byte]bool{noTopicID: true}
	for _, rt := range req.Topics {
		if seen[rt.TopicID] {
			continue
		}
		seen[rt.TopicID] = true
		if t := image.TopicByID(rt.TopicID); t != nil {
			resp.Topics = append(resp.Topics, s.metadataTopic(image, t, req))
			continue
		}
		unknown := kmsg.NewMetadataResponseTopic()
		unknown.TopicID, unknown.ErrorCode = rt.TopicID, kerr.UnknownTopicID.Code
		resp.Topics = append(resp.Topics, unknown)
	}
}

// metadataByName answers the named topics, creating those that are missing if that is allowed. It returns the image that
// the answer describes.
func (s *session) metadataByName(ctx context.Context, image *metadata.Image, req *kmsg.MetadataRequest, resp *kmsg.MetadataResponse) (*metadata.Image, error) {
	names := make([]string, 0, len(req.Topics))
	seen := make(map[string]bool, len(req.Topics))
	var missing []string
	for _, rt := range req.Topics {
		// From v12 on a name may be null beside ids; without any id there is nothing to look up.
		if rt.Topic == nil || seen[*rt.Topic] {
			continue
		}
		name := *rt.Topic
		seen[name] = true
		names = append(names, name)
		if image.Topic(name) == nil && checkTopicName(name) == nil {
			missing = append(missing, name)
		}
	}
	var failed map[string]error
	allowed := (req.Version < 4 || req.AllowAutoTopicCreation) && s.api.Config().Bool("auto.create.topics.enable")
	if len(missing) > 0 && allowed {
		var err error
		if failed, err = s.api.ensureTopics(ctx, missing); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			failed = map[string]error{}
			for _, name := range missing {
				failed[name] = err
			}
		}
		image = s.api.Metadata.Image()
	}
	for _, name := range names {
		if t := image.Topic(name); t != nil {
			resp.Topics = append(resp.Topics, s.metadataTopic(image, t, req))
			continue
		}
		rt := kmsg.NewMetadataResponseTopic()
		rt.Topic = &name
		rt.IsInternal = isInternal(name)
		rt.ErrorCode = kerr.UnknownTopicOrPartition.Code
		if err := checkTopicName(name); err != nil {
			rt.ErrorCode = protocol.ErrorCode(err)
		} else if err := failed[name]; err != nil {
			rt.ErrorCode = s.code(err)
		}
		if req.Version >= 8 && req.IncludeTopicAuthorizedOperations {
			rt.AuthorizedOperations = allTopicOperations
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return image, nil
}

// metadataTopic describes an existing topic.
func (s *session) metadataTopic(image *metadata.Image, t *metadata.Topic, req *kmsg.MetadataRequest) kmsg.MetadataResponseTopic {
	rt := kmsg.NewMetadataResponseTopic()
	rt.Topic, rt.TopicID, rt.IsInternal = &t.Name, t.ID, isInternal(t.Name)
	if req.Version >= 8 && req.IncludeTopicAuthorizedOperations {
		rt.AuthorizedOperations = allTopicOperations
	}
	rt.Partitions = make([]kmsg.MetadataResponseTopicPartition, len(t.Partitions))
	for i := range t.Partitions {
		p := &t.Partitions[i]
		rp := &rt.Partitions[i]
		rp.Default()
		rp.Partition, rp.LeaderEpoch = int32(i), p.LeaderEpoch
		rp.Replicas, rp.ISR, rp.OfflineReplicas = p.Replicas, p.ISR, s.offlineReplicas(image, p)
		if req.Version == 0 {
			rp.Replicas, rp.ISR = s.alive(image, p.Replicas), s.alive(image, p.ISR)
		}
		rp.Leader = p.Leader
		leader := image.Broker(p.Leader)
		_, reachable := s.aliveEndpoint(leader)
		switch {
		case !reachable:
			rp.Leader = metadata.NoLeader
			rp.ErrorCode = kerr.LeaderNotAvailable.Code
			if leader != nil && req.Version >= 6 {
				rp.ErrorCode = kerr.ListenerNotFound.Code
			}
		case len(rp.Replicas) < len(p.Replicas) || len(rp.ISR) < len(p.ISR):
			rp.ErrorCode = kerr.ReplicaNotAvailable.Code
		}
	}
	return rt
}

// alive returns those of the brokers that clients of this listener can reach.
func (s *session) alive(image *metadata.Image, ids []int32) []int32 {
	alive := make([]int32, 0, len(ids))
	for _, id := range ids {
		if _, ok := s.aliveEndpoint(image.Broker(id)); ok {
			alive = append(alive, id)
		}
	}
	return alive
}

func (s *session) offlineReplicas(image *metadata.Image, p *metadata.Partition) []int32 {
	var offline []int32
	for _, id := range p.Replicas {
		b := image.Broker(id)
		if _, ok := s.aliveEndpoint(b); !ok || !b.HasOnlineDir(p.Directory(id)) {
			offline = append(offline, id)
		}
	}
	return offline
}

// metadataCluster fills in what does not depend on the topics.
func (s *session) metadataCluster(image *metadata.Image, req *kmsg.MetadataRequest, resp *kmsg.MetadataResponse) {
	for _, b := range image.Brokers() {
		at, ok := s.aliveEndpoint(&b)
		if !ok {
			continue
		}
		if b.ID == s.api.NodeID {
			s.warnOfLoopback(at)
		}
		rb := kmsg.NewMetadataResponseBroker()
		rb.NodeID, rb.Host, rb.Port, rb.Rack = b.ID, at.Host, int32(at.Port), b.Rack
		resp.Brokers = append(resp.Brokers, rb)
	}
	resp.ClusterID = &s.api.ClusterID
	resp.ControllerID = s.adminBroker(image)
	resp.AuthorizedOperations = notRequested
	if req.Version >= 8 && req.Version <= 10 && req.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = allClusterOperations
	}
}

// adminBroker returns the broker that clients shall take for the controller: the controller itself when it is a broker
// they can reach, else any other, which passes requests on; −1 when there is none.
func (s *session) adminBroker(image *metadata.Image) int32 {
	if _, ok := s.aliveEndpoint(image.Broker(image.ControllerID())); ok {
		return image.ControllerID()
	}
	for _, b := range image.Brokers() {
		if _, ok := s.aliveEndpoint(&b); ok {
			return b.ID
		}
	}
	return -1
}
