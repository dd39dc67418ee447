package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// groupsProps let members of both protocols hear of a new assignment five times a second, as by default most of a rebalance's time would be that between
// two heartbeats.
var groupsProps = []string{"group.consumer.min.heartbeat.interval.ms=200", "group.consumer.heartbeat.interval.ms=200"}

const groupsPartitions = 100 // of the topic that all groups are about

// measureGroups commits offsets, makes groups of 100 members rebalance, and starts the broker again with a million commits in its log.
func measureGroups(ctx context.Context, b *running, f *figures) error {
	if err := createTopic(ctx, b, "groups", groupsPartitions, nil); err != nil {
		return err
	}
	for _, measure := range []func(context.Context, *running, *figures) error{measureCommits, measureRebalances, measureReload} {
		if err := measure(ctx, b, f); err != nil {
			return err
		}
	}
	return nil
}

// measureCommits commits the offset of one partition a request, one request under way on each connection, each for a group of its own.
func measureCommits(ctx context.Context, b *running, f *figures) error {
	names := groupNames("commits", 50)
	if err := awaitCoordinators(ctx, b, names); err != nil {
		return err
	}
	if err := heatCommits(b, names); err != nil {
		return err
	}
	for _, c := range []struct {
		groups int
		name   string
	}{{1, "OffsetCommit, 1 group"}, {len(names), "OffsetCommit, 50 groups"}} {
		all := make([][]time.Duration, c.groups)
		l, err := drive(b, commitFlows(names[:c.groups], all))
		if err != nil {
			return err
		}
		d := slices.Concat(all...)
		slices.Sort(d)
		l.add(f, c.name, false)
		f.add(c.name+": p50", "ms", ms(quantile(d, 0.5)))
		f.add(c.name+": p99", "ms", ms(quantile(d, 0.99)))
	}
	return nil
}

// heatCommits is to commits what heat is to other load.
func heatCommits(b *running, names []string) error {
	was := settings
	defer func() { settings = was }()
	settings.warm, settings.measured = 0, was.heat/2
	if was.heat <= 0 {
		return nil
	}
	_, err := drive(b, commitFlows(names, make([][]time.Duration, len(names))))
	return err
}

func commitFlows(groups []string, took [][]time.Duration) (flows []flow) {
	for i, group := range groups {
		frame := commitFrame(group, []int32{0}, 1)
		var sent time.Time
		flows = append(flows, flow{depth: 1,
			next: func() ([]byte, int) { sent = time.Now(); return frame, len(frame) },
			answered: func(r []byte) (int, error) {
				took[i] = append(took[i], time.Since(sent))
				return 0, lastCode(r)
			},
		})
	}
	return flows
}

// The log that measureReload has read: 1,000 groups that have committed each of 100 partitions ten times.
const (
	reloadGroups  = 1000
	reloadCommits = 10
)

// measureReload writes a million offset commits, stops the broker cleanly, starts it, and takes the time until each group's offsets are there again.
func measureReload(ctx context.Context, b *running, f *figures) error {
	if b.cmd == nil {
		return nil // not ours to stop
	}
	groups := groupNames("reload", reloadGroups)
	partitions := make([]int32, groupsPartitions)
	for i := range partitions {
		partitions[i] = int32(i)
	}
	c, err := dialRaw(b.addr)
	if err != nil {
		return err
	}
	cpu, began := b.cpuSeconds(), time.Now()
	for i := range reloadCommits {
		for _, group := range groups {
			r, err := c.call(commitFrame(group, partitions, int64(i+1)))
			if err == nil {
				err = lastCode(r)
			}
			if err != nil {
				return fmt.Errorf("commit of %s: %w", group, err)
			}
		}
	}
	_ = c.Close()
	const offsets = reloadCommits * reloadGroups * groupsPartitions
	f.add("OffsetCommit, 100 partitions a request: broker CPU", "µs/offset", 1e6*(b.cpuSeconds()-cpu)/offsets)
	f.add("OffsetCommit, 100 partitions a request: rate", "offsets/s", offsets/time.Since(began).Seconds())
	f.add("resident memory with a million commits", "MiB", b.rssMiB())

	if err := b.stop(); err != nil {
		return err
	}
	if err := b.launch(ctx); err != nil {
		return err
	}
	ready := time.Now()
	if err := awaitOffsets(ctx, b, groups); err != nil {
		return err
	}
	f.add("start with a million commits, until ready", "ms", ms(b.ready))
	f.add("from then until all offsets are there", "ms", ms(time.Since(ready)))
	f.add("both together", "ms", ms(b.ready+time.Since(ready)))
	f.add("broker CPU for that", "s", b.cpuSeconds())
	f.add("resident memory after it", "MiB", b.rssMiB())
	return nil
}

