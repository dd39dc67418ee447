package metadata

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/metadata/records"
)

const minInsyncReplicas = "min.insync.replicas"

// configChange sets one configuration, or removes it when value is nil.
type configChange struct {
	name  string
	value *string
}

// alterConfigs answers AlterConfigs 0–2: what is not named goes back to its default.
func (s *step) alterConfigs(req *kmsg.AlterConfigsRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.AlterConfigsResponse](req)
	answer := func(r Resource, err error) {
		a := kmsg.NewAlterConfigsResponseResource()
		a.ResourceType, a.ResourceName = kmsg.ConfigResourceType(r.Type), r.Name
		a.ErrorCode, a.ErrorMessage = codeOf(err)
		resp.Resources = append(resp.Resources, a)
	}
	resources, duplicates := splitDuplicateResources(req.Resources, func(r kmsg.AlterConfigsRequestResource) Resource {
		return Resource{int8(r.ResourceType), r.ResourceName}
	})
	for _, r := range duplicates {
		answer(r, refuse(kerr.InvalidRequest, "Duplicate resource."))
	}
	for _, r := range resources {
		res := Resource{int8(r.ResourceType), r.ResourceName}
		set := make(map[string]*string, len(r.Configs))
		for _, c := range r.Configs {
			set[c.Name] = c.Value
		}
		var changes []configChange
		have := s.img.ConfigsOf(res.Type, res.Name)
		for _, name := range sortedKeys(set) {
			if now, ok := have[name]; !ok || set[name] == nil || now != *set[name] || res.Type == ResourceBroker {
				changes = append(changes, configChange{name, set[name]})
			}
		}
		for _, name := range sortedKeys(have) {
			if _, named := set[name]; !named {
				changes = append(changes, configChange{name, nil})
			}
		}
		answer(res, s.alterResource(res, changes))
	}
	if req.ValidateOnly {
		s.records = nil
	}
	return resp, nil
}

// incrementalAlterConfigs answers IncrementalAlterConfigs 0–1.
func (s *step) incrementalAlterConfigs(req *kmsg.IncrementalAlterConfigsRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.IncrementalAlterConfigsResponse](req)
	answer := func(r Resource, err error) {
		a := kmsg.NewIncrementalAlterConfigsResponseResource()
		a.ResourceType, a.ResourceName = kmsg.ConfigResourceType(r.Type), r.Name
		a.ErrorCode, a.ErrorMessage = codeOf(err)
		resp.Resources = append(resp.Resources, a)
	}
	resources, duplicates := splitDuplicateResources(req.Resources, func(r kmsg.IncrementalAlterConfigsRequestResource) Resource {
		return Resource{int8(r.ResourceType), r.ResourceName}
	})
	for _, r := range duplicates {
		answer(r, refuse(kerr.InvalidRequest, "Duplicate resource."))
	}
	for i := range resources {
		res := Resource{int8(resources[i].ResourceType), resources[i].ResourceName}
		changes, err := s.opsToChanges(res, resources[i].Configs)
		if err == nil {
			err = s.alterResource(res, changes)
		}
		answer(res, err)
	}
	if req.ValidateOnly {
		s.records = nil
	}
	return resp, nil
}

func splitDuplicateResources[T any](items []T, res func(T) Resource) (once []T, duplicates []Resource) {
	seen := map[Resource]int{}
	for _, item := range items {
		if seen[res(item)]++; seen[res(item)] == 2 {
			duplicates = append(duplicates, res(item))
		}
	}
	return slices.DeleteFunc(slices.Clone(items), func(item T) bool { return seen[res(item)] > 1 }), duplicates
}

func (s *step) opsToChanges(res Resource, ops []kmsg.IncrementalAlterConfigsRequestResourceConfig) ([]configChange, error) {
	var changes []configChange
	have := s.img.ConfigsOf(res.Type, res.Name)
	for _, op := range ops {
		if op.Value == nil && op.Op != kmsg.IncrementalAlterConfigOpDelete {
			return nil, refuse(kerr.InvalidRequest, "Null value not supported for : %s", op.Name)
		}
		var value *string
		switch op.Op {
		case kmsg.IncrementalAlterConfigOpSet:
			value = op.Value
		case kmsg.IncrementalAlterConfigOpDelete:
		case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
			if !s.isList(res.Type, op.Name) {
				return nil, refuse(kerr.InvalidConfig, "Can't %s to key %s because its type is not LIST.", op.Op, op.Name)
			}
			v := combine(s.listValue(res, op.Name), *op.Value, op.Op == kmsg.IncrementalAlterConfigOpAppend)
			value = &v
		default:
			return nil, refuse(kerr.InvalidRequest, "Unknown operations type %d", op.Op)
		}
		// Of a broker's configurations also what does not change is recorded: it makes brokers reload the files that it names.
		now, ok := have[op.Name]
		if same := value == nil && !ok || value != nil && ok && now == *value; !same || res.Type == ResourceBroker {
			changes = append(changes, configChange{op.Name, value})
		}
	}
	return changes, nil
}

func (s *step) isList(resourceType int8, name string) bool {
	switch resourceType {
	case ResourceTopic:
		k, ok := config.LookupTopicKey(name)
		return ok && k.Type == config.TypeList
	case ResourceBroker:
		k, ok := config.LookupKey(name)
		return ok && k.Type == config.TypeList
	case ResourceClientMetrics:
		return name == "metrics" || name == "match"
	}
	return false
}

