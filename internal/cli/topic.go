package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func newTopic(environ []string) *cobra.Command {
	cmd := groupCommand("topic", "List, create, describe, change, empty and delete topics", "")
	cmd.Aliases = []string{"topics"}
	r := newRemote(cmd, environ)
	cmd.AddCommand(newTopicList(r), newTopicCreate(r), newTopicDescribe(r), newTopicAlter(r), newTopicDelete(r), newTopicPurge(r))
	return cmd
}

// topicLine is a topic in a list.
type topicLine struct {
	Name       string `json:"name"`
	Partitions int    `json:"partitions"`
	Replicas   int    `json:"replicas"`
	Internal   bool   `json:"internal,omitempty"`
	Records    *int64 `json:"records,omitempty"`
	Bytes      *int64 `json:"bytes,omitempty"`
}

func newTopicList(r *remote) *cobra.Command {
	var internal, long bool
	cmd := &cobra.Command{
		Use:   "list [REGEX]",
		Short: "List topics, all or those whose names match",
		Example: "  gokafka topic list\n  gokafka topic list --long '^orders'\n" +
			"  gokafka topic list --format json -b kafka.example.com:9092",
		Aliases: []string{"ls"},
		Args:    atMost(1),
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		match, err := regexp.Compile(strings.Join(args, ""))
		if err != nil {
			return usageError{err}
		}
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		lines, err := listTopics(ctx, adm, match, internal, long)
		if err != nil {
			return err
		}
		return r.print(cmd.OutOrStdout(), lines, func(w io.Writer) { printTopics(w, lines, long) })
	})
	f := cmd.Flags()
	f.BoolVarP(&internal, "internal", "i", false, "with internal topics")
	f.BoolVarP(&long, "long", "l", false, "with numbers of records and bytes on disk")
	r.formatFlag(cmd)
	return cmd
}

func listTopics(ctx context.Context, adm *cluster, match *regexp.Regexp, internal, long bool) ([]topicLine, error) {
	topics, err := adm.ListTopicsWithInternal(ctx)
	if err != nil {
		return nil, err
	}
	lines := []topicLine{}
	var names []string
	for _, t := range topics.Sorted() {
		if t.IsInternal && !internal || !match.MatchString(t.Topic) {
			continue
		}
		lines = append(lines, topicLine{Name: t.Topic, Partitions: len(t.Partitions), Replicas: t.Partitions.NumReplicas(), Internal: t.IsInternal})
		names = append(names, t.Topic)
	}
	if !long || len(names) == 0 {
		return lines, nil
	}
	starts, err := adm.ListStartOffsets(ctx, names...)
	if err != nil {
		return nil, err
	}
	ends, err := adm.ListEndOffsets(ctx, names...)
	if err != nil {
		return nil, err
	}
	sizes := leaderBytes(ctx, adm, topics)
	for i := range lines {
		var records int64
		for p, end := range ends[lines[i].Name] {
			if start, ok := starts.Lookup(lines[i].Name, p); ok && start.Err == nil && end.Err == nil {
				records += end.Offset - start.Offset
			}
		}
		lines[i].Records = &records
		if bytes, ok := sizes[lines[i].Name]; ok {
			lines[i].Bytes = &bytes
		}
	}
	return lines, nil
}

// leaderBytes is how large the leaders' logs of topics are. A broker that does not tell is left out.
func leaderBytes(ctx context.Context, adm *cluster, topics kadm.TopicDetails) map[string]int64 {
	dirs, err := adm.DescribeAllLogDirs(ctx, nil)
	if err != nil && len(dirs) == 0 {
		return nil
	}
	sizes := map[string]int64{}
	dirs.Each(func(d kadm.DescribedLogDir) {
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			if !p.IsFuture && topics[p.Topic].Partitions[p.Partition].Leader == d.Broker {
				sizes[p.Topic] += p.Size
			}
		})
	})
	return sizes
}

func printTopics(w io.Writer, lines []topicLine, long bool) {
	t := table{header: []string{"TOPIC", "PARTITIONS", "REPLICAS"}}
	if long {
		t.header = append(t.header, "RECORDS", "SIZE")
	}
	for _, l := range lines {
		if !long {
			t.add(l.Name, l.Partitions, l.Replicas)
			continue
		}
		size := "?"
		if l.Bytes != nil {
			size = byteCount(*l.Bytes)
		}
		t.add(l.Name, l.Partitions, l.Replicas, *l.Records, size)
	}
	t.write(w)
}

