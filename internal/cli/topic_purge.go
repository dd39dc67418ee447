package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// purgeChunk is how many partitions one request empties, so that there is progress to show.
const purgeChunk = 50

func newTopicPurge(r *remote) *cobra.Command {
	var before string
	var partitions []int32
	var yes bool
	cmd := &cobra.Command{
		Use:   "purge NAME…",
		Short: "Delete the records of topics, and keep the topics",
		Long: "Deletes all records of topics, or those before a position: " + positionHelp + ".\n" +
			"The offsets go on from where they were. A topic that is compacted only refuses this.",
		Example: "  gokafka topic purge orders --yes\n  gokafka topic purge orders --before @24h -y\n  gokafka topic purge orders --partition 2 --before 1000",
		Args:    atLeast(1, "a name"), ValidArgsFunction: r.topicNames(),
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		until, err := parsePosition(before, time.Now())
		if err != nil || until.kind == forward {
			return usageError{fmt.Errorf("--before %s: write %s", before, positionHelp)}
		}
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		p := purge{adm: adm, failed: failures{w: cmd.ErrOrStderr()}}
		if err := p.plan(ctx, args, partitions, until); err != nil {
			return err
		}
		if len(p.todo) > 0 && !yes {
			if err := confirm(cmd, fmt.Sprintf("Delete %s of %s?", counted(p.records, "record"), strings.Join(args, ", "))); err != nil {
				return err
			}
		}
		if err := p.run(ctx, newProgress(cmd.ErrOrStderr(), "purge", int64(len(p.todo)))); err != nil {
			return err
		}
		for _, name := range sorted(p.deleted) {
			if p.failed.some && p.deleted[name] == 0 {
				continue
			}
			fmt.Fprintf(cmd.OutOrStdout(), "purged %s: %s deleted\n", name, counted(p.deleted[name], "record"))
		}
		return p.failed.err()
	})
	f := cmd.Flags()
	f.StringVar(&before, "before", "end", "delete the records before this `position`")
	f.Int32SliceVar(&partitions, "partition", nil, "of these `partitions` only")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// purge deletes records of some partitions.
type purge struct {
	adm     *cluster
	failed  failures
	starts  kadm.ListedOffsets
	todo    []kadm.Offset
	records int64 // what the plan deletes
	deleted map[string]int64
}

// plan finds the partitions that have something to delete.
func (p *purge) plan(ctx context.Context, names []string, partitions []int32, until position) error {
	topics, err := p.adm.ListTopicsWithInternal(ctx, names...)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		if t, ok := topics[name]; !ok || t.Err != nil {
			p.failed.add(name, kerr.UnknownTopicOrPartition, "")
			return true
		}
		return false
	})
	if len(names) == 0 {
		return nil
	}
	if p.starts, err = p.adm.ListStartOffsets(ctx, names...); err != nil {
		return err
	}
	ends, err := p.adm.ListEndOffsets(ctx, names...)
	if err != nil {
		return err
	}
	target := ends
	if until.kind == atTime {
		if target, err = p.adm.ListOffsetsAfterMilli(ctx, until.value, names...); err != nil {
			return err
		}
	}
	p.deleted = map[string]int64{}
	for _, name := range names {
		p.deleted[name] = 0
		for _, id := range sorted(topics[name].Partitions) {
			if len(partitions) > 0 && !slices.Contains(partitions, id) {
				continue
			}
			start, _ := p.starts.Lookup(name, id)
			end, _ := ends.Lookup(name, id)
			at, ok := target.Lookup(name, id)
			if err := errors.Join(start.Err, end.Err, at.Err); err != nil || !ok {
				p.failed.add(fmt.Sprintf("%s-%d", name, id), cmp.Or[error](err, kerr.LeaderNotAvailable), "")
				continue
			}
			offset := at.Offset
			switch until.kind {
			case atStart:
				offset = start.Offset
			case atOffset:
				offset = min(until.value, end.Offset)
			case beforeEnd:
				offset = end.Offset - until.value
			}
			if offset > start.Offset {
				p.todo = append(p.todo, kadm.Offset{Topic: name, Partition: id, At: offset})
				p.records += offset - start.Offset
			}
		}
	}
	return nil
}

// run deletes what was planned.
func (p *purge) run(ctx context.Context, bar *progress) error {
	defer bar.end()
	done := int64(0)
	for chunk := range slices.Chunk(p.todo, purgeChunk) {
		offsets := kadm.Offsets{}
		for _, o := range chunk {
			offsets.Add(o)
		}
		answers, err := p.adm.DeleteRecords(ctx, offsets)
		if err != nil && len(answers) == 0 {
			return err
		}
		for _, o := range chunk {
			a, ok := answers.Lookup(o.Topic, o.Partition)
			if !ok || a.Err != nil {
				p.failed.add(fmt.Sprintf("%s-%d", o.Topic, o.Partition), purgeError(a.Err), "")
				continue
			}
			start, _ := p.starts.Lookup(o.Topic, o.Partition)
			p.deleted[o.Topic] += a.LowWatermark - start.Offset
		}
		done += int64(len(chunk))
		bar.at(done)
	}
	return nil
}

func purgeError(err error) error {
	switch {
	case errors.Is(err, kerr.PolicyViolation):
		return errors.New("it is compacted only, so that records go when newer ones have their keys: write records without value, or add delete to its cleanup.policy")
	case err == nil:
		return kerr.LeaderNotAvailable
	}
	return err
}
