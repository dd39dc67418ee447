package tools

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

// aclResource is a resource pattern, or a filter of them.
type aclResource struct {
	kind    kmsg.ACLResourceType
	name    string
	pattern kmsg.ACLResourcePatternType
}

// String is how Java shows it.
func (r aclResource) String() string {
	return fmt.Sprintf("ResourcePattern(resourceType=%s, name=%s, patternType=%s)", r.kind, r.name, r.pattern)
}

// aclEntry is what a principal may or may not do.
type aclEntry struct {
	principal, host string
	operation       kmsg.ACLOperation
	permission      kmsg.ACLPermissionType
}

// String is how Java shows it.
func (e aclEntry) String() string {
	return fmt.Sprintf("(principal=%s, host=%s, operation=%s, permissionType=%s)", e.principal, e.host, aclOperationName(e.operation), e.permission)
}

func (e aclEntry) compare(other aclEntry) int {
	return cmp.Or(strings.Compare(e.principal, other.principal), strings.Compare(e.host, other.host),
		cmp.Compare(e.operation, other.operation), cmp.Compare(e.permission, other.permission))
}

// entryLines are entries one below the other.
func entryLines(entries []aclEntry) string {
	lines := make([]string, len(entries))
	for i, e := range slices.SortedFunc(slices.Values(entries), aclEntry.compare) {
		lines[i] = "\t" + e.String()
	}
	return strings.Join(slices.Compact(lines), "\n")
}

// resourceACLs are ACLs of a resource, or a filter of them: no entries stand for all.
type resourceACLs struct {
	aclResource
	entries []aclEntry
}

// What --resource-pattern-type takes.
var aclPatterns = map[string]kmsg.ACLResourcePatternType{
	"ANY": kmsg.ACLResourcePatternTypeAny, "MATCH": kmsg.ACLResourcePatternTypeMatch,
	"LITERAL": kmsg.ACLResourcePatternTypeLiteral, "PREFIXED": kmsg.ACLResourcePatternTypePrefixed,
}

// twoPhaseCommit came with Kafka 4.3 (KIP-939).
const twoPhaseCommit kmsg.ACLOperation = 15

// aclOperationName is an operation as Java writes it.
func aclOperationName(op kmsg.ACLOperation) string {
	if op == twoPhaseCommit {
		return "TWO_PHASE_COMMIT"
	}
	return op.String()
}

// pascalCase turns "IDEMPOTENT_WRITE" into "IdempotentWrite".
func pascalCase(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		b.WriteString(word[:1] + strings.ToLower(word[1:]))
	}
	return b.String()
}

// supportedOperations are what there is to allow or deny for each type of resource.
var supportedOperations = map[kmsg.ACLResourceType][]kmsg.ACLOperation{
	kmsg.ACLResourceTypeTopic: {kmsg.ACLOperationAll, kmsg.ACLOperationDescribe, kmsg.ACLOperationRead, kmsg.ACLOperationDelete, kmsg.ACLOperationAlter,
		kmsg.ACLOperationWrite, kmsg.ACLOperationCreate, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs},
	kmsg.ACLResourceTypeGroup: {kmsg.ACLOperationAll, kmsg.ACLOperationDescribe, kmsg.ACLOperationRead, kmsg.ACLOperationDelete,
		kmsg.ACLOperationAlterConfigs, kmsg.ACLOperationDescribeConfigs},
	kmsg.ACLResourceTypeCluster: {kmsg.ACLOperationAll, kmsg.ACLOperationDescribe, kmsg.ACLOperationAlter, kmsg.ACLOperationClusterAction,
		kmsg.ACLOperationIdempotentWrite, kmsg.ACLOperationCreate, kmsg.ACLOperationAlterConfigs, kmsg.ACLOperationDescribeConfigs},
	kmsg.ACLResourceTypeTransactionalId: {kmsg.ACLOperationAll, twoPhaseCommit, kmsg.ACLOperationDescribe, kmsg.ACLOperationWrite},
	kmsg.ACLResourceTypeDelegationToken: {kmsg.ACLOperationAll, kmsg.ACLOperationDescribe},
	kmsg.ACLResourceTypeUser:            {kmsg.ACLOperationAll, kmsg.ACLOperationCreateTokens, kmsg.ACLOperationDescribeTokens},
}

// clusterResource is the only resource of its type.
var clusterResource = aclResource{kmsg.ACLResourceTypeCluster, "kafka-cluster", kmsg.ACLResourcePatternTypeLiteral}

func (t *acls) patternType() kmsg.ACLResourcePatternType {
	return aclPatterns[strings.ToUpper(t.Value(t.pattern))]
}

// resources are those of the command line.
func (t *acls) resources() []aclResource {
	var all []aclResource
	pattern := t.patternType()
	add := func(o *jopt.Option, kind kmsg.ACLResourceType) {
		for _, name := range t.Values(o) {
			all = append(all, aclResource{kind, strings.TrimSpace(name), pattern})
		}
	}
	add(t.topic, kmsg.ACLResourceTypeTopic)
	if pattern == kmsg.ACLResourcePatternTypeLiteral && t.count(t.cluster, t.idempotent) > 0 {
		all = append(all, clusterResource)
	}
	add(t.group, kmsg.ACLResourceTypeGroup)
	add(t.transactionalID, kmsg.ACLResourceTypeTransactionalId)
	add(t.token, kmsg.ACLResourceTypeDelegationToken)
	add(t.user, kmsg.ACLResourceTypeUser)
	return all
}

