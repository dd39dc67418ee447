package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func newACL(environ []string) *cobra.Command {
	cmd := groupCommand("acl", "List, add and remove access rules", "")
	cmd.Aliases = []string{"acls"}
	r := newRemote(cmd, environ)
	cmd.AddCommand(newACLList(r), newACLAdd(r), newACLRemove(r))
	return cmd
}

// aclFlags are what an access rule is made of, and what it is looked for by.
type aclFlags struct {
	principals []string
	hosts      []string
	operations []string
	deny       bool
	prefixed   bool
	topics     []string
	groups     []string
	txnIDs     []string
	cluster    bool
}

func (a *aclFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&a.principals, "principal", nil, "`who`: User:alice, or User:* for everybody; may be repeated")
	f.StringSliceVar(&a.hosts, "host", nil, "from this `address`, * for any; may be repeated")
	f.StringSliceVar(&a.operations, "operation", nil, "`what`: all, read, write, create, delete, alter, describe, cluster_action, describe_configs, alter_configs, idempotent_write, …")
	f.BoolVar(&a.deny, "deny", false, "the rule forbids")
	f.BoolVar(&a.prefixed, "prefixed", false, "the names are beginnings of names")
	f.StringSliceVar(&a.topics, "topic", nil, "a `name`, or * for all; may be repeated")
	f.StringSliceVar(&a.groups, "group", nil, "a consumer group's `name`, or * for all; may be repeated")
	f.StringSliceVar(&a.txnIDs, "transactional-id", nil, "a `name`, or * for all; may be repeated")
	f.BoolVar(&a.cluster, "cluster", false, "the cluster")
}

// aclResource is a thing that rules are about.
type aclResource struct {
	kind kmsg.ACLResourceType
	name string
}

func (a *aclFlags) resources() []aclResource {
	var list []aclResource
	for kind, names := range map[kmsg.ACLResourceType][]string{
		kmsg.ACLResourceTypeTopic: a.topics, kmsg.ACLResourceTypeGroup: a.groups, kmsg.ACLResourceTypeTransactionalId: a.txnIDs,
	} {
		for _, name := range names {
			list = append(list, aclResource{kind, name})
		}
	}
	if a.cluster {
		list = append(list, aclResource{kmsg.ACLResourceTypeCluster, "kafka-cluster"})
	}
	slices.SortFunc(list, func(x, y aclResource) int {
		return strings.Compare(x.kind.String()+x.name, y.kind.String()+y.name)
	})
	return list
}

func (a *aclFlags) ops() ([]kmsg.ACLOperation, error) {
	var ops []kmsg.ACLOperation
	for _, name := range a.operations {
		op, err := kmsg.ParseACLOperation(name)
		if err != nil {
			return nil, usageError{fmt.Errorf("--operation %s: there is no such operation", name)}
		}
		ops = append(ops, op)
	}
	return ops, nil
}

func (a *aclFlags) pattern() kmsg.ACLResourcePatternType {
	if a.prefixed {
		return kmsg.ACLResourcePatternTypePrefixed
	}
	return kmsg.ACLResourcePatternTypeLiteral
}

// aclRule is a rule as lists show it.
type aclRule struct {
	Principal  string `json:"principal"`
	Permission string `json:"permission"`
	Operation  string `json:"operation"`
	Resource   string `json:"resource"`
	Name       string `json:"name"`
	Pattern    string `json:"pattern"`
	Host       string `json:"host"`
}

func printRules(w io.Writer, rules []aclRule) {
	t := table{header: []string{"PRINCIPAL", "PERMISSION", "OPERATION", "RESOURCE", "NAME", "PATTERN", "HOST"}}
	for _, r := range rules {
		t.add(r.Principal, r.Permission, r.Operation, r.Resource, r.Name, r.Pattern, r.Host)
	}
	t.write(w)
}

