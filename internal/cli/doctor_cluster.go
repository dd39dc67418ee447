package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/client"
)

// advertised tries the address that each broker advertises, and reports whether all of them work from here.
func (d *doctor) advertised(ctx context.Context, host, port string, meta kadm.Metadata) bool {
	type result struct {
		level, mend, text string
	}
	results := make([]result, len(meta.Brokers))
	var running sync.WaitGroup
	for i, b := range meta.Brokers {
		running.Go(func() {
			at := net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
			r := &results[i]
			why, err := d.reaches(ctx, b, meta.Cluster)
			switch {
			case err == nil && isLoopbackHost(b.Host) && !isLoopbackHost(host):
				*r = result{levelWarning, advertisedMend(host, port, b), fmt.Sprintf("broker %d advertises %s: that works here, where the broker runs, and leads clients on all other machines to themselves", b.NodeID, at)}
			case err == nil && isLoopbackHost(b.Host):
				*r = result{levelOK, "", fmt.Sprintf("broker %d advertises %s, which works from here (and only from this machine)", b.NodeID, at)}
			case err == nil:
				*r = result{levelOK, "", fmt.Sprintf("broker %d advertises %s, which works from here", b.NodeID, at)}
			default:
				*r = result{levelProblem, advertisedMend(host, port, b), fmt.Sprintf("broker %d advertises %s, which does not work from here: %s", b.NodeID, at, why)}
			}
		})
	}
	running.Wait()
	well := true
	for _, r := range results {
		d.add(r.level, "advertised address", r.mend, "%s", r.text)
		well = well && r.level != levelProblem
	}
	return well
}

// containerID is what a container without a name of its own is called inside.
var containerID = regexp.MustCompile(`^[0-9a-f]{12}$`)

// reaches connects to a broker by the address that it advertises, and makes sure that it is the one. why says in words what is the matter.
func (d *doctor) reaches(ctx context.Context, b kadm.BrokerDetail, clusterID string) (why string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*d.patience)
	defer cancel()
	if ip := net.ParseIP(b.Host); ip != nil && ip.IsUnspecified() {
		return "that is no address, but stands for all addresses of a machine", errors.New("unspecified address")
	}
	if _, err := d.resolve(ctx, b.Host); err != nil {
		switch {
		case containerID.MatchString(b.Host):
			return "the name is the id of a container, which nobody outside of it can resolve", err
		case !strings.Contains(b.Host, "."):
			return "this machine does not know the name; it looks like that of a container or a compose service, which is known in its network only", err
		}
		return "this machine does not know the name", err
	}
	at := net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	conn, err := d.dial(ctx, at)
	if err != nil {
		switch {
		case isLoopbackHost(b.Host):
			return d.dialError(err) + "; it leads every client to the machine that the client runs on, and the broker is on another one, or behind another port", err
		case isPrivate(b.Host):
			return d.dialError(err) + "; it is an address of a private network, which this machine does not seem to be in", err
		}
		return d.dialError(err), err
	}
	_ = conn.Close()
	config := d.config
	config.Bootstrap = at
	cl, err := client.Connect(ctx, config)
	if err != nil {
		return err.Error(), err
	}
	defer cl.Close()
	resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, cl.SeedBrokers()[0])
	switch {
	case err != nil:
		return err.Error(), err
	case resp.ClusterID != nil && *resp.ClusterID != clusterID:
		return fmt.Sprintf("a broker of another cluster answers there (%s)", *resp.ClusterID), errors.New("another cluster")
	}
	return "", nil
}

func isPrivate(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast())
}

// advertisedMend says what to write so that a client which has come by host:port gets on.
func advertisedMend(host, port string, b kadm.BrokerDetail) string {
	at := net.JoinHostPort(host, port)
	inside := b.Host
	if isLoopbackHost(inside) || containerID.MatchString(inside) || net.ParseIP(inside) != nil {
		inside = "kafka" // the name of the service
	}
	return strings.Join([]string{
		"Clients ask " + at + " once, and then go to the address that the broker advertises. In server.properties:",
		"    advertised.listeners=PLAINTEXT://" + at,
		"In a container, where clients come from outside and from other containers (service name " + inside + "):",
		"    KAFKA_LISTENERS=INTERNAL://:29092,EXTERNAL://:9092",
		"    KAFKA_ADVERTISED_LISTENERS=INTERNAL://" + inside + ":29092,EXTERNAL://" + at,
		"    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT",
		"    KAFKA_INTER_BROKER_LISTENER_NAME=INTERNAL",
		"gokafka without advertised.listeners, on all interfaces, tells each client the address that it has come by.",
	}, "\n")
}

// clockNotice is how far clocks may be apart: more, and timestamps, retention and what is read since a time go wrong.
const clockNotice = 5 * time.Second

