package tools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var leaderElectionTool = Tool{
	Name:    "kafka-leader-election",
	Summary: "elect new leaders for partitions",
	Run: func(ctx context.Context, env *Env, args []string) int {
		t := newLeaderElection(env)
		return t.end(ctx, t.run(ctx, args))
	},
}

// electionTimeout is how long an election may take.
const electionTimeout = 30 * time.Second

// leaderElection is one run of kafka-leader-election.
type leaderElection struct {
	*command
	bootstrap, adminConfig, commandConfig, jsonFile, topic, partition, all, kind *jopt.Option
}

func newLeaderElection(env *Env) *leaderElection {
	c := newCommand(env, "This tool attempts to elect a new leader for a set of topic partitions. The type of elections supported are preferred replicas and unclean replicas.")
	return &leaderElection{
		command:       c,
		bootstrap:     c.Accepts("bootstrap-server", "The brokers to ask first. REQUIRED.").WithRequiredArg("host:port"),
		adminConfig:   c.Accepts("admin.config", "(DEPRECATED) The same as --command-config.").WithRequiredArg("config file"),
		commandConfig: c.Accepts("command-config", "File with properties for the client.").WithRequiredArg("Config file"),
		jsonFile: c.Accepts("path-to-json-file", "File that lists partitions:\n{\"partitions\":\n\t[{\"topic\": \"foo\", \"partition\": 1},\n\t {\"topic\": \"foobar\", \"partition\": 2}]\n}\n"+
			"Not with --all-topic-partitions or --topic.").WithRequiredArg("Path to JSON file"),
		topic:     c.Accepts("topic", "A topic. Not with --path-to-json-file or --all-topic-partitions.").WithRequiredArg("topic name"),
		partition: c.Accepts("partition", "A partition of the topic. REQUIRED with --topic.").WithRequiredArg("partition id").OfType(jopt.Integer),
		all:       c.Accepts("all-topic-partitions", "All partitions that the election is for. Not with --topic or --path-to-json-file."),
		kind: c.Accepts("election-type", "\"preferred\" makes the preferred replica the leader where another one is; \"unclean\" makes a replica the leader, at the price of records, "+
			"where there is none. REQUIRED.").WithRequiredArg("election type"),
	}
}

func (t *leaderElection) run(ctx context.Context, args []string) error {
	if err := t.start(args); err != nil {
		return err
	}
	kind, err := t.check()
	if err != nil {
		return err
	}
	var partitions []topicPartition
	switch {
	case t.Has(t.jsonFile):
		partitions, err = electionData(t.Value(t.jsonFile))
	case t.Has(t.topic):
		partitions = []topicPartition{{t.Value(t.topic), t.Int(t.partition)}}
	}
	if err != nil {
		return err
	}
	file := t.Value(t.commandConfig)
	if t.Has(t.adminConfig) {
		t.env.println("Option --admin.config has been deprecated and will be removed in a future version. Use --command-config instead.")
		file = t.Value(t.adminConfig)
	}
	cl, err := connect(ctx, t.Value(t.bootstrap), file)
	if err != nil {
		return err
	}
	defer cl.Close()
	limited, cancel := context.WithTimeout(ctx, electionTimeout)
	defer cancel()
	return t.elect(limited, cl, kind, partitions)
}

// What --election-type takes.
var electionTypes = []string{"PREFERRED", "UNCLEAN"}

// check refuses wrong command lines, and returns the type of election.
func (t *leaderElection) check() (int8, error) {
	var missing []string
	for _, o := range []*jopt.Option{t.bootstrap, t.kind} {
		if !t.Has(o) {
			missing = append(missing, o.Name())
		}
	}
	if len(missing) > 0 {
		return 0, errors.New("Missing required option(s): " + strings.Join(missing, ", ")) //nolint:staticcheck // Kafka's words
	}
	if err := t.excludes(t.adminConfig, t.commandConfig); err != nil {
		return 0, err
	}
	switch {
	case t.count(t.topic, t.all, t.jsonFile) != 1:
		return 0, errors.New("One and only one of the following options is required: topic, all-topic-partitions, path-to-json-file") //nolint:staticcheck // Kafka's words
	case t.Has(t.topic) && !t.Has(t.partition):
		return 0, errors.New("Missing required option(s): partition") //nolint:staticcheck // Kafka's words
	case !t.Has(t.topic) && t.Has(t.partition):
		return 0, errors.New("Option partition is only allowed if topic is used") //nolint:staticcheck // Kafka's words
	}
	kind := slices.Index(electionTypes, strings.ToUpper(t.Value(t.kind)))
	if kind < 0 {
		return 0, fmt.Errorf("Cannot parse argument '%s' of option election-type", t.Value(t.kind)) //nolint:staticcheck // jopt-simple's words
	}
	return int8(kind), nil
}

