package blackbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// txnVersions are clients before transactions were verified, before transaction version 2, and with it (KIP-890).
var txnVersions = map[string]*kversion.Versions{"0.11": kversion.V0_11_0(), "2.5": kversion.V2_5_0(), "3.7": kversion.V3_7_0(), "3.9": kversion.V3_9_0(), "4.3": kversion.V4_3_0()}

// transact writes records in a transaction and ends it.
func transact(t *testing.T, cl *kgo.Client, topic string, how kgo.TransactionEndTry, values ...string) {
	t.Helper()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, cl, topic, values...)
	if err := cl.EndTransaction(within(t), how); err != nil {
		t.Fatalf("end: %v", err)
	}
}

func texts(records []*kgo.Record) []string {
	var all []string
	for _, r := range records {
		all = append(all, string(r.Value))
	}
	slices.Sort(all)
	return all
}

// TestTransactions commits and aborts in turn; who reads committed sees what was committed, who does not sees all.
func TestTransactions(t *testing.T) {
	n := start(t, t.TempDir())
	for name, v := range txnVersions {
		t.Run(name, func(t *testing.T) {
			topic := "txn-" + name
			cl := n.franz(t, kgo.MaxVersions(v), kgo.TransactionalID(topic))
			var committed, all []string
			for i := range 10 {
				values := numbered(strconv.Itoa(i), 7)
				all = append(all, values...)
				if i%3 == 2 {
					transact(t, cl, topic, kgo.TryAbort, values...)
				} else {
					transact(t, cl, topic, kgo.TryCommit, values...)
					committed = append(committed, values...)
				}
			}
			slices.Sort(all)
			slices.Sort(committed)
			from := kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())
			if got := texts(poll(t, n.franz(t, kgo.MaxVersions(v), kgo.ConsumeTopics(topic), from), len(all))); !slices.Equal(got, all) {
				t.Errorf("read uncommitted: %v", got)
			}
			rc := n.franz(t, kgo.MaxVersions(v), kgo.ConsumeTopics(topic), from, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
			if got := texts(poll(t, rc, len(committed))); !slices.Equal(got, committed) {
				t.Errorf("read committed: %v", got)
			}
		})
	}
}

// TestOpenTransactionHoldsReadersBack: the last stable offset stays before an open transaction, and moves when it ends.
func TestOpenTransactionHoldsReadersBack(t *testing.T) {
	n := start(t, t.TempDir(), "num.partitions", "1")
	cl := n.franz(t, kgo.TransactionalID("open"))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, cl, "held", "in")
	produce(t, n.franz(t), "held", "after")
	admin := kadm.NewClient(n.franz(t))
	stable := func() int64 {
		t.Helper()
		at, err := admin.ListCommittedOffsets(within(t), "held")
		if err != nil {
			t.Fatal(err)
		}
		o, _ := at.Lookup("held", 0)
		return o.Offset
	}
	if got := stable(); got != 0 {
		t.Errorf("the last stable offset is %d, want 0", got)
	}
	d, err := admin.DescribeTransactions(within(t), "open")
	if err != nil || d["open"].State != "Ongoing" || len(d["open"].Topics) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	l, err := admin.ListTransactions(within(t), nil, []string{"Ongoing"})
	if err != nil || len(l) != 1 || l["open"].ProducerID != d["open"].ProducerID {
		t.Errorf("%+v, %v", l, err)
	}
	if err := cl.EndTransaction(within(t), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if got := stable(); got != 3 { // in, after, marker
		t.Errorf("the last stable offset is %d, want 3", got)
	}
}

