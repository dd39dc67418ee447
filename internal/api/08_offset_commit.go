package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetCommit: key 8, versions 0–10.
//
// Behaviour:
//   - commits all partitions together, all or nothing, in the group's partition of __consumer_offsets; all of it is the coordinator's;
//   - partitions that do not exist are answered UNKNOWN_TOPIC_OR_PARTITION (v10: an unknown id UNKNOWN_TOPIC_ID) and come first in the
//     answer, as in Kafka (OffsetCommitResponse.Builder.merge).
//
// Version notes:
//   - v0: no generation and member; Kafka before 4 wrote these to ZooKeeper, here they are committed like v1.
//   - v1: generation and member; a timestamp per partition, from which the offset's expiry counts.
//   - v2–4: one retention time for all partitions (v5 removed it, KIP-211).
//   - v6: leader epoch of the offset (KIP-320). v7: group.instance.id (KIP-345).
//   - v9: member epochs of KIP-848 groups in the field of the generation, STALE_MEMBER_EPOCH.
//   - v10: topic ids instead of names (KIP-848).
func (s *session) offsetCommit(ctx context.Context, req *kmsg.OffsetCommitRequest) (*kmsg.OffsetCommitResponse, error) {
	return s.api.Groups.OffsetCommit(ctx, s.client(), req), nil
}
