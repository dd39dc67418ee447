package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// brokerRows are what concerns the process itself, each with brokers of its own.
func brokerRows() []row {
	all := []row{
		{name: "restart", section: "restart", run: runRestart},
		{name: "start", section: "start", run: runStart},
		{name: "bad input", section: "bad input", run: runBadInput},
	}
	for i := range all {
		all[i].ownBroker = true
		for _, s := range sections {
			if s.name == all[i].section {
				all[i].scenarios = s.scenarios
			}
		}
		if all[i].name != "restart" {
			not := map[string]string{"": "about gokafka's own command line"}
			all[i].notOn = map[string]map[string]string{"apache-4": not, "apache-28": not}
		}
	}
	return all
}

func runRestart(ctx context.Context, e *env, r row, _ broker) error {
	return each(ctx, e, r, map[string]func(context.Context) error{
		"sigterm":     func(ctx context.Context) error { return e.survive(ctx, "sigterm", broker.stop, true) },
		"kill-9":      func(ctx context.Context) error { return e.survive(ctx, "kill-9", broker.kill, false) },
		"kill-9-load": e.surviveUnderLoad,
	})
}

// survive fills a broker with everything that is durable, ends it, starts it again, and compares; twice, for what a restart may itself break.
// A clean end also keeps the log start offset that DeleteRecords moved: Kafka notes that once a minute only, so kill -9 may bring records back.
func (e *env) survive(ctx context.Context, name string, end func(broker) error, clean bool) error {
	b, err := e.newBroker(name)
	if err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	s := &state{addr: b.addr(), deletes: clean}
	if err := s.fill(ctx); err != nil {
		return errors.Join(fmt.Errorf("before the restart: %w", err), b.kill())
	}
	for round := range 2 {
		before, err := s.snapshot(ctx)
		if err != nil {
			return errors.Join(fmt.Errorf("before restart %d: %w", round+1, err), b.kill())
		}
		if err := end(b); err != nil {
			return err
		}
		if err := b.start(ctx); err != nil {
			return fmt.Errorf("restart %d: %w", round+1, err)
		}
		after, err := s.snapshot(ctx)
		if err == nil && before != after {
			err = fmt.Errorf("was:\n%s\nis:\n%s", before, after)
		}
		if err == nil {
			err = s.goOn(ctx)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("after restart %d: %w", round+1, err), b.kill())
		}
	}
	return b.stop()
}

// state is what survive puts into a broker.
type state struct {
	addr    string
	sent    int
	group   string
	deletes bool // DeleteRecords, too
}

const kept, gone = "kept", "gone"

func (s *state) client(opts ...kgo.Opt) (*kgo.Client, *kadm.Client, error) {
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks())}, opts...)...)
	if err != nil {
		return nil, nil, err
	}
	return c, kadm.NewClient(c), nil
}

func (s *state) fill(ctx context.Context) error {
	c, admin, err := s.client()
	if err != nil {
		return err
	}
	defer c.Close()
	ms := "7654321"
	if _, err := admin.CreateTopic(ctx, 3, 1, map[string]*string{"retention.ms": &ms}, kept); err != nil {
		return err
	}
	if _, err := admin.CreateTopic(ctx, 2, 1, nil, gone); err != nil {
		return err
	}
	if _, err := admin.UpdatePartitions(ctx, 4, kept); err != nil {
		return err
	}
	if err := s.send(ctx, 2000); err != nil {
		return err
	}
	if _, err := admin.DeleteTopics(ctx, gone); err != nil {
		return err
	}
	if s.deletes {
		if _, err := admin.DeleteRecords(ctx, kadm.Offsets{kept: {1: {Topic: kept, Partition: 1, At: 100}}}); err != nil {
			return err
		}
	}
	s.group = "survivors"
	if err := s.join(ctx, 700); err != nil {
		return err
	}
	o := kadm.Offsets{}
	o.AddOffset(kept, 0, 42, -1)
	_, err = admin.CommitOffsets(ctx, "simple", o)
	return err
}

