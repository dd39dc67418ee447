package differential

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// migration is a group that changes between the classic and the new protocol while it is in use. It can be run under each policy: see EXTRA in run.sh.
func migration(r *run) {
	alone := ""
	if r.alone != nil {
		alone = "-alone"
	}
	group := func(name string) string { return "mg-" + name + alone }
	r.coordinatorReady(group("up"), group("in"), group("static"), group("connect"), group("malformed"), group("custom"))
	r.topic("mg-topic", 4)
	(&migrating{r, group("up")}).upgrade()
	(&migrating{r, group("in")}).classicJoins()
	(&migrating{r, group("static")}).static()
	for _, kind := range []string{"connect", "malformed", "custom"} {
		(&migrating{r, group(kind)}).refused(kind)
	}
}

// migrating is one group of the scenario.
type migrating struct {
	*run
	group string
}

func (g *migrating) name(step string) string { return g.group + ", " + step }

// subscription is that of a classic member that owns partitions.
func (g *migrating) subscription(owned ...int32) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics = 3, []string{"mg-topic"}
	if owned != nil {
		m.OwnedPartitions = []kmsg.ConsumerMemberMetadataOwnedPartition{{Topic: "mg-topic", Partitions: owned}}
	}
	return m.AppendTo(nil)
}

func (g *migrating) assignment(partitions ...int32) []byte {
	a := kmsg.ConsumerMemberAssignment{Version: 3, Topics: []kmsg.ConsumerMemberAssignmentTopic{{Topic: "mg-topic", Partitions: partitions}}}
	return a.AppendTo(nil)
}

func (g *migrating) join(step, member string, change func(*kmsg.JoinGroupRequest), owned ...int32) *kmsg.JoinGroupResponse {
	req := joinRequest(g.group, member)
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 30000, 30000
	req.Protocols[0].Metadata = g.subscription(owned...)
	if change != nil {
		change(req)
	}
	return ask[*kmsg.JoinGroupResponse](g.run, g.name(step), 9, req)
}

func (g *migrating) sync(step, member string, generation int32, change func(*kmsg.SyncGroupRequest)) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.Generation = g.group, member, generation
	req.ProtocolType, req.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
	if change != nil {
		change(req)
	}
	ask[*kmsg.SyncGroupResponse](g.run, g.name(step), 5, req)
}

func (g *migrating) heartbeat(step, member string, generation int32, instance *string) {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation, req.InstanceID = g.group, member, generation, instance
	ask[*kmsg.HeartbeatResponse](g.run, g.name(step), 4, req)
}

func (g *migrating) leave(step string, members ...kmsg.LeaveGroupRequestMember) {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.Members = g.group, members
	ask[*kmsg.LeaveGroupResponse](g.run, g.name(step), 5, req)
}

func (g *migrating) beat(step, member string, epoch int32, instance *string, owned ...int32) *kmsg.ConsumerGroupHeartbeatResponse {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch, req.InstanceID = g.group, member, epoch, instance
	req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	if epoch == 0 {
		req.RebalanceTimeoutMillis, req.SubscribedTopicNames = 30000, []string{"mg-topic"}
	} else if owned != nil {
		req.Topics = append(req.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: g.topicID("mg-topic"), Partitions: owned})
	}
	return ask[*kmsg.ConsumerGroupHeartbeatResponse](g.run, g.name(step), 1, req)
}

func (g *migrating) commit(step, member string, generation int32, version int16) {
	req := commitRequest(g.group, "mg-topic", g.topicID("mg-topic"), 0, 5, func(q *kmsg.OffsetCommitRequest) { q.MemberID, q.Generation = member, generation })
	ask[*kmsg.OffsetCommitResponse](g.run, g.name(step), version, req)
}

// describe shows the group in all ways.
func (g *migrating) describe(step string) {
	for v := range g.versions(kmsg.ConsumerGroupDescribe) {
		req := kmsg.NewPtrConsumerGroupDescribeRequest()
		req.Groups, req.Version = []string{g.group}, v
		resp := g.quiet(req).(*kmsg.ConsumerGroupDescribeResponse)
		for i := range resp.Groups {
			slices.SortFunc(resp.Groups[i].Members, func(a, b kmsg.ConsumerGroupDescribeResponseGroupMember) int {
				return strings.Compare(g.syms.name("member", a.MemberID), g.syms.name("member", b.MemberID))
			})
		}
		g.record(answer{step: g.name(step + ", new"), version: v, key: req.Key(), lines: g.syms.flatten(resp)})
	}
	classic := kmsg.NewPtrDescribeGroupsRequest()
	classic.Groups = []string{g.group}
	ask[*kmsg.DescribeGroupsResponse](g.run, g.name(step+", classic"), 6, classic)
	list := kmsg.NewPtrListGroupsRequest()
	list.Version = 5
	for _, l := range g.quiet(list).(*kmsg.ListGroupsResponse).Groups {
		if l.Group == g.group {
			g.note(g.name(step), "listed", fmt.Sprint(l.ProtocolType, " ", l.GroupState, " ", l.GroupType))
		}
	}
}

