package tools

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var reassignPartitionsTool = Tool{
	Name:    "kafka-reassign-partitions",
	Summary: "move partitions between brokers and log directories",
	Run: func(ctx context.Context, env *Env, args []string) int {
		t := newReassign(env)
		return t.end(ctx, t.run(ctx, args))
	},
}

// reassign is one run of kafka-reassign-partitions.
type reassign struct {
	*command
	to kmsg.Requestor
	cl *kgo.Client // nil with --bootstrap-controller, which suffices for --list and --cancel of partitions

	bootstrap, controller, commandConfig, zooKeeper                       *jopt.Option
	verify, generate, execute, cancel, list                               *jopt.Option
	jsonFile, topicsFile, brokerList, disableRackAware                    *jopt.Option
	throttle, logDirThrottle, timeout, additional, preserve, keepReplicas *jopt.Option
}

func newReassign(env *Env) *reassign {
	c := newCommand(env, "This tool helps to move topic partitions between replicas.")
	t := &reassign{command: c}
	t.verify = c.Accepts("verify", "Tell how far the reassignment of --reassignment-json-file is; when it is done, take away its throttles, unless --preserve-throttles.")
	t.generate = c.Accepts("generate", "Make up a reassignment, and do not execute it.")
	t.execute = c.Accepts("execute", "Start the reassignment of --reassignment-json-file.")
	t.cancel = c.Accepts("cancel", "Cancel the reassignment of --reassignment-json-file.")
	t.list = c.Accepts("list", "List the reassignments that are under way.")
	t.bootstrap = c.Accepts("bootstrap-server", "The brokers to ask first.").WithOptionalArg("Server(s) to use for bootstrapping")
	t.commandConfig = c.Accepts("command-config", "File with properties for the client.").WithRequiredArg("Admin client property file")
	t.jsonFile = c.Accepts("reassignment-json-file", "File with a reassignment: \n{\"partitions\":\n\t[{\"topic\": \"foo\",\n\t  \"partition\": 1,\n\t  \"replicas\": [1,2,3],\n"+
		"\t  \"log_dirs\": [\"dir1\",\"dir2\",\"dir3\"]}],\n\"version\":1\n}\n\"log_dirs\" may be left out; it has as many elements as \"replicas\", paths or \"any\".").
		WithRequiredArg("manual assignment json file path")
	t.topicsFile = c.Accepts("topics-to-move-json-file", "File with topics to spread over the brokers of --broker-list: \n{\"topics\":\n\t[{\"topic\": \"foo\"},{\"topic\": \"foo1\"}],\n\"version\":1\n}").
		WithRequiredArg("topics to reassign json file path")
	t.brokerList = c.Accepts("broker-list", "The brokers to spread topics over: \"0,1,2\".").WithRequiredArg("brokerlist")
	t.controller = c.Accepts("bootstrap-controller", "The controllers to ask instead of brokers, for --cancel and --list.").WithOptionalArg("bootstrap controller to connect to")
	t.disableRackAware = c.Accepts("disable-rack-aware", "Do not heed racks.")
	t.throttle = c.Accepts("throttle", "Bytes a second that partitions may take on their way between brokers, 1 KB/s at least. With --additional the throttle of a running reassignment is changed.").
		WithRequiredArg("throttle").OfType(jopt.Long).DefaultsTo("-1")
	t.logDirThrottle = c.Accepts("replica-alter-log-dirs-throttle", "Bytes a second that replicas may take on their way between log directories of a broker, 1 KB/s at least.").
		WithRequiredArg("replicaAlterLogDirsThrottle").OfType(jopt.Long).DefaultsTo("-1")
	t.timeout = c.Accepts("timeout", "Milliseconds to wait until moves between log directories have begun.").WithRequiredArg("timeout").OfType(jopt.Long).DefaultsTo("10000")
	t.additional = c.Accepts("additional", "Start it though others are under way, or change their throttle.")
	t.preserve = c.Accepts("preserve-throttles", "Leave throttles alone.")
	t.keepReplicas = c.Accepts("disallow-replication-factor-change", "Refuse to change how many replicas a partition has.")
	t.zooKeeper = c.acceptsZooKeeper()
	return t
}

