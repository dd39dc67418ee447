package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// consumer are the flags of consume.
type consumer struct {
	remote     *remote
	from       string
	count      int64
	atEnd      bool
	group      string
	partitions []int32
	format     string
	committed  bool
	regex      bool

	assigned atomic.Bool // the group has shared out its partitions
}

func newConsume(environ []string) *cobra.Command {
	c := &consumer{}
	cmd := &cobra.Command{
		Use:   "consume TOPIC…",
		Short: "Read records",
		Long: "Reads records from the start, and goes on with new ones until -n, -e or Ctrl-C.\n\n-o takes " + positionHelp + ".\n" +
			"With --group it goes on where the group has stopped, -o counts where it has not been, and what was printed is committed.\n\n-f takes " + recordFormatHelp + ".",
		Example: "  gokafka consume orders\n  gokafka consume orders -o -10 -e                       # the last ten of each partition\n" +
			"  gokafka consume orders -o @15m -f '%D %k=%v\\n'         # since a quarter of an hour\n" +
			"  gokafka consume orders -f json -e | jq .value\n  gokafka consume orders payments --group billing -n 100",
		Args: atLeast(1, "a topic"),
	}
	c.remote = newRemote(cmd, environ)
	cmd.ValidArgsFunction = c.remote.topicNames()
	cmd.RunE = c.remote.endless(c.run)
	f := cmd.Flags()
	f.StringVarP(&c.from, "offset", "o", "start", "where to begin: a `position`, see above")
	f.Int64VarP(&c.count, "count", "n", 0, "stop after this `number` of records")
	f.BoolVarP(&c.atEnd, "exit", "e", false, "stop at what is the end now")
	f.StringVarP(&c.group, "group", "g", "", "read as a member of this consumer `group`")
	f.Int32SliceVarP(&c.partitions, "partition", "p", nil, "only these `partitions`")
	f.StringVarP(&c.format, "format", "f", `%v\n`, "how to print a record: json, or a `format`, see above")
	f.BoolVar(&c.committed, "read-committed", false, "leave out records of transactions that were aborted or are not finished")
	f.BoolVar(&c.regex, "regex", false, "TOPIC is a regular expression")
	return cmd
}

