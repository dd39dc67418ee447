package group

import (
	"encoding/binary"
	"errors"
)

// consumerProtocol is the protocol type of consumers; only of these groups are the subscriptions understood.
const consumerProtocol = "consumer"

var errSubscription = errors.New("not a subscription of the consumer protocol")

// addSubscribedTopics adds the topics of a ConsumerProtocolSubscription. All versions begin as version 0 does (version, topics), so nothing
// else needs to be known of newer ones.
func addSubscribedTopics(topics map[string]struct{}, subscription []byte) error {
	if len(subscription) < 6 {
		return errSubscription
	}
	n, b := int32(binary.BigEndian.Uint32(subscription[2:])), subscription[6:]
	for ; n > 0; n-- {
		if len(b) < 2 {
			return errSubscription
		}
		size := int(int16(binary.BigEndian.Uint16(b)))
		if size < 0 || len(b)-2 < size {
			return errSubscription
		}
		topics[string(b[2:2+size])] = struct{}{}
		b = b[2+size:]
	}
	return nil
}
