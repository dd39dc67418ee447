package tools

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// describedTopic is what --describe prints of a topic.
type describedTopic struct {
	name       string
	id         [16]byte
	partitions []describedPartition
	configs    []kmsg.DescribeConfigsResponseResourceConfig
}

// describedPartition is a line of it.
type describedPartition struct {
	number, leader    int32
	replicas, isr     []int32
	elr, lastKnownELR []int32 // nil: the broker does not tell
	moving            bool
	adding, removing  []int32
}

// overrides are the configurations that are not Kafka's defaults.
func (t describedTopic) overrides() []string {
	var all []string
	for _, e := range t.configs {
		if e.Source != kmsg.ConfigSourceDefaultConfig {
			value := "null"
			if e.Value != nil {
				value = *e.Value
			}
			all = append(all, e.Name+"="+value)
		}
	}
	return all
}

// minISR is min.insync.replicas.
func (t describedTopic) minISR() int {
	for _, e := range t.configs {
		if e.Name == "min.insync.replicas" && e.Value != nil {
			n, _ := strconv.Atoi(*e.Value) // 0 for what is no number: no partition is under it
			return n
		}
	}
	return 0
}

// replicationFactor does not count replicas that come or go.
func (p describedPartition) replicationFactor() int {
	changing := slices.Concat(p.adding, p.removing)
	if p.moving && slices.ContainsFunc(p.replicas, func(id int32) bool { return slices.Contains(changing, id) }) {
		return len(p.replicas) - len(p.adding)
	}
	return len(p.replicas)
}

func (p describedPartition) String() string {
	leader := "none"
	if p.leader >= 0 {
		leader = strconv.Itoa(int(p.leader))
	}
	text := fmt.Sprintf("\tPartition: %d\tLeader: %s\tReplicas: %s\tIsr: %s", p.number, leader, joinNumbers(p.replicas, ","), joinNumbers(p.isr, ","))
	if p.moving {
		text += fmt.Sprintf("\tAdding Replicas: %s\tRemoving Replicas: %s", joinNumbers(p.adding, ","), joinNumbers(p.removing, ","))
	}
	for _, eligible := range []struct {
		name string
		ids  []int32
	}{{"Elr", p.elr}, {"LastKnownElr", p.lastKnownELR}} {
		ids := "N/A"
		if eligible.ids != nil {
			ids = joinNumbers(eligible.ids, ",")
		}
		text += "\t" + eligible.name + ": " + ids
	}
	return text
}

func (c *topicsCommand) describeTopics(ctx context.Context) error {
	selected, err := c.selected(ctx)
	if err != nil || len(selected) == 0 {
		return err
	}
	topics, err := c.describePartitions(ctx, selected)
	if err != nil {
		return err
	}
	if err := c.addConfigs(ctx, topics); err != nil {
		return err
	}
	if err := c.addReassignments(ctx, topics); err != nil {
		return err
	}
	live, err := c.liveBrokers(ctx)
	if err != nil {
		return err
	}
	for _, t := range topics {
		c.printTopic(t, live)
	}
	return nil
}

func (c *topicsCommand) printTopic(t describedTopic, live []int32) {
	all := c.count(c.unavailable, c.underReplicated, c.underMinISR, c.atMinISR) == 0
	if overrides := t.overrides(); all && len(t.partitions) > 0 && (!c.Has(c.withOverrides) || len(overrides) > 0) {
		id := ""
		if t.id != [16]byte{} {
			id = "\tTopicId: " + uuidString(t.id)
		}
		c.env.printf("Topic: %s%s\tPartitionCount: %d\tReplicationFactor: %d\tConfigs: %s\n", t.name, id, len(t.partitions),
			t.partitions[0].replicationFactor(), strings.Join(overrides, ","))
	}
	if c.Has(c.withOverrides) {
		return
	}
	for _, p := range t.partitions {
		if all ||
			c.Has(c.underReplicated) && p.replicationFactor() > len(p.isr) ||
			c.Has(c.unavailable) && !slices.Contains(live, p.leader) ||
			c.Has(c.underMinISR) && (p.leader < 0 || len(p.isr) < t.minISR()) ||
			c.Has(c.atMinISR) && len(p.isr) == t.minISR() {
			c.env.printf("\tTopic: %s%s\n", t.name, p)
		}
	}
}

// selected are the topics to describe.
func (c *topicsCommand) selected(ctx context.Context) ([]kmsg.MetadataResponseTopic, error) {
	text := c.Value(c.topicID)
	if text == "" {
		return c.existing(ctx)
	}
	id, err := parseUUID(text)
	if err != nil {
		return nil, err
	}
	if id == [16]byte{} {
		return c.existing(ctx)
	}
	all, err := listTopics(ctx, c.cl)
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if t.TopicID == id && !(c.Has(c.excludeInternal) && isInternal(*t.Topic)) {
			return []kmsg.MetadataResponseTopic{t}, nil
		}
	}
	if c.Has(c.ifExists) {
		return nil, nil
	}
	return nil, exception{illegalArgument, "TopicId '" + text + "' does not exist as expected"}
}

