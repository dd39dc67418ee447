package tools

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/tools/argparse"
	"github.com/gokafka/gokafka/internal/vfs"
)

// metadataQuorumTool is kafka-metadata-quorum.
var metadataQuorumTool = Tool{Name: "kafka-metadata-quorum", Summary: "show and change the quorum of the controllers", Run: runMetadataQuorum}

// quorumTool is one run of kafka-metadata-quorum.
type quorumTool struct {
	*argparse.Parser
	env *Env
	*target

	endpoints                                   endpoints
	status, replication, human, dryAdd, dryDrop *argparse.Argument
	controllerID, directoryID                   *argparse.Argument
}

func newQuorumTool(env *Env) *quorumTool {
	t := &quorumTool{Parser: argparse.New("kafka-metadata-quorum", "This tool describes kraft metadata quorum status."), env: env}
	connection := t.Exclusive().Required()
	t.endpoints.server = connection.Option("The brokers to ask first, as host:port, separated by commas.", "--bootstrap-server")
	t.endpoints.controller = connection.Option("The controllers to ask first, in the same form.", "--bootstrap-controller")
	t.endpoints.config = t.Option("Property file for the client. For add-controller it is also the file of the controller to add.", "--command-config")
	describe := t.Command("describe", "Describe the quorum")
	t.status = describe.Section("Status", "").Option("Who leads, and who votes.", "--status").As(argparse.StoreTrue)
	replication := describe.Section("Replication", "")
	t.replication = replication.Option("How far each controller has come.", "--replication").As(argparse.StoreTrue)
	t.human = replication.Option("Show how long ago rather than when.", "--human-readable").As(argparse.StoreTrue)
	add := t.Command("add-controller", "Add a controller to the quorum")
	const dryHelp = "Say what would be done, without doing it."
	t.dryAdd = add.Option(dryHelp, "--dry-run").As(argparse.StoreTrue)
	remove := t.Command("remove-controller", "Remove a controller from the quorum")
	t.controllerID = remove.Option("The id of the controller to remove.", "--controller-id", "-i").As(argparse.Integer).Required()
	t.directoryID = remove.Option("The directory ID of the controller to remove.", "--controller-directory-id", "-d").Required()
	t.dryDrop = remove.Option(dryHelp, "--dry-run").As(argparse.StoreTrue)
	return t
}

func runMetadataQuorum(ctx context.Context, env *Env, args []string) int {
	t := newQuorumTool(env)
	ns, status := env.parseArgs(t.Parser, args, 0)
	if ns == nil {
		return status
	}
	return env.finish(ctx, t.run(ctx, ns))
}

//nolint:staticcheck // the errors have Kafka's words
func (t *quorumTool) run(ctx context.Context, ns *argparse.Namespace) (err error) {
	config := ns.Value(t.endpoints.config)
	if config != "" {
		if _, err := os.Stat(config); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("Properties file %s does not exists!", config)
		}
	}
	var act func() error
	switch ns.Command() {
	case "describe":
		switch {
		case ns.Has(t.status) && ns.Has(t.replication):
			return errors.New("Only one of --status or --replication should be specified with describe sub-command")
		case ns.Has(t.replication):
			act = func() error { return t.describeReplication(ctx, ns.Has(t.human)) }
		case ns.Has(t.status) && ns.Has(t.human):
			return errors.New("The option --human-readable is only supported along with --replication")
		case ns.Has(t.status):
			act = func() error { return t.describeStatus(ctx) }
		default:
			return errors.New("One of --status or --replication must be specified with describe sub-command")
		}
	case "add-controller":
		if config == "" {
			return errors.New("You must supply the configuration file of the controller you are adding when using add-controller.")
		}
		act = func() error { return t.addController(ctx, config, ns.Has(t.dryAdd)) }
	case "remove-controller":
		id := ns.Int(t.controllerID, 0)
		if id < 0 {
			return fmt.Errorf("Invalid negative --controller-id: %d", id)
		}
		directory, err := parseUUID(ns.Value(t.directoryID))
		if err != nil {
			return fmt.Errorf("Failed to parse --controller-directory-id: %s", err)
		}
		act = func() error { return t.removeController(ctx, id, directory, ns.Has(t.dryDrop)) }
	}
	if t.target, err = t.endpoints.dial(ctx, ns); err != nil {
		return err
	}
	defer t.client.Close()
	return act()
}

