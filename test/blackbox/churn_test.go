package blackbox_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestChainOfChurningGroups copies a topic to a second one and that to a third, by groups whose members come, stay for a while, and leave, or fall silent,
// without end. Every record arrives. Other brokers have lost members and records when rebalances overlapped (features.md 3).
func TestChainOfChurningGroups(t *testing.T) {
	t.Parallel()
	n := start(t, t.TempDir(), "group.initial.rebalance.delay.ms", "0", "group.min.session.timeout.ms", "100", "group.consumer.min.session.timeout.ms", "100",
		"group.consumer.session.timeout.ms", "1000", "group.consumer.heartbeat.interval.ms", "100", "group.consumer.min.heartbeat.interval.ms", "100",
		"num.partitions", "5", "offsets.topic.num.partitions", "2")
	const records = 1500
	for name, opts := range map[string][]kgo.Opt{
		"range":       {kgo.Balancers(kgo.RangeBalancer())},
		"sticky":      {kgo.Balancers(kgo.StickyBalancer())},
		"cooperative": {kgo.Balancers(kgo.CooperativeStickyBalancer())},
		"kip848":      {kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer())},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chain := []string{name + "-1", name + "-2", name + "-3"}
			ctx, cancel := context.WithCancel(t.Context())
			var members sync.WaitGroup
			defer members.Wait()
			defer cancel()
			produce(t, n.franz(t), chain[0], numbered("r", records)...)
			for stage := range 2 {
				for i := range 3 {
					rng := rand.New(rand.NewPCG(uint64(stage), uint64(i)))
					members.Go(func() {
						for ctx.Err() == nil {
							n.copyForAWhile(ctx, t, rng, chain[stage], chain[stage+1], opts)
						}
					})
				}
			}
			reader := n.franz(t, kgo.ConsumeTopics(chain[2]), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			seen := map[string]bool{}
			for within := within(t); len(seen) < records; {
				fetches := reader.PollFetches(within)
				if err := fetches.Err(); err != nil {
					want := numbered("r", records)
					missing := slices.DeleteFunc(want, func(v string) bool { return seen[v] })
					t.Fatalf("%d records are missing, %.10v: %v", len(missing), missing, err)
				}
				fetches.EachRecord(func(r *kgo.Record) { seen[string(r.Value)] = true })
			}
		})
	}
}

// copyForAWhile is the life of one member: it copies what it reads, commits it, and leaves, or is not heard of any more.
func (r *running) copyForAWhile(ctx context.Context, t *testing.T, rng *rand.Rand, from, to string, opts []kgo.Opt) {
	if rng.IntN(10) == 0 { // a static member does not say that it leaves
		opts = append(slices.Clone(opts), kgo.InstanceID(fmt.Sprint(rng.Uint64())))
	}
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(r.addr), kgo.AllowAutoTopicCreation(), kgo.DisableClientMetrics(), kgo.FetchMaxWait(100 * time.Millisecond), kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.ConsumerGroup(from), kgo.ConsumeTopics(from), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(time.Second), kgo.HeartbeatInterval(100 * time.Millisecond), kgo.RebalanceTimeout(2 * time.Second),
	}, opts...)...)
	if err != nil {
		t.Error(err)
		return
	}
	stay := rng.IntN(8) + 2 // polls
	for ctx.Err() == nil && stay > 0 {
		timed, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		fetches := cl.PollRecords(timed, 50)
		cancel()
		stay--
		var copies []*kgo.Record
		for _, r := range fetches.Records() {
			copies = append(copies, &kgo.Record{Topic: to, Value: r.Value})
		}
		if len(copies) > 0 && cl.ProduceSync(ctx, copies...).FirstErr() == nil {
			_ = cl.CommitRecords(ctx, fetches.Records()...) // fenced: they are read again by who has the partition now
		}
		cl.AllowRebalance()
	}
	cl.CloseAllowingRebalance()
}
