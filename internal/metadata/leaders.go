package metadata

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata/records"
)

// electLeaders answers ElectLeaders 0–2. Without a list all partitions are meant, and those that need no election are left out of the answer.
func (s *step) electLeaders(req *kmsg.ElectLeadersRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.ElectLeadersResponse](req)
	kind := electPreferred
	var unknown error
	switch req.ElectionType {
	case 0:
	case 1:
		kind = electUnclean
	default:
		unknown = refuse(kerr.InvalidRequest, "Unknown election type %d", req.ElectionType)
		resp.ErrorCode, _ = codeOf(unknown)
	}
	answer := func(t *kmsg.ElectLeadersResponseTopic, partition int32, err error) {
		p := kmsg.NewElectLeadersResponseTopicPartition()
		p.Partition = partition
		p.ErrorCode, p.ErrorMessage = codeOf(err)
		t.Partitions = append(t.Partitions, p)
	}
	if req.Topics == nil && unknown == nil {
		for topic := range s.img.Topics() {
			t := kmsg.NewElectLeadersResponseTopic()
			t.Topic = topic.Name
			for i := range topic.Partitions {
				if err := s.electLeader(topic.Name, int32(i), kind); err != errElectionNotNeeded {
					answer(&t, int32(i), err)
				}
			}
			resp.Topics = append(resp.Topics, t)
		}
	}
	for _, topic := range req.Topics {
		t := kmsg.NewElectLeadersResponseTopic()
		t.Topic = topic.Topic
		for _, p := range topic.Partitions {
			err := unknown
			if err == nil {
				err = s.electLeader(topic.Topic, p, kind)
			}
			answer(&t, p, err)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp, nil
}

var errElectionNotNeeded = refuse(kerr.ElectionNotNeeded, "Leader election not needed for topic partition.")

func (s *step) electLeader(topic string, id int32, kind election) error {
	t := s.img.Topic(topic)
	if t == nil {
		return refuse(kerr.UnknownTopicOrPartition, "No such topic as %s", topic)
	}
	if id < 0 || int(id) >= len(t.Partitions) {
		return refuse(kerr.UnknownTopicOrPartition, "No such partition as %s-%d", topic, id)
	}
	p := &t.Partitions[id]
	if kind == electPreferred && p.Leader == p.Replicas[0] || kind == electUnclean && p.Leader != NoLeader {
		return errElectionNotNeeded
	}
	c := s.change(t, id, s.isActive)
	c.election = kind
	switch {
	case s.addChange(c):
		return nil
	case kind == electPreferred:
		return refuse(kerr.PreferredLeaderNotAvailable, "The preferred leader was not available.")
	}
	return refuse(kerr.EligibleLeadersNotAvailable, "Eligible topic partition leaders are not available.")
}

// alterPartition answers AlterPartition 0–3: the leader of a partition asks for another ISR.
func (s *step) alterPartition(req *kmsg.AlterPartitionRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.AlterPartitionResponse](req)
	if err := s.checkBrokerEpoch(req.BrokerID, req.BrokerEpoch); err != nil {
		resp.ErrorCode, _ = codeOf(err)
		return resp, nil
	}
	for _, topic := range req.Topics {
		t := kmsg.NewAlterPartitionResponseTopic()
		t.Topic, t.TopidID = topic.Topic, topic.TopicID // kmsg misspells it
		known, unknown := s.img.Topic(topic.Topic), kerr.UnknownTopicOrPartition
		if req.Version > 1 {
			known, unknown = s.img.TopicByID(topic.TopicID), kerr.UnknownTopicID
		}
		for i := range topic.Partitions {
			p := kmsg.NewAlterPartitionResponseTopicPartition()
			p.Partition = topic.Partitions[i].Partition
			if known == nil {
				p.ErrorCode = unknown.Code
			} else {
				s.alterISR(req, known, &topic.Partitions[i], &p)
			}
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp, nil
}

func (s *step) alterISR(req *kmsg.AlterPartitionRequest, t *Topic, want *kmsg.AlterPartitionRequestTopicPartition, p *kmsg.AlterPartitionResponseTopicPartition) {
	isr := want.NewEpochISR
	if req.Version < 3 {
		isr = nil
		for _, id := range want.NewISR {
			isr = append(isr, kmsg.AlterPartitionRequestTopicPartitionNewEpochISR{BrokerID: id, BrokerEpoch: -1})
		}
	}
	if err := s.checkAlterISR(req, t, want, isr); err != nil {
		p.ErrorCode = err.Code
		return
	}
	c := s.change(t, want.Partition, s.isActive)
	c.isr = nil
	for _, b := range isr {
		c.isr = append(c.isr, b.BrokerID)
	}
	c.recovering = want.LeaderRecoveryState != 0
	next := t.Partitions[want.Partition]
	if r, changed := c.build(); changed {
		s.add(r)
		next = next.merge(r.Record.(*records.PartitionChangeRecord))
		if next.Leader != req.BrokerID && next.Leader != t.Partitions[want.Partition].Leader {
			// The change completed a reassignment and moved the leader: the old one must look again.
			p.ErrorCode = kerr.NewLeaderElected.Code
			if req.Version <= 1 {
				p.ErrorCode = kerr.FencedLeaderEpoch.Code
			}
			return
		}
	}
	p.LeaderID, p.LeaderEpoch, p.PartitionEpoch, p.ISR = next.Leader, next.LeaderEpoch, next.PartitionEpoch, next.ISR
	if next.Recovering {
		p.LeaderRecoveryState = 1
	}
}

func (s *step) checkAlterISR(req *kmsg.AlterPartitionRequest, t *Topic, want *kmsg.AlterPartitionRequestTopicPartition,
	isr []kmsg.AlterPartitionRequestTopicPartitionNewEpochISR,
) *kerr.Error {
	if want.Partition < 0 || int(want.Partition) >= len(t.Partitions) {
		return kerr.UnknownTopicOrPartition
	}
	p := &t.Partitions[want.Partition]
	recovering := want.LeaderRecoveryState != 0
	switch {
	case want.LeaderEpoch > p.LeaderEpoch, want.PartitionEpoch > p.PartitionEpoch:
		return kerr.NotController // it knows more than we do, so there is another controller
	case want.LeaderEpoch < p.LeaderEpoch:
		return kerr.FencedLeaderEpoch
	case req.BrokerID != p.Leader:
		return kerr.InvalidRequest
	case want.PartitionEpoch < p.PartitionEpoch:
		return kerr.InvalidUpdateVersion
	case recovering && len(isr) > 1, recovering && !p.Recovering:
		return kerr.InvalidRequest
	}
	hasLeader := false
	for i, b := range isr {
		twice := slices.ContainsFunc(isr[:i], func(o kmsg.AlterPartitionRequestTopicPartitionNewEpochISR) bool { return o.BrokerID == b.BrokerID })
		if twice || !slices.Contains(p.Replicas, b.BrokerID) {
			return kerr.InvalidRequest
		}
		hasLeader = hasLeader || b.BrokerID == p.Leader
	}
	if !hasLeader {
		return kerr.InvalidRequest
	}
	for _, b := range isr {
		if !s.isActive(b.BrokerID) || b.BrokerEpoch != -1 && b.BrokerEpoch != s.img.Broker(b.BrokerID).Epoch {
			if req.Version > 1 {
				return kerr.IneligibleReplica
			}
			return kerr.OperationNotAttempted
		}
	}
	return nil
}
