package differential

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// streamsGroups is the life of a streams group (KIP-1071), and the mistakes that its members make.
func streamsGroups(r *run) {
	const group = "sg-one"
	if r.alone != nil {
		return // nothing of it is gokafka's alone, and the group of the first play is still there
	}
	r.coordinatorReady(group, "sg-classic")
	r.topic("sg-in", 4)
	type heartbeat = kmsg.StreamsGroupHeartbeatRequest
	topology := func() *kmsg.StreamsGroupHeartbeatRequestTopology {
		return &kmsg.StreamsGroupHeartbeatRequestTopology{Subtopologies: []kmsg.StreamsGroupHeartbeatRequestTopologySubtopology{
			{SubtopologyID: "0", SourceTopics: []string{"sg-in"}, RepartitionSinkTopics: []string{"sg-repartition"}},
			{
				SubtopologyID: "1", RepartitionSourceTopics: []kmsg.TopicInfo{{Topic: "sg-repartition"}},
				StateChangelogTopics: []kmsg.TopicInfo{{Topic: "sg-changelog", Configs: []kmsg.TopicInfoConfig{{Key: "cleanup.policy", Value: "compact"}}}},
			},
		}}
	}
	beat := func(step, member string, epoch int32, change func(*heartbeat)) *kmsg.StreamsGroupHeartbeatResponse {
		req := kmsg.NewPtrStreamsGroupHeartbeatRequest()
		req.Group, req.MemberID, req.MemberEpoch, req.RebalanceTimeoutMillis = group, member, epoch, -1
		if epoch == 0 {
			req.RebalanceTimeoutMillis, req.Topology, req.ProcessID = 60000, topology(), kmsg.StringPtr("p-"+member)
			req.ActiveTasks, req.StandbyTasks, req.WarmupTasks = []kmsg.TaskIDs{}, []kmsg.TaskIDs{}, []kmsg.TaskIDs{}
		}
		if change != nil {
			change(req)
		}
		resp := r.quiet(req).(*kmsg.StreamsGroupHeartbeatResponse)
		for _, list := range [][]kmsg.TaskIDs{resp.ActiveTasks, resp.StandbyTasks} {
			slices.SortFunc(list, func(a, b kmsg.TaskIDs) int { return strings.Compare(a.SubtopologyID, b.SubtopologyID) })
		}
		for i := range resp.Status { // in the order of a hash table
			if text, names, ok := strings.Cut(resp.Status[i].StatusDetail, "Internal topics are missing: "); ok {
				list := strings.Split(names, ", ")
				slices.Sort(list)
				resp.Status[i].StatusDetail = text + "missing " + strings.Join(list, ", ")
			}
		}
		r.record(answer{step: step, key: req.Key(), lines: r.syms.flatten(resp)})
		return resp
	}
	owns := func(resp *kmsg.StreamsGroupHeartbeatResponse) func(*heartbeat) {
		return func(q *heartbeat) {
			q.ActiveTasks, q.StandbyTasks, q.WarmupTasks = append([]kmsg.TaskIDs{}, resp.ActiveTasks...), append([]kmsg.TaskIDs{}, resp.StandbyTasks...), []kmsg.TaskIDs{}
		}
	}
	describe := func(step string) {
		req := kmsg.NewPtrStreamsGroupDescribeRequest()
		req.Groups = []string{group}
		resp := r.quiet(req).(*kmsg.StreamsGroupDescribeResponse)
		for i := range resp.Groups {
			for j := range resp.Groups[i].Members {
				m := &resp.Groups[i].Members[j]
				for _, list := range [][]kmsg.TaskIDs{m.Assignment.ActiveTasks, m.TargetAssignment.ActiveTasks} {
					slices.SortFunc(list, func(a, b kmsg.TaskIDs) int { return strings.Compare(a.SubtopologyID, b.SubtopologyID) })
				}
			}
			slices.SortFunc(resp.Groups[i].Members, func(a, b kmsg.StreamsGroupDescribeResponseGroupMember) int {
				return strings.Compare(a.MemberID, b.MemberID)
			})
		}
		r.record(answer{step: step, key: req.Key(), lines: r.syms.flatten(resp)})
	}
	beat("unknown group", "m1", 5, nil)
	beat("leave unknown group", "m1", -1, nil)
	beat("empty group", "m1", 0, func(q *heartbeat) { q.Group = "" })
	beat("no member id", "", 0, nil)
	beat("blank rack", "m1", 0, func(q *heartbeat) { q.RackID = kmsg.StringPtr("") })
	beat("static", "m1", 0, func(q *heartbeat) { q.InstanceID = kmsg.StringPtr("i") })
	beat("no time-out", "m1", 0, func(q *heartbeat) { q.RebalanceTimeoutMillis = -1 })
	beat("null tasks", "m1", 0, func(q *heartbeat) { q.ActiveTasks = nil })
	beat("owned tasks", "m1", 0, func(q *heartbeat) { q.StandbyTasks = []kmsg.TaskIDs{{SubtopologyID: "0", Partitions: []int32{0}}} })
	beat("warm-up tasks", "m1", 0, func(q *heartbeat) { q.WarmupTasks = []kmsg.TaskIDs{{SubtopologyID: "0", Partitions: []int32{0}}} })
	beat("task offsets", "m1", 0, func(q *heartbeat) { q.TaskOffsets = []kmsg.TaskOffset{} })
	beat("no topology", "m1", 0, func(q *heartbeat) { q.Topology = nil })
	beat("expression", "m1", 0, func(q *heartbeat) { q.Topology.Subtopologies[0].SourceTopicRegex = []string{"a.*"} })
	beat("partitions of a changelog", "m1", 0, func(q *heartbeat) { q.Topology.Subtopologies[1].StateChangelogTopics[0].NumPartitions = 3 })
	beat("internal topic", "m1", 0, func(q *heartbeat) { q.Topology.Subtopologies[0].SourceTopics[0] = "__consumer_offsets" })
	beat("bad topic name", "m1", 0, func(q *heartbeat) { q.Topology.Subtopologies[0].RepartitionSinkTopics[0] = "a b" })
	beat("nobody writes the repartition topic", "m1", 0, func(q *heartbeat) { q.Topology.Subtopologies[0].RepartitionSinkTopics = []string{} })
	beat("bad epoch", "m1", -3, nil)
	beat("static without instance", "m1", -2, nil)
	beat("missing source, another group", "m1", 0, func(q *heartbeat) {
		q.Group = "sg-classic"
		q.Topology.Subtopologies[0].SourceTopics[0] = "sg-none"
	})
	missing := beat("internal topics are missing", "m1", 0, nil)
	describe("not ready")
	r.awaitTopic("sg-repartition", 4)
	r.awaitTopic("sg-changelog", 4)
	configs := kmsg.NewPtrDescribeConfigsRequest()
	configs.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "sg-changelog", ConfigNames: []string{"cleanup.policy"}}}
	ask[*kmsg.DescribeConfigsResponse](r, "configuration of an internal topic", 4, configs)
	time.Sleep(time.Second) // Apache Kafka's coordinator hears of topics after its metadata requests do, and nothing tells when
	one := beat("first gets tasks", "m1", missing.MemberEpoch, owns(missing))
	beat("first again", "m1", one.MemberEpoch, owns(one))
	beat("first, newer epoch", "m1", one.MemberEpoch+5, owns(one))
	beat("first, older epoch", "m1", one.MemberEpoch-2, owns(one))
	beat("unknown subtopology", "m1", one.MemberEpoch, func(q *heartbeat) { owns(one)(q); q.ActiveTasks[0].SubtopologyID = "7" })
	beat("unknown task", "m1", one.MemberEpoch, func(q *heartbeat) {
		owns(one)(q)
		q.ActiveTasks = []kmsg.TaskIDs{{SubtopologyID: "0", Partitions: []int32{9}}}
	})
	beat("only some kinds of tasks", "m1", one.MemberEpoch, func(q *heartbeat) { owns(one)(q); q.StandbyTasks = nil })
	beat("topology later", "m1", one.MemberEpoch, func(q *heartbeat) { q.Topology = topology() })
	describe("one member")
	two := beat("second joins", "m2", 0, func(q *heartbeat) {
		q.UserEndpoint = &kmsg.StreamsGroupHeartbeatRequestUserEndpoint{Host: "h", Port: 7}
		q.ClientTags = []kmsg.StreamsGroupHeartbeatRequestClientTag{{Key: "zone", Value: "a"}}
	})
	beat("third has another topology", "m3", 0, func(q *heartbeat) { q.Topology.Subtopologies[0].SourceTopics[0] = "sg-other" })
	one2 := beat("first must give up", "m1", one.MemberEpoch, owns(one))
	describe("between")
	one3 := beat("first has given up", "m1", one2.MemberEpoch, owns(one2))
	two2 := beat("second takes", "m2", two.MemberEpoch, owns(two))
	beat("second again", "m2", two2.MemberEpoch, func(q *heartbeat) { owns(two2)(q); q.EndpointInformationEpoch = two2.EndpointInformationEpoch })
	describe("two members")
	commit := func(step, member string, epoch int32, version int16) {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.MemberID, req.Generation = group, member, epoch
		req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "sg-in", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 0, Offset: 3, LeaderEpoch: -1}}}}
		ask[*kmsg.OffsetCommitResponse](r, step, version, req)
	}
	commit("commit", "m1", one3.MemberEpoch, 9)
	commit("commit with a newer epoch", "m1", one3.MemberEpoch+1, 9)
	commit("commit with the epoch before", "m1", one.MemberEpoch, 9)
	commit("commit of nobody", "m9", 1, 9)
	commit("commit without a member", "", -1, 9)
	commit("commit in an old version", "m1", one3.MemberEpoch, 8)
	join := joinRequest(group, "")
	join.Version = 9
	r.note("classic join", "code", fmt.Sprint(r.quiet(join).(*kmsg.JoinGroupResponse).ErrorCode))
	del := kmsg.NewPtrDeleteGroupsRequest()
	del.Groups = []string{group}
	ask[*kmsg.DeleteGroupsResponse](r, "delete", 2, del)
	beat("shutdown", "m1", one3.MemberEpoch, func(q *heartbeat) { q.ShutdownApplication = true })
	beat("shutdown is told to the others", "m2", two2.MemberEpoch, nil)
	beat("leave m1", "m1", -1, nil)
	beat("leave again", "m1", -1, nil)
	beat("leave m2", "m2", -1, nil)
	describe("empty")
	ask[*kmsg.DeleteGroupsResponse](r, "delete empty", 2, del)
	describe("deleted")
}