func newACLList(r *remote) *cobra.Command {
	var a aclFlags
	cmd := &cobra.Command{
		Use: "list", Short: "List access rules, all or those that match the flags", Aliases: []string{"ls"}, Args: noArgs,
		Example: "  gokafka acl list\n  gokafka acl list --principal User:alice\n  gokafka acl list --topic orders --format json",
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		filters, err := a.filters()
		if err != nil {
			return err
		}
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		rules := []aclRule{}
		for _, f := range filters {
			of, err := f.describe(ctx, adm)
			if err != nil {
				return err
			}
			for _, rule := range of {
				if !slices.Contains(rules, rule) {
					rules = append(rules, rule)
				}
			}
		}
		slices.SortFunc(rules, func(x, y aclRule) int {
			return cmp.Or(cmp.Compare(x.Principal, y.Principal), cmp.Compare(x.Resource, y.Resource), cmp.Compare(x.Name, y.Name),
				cmp.Compare(x.Pattern, y.Pattern), cmp.Compare(x.Operation, y.Operation), cmp.Compare(x.Permission, y.Permission), cmp.Compare(x.Host, y.Host))
		})
		return r.print(cmd.OutOrStdout(), rules, func(w io.Writer) { printRules(w, rules) })
	})
	a.bind(cmd)
	r.formatFlag(cmd)
	return cmd
}

// aclFilter finds rules.
type aclFilter struct{ kmsg.DeleteACLsRequestFilter }

// filters are one for each combination of the flags' values; a flag that is not there matches everything.
func (a *aclFlags) filters() ([]aclFilter, error) {
	ops, err := a.ops()
	if err != nil {
		return nil, err
	}
	if len(ops) == 0 {
		ops = []kmsg.ACLOperation{kmsg.ACLOperationAny}
	}
	resources := a.resources()
	var pattern kmsg.ACLResourcePatternType
	switch {
	case a.prefixed:
		pattern = kmsg.ACLResourcePatternTypePrefixed
	default:
		pattern = kmsg.ACLResourcePatternTypeAny
	}
	if len(resources) == 0 {
		resources = []aclResource{{kmsg.ACLResourceTypeAny, ""}}
	}
	orAny := func(list []string) []*string {
		if len(list) == 0 {
			return []*string{nil}
		}
		out := make([]*string, len(list))
		for i := range list {
			out[i] = &list[i]
		}
		return out
	}
	permission := kmsg.ACLPermissionTypeAny
	if a.deny {
		permission = kmsg.ACLPermissionTypeDeny
	}
	var filters []aclFilter
	for _, res := range resources {
		for _, principal := range orAny(a.principals) {
			for _, host := range orAny(a.hosts) {
				for _, op := range ops {
					f := kmsg.NewDeleteACLsRequestFilter()
					f.ResourceType, f.ResourcePatternType, f.Principal, f.Host, f.Operation, f.PermissionType = res.kind, pattern, principal, host, op, permission
					if res.name != "" {
						f.ResourceName = &res.name
					}
					filters = append(filters, aclFilter{f})
				}
			}
		}
	}
	return filters, nil
}

func (f aclFilter) describe(ctx context.Context, adm *cluster) ([]aclRule, error) {
	req := kmsg.NewPtrDescribeACLsRequest()
	req.ResourceType, req.ResourceName, req.ResourcePatternType = f.ResourceType, f.ResourceName, f.ResourcePatternType
	req.Principal, req.Host, req.Operation, req.PermissionType = f.Principal, f.Host, f.Operation, f.PermissionType
	resp, err := req.RequestWith(ctx, adm.kgo)
	if err != nil {
		return nil, aclSupport(err)
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, errors.New(because(err, orBlank(resp.ErrorMessage)))
	}
	var rules []aclRule
	for _, res := range resp.Resources {
		for _, acl := range res.ACLs {
			rules = append(rules, aclRule{
				Principal: acl.Principal, Permission: word(acl.PermissionType), Operation: word(acl.Operation),
				Resource: word(res.ResourceType), Name: res.ResourceName, Pattern: word(res.ResourcePatternType), Host: acl.Host,
			})
		}
	}
	return rules, nil
}

// aclSupport is what to say when a broker does not know the requests.
func aclSupport(err error) error {
	if strings.Contains(err.Error(), "broker is too old") || strings.Contains(err.Error(), "does not support") {
		return errors.New("this broker has no access rules")
	}
	return err
}

func word(s fmt.Stringer) string { return strings.ToLower(s.String()) }

