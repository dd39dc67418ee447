package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// transactor is a driver of a client that has transactions.
type transactor interface {
	// Transactional makes a producer with this transactional id. With a group it also reads source for that group.
	Transactional(ctx context.Context, id, group, source string) (transactional, error)
	// ReadCommitted reads n committed records of partition 0, and what else comes soon after.
	ReadCommitted(ctx context.Context, topic string, n int) ([]record, error)
}

type transactional interface {
	// Copy copies about n records to a topic in one transaction, what it has read being part of it, and returns how many it committed.
	Copy(ctx context.Context, n int, to string, commit bool) (int, error)
	// Open begins a transaction and writes to it.
	Open(ctx context.Context, to, value string) error
	Commit(ctx context.Context) error
	Close() error
}

// transactions copies a topic exactly once, aborting now and then; then a second producer of the same id fences the first.
func transactions(t *test) error {
	d, ok := t.driver.(transactor)
	if !ok || strings.HasPrefix(t.client, "sarama") && t.client != "sarama-newest" {
		return unsupported("%s has no transactions", t.client)
	}
	source, err := t.create("txn-in", 1)
	if err != nil {
		return err
	}
	out, err := t.create("txn-out", 1)
	if err != nil {
		return err
	}
	name := t.fresh("txn")
	if _, err := t.Send(t, source, numbers(0, 40), sendOptions{}); err != nil {
		return err
	}
	copier, err := d.Transactional(t, name, name, source)
	if err != nil {
		return err
	}
	defer copier.Close()
	for done, round := 0, 0; done < 40; round++ {
		n, err := copier.Copy(t, 5, out, round%3 != 2)
		if err != nil {
			return fmt.Errorf("after %d records: %w", done, err)
		}
		done += n
	}
	if err := eventually(t, func() error {
		at, err := t.Committed(t, name, source)
		return errors.Join(err, equal("committed offset", fmt.Sprint(at), "40"))
	}); err != nil {
		return err
	}
	got, err := d.ReadCommitted(t, out, 40)
	if err != nil {
		return err
	}
	if err := equal("copied", values(got), values(numbers(0, 40))); err != nil {
		return err
	}
	zombie, err := d.Transactional(t, name+"-z", "", "")
	if err != nil {
		return err
	}
	defer zombie.Close()
	if err := zombie.Open(t, out, "lost"); err != nil {
		return err
	}
	second, err := d.Transactional(t, name+"-z", "", "")
	if err != nil {
		return err
	}
	defer second.Close()
	if err := second.Open(t, out, "kept"); err != nil {
		return fmt.Errorf("second producer: %w", err)
	}
	if err := zombie.Commit(t); !fenced(err) {
		return fmt.Errorf("the first producer was not fenced: %v", err)
	}
	if err := second.Commit(t); err != nil {
		return fmt.Errorf("second producer: %w", err)
	}
	got, err = d.ReadCommitted(t, out, 41)
	if err != nil {
		return err
	}
	return equal("committed", values(got), values(numbers(0, 40))+"kept ")
}

// fenced are the errors that tell a producer that another one has its place, before and since transaction version 2.
func fenced(err error) bool {
	for _, e := range []error{kerr.ProducerFenced, kerr.InvalidProducerEpoch, sarama.ErrProducerFenced, sarama.ErrInvalidProducerEpoch} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// franzTransactional is a GroupTransactSession, or without a group a plain client.
type franzTransactional struct {
	client  *kgo.Client
	session *kgo.GroupTransactSession // nil without a group
}

func (f *franz) Transactional(_ context.Context, id, group, source string) (transactional, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(f.broker), kgo.TransactionalID(id), kgo.TransactionTimeout(20 * time.Second), kgo.RecordPartitioner(kgo.ManualPartitioner())}
	if group == "" {
		c, err := kgo.NewClient(opts...)
		return &franzTransactional{client: c}, err
	}
	s, err := kgo.NewGroupTransactSession(append(opts, kgo.ConsumerGroup(group), kgo.ConsumeTopics(source), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(300*time.Millisecond))...)
	if err != nil {
		return nil, err
	}
	return &franzTransactional{s.Client(), s}, nil
}

