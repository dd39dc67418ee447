package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// load makes a configuration of the text of a file called f.
func load(t *testing.T, text string, d Defaults) (*Config, Notices, error) {
	t.Helper()
	entries, err := Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return New(entries, d)
}

func mustLoad(t *testing.T, text string, d Defaults) *Config {
	t.Helper()
	c, _, err := load(t, text, d)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStartWithoutFile(t *testing.T) {
	c, notices, err := New(nil, Defaults{NoFile: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Notices{}, notices, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("notices:\n%s", diff)
	}
	want := []Listener{{Name: "PLAINTEXT", Host: "localhost", Port: 9092, Protocol: "PLAINTEXT"}}
	if diff := cmp.Diff(want, c.Listeners()); diff != "" {
		t.Errorf("listeners:\n%s", diff)
	}
	if diff := cmp.Diff(want, c.AdvertisedListeners()); diff != "" {
		t.Errorf("advertised:\n%s", diff)
	}
	if c.NodeID() != 1 || c.LogDirs()[0] != "/tmp/kafka-logs" || c.MetadataLogDir() != "/tmp/kafka-logs" || c.InterBrokerListener() != "PLAINTEXT" {
		t.Errorf("node %d, log dirs %v, metadata %s, inter-broker %s", c.NodeID(), c.LogDirs(), c.MetadataLogDir(), c.InterBrokerListener())
	}
	if c.Int("group.initial.rebalance.delay.ms") != 0 || c.Int("offsets.topic.replication.factor") != 1 || c.IsSet("listeners") {
		t.Error("the defaults of an embedded node are not in effect, or count as set by the user")
	}
}

// The settings of the files that come with Kafka: names and values only.
const (
	stock28 = `broker.id=0
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kafka-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
zookeeper.connect=localhost:2181
zookeeper.connection.timeout.ms=18000
group.initial.rebalance.delay.ms=0
`
	stock4 = `process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
`
)

func TestStockFileOf28(t *testing.T) {
	c, notices, err := load(t, stock28, Defaults{Hostname: "box"})
	if err != nil {
		t.Fatal(err)
	}
	if c.NodeID() != 0 || c.LogDirs()[0] != "/tmp/kafka-logs" || c.Int("group.initial.rebalance.delay.ms") != 0 {
		t.Errorf("node %d, log dirs %v", c.NodeID(), c.LogDirs())
	}
	if diff := cmp.Diff([]Listener{{Name: "PLAINTEXT", Host: "box", Port: 9092, Protocol: "PLAINTEXT", FromConnection: true}}, c.AdvertisedListeners()); diff != "" {
		t.Errorf("advertised:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"zookeeper.connect, zookeeper.connection.timeout.ms ignored: gokafka does ZooKeeper's job itself"}, notices.Legacy); diff != "" {
		t.Errorf("legacy notices:\n%s", diff)
	}
	if len(notices.Unknown)+len(notices.Hints) != 0 {
		t.Errorf("notices: %+v", notices)
	}
}

func TestStockFileOf4(t *testing.T) {
	c, notices, err := load(t, stock4, Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Listener{{Name: "PLAINTEXT", Port: 9092, Protocol: "PLAINTEXT"}}, c.Listeners()); diff != "" {
		t.Errorf("listeners:\n%s", diff)
	}
	if diff := cmp.Diff([]Listener{{Name: "PLAINTEXT", Host: "localhost", Port: 9092, Protocol: "PLAINTEXT"}}, c.AdvertisedListeners()); diff != "" {
		t.Errorf("advertised:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"listener CONTROLLER is not opened: the controller of a single node needs none"}, notices.Hints); diff != "" {
		t.Errorf("hints:\n%s", diff)
	}
	for _, key := range notices.NotHonoured {
		if byName[key].Honoured() || c.static[key].Value == byName[key].Default {
			t.Errorf("%s is in the notice without need", key)
		}
	}
	if len(notices.Unknown)+len(notices.Legacy) != 0 {
		t.Errorf("notices: %+v", notices)
	}
}

func TestShippedFileIsKnown(t *testing.T) {
	const name = "../../config/server.properties"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := Parse("config/server.properties", text)
	if err != nil {
		t.Fatal(err)
	}
	c, notices, err := New(entries, Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	if len(notices.Unknown)+len(notices.NotHonoured)+len(notices.Legacy) > 0 {
		t.Errorf("notices: %+v", notices)
	}
	// Every key that is commented out is one too, with Kafka's default as its value.
	for i, line := range strings.Split(string(text), "\n") {
		assignment, ok := strings.CutPrefix(line, "#")
		if !ok || strings.HasPrefix(assignment, " ") || strings.Trim(assignment, "#") == "" || strings.HasPrefix(assignment, "##") {
			continue
		}
		key, value, _ := strings.Cut(assignment, "=")
		k := byName[key]
		if k == nil {
			t.Errorf("line %d: %s is not in the table", i+1, key)
			continue
		}
		if k.Default == null && value == "" {
			continue
		}
		if v, bad := parseValue(k.Type, value); bad != nil || k.check.run(key, v) != nil || formatValue(v) != k.Default {
			t.Errorf("line %d: %s=%s; its default is %s", i+1, key, value, k.Default)
		}
	}
	embedded, _, err := New(nil, Defaults{NoFile: true})
	if err != nil {
		t.Fatal(err)
	}
	for key, k := range byName {
		if !k.Honoured() || key == "log.dirs" { // log.dirs names what log.dir is by default
			continue
		}
		if diff := cmp.Diff(embedded.values[key], c.values[key]); diff != "" && key != "group.initial.rebalance.delay.ms" && key != "group.consumer.assignment.interval.ms" {
			t.Errorf("%s differs from a start without a file:\n%s", key, diff)
		}
	}
}

func TestAllProblemsAtOnceWithTheirLines(t *testing.T) {
	_, _, err := load(t, `
log.retention.hours=7d
num.partitions=0
log.segment.bytes=1g
auto.create.topics.enable=yes
cleanup.policy=delete
min.insync.replicas=99999999999
listeners=PLAINTEXT://:9092,EXTERNAL://:9093
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
log.retention.ms=0
create.topic.policy.class.name=com.example.Policy
`, Defaults{})
	want := []string{
		`f:2: log.retention.hours: "7d" is not an integer (write 168)`,
		`f:3: num.partitions: "0" is not allowed: value must be at least 1`,
		`f:4: log.segment.bytes: "1g" is not an integer (write 1073741824)`,
		`f:5: auto.create.topics.enable: "yes" is neither true nor false`,
		`f:7: min.insync.replicas: "99999999999" is too large, 2147483647 is the limit`,
		`f:8: listeners: no security protocol is defined for listener EXTERNAL (add EXTERNAL:PLAINTEXT to listener.security.protocol.map)`,
		`f:9: authorizer.class.name: access control is not there yet, and starting without it would leave the broker open (remove the key to run without access control)`,
		`f:10: log.retention.ms: "0" is not allowed: value must be at least 1, or -1 for without limit`,
		`f:11: create.topic.policy.class.name: create.topic.policy.class.name is not supported: this would be silently absent (remove the key to run without)`,
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"process.roles=controller", "f:1: process.roles: a node that is only a controller is not there yet"},
		{"process.roles=broker", "f:1: process.roles: a broker whose controller is another node is not there yet"},
		{"process.roles=broker,zookeeper", `f:1: process.roles: "broker,zookeeper" is not allowed: string must be one of: broker, controller`},
		{"node.id=1\nbroker.id=2", "f:1: node.id: is 1 but broker.id is 2"},
		{"broker.id=-7", `f:1: broker.id: "-7" is not allowed`},
		{"broker.id=x", `f:1: broker.id: "x" is not an integer`},
		{"controller.quorum.voters=1@a:9093,2@b:9093,3@c:9093", "f:1: controller.quorum.voters: names 3 controllers: clusters are not there yet"},
		{"node.id=1\ncontroller.quorum.voters=2@a:9093", "f:2: controller.quorum.voters: names controller 2 but node.id is 1"},
		{"controller.quorum.voters=localhost:9093", `f:1: controller.quorum.voters: "localhost:9093" is not a voter`},
		{"controller.quorum.bootstrap.servers=a:1,b:1", "f:1: controller.quorum.bootstrap.servers: names 2 controllers"},
		{"remote.log.storage.system.enable=true", "f:1: remote.log.storage.system.enable: "},
		{"principal.builder.class=com.example.P", "f:1: principal.builder.class: Java class com.example.P cannot be loaded"},
		{"group.consumer.assignors=uniform,com.example.A", "f:1: group.consumer.assignors: Java class com.example.A"},
		{"config.providers=file", "f:1: config.providers: config providers are not there yet"},
		{"log.roll.ms=0", `f:1: log.roll.ms: "0" is not allowed: value must be at least 1`},
		{"log.dirs=,", "f:1: log.dirs: names no directory"},
		{"log.dirs=/a,/b,/a", "f:1: log.dirs: names /a twice"},
		{"max.connections.per.ip=0", "f:1: max.connections.per.ip: can be 0 only when"},
		{"max.connections.per.ip.overrides=host", `f:1: max.connections.per.ip.overrides: "host" is not host:count`},
		{"queued.max.request.bytes=10", "f:1: queued.max.request.bytes: 10 is less than socket.request.max.bytes"},
		{"log.cleaner.min.compaction.lag.ms=5\nlog.cleaner.max.compaction.lag.ms=4", "f:1: log.cleaner.min.compaction.lag.ms: 5 is more than"},
		{"offsets.topic.replication.factor=99999", `f:1: offsets.topic.replication.factor: "99999" is too large, 32767 is the limit`},
		{"log.cleaner.min.cleanable.ratio=2", `f:1: log.cleaner.min.cleanable.ratio: "2" is not allowed: value must be no more than 1`},
		{"log.retention.ms=1w", `f:1: log.retention.ms: "1w" is not an integer (write 604800000)`},
		{"log.retention.minutes=30s", `f:1: log.retention.minutes: "30s" is not an integer (write log.retention.ms=30000)`},
		{"cluster.id=short", "f:1: cluster.id: "},
	} {
		_, _, err := load(t, tc.text, Defaults{})
		if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%q: error %v; want %s…", tc.text, err, tc.want)
		}
	}
}

func TestAcceptedThoughUnusual(t *testing.T) {
	for _, text := range []string{
		"controller.quorum.voters=1@localhost:9093", "broker.id=5\ncontroller.quorum.voters=5@localhost:9093", "broker.id=-1\nzookeeper.connect=z:2181",
		"node.id=2\nbroker.id=2", "authorizer.class.name=", "group.consumer.assignors=range", "log.retention.ms=-5", "log.retention.hours=-1",
		"principal.builder.class=org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder", "remote.log.storage.system.enable=FALSE",
		"metric.reporters=com.example.Reporter", "listener.name.plaintext.max.connections=5", "advertised.listeners=PLAINTEXT://h:1,",
		"process.roles=controller , broker", "max.connections.per.ip=0\nmax.connections.per.ip.overrides=[::1]:4,10.0.0.1:2", "num.io.threads= 16 ",
	} {
		if _, _, err := load(t, text, Defaults{}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNothingIsDroppedSilently(t *testing.T) {
	_, n, err := load(t, "num.partition=3\nretention.ms=5\nzzz=1\nmetadata.max.idle.interval.ms=4\nlog.initial.task.delay.ms=30000\n"+
		"listener.name.plaintext.max.connections=5\nrsm.config.x=1\nleader.replication.throttled.rate=1\nnum.partitions=2\nsuper.users=User:a\n"+
		"inter.broker.protocol.version=2.8\nlog.cleanup.policy=compact\noffsets.topic.replication.factor=3\nhost.name=localhost\n", Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	want := Notices{
		NotHonoured: []string{"inter.broker.protocol.version", "listener.name.plaintext.max.connections", "metadata.max.idle.interval.ms", "rsm.config.x", "super.users"},
		Unknown: []Suggestion{{"num.partition", "f:1", "num.partitions"}, {"retention.ms", "f:2", "log.retention.ms"}, {"zzz", "f:3", ""},
			{"leader.replication.throttled.rate", "f:8", ""}},
		Legacy: []string{"host.name is a key of Kafka 2.x: honoured where listeners or advertised.listeners do not say otherwise"},
		Hints:  []string{"offsets.topic.replication.factor is 3 and there is one node: __consumer_offsets gets 1"},
	}
	if diff := cmp.Diff(want, n, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestEnvironmentLiesOverFileAndOverridesOverBoth(t *testing.T) {
	entries, err := Parse("f", []byte("num.partitions=2\nlog.dirs=/file\nlisteners=PLAINTEXT://127.0.0.1:1\n"))
	if err != nil {
		t.Fatal(err)
	}
	entries = append(entries, FromEnviron([]string{"KAFKA_LOG_DIRS=/env", "KAFKA_NUM_PARTITIONS=3", "KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://h:9"})...)
	entries = append(entries, Entry{Key: "num.partitions", Value: "4", Source: "--override"})
	c, n, err := New(entries, Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Int("num.partitions") != 4 || c.LogDirs()[0] != "/env" {
		t.Errorf("num.partitions %d, log.dirs %v", c.Int("num.partitions"), c.LogDirs())
	}
	if c.Listeners()[0].Host != "127.0.0.1" {
		t.Errorf("listeners derived from the environment replaced those of the file: %v", c.Listeners())
	}
	if diff := cmp.Diff([]string{"KAFKA_ADVERTISED_LISTENERS", "KAFKA_LOG_DIRS"}, n.FromEnv); diff != "" {
		t.Errorf("variables in effect:\n%s", diff)
	}
}

func FuzzNew(f *testing.F) {
	for _, s := range []string{stock28, stock4, "listeners=A://[::1]:1,B://:0,\nlistener.security.protocol.map=A:PLAINTEXT,B:SSL", "controller.quorum.voters=1@a:1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := Parse("f", text)
		if err != nil {
			return
		}
		c, _, err := New(entries, Defaults{})
		if err != nil {
			return
		}
		if len(c.Listeners()) == 0 || len(c.AdvertisedListeners()) == 0 || len(c.LogDirs()) == 0 || c.NodeID() < 0 {
			t.Fatalf("an unusable configuration was accepted: %+v", c)
		}
		c.Topic(nil)
		c.DescribeBroker(nil, nil)
	})
}
