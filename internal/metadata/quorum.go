package metadata

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// describeQuorum answers DescribeQuorum 0–2 with the real values of the only voter.
func (s *step) describeQuorum(req *kmsg.DescribeQuorumRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.DescribeQuorumResponse](req)
	ok := true
	for _, topic := range req.Topics {
		t := kmsg.NewDescribeQuorumResponseTopic()
		t.Topic = topic.Topic
		for _, want := range topic.Partitions {
			p := kmsg.NewDescribeQuorumResponseTopicPartition()
			p.Partition = want.Partition
			if topic.Topic != metadataTopic || want.Partition != 0 {
				p.ErrorCode, p.ErrorMessage = codeOf(refuseDefault(kerr.UnknownTopicOrPartition))
				ok = false
			} else {
				s.describeVoter(req.Version, &p)
			}
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	if req.Version >= 2 {
		resp.ErrorMessage = new(string)
		if ok && len(resp.Topics) > 0 {
			resp.Nodes = s.quorumNodes()
		}
	}
	return resp, nil
}

func (s *step) describeVoter(version int16, p *kmsg.DescribeQuorumResponseTopicPartition) {
	voter := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
	voter.ReplicaID, voter.ReplicaDirectoryID, voter.LogEndOffset = s.nodeID, s.directoryID(), s.base
	voter.LastFetchTimestamp, voter.LastCaughtUpTimestamp = s.nowMs, s.nowMs
	p.LeaderID, p.LeaderEpoch, p.HighWatermark = s.nodeID, s.epoch, s.base
	p.CurrentVoters = append(p.CurrentVoters, voter)
	if version >= 2 {
		p.ErrorMessage = new(string)
	}
}

// directoryID is this voter's as the quorum knows it; static voters have none.
func (s *step) directoryID() [16]byte {
	if s.img.voters != nil {
		for _, v := range s.img.voters.Voters {
			if v.VoterID == s.nodeID {
				return v.VoterDirectoryID
			}
		}
	}
	return [16]byte{}
}

func (s *step) quorumNodes() []kmsg.DescribeQuorumResponseNode {
	node := kmsg.NewDescribeQuorumResponseNode()
	node.NodeID = s.nodeID
	for _, c := range s.img.Controllers() {
		if c.ID != s.nodeID {
			continue
		}
		for _, e := range c.Endpoints {
			l := kmsg.NewDescribeQuorumResponseNodeListener()
			l.Name, l.Host, l.Port = e.Name, e.Host, e.Port
			node.Listeners = append(node.Listeners, l)
		}
	}
	return []kmsg.DescribeQuorumResponseNode{node}
}
