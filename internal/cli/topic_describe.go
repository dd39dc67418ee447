package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicDescription is what there is to say about a topic.
type topicDescription struct {
	Name       string                 `json:"name"`
	ID         string                 `json:"id,omitempty"`
	Internal   bool                   `json:"internal"`
	Replicas   int                    `json:"replicas"`
	Configs    map[string]string      `json:"configs"`
	Partitions []partitionDescription `json:"partitions"`
}

type partitionDescription struct {
	Partition   int32   `json:"partition"`
	Leader      int32   `json:"leader"` // −1: none
	LeaderEpoch int32   `json:"leader_epoch"`
	Replicas    []int32 `json:"replicas"`
	ISR         []int32 `json:"isr"`
	Offline     []int32 `json:"offline_replicas"`
	Start       *int64  `json:"start_offset"` // null when no leader tells
	End         *int64  `json:"end_offset"`
}

func newTopicDescribe(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "describe NAME…",
		Short:             "Show partitions, their leaders, replicas and offsets, and what is configured",
		Example:           "  gokafka topic describe orders\n  gokafka topic describe orders --format yaml",
		Args:              atLeast(1, "a name"),
		ValidArgsFunction: r.topicNames(),
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		failed := failures{w: cmd.ErrOrStderr()}
		described, err := describeTopics(ctx, adm, args, &failed)
		if err != nil {
			return err
		}
		if len(described) > 0 {
			err = r.print(cmd.OutOrStdout(), described, func(w io.Writer) {
				for i, t := range described {
					if i > 0 {
						fmt.Fprintln(w)
					}
					t.write(w)
				}
			})
		}
		if err != nil {
			return err
		}
		return failed.err()
	})
	r.formatFlag(cmd)
	return cmd
}

func describeTopics(ctx context.Context, adm *cluster, names []string, failed *failures) ([]topicDescription, error) {
	found, err := adm.ListTopicsWithInternal(ctx, names...)
	if err != nil {
		return nil, err
	}
	var there []string
	for _, name := range names {
		t, ok := found[name]
		switch {
		case !ok:
			failed.add(name, kerr.UnknownTopicOrPartition, "")
		case t.Err != nil:
			failed.add(name, t.Err, "")
		default:
			there = append(there, name)
		}
	}
	if len(there) == 0 {
		return nil, nil
	}
	// What some leaders do not tell is missing in the description, which is about just that as well.
	starts, _ := adm.ListStartOffsets(ctx, there...)
	ends, _ := adm.ListEndOffsets(ctx, there...)
	configs, err := describeConfigs(ctx, adm, kmsg.ConfigResourceTypeTopic, there, nil)
	if err != nil {
		return nil, err
	}
	described := make([]topicDescription, 0, len(there))
	for _, name := range there {
		t := found[name]
		d := topicDescription{Name: name, Internal: t.IsInternal, Replicas: t.Partitions.NumReplicas(), Configs: map[string]string{}}
		if t.ID != (kadm.TopicID{}) {
			d.ID = base64.RawURLEncoding.EncodeToString(t.ID[:]) // as Kafka writes it
		}
		for _, c := range configs[name].entries {
			if c.own {
				d.Configs[c.Key] = c.text()
			}
		}
		for _, p := range t.Partitions.Sorted() {
			d.Partitions = append(d.Partitions, partitionDescription{
				Partition: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: orEmpty(p.Replicas), ISR: orEmpty(p.ISR),
				Offline: orEmpty(p.OfflineReplicas), Start: listed(starts, name, p.Partition), End: listed(ends, name, p.Partition),
			})
		}
		described = append(described, d)
	}
	return described, nil
}

func orEmpty(list []int32) []int32 {
	if list == nil {
		return []int32{}
	}
	return list
}

func listed(offsets kadm.ListedOffsets, topic string, partition int32) *int64 {
	o, ok := offsets.Lookup(topic, partition)
	if !ok || o.Err != nil {
		return nil
	}
	return &o.Offset
}

func (d topicDescription) write(w io.Writer) {
	c := coloursFor(w)
	fmt.Fprintf(w, "%s: %s, %s", c.bold(d.Name), counted(len(d.Partitions), "partition"), replicaCount(d.Replicas))
	if d.Internal {
		fmt.Fprint(w, ", internal")
	}
	if d.ID != "" {
		fmt.Fprintf(w, ", id %s", d.ID)
	}
	fmt.Fprintln(w)
	for _, key := range sorted(d.Configs) {
		fmt.Fprintf(w, "  %s=%s\n", key, d.Configs[key])
	}
	t := table{header: []string{"PARTITION", "LEADER", "REPLICAS", "ISR", "START", "END", "RECORDS"}}
	for _, p := range d.Partitions {
		leader, start, end, records := fmt.Sprint(p.Leader), "?", "?", "?"
		if p.Leader < 0 {
			leader = "none"
		}
		if p.Start != nil && p.End != nil {
			start, end, records = fmt.Sprint(*p.Start), fmt.Sprint(*p.End), fmt.Sprint(*p.End-*p.Start)
		}
		t.add(p.Partition, leader, ids(p.Replicas), ids(p.ISR), start, end, records)
	}
	t.write(w)
}