// send produces n records, the values numbered on from those before, to the four partitions in turn.
func (s *state) send(ctx context.Context, n int) error {
	c, admin, err := s.client()
	if err != nil {
		return err
	}
	defer c.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) { // Apache Kafka tells of new partitions a little later
		topics, err := admin.ListTopics(ctx, kept)
		if err != nil {
			return err
		}
		if n := len(topics[kept].Partitions); n == 4 {
			break
		} else if time.Now().After(end) {
			return fmt.Errorf("%d partitions, want 4", n)
		}
	}
	rs := make([]*kgo.Record, n)
	for i := range rs {
		rs[i] = &kgo.Record{Topic: kept, Partition: int32((s.sent + i) % 4), Value: fmt.Append(nil, s.sent+i), Timestamp: time.UnixMilli(time.Now().UnixMilli())}
	}
	if err := c.ProduceSync(ctx, rs...).FirstErr(); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	for i, r := range rs {
		if want := int64((s.sent + i) / 4); r.Offset != want {
			return fmt.Errorf("record %d got offset %d, want %d", s.sent+i, r.Offset, want)
		}
	}
	s.sent += n
	return nil
}

// join reads n records through the consumer group and commits them.
func (s *state) join(ctx context.Context, n int) error {
	c, _, err := s.client(kgo.ConsumerGroup(s.group), kgo.ConsumeTopics(kept), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer c.Close()
	for read := 0; read < n; {
		fs := c.PollRecords(ctx, n-read)
		if err := fs.Err(); err != nil {
			return fmt.Errorf("group: %w", err)
		}
		read += fs.NumRecords()
	}
	return c.CommitUncommittedOffsets(ctx)
}

// snapshot is everything that must survive, as text.
func (s *state) snapshot(ctx context.Context) (string, error) {
	c, admin, err := s.client()
	if err != nil {
		return "", err
	}
	defer c.Close()
	var b strings.Builder
	meta, err := admin.Metadata(ctx)
	if err != nil {
		return "", err
	}
	fmt.Fprintln(&b, "cluster", meta.Cluster)
	for _, t := range meta.Topics.Sorted() {
		if t.IsInternal {
			continue
		}
		fmt.Fprintln(&b, "topic", t.Topic, t.ID, len(t.Partitions))
	}
	configs, err := admin.DescribeTopicConfigs(ctx, kept)
	if err != nil {
		return "", err
	}
	for _, r := range configs {
		for _, k := range r.Configs {
			if k.Key == "retention.ms" {
				fmt.Fprintln(&b, "config", k.Key, k.MaybeValue(), k.Source)
			}
		}
	}
	starts, err := admin.ListStartOffsets(ctx, kept)
	if err != nil {
		return "", err
	}
	ends, err := admin.ListEndOffsets(ctx, kept)
	if err != nil {
		return "", err
	}
	for p := range int32(4) {
		start, _ := starts.Lookup(kept, p)
		end, _ := ends.Lookup(kept, p)
		fmt.Fprintln(&b, "partition", p, start.Offset, end.Offset, start.Err, end.Err)
	}
	for _, g := range []string{s.group, "simple"} {
		offsets, err := admin.FetchOffsets(ctx, g)
		if err != nil {
			return "", err
		}
		for _, o := range offsets.Sorted() {
			fmt.Fprintln(&b, "committed", g, o.Topic, o.Partition, o.At, o.Metadata)
		}
	}
	groups, err := admin.DescribeGroups(ctx, s.group)
	if err != nil {
		return "", err
	}
	fmt.Fprintln(&b, "group", groups[s.group].State, groups[s.group].ProtocolType)
	return b.String(), s.read(ctx, starts, ends)
}

// read checks every record of every partition.
func (s *state) read(ctx context.Context, starts, ends kadm.ListedOffsets) error {
	from, left := map[int32]kgo.Offset{}, map[int32]int64{}
	for p := range int32(4) {
		start, _ := starts.Lookup(kept, p)
		end, _ := ends.Lookup(kept, p)
		from[p], left[p] = kgo.NewOffset().At(start.Offset), end.Offset-start.Offset
	}
	c, _, err := s.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{kept: from}))
	if err != nil {
		return err
	}
	defer c.Close()
	for left[0]+left[1]+left[2]+left[3] > 0 {
		fs := c.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		for r := range fs.RecordsAll() {
			if want := fmt.Sprint(r.Offset*4 + int64(r.Partition)); string(r.Value) != want {
				return fmt.Errorf("partition %d offset %d holds %q, want %q", r.Partition, r.Offset, r.Value, want)
			}
			left[r.Partition]--
		}
	}
	return nil
}

