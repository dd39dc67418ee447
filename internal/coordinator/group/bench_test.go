package group

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/coordinator/coordinatortest"
)

func benchCoordinator(b *testing.B, j *coordinatortest.Journal) *Coordinator {
	o := Options{
		Journal:         j,
		NumPartitions:   func() int32 { return 1 },
		TopicPartitions: func(string) int { return 1000 },
		TopicID:         func(topic string) ([16]byte, bool) { return topicID(topic), true },
		TopicName:       func([16]byte) (string, bool) { return "", false },
		Now:             time.Now,
		NewID:           coordinator.UUIDs(rand.New(rand.NewSource(1))),
	}
	l := limits{offsetMetadataMaxBytes: 4096, maxSize: 1000, retention: time.Hour, retentionCheck: time.Hour}
	c := newCoordinator(o, time.Second, func() limits { return l })
	b.Cleanup(c.Close)
	return c
}

// BenchmarkCommit is one offset per request, from many connections.
func BenchmarkCommit(b *testing.B) {
	c := benchCoordinator(b, coordinatortest.New())
	c.Load(0, 1)
	for c.ListGroups(b.Context(), Client{}, kmsg.NewPtrListGroupsRequest()).ErrorCode != 0 {
		time.Sleep(time.Millisecond)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group = 8, "g"
		req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1}}}}
		for pb.Next() {
			c.OffsetCommit(b.Context(), Client{}, req)
		}
	})
}

// BenchmarkLoad is the load of a log of 100 000 commits of 100 groups.
func BenchmarkLoad(b *testing.B) {
	const records = 100_000
	j := coordinatortest.New()
	for i := range records / 100 {
		var batch []record
		for k := range 100 {
			batch = append(batch, offsetRecord(fmt.Sprintf("group-%d", k), "t", int32(i), committed{offset: 1, expireMs: noTimestamp}))
		}
		if _, err := j.Append(b.Context(), 0, 1, coordinator.Pending{Records: batch}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		c := benchCoordinator(b, j)
		c.Load(0, 1)
		for c.ListGroups(b.Context(), Client{}, kmsg.NewPtrListGroupsRequest()).ErrorCode != 0 {
			time.Sleep(time.Millisecond)
		}
	}
	b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
