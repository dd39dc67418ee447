package api

import (
	"math"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sessions is a cache with a clock, and the client's side of a fetch by name.
type sessions struct {
	t     *testing.T
	cache *fetchSessionCache
	slots int
	nowMs int64
}

func newSessions(t *testing.T, slots int) *sessions {
	s := &sessions{t: t, slots: slots, nowMs: 1_000_000}
	s.cache = newFetchSessionCache(func() int { return s.slots }, func() int64 { return s.nowMs })
	return s
}

// fetch runs one fetch of the partitions of topic t; high watermarks are what the broker would find. It returns the
// session id and the partitions in the response.
func (s *sessions) fetch(req *kmsg.FetchRequest, highWatermark int64) (id int32, sent []int32, code int16) {
	s.t.Helper()
	fc, targets := s.cache.open(req, nil, nil)
	if fc.err != nil {
		return 0, nil, fc.err.Code
	}
	var results []fetchResult
	for i := range targets {
		r := fetchResult{target: &targets[i]}
		r.clear()
		r.highWatermark, r.logStartOffset = highWatermark, 0
		results = append(results, r)
	}
	id, err := s.cache.close(fc, req, results)
	if err != nil {
		code = err.Code
	}
	for i := range results {
		if !results[i].unchanged {
			sent = append(sent, results[i].target.partition)
		}
	}
	return id, sent, code
}

func fetchOf(session, epoch int32, partitions ...int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.SessionID, req.SessionEpoch = 12, session, epoch
	if len(partitions) > 0 {
		t := kmsg.NewFetchRequestTopic()
		t.Topic = "t"
		for _, p := range partitions {
			tp := kmsg.NewFetchRequestTopicPartition()
			tp.Partition = p
			t.Partitions = append(t.Partitions, tp)
		}
		req.Topics = append(req.Topics, t)
	}
	return req
}

func forget(req *kmsg.FetchRequest, partitions ...int32) *kmsg.FetchRequest {
	f := kmsg.NewFetchRequestForgottenTopic()
	f.Topic, f.Partitions = "t", partitions
	req.ForgottenTopics = append(req.ForgottenTopics, f)
	return req
}

func (s *sessions) want(what string, sent, want []int32, code, wantCode int16) {
	s.t.Helper()
	if code != wantCode {
		s.t.Errorf("%s: error code %d, want %d", what, code, wantCode)
	}
	if len(sent) != len(want) {
		s.t.Errorf("%s: partitions %v, want %v", what, sent, want)
		return
	}
	for i := range want {
		if sent[i] != want[i] {
			s.t.Errorf("%s: partitions %v, want %v", what, sent, want)
			return
		}
	}
}

func TestFetchSessionSendsOnlyWhatChanged(t *testing.T) {
	s := newSessions(t, 10)
	id, sent, code := s.fetch(fetchOf(0, 0, 1, 2, 3), 5)
	s.want("full fetch", sent, []int32{1, 2, 3}, code, 0)
	if id == 0 {
		t.Fatal("no session was made")
	}
	_, sent, code = s.fetch(fetchOf(id, 1), 5)
	s.want("nothing changed", sent, nil, code, 0)
	_, sent, code = s.fetch(fetchOf(id, 2, 2), 5)
	s.want("a new offset for 2 is no news for the client", sent, nil, code, 0)
	_, sent, code = s.fetch(fetchOf(id, 3, 4), 5)
	s.want("4 is new", sent, []int32{4}, code, 0)
	_, sent, code = s.fetch(forget(fetchOf(id, 4), 1, 3), 6)
	s.want("1 and 3 forgotten, high watermark moved", sent, []int32{2, 4}, code, 0)
	got, sent, code := s.fetch(forget(fetchOf(id, 5), 2, 4), 7)
	s.want("all forgotten", sent, nil, code, 0)
	if got != 0 || s.cache.len() != 0 {
		t.Errorf("session %d in the response of an empty session, %d cached; want none", got, s.cache.len())
	}
}

func TestFetchSessionErrors(t *testing.T) {
	s := newSessions(t, 10)
	id, _, _ := s.fetch(fetchOf(0, 0, 1), 5)
	_, sent, code := s.fetch(fetchOf(id, 2), 5)
	s.want("epoch ahead", sent, nil, code, kerr.InvalidFetchSessionEpoch.Code)
	_, sent, code = s.fetch(fetchOf(id+1, 1), 5)
	s.want("unknown session", sent, nil, code, kerr.FetchSessionIDNotFound.Code)
	byID := fetchOf(id, 1)
	byID.Version = 13
	_, sent, code = s.fetch(byID, 5)
	s.want("topic ids in a session of names", sent, nil, code, kerr.FetchSessionTopicIDError.Code)
	_, sent, code = s.fetch(fetchOf(id, 1), 5)
	s.want("the session goes on after errors", sent, nil, code, 0)
	_, sent, code = s.fetch(fetchOf(id, 1), 5)
	s.want("a repeated epoch", sent, nil, code, kerr.InvalidFetchSessionEpoch.Code)

	got, sent, code := s.fetch(fetchOf(id, -1, 1), 5)
	s.want("final epoch: a full fetch", sent, []int32{1}, code, 0)
	if got != 0 || s.cache.len() != 0 {
		t.Errorf("the final epoch left session %d, %d cached", got, s.cache.len())
	}
	id, _, _ = s.fetch(fetchOf(0, 0, 1), 5)
	again, sent, code := s.fetch(fetchOf(id, 0, 1), 5)
	s.want("epoch 0 of a session: it is replaced", sent, []int32{1}, code, 0)
	if again == id || s.cache.len() != 1 {
		t.Errorf("session %d replaced by %d, %d cached", id, again, s.cache.len())
	}
}

// TestFetchSessionUsedTwiceAtOnce has a second request take the session over while the first still waits for records.
func TestFetchSessionUsedTwiceAtOnce(t *testing.T) {
	s := newSessions(t, 10)
	id, _, _ := s.fetch(fetchOf(0, 0, 1), 5)
	fc, targets := s.cache.open(fetchOf(id, 1), nil, nil)
	_, _, code := s.fetch(fetchOf(id, 2), 6)
	if code != 0 {
		t.Fatalf("second request: error code %d", code)
	}
	r := fetchResult{target: &targets[0]}
	r.clear()
	if _, err := s.cache.close(fc, fetchOf(id, 1), []fetchResult{r}); err != kerr.InvalidFetchSessionEpoch {
		t.Errorf("the first request ended with %v, want INVALID_FETCH_SESSION_EPOCH", err)
	}
}

func TestFetchSessionEpochWraps(t *testing.T) {
	for epoch, want := range map[int32]int32{-1: -1, 0: 1, 41: 42, math.MaxInt32: 1} {
		if got := nextFetchEpoch(epoch); got != want {
			t.Errorf("after epoch %d comes %d, want %d", epoch, got, want)
		}
	}
}

func TestFetchSessionEviction(t *testing.T) {
	s := newSessions(t, 2)
	first, _, _ := s.fetch(fetchOf(0, 0, 1, 2), 5)
	s.nowMs++
	second, _, _ := s.fetch(fetchOf(0, 0, 1), 5)
	if third, _, _ := s.fetch(fetchOf(0, 0, 1, 2, 3), 5); third != 0 {
		t.Error("a young session was evicted by a larger one")
	}
	s.nowMs += fetchSessionEvictionMs + 1
	_, _, _ = s.fetch(fetchOf(first, 1), 5)
	_, _, _ = s.fetch(fetchOf(second, 1), 5)
	if third, _, _ := s.fetch(fetchOf(0, 0, 7), 5); third == 0 {
		t.Error("an old session is displaced by one that is worth as much")
	}
	if _, _, code := s.fetch(fetchOf(second, 2), 5); code != kerr.FetchSessionIDNotFound.Code {
		t.Errorf("the smallest session should have gone; code %d", code)
	}
	if _, _, code := s.fetch(fetchOf(first, 2), 5); code != 0 {
		t.Errorf("the larger session should be there; code %d", code)
	}
	s.nowMs += fetchSessionEvictionMs + 1
	follower := fetchOf(0, 0, 1)
	follower.ReplicaID = 3
	if id, _, _ := s.fetch(follower, 5); id == 0 {
		t.Error("a stale session was not evicted")
	}
	s.slots = 0
	if id, _, _ := s.fetch(fetchOf(0, 0, 1), 5); id != 0 {
		t.Error("a session without slots")
	}
}