// first makes the classic group with one member that has everything.
func (g *migrating) first(instance *string) (member string, generation int32) {
	static := func(q *kmsg.JoinGroupRequest) { q.InstanceID = instance }
	if instance == nil {
		member = g.join("member id required", "", static).MemberID
	}
	resp := g.join("classic joins", member, static)
	g.sync("classic syncs", resp.MemberID, resp.Generation, func(q *kmsg.SyncGroupRequest) {
		q.InstanceID = instance
		q.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: resp.MemberID, MemberAssignment: g.assignment(0, 1, 2, 3)}}
	})
	return resp.MemberID, resp.Generation
}

// end lets all members leave.
func (g *migrating) end(members ...string) {
	for _, m := range members {
		g.leave("end", kmsg.LeaveGroupRequestMember{MemberID: m})
	}
	g.describe("end")
}

func (g *migrating) upgrade() {
	c, gen := g.first(nil)
	g.describe("classic")
	g.beat("heartbeat to a classic group", "n1", 3, nil)
	g.beat("leave of a classic group", "n1", -1, nil)
	n := g.beat("upgrade", "n1", 0, nil)
	g.describe("upgraded")
	g.heartbeat("classic heartbeat", c, gen, nil)
	g.commit("commit before it joins again", c, gen, 8)
	g.sync("sync before it joins again", c, gen, nil)
	j := g.join("classic must give up", c, nil, 0, 1, 2, 3)
	g.sync("sync of what stays", c, j.Generation, nil)
	g.heartbeat("heartbeat while giving up", c, j.Generation, nil)
	g.describe("between")
	n = g.beat("new waits", "n1", n.MemberEpoch, nil)
	j = g.join("classic has given up", c, nil, 0, 1)
	g.sync("sync when it has given up", c, j.Generation, nil)
	g.heartbeat("heartbeat when it has given up", c, j.Generation, nil)
	n = g.beat("new takes", "n1", n.MemberEpoch, nil)
	n = g.beat("new has", "n1", n.MemberEpoch, nil, 2, 3)
	g.describe("mixed")
	j = g.join("classic joins again for nothing", c, nil, 0, 1)

	g.sync("sync, other generation", c, j.Generation+1, nil)
	g.sync("sync, other protocol", c, j.Generation, func(q *kmsg.SyncGroupRequest) { q.Protocol = kmsg.StringPtr("other") })
	g.sync("sync, other type", c, j.Generation, func(q *kmsg.SyncGroupRequest) { q.ProtocolType = kmsg.StringPtr("other") })
	g.sync("sync of nobody", "nobody", j.Generation, nil)
	g.sync("sync of the new member", "n1", n.MemberEpoch, nil)
	g.sync("sync of an unknown instance", c, j.Generation, func(q *kmsg.SyncGroupRequest) { q.InstanceID = kmsg.StringPtr("i") })
	g.heartbeat("heartbeat, other generation", c, j.Generation+1, nil)
	g.heartbeat("heartbeat of nobody", "nobody", j.Generation, nil)
	g.heartbeat("heartbeat of the new member", "n1", n.MemberEpoch, nil)
	g.heartbeat("heartbeat of an unknown instance", c, j.Generation, kmsg.StringPtr("i"))
	for _, v := range []int16{8, 9} {
		g.commit("commit", c, j.Generation, v)
		g.commit("commit, newer generation", c, j.Generation+1, v)
		g.commit("commit of the new member", "n1", n.MemberEpoch, v)
		g.commit("commit of the new member, newer epoch", "n1", n.MemberEpoch+1, v)
		g.commit("commit of nobody", "nobody", j.Generation, v)
		g.commit("commit without a member", "", -1, v)
	}
	fetch := kmsg.NewPtrOffsetFetchRequest()
	for _, epoch := range []int32{j.Generation, j.Generation + 1} {
		fetch.Groups = append(fetch.Groups, kmsg.OffsetFetchRequestGroup{Group: g.group, MemberID: &c, MemberEpoch: epoch, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "mg-topic", Partitions: []int32{0}}}})
	}
	ask[*kmsg.OffsetFetchResponse](g.run, g.name("fetch offsets"), 9, fetch)
	g.leave("leave of nobody", kmsg.LeaveGroupRequestMember{MemberID: "nobody"}, kmsg.LeaveGroupRequestMember{MemberID: c, InstanceID: kmsg.StringPtr("i")})

	g.beat("new leaves", "n1", -1, nil)
	g.describe("downgraded")
	g.heartbeat("heartbeat after the downgrade", c, j.Generation, nil)
	g.commit("commit after the downgrade", c, j.Generation, 8)
	j = g.join("classic joins after the downgrade", c, nil, 0, 1)
	g.sync("classic syncs after the downgrade", c, j.Generation, func(q *kmsg.SyncGroupRequest) {
		q.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: c, MemberAssignment: g.assignment(0, 1, 2, 3)}}
	})
	g.heartbeat("heartbeat in the classic group", c, j.Generation, nil)
	g.end(c)
}

