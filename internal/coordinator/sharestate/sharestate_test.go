package sharestate

import (
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/coordinator/coordinatortest"
	"github.com/gokafka/gokafka/internal/coordinator/records"
)

var topic = [16]byte{1}

type harness struct {
	t      *testing.T
	c      *Coordinator
	epoch  int32
	pruned atomic.Int64
}

func newHarness(t *testing.T, overrides ...config.Entry) *harness {
	cfg, _, err := config.New(append(overrides, config.Entry{Key: "log.dirs", Value: "/x"}), config.Defaults{NoFile: true})
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t}
	h.c = New(Options{
		Journal: coordinatortest.New(), Config: func() *config.Config { return cfg }, NumPartitions: func() int32 { return 1 },
		Exists: func(id [16]byte, p int32) bool { return id == topic && p < 3 },
		Prune:  func(_ int32, before int64) { h.pruned.Store(before) },
		Now:    time.Now, NewID: func() string { return "" },
	})
	t.Cleanup(h.c.Close)
	h.restart()
	return h
}

func (h *harness) restart() {
	h.epoch++
	h.c.Unload(0, -1)
	h.c.Load(0, h.epoch)
	synctest.Wait()
}

func (h *harness) initialize(partition, stateEpoch int32, start int64) int16 {
	req := kmsg.NewPtrInitializeShareGroupStateRequest()
	req.GroupID = "g"
	req.Topics = []kmsg.InitializeShareGroupStateRequestTopic{{TopicID: topic, Partitions: []kmsg.InitializeShareGroupStateRequestTopicPartition{
		{Partition: partition, StateEpoch: stateEpoch, StartOffset: start},
	}}}
	return h.c.InitializeShareGroupState(h.t.Context(), req).Topics[0].Partitions[0].ErrorCode
}

func (h *harness) read(partition, leaderEpoch int32) kmsg.ReadShareGroupStateResponseTopicPartition {
	req := kmsg.NewPtrReadShareGroupStateRequest()
	req.GroupID = "g"
	req.Topics = []kmsg.ReadShareGroupStateRequestTopic{{TopicID: topic, Partitions: []kmsg.ReadShareGroupStateRequestTopicPartition{{Partition: partition, LeaderEpoch: leaderEpoch}}}}
	p := h.c.ReadShareGroupState(h.t.Context(), req).Topics[0].Partitions[0]
	p.ErrorMessage = nil
	return p
}

func (h *harness) write(partition, stateEpoch, leaderEpoch int32, start int64, batches ...kmsg.WriteShareGroupStateRequestTopicPartitionStateBatch) int16 {
	req := kmsg.NewPtrWriteShareGroupStateRequest()
	req.Version, req.GroupID = 1, "g"
	p := kmsg.NewWriteShareGroupStateRequestTopicPartition()
	p.Partition, p.StateEpoch, p.LeaderEpoch, p.StartOffset, p.StateBatches = partition, stateEpoch, leaderEpoch, start, batches
	p.DeliveryCompleteCount = 7
	req.Topics = []kmsg.WriteShareGroupStateRequestTopic{{TopicID: topic, Partitions: []kmsg.WriteShareGroupStateRequestTopicPartition{p}}}
	return h.c.WriteShareGroupState(h.t.Context(), req).Topics[0].Partitions[0].ErrorCode
}

func wb(first, last int64, state int8, count int16) kmsg.WriteShareGroupStateRequestTopicPartitionStateBatch {
	return kmsg.WriteShareGroupStateRequestTopicPartitionStateBatch{FirstOffset: first, LastOffset: last, DeliveryState: state, DeliveryCount: count}
}

func rb(first, last int64, state int8, count int16) kmsg.ReadShareGroupStateResponseTopicPartitionStateBatch {
	return kmsg.ReadShareGroupStateResponseTopicPartitionStateBatch{FirstOffset: first, LastOffset: last, DeliveryState: state, DeliveryCount: count}
}

