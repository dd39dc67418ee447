package tools

import (
	"context"
	"slices"
	"strings"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var groupsTool = Tool{
	Name:    "kafka-groups",
	Summary: "list groups of all types",
	Run: func(ctx context.Context, env *Env, args []string) int {
		t := newGroups(env)
		return t.end(ctx, t.run(ctx, args))
	},
}

// groups is one run of kafka-groups.
type groups struct {
	*command
	bootstrap, commandConfig, list, kind, protocol, consumer, share, streams *jopt.Option
}

func newGroups(env *Env) *groups {
	c := newCommand(env, "This tool helps to list groups of all types.")
	return &groups{
		command:       c,
		bootstrap:     c.Accepts("bootstrap-server", "REQUIRED: The brokers to ask first.").WithRequiredArg("server to connect to").Required(),
		commandConfig: c.Accepts("command-config", "File with properties for the client.").WithRequiredArg("command config property file"),
		list:          c.Accepts("list", "List the groups."),
		kind:          c.Accepts("group-type", "Only groups of a type: 'classic', 'consumer', 'share' or 'streams'.").WithRequiredArg("type"),
		protocol:      c.Accepts("protocol", "Only groups of a protocol.").WithRequiredArg("protocol"),
		consumer:      c.Accepts("consumer", "Only groups of consumers: of type 'consumer', and of type 'classic' with protocol 'consumer' or none."),
		share:         c.Accepts("share", "Only share groups."),
		streams:       c.Accepts("streams", "Only streams groups."),
	}
}

func (t *groups) run(ctx context.Context, args []string) error {
	if err := t.start(args); err != nil {
		return err
	}
	if !t.Has(t.list) {
		return usagef("Command must include exactly one action: --list.")
	}
	if kinds := []string{"classic", "consumer", "share", "streams"}; t.Has(t.kind) && !slices.Contains(kinds, strings.ToLower(t.Value(t.kind))) {
		t.env.errorf("--group-type must be a valid group type.\n")
		return errFailed
	}
	if err := firstError(
		t.excludes(t.consumer, t.kind, t.protocol, t.share, t.streams),
		t.excludes(t.share, t.consumer, t.kind, t.protocol, t.streams),
		t.excludes(t.streams, t.consumer, t.kind, t.protocol, t.share),
	); err != nil {
		return err
	}
	cl, err := connect(ctx, t.Value(t.bootstrap), t.Value(t.commandConfig))
	if err != nil {
		return err
	}
	defer cl.Close()
	all, err := listGroups(ctx, cl, groupFilter{})
	if err != nil {
		if ended(ctx, err) {
			return err
		}
		t.env.printf("Error while executing groups command : %s\n", exceptionOf(err).message)
		return errFailed
	}
	all = slices.DeleteFunc(all, func(g groupListing) bool { return !t.shows(g) })
	width := 20
	for _, g := range all {
		width = max(width, len(g.group), len(g.kind), len(g.protocol))
	}
	t.env.printf("%-*s %-*s %-*s\n", width, "GROUP", width, "TYPE", width, "PROTOCOL")
	for _, g := range all {
		t.env.printf("%-*s %-*s %-*s \n", width, g.group, width, g.kind, width, g.protocol)
	}
	return nil
}

// shows reports whether a group passes the filters.
func (t *groups) shows(g groupListing) bool {
	kind := strings.ToLower(g.kind)
	switch {
	case t.Has(t.kind):
		return kind == strings.ToLower(t.Value(t.kind)) && (!t.Has(t.protocol) || g.protocol == t.Value(t.protocol))
	case t.Has(t.protocol):
		return g.protocol == t.Value(t.protocol)
	case t.Has(t.consumer):
		return g.protocol == "consumer" || g.protocol == "" || kind == "consumer"
	case t.Has(t.share):
		return kind == "share"
	case t.Has(t.streams):
		return kind == "streams"
	}
	return true
}
