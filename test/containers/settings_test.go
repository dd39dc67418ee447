package containers

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// confluentZooKeeper is the broker of the quick start of Confluent Platform 5 and 6, as countless compose files have it.
var confluentZooKeeper = []string{
	"KAFKA_BROKER_ID=1", "KAFKA_ZOOKEEPER_CONNECT=zookeeper:2181",
	"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT",
	"KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://broker:29092,PLAINTEXT_HOST://localhost:9092",
	"KAFKA_METRIC_REPORTERS=io.confluent.metrics.reporter.ConfluentMetricsReporter", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1",
	"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0", "KAFKA_CONFLUENT_LICENSE_TOPIC_REPLICATION_FACTOR=1",
	"KAFKA_CONFLUENT_BALANCER_TOPIC_REPLICATION_FACTOR=1", "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1", "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1",
	"KAFKA_JMX_PORT=9101", "KAFKA_JMX_HOSTNAME=localhost", "KAFKA_CONFLUENT_SCHEMA_REGISTRY_URL=http://schema-registry:8081",
	"CONFLUENT_METRICS_REPORTER_BOOTSTRAP_SERVERS=broker:29092", "CONFLUENT_METRICS_REPORTER_TOPIC_REPLICAS=1", "CONFLUENT_METRICS_ENABLE=true",
	"CONFLUENT_SUPPORT_CUSTOMER_ID=anonymous",
}

// confluentKRaft is the same for version 7.
var confluentKRaft = []string{
	"KAFKA_NODE_ID=1", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT",
	"KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://broker:29092,PLAINTEXT_HOST://localhost:9092", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1",
	"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0", "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1", "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1",
	"KAFKA_PROCESS_ROLES=broker,controller", "KAFKA_CONTROLLER_QUORUM_VOTERS=1@broker:29093",
	"KAFKA_LISTENERS=PLAINTEXT://broker:29092,CONTROLLER://broker:29093,PLAINTEXT_HOST://0.0.0.0:9092", "KAFKA_INTER_BROKER_LISTENER_NAME=PLAINTEXT",
	"KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER", "KAFKA_LOG_DIRS=/tmp/kraft-combined-logs", "CLUSTER_ID=MkU3OEVBNTcwNTJENDM2Qk",
}

// bitnami is the compose file of Bitnami's image.
var bitnami = []string{
	"KAFKA_CFG_NODE_ID=0", "KAFKA_CFG_PROCESS_ROLES=controller,broker", "KAFKA_CFG_CONTROLLER_QUORUM_VOTERS=0@kafka:9093",
	"KAFKA_CFG_LISTENERS=PLAINTEXT://:9092,CONTROLLER://:9093,EXTERNAL://:9094", "KAFKA_CFG_ADVERTISED_LISTENERS=PLAINTEXT://kafka:9092,EXTERNAL://localhost:9094",
	"KAFKA_CFG_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,EXTERNAL:PLAINTEXT,PLAINTEXT:PLAINTEXT", "KAFKA_CFG_CONTROLLER_LISTENER_NAMES=CONTROLLER",
	"ALLOW_PLAINTEXT_LISTENER=yes", "KAFKA_ENABLE_KRAFT=yes", "KAFKA_KRAFT_CLUSTER_ID=5L6g3nShT-eMCtK--X86sw", "KAFKA_NUM_PARTITIONS=7", "KAFKA_CFG_NUM_PARTITIONS=2",
}

