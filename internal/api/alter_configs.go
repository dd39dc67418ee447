package api

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/metadata"
)

// What AlterConfigs and IncrementalAlterConfigs have in common: the broker checks what only it can check and changes what is only its own, then
// sends the rest to the controller (ConfigAdminManager.scala).

// alterOp is one change of one configuration; plain AlterConfigs has only sets.
type alterOp struct {
	op    kmsg.IncrementalAlterConfigOp
	name  string
	value *string
}

// resourceKey identifies a resource within a request.
type resourceKey struct {
	kind kmsg.ConfigResourceType
	name string
}

// repeated returns the resources that occur more than once.
func repeated(keys []resourceKey) map[resourceKey]bool {
	seen, twice := map[resourceKey]bool{}, map[resourceKey]bool{}
	for _, k := range keys {
		if seen[k] {
			twice[k] = true
		}
		seen[k] = true
	}
	return twice
}

// checkOps refuses what no resource takes: a key twice, a null value where there must be one.
func checkOps(ops []alterOp) error {
	seen := map[string]bool{}
	var nulls []string
	for _, o := range ops {
		if seen[o.name] {
			return reject(kerr.InvalidRequest, "Error due to duplicate config keys")
		}
		seen[o.name] = true
		if o.value == nil && o.op != kmsg.IncrementalAlterConfigOpDelete {
			nulls = append(nulls, o.name)
		}
	}
	if len(nulls) > 0 {
		return reject(kerr.InvalidRequest, "Null value not supported for : %s", strings.Join(nulls, ", "))
	}
	return nil
}

// checkNodeID refuses a resource that is not this node.
func (s *session) checkNodeID(name, mismatch string) error {
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return reject(kerr.InvalidRequest, "Node id must be an integer, but it is: %s", name)
	}
	if int32(id) != s.api.NodeID {
		return reject(kerr.InvalidRequest, mismatch, s.api.NodeID, name)
	}
	return nil
}

// checkBrokerChange validates a change of broker configurations before the controller stores it: the broker knows its own configuration.
// replace says that the operations are all that is left afterwards (AlterConfigs).
func (s *session) checkBrokerChange(name string, ops []alterOp, replace bool) error {
	perBroker := name != ""
	if perBroker {
		if err := s.checkNodeID(name, "Unexpected broker id, expected %d, but received %s"); err != nil {
			return err
		}
	}
	next := map[string]string{}
	if !replace {
		maps.Copy(next, s.api.Metadata.Image().ConfigsOf(metadata.ResourceBroker, name))
	}
	if err := applyBrokerOps(s.api.Config(), next, ops); err != nil {
		return err
	}
	if err := checkDynamic(next, perBroker); err != nil {
		return err
	}
	return s.api.Config().ValidateChange(next)
}

// checkDynamic validates all dynamic configurations that a broker would have, first what may not be changed at all, then the values.
func checkDynamic(next map[string]string, perBroker bool) error {
	names := slices.Sorted(maps.Keys(next))
	for _, n := range names {
		if err := config.ValidateBroker(n, next[n], perBroker); err != nil {
			return err
		}
	}
	return nil
}

// applyBrokerOps applies the operations to the dynamic configurations of a broker (ConfigAdminManager.prepareIncrementalConfigs).
func applyBrokerOps(c *config.Config, next map[string]string, ops []alterOp) error {
	for _, o := range ops {
		switch o.op {
		case kmsg.IncrementalAlterConfigOpSet:
			next[o.name] = *o.value
		case kmsg.IncrementalAlterConfigOpDelete:
			delete(next, o.name)
		case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
			add := o.op == kmsg.IncrementalAlterConfigOpAppend
			k, ok := config.LookupKey(o.name)
			if !ok || k.Type != config.TypeList {
				verb := "subtract"
				if add {
					verb = "append"
				}
				return reject(kerr.InvalidConfig, "Config value %s is not allowed for config key: %s", verb, o.name)
			}
			old, ok := next[o.name]
			if !ok {
				old = strings.Join(c.List(o.name), ",")
			}
			next[o.name] = changeList(old, *o.value, add)
		default:
			return reject(kerr.InvalidRequest, "Unknown operations type %d", o.op)
		}
	}
	return nil
}

// changeList adds the elements of change that list lacks, or takes them away.
func changeList(list, change string, add bool) string {
	var out []string
	if list != "" {
		out = strings.Split(list, ",")
	}
	for _, e := range strings.Split(change, ",") {
		i := slices.Index(out, e)
		switch {
		case add && i < 0:
			out = append(out, e)
		case !add && i >= 0:
			out = slices.Delete(out, i, i+1)
		}
	}
	return strings.Join(out, ",")
}

// changeLoggers checks a change of log levels and, unless validateOnly, makes it. Levels are not stored: a restart forgets them, as in Kafka
// (RuntimeLoggerManager.java).
func (s *session) changeLoggers(name string, ops []alterOp, validateOnly bool) error {
	if err := s.checkNodeID(name, "Unexpected node id. Expected %d, but received %s"); err != nil {
		return err
	}
	levels := s.api.LogLevels
	for _, o := range ops {
		switch o.op {
		case kmsg.IncrementalAlterConfigOpSet:
			if err := levels.checkLogger(o.name); err != nil {
				return err
			}
			if err := checkLevel(o.name, *o.value); err != nil {
				return err
			}
		case kmsg.IncrementalAlterConfigOpDelete:
			if err := levels.checkLogger(o.name); err != nil {
				return err
			}
			if o.name == rootLogger {
				return reject(kerr.InvalidRequest, "Removing the log level of the root logger is not allowed")
			}
		case kmsg.IncrementalAlterConfigOpAppend:
			return reject(kerr.InvalidRequest, "APPEND operation is not allowed for the BROKER_LOGGER resource")
		case kmsg.IncrementalAlterConfigOpSubtract:
			return reject(kerr.InvalidRequest, "SUBTRACT operation is not allowed for the BROKER_LOGGER resource")
		default:
			return reject(kerr.InvalidRequest, "Unknown operation type %d is not allowed for the BROKER_LOGGER resource", o.op)
		}
	}
	if validateOnly {
		return nil
	}
	for _, o := range ops {
		if o.op == kmsg.IncrementalAlterConfigOpDelete {
			levels.unset(o.name)
		} else {
			levels.set(o.name, *o.value)
		}
	}
	return nil
}

// unknownResourceType is Kafka's error for a resource type that a request does not take.
func unknownResourceType(t kmsg.ConfigResourceType) error {
	return reject(kerr.InvalidRequest, "Unknown resource type %d", int8(t))
}

// missingResult is the outcome of a resource that the controller said nothing about.
var missingResult = outcome{code: kerr.UnknownServerError.Code}
