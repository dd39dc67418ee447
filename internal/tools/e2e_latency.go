package tools

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

// e2eLatencyTool is kafka-e2e-latency: how long a record takes from producer to consumer.
var e2eLatencyTool = Tool{Name: "kafka-e2e-latency", Summary: "measure the time from producer to consumer", Run: runE2ELatency}

// e2eLatency is one run of kafka-e2e-latency.
type e2eLatency struct {
	*command
	bootstrap, topic, count, acks, size              *jopt.Option
	keySize, headerKeySize, headerSize, headers, cfg *jopt.Option
}

func runE2ELatency(ctx context.Context, env *Env, args []string) int {
	t := &e2eLatency{command: newCommand(env, "This tool measures end-to-end latency in Kafka by sending messages and timing their reception.")}
	t.bootstrap = t.Accepts("bootstrap-server", "REQUIRED: The brokers to ask first, HOST1:PORT1,HOST2:PORT2.").WithRequiredArg("bootstrap-server")
	t.topic = t.Accepts("topic", "REQUIRED: The topic to use.").WithRequiredArg("topic-name")
	t.count = t.Accepts("num-records", "REQUIRED: How many messages to send.").WithRequiredArg("count").OfType(jopt.Integer)
	t.acks = t.Accepts("producer-acks", "REQUIRED: '1' or 'all'.").WithRequiredArg("producer-acks")
	t.size = t.Accepts("record-size", "REQUIRED: Bytes of each message.").WithRequiredArg("bytes").OfType(jopt.Integer)
	t.keySize = t.Accepts("record-key-size", "Bytes of each key; 0 for none.").WithOptionalArg("bytes").OfType(jopt.Integer).DefaultsTo("0")
	t.headerKeySize = t.Accepts("record-header-key-size", "Bytes of each header's key.").WithOptionalArg("bytes").OfType(jopt.Integer).DefaultsTo("0")
	t.headerSize = t.Accepts("record-header-size", "Bytes of each header's value; -1 for null.").WithOptionalArg("bytes").OfType(jopt.Integer).DefaultsTo("0")
	t.headers = t.Accepts("num-headers", "How many headers each message has.").WithOptionalArg("count").OfType(jopt.Integer).DefaultsTo("0")
	t.cfg = t.Accepts("command-config", "Property file for the clients.").WithOptionalArg("config-file")
	args, err := t.named(args)
	if err == nil {
		err = t.start(args)
	}
	if err == nil {
		err = t.check()
	}
	if err == nil {
		err = t.measure(ctx)
	}
	return t.end(ctx, err)
}

// named turns the positional arguments of Kafka before 4.2 into options.
func (t *e2eLatency) named(args []string) ([]string, error) {
	names := []string{"--bootstrap-server", "--topic", "--num-records", "--producer-acks", "--record-size", "--command-config"}
	if len(args) == 0 || slices.Contains(args, "--help") || slices.Contains(args, "--version") ||
		slices.ContainsFunc(args, func(a string) bool { return slices.Contains(names, a) }) {
		return args, nil
	}
	if len(args) != 5 && len(args) != 6 {
		t.env.errorf("Invalid number of arguments. Expected 5 or 6 positional arguments, but got %d. Usage: bootstrap-server topic num-records producer-acks "+
			"record-size [optional] command-config\n", len(args))
		return nil, errFailed
	}
	t.env.println("WARNING: Positional argument usage is deprecated and will be removed in Apache Kafka 5.0. Please use named arguments instead: " +
		"--bootstrap-server, --topic, --num-records, --producer-acks, --record-size, --command-config")
	var all []string
	for i, a := range args {
		all = append(all, names[i], a)
	}
	return all, nil
}

func (t *e2eLatency) check() error {
	if err := t.requires(t.bootstrap, t.topic, t.count, t.acks, t.size); err != nil {
		return err
	}
	if acks := t.Value(t.acks); acks != "1" && acks != "all" {
		return usagef("Invalid value for --producer-acks. Latency testing requires synchronous acknowledgement. Please use '1' or 'all'.")
	}
	if t.Int(t.count) <= 0 {
		return usagef("Value for --num-records must be a positive integer.")
	}
	for _, o := range []*jopt.Option{t.size, t.keySize, t.headerKeySize, t.headers} {
		if t.Int(o) < 0 {
			return usagef("Value for --%s must be a non-negative integer.", o.Name())
		}
	}
	if t.Int(t.headerSize) < -1 {
		return usagef("Value for --record-header-size must be a non-negative integer or -1 for null header value.")
	}
	return nil
}

// patience is how long a record may take.
const patience = time.Minute

func (t *e2eLatency) measure(ctx context.Context) error {
	if name := t.Value(t.cfg); name != "" {
		if _, err := os.Stat(name); err != nil {
			return err
		}
	}
	acks := kgo.AllISRAcks()
	if t.Value(t.acks) == "1" {
		acks = kgo.LeaderAck()
	}
	topic := t.Value(t.topic)
	producer, err := connect(ctx, t.Value(t.bootstrap), t.Value(t.cfg), kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite(), kgo.ProducerLinger(0), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer producer.Close()
	ends, err := t.ends(ctx, producer, topic)
	if err != nil {
		return err
	}
	consumer, err := connect(ctx, t.Value(t.bootstrap), t.Value(t.cfg), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: ends}))
	if err != nil {
		return err
	}
	defer consumer.Close()

	count := int(t.Int(t.count))
	latencies := make([]int64, count)
	var total time.Duration
	for i := range count {
		record := t.record()
		began := time.Now()
		if err := producer.ProduceSync(ctx, record).FirstErr(); err != nil {
			return err
		}
		got, err := receive(ctx, consumer)
		if err != nil {
			return err
		}
		took := time.Since(began)
		if err := compare(record, got); err != nil {
			return err
		}
		if i%1000 == 0 {
			t.env.printf("%d\t%s\n", i, strconv.FormatFloat(float64(took.Nanoseconds())/1e6, 'f', -1, 64))
		}
		total += took
		latencies[i] = took.Milliseconds()
	}
	slices.Sort(latencies)
	at := func(share float64) int64 { return latencies[int(float64(count)*share)] }
	t.env.printf("Avg latency: %.4f ms\nPercentiles: 50th = %d, 99th = %d, 99.9th = %d\n", float64(total.Nanoseconds())/float64(count)/1e6, at(0.5), at(0.99), at(0.999))
	return nil
}

