package group

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/coordinator/records"
)

// What the scripts need for groups of the new protocol, and for those with members of both.

// embeddedAssignment reads t1:0+1/t2:3 into a ConsumerProtocolAssignment, with user data when there is a ! behind.
func embeddedAssignment(list string) []byte {
	v := kmsg.ConsumerMemberAssignment{Version: 1}
	if custom, ok := strings.CutSuffix(list, "!"); ok {
		list, v.UserData = custom, []byte("of a custom assignor")
	}
	for _, of := range strings.Split(list, "/") {
		topic, ps, ok := strings.Cut(of, ":")
		if !ok {
			continue
		}
		t := kmsg.ConsumerMemberAssignmentTopic{Topic: topic}
		for _, p := range strings.Split(ps, "+") {
			n, _ := strconv.Atoi(p)
			t.Partitions = append(t.Partitions, int32(n))
		}
		v.Topics = append(v.Topics, t)
	}
	return v.AppendTo(nil)
}

// parseOwned reads t1/0+1.
func parseOwned(text string) (assignment, error) {
	a := assignment{}
	topic, ps, ok := strings.Cut(text, "/")
	for _, p := range strings.Split(ps, "+") {
		n, err := strconv.Atoi(p)
		if err != nil && ok {
			return nil, err
		}
		if ok {
			a[topicID(topic)] = append(a[topicID(topic)], int32(n))
		}
	}
	return a, nil
}

// showAssignment is the inverse; what is no ConsumerProtocolAssignment is shown as it is.
func showAssignment(b []byte) string {
	var v kmsg.ConsumerMemberAssignment
	if ver := embeddedVersion(b); ver < 0 || ver > 3 || v.ReadFrom(b) != nil {
		return string(b)
	}
	var parts []string
	for _, t := range v.Topics {
		parts = append(parts, t.Topic+":"+join(t.Partitions))
	}
	return "@" + strings.Join(parts, "/")
}

func join(ps []int32) string {
	text := make([]string, len(ps))
	for i, p := range ps {
		text[i] = fmt.Sprint(p)
	}
	return strings.Join(text, "+")
}

func showOwned(a assignment) string {
	var parts []string
	for _, topic := range a.topics() {
		if len(a[topic]) > 0 {
			parts = append(parts, strings.TrimRight(string(topic[:]), "\x00")+":"+join(a[topic]))
		}
	}
	return "@" + strings.Join(parts, "/")
}

// ownedSubscription is a subscription of the cooperative protocol.
func ownedSubscription(topics []string, owns assignment) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Version, m.Topics = 3, topics
	for _, topic := range owns.topics() {
		m.OwnedPartitions = append(m.OwnedPartitions, kmsg.ConsumerMemberMetadataOwnedPartition{Topic: strings.TrimRight(string(topic[:]), "\x00"), Partitions: owns[topic]})
	}
	return m.AppendTo(nil)
}

// beat is a heartbeat of the new protocol by a client that otherwise uses the old one.
func (s *script) beat(c *scriptClient, w words) {
	p := c.knows.player
	if p == nil {
		p = &player{id: c.name + "-new", topics: []string{"t1"}}
		c.knows.player = p
	}
	p.instance = c.instance
	if t, ok := w.named["topics"]; ok {
		p.topics = strings.Split(t, "+")
	}
	if e, ok := w.named["epoch"]; ok {
		n, _ := strconv.Atoi(e)
		p.epoch = int32(n)
	}
	kept := p.owns
	r := p.beat(s.harness, nil)
	encode(r)
	answer := codeName(r.ErrorCode)
	if r.ErrorCode == 0 {
		answer += fmt.Sprintf(" epoch=%d", r.MemberEpoch)
	}
	if r.ErrorMessage != nil {
		answer += " " + *r.ErrorMessage
	}
	if r.Assignment != nil {
		answer += " assignment=" + showOwned(p.owns)
	}
	if slices.Contains(w.rest, "keep") {
		p.owns = kept
	}
	s.ask(c.name+" beat", func(context.Context) string { return answer })
}

