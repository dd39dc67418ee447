package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gokafka/gokafka/internal/tools"
)

// stockServer is one of Kafka's scripts that start and stop servers: what needs this process rather than a client.
type stockServer struct {
	name, summary string
	run           func(c stockCall) int
}

// stockCall is one call of such a script.
type stockCall struct {
	self           string // what the process was called as: argv[0]
	name           string // of the script
	args           []string
	version        string
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
}

// stockServers are the scripts, in the order of their names. It is a function because kafka-run-class finds the others in it.
func stockServers() []stockServer {
	return []stockServer{
		{"connect-distributed", "explains where Kafka Connect is", explainConnect},
		{"connect-standalone", "explains where Kafka Connect is", explainConnect},
		{"kafka-metadata-shell", "explains what to use instead", func(c stockCall) int {
			return c.explain("There is no metadata shell here. kafka-dump-log --cluster-metadata-decoder --files …/__cluster_metadata-0/*.log shows the records of the metadata, " +
				"and kafka-metadata-quorum, kafka-topics and kafka-configs what they amount to.")
		}},
		{"kafka-run-class", "runs the tool that a class of Kafka's is", runClass},
		{"kafka-server-start", "start a broker, in the background with -daemon", startServer},
		{"kafka-server-stop", "stop the brokers of this machine", stopServers},
		{"zookeeper-server-start", "does what a tutorial expects of ZooKeeper, which is not needed", startZooKeeper},
		{"zookeeper-server-stop", "ends zookeeper-server-start", stopZooKeeper},
	}
}

func findStockServer(command string) (stockServer, bool) {
	name := scriptName(command)
	for _, s := range stockServers() {
		if s.name == name {
			return s, true
		}
	}
	return stockServer{}, false
}

// scriptName is the name of a script without its folder and ending.
func scriptName(command string) string {
	name := filepath.Base(strings.ReplaceAll(command, `\`, "/"))
	for _, suffix := range []string{".exe", ".sh", ".bat"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return name
}

// calledAsServer runs the script that a command line asks for, by the name of the binary or by the first argument.
func calledAsServer(version string, argv []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) (status int, ok bool) {
	c := stockCall{self: argv[0], version: version, stdin: stdin, stdout: stdout, stderr: stderr, environ: environ}
	for i := range min(2, len(argv)) {
		if s, ok := findStockServer(argv[i]); ok {
			c.name, c.args = s.name, argv[i+1:]
			return s.run(c), true
		}
	}
	return 0, false
}

func (c stockCall) printf(format string, args ...any) { fmt.Fprintf(c.stdout, format, args...) }

// explain says why there is no such thing here.
func (c stockCall) explain(text string) int {
	fmt.Fprintf(c.stderr, "%s: %s\n", c.name, text)
	return 1
}

func explainConnect(c stockCall) int {
	return c.explain("Kafka Connect is a Java program, and gokafka has none: run the one of Apache Kafka, with bootstrap.servers set to this broker's address.")
}

// daemonFlag takes -daemon off the front, where Kafka's scripts want it.
func (c *stockCall) daemonFlag() bool {
	if len(c.args) == 0 || c.args[0] != "-daemon" {
		return false
	}
	c.args = c.args[1:]
	return true
}

// startServer is kafka-server-start: the server command with Kafka's arguments.
func startServer(c stockCall) int {
	if len(c.args) == 0 {
		c.printf("USAGE: %s [-daemon] server.properties [--override property=value]*\n", c.self)
		return 1
	}
	if c.daemonFlag() {
		return c.daemon("kafkaServer.out")
	}
	switch c.args[0] {
	case "--version":
		c.printf("%s\n", tools.VersionText(c.version))
		return 0
	case "--help":
		c.printf("USAGE: %s [-daemon] server.properties [--override property=value]*\n"+
			"  --override  a property that counts for more than the file\n  --version   print the version\n", c.self)
		return 1
	}
	return run(c.version, append([]string{"server"}, c.args...), c.stdout, c.stderr, c.environ)
}

// startZooKeeper stands in for the ZooKeeper of tutorials of Kafka 2.8: it stays in the foreground until it is told to end.
func startZooKeeper(c stockCall) int {
	if len(c.args) == 0 {
		c.printf("USAGE: %s [-daemon] zookeeper.properties\n", c.self)
		return 1
	}
	const words = "gokafka needs no ZooKeeper: nothing was started, and kafka-server-start can be called right away."
	if c.daemonFlag() {
		c.printf("%s\n", words)
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c.printf("%s This waits for Ctrl-C, as ZooKeeper would.\n", words)
	<-ctx.Done()
	return 0
}

// classes are the tools behind the last part of the names of Kafka's classes.
var classes = map[string]string{
	"Kafka": "kafka-server-start", "QuorumPeerMain": "zookeeper-server-start",
	"TopicCommand": "kafka-topics", "ConfigCommand": "kafka-configs", "AclCommand": "kafka-acls", "ConsumerGroupCommand": "kafka-consumer-groups",
	"ConsoleProducer": "kafka-console-producer", "ConsoleConsumer": "kafka-console-consumer", "ConsoleShareConsumer": "kafka-console-share-consumer",
	"GetOffsetShell": "kafka-get-offsets", "DeleteRecordsCommand": "kafka-delete-records", "DumpLogSegments": "kafka-dump-log", "StorageTool": "kafka-storage",
	"ClusterTool": "kafka-cluster", "FeatureCommand": "kafka-features", "LogDirsCommand": "kafka-log-dirs", "MetadataQuorumCommand": "kafka-metadata-quorum",
	"TransactionsCommand": "kafka-transactions", "EndToEndLatency": "kafka-e2e-latency", "ProducerPerformance": "kafka-producer-perf-test",
	"ConsumerPerformance": "kafka-consumer-perf-test", "BrokerApiVersionsCommand": "kafka-broker-api-versions", "GroupsCommand": "kafka-groups",
	"ShareGroupCommand": "kafka-share-groups", "DelegationTokenCommand": "kafka-delegation-tokens", "LeaderElectionCommand": "kafka-leader-election",
	"ReassignPartitionsCommand": "kafka-reassign-partitions", "ClientMetricsCommand": "kafka-client-metrics", "MetadataShell": "kafka-metadata-shell",
	"VerifiableProducer": "kafka-verifiable-producer", "VerifiableConsumer": "kafka-verifiable-consumer", "StreamsGroupCommand": "kafka-streams-groups",
	"ConnectDistributed": "connect-distributed", "ConnectStandalone": "connect-standalone",
}

// runClass is kafka-run-class: scripts call Kafka's tools by their classes.
func runClass(c stockCall) int {
	args := c.args
	daemon := false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") { // options of the script, before the class
		switch args[0] {
		case "-daemon":
			daemon = true
		case "-name":
			args = args[min(1, len(args)-1):]
		}
		args = args[1:]
	}
	if len(args) == 0 {
		c.printf("USAGE: %s [-daemon] [-name servicename] [-loggc] classname [opts]\n", c.self)
		return 1
	}
	class := args[0]
	name := classes[class[strings.LastIndexByte(class, '.')+1:]]
	c.args = args[1:]
	if s, ok := findStockServer(name); ok {
		c.name = name
		if daemon {
			c.args = append([]string{"-daemon"}, c.args...)
		}
		return s.run(c)
	}
	if t, ok := tools.Lookup(name); ok {
		return runTool(c.version, t, c.args, c.stdin, c.stdout, c.stderr, c.environ)
	}
	return c.explain(fmt.Sprintf("%s is a class of Java, and there is no tool here that does the same. `gokafka help` lists those that there are.", class))
}