// listValue is the list that APPEND and SUBTRACT begin with: what is set, else the default.
func (s *step) listValue(res Resource, name string) []string {
	value, ok := s.img.ConfigsOf(res.Type, res.Name)[name]
	if !ok {
		var d *string
		if k, known := config.LookupTopicKey(name); known && res.Type == ResourceTopic {
			d = k.DefaultValue()
		} else if k, known := config.LookupKey(name); known && res.Type == ResourceBroker {
			d = k.DefaultValue()
		}
		if d != nil {
			value = *d
		}
	}
	return slices.DeleteFunc(strings.Split(value, ","), func(part string) bool { return part == "" })
}

func combine(list []string, operand string, appending bool) string {
	for _, part := range strings.Split(operand, ",") {
		i := slices.Index(list, part)
		switch {
		case appending && i < 0:
			list = append(list, part)
		case !appending && i >= 0:
			list = slices.Delete(list, i, i+1)
		}
	}
	return strings.Join(list, ",")
}

// alterResource validates what a resource would have after the changes and records them. It is all or nothing.
func (s *step) alterResource(res Resource, changes []configChange) error {
	after := maps.Clone(s.img.ConfigsOf(res.Type, res.Name))
	if after == nil {
		after = map[string]string{}
	}
	for _, c := range changes {
		if c.value == nil {
			delete(after, c.name)
		} else {
			after[c.name] = *c.value
		}
	}
	if err := s.validateResource(res, after); err != nil {
		return err
	}
	if err := s.guardMinISR(res, changes); err != nil {
		return err
	}
	if len(s.records)+len(changes) > maxRecordsPerOp {
		return refuse(kerr.PolicyViolation, "Unable to perform excessively large batch operation.")
	}
	s.addConfigs(res, changes)
	return nil
}

// validateResource checks the configurations that a resource is to have, and that the resource can have any.
func (s *step) validateResource(res Resource, after map[string]string) error {
	switch res.Type {
	case ResourceTopic:
		if res.Name == "" {
			return refuse(kerr.InvalidRequest, "Default topic resources are not allowed.")
		}
		if err := checkTopicName(res.Name); err != nil {
			return err
		}
		if err := config.ValidateTopicConfigs(after); err != nil {
			return err
		}
		if s.img.Topic(res.Name) == nil {
			return refuse(kerr.UnknownTopicOrPartition, "The topic '%s' does not exist.", res.Name)
		}
		return nil
	case ResourceBroker:
		return s.validateBrokerResource(res.Name)
	case ResourceClientMetrics:
		return validateClientMetrics(res.Name, after)
	case ResourceGroup:
		return s.validateGroup(res.Name, after)
	}
	return refuse(kerr.InvalidRequest, "Unknown resource type %d", res.Type)
}

// validateBrokerResource checks the name only: the broker itself has validated the configurations before it sent them on (api).
func (s *step) validateBrokerResource(name string) error {
	if name == "" {
		return nil
	}
	id, err := strconv.ParseInt(name, 10, 32)
	switch {
	case err != nil:
		return refuse(kerr.InvalidRequest, "Unable to parse broker name as a base 10 number.")
	case id < 0:
		return refuse(kerr.InvalidRequest, "Invalid negative broker ID.")
	case int32(id) != s.nodeID && s.img.Broker(int32(id)) == nil:
		return refuse(kerr.BrokerIDNotRegistered, "Broker %d is not registered.", id)
	}
	return nil
}

// guardMinISR keeps min.insync.replicas the same for all brokers while partitions keep eligible leader replicas (KIP-966).
func (s *step) guardMinISR(res Resource, changes []configChange) error {
	if res.Type != ResourceBroker || !s.img.elrEnabled() {
		return nil
	}
	for _, c := range changes {
		switch {
		case c.name != minInsyncReplicas:
		case res.Name != "":
			return refuse(kerr.InvalidConfig, "Broker-level %s cannot be altered while ELR is enabled.", minInsyncReplicas)
		case c.value == nil:
			return refuse(kerr.InvalidConfig, "Cluster-level %s cannot be removed while ELR is enabled.", minInsyncReplicas)
		}
	}
	return nil
}

// addConfigs records the changes. Eligible leader replicas are void when the number that they are judged by changes.
func (s *step) addConfigs(res Resource, changes []configChange) {
	for _, c := range changes {
		s.add(records.V0(&records.ConfigRecord{ResourceType: res.Type, ResourceName: res.Name, Name: c.name, Value: c.value}))
	}
	if !s.img.elrEnabled() || !slices.ContainsFunc(changes, func(c configChange) bool { return c.name == minInsyncReplicas }) {
		return
	}
	clear := &records.ClearELRRecord{}
	if res.Type == ResourceTopic {
		clear.TopicName = res.Name
	}
	s.add(records.V0(clear))
}

// changesTo returns the changes that take one set of configurations to another.
func changesTo(from, to map[string]string) []configChange {
	var changes []configChange
	for _, name := range sortedKeys(to) {
		value := to[name]
		if was, ok := from[name]; !ok || was != value {
			changes = append(changes, configChange{name, &value})
		}
	}
	for _, name := range sortedKeys(from) {
		if _, kept := to[name]; !kept {
			changes = append(changes, configChange{name, nil})
		}
	}
	return changes
}
