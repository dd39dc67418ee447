package metadata

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// createPartitions answers CreatePartitions 0–3. Each topic succeeds or fails by itself; names that occur twice are refused, and answered first
// as in Kafka.
func (s *step) createPartitions(req *kmsg.CreatePartitionsRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.CreatePartitionsResponse](req)
	answer := func(name string, err error) {
		t := kmsg.NewCreatePartitionsResponseTopic()
		t.Topic = name
		t.ErrorCode, t.ErrorMessage = codeOf(err)
		resp.Topics = append(resp.Topics, t)
	}
	topics, duplicates := splitDuplicates(req.Topics, func(t kmsg.CreatePartitionsRequestTopic) string { return t.Topic })
	for _, name := range duplicates {
		answer(name, refuse(kerr.InvalidRequest, "Duplicate topic name."))
	}
	for i := range topics {
		answer(topics[i].Topic, s.growTopic(&topics[i]))
	}
	if req.ValidateOnly {
		s.records = nil
	}
	return resp, nil
}

func (s *step) growTopic(t *kmsg.CreatePartitionsRequestTopic) error {
	topic := s.img.Topic(t.Topic)
	if topic == nil {
		return refuseBare(kerr.UnknownTopicOrPartition)
	}
	have := len(topic.Partitions)
	switch {
	case int(t.Count) == have:
		return refuse(kerr.InvalidPartitions, "Topic already has %d partition(s).", have)
	case int(t.Count) < have:
		return refuse(kerr.InvalidPartitions, "The topic %s currently has %d partition(s); %d would not be an increase.", t.Topic, have, t.Count)
	}
	more, factor := int(t.Count)-have, len(topic.Partitions[0].Replicas)
	if t.Assignment != nil && len(t.Assignment) != more {
		return refuse(kerr.InvalidReplicaAssignment,
			"Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", more, len(t.Assignment))
	}
	if len(s.records)+more > maxRecordsPerOp {
		return refuse(kerr.PolicyViolation, "Unable to perform excessively large batch operation.")
	}
	assignments, err := s.newAssignments(t, have, more, factor)
	if err != nil {
		return err
	}
	mark := len(s.records)
	for i, replicas := range assignments {
		isr := s.active(replicas)
		if len(isr) == 0 {
			s.records = s.records[:mark]
			if t.Assignment != nil {
				return refuse(kerr.InvalidReplicaAssignment,
					"All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", have+i)
			}
			return refuse(kerr.InvalidReplicationFactor,
				"Unable to replicate the partition %d time(s): All brokers are currently fenced or in controlled shutdown.", factor)
		}
		p := s.newPartition(replicas, isr)
		s.add(p.record(s.img, topic.ID, int32(have+i)))
	}
	return nil
}

func (s *step) newAssignments(t *kmsg.CreatePartitionsRequestTopic, have, more, factor int) ([][]int32, error) {
	if t.Assignment == nil {
		return s.place(have, more, factor)
	}
	assignments := make([][]int32, 0, more)
	for _, a := range t.Assignment {
		if err := s.checkAssignment(a.Replicas, factor); err != nil {
			return nil, err
		}
		assignments = append(assignments, a.Replicas)
	}
	return assignments, nil
}
