package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/vfs"
)

func alterDirOf(version int16, dir, topic string, partitions ...int32) *kmsg.AlterReplicaLogDirsRequest {
	req := kmsg.NewPtrAlterReplicaLogDirsRequest()
	req.Version = version
	req.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: dir, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: topic, Partitions: partitions}}}}
	return req
}

// TestLogDirsInEveryVersion moves partitions and looks where they are. The broker is not running, so that a move stays where it is.
func TestLogDirsInEveryVersion(t *testing.T) {
	tb := newTestBrokerOn(t, vfs.NewMem(), "/d1,/d2")
	tb.createTopic("t", 3)
	tb.createTopic("u", 1)
	c := tb.client()
	for p := range int32(3) {
		c.mustProduce("t", p, plain(t, "a", "b"))
	}
	for version := int16(0); version <= 2; version++ {
		req := alterDirOf(version, "/d2", "t", int32(version), 9)
		req.Dirs = append(req.Dirs,
			alterDirOf(version, "/nowhere", "u", 0).Dirs[0],
			alterDirOf(version, "/d1", "other", 0).Dirs[0])
		resp := answer[*kmsg.AlterReplicaLogDirsResponse](c, req)
		got := map[string]int16{}
		for _, topic := range resp.Topics {
			for _, p := range topic.Partitions {
				got[topic.Topic+"-"+string(rune('0'+p.Partition))] = p.ErrorCode
			}
		}
		want := map[string]int16{
			"t-" + string(rune('0'+version)): 0, "t-9": kerr.UnknownTopicOrPartition.Code,
			"u-0": kerr.LogDirNotFound.Code, "other-0": kerr.UnknownTopicOrPartition.Code,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("v%d: %s", version, diff)
		}
	}
	for version := int16(0); version <= 5; version++ {
		req := kmsg.NewPtrDescribeLogDirsRequest()
		req.Version = version
		resp := answer[*kmsg.DescribeLogDirsResponse](c, req)
		if len(resp.Dirs) != 2 || resp.Dirs[0].Dir != "/d1" || resp.Dirs[1].Dir != "/d2" {
			t.Fatalf("v%d: %+v", version, resp.Dirs)
		}
		future, current := map[int32]int64{}, map[int32]int64{}
		for _, d := range resp.Dirs {
			if known := d.TotalBytes > 0 && d.UsableBytes > 0; known != (version >= 4) {
				t.Errorf("v%d: %d bytes in all, %d usable", version, d.TotalBytes, d.UsableBytes)
			}
			for _, topic := range d.Topics {
				for _, p := range topic.Partitions {
					switch {
					case topic.Topic != "t":
					case p.IsFuture && d.Dir == "/d2" && p.Size == 0:
						future[p.Partition] = p.OffsetLag
					case !p.IsFuture && p.Size > 0:
						current[p.Partition] = p.OffsetLag
					default:
						t.Errorf("v%d: in %s %+v", version, d.Dir, p)
					}
				}
			}
		}
		// Partition 1 lies in /d2 already.
		if diff := cmp.Diff([]map[int32]int64{{0: 2, 2: 2}, {0: 0, 1: 0, 2: 0}}, []map[int32]int64{future, current}); diff != "" {
			t.Errorf("v%d: %s", version, diff)
		}
	}
}

// TestAlterReplicaLogDirsTakesTheLastWord as Kafka does for a partition that is named twice.
func TestAlterReplicaLogDirsTakesTheLastWord(t *testing.T) {
	tb := newTestBrokerOn(t, vfs.NewMem(), "/d1,/d2")
	tb.createTopic("t", 1)
	c := tb.client()
	req := alterDirOf(2, "/nowhere", "t", 0)
	req.Dirs = append(req.Dirs, alterDirOf(2, "/d1", "t", 0).Dirs[0])
	resp := answer[*kmsg.AlterReplicaLogDirsResponse](c, req)
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Errorf("answered %+v", resp.Topics)
	}
}