func (s *script) consumerDescribe() {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Version, req.Groups = 1, []string{"g"}
	s.ask("cdescribe", func(ctx context.Context) string {
		g := s.c.ConsumerGroupDescribe(ctx, req).Groups[0]
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s epoch=%d target=%d", codeName(g.ErrorCode), g.State, g.Epoch, g.AssignmentEpoch)
		for _, m := range g.Members {
			fmt.Fprintf(&b, " [%s epoch=%d type=%d]", m.MemberID, m.MemberEpoch, m.MemberType)
		}
		return b.String()
	})
}

func dumpConsumer(g *consumer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s epoch=%d target=%d\n", g.id, g.stateName(), g.epoch, g.targetEpoch)
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		m := g.members[id]
		fmt.Fprintf(&b, "  %s", id)
		if m.meta.InstanceID != nil {
			fmt.Fprintf(&b, " instance=%s", *m.meta.InstanceID)
		}
		if m.isClassic() {
			b.WriteString(" classic")
		}
		fmt.Fprintf(&b, " epoch=%d previous=%d state=%d has=%s", m.current.epoch, m.current.previous, m.current.state, showOwned(m.current.assigned))
		if m.current.revoking.len() > 0 {
			fmt.Fprintf(&b, " revoking=%s", showOwned(m.current.revoking))
		}
		fmt.Fprintf(&b, " target=%s\n", showOwned(m.target))
	}
	return b.String()
}

func showConsumerRecord(r record) string {
	key, value, err := records.ParseGroup(r.Key, r.Value)
	if err != nil {
		return fmt.Sprintf("  undecodable: %v\n", err)
	}
	name := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", key), "*records.ConsumerGroup"), "Key")
	member, text := "", " removed"
	switch k := key.(type) {
	case *records.ConsumerGroupMemberMetadataKey:
		member = k.MemberID
		if v, _ := value.(*records.ConsumerGroupMemberMetadataValue); v != nil {
			text = fmt.Sprintf(" client=%s topics=%v rebalance=%dms", v.ClientID, v.SubscribedTopicNames, v.RebalanceTimeoutMs)
			if c := v.ClassicMemberMetadata; c != nil {
				text += fmt.Sprintf(" classic session=%dms", c.SessionTimeoutMs)
				for _, p := range c.SupportedProtocols {
					text += " " + p.Name
				}
			}
		}
	case *records.ConsumerGroupTargetAssignmentMemberKey:
		member = k.MemberID
		if v, _ := value.(*records.ConsumerGroupTargetAssignmentMemberValue); v != nil {
			a := assignment{}
			for _, t := range v.TopicPartitions {
				a[t.TopicID] = t.Partitions
			}
			text = " " + showOwned(a)
		}
	case *records.ConsumerGroupCurrentMemberAssignmentKey:
		member = k.MemberID
		if v, _ := value.(*records.ConsumerGroupCurrentMemberAssignmentValue); v != nil {
			text = fmt.Sprintf(" epoch=%d previous=%d state=%d %s", v.MemberEpoch, v.PreviousMemberEpoch, v.State, showOwned(owned(v.AssignedPartitions)))
			if len(v.PartitionsPendingRevocation) > 0 {
				text += " revoking " + showOwned(owned(v.PartitionsPendingRevocation))
			}
		}
	case *records.ConsumerGroupMetadataKey:
		if v, _ := value.(*records.ConsumerGroupMetadataValue); v != nil {
			text = fmt.Sprintf(" epoch=%d", v.Epoch)
		}
	case *records.ConsumerGroupTargetAssignmentMetadataKey:
		if v, _ := value.(*records.ConsumerGroupTargetAssignmentMetadataValue); v != nil {
			text = fmt.Sprintf(" epoch=%d", v.AssignmentEpoch)
		}
	}
	if member != "" {
		member = " " + member
	}
	return "  " + name + member + text + "\n"
}