func (f *franzTransactional) Copy(ctx context.Context, n int, to string, commit bool) (int, error) {
	fs := f.session.PollRecords(ctx, n)
	if err := fs.Err(); err != nil {
		return 0, err
	}
	if err := f.session.Begin(); err != nil {
		return 0, err
	}
	for _, r := range fs.Records() {
		if err := f.session.ProduceSync(ctx, &kgo.Record{Topic: to, Value: r.Value}).FirstErr(); err != nil {
			return 0, err
		}
	}
	committed, err := f.session.End(ctx, kgo.TransactionEndTry(commit))
	if committed {
		return fs.NumRecords(), err
	}
	return 0, err
}

func (f *franzTransactional) Open(ctx context.Context, to, value string) error {
	if err := f.client.BeginTransaction(); err != nil {
		return err
	}
	return f.client.ProduceSync(ctx, &kgo.Record{Topic: to, Value: []byte(value)}).FirstErr()
}

func (f *franzTransactional) Commit(ctx context.Context) error {
	return f.client.EndTransaction(ctx, kgo.TryCommit)
}

func (f *franzTransactional) Close() error {
	if f.session != nil {
		f.session.Close()
	} else {
		f.client.Close()
	}
	return nil
}

func (f *franz) ReadCommitted(ctx context.Context, topic string, n int) ([]record, error) {
	c, err := kgo.NewClient(kgo.SeedBrokers(f.broker), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var got []record
	for {
		wait, cancel := ctx, context.CancelFunc(func() {})
		if len(got) >= n {
			wait, cancel = context.WithTimeout(ctx, 500*time.Millisecond)
		}
		fs := c.PollFetches(wait)
		cancel()
		switch err := fs.Err(); {
		case err != nil && len(got) >= n && errors.Is(err, context.DeadlineExceeded):
			return got, nil
		case err != nil:
			return nil, err
		}
		for _, k := range fs.Records() {
			got = append(got, fromFranz(k))
		}
	}
}

// saramaTransactional reads for its group as a consumer of one partition does, without being a member.
type saramaTransactional struct {
	s             *saramaDriver
	p             sarama.SyncProducer
	group, source string
	at            int64 // the next record
}

func (s *saramaDriver) Transactional(_ context.Context, id, group, source string) (transactional, error) {
	c := s.config()
	c.Producer.Transaction.ID, c.Producer.Transaction.Timeout = id, 20*time.Second
	c.Producer.Idempotent, c.Producer.RequiredAcks, c.Net.MaxOpenRequests = true, sarama.WaitForAll, 1
	p, err := sarama.NewSyncProducer([]string{s.broker}, c)
	return &saramaTransactional{s, p, group, source, 0}, err
}

func (s *saramaTransactional) Copy(ctx context.Context, n int, to string, commit bool) (int, error) {
	rs, err := s.s.Read(ctx, s.source, 0, s.at, n)
	if err != nil {
		return 0, err
	}
	if err := s.p.BeginTxn(); err != nil {
		return 0, err
	}
	for _, r := range rs {
		if _, _, err := s.p.SendMessage(&sarama.ProducerMessage{Topic: to, Value: encoder(r.Value)}); err != nil {
			return 0, err
		}
	}
	next := []*sarama.PartitionOffsetMetadata{{Partition: 0, Offset: rs[len(rs)-1].Offset + 1, LeaderEpoch: -1}}
	if err := s.p.AddOffsetsToTxn(map[string][]*sarama.PartitionOffsetMetadata{s.source: next}, s.group); err != nil {
		return 0, err
	}
	if !commit {
		return 0, s.p.AbortTxn()
	}
	s.at += int64(len(rs))
	return len(rs), s.p.CommitTxn()
}

func (s *saramaTransactional) Open(_ context.Context, to, value string) error {
	if err := s.p.BeginTxn(); err != nil {
		return err
	}
	_, _, err := s.p.SendMessage(&sarama.ProducerMessage{Topic: to, Value: sarama.StringEncoder(value)})
	return err
}

func (s *saramaTransactional) Commit(context.Context) error { return s.p.CommitTxn() }
func (s *saramaTransactional) Close() error                 { return s.p.Close() }

func (s *saramaDriver) ReadCommitted(ctx context.Context, topic string, n int) ([]record, error) {
	config := s.config()
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	c, err := sarama.NewConsumer([]string{s.broker}, config)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	p, err := c.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	defer p.AsyncClose()
	var got []record
	for {
		var over <-chan time.Time // never, before there are n
		if len(got) >= n {
			over = time.After(500 * time.Millisecond)
		}
		select {
		case m := <-p.Messages():
			got = append(got, fromSarama(m))
		case <-over:
			return got, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d records: %w", len(got), n, ctx.Err())
		}
	}
}