// goOn produces and consumes where it stopped.
func (s *state) goOn(ctx context.Context) error {
	if err := s.send(ctx, 400); err != nil {
		return err
	}
	return s.join(ctx, 300)
}

// surviveUnderLoad kills the broker again and again while a producer writes. What was acknowledged must be there, at its offset, once: the
// producer is idempotent and retries over the restart, so the broker must know its last batches again.
func (e *env) surviveUnderLoad(ctx context.Context) error {
	b, err := e.newBroker("kill-9-load")
	if err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	if err := loadTopic(ctx, b.addr()); err != nil {
		return errors.Join(err, b.kill())
	}
	acked := filepath.Join(e.tmp, "acked.txt")
	load, stopLoad, err := e.startLoad(b.addr(), "load", acked)
	if err != nil {
		return err
	}
	for range 3 {
		select {
		case <-time.After(1500 * time.Millisecond):
		case <-load.done:
			return errors.Join(fmt.Errorf("the producer ended: %v: %s", load.err, lastLine(load.log)), b.kill())
		}
		if err := b.kill(); err != nil {
			return err
		}
		if err := b.start(ctx); err != nil {
			return fmt.Errorf("start after kill -9: %w", err)
		}
	}
	stopLoad()
	select {
	case <-load.done:
	case <-time.After(60 * time.Second):
		return errors.Join(errors.New("the producer does not come to its end"), load.kill(), b.kill())
	}
	if load.err != nil {
		return errors.Join(fmt.Errorf("the producer: %w: %s", load.err, lastLine(load.log)), b.kill())
	}
	if _, err := e.command(ctx, e.goClients(), "verify", b.addr(), "load", acked); err != nil {
		return errors.Join(err, b.kill())
	}
	return b.stop()
}

// loadTopic makes the topic "load", with segments so small that they roll.
func loadTopic(ctx context.Context, addr string) error {
	c, admin, err := (&state{addr: addr}).client()
	if err != nil {
		return err
	}
	defer c.Close()
	small := "1048576"
	_, err = admin.CreateTopic(ctx, 3, 1, map[string]*string{"segment.bytes": &small}, "load")
	return err
}

// startLoad starts the program that produces until stop is called and writes down what was acknowledged.
func (e *env) startLoad(addr, topic, acked string) (p *process, stop func(), err error) {
	cmd := exec.Command(e.goClients(), "load", addr, topic, acked)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	p, err = startProcess(acked+".log", cmd)
	return p, func() { _ = in.Close() }, err
}

// runProcess runs a program that is to end by itself and returns its status and what it said (both outputs together).
func runProcess(ctx context.Context, cmd *exec.Cmd) (status int, said string, err error) {
	f, err := os.CreateTemp("", "compat-said-")
	if err != nil {
		return 0, "", err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	p, err := startProcess(f.Name(), cmd)
	if err != nil {
		return 0, "", err
	}
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		err = errors.Join(errors.New("it does not end"), p.kill())
	case <-ctx.Done():
		err = errors.Join(ctx.Err(), p.kill())
	}
	b, readErr := os.ReadFile(f.Name())
	return p.cmd.ProcessState.ExitCode(), string(b), errors.Join(err, readErr)
}
