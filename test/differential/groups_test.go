package differential

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// coordinatorReady waits until the group can be used: Apache Kafka creates __consumer_offsets on demand and answers before it is there.
func (r *run) coordinatorReady(groups ...string) {
	for _, g := range groups {
		r.eventually(func() bool {
			req := kmsg.NewPtrFindCoordinatorRequest()
			req.Version = 2
			req.CoordinatorKey = g
			if r.quiet(req).(*kmsg.FindCoordinatorResponse).ErrorCode != 0 {
				return false
			}
			hb := kmsg.NewPtrHeartbeatRequest()
			hb.Group, hb.MemberID = g, "nobody"
			return r.quiet(hb).(*kmsg.HeartbeatResponse).ErrorCode == kerr.UnknownMemberID.Code
		})
	}
}

func findCoordinator(r *run) {
	r.coordinatorReady("fc-group", "fc-other")
	for v := range r.versions(kmsg.FindCoordinator) {
		try := func(step string, kind int8, keys ...string) {
			req := kmsg.NewPtrFindCoordinatorRequest()
			req.CoordinatorType = kind
			if v < 4 {
				req.CoordinatorKey = keys[0]
			} else {
				req.CoordinatorKeys = keys
			}
			ask[*kmsg.FindCoordinatorResponse](r, step, v, req)
		}
		try("group", 0, "fc-group")
		try("empty group", 0, "")
		if v >= 4 {
			try("groups", 0, "fc-group", "fc-other")
			try("same twice", 0, "fc-group", "fc-group")
			try("none", 0)
		}
		if v >= 1 {
			try("type 3", 3, "x")
			try("type -1", -1, "x")
			if v < 6 {
				try("share group", 2, "x")
			}
		}
	}
}

func joinRequest(group, member string, change ...func(*kmsg.JoinGroupRequest)) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID = group, member
	req.SessionTimeoutMillis = 10000
	req.RebalanceTimeoutMillis = 10000
	req.ProtocolType = "consumer"
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", []byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	req.Protocols = append(req.Protocols, p)
	for _, c := range change {
		c(req)
	}
	return req
}

// join enters a member without recording the answer, taking the id it is given if it must.
func (r *run) join(v int16, req *kmsg.JoinGroupRequest) *kmsg.JoinGroupResponse {
	req.Version = v
	resp := r.quiet(req).(*kmsg.JoinGroupResponse)
	if resp.ErrorCode == kerr.MemberIDRequired.Code {
		req.MemberID = resp.MemberID
		resp = r.quiet(req).(*kmsg.JoinGroupResponse)
	}
	return resp
}

