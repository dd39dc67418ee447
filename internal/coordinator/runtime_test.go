package coordinator_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/coordinator/coordinatortest"
	"github.com/gokafka/gokafka/internal/protocol"
)

type record = protocol.Record

// journalShard writes down what it is told: durable lines, and soft events.
type journalShard struct {
	env    coordinator.Env
	lines  []string // durable
	soft   []string
	armed  bool
	poison string // Replay panics on this line
}

func (s *journalShard) Loaded() {
	s.armed = true
	s.env.Schedule("tick", time.Minute, func() []record { return []record{line("tick")} })
}

func (s *journalShard) Replay(offset int64, r record) error {
	text := string(r.Value)
	switch {
	case text == "unreadable":
		return errors.New("unreadable")
	case text == s.poison:
		panic("poisoned")
	}
	s.lines = append(s.lines, fmt.Sprintf("%d:%s", offset, text))
	return nil
}

func (s *journalShard) ReplayTxn(offset, producerID int64, _ int16, r record) error {
	s.lines = append(s.lines, fmt.Sprintf("%d:%s of producer %d", offset, r.Value, producerID))
	return nil
}

func (s *journalShard) ReplayTxnMarker(producerID int64, epoch int16, commit bool) error {
	s.lines = append(s.lines, fmt.Sprintf("producer %d epoch %d commit=%t", producerID, epoch, commit))
	return nil
}

func line(text string) record { return record{Value: []byte(text)} }

type harness struct {
	t       *testing.T
	journal *coordinatortest.Journal
	rt      *coordinator.Runtime[*journalShard]
	poison  string
}

func newHarness(t *testing.T) *harness {
	h := &harness{t: t, journal: coordinatortest.New()}
	h.rt = coordinator.New(h.journal, func(_ int32, env coordinator.Env) *journalShard {
		return &journalShard{env: env, poison: h.poison}
	}, coordinator.Options{Now: time.Now, NewID: coordinator.UUIDs(rand.New(rand.NewSource(1))), QueueLimit: 4})
	t.Cleanup(h.rt.Close)
	return h
}

func (h *harness) load() { h.rt.Load(0, 1); synctest.Wait() }

func (h *harness) write(ctx context.Context, lines ...string) error {
	_, err := coordinator.Do(ctx, h.rt, 0, func(s *journalShard, reply *coordinator.Reply[struct{}]) []record {
		reply.Done(struct{}{})
		var rs []record
		for _, l := range lines {
			rs = append(rs, line(l))
		}
		return rs
	})
	return err
}

func (h *harness) lines() string {
	got, err := coordinator.Do(h.t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[string]) []record {
		reply.Done(strings.Join(s.lines, " "))
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return got
}

func (h *harness) wantLines(want string) {
	h.t.Helper()
	if got := h.lines(); got != want {
		h.t.Errorf("lines: got %q, want %q", got, want)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

func bubble(t *testing.T, fn func(*testing.T, *harness)) {
	synctest.Test(t, func(t *testing.T) { fn(t, newHarness(t)) })
}

func TestRequestsBeforeLoadedAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		wantErr(t, h.write(t.Context(), "a"), kerr.NotCoordinator)
		gate := make(chan struct{})
		h.journal.HoldLoads(gate)
		h.load()
		wantErr(t, h.write(t.Context(), "a"), kerr.CoordinatorLoadInProgress)
		close(gate)
		synctest.Wait()
		wantErr(t, h.write(t.Context(), "a"), nil)
		h.rt.Unload(0, 0) // an older epoch: not ours
		wantErr(t, h.write(t.Context(), "b"), nil)
		h.rt.Unload(0, 1)
		wantErr(t, h.write(t.Context(), "c"), kerr.NotCoordinator)
	})
}

func TestStateIsRestoredFromTheLog(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		h.load()
		h.write(t.Context(), "a", "b")
		h.write(t.Context(), "c")
		h.rt.Unload(0, 2)
		h.rt.Load(0, 3)
		synctest.Wait()
		h.wantLines("0:a 1:b 2:c")
	})
}

func TestTransactionsAndMarkersReachTheShardAtLoad(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		txn := protocol.BatchOptions{ProducerID: 7, ProducerEpoch: 2, Transactional: true}
		h.journal.AppendBatch(0, 1, txn, []record{line("pending")})
		h.journal.EndTransaction(0, 7, 2, true)
		h.journal.EndTransaction(0, 8, 0, false)
		h.load()
		h.wantLines("0:pending of producer 7 producer 7 epoch 2 commit=true producer 8 epoch 0 commit=false")
	})
}

