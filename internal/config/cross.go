package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// checkNode checks the identity of the node and its roles.
func (l *loader) checkNode() {
	node, hasNode := l.user("node.id")
	broker, hasBroker := l.user("broker.id")
	switch {
	case hasNode && hasBroker && node != broker:
		l.fault("node.id", "is %s but broker.id is %s: both name this node and must be the same", node, broker)
	case hasBroker && !l.bad["broker.id"]:
		if n, ok := l.get("broker.id").(int64); ok && n < 0 {
			l.fault("broker.id", "%q is not allowed: value must be at least 0", broker)
		}
	}
	roles, _ := l.get("process.roles").([]string)
	if l.bad["process.roles"] {
		return
	}
	switch isBroker, isController := slices.Contains(roles, "broker"), slices.Contains(roles, "controller"); {
	case len(roles) == 0: // as Kafka 2.8 with ZooKeeper: the node does everything
	case !isBroker:
		l.fault("process.roles", "a node that is only a controller is not there yet (use process.roles=broker,controller: a single node)")
	case !isController:
		l.fault("process.roles", "a broker whose controller is another node is not there yet (use process.roles=broker,controller: a single node)")
	}
}

// checkQuorum refuses what describes a cluster of several nodes: starting alone would look like a member and share nothing with the others.
func (l *loader) checkQuorum() {
	voters, _ := l.get("controller.quorum.voters").([]string)
	var ids []int64
	for _, v := range voters {
		if v == "" {
			continue
		}
		id, _, ok := strings.Cut(v, "@")
		n, err := strconv.ParseInt(strings.TrimSpace(id), 10, 32)
		if !ok || err != nil {
			l.fault("controller.quorum.voters", "%q is not a voter (write id@host:port, for example 1@localhost:9093)", v)
			return
		}
		ids = append(ids, n)
	}
	nodeID, known := l.get("node.id").(int64)
	switch {
	case len(ids) > 1:
		l.fault("controller.quorum.voters", "names %d controllers: clusters are not there yet, only a single node (name this node alone)", len(ids))
	case len(ids) == 1 && known && ids[0] != nodeID:
		l.fault("controller.quorum.voters", "names controller %d but node.id is %d: a single node is its own controller", ids[0], nodeID)
	}
	servers, _ := l.get("controller.quorum.bootstrap.servers").([]string)
	if n := len(slices.DeleteFunc(servers, func(s string) bool { return s == "" })); n > 1 {
		l.fault("controller.quorum.bootstrap.servers", "names %d controllers: clusters are not there yet, only a single node (name this node alone)", n)
	}
}

// checkCordoned refuses cordoned directories that are no log directories: a misspelt one would go on getting partitions.
func (l *loader) checkCordoned() {
	cordoned, _ := l.get("cordoned.log.dirs").([]string)
	dirs, _ := l.get("log.dirs").([]string)
	if len(dirs) == 0 {
		if dir, ok := l.get("log.dir").(string); ok {
			dirs = strings.Split(dir, ",")
		}
	}
	missing := slices.DeleteFunc(slices.Clone(cordoned), func(c string) bool {
		return c == "" || c == "*" || slices.ContainsFunc(dirs, func(d string) bool { return strings.TrimSpace(d) == c })
	})
	switch {
	case slices.Contains(cordoned, "*") && len(cordoned) > 1:
		l.fault("cordoned.log.dirs", "when it is set to *, it must not contain other values")
	case len(missing) > 0:
		l.fault("cordoned.log.dirs", "all entries must be present in log.dirs or log.dir, these are not: %s", strings.Join(missing, ", "))
	}
}

// ignorableClasses are the Java classes that a configuration may name because what they do is what the broker does without.
var ignorableClasses = map[string][]string{
	"principal.builder.class":     {"org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"},
	"group.consumer.assignors":    {"uniform", "range", "org.apache.kafka.coordinator.group.assignor.UniformAssignor", "org.apache.kafka.coordinator.group.assignor.RangeAssignor"},
	"sasl.login.class":            nil,
	"authorizer.class.name":       nil,
	"security.providers":          nil,
	"ssl.engine.factory.class":    nil,
	"client.quota.callback.class": nil,
}