func TestStateIsKept(t *testing.T) {
	for _, perSnapshot := range []string{"0", "2", "500"} {
		t.Run(perSnapshot, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, config.Entry{Key: "share.coordinator.snapshot.update.records.per.snapshot", Value: perSnapshot})
				code := func(got int16, want *kerr.Error) {
					t.Helper()
					if want == nil && got != 0 || want != nil && got != want.Code {
						t.Errorf("%v, want %v", kerr.ErrorForCode(got), want)
					}
				}
				code(h.read(0, 1).ErrorCode, kerr.InvalidRequest)
				code(h.write(0, 1, 1, 5), kerr.InvalidRequest)
				code(h.initialize(9, 1, -1), kerr.UnknownTopicOrPartition)
				code(h.initialize(0, 3, -1), nil)
				code(h.initialize(0, 2, -1), kerr.FencedStateEpoch)
				if got := h.read(0, 4); got.StartOffset != -1 || got.StateEpoch != 3 || len(got.StateBatches) != 0 {
					t.Errorf("%+v", got)
				}
				code(h.read(0, 3).ErrorCode, kerr.FencedLeaderEpoch)
				code(h.write(0, 3, 3, 10), kerr.FencedLeaderEpoch)
				code(h.write(0, 2, 4, 10), kerr.FencedStateEpoch)
				code(h.write(0, 3, 4, 10, wb(10, 19, 2, 1)), nil)
				code(h.write(0, 3, 4, 12, wb(14, 15, 0, 2), wb(20, 21, 4, 1)), nil)
				code(h.write(0, 3, 4, 12, wb(22, 23, 4, 1)), nil)
				want := []kmsg.ReadShareGroupStateResponseTopicPartitionStateBatch{rb(12, 13, 2, 1), rb(14, 15, 0, 2), rb(16, 19, 2, 1), rb(20, 23, 4, 1)}
				for range 2 {
					if got := h.read(0, 4); got.StartOffset != 12 || !reflect.DeepEqual(got.StateBatches, want) {
						t.Errorf("%+v, want %v", got, want)
					}
					sum := kmsg.NewPtrReadShareGroupStateSummaryRequest()
					sum.Version, sum.GroupID = 1, "g"
					sum.Topics = []kmsg.ReadShareGroupStateSummaryRequestTopic{{TopicID: topic, Partitions: []kmsg.ReadShareGroupStateSummaryRequestTopicPartition{{}, {Partition: 1}}}}
					ps := h.c.ReadShareGroupStateSummary(t.Context(), sum).Topics[0].Partitions
					if ps[0].StartOffset != 12 || ps[0].LeaderEpoch != 4 || ps[0].DeliveryCompleteCount != 7 || ps[1].StartOffset != -1 || ps[1].ErrorCode != 0 {
						t.Errorf("%+v", ps)
					}
					h.restart()
				}
				code(h.initialize(0, 5, 100), nil)
				if got := h.read(0, 4); got.StartOffset != 100 || len(got.StateBatches) != 0 {
					t.Errorf("%+v", got)
				}
				code(h.initialize(1, 1, 0), nil)
				time.Sleep(6 * time.Minute)
				if h.pruned.Load() == 0 {
					t.Error("nothing was given up of the log")
				}
				h.c.OnTopicsDeleted([][16]byte{topic})
				code(h.read(1, 1).ErrorCode, kerr.InvalidRequest)
				h.restart()
				code(h.read(0, 9).ErrorCode, kerr.InvalidRequest)
			})
		})
	}
}

func TestKeyText(t *testing.T) {
	k := Key{"a:b", [16]byte{1, 2, 255}, 7}
	if got, err := ParseKey(k.String()); err != nil || got != k {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "g", "g:x", "g:x:1", ":" + strings.Repeat("A", 22) + ":1", "g:" + strings.Repeat("A", 22) + ":x"} {
		if k, err := ParseKey(bad); err == nil {
			t.Errorf("%q is %v", bad, k)
		}
	}
}

func TestCombine(t *testing.T) {
	b := func(first, last int64, state int8) records.StateBatch {
		return records.StateBatch{FirstOffset: first, LastOffset: last, DeliveryState: state, DeliveryCount: 1}
	}
	got := combine([]records.StateBatch{b(0, 9, 2)}, []records.StateBatch{b(3, 4, 0), b(12, 15, 4), b(8, 13, 4)}, 2)
	if want := []records.StateBatch{b(2, 2, 2), b(3, 4, 0), b(5, 7, 2), b(8, 15, 4)}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
