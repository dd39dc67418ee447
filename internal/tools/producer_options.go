package tools

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/client"
)

// propertyReader reads values of Java clients' properties and keeps the first that is wrong.
type propertyReader struct {
	client.Properties
	err error
}

// configError says which value is wrong, as Java does.
func configError(key, value, why string) error {
	return exception{"org.apache.kafka.common.config.ConfigException", fmt.Sprintf("Invalid value %s for configuration %s: %s", value, key, why)}
}

func (r *propertyReader) fail(key, why string) {
	if r.err == nil {
		r.err = configError(key, r.Properties[key], why)
	}
}

// number is the value of a property, if it has one.
func (r *propertyReader) number(key string, bits int) (int64, bool) {
	text, ok := r.Properties[key]
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, bits)
	if err != nil {
		kind := "INT"
		if bits == 64 {
			kind = "LONG"
		}
		r.fail(key, "Not a number of type "+kind)
		return 0, false
	}
	return n, true
}

// millis is the value of a property in milliseconds, if it has one.
func (r *propertyReader) millis(key string) (time.Duration, bool) {
	n, ok := r.number(key, 64)
	return time.Duration(n) * time.Millisecond, ok
}

// boolean is the value of a property, if it has one.
func (r *propertyReader) boolean(key string) (value, ok bool) {
	text, ok := r.Properties[key]
	switch {
	case !ok:
		return false, false
	case strings.EqualFold(strings.TrimSpace(text), "true"):
		return true, true
	case strings.EqualFold(strings.TrimSpace(text), "false"):
		return false, true
	}
	r.fail(key, "Expected value to be either true or false")
	return false, false
}

// oneOf is the value of a property, if it has one, which must be among those allowed.
func (r *propertyReader) oneOf(key string, allowed ...string) (string, bool) {
	text, ok := r.Properties[key]
	if !ok {
		return "", false
	}
	if !slices.Contains(allowed, text) {
		r.fail(key, "String must be one of: "+strings.Join(allowed, ", "))
		return "", false
	}
	return text, true
}

// producerOptions turns the properties of a Java producer into options of a client. Those of the connection are package client's.
func producerOptions(p client.Properties) ([]kgo.Opt, error) {
	r := &propertyReader{Properties: p}
	// As Java's, our producers ask for topics to be made.
	opts := []kgo.Opt{kgo.AllowAutoTopicCreation()}
	opts = append(opts, r.durability()...)
	opts = append(opts, r.batching()...)
	opts = append(opts, r.patience()...)
	codec, _ := r.oneOf("compression.type", "none", "gzip", "snappy", "lz4", "zstd") // without it none, which is not kgo's default
	opts = append(opts, kgo.ProducerBatchCompression(r.codec(codec)))
	if id := p["transactional.id"]; id != "" {
		opts = append(opts, kgo.TransactionalID(id))
		if timeout, ok := r.millis("transaction.timeout.ms"); ok {
			opts = append(opts, kgo.TransactionTimeout(timeout))
		}
	}
	switch name := p["partitioner.class"]; {
	case strings.HasSuffix(name, "RoundRobinPartitioner"):
		opts = append(opts, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	case name != "" && !strings.HasSuffix(name, "UniformStickyPartitioner"):
		r.fail("partitioner.class", "Class "+name+" could not be found.")
	}
	return opts, r.err
}

// durability is acks and idempotence, which depend on one another.
func (r *propertyReader) durability() []kgo.Opt {
	acks, given := r.oneOf("acks", "all", "-1", "0", "1")
	idempotent, wanted := r.boolean("enable.idempotence")
	var opts []kgo.Opt
	switch acks {
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()))
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()))
	}
	weak := given && (acks == "0" || acks == "1")
	if weak && (wanted && idempotent || r.Properties["transactional.id"] != "") && r.err == nil {
		r.err = exception{"org.apache.kafka.common.config.ConfigException", "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee idempotence."}
	}
	inflight, limited := r.number("max.in.flight.requests.per.connection", 32)
	if !limited {
		inflight = 5
	}
	if weak || wanted && !idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(max(1, int(inflight))))
	}
	return opts
}

// batching is how records are gathered. Batches of this client grow to the largest that a broker takes by default: batch.size only raises that.
func (r *propertyReader) batching() []kgo.Opt {
	var opts []kgo.Opt
	linger, _ := r.millis("linger.ms")
	opts = append(opts, kgo.ProducerLinger(max(0, min(linger, time.Minute))))
	largest := int64(1_000_012) // what brokers take by default
	if size, ok := r.number("batch.size", 32); ok {
		largest = max(largest, size)
	}
	if size, ok := r.number("max.request.size", 32); ok {
		largest = max(512, size) // the least that kgo takes
	}
	opts = append(opts, kgo.ProducerBatchMaxBytes(int32(min(largest, 100<<20))), kgo.BrokerMaxWriteBytes(int32(200<<20)))
	buffer, ok := r.number("buffer.memory", 64)
	if !ok {
		buffer = 64 << 20
	}
	return append(opts, kgo.MaxBufferedBytes(int(max(1, buffer))), kgo.MaxBufferedRecords(1<<20))
}

// patience is how long and how often things are tried.
func (r *propertyReader) patience() []kgo.Opt {
	var opts []kgo.Opt
	if retries, ok := r.number("retries", 32); ok {
		opts = append(opts, kgo.RecordRetries(int(retries)))
	}
	if backoff, ok := r.millis("retry.backoff.ms"); ok {
		opts = append(opts, kgo.RetryBackoffFn(func(int) time.Duration { return backoff }))
	}
	if timeout, ok := r.millis("request.timeout.ms"); ok {
		opts = append(opts, kgo.ProduceRequestTimeout(max(100*time.Millisecond, timeout)))
	}
	delivery, limited := r.millis("delivery.timeout.ms")
	if !limited {
		delivery = 2 * time.Minute
	}
	if block, ok := r.millis("max.block.ms"); ok {
		delivery, limited = delivery+block, true
	}
	if limited {
		opts = append(opts, kgo.RecordDeliveryTimeout(max(time.Second, delivery)))
	}
	if age, ok := r.millis("metadata.max.age.ms"); ok {
		age = max(time.Second, min(age, time.Hour))
		opts = append(opts, kgo.MetadataMaxAge(age), kgo.MetadataMinAge(min(age, 2500*time.Millisecond)))
	}
	return opts
}

// codec is the compression by its name, with the level that the properties ask for.
func (r *propertyReader) codec(name string) kgo.CompressionCodec {
	level, leveled := r.number("compression."+name+".level", 32)
	var codec kgo.CompressionCodec
	switch name {
	case "gzip":
		codec = kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		codec = kgo.Lz4Compression()
	case "zstd":
		codec = kgo.ZstdCompression()
	default:
		return kgo.NoCompression()
	}
	if leveled {
		return codec.WithLevel(int(level))
	}
	return codec
}