func (c *consumer) run(ctx context.Context, cmd *cobra.Command, args []string) error {
	from, err := parsePosition(c.from, time.Now())
	if err != nil {
		return usageError{fmt.Errorf("--offset: %w", err)}
	}
	start, err := from.offset()
	if err != nil {
		return usageError{fmt.Errorf("--offset: %w", err)}
	}
	format, err := parseRecordFormat(c.format)
	if err != nil {
		return usageError{fmt.Errorf("--format: %w", err)}
	}
	if c.group != "" && len(c.partitions) > 0 {
		return usageError{errors.New("--group shares out the partitions itself: no --partition with it")}
	}
	topics, err := c.topics(ctx, args)
	if err != nil {
		return err
	}
	cl, err := c.remote.connect(ctx, c.options(topics, start)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	out := bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
	var ends *endWatch
	if c.atEnd {
		if ends, err = c.watchEnds(ctx, cl, topics, from); err != nil {
			return err
		}
	}
	err = c.read(ctx, cl, out, format, ends)
	if c.group != "" {
		// Also when interrupted: what was printed is done.
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if e := cl.CommitMarkedOffsets(bye); e != nil {
			err = errors.Join(err, fmt.Errorf("commit: %w", e))
		}
	}
	return errors.Join(err, out.Flush())
}

// topics checks that the topics are there, and finds those that match.
func (c *consumer) topics(ctx context.Context, args []string) (kadm.TopicDetails, error) {
	adm, err := c.remote.admin(ctx)
	if err != nil {
		return nil, err
	}
	defer adm.Close()
	if !c.regex {
		found, err := adm.ListTopicsWithInternal(ctx, args...)
		if err != nil {
			return nil, err
		}
		for _, name := range args {
			if t, ok := found[name]; !ok || t.Err != nil {
				return nil, noTopic(name, t.Err)
			}
		}
		return found, nil
	}
	all, err := adm.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	found := kadm.TopicDetails{}
	for _, pattern := range args {
		match, err := regexp.Compile(pattern)
		if err != nil {
			return nil, usageError{err}
		}
		for name, t := range all {
			if match.MatchString(name) {
				found[name] = t
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no topic matches")
	}
	return found, nil
}

// noTopic is the error about a topic that cannot be used.
func noTopic(name string, err error) error {
	if err == nil || errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("there is no topic %s (gokafka topic create %s makes it, gokafka topic list shows those that are there)", name, name)
	}
	return fmt.Errorf("%s: %s", name, because(err, ""))
}

func (c *consumer) options(topics kadm.TopicDetails, start kgo.Offset) []kgo.Opt {
	opts := []kgo.Opt{kgo.ConsumeResetOffset(start), kgo.FetchMaxWait(500 * time.Millisecond), kgo.KeepControlRecords()}
	if c.committed {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	switch {
	case c.group != "":
		opts = append(opts, kgo.ConsumerGroup(c.group), kgo.ConsumeTopics(topics.Names()...), kgo.AutoCommitMarks(),
			kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { c.assigned.Store(true) }))
	default:
		of := map[string]map[int32]kgo.Offset{}
		for name, t := range topics {
			of[name] = map[int32]kgo.Offset{}
			for p := range t.Partitions {
				of[name][p] = start
			}
			for p := range of[name] {
				if len(c.partitions) > 0 && !contains(c.partitions, p) {
					delete(of[name], p)
				}
			}
		}
		opts = append(opts, kgo.ConsumePartitions(of))
	}
	return opts
}

func contains(list []int32, n int32) bool {
	for _, x := range list {
		if x == n {
			return true
		}
	}
	return false
}

// endPatience is how long a consumer that is to stop at the end waits for records that do not come, once it has its partitions.
const endPatience = 10 * time.Second

// read prints records until there have been enough.
func (c *consumer) read(ctx context.Context, cl *kgo.Client, out *bufio.Writer, format recordFormat, ends *endWatch) error {
	printed := int64(0)
	for !ends.reached() {
		wait, cancel := ctx, context.CancelFunc(func() {})
		if ends != nil {
			wait, cancel = context.WithTimeout(ctx, endPatience)
		}
		fetches := cl.PollFetches(wait)
		ended := wait.Err()
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, e := range fetches.Errors() {
			if e.Err != nil && !errors.Is(e.Err, context.DeadlineExceeded) && !errors.Is(e.Err, context.Canceled) {
				return fmt.Errorf("%s-%d: %s", e.Topic, e.Partition, because(e.Err, ""))
			}
		}
		if fetches.NumRecords() == 0 && ended != nil {
			if c.group != "" && !c.assigned.Load() {
				continue
			}
			return fmt.Errorf("nothing has come for %s, and %s not at the end", endPatience, ends)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			if ends.pass(r) && !r.Attrs.IsControl() {
				if err := format.write(out, r); err != nil {
					return err
				}
				printed++
			}
			cl.MarkCommitRecords(r)
			if c.count > 0 && printed == c.count {
				return nil
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// endWatch knows how far there is to read until the ends that partitions had at the start. The nil one has no end.
type endWatch struct {
	ends map[string]map[int32]int64 // of the partitions that are not there yet
	left int
}

func (c *consumer) watchEnds(ctx context.Context, cl *kgo.Client, topics kadm.TopicDetails, from position) (*endWatch, error) {
	adm := kadm.NewClient(cl)
	list := adm.ListEndOffsets
	if c.committed {
		list = adm.ListCommittedOffsets
	}
	ends, err := list(ctx, topics.Names()...)
	if err != nil {
		return nil, err
	}
	begins, err := adm.ListStartOffsets(ctx, topics.Names()...)
	if err == nil && from.kind == atTime {
		begins, err = adm.ListOffsetsAfterMilli(ctx, from.value, topics.Names()...)
	}
	if err != nil {
		return nil, err
	}
	committed := kadm.OffsetResponses{}
	if c.group != "" {
		if committed, err = c.committedOffsets(ctx, adm, topics.Names()); err != nil {
			return nil, err
		}
	}
	w := &endWatch{ends: map[string]map[int32]int64{}}
	ends.Each(func(end kadm.ListedOffset) {
		begin, _ := begins.Lookup(end.Topic, end.Partition)
		first := begin.Offset
		switch from.kind {
		case atEnd:
			first = end.Offset
		case atOffset:
			first = max(first, from.value)
		}
		if o, ok := committed.Lookup(end.Topic, end.Partition); ok && o.Err == nil && o.At >= 0 {
			first = o.At
		}
		if end.Err != nil || end.Offset <= first || len(c.partitions) > 0 && !contains(c.partitions, end.Partition) {
			return
		}
		if w.ends[end.Topic] == nil {
			w.ends[end.Topic] = map[int32]int64{}
		}
		w.ends[end.Topic][end.Partition] = end.Offset
		w.left++
	})
	return w, nil
}

// committedOffsets asks where the group has stopped. The first group of a cluster has a coordinator only when its topic has been made, which Kafka does
// not wait for.
func (c *consumer) committedOffsets(ctx context.Context, adm *kadm.Client, topics []string) (kadm.OffsetResponses, error) {
	for began := time.Now(); ; {
		committed, err := adm.FetchOffsetsForTopics(ctx, c.group, topics...)
		if err == nil || !kerr.IsRetriable(err) || time.Since(began) > endPatience {
			return committed, err
		}
		if err := pause(ctx, waitInterval); err != nil {
			return nil, err
		}
	}
}

// String names the partitions that are not read to their ends.
func (w *endWatch) String() string {
	var names []string
	for _, topic := range sorted(w.ends) {
		for _, p := range sorted(w.ends[topic]) {
			names = append(names, fmt.Sprintf("%s-%d", topic, p))
		}
	}
	if len(names) == 1 {
		return names[0] + " is"
	}
	return few(names) + " are"
}

func (w *endWatch) reached() bool { return w != nil && w.left == 0 }

// pass notes a record and reports whether it lies before the end.
func (w *endWatch) pass(r *kgo.Record) bool {
	if w == nil {
		return true
	}
	end, ok := w.ends[r.Topic][r.Partition]
	if !ok {
		return false
	}
	if r.Offset+1 >= end {
		delete(w.ends[r.Topic], r.Partition)
		w.left--
	}
	return r.Offset < end
}
