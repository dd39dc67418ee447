package exchange

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

// cluster is what clients can see of a broker and its data. Two brokers over the same directory must show the same.
type cluster struct {
	ID       string
	Features map[string]int16
	Configs  map[string]string // dynamic, by "broker <name> <key>"
	Topics   map[string]topic
	Groups   map[string]group
}

type topic struct {
	ID         string
	Configs    map[string]string
	Partitions []partition
}

type partition struct {
	Replicas        []int32
	Start, End, LSO int64
	MaxTimestamp    string   // what ListOffsets says of the largest timestamp
	Middle          string   // and of a timestamp in the middle
	Epochs          []string // of the leaders that have written: where each ends
	Batches         []string
	Aborted         []string // transactions, as Fetch tells them
	Producers       []string
}

type group struct {
	State, ProtocolType string
	Offsets             map[string]string
}

// ownAccount is what a broker writes into on its own account: more may be there than before, but what was there must be there still.
func ownAccount(topic string) bool {
	return topic == "__transaction_state" || topic == "__share_group_state" || topic == "__consumer_offsets"
}

// see looks at the broker in the house.
func (h *house) see() cluster {
	h.t.Helper()
	s := &sight{house: h, ctx: h.within(), cl: h.client()}
	s.adm = kadm.NewClient(s.cl)
	c := cluster{Features: map[string]int16{}, Configs: map[string]string{}, Topics: map[string]topic{}, Groups: map[string]group{}}

	meta, err := s.adm.Metadata(s.ctx)
	s.must(err)
	c.ID = meta.Cluster
	versions, err := kmsg.NewPtrApiVersionsRequest().RequestWith(s.ctx, s.cl)
	s.must(err)
	for _, f := range versions.FinalizedFeatures {
		c.Features[f.Name] = f.MaxVersionLevel
	}
	for name, get := range map[string]func() (kadm.ResourceConfigs, error){
		"default": func() (kadm.ResourceConfigs, error) { return s.adm.DescribeBrokerConfigs(s.ctx) },
		"1":       func() (kadm.ResourceConfigs, error) { return s.adm.DescribeBrokerConfigs(s.ctx, s.nodeID()) },
	} {
		got, err := get()
		s.must(err)
		for key, value := range dynamic(got) {
			c.Configs["broker "+name+" "+key] = value
		}
	}
	for name, detail := range meta.Topics {
		s.must(detail.Err)
		c.Topics[name] = s.topic(detail)
	}
	s.groups(c.Groups)
	return c
}

// must see the same as was, but for what a broker adds to its own topics.
func (h *house) mustSee(was cluster) cluster {
	h.t.Helper()
	is := h.see()
	shown := is
	shown.Topics = map[string]topic{}
	for name, t := range is.Topics {
		if before, ok := was.Topics[name]; ok && ownAccount(name) && len(before.Partitions) == len(t.Partitions) {
			t.Partitions = slices.Clone(t.Partitions)
			for i := range t.Partitions {
				p, b := &t.Partitions[i], before.Partitions[i]
				if len(p.Batches) >= len(b.Batches) && slices.Equal(p.Batches[:len(b.Batches)], b.Batches) {
					*p = b
				}
			}
		}
		shown.Topics[name] = t
	}
	if diff := cmp.Diff(was, shown); diff != "" {
		h.t.Errorf("not what it was (-was +is):\n%s", diff)
	}
	return is
}

// sight is one look at a broker.
type sight struct {
	*house
	ctx context.Context
	cl  *kgo.Client
	adm *kadm.Client
}

func (s *sight) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("look at the broker: %v", err)
	}
}

func (s *sight) nodeID() int32 {
	brokers, err := s.adm.ListBrokers(s.ctx)
	s.must(err)
	return brokers[0].NodeID
}

func dynamic(rs kadm.ResourceConfigs) map[string]string {
	values := map[string]string{}
	for _, r := range rs {
		for _, c := range r.Configs {
			switch c.Source {
			case kmsg.ConfigSourceDynamicTopicConfig, kmsg.ConfigSourceDynamicBrokerConfig, kmsg.ConfigSourceDynamicDefaultBrokerConfig:
				values[c.Key] = fmt.Sprint(c.Source, " ", c.MaybeValue())
			}
		}
	}
	return values
}

func (s *sight) topic(detail kadm.TopicDetail) topic {
	configs, err := s.adm.DescribeTopicConfigs(s.ctx, detail.Topic)
	s.must(err)
	t := topic{ID: detail.ID.String(), Configs: dynamic(configs)}
	for _, p := range detail.Partitions.Sorted() {
		s.must(p.Err)
		t.Partitions = append(t.Partitions, s.partition(detail, p))
	}
	return t
}

func (s *sight) partition(t kadm.TopicDetail, d kadm.PartitionDetail) partition {
	p := partition{Replicas: d.Replicas}
	p.Start, _ = s.offset(t.Topic, d.Partition, -2, 0)
	p.End, _ = s.offset(t.Topic, d.Partition, -1, 0)
	p.LSO, _ = s.offset(t.Topic, d.Partition, -1, 1)
	_, p.MaxTimestamp = s.offset(t.Topic, d.Partition, -3, 0)

	raw, _ := s.fetch(t, d.Partition, p.Start, p.End, 0)
	epochs := map[int32]bool{}
	var first, last int64
	for batch, err := range protocol.Batches(raw) {
		s.must(err)
		s.must(batch.CheckCRC())
		if len(p.Batches) == 0 {
			first = batch.MaxTimestampMs()
		}
		last = batch.MaxTimestampMs()
		epochs[batch.LeaderEpoch()] = true
		p.Batches = append(p.Batches, describeBatch(batch))
	}
	committed, aborted := s.fetch(t, d.Partition, p.Start, p.LSO, 1)
	if !strings.HasPrefix(string(raw), string(committed)) {
		s.t.Errorf("%s-%d: what is read committed is not the beginning of what is read uncommitted", t.Topic, d.Partition)
	}
	p.Aborted = aborted
	_, p.Middle = s.offset(t.Topic, d.Partition, first+(last-first)/2, 0)
	for e := range epochs {
		p.Epochs = append(p.Epochs, s.epochEnd(t.Topic, d.Partition, e))
	}
	slices.Sort(p.Epochs)
	p.Producers = s.producers(t.Topic, d.Partition)
	return p
}