// replica is how far a voter or observer has come.
type replica = kmsg.DescribeQuorumResponseTopicPartitionReplicaState

// quorum is what the leader says.
type quorum struct {
	partition kmsg.DescribeQuorumResponseTopicPartition
	nodes     []kmsg.DescribeQuorumResponseNode
	leader    replica
}

func (t *quorumTool) ask(ctx context.Context) (*quorum, error) {
	req := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = []kmsg.DescribeQuorumRequestTopicPartition{kmsg.NewDescribeQuorumRequestTopicPartition()}
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, t.target)
	if err == nil {
		err = answered(resp.ErrorCode, resp.ErrorMessage)
	}
	if err != nil {
		return nil, executionError{err}
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, errors.New("DescribeMetadataQuorum received an answer that is not about the metadata log")
	}
	q := &quorum{partition: resp.Topics[0].Partitions[0], nodes: resp.Nodes}
	if err := answered(q.partition.ErrorCode, q.partition.ErrorMessage); err != nil {
		return nil, executionError{err}
	}
	i := slices.IndexFunc(q.partition.CurrentVoters, func(r replica) bool { return r.ReplicaID == q.partition.LeaderID })
	if i < 0 {
		return nil, errors.New("there is no leader among the voters at the moment")
	}
	q.leader = q.partition.CurrentVoters[i]
	return q, nil
}

func (t *quorumTool) describeReplication(ctx context.Context, human bool) error {
	q, err := t.ask(ctx)
	if err != nil {
		return err
	}
	now := t.env.Now()
	when := func(ms int64) string {
		switch {
		case ms < 0:
			return "-1"
		case human:
			return fmt.Sprintf("%d ms ago", now.Sub(time.UnixMilli(ms)).Milliseconds())
		}
		return strconv.FormatInt(ms, 10)
	}
	var rows [][]string
	add := func(r replica, status string) {
		rows = append(rows, []string{
			strconv.Itoa(int(r.ReplicaID)), uuidString(r.ReplicaDirectoryID), strconv.FormatInt(r.LogEndOffset, 10),
			strconv.FormatInt(q.leader.LogEndOffset-r.LogEndOffset, 10), when(r.LastFetchTimestamp), when(r.LastCaughtUpTimestamp), status,
		})
	}
	add(q.leader, "Leader")
	for _, r := range q.partition.CurrentVoters {
		if r.ReplicaID != q.leader.ReplicaID {
			add(r, "Follower")
		}
	}
	for _, r := range q.partition.Observers {
		add(r, "Observer")
	}
	t.env.printTable([]string{"NodeId", "DirectoryId", "LogEndOffset", "Lag", "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status"}, rows)
	return nil
}

func (t *quorumTool) describeStatus(ctx context.Context) error {
	cluster, err := t.describeCluster(ctx, false)
	if err != nil {
		return executionError{err}
	}
	q, err := t.ask(ctx)
	if err != nil {
		return err
	}
	last := q.partition.CurrentVoters[0]
	for _, r := range q.partition.CurrentVoters {
		if r.LogEndOffset < last.LogEndOffset {
			last = r
		}
	}
	lagMs := int64(-1)
	switch {
	case last.ReplicaID == q.leader.ReplicaID:
		lagMs = 0
	case q.leader.LastCaughtUpTimestamp >= 0 && last.LastCaughtUpTimestamp >= 0:
		lagMs = q.leader.LastCaughtUpTimestamp - last.LastCaughtUpTimestamp
	}
	t.env.printf("ClusterId:              %s\nLeaderId:               %d\nLeaderEpoch:            %d\nHighWatermark:          %d\nMaxFollowerLag:         %d\n"+
		"MaxFollowerLagTimeMs:   %d\nCurrentVoters:          %s\nCurrentObservers:       %s\n",
		cluster.ClusterID, q.partition.LeaderID, q.partition.LeaderEpoch, q.partition.HighWatermark, q.leader.LogEndOffset-last.LogEndOffset, lagMs,
		q.show(q.partition.CurrentVoters), q.show(q.partition.Observers))
	return nil
}

