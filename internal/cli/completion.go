package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completionTimeout is how long the shell waits for names; a person does not wait longer.
const completionTimeout = time.Second

// completer finds words for the shell.
type completer = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective)

// complete returns the names that the broker gives, without those that are on the command line already. When it does not answer there are none.
func (r *remote) complete(names func(ctx context.Context, adm *cluster) ([]string, error)) completer {
	return func(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(context.Background(), completionTimeout)
		defer cancel()
		adm, err := r.admin(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer adm.Close()
		all, err := names(ctx, adm)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		used := map[string]bool{}
		for _, a := range args {
			used[a] = true
		}
		var found []string
		for _, name := range all {
			if strings.HasPrefix(name, prefix) && !used[name] {
				found = append(found, name)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// topicNames completes topics.
func (r *remote) topicNames() completer {
	return r.complete(func(ctx context.Context, adm *cluster) ([]string, error) {
		topics, err := adm.ListTopics(ctx)
		return topics.Names(), err
	})
}

// groupNames completes groups.
func (r *remote) groupNames() completer {
	return r.complete(func(ctx context.Context, adm *cluster) ([]string, error) {
		groups, err := adm.ListGroups(ctx)
		return groups.Groups(), err
	})
}

// firstOnly completes the first argument only.
func firstOnly(c completer) completer {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c(cmd, args, prefix)
	}
}
