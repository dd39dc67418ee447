package group

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// wordCount is a topology of two subtopologies: the first reads t1 and writes a repartition topic, the second counts what is in that.
func wordCount() *kmsg.StreamsGroupHeartbeatRequestTopology {
	return &kmsg.StreamsGroupHeartbeatRequestTopology{Subtopologies: []kmsg.StreamsGroupHeartbeatRequestTopologySubtopology{
		{SubtopologyID: "0", SourceTopics: []string{"t1"}, RepartitionSinkTopics: []string{"repartition"}},
		{
			SubtopologyID: "1", RepartitionSourceTopics: []kmsg.TopicInfo{{Topic: "repartition"}},
			StateChangelogTopics: []kmsg.TopicInfo{{Topic: "changelog", Configs: []kmsg.TopicInfoConfig{{Key: "cleanup.policy", Value: "compact"}}}},
		},
	}}
}

// instance is a member of a streams application that does as it is told: it gives up what it must with the next heartbeat.
type instance struct {
	id, process string
	epoch       int32
	owns        tasks
	topology    *kmsg.StreamsGroupHeartbeatRequestTopology
	missing     []kmsg.CreateTopicsRequestTopic // of the last answer
}

func (p *instance) beat(h *harness, change func(*kmsg.StreamsGroupHeartbeatRequest)) *kmsg.StreamsGroupHeartbeatResponse {
	req := kmsg.NewPtrStreamsGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch, req.RebalanceTimeoutMillis = "g", p.id, p.epoch, -1
	if p.epoch == epochJoin {
		req.RebalanceTimeoutMillis, req.Topology, req.ProcessID = 30_000, p.topology, &p.process
		if p.topology == nil {
			req.Topology = wordCount()
		}
		p.owns = tasks{}
	}
	req.ActiveTasks, req.StandbyTasks, req.WarmupTasks = p.owns.active.wire(), p.owns.standby.wire(), p.owns.warmup.wire()
	if change != nil {
		change(req)
	}
	resp, missing := h.c.StreamsGroupHeartbeat(h.t.Context(), Client{ID: "c", Host: "/h"}, req)
	p.missing = missing
	switch {
	case resp.ErrorCode == kerr.FencedMemberEpoch.Code || resp.ErrorCode == kerr.UnknownMemberID.Code || resp.ErrorCode == kerr.GroupIDNotFound.Code:
		p.epoch, p.owns = epochJoin, tasks{}
	case resp.ErrorCode == 0 && req.MemberEpoch >= 0:
		p.epoch = resp.MemberEpoch
		if resp.ActiveTasks != nil {
			p.owns = tasks{requestedTasks(resp.ActiveTasks), requestedTasks(resp.StandbyTasks), requestedTasks(resp.WarmupTasks)}
		}
	}
	return resp
}

// create makes the internal topics that a heartbeat has asked for.
func (h *harness) create(topics []kmsg.CreateTopicsRequestTopic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range topics {
		h.topics[t.Topic] = int(t.NumPartitions)
	}
	if len(topics) > 0 {
		h.changes.Add(1)
	}
}

func statuses(resp *kmsg.StreamsGroupHeartbeatResponse) string {
	var list []string
	for _, s := range resp.Status {
		list = append(list, fmt.Sprintf("%d: %s", s.StatusCode, s.StatusDetail))
	}
	return strings.Join(list, "; ")
}

// activeOnce fails when two instances have the same active task, or a process a task in two roles.
func activeOnce(t *testing.T, players map[string]*instance) (active, standby int) {
	t.Helper()
	by, at := map[taskID]string{}, map[string]string{}
	for id, p := range players {
		for task := range p.owns.active {
			if other, taken := by[task]; taken {
				t.Fatalf("%v belongs to %s and %s", task, other, id)
			}
			by[task] = id
		}
		for _, task := range slices.Concat(p.owns.active.sorted(), p.owns.standby.sorted()) {
			key := fmt.Sprint(p.process, task)
			if other, taken := at[key]; taken {
				t.Fatalf("%v is twice on %s: %s and %s", task, p.process, other, id)
			}
			at[key] = id
		}
		standby += len(p.owns.standby)
	}
	return len(by), standby
}