func TestUnreadableRecordDoesNotTakeTheShardAway(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		h.poison = "poison"
		h.journal.Append(t.Context(), 0, 1, coordinator.Pending{Records: []record{line("a"), line("unreadable"), line("poison"), line("b")}})
		h.load()
		h.wantLines("0:a 3:b")
	})
}

func TestLoadIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		h.journal.Append(t.Context(), 0, 1, coordinator.Pending{Records: []record{line("a")}})
		h.journal.FailLoads(kerr.KafkaStorageError)
		h.load()
		time.Sleep(time.Second)
		wantErr(t, h.write(t.Context(), "x"), kerr.CoordinatorLoadInProgress)
		h.journal.FailLoads(nil)
		time.Sleep(2 * time.Minute)
		h.wantLines("0:a 1:tick")
	})
}

func TestFailedAppendChangesNothingAndFailsItsReplies(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		h.load()
		h.journal.FailAppends(kerr.KafkaStorageError)
		var after error
		_, err := coordinator.Do(t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[int]) []record {
			s.env.AfterAppend(func(err error) { after = err })
			reply.Done(1)
			return []record{line("lost")}
		})
		wantErr(t, err, kerr.KafkaStorageError)
		wantErr(t, after, kerr.KafkaStorageError)
		// A reply that AfterAppend completes says what it says.
		got, err := coordinator.Do(t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[int]) []record {
			s.env.AfterAppend(func(err error) { reply.Done(2) })
			return []record{line("lost")}
		})
		if wantErr(t, err, nil); got != 2 {
			t.Errorf("got %d", got)
		}
		h.wantLines("")
	})
}

func TestReplyOfALaterEvent(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		h.load()
		got, err := coordinator.Do(t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[string]) []record {
			s.env.Schedule("later", 10*time.Second, func() []record {
				reply.Done("timer")
				reply.Done("twice")
				return nil
			})
			return nil
		})
		if wantErr(t, err, nil); got != "timer" {
			t.Errorf("got %q", got)
		}
	})
}

func TestReadWaitsForWhatItMayHaveSeen(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		h.load()
		h.journal.CommitTo(0)
		var released atomic.Int32
		var wg sync.WaitGroup
		wg.Go(func() { h.write(t.Context(), "a"); released.Add(1) })
		synctest.Wait()
		wg.Go(func() { h.wantLines("0:a"); released.Add(1) })
		synctest.Wait()
		if n := released.Load(); n != 0 {
			t.Errorf("%d replies released before the commit", n)
		}
		h.journal.CommitTo(1)
		wg.Wait()
		if n := released.Load(); n != 2 {
			t.Errorf("%d replies released", n)
		}
		h.journal.CommitTo(1)
		wantErr(t, h.write(t.Context(), "never"), kerr.RequestTimedOut)
	})
}

func TestUnloadFailsWaitingReplies(t *testing.T) {
	for _, uncommitted := range []bool{false, true} {
		bubble(t, func(t *testing.T, h *harness) {
			h.load()
			h.journal.CommitTo(0)
			var wg sync.WaitGroup
			wg.Go(func() {
				_, err := coordinator.Do(t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[int]) []record {
					if !uncommitted {
						return nil // held by the shard
					}
					reply.Done(1)
					return []record{line("a")}
				})
				wantErr(t, err, kerr.NotCoordinator)
			})
			synctest.Wait()
			h.rt.Unload(0, -1)
			wg.Wait()
		})
	}
}

func TestCallerThatIsGoneIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		h.load()
		ctx, cancel := context.WithCancel(t.Context())
		var held *coordinator.Reply[int]
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := coordinator.Do(ctx, h.rt, 0, func(s *journalShard, reply *coordinator.Reply[int]) []record { held = reply; return nil })
			wantErr(t, err, context.Canceled)
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		coordinator.Do(t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[int]) []record {
			held.Done(1)
			reply.Done(1)
			return nil
		})
		// What was sent before the connection was closed is done all the same.
		wantErr(t, h.write(ctx, "last"), context.Canceled)
		h.wantLines("0:last")
	})
}

