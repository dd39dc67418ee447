package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kip932 reads as members of a share group: what is accepted and rejected is done with, what is released and what a member leaves behind comes again, and
// two members share a partition.
func kip932(t *test) error {
	f, ok := t.driver.(*franz)
	if !ok {
		return unsupported("%s has no share groups", t.client)
	}
	topic, err := t.create("kip932", 1)
	if err != nil {
		return err
	}
	group := topic + "-g"
	if err := f.shareFromStart(t, group); err != nil {
		return err
	}
	if _, err := t.Send(t, topic, numbers(0, 20), sendOptions{}); err != nil {
		return err
	}
	if err := f.acknowledge(t, group, topic); err != nil {
		return fmt.Errorf("one member: %w", err)
	}
	if err := f.together(t, group, topic); err != nil {
		return fmt.Errorf("two members: %w", err)
	}
	return nil
}

// shareFromStart has a share group begin where its topics begin.
func (f *franz) shareFromStart(ctx context.Context, group string) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = "share.auto.offset.reset", kmsg.StringPtr("earliest")
	r.Configs = append(r.Configs, c)
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(ctx, f.client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.Resources[0].ErrorCode)
}

func (f *franz) shareMember(group, topic string, most int32) (*kgo.Client, error) {
	return kgo.NewClient(kgo.SeedBrokers(f.broker), kgo.ShareGroup(group), kgo.ConsumeTopics(topic), kgo.ShareMaxRecords(most), kgo.MetadataMinAge(50*time.Millisecond))
}

// acknowledge has one member accept the even numbers, release the odd ones the first time, reject the fives, and leave 18 and 19 behind.
func (f *franz) acknowledge(ctx context.Context, group, topic string) error {
	cl, err := f.shareMember(group, topic, 500)
	if err != nil {
		return err
	}
	counts := map[string]int32{}
	for done := 0; done < 18; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			cl.Close()
			return err
		}
		for _, r := range fs.Records() {
			counts[string(r.Value)] = r.DeliveryCount()
			switch {
			case r.Offset >= 18:
				cl.MarkAcks(kgo.AckRelease, r)
				continue
			case r.Offset%5 == 0:
				cl.MarkAcks(kgo.AckReject, r)
			case r.Offset%2 == 1 && r.DeliveryCount() == 1:
				cl.MarkAcks(kgo.AckRelease, r)
				continue
			default:
				cl.MarkAcks(kgo.AckAccept, r)
			}
			done++
		}
		if err := cl.FlushAcks(ctx); err != nil {
			cl.Close()
			return err
		}
	}
	cl.Close()
	for n := range int32(18) {
		want := int32(1)
		if n%2 == 1 && n%5 != 0 {
			want = 2
		}
		if got := counts[fmt.Sprint(n)]; got != want {
			return fmt.Errorf("%d was delivered %d times, not %d", n, got, want)
		}
	}
	return nil
}

// together has two members read until both have got something and nothing is left.
func (f *franz) together(t *test, group, topic string) error {
	type delivery struct {
		member int
		value  string
	}
	ctx, cancel := context.WithCancel(t)
	defer cancel()
	got := make(chan delivery, 1000)
	for i := range 2 {
		cl, err := f.shareMember(group, topic, 5)
		if err != nil {
			return err
		}
		defer cl.Close()
		go func() {
			for ctx.Err() == nil {
				for _, r := range cl.PollRecords(ctx, 5).Records() { // the next poll accepts them
					got <- delivery{i, string(r.Value)}
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
	}
	seen := map[string]int{}
	by := map[int]int{}
	next := time.NewTicker(200 * time.Millisecond)
	defer next.Stop()
	sent := 20
	for {
		select {
		case d := <-got:
			seen[d.value]++
			by[d.member]++
		case <-next.C:
			if by[0] >= 5 && by[1] >= 5 {
				if missing := sent - 18 - len(seen); missing > 0 {
					continue
				}
				for _, v := range slices.Sorted(maps.Keys(seen)) {
					if seen[v] != 1 {
						return fmt.Errorf("%s was delivered %d times", v, seen[v])
					}
				}
				return nil
			}
			for range 4 { // a batch each
				if _, err := t.Send(t, topic, numbers(sent, 5), sendOptions{}); err != nil {
					return err
				}
				sent += 5
			}
		case <-t.Done():
			return fmt.Errorf("%d of %d records came, %d and %d to the two: %w", len(seen), sent-18, by[0], by[1], t.Err())
		}
	}
}
