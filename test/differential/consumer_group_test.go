package differential

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumerGroups is the life of groups of the new protocol (KIP-848), and the mistakes that their members make.
func consumerGroups(r *run) {
	r.coordinatorReady("cg-v0", "cg-v1", "cg-classic", "cg-errors")
	r.topic("cg-one", 4)
	r.topic("cg-two", 2)
	for v := range r.versions(kmsg.ConsumerGroupHeartbeat) {
		group := fmt.Sprint("cg-v", v)
		type heartbeat = kmsg.ConsumerGroupHeartbeatRequest
		beat := func(step, member string, epoch int32, change func(*heartbeat)) *kmsg.ConsumerGroupHeartbeatResponse {
			req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
			req.Group, req.MemberID, req.MemberEpoch = group, member, epoch
			if epoch == 0 {
				req.RebalanceTimeoutMillis = 60000
				req.SubscribedTopicNames = []string{"cg-one"}
				req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
			}
			if change != nil {
				change(req)
			}
			return ask[*kmsg.ConsumerGroupHeartbeatResponse](r, step, v, req)
		}
		owns := func(resp *kmsg.ConsumerGroupHeartbeatResponse) func(*heartbeat) {
			return func(q *heartbeat) {
				q.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
				if resp.Assignment != nil {
					for _, t := range resp.Assignment.Topics {
						q.Topics = append(q.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: t.TopicID, Partitions: t.Partitions})
					}
				}
			}
		}
		describe := func(step string) {
			for dv := range r.versions(kmsg.ConsumerGroupDescribe) {
				req := kmsg.NewPtrConsumerGroupDescribeRequest()
				req.Groups = []string{group}
				req.Version = dv
				resp := r.quiet(req).(*kmsg.ConsumerGroupDescribeResponse)
				for i := range resp.Groups {
					for j := range resp.Groups[i].Members {
						slices.Sort(resp.Groups[i].Members[j].SubscribedTopics)
					}
					slices.SortFunc(resp.Groups[i].Members, func(a, b kmsg.ConsumerGroupDescribeResponseGroupMember) int {
						return strings.Compare(a.MemberID, b.MemberID)
					})
				}
				r.record(answer{step: fmt.Sprint(step, " ", v), version: dv, key: req.Key(), lines: r.syms.flatten(resp)})
			}
		}
		beat("unknown group", "m1", 5, nil)
		beat("leave unknown group", "m1", -1, nil)
		beat("empty group", "m1", 0, func(q *heartbeat) { q.Group = "" })
		beat("blank instance", "m1", 0, func(q *heartbeat) { q.InstanceID = kmsg.StringPtr("") })
		beat("blank rack", "m1", 0, func(q *heartbeat) { q.RackID = kmsg.StringPtr("") })
		beat("no time-out", "m1", 0, func(q *heartbeat) { q.RebalanceTimeoutMillis = -1 })
		beat("null partitions", "m1", 0, func(q *heartbeat) { q.Topics = nil })
		beat("owned partitions", "m1", 0, func(q *heartbeat) {
			q.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: r.topicID("cg-one"), Partitions: []int32{0}}}
		})
		beat("no topics", "m1", 0, func(q *heartbeat) { q.SubscribedTopicNames = nil })
		beat("unknown assignor", "m1", 0, func(q *heartbeat) { q.ServerAssignor = kmsg.StringPtr("mine") })
		beat("bad epoch", "m1", -3, nil)
		beat("static without instance", "m1", -2, nil)
		if v >= 1 {
			beat("no member id", "", 0, nil)
			beat("bad expression", "m1", 0, func(q *heartbeat) { q.SubscribedTopicNames, q.SubscribedTopicRegex = nil, kmsg.StringPtr("cg-[") })
		}
		one := beat("first joins", "m1", 0, nil)
		beat("first again", "m1", one.MemberEpoch, owns(one))
		beat("first, newer epoch", "m1", one.MemberEpoch+5, owns(one))
		beat("first, older epoch", "m1", one.MemberEpoch-1, nil)
		describe("one member")
		two := beat("second joins", "m2", 0, nil)
		one2 := beat("first must give up", "m1", one.MemberEpoch, owns(one))
		describe("between")
		one3 := beat("first has given up", "m1", one2.MemberEpoch, owns(one2))
		two2 := beat("second takes", "m2", two.MemberEpoch, owns(two))
		beat("second again", "m2", two2.MemberEpoch, owns(two2))
		describe("two members")
		_ = one3
		join := joinRequest(group, "")
		join.Version = 9
		resp := r.quiet(join).(*kmsg.JoinGroupResponse)
		r.note(fmt.Sprint("classic join ", v), "code", fmt.Sprint(kerr.ErrorForCode(resp.ErrorCode)))
		commit := func(step, member string, epoch int32, version int16) {
			req := kmsg.NewPtrOffsetCommitRequest()
			req.Group, req.MemberID, req.Generation = group, member, epoch
			req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "cg-one", TopicID: r.topicID("cg-one"), Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 0, Offset: 3, LeaderEpoch: -1}}}}
			ask[*kmsg.OffsetCommitResponse](r, fmt.Sprint(step, " ", v), version, req)
		}
		commit("commit", "m1", one3.MemberEpoch, 9)
		commit("commit with another epoch", "m1", one3.MemberEpoch+1, 9)
		commit("commit of nobody", "m9", 1, 9)
		commit("commit without a member", "", -1, 9)
		commit("commit in an old version", "m1", one3.MemberEpoch, 8)
		fetch := kmsg.NewPtrOffsetFetchRequest()
		fetch.Groups = []kmsg.OffsetFetchRequestGroup{
			{Group: group, MemberID: kmsg.StringPtr("m1"), MemberEpoch: one3.MemberEpoch, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "cg-one", Partitions: []int32{0}}}},
			{Group: group, MemberID: kmsg.StringPtr("m1"), MemberEpoch: 99, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "cg-one", Partitions: []int32{0}}}},
			{Group: group, MemberID: kmsg.StringPtr("m9"), MemberEpoch: 1, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "cg-one", Partitions: []int32{0}}}},
			{Group: group, MemberEpoch: -1, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "cg-one", Partitions: []int32{0}}}},
		}
		ask[*kmsg.OffsetFetchResponse](r, fmt.Sprint("fetch offsets ", v), 9, fetch)
		del := kmsg.NewPtrDeleteGroupsRequest()
		del.Groups = []string{group}
		ask[*kmsg.DeleteGroupsResponse](r, fmt.Sprint("delete ", v), 2, del)
		more := beat("first wants more", "m1", one3.MemberEpoch, func(q *heartbeat) {
			owns(one2)(q)
			q.SubscribedTopicNames, q.RebalanceTimeoutMillis = []string{"cg-one", "cg-two", "cg-none"}, 60000
		})
		_ = more
		describe("more topics")
		static := beat("static joins", "m3", 0, func(q *heartbeat) { q.InstanceID = kmsg.StringPtr("i") })
		beat("static twice", "m4", 0, func(q *heartbeat) { q.InstanceID = kmsg.StringPtr("i") })
		beat("static of another", "m4", static.MemberEpoch, func(q *heartbeat) { q.InstanceID = kmsg.StringPtr("i") })
		beat("static leaves for a while", "m3", -2, func(q *heartbeat) { q.InstanceID = kmsg.StringPtr("i") })
		beat("static comes back", "m4", 0, func(q *heartbeat) { q.InstanceID = kmsg.StringPtr("i") })
		beat("static, the old one", "m3", static.MemberEpoch, func(q *heartbeat) { q.InstanceID = kmsg.StringPtr("i") })
		for _, m := range []string{"m1", "m2", "m4"} {
			beat("leave "+m, m, -1, nil)
		}
		beat("leave again", "m1", -1, nil)
		describe("empty")
		ask[*kmsg.DeleteGroupsResponse](r, fmt.Sprint("delete empty ", v), 2, del)
		describe("deleted")
	}
	d := kmsg.NewPtrConsumerGroupDescribeRequest()
	d.Groups = []string{"", "cg-nobody", "cg-classic"} // Kafka's order: errors that need no look come first
	ask[*kmsg.ConsumerGroupDescribeResponse](r, "describe others", 0, d)
}
