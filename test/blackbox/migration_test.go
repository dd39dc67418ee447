package blackbox_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestGroupRollsToTheNewProtocolAndBack while records flow: clients are replaced one by one, as in a rolling update. No record is lost, and those that are
// read twice are few.
func TestGroupRollsToTheNewProtocolAndBack(t *testing.T) {
	t.Parallel()
	for name, balancer := range map[string]kgo.GroupBalancer{"eager": kgo.RangeBalancer(), "cooperative": kgo.CooperativeStickyBalancer()} {
		t.Run(name, func(t *testing.T) {
			n := start(t, t.TempDir(), "num.partitions", "6", "group.consumer.heartbeat.interval.ms", "50", "group.consumer.min.heartbeat.interval.ms", "50",
				"group.consumer.assignment.interval.ms", "0", "group.initial.rebalance.delay.ms", "0")
			m := &members848{t: t, n: n, owned: map[string]map[string][]int32{}}
			producer := n.franz(t)
			sent := 0
			some := func() {
				values := make([]string, 20)
				for i := range values {
					values[i] = fmt.Sprint("r", sent)
					sent++
				}
				produce(t, producer, "rolling", values...)
			}
			clients := map[string]*kgo.Client{}
			common := []kgo.Opt{kgo.ConsumerGroup("rolling"), kgo.ConsumeTopics("rolling"), kgo.AutoCommitInterval(100 * time.Millisecond), kgo.HeartbeatInterval(50 * time.Millisecond)}
			in := func(id string, modern bool) {
				if modern {
					clients[id] = m.join(id, common...)
				} else {
					clients[id] = m.enter(id, append([]kgo.Opt{kgo.Balancers(balancer)}, common...)...)
				}
			}
			out := func(id string) {
				if err := clients[id].CommitUncommittedOffsets(within(t)); err != nil {
					t.Errorf("%s: commit: %v", id, err)
				}
				clients[id].Close()
				m.mu.Lock()
				delete(m.owned, id)
				m.mu.Unlock()
			}
			admin := kadm.NewClient(n.franz(t))
			is := func(groupType string) {
				t.Helper()
				groups, err := admin.ListGroupsByType(within(t), []string{groupType})
				if _, ok := groups["rolling"]; err != nil || !ok {
					t.Errorf("not a %s group: %+v, %v", groupType, groups, err)
				}
			}
			some()
			in("classic-1", false)
			in("classic-2", false)
			m.await(map[string]int{"classic-1": 3, "classic-2": 3})
			is("classic")
			some()
			in("new-1", true)
			m.await(map[string]int{"classic-1": 2, "classic-2": 2, "new-1": 2})
			is("consumer")
			some()
			out("classic-1")
			m.await(map[string]int{"classic-2": 3, "new-1": 3})
			in("new-2", true)
			m.await(map[string]int{"classic-2": 2, "new-1": 2, "new-2": 2})
			out("classic-2")
			some()
			m.await(map[string]int{"new-1": 3, "new-2": 3})
			in("classic-3", false)
			m.await(map[string]int{"classic-3": 2, "new-1": 2, "new-2": 2})
			some()
			out("new-1")
			m.await(map[string]int{"classic-3": 3, "new-2": 3})
			is("consumer")
			out("new-2")
			m.await(map[string]int{"classic-3": 6})
			is("classic")
			some()
			eventually(t, "all records are read", func() bool {
				m.mu.Lock()
				defer m.mu.Unlock()
				return len(slices.Compact(slices.Sorted(slices.Values(m.got)))) == sent
			})
			out("classic-3")
			m.mu.Lock()
			defer m.mu.Unlock()
			if twice := len(m.got) - sent; twice > sent/6 {
				t.Errorf("%d of %d records were read twice", twice, sent)
			}
		})
	}
}
