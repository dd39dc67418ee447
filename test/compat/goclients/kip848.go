package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// kip848 is the scenario group with members of the new protocol.
func kip848(t *test) error {
	f, ok := t.driver.(*franz)
	if !ok {
		return unsupported("%s has classic groups only", t.client)
	}
	return group(&test{Context: t.Context, driver: &franz848{f}, client: t.client})
}

// franz848 lets the broker assign partitions (KIP-848).
type franz848 struct{ *franz }

func (f *franz848) Join(_ context.Context, group, topic string) (member, error) {
	return f.join(group, topic, kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
}

func (f *franz848) DescribeGroup(ctx context.Context, group string) (string, int, error) {
	all, err := f.admin.DescribeConsumerGroups(ctx, group)
	if err != nil {
		return "", 0, err
	}
	return all[group].State, len(all[group].Members), all[group].Err
}