// wanted are the ACLs that the command line describes, or the filters for removing them.
func (t *acls) wanted() ([]resourceACLs, error) {
	resources := t.resources()
	if len(resources) == 0 {
		return nil, usagef("You must provide at least one resource: --topic <topic> or --cluster or --group <group> or --delegation-token <Delegation Token ID>")
	}
	all := map[aclResource][]aclEntry{}
	add := func(r aclResource, operations ...kmsg.ACLOperation) error {
		entries, err := t.entries(operations)
		all[r] = append(all[r], entries...)
		return err
	}
	given, err := t.operations()
	if err != nil {
		return nil, err
	}
	for _, r := range resources {
		var errs []error
		if !t.Has(t.producer) && !t.Has(t.consumer) {
			errs = append(errs, add(r, given...))
		}
		if t.Has(t.producer) {
			switch r.kind {
			case kmsg.ACLResourceTypeTopic:
				errs = append(errs, add(r, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe, kmsg.ACLOperationCreate))
			case kmsg.ACLResourceTypeTransactionalId:
				errs = append(errs, add(r, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe))
			}
		}
		if t.Has(t.consumer) {
			switch r.kind {
			case kmsg.ACLResourceTypeTopic:
				errs = append(errs, add(r, kmsg.ACLOperationRead, kmsg.ACLOperationDescribe))
			case kmsg.ACLResourceTypeGroup:
				errs = append(errs, add(r, kmsg.ACLOperationRead))
			}
		}
		if err := firstError(errs...); err != nil {
			return nil, err
		}
	}
	if t.Has(t.producer) && t.Has(t.idempotent) {
		if err := add(clusterResource, kmsg.ACLOperationIdempotentWrite); err != nil {
			return nil, err
		}
	}
	return checkedACLs(all)
}

// checkedACLs refuses operations that a resource does not have, and brings the ACLs into an order.
func checkedACLs(all map[aclResource][]aclEntry) ([]resourceACLs, error) {
	var list []resourceACLs
	for _, r := range slices.SortedFunc(maps.Keys(all), aclResource.compare) {
		for _, e := range all[r] {
			if supported := supportedOperations[r.kind]; !slices.Contains(supported, e.operation) {
				names := make([]string, len(supported))
				for i, op := range supported {
					names[i] = aclOperationName(op)
				}
				return nil, usagef("ResourceType %s only supports operations [%s]", r.kind, strings.Join(names, ", "))
			}
		}
		entries := slices.SortedFunc(slices.Values(all[r]), aclEntry.compare)
		list = append(list, resourceACLs{r, slices.Compact(entries)})
	}
	return list, nil
}

// operations are those of --operation, in any case and with or without underscores.
func (t *acls) operations() ([]kmsg.ACLOperation, error) {
	var all []kmsg.ACLOperation
	for _, name := range t.Values(t.operation) {
		name = strings.ReplaceAll(strings.TrimSpace(name), "_", "")
		op := kmsg.ACLOperationUnknown
		for candidate := kmsg.ACLOperationAny; candidate <= twoPhaseCommit; candidate++ {
			if strings.EqualFold(pascalCase(aclOperationName(candidate)), name) {
				op = candidate
			}
		}
		all = append(all, op)
	}
	return all, nil
}

// entries are the ACLs of the principals and hosts of the command line for some operations.
func (t *acls) entries(operations []kmsg.ACLOperation) ([]aclEntry, error) {
	var all []aclEntry
	add := func(principalOption, hostOption *jopt.Option, permission kmsg.ACLPermissionType) error {
		principals, err := t.principals(principalOption)
		if err != nil {
			return err
		}
		hosts := t.Values(hostOption)
		if !t.Has(hostOption) {
			hosts = []string{"*"}
		}
		for _, p := range principals {
			for _, h := range hosts {
				for _, op := range operations {
					all = append(all, aclEntry{p, strings.TrimSpace(h), op, permission})
				}
			}
		}
		return nil
	}
	err := firstError(
		add(t.allowPrincipal, t.allowHost, kmsg.ACLPermissionTypeAllow),
		add(t.denyPrincipal, t.denyHost, kmsg.ACLPermissionTypeDeny),
	)
	return all, err
}

func (t *acls) principals(o *jopt.Option) ([]string, error) {
	var all []string
	for _, text := range t.Values(o) {
		p, err := parsePrincipal(text)
		if err != nil {
			return nil, err
		}
		all = append(all, p.String())
	}
	return all, nil
}

// principal is who does things.
type principal struct{ kind, name string }

func (p principal) String() string { return p.kind + ":" + p.name }

// parsePrincipal reads "User:alice".
func parsePrincipal(text string) (principal, error) {
	text = strings.TrimSpace(text)
	kind, name, ok := strings.Cut(text, ":")
	if !ok || kind == "" {
		return principal{}, exception{illegalArgument, "expected a string in format principalType:principalName but got " + text}
	}
	return principal{kind, name}, nil
}