func newTopicCreate(r *remote) *cobra.Command {
	var partitions int32
	var replicas int16
	var configs []string
	var ifNotExists bool
	cmd := &cobra.Command{
		Use:   "create NAME…",
		Short: "Create topics",
		Long:  "Creates topics. Partitions and replicas that are not given are the broker's num.partitions and default.replication.factor.",
		Example: "  gokafka topic create orders\n  gokafka topic create orders payments -p 3 -c retention.ms=3600000\n" +
			"  gokafka topic create prices -c cleanup.policy=compact --if-not-exists",
		Args: atLeast(1, "a name"),
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		values, err := pairs(configs, "--config")
		if err != nil {
			return err
		}
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		created, err := adm.CreateTopics(ctx, partitions, replicas, values, args...)
		if err != nil {
			return err
		}
		failed := failures{w: cmd.ErrOrStderr()}
		for _, name := range args {
			t, ok := created[name]
			switch {
			case !ok:
				failed.add(name, errors.New("the broker has not answered about it"), "")
			case errors.Is(t.Err, kerr.TopicAlreadyExists) && ifNotExists:
				fmt.Fprintf(cmd.OutOrStdout(), "%s is there already\n", name)
			case t.Err != nil:
				failed.add(name, t.Err, t.ErrMessage)
			case t.NumPartitions > 0:
				fmt.Fprintf(cmd.OutOrStdout(), "created %s: %s, %s\n", name, counted(t.NumPartitions, "partition"), replicaCount(int(t.ReplicationFactor)))
			default:
				fmt.Fprintf(cmd.OutOrStdout(), "created %s\n", name)
			}
		}
		return failed.err()
	})
	f := cmd.Flags()
	f.Int32VarP(&partitions, "partitions", "p", -1, "`number` of partitions (default the broker's)")
	f.Int16VarP(&replicas, "replicas", "r", -1, "`number` of replicas of each partition (default the broker's)")
	f.StringArrayVarP(&configs, "config", "c", nil, "set the topic's `key=value`; may be repeated")
	hideDefaults(cmd, "partitions", "replicas")
	f.BoolVar(&ifNotExists, "if-not-exists", false, "a topic that is there already is no failure")
	_ = cmd.RegisterFlagCompletionFunc("config", completeTopicKeys)
	return cmd
}

func replicaCount(n int) string {
	if n == 1 {
		return "1 replica"
	}
	return fmt.Sprintf("%d replicas", n)
}

// pairs reads key=value arguments; flag says where they come from.
func pairs(list []string, flag string) (map[string]*string, error) {
	m := make(map[string]*string, len(list))
	for _, p := range list {
		key, value, ok := strings.Cut(p, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return nil, usageError{fmt.Errorf("%s %s: write key=value", flag, p)}
		}
		m[key] = &value
	}
	return m, nil
}

func newTopicAlter(r *remote) *cobra.Command {
	var partitions int
	var configs, unset []string
	cmd := &cobra.Command{
		Use:               "alter NAME…",
		Short:             "Add partitions to topics, or change their configuration",
		Example:           "  gokafka topic alter orders -p 6\n  gokafka topic alter orders -c retention.ms=60000 --unset max.message.bytes",
		Args:              atLeast(1, "a name"),
		ValidArgsFunction: r.topicNames(),
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		if partitions == 0 && len(configs)+len(unset) == 0 {
			return usageError{errors.New("nothing to change: give --partitions, --config or --unset")}
		}
		changes, err := configChanges(configs, unset, "--config")
		if err != nil {
			return err
		}
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		failed := failures{w: cmd.ErrOrStderr()}
		if partitions != 0 {
			changed, err := adm.UpdatePartitions(ctx, partitions, args...)
			if err != nil {
				return err
			}
			for _, t := range changed.Sorted() {
				if t.Err != nil {
					failed.add(t.Topic, t.Err, t.ErrMessage)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s has %s\n", t.Topic, counted(partitions, "partition"))
			}
		}
		if len(changes) > 0 {
			if err := alterConfigs(ctx, adm, kmsg.ConfigResourceTypeTopic, args, changes, cmd.OutOrStdout(), &failed); err != nil {
				return err
			}
		}
		return failed.err()
	})
	f := cmd.Flags()
	f.IntVarP(&partitions, "partitions", "p", 0, "raise the `number` of partitions to this")
	f.StringArrayVarP(&configs, "config", "c", nil, "set the topic's `key=value`; may be repeated")
	f.StringArrayVar(&unset, "unset", nil, "return the topic's `key` to its default; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("config", completeTopicKeys)
	return cmd
}

func newTopicDelete(r *remote) *cobra.Command {
	var pattern string
	var yes, ifExists bool
	cmd := &cobra.Command{
		Use:               "delete NAME…",
		Short:             "Delete topics with all their records",
		Example:           "  gokafka topic delete orders\n  gokafka topic delete --pattern '^test-' --yes",
		Aliases:           []string{"rm"},
		ValidArgsFunction: r.topicNames(),
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		match, err := regexp.Compile(pattern)
		switch {
		case err != nil:
			return usageError{err}
		case (pattern == "") == (len(args) == 0):
			return usageError{errors.New("give names, or a --pattern")}
		}
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		if pattern != "" {
			topics, err := adm.ListTopics(ctx)
			if err != nil {
				return err
			}
			for _, name := range topics.Names() {
				if match.MatchString(name) {
					args = append(args, name)
				}
			}
			if len(args) == 0 {
				return fmt.Errorf("no topic matches %s", pattern)
			}
			if !yes {
				if err := confirm(cmd, fmt.Sprintf("Delete %s: %s?", counted(len(args), "topic"), strings.Join(args, ", "))); err != nil {
					return err
				}
			}
		}
		deleted, err := adm.DeleteTopics(ctx, args...)
		if err != nil {
			return err
		}
		failed := failures{w: cmd.ErrOrStderr()}
		for _, t := range deleted.Sorted() {
			switch {
			case errors.Is(t.Err, kerr.UnknownTopicOrPartition) && ifExists:
			case t.Err != nil:
				failed.add(t.Topic, t.Err, t.ErrMessage)
			default:
				fmt.Fprintf(cmd.OutOrStdout(), "deleted %s\n", t.Topic)
			}
		}
		return failed.err()
	})
	f := cmd.Flags()
	f.StringVar(&pattern, "pattern", "", "delete all topics whose names match the `regex`; asks first")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.BoolVar(&ifExists, "if-exists", false, "a topic that is not there is no failure")
	return cmd
}