func (g *migrating) classicJoins() {
	n := g.beat("new", "n1", 0, nil)
	g.join("other type", "", func(q *kmsg.JoinGroupRequest) { q.ProtocolType = "connect" })
	g.join("no protocols", "", func(q *kmsg.JoinGroupRequest) { q.Protocols = nil })
	g.join("unknown static member", "nobody", func(q *kmsg.JoinGroupRequest) { q.InstanceID = kmsg.StringPtr("i") })
	c := g.join("member id required", "", nil).MemberID
	j := g.join("classic joins", c, nil)
	g.heartbeat("heartbeat before sync", c, j.Generation, nil)
	g.sync("classic syncs", c, j.Generation, nil)
	g.heartbeat("nothing is free", c, j.Generation, nil)
	n = g.beat("new must give up", "n1", n.MemberEpoch, nil, 0, 1, 2, 3)
	g.describe("between")
	g.heartbeat("still nothing is free", c, j.Generation, nil)
	g.beat("new has given up", "n1", n.MemberEpoch, nil, 0, 1)
	g.heartbeat("something is free", c, j.Generation, nil)
	j = g.join("classic joins to get it", c, nil)
	g.sync("classic gets it", c, j.Generation, nil)
	g.heartbeat("all is well", c, j.Generation, nil)
	g.describe("mixed")
	g.join("other protocol", "", func(q *kmsg.JoinGroupRequest) { q.Protocols[0].Name = "other" })
	j = g.join("more protocols", c, func(q *kmsg.JoinGroupRequest) {
		q.Protocols = append(q.Protocols, kmsg.JoinGroupRequestProtocol{Name: "other", Metadata: g.subscription()})
	}, 2, 3)
	g.sync("sync after more protocols", c, j.Generation, nil)
	n = g.beat("classic becomes new with its id", c, 0, nil)
	g.heartbeat("classic heartbeat of a new member", c, n.MemberEpoch, nil)
	g.describe("all new")
	g.join("and classic again", c, nil)
	g.describe("mixed again")
	g.leave("the new one is removed by an administrator", kmsg.LeaveGroupRequestMember{MemberID: "n1"})
	g.describe("removed")
	g.end(c)
}

func (g *migrating) static() {
	i := kmsg.StringPtr("i")
	static := func(q *kmsg.JoinGroupRequest) { q.InstanceID = i }
	c, gen := g.first(i)
	n := g.beat("new takes the place of classic", "n1", 0, i)
	g.heartbeat("classic is fenced", c, gen, i)
	g.describe("upgraded")
	g.beat("new goes on", "n1", n.MemberEpoch, i, 0, 1, 2, 3)
	g.join("the old classic joins", c, static)
	j := g.join("classic takes the place of new", "", static)
	g.describe("downgraded")
	g.sync("classic syncs", j.MemberID, j.Generation, func(q *kmsg.SyncGroupRequest) { q.InstanceID = i })
	g.heartbeat("classic goes on", j.MemberID, j.Generation, i)
	g.beat("new is gone", "n1", n.MemberEpoch, i)
	n = g.beat("another new beside it", "n2", 0, nil)
	k := g.join("classic returns with another id", "", static)
	g.describe("mixed")
	g.sync("sync of the one before", j.MemberID, j.Generation, func(q *kmsg.SyncGroupRequest) { q.InstanceID = i })
	g.sync("sync after the return", k.MemberID, k.Generation, func(q *kmsg.SyncGroupRequest) { q.InstanceID = i })
	n = g.beat("new after the return", "n2", n.MemberEpoch, nil)
	g.beat("new with the instance of classic", "n3", n.MemberEpoch, i)
	g.leave("leave by instance", kmsg.LeaveGroupRequestMember{InstanceID: i})
	g.describe("left")
	g.beat("n2 leaves", "n2", -1, nil)
	g.end()
}

// refused are groups that cannot be upgraded.
func (g *migrating) refused(kind string) {
	assignment := kmsg.ConsumerMemberAssignment{Version: 3, UserData: []byte("mine")}
	bytes := assignment.AppendTo(nil)
	change := func(*kmsg.JoinGroupRequest) {}
	if kind == "connect" {
		change = func(q *kmsg.JoinGroupRequest) { q.ProtocolType = "connect" }
	} else if kind == "malformed" {
		bytes = []byte{0}
	}
	c := g.join("member id required", "", change).MemberID
	j := g.join("classic joins", c, change)
	g.sync("classic syncs", c, j.Generation, func(q *kmsg.SyncGroupRequest) {
		q.ProtocolType = j.ProtocolType
		q.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: c, MemberAssignment: bytes}}
	})
	g.beat("upgrade refused", "n1", 0, nil)
	g.heartbeat("classic goes on", c, j.Generation, nil)
	g.end(c)
}
