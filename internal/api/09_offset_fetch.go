package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetFetch: key 9, versions 0–10.
//
// Behaviour:
//   - the committed offsets of groups, −1 where there is none; null topics ask for all;
//   - require_stable holds offsets of open transactions back (UNSTABLE_OFFSET_COMMIT, KIP-447);
//   - an unknown topic id (v10) is answered UNKNOWN_TOPIC_ID per partition, and offsets of topics that are gone are left out of "all";
//   - all of it is the coordinator's.
//
// Version notes:
//   - v0: Kafka before 4 read these from ZooKeeper; here it reads what v1 reads.
//   - v2: null topics, error of the group at the top. v3: throttle time. v5: leader epoch (KIP-320). v7: require_stable.
//   - v8: several groups in one request (KIP-709). v9: member id and epoch of KIP-848 groups. v10: topic ids.
func (s *session) offsetFetch(ctx context.Context, req *kmsg.OffsetFetchRequest) (*kmsg.OffsetFetchResponse, error) {
	return s.api.Groups.OffsetFetch(ctx, s.client(), req), nil
}