// terse is an error that the tool tells without saying that it is one.
type terse string

func (e terse) Error() string { return string(e) }

func (t *reassign) run(ctx context.Context, args []string) error {
	if err := t.start(args); err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	if t.Has(t.controller) {
		c, err := connectControllers(ctx, t.Value(t.controller), t.Value(t.commandConfig))
		if err != nil {
			return err
		}
		defer c.cl.Close()
		t.to = c
	} else {
		bootstrap := t.Value(t.bootstrap)
		if t.Has(t.zooKeeper) && !t.Has(t.bootstrap) {
			bootstrap = t.env.brokersNextTo(t.Value(t.zooKeeper))
		}
		cl, err := connect(ctx, bootstrap, t.Value(t.commandConfig))
		if err != nil {
			return err
		}
		defer cl.Close()
		t.to, t.cl = cl, cl
	}
	err := t.act(ctx)
	var short terse
	switch {
	case err == nil, ended(ctx, err):
		return err
	case errors.As(err, &short):
		t.env.println(short)
	default:
		t.env.printf("Error: %s\n", exceptionOf(err).message)
	}
	return errFailed
}

// check refuses wrong combinations of options.
func (t *reassign) check() error {
	actions := []*jopt.Option{t.generate, t.execute, t.verify, t.cancel, t.list}
	if t.count(actions...) != 1 {
		return usagef("Command must include exactly one action: --generate, --execute, --verify, --cancel, --list")
	}
	if t.Has(t.bootstrap) && t.Has(t.controller) {
		return usagef("Please don't specify both --bootstrap-server and --bootstrap-controller")
	}
	if t.count(t.bootstrap, t.controller, t.zooKeeper) == 0 {
		return usagef("Please specify either --bootstrap-server or --bootstrap-controller")
	}
	action := actions[slices.IndexFunc(actions, t.Has)]
	required := map[*jopt.Option][]*jopt.Option{
		t.verify: {t.jsonFile}, t.generate: {t.topicsFile, t.brokerList}, t.execute: {t.jsonFile}, t.cancel: {t.jsonFile},
	}[action]
	if err := t.requires(required...); err != nil {
		return err
	}
	permitted := map[*jopt.Option][]*jopt.Option{
		t.verify:   {t.preserve},
		t.generate: {t.brokerList, t.disableRackAware},
		t.execute:  {t.additional, t.throttle, t.logDirThrottle, t.timeout, t.keepReplicas},
		t.cancel:   {t.controller, t.preserve, t.timeout},
		t.list:     {t.controller},
	}[action]
	permitted = append(permitted, action, t.bootstrap, t.zooKeeper, t.commandConfig)
	for _, o := range t.InOrder() {
		if !slices.Contains(required, o) && !slices.Contains(permitted, o) {
			return usagef("Option \"%s\" can't be used with action \"%s\"", o, action)
		}
	}
	return nil
}

func (t *reassign) act(ctx context.Context) error {
	if t.Has(t.list) {
		return t.listReassignments(ctx)
	}
	file := t.jsonFile
	if t.Has(t.generate) {
		file = t.topicsFile
	}
	text, err := os.ReadFile(t.Value(file))
	if err != nil {
		return err
	}
	switch {
	case t.Has(t.generate):
		return t.generateAssignment(ctx, text)
	case t.Has(t.execute):
		return t.executeAssignment(ctx, text)
	case t.Has(t.verify):
		return t.verifyAssignment(ctx, text)
	}
	return t.cancelAssignment(ctx, text)
}

// reassignment is a partition on its way.
type reassignment struct{ replicas, adding, removing []int32 }

// reassignments are those under way.
func (t *reassign) reassignments(ctx context.Context) (map[topicPartition]reassignment, error) {
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	resp, err := req.RequestWith(ctx, t.to)
	if err == nil {
		err = answered(resp.ErrorCode, resp.ErrorMessage)
	}
	if err != nil {
		return nil, throwsExecution(err)
	}
	all := map[topicPartition]reassignment{}
	for _, rt := range resp.Topics {
		for _, p := range rt.Partitions {
			all[topicPartition{rt.Topic, p.Partition}] = reassignment{p.Replicas, p.AddingReplicas, p.RemovingReplicas}
		}
	}
	return all, nil
}

