package tools

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var aclsTool = Tool{
	Name:    "kafka-acls",
	Summary: "add, remove and list access control lists",
	Run: func(ctx context.Context, env *Env, args []string) int {
		t := newACLs(env)
		return t.end(ctx, t.run(ctx, args))
	},
}

// acls is one run of kafka-acls.
type acls struct {
	*command
	to kmsg.Requestor

	bootstrap, controller, commandConfig, authorizer                             *jopt.Option
	add, remove, list, force                                                     *jopt.Option
	topic, cluster, group, transactionalID, token, user, pattern                 *jopt.Option
	operation, allowPrincipal, denyPrincipal, listPrincipal, allowHost, denyHost *jopt.Option
	producer, consumer, idempotent                                               *jopt.Option
}

func newACLs(env *Env) *acls {
	c := newCommand(env, "This tool helps to manage acls on kafka.")
	t := &acls{command: c}
	t.bootstrap = c.Accepts("bootstrap-server", "The brokers to ask first: host1:port1,host2:port2").WithRequiredArg("server to connect to")
	t.controller = c.Accepts("bootstrap-controller", "The controllers to ask instead of brokers.").WithRequiredArg("controller to connect to")
	t.commandConfig = c.Accepts("command-config", "File with properties for the client.").WithOptionalArg("command-config")
	t.topic = c.Accepts("topic", "Topic that the ACLs are for; '*' is all.").WithRequiredArg("topic")
	t.cluster = c.Accepts("cluster", "The ACLs are for the cluster.")
	t.group = c.Accepts("group", "Group that the ACLs are for; '*' is all.").WithRequiredArg("group")
	t.transactionalID = c.Accepts("transactional-id", "Transactional id that the ACLs are for; '*' is all.").WithRequiredArg("transactional-id")
	t.idempotent = c.Accepts("idempotent", "With --producer: it may be idempotent. With a transactional id it may anyway.")
	t.token = c.Accepts("delegation-token", "Delegation token that the ACLs are for; '*' is all.").WithRequiredArg("delegation-token")
	t.pattern = c.Accepts("resource-pattern-type", "What the names of resources are: 'literal' or 'prefixed'. When listing or removing also 'any', for every pattern of that name, "+
		"or 'match', for every pattern that the name falls under; take care with --remove.").WithRequiredArg("ANY|MATCH|LITERAL|PREFIXED").DefaultsTo("LITERAL")
	t.add = c.Accepts("add", "Add ACLs.")
	t.remove = c.Accepts("remove", "Remove ACLs.")
	t.list = c.Accepts("list", "List ACLs: all, or those of a resource named by --topic, --group, --cluster …")
	var names []string
	for op := kmsg.ACLOperationRead; op <= kmsg.ACLOperationDescribeTokens; op++ {
		names = append(names, "\t"+pascalCase(aclOperationName(op)))
	}
	slices.Sort(names)
	t.operation = c.Accepts("operation", "Operation that is allowed or denied: \n"+strings.Join(names, "\n")).WithRequiredArg("").DefaultsTo("All")
	t.allowPrincipal = c.Accepts("allow-principal", "Principal to allow it to, as type:name. User:'*' is everybody.").WithRequiredArg("allow-principal")
	t.denyPrincipal = c.Accepts("deny-principal", "Principal to deny it to, as type:name. Whoever is not allowed something is denied it; this takes it back from some of many, and wins over what allows it.").
		WithRequiredArg("deny-principal")
	t.listPrincipal = c.Accepts("principal", "With --list: only ACLs of the principal, as type:name. May be given again.").WithOptionalArg("principal")
	t.allowHost = c.Accepts("allow-host", "Host from which the principals of --allow-principal come; '*' unless given.").WithRequiredArg("allow-host")
	t.denyHost = c.Accepts("deny-host", "Host from which the principals of --deny-principal come; '*' unless given.").WithRequiredArg("deny-host")
	t.producer = c.Accepts("producer", "What a producer needs: WRITE, DESCRIBE and CREATE on the topic.")
	t.consumer = c.Accepts("consumer", "What a consumer needs: READ and DESCRIBE on the topic, READ on the group.")
	t.force = c.Accepts("force", "Do not ask before removing.")
	t.user = c.Accepts("user-principal", "User that the ACLs are for, such as who may CreateTokens for it.").WithRequiredArg("user-principal")
	c.Accepts("authorizer", "Kafka 2 had several.").WithRequiredArg("").Hidden()
	t.authorizer = c.Accepts("authorizer-properties", "Kafka 2 had ZooKeeper's address in them.").WithRequiredArg("").Hidden()
	return t
}