// TestStreamsGroupInvariants plays random instances, with restarts, silent members, other numbers of standby replicas and members of one process: no task
// is ever active twice, what the log holds is what the shard knows, and when all are quiet each task belongs to somebody.
func TestStreamsGroupInvariants(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 2))
				h := newHarness(t, 1)
				if seed%2 == 1 {
					h.change(func(l *limits) { l.streams.initialDelay, l.streams.interval = 3*time.Second, time.Second })
				}
				players := map[string]*instance{}
				beatAll := func() {
					for _, id := range slices.Sorted(maps.Keys(players)) {
						players[id].beat(h, nil)
						h.create(players[id].missing)
					}
				}
				replicas := int64(0)
				for i := range 150 {
					var p *instance
					if ids := slices.Sorted(maps.Keys(players)); len(ids) > 0 {
						p = players[ids[rng.IntN(len(ids))]]
					}
					switch n := rng.IntN(20); {
					case n < 3 && len(players) < 6:
						p = &instance{id: fmt.Sprint("m", i), process: fmt.Sprint("p", rng.IntN(4))}
						players[p.id] = p
						p.beat(h, nil)
						h.create(p.missing)
					case p == nil:
					case n == 3:
						delete(players, p.id)
						if p.epoch > 0 {
							p.epoch = epochLeave
							p.beat(h, nil)
						}
					case n == 4:
						delete(players, p.id) // silent: its session ends
						for range 10 {
							time.Sleep(5 * time.Second)
							beatAll()
						}
					case n == 5:
						h.restart()
					case n == 6:
						replicas = int64(rng.IntN(3))
						h.change(func(l *limits) { l.streams.standbyReplicas = replicas })
					case n == 7:
						time.Sleep(2 * time.Second)
					case n == 8:
						p.epoch = epochJoin // it has lost all it had
						p.beat(h, nil)
					default:
						p.beat(h, nil)
					}
					activeOnce(t, players)
					h.check()
				}
				if len(players) == 0 {
					return
				}
				for range 20 {
					time.Sleep(3 * time.Second)
					beatAll()
					h.check()
				}
				processes := map[string]bool{}
				for _, p := range players {
					processes[p.process] = true
				}
				active, standby := activeOnce(t, players)
				if want := 4 * min(int(replicas), len(processes)-1); active != 8 || standby != want {
					t.Errorf("%d tasks are active, %d standby; want 8 and %d", active, standby, want)
				}
				if d := describeStreams(h); d.State != "Stable" {
					t.Errorf("state %s", d.State)
				}
			})
		})
	}
}

func describeStreams(h *harness) kmsg.StreamsGroupDescribeResponseGroup {
	req := kmsg.NewPtrStreamsGroupDescribeRequest()
	req.Groups = []string{"g"}
	return h.c.StreamsGroupDescribe(h.t.Context(), req).Groups[0]
}