// describePartitions asks for the partitions of topics with the API that tells eligible leaders; a broker that has none says less.
func (c *topicsCommand) describePartitions(ctx context.Context, selected []kmsg.MetadataResponseTopic) ([]describedTopic, error) {
	topics := make([]describedTopic, len(selected))
	index := make(map[string]*describedTopic, len(selected))
	for i, m := range selected {
		topics[i] = fromMetadata(m)
		index[*m.Topic] = &topics[i]
	}
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = 2000
	if c.Has(c.perResponse) {
		req.ResponsePartitionLimit = c.Int(c.perResponse)
	}
	for _, m := range selected {
		t := kmsg.NewDescribeTopicPartitionsRequestTopic()
		t.Topic = *m.Topic
		req.Topics = append(req.Topics, t)
	}
	fuller := map[string][]describedPartition{}
	for {
		resp, err := req.RequestWith(ctx, c.cl)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return topics, nil // no such API: Metadata's answer has to do
		}
		for _, t := range resp.Topics {
			if t.Topic == nil {
				continue
			}
			if err := answered(t.ErrorCode, nil); err != nil {
				return nil, err
			}
			for _, p := range t.Partitions {
				fuller[*t.Topic] = append(fuller[*t.Topic], describedPartition{number: p.Partition, leader: p.LeaderID, replicas: p.Replicas, isr: p.ISR,
					elr: notNil(p.EligibleLeaderReplicas), lastKnownELR: notNil(p.LastKnownELR)})
			}
		}
		if resp.NextCursor == nil {
			break
		}
		req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: resp.NextCursor.Topic, Partition: resp.NextCursor.Partition}
		// Java leaves out the topics that are done; the broker wants the cursor's topic first.
		req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.DescribeTopicPartitionsRequestTopic) bool { return t.Topic < resp.NextCursor.Topic })
	}
	for name, partitions := range fuller {
		if t := index[name]; t != nil {
			t.partitions = partitions
			t.sort()
		}
	}
	return topics, nil
}

func notNil(ids []int32) []int32 {
	if ids == nil {
		return []int32{}
	}
	return ids
}

func fromMetadata(m kmsg.MetadataResponseTopic) describedTopic {
	t := describedTopic{name: *m.Topic, id: m.TopicID}
	for _, p := range m.Partitions {
		t.partitions = append(t.partitions, describedPartition{number: p.Partition, leader: p.Leader, replicas: p.Replicas, isr: p.ISR})
	}
	t.sort()
	return t
}

func (t *describedTopic) sort() {
	slices.SortFunc(t.partitions, func(a, b describedPartition) int { return int(a.number) - int(b.number) })
}

func (c *topicsCommand) addConfigs(ctx context.Context, topics []describedTopic) error {
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, t := range topics {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, t.name
		req.Resources = append(req.Resources, r)
	}
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return err
	}
	for _, r := range resp.Resources {
		if err := answered(r.ErrorCode, r.ErrorMessage); err != nil {
			return err
		}
		for i := range topics {
			if topics[i].name == r.ResourceName {
				topics[i].configs = r.Configs
			}
		}
	}
	return nil
}

// addReassignments finds out which partitions are moving. Clusters that do not tell have none.
func (c *topicsCommand) addReassignments(ctx context.Context, topics []describedTopic) error {
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.TimeoutMillis = timeoutMillis
	for _, t := range topics {
		r := kmsg.NewListPartitionReassignmentsRequestTopic()
		r.Topic = t.name
		for _, p := range t.partitions {
			r.Partitions = append(r.Partitions, p.number)
		}
		req.Topics = append(req.Topics, r)
	}
	resp, err := req.RequestWith(ctx, c.cl)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || resp.ErrorCode != 0 {
		return nil
	}
	for _, r := range resp.Topics {
		for _, rp := range r.Partitions {
			for i := range topics {
				if topics[i].name != r.Topic {
					continue
				}
				for j := range topics[i].partitions {
					if p := &topics[i].partitions[j]; p.number == rp.Partition {
						p.moving, p.adding, p.removing = true, rp.AddingReplicas, rp.RemovingReplicas
					}
				}
			}
		}
	}
	return nil
}

func (c *topicsCommand) liveBrokers(ctx context.Context) ([]int32, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return nil, err
	}
	var ids []int32
	for _, b := range resp.Brokers {
		ids = append(ids, b.NodeID)
	}
	return ids, nil
}

// uuidString shows an id as Kafka does.
func uuidString(id [16]byte) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// parseUUID reads an id as Kafka shows it.
func parseUUID(text string) (id [16]byte, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	switch {
	case len(text) > 24:
		return id, exception{illegalArgument, fmt.Sprintf("Input string with prefix `%s` is too long to be decoded as a base64 UUID", text[:24])}
	case err != nil:
		return id, exception{illegalArgument, "Input string `" + text + "` is no base64-encoded UUID"}
	case len(raw) != len(id):
		return id, exception{illegalArgument, fmt.Sprintf("Input string `%s` decoded as %d bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID", text, len(raw))}
	}
	return [16]byte(raw), nil
}