func describeBatch(b protocol.Batch) string {
	text := fmt.Sprintf("%d…%d epoch %d crc %08x %d records codec %d", b.BaseOffset(), b.LastOffset(), b.LeaderEpoch(), b.CRC(), b.NumRecords(), b.Codec())
	if b.ProducerID() >= 0 {
		text += fmt.Sprintf(" producer %d/%d from %d", b.ProducerID(), b.ProducerEpoch(), b.BaseSequence())
	}
	if b.IsControl() {
		text += " control"
	}
	return text
}

func (s *sight) offset(topic string, partition int32, timestamp int64, isolation int8) (int64, string) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID, req.IsolationLevel = -1, isolation
	rt := kmsg.NewListOffsetsRequestTopic()
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rt.Topic, rp.Partition, rp.Timestamp = topic, partition, timestamp
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(s.ctx, s.cl)
	s.must(err)
	p := resp.Topics[0].Partitions[0]
	s.must(kerr.ErrorForCode(p.ErrorCode))
	text := fmt.Sprintf("offset %d timestamp %d", p.Offset, p.Timestamp)
	if p.Offset >= 0 && timestamp != -1 && timestamp != -2 {
		text += fmt.Sprintf(" epoch %d", p.LeaderEpoch)
	}
	return p.Offset, text
}

func (s *sight) fetch(t kadm.TopicDetail, partition int32, from, until int64, isolation int8) (raw []byte, aborted []string) {
	for from < until {
		req := kmsg.NewPtrFetchRequest()
		req.MaxBytes, req.IsolationLevel, req.SessionEpoch = 50<<20, isolation, -1
		rt := kmsg.NewFetchRequestTopic()
		rp := kmsg.NewFetchRequestTopicPartition()
		rt.Topic, rt.TopicID = t.Topic, t.ID
		rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = partition, from, 50<<20, -1
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		resp, err := s.cl.Broker(int(s.nodeID())).Request(s.ctx, req)
		s.must(err)
		p := resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
		s.must(kerr.ErrorForCode(p.ErrorCode))
		for _, a := range p.AbortedTransactions {
			text := fmt.Sprintf("producer %d from %d", a.ProducerID, a.FirstOffset)
			if a.FirstOffset < until && !slices.Contains(aborted, text) {
				aborted = append(aborted, text)
			}
		}
		before := from
		for batch, err := range protocol.Batches(p.RecordBatches) {
			s.must(err)
			if batch.LastOffset() >= from {
				raw = append(raw, batch...)
				from = batch.LastOffset() + 1
			}
		}
		if from == before {
			s.t.Fatalf("%s-%d: nothing to fetch at %d of %d", t.Topic, partition, from, until)
		}
	}
	slices.Sort(aborted)
	return raw, aborted
}

func (s *sight) epochEnd(topic string, partition, epoch int32) string {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
	rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	rt.Topic, rp.Partition, rp.CurrentLeaderEpoch, rp.LeaderEpoch = topic, partition, -1, epoch
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(s.ctx, s.cl)
	s.must(err)
	p := resp.Topics[0].Partitions[0]
	s.must(kerr.ErrorForCode(p.ErrorCode))
	return fmt.Sprintf("%d ends at %d", epoch, p.EndOffset)
}

func (s *sight) producers(topic string, partition int32) (all []string) {
	req := kmsg.NewPtrDescribeProducersRequest()
	rt := kmsg.NewDescribeProducersRequestTopic()
	rt.Topic, rt.Partitions = topic, []int32{partition}
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(s.ctx, s.cl)
	if err != nil {
		return nil // Kafka 2.8.0 had no such request
	}
	p := resp.Topics[0].Partitions[0]
	s.must(kerr.ErrorForCode(p.ErrorCode))
	for _, a := range p.ActiveProducers {
		all = append(all, fmt.Sprintf("%d/%d last sequence %d coordinator epoch %d open transaction %d last timestamp %d",
			a.ProducerID, a.ProducerEpoch, a.LastSequence, a.CoordinatorEpoch, a.CurrentTxnStartOffset, a.LastTimestamp))
	}
	slices.Sort(all)
	return all
}

// groups looks at the classic groups. Those of newer kinds have offsets, too, which gokafka serves.
func (s *sight) groups(into map[string]group) {
	listed, err := s.adm.ListGroups(s.ctx)
	s.must(err)
	for _, g := range listed.Sorted() {
		if strings.HasPrefix(g.Group, "modern-") {
			continue
		}
		described, err := s.adm.DescribeGroups(s.ctx, g.Group)
		s.must(err)
		s.must(described.Error())
		offsets, err := s.adm.FetchOffsets(s.ctx, g.Group)
		s.must(err)
		into[g.Group] = group{described[g.Group].State, described[g.Group].ProtocolType, describeOffsets(offsets)}
	}
}

func describeOffsets(offsets kadm.OffsetResponses) map[string]string {
	all := map[string]string{}
	for _, o := range offsets.Sorted() {
		all[fmt.Sprint(o.Topic, "-", o.Partition)] = fmt.Sprintf("%d epoch %d %q", o.At, o.LeaderEpoch, o.Metadata)
	}
	return all
}
