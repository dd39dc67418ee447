package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

func newGroup(environ []string) *cobra.Command {
	cmd := groupCommand("group", "List, describe, reset and delete consumer groups", "")
	cmd.Aliases = []string{"groups"}
	r := newRemote(cmd, environ)
	cmd.AddCommand(newGroupList(r), newGroupDescribe(r), newGroupReset(r), newGroupDelete(r))
	return cmd
}

// groupLine is a group in a list.
type groupLine struct {
	Group       string `json:"group"`
	Type        string `json:"type"`
	State       string `json:"state"`
	Coordinator int32  `json:"coordinator"`
}

func newGroupList(r *remote) *cobra.Command {
	var states []string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List groups",
		Example: "  gokafka group list\n  gokafka group list --state Stable,Empty --format json",
		Aliases: []string{"ls"},
		Args:    noArgs,
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		groups, err := adm.ListGroups(ctx, states...)
		if err != nil {
			return err
		}
		lines := []groupLine{}
		for _, g := range groups.Sorted() {
			lines = append(lines, groupLine{g.Group, g.ProtocolType, g.State, g.Coordinator})
		}
		return r.print(cmd.OutOrStdout(), lines, func(w io.Writer) {
			t := table{header: []string{"GROUP", "TYPE", "STATE", "COORDINATOR"}}
			for _, l := range lines {
				t.add(l.Group, l.Type, l.State, l.Coordinator)
			}
			t.write(w)
		})
	})
	cmd.Flags().StringSliceVar(&states, "state", nil, "only groups in these `states`: Stable, Empty, …")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(
		[]string{"Stable", "Empty", "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling", "Dead"}, cobra.ShellCompDirectiveNoFileComp))
	r.formatFlag(cmd)
	return cmd
}

// groupDescription is what there is to say about a group.
type groupDescription struct {
	Group       string           `json:"group"`
	State       string           `json:"state"`
	Type        string           `json:"type"`
	Assignor    string           `json:"assignor"`
	Coordinator int32            `json:"coordinator"`
	TotalLag    int64            `json:"total_lag"`
	Members     []groupMember    `json:"members"`
	Partitions  []groupPartition `json:"partitions"`
}

type groupMember struct {
	ID         string `json:"member_id"`
	InstanceID string `json:"group_instance_id,omitempty"`
	ClientID   string `json:"client_id"`
	Host       string `json:"host"`
	Partitions int    `json:"partitions"`
}

type groupPartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    *int64 `json:"committed_offset"` // null: nothing committed
	End       *int64 `json:"end_offset"`       // null: unknown
	Lag       *int64 `json:"lag"`
	Member    string `json:"member_id,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Metadata  string `json:"metadata,omitempty"`
}

func newGroupDescribe(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "describe GROUP…",
		Short:             "Show the members of groups, what they have committed, and how far they lag behind",
		Example:           "  gokafka group describe billing\n  gokafka group describe billing --format json",
		Args:              atLeast(1, "a group"),
		ValidArgsFunction: r.groupNames(),
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		lags, err := adm.Lag(ctx, args...)
		if err != nil && len(lags) == 0 {
			return err
		}
		failed := failures{w: cmd.ErrOrStderr()}
		described := []groupDescription{}
		for _, name := range args {
			l, ok := lags[name]
			switch {
			case !ok, l.DescribeErr == nil && l.State == "Dead" && len(l.Lag) == 0, errors.Is(l.DescribeErr, kerr.GroupIDNotFound):
				failed.add(name, kerr.GroupIDNotFound, "")
			case l.Error() != nil:
				failed.add(name, l.Error(), "")
			default:
				described = append(described, describeGroup(l))
			}
		}
		if len(described) > 0 {
			err := r.print(cmd.OutOrStdout(), described, func(w io.Writer) {
				for i, d := range described {
					if i > 0 {
						fmt.Fprintln(w)
					}
					d.write(w)
				}
			})
			if err != nil {
				return err
			}
		}
		return failed.err()
	})
	r.formatFlag(cmd)
	return cmd
}

func describeGroup(l kadm.DescribedGroupLag) groupDescription {
	d := groupDescription{Group: l.Group, State: l.State, Type: l.ProtocolType, Assignor: l.Protocol, Coordinator: l.Coordinator.NodeID,
		Members: []groupMember{}, Partitions: []groupPartition{}}
	held := map[string]int{}
	for _, p := range l.Lag.Sorted() {
		gp := groupPartition{Topic: p.Topic, Partition: p.Partition, Metadata: p.Commit.Metadata}
		if p.Commit.At >= 0 {
			gp.Offset = &p.Commit.At
		}
		if p.End.Err == nil && p.End.Topic != "" {
			gp.End = &p.End.Offset
		}
		if p.Lag >= 0 {
			gp.Lag = &p.Lag
			d.TotalLag += p.Lag
		}
		if p.Member != nil {
			gp.Member, gp.ClientID = p.Member.MemberID, p.Member.ClientID
			held[p.Member.MemberID]++
		}
		d.Partitions = append(d.Partitions, gp)
	}
	for _, m := range l.Members {
		gm := groupMember{ID: m.MemberID, ClientID: m.ClientID, Host: strings.TrimPrefix(m.ClientHost, "/"), Partitions: held[m.MemberID]}
		if m.InstanceID != nil {
			gm.InstanceID = *m.InstanceID
		}
		d.Members = append(d.Members, gm)
	}
	return d
}

func (d groupDescription) write(w io.Writer) {
	c := coloursFor(w)
	fmt.Fprintf(w, "%s: %s, %s, lag %d", c.bold(d.Group), d.State, counted(len(d.Members), "member"), d.TotalLag)
	if d.Assignor != "" {
		fmt.Fprintf(w, ", assignor %s", d.Assignor)
	}
	fmt.Fprintf(w, ", coordinator %d\n", d.Coordinator)
	if len(d.Partitions) > 0 {
		t := table{header: []string{"TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "CLIENT", "MEMBER"}}
		for _, p := range d.Partitions {
			t.add(p.Topic, p.Partition, numberOr(p.Offset, "-"), numberOr(p.End, "-"), numberOr(p.Lag, "-"), dash(p.ClientID), dash(p.Member))
		}
		t.write(w)
	}
	idle := slices.DeleteFunc(slices.Clone(d.Members), func(m groupMember) bool { return m.Partitions > 0 })
	for _, m := range idle {
		fmt.Fprintf(w, "without partitions: %s (client %s, %s)\n", m.ID, m.ClientID, m.Host)
	}
}

func numberOr(n *int64, otherwise string) string {
	if n == nil {
		return otherwise
	}
	return fmt.Sprint(*n)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newGroupDelete(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "delete GROUP…",
		Short:             "Delete groups without members, with what they have committed",
		Example:           "  gokafka group delete billing",
		Aliases:           []string{"rm"},
		Args:              atLeast(1, "a group"),
		ValidArgsFunction: r.groupNames(),
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		deleted, err := adm.DeleteGroups(ctx, args...)
		if err != nil && len(deleted) == 0 {
			return err
		}
		failed := failures{w: cmd.ErrOrStderr()}
		for _, name := range args {
			if d, ok := deleted[name]; !ok {
				failed.add(name, kerr.CoordinatorNotAvailable, "")
			} else if d.Err != nil {
				failed.add(name, d.Err, "")
			} else {
				fmt.Fprintf(cmd.OutOrStdout(), "deleted %s\n", name)
			}
		}
		return failed.err()
	})
	return cmd
}
