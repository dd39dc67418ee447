package tools

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

// logDirsTool is kafka-log-dirs: how much of which partition lies in which directory of which broker, as JSON.
var logDirsTool = Tool{Name: "kafka-log-dirs", Summary: "show the sizes of partitions in the log directories of brokers", Run: func(ctx context.Context, env *Env, args []string) int {
	t := newLogDirs(env)
	return t.end(ctx, t.run(ctx, args))
}}

type logDirs struct {
	*command
	bootstrap, config, describe, topics, brokers *jopt.Option
}

func newLogDirs(env *Env) *logDirs {
	t := &logDirs{command: newCommand(env, "This tool helps to query log directory usage on the specified brokers.")}
	t.bootstrap = t.Accepts("bootstrap-server", "REQUIRED: the brokers to ask first.").WithRequiredArg("The server(s) to use for bootstrapping")
	t.config = t.Accepts("command-config", "Property file for the client.").WithRequiredArg("Admin client property file")
	t.describe = t.Accepts("describe", "Describe the log directories.")
	t.topics = t.Accepts("topic-list", `The topics to tell of, as "topic1,topic2"; all without it.`).WithRequiredArg("Topic list").DefaultsTo("")
	t.brokers = t.Accepts("broker-list", `The brokers to ask, as "0,1,2"; all without it.`).WithRequiredArg("Broker list").DefaultsTo("")
	return t
}

func (t *logDirs) run(ctx context.Context, args []string) error {
	if err := t.start(args); err != nil {
		return err
	}
	if err := t.requires(t.bootstrap, t.describe); err != nil {
		return err
	}
	cl, err := connect(ctx, t.Value(t.bootstrap), t.Value(t.config))
	if err != nil {
		return err
	}
	defer cl.Close()
	ids, err := t.chosen(ctx, cl)
	if err != nil {
		return err
	}
	t.env.println("Querying brokers for log directories information")
	report := dirsReport{Brokers: []brokerDirs{}, Version: 1}
	for _, id := range ids {
		b, err := t.broker(ctx, cl, id)
		if err != nil {
			return err
		}
		report.Brokers = append(report.Brokers, b)
	}
	t.env.printf("Received log directory information from brokers %s\n", joinIDs(ids))
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(report); err != nil {
		return err
	}
	t.env.printf("%s", text.String())
	return nil
}

// chosen are the brokers to ask.
func (t *logDirs) chosen(ctx context.Context, cl *kgo.Client) ([]int32, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	var existing []int32
	for _, b := range resp.Brokers {
		existing = append(existing, b.NodeID)
	}
	slices.Sort(existing)
	var asked, missing []int32
	for _, text := range parts(t.Value(t.brokers)) {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("For input string: \"%s\"", text) //nolint:staticcheck // Java's words
		}
		asked = append(asked, int32(n))
		if !slices.Contains(existing, int32(n)) {
			missing = append(missing, int32(n))
		}
	}
	slices.Sort(asked)
	slices.Sort(missing)
	switch {
	case len(missing) > 0:
		return nil, fmt.Errorf("ERROR: The given brokers do not exist from --broker-list: %s. Current existent brokers: %s", joinIDs(slices.Compact(missing)), joinIDs(existing)) //nolint:staticcheck // Kafka's words
	case len(asked) > 0:
		return slices.Compact(asked), nil
	}
	return existing, nil
}

// parts are the parts of a list that are not empty.
func parts(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ","), func(s string) bool { return s == "" })
}

func joinIDs(ids []int32) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.Itoa(int(id))
	}
	return strings.Join(texts, ",")
}

// The report, with its fields in the order of Kafka's tool.
type (
	dirsReport struct {
		Brokers []brokerDirs `json:"brokers"`
		Version int          `json:"version"`
	}
	brokerDirs struct {
		Broker  int32       `json:"broker"`
		LogDirs []dirReport `json:"logDirs"`
	}
	dirReport struct {
		Partitions []partitionReport `json:"partitions"`
		Error      *string           `json:"error"`
		LogDir     string            `json:"logDir"`
	}
	partitionReport struct {
		Partition string `json:"partition"`
		Size      int64  `json:"size"`
		OffsetLag int64  `json:"offsetLag"`
		IsFuture  bool   `json:"isFuture"`
	}
)

// broker asks one broker. Directories and partitions are sorted; Java has them in the order of its hash maps.
func (t *logDirs) broker(ctx context.Context, cl *kgo.Client, id int32) (brokerDirs, error) {
	out := brokerDirs{Broker: id, LogDirs: []dirReport{}}
	resp, err := kmsg.NewPtrDescribeLogDirsRequest().RequestWith(ctx, cl.Broker(int(id)))
	if err == nil {
		err = answered(resp.ErrorCode, nil)
	}
	if err != nil {
		return out, executionError{err}
	}
	wanted := parts(t.Value(t.topics))
	for _, d := range resp.Dirs {
		dir := dirReport{LogDir: d.Dir, Partitions: []partitionReport{}}
		if err := answered(d.ErrorCode, nil); err != nil {
			class := exceptionOf(err).class
			dir.Error = &class
		}
		slices.SortFunc(d.Topics, func(a, b kmsg.DescribeLogDirsResponseDirTopic) int { return cmp.Compare(a.Topic, b.Topic) })
		for _, topic := range d.Topics {
			if len(wanted) > 0 && !slices.Contains(wanted, topic.Topic) {
				continue
			}
			slices.SortFunc(topic.Partitions, func(a, b kmsg.DescribeLogDirsResponseDirTopicPartition) int {
				return cmp.Compare(a.Partition, b.Partition)
			})
			for _, p := range topic.Partitions {
				dir.Partitions = append(dir.Partitions, partitionReport{fmt.Sprintf("%s-%d", topic.Topic, p.Partition), p.Size, p.OffsetLag, p.IsFuture})
			}
		}
		out.LogDirs = append(out.LogDirs, dir)
	}
	slices.SortFunc(out.LogDirs, func(a, b dirReport) int { return cmp.Compare(a.LogDir, b.LogDir) })
	return out, nil
}
