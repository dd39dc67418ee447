package differential

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sharer is a share group (KIP-932) whose members a scenario plays.
type sharer struct {
	r     *run
	group string
}

func (s sharer) beat(step, member string, epoch int32, change func(*kmsg.ShareGroupHeartbeatRequest)) *kmsg.ShareGroupHeartbeatResponse {
	req := s.request(member, epoch, change)
	resp := s.r.quiet(req).(*kmsg.ShareGroupHeartbeatResponse)
	shown := *resp
	if resp.Assignment != nil { // who gets which of them is up to a hash table
		shown.Assignment = &kmsg.ShareGroupHeartbeatResponseAssignment{}
		for _, t := range resp.Assignment.TopicPartitions {
			t.Partitions = []int32{int32(len(t.Partitions))}
			shown.Assignment.TopicPartitions = append(shown.Assignment.TopicPartitions, t)
		}
	}
	s.r.record(answer{step: step, version: req.Version, key: req.Key(), lines: s.r.syms.flatten(&shown)})
	return resp
}

func (s sharer) request(member string, epoch int32, change func(*kmsg.ShareGroupHeartbeatRequest)) *kmsg.ShareGroupHeartbeatRequest {
	req := kmsg.NewPtrShareGroupHeartbeatRequest()
	req.Version, req.GroupID, req.MemberID, req.MemberEpoch = s.r.newest(kmsg.ShareGroupHeartbeat), s.group, member, epoch
	if change != nil {
		change(req)
	}
	return req
}

func subscribed(topics ...string) func(*kmsg.ShareGroupHeartbeatRequest) {
	return func(q *kmsg.ShareGroupHeartbeatRequest) { q.SubscribedTopicNames = topics }
}

// join has a member join and waits for its partitions: Kafka gives them with a later heartbeat, when their state has been initialised; the epochs on the
// way there are not compared.
func (s sharer) join(member string, topics ...string) *kmsg.ShareGroupHeartbeatResponse {
	resp := s.r.quiet(s.request(member, 0, subscribed(topics...))).(*kmsg.ShareGroupHeartbeatResponse)
	if resp.ErrorCode != 0 {
		s.r.t.Errorf("%s: %s joins %s: %v", s.r.side.name, member, s.group, kerr.ErrorForCode(resp.ErrorCode))
		return resp
	}
	has := resp
	s.r.eventually(func() bool {
		if resp.Assignment != nil {
			has = resp
		}
		if has.Assignment != nil && len(has.Assignment.TopicPartitions) > 0 {
			return true
		}
		time.Sleep(100 * time.Millisecond)
		resp = s.r.quiet(s.request(member, resp.MemberEpoch, nil)).(*kmsg.ShareGroupHeartbeatResponse)
		return false
	})
	has.MemberEpoch = resp.MemberEpoch
	return has
}

func (s sharer) describe(step string) {
	req := kmsg.NewPtrShareGroupDescribeRequest()
	req.Version, req.GroupIDs, req.IncludeAuthorizedOperations = s.r.newest(kmsg.ShareGroupDescribe), []string{s.group}, true
	resp := s.r.quiet(req).(*kmsg.ShareGroupDescribeResponse)
	for i := range resp.Groups {
		slices.SortFunc(resp.Groups[i].Members, func(a, b kmsg.ShareGroupDescribeResponseGroupMember) int { return cmp.Compare(a.MemberID, b.MemberID) })
		for j := range resp.Groups[i].Members {
			m := &resp.Groups[i].Members[j]
			slices.Sort(m.SubscribedTopicNames)
			for k := range m.Assignment.TopicPartitions {
				m.Assignment.TopicPartitions[k].Partitions = []int32{int32(len(m.Assignment.TopicPartitions[k].Partitions))}
			}
		}
	}
	s.r.record(answer{step: step, version: req.Version, key: req.Key(), lines: s.r.syms.flatten(resp)})
}

func (s sharer) config(pairs ...string) {
	s.r.alterGroup(s.group, pairs...)
}

// alterGroup sets configurations of a group.
func (r *run) alterGroup(group string, pairs ...string) int16 {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Version = 1
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	for i := 0; i+1 < len(pairs); i += 2 {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Value = pairs[i], kmsg.StringPtr(pairs[i+1])
		res.Configs = append(res.Configs, c)
	}
	req.Resources = append(req.Resources, res)
	resp := r.quiet(req).(*kmsg.IncrementalAlterConfigsResponse)
	if code := resp.Resources[0].ErrorCode; code != 0 {
		r.t.Errorf("%s: configure %s: %v", r.side.name, group, kerr.ErrorForCode(code))
	}
	time.Sleep(200 * time.Millisecond) // Kafka's broker learns of it later
	return 0
}

