package metadata

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// alterPartitionAssignments answers AlterPartitionReassignments 0–1: replicas are named to move a partition, null stops a move under way.
func (s *step) alterPartitionAssignments(req *kmsg.AlterPartitionAssignmentsRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.AlterPartitionAssignmentsResponse](req)
	resp.AllowReplicationFactorChange = req.AllowReplicationFactorChange
	for _, topic := range req.Topics {
		t := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		t.Topic = topic.Topic
		for _, want := range topic.Partitions {
			p := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			p.Partition = want.Partition
			p.ErrorCode, p.ErrorMessage = codeOf(s.reassign(topic.Topic, want.Partition, want.Replicas, req.Version == 0 || req.AllowReplicationFactorChange))
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	if err := s.tooMany(); err != nil {
		resp.ErrorCode, resp.ErrorMessage = codeOf(err)
	}
	return resp, nil
}

func (s *step) reassign(topic string, id int32, target []int32, anyFactor bool) error {
	t := s.img.Topic(topic)
	if t == nil {
		return refuse(kerr.UnknownTopicOrPartition, "Unable to find a topic named %s.", topic)
	}
	if id < 0 || int(id) >= len(t.Partitions) {
		return refuse(kerr.UnknownTopicOrPartition, "Unable to find partition %s:%d.", topic, id)
	}
	p := &t.Partitions[id]
	if target == nil {
		return s.cancelReassignment(t, id, p)
	}
	if err := s.checkAssignment(target, 0); err != nil {
		return err
	}
	if now := len(without(p.Replicas, p.Adding...)); !anyFactor && now != len(target) {
		return refuse(kerr.InvalidReplicationFactor, "The replication factor is changed from %d to %d", now, len(target))
	}
	c := s.change(t, id, s.isActive)
	c.election = electOnline
	removing, adding := slices.Sorted(slices.Values(without(p.Replicas, target...))), slices.Sorted(slices.Values(without(target, p.Replicas...)))
	c.replicas = append(slices.Clone(target), removing...)
	if len(removing) > 0 {
		c.removing = removing
	}
	if len(adding) > 0 {
		c.adding = adding
	}
	s.addChange(c)
	return nil
}

// cancelReassignment goes back to the replicas of before.
func (s *step) cancelReassignment(t *Topic, id int32, p *Partition) error {
	if len(p.Adding) == 0 && len(p.Removing) == 0 {
		return refuseBare(kerr.NoReassignmentInProgress)
	}
	replicas, isr := without(p.Replicas, p.Adding...), without(p.ISR, p.Adding...)
	if len(isr) == 0 {
		if len(replicas) == 0 {
			return refuse(kerr.InvalidReplicaAssignment, "Invalid replica assignment: addingReplicas contains all replicas.")
		}
		if !s.uncleanElection(t.Name) {
			return refuse(kerr.InvalidReplicaAssignment,
				"Unable to revert partition assignment for %s:%d because it would require an unclean leader election.", t.Name, id)
		}
		isr = replicas[:1]
	}
	c := s.change(t, id, s.isActive)
	c.replicas, c.isr, c.adding, c.removing = replicas, isr, nil, nil
	s.addChange(c)
	return nil
}

// listPartitionReassignments answers ListPartitionReassignments 0.
func (s *step) listPartitionReassignments(req *kmsg.ListPartitionReassignmentsRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.ListPartitionReassignmentsResponse](req)
	list := func(t *Topic, partitions []int32) {
		out := kmsg.NewListPartitionReassignmentsResponseTopic()
		out.Topic = t.Name
		for _, id := range partitions {
			if id < 0 || int(id) >= len(t.Partitions) {
				continue
			}
			p := &t.Partitions[id]
			if len(p.Adding) == 0 && len(p.Removing) == 0 {
				continue
			}
			o := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
			o.Partition, o.Replicas, o.AddingReplicas, o.RemovingReplicas = id, p.Replicas, p.Adding, p.Removing
			out.Partitions = append(out.Partitions, o)
		}
		if len(out.Partitions) > 0 {
			resp.Topics = append(resp.Topics, out)
		}
	}
	if req.Topics == nil {
		for t := range s.img.Topics() {
			all := make([]int32, len(t.Partitions))
			for i := range all {
				all[i] = int32(i)
			}
			list(t, all)
		}
	}
	for _, want := range req.Topics {
		if t := s.img.Topic(want.Topic); t != nil {
			list(t, want.Partitions)
		}
	}
	return resp, nil
}

// assignReplicasToDirs answers AssignReplicasToDirs: a broker tells where it has put its replicas (KIP-858).
func (s *step) assignReplicasToDirs(req *kmsg.AssignReplicasToDirsRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.AssignReplicasToDirsResponse](req)
	err := s.checkBrokerEpoch(req.BrokerID, req.BrokerEpoch)
	if err == nil && s.img.Feature(featureMetadataVersion) < levelDirectoryAssignment {
		err = refuse(kerr.UnsupportedVersion, "Directory assignment is not supported yet.")
	}
	if err != nil {
		resp.ErrorCode, _ = codeOf(err)
		return resp, nil
	}
	for _, dir := range req.Directories {
		d := kmsg.NewAssignReplicasToDirsResponseDirectory()
		d.ID = dir.ID
		for _, topic := range dir.Topics {
			t := kmsg.NewAssignReplicasToDirsResponseDirectoryTopic()
			t.TopicID = topic.TopicID
			known := s.img.TopicByID(topic.TopicID)
			for _, part := range topic.Partitions {
				p := kmsg.NewAssignReplicasToDirsResponseDirectoryTopicPartition()
				p.Partition = part.Partition
				if e := s.assignToDir(req.BrokerID, known, part.Partition, dir.ID); e != nil {
					p.ErrorCode = e.Code
				}
				t.Partitions = append(t.Partitions, p)
			}
			d.Topics = append(d.Topics, t)
		}
		resp.Directories = append(resp.Directories, d)
	}
	return resp, nil
}

func (s *step) assignToDir(broker int32, t *Topic, id int32, dir [16]byte) *kerr.Error {
	switch {
	case t == nil:
		return kerr.UnknownTopicID
	case id < 0 || int(id) >= len(t.Partitions):
		return kerr.UnknownTopicOrPartition
	case !slices.Contains(t.Partitions[id].Replicas, broker):
		return kerr.NotLeaderForPartition
	}
	online := s.hasOnlineDir(broker, dir)
	c := s.change(t, id, func(r int32) bool { return (r != broker || online) && s.isActive(r) })
	c.setDirectory = map[int32][16]byte{broker: dir}
	if elsewhere := c.acceptable; online { // it may lead from where it is now, wherever it was thought to be
		c.acceptable = func(r int32) bool { return r == broker && s.isActive(r) || r != broker && elsewhere(r) }
	}
	if !online {
		c.isr = without(c.isr, broker)
	}
	s.addChange(c)
	return nil
}
