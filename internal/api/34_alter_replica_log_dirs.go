package api

import (
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/protocol"
)

// AlterReplicaLogDirs: key 34, versions 0–2.
//
// Behaviour:
//   - each partition of this broker begins to move to the log directory named by its absolute path, while it is written and read, and the answer
//     does not wait for that: DescribeLogDirs shows the copy as a future replica until it takes over (KIP-113);
//   - a partition on its way elsewhere turns round, and one that is moved to where it lies stays; where a partition is named with two directories
//     the last counts;
//   - a partition that the cluster has and this broker has not gets REPLICA_NOT_AVAILABLE, and is created there should it come later: so
//     kafka-reassign-partitions places new replicas;
//   - LOG_DIR_NOT_FOUND for a directory that is not in log.dirs; KAFKA_STORAGE_ERROR when it, the partition's, or (as a copy may lie there)
//     any other is offline; INVALID_TOPIC_EXCEPTION where the copy's name would be longer than 255 bytes; UNKNOWN_TOPIC_OR_PARTITION.
//
// Version notes: none in behaviour; v1: throttled after the answer; v2 is flexible.
func (s *session) alterReplicaLogDirs(_ context.Context, req *kmsg.AlterReplicaLogDirsRequest) (*kmsg.AlterReplicaLogDirsResponse, error) {
	resp := req.ResponseKind().(*kmsg.AlterReplicaLogDirsResponse)
	wanted := map[protocol.TopicPartition]string{}
	var order []protocol.TopicPartition
	for _, d := range req.Dirs {
		for _, t := range d.Topics {
			for _, p := range t.Partitions {
				tp := protocol.TopicPartition{Topic: t.Topic, Partition: p}
				if _, again := wanted[tp]; !again {
					order = append(order, tp)
				}
				wanted[tp] = d.Dir
			}
		}
	}
	for _, tp := range order {
		rp := kmsg.NewAlterReplicaLogDirsResponseTopicPartition()
		rp.Partition = tp.Partition
		if err := s.alterReplicaLogDir(tp, wanted[tp]); err != nil {
			rp.ErrorCode = s.code(err)
			s.api.Log.Warn("partition not moved", append(tp.Fields(), zap.String("dir", wanted[tp]), zap.Error(err))...)
		}
		i := slices.IndexFunc(resp.Topics, func(t kmsg.AlterReplicaLogDirsResponseTopic) bool { return t.Topic == tp.Topic })
		if i < 0 {
			rt := kmsg.NewAlterReplicaLogDirsResponseTopic()
			rt.Topic, i = tp.Topic, len(resp.Topics)
			resp.Topics = append(resp.Topics, rt)
		}
		resp.Topics[i].Partitions = append(resp.Topics[i].Partitions, rp)
	}
	return resp, nil
}

func (s *session) alterReplicaLogDir(tp protocol.TopicPartition, dir string) error {
	err := s.api.Broker.AlterReplicaLogDir(tp.Topic, tp.Partition, dir)
	if errors.Is(err, kerr.UnknownTopicOrPartition) && hasPartition(s.api.Metadata.Image(), tp.Topic, tp.Partition) {
		return kerr.ReplicaNotAvailable
	}
	return err
}