func orBlank(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func newACLAdd(r *remote) *cobra.Command {
	var a aclFlags
	cmd := &cobra.Command{
		Use: "add", Short: "Add access rules", Args: noArgs,
		Long: "Adds a rule for each combination of principals, operations, resources and hosts (any host when none is given).",
		Example: "  gokafka acl add --principal User:alice --operation read,describe --topic orders --group billing\n" +
			"  gokafka acl add --principal User:shop --operation write --topic shop- --prefixed\n  gokafka acl add --principal User:mallory --operation all --topic '*' --deny",
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		ops, err := a.ops()
		if err != nil {
			return err
		}
		resources := a.resources()
		if len(a.principals) == 0 || len(ops) == 0 || len(resources) == 0 {
			return usageError{errors.New("a rule needs --principal, --operation, and what it is about: --topic, --group, --transactional-id or --cluster")}
		}
		if len(a.hosts) == 0 {
			a.hosts = []string{"*"}
		}
		permission := kmsg.ACLPermissionTypeAllow
		if a.deny {
			permission = kmsg.ACLPermissionTypeDeny
		}
		req := kmsg.NewPtrCreateACLsRequest()
		for _, res := range resources {
			for _, principal := range a.principals {
				for _, host := range a.hosts {
					for _, op := range ops {
						c := kmsg.NewCreateACLsRequestCreation()
						c.ResourceType, c.ResourceName, c.ResourcePatternType = res.kind, res.name, a.pattern()
						c.Principal, c.Host, c.Operation, c.PermissionType = principal, host, op, permission
						req.Creations = append(req.Creations, c)
					}
				}
			}
		}
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		resp, err := req.RequestWith(ctx, adm.kgo)
		if err != nil {
			return aclSupport(err)
		}
		failed := failures{w: cmd.ErrOrStderr()}
		for i, result := range resp.Results {
			c := req.Creations[i]
			rule := fmt.Sprintf("%s %s %s %s %s", c.Principal, word(c.PermissionType), word(c.Operation), word(c.ResourceType), c.ResourceName)
			if err := kerr.ErrorForCode(result.ErrorCode); err != nil {
				failed.add(rule, err, orBlank(result.ErrorMessage))
				continue
			}
			fmt.Fprintln(cmd.OutOrStdout(), "added", rule)
		}
		return failed.err()
	})
	a.bind(cmd)
	return cmd
}

func newACLRemove(r *remote) *cobra.Command {
	var a aclFlags
	var yes bool
	cmd := &cobra.Command{
		Use: "remove", Short: "Remove the access rules that match the flags", Aliases: []string{"rm", "delete"}, Args: noArgs,
		Example: "  gokafka acl remove --principal User:alice --yes\n  gokafka acl remove --topic orders --operation write",
	}
	cmd.RunE = r.run(func(ctx context.Context, cmd *cobra.Command, _ []string) error {
		filters, err := a.filters()
		if err != nil {
			return err
		}
		adm, err := r.admin(ctx)
		if err != nil {
			return err
		}
		defer adm.Close()
		var rules []aclRule
		for _, f := range filters {
			of, err := f.describe(ctx, adm)
			if err != nil {
				return err
			}
			rules = append(rules, of...)
		}
		if len(rules) == 0 {
			return errors.New("no rule matches")
		}
		if !yes {
			printRules(cmd.ErrOrStderr(), rules)
			if err := confirm(cmd, fmt.Sprintf("Remove %s?", counted(len(rules), "rule"))); err != nil {
				return err
			}
		}
		req := kmsg.NewPtrDeleteACLsRequest()
		for _, f := range filters {
			req.Filters = append(req.Filters, f.DeleteACLsRequestFilter)
		}
		resp, err := req.RequestWith(ctx, adm.kgo)
		if err != nil {
			return aclSupport(err)
		}
		failed := failures{w: cmd.ErrOrStderr()}
		for _, result := range resp.Results {
			if err := kerr.ErrorForCode(result.ErrorCode); err != nil {
				failed.add("remove", err, orBlank(result.ErrorMessage))
			}
			for _, m := range result.MatchingACLs {
				rule := fmt.Sprintf("%s %s %s %s %s", m.Principal, word(m.PermissionType), word(m.Operation), word(m.ResourceType), m.ResourceName)
				if err := kerr.ErrorForCode(m.ErrorCode); err != nil {
					failed.add(rule, err, orBlank(m.ErrorMessage))
					continue
				}
				fmt.Fprintln(cmd.OutOrStdout(), "removed", rule)
			}
		}
		return failed.err()
	})
	a.bind(cmd)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
