package blackbox_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/node"
)

// deadline is how long a test waits for what must happen; nothing is measured with it.
const deadline = 2 * time.Minute

// running is a node that serves.
type running struct {
	addr string
	stop func() // ends it gracefully; may be called more than once
}

// start runs a node over dir with overrides as key, value pairs. It ends with the test.
func start(t *testing.T, dir string, overrides ...string) *running {
	t.Helper()
	entries := []config.Entry{
		{Key: "listeners", Value: "PLAINTEXT://127.0.0.1:0"},
		{Key: "log.dirs", Value: dir},
		{Key: "offsets.topic.num.partitions", Value: "4"},
		{Key: "transaction.state.log.num.partitions", Value: "4"},
		{Key: "num.partitions", Value: "3"},
	}
	for i := 0; i < len(overrides); i += 2 {
		entries = append(entries, config.Entry{Key: overrides[i], Value: overrides[i+1], Source: "test"})
	}
	cfg, _, err := config.New(entries, config.Defaults{NoFile: true})
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(context.Background(), cfg, node.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	stopped := false
	r := &running{addr: n.Addrs()[0].Bound, stop: func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the node ended with %v", err)
		}
	}}
	t.Cleanup(r.stop)
	return r
}

// franz returns a franz-go client that ends with the test. Its fetches wait for little: it has one at a time under way, and
// partitions whose offsets it learns later wait for that.
func (r *running) franz(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(r.addr), kgo.AllowAutoTopicCreation(), kgo.DisableClientMetrics(), kgo.FetchMaxWait(100 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// within is the context of a test's step.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until what is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for ctx := within(t); !so(); {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// produce writes values to a partition, or where the client's partitioner wants them for partition −1.
func produce(t *testing.T, cl *kgo.Client, topic string, values ...string) {
	t.Helper()
	records := make([]*kgo.Record, 0, len(values))
	for _, v := range values {
		records = append(records, &kgo.Record{Topic: topic, Value: []byte(v)})
	}
	if err := cl.ProduceSync(within(t), records...).FirstErr(); err != nil {
		t.Fatalf("produce: %v", err)
	}
}

// together writes values to a topic of one partition as one batch, however busy the machine is: what comes with one fetch, and is acquired with it,
// depends on that.
func together(t *testing.T, n *running, topic string, values ...string) {
	t.Helper()
	cl := n.franz(t, kgo.ManualFlushing())
	failed := make(chan error, len(values))
	for _, v := range values {
		cl.Produce(within(t), &kgo.Record{Topic: topic, Value: []byte(v)}, func(_ *kgo.Record, err error) { failed <- err })
	}
	if err := cl.Flush(within(t)); err != nil {
		t.Fatalf("produce: %v", err)
	}
	for range values {
		if err := <-failed; err != nil {
			t.Fatalf("produce: %v", err)
		}
	}
}

// poll returns the next n records.
func poll(t *testing.T, cl *kgo.Client, n int) []*kgo.Record {
	t.Helper()
	var records []*kgo.Record
	ctx := within(t)
	for len(records) < n {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(records), n, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

// numbered returns n values that differ.
func numbered(prefix string, n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return values
}
