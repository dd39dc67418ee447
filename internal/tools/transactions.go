package tools

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/argparse"
)

// transactionsTool is kafka-transactions.
var transactionsTool = Tool{Name: "kafka-transactions", Summary: "show transactions, and end those that hang", Run: runTransactions}

// transactions is one run of kafka-transactions.
type transactions struct {
	*argparse.Parser
	env *Env
	cl  *kgo.Client

	version, config, bootstrap                                                      *argparse.Argument
	duration, pattern                                                               *argparse.Argument // list
	describedID, terminatedID                                                       *argparse.Argument
	producersBroker, producersTopic, producersPartition                             *argparse.Argument
	abortTopic, abortPartition, startOffset, producerID, producerEpoch, coordinator *argparse.Argument
	hangBroker, hangTimeout, hangTopic, hangPartition                               *argparse.Argument
}

func newTransactions(env *Env) *transactions {
	t := &transactions{Parser: argparse.New("kafka-transactions.sh", "This tool shows the transactions of producers in the cluster, and finds and ends those that hang."), env: env}
	t.version = t.Version("show the version and exit", "-v", "--version")
	t.config = t.Option("property file for the client", "--command-config").Metavar("FILE")
	t.bootstrap = t.Option("the brokers to ask first, as `host:port`, separated by commas", "--bootstrap-server").Metavar("host:port").Required()
	t.Commands("commands", "COMMAND")

	list := t.Command("list", "list transactions")
	t.duration = list.Option("only transactions that have been running for longer than so many ms; all if < 0", "--duration-filter").As(argparse.Long)
	t.pattern = list.Option("only transactional ids that this regular expression matches", "--transactional-id-pattern")

	describe := t.Command("describe", "describe the state of a transactional id").Describe("Describe the state of a transactional id.")
	t.describedID = describe.Option("transactional id", "--transactional-id").Required()

	producers := t.Command("describe-producers", "describe the producers of a partition")
	t.producersBroker = producers.Option("the broker to ask rather than the leader", "--broker-id").As(argparse.Integer)
	t.producersTopic = producers.Option("topic name", "--topic").Required()
	t.producersPartition = producers.Option("partition number", "--partition").As(argparse.Integer).Required()

	abort := t.Command("abort", "abort a hanging transaction (requires administrative privileges)")
	t.abortTopic = abort.Option("topic name", "--topic").Required()
	t.abortPartition = abort.Option("partition number", "--partition").As(argparse.Integer).Required()
	t.startOffset = abort.Section("Brokers on versions 3.0 and above", "These need only the offset at which the transaction begins").
		Option("where the transaction to abort begins", "--start-offset").As(argparse.Long)
	older := abort.Section("Brokers on versions older than 3.0", "These need all of the following")
	t.producerID = older.Option("producer id", "--producer-id").As(argparse.Long)
	t.producerEpoch = older.Option("producer epoch", "--producer-epoch").As(argparse.Integer)
	t.coordinator = older.Option("coordinator epoch", "--coordinator-epoch").As(argparse.Integer)

	hanging := t.Command("find-hanging", "find hanging transactions")
	t.hangBroker = hanging.Option("the broker to search", "--broker-id").As(argparse.Integer)
	t.hangTimeout = hanging.Option("only transactions that have been open for more minutes (15)", "--max-transaction-timeout").As(argparse.Integer)
	t.hangTopic = hanging.Option("the topic to search (required if --partition is given)", "--topic")
	t.hangPartition = hanging.Option("partition number", "--partition").As(argparse.Integer)

	terminate := t.Command("forceTerminateTransaction", "Force abort an ongoing transaction on transactionalId (requires administrative privileges)").
		Describe("Force abort an ongoing transaction on transactionalId")
	t.terminatedID = terminate.Option("transactional id", "--transactionalId").Required()
	return t
}

func runTransactions(ctx context.Context, env *Env, args []string) int {
	t := newTransactions(env)
	ns, status := env.parseArgs(t.Parser, args, 1)
	switch {
	case ns == nil:
		return status
	case ns.Has(t.version):
		env.printVersion()
		return 0
	}
	return env.finish(ctx, t.run(ctx, ns))
}

// because is an error as this tool tells one: what could not be done, and why.
func because(err error, format string, args ...any) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%s: %s. Enable debug logging for additional detail.", fmt.Sprintf(format, args...), exceptionOf(err).message) //nolint:staticcheck // Kafka's words
}

func (t *transactions) run(ctx context.Context, ns *argparse.Namespace) (err error) {
	if err := t.check(ns); err != nil {
		return err
	}
	if t.cl, err = connect(ctx, ns.Value(t.bootstrap), ns.Value(t.config)); err != nil {
		return err
	}
	defer t.cl.Close()
	switch ns.Command() {
	case "list":
		return t.list(ctx, ns)
	case "describe":
		return t.describe(ctx, ns.Value(t.describedID))
	case "describe-producers":
		return t.describeProducers(ctx, ns)
	case "abort":
		return t.abort(ctx, ns)
	case "find-hanging":
		return t.findHanging(ctx, ns)
	}
	return t.terminate(ctx, ns.Value(t.terminatedID))
}