// shareReady waits until the coordinator of the groups serves them.
func (r *run) shareReady(groups ...string) {
	r.coordinatorReady(groups...)
	for _, g := range groups {
		r.eventually(func() bool {
			req := kmsg.NewPtrShareGroupDescribeRequest()
			req.Version, req.GroupIDs = r.newest(kmsg.ShareGroupDescribe), []string{g}
			return r.quiet(req).(*kmsg.ShareGroupDescribeResponse).Groups[0].ErrorCode == kerr.GroupIDNotFound.Code
		})
	}
}

// shareGroups is the life of a share group, and the mistakes that its members make.
func shareGroups(r *run) {
	if r.alone != nil {
		return // nothing of it is gokafka's alone
	}
	s := sharer{r, "shg"}
	r.shareReady("shg", "shg-offsets", "shg-none")
	r.topic("shg-one", 4)
	r.topic("shg-two", 2)

	s.beat("unknown group", "m1", 5, nil)
	s.beat("leave unknown group", "m1", -1, nil)
	s.beat("no member id", "", 0, subscribed("shg-one"))
	s.beat("blank member id", " ", 0, subscribed("shg-one"))
	s.beat("long member id", strings.Repeat("m", 37), 0, subscribed("shg-none"))
	s.beat("no group", "m1", 0, func(q *kmsg.ShareGroupHeartbeatRequest) { q.GroupID = ""; q.SubscribedTopicNames = []string{"shg-one"} })
	s.beat("blank group", "m1", 0, func(q *kmsg.ShareGroupHeartbeatRequest) {
		q.GroupID = " "
		q.SubscribedTopicNames = []string{"shg-one"}
	})
	s.beat("blank rack", "m1", 0, func(q *kmsg.ShareGroupHeartbeatRequest) {
		q.RackID, q.SubscribedTopicNames = kmsg.StringPtr(""), []string{"shg-one"}
	})
	s.beat("no topics", "m1", 0, nil)
	s.beat("empty topics", "m1", 0, subscribed())
	s.beat("bad epoch", "m1", -2, subscribed("shg-one"))
	s.describe("before")

	one := s.join("m1", "shg-one")
	r.note("one", "assigned", shareAssigned(one))
	s.beat("one again", "m1", one.MemberEpoch, nil)
	s.beat("one, newer epoch", "m1", one.MemberEpoch+5, nil)
	s.beat("one, older epoch", "m1", one.MemberEpoch-2, nil)
	s.beat("one, previous epoch", "m1", one.MemberEpoch-1, nil)
	s.beat("one says the same", "m1", one.MemberEpoch, subscribed("shg-one"))
	s.beat("one joins again", "m1", 0, subscribed("shg-one"))
	s.beat("nobody", "m9", one.MemberEpoch, nil)
	s.describe("one member")
	s.beat("two joins", "m2", 0, subscribed("shg-one"))
	s.beat("one after two", "m1", one.MemberEpoch, nil)
	s.describe("two members")
	s.beat("three joins, with a rack and topics that are not there", "m3", 0, func(q *kmsg.ShareGroupHeartbeatRequest) {
		q.RackID, q.SubscribedTopicNames = kmsg.StringPtr("r"), []string{"shg-none", "shg-one"}
	})
	s.describe("three members")
	// More members than partitions.
	for i := 4; i <= 6; i++ {
		s.beat(fmt.Sprint("joins ", i), fmt.Sprint("m", i), 0, subscribed("shg-one"))
	}
	s.describe("six members")
	s.beat("four leaves", "m4", -1, nil)
	s.beat("four leaves again", "m4", -1, nil)
	s.beat("five leaves", "m5", -1, nil)
	s.beat("six leaves", "m6", -1, nil)
	s.beat("three leaves", "m3", -1, nil)
	s.describe("four have left")
	two := s.beat("two joins again", "m2", 0, subscribed("shg-one"))
	s.describe("two members again")
	one = s.beat("one joins again", "m1", 0, subscribed("shg-one"))
	s.beat("one is not subscribed any more", "m1", one.MemberEpoch, subscribed())
	s.describe("not subscribed")
	s.beat("one leaves", "m1", -1, nil)
	_ = two

	del := kmsg.NewPtrDeleteGroupsRequest()
	del.Groups = []string{s.group}
	ask[*kmsg.DeleteGroupsResponse](r, "delete", 2, del)
	join := joinRequest(s.group, "")
	join.Version = 9
	r.note("classic join", "code", fmt.Sprint(r.quiet(join).(*kmsg.JoinGroupResponse).ErrorCode))
	beat := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	beat.Group, beat.MemberID, beat.RebalanceTimeoutMillis, beat.SubscribedTopicNames, beat.Topics = s.group, "c", 60000, []string{"shg-one"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	ask[*kmsg.ConsumerGroupHeartbeatResponse](r, "consumer joins", 1, beat)
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Group, commit.Generation = s.group, -1
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "shg-one", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 0, Offset: 3, LeaderEpoch: -1}}}}
	ask[*kmsg.OffsetCommitResponse](r, "commit", 9, commit)
	list := kmsg.NewPtrListGroupsRequest()
	list.TypesFilter = []string{"share"}
	ask[*kmsg.ListGroupsResponse](r, "list", 5, list)
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Groups = []string{s.group}
	ask[*kmsg.DescribeGroupsResponse](r, "describe as a classic group", 5, describe)
	s.beat("two leaves", "m2", -1, nil)
	s.describe("empty")
	ask[*kmsg.DeleteGroupsResponse](r, "delete empty", 2, del)
	s.describe("deleted")
	d := kmsg.NewPtrShareGroupDescribeRequest()
	d.GroupIDs = []string{"", "shg-none"}
	ask[*kmsg.ShareGroupDescribeResponse](r, "describe others", r.newest(kmsg.ShareGroupDescribe), d)

	shareOffsets(r)
	shareConfigs(r)
}

