package txn

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/protocol"
)

// machine runs fn with a harness in a bubble.
func machine(t *testing.T, fn func(t *testing.T, h *harness), keys ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, keys...)
		fn(t, h)
		synctest.Wait()
		h.check()
	})
}

func (h *harness) init(id string) producer {
	h.t.Helper()
	pid, epoch, err := h.c.InitProducerID(h.t.Context(), id, 60_000, -1, -1)
	if err != nil {
		h.t.Fatalf("init %s: %v", id, err)
	}
	return producer{pid, epoch}
}

func (h *harness) add(id string, p producer, version int16, at ...topicPartition) error {
	return h.c.AddPartitions(h.t.Context(), id, p.id, p.epoch, at, version)
}

// end returns what a producer goes on with, or no producer.
func (h *harness) end(id string, p producer, commit bool, version int16) (producer, error) {
	pid, epoch, err := h.c.EndTxn(h.t.Context(), id, p.id, p.epoch, commit, version)
	return producer{pid, epoch}, err
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// before is a transactional id with producer id 7 in a state, as its log has it.
func before(s state, epoch, version int16) transaction {
	t := transaction{producerID: 7, previousProducerID: 7, nextProducerID: -1, epoch: epoch, lastEpoch: -1, timeoutMs: 60_000, state: s, startMs: 1, version: version,
		updateMs: time.Now().UnixMilli()}
	if s == ongoing {
		t.startMs = t.updateMs
	}
	if s == ongoing || s.isDecided() {
		t.partitions = map[topicPartition]struct{}{tp("t", 0): {}, tp("t", 1): {}}
	}
	return t
}

// TestEndTxnAnswers is what TransactionCoordinator.endTransaction of Kafka answers, by the state that EndTxn meets. The partitions have no leader, so
// that what is decided stays so.
func TestEndTxnAnswers(t *testing.T) {
	ok := func(epoch int16) string { return fmt.Sprintf("%+v", producer{7, epoch}) }
	mapping, fenced, invalid, concurrent := kerr.InvalidProducerIDMapping.Message, kerr.ProducerFenced.Message, kerr.InvalidTxnState.Message, kerr.ConcurrentTransactions.Message
	for _, c := range []struct {
		state         state
		last, version int16    // of the transaction before, and of the request
		epochs        [4]int16 // of the request: those that follow are answered to commit, abort
		answers       [4][2]string
	}{
		{empty, 0, 0, [4]int16{4, 5, 6}, [4][2]string{{fenced, fenced}, {invalid, invalid}, {fenced, fenced}}},
		{empty, 0, 2, [4]int16{4, 5, 6}, [4][2]string{{fenced, fenced}, {invalid, ok(6)}, {fenced, fenced}}},
		{ongoing, 0, 0, [4]int16{4, 5, 6}, [4][2]string{{fenced, fenced}, {ok(5), ok(5)}, {fenced, fenced}}},
		{ongoing, 2, 2, [4]int16{4, 5, 6}, [4][2]string{{fenced, fenced}, {ok(6), ok(6)}, {fenced, fenced}}},
		{prepareCommit, 0, 0, [4]int16{4, 5, 6}, [4][2]string{{fenced, fenced}, {concurrent, invalid}, {fenced, fenced}}},
		{prepareAbort, 0, 0, [4]int16{4, 5, 6}, [4][2]string{{fenced, fenced}, {invalid, concurrent}, {fenced, fenced}}},
		{prepareCommit, 2, 2, [4]int16{3, 4, 5}, [4][2]string{{fenced, fenced}, {concurrent, invalid}, {fenced, fenced}}},
		{prepareAbort, 2, 2, [4]int16{3, 4, 5}, [4][2]string{{fenced, fenced}, {invalid, concurrent}, {fenced, fenced}}},
		{completeCommit, 0, 0, [4]int16{4, 5, 6}, [4][2]string{{fenced, fenced}, {ok(5), invalid}, {fenced, fenced}}},
		{completeAbort, 0, 0, [4]int16{4, 5, 6}, [4][2]string{{fenced, fenced}, {invalid, ok(5)}, {fenced, fenced}}},
		// A retry has the epoch before; the epoch of now would end a transaction that has nothing yet.
		{completeCommit, 2, 2, [4]int16{3, 4, 5}, [4][2]string{{fenced, fenced}, {ok(5), invalid}, {invalid, ok(6)}}},
		{completeAbort, 2, 2, [4]int16{3, 4, 5}, [4][2]string{{fenced, fenced}, {invalid, ok(5)}, {invalid, ok(6)}}},
	} {
		for i, epoch := range c.epochs[:3] {
			for k, commit := range []bool{true, false} {
				t.Run(fmt.Sprintf("%v-v%d-v%d-epoch-%d-commit-%v", c.state, c.last, c.version, epoch, commit), func(t *testing.T) {
					machine(t, func(t *testing.T, h *harness) {
						h.setLeader(tp("t", 0), false)
						h.seed("x", before(c.state, 5, c.last))
						p, err := h.end("x", producer{7, epoch}, commit, c.version)
						got := fmt.Sprintf("%+v", p)
						if e, ok := errors.AsType[*kerr.Error](err); ok {
							got = e.Message
						}
						if got != c.answers[i][k] {
							t.Errorf("%s, want %s", got, c.answers[i][k])
						}
						_, err = h.end("x", producer{8, epoch}, commit, c.version)
						wantErr(t, "another producer id", err, kerr.InvalidProducerIDMapping)
						_, err = h.end("nobody", producer{7, epoch}, commit, c.version)
						if e, _ := errors.AsType[*kerr.Error](err); e == nil || e.Message != mapping {
							t.Errorf("an unknown transactional id: %v", err)
						}
					})
				})
			}
		}
	}
}

// TestEpochsRunOut: in version 2 each transaction takes an epoch; the last one ends with another producer id (KIP-890), also when the answer is asked for
// again, and after a restart between the decision and its markers.
func TestEpochsRunOut(t *testing.T) {
	machine(t, func(t *testing.T, h *harness) {
		h.seed("x", before(completeCommit, math.MaxInt16-2, 2))
		p := producer{7, math.MaxInt16 - 2}
		for _, want := range []producer{{7, math.MaxInt16 - 1}, {1000, 0}, {1000, 1}} {
			if err := h.add("x", p, 2, tp("t", 0)); err != nil {
				t.Fatal(err)
			}
			h.setLeader(tp("t", 0), false)
			next, err := h.end("x", p, true, 2)
			if err != nil || next != want {
				t.Fatalf("after %+v: %+v, %v", p, next, err)
			}
			_, err = h.end("x", p, true, 2)
			wantErr(t, "asked again before the markers are written", err, kerr.ConcurrentTransactions)
			h.restart()
			h.setLeader(tp("t", 0), true)
			time.Sleep(time.Second)
			if again, err := h.end("x", p, true, 2); err != nil || again != want {
				t.Errorf("asked again: %+v, %v", again, err)
			}
			p = next
		}
		if got := h.markersAt(tp("t", 0), 7); !slices.Equal(got, []bool{true, true}) {
			t.Errorf("markers %v", got)
		}
	})
}

// TestTimeOutAtTheLastEpoch: the epoch that fences the producer of a timed-out transaction is the last of its producer id. Who aborts that transaction
// must not be given it, for nothing could fence that client, nor its markers.
func TestTimeOutAtTheLastEpoch(t *testing.T) {
	machine(t, func(t *testing.T, h *harness) {
		h.seed("x", before(ongoing, math.MaxInt16-1, 2))
		time.Sleep(2 * time.Minute)
		if s := h.state("x"); s.state != completeAbort || s.epoch != math.MaxInt16 {
			t.Fatalf("%+v", s)
		}
		wantErr(t, "a transaction in the last epoch", h.add("x", producer{7, math.MaxInt16}, 2, tp("t", 0)), kerr.ProducerFenced)
		next, err := h.end("x", producer{7, math.MaxInt16 - 1}, false, 2)
		if err != nil || next != (producer{1000, 0}) {
			t.Errorf("%+v, %v", next, err)
		}
		synctest.Wait()
		if again, err := h.end("x", producer{7, math.MaxInt16 - 1}, false, 2); err != nil || again != next {
			t.Errorf("asked again: %+v, %v", again, err)
		}
		if err := h.add("x", next, 2, tp("t", 0)); err != nil {
			t.Error(err)
		}
	})
}

// TestInitProducerID is TransactionCoordinator.prepareInitProducerIdTransit of Kafka: who goes on with which epoch (KIP-360).
func TestInitProducerID(t *testing.T) {
	none := producer{-1, -1}
	for name, c := range map[string]struct {
		before   *transaction
		expected producer
		want     producer
		err      error
	}{
		"new":                             {nil, none, producer{1000, 0}, nil},
		"new-with-an-old-producer":        {nil, producer{5, 3}, producer{1000, 0}, nil},
		"after-commit":                    {new(before(completeCommit, 5, 2)), none, producer{7, 6}, nil},
		"open":                            {new(before(ongoing, 5, 0)), none, producer{7, 7}, nil},
		"decided":                         {new(before(prepareCommit, 5, 0)), none, producer{7, 6}, nil},
		"goes-on":                         {new(before(completeAbort, 5, 0)), producer{7, 5}, producer{7, 6}, nil},
		"goes-on-with-an-older-epoch":     {new(before(completeAbort, 5, 0)), producer{7, 4}, none, kerr.ProducerFenced},
		"goes-on-with-another-id":         {new(before(completeAbort, 5, 0)), producer{8, 5}, none, kerr.ProducerFenced},
		"exhausted":                       {new(before(completeAbort, math.MaxInt16-1, 0)), none, producer{1000, 0}, nil},
		"exhausted-goes-on":               {new(before(completeAbort, math.MaxInt16-1, 0)), producer{7, math.MaxInt16 - 1}, producer{1000, 0}, nil},
		"exhausted-by-the-fence":          {new(before(ongoing, math.MaxInt16-1, 0)), none, producer{1000, 0}, nil},
		"almost-exhausted":                {new(before(completeAbort, math.MaxInt16-2, 0)), none, producer{7, math.MaxInt16 - 1}, nil},
		"exhausted-goes-on-in-vain":       {new(before(completeAbort, math.MaxInt16-1, 0)), producer{7, 3}, none, kerr.ProducerFenced},
		"open-goes-on-is-fenced-by-it":    {new(before(ongoing, 5, 0)), producer{7, 5}, none, kerr.ProducerFenced},
		"open-goes-on-with-another-epoch": {new(before(ongoing, 5, 0)), producer{6, 5}, none, kerr.ProducerFenced},
	} {
		t.Run(name, func(t *testing.T) {
			machine(t, func(t *testing.T, h *harness) {
				if c.before != nil {
					h.seed("x", *c.before)
				}
				pid, epoch, err := h.c.InitProducerID(t.Context(), "x", 1000, c.expected.id, c.expected.epoch)
				if got := (producer{pid, epoch}); got != c.want || !errors.Is(err, c.err) {
					t.Errorf("%+v, %v; want %+v, %v", got, err, c.want, c.err)
				}
				if c.expected == none || err != nil || c.before == nil {
					return
				}
				// The answer is lost, and asked for again.
				pid, epoch, err = h.c.InitProducerID(t.Context(), "x", 1000, c.expected.id, c.expected.epoch)
				if got := (producer{pid, epoch}); got != c.want || err != nil {
					t.Errorf("asked again: %+v, %v; want %+v", got, err, c.want)
				}
			})
		})
	}
	machine(t, func(t *testing.T, h *harness) {
		for _, timeoutMs := range []int32{0, -1, 900_001} {
			_, _, err := h.c.InitProducerID(t.Context(), "x", timeoutMs, -1, -1)
			wantErr(t, "time-out", err, kerr.InvalidTransactionTimeout)
		}
		_, _, err := h.c.InitProducerID(t.Context(), "", 1000, -1, -1)
		wantErr(t, "empty id", err, kerr.InvalidRequest)
		h.numPart = 0
		_, _, err = h.c.InitProducerID(t.Context(), "x", 1000, -1, -1)
		wantErr(t, "no topic", err, kerr.NotCoordinator)
		h.numPart = 2
	})
}

// TestDecidedTransactionWaitsForItsPartitions: what is decided is ended as decided in each partition as soon as it has a leader, whatever the requests
// meanwhile and however often the coordinator is loaded; a partition that is deleted is not waited for.
func TestDecidedTransactionWaitsForItsPartitions(t *testing.T) {
	for _, version := range []int16{0, 2} {
		for _, commit := range []bool{true, false} {
			t.Run(fmt.Sprintf("v%d-%v", version, commit), func(t *testing.T) {
				machine(t, func(t *testing.T, h *harness) {
					p := h.init("x")
					gone, lost, fine := tp("gone", 0), tp("t", 0), tp("t", 1)
					if err := h.add("x", p, version, gone, lost, fine); err != nil {
						t.Fatal(err)
					}
					h.setLeader(lost, false)
					h.setLeader(gone, false)
					next, err := h.end("x", p, commit, version)
					if err != nil {
						t.Fatal(err)
					}
					for range 3 {
						h.restart()
						wantErr(t, "the next transaction", h.add("x", next, version, fine), kerr.ConcurrentTransactions)
						_, err := h.c.VerifyPartitions(t.Context(), "x", next.id, next.epoch, []topicPartition{fine})
						wantErr(t, "verify", err, kerr.ConcurrentTransactions)
						_, _, err = h.c.InitProducerID(t.Context(), "x", 1000, -1, -1)
						wantErr(t, "init", err, kerr.ConcurrentTransactions)
						h.reload()
						time.Sleep(time.Minute)
					}
					h.mu.Lock()
					delete(h.leaderless, lost)
					h.deleted[gone] = true
					h.mu.Unlock()
					time.Sleep(time.Second)
					want := completeAbort
					if commit {
						want = completeCommit
					}
					if s := h.state("x"); s.state != want {
						t.Errorf("%+v", s)
					}
					for _, at := range []topicPartition{lost, fine} {
						if got := h.markersAt(at, p.id); len(got) == 0 || slices.Contains(got, !commit) {
							t.Errorf("%v: markers %v", at, got)
						}
					}
					if err := h.add("x", next, version, fine); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// TestMarkersUnderWayAtAReload: the coordinator is loaded anew while its markers are under way. Were the transaction complete before they arrive, they
// would end the next transaction of the producer, which in version 1 has the same epoch.
func TestMarkersUnderWayAtAReload(t *testing.T) {
	for _, moved := range []int32{0, 1} {
		t.Run(fmt.Sprint("leader-moved-", moved), func(t *testing.T) {
			machine(t, func(t *testing.T, h *harness) {
				held := map[int]chan struct{}{1: make(chan struct{}), 2: make(chan struct{})} // requests with markers, by number
				h.intercept = func(_ *markersRequest, apply func()) (lost, err error) {
					n := h.sent()
					if release := held[n]; release != nil {
						<-release
					}
					apply()
					return nil, nil
				}
				at := tp("t", 0)
				p := h.init("x")
				write := func() *transactionInLog {
					x := &transactionInLog{ended: map[topicPartition]string{}}
					err := h.add("x", p, 0, at)
					if err == nil {
						err = h.append("x", p, 0, at, x)
					}
					if isAny(err, kerr.ConcurrentTransactions) {
						return nil
					}
					if err != nil {
						t.Fatal(err)
					}
					return x
				}
				first := write()
				if _, err := h.end("x", p, true, 0); err != nil {
					t.Fatal(err)
				}
				h.mu.Lock()
				h.moved = moved
				h.mu.Unlock()
				h.epoch-- // the same epoch: it was the shard that had failed
				h.reload()
				var second *transactionInLog
				for _, release := range []int{1 + int(moved), 2 - int(moved)} { // the first request last, when both can be under way
					close(held[release])
					time.Sleep(time.Second)
					if second == nil {
						second = write()
					}
				}
				time.Sleep(time.Second)
				if first.ended[at] != "commit" || second.ended[at] != "" {
					t.Errorf("the first transaction: %s, the second, which is open: %s", first.ended[at], second.ended[at])
				}
			})
		})
	}
}

// TestTimedOutTransaction is aborted by the coordinator, with an epoch that keeps its producer out.
func TestTimedOutTransaction(t *testing.T) {
	for _, version := range []int16{0, 2} {
		t.Run(fmt.Sprint("v", version), func(t *testing.T) {
			machine(t, func(t *testing.T, h *harness) {
				p := h.init("x")
				x := &transactionInLog{ended: map[topicPartition]string{}}
				if err := errors.Join(h.add("x", p, version, tp("t", 0)), h.append("x", p, version, tp("t", 0), x)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(59 * time.Second)
				h.restart() // which does not begin it anew
				if s := h.state("x"); s.state != ongoing {
					t.Errorf("too early: %+v", s)
				}
				time.Sleep(13 * time.Second)
				if s := h.state("x"); s.state != completeAbort || s.epoch != p.epoch+1 || x.ended[tp("t", 0)] != "abort" {
					t.Errorf("%+v, %v", s, x.ended)
				}
				_, err := h.end("x", p, true, version)
				want := kerr.ProducerFenced
				if version >= 2 { // it looks like the retry of an abort
					want = kerr.InvalidTxnState
				}
				wantErr(t, "commit", err, want)
				wantErr(t, "add", h.add("x", p, version, tp("t", 0)), kerr.ProducerFenced)
			})
		})
	}
}

// TestExpiration: an id goes after transactional.id.expiration.ms, with a tombstone, unless it is in use.
func TestExpiration(t *testing.T) {
	machine(t, func(t *testing.T, h *harness) {
		h.init("idle")
		h.setLeader(tp("t", 0), false)
		p := h.init("decided")
		if err := h.add("decided", p, 0, tp("t", 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := h.end("decided", p, true, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		h.init("used")
		time.Sleep(45 * time.Minute)
		_, err := h.c.Describe(t.Context(), "idle")
		wantErr(t, "describe", err, kerr.TransactionalIDNotFound)
		for _, id := range []string{"used", "decided"} {
			if _, err := h.c.Describe(t.Context(), id); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		if p := h.init("idle"); p.epoch != 0 {
			t.Errorf("%+v", p)
		}
	}, "transactional.id.expiration.ms", "3600000", "transaction.remove.expired.transaction.cleanup.interval.ms", "60000")
}

// TestNothingHappensThatIsNotInTheLog: an append that fails leaves the transactional id as it was, and no marker is sent.
func TestNothingHappensThatIsNotInTheLog(t *testing.T) {
	machine(t, func(t *testing.T, h *harness) {
		p := h.init("x")
		for journal, want := range map[error]error{
			kerr.NotEnoughReplicas: kerr.CoordinatorNotAvailable, kerr.KafkaStorageError: kerr.NotCoordinator, kerr.NotLeaderForPartition: kerr.NotCoordinator,
			kerr.MessageTooLarge: kerr.UnknownServerError,
		} {
			before := h.state("x")
			h.journal.FailAppends(journal)
			_, _, err := h.c.InitProducerID(t.Context(), "x", 1000, -1, -1)
			wantErr(t, "init", err, want)
			wantErr(t, "add", h.add("x", p, 2, tp("t", 0)), want)
			_, err = h.end("x", p, false, 2)
			wantErr(t, "end", err, want)
			h.journal.FailAppends(nil)
			if diff := cmp.Diff(before, h.state("x"), cmp.AllowUnexported(transaction{})); diff != "" {
				t.Error(diff)
			}
		}
		if err := h.add("x", p, 2, tp("t", 0)); err != nil {
			t.Fatal(err)
		}
		h.journal.FailAppends(kerr.NotEnoughReplicas)
		_, err := h.end("x", p, true, 2)
		wantErr(t, "end", err, kerr.CoordinatorNotAvailable)
		time.Sleep(10 * time.Minute) // nor can it be aborted for its time-out
		if n := h.sent(); n > 0 {
			t.Errorf("%d requests with markers", n)
		}
		h.journal.FailAppends(nil)
		time.Sleep(time.Minute)
		if s := h.state("x"); s.state != completeAbort {
			t.Errorf("%+v", s)
		}
	})
}

// TestVerifyAndList: what a broker asks before it appends, and what administrators ask.
func TestVerifyAndList(t *testing.T) {
	machine(t, func(t *testing.T, h *harness) {
		p := h.init("x")
		if err := h.add("x", p, 0, tp("t", 0), tp("a", 3)); err != nil {
			t.Fatal(err)
		}
		errs, err := h.c.VerifyPartitions(t.Context(), "x", p.id, p.epoch, []topicPartition{tp("t", 0), tp("t", 1), tp("a", 3)})
		if err != nil || errs[0] != nil || !errors.Is(errs[1], kerr.TransactionAbortable) || errs[2] != nil {
			t.Errorf("%v, %v", errs, err)
		}
		_, err = h.c.VerifyPartitions(t.Context(), "x", p.id, p.epoch-1, []topicPartition{tp("t", 0)})
		wantErr(t, "older epoch", err, kerr.ProducerFenced)
		_, err = h.c.VerifyPartitions(t.Context(), "x", p.id+1, p.epoch, []topicPartition{tp("t", 0)})
		wantErr(t, "other id", err, kerr.InvalidProducerIDMapping)
		time.Sleep(3 * time.Second)
		h.init("y")
		for name, c := range map[string]struct {
			f       Filter
			want    []string
			unknown []string
		}{
			"all":      {Filter{DurationMs: -1}, []string{"x", "y"}, nil},
			"state":    {Filter{DurationMs: -1, States: []string{"Ongoing", "Sleeping"}}, []string{"x"}, []string{"Sleeping"}},
			"producer": {Filter{DurationMs: -1, ProducerIDs: []int64{p.id}}, []string{"x"}, nil},
			"duration": {Filter{DurationMs: 2999, States: []string{"Ongoing"}}, []string{"x"}, nil},
			"shorter":  {Filter{DurationMs: 3000, States: []string{"Ongoing"}}, nil, nil},
			"match":    {Filter{DurationMs: -1, Match: func(id string) bool { return id == "y" }}, []string{"y"}, nil},
		} {
			found, unknown, err := h.c.List(t.Context(), c.f)
			var ids []string
			for _, d := range found {
				ids = append(ids, d.ID)
			}
			if err != nil || !slices.Equal(ids, c.want) || !slices.Equal(unknown, c.unknown) {
				t.Errorf("%s: %v, %v, %v", name, ids, unknown, err)
			}
		}
		d, err := h.c.Describe(t.Context(), "x")
		if err != nil || d.State != "Ongoing" || !slices.Equal(d.Partitions, []topicPartition{tp("a", 3), tp("t", 0)}) {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

// FuzzDecode: a record of __transaction_state may hold anything; what is understood is written back as it was understood.
func FuzzDecode(f *testing.F) {
	for _, s := range []state{empty, ongoing, prepareCommit, completeAbort} {
		r := encode("x", before(s, 5, 2))
		f.Add(r.Key, r.Value)
	}
	f.Add(tombstone("x").Key, []byte(nil))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		id, txn, err := decode(protocol.Record{Key: key, Value: value})
		if err != nil || txn == nil {
			return
		}
		again, copied, err := decode(encode(id, *txn))
		if err != nil || again != id {
			t.Fatalf("%q: %v", again, err)
		}
		if diff := cmp.Diff(txn, copied, cmp.AllowUnexported(transaction{})); diff != "" {
			t.Error(diff)
		}
	})
}
