package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// groupReset are the flags of group reset.
type groupReset struct {
	to     string
	topics []string
	dryRun bool
}

// movedOffset is one change that a reset makes.
type movedOffset struct {
	Group     string `json:"group"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      *int64 `json:"from"` // null: nothing was committed
	To        int64  `json:"to"`
}

func newGroupReset(r *remote) *cobra.Command {
	var g groupReset
	cmd := &cobra.Command{
		Use:   "reset GROUP… --to POSITION",
		Short: "Move groups back or forward",
		Long: "Commits other offsets for groups that have no members at the moment, for all topics that a group has committed offsets of, or for those of --topic.\n\n" +
			"POSITION is " + positionHelp + ", or +N: N on from the committed offset. Positions outside of a partition become its start or its end.",
		Example: "  gokafka group reset billing --to start --dry-run\n  gokafka group reset billing --to @2h --topic orders\n" +
			"  gokafka group reset billing --to 1000 --topic orders:0,1",
		Args: atLeast(1, "a group"), ValidArgsFunction: r.groupNames(),
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		to, err := parsePosition(g.to, time.Now())
		if err != nil {
			return usageError{fmt.Errorf("--to: %w", err)}
		}
		only, err := partitionList(g.topics)
		if err != nil {
			return err
		}
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		moves := []movedOffset{}
		failed := failures{w: cmd.ErrOrStderr()}
		bar := newProgress(cmd.ErrOrStderr(), "reset", int64(len(args)))
		for i, name := range args {
			of, err := g.reset(ctx, adm, name, to, only)
			if err != nil {
				failed.add(name, err, "")
			}
			moves = append(moves, of...)
			bar.at(int64(i + 1))
		}
		bar.end()
		if len(moves) > 0 || !failed.some {
			err := r.print(cmd.OutOrStdout(), moves, func(w io.Writer) {
				t := table{header: []string{"GROUP", "TOPIC", "PARTITION", "FROM", "TO"}}
				for _, m := range moves {
					t.add(m.Group, m.Topic, m.Partition, numberOr(m.From, "-"), m.To)
				}
				t.write(w)
			})
			if err != nil {
				return err
			}
		}
		if g.dryRun && !failed.some {
			fmt.Fprintln(cmd.ErrOrStderr(), "nothing done: --dry-run")
		}
		return failed.err()
	})
	f := cmd.Flags()
	f.StringVar(&g.to, "to", "", "the `position` to go on from")
	f.StringArrayVar(&g.topics, "topic", nil, "only this `topic`, or topic:0,1 for some of its partitions; may be repeated")
	f.BoolVar(&g.dryRun, "dry-run", false, "show what would be done, and do nothing")
	_ = cmd.MarkFlagRequired("to")
	_ = cmd.RegisterFlagCompletionFunc("topic", r.topicNames())
	r.formatFlag(cmd)
	return cmd
}

// partitionList reads topic and topic:0,1. No partitions stand for all.
func partitionList(list []string) (map[string][]int32, error) {
	only := map[string][]int32{}
	for _, text := range list {
		topic, numbers, some := strings.Cut(text, ":")
		if topic == "" {
			return nil, usageError{fmt.Errorf("--topic %s: write topic or topic:0,1", text)}
		}
		only[topic] = append([]int32{}, only[topic]...)
		if !some {
			continue
		}
		for n := range strings.SplitSeq(numbers, ",") {
			p, err := strconv.ParseInt(n, 10, 32)
			if err != nil || p < 0 {
				return nil, usageError{fmt.Errorf("--topic %s: %q is no partition", text, n)}
			}
			only[topic] = append(only[topic], int32(p))
		}
	}
	return only, nil
}

// reset moves one group and returns what it has moved, or would.
func (g *groupReset) reset(ctx context.Context, adm *cluster, name string, to position, only map[string][]int32) ([]movedOffset, error) {
	described, err := adm.DescribeGroups(ctx, name)
	if err != nil {
		return nil, err
	}
	if d := described[name]; d.Err == nil && len(d.Members) > 0 {
		return nil, fmt.Errorf("it has %s: stop them first", counted(len(d.Members), "member"))
	}
	committed, err := adm.FetchOffsets(ctx, name)
	if err != nil {
		return nil, err
	}
	topics := sorted(only)
	if len(only) == 0 {
		topics = sorted(committed)
	}
	if len(topics) == 0 {
		return nil, errors.New("it has committed nothing: give the --topic that it is to have offsets of")
	}
	starts, ends, target, err := limits(ctx, adm, topics, to)
	if err != nil {
		return nil, err
	}
	var moves []movedOffset
	offsets := kadm.Offsets{}
	for _, topic := range topics {
		if none, bad := ends[topic][-1]; bad || len(ends[topic]) == 0 { // −1 is how kadm tells of a whole topic
			return nil, fmt.Errorf("%s: %s", topic, because(cmp.Or[error](none.Err, kerr.UnknownTopicOrPartition), ""))
		}
		for _, p := range sorted(ends[topic]) {
			was, known := committed.Lookup(topic, p)
			known = known && was.Err == nil && was.At >= 0
			if !known && len(only) == 0 || len(only[topic]) > 0 && !slices.Contains(only[topic], p) {
				continue
			}
			start, end, at := starts[topic][p], ends[topic][p], target[topic][p]
			if err := errors.Join(start.Err, end.Err, at.Err); err != nil {
				return nil, fmt.Errorf("%s-%d: %s", topic, p, because(err, ""))
			}
			m := movedOffset{Group: name, Topic: topic, Partition: p}
			if known {
				m.From = &was.At
			}
			switch to.kind {
			case atStart:
				m.To = start.Offset
			case atEnd:
				m.To = end.Offset
			case atOffset:
				m.To = to.value
			case beforeEnd:
				m.To = end.Offset - to.value
			case atTime:
				m.To = at.Offset
			case forward:
				if !known {
					return nil, fmt.Errorf("%s-%d: nothing is committed that +%d could go on from", topic, p, to.value)
				}
				m.To = was.At + to.value
			}
			m.To = min(max(m.To, start.Offset), end.Offset)
			moves = append(moves, m)
			offsets.Add(kadm.Offset{Topic: topic, Partition: p, At: m.To, LeaderEpoch: -1})
		}
	}
	if g.dryRun {
		return moves, nil
	}
	err = adm.CommitAllOffsets(ctx, name, offsets)
	if errors.Is(err, kerr.UnknownMemberID) {
		err = errors.New("members have come back: stop them first")
	}
	if err != nil {
		return nil, err
	}
	return moves, nil
}

// limits asks for the starts, the ends and the wanted offsets of topics.
func limits(ctx context.Context, adm *cluster, topics []string, to position) (starts, ends, target kadm.ListedOffsets, err error) {
	if starts, err = adm.ListStartOffsets(ctx, topics...); err != nil {
		return nil, nil, nil, err
	}
	if ends, err = adm.ListEndOffsets(ctx, topics...); err != nil {
		return nil, nil, nil, err
	}
	if to.kind == atTime {
		target, err = adm.ListOffsetsAfterMilli(ctx, to.value, topics...)
	}
	return starts, ends, target, err
}
