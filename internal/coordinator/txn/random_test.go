package txn

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TestRandomTransactions has producers of both transaction versions, several for each transactional id, write and end transactions, die and come back,
// while the coordinator is loaded anew, its log refuses records, partitions lose their leaders or are deleted, and markers or the answers about them are
// lost. All the while the log, replayed, gives the live state, and each record may follow the one before; no (producer id, epoch) is given to two
// producers. In the end each transaction has ended alike in all its partitions, and as its producer was told; later all ids expire.
func TestRandomTransactions(t *testing.T) {
	seeds := 10
	if testing.Short() {
		seeds = 3
	}
	first := rand.Uint64() % 1_000_000_000
	total := map[string]int{}
	for i := range uint64(seeds) {
		seed := first + i
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for what, n := range newRandomTxns(t, seed).run() {
					total[what] += n
				}
			})
		})
	}
	t.Log(total)
	for _, what := range []string{"committed", "aborted", "rotated", "fenced", "retried"} {
		if total[what] < seeds/4 {
			t.Errorf("only %d %s in %d runs: the random clients do not get anywhere", total[what], what, seeds)
		}
	}
}

type randomTxns struct {
	*harness
	work sync.WaitGroup
	stop chan struct{}

	rmu    sync.Mutex // guards the rest
	rng    *rand.Rand
	given  map[producer]string // to which client
	counts map[string]int
	txns   []*told
}

// told is a transaction, and what its producer knows of its end.
type told struct {
	transactionInLog
	name    string
	outcome string // "commit", "abort", "unknown"
}

func newRandomTxns(t *testing.T, seed uint64) *randomTxns {
	r := &randomTxns{
		harness: newHarness(t), stop: make(chan struct{}), rng: rand.New(rand.NewPCG(seed, 0)), given: map[producer]string{}, counts: map[string]int{},
	}
	r.intercept = func(_ *markersRequest, apply func()) (lost, err error) {
		r.pause(120)
		switch r.intn(8) {
		case 0:
			return nil, errors.New("not sent")
		case 1:
			apply()
			return errors.New("the answer is lost"), nil
		}
		apply()
		return nil, nil
	}
	for i, id := range []string{"a", "b", "c", "d"} { // two of them are at the end of their epochs
		if i%2 == 0 {
			r.seed(id, transaction{producerID: int64(i), previousProducerID: -1, nextProducerID: -1, epoch: math.MaxInt16 - 7 + int16(i), state: completeCommit, timeoutMs: 1000, startMs: 1})
		}
	}
	return r
}

func (r *randomTxns) intn(n int) int { r.rmu.Lock(); defer r.rmu.Unlock(); return r.rng.IntN(n) }

func (r *randomTxns) pause(upToMs int) {
	time.Sleep(time.Duration(r.intn(upToMs*1000)) * time.Microsecond)
}

func (r *randomTxns) count(what string) { r.rmu.Lock(); defer r.rmu.Unlock(); r.counts[what]++ }

func (r *randomTxns) partition() topicPartition { return tp("t", int32(r.intn(5))) }

func (r *randomTxns) run() map[string]int {
	for i, id := range []string{"a", "a", "b", "b", "c", "d"} {
		version := int16(i%2) * 2
		if id == "c" {
			version = 2
		}
		r.work.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-r.stop:
					return
				default:
				}
				r.live(fmt.Sprintf("%s/%d/%d", id, i, n), id, version)
				r.pause(2000)
			}
		})
	}
	for range 300 {
		r.disturb()
		r.pause(400)
		synctest.Wait()
		r.check()
		if r.t.Failed() {
			break
		}
	}
	r.heal()
	close(r.stop)
	r.work.Wait()
	time.Sleep(time.Minute) // the longest transaction has timed out
	synctest.Wait()
	r.verify()
	time.Sleep(8 * 24 * time.Hour)
	synctest.Wait()
	r.check()
	r.inspect(func(p int32, s *shard) {
		if len(s.txns) > 0 || len(s.waiting) > 0 {
			r.t.Errorf("partition %d: not expired: %v, waiting %v", p, s.txns, s.waiting)
		}
	})
	return r.counts
}

// disturb breaks something, or heals all.
func (r *randomTxns) disturb() {
	switch at := r.partition(); r.intn(14) {
	case 0:
		if r.intn(2) == 0 {
			r.restart()
		} else {
			r.reload()
		}
	case 1:
		r.journal.FailAppends([]error{kerr.NotEnoughReplicas, kerr.KafkaStorageError}[r.intn(2)])
	case 2, 3:
		r.mu.Lock()
		r.leaderless[at] = true
		r.mu.Unlock()
	case 4:
		r.mu.Lock()
		r.refuse = []error{kerr.RequestTimedOut, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.KafkaStorageError}[r.rng.IntN(4)]
		r.mu.Unlock()
	case 5:
		if r.intn(8) == 0 {
			r.mu.Lock()
			r.deleted[at] = true
			delete(r.logs, at)
			r.mu.Unlock()
		}
	case 6, 7, 8, 9:
		r.heal()
	}
}