func groupErrors(r *run) {
	liveGroup := "ge-live"
	if r.alone != nil {
		liveGroup = "ge-live-alone" // the member of the first play is still in the other
	}
	r.coordinatorReady("ge-group", liveGroup, "ge-simple", "ge-static")
	live := r.join(5, joinRequest(liveGroup, "", func(q *kmsg.JoinGroupRequest) { q.SessionTimeoutMillis, q.RebalanceTimeoutMillis = 60000, 60000 }))
	for v := range r.versions(kmsg.JoinGroup) {
		try := func(step string, req *kmsg.JoinGroupRequest) { ask[*kmsg.JoinGroupResponse](r, step, v, req) }
		try("empty group", joinRequest("", ""))
		try("unknown member", joinRequest("ge-group", "nobody"))
		try("session timeout too short", joinRequest("ge-group", "", func(q *kmsg.JoinGroupRequest) { q.SessionTimeoutMillis = 10 }))
		try("session timeout too long", joinRequest("ge-group", "", func(q *kmsg.JoinGroupRequest) { q.SessionTimeoutMillis = 1 << 30 }))
		try("no protocols", joinRequest("ge-group", "", func(q *kmsg.JoinGroupRequest) { q.Protocols = nil }))
		try("no protocol type", joinRequest("ge-group", "", func(q *kmsg.JoinGroupRequest) { q.ProtocolType = "" }))
		try("other protocol type", joinRequest(liveGroup, "", func(q *kmsg.JoinGroupRequest) { q.ProtocolType = "connect" }))
		try("other protocols", joinRequest(liveGroup, "", func(q *kmsg.JoinGroupRequest) { q.Protocols[0].Name = "roundrobin" }))
		try("unknown member of a live group", joinRequest(liveGroup, "nobody"))
		if v >= 4 {
			try("id required", joinRequest("ge-new", ""))
		}
		if v >= 5 {
			try("unknown static member", joinRequest("ge-static", "nobody", func(q *kmsg.JoinGroupRequest) { q.InstanceID = kmsg.StringPtr("i1") }))
			// Kafka takes any instance id. Groups of their own: a second member would wait for the first.
			own := fmt.Sprint(v)
			try("odd instance id", joinRequest("ge-odd-"+own, "", func(q *kmsg.JoinGroupRequest) { q.InstanceID = kmsg.StringPtr("odd/id") }))
			try("empty instance id", joinRequest("ge-empty-"+own, "", func(q *kmsg.JoinGroupRequest) { q.InstanceID = kmsg.StringPtr("") }))
		}
	}
	consumer, rangeName := kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	for v := range r.versions(kmsg.SyncGroup) {
		try := func(step, group, member string, generation int32, change ...func(*kmsg.SyncGroupRequest)) {
			req := kmsg.NewPtrSyncGroupRequest()
			req.Group, req.MemberID, req.Generation = group, member, generation
			req.ProtocolType, req.Protocol = consumer, rangeName
			for _, c := range change {
				c(req)
			}
			ask[*kmsg.SyncGroupResponse](r, "sync "+step, v, req)
		}
		try("empty group", "", "m", 1)
		try("unknown group", "ge-nothing", "m", 1)
		try("unknown member", liveGroup, "m", 1)
		try("wrong generation", liveGroup, live.MemberID, 77)
		if v >= 3 {
			try("unknown static member", liveGroup, "m", 1, func(q *kmsg.SyncGroupRequest) { q.InstanceID = kmsg.StringPtr("i1") })
		}
		if v >= 5 {
			try("no protocol", liveGroup, live.MemberID, live.Generation, func(q *kmsg.SyncGroupRequest) { q.Protocol = nil })
			try("no protocol type", liveGroup, live.MemberID, live.Generation, func(q *kmsg.SyncGroupRequest) { q.ProtocolType = nil })
			try("other protocol", liveGroup, live.MemberID, live.Generation, func(q *kmsg.SyncGroupRequest) { q.Protocol = kmsg.StringPtr("other") })
			try("other protocol type", liveGroup, live.MemberID, live.Generation, func(q *kmsg.SyncGroupRequest) { q.ProtocolType = kmsg.StringPtr("other") })
		}
	}
	for v := range r.versions(kmsg.Heartbeat) {
		try := func(step, group, member string, generation int32, instance *string) {
			req := kmsg.NewPtrHeartbeatRequest()
			req.Group, req.MemberID, req.Generation, req.InstanceID = group, member, generation, instance
			ask[*kmsg.HeartbeatResponse](r, "heartbeat "+step, v, req)
		}
		try("empty group", "", "m", 1, nil)
		try("unknown group", "ge-nothing", "m", 1, nil)
		try("unknown member", liveGroup, "m", 1, nil)
		try("wrong generation", liveGroup, live.MemberID, 77, nil)
		try("before sync", liveGroup, live.MemberID, live.Generation, nil)
		if v >= 3 {
			try("unknown instance", liveGroup, "m", 1, kmsg.StringPtr("i1"))
		}
	}
	for v := range r.versions(kmsg.LeaveGroup) {
		try := func(step, group string, members ...string) {
			req := kmsg.NewPtrLeaveGroupRequest()
			req.Group, req.MemberID = group, members[0]
			if v >= 3 {
				for i, m := range members {
					lm := kmsg.NewLeaveGroupRequestMember()
					lm.MemberID = m
					if i > 0 {
						lm.InstanceID = kmsg.StringPtr("i" + fmt.Sprint(i))
					}
					req.Members = append(req.Members, lm)
				}
			}
			ask[*kmsg.LeaveGroupResponse](r, "leave "+step, v, req)
		}
		try("empty group", "", "m")
		try("unknown group", "ge-nothing", "m")
		try("unknown member", liveGroup, "m")
		if v >= 3 {
			try("unknown members", liveGroup, "m", "n", "")
		}
	}
	offsetErrors(r, liveGroup, live)
}

func commitRequest(group, topic string, id [16]byte, partition int32, offset int64, change ...func(*kmsg.OffsetCommitRequest)) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group = group
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic, t.TopicID = topic, id
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset = partition, offset
	p.Metadata = kmsg.StringPtr("meta")
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	for _, c := range change {
		c(req)
	}
	return req
}