func shareAssigned(resp *kmsg.ShareGroupHeartbeatResponse) string {
	if resp.Assignment == nil {
		return "null"
	}
	var all []string
	for _, t := range resp.Assignment.TopicPartitions {
		slices.Sort(t.Partitions)
		all = append(all, fmt.Sprint(t.Partitions))
	}
	return strings.Join(all, " ")
}

// shareOffsets is the administration of where share groups are.
func shareOffsets(r *run) {
	const topic = "shg-two"
	s := sharer{r, "shg-offsets"}
	for range 3 {
		r.produce(topic, 0, plain("a", "b"))
	}
	describe := func(step, group string, topics ...kmsg.DescribeShareGroupOffsetsRequestGroupTopic) {
		for v := range r.versions(kmsg.DescribeShareGroupOffsets) {
			req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
			req.Groups = []kmsg.DescribeShareGroupOffsetsRequestGroup{{GroupID: group, Topics: topics}}
			ask[*kmsg.DescribeShareGroupOffsetsResponse](r, step, v, req)
		}
	}
	type named = kmsg.DescribeShareGroupOffsetsRequestGroupTopic
	alter := func(step, group, topic string, offsets ...int64) {
		for v := range r.versions(kmsg.AlterShareGroupOffsets) {
			req := kmsg.NewPtrAlterShareGroupOffsetsRequest()
			req.GroupID = group
			t := kmsg.AlterShareGroupOffsetsRequestTopic{Topic: topic}
			for p, o := range offsets {
				t.Partitions = append(t.Partitions, kmsg.AlterShareGroupOffsetsRequestTopicPartition{Partition: int32(p), StartOffset: o})
			}
			req.Topics = append(req.Topics, t)
			ask[*kmsg.AlterShareGroupOffsetsResponse](r, step, v, req)
		}
	}
	remove := func(step, group string, topics ...string) {
		for v := range r.versions(kmsg.DeleteShareGroupOffsets) {
			req := kmsg.NewPtrDeleteShareGroupOffsetsRequest()
			req.GroupID = group
			for _, t := range topics {
				req.Topics = append(req.Topics, kmsg.DeleteShareGroupOffsetsRequestTopic{Topic: t})
			}
			ask[*kmsg.DeleteShareGroupOffsetsResponse](r, step, v, req)
		}
	}
	describe("offsets of no group", "shg-none", named{Topic: topic, Partitions: []int32{0}})
	describe("all offsets of no group", "shg-none")
	describe("offsets without a group", "", named{Topic: topic, Partitions: []int32{0}})
	alter("alter without a group", "", topic, 1)
	remove("delete offsets of no group", "shg-none", topic)
	remove("delete offsets without a group", "", topic)
	m := s.join("m1", topic)
	describe("offsets of a new group", s.group, named{Topic: topic, Partitions: []int32{0, 1}}, named{Topic: "shg-one", Partitions: []int32{0}})
	alter("alter with members", s.group, topic, 1)
	remove("delete offsets with members", s.group, topic)
	_ = m
	s.beat("leaves", "m1", -1, nil)
	alter("alter", s.group, topic, 2, 0)
	describe("altered", s.group, named{Topic: topic, Partitions: []int32{0, 1}})
	alter("alter beyond the topic", s.group, topic, 2, 0, 1)
	alter("alter a topic that is not there", s.group, "shg-none", 2)
	alter("alter a topic that was not subscribed", s.group, "shg-one", 0)
	alter("alter to a negative offset", s.group, topic, -1)
	alter("alter beyond the end", s.group, topic, 100)
	describe("altered again", s.group, named{Topic: topic, Partitions: []int32{0, 1}}, named{Topic: "shg-one", Partitions: []int32{0, 1}})
	remove("delete offsets", s.group, "shg-one", "shg-none", topic)
	remove("delete offsets again", s.group, topic)
	describe("deleted offsets", s.group, named{Topic: topic, Partitions: []int32{0, 1}})
	s.describe("after that")
	alter("alter makes a group", "shg-none", topic, 3)
	sharer{r, "shg-none"}.describe("made by alter")
	del := kmsg.NewPtrDeleteGroupsRequest()
	del.Groups = []string{s.group, "shg-none"}
	ask[*kmsg.DeleteGroupsResponse](r, "delete both", 2, del)
}