// electionData reads the partitions of --path-to-json-file.
func electionData(file string) ([]topicPartition, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var data struct {
		Partitions *[]struct {
			Topic     *string `json:"topic"`
			Partition *int32  `json:"partition"`
		} `json:"partitions"`
	}
	if err := json.Unmarshal(text, &data); err != nil {
		return nil, errors.New("Replica election data is empty") //nolint:staticcheck // Kafka's words
	}
	if data.Partitions == nil {
		return nil, errors.New(`Replica election data is missing "partitions" field`) //nolint:staticcheck // Kafka's words
	}
	var all, twice []topicPartition
	for _, p := range *data.Partitions {
		if p.Topic == nil || p.Partition == nil {
			return nil, fmt.Errorf("%s: each partition needs \"topic\" and \"partition\"", file)
		}
		tp := topicPartition{*p.Topic, *p.Partition}
		if slices.Contains(all, tp) && !slices.Contains(twice, tp) {
			twice = append(twice, tp)
		}
		all = append(all, tp)
	}
	if len(twice) > 0 {
		return nil, fmt.Errorf("Replica election data contains duplicate partitions: [%s]", joinPartitions(twice)) //nolint:staticcheck // Kafka's words
	}
	return all, nil
}

func joinPartitions(partitions []topicPartition) string {
	names := make([]string, len(partitions))
	for i, tp := range partitions {
		names[i] = tp.String()
	}
	return strings.Join(names, ", ")
}

// elect has leaders elected for partitions, nil for all of them, and tells how each election went.
func (t *leaderElection) elect(ctx context.Context, cl *kgo.Client, kind int8, partitions []topicPartition) error {
	req := kmsg.NewPtrElectLeadersRequest()
	req.ElectionType = kind
	req.TimeoutMillis = int32(electionTimeout.Milliseconds())
	if partitions != nil {
		topics, numbers := byTopic(partitions)
		for _, name := range topics {
			rt := kmsg.NewElectLeadersRequestTopic()
			rt.Topic, rt.Partitions = name, numbers[name]
			req.Topics = append(req.Topics, rt)
		}
	}
	resp, err := req.RequestWith(ctx, cl)
	if err == nil {
		err = answered(resp.ErrorCode, nil)
	}
	switch {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, kerr.RequestTimedOut):
		t.env.println("Timeout waiting for election results")
		return errors.New("Timeout waiting for election results") //nolint:staticcheck // Kafka's words
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		t.env.println("Not authorized to perform leader election")
		return errors.New("Not authorized to perform leader election") //nolint:staticcheck // Kafka's words
	default:
		return throwsRuntime(err)
	}
	var done, needless []topicPartition
	failed := map[topicPartition]error{}
	for _, rt := range resp.Topics {
		for _, p := range rt.Partitions {
			tp := topicPartition{rt.Topic, p.Partition}
			switch err := answered(p.ErrorCode, p.ErrorMessage); {
			case err == nil:
				done = append(done, tp)
			case errors.Is(err, kerr.ElectionNotNeeded):
				needless = append(needless, tp)
			default:
				failed[tp] = err
			}
		}
	}
	slices.SortFunc(done, topicPartition.compare)
	slices.SortFunc(needless, topicPartition.compare)
	if len(done) > 0 {
		t.env.printf("Successfully completed leader election (%s) for partitions %s\n", electionTypes[kind], joinPartitions(done))
	}
	if len(needless) > 0 {
		t.env.printf("Valid replica already elected for partitions %s\n", joinPartitions(needless))
	}
	for _, tp := range sortedPartitions(failed) {
		t.env.printf("Error completing leader election (%s) for partition: %s: %s\n", electionTypes[kind], tp, exceptionOf(failed[tp]).String())
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d replica(s) could not be elected", len(failed))
	}
	return nil
}