func (r *randomTxns) heal() {
	r.journal.FailAppends(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.leaderless)
	clear(r.deleted)
	r.refuse = nil
}

// live is the life of one client.
func (r *randomTxns) live(name, id string, version int16) {
	pid, epoch, err := r.coordinator().InitProducerID(r.t.Context(), id, int32(1000+r.intn(9000)), -1, -1)
	if err != nil {
		return
	}
	p := producer{pid, epoch}
	r.note(p, name)
	for n := 0; r.intn(8) > 0; n++ {
		x := &told{transactionInLog: transactionInLog{ended: map[topicPartition]string{}}, name: fmt.Sprintf("%s/%d of %+v", name, n, p), outcome: "unknown"}
		r.rmu.Lock()
		r.txns = append(r.txns, x)
		r.rmu.Unlock()
		ok := r.transact(id, &p, version, x, name)
		if !ok {
			return
		}
		r.pause(100)
	}
}

// note remembers who was given a producer id and epoch.
func (r *randomTxns) note(p producer, name string) {
	r.rmu.Lock()
	defer r.rmu.Unlock()
	if other, ok := r.given[p]; ok {
		r.t.Errorf("%+v was given to %s and to %s", p, other, name)
	}
	if p.epoch == math.MaxInt16 {
		r.t.Errorf("%s was given the last epoch, which is there to fence it", name)
	}
	r.given[p] = name
}

// transact writes one transaction and reports whether the client goes on.
func (r *randomTxns) transact(id string, p *producer, version int16, x *told, name string) bool {
	wrote := false
	for range 1 + r.intn(3) {
		at := r.partition()
		if version < 2 {
			if err := r.again(func() error {
				return r.coordinator().AddPartitions(r.t.Context(), id, p.id, p.epoch, []topicPartition{at}, 0)
			}); err != nil {
				x.outcome = "abort" // never ended by us
				return false
			}
			wrote = true
		}
		if err := r.again(func() error { return r.append(id, *p, version, at, &x.transactionInLog) }); err != nil {
			x.outcome = "abort"
			return false
		}
		wrote = true
		r.pause(300)
	}
	if r.intn(6) == 0 { // dies, or is slow
		if r.intn(2) == 0 {
			x.outcome = "abort"
			return false
		}
		r.pause(20_000)
	}
	commit := r.intn(3) > 0
	if !wrote {
		commit = false
	}
	return r.endIt(id, p, version, commit, x, name)
}

func (r *randomTxns) endIt(id string, p *producer, version int16, commit bool, x *told, name string) bool {
	end := func() (producer, error) {
		var next producer
		err := r.again(func() error {
			id, epoch, err := r.coordinator().EndTxn(r.t.Context(), id, p.id, p.epoch, commit, version)
			next = producer{id, epoch}
			return err
		})
		return next, err
	}
	next, err := end()
	if err == nil && r.intn(4) == 0 { // the answer did not arrive
		r.count("retried")
		repeated, err := end()
		if err == nil && repeated != next {
			r.t.Errorf("the end of %s was answered with %+v and, asked again, with %+v", x.name, next, repeated)
		}
	}
	if !commit {
		x.outcome = "abort"
	}
	if err != nil {
		if errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerIDMapping) {
			r.count("fenced")
		}
		return false
	}
	if commit {
		x.outcome = "commit"
		r.count("committed")
	} else {
		r.count("aborted")
	}
	if next.id != p.id {
		r.count("rotated")
	}
	if version >= 2 {
		*p = next
		r.note(next, name)
	} else if next != *p {
		r.t.Errorf("%s of version 1 was answered with %+v", x.name, next)
	}
	return true
}

// again does what clients do after errors that pass.
func (r *randomTxns) again(do func() error) error {
	for range 200 {
		err := do()
		if !isAny(err, kerr.ConcurrentTransactions, kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.NotLeaderForPartition,
			kerr.NotEnoughReplicas) {
			return err
		}
		r.pause(100)
	}
	return kerr.RequestTimedOut
}

func (r *randomTxns) verify() {
	r.check()
	r.inspect(func(_ int32, s *shard) {
		for id, t := range s.txns {
			if !t.state.isIdle() {
				r.t.Errorf("transactional id %s is still %v: %+v", id, t.state, t)
			}
		}
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for at, producers := range r.logs {
		for id, p := range producers {
			if p.open != nil {
				r.t.Errorf("%v: a transaction of producer %d is still open: %+v", at, id, p)
			}
		}
	}
	for _, x := range r.txns {
		for at, how := range x.ended {
			switch {
			case how == "" && r.logs[at] == nil: // deleted
			case x.outcome != "unknown" && how != "" && how != x.outcome:
				r.t.Errorf("transaction %s, told: %s, ended with %s in %v: %v", x.name, x.outcome, how, at, x.ended)
			}
			for other, as := range x.ended {
				if how != "" && as != "" && how != as {
					r.t.Errorf("transaction %s is torn: %s in %v, %s in %v", x.name, how, at, as, other)
				}
			}
		}
	}
}