// check refuses combinations of options.
//
//nolint:staticcheck // the errors have Kafka's words
func (t *transactions) check(ns *argparse.Namespace) error {
	switch ns.Command() {
	case "abort":
		switch {
		case ns.Has(t.startOffset):
		case !ns.Has(t.producerID):
			return errors.New("The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or above) or with " +
				"--producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)")
		case !ns.Has(t.producerEpoch):
			return errors.New("Missing required argument --producer-epoch")
		case !ns.Has(t.coordinator):
			return errors.New("Missing required argument --coordinator-epoch")
		}
	case "find-hanging":
		switch {
		case !ns.Has(t.hangTopic) && !ns.Has(t.hangBroker):
			return errors.New("The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search")
		case ns.Has(t.hangPartition) && !ns.Has(t.hangTopic):
			return errors.New("The --partition argument requires --topic to be provided")
		}
	}
	return nil
}

func (t *transactions) list(ctx context.Context, ns *argparse.Namespace) error {
	req := kmsg.NewPtrListTransactionsRequest()
	req.DurationFilterMillis = ns.Int64(t.duration, -1)
	if ns.Has(t.pattern) {
		pattern := ns.Value(t.pattern)
		req.TransactionalIDPattern = &pattern
	}
	found, err := t.listed(ctx, req)
	if err != nil {
		return because(err, "Failed to list transactions")
	}
	var rows [][]string
	for _, f := range found {
		rows = append(rows, []string{f.TransactionalID, strconv.Itoa(int(f.coordinator)), strconv.FormatInt(f.ProducerID, 10), f.TransactionState})
	}
	t.env.printTable([]string{"TransactionalId", "Coordinator", "ProducerId", "TransactionState"}, rows)
	return nil
}

// listing is a transactional id at its coordinator.
type listing struct {
	kmsg.ListTransactionsResponseTransactionState
	coordinator int32
}

// listed asks every broker.
func (t *transactions) listed(ctx context.Context, req *kmsg.ListTransactionsRequest) (found []listing, err error) {
	ids, err := t.brokers(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		resp, err := req.RequestWith(ctx, t.cl.Broker(int(id)))
		if err != nil {
			return nil, err
		}
		if err := answered(resp.ErrorCode, nil); err != nil {
			return nil, exception{exceptionOf(err).class, fmt.Sprintf("ListTransactions request sent to broker %d failed with an unexpected exception", id)}
		}
		for _, s := range resp.TransactionStates {
			found = append(found, listing{s, id})
		}
	}
	return found, nil
}

func (t *transactions) brokers(ctx context.Context) ([]int32, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, err := req.RequestWith(ctx, t.cl)
	if err != nil {
		return nil, err
	}
	ids := make([]int32, len(resp.Brokers))
	for i, b := range resp.Brokers {
		ids[i] = b.NodeID
	}
	return ids, nil
}

// transactionState is what a coordinator says of a transactional id.
type transactionState struct {
	kmsg.DescribeTransactionsResponseTransactionState
	coordinator int32
}

func (s *transactionState) partitions() (all []topicPartition) {
	for _, topic := range s.Topics {
		for _, p := range topic.Partitions {
			all = append(all, topicPartition{topic.Topic, p})
		}
	}
	return all
}

// described asks the coordinator of a transactional id for its state. The error TransactionalIDNotFound is that it has none.
func (t *transactions) described(ctx context.Context, id string) (*transactionState, error) {
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{id}
	for _, shard := range t.cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return nil, shard.Err
		}
		for _, s := range shard.Resp.(*kmsg.DescribeTransactionsResponse).TransactionStates {
			return &transactionState{s, shard.Meta.NodeID}, answered(s.ErrorCode, nil)
		}
	}
	return nil, errors.New("no coordinator has answered")
}

func (t *transactions) describe(ctx context.Context, id string) error {
	s, err := t.described(ctx, id)
	if err != nil {
		if isNotFound(err) {
			err = exception{exceptionOf(err).class, "DescribeTransactions request for transactionalId `" + id + "` failed because the ID could not be found"}
		}
		return because(err, "Failed to describe transaction state of transactional-id `%s`", id)
	}
	start, duration := "None", "None"
	if s.StartTimestamp >= 0 {
		start = strconv.FormatInt(s.StartTimestamp, 10)
		duration = strconv.FormatInt(t.env.Now().UnixMilli()-s.StartTimestamp, 10)
	}
	var partitions []string
	for _, p := range s.partitions() {
		partitions = append(partitions, p.String())
	}
	t.env.printTable([]string{
		"CoordinatorId", "TransactionalId", "ProducerId", "ProducerEpoch", "TransactionState", "TransactionTimeoutMs", "CurrentTransactionStartTimeMs",
		"TransactionDurationMs", "TopicPartitions",
	}, [][]string{{
		strconv.Itoa(int(s.coordinator)), id, strconv.FormatInt(s.ProducerID, 10), strconv.Itoa(int(s.ProducerEpoch)), s.State,
		strconv.Itoa(int(s.TimeoutMillis)), start, duration, strings.Join(partitions, ","),
	}})
	return nil
}

// terminate has the coordinator abort what a transactional id has open, by beginning a new session for it.
func (t *transactions) terminate(ctx context.Context, id string) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = &id, 30000
	req.ProducerID, req.ProducerEpoch = -1, -1
	for until := t.env.Now().Add(terminatePatience); ; {
		resp, err := req.RequestWith(ctx, t.cl)
		if err == nil {
			err = answered(resp.ErrorCode, nil)
		}
		if !errors.Is(err, kerr.ConcurrentTransactions) || t.env.Now().After(until) {
			return because(err, "Failed to force terminate transactionalId `%s`", id)
		}
		select { // the coordinator is still ending the transaction
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(terminatePause):
		}
	}
}

// How long terminate waits for a transaction that is just ending, and how long between two questions.
const (
	terminatePatience = time.Minute
	terminatePause    = 100 * time.Millisecond
)
