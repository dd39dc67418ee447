package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
)

// resourceTypes are the things of a cluster that have a configuration, by the word for them.
var resourceTypes = map[string]kmsg.ConfigResourceType{
	"topic":          kmsg.ConfigResourceTypeTopic,
	"broker":         kmsg.ConfigResourceTypeBroker,
	"broker-logger":  kmsg.ConfigResourceTypeBrokerLogger,
	"client-metrics": kmsg.ConfigResourceTypeClientMetrics,
	"group":          kmsg.ConfigResourceTypeGroupConfig,
}

// everyBroker is the word for the configuration that all brokers share.
const everyBroker = "default"

// configEntry is one key of a resource.
type configEntry struct {
	Key       string  `json:"key"`
	Value     *string `json:"value"` // null: not set, or secret
	Source    string  `json:"source"`
	Sensitive bool    `json:"sensitive,omitempty"`
	ReadOnly  bool    `json:"read_only,omitempty"`

	own       bool // set on this very resource
	isDefault bool
}

func (e configEntry) text() string {
	switch {
	case e.Sensitive:
		return "(secret)"
	case e.Value == nil:
		return ""
	}
	return *e.Value
}

// describedConfigs are the keys of a resource in order of their names.
type describedConfigs struct {
	entries []configEntry
	err     error
	message string
}

// describeConfigs asks for the configurations of resources of one type, by name; keys limits it to some.
func describeConfigs(ctx context.Context, adm *cluster, kind kmsg.ConfigResourceType, names, keys []string) (map[string]describedConfigs, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, name := range names {
		res := kmsg.NewDescribeConfigsRequestResource()
		res.ResourceType, res.ResourceName, res.ConfigNames = kind, name, keys
		req.Resources = append(req.Resources, res)
	}
	resp, err := req.RequestWith(ctx, adm.kgo)
	if err != nil {
		return nil, err
	}
	all := map[string]describedConfigs{}
	for _, res := range resp.Resources {
		d := describedConfigs{err: kerr.ErrorForCode(res.ErrorCode)}
		if res.ErrorMessage != nil {
			d.message = *res.ErrorMessage
		}
		for _, c := range res.Configs {
			d.entries = append(d.entries, configEntry{
				Key: c.Name, Value: c.Value, Source: strings.ToLower(c.Source.String()), Sensitive: c.IsSensitive, ReadOnly: c.ReadOnly,
				own: ownSource(kind, c.Source), isDefault: c.Source == kmsg.ConfigSourceDefaultConfig || c.IsDefault,
			})
		}
		slices.SortFunc(d.entries, func(a, b configEntry) int { return strings.Compare(a.Key, b.Key) })
		all[res.ResourceName] = d
	}
	return all, nil
}

// ownSource reports whether a value was set on the resource itself, rather than on what it inherits from.
func ownSource(kind kmsg.ConfigResourceType, source kmsg.ConfigSource) bool {
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		return source == kmsg.ConfigSourceDynamicTopicConfig
	case kmsg.ConfigResourceTypeBroker:
		return source == kmsg.ConfigSourceDynamicBrokerConfig || source == kmsg.ConfigSourceDynamicDefaultBrokerConfig
	}
	return source != kmsg.ConfigSourceDefaultConfig
}

// configChange is one change to a resource: a value, or none to return to the default.
type configChange struct {
	key   string
	value *string
}

// configChanges reads what to set and to unset.
func configChanges(set, unset []string, flag string) ([]configChange, error) {
	values, err := pairs(set, flag)
	if err != nil {
		return nil, err
	}
	var changes []configChange
	for _, key := range sorted(values) {
		changes = append(changes, configChange{key, values[key]})
	}
	for _, key := range unset {
		if strings.Contains(key, "=") {
			return nil, usageError{fmt.Errorf("unset %s: write the key alone", key)}
		}
		if _, both := values[key]; both {
			return nil, usageError{fmt.Errorf("%s is to be set and to be unset", key)}
		}
		changes = append(changes, configChange{key: key})
	}
	return changes, nil
}

// alterConfigs makes the same changes to some resources of one type, and says so.
func alterConfigs(ctx context.Context, adm *cluster, kind kmsg.ConfigResourceType, names []string, changes []configChange, w io.Writer, failed *failures) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	for _, name := range names {
		res := kmsg.NewIncrementalAlterConfigsRequestResource()
		res.ResourceType, res.ResourceName = kind, name
		for _, c := range changes {
			rc := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			rc.Name, rc.Value, rc.Op = c.key, c.value, kmsg.IncrementalAlterConfigOpSet
			if c.value == nil {
				rc.Op = kmsg.IncrementalAlterConfigOpDelete
			}
			res.Configs = append(res.Configs, rc)
		}
		req.Resources = append(req.Resources, res)
	}
	resp, err := req.RequestWith(ctx, adm.kgo)
	if err != nil {
		return err
	}
	for _, res := range resp.Resources {
		name := resourceLabel(kind, res.ResourceName)
		if err := kerr.ErrorForCode(res.ErrorCode); err != nil {
			message := ""
			if res.ErrorMessage != nil {
				message = *res.ErrorMessage
			}
			failed.add(name, err, message)
			continue
		}
		for _, c := range changes {
			if c.value == nil {
				fmt.Fprintf(w, "%s: %s is at its default again\n", name, c.key)
			} else {
				fmt.Fprintf(w, "%s: %s=%s\n", name, c.key, *c.value)
			}
		}
	}
	return nil
}

