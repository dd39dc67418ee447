package differential

import (
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// producers is what a broker remembers of idempotent producers: over the wrap of the sequence, the last epoch, deletion of their records, and until
// producer.id.expiration.ms is over. The records are an hour old.
func producers(r *run) {
	const topic = "pd-one"
	r.topic(topic, 8)
	v := min(12, r.newest(kmsg.Produce))
	age := int64(0)
	send := func(step string, partition int32, id int64, epoch int16, sequence int32, values ...string) {
		b := plain(values...)
		b.timestampMs -= age
		b.producerID, b.epoch, b.sequence = id, epoch, sequence
		ask[*kmsg.ProduceResponse](r, step, v, produceRequest(topic, partition, b.bytes()))
	}
	const id = 4_000_000 // of nobody: a broker takes any
	send("up to the last sequence", 0, id, 0, math.MaxInt32-1, "a", "b")
	send("1 after the last", 0, id, 0, 1, "x")
	send("0 after the last", 0, id, 0, 0, "c")
	send("duplicate from before the wrap", 0, id, 0, math.MaxInt32-1, "a", "b")
	send("duplicate from after the wrap", 0, id, 0, 0, "c")
	send("gap after the wrap", 0, id, 0, 2, "x")
	send("over the wrap once more", 0, id, 0, math.MaxInt32, "x")
	send("goes on", 0, id, 0, 1, "d", "e", "f")
	send("part of the last batch", 0, id, 0, 2, "e")
	send("end of the last batch", 0, id, 0, 2, "e", "f")
	send("longer than the last batch", 0, id, 0, 1, "d", "e", "f", "g")

	for i := range int32(7) {
		send(fmt.Sprint("batch ", i), 1, id, 0, 2*i, "a", "b")
	}
	for i := range int32(7) {
		send(fmt.Sprint("batch again ", i), 1, id, 0, 2*i, "a", "b")
	}
	send("the last epoch", 1, id, math.MaxInt16, 0, "a")
	send("duplicate of the epoch before", 1, id, 0, 12, "a", "b")
	send("duplicate in the last epoch", 1, id, math.MaxInt16, 0, "a")
	send("first sequence of the epoch, longer", 1, id, math.MaxInt16, 0, "a", "b")

	// Two batches of one producer in one request.
	two := plain("a")
	two.producerID, two.epoch, two.sequence = id, 0, 0
	next := two
	next.sequence = 1
	ask[*kmsg.ProduceResponse](r, "two batches", v, produceRequest(topic, 2, append(two.bytes(), next.bytes()...)))
	send("after two batches", 2, id, 0, 1, "b")

	send("to be deleted", 3, id, 0, 0, "a", "b")
	deleted := kmsg.NewPtrDeleteRecordsRequest()
	deleted.TimeoutMillis = 10000
	deleted.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 3, Offset: -1}}}}
	ask[*kmsg.DeleteRecordsResponse](r, "delete", 2, deleted)
	send("duplicate of what is deleted", 3, id, 0, 0, "a", "b")
	send("gap after what is deleted", 3, id, 0, 7, "x")
	send("next after what is deleted", 3, id, 0, 2, "c")

	r.producersOf("known", topic, 0, 1, 2, 3)
	expire := func(op kmsg.IncrementalAlterConfigOp) {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		c := kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: "producer.id.expiration.ms", Op: op, Value: kmsg.StringPtr("600000")}
		req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeBroker, Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{c}}}
		ask[*kmsg.IncrementalAlterConfigsResponse](r, fmt.Sprint("expiration ", op), 1, req)
	}
	expire(kmsg.IncrementalAlterConfigOpSet)
	r.eventually(func() bool {
		for _, p := range r.quiet(describeProducers(topic, 0, 1, 2, 3)).(*kmsg.DescribeProducersResponse).Topics[0].Partitions {
			if p.ErrorCode != 0 || len(p.ActiveProducers) > 0 {
				return false
			}
		}
		return true
	})
	expire(kmsg.IncrementalAlterConfigOpDelete)
	age = -59 * 60_000 // young enough for ten minutes: the change back may take a while
	send("any sequence of a forgotten producer", 0, id, 0, 77, "a")
	send("which counts again", 0, id, 0, 77, "a")
	send("gap of a forgotten producer", 0, id, 0, 80, "x")
	send("old epoch of a forgotten producer", 1, id, 3, 0, "a")
	r.producersOf("forgotten", topic, 0, 1, 2, 3)
	r.offsets("end", topic, 4)
	gone := kmsg.NewPtrDeleteTopicsRequest() // with the producers that are too young to be forgotten, should the scenario run again
	gone.Version, gone.TimeoutMillis = 5, 10000
	gone.TopicNames = []string{topic}
	r.quiet(gone)
}

func describeProducers(topic string, partitions ...int32) *kmsg.DescribeProducersRequest {
	req := kmsg.NewPtrDescribeProducersRequest()
	req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: topic, Partitions: partitions}}
	return req
}

func (r *run) producersOf(step, topic string, partitions ...int32) {
	ask[*kmsg.DescribeProducersResponse](r, step, 0, describeProducers(topic, partitions...))
}
