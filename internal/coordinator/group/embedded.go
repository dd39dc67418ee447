package group

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The consumer protocol inside of the classic one, as far as consumer groups need it.

var (
	errAssignment     = errors.New("not an assignment of the consumer protocol")
	errCustomAssignor = errors.New("the assignment has data of a custom assignor, which would be lost")
)

// parseSubscription reads a ConsumerProtocolSubscription; nothing of it aliases b.
func parseSubscription(b []byte) (kmsg.ConsumerMemberMetadata, error) {
	sub := kmsg.NewConsumerMemberMetadata()
	if embeddedVersion(b) < 0 || sub.ReadFrom(b) != nil {
		return sub, errSubscription
	}
	return sub, nil
}

// embeddedVersion is the version of a subscription or assignment, -1 when there is none.
func embeddedVersion(b []byte) int16 {
	if len(b) < 2 {
		return -1
	}
	return max(int16(binary.BigEndian.Uint16(b)), -1)
}

// topicNames returns the names in order and without repeats.
func topicNames(names []string) []string {
	sorted := make([]string, 0, len(names))
	for _, n := range names {
		sorted = append(sorted, strings.Clone(n))
	}
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// parseAssignment reads what a leader has assigned; topics that do not exist are left out.
func (s *shard) parseAssignment(b []byte) (assignment, error) {
	a := assignment{}
	if len(b) == 0 {
		return a, nil
	}
	var v kmsg.ConsumerMemberAssignment
	if embeddedVersion(b) < 0 || v.ReadFrom(b) != nil {
		return nil, errAssignment
	}
	if len(v.UserData) > 0 {
		return nil, errCustomAssignor
	}
	for _, t := range v.Topics {
		if id, ok := s.topics.id(t.Topic); ok && len(t.Partitions) > 0 {
			a[id] = slices.Compact(slices.Sorted(slices.Values(slices.Concat(a[id], t.Partitions))))
		}
	}
	return a, nil
}

// formatAssignment writes an assignment in the version of the member's subscription.
func (s *shard) formatAssignment(a assignment, subscription []byte) []byte {
	v := kmsg.ConsumerMemberAssignment{Version: min(max(embeddedVersion(subscription), 0), newestEmbedded)}
	for _, t := range s.named(a) {
		v.Topics = append(v.Topics, kmsg.ConsumerMemberAssignmentTopic{Topic: t.name, Partitions: t.partitions})
	}
	return v.AppendTo(nil)
}

const newestEmbedded = 3