func resourceLabel(kind kmsg.ConfigResourceType, name string) string {
	switch {
	case kind == kmsg.ConfigResourceTypeTopic:
		return name
	case kind == kmsg.ConfigResourceTypeBroker && name == "":
		return "all brokers"
	}
	return strings.ReplaceAll(strings.ToLower(kind.String()), "_", "-") + " " + name
}

const resourceHelp = "TYPE is topic, broker, broker-logger, group or client-metrics. The NAME of a broker is its id, or \"default\" for what all brokers share."

// resourceOf reads TYPE NAME.
func resourceOf(args []string) (kmsg.ConfigResourceType, string, error) {
	kind, ok := resourceTypes[strings.TrimSuffix(args[0], "s")]
	if !ok {
		if kind, ok = resourceTypes[args[0]]; !ok { // client-metrics
			return 0, "", usageError{fmt.Errorf("%q is no type: one of topic, broker, broker-logger, group, client-metrics", args[0])}
		}
	}
	name := args[1]
	if kind == kmsg.ConfigResourceTypeBroker && name == everyBroker {
		name = ""
	}
	return kind, name, nil
}

// completeResource completes TYPE NAME and then keys.
func (r *remote) completeResource(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(args) == 0:
		return sorted(resourceTypes), cobra.ShellCompDirectiveNoFileComp
	case len(args) == 1 && args[0] == "topic":
		return r.topicNames()(cmd, nil, prefix)
	case len(args) == 1 && args[0] == "group":
		return r.groupNames()(cmd, nil, prefix)
	case len(args) >= 2 && args[0] == "topic":
		return completeTopicKeys(cmd, nil, prefix)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeTopicKeys completes the keys that a topic may have.
func completeTopicKeys(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var keys []string
	for _, name := range config.TopicKeyNames() {
		if cmd.Name() == "set" || cmd.Name() == "create" || cmd.Name() == "alter" {
			name += "="
		}
		if strings.HasPrefix(name, prefix) {
			keys = append(keys, name)
		}
	}
	return keys, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func newConfigGet(r *remote) *cobra.Command {
	var everything bool
	cmd := &cobra.Command{
		Use:   "get TYPE NAME [KEY…]",
		Short: "Show the configuration of a topic, a broker, …",
		Long:  "Shows what is not at its default, or the KEYs. " + resourceHelp,
		Example: "  gokafka config get topic orders\n  gokafka config get topic orders retention.ms\n" +
			"  gokafka config get broker 1 --all --format json",
		Args: atLeast(2, "TYPE NAME"), ValidArgsFunction: r.completeResource,
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		kind, name, err := resourceOf(args)
		if err != nil {
			return err
		}
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		all, err := describeConfigs(ctx, adm, kind, []string{name}, args[2:])
		if err != nil {
			return err
		}
		d, ok := all[name]
		if !ok {
			return errors.New("the broker has not answered about it")
		}
		if d.err != nil {
			return fmt.Errorf("%s: %s", resourceLabel(kind, name), because(d.err, d.message))
		}
		shown := []configEntry{}
		for _, e := range d.entries {
			if everything || len(args) > 2 || !e.isDefault {
				shown = append(shown, e)
			}
		}
		if len(shown) < len(args)-2 {
			for _, key := range args[2:] {
				if !slices.ContainsFunc(shown, func(e configEntry) bool { return e.Key == key }) {
					return fmt.Errorf("%s has no key %s", resourceLabel(kind, name), key)
				}
			}
		}
		return r.print(cmd.OutOrStdout(), shown, func(w io.Writer) {
			t := table{header: []string{"KEY", "VALUE", "SOURCE"}}
			for _, e := range shown {
				t.add(e.Key, e.text(), e.Source)
			}
			t.write(w)
		})
	})
	cmd.Flags().BoolVar(&everything, "all", false, "defaults, too")
	r.formatFlag(cmd)
	return cmd
}

func newConfigSet(r *remote) *cobra.Command {
	return newConfigAlter(r, &cobra.Command{
		Use:     "set TYPE NAME KEY=VALUE…",
		Short:   "Set keys of a topic, a broker, …, and leave the others as they are",
		Long:    "Sets keys and leaves the others as they are. " + resourceHelp,
		Example: "  gokafka config set topic orders retention.ms=60000 cleanup.policy=delete\n  gokafka config set broker default log.retention.ms=3600000",
		Args:    atLeast(3, "TYPE NAME KEY=VALUE"), ValidArgsFunction: r.completeResource,
	}, func(args []string) ([]configChange, error) { return configChanges(args, nil, "config set") })
}

func newConfigUnset(r *remote) *cobra.Command {
	return newConfigAlter(r, &cobra.Command{
		Use:     "unset TYPE NAME KEY…",
		Short:   "Return keys to their defaults",
		Long:    "Takes away what was set on the topic, broker, …; what it inherits counts again. " + resourceHelp,
		Example: "  gokafka config unset topic orders retention.ms",
		Args:    atLeast(3, "TYPE NAME KEY"), ValidArgsFunction: r.completeResource,
	}, func(args []string) ([]configChange, error) { return configChanges(nil, args, "config unset") })
}

func newConfigAlter(r *remote, cmd *cobra.Command, read func(args []string) ([]configChange, error)) *cobra.Command {
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, args []string) error {
		kind, name, err := resourceOf(args)
		if err != nil {
			return err
		}
		changes, err := read(args[2:])
		if err != nil {
			return err
		}
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		failed := failures{w: cmd.ErrOrStderr()}
		if err := alterConfigs(ctx, adm, kind, []string{name}, changes, cmd.OutOrStdout(), &failed); err != nil {
			return err
		}
		return failed.err()
	})
	return cmd
}
