package containers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dotnetEnv are the variables that testcontainers-dotnet sets with KRaft.
var dotnetEnv = []string{
	"KAFKA_LISTENERS=PLAINTEXT://:9092,BROKER://:9093,CONTROLLER://:9094", "CLUSTER_ID=4L6g3nShT-eMCtK--X86sw",
	"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT", "KAFKA_INTER_BROKER_LISTENER_NAME=BROKER",
	"KAFKA_BROKER_ID=1", "KAFKA_NODE_ID=1", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1", "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS=1",
	"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1", "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1", "KAFKA_LOG_FLUSH_INTERVAL_MESSAGES=9223372036854775807",
	"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0", "KAFKA_PROCESS_ROLES=broker,controller", "KAFKA_CONTROLLER_QUORUM_VOTERS=1@localhost:9094",
	"KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
}

// TestDotnet does what testcontainers-dotnet does, since there is no .NET here: a container that waits for a script, and then that script, with the comma
// at the end of its addresses.
func TestDotnet(t *testing.T) {
	const wait = "while [ ! -f /testcontainers.sh ]; do sleep 0.1; done; /testcontainers.sh"
	for _, tc := range []struct {
		name   string
		before []string // lines of the script
		run    string
		env    []string
	}{
		{"apache", nil, "exec /etc/kafka/docker/run", dotnetEnv},
		{"confluent", nil, "exec /etc/confluent/docker/run", dotnetEnv},
		{"confluent with ZooKeeper", []string{
			"echo 'clientPort=2181' > zookeeper.properties", "echo 'dataDir=/var/lib/zookeeper/data' >> zookeeper.properties",
			"zookeeper-server-start zookeeper.properties &", "", "echo '' > /etc/confluent/docker/ensure",
		}, "exec /etc/confluent/docker/run", []string{
			"KAFKA_LISTENERS=PLAINTEXT://0.0.0.0:9092,BROKER://0.0.0.0:9093", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=BROKER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
			"KAFKA_INTER_BROKER_LISTENER_NAME=BROKER", "KAFKA_BROKER_ID=1", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1", "KAFKA_ZOOKEEPER_CONNECT=localhost:2181",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			args := []string{"-p", "127.0.0.1::9092", "--entrypoint", `["/bin/sh", "-c"]`}
			for _, e := range tc.env {
				args = append(args, "-e", e)
			}
			b := start(t, append(args, image, wait)...)
			ip := b.inspect("{{.NetworkSettings.IPAddress}}")
			lines := []string{"#!/bin/bash", ""}
			lines = append(lines, tc.before...)
			lines = append(lines, "export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://"+b.addr("9092")+",BROKER://"+ip+":9093,", tc.run)
			b.copyIn("/testcontainers.sh", strings.Join(lines, "\n"))
			b.ready()
			for _, told := range b.sendAndRead("words") {
				if told != b.addr("9092") {
					t.Errorf("clients are told %s", told)
				}
			}
		})
	}
}

// copyIn puts a file into the container that anybody may run.
func (b *box) copyIn(name, text string) {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		b.t.Fatal(err)
	}
	podman(b.t, "cp", file, b.id+":"+name)
}

// TestBitnamiScripts: the entry point and the command that derived images of Bitnami's name.
func TestBitnamiScripts(t *testing.T) {
	b := start(t, "-p", "127.0.0.1::9092", "--entrypoint", "/opt/bitnami/scripts/kafka/entrypoint.sh", "-e", "KAFKA_CFG_NUM_PARTITIONS=2", image,
		"/opt/bitnami/scripts/kafka/run.sh")
	b.ready()
	b.sendAndRead("words")
}