func (t *acls) run(ctx context.Context, args []string) error {
	if err := firstError(t.start(args)); err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	if t.Has(t.controller) {
		c, err := connectControllers(ctx, t.Value(t.controller), t.Value(t.commandConfig))
		if err != nil {
			return err
		}
		defer c.cl.Close()
		t.to = c
	} else {
		bootstrap := t.Value(t.bootstrap)
		if bootstrap == "" {
			_, zooKeeper, _ := strings.Cut(t.Value(t.authorizer), "=")
			bootstrap = t.env.brokersNextTo(zooKeeper)
		}
		cl, err := connect(ctx, bootstrap, t.Value(t.commandConfig))
		if err != nil {
			return err
		}
		defer cl.Close()
		t.to = cl
	}
	err := t.act(ctx)
	var wrong usageError
	if err == nil || errors.As(err, &wrong) || ended(ctx, err) {
		return err
	}
	e := exceptionOf(err)
	t.env.printf("Error while executing ACL command: %s\n%s\n\n", e.message, e.String())
	return errFailed
}

// check refuses wrong command lines, in the order in which Kafka's tool looks for mistakes.
func (t *acls) check() error {
	switch {
	case t.count(t.bootstrap, t.controller) == 2:
		return usagef("Only one of --bootstrap-server or --bootstrap-controller must be specified")
	case t.count(t.bootstrap, t.controller) == 0 && !strings.HasPrefix(t.Value(t.authorizer), "zookeeper.connect="):
		return usagef("One of --bootstrap-server or --bootstrap-controller must be specified")
	case t.count(t.add, t.remove, t.list) != 1:
		return usagef("Command must include exactly one action: --list, --add, --remove. ")
	}
	if err := firstError(
		t.excludes(t.list, t.producer, t.consumer, t.allowHost, t.allowPrincipal, t.denyHost, t.denyPrincipal),
		t.excludes(t.producer, t.operation, t.denyPrincipal, t.denyHost),
		t.excludes(t.consumer, t.operation, t.denyPrincipal, t.denyHost),
	); err != nil {
		return err
	}
	switch {
	case t.Has(t.listPrincipal) && !t.Has(t.list):
		return usagef("The --principal option is only available if --list is set")
	case t.Has(t.producer) && !t.Has(t.topic):
		return usagef("With --producer you must specify a --topic")
	case t.Has(t.idempotent) && !t.Has(t.producer):
		return usagef("The --idempotent option is only available if --producer is set")
	case t.Has(t.consumer) && (t.count(t.topic, t.group) < 2 || !t.Has(t.producer) && t.count(t.cluster, t.transactionalID) > 0):
		return usagef("With --consumer you must specify a --topic and a --group and no --cluster or --transactional-id option should be specified.")
	}
	if _, ok := aclPatterns[strings.ToUpper(t.Value(t.pattern))]; !ok {
		return usagef("Cannot parse argument '%s' of option %s", t.Value(t.pattern), t.pattern.Name())
	}
	return nil
}

func (t *acls) act(ctx context.Context) error {
	switch {
	case t.Has(t.add):
		return t.addACLs(ctx)
	case t.Has(t.remove):
		return t.removeACLs(ctx)
	}
	return t.listACLs(ctx)
}

func (t *acls) addACLs(ctx context.Context) error {
	if p := t.patternType(); p != kmsg.ACLResourcePatternTypeLiteral && p != kmsg.ACLResourcePatternTypePrefixed {
		return usagef("A '--resource-pattern-type' value of '%s' is not valid when adding acls.", strings.ToUpper(t.Value(t.pattern)))
	}
	wanted, err := t.wanted()
	if err != nil {
		return err
	}
	for _, w := range wanted {
		if len(w.entries) == 0 {
			return usagef("You must specify one of: --allow-principal, --deny-principal when trying to add ACLs.")
		}
	}
	for _, w := range wanted {
		existing, err := t.describe(ctx, &w.aclResource)
		if err != nil {
			return err
		}
		have := map[aclEntry]bool{}
		for _, x := range existing {
			for _, e := range x.entries {
				have[e] = true
			}
		}
		var missing []aclEntry
		for _, e := range w.entries {
			if have[e] {
				t.env.printf("Acl (pattern=%s, entry=%s) already exists.\n", w.aclResource, e)
			} else {
				missing = append(missing, e)
			}
		}
		if len(missing) == 0 {
			continue
		}
		t.env.printf("Adding ACLs for resource `%s`: \n %s\n\n", w.aclResource, entryLines(missing))
		if err := t.create(ctx, w.aclResource, missing); err != nil {
			return err
		}
	}
	return nil
}

func (t *acls) create(ctx context.Context, r aclResource, entries []aclEntry) error {
	req := kmsg.NewPtrCreateACLsRequest()
	for _, e := range entries {
		c := kmsg.NewCreateACLsRequestCreation()
		c.ResourceType, c.ResourceName, c.ResourcePatternType = r.kind, r.name, r.pattern
		c.Principal, c.Host, c.Operation, c.PermissionType = e.principal, e.host, e.operation, e.permission
		req.Creations = append(req.Creations, c)
	}
	resp, err := req.RequestWith(ctx, t.to)
	if err != nil {
		return throwsExecution(err)
	}
	for _, r := range resp.Results {
		if err := answered(r.ErrorCode, r.ErrorMessage); err != nil {
			return throwsExecution(err)
		}
	}
	return nil
}