// TestStreamsTopicsOfTopology: what a member is told while topics are missing, and what is asked for.
func TestStreamsTopicsOfTopology(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		h.mu.Lock()
		delete(h.topics, "t1")
		h.mu.Unlock()
		p := &instance{id: "m", process: "p"}
		if got := statuses(p.beat(h, nil)); got != "1: Source topics t1 are missing." || len(p.missing) > 0 {
			t.Errorf("%s, %v", got, p.missing)
		}
		if d := describeStreams(h); d.State != stateNotReady {
			t.Errorf("state %s", d.State)
		}
		h.create([]kmsg.CreateTopicsRequestTopic{{Topic: "t1", NumPartitions: 5}})
		if got := statuses(p.beat(h, nil)); got != "3: Internal topics are missing: changelog, repartition" || len(p.missing) != 2 {
			t.Fatalf("%s, %v", got, p.missing)
		}
		c := p.missing[0]
		if c.Topic != "changelog" || c.NumPartitions != 5 || c.ReplicationFactor != -1 || len(c.Configs) != 1 || *c.Configs[0].Value != "compact" {
			t.Errorf("%+v", c)
		}
		h.create([]kmsg.CreateTopicsRequestTopic{{Topic: "repartition", NumPartitions: 3}})
		if got := statuses(p.beat(h, nil)); got != "2: Existing topic repartition has different number of partitions: expected 5, found 3" {
			t.Error(got)
		}
		h.create([]kmsg.CreateTopicsRequestTopic{{Topic: "repartition", NumPartitions: 5}, {Topic: "changelog", NumPartitions: 5}})
		resp := p.beat(h, nil)
		if got := statuses(resp); got != "" || len(p.owns.active) != 10 {
			t.Errorf("%s, %v", got, p.owns)
		}
		d := describeStreams(h)
		if d.State != "Stable" || d.Topology.Subtopologies[1].StateChangelogTopics[0].NumPartitions != 5 {
			t.Errorf("%+v", d)
		}
		h.check()
	})
}

// TestStreamsHeartbeatRefused: errors with their texts, and the statuses of members that differ.
func TestStreamsHeartbeatRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		h.create([]kmsg.CreateTopicsRequestTopic{{Topic: "repartition", NumPartitions: 4}, {Topic: "changelog", NumPartitions: 4}})
		newer := wordCount()
		newer.Epoch = 2
		p := &instance{id: "m", process: "p", topology: newer}
		p.beat(h, nil)
		text := "x"
		for want, change := range map[string]func(*kmsg.StreamsGroupHeartbeatRequest){
			"INVALID_REQUEST Static membership is not yet supported.":                                      func(r *kmsg.StreamsGroupHeartbeatRequest) { r.InstanceID = &text },
			"INVALID_REQUEST MemberId can't be empty.":                                                     func(r *kmsg.StreamsGroupHeartbeatRequest) { r.MemberID = "" },
			"INVALID_REQUEST If one task-type is non-null, all must be non-null.":                          func(r *kmsg.StreamsGroupHeartbeatRequest) { r.StandbyTasks = nil },
			"INVALID_REQUEST Topology can only be provided when (re-)joining.":                             func(r *kmsg.StreamsGroupHeartbeatRequest) { r.Topology = wordCount() },
			"GROUP_ID_NOT_FOUND Streams group x not found.":                                                func(r *kmsg.StreamsGroupHeartbeatRequest) { r.Group = "x" },
			"UNKNOWN_MEMBER_ID Member x is not a member of group g.":                                       func(r *kmsg.StreamsGroupHeartbeatRequest) { r.MemberID = "x" },
			"INVALID_REQUEST Subtopology 7 does not exist in the topology.":                                func(r *kmsg.StreamsGroupHeartbeatRequest) { r.ActiveTasks[0].SubtopologyID = "7" },
			"INVALID_REQUEST Task 9 for subtopology 0 is invalid. Number of tasks for this subtopology: 4": func(r *kmsg.StreamsGroupHeartbeatRequest) { r.ActiveTasks[0].Partitions = []int32{9} },
			"INVALID_REQUEST Topology updates are not supported yet.": func(r *kmsg.StreamsGroupHeartbeatRequest) {
				r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis, r.Topology, r.ActiveTasks = "n", 0, 1, wordCount(), []kmsg.TaskIDs{}
				r.Topology.Epoch, r.Topology.Subtopologies[0].SourceTopics = 2, []string{"t2"}
			},
			"STREAMS_INVALID_TOPOLOGY Changelog topic changelog must have an undefined partition count, but it is set to 3.": func(r *kmsg.StreamsGroupHeartbeatRequest) {
				r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis, r.Topology, r.ActiveTasks = "n", 0, 1, wordCount(), []kmsg.TaskIDs{}
				r.Topology.Subtopologies[1].StateChangelogTopics[0].NumPartitions = 3
			},
		} {
			keep := *p
			resp := p.beat(h, change)
			*p = keep
			if got := codeName(resp.ErrorCode) + " " + deref(resp.ErrorMessage); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		}
		old := &instance{id: "old", process: "q"}
		if got := statuses(old.beat(h, nil)); got != "0: The member's topology epoch 0 is behind the group's topology epoch 2." {
			t.Error(got)
		}
		old.beat(h, func(r *kmsg.StreamsGroupHeartbeatRequest) { r.ShutdownApplication = true })
		if got := statuses(p.beat(h, nil)); got != "4: Streams group member old encountered a fatal error and requested a shutdown for the entire application." {
			t.Error(got)
		}
		h.check()
	})
}

