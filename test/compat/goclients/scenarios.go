package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

type scenario struct {
	name string
	run  func(*test) error
}

var scenarios = []scenario{
	{"tutorial", tutorial}, {"records", records}, {"codecs", codecs}, {"acks", acks}, {"idempotent", idempotent}, {"big", big}, {"empty", empty},
	{"group", group}, {"commit", commit}, {"seek", seek}, {"times", times}, {"lag", lag}, {"topics", topics}, {"configs", configs}, {"groups", groups},
	{"transactions", transactions}, {"kip848", kip848}, {"kip932", kip932},
}

// test is one run of one scenario.
type test struct {
	context.Context
	driver
	client string
}

var freshN atomic.Int32

// fresh is a name (of a topic, a group) that no other scenario, client or run uses.
func (t *test) fresh(word string) string {
	return fmt.Sprintf("%s-%s-%x-%d", t.client, word, int64(os.Getpid())<<24|time.Now().UnixMilli()&0xffffff, freshN.Add(1))
}

func (t *test) create(word string, partitions int) (string, error) {
	name := t.fresh(word)
	return name, t.CreateTopic(t, name, partitions, nil)
}

// numbers are n records with the values from, from+1, … for partition 0.
func numbers(from, n int) []record {
	rs := make([]record, n)
	for i := range rs {
		rs[i].Value = fmt.Append(nil, from+i)
	}
	return rs
}

func values(rs []record) string {
	var b strings.Builder
	for _, r := range rs {
		fmt.Fprintf(&b, "%s ", r.Value)
	}
	return b.String()
}

func equal[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: got %.300v, want %.300v", what, got, want)
	}
	return nil
}

