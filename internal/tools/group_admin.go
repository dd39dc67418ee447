package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupListing is a group as ListGroups tells of it.
type groupListing struct {
	group, kind, protocol, state string // kind: "Classic", "Consumer", "Share", "Streams"
}

// Filters of listGroups. Empty ones let everything pass.
type groupFilter struct {
	kinds     []string // lower case
	protocols []string // types of protocol; "" is one
	states    []string
}

// listGroups asks all brokers for their groups, sorted by name.
func listGroups(ctx context.Context, cl *kgo.Client, f groupFilter) ([]groupListing, error) {
	req := kmsg.NewPtrListGroupsRequest()
	req.StatesFilter = f.states
	if len(f.kinds) > 0 && !slices.Contains(f.kinds, "classic") {
		req.TypesFilter = f.kinds // brokers before Kafka 3.8 know classic groups only, and no filter
	}
	var all []groupListing
	for _, shard := range cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		resp := shard.Resp.(*kmsg.ListGroupsResponse)
		if err := answered(resp.ErrorCode, nil); err != nil {
			return nil, err
		}
		for _, g := range resp.Groups {
			l := groupListing{g.Group, groupKind(g.GroupType), g.ProtocolType, g.GroupState}
			if len(f.kinds) > 0 && !slices.Contains(f.kinds, strings.ToLower(l.kind)) || len(f.protocols) > 0 && !slices.Contains(f.protocols, l.protocol) {
				continue
			}
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b groupListing) int { return strings.Compare(a.group, b.group) })
	return all, nil
}

// groupKind is how Kafka's tools write a type of group; brokers send it in lower case, and old ones not at all.
func groupKind(sent string) string {
	if sent == "" {
		return "Classic"
	}
	return strings.ToUpper(sent[:1]) + strings.ToLower(sent[1:])
}

// Groups of consumers, of either protocol.
var consumerKinds, consumerProtocols = []string{"classic", "consumer"}, []string{"", "consumer"}

// groupDescription is a group of consumers. Pointers are nil where the group's protocol knows no such thing.
type groupDescription struct {
	group, state, assignor string
	coordinator            kgo.BrokerMetadata
	members                []groupMember
	epoch, targetEpoch     *int32
}

type groupMember struct {
	id, instance, clientID, host string
	assigned, target             []topicPartition
	epoch                        *int32
	upgraded                     *bool // whether it speaks the consumer protocol; nil when the broker does not say
}

// describeConsumerGroups asks for groups of the consumer protocol, and then for those that are none as classic ones. The first group that there is not is the error.
func describeConsumerGroups(ctx context.Context, cl *kgo.Client, groups []string) (map[string]groupDescription, error) {
	all := map[string]groupDescription{}
	if len(groups) == 0 {
		return all, nil
	}
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = groups
	var classic []string
	for _, shard := range cl.RequestSharded(ctx, req) {
		asked := shard.Req.(*kmsg.ConsumerGroupDescribeRequest).Groups
		if shard.Err != nil {
			classic = append(classic, asked...) // a broker that does not know the request; one that cannot be reached fails the next one too
			continue
		}
		for _, g := range shard.Resp.(*kmsg.ConsumerGroupDescribeResponse).Groups {
			err := answered(g.ErrorCode, g.ErrorMessage)
			switch {
			case errors.Is(err, kerr.GroupIDNotFound), errors.Is(err, kerr.UnsupportedVersion):
				classic = append(classic, g.Group)
			case err != nil:
				return nil, err
			default:
				all[g.Group] = modernGroup(g, shard.Meta)
			}
		}
	}
	if len(classic) == 0 {
		return all, nil
	}
	return all, describeClassicGroups(ctx, cl, classic, all)
}

func modernGroup(g kmsg.ConsumerGroupDescribeResponseGroup, coordinator kgo.BrokerMetadata) groupDescription {
	d := groupDescription{group: g.Group, state: g.State, assignor: g.AssignorName, coordinator: coordinator, epoch: &g.Epoch, targetEpoch: &g.AssignmentEpoch}
	for _, m := range g.Members {
		member := groupMember{id: m.MemberID, clientID: m.ClientID, host: m.ClientHost, epoch: &m.MemberEpoch}
		if m.InstanceID != nil {
			member.instance = *m.InstanceID
		}
		if m.MemberType >= 0 {
			member.upgraded = new(bool)
			*member.upgraded = m.MemberType == 1
		}
		member.assigned, member.target = modernAssignment(m.Assignment), modernAssignment(m.TargetAssignment)
		d.members = append(d.members, member)
	}
	return d
}