// checkClasses refuses what would leave a hole when it was ignored: access control that is not enforced, policies that do not veto, values that
// are meant to come from somewhere else.
func (l *loader) checkClasses() {
	for _, name := range l.keys() {
		k, known := LookupKey(name)
		if !known || l.bad[name] || !l.changed(name) {
			continue
		}
		text, _ := l.user(name)
		allowed, guarded := ignorableClasses[k.Name]
		switch {
		case k.Name == "authorizer.class.name":
			l.fault(name, "access control is not there yet, and starting without it would leave the broker open (remove the key to run without access control)")
		case k.Name == "config.providers":
			l.fault(name, "config providers are not there yet: ${…} in values would be taken literally (put the values in the file, or set them with KAFKA_… variables)")
		case k.flags&refuse != 0:
			l.fault(name, "%s is not supported: this would be silently absent (remove the key to run without)", name)
		case guarded:
			for _, c := range splitList(text) {
				if c != "" && !slices.Contains(allowed, c) {
					l.fault(name, "Java class %s cannot be loaded: gokafka runs no Java (remove the key)", c)
				}
			}
		}
	}
}

// checkLogs checks what several keys about logs say together (KafkaConfig.validateValues).
func (l *loader) checkLogs() {
	for _, key := range []string{"log.roll.ms", "log.retention.ms", "log.retention.minutes", "log.retention.hours"} {
		n, ok := l.get(key).(int64)
		if !ok || l.bad[key] {
			continue
		}
		if text, _ := l.user(key); n == 0 || n < 0 && key == "log.roll.ms" {
			l.fault(key, "%q is not allowed: value must be at least 1%s", text, map[bool]string{true: ", or -1 for without limit"}[key != "log.roll.ms"])
		}
	}
	if n, ok := l.get("log.roll.jitter.ms").(int64); ok && n < 0 {
		l.fault("log.roll.jitter.ms", "%d is not allowed: value must be at least 0", n)
	}
	least, _ := l.get("log.cleaner.min.compaction.lag.ms").(int64)
	most, ok := l.get("log.cleaner.max.compaction.lag.ms").(int64)
	if ok && least > most {
		l.fault("log.cleaner.min.compaction.lag.ms", "%d is more than log.cleaner.max.compaction.lag.ms, which is %d", least, most)
	}
	for _, key := range []string{"log.dirs", "log.dir"} {
		dirs, _ := l.get(key).([]string)
		seen := make(map[string]bool)
		for _, d := range dirs {
			if d != "" && seen[d] {
				l.fault(key, "names %s twice", d)
			}
			seen[d] = true
		}
		if _, set := l.user(key); set && strings.Trim(strings.Join(dirs, ""), " ") == "" {
			l.fault(key, "names no directory")
		}
	}
}

// checkLimits checks what keys about connections say together.
func (l *loader) checkLimits() {
	text, _ := l.get("max.connections.per.ip.overrides").(string)
	overrides, err := parsePerIP(text)
	if err != nil {
		l.fault("max.connections.per.ip.overrides", "%v", err)
	}
	if n, ok := l.get("max.connections.per.ip").(int64); ok && n == 0 && len(overrides) == 0 {
		l.fault("max.connections.per.ip", "can be 0 only when max.connections.per.ip.overrides names the hosts that may connect")
	}
	queued, ok := l.get("queued.max.request.bytes").(int64)
	if request, isSet := l.get("socket.request.max.bytes").(int64); ok && isSet && queued > 0 && queued < request {
		l.fault("queued.max.request.bytes", "%d is less than socket.request.max.bytes, which is %d", queued, request)
	}
}

var hostPattern = regexp.MustCompile(`^[0-9a-zA-Z\-%._:]+$`)

// parsePerIP reads max.connections.per.ip.overrides: host:count,… where the host may be an IPv6 address.
func parsePerIP(text string) (map[string]int, error) {
	m := make(map[string]int)
	for _, part := range splitList(strings.TrimSpace(text)) {
		if part == "" {
			continue
		}
		colon := strings.LastIndexByte(part, ':')
		if colon < 0 {
			return nil, fmt.Errorf("%q is not host:count", part)
		}
		host := strings.Trim(strings.TrimSpace(part[:colon]), "[]")
		n, err := strconv.ParseInt(strings.TrimSpace(part[colon+1:]), 10, 32)
		if err != nil || n < 0 || !hostPattern.MatchString(host) {
			return nil, fmt.Errorf("%q is not host:count", part)
		}
		m[host] = int(n)
	}
	return m, nil
}