// eventually calls check until it returns nil; its last error counts when ctx or 30 s are over.
func eventually(ctx context.Context, check func() error) error {
	end := time.Now().Add(30 * time.Second)
	for {
		err := check()
		if err == nil || ctx.Err() != nil || time.Now().After(end) || errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// sendAndRead sends n numbers, twenty at a time, and reads them back.
func (t *test) sendAndRead(topic string, n int, o sendOptions) error {
	step := 20
	if o.NoAcks {
		step = n // each Send is a connection of its own, and without acknowledgements they may overtake one another
	}
	for from := 0; from < n; from += step {
		if _, err := t.Send(t, topic, numbers(from, min(step, n-from)), o); err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	got, err := t.Read(t, topic, 0, 0, n)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return equal("values", values(got), values(numbers(0, n)))
}

func tutorial(t *test) error {
	return t.sendAndRead(t.fresh("tutorial"), 10, sendOptions{}) // the topic is not created: sending to it does
}

func records(t *test) error {
	topic, err := t.create("records", 3)
	if err != nil {
		return err
	}
	var want [3][]record
	for i := range 300 {
		r := record{Partition: int32(i % 3), Offset: int64(i / 3), TimestampMs: 1600000000000 + int64(i), Key: fmt.Append(nil, "key-", i), Value: fmt.Append(nil, "value-", i)}
		r.Headers = []header{{"a", []byte("1")}, {"empty", []byte{}}, {"a", fmt.Append(nil, "again-", i)}}
		want[r.Partition] = append(want[r.Partition], r)
	}
	want[2] = append(want[2], record{Partition: 2, Offset: 100, Key: []byte("gone"), TimestampMs: 1600000001000})
	if t.client == "sarama-0.8.2" || t.client == "sarama-0.10.2" { // message sets have no headers, and 0.8.2 no timestamps
		for _, rs := range want {
			for i := range rs {
				rs[i].Headers = nil
				if t.client == "sarama-0.8.2" {
					rs[i].TimestampMs = 0
				}
			}
		}
	}
	for partition, rs := range want {
		offsets, err := t.Send(t, topic, rs, sendOptions{})
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		for i, o := range offsets {
			if err := equal("offset in the acknowledgement", o, rs[i].Offset); err != nil {
				return err
			}
		}
		got, err := t.Read(t, topic, int32(partition), 0, len(rs))
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		for i := range rs {
			if err := same(got[i], rs[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func same(got, want record) error {
	ok := got.Partition == want.Partition && got.Offset == want.Offset && bytes.Equal(got.Key, want.Key) && bytes.Equal(got.Value, want.Value) &&
		(got.Value == nil) == (want.Value == nil) && (want.TimestampMs == 0 || got.TimestampMs == want.TimestampMs) &&
		slices.EqualFunc(got.Headers, want.Headers, func(a, b header) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) })
	if !ok {
		return fmt.Errorf("record: got %+v, want %+v", got, want)
	}
	return nil
}

func codecs(t *test) error {
	for _, codec := range t.Codecs() {
		topic, err := t.create("codecs-"+codec, 1)
		if err != nil {
			return err
		}
		want := make([]record, 200)
		for i := range want {
			want[i].Value = fmt.Append(nil, codec, i, strings.Repeat(" squeeze me", 20))
		}
		if _, err := t.Send(t, topic, want, sendOptions{Codec: codec}); err != nil {
			return fmt.Errorf("%s: send: %w", codec, err)
		}
		for _, offset := range []int64{0, 77, 199} { // inside the batch, too
			got, err := t.Read(t, topic, 0, offset, len(want)-int(offset))
			if err != nil {
				return fmt.Errorf("%s: read: %w", codec, err)
			}
			if err := equal(codec, values(got), values(want[offset:])); err != nil {
				return err
			}
		}
	}
	return nil
}

func acks(t *test) error {
	for _, o := range []sendOptions{{NoAcks: true}, {Acks: 1}, {Acks: -1}} {
		topic, err := t.create("acks", 1)
		if err != nil {
			return err
		}
		if err := t.sendAndRead(topic, 100, o); err != nil {
			return fmt.Errorf("acks=%d: %w", o.acks(), err)
		}
	}
	return nil
}

func idempotent(t *test) error {
	topic, err := t.create("idempotent", 1)
	if err != nil {
		return err
	}
	return t.sendAndRead(topic, 500, sendOptions{Idempotent: true})
}

func big(t *test) error {
	topic, err := t.create("big", 1)
	if err != nil {
		return err
	}
	value := bytes.Repeat([]byte("0123456789abcde\n"), 62400) // just below max.message.bytes
	for range 3 {
		if _, err := t.Send(t, topic, []record{{Value: value}}, sendOptions{}); err != nil {
			return err
		}
	}
	got, err := t.Read(t, topic, 0, 0, 3)
	if err != nil {
		return err
	}
	for _, r := range got {
		if !bytes.Equal(r.Value, value) {
			return errors.New("a big record came back changed")
		}
	}
	if _, err = t.Send(t, topic, []record{{Value: make([]byte, 2<<20)}}, sendOptions{}); err == nil {
		return errors.New("a record beyond max.message.bytes was accepted")
	} else if !strings.Contains(strings.ToLower(err.Error()), "large") {
		return fmt.Errorf("want MESSAGE_TOO_LARGE, got: %w", err)
	}
	return nil
}

func empty(t *test) error {
	topic, err := t.create("empty", 2)
	if err != nil {
		return err
	}
	for _, ts := range []int64{-1, -2} {
		if err := eventually(t, func() error { // Apache Kafka may still be electing a leader; sarama does not wait for it
			o, err := t.OffsetAt(t, topic, 1, ts)
			if err != nil {
				return err
			}
			return equal(fmt.Sprint("offset at ", ts), o, 0)
		}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(t, time.Second)
	defer cancel()
	if got, err := t.Read(ctx, topic, 0, 0, 1); err == nil {
		return fmt.Errorf("read %v from an empty topic", got)
	} else if ctx.Err() == nil {
		return fmt.Errorf("want a time-out, got: %w", err)
	}
	return nil
}

// reading collects what a member reads, until it is closed.
type reading struct {
	m      member
	n      atomic.Int32
	cancel func()
	done   chan struct{}
}

func (t *test) read(m member) *reading {
	ctx, cancel := context.WithCancel(t)
	r := &reading{m: m, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for {
			if _, err := m.Next(ctx); err != nil {
				return
			}
			r.n.Add(1)
		}
	}()
	return r
}

func (r *reading) close() error {
	r.cancel()
	<-r.done
	return r.m.Close()
}

// shares waits until the members have want partitions each (where the client tells).
func (t *test) shares(want int, rs ...*reading) error {
	return eventually(t, func() error {
		for _, r := range rs {
			if got := r.m.Assigned(); got != -1 && got != want {
				return fmt.Errorf("partitions of a member: got %d, want %d", got, want)
			}
		}
		return nil
	})
}

func group(t *test) error {
	topic, err := t.create("group", 4)
	if err != nil {
		return err
	}
	name := t.fresh("g")
	send := func(n int) error {
		for p := range int32(4) {
			rs := numbers(0, n)
			for i := range rs {
				rs[i].Partition = p
			}
			if _, err := t.Send(t, topic, rs, sendOptions{}); err != nil {
				return err
			}
		}
		return nil
	}
	ma, err := t.Join(t, name, topic)
	if err != nil {
		return err
	}
	a := t.read(ma)
	if err := t.shares(4, a); err != nil {
		return err
	}
	mb, err := t.Join(t, name, topic)
	if err != nil {
		return err
	}
	b := t.read(mb)
	if err := t.shares(2, a, b); err != nil {
		return err
	}
	stable := func(members int) error {
		state, n, err := t.DescribeGroup(t, name)
		if err != nil {
			return err
		}
		return equal("group", fmt.Sprint(state, n), fmt.Sprint("Stable", members))
	}
	if err := eventually(t, func() error { return stable(2) }); err != nil {
		return err
	}
	if err := send(10); err != nil {
		return err
	}
	if err := eventually(t, func() error { return equal("records of both", fmt.Sprint(a.n.Load(), b.n.Load()), "20 20") }); err != nil {
		return err
	}
	if err := errors.Join(ma.Commit(t), mb.Commit(t)); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := a.close(); err != nil {
		return err
	}
	if err := eventually(t, func() error { return errors.Join(t.shares(4, b), stable(1)) }); err != nil {
		return err
	}
	before := b.n.Load()
	if err := send(5); err != nil {
		return err
	}
	if err := eventually(t, func() error { return equal("records after one left", b.n.Load()-before, 20) }); err != nil {
		return err
	}
	return b.close()
}

// take reads n records through a new member of the group and, if it should, commits.
func (t *test) take(group, topic string, n int, commit bool) ([]record, error) {
	m, err := t.Join(t, group, topic)
	if err != nil {
		return nil, err
	}
	var got []record
	for len(got) < n {
		r, err := m.Next(t)
		if err != nil {
			return nil, fmt.Errorf("record %d of %d: %w", len(got)+1, n, err)
		}
		got = append(got, r)
	}
	if commit {
		if err := m.Commit(t); err != nil {
			return nil, fmt.Errorf("commit: %w", err)
		}
	}
	return got, m.Close()
}

func commit(t *test) error {
	topic, err := t.create("commit", 1)
	if err != nil {
		return err
	}
	if _, err := t.Send(t, topic, numbers(0, 10), sendOptions{}); err != nil {
		return err
	}
	name, from := t.fresh("g"), 0
	for _, step := range []struct {
		n      int
		commit bool
	}{{4, true}, {2, false}, {3, true}, {3, true}} {
		got, err := t.take(name, topic, step.n, step.commit)
		if err != nil {
			return err
		}
		if err := equal(fmt.Sprint("from ", from), values(got), values(numbers(from, step.n))); err != nil {
			return err
		}
		if step.commit {
			from += step.n
		}
		o, err := t.Committed(t, name, topic)
		if err != nil {
			return err
		}
		if err := equal("committed", o, int64(from)); err != nil {
			return err
		}
	}
	return nil
}

func seek(t *test) error {
	topic, err := t.create("seek", 1)
	if err != nil {
		return err
	}
	if _, err := t.Send(t, topic, numbers(0, 20), sendOptions{}); err != nil {
		return err
	}
	for offset := range 20 { // all in one batch, for most clients
		got, err := t.Read(t, topic, 0, int64(offset), 1)
		if err != nil {
			return err
		}
		if err := equal("record", string(got[0].Value), fmt.Sprint(offset)); err != nil {
			return err
		}
	}
	return nil
}

func times(t *test) error {
	topic, err := t.create("times", 1)
	if err != nil {
		return err
	}
	for _, batch := range []struct {
		codec string
		base  int64
	}{{"none", 1600000000000}, {"gzip", 1600000100000}} {
		rs := numbers(0, 10)
		for i := range rs {
			rs[i].TimestampMs = batch.base + int64(i)*1000
		}
		if _, err := t.Send(t, topic, rs, sendOptions{Codec: batch.codec}); err != nil {
			return err
		}
	}
	for _, c := range []struct{ ts, want int64 }{{0, 0}, {1600000003000, 3}, {1600000003001, 4}, {1600000104500, 15}, {-1, 20}, {-2, 0}} {
		got, err := t.OffsetAt(t, topic, 0, c.ts)
		if err != nil {
			return err
		}
		if err := equal(fmt.Sprint("offset at ", c.ts), got, c.want); err != nil {
			return err
		}
	}
	if got, err := t.OffsetAt(t, topic, 0, 1700000000000); err != nil || got != -1 && got != 20 {
		return fmt.Errorf("after the last record: got %d, %v, want -1 or the end", got, err)
	}
	return nil
}

func lag(t *test) error {
	topic, err := t.create("lag", 1)
	if err != nil {
		return err
	}
	if _, err := t.Send(t, topic, numbers(0, 10), sendOptions{}); err != nil {
		return err
	}
	name := t.fresh("g")
	none, err := t.Committed(t, name, topic)
	if err != nil {
		return err
	}
	if err := equal("committed before any commit", none, -1); err != nil {
		return err
	}
	if _, err := t.take(name, topic, 6, true); err != nil {
		return err
	}
	committed, err := t.Committed(t, name, topic)
	if err != nil {
		return err
	}
	end, err := t.OffsetAt(t, topic, 0, -1)
	if err != nil {
		return err
	}
	return equal("lag", end-committed, 4)
}

func topics(t *test) error {
	name := t.fresh("topics")
	if err := t.CreateTopic(t, name, 2, nil); err != nil {
		return err
	}
	if err := t.CreateTopic(t, name, 2, nil); err == nil || !strings.Contains(strings.ToLower(err.Error()), "exists") {
		return fmt.Errorf("created twice: got %v, want TOPIC_ALREADY_EXISTS", err)
	}
	partitions := func(want int) error {
		return eventually(t, func() error {
			n, err := t.Partitions(t, name)
			if err != nil {
				return err
			}
			return equal("partitions", n, want)
		})
	}
	if err := partitions(2); err != nil {
		return err
	}
	if err := t.AddPartitions(t, name, 5); err != nil {
		return err
	}
	if err := partitions(5); err != nil {
		return err
	}
	if err := t.AddPartitions(t, name, 3); err == nil {
		return errors.New("fewer partitions were accepted")
	}
	if err := t.DeleteTopic(t, name); err != nil {
		return err
	}
	return partitions(0)
}

func configs(t *test) error {
	name := t.fresh("configs")
	if err := t.CreateTopic(t, name, 1, map[string]string{"retention.ms": "1234567"}); err != nil {
		return err
	}
	check := func(key, want string) error {
		return eventually(t, func() error {
			v, err := t.TopicConfig(t, name, key)
			if err != nil {
				return err
			}
			return equal(key, v, want)
		})
	}
	if err := errors.Join(check("retention.ms", "1234567"), check("cleanup.policy", "delete")); err != nil {
		return err
	}
	if err := t.SetTopicConfig(t, name, "retention.ms", "7654321"); err != nil {
		return err
	}
	if err := check("retention.ms", "7654321"); err != nil {
		return err
	}
	if err := t.SetTopicConfig(t, name, "retention.ms", "soon"); err == nil {
		return errors.New("retention.ms=soon was accepted")
	}
	return nil
}

func groups(t *test) error {
	topic, err := t.create("groups", 1)
	if err != nil {
		return err
	}
	if _, err := t.Send(t, topic, numbers(0, 1), sendOptions{}); err != nil {
		return err
	}
	name := t.fresh("g")
	if _, err := t.take(name, topic, 1, true); err != nil {
		return err
	}
	listed := func(want bool) error {
		all, err := t.Groups(t)
		if err != nil {
			return err
		}
		return equal("group is listed", slices.Contains(all, name), want)
	}
	if err := listed(true); err != nil {
		return err
	}
	if err := eventually(t, func() error {
		state, n, err := t.DescribeGroup(t, name)
		if err != nil {
			return err
		}
		return equal("group", fmt.Sprint(state, n), "Empty0")
	}); err != nil {
		return err
	}
	if err := t.DeleteGroup(t, name); err != nil {
		return err
	}
	return listed(false)
}
