package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// New checks the entries, of which later ones win, and makes the configuration. The error joins all problems found, one per line, each
// "source: key: what is wrong (hint)". The notices are complete even then.
func New(entries []Entry, d Defaults) (*Config, Notices, error) {
	l := &loader{set: make(map[string]Entry), order: make(map[string]int), builtin: make(map[string]bool)}
	l.layer(entries, d)
	l.checkEach()
	l.checkNode()
	l.checkQuorum()
	l.checkClasses()
	l.checkLogs()
	l.checkCordoned()
	l.checkLimits()
	c := &Config{static: l.set, builtin: l.builtin, hostname: cmp.Or(d.Hostname, "localhost")}
	if !l.bad["node.id"] && !l.bad["broker.id"] {
		c.resolve()
		l.checkListeners(c)
	}
	l.collectNotices()
	if len(l.problems) > 0 {
		slices.SortStableFunc(l.problems, func(a, b problem) int { return cmp.Compare(a.order, b.order) })
		errs := make([]error, len(l.problems))
		for i, p := range l.problems {
			errs[i] = p.err
		}
		return nil, l.notices, errors.Join(errs...)
	}
	l.collectHints(c)
	return c, l.notices, nil
}

// loader collects what New finds.
type loader struct {
	set      map[string]Entry // the last entry of each key
	order    map[string]int   // where it stands among the entries
	builtin  map[string]bool  // set by a built-in default only
	bad      map[string]bool  // has a problem already
	problems []problem
	notices  Notices
}

type problem struct {
	order int
	err   error
}

const builtinSource = "built-in"

// embedded are the values of a start without a file: those that a single node needs to work, and no wait for a first rebalance. It listens on
// localhost only, because that is also what it advertises and nobody asked it to be open to a network.
var embedded = []Entry{
	{Key: "listeners", Value: "PLAINTEXT://localhost:9092"},
	{Key: "offsets.topic.replication.factor", Value: "1"},
	{Key: "transaction.state.log.replication.factor", Value: "1"},
	{Key: "transaction.state.log.min.isr", Value: "1"},
	{Key: "share.coordinator.state.topic.replication.factor", Value: "1"},
	{Key: "share.coordinator.state.topic.min.isr", Value: "1"},
	{Key: "group.initial.rebalance.delay.ms", Value: "0"},
	{Key: "group.consumer.assignment.interval.ms", Value: "0"},
}

// required are keys without which Kafka 4.x does not start.
var required = []Entry{
	{Key: "process.roles", Value: "broker,controller"},
	{Key: "node.id", Value: "1"},
	{Key: "controller.listener.names", Value: "CONTROLLER"},
}

func (l *loader) layer(entries []Entry, d Defaults) {
	l.bad = make(map[string]bool)
	for i, e := range entries {
		if e.weak {
			l.set[e.Key], l.order[e.Key] = e, i
		}
	}
	for i, e := range entries {
		if !e.weak {
			l.set[e.Key], l.order[e.Key] = e, i
		}
	}
	l.sameID()
	under := required
	if d.NoFile {
		under = append(slices.Clone(required), embedded...)
	}
	for _, e := range under {
		if _, ok := l.set[e.Key]; !ok && !(e.Key == "listeners" && l.oldAddress()) {
			e.Source = builtinSource
			l.set[e.Key], l.builtin[e.Key] = e, true
		}
	}
	if l.set["node.id"].Source == builtinSource {
		l.set["broker.id"], l.builtin["broker.id"] = l.set["node.id"], true
	}
}

// sameID makes node.id and broker.id say the same when only one is set. A broker.id of -1 asked ZooKeeper for a number and counts as unset.
func (l *loader) sameID() {
	node, hasNode := l.set["node.id"]
	broker, hasBroker := l.set["broker.id"]
	if hasBroker && strings.TrimSpace(broker.Value) == "-1" {
		delete(l.set, "broker.id")
		hasBroker = false
	}
	switch {
	case hasNode && !hasBroker:
		l.set["broker.id"], l.builtin["broker.id"] = node, true
	case hasBroker && !hasNode:
		l.set["node.id"], l.builtin["node.id"], l.order["node.id"] = broker, true, l.order["broker.id"]
	}
}

// oldAddress reports whether the keys of Kafka 2.x say where to listen.
func (l *loader) oldAddress() bool {
	_, host := l.set["host.name"]
	_, port := l.set["port"]
	return host || port
}

// fault notes that the value of a key is wrong.
func (l *loader) fault(key, format string, args ...any) {
	l.bad[key] = true
	text := fmt.Sprintf("%s: %s", key, fmt.Sprintf(format, args...))
	if e, ok := l.set[key]; ok && e.Source != builtinSource {
		l.problems = append(l.problems, problem{l.order[key], fmt.Errorf("%s: %s", e.Source, text)})
		return
	}
	l.problems = append(l.problems, problem{len(l.order), errors.New(text)})
}