func offsetErrors(r *run, liveGroup string, live *kmsg.JoinGroupResponse) {
	r.topic("ge-topic", 2)
	id := r.topicID("ge-topic")
	long := make([]byte, 5000)
	for i := range long {
		long[i] = 'm'
	}
	for v := range r.versions(kmsg.OffsetCommit) {
		try := func(step, group string, change ...func(*kmsg.OffsetCommitRequest)) {
			ask[*kmsg.OffsetCommitResponse](r, "commit "+step, v, commitRequest(group, "ge-topic", id, 0, 5, change...))
		}
		member := func(m string, generation int32) func(*kmsg.OffsetCommitRequest) {
			return func(q *kmsg.OffsetCommitRequest) { q.MemberID, q.Generation = m, generation }
		}
		try("simple", "ge-simple")
		try("empty group", "")
		try("unknown group with member", "ge-nothing", member("m", 1))
		try("unknown member", liveGroup, member("m", 1))
		try("wrong generation", liveGroup, member(live.MemberID, 77))
		try("generation -1 to a live group", liveGroup)
		try("before sync", liveGroup, member(live.MemberID, live.Generation))
		try("unknown partition", "ge-simple", func(q *kmsg.OffsetCommitRequest) { q.Topics[0].Partitions[0].Partition = 7 })
		try("metadata too large", "ge-simple", func(q *kmsg.OffsetCommitRequest) { q.Topics[0].Partitions[0].Metadata = kmsg.StringPtr(string(long)) })
		try("null metadata", "ge-simple", func(q *kmsg.OffsetCommitRequest) { q.Topics[0].Partitions[0].Metadata = nil })
		try("negative offset", "ge-simple", func(q *kmsg.OffsetCommitRequest) { q.Topics[0].Partitions[0].Offset = -5 })
		try("nothing", "ge-simple", func(q *kmsg.OffsetCommitRequest) { q.Topics = nil })
		try("good and bad", "ge-simple", func(q *kmsg.OffsetCommitRequest) {
			bad := q.Topics[0].Partitions[0]
			bad.Partition = 9
			q.Topics[0].Partitions = append([]kmsg.OffsetCommitRequestTopicPartition{bad}, q.Topics[0].Partitions...)
		})
		if v < 10 {
			try("unknown topic", "ge-simple", func(q *kmsg.OffsetCommitRequest) { q.Topics[0].Topic = "ge-unknown" })
		} else {
			try("unknown id", "ge-simple", func(q *kmsg.OffsetCommitRequest) { q.Topics[0].TopicID = [16]byte{8} })
			try("zero id", "ge-simple", func(q *kmsg.OffsetCommitRequest) { q.Topics[0].TopicID = [16]byte{} })
		}
		if v >= 7 {
			try("unknown instance", liveGroup, func(q *kmsg.OffsetCommitRequest) { q.InstanceID = kmsg.StringPtr("i1") }, member("m", 1))
		}
		try("restore", "ge-simple")
	}
	for v := range r.versions(kmsg.OffsetFetch) {
		try := func(step, group string, partitions []int32, change ...func(*kmsg.OffsetFetchRequestGroupTopic)) {
			req := kmsg.NewPtrOffsetFetchRequest()
			t := kmsg.NewOffsetFetchRequestGroupTopic()
			t.Topic, t.TopicID, t.Partitions = "ge-topic", id, partitions
			for _, c := range change {
				c(&t)
			}
			if v < 8 {
				req.Group = group
				if partitions != nil {
					req.Topics = append(req.Topics, kmsg.OffsetFetchRequestTopic{Topic: t.Topic, Partitions: t.Partitions})
				}
			} else {
				g := kmsg.NewOffsetFetchRequestGroup()
				g.Group = group
				if partitions != nil {
					g.Topics = append(g.Topics, t)
				}
				req.Groups = append(req.Groups, g)
			}
			ask[*kmsg.OffsetFetchResponse](r, "fetch "+step, v, req)
		}
		try("committed", "ge-simple", []int32{0})
		try("committed and not", "ge-simple", []int32{0, 1, 9})
		try("unknown group", "ge-nothing", []int32{0})
		try("empty group", "", []int32{0})
		if v < 10 {
			try("unknown topic", "ge-simple", []int32{0}, func(t *kmsg.OffsetFetchRequestGroupTopic) { t.Topic = "ge-unknown" })
		} else {
			try("unknown id", "ge-simple", []int32{0}, func(t *kmsg.OffsetFetchRequestGroupTopic) { t.TopicID = [16]byte{5} })
		}
		if v >= 2 {
			try("all", "ge-simple", nil)
			try("all of unknown", "ge-nothing", nil)
			try("all of empty group", "", nil)
		}
		if v >= 8 {
			two := kmsg.NewPtrOffsetFetchRequest()
			for _, n := range []string{"ge-simple", "ge-nothing"} {
				g := kmsg.NewOffsetFetchRequestGroup()
				g.Group = n
				two.Groups = append(two.Groups, g)
			}
			ask[*kmsg.OffsetFetchResponse](r, "fetch two groups", v, two)
			ask[*kmsg.OffsetFetchResponse](r, "fetch no groups", v, kmsg.NewPtrOffsetFetchRequest())
		}
		if v >= 7 {
			stable := kmsg.NewPtrOffsetFetchRequest()
			stable.RequireStable = true
			stable.Group = "ge-simple"
			g := kmsg.NewOffsetFetchRequestGroup()
			g.Group = "ge-simple"
			stable.Groups = append(stable.Groups, g)
			ask[*kmsg.OffsetFetchResponse](r, "fetch stable", v, stable)
		}
	}
	for v := range r.versions(kmsg.OffsetDelete) {
		try := func(step, group, topic string, partitions ...int32) {
			req := kmsg.NewPtrOffsetDeleteRequest()
			req.Group = group
			t := kmsg.NewOffsetDeleteRequestTopic()
			t.Topic = topic
			for _, p := range partitions {
				rp := kmsg.NewOffsetDeleteRequestTopicPartition()
				rp.Partition = p
				t.Partitions = append(t.Partitions, rp)
			}
			req.Topics = append(req.Topics, t)
			ask[*kmsg.OffsetDeleteResponse](r, "delete offsets "+step, v, req)
		}
		try("unknown group", "ge-nothing", "ge-topic", 0)
		try("empty group", "", "ge-topic", 0)
		try("unknown topic", "ge-simple", "ge-unknown", 0)
		try("unknown partition", "ge-simple", "ge-topic", 7, 1)
		try("of a live group", liveGroup, "ge-topic", 0)
		try("good", "ge-simple", "ge-topic", 0)
		try("again", "ge-simple", "ge-topic", 0)
	}
	for v := range r.versions(kmsg.DeleteGroups) {
		r.quiet(withVersion(commitRequest("ge-simple", "ge-topic", id, 0, 1), 8))
		try := func(step string, groups ...string) {
			req := kmsg.NewPtrDeleteGroupsRequest()
			req.Groups = groups
			ask[*kmsg.DeleteGroupsResponse](r, "delete "+step, v, req)
		}
		try("unknown", "ge-nothing")
		try("empty name", "")
		try("live", liveGroup)
		try("good", "ge-simple")
		try("again", "ge-simple")
		try("twice", "ge-nothing", "ge-nothing")
		try("none")
	}
}