// TestSettings starts the image with the environments that other images are given, and writes and reads through what clients are told.
func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		name   string
		args   []string
		env    []string
		told   string // to a client at the published port
		log    string // what the log says as well
		silent string // what it must not say
	}{
		{name: "nothing", told: "localhost:9092", silent: "WARN"},
		{name: "one variable", env: []string{"KAFKA_NUM_PARTITIONS=3"}, told: "localhost:9092", silent: "WARN"},
		{name: "advertised", env: []string{"KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://kafka.example:19092,EXTERNAL://localhost:9092",
			"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=PLAINTEXT:PLAINTEXT,EXTERNAL:PLAINTEXT"}, told: "localhost:9092"},
		{name: "confluent with ZooKeeper", args: []string{"--hostname", "broker"}, env: confluentZooKeeper, told: "localhost:9092", log: "gokafka does ZooKeeper's job itself"},
		{name: "confluent with KRaft", args: []string{"--hostname", "broker"}, env: confluentKRaft, told: "localhost:9092"},
		{name: "bitnami", args: []string{"--hostname", "kafka"}, env: bitnami, told: "kafka:9092", silent: "KAFKA_CFG_NODE_ID is"},
		{name: "a service of Kubernetes that is called kafka", env: []string{"KAFKA_PORT=tcp://10.0.0.1:9092", "KAFKA_SERVICE_HOST=10.0.0.1", "KAFKA_SERVICE_PORT=9092",
			"KAFKA_PORT_9092_TCP=tcp://10.0.0.1:9092", "KAFKA_PORT_9092_TCP_PORT=9092", "KAFKA_PORT_9092_TCP_ADDR=10.0.0.1"}, told: "localhost:9092", silent: "WARN"},
		{name: "for a JVM", env: []string{"KAFKA_HEAP_OPTS=-Xmx1G", "KAFKA_JVM_PERFORMANCE_OPTS=-XX:+UseG1GC", "KAFKA_OPTS=-Dx=y", "KAFKA_LOG4J_ROOT_LOGLEVEL=WARN",
			"KAFKA_LOG4J_LOGGERS=kafka=WARN", "KAFKA_TOOLS_LOG4J_LOGLEVEL=ERROR", "KAFKA_JMX_OPTS=-Dx=y", "KAFKA_GC_LOG_OPTS=-Xlog"}, told: "localhost:9092", silent: "WARN"},
		{name: "no cluster id", env: []string{"CLUSTER_ID=test-cluster"}, told: "localhost:9092", log: "CLUSTER_ID=test-cluster is not used"},
		{name: "arbitrary user, nothing to write to but volumes", args: []string{"--user", "12345:0", "--read-only"}, told: "localhost:9092", silent: "WARN"},
		{name: "user of no group", args: []string{"--user", "12345:12345", "--cap-drop", "all", "--security-opt", "no-new-privileges"}, told: "localhost:9092"},
		{name: "root", args: []string{"--user", "0"}, told: "localhost:9092"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := slices.Clone(tc.args)
			for _, e := range tc.env {
				args = append(args, "-e", e)
			}
			b := broker(t, args...)
			for _, addr := range b.sendAndRead("words") {
				if addr != tc.told {
					t.Errorf("clients are told %s, want %s", addr, tc.told)
				}
			}
			if tc.log != "" {
				b.waitLog(tc.log)
			}
			if log := b.log(); tc.silent != "" && strings.Contains(log, tc.silent) {
				t.Errorf("the log says %q", tc.silent)
			}
			b.healthy()
		})
	}
}

func (b *box) healthy() {
	b.t.Helper()
	podman(b.t, "healthcheck", "run", b.id)
}

// TestBadSettings: one line that names the variable, and the end.
func TestBadSettings(t *testing.T) {
	for _, tc := range []struct{ env, want string }{
		{"KAFKA_NUM_PARTITIONS=many", "env KAFKA_NUM_PARTITIONS: num.partitions"},
		{"KAFKA_ADVERTISED_LISTENERS=localhost:9092", `env KAFKA_ADVERTISED_LISTENERS: listeners: "localhost:9092" is not a listener`},
		{"KAFKA_NUM_PARTITIONS_FILE=/run/secrets/none", "env KAFKA_NUM_PARTITIONS_FILE: open /run/secrets/none"},
		{"KAFKA_CREATE_TOPICS=a:b:c", `KAFKA_CREATE_TOPICS: "a:b:c": "b" is no number of partitions`},
	} {
		s := command(t, "podman", "run", "--pull", "never", "--rm", "-e", tc.env, image)
		if s.status != 1 || !strings.Contains(s.out+s.errs, tc.want) {
			t.Errorf("%s: status %d, want %q in %s%s", tc.env, s.status, tc.want, s.out, s.errs)
		}
	}
}

