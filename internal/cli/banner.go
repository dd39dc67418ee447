package cli

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"strings"
	"text/tabwriter"
	"time"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/node"
)

// started is what there is to say about a node that has just become ready.
type started struct {
	version   string
	nodeID    int32
	clusterID string
	logDirs   []string
	addrs     []node.Addr
	notices   config.Notices
	took      time.Duration
}

// bootstrap is the address that a client on this machine should be given.
func (s started) bootstrap() string {
	for _, a := range s.addrs {
		switch {
		case a.FromConnection:
			_, port, _ := net.SplitHostPort(a.Bound)
			return net.JoinHostPort("localhost", port)
		case a.Advertised != "":
			return a.Advertised
		}
	}
	return ""
}

// told says what the clients of a listener are told about it.
func told(a node.Addr) string {
	if a.FromConnection {
		return "the address they connect to"
	}
	return a.Advertised
}

// printBanner is for a person in front of a terminal.
func (s started) printBanner(w io.Writer) {
	fmt.Fprintf(w, "\ngokafka %s is ready (%s)\n\n", s.version, s.took.Round(time.Millisecond))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  node\t%d\tcluster %s\n", s.nodeID, s.clusterID)
	fmt.Fprintf(t, "  data\t%s\n", strings.Join(s.logDirs, ", "))
	for _, a := range s.addrs {
		fmt.Fprintf(t, "  %s\t%s\t→ clients are told %s\n", a.Listener, a.Bound, cmp.Or(told(a), "nothing"))
	}
	t.Flush()
	fmt.Fprint(w, `
  Acknowledged records survive a crash of gokafka, not a power cut; flush.messages=1 on a topic makes them survive that, too.

  try:
    kafka-console-producer.sh --bootstrap-server `+s.bootstrap()+` --topic test
    kafka-console-consumer.sh --bootstrap-server `+s.bootstrap()+` --topic test --from-beginning
`)
	if len(s.notices.FromEnv) > 0 {
		fmt.Fprintf(w, "\n  set by the environment: %s\n", strings.Join(s.notices.FromEnv, ", "))
	}
	if lines := noticeLines(s.notices); len(lines) > 0 {
		fmt.Fprintln(w, "\n  notice:")
		for _, l := range lines {
			fmt.Fprintln(w, "    "+l)
		}
	}
	fmt.Fprintln(w)
}

// printLine is for a file or a pipe.
func (s started) printLine(w io.Writer) {
	addrs := make([]string, len(s.addrs))
	for i, a := range s.addrs {
		addrs[i] = a.Listener + " " + a.Bound + " → " + cmp.Or(told(a), "not advertised")
	}
	fmt.Fprintf(w, "gokafka %s is ready (%s): node %d, cluster %s, data %s, %s\n",
		s.version, s.took.Round(time.Millisecond), s.nodeID, s.clusterID, strings.Join(s.logDirs, ","), strings.Join(addrs, ", "))
}

// logReady writes the lines that scripts, health checks and Testcontainers wait for in Kafka's log, word by word.
func (s started) logReady(log *zap.Logger) {
	log.Named("kafka.server.BrokerLifecycleManager").Info(
		fmt.Sprintf("[BrokerLifecycleManager id=%d] The broker has been unfenced. Transitioning from RECOVERY to RUNNING.", s.nodeID))
	log.Named("kafka.server.KafkaServer").Info(fmt.Sprintf("[KafkaServer id=%d] started", s.nodeID))
	log.Named("kafka.server.KafkaRaftServer").Info(fmt.Sprintf("[KafkaRaftServer nodeId=%d] Kafka Server started", s.nodeID))
}

// logNotices writes the notices to the log, for those who do not see the banner.
func (s started) logNotices(log *zap.Logger) {
	log = log.Named("config")
	if len(s.notices.FromEnv) > 0 {
		log.Info("set by the environment: " + strings.Join(s.notices.FromEnv, ", "))
	}
	for _, l := range noticeLines(s.notices) {
		log.Warn(l)
	}
}
