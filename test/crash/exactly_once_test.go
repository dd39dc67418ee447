//go:build linux

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kversion"
)

// transactional makes a broker do often what concerns transactions and groups, besides what it does often anyway.
var transactional = append([]string{
	"transaction.state.log.num.partitions=3", "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
	"transaction.state.log.segment.bytes=1048576", "transaction.abort.timed.out.transaction.cleanup.interval.ms=200",
	"group.min.session.timeout.ms=500", "group.consumer.session.timeout.ms=2000", "group.consumer.min.session.timeout.ms=1000",
	"group.consumer.heartbeat.interval.ms=300", "group.consumer.min.heartbeat.interval.ms=100",
}, busy...)

// TestExactlyOnceUnderKill9 is in the style of Jepsen's workload for Kafka. Producers of both transaction versions commit and abort, and die in the
// midst of it; sessions of classic groups and of the new protocol (KIP-848) read, copy and commit what they have read with the copy, and die as well; all
// values are unique. Meanwhile the broker is ended with kill -9 again and again. In the end:
//
//   - of each transaction that was acknowledged as committed all records are there, once; of the others none, or, where nobody was told, all or none;
//   - nothing that somebody has read as committed, at any time, is aborted, or elsewhere;
//   - the copies are what was copied, in order, nothing lost, nothing twice;
//   - no committed offset was ever seen to go back;
//   - no transaction is open any more, and readers of committed records can read to the end.
func TestExactlyOnceUnderKill9(t *testing.T) {
	t.Parallel()
	rng := randomFor(t)
	for left := rounds(t); left > 0; left -= roundsPerDirectory {
		if !t.Run("", func(t *testing.T) { exactlyOnceRounds(t, rng, min(left, roundsPerDirectory)) }) {
			return
		}
	}
}

func exactlyOnceRounds(t *testing.T, rng *rand.Rand, n int) {
	dir, l := filepath.Join(t.TempDir(), "data"), &line{}
	p := start(t, dir, transactional...)
	l.set(p.addr())
	e := startExactlyOnce(t, l, rng)
	for i := range n {
		if i%3 == 0 {
			e.awaitProgress()
		}
		time.Sleep(time.Duration(rng.IntN(900)) * time.Millisecond)
		l.set("")
		p.kill()
		if rng.IntN(3) == 0 { // and once more in the midst of the start
			early := spawn(t, dir, nil, transactional...)
			time.Sleep(time.Duration(rng.IntN(80)) * time.Millisecond)
			early.kill()
		}
		p = start(t, dir, transactional...)
		l.set(p.addr())
		if t.Failed() {
			return
		}
	}
	e.awaitProgress()
	e.finish()
	e.verify()
	if t.Failed() {
		return
	}
	// The same once more, by what is on the disk.
	l.set("")
	p.kill()
	p = start(t, dir, transactional...)
	l.set(p.addr())
	e.verify()
	p.stop()
}

// exactlyOnce is the clients of the test, and the ledger of what they know.
type exactlyOnce struct {
	t    *testing.T
	line *line
	ctx  context.Context // ends the writers
	stop context.CancelFunc
	work group
	// sessions copy until the writers have ended and all is copied.
	sessions     group
	sessionsCtx  context.Context
	stopSessions context.CancelFunc

	ledger
}

// Topics: written by transactions, read by the sessions, and written by them.
var inTxns = []string{"first", "second"}

const (
	copied     = "copied"
	partitions = 3
)

// copiers are the groups of sessions: the names of their transactional ids and of the topics that they write to begin with the group's.
var copiers = []copier{
	{"classic-v1", false, kversion.V3_7_0(), 2},
	{"classic-v2", false, kversion.V4_3_0(), 1},
	{"consumer-v2", true, kversion.V4_3_0(), 2},
}

func startExactlyOnce(t *testing.T, l *line, rng *rand.Rand) *exactlyOnce {
	e := &exactlyOnce{t: t, line: l}
	e.ctx, e.stop = context.WithCancel(t.Context())
	e.sessionsCtx, e.stopSessions = context.WithCancel(t.Context())
	t.Cleanup(func() { e.stop(); e.stopSessions(); e.work.Wait(); e.sessions.Wait() })
	e.ledger.init()
	admin := l.admin(t)
	for _, topic := range append([]string{copied}, inTxns...) {
		createTopic(t, admin, topic, partitions, "segment.bytes", "1048576", "index.interval.bytes", "256")
	}
	random := func() *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), 1)) }
	for name, versions := range map[string]*kversion.Versions{"v0": kversion.V2_5_0(), "v1": kversion.V3_9_0(), "v2": kversion.V4_3_0()} {
		for i := range 2 {
			r := random()
			e.work.Go(func() { e.transact(fmt.Sprintf("%s-%d", name, i), versions, r) })
		}
	}
	r := random()
	e.work.Go(func() { e.writeToCopy("plain", r) })
	for _, c := range copiers {
		createTopic(t, admin, c.out(), partitions, "segment.bytes", "1048576")
		for i := range c.members {
			r := random()
			e.sessions.Go(func() { e.copy(c, fmt.Sprintf("%s-%d", c.group, i), r) })
		}
	}
	for range 2 {
		e.sessions.Go(func() { e.readCommitted(e.sessionsCtx) })
	}
	e.sessions.Go(func() { e.watchOffsets(e.sessionsCtx) })
	return e
}

// awaitProgress waits until transactions of all kinds are committed again, and all groups copy.
func (e *exactlyOnce) awaitProgress() {
	e.t.Helper()
	before := e.progress()
	eventually(e.t, func() string {
		var stuck []string
		now := e.progress()
		for _, who := range e.who() {
			if now[who] <= before[who] {
				stuck = append(stuck, who)
			}
		}
		if len(stuck) > 0 {
			return fmt.Sprintf("no progress of %s", strings.Join(stuck, ", "))
		}
		return ""
	})
}

// who names all that must make progress.
func (e *exactlyOnce) who() []string {
	all := []string{"v0", "v1", "v2", "plain"}
	for _, c := range copiers {
		all = append(all, c.group)
	}
	return all
}

// finish ends the writers, and the sessions when they have copied all.
func (e *exactlyOnce) finish() {
	e.t.Helper()
	e.stop()
	e.work.Wait()
	admin := e.line.admin(e.t)
	defer admin.Close()
	ends, err := admin.ListEndOffsets(patient(e.t), copied)
	if err != nil {
		e.t.Fatal(err)
	}
	eventually(e.t, func() string {
		for _, c := range copiers {
			offsets, err := admin.FetchOffsets(patient(e.t), c.group)
			if err != nil {
				return err.Error()
			}
			for p := range int32(partitions) {
				end, _ := ends.Lookup(copied, p)
				if got, _ := offsets.Lookup(copied, p); got.At < end.Offset {
					return fmt.Sprintf("group %s has copied up to %d of %d in partition %d", c.group, got.At, end.Offset, p)
				}
			}
		}
		return ""
	})
	e.stopSessions()
	e.sessions.Wait()
}
