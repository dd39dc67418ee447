package api

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/protocol"
)

// DescribeLogDirs: key 35, versions 0–5.
//
// Behaviour:
//   - every log directory of this broker, by its absolute path, with the partitions asked for (null topics: all), their size, and the size of the
//     volume; a directory that failed has KAFKA_STORAGE_ERROR and nothing else, one without any such partition is listed empty;
//   - a partition on its way to another directory is listed in both, in the new one as a future replica with the number of records it lacks; a
//     copy whose original is offline has lag -1 (KIP-113);
//   - partitions that are not here are left out.
//
// Version notes:
//   - v1: throttle time. v3: error at the top. v4: total and usable bytes of the volume (KIP-827). v5: cordoned (KIP-1066).
func (s *session) describeLogDirs(_ context.Context, req *kmsg.DescribeLogDirsRequest) (*kmsg.DescribeLogDirsResponse, error) {
	resp := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
	wanted := func(string, int32) bool { return true }
	if req.Topics != nil {
		set := map[protocol.TopicPartition]bool{}
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				set[protocol.TopicPartition{Topic: t.Topic, Partition: p}] = true
			}
		}
		wanted = func(topic string, p int32) bool { return set[protocol.TopicPartition{Topic: topic, Partition: p}] }
	}
	for _, d := range s.api.Broker.LogDirs() {
		resp.Dirs = append(resp.Dirs, describeLogDir(d, wanted))
	}
	return resp, nil
}

func describeLogDir(d log.DirUsage, wanted func(topic string, partition int32) bool) kmsg.DescribeLogDirsResponseDir {
	rd := kmsg.NewDescribeLogDirsResponseDir()
	rd.Dir, rd.TotalBytes, rd.UsableBytes = d.Dir, d.Total, d.Usable
	rd.IsCordoned = d.Cordoned
	if d.Err != nil {
		rd.ErrorCode = protocol.ErrorCode(d.Err)
		return rd
	}
	for _, p := range d.Partitions {
		if !wanted(p.TopicPartition.Topic, p.TopicPartition.Partition) {
			continue
		}
		i := slices.IndexFunc(rd.Topics, func(t kmsg.DescribeLogDirsResponseDirTopic) bool { return t.Topic == p.TopicPartition.Topic })
		if i < 0 {
			t := kmsg.NewDescribeLogDirsResponseDirTopic()
			t.Topic = p.TopicPartition.Topic
			i = len(rd.Topics)
			rd.Topics = append(rd.Topics, t)
		}
		rp := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		rp.Partition, rp.Size, rp.OffsetLag, rp.IsFuture = p.TopicPartition.Partition, p.SizeBytes, p.OffsetLag, p.IsFuture
		rd.Topics[i].Partitions = append(rd.Topics[i].Partitions, rp)
	}
	return rd
}
