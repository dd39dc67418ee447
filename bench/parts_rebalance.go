package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const rebalanceMembers = 100

// measureRebalances has groups of 100 consumers of franz-go share 100 partitions, in the classic protocol and in that of KIP-848: all of them join at
// once, then one leaves and one joins, a few times over.
func measureRebalances(ctx context.Context, b *running, f *figures) error {
	for _, protocol := range []struct {
		name string
		opts []kgo.Opt
	}{
		{"classic", []kgo.Opt{kgo.Balancers(kgo.RangeBalancer()), kgo.HeartbeatInterval(200 * time.Millisecond)}},
		{"consumer", []kgo.Opt{kgo.Balancers(kgo.RangeBalancer()), kgo.ServerSideBalancer()}},
	} {
		if err := measureRebalance(ctx, b, f, protocol.name, protocol.opts); err != nil {
			return fmt.Errorf("group of the %s protocol: %w", protocol.name, err)
		}
	}
	return nil
}

func measureRebalance(ctx context.Context, b *running, f *figures, name string, opts []kgo.Opt) error {
	g := &memberGroup{b: b, opts: append(opts, kgo.ConsumerGroup("rebalanced-"+name), kgo.ConsumeTopics("groups")), owned: map[*kgo.Client][]int32{}}
	defer g.close()
	cpu, began := b.cpuSeconds(), time.Now()
	for range rebalanceMembers {
		if err := g.join(); err != nil {
			return err
		}
	}
	if err := g.await(ctx, rebalanceMembers); err != nil {
		return err
	}
	f.add(name+" protocol, 100 members: all join", "ms", ms(time.Since(began)))
	f.add(name+" protocol, 100 members: broker CPU for that", "s", b.cpuSeconds()-cpu)

	var left, joined []time.Duration
	const times = 3
	cpu = b.cpuSeconds()
	for range times {
		began = time.Now()
		g.leave()
		if err := g.await(ctx, rebalanceMembers-1); err != nil {
			return err
		}
		left = append(left, time.Since(began))
		began = time.Now()
		if err := g.join(); err != nil {
			return err
		}
		if err := g.await(ctx, rebalanceMembers); err != nil {
			return err
		}
		joined = append(joined, time.Since(began))
	}
	cpu = (b.cpuSeconds() - cpu) / (2 * times)
	slices.Sort(left)
	slices.Sort(joined)
	f.add(name+" protocol, 100 members: one leaves", "ms", ms(left[times/2]))
	f.add(name+" protocol, 100 members: one joins", "ms", ms(joined[times/2]))
	f.add(name+" protocol, 100 members: broker CPU a rebalance", "ms", 1000*cpu)

	cpu, began = b.cpuSeconds(), time.Now()
	time.Sleep(settings.measured)
	f.add(name+" protocol, 100 members: broker CPU in peace", "% of a core", 100*(b.cpuSeconds()-cpu)/time.Since(began).Seconds())
	return nil
}

// memberGroup are the members of a group.
type memberGroup struct {
	b       *running
	opts    []kgo.Opt
	clients []*kgo.Client

	mu    sync.Mutex
	owned map[*kgo.Client][]int32 // partitions
}

func (g *memberGroup) join() error {
	c, err := g.b.client(append([]kgo.Opt{
		kgo.OnPartitionsAssigned(func(_ context.Context, c *kgo.Client, got map[string][]int32) { g.change(c, got["groups"], nil) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, c *kgo.Client, lost map[string][]int32) { g.change(c, nil, lost["groups"]) }),
		kgo.OnPartitionsLost(func(_ context.Context, c *kgo.Client, lost map[string][]int32) { g.change(c, nil, lost["groups"]) }),
	}, g.opts...)...)
	if err == nil {
		g.clients = append(g.clients, c)
	}
	return err
}

// leave has the first member go.
func (g *memberGroup) leave() {
	g.clients[0].Close()
	g.clients = g.clients[1:]
}

func (g *memberGroup) change(c *kgo.Client, got, lost []int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	kept := slices.DeleteFunc(g.owned[c], func(p int32) bool { return slices.Contains(lost, p) })
	g.owned[c] = append(kept, got...)
}

// await waits until each of so many members has partitions, and each partition one member.
func (g *memberGroup) await(ctx context.Context, members int) error {
	for began := time.Now(); ; {
		have, owners := g.count()
		if have == members && owners == groupsPartitions {
			return nil
		}
		if time.Since(began) > time.Minute {
			return fmt.Errorf("after a minute %d of %d members have %d of %d partitions", have, members, owners, groupsPartitions)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// count returns how many members have partitions, and how many partitions they have; a partition of two members counts for none.
func (g *memberGroup) count() (members, partitions int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	owners := map[int32]int{}
	for _, c := range g.clients {
		if len(g.owned[c]) > 0 {
			members++
		}
		for _, p := range g.owned[c] {
			owners[p]++
		}
	}
	for _, n := range owners {
		if n == 1 {
			partitions++
		}
	}
	return members, partitions
}

func (g *memberGroup) close() {
	var wg sync.WaitGroup
	for _, c := range g.clients {
		wg.Go(c.Close)
	}
	wg.Wait()
}