func withVersion[R kmsg.Request](req R, v int16) R {
	req.SetVersion(v)
	return req
}

// groupLife takes a group through a normal life in every version of its requests: join, sync, heartbeat, commit, a second member, leave.
func groupLife(r *run) {
	r.topic("gl-topic", 2)
	id := r.topicID("gl-topic")
	consumer, rangeName := kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	for v := range r.versions(kmsg.JoinGroup) {
		group := "gl-" + string(rune('a'+v))
		r.coordinatorReady(group)
		api := func(key kmsg.Key) int16 { return min(v, r.newest(key)) }
		req := joinRequest(group, "")
		joined := ask[*kmsg.JoinGroupResponse](r, "join", v, req)
		if joined.ErrorCode == kerr.MemberIDRequired.Code {
			req.MemberID = joined.MemberID
			joined = ask[*kmsg.JoinGroupResponse](r, "join with id", v, req)
		}
		sync := func(step, member string, generation int32, assigned ...string) {
			req := kmsg.NewPtrSyncGroupRequest()
			req.Group, req.MemberID, req.Generation = group, member, generation
			req.ProtocolType, req.Protocol = consumer, rangeName
			for _, m := range assigned {
				a := kmsg.NewSyncGroupRequestGroupAssignment()
				a.MemberID, a.MemberAssignment = m, []byte("assignment of "+fmt.Sprint(len(assigned)))
				req.GroupAssignment = append(req.GroupAssignment, a)
			}
			ask[*kmsg.SyncGroupResponse](r, step, api(kmsg.SyncGroup), req)
		}
		heartbeat := func(step, member string, generation int32) {
			req := kmsg.NewPtrHeartbeatRequest()
			req.Group, req.MemberID, req.Generation = group, member, generation
			ask[*kmsg.HeartbeatResponse](r, step, api(kmsg.Heartbeat), req)
		}
		describe := func(step string) {
			for dv := range r.versions(kmsg.DescribeGroups) {
				req := kmsg.NewPtrDescribeGroupsRequest()
				req.Groups = []string{group, "gl-unknown"}
				req.IncludeAuthorizedOperations = true
				ask[*kmsg.DescribeGroupsResponse](r, step, dv, req)
			}
		}
		sync("sync", joined.MemberID, joined.Generation, joined.MemberID)
		heartbeat("heartbeat", joined.MemberID, joined.Generation)
		describe("describe stable")
		commit := commitRequest(group, "gl-topic", id, 0, 42, func(q *kmsg.OffsetCommitRequest) { q.MemberID, q.Generation = joined.MemberID, joined.Generation })
		ask[*kmsg.OffsetCommitResponse](r, "commit", max(r.oldest(kmsg.OffsetCommit), api(kmsg.OffsetCommit)), commit)
		sync("sync again", joined.MemberID, joined.Generation)
		rejoin := joinRequest(group, joined.MemberID)
		again := ask[*kmsg.JoinGroupResponse](r, "rejoin", v, rejoin)
		describe("describe joined")
		sync("sync rejoined", again.MemberID, again.Generation, again.MemberID)
		// A second member, on a connection of its own: the first sees the rebalance in its heartbeat and rejoins.
		second := newRun(r.t, r.side, r.both)
		other := make(chan *kmsg.JoinGroupResponse)
		go func() { other <- second.join(v, joinRequest(group, "")) }()
		r.eventually(func() bool {
			req := kmsg.NewPtrHeartbeatRequest()
			req.Group, req.MemberID, req.Generation = group, again.MemberID, again.Generation
			return r.quiet(req).(*kmsg.HeartbeatResponse).ErrorCode == kerr.RebalanceInProgress.Code
		})
		describe("describe preparing")
		leader := ask[*kmsg.JoinGroupResponse](r, "join of two", v, joinRequest(group, again.MemberID))
		follower := <-other
		r.note("follower", "error", fmt.Sprint(follower.ErrorCode))
		r.note("follower", "members", fmt.Sprint(len(follower.Members)))
		r.note("follower", "generation", fmt.Sprint(follower.Generation))
		r.note("follower", "same leader", fmt.Sprint(follower.LeaderID == leader.LeaderID))
		sync("sync of two", leader.MemberID, leader.Generation, leader.MemberID, follower.MemberID)
		leave := func(step, member string) {
			req := kmsg.NewPtrLeaveGroupRequest()
			req.Group, req.MemberID = group, member
			lm := kmsg.NewLeaveGroupRequestMember()
			lm.MemberID, lm.Reason = member, kmsg.StringPtr("done")
			req.Members = append(req.Members, lm)
			ask[*kmsg.LeaveGroupResponse](r, step, api(kmsg.LeaveGroup), req)
		}
		second.end()
		leave("leave", follower.MemberID)
		heartbeat("heartbeat after leave", leader.MemberID, leader.Generation)
		leave("last leaves", leader.MemberID)
		describe("describe empty")
	}
	for v := range r.versions(kmsg.ListGroups) {
		try := func(step string, change func(*kmsg.ListGroupsRequest)) {
			req := kmsg.NewPtrListGroupsRequest()
			if change != nil {
				change(req)
			}
			req.SetVersion(v)
			resp := r.quiet(req).(*kmsg.ListGroupsResponse)
			var mine []kmsg.ListGroupsResponseGroup // other scenarios' groups are not this one's business
			for _, g := range resp.Groups {
				if len(g.Group) > 3 && g.Group[:3] == "gl-" {
					mine = append(mine, g)
				}
			}
			resp.Groups = mine
			r.record(answer{"list " + step, v, resp.Key(), r.syms.flatten(resp)})
		}
		try("all", nil)
		if v >= 4 {
			try("empty ones", func(q *kmsg.ListGroupsRequest) { q.StatesFilter = []string{"Empty"} })
			try("lower case", func(q *kmsg.ListGroupsRequest) { q.StatesFilter = []string{"empty"} })
			try("stable ones", func(q *kmsg.ListGroupsRequest) { q.StatesFilter = []string{"Stable"} })
			try("unknown state", func(q *kmsg.ListGroupsRequest) { q.StatesFilter = []string{"Sleepy"} })
		}
		if v >= 5 {
			try("classic", func(q *kmsg.ListGroupsRequest) { q.TypesFilter = []string{"classic"} })
			try("consumer", func(q *kmsg.ListGroupsRequest) { q.TypesFilter = []string{"consumer"} })
			try("unknown type", func(q *kmsg.ListGroupsRequest) { q.TypesFilter = []string{"odd"} })
		}
	}
}