// show lists replicas with their endpoints.
func (q *quorum) show(list []replica) string {
	texts := make([]string, len(list))
	for i, r := range list {
		directory := "null"
		if r.ReplicaDirectoryID != [16]byte{} {
			directory = strconv.Quote(uuidString(r.ReplicaDirectoryID))
		}
		text := fmt.Sprintf(`{"id": %d, "directoryId": %s`, r.ReplicaID, directory)
		var addresses []string
		for _, n := range q.nodes {
			for _, l := range n.Listeners {
				if n.NodeID == r.ReplicaID {
					addresses = append(addresses, strconv.Quote(endpoint{l.Name, l.Host, l.Port}.String()))
				}
			}
		}
		if addresses != nil {
			text += `, "endpoints": [` + strings.Join(addresses, ", ") + "]"
		}
		texts[i] = text + "}"
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// addController adds the controller whose configuration file is given.
//
//nolint:staticcheck // the errors have Kafka's words
func (t *quorumTool) addController(ctx context.Context, config string, dry bool) error {
	f, err := readServerFile(config)
	if err != nil {
		return err
	}
	if _, ok := f["node.id"]; !ok {
		return errors.New("node.id not found in configuration file. Is this a valid controller configuration file?")
	}
	id, err := f.nodeID()
	if err != nil {
		return errors.New("node.id was negative in configuration file. Is this a valid controller configuration file?")
	}
	if !f.isController() {
		return errors.New("process.roles did not contain 'controller' in configuration file. Is this a valid controller configuration file?")
	}
	if f["metadata.log.dir"] == "" && f["log.dirs"] == "" {
		return errors.New("Neither metadata.log.dir nor log.dirs were found. Is this a valid controller configuration file?")
	}
	identity, err := log.ReadIdentity(vfs.OS(), f.metadataDir())
	switch {
	case err != nil:
		return errors.New("Unable to read meta.properties from " + f.metadataDir())
	case identity.DirectoryID == [16]byte{}:
		return errors.New("No directory id found in " + f.metadataDir())
	}
	list, err := f.controllerEndpoints()
	if err != nil {
		return err
	}
	req := kmsg.NewPtrAddRaftVoterRequest()
	req.VoterID, req.VoterDirectoryID, req.TimeoutMillis = id, identity.DirectoryID, 30000
	shown := make([]string, len(list))
	for i, e := range list {
		l := kmsg.NewAddRaftVoterRequestListener()
		l.Name, l.Host, l.Port = e.name, e.host, e.port
		req.Listeners = append(req.Listeners, l)
		shown[i] = e.String()
	}
	done := "DRY RUN of adding"
	if !dry {
		resp, err := req.RequestWith(ctx, t.target)
		if err == nil {
			err = answered(resp.ErrorCode, resp.ErrorMessage)
		}
		if err != nil {
			return executionError{err}
		}
		done = "Added"
	}
	t.env.printf("%s controller %d with directory id %s and endpoints: %s\n", done, id, uuidString(identity.DirectoryID), strings.Join(shown, ", "))
	return nil
}

func (t *quorumTool) removeController(ctx context.Context, id int32, directory [16]byte, dry bool) error {
	done := "DRY RUN of removing "
	if !dry {
		req := kmsg.NewPtrRemoveRaftVoterRequest()
		req.VoterID, req.VoterDirectoryID = id, directory
		resp, err := req.RequestWith(ctx, t.target)
		if err == nil {
			err = answered(resp.ErrorCode, resp.ErrorMessage)
		}
		if err != nil {
			return executionError{err}
		}
		done = "Removed "
	}
	t.env.printf("%s KRaft controller %d with directory id %s\n", done, id, uuidString(directory))
	return nil
}