// TestStreamsCommitsByAssignmentEpoch: a member may commit with an older epoch while it has had the task since then.
func TestStreamsCommitsByAssignmentEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		h.create([]kmsg.CreateTopicsRequestTopic{{Topic: "repartition", NumPartitions: 4}, {Topic: "changelog", NumPartitions: 4}})
		a, b := &instance{id: "a", process: "p"}, &instance{id: "b", process: "q"}
		a.beat(h, nil)
		first := a.epoch
		b.beat(h, nil)
		for range 4 {
			a.beat(h, nil)
			b.beat(h, nil)
		}
		commit := func(member string, epoch, partition int32) error {
			req := kmsg.NewPtrOffsetCommitRequest()
			req.Version, req.Group, req.MemberID, req.Generation = 9, "g", member, epoch
			req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t1", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: partition, Offset: 5}}}}
			return kerr.ErrorForCode(h.c.OffsetCommit(t.Context(), Client{}, req).Topics[0].Partitions[0].ErrorCode)
		}
		for partition := range int32(4) {
			want := error(kerr.StaleMemberEpoch)
			if a.owns.active.has(taskID{"0", partition}) {
				want = nil
			}
			if got := commit("a", first, partition); got != want {
				t.Errorf("partition %d of epoch %d: %v, want %v", partition, first, got, want)
			}
			if got := commit("a", a.epoch, partition); got != nil {
				t.Errorf("partition %d of the member's epoch: %v", partition, got)
			}
		}
		if got := commit("a", a.epoch+1, 0); got != kerr.StaleMemberEpoch {
			t.Errorf("of a later epoch: %v", got)
		}
		if got := commit("b", first, 0); got != kerr.StaleMemberEpoch {
			t.Errorf("of an epoch before the member's first: %v", got)
		}
	})
}

// TestCopartition: topics that are joined get the same number of partitions, or the topology cannot run.
func TestCopartition(t *testing.T) {
	for _, c := range []struct {
		t1, t2, fixed int32
		want          string
	}{
		{4, 4, 0, "ready 4"},
		{4, 2, 0, "2: Following topics do not have the same number of partitions: [{t1=4, t2=2}]"},
		{4, 4, 4, "ready 4"},
		{4, 4, 3, "2: Number of partitions [3] of repartition topic [r] doesn't match number of partitions [4] of the source topic."},
	} {
		view := topicView{
			id: func(string) (uuid, bool) { return uuid{1}, true },
			partitions: func(name string) int {
				return int(map[string]int32{"t1": c.t1, "t2": c.t2, "in": 9}[name])
			},
		}
		v := &records.StreamsGroupTopologyValue{Subtopologies: []records.Subtopology{
			{SubtopologyID: "0", SourceTopics: []string{"in"}, RepartitionSinkTopics: []string{"r"}},
			{
				SubtopologyID: "1", SourceTopics: []string{"t1", "t2"}, RepartitionSourceTopics: []records.TopicInfo{{Name: "r", Partitions: c.fixed}},
				CopartitionGroups: []records.CopartitionGroup{{SourceTopics: []int16{0, 1}, RepartitionSourceTopics: []int16{0}}},
			},
		}}
		got, err := configureTopology(v, view)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%d: %s", got.status, got.detail)
		if got.status == statusMissingInternalTopics {
			text = fmt.Sprint("ready ", got.missing[0].NumPartitions)
		}
		if text != c.want {
			t.Errorf("%+v: %s", c, text)
		}
	}
}
