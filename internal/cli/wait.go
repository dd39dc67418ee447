package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
)

// waitInterval is the time between two looks.
const waitInterval = 200 * time.Millisecond

func newWait(environ []string) *cobra.Command {
	var topics []string
	var timeout time.Duration
	var brokers int
	cmd := &cobra.Command{
		Use:     "wait",
		Short:   "Wait until a broker serves, and topics are there",
		Long:    "Waits until a broker answers, enough brokers are there, and each of the topics exists and has a leader for every partition. Exit status 1 when that takes longer than --timeout.",
		Example: "  gokafka wait\n  gokafka wait --topics orders,payments --timeout 30s\n  gokafka wait -b kafka:9092 && ./my-service",
		Args:    noArgs,
	}
	r := newRemote(cmd, environ)
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		if _, err := r.config(); err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		began := time.Now()
		bar := newProgress(cmd.ErrOrStderr(), "waiting for "+r.servers(), 0)
		var missing error
		for {
			looked := r.look(limited, topics, brokers)
			if looked == nil {
				bar.end()
				what := ""
				if len(topics) > 0 {
					what = ", with " + strings.Join(topics, ", ")
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is ready%s (%s)\n", r.servers(), what, time.Since(began).Round(time.Millisecond))
				return nil
			}
			if limited.Err() == nil || missing == nil {
				missing = looked
			}
			bar.at(int64(time.Since(began).Seconds()))
			if pause(limited, waitInterval) != nil {
				bar.end()
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return fmt.Errorf("not ready after %s: %w", timeout, missing)
			}
		}
	})
	f := cmd.Flags()
	f.StringSliceVarP(&topics, "topics", "t", nil, "wait for these `topics`, too")
	f.DurationVar(&timeout, "timeout", time.Minute, "give up after this `time`")
	f.IntVar(&brokers, "brokers", 1, "wait for this `number` of brokers")
	_ = cmd.RegisterFlagCompletionFunc("topics", r.topicNames())
	return cmd
}

// look returns what is not ready yet.
func (r *remote) look(ctx context.Context, topics []string, brokers int) error {
	adm, err := r.admin(ctx)
	if err != nil {
		return err
	}
	defer adm.Close()
	if len(topics) == 0 { // the answer without topics is small
		meta, err := adm.BrokerMetadata(ctx)
		if err == nil && len(meta.Brokers) < brokers {
			err = fmt.Errorf("%d of %s are there", len(meta.Brokers), counted(brokers, "broker"))
		}
		return err
	}
	meta, err := adm.Metadata(ctx, topics...)
	if err != nil {
		return err
	}
	if len(meta.Brokers) < brokers {
		return fmt.Errorf("%d of %s are there", len(meta.Brokers), counted(brokers, "broker"))
	}
	for _, name := range topics {
		t, ok := meta.Topics[name]
		switch {
		case !ok, errors.Is(t.Err, kerr.UnknownTopicOrPartition):
			return fmt.Errorf("there is no topic %s", name)
		case t.Err != nil:
			return fmt.Errorf("topic %s: %s", name, because(t.Err, ""))
		}
		for _, p := range t.Partitions {
			if p.Leader < 0 || p.Err != nil {
				return fmt.Errorf("%s-%d has no leader", name, p.Partition)
			}
		}
	}
	return nil
}

// defaultHealthTimeout is below what health checks are usually given.
const defaultHealthTimeout = 2 * time.Second

func newHealth(environ []string) *cobra.Command {
	var timeout time.Duration
	var quiet bool
	cmd := &cobra.Command{
		Use:     "health",
		Short:   "Say by the exit status whether a broker serves",
		Long:    "Asks a broker for its metadata. Exit status 0 when it answers and a broker is registered, 1 when not; for HEALTHCHECK and probes.",
		Example: "  gokafka health\n  HEALTHCHECK CMD [\"gokafka\", \"health\", \"-q\"]",
		Args:    noArgs,
	}
	r := newRemote(cmd, environ)
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		began := time.Now()
		err := r.healthy(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%s does not answer within %s", r.servers(), timeout)
		}
		if err != nil {
			if quiet {
				return exitStatus(1)
			}
			return fmt.Errorf("not healthy: %w", err)
		}
		if !quiet {
			fmt.Fprintf(cmd.OutOrStdout(), "%s is healthy (%s)\n", r.servers(), time.Since(began).Round(100*time.Microsecond))
		}
		return nil
	})
	cmd.Flags().DurationVar(&timeout, "timeout", defaultHealthTimeout, "give up after this `time`")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "say nothing")
	return cmd
}

func (r *remote) healthy(ctx context.Context) error {
	adm, err := r.admin(ctx)
	if err != nil {
		return err
	}
	defer adm.Close()
	meta, err := adm.BrokerMetadata(ctx)
	if err == nil && len(meta.Brokers) == 0 {
		err = errors.New("no broker is registered")
	}
	return err
}