// TestStopAndStart: `podman stop` ends the broker within the ten seconds that it grants; another container with the same volume has the records.
func TestStopAndStart(t *testing.T) {
	for _, tc := range []struct{ image, folder string }{
		{image, "/var/lib/kafka/data"},
		{image, "/tmp/kraft-combined-logs"}, // where Apache's image has its data
		{image, "/bitnami/kafka"},
		{slimImage, "/var/lib/kafka/data"},
	} {
		t.Run(strings.TrimPrefix(tc.image, "localhost/")+tc.folder, func(t *testing.T) {
			volume := podman(t, "volume", "create")
			args := []string{"-v", volume + ":" + tc.folder, "-p", "127.0.0.1::9092", tc.image}
			// Volumes of folders that the image does not have belong to root, as with Docker; Apache's image has the same difficulty.
			if tc.folder == "/tmp/kraft-combined-logs" {
				args = append([]string{"--user", "0"}, args...)
			}
			first := start(t, args...)
			first.ready()
			first.sendAndRead("words")
			podman(t, "stop", first.id)
			if status := first.inspect("{{.State.ExitCode}}"); status != "0" { // 137 when it had to be killed
				t.Errorf("ended with status %s", status)
			}
			second := start(t, args...)
			second.ready()
			if !strings.Contains(second.log(), "clean_shutdown=true") {
				t.Error("the stop was not clean")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			second.read(ctx, second.client(nil, kgo.ConsumeTopics("words")), "value")
			podman(t, "rm", "-f", "-t", "0", first.id, second.id)
			podman(t, "volume", "rm", volume)
		})
	}
}

// TestMountedFile: the file in the place that Apache's image has for it, with variables over it; secrets from files; arguments of run.
func TestMountedFile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"config/server.properties": "num.partitions=5\nlog.retention.hours=7\nlog.segment.bytes=2097152\n",
		"secrets/segment":          "1048576\n",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b := start(t, "-v", dir+"/config:/mnt/shared/config", "-v", dir+"/secrets:/run/secrets", "-e", "KAFKA_LOG_RETENTION_HOURS=9",
		"-e", "KAFKA_LOG_SEGMENT_BYTES_FILE=/run/secrets/segment", "-p", "127.0.0.1::9092", image, "/etc/kafka/docker/run", "KAFKA_NODE_ID=3")
	b.ready()
	b.sendAndRead("words")
	final := b.must("cat", "/opt/kafka/config/server.properties")
	for _, line := range []string{"num.partitions=5", "log.retention.hours=9", "log.segment.bytes=1048576", "node.id=3"} {
		if !strings.Contains("\n"+final, "\n"+line+"\n") {
			t.Errorf("no %s in the final configuration:\n%s", line, final)
		}
	}
	b.healthy()
}

// TestTopicsAtTheStart: they are there when the broker says that it is ready, also after a restart.
func TestTopicsAtTheStart(t *testing.T) {
	b := broker(t, "-e", "KAFKA_CREATE_TOPICS=orders:3:1, state:2:1:compact,plain,too-many:1:2")
	check := func() {
		t.Helper()
		cl := b.client(nil)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		for topic, want := range map[string]int{"orders": 3, "state": 2, "plain": 1} {
			if n := partitions(ctx, t, cl, topic); n != want {
				t.Errorf("%s has %d partitions, want %d", topic, n, want)
			}
		}
		if policy := topicConfig(ctx, t, cl, "state", "cleanup.policy"); policy != "compact" {
			t.Errorf("state: cleanup.policy=%s", policy)
		}
	}
	check()
	b.waitLog("topic of KAFKA_CREATE_TOPICS not created topic=too-many")
	podman(t, "restart", b.id)
	for strings.Count(b.log(), "Kafka Server started") < 2 {
		time.Sleep(50 * time.Millisecond)
	}
	check()
}