// awaitOffsets asks for one offset of each group until it is the last that was committed.
func awaitOffsets(ctx context.Context, b *running, groups []string) error {
	c, err := dialRaw(b.addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for _, group := range groups {
		frame := offsetFetchFrame(group, groupsPartitions-1)
		err := again(ctx, func() error {
			r, err := c.call(frame)
			if err != nil {
				return err
			}
			if err := lastCode(r); err != nil {
				return err
			}
			if got := fetchedOffset(r); got != reloadCommits {
				return fmt.Errorf("offset %d, %d was committed", got, reloadCommits)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("offsets of %s: %w", group, err)
		}
	}
	return nil
}

// awaitCoordinators finds the groups' coordinators, for which their topic is made, and waits until they take commits.
func awaitCoordinators(ctx context.Context, b *running, groups []string) error {
	c, err := b.client()
	if err != nil {
		return err
	}
	defer c.Close()
	_ = kadm.NewClient(c).FindGroupCoordinators(ctx, groups...) // an error says that the topic is being made
	conn, err := dialRaw(b.addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for _, group := range groups {
		err := again(ctx, func() error {
			r, err := conn.call(commitFrame(group, []int32{0}, 0))
			if err != nil {
				return err
			}
			return lastCode(r)
		})
		if err != nil {
			return fmt.Errorf("coordinator of %s: %w", group, err)
		}
	}
	return nil
}

// again calls fn until the coordinator is there.
func again(ctx context.Context, fn func() error) error {
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		err := fn()
		absent := errors.Is(err, kerr.CoordinatorLoadInProgress) || errors.Is(err, kerr.CoordinatorNotAvailable) || errors.Is(err, kerr.NotCoordinator)
		if !absent || ctx.Err() != nil || time.Since(began) > 2*time.Minute {
			return err
		}
	}
}

func groupNames(prefix string, n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("%s-%d", prefix, i))
	}
	return names
}

// commitFrame is an OffsetCommit request of version 7, of a consumer that assigns itself.
func commitFrame(group string, partitions []int32, offset int64) []byte {
	body := appendString(nil, group)
	body = be.AppendUint32(body, 0xffffffff) // generation
	body = appendString(body, "")            // member
	body = be.AppendUint16(body, 0xffff)     // group.instance.id
	body = be.AppendUint32(body, 1)
	body = appendString(body, "groups")
	body = be.AppendUint32(body, uint32(len(partitions)))
	for _, p := range partitions {
		body = be.AppendUint32(body, uint32(p))
		body = be.AppendUint64(body, uint64(offset))
		body = be.AppendUint32(body, 0xffffffff) // leader epoch
		body = appendString(body, "")            // metadata
	}
	return request(8, 7, body)
}

// offsetFetchFrame is an OffsetFetch request of version 5 for one partition.
func offsetFetchFrame(group string, partition int32) []byte {
	body := appendString(nil, group)
	body = be.AppendUint32(body, 1)
	body = appendString(body, "groups")
	body = be.AppendUint32(body, 1)
	body = be.AppendUint32(body, uint32(partition))
	return request(9, 5, body)
}

// fetchedOffset is the offset in the response to an offsetFetchFrame without an error.
func fetchedOffset(r []byte) int64 {
	at := 4 + 4 + 4
	at += 2 + int(be.Uint16(r[at:])) + 4 + 4
	return int64(be.Uint64(r[at:]))
}

// lastCode is the error code at the end of a response: the group's in OffsetFetch, the last partition's in OffsetCommit.
func lastCode(r []byte) error {
	return kerr.ErrorForCode(int16(be.Uint16(r[len(r)-2:])))
}
