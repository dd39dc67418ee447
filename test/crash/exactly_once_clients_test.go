//go:build linux

package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

type group = sync.WaitGroup

// mortal leads a client to the broker and can die: its connections break off without a word, as those of a process that is killed, and it gets no others.
type mortal struct {
	line *line
	ctx  context.Context // ends with the client
	end  context.CancelFunc

	mu    sync.Mutex
	dead  bool       // guarded by mu
	conns []net.Conn // guarded by mu
}

func (l *line) mortal() *mortal {
	m := &mortal{line: l}
	m.ctx, m.end = context.WithCancel(context.Background())
	return m
}

func (m *mortal) dial(ctx context.Context, network, host string) (net.Conn, error) {
	c, err := m.line.dial(ctx, network, host)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		if err == nil {
			c.Close()
		}
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	if err == nil {
		m.conns = append(m.conns, c)
	}
	return c, err
}

// die ends the client; what it has sent may still arrive.
func (m *mortal) die() {
	m.end()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	for _, c := range m.conns {
		c.Close()
	}
}

// outcome of a transaction, as its producer knows it.
type outcome int8

const (
	unknown outcome = iota
	committed
	aborted
)

// step bounds a single request of a client, so that all see the end of the test. Clients that cannot go on begin anew.
const step = 10 * time.Second

// transact writes transactions of a transactional id, one client after the other, until the test ends.
func (e *exactlyOnce) transact(id string, versions *kversion.Versions, rng *rand.Rand) {
	for n := 0; e.ctx.Err() == nil; {
		life := e.line.mortal()
		c, err := kgo.NewClient(append(patientOptions(life.dial), kgo.TransactionalID(id), kgo.MaxVersions(versions), kgo.TransactionTimeout(8*time.Second),
			kgo.ProducerLinger(0), kgo.ConnIdleTimeout(step))...)
		if err != nil {
			e.t.Error(err)
			return
		}
		for e.ctx.Err() == nil {
			n++
			if !e.transactOnce(c, life, id, fmt.Sprintf("%s/%d", id, n), rng) {
				break
			}
		}
		life.die()
		c.Close()
	}
}

// transactOnce writes one transaction and reports whether its client may go on.
func (e *exactlyOnce) transactOnce(c *kgo.Client, life *mortal, id, name string, rng *rand.Rand) bool {
	if err := c.BeginTransaction(); err != nil {
		return false
	}
	values := e.ledger.begin(name, 1+rng.IntN(12))
	var failed sync.Once
	ok := true
	for _, v := range values {
		r := &kgo.Record{Topic: inTxns[rng.IntN(len(inTxns))], Partition: rng.Int32N(partitions), Value: []byte(v)}
		c.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Do(func() { ok = false })
			}
		})
		if rng.IntN(6) == 0 {
			time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
		}
	}
	if rng.IntN(12) == 0 { // dies with an open transaction, which whoever comes next must find aborted
		e.ledger.end(name, aborted)
		return false
	}
	ctx, cancel := context.WithTimeout(life.ctx, step)
	defer cancel()
	if err := c.Flush(ctx); err != nil {
		e.ledger.end(name, aborted)
		return false
	}
	how, result := kgo.TryCommit, committed
	if !ok || rng.IntN(4) == 0 {
		how, result = kgo.TryAbort, aborted
	}
	if rng.IntN(12) == 0 { // dies while the end is on its way
		go func(pause int) {
			time.Sleep(time.Duration(pause) * time.Millisecond)
			life.die()
		}(rng.IntN(4))
	}
	err := c.EndTransaction(ctx, how)
	switch {
	case err == nil:
		e.ledger.end(name, result)
		e.ledger.count(strings.TrimSuffix(id, id[strings.LastIndexByte(id, '-'):]))
	case how == kgo.TryAbort:
		e.ledger.end(name, aborted)
	}
	return err == nil
}

