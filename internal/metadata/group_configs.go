package metadata

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/config"
)

// groupNumbers are the numeric configurations of groups (GroupConfig in Kafka), with the least value that each takes. Where the broker has a key
// group.KIND.min.REST or group.KIND.max.REST for KIND.REST, that is a bound too.
var groupNumbers = map[string]int64{
	"consumer.assignment.interval.ms": 0, "consumer.heartbeat.interval.ms": 1, "consumer.session.timeout.ms": 1,
	"share.assignment.interval.ms": 0, "share.heartbeat.interval.ms": 1, "share.session.timeout.ms": 1, "share.delivery.count.limit": 2,
	"share.partition.max.record.locks": 100, "share.record.lock.duration.ms": 1000,
	"streams.assignment.interval.ms": 0, "streams.heartbeat.interval.ms": 1, "streams.session.timeout.ms": 1,
	"streams.initial.rebalance.delay.ms": 0, "streams.num.standby.replicas": 0,
}

// validateGroup checks the configurations that a group is to have.
func (s *step) validateGroup(name string, configs map[string]string) error {
	if name == "" {
		return refuse(kerr.InvalidRequest, "Default group resources are not allowed.")
	}
	for _, key := range sortedKeys(configs) {
		if _, known := groupNumbers[key]; !known && !groupTexts[key] {
			return refuse(kerr.InvalidConfig, "Unknown group config name: %s", key)
		}
	}
	numbers := map[string]int64{}
	for _, key := range sortedKeys(configs) {
		if err := checkGroupValue(key, configs[key], numbers); err != nil {
			return err
		}
	}
	for _, key := range sortedKeys(numbers) {
		if err := s.checkGroupBounds(key, numbers[key]); err != nil {
			return err
		}
	}
	for _, kind := range []string{"consumer", "share", "streams"} {
		session, heartbeat := kind+".session.timeout.ms", kind+".heartbeat.interval.ms"
		_, one := numbers[session]
		_, other := numbers[heartbeat]
		if (one || other) && s.groupNumber(session, numbers) <= s.groupNumber(heartbeat, numbers) {
			return refuse(kerr.InvalidConfig, "%s must be greater than %s", session, heartbeat)
		}
	}
	return nil
}

var groupTexts = map[string]bool{"share.auto.offset.reset": true, "share.isolation.level": true, "share.renew.acknowledge.enable": true}

var byDuration = regexp.MustCompile(`^by_duration:[pP]\d|^by_duration:[pP][tT]?\d`)

func checkGroupValue(key, value string, numbers map[string]int64) error {
	invalid := func(why string) error {
		return refuse(kerr.InvalidConfig, "Invalid value %s for configuration %s: %s", value, key, why)
	}
	switch key {
	case "share.isolation.level":
		if value != "read_committed" && value != "read_uncommitted" {
			return invalid("String must be one of: read_committed, read_uncommitted")
		}
	case "share.auto.offset.reset":
		if low := strings.ToLower(value); low != "earliest" && low != "latest" && !byDuration.MatchString(low) {
			return invalid("Invalid value `" + value + "` for configuration " + key +
				". The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.")
		}
	case "share.renew.acknowledge.enable":
		if low := strings.ToLower(strings.TrimSpace(value)); low != "true" && low != "false" {
			return invalid("Expected value to be either true or false")
		}
	default:
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 32)
		if err != nil {
			return invalid("Not a number of type INT")
		}
		if least := groupNumbers[key]; n < least {
			return invalid("Value must be at least " + strconv.FormatInt(least, 10))
		}
		numbers[key] = n
	}
	return nil
}

func (s *step) checkGroupBounds(key string, value int64) error {
	kind, rest, _ := strings.Cut(key, ".")
	least, most := "group."+kind+".min."+rest, "group."+kind+".max."+strings.TrimPrefix(rest, "num.")
	if _, ok := config.LookupKey(least); ok && value < s.config().Int64(least) {
		return refuse(kerr.InvalidConfig, "%s must be greater than or equal to %s", key, least)
	}
	if _, ok := config.LookupKey(most); ok && value > s.config().Int64(most) {
		return refuse(kerr.InvalidConfig, "%s must be less than or equal to %s", key, most)
	}
	return nil
}

// groupNumber is a number as it would be in effect: set, else the broker's.
func (s *step) groupNumber(key string, set map[string]int64) int64 {
	if n, ok := set[key]; ok {
		return n
	}
	return s.config().Int64("group." + key)
}

// validateClientMetrics checks a telemetry subscription (ClientMetricsConfigs in Kafka, KIP-714).
func validateClientMetrics(name string, configs map[string]string) error {
	if name == "" {
		return refuse(kerr.InvalidRequest, "Subscription name can't be empty")
	}
	for _, key := range sortedKeys(configs) {
		value := configs[key]
		switch key {
		case "metrics":
		case "interval.ms":
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 32)
			if err != nil {
				return refuse(kerr.InvalidConfig, "Invalid value %s for configuration interval.ms: Not a number of type INT", value)
			}
			if n < 100 || n > 3600000 {
				return refuse(kerr.InvalidRequest, "Invalid value %d for interval.ms, interval must be between 100 and 3600000 (1 hour)", n)
			}
		case "match":
			for _, pattern := range strings.Split(value, ",") {
				if pattern = strings.TrimSpace(pattern); pattern != "" && !validMatch(pattern) {
					return refuse(kerr.InvalidConfig, "Illegal client matching pattern: %s", pattern)
				}
			}
		default:
			return refuse(kerr.InvalidRequest, "Unknown client metrics configuration: %s", key)
		}
	}
	return nil
}

var clientAttributes = map[string]bool{
	"client_instance_id": true, "client_id": true, "client_software_name": true, "client_software_version": true,
	"client_source_address": true, "client_source_port": true,
}

func validMatch(pattern string) bool {
	attribute, expr, ok := strings.Cut(pattern, "=")
	if !ok || !clientAttributes[strings.TrimSpace(attribute)] || strings.Contains(expr, "=") {
		return false
	}
	_, err := syntax.Parse(strings.TrimSpace(expr), syntax.Perl)
	var bad *syntax.Error
	// Java's expressions can do more than Go's: what only Go does not know is not wrong.
	return err == nil || errors.As(err, &bad) && bad.Code == syntax.ErrInvalidPerlOp
}