// staticMembers follows a static member that comes back under its instance id (KIP-345).
func staticMembers(r *run) {
	r.coordinatorReady("st-group")
	instance := kmsg.StringPtr("st-instance")
	static := func(member string) *kmsg.JoinGroupRequest {
		return joinRequest("st-group", member, func(q *kmsg.JoinGroupRequest) { q.InstanceID = instance })
	}
	v := r.newest(kmsg.JoinGroup)
	first := ask[*kmsg.JoinGroupResponse](r, "join", v, static(""))
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.MemberID, sync.Generation, sync.InstanceID = "st-group", first.MemberID, first.Generation, instance
	sync.ProtocolType, sync.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	a := kmsg.NewSyncGroupRequestGroupAssignment()
	a.MemberID, a.MemberAssignment = first.MemberID, []byte("static")
	sync.GroupAssignment = append(sync.GroupAssignment, a)
	ask[*kmsg.SyncGroupResponse](r, "sync", r.newest(kmsg.SyncGroup), sync)
	again := ask[*kmsg.JoinGroupResponse](r, "join again", v, static(""))
	hb := kmsg.NewPtrHeartbeatRequest()
	hb.Group, hb.MemberID, hb.Generation, hb.InstanceID = "st-group", first.MemberID, first.Generation, instance
	ask[*kmsg.HeartbeatResponse](r, "heartbeat of the old one", r.newest(kmsg.Heartbeat), hb)
	hb.MemberID, hb.Generation = again.MemberID, again.Generation
	ask[*kmsg.HeartbeatResponse](r, "heartbeat of the new one", r.newest(kmsg.Heartbeat), hb)
	ask[*kmsg.JoinGroupResponse](r, "join with the old id", v, static(first.MemberID))
	older := ask[*kmsg.JoinGroupResponse](r, "join, version 7", min(v, 7), static(""))
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = "st-group"
	lm := kmsg.NewLeaveGroupRequestMember()
	lm.InstanceID = instance
	leave.Members = append(leave.Members, lm)
	ask[*kmsg.LeaveGroupResponse](r, "leave by instance", r.newest(kmsg.LeaveGroup), leave)
	hb.MemberID, hb.Generation = older.MemberID, older.Generation
	ask[*kmsg.HeartbeatResponse](r, "heartbeat after", r.newest(kmsg.Heartbeat), hb)
}

// sessionExpires waits for a member's session to end.
func sessionExpires(r *run) {
	r.coordinatorReady("se-group")
	joined := r.join(5, joinRequest("se-group", "", func(q *kmsg.JoinGroupRequest) { q.SessionTimeoutMillis = 6000 }))
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version = 3
	sync.Group, sync.MemberID, sync.Generation = "se-group", joined.MemberID, joined.Generation
	r.quiet(sync)
	time.Sleep(6500 * time.Millisecond)
	hb := kmsg.NewPtrHeartbeatRequest()
	hb.Group, hb.MemberID, hb.Generation = "se-group", joined.MemberID, joined.Generation
	ask[*kmsg.HeartbeatResponse](r, "heartbeat too late", 3, hb)
	d := kmsg.NewPtrDescribeGroupsRequest()
	d.Groups = []string{"se-group"}
	ask[*kmsg.DescribeGroupsResponse](r, "describe", r.newest(kmsg.DescribeGroups), d)
}
