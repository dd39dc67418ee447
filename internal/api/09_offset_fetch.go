package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetFetch: key 9, versions 0–10.
//
// Behaviour:
//   - the committed offsets of groups, −1 where there is none; null topics ask for all;
//   - require_stable holds offsets of open transactions back (UNSTABLE_OFFSET_COMMIT, KIP-447);
//   - ids (v10) are turned into names and back here; an unknown one is answered UNKNOWN_TOPIC_ID per partition, and offsets of topics
//     that are gone are left out of "all".
//
// Version notes:
//   - v0: Kafka before 4 read these from ZooKeeper; here it reads what v1 reads.
//   - v2: null topics, error of the group at the top. v3: throttle time. v5: leader epoch (KIP-320). v7: require_stable.
//   - v8: several groups in one request (KIP-709). v9: member id and epoch of KIP-848 groups. v10: topic ids.
func (s *session) offsetFetch(ctx context.Context, req *kmsg.OffsetFetchRequest) (*kmsg.OffsetFetchResponse, error) {
	if req.Version < 10 {
		return s.api.Groups.OffsetFetch(ctx, s.client(), req), nil
	}
	image := s.api.Metadata.Image()
	forward := *req
	forward.Groups = make([]kmsg.OffsetFetchRequestGroup, len(req.Groups))
	unknown := make([][]kmsg.OffsetFetchResponseGroupTopic, len(req.Groups))
	for i, g := range req.Groups {
		forward.Groups[i] = g
		if g.Topics == nil {
			continue
		}
		forward.Groups[i].Topics = []kmsg.OffsetFetchRequestGroupTopic{}
		for _, t := range g.Topics {
			topic := image.TopicByID(t.TopicID)
			if topic == nil {
				unknown[i] = append(unknown[i], unknownIDOffsets(t))
				continue
			}
			t.Topic = topic.Name
			forward.Groups[i].Topics = append(forward.Groups[i].Topics, t)
		}
	}
	resp := s.api.Groups.OffsetFetch(ctx, s.client(), &forward)
	for i := range resp.Groups {
		if g := &resp.Groups[i]; g.ErrorCode == 0 && i < len(unknown) {
			g.Topics = append(g.Topics, unknown[i]...)
		}
	}
	return resp, nil
}

func unknownIDOffsets(t kmsg.OffsetFetchRequestGroupTopic) kmsg.OffsetFetchResponseGroupTopic {
	rt := kmsg.NewOffsetFetchResponseGroupTopic()
	rt.TopicID = t.TopicID
	for _, p := range t.Partitions {
		rp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
		rp.Partition, rp.Offset, rp.LeaderEpoch = p, -1, -1
		rp.Metadata = kmsg.StringPtr("")
		rp.ErrorCode = kerr.UnknownTopicID.Code
		rt.Partitions = append(rt.Partitions, rp)
	}
	return rt
}