// shareConfigs are the configurations of a group, and which values they take.
func shareConfigs(r *run) {
	set := func(key, value string) {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		res := kmsg.NewIncrementalAlterConfigsRequestResource()
		res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeGroupConfig, "shg-configs"
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Value = key, kmsg.StringPtr(value)
		res.Configs = append(res.Configs, c)
		req.Resources = append(req.Resources, res)
		ask[*kmsg.IncrementalAlterConfigsResponse](r, fmt.Sprintf("%s=%s", key, value), 1, req)
	}
	for _, kv := range [][2]string{
		{"share.auto.offset.reset", "earliest"},
		{"share.auto.offset.reset", "none"},
		{"share.auto.offset.reset", "by_duration:PT1H"},
		{"share.auto.offset.reset", "by_duration:1h"},
		{"share.auto.offset.reset", "by_duration:-PT1H"},
		{"share.isolation.level", "read_committed"},
		{"share.isolation.level", "read_twice"},
		{"share.record.lock.duration.ms", "20000"},
		{"share.record.lock.duration.ms", "100"},
		{"share.record.lock.duration.ms", "14999"},
		{"share.record.lock.duration.ms", "60001"},
		{"share.heartbeat.interval.ms", "4999"},
		{"share.heartbeat.interval.ms", "15001"},
		{"share.session.timeout.ms", "44999"},
		{"share.session.timeout.ms", "60001"},
		{"share.delivery.count.limit", "1"},
		{"share.delivery.count.limit", "3"},
		{"share.delivery.count.limit", "11"},
		{"share.partition.max.record.locks", "99"},
		{"share.partition.max.record.locks", "300"},
		{"share.partition.max.record.locks", "4001"},
		{"share.renew.acknowledge.enable", "false"},
		{"share.renew.acknowledge.enable", "no"},
		{"share.assignment.interval.ms", "500"},
		{"share.assignment.interval.ms", "15001"},
		{"share.assignment.interval.ms", "-1"},
		{"share.assignors", "simple"},
		{"share.nothing", "1"},
	} {
		set(kv[0], kv[1])
	}
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.IncludeSynonyms = true
	req.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "shg-configs"}}
	r.eventually(func() bool {
		req.Version = 4
		for _, c := range r.quiet(req).(*kmsg.DescribeConfigsResponse).Resources[0].Configs {
			if c.Name == "share.assignment.interval.ms" || c.Name == "share.renew.acknowledge.enable" {
				if c.Value != nil && (*c.Value == "500" || *c.Value == "false") {
					return true
				}
			}
		}
		return false
	})
	ask[*kmsg.DescribeConfigsResponse](r, "configs of the group", 4, req)
}