// get returns the parsed value of a key, its default when it is not set, nil when it is null or wrong.
func (l *loader) get(key string) any {
	k := byName[key]
	text := k.Default
	if e, ok := l.set[key]; ok {
		text = e.Value
	} else if text == null {
		return nil
	}
	v, bad := parseValue(k.Type, text)
	if bad != nil {
		return nil
	}
	return v
}

// user returns the value that the user gave to a key.
func (l *loader) user(key string) (string, bool) {
	e, ok := l.set[key]
	if !ok || l.builtin[key] {
		return "", false
	}
	return strings.TrimSpace(e.Value), true
}

// changed reports whether the user gave a key another value than its default.
func (l *loader) changed(key string) bool {
	text, ok := l.user(key)
	if !ok {
		return false
	}
	k, _ := LookupKey(key)
	if k.Default == null {
		return text != ""
	}
	v, bad := parseValue(k.Type, text)
	return bad != nil || formatValue(v) != k.Default
}

// keys returns the keys that are set, in the order of the entries.
func (l *loader) keys() []string {
	keys := make([]string, 0, len(l.set))
	for k := range l.set {
		if !l.builtin[k] {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(l.order[a], l.order[b]), cmp.Compare(a, b)) })
	return keys
}

// checkEach checks every value by its own row of the table.
func (l *loader) checkEach() {
	for _, name := range l.keys() {
		e := l.set[name]
		k, known := LookupKey(name)
		if !known || k.flags&dynamicOnly != 0 {
			if !isForeign(name) {
				l.notices.Unknown = append(l.notices.Unknown, Suggestion{Key: name, Source: e.Source, DidYouMean: nearest(name)})
			}
			continue
		}
		v, bad := parseValue(k.Type, e.Value)
		if bad != nil {
			l.fault(name, "%s", typeProblem(k, e.Value))
			continue
		}
		if bad := k.check.run(name, v); bad != nil {
			l.fault(name, "%s", checkProblem(e.Value, bad))
		}
	}
}

// foreign are prefixes of keys that belong to plugins: Kafka hands them on unread.
var foreign = []string{"rsm.config.", "rlmm.config.", "config.providers.", "confluent.", "listener.name."}

func isForeign(name string) bool {
	return slices.ContainsFunc(foreign, func(p string) bool { return strings.HasPrefix(name, p) })
}

func (l *loader) collectNotices() {
	var zk []string
	for _, name := range l.keys() {
		e := l.set[name]
		if v, ok := strings.CutPrefix(e.Source, "env "); ok {
			l.notices.FromEnv = append(l.notices.FromEnv, v)
		}
		k, known := LookupKey(name)
		switch {
		case !known && isForeign(name):
			l.notices.NotHonoured = append(l.notices.NotHonoured, name)
		case !known || k.flags&dynamicOnly != 0:
		case k.flags&zookeeper != 0:
			zk = append(zk, name)
		case (!k.Honoured() || name != k.Name) && l.changed(name) && !l.bad[name]:
			l.notices.NotHonoured = append(l.notices.NotHonoured, name)
		}
	}
	slices.Sort(l.notices.NotHonoured)
	slices.Sort(l.notices.FromEnv)
	l.notices.FromEnv = slices.Compact(l.notices.FromEnv)
	if len(zk) > 0 {
		slices.Sort(zk)
		l.notices.Legacy = append(l.notices.Legacy, strings.Join(zk, ", ")+" ignored: gokafka does ZooKeeper's job itself")
	}
	for _, name := range []string{"advertised.host.name", "advertised.port", "host.name", "port"} {
		if text, ok := l.user(name); ok && text != "" {
			l.notices.Legacy = append(l.notices.Legacy, name+" is a key of Kafka 2.x: honoured where listeners or advertised.listeners do not say otherwise")
		}
	}
}

func (l *loader) collectHints(c *Config) {
	for _, key := range []string{"default.replication.factor", "offsets.topic.replication.factor", "min.insync.replicas"} {
		if n := c.Int(key); n > 1 {
			what := map[string]string{
				"default.replication.factor":       "topics that do not say otherwise cannot be created",
				"offsets.topic.replication.factor": "__consumer_offsets gets 1",
				"min.insync.replicas":              "writes with acks=all are refused",
			}[key]
			l.notices.Hints = append(l.notices.Hints, fmt.Sprintf("%s is %d and there is one node: %s", key, n, what))
		}
	}
	for _, e := range c.allListeners() {
		if slices.Contains(c.controllers, e.Name) {
			l.notices.Hints = append(l.notices.Hints, "listener "+e.Name+" is not opened: the controller of a single node needs none")
		}
	}
}
