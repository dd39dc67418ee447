package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/log"
)

// ListOffsets: key 2, versions 0–11.
//
// Behaviour:
//   - a timestamp ≥ 0 finds the first record at or after it, inside compressed batches too; offset and timestamp are −1
//     when there is none;
//   - −1 latest: the high watermark, or the last stable offset for isolation level 1; the log end for replica id −2
//     (debugging) and for replicas;
//   - −2 earliest, −3 the record with the largest timestamp, −4 earliest on local disk (the log start: there is no remote
//     storage), −5 last on remote storage and −6 first not yet there: none (−1, −1);
//   - a partition named twice gets INVALID_REQUEST, once.
//
// Version notes:
//   - v0: a list of at most max_num_offsets offsets, newest first. Kafka found them by the modification times of segment
//     files; here they are the end of the records before the timestamp and the log start.
//   - v2: isolation level. v4: leader epochs (KIP-320). v5: OFFSET_NOT_AVAILABLE. v10: timeout (remote storage only).
//   - v7: −3 (KIP-734). v8: −4. v9: −5 (KIP-1005). v11: −6 (KIP-1023). Earlier: UNSUPPORTED_VERSION.

// timestampSince maps the special timestamps to the version that brought them.
var timestampSince = map[int64]int16{
	broker.TimestampLatest:                0,
	broker.TimestampEarliest:              0,
	broker.TimestampMax:                   7,
	broker.TimestampEarliestLocal:         8,
	broker.TimestampLatestTiered:          9,
	broker.TimestampEarliestPendingUpload: 11,
}

const consumerReplica int32 = -1

func (s *session) listOffsets(_ context.Context, req *kmsg.ListOffsetsRequest) (*kmsg.ListOffsetsResponse, error) {
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	duplicates := listedTwice(req)
	for i := range req.Topics {
		t := &req.Topics[i]
		rt := kmsg.NewListOffsetsResponseTopic()
		rt.Topic = t.Topic
		for j := range t.Partitions {
			tp := &t.Partitions[j]
			rp := kmsg.NewListOffsetsResponseTopicPartition()
			rp.Partition, rp.Timestamp, rp.Offset, rp.LeaderEpoch = tp.Partition, -1, -1, -1
			if answered, duplicate := duplicates[partitionKey{t.Topic, tp.Partition}]; duplicate {
				if answered {
					continue
				}
				duplicates[partitionKey{t.Topic, tp.Partition}] = true
				rp.ErrorCode = kerr.InvalidRequest.Code
			} else if err := s.listPartitionOffsets(req, t.Topic, tp, &rp); err != nil {
				rp.ErrorCode = s.code(err)
				if req.Version < 5 && errors.Is(err, kerr.OffsetNotAvailable) {
					rp.ErrorCode = kerr.LeaderNotAvailable.Code
				}
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil
}

// partitionKey identifies a partition within a request.
type partitionKey struct {
	topic     string
	partition int32
}

// listedTwice returns the partitions that the request names more than once, each with false: not answered yet.
func listedTwice(req *kmsg.ListOffsetsRequest) map[partitionKey]bool {
	seen, twice := map[partitionKey]struct{}{}, map[partitionKey]bool{}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			k := partitionKey{req.Topics[i].Topic, req.Topics[i].Partitions[j].Partition}
			if _, ok := seen[k]; ok {
				twice[k] = false
			}
			seen[k] = struct{}{}
		}
	}
	return twice
}

// listPartitionOffsets answers one partition.
func (s *session) listPartitionOffsets(req *kmsg.ListOffsetsRequest, topic string, tp *kmsg.ListOffsetsRequestTopicPartition, rp *kmsg.ListOffsetsResponseTopicPartition) error {
	if since, ok := timestampSince[tp.Timestamp]; tp.Timestamp < 0 && (!ok || req.Version < since) {
		return kerr.UnsupportedVersion
	}
	p, err := s.api.partition(topic, tp.Partition)
	if err != nil {
		return err
	}
	found, err := s.findOffset(req, p, tp)
	if err != nil {
		return err
	}
	if req.Version == 0 {
		rp.OldStyleOffsets = oldStyleOffsets(p, tp, found)
		return nil
	}
	if found.OK {
		rp.Offset, rp.Timestamp, rp.LeaderEpoch = found.Offset, found.TimestampMs, found.LeaderEpoch
	}
	return nil
}

func (s *session) findOffset(req *kmsg.ListOffsetsRequest, p *broker.Partition, tp *kmsg.ListOffsetsRequestTopicPartition) (log.Found, error) {
	if err := checkNoEpoch(tp.CurrentLeaderEpoch); err != nil {
		return log.Found{}, err
	}
	found, err := p.OffsetForTimestamp(tp.Timestamp, req.IsolationLevel == 1, tp.CurrentLeaderEpoch)
	if err == nil && tp.Timestamp == broker.TimestampLatest && req.ReplicaID != consumerReplica {
		found.Offset = p.LogEndOffset()
	}
	return found, err
}

// checkNoEpoch refuses leader epochs below −1, which means none: Kafka takes them for old ones in the APIs about offsets
// (Fetch ignores every negative epoch).
func checkNoEpoch(epoch int32) error {
	if epoch < -1 {
		return fmt.Errorf("leader epoch %d: %w", epoch, kerr.FencedLeaderEpoch)
	}
	return nil
}

// oldStyleOffsets is the answer of version 0: offsets before the timestamp, newest first.
func oldStyleOffsets(p *broker.Partition, tp *kmsg.ListOffsetsRequestTopicPartition, found log.Found) []int64 {
	start := p.LogStartOffset()
	newest := found.Offset
	switch {
	case !found.OK: // every record is older
		newest = p.HighWatermark()
	case tp.Timestamp >= 0 && newest <= start: // none is older
		return nil
	}
	offsets := make([]int64, 0, 2)
	if tp.MaxNumOffsets > 0 {
		offsets = append(offsets, newest)
	}
	if tp.MaxNumOffsets > 1 && newest > start {
		offsets = append(offsets, start)
	}
	return offsets
}
