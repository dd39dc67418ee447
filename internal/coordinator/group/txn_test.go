package group

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator"
)

// commitInTxn commits an offset of t1-0 for group g.
func (h *harness) commitInTxn(producerID int64, offset int64) {
	h.t.Helper()
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.Version, req.TransactionalID, req.Group, req.ProducerID, req.Generation = 3, "x", "g", producerID, -1
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Offset = offset
	req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: "t1", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{p}}}
	if code := h.c.TxnOffsetCommit(h.t.Context(), req, 0).Topics[0].Partitions[0].ErrorCode; code != 0 {
		h.t.Fatal(codeName(code))
	}
}

// commitAlone commits it outside of transactions.
func (h *harness) commitAlone(offset int64) {
	h.t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 7, "g", -1
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset = offset
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t1", Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	if code := h.c.OffsetCommit(h.t.Context(), Client{}, req).Topics[0].Partitions[0].ErrorCode; code != 0 {
		h.t.Fatal(codeName(code))
	}
}

func (h *harness) endTxn(producerID int64, commit bool) {
	h.t.Helper()
	if err := h.c.EndTxn(h.t.Context(), 0, coordinator.Marker{ProducerID: producerID, Commit: commit}); err != nil {
		h.t.Fatal(err)
	}
}

// offset is what OffsetFetch answers, as text.
func (h *harness) offset(stable bool) string {
	h.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.RequireStable = 8, stable
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = "g"
	g.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t1", Partitions: []int32{0}}}
	req.Groups = []kmsg.OffsetFetchRequestGroup{g}
	p := h.c.OffsetFetch(h.t.Context(), Client{}, req).Groups[0].Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		return codeName(p.ErrorCode)
	}
	return fmt.Sprint(p.Offset)
}

// TestOffsetsOfTransactions: offsets count when their transaction commits; until then whoever wants stable ones is told to wait. The coordinator may be
// loaded anew after each step.
func TestOffsetsOfTransactions(t *testing.T) {
	unstable := kerr.UnstableOffsetCommit.Message
	type step struct {
		do             func(h *harness)
		stable, latest string
	}
	for name, steps := range map[string][]step{
		"commit": {
			{func(h *harness) { h.commitInTxn(1, 10) }, unstable, "-1"},
			{func(h *harness) { h.endTxn(1, true) }, "10", "10"},
		},
		"abort": {
			{func(h *harness) { h.commitAlone(5) }, "5", "5"},
			{func(h *harness) { h.commitInTxn(1, 10) }, unstable, "5"},
			{func(h *harness) { h.endTxn(1, false) }, "5", "5"},
		},
		"two-commits-in-one": {
			{func(h *harness) { h.commitInTxn(1, 10) }, unstable, "-1"},
			{func(h *harness) { h.commitInTxn(1, 20) }, unstable, "-1"},
			{func(h *harness) { h.endTxn(1, true) }, "20", "20"},
		},
		"two-producers": {
			{func(h *harness) { h.commitInTxn(1, 10) }, unstable, "-1"},
			{func(h *harness) { h.commitInTxn(2, 20) }, unstable, "-1"},
			{func(h *harness) { h.endTxn(2, true) }, unstable, "20"},
			{func(h *harness) { h.endTxn(1, true) }, "20", "20"}, // later, but written earlier
		},
		"a-commit-outside-is-later": {
			{func(h *harness) { h.commitInTxn(1, 10) }, unstable, "-1"},
			{func(h *harness) { h.commitAlone(30) }, unstable, "30"},
			{func(h *harness) { h.endTxn(1, true) }, "30", "30"},
		},
		"the-marker-twice": {
			{func(h *harness) { h.commitInTxn(1, 10) }, unstable, "-1"},
			{func(h *harness) { h.endTxn(1, true) }, "10", "10"},
			{func(h *harness) { h.commitInTxn(1, 20) }, unstable, "10"},
			{func(h *harness) { h.endTxn(1, false) }, "10", "10"},
			{func(h *harness) { h.endTxn(1, false) }, "10", "10"},
		},
	} {
		for _, reload := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s-%v", name, reload), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHarness(t, 1)
					for i, s := range steps {
						s.do(h)
						if reload {
							h.restart()
						}
						h.check()
						if got := []string{h.offset(true), h.offset(false)}; !slices.Equal(got, []string{s.stable, s.latest}) {
							t.Errorf("step %d: stable and latest %v, want %s %s", i, got, s.stable, s.latest)
						}
					}
				})
			})
		}
	}
}

// TestTopicGrowsUnderACommit: the answer has the partitions that there were when the request came.
func TestTopicGrowsUnderACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		h.journal.CommitTo(0)
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.Version, req.TransactionalID, req.Group, req.ProducerID, req.Generation = 3, "x", "g", 1, -1
		old, young := kmsg.NewTxnOffsetCommitRequestTopicPartition(), kmsg.NewTxnOffsetCommitRequestTopicPartition()
		young.Partition = 4
		req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: "t1", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{young, old}}}
		var resp *kmsg.TxnOffsetCommitResponse
		go func() { resp = h.c.TxnOffsetCommit(t.Context(), req, 0) }()
		synctest.Wait()
		h.mu.Lock()
		h.topics["t1"]++
		h.mu.Unlock()
		h.journal.CommitTo(1)
		synctest.Wait()
		got := resp.Topics[0].Partitions
		if got[0].ErrorCode != kerr.UnknownTopicOrPartition.Code || got[1].ErrorCode != 0 {
			t.Errorf("got %+v", got)
		}
	})
}
