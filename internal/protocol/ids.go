package protocol

import (
	"strconv"

	"go.uber.org/zap"
)

// TopicPartition names one partition of a topic. It is comparable and serves as a map key.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String returns Kafka's usual form "topic-partition", which is also the name of the partition's directory.
func (tp TopicPartition) String() string {
	return tp.Topic + "-" + strconv.Itoa(int(tp.Partition))
}

// Fields returns the log fields that name the partition.
func (tp TopicPartition) Fields() []zap.Field {
	return []zap.Field{zap.String("topic", tp.Topic), zap.Int32("partition", tp.Partition)}
}
