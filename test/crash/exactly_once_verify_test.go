//go:build linux

package crash

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ledger is what the clients know: the transactions they began and how these ended, what was read as committed, and how often they got somewhere.
type ledger struct {
	mu    sync.Mutex // guards all
	txns  map[string]*began
	seen  map[place]string
	times map[string]int
}

type began struct {
	values  []string
	outcome outcome
}

func (l *ledger) init() {
	l.txns, l.seen, l.times = map[string]*began{}, map[place]string{}, map[string]int{}
}

// begin notes a transaction of n values, which it makes up.
func (l *ledger) begin(name string, n int) (values []string) {
	for i := range n {
		values = append(values, fmt.Sprintf("%s/%d", name, i))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.txns[name] = &began{values: values}
	return values
}

func (l *ledger) end(name string, o outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.txns[name].outcome = o
}

func (l *ledger) count(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times[who]++
}

func (l *ledger) progress() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.times)
}

// saw notes a record that a reader was given as committed: another reader must have been given the same.
func (l *ledger) saw(at place, value string, t *testing.T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, ok := l.seen[at]; ok && before != value {
		t.Errorf("%s-%d offset %d was read as %s and then as %s", at.topic, at.partition, at.offset, before, value)
	}
	l.seen[at] = value
}

// verify reads everything and compares it with the ledger. Nothing may be written meanwhile.
func (e *exactlyOnce) verify() {
	e.t.Helper()
	e.awaitNoTransaction()
	e.verifyTransactions()
	source := map[int32][]string{}
	e.readAllCommitted(copied, func(r *kgo.Record) { source[r.Partition] = append(source[r.Partition], string(r.Value)) })
	for _, c := range copiers {
		e.verifyCopy(c, source)
	}
}

// awaitNoTransaction waits until the last clients' transactions are aborted: they have timed out.
func (e *exactlyOnce) awaitNoTransaction() {
	e.t.Helper()
	admin := e.line.admin(e.t)
	defer admin.Close()
	topics := append([]string{copied}, inTxns...)
	for _, c := range copiers {
		topics = append(topics, c.out())
	}
	eventually(e.t, func() string {
		ctx := patient(e.t)
		open, err := admin.ListTransactions(ctx, nil, []string{"Ongoing", "PrepareCommit", "PrepareAbort"})
		if err != nil {
			return err.Error()
		}
		if len(open) > 0 {
			return fmt.Sprintf("transactions that do not end: %v", open.TransactionalIDs())
		}
		stable, err := admin.ListCommittedOffsets(ctx, topics...)
		if err != nil {
			return err.Error()
		}
		ends, err := admin.ListEndOffsets(ctx, topics...)
		if err != nil {
			return err.Error()
		}
		why := ""
		ends.Each(func(end kadm.ListedOffset) {
			if s, _ := stable.Lookup(end.Topic, end.Partition); s.Offset != end.Offset || s.Err != nil || end.Err != nil {
				why = fmt.Sprintf("no transaction is open, and the last stable offset of %s-%d is %d (%v), the end %d (%v)", end.Topic, end.Partition, s.Offset, s.Err, end.Offset, end.Err)
			}
		})
		return why
	})
}

func (e *exactlyOnce) verifyTransactions() {
	t := e.t
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	bad := 0
	complain := func(format string, args ...any) {
		t.Helper()
		if bad++; bad <= 20 {
			t.Errorf(format, args...)
		}
	}
	found := map[string]place{}
	unseen := maps.Clone(e.seen)
	type stream struct {
		id, topic string
		partition int32
	}
	last := map[stream][2]int{}
	for _, topic := range inTxns {
		e.readAllCommitted(topic, func(r *kgo.Record) {
			at, value := place{r.Topic, r.Partition, r.Offset}, string(r.Value)
			if first, twice := found[value]; twice {
				complain("%s is at %v and again at %v", value, first, at)
			}
			found[value] = at
			if was, ok := unseen[at]; ok && was != value {
				complain("%v was read as %s and is %s", at, was, value)
			}
			delete(unseen, at)
			var n, k int
			id, numbers, _ := strings.Cut(value, "/")
			if _, err := fmt.Sscanf(numbers, "%d/%d", &n, &k); err != nil {
				complain("%v holds what nobody wrote: %s", at, value)
			}
			s := stream{id, r.Topic, r.Partition}
			if before := last[s]; n < before[0] || n == before[0] && k <= before[1] && before != [2]int{} {
				complain("%v: %s after %s/%d/%d", at, value, id, before[0], before[1])
			}
			last[s] = [2]int{n, k}
		})
	}
	for at, value := range unseen {
		complain("%s was read at %v as committed and is not", value, at)
	}
	counts := map[outcome]int{}
	for name, txn := range e.txns {
		there := 0
		for _, v := range txn.values {
			if _, ok := found[v]; ok {
				there++
			}
		}
		counts[txn.outcome]++
		switch {
		case txn.outcome == committed && there < len(txn.values):
			complain("transaction %s was committed, and %d of its %d records are there", name, there, len(txn.values))
		case txn.outcome == aborted && there > 0:
			complain("transaction %s was aborted, and %d of its %d records are there", name, there, len(txn.values))
		case there > 0 && there < len(txn.values):
			complain("transaction %s is torn: %d of its %d records are there", name, there, len(txn.values))
		}
	}
	t.Logf("%d transactions committed, %d aborted, %d of which nobody was told; %v", counts[committed], counts[aborted], counts[unknown], e.times)
}

func (e *exactlyOnce) verifyCopy(c copier, source map[int32][]string) {
	e.t.Helper()
	out := map[int32][]string{}
	e.readAllCommitted(c.out(), func(r *kgo.Record) { out[r.Partition] = append(out[r.Partition], string(r.Value)) })
	for p := range int32(partitions) {
		if slices.Equal(out[p], source[p]) {
			continue
		}
		at := 0
		for at < min(len(out[p]), len(source[p])) && out[p][at] == source[p][at] {
			at++
		}
		near := func(list []string) []string { return list[max(0, min(at-2, len(list))):min(at+6, len(list))] }
		e.t.Errorf("group %s has copied %d of %d records of partition %d; from number %d on they are %v instead of %v", c.group, len(out[p]), len(source[p]), p, at,
			near(out[p]), near(source[p]))
	}
}

// readAllCommitted reads what is committed of a topic, from the start to the end of each partition.
func (e *exactlyOnce) readAllCommitted(topic string, fn func(*kgo.Record)) {
	e.t.Helper()
	ctx := patient(e.t)
	admin := e.line.admin(e.t)
	defer admin.Close()
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		e.t.Fatal(err)
	}
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			from[o.Partition], left[o.Partition] = kgo.NewOffset().At(0), o.Offset
		}
	})
	if len(left) == 0 {
		return
	}
	// Control records tell that the end is reached, where the last transaction was aborted too.
	c := e.line.client(e.t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	defer c.Close()
	for len(left) > 0 {
		polling, cancel := context.WithTimeout(ctx, patience)
		fs := c.PollFetches(polling)
		cancel()
		if err := fs.Err(); err != nil {
			e.t.Fatalf("read %s: %v (partitions left, with their ends: %v)", topic, err, left)
		}
		for r := range fs.RecordsAll() {
			if !r.Attrs.IsControl() {
				fn(r)
			}
			if r.Offset >= left[r.Partition]-1 {
				delete(left, r.Partition)
			}
		}
	}
}