func (t *acls) removeACLs(ctx context.Context) error {
	wanted, err := t.wanted()
	if err != nil {
		return err
	}
	answers := bufio.NewReader(t.env.Stdin)
	for _, w := range wanted {
		question := "Are you sure you want to delete all ACLs for resource filter `" + w.aclResource.String() + "`? (y/n)"
		if len(w.entries) > 0 {
			question = "Are you sure you want to remove ACLs: \n " + entryLines(w.entries) + "\n from resource filter `" + w.aclResource.String() + "`? (y/n)"
		}
		if !t.Has(t.force) {
			t.env.println(question)
			line, _ := answers.ReadString('\n') // the end of the input is no yes
			if !strings.EqualFold(strings.TrimSpace(line), "y") {
				continue
			}
		}
		if err := t.deleteACLs(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func (t *acls) deleteACLs(ctx context.Context, w resourceACLs) error {
	req := kmsg.NewPtrDeleteACLsRequest()
	filter := func() *kmsg.DeleteACLsRequestFilter {
		f := kmsg.NewDeleteACLsRequestFilter()
		f.ResourceType, f.ResourceName, f.ResourcePatternType = w.kind, &w.name, w.pattern
		f.Operation, f.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
		req.Filters = append(req.Filters, f)
		return &req.Filters[len(req.Filters)-1]
	}
	if len(w.entries) == 0 {
		filter()
	}
	for _, e := range w.entries {
		f := filter()
		f.Principal, f.Host, f.Operation, f.PermissionType = &e.principal, &e.host, e.operation, e.permission
	}
	resp, err := req.RequestWith(ctx, t.to)
	if err != nil {
		return throwsExecution(err)
	}
	for _, r := range resp.Results {
		if err := answered(r.ErrorCode, r.ErrorMessage); err != nil {
			return throwsExecution(err)
		}
	}
	return nil
}

func (t *acls) listACLs(ctx context.Context) error {
	resources := t.resources()
	principals, err := t.principals(t.listPrincipal)
	if err != nil {
		return err
	}
	var filters []*aclResource
	for i := range resources {
		filters = append(filters, &resources[i])
	}
	if len(filters) == 0 {
		filters = append(filters, nil)
	}
	found := map[aclResource][]aclEntry{}
	for _, f := range filters {
		described, err := t.describe(ctx, f)
		if err != nil {
			return err
		}
		for _, r := range described {
			found[r.aclResource] = append(found[r.aclResource], r.entries...)
		}
	}
	if len(principals) == 0 {
		t.print(found, "")
	}
	for _, p := range principals {
		t.env.printf("ACLs for principal `%s`\n", p)
		t.print(found, p)
	}
	return nil
}

// print shows resources with their ACLs, of a principal or of all.
func (t *acls) print(found map[aclResource][]aclEntry, principal string) {
	for _, r := range sortedResources(found) {
		entries := found[r]
		if principal != "" {
			entries = slices.DeleteFunc(slices.Clone(entries), func(e aclEntry) bool { return e.principal != principal })
		}
		if len(entries) > 0 {
			t.env.printf("Current ACLs for resource `%s`:\n%s\n\n", r, entryLines(entries))
		}
	}
}

// describe asks for the ACLs of resources that a filter fits; nil is all.
func (t *acls) describe(ctx context.Context, filter *aclResource) ([]resourceACLs, error) {
	req := kmsg.NewPtrDescribeACLsRequest()
	req.ResourceType, req.ResourcePatternType = kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny
	req.Operation, req.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	if filter != nil {
		req.ResourceType, req.ResourceName, req.ResourcePatternType = filter.kind, &filter.name, filter.pattern
	}
	resp, err := req.RequestWith(ctx, t.to)
	if err != nil {
		return nil, throwsExecution(err)
	}
	if err := answered(resp.ErrorCode, resp.ErrorMessage); err != nil {
		return nil, throwsExecution(err)
	}
	var all []resourceACLs
	for _, r := range resp.Resources {
		x := resourceACLs{aclResource: aclResource{r.ResourceType, r.ResourceName, r.ResourcePatternType}}
		for _, a := range r.ACLs {
			x.entries = append(x.entries, aclEntry{a.Principal, a.Host, a.Operation, a.PermissionType})
		}
		all = append(all, x)
	}
	return all, nil
}

func sortedResources(found map[aclResource][]aclEntry) []aclResource {
	var all []aclResource
	for r := range found {
		all = append(all, r)
	}
	slices.SortFunc(all, aclResource.compare)
	return all
}

func (r aclResource) compare(other aclResource) int {
	return cmp.Or(cmp.Compare(r.kind, other.kind), strings.Compare(r.name, other.name), cmp.Compare(r.pattern, other.pattern))
}