func (t *reassign) listReassignments(ctx context.Context) error {
	all, err := t.reassignments(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		t.env.println("No partition reassignments found.")
		return nil
	}
	t.env.println("Current partition reassignments:")
	for _, tp := range sortedPartitions(all) {
		r := all[tp]
		t.env.printf("%s: replicas: %s.", tp, joinNumbers(r.replicas, ","))
		if len(r.adding) > 0 {
			t.env.printf(" adding: %s.", joinNumbers(r.adding, ","))
		}
		if len(r.removing) > 0 {
			t.env.printf(" removing: %s.", joinNumbers(r.removing, ","))
		}
		t.env.println()
	}
	return nil
}

// replicasOf are the replicas of the topics' partitions.
func (t *reassign) replicasOf(ctx context.Context, topics []string) (map[topicPartition][]int32, error) {
	all := map[topicPartition][]int32{}
	if len(topics) == 0 {
		return all, nil
	}
	req := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = &name
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(ctx, t.to)
	if err != nil {
		return nil, throwsExecution(err)
	}
	const unknownTopic = 3
	for _, rt := range resp.Topics {
		if rt.ErrorCode == unknownTopic {
			message := "Topic " + *rt.Topic + " not found."
			return nil, throwsExecution(answered(unknownTopic, &message))
		}
		if err := answered(rt.ErrorCode, nil); err != nil {
			return nil, throwsExecution(err)
		}
		for _, p := range rt.Partitions {
			all[topicPartition{*rt.Topic, p.Partition}] = p.Replicas
		}
	}
	return all, nil
}

// rackedBroker is a broker with its rack, "" for none.
type rackedBroker struct {
	id   int32
	rack string
}

func (t *reassign) brokers(ctx context.Context) ([]rackedBroker, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, err := req.RequestWith(ctx, t.to)
	if err != nil {
		return nil, throwsExecution(err)
	}
	var all []rackedBroker
	for _, b := range resp.Brokers {
		r := rackedBroker{id: b.NodeID}
		if b.Rack != nil {
			r.rack = *b.Rack
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b rackedBroker) int { return int(a.id - b.id) })
	return all, nil
}

// generateAssignment prints where the topics' partitions are, and where they could be.
func (t *reassign) generateAssignment(ctx context.Context, text []byte) error {
	var wanted []int32
	for part := range strings.SplitSeq(t.Value(t.brokerList), ",") {
		id, err := strconv.ParseInt(part, 10, 32)
		if err != nil {
			return exception{"java.lang.NumberFormatException", "For input string: \"" + part + "\""}
		}
		if slices.Contains(wanted, int32(id)) {
			return errors.New("Broker list contains duplicate entries: [" + part + "]") //nolint:staticcheck // Kafka's words
		}
		wanted = append(wanted, int32(id))
	}
	topics, err := parseTopicsToMove(text)
	if err != nil {
		return err
	}
	if twice := duplicatesOf(topics); len(twice) > 0 {
		return errors.New("List of topics to reassign contains duplicate entries: [" + strings.Join(twice, ", ") + "]") //nolint:staticcheck // Kafka's words
	}
	current, err := t.replicasOf(ctx, topics)
	if err != nil {
		return err
	}
	dirs, err := t.currentDirs(ctx, current)
	if err != nil {
		return err
	}
	brokers, err := t.brokers(ctx)
	if err != nil {
		return err
	}
	brokers = slices.DeleteFunc(brokers, func(b rackedBroker) bool { return !slices.Contains(wanted, b.id) })
	if t.Has(t.disableRackAware) {
		for i := range brokers {
			brokers[i].rack = ""
		}
	}
	proposed, err := spreadPartitions(current, brokers)
	if err != nil {
		return err
	}
	t.env.printf("Current partition replica assignment\n%s\n\n", reassignmentJSON(current, dirs))
	t.env.printf("Proposed partition reassignment configuration\n%s\n", reassignmentJSON(proposed, nil))
	return nil
}