func modernAssignment(a kmsg.Assignment) []topicPartition {
	var all []topicPartition
	for _, t := range a.TopicPartitions {
		for _, p := range t.Partitions {
			all = append(all, topicPartition{t.Topic, p})
		}
	}
	return all
}

func describeClassicGroups(ctx context.Context, cl *kgo.Client, groups []string, all map[string]groupDescription) error {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = groups
	for _, shard := range cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return shard.Err
		}
		for _, g := range shard.Resp.(*kmsg.DescribeGroupsResponse).Groups {
			if err := answered(g.ErrorCode, g.ErrorMessage); err != nil {
				return err
			}
			if !slices.Contains(consumerProtocols, g.ProtocolType) {
				return exception{illegalArgument, fmt.Sprintf("GroupId %s is not a consumer group (%s).", g.Group, g.ProtocolType)}
			}
			all[g.Group] = classicGroup(g, shard.Meta)
		}
	}
	return nil
}

func classicGroup(g kmsg.DescribeGroupsResponseGroup, coordinator kgo.BrokerMetadata) groupDescription {
	d := groupDescription{group: g.Group, state: g.State, assignor: g.Protocol, coordinator: coordinator}
	for _, m := range g.Members {
		member := groupMember{id: m.MemberID, clientID: m.ClientID, host: m.ClientHost}
		if m.InstanceID != nil {
			member.instance = *m.InstanceID
		}
		var a kmsg.ConsumerMemberAssignment
		if len(m.MemberAssignment) > 0 && a.ReadFrom(m.MemberAssignment) == nil {
			for _, t := range a.Topics {
				for _, p := range t.Partitions {
					member.assigned = append(member.assigned, topicPartition{t.Topic, p})
				}
			}
		}
		d.members = append(d.members, member)
	}
	return d
}

// committed is an offset that a group has committed.
type committed struct {
	offset      int64
	leaderEpoch *int32
}

// committedOffsets are those of a group; none for a group that there is not.
func committedOffsets(ctx context.Context, cl *kgo.Client, group string) (map[topicPartition]committed, error) {
	fetched, err := kadm.NewClient(cl).FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, err
	}
	all := map[topicPartition]committed{}
	for topic, partitions := range fetched {
		for p, o := range partitions {
			if o.Err != nil {
				return nil, o.Err
			}
			if o.At < 0 {
				continue
			}
			c := committed{offset: o.At}
			if o.LeaderEpoch >= 0 {
				c.leaderEpoch = &o.LeaderEpoch
			}
			all[topicPartition{topic, p}] = c
		}
	}
	return all, nil
}

// partitionLeaders are the partitions of topics, with the broker that leads each, -1 for none. A topic that there is not is an error.
func partitionLeaders(ctx context.Context, cl *kgo.Client, topics []string) (map[topicPartition]int32, error) {
	all := map[topicPartition]int32{}
	if len(topics) == 0 {
		return all, nil
	}
	req := kmsg.NewPtrMetadataRequest()
	for _, t := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(t)
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	for _, t := range resp.Topics {
		if err := answered(t.ErrorCode, nil); err != nil {
			return nil, err
		}
		for _, p := range t.Partitions {
			all[topicPartition{*t.Topic, p.Partition}] = p.Leader
		}
	}
	return all, nil
}

// Timestamps that ListOffsets understands besides real ones.
const (
	latestOffset   = -1
	earliestOffset = -2
)

// listOffsets asks the leaders for the first offset at a time; -1 where there is none.
func listOffsets(ctx context.Context, cl *kgo.Client, partitions []topicPartition, timestamp int64) (map[topicPartition]int64, error) {
	all := map[topicPartition]int64{}
	if len(partitions) == 0 {
		return all, nil
	}
	req := kmsg.NewPtrListOffsetsRequest()
	topics, numbers := byTopic(partitions)
	for _, t := range topics {
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = t
		for _, n := range numbers[t] {
			rp := kmsg.NewListOffsetsRequestTopicPartition()
			rp.Partition, rp.Timestamp = n, timestamp
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
	}
	for _, shard := range cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if err := answered(p.ErrorCode, nil); err != nil {
					return nil, err
				}
				all[topicPartition{t.Topic, p.Partition}] = p.Offset
			}
		}
	}
	return all, nil
}

// byAssignment sorts members by the number of their partitions, most first.
func byAssignment(a, b groupMember) int { return cmp.Compare(len(b.assigned), len(a.assigned)) }
