package group

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fakeStates is a share coordinator that remembers which partitions have a state.
type fakeStates struct {
	mu     sync.Mutex
	refuse bool
	slow   time.Duration    // of initializing
	epochs map[string]int32 // of the state, by "group/topic/partition"
	begun  map[string]int   // how often the state was initialized
}

func stateKey(group string, topic [16]byte, partition int32) string {
	return fmt.Sprintf("%s/%s/%d", group, topic[:2], partition)
}

func (f *fakeStates) InitializeShareGroupState(_ context.Context, req *kmsg.InitializeShareGroupStateRequest) *kmsg.InitializeShareGroupStateResponse {
	time.Sleep(f.slow)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.epochs == nil {
		f.epochs, f.begun = map[string]int32{}, map[string]int{}
	}
	resp := kmsg.NewPtrInitializeShareGroupStateResponse()
	for _, t := range req.Topics {
		rt := kmsg.InitializeShareGroupStateResponseTopic{TopicID: t.TopicID}
		for _, p := range t.Partitions {
			rp := kmsg.InitializeShareGroupStateResponseTopicPartition{Partition: p.Partition}
			if f.refuse {
				rp.ErrorCode = kerr.CoordinatorNotAvailable.Code
			} else {
				f.epochs[stateKey(req.GroupID, t.TopicID, p.Partition)] = p.StateEpoch
				f.begun[stateKey(req.GroupID, t.TopicID, p.Partition)]++
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (f *fakeStates) DeleteShareGroupState(_ context.Context, req *kmsg.DeleteShareGroupStateRequest) *kmsg.DeleteShareGroupStateResponse {
	f.mu.Lock()
	defer f.mu.Unlock()
	resp := kmsg.NewPtrDeleteShareGroupStateResponse()
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			delete(f.epochs, stateKey(req.GroupID, t.TopicID, p.Partition))
		}
	}
	return resp
}

func (f *fakeStates) ReadShareGroupStateSummary(_ context.Context, req *kmsg.ReadShareGroupStateSummaryRequest) *kmsg.ReadShareGroupStateSummaryResponse {
	resp := kmsg.NewPtrReadShareGroupStateSummaryResponse()
	for _, t := range req.Topics {
		rt := kmsg.ReadShareGroupStateSummaryResponseTopic{TopicID: t.TopicID}
		for _, p := range t.Partitions {
			rp := kmsg.NewReadShareGroupStateSummaryResponseTopicPartition()
			rp.Partition, rp.StartOffset, rp.DeliveryCompleteCount = p.Partition, 10, 2
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// sharer is a member of the share group "g".
type sharer struct {
	id     string
	epoch  int32
	topics []string
	has    string // what it was assigned, as text
}

func (m *sharer) beat(h *harness) *kmsg.ShareGroupHeartbeatResponse {
	req := kmsg.NewPtrShareGroupHeartbeatRequest()
	req.Version, req.GroupID, req.MemberID, req.MemberEpoch = 1, "g", m.id, m.epoch
	if m.epoch == 0 {
		req.SubscribedTopicNames = m.topics
	}
	resp := h.c.ShareGroupHeartbeat(h.t.Context(), Client{ID: "c", Host: "/h"}, req)
	if resp.ErrorCode == 0 {
		m.epoch = resp.MemberEpoch
		if resp.Assignment != nil {
			m.has = ""
			for _, t := range resp.Assignment.TopicPartitions {
				m.has += fmt.Sprintf("%s%v", t.TopicID[:2], t.Partitions)
			}
		}
	}
	h.check()
	return resp
}

func wantHas(t *testing.T, m *sharer, want string) {
	t.Helper()
	if m.has != want {
		t.Errorf("%s has %q, want %q", m.id, m.has, want)
	}
}

func TestShareGroupLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		a, b := &sharer{id: "a", topics: []string{"t1"}}, &sharer{id: "b", topics: []string{"t1"}}
		partitions := h.c.o.TopicPartitions("t1")
		all := make([]int32, partitions)
		for i := range all {
			all[i] = int32(i)
		}
		h.states.refuse = true
		a.beat(h)
		wantHas(t, a, "") // no state, no partitions
		h.states.refuse = false
		a.beat(h)
		wantHas(t, a, fmt.Sprintf("t1%v", all))
		if len(h.states.epochs) != partitions {
			t.Errorf("states %v", h.states.epochs)
		}
		b.beat(h)
		a.beat(h)
		if a.has == b.has || a.has == "" || b.has == "" {
			t.Errorf("a has %s, b has %s", a.has, b.has)
		}
		if got := (&sharer{id: "x", epoch: 3}).beat(h).ErrorCode; got != kerr.UnknownMemberID.Code {
			t.Errorf("a stranger: %v", kerr.ErrorForCode(got))
		}
		if got := (&sharer{id: "a", epoch: a.epoch + 1}).beat(h).ErrorCode; got != kerr.FencedMemberEpoch.Code {
			t.Errorf("an epoch to come: %v", kerr.ErrorForCode(got))
		}
		(&sharer{id: "c", topics: []string{"t1"}}).beat(h)
		if got := (&sharer{id: "d", topics: []string{"t1"}}).beat(h).ErrorCode; got != kerr.GroupMaxSizeReached.Code {
			t.Errorf("a fourth member: %v", kerr.ErrorForCode(got))
		}
		h.restart()
		h.check()
		time.Sleep(30 * time.Second)
		a.beat(h)
		time.Sleep(30 * time.Second) // b and c are not heard of
		a.beat(h)
		wantHas(t, a, fmt.Sprintf("t1%v", all))

		describe := kmsg.NewPtrShareGroupDescribeRequest()
		describe.GroupIDs = []string{"g", "none"}
		d := h.c.ShareGroupDescribe(t.Context(), describe).Groups
		if d[0].GroupState != "Stable" || len(d[0].Members) != 1 || d[0].Assignor != "simple" || d[1].ErrorCode != kerr.GroupIDNotFound.Code {
			t.Errorf("%+v", d)
		}
		del := kmsg.NewPtrDeleteGroupsRequest()
		del.Groups = []string{"g"}
		if got := h.c.DeleteGroups(t.Context(), Client{}, del).Groups[0].ErrorCode; got != kerr.NonEmptyGroup.Code {
			t.Errorf("delete: %v", kerr.ErrorForCode(got))
		}
		a.epoch = epochLeave
		a.beat(h)
		if got := h.c.DeleteGroups(t.Context(), Client{}, del).Groups[0].ErrorCode; got != 0 || len(h.states.epochs) != 0 {
			t.Errorf("delete: %v, left %v", kerr.ErrorForCode(got), h.states.epochs)
		}
		h.check()
		h.restart()
		if groups := h.c.ListGroups(t.Context(), Client{}, kmsg.NewPtrListGroupsRequest()).Groups; len(groups) != 0 {
			t.Errorf("groups %+v", groups)
		}
	})
}

func TestShareGroupOffsets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		a := &sharer{id: "a", topics: []string{"t1"}}
		a.beat(h)
		a.epoch = epochLeave
		a.beat(h)
		describe := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
		describe.Groups = []kmsg.DescribeShareGroupOffsetsRequestGroup{{GroupID: "g"}}
		lag := func(_, _ string, _ int32, start int64) (int64, bool) { return 100 - start, true }
		d := h.c.DescribeShareGroupOffsets(t.Context(), describe, lag).Groups[0]
		if len(d.Topics) != 1 || d.Topics[0].Partitions[0].StartOffset != 10 || d.Topics[0].Partitions[0].Lag != 88 {
			t.Errorf("%+v", d)
		}
		alter := kmsg.NewPtrAlterShareGroupOffsetsRequest()
		alter.GroupID = "g"
		alter.Topics = []kmsg.AlterShareGroupOffsetsRequestTopic{
			{Topic: "t1", Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{Partition: 0, StartOffset: 3}, {Partition: 99}}},
			{Topic: "none", Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{}}},
		}
		before := h.states.epochs["g/t1/0"]
		r := h.c.AlterShareGroupOffsets(t.Context(), alter)
		codes := []int16{r.Topics[0].Partitions[0].ErrorCode, r.Topics[0].Partitions[1].ErrorCode, r.Topics[1].Partitions[0].ErrorCode}
		if want := []int16{0, 3, 3}; !slices.Equal(codes, want) || h.states.epochs["g/t1/0"] <= before {
			t.Errorf("codes %v, want %v; state epochs %v", codes, want, h.states.epochs)
		}
		h.check()
		remove := kmsg.NewPtrDeleteShareGroupOffsetsRequest()
		remove.GroupID, remove.Topics = "g", []kmsg.DeleteShareGroupOffsetsRequestTopic{{Topic: "t1"}}
		if r := h.c.DeleteShareGroupOffsets(t.Context(), remove); r.ErrorCode != 0 || r.Topics[0].ErrorCode != 0 || len(h.states.epochs) != 0 {
			t.Errorf("%+v, left %v", r, h.states.epochs)
		}
		h.check()
		remove.GroupID = "none"
		if r := h.c.DeleteShareGroupOffsets(t.Context(), remove); r.ErrorCode != kerr.GroupIDNotFound.Code {
			t.Errorf("%+v", r)
		}
	})
}
