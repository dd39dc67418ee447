package group

import (
	"time"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/coordinator"
)

// Options of a [Coordinator]. All but Logger are required.
type Options struct {
	Journal coordinator.Journal // of __consumer_offsets
	Config  func() *config.Config
	// NumPartitions is the number of partitions of __consumer_offsets, 0 while the topic does not exist.
	NumPartitions func() int32
	// TopicPartitions is the number of partitions of a topic, 0 for one that does not exist.
	TopicPartitions func(topic string) int
	// TopicID and TopicName translate between the name and the id of an existing topic.
	TopicID   func(topic string) (id [16]byte, ok bool)
	TopicName func(id [16]byte) (topic string, ok bool)
	Logger    *zap.Logger
	Now       func() time.Time
	NewID     func() string // random UUIDs, as of [coordinator.UUIDs]
}

// Client is who sends a request.
type Client struct {
	ID   string // client.id, may be empty
	Host string // address as Kafka prints it: "/127.0.0.1"
}

// Coordinator serves the group APIs for the partitions of __consumer_offsets that this node leads. All methods are safe for concurrent use;
// each returns a complete response of the request's version, errors inside, which the caller owns. Requests are not kept: what outlives the
// call is cloned. When ctx ends, a response is returned that nobody is there to read.
type Coordinator struct {
	o  Options
	rt *coordinator.Runtime[*shard]
}