// TestTransactionsSurviveARestart: an open transaction can be committed afterwards, and what was decided stays so.
func TestTransactionsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	n := start(t, dir, "num.partitions", "1")
	transact(t, n.franz(t, kgo.TransactionalID("a")), "kept", kgo.TryAbort, "aborted")
	transact(t, n.franz(t, kgo.TransactionalID("a")), "kept", kgo.TryCommit, "committed")
	// The transaction of b is still open when the broker stops.
	b := n.franz(t, kgo.TransactionalID("b"))
	if err := b.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	produce(t, b, "kept", "open")
	id, epoch, err := b.ProducerID(within(t))
	if err != nil {
		t.Fatal(err)
	}
	n.stop()

	n = start(t, dir, "num.partitions", "1")
	end := kmsg.NewPtrEndTxnRequest()
	end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = "b", id, epoch, true
	resp, err := end.RequestWith(within(t), n.franz(t))
	if err != nil || resp.ErrorCode != 0 {
		t.Fatalf("%+v, %v", resp, err)
	}
	rc := n.franz(t, kgo.ConsumeTopics("kept"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if got := texts(poll(t, rc, 2)); !slices.Equal(got, []string{"committed", "open"}) {
		t.Errorf("%v", got)
	}
}

// TestZombieIsFenced: the first producer of a transactional id can do nothing after a second one has come, whose coming aborts what it left open.
func TestZombieIsFenced(t *testing.T) {
	n := start(t, t.TempDir(), "num.partitions", "1")
	for name, v := range txnVersions {
		t.Run(name, func(t *testing.T) {
			topic := "fence-" + name
			zombie := n.franz(t, kgo.MaxVersions(v), kgo.TransactionalID(topic))
			if err := zombie.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			produce(t, zombie, topic, "lost")
			transact(t, n.franz(t, kgo.MaxVersions(v), kgo.TransactionalID(topic)), topic, kgo.TryCommit, "kept")
			err := zombie.ProduceSync(within(t), &kgo.Record{Topic: topic, Value: []byte("lost")}).FirstErr()
			if err == nil {
				err = zombie.EndTransaction(within(t), kgo.TryCommit)
			}
			if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) && !errors.Is(err, kerr.InvalidTxnState) && !errors.Is(err, kerr.InvalidProducerIDMapping) {
				t.Errorf("the zombie: %v", err)
			}
			rc := n.franz(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
			if got := texts(poll(t, rc, 1)); !slices.Equal(got, []string{"kept"}) {
				t.Errorf("%v", got)
			}
		})
	}
}

// TestTimedOutTransactionIsAborted: a producer that has left is not waited for longer than it asked.
func TestTimedOutTransactionIsAborted(t *testing.T) {
	n := start(t, t.TempDir(), "num.partitions", "1", "transaction.abort.timed.out.transaction.cleanup.interval.ms", "20")
	var cl *kgo.Client
	id := ""
	for timeout := 50 * time.Millisecond; ; timeout *= 4 { // until the record is written in time
		id = fmt.Sprint("slow-", timeout)
		cl = n.franz(t, kgo.TransactionalID(id), kgo.TransactionTimeout(timeout))
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		err := cl.ProduceSync(within(t), &kgo.Record{Topic: "slow", Value: []byte("x")}).FirstErr()
		if err == nil {
			break
		}
		if timeout > deadline {
			t.Fatal(err)
		}
	}
	admin := kadm.NewClient(n.franz(t))
	for ctx := within(t); ; {
		d, err := admin.DescribeTransactions(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if d[id].State == "CompleteAbort" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := cl.EndTransaction(within(t), kgo.TryCommit); err == nil {
		t.Error("a transaction that was aborted could be committed")
	}
	late := n.franz(t, kgo.TransactionalID("late"), kgo.TransactionTimeout(24*time.Hour))
	if err := late.BeginTransaction(); !errors.Is(err, kerr.InvalidTransactionTimeout) {
		t.Errorf("a time-out above transaction.max.timeout.ms: %v", err)
	}
}

// TestConsumeTransformProduce is the exactly-once loop: what is read, and what is made of it, counts together, whatever is aborted on the way.
func TestConsumeTransformProduce(t *testing.T) {
	t.Parallel()
	n := start(t, t.TempDir())
	for name, v := range txnVersions {
		t.Run(name, func(t *testing.T) {
			in, out := "in-"+name, "out-"+name
			produce(t, n.franz(t), in, numbered("r", 200)...)
			s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(n.addr), kgo.MaxVersions(v), kgo.AllowAutoTopicCreation(), kgo.DisableClientMetrics(), kgo.FetchMaxWait(100*time.Millisecond),
				kgo.TransactionalID("etl-"+name), kgo.ConsumerGroup("etl-"+name), kgo.ConsumeTopics(in), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
				kgo.FetchIsolationLevel(kgo.ReadCommitted()))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			ctx := within(t)
			for done, round := 0, 0; done < 200; round++ {
				fetches := s.PollRecords(ctx, 23)
				if err := fetches.Err(); err != nil {
					t.Fatal(err)
				}
				if err := s.Begin(); err != nil {
					t.Fatal(err)
				}
				for _, r := range fetches.Records() {
					s.Produce(ctx, &kgo.Record{Topic: out, Value: r.Value}, nil)
				}
				how := kgo.TryCommit
				if round%4 == 1 {
					how = kgo.TryAbort
				}
				committed, err := s.End(ctx, how)
				if err != nil {
					t.Fatal(err)
				}
				if committed {
					done += fetches.NumRecords()
				}
			}
			rc := n.franz(t, kgo.ConsumeTopics(out), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
			want := numbered("r", 200)
			slices.Sort(want)
			if got := texts(poll(t, rc, 200)); !slices.Equal(got, want) {
				t.Errorf("%v", got)
			}
			offsets, err := kadm.NewClient(n.franz(t)).FetchOffsets(context.Background(), "etl-"+name)
			sum := int64(0)
			offsets.Each(func(o kadm.OffsetResponse) { sum += o.At })
			if err != nil || sum != 200 {
				t.Errorf("committed offsets sum to %d: %v", sum, err)
			}
		})
	}
}

// TestManyTransactionsAtOnce has producers commit side by side, as fast as they can.
func TestManyTransactionsAtOnce(t *testing.T) {
	n := start(t, t.TempDir(), "num.partitions", "6")
	const producers, rounds = 20, 20
	errs := make(chan error, producers)
	for p := range producers {
		cl := n.franz(t, kgo.TransactionalID(fmt.Sprint("many-", p)))
		go func() {
			errs <- func() error {
				for r := range rounds {
					if err := cl.BeginTransaction(); err != nil {
						return err
					}
					for k := range 3 {
						cl.Produce(context.Background(), &kgo.Record{Topic: "many", Value: fmt.Appendf(nil, "%d-%d-%d", p, r, k)}, func(_ *kgo.Record, err error) {
							if err != nil {
								t.Errorf("producer %d round %d: %v", p, r, err)
							}
						})
					}
					if err := cl.Flush(context.Background()); err != nil {
						return err
					}
					if err := cl.EndTransaction(context.Background(), kgo.TransactionEndTry(r%2 == 0)); err != nil {
						return fmt.Errorf("producer %d round %d: %w", p, r, err)
					}
				}
				return nil
			}()
		}()
	}
	for range producers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	rc := n.franz(t, kgo.ConsumeTopics("many"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	want := producers * rounds / 2 * 3
	if got := slices.Compact(texts(poll(t, rc, want))); len(got) != want {
		t.Errorf("%d records, want %d", len(got), want)
	}
}