// writeToCopy writes what the sessions copy: numbers, ascending in each partition.
func (e *exactlyOnce) writeToCopy(name string, rng *rand.Rand) {
	c := e.line.client(e.t, kgo.ProducerLinger(0))
	defer c.Close()
	for e.ctx.Err() == nil { // as long as it has no producer id its records may fail
		if _, _, err := c.ProducerID(e.ctx); err == nil {
			break
		}
	}
	for n := 0; e.ctx.Err() == nil; n++ {
		r := &kgo.Record{Topic: copied, Partition: rng.Int32N(partitions), Value: fmt.Appendf(nil, "%09d", n)}
		c.Produce(context.Background(), r, func(r *kgo.Record, err error) {
			if err != nil {
				e.t.Errorf("producer %s: %v", name, err)
				return
			}
			e.ledger.count(name)
		})
		time.Sleep(time.Duration(rng.IntN(6)) * time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Flush(ctx); err != nil {
		e.t.Errorf("producer %s: %v", name, err)
	}
}

// copier is a group of sessions that copy a topic, partition by partition.
type copier struct {
	group    string
	consumer bool // the new protocol
	versions *kversion.Versions
	members  int
}

func (c copier) out() string { return "out-" + c.group }

// copy is one member, client after client.
func (e *exactlyOnce) copy(c copier, id string, rng *rand.Rand) {
	for e.sessionsCtx.Err() == nil {
		life := e.line.mortal()
		opts := append(patientOptions(life.dial), kgo.TransactionalID(id), kgo.MaxVersions(c.versions), kgo.TransactionTimeout(8*time.Second), kgo.ConsumerGroup(c.group),
			kgo.ConsumeTopics(copied), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
			kgo.SessionTimeout(2*time.Second), kgo.HeartbeatInterval(300*time.Millisecond), kgo.ProducerLinger(0))
		if c.consumer {
			opts = append(opts, kgo.ServerSideBalancer())
		}
		s, err := kgo.NewGroupTransactSession(opts...)
		if err != nil {
			e.t.Error(err)
			return
		}
		for rounds := 5 + rng.IntN(60); rounds > 0 && e.sessionsCtx.Err() == nil && e.copySome(s, c, life, rng); rounds-- {
		}
		if rng.IntN(3) > 0 { // else it leaves the group
			life.die()
		}
		s.Close()
	}
}

// copySome copies what one poll returns in a transaction, and reports whether the session may go on.
func (e *exactlyOnce) copySome(s *kgo.GroupTransactSession, c copier, life *mortal, rng *rand.Rand) bool {
	polling, cancel := context.WithTimeout(e.sessionsCtx, 500*time.Millisecond)
	fs := s.PollRecords(polling, 1+rng.IntN(200))
	cancel()
	if fs.NumRecords() == 0 {
		return true
	}
	if err := s.Begin(); err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(life.ctx, step)
	defer cancel()
	var failed sync.Once
	ok := true
	for r := range fs.RecordsAll() {
		s.Produce(ctx, &kgo.Record{Topic: c.out(), Partition: r.Partition, Value: r.Value}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Do(func() { ok = false })
			}
		})
	}
	switch rng.IntN(25) {
	case 0: // dies with an open transaction
		return false
	case 1: // dies while the offsets or the end are on their way
		go func(pause int) {
			time.Sleep(time.Duration(pause) * time.Millisecond)
			life.die()
		}(rng.IntN(8))
	}
	if err := s.Client().Flush(ctx); err != nil {
		return false
	}
	done, err := s.End(ctx, kgo.TransactionEndTry(ok && rng.IntN(6) > 0))
	if err != nil {
		return false
	}
	if done {
		e.ledger.count(c.group)
	}
	return true
}

// readCommitted reads the topics of the transactions while they are written, and from the start again now and then.
func (e *exactlyOnce) readCommitted(ctx context.Context) {
	for ctx.Err() == nil {
		life := e.line.mortal()
		c, err := kgo.NewClient(append(patientOptions(life.dial), kgo.ConsumeTopics(inTxns...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
		if err != nil {
			e.t.Error(err)
			return
		}
		last := map[place]int64{}
		reading, cancel := context.WithTimeout(ctx, 5*time.Second)
		for reading.Err() == nil {
			for r := range c.PollFetches(reading).RecordsAll() {
				at := place{topic: r.Topic, partition: r.Partition}
				if before, ok := last[at]; ok && r.Offset <= before {
					e.t.Errorf("read committed: %s-%d offset %d after %d", r.Topic, r.Partition, r.Offset, before)
				}
				last[at] = r.Offset
				e.ledger.saw(place{r.Topic, r.Partition, r.Offset}, string(r.Value), e.t)
			}
		}
		cancel()
		life.die()
		c.Close()
	}
}

// watchOffsets asks for the committed offsets of the groups over and over: they must never go back.
func (e *exactlyOnce) watchOffsets(ctx context.Context) {
	admin := kadm.NewClient(e.line.client(e.t))
	defer admin.Close()
	seen := map[groupPlace]int64{}
	for ctx.Err() == nil {
		for _, c := range copiers {
			offsets, err := admin.FetchOffsets(ctx, c.group)
			if err != nil || offsets.Error() != nil {
				if ctx.Err() == nil && err != nil && !isAnswer(err) && errors.Is(err, context.DeadlineExceeded) {
					e.t.Errorf("offsets of group %s: %v", c.group, err)
				}
				continue
			}
			for p := range int32(partitions) {
				at := groupPlace{c.group, copied, p}
				got, ok := offsets.Lookup(copied, p)
				switch before, known := seen[at]; {
				case known && !ok:
					e.t.Errorf("group %s had committed %d for partition %d, and now nothing", c.group, before, p)
				case known && got.At < before:
					e.t.Errorf("group %s had committed %d for partition %d, and now %d", c.group, before, p, got.At)
				case ok:
					seen[at] = got.At
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}
