package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/node"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

// Option changes what [Start] starts.
type Option func(*options)

type options struct {
	entries []config.Entry
	topics  []topic
	dir     string
	fs      vfs.FS
	logAll  bool
}

type topic struct {
	name       string
	partitions int
	configs    []string
}

// Topic has a topic made before Start returns; configs are of the form "retention.ms=1000".
func Topic(name string, partitions int, configs ...string) Option {
	return func(o *options) { o.topics = append(o.topics, topic{name, partitions, configs}) }
}

// Property sets a key of server.properties, such as Property("message.max.bytes", "2000000").
func Property(key, value string) Option {
	return func(o *options) {
		o.entries = append(o.entries, config.Entry{Key: key, Value: value, Source: "kafkatest.Property"})
	}
}

// NoAutoCreate has topics that do not exist stay so, whoever asks for them.
func NoAutoCreate() Option { return Property("auto.create.topics.enable", "false") }

// Dir keeps the data in a folder of the caller's instead of one that ends with the test.
func Dir(path string) Option { return func(o *options) { o.dir = path } }

// InMemory keeps the data in memory instead of in files: for a very large number of short tests. It does not outlive the Broker.
func InMemory() Option { return func(o *options) { o.fs = vfs.NewMem() } }

// LogAlways prints the broker's log for tests that pass, too.
func LogAlways() Option { return func(o *options) { o.logAll = true } }

// Broker is a broker that serves until its test ends. Its methods are for the goroutine of the test; the clients may be anywhere.
type Broker struct {
	t       testing.TB
	options options
	log     *logBuffer
	addrs   []string // of all listeners, as clients are told

	node  *node.Node
	stop  context.CancelFunc // nil while it does not run
	ended chan error         // what Run returned
}

// deadline is for what takes milliseconds: a test should fail with a reason before its own deadline passes.
const deadline = 30 * time.Second

// Start starts a broker and returns when it serves. Whatever goes wrong fails the test at once.
func Start(t testing.TB, opts ...Option) *Broker {
	t.Helper()
	o := options{entries: []config.Entry{
		{Key: "listeners", Value: "PLAINTEXT://127.0.0.1:0"},
		{Key: "offsets.topic.num.partitions", Value: "4"},
		{Key: "transaction.state.log.num.partitions", Value: "4"},
	}}
	for _, opt := range opts {
		opt(&o)
	}
	switch {
	case o.fs != nil:
		o.dir = "/kafkatest"
	case o.dir == "":
		o.dir = t.TempDir()
	}
	o.entries = append(o.entries, config.Entry{Key: "log.dirs", Value: o.dir})
	b := &Broker{t: t, options: o, log: newLogBuffer()}
	t.Cleanup(b.cleanup)
	b.start(o.entries)
	for _, topic := range o.topics {
		b.CreateTopic(topic.name, topic.partitions, topic.configs...)
	}
	return b
}

func (b *Broker) start(entries []config.Entry) {
	b.t.Helper()
	cfg, _, err := config.New(entries, config.Defaults{NoFile: true})
	if err != nil {
		b.t.Fatal("kafkatest: ", err)
	}
	ctx, cancel := context.WithCancel(context.Background()) // not the test's: that ends before its clean-up, which stops clients first
	n, err := node.Open(ctx, cfg, node.Options{FS: b.options.fs, Logger: b.log.logger(), Version: "kafkatest"})
	if err != nil {
		cancel()
		b.t.Fatal("kafkatest: ", err)
	}
	b.node, b.stop, b.ended, b.addrs = n, cancel, make(chan error, 1), nil
	for _, a := range n.Addrs() {
		if a.Advertised != "" {
			b.addrs = append(b.addrs, a.Advertised)
		}
	}
	go func() { b.ended <- n.Run(ctx) }() // Stop waits for it
}

// Addr is the address for bootstrap.servers, host:port. It stays the same over [Broker.Restart].
func (b *Broker) Addr() string { return b.addrs[0] }

// Addrs are the addresses of all listeners; without a Property of listeners there is one.
func (b *Broker) Addrs() []string { return append([]string(nil), b.addrs...) }

// ClusterID is the id of the cluster that clients see.
func (b *Broker) ClusterID() string { return b.node.ClusterID() }

// Dir is where the data is; in memory, the name means nothing to others.
func (b *Broker) Dir() string { return b.options.dir }

// Stop ends the broker as SIGTERM does, for tests of clients whose broker is away. The data stays for [Broker.Restart]. Stopping twice is fine.
func (b *Broker) Stop() {
	b.t.Helper()
	if b.stop == nil {
		return
	}
	b.stop()
	b.stop = nil
	if err := <-b.ended; err != nil {
		b.t.Error("kafkatest: the broker ended with: ", err)
	}
}

// Restart stops the broker, if it runs, and starts it again at the same addresses with the same data.
func (b *Broker) Restart() {
	b.t.Helper()
	b.Stop()
	var listeners []string
	for _, a := range b.node.Addrs() {
		listeners = append(listeners, a.Listener+"://"+a.Bound)
	}
	b.start(append(b.options.entries, config.Entry{Key: "listeners", Value: strings.Join(listeners, ",")}))
}

func (b *Broker) cleanup() {
	b.Stop()
	if text := b.log.String(); text != "" && (b.options.logAll || b.t.Failed()) {
		b.t.Logf("kafkatest: log of the broker at %s\n%s", strings.Join(b.addrs, ","), text)
	}
}

// CreateTopic makes a topic; configs are of the form "retention.ms=1000". It needs a PLAINTEXT listener.
func (b *Broker) CreateTopic(name string, partitions int, configs ...string) {
	b.t.Helper()
	if err := b.createTopic(topic{name, partitions, configs}); err != nil {
		b.t.Fatalf("kafkatest: topic %s: %v", name, err)
	}
}

func (b *Broker) createTopic(want topic) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	req.TimeoutMillis = int32(deadline.Milliseconds())
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = want.name, int32(want.partitions), 1
	for _, c := range want.configs {
		key, value, ok := strings.Cut(c, "=")
		if !ok {
			return fmt.Errorf("%q is not of the form key=value", c)
		}
		kv := kmsg.NewCreateTopicsRequestTopicConfig()
		kv.Name, kv.Value = key, &value
		t.Configs = append(t.Configs, kv)
	}
	req.Topics = append(req.Topics, t)
	resp, err := b.request(req)
	if err != nil {
		return err
	}
	for _, r := range resp.(*kmsg.CreateTopicsResponse).Topics {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			if r.ErrorMessage != nil {
				return fmt.Errorf("%w: %s", err, *r.ErrorMessage)
			}
			return err
		}
	}
	return nil
}

// request sends one request over a connection of its own.
func (b *Broker) request(req kmsg.Request) (_ kmsg.Response, err error) {
	addr := ""
	for _, a := range b.node.Addrs() {
		if a.Protocol == "PLAINTEXT" {
			addr = a.Bound
			break
		}
	}
	if addr == "" {
		return nil, errors.New("there is no PLAINTEXT listener")
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	cl, err := protocol.Dial(ctx, new(net.Dialer).DialContext, addr, "kafkatest")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cl.Close()) }()
	return cl.Request(ctx, req)
}