// ends are the ends of the topic's partitions at the beginning. A topic that is not there is made.
func (t *e2eLatency) ends(ctx context.Context, cl *kgo.Client, topic string) (map[int32]kgo.Offset, error) {
	ask := func() (kmsg.MetadataResponseTopic, error) {
		req := kmsg.NewPtrMetadataRequest()
		want := kmsg.NewMetadataRequestTopic()
		want.Topic = &topic
		req.Topics = append(req.Topics, want)
		resp, err := req.RequestWith(ctx, cl)
		if err == nil {
			err = answered(resp.Topics[0].ErrorCode, nil)
		}
		if err != nil {
			return kmsg.MetadataResponseTopic{}, err
		}
		return resp.Topics[0], nil
	}
	found, err := ask()
	if err != nil {
		t.env.printf("Topic \"%s\" does not exist. Will create topic with 1 partition(s) and replication factor = 1\n", topic)
		req := kmsg.NewPtrCreateTopicsRequest()
		create := kmsg.NewCreateTopicsRequestTopic()
		create.Topic, create.NumPartitions, create.ReplicationFactor = topic, 1, 1
		req.Topics = append(req.Topics, create)
		resp, err := req.RequestWith(ctx, cl)
		if err == nil {
			err = answered(resp.Topics[0].ErrorCode, resp.Topics[0].ErrorMessage)
		}
		if err != nil {
			t.env.printf("Creation of topic %s failed\n", topic)
			return nil, err
		}
		// Brokers other than the controller hear of it a little later.
		for until := time.Now().Add(patience); ; {
			if found, err = ask(); err == nil && len(found.Partitions) > 0 && found.Partitions[0].Leader >= 0 {
				break
			}
			if time.Now().After(until) || ctx.Err() != nil {
				return nil, firstError(err, ctx.Err(), fmt.Errorf("topic %s has no leader", topic))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	of := kmsg.NewListOffsetsRequestTopic()
	of.Topic = topic
	for _, p := range found.Partitions {
		one := kmsg.NewListOffsetsRequestTopicPartition()
		one.Partition, one.Timestamp = p.Partition, -1
		of.Partitions = append(of.Partitions, one)
	}
	req.Topics = append(req.Topics, of)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	ends := map[int32]kgo.Offset{}
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			if err := answered(p.ErrorCode, nil); err != nil {
				return nil, err
			}
			ends[p.Partition] = kgo.NewOffset().At(p.Offset)
		}
	}
	return ends, nil
}

// record makes a record of the sizes that were asked for.
func (t *e2eLatency) record() *kgo.Record {
	r := &kgo.Record{Value: letters(t.Int(t.size))}
	if n := t.Int(t.keySize); n > 0 {
		r.Key = letters(n)
	}
	for range t.Int(t.headers) {
		h := kgo.RecordHeader{Key: string(letters(t.Int(t.headerKeySize)))}
		if n := t.Int(t.headerSize); n >= 0 {
			h.Value = letters(n)
		}
		r.Headers = append(r.Headers, h)
	}
	return r
}

// letters are n times the same capital.
func letters(n int32) []byte { return bytes.Repeat([]byte{byte('A' + rand.IntN(26))}, int(n)) }

// receive waits for one record.
func receive(ctx context.Context, consumer *kgo.Client) (*kgo.Record, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	fetches := consumer.PollFetches(limited)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	records := fetches.Records()
	switch {
	case len(records) == 1:
		return records[0], nil
	case len(records) > 1:
		return nil, fmt.Errorf("Only one result was expected during this test. We found [%d]", len(records)) //nolint:staticcheck // Kafka's words
	case limited.Err() != nil:
		return nil, fmt.Errorf("poll() timed out before finding a result (timeout:[%dms])", patience.Milliseconds())
	}
	return nil, fetches.Err()
}

// compare checks that what has come is what was sent.
func compare(sent, got *kgo.Record) error {
	same := func(what string, a, b []byte) error {
		if !bytes.Equal(a, b) {
			return fmt.Errorf("The %s read [%s] did not match the %s sent [%s]", what, b, what, a) //nolint:staticcheck // Kafka's words
		}
		return nil
	}
	err := firstError(same("message value", sent.Value, got.Value), same("message key", sent.Key, got.Key))
	if err == nil && len(sent.Headers) != len(got.Headers) {
		err = fmt.Errorf("Header count mismatch between sent and received messages") //nolint:staticcheck // Kafka's words
	}
	for i := 0; err == nil && i < len(sent.Headers); i++ {
		err = firstError(same("header key", []byte(sent.Headers[i].Key), []byte(got.Headers[i].Key)), same("header value", sent.Headers[i].Value, got.Headers[i].Value))
	}
	return err
}