func TestTimersReplaceCancelAndKeepOrder(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		h.load()
		coordinator.Do(t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[int]) []record {
			reply.Done(0)
			timer := func(name string) func() []record { return func() []record { return []record{line(name)} } }
			s.env.Schedule("a", 2*time.Second, timer("a1"))
			s.env.Schedule("b", 2*time.Second, timer("b"))
			s.env.Schedule("a", 2*time.Second, timer("a2")) // now behind b
			s.env.Schedule("c", 3*time.Second, timer("c"))
			s.env.Schedule("d", time.Second, func() []record { s.env.Cancel("c"); return nil })
			s.env.Schedule("e", 4*time.Second, func() []record { s.env.Cancel("f"); return []record{line("e")} })
			s.env.Schedule("f", 4*time.Second, timer("f")) // due with e, cancelled by it
			return nil
		})
		time.Sleep(10 * time.Second)
		h.wantLines("0:b 1:a2 2:e")
	})
}

func TestTimerThatReschedulesItselfDoesNotStarveRequests(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		h.load()
		n := 0
		coordinator.Do(t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[int]) []record {
			reply.Done(0)
			var again func() []record
			again = func() []record {
				if n++; n < 1000 {
					s.env.Schedule("again", 0, again)
				}
				return nil
			}
			return again()
		})
		wantErr(t, h.write(t.Context(), "a"), nil)
		time.Sleep(time.Second)
		h.wantLines("0:a")
	})
}

func TestRequestsBeforeATimerThatIsDue(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		h.load()
		h.write(t.Context(), "first")
		// The shard is busy over the deadline; a request that came meanwhile cancels the timer.
		var wg sync.WaitGroup
		wg.Go(func() {
			coordinator.Do(t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[int]) []record {
				s.env.Schedule("session", time.Second, func() []record { return []record{line("expired")} })
				reply.Done(0)
				time.Sleep(2 * time.Second)
				return nil
			})
		})
		wg.Go(func() {
			time.Sleep(1500 * time.Millisecond)
			coordinator.Do(t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[int]) []record {
				s.env.Cancel("session")
				reply.Done(0)
				return nil
			})
		})
		wg.Wait()
		time.Sleep(5 * time.Second)
		h.wantLines("0:first")
	})
}

func TestFullQueueMakesCallersWait(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		h.load()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				_, err := coordinator.Do(t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[int]) []record {
					time.Sleep(time.Millisecond)
					reply.Done(0)
					return nil
				})
				wantErr(t, err, nil)
			})
		}
		wg.Wait()
	})
}

func TestPanicReloadsTheShardFromItsLog(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		h.load()
		h.write(t.Context(), "a")
		_, err := coordinator.Do(t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[int]) []record {
			s.lines = append(s.lines, "garbage")
			panic("bug")
		})
		wantErr(t, err, kerr.UnknownServerError)
		synctest.Wait()
		h.wantLines("0:a")
		h.poison = "poison" // of the shards built from now on
		h.rt.Unload(0, -1)
		h.load()
		wantErr(t, h.write(t.Context(), "poison"), kerr.NotCoordinator)
		synctest.Wait()
		h.wantLines("0:a")
		wantErr(t, h.write(t.Context(), "b"), nil)
		h.wantLines("0:a 2:b")
	})
}

func TestBroadcastComesBeforeLaterRequests(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		gate := make(chan struct{})
		h.journal.HoldLoads(gate)
		h.load()
		h.rt.Broadcast(func(s *journalShard) []record { return []record{line("all")} })
		close(gate)
		synctest.Wait()
		h.write(t.Context(), "one")
		h.wantLines("0:all 1:one")
	})
}

func TestNewerEpochIsUsedWithoutReload(t *testing.T) {
	bubble(t, func(t *testing.T, h *harness) {
		h.load()
		coordinator.Do(t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[int]) []record {
			s.soft = append(s.soft, "kept")
			reply.Done(0)
			return nil
		})
		h.rt.Load(0, 5)
		h.write(t.Context(), "a")
		if b := h.journal.Batches(0); b[0].LeaderEpoch() != 5 {
			t.Errorf("epoch %d", b[0].LeaderEpoch())
		}
		soft, _ := coordinator.Do(t.Context(), h.rt, 0, func(s *journalShard, reply *coordinator.Reply[int]) []record { reply.Done(len(s.soft)); return nil })
		if soft != 1 {
			t.Error("the shard was loaded again")
		}
	})
}

func TestUUIDs(t *testing.T) {
	next := coordinator.UUIDs(rand.New(rand.NewSource(1)))
	seen := make(map[string]bool)
	for range 100 {
		id := next()
		if len(id) != 36 || id[14] != '4' || !strings.ContainsRune("89ab", rune(id[19])) || seen[id] {
			t.Fatalf("bad UUID %q", id)
		}
		seen[id] = true
	}
}
