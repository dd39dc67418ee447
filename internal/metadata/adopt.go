package metadata

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata/records"
)

// AdoptedTopic is a topic whose data is there although the metadata does not know it.
type AdoptedTopic struct {
	Name       string
	ID         [16]byte // zero: it gets a new one
	Configs    map[string]string
	Partitions []AdoptedPartition // index = partition id
}

// AdoptedPartition is a partition that this node has, and leads alone.
type AdoptedPartition struct {
	LeaderEpoch int32    // above all that its log knows
	Directory   [16]byte // where it lies; zero where it is to be made
}

// ErrTopicsKnown is the error of AdoptTopics when the metadata has topics already: then it is not for the directories to say what there is.
var ErrTopicsKnown = errors.New("the metadata has topics already")

// AdoptTopics enters topics found in the log directories into metadata that has none yet: that of a node whose directories were written by Kafka with
// ZooKeeper, or whose metadata was lost. All of them become known at once or none does. No producer id below nextProducerID will be given away.
func (c *Controller) AdoptTopics(ctx context.Context, topics []AdoptedTopic, nextProducerID int64) error {
	_, err := c.Request(ctx, &adoptRequest{kmsg.NewPtrCreateTopicsRequest(), topics, nextProducerID})
	return err
}

// adoptRequest takes the way of all changes through the controller. No client can send it.
type adoptRequest struct {
	*kmsg.CreateTopicsRequest
	topics         []AdoptedTopic
	nextProducerID int64
}

func (s *step) adoptTopics(req *adoptRequest) (kmsg.Response, error) {
	if s.img.NumTopics() > 0 {
		return nil, ErrTopicsKnown
	}
	for _, t := range req.topics {
		if err := checkTopicName(t.Name); err != nil {
			return nil, fmt.Errorf("adopt topic %q: %w", t.Name, err)
		}
		id := t.ID
		if id == [16]byte{} {
			var err error
			if id, err = s.newTopicID(); err != nil {
				return nil, err
			}
		}
		s.add(records.V0(&records.TopicRecord{Name: t.Name, TopicID: id}))
		s.addConfigs(Resource{ResourceTopic, t.Name}, changesTo(nil, t.Configs))
		for i, found := range t.Partitions {
			p := s.newPartition([]int32{s.nodeID}, []int32{s.nodeID})
			p.LeaderEpoch = found.LeaderEpoch
			if found.Directory != [16]byte{} {
				p.Directories = [][16]byte{found.Directory}
			}
			s.add(p.record(s.img, id, int32(i)))
		}
	}
	if b := s.img.Broker(s.nodeID); b != nil && req.nextProducerID > s.img.NextProducerID() {
		s.add(records.V0(&records.ProducerIDsRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, NextProducerID: req.nextProducerID}))
	}
	return respond[*kmsg.CreateTopicsResponse](req), nil
}