// clocks compares this machine's clock with the controller's, which tells when it has looked at itself last: now.
func (d *doctor) clocks(ctx context.Context, adm *cluster) {
	req := kmsg.NewPtrDescribeQuorumRequest()
	rt := kmsg.NewDescribeQuorumRequestTopic()
	rt.Topic = "__cluster_metadata"
	rt.Partitions = []kmsg.DescribeQuorumRequestTopicPartition{kmsg.NewDescribeQuorumRequestTopicPartition()}
	req.Topics = append(req.Topics, rt)
	asked := time.Now()
	resp, err := req.RequestWith(ctx, adm.kgo)
	answered := time.Now()
	if err != nil || resp.ErrorCode != 0 || len(resp.Topics) == 0 || len(resp.Topics[0].Partitions) == 0 {
		return // a broker with ZooKeeper has no quorum
	}
	p := resp.Topics[0].Partitions[0]
	i := slices.IndexFunc(p.CurrentVoters, func(v kmsg.DescribeQuorumResponseTopicPartitionReplicaState) bool { return v.ReplicaID == p.LeaderID })
	if i < 0 || p.CurrentVoters[i].LastFetchTimestamp <= 0 {
		return
	}
	theirs := time.UnixMilli(p.CurrentVoters[i].LastFetchTimestamp)
	switch {
	case theirs.Before(asked.Add(-clockNotice)):
		d.add(levelWarning, "clock", "Set the clocks by NTP.", "the controller's clock is %s behind this machine's", asked.Sub(theirs).Round(time.Second))
	case theirs.After(answered.Add(clockNotice)):
		d.add(levelWarning, "clock", "Set the clocks by NTP.", "the controller's clock is %s ahead of this machine's", theirs.Sub(answered).Round(time.Second))
	default:
		d.add(levelOK, "clock", "", "the controller's clock and this machine's agree")
	}
}

// The shares of a disk that are left when it is worth a warning, and when it is as good as full.
const (
	diskNotice = 0.10
	diskFull   = 0.01
)

// disks looks at the log directories.
func (d *doctor) disks(ctx context.Context, adm *cluster) {
	brokers, err := adm.DescribeAllLogDirs(ctx, nil)
	if err != nil && len(brokers) == 0 {
		d.add(levelWarning, "disks", "", "the brokers do not tell about their disks: %s", because(err, ""))
		return
	}
	well := true
	for _, id := range sorted(brokers) {
		for _, name := range sorted(brokers[id]) {
			dir := brokers[id][name]
			left := float64(dir.UsableBytes) / float64(dir.TotalBytes)
			switch {
			case dir.Err != nil:
				well = false
				d.add(levelProblem, "disks", "Look at the disk and the broker's log; the directory is used again after a restart.", "broker %d: %s is offline: %s", id, dir.Dir, because(dir.Err, ""))
			case dir.TotalBytes <= 0:
			case left < diskNotice:
				well = false
				level := levelWarning
				if left < diskFull {
					level = levelProblem
				}
				d.add(level, "disks", "Make room, delete records (gokafka topic purge), or lower retention.ms or retention.bytes of large topics (gokafka topic list --long).",
					"broker %d: %s has %s of %s left", id, dir.Dir, byteCount(dir.UsableBytes), byteCount(dir.TotalBytes))
			}
		}
	}
	if well {
		d.add(levelOK, "disks", "", "all log directories are online and have room")
	}
}

// fewNames is how many names a line has room for.
const fewNames = 5

// partitions looks for those without a leader or with replicas that lag.
func (d *doctor) partitions(ctx context.Context, adm *cluster) {
	topics, err := adm.ListTopicsWithInternal(ctx)
	if err != nil {
		d.add(levelWarning, "partitions", "", "the broker does not list topics: %s", because(err, ""))
		return
	}
	var offline, behind []string
	all := 0
	for _, t := range topics.Sorted() {
		for _, p := range t.Partitions.Sorted() {
			all++
			name := fmt.Sprintf("%s-%d", t.Topic, p.Partition)
			switch {
			case p.Leader < 0:
				offline = append(offline, name)
			case len(p.ISR) < len(p.Replicas):
				behind = append(behind, name)
			}
		}
	}
	if len(offline) > 0 {
		d.add(levelProblem, "partitions", "Start the brokers that have their replicas, and look for log directories that are offline.",
			"%s without a leader, nothing can be written to or read from them: %s", counted(len(offline), "partition"), few(offline))
	}
	if len(behind) > 0 {
		d.add(levelWarning, "partitions", "Is a broker down, or too slow?", "%s with replicas that are not in sync: %s", counted(len(behind), "partition"), few(behind))
	}
	if len(offline)+len(behind) == 0 {
		d.add(levelOK, "partitions", "", "%s in %s, all with a leader and in sync", counted(all, "partition"), counted(len(topics), "topic"))
	}
}

func few(names []string) string {
	if len(names) > fewNames {
		return strings.Join(names[:fewNames], ", ") + fmt.Sprintf(" and %d more", len(names)-fewNames)
	}
	return strings.Join(names, ", ")
}
