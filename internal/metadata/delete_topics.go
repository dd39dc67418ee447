package metadata

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata/records"
)

// deleteTopics answers DeleteTopics 0–6. Kafka shuffles the answers; here they come in the order of the request, one for each distinct name or id.
func (s *step) deleteTopics(req *kmsg.DeleteTopicsRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.DeleteTopicsResponse](req)
	answer := func(name *string, id [16]byte, err error) {
		t := kmsg.NewDeleteTopicsResponseTopic()
		t.Topic, t.TopicID = name, id
		t.ErrorCode, t.ErrorMessage = codeOf(err)
		resp.Topics = append(resp.Topics, t)
	}
	if !s.config().Bool("delete.topic.enable") {
		err := refuse(kerr.TopicDeletionDisabled, "Topic deletion is disabled.")
		if req.Version < 3 {
			err = refuse(kerr.InvalidRequest, "Topic deletion is disabled.")
		}
		for _, t := range wantedTopics(req) {
			answer(t.Topic, t.TopicID, err)
		}
		return resp, nil
	}

	names, ids := map[string]int{}, map[[16]byte]int{}
	wanted := wantedTopics(req)
	for _, t := range wanted {
		switch {
		case t.Topic != nil && t.TopicID == [16]byte{}:
			names[*t.Topic]++
		case t.Topic == nil && t.TopicID != [16]byte{}:
			ids[t.TopicID]++
		}
	}
	named := map[[16]byte]bool{} // the topics of names that come once
	for name, times := range names {
		if t := s.img.Topic(name); t != nil && times == 1 {
			named[t.ID] = true
		}
	}
	remove := func(t *Topic) {
		s.add(records.V0(&records.RemoveTopicRecord{TopicID: t.ID}))
		answer(&t.Name, t.ID, nil)
	}
	answered, answeredIDs := map[string]bool{}, map[[16]byte]bool{}
	for pass := range 2 { // ids first, as Kafka does
		for _, t := range wanted {
			byName := t.Topic != nil && t.TopicID == [16]byte{}
			if byName != (pass == 1) {
				continue
			}
			switch {
			case t.Topic != nil && !byName:
				answer(t.Topic, t.TopicID, refuse(kerr.InvalidRequest, "You may not specify both topic name and topic id."))
			case t.Topic == nil && t.TopicID == [16]byte{}:
				answer(nil, t.TopicID, refuse(kerr.InvalidRequest, "Neither topic name nor id were specified."))
			case byName && names[*t.Topic] > 1:
				if !answered[*t.Topic] {
					answered[*t.Topic] = true
					answer(t.Topic, [16]byte{}, refuse(kerr.InvalidRequest, "Duplicate topic name."))
				}
			case !byName && ids[t.TopicID] > 1:
				if !answeredIDs[t.TopicID] {
					answeredIDs[t.TopicID] = true
					answer(nil, t.TopicID, refuse(kerr.InvalidRequest, "Duplicate topic id."))
				}
			case byName:
				switch topic := s.img.Topic(*t.Topic); {
				case topic == nil:
					answer(t.Topic, [16]byte{}, refuseDefault(kerr.UnknownTopicOrPartition))
				case ids[topic.ID] > 0:
					answer(t.Topic, topic.ID, refuse(kerr.InvalidRequest, "The provided topic name maps to an ID that was already supplied."))
				default:
					remove(topic)
				}
			case named[t.TopicID]: // refused once, by its name: nothing is deleted by a request that is not clear about it
			default:
				if topic := s.img.TopicByID(t.TopicID); topic == nil {
					answer(nil, t.TopicID, refuseDefault(kerr.UnknownTopicID))
				} else {
					remove(topic)
				}
			}
		}
	}
	if err := s.tooMany(); err != nil {
		for i := range resp.Topics {
			resp.Topics[i].ErrorCode, resp.Topics[i].ErrorMessage = codeOf(err)
		}
	}
	return resp, nil
}

// wantedTopics is what a request of any version asks to delete.
func wantedTopics(req *kmsg.DeleteTopicsRequest) []kmsg.DeleteTopicsRequestTopic {
	if req.Version >= 6 {
		return req.Topics
	}
	topics := make([]kmsg.DeleteTopicsRequestTopic, len(req.TopicNames))
	for i := range req.TopicNames {
		topics[i].Topic = &req.TopicNames[i]
	}
	return topics
}
