package config

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Type is the type of a configuration value, numbered as DescribeConfigs does.
type Type int8

// The types of Kafka's configuration values.
const (
	TypeUnknown  Type = 0
	TypeBoolean  Type = 1
	TypeString   Type = 2
	TypeInt      Type = 3
	TypeShort    Type = 4
	TypeLong     Type = 5
	TypeDouble   Type = 6
	TypeList     Type = 7
	TypeClass    Type = 8
	TypePassword Type = 9
)

// String is Kafka's name of the type, as its messages have it.
func (t Type) String() string {
	names := [...]string{"UNKNOWN", "BOOLEAN", "STRING", "INT", "SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD"}
	if t < 0 || int(t) >= len(names) {
		t = TypeUnknown
	}
	return names[t]
}

// Key is one configuration key: a row of the table.
type Key struct {
	Name    string
	Type    Type
	Default string // as text; null when there is none
	flags   flags
	check   check
	Doc     string // our own words
}

// null is the default of a key that has none.
const null = "\x00null"

type flags uint16

// What becomes of a value that the user sets: exactly one of the first seven.
const (
	honour    flags = 1 << iota // this release does what Kafka does
	later                       // planned: accepted and named in the notice
	accept                      // nothing to do for it here: accepted and named in the notice
	class                       // a Java class; Kafka's own ones are accepted, see checkClasses
	refuse                      // an error when not the default: the feature would be silently absent
	zookeeper                   // about ZooKeeper: accepted with a notice of its own

	cl          // may be changed while running, for the cluster or for one broker
	pb          // may be changed while running, for one broker only
	internal    // not shown by DescribeConfigs
	legacy      // not a key of Kafka 4.x any more; not shown either
	own         // gokafka's own key; not shown either
	outside     // read by a Kafka plugin, not by the broker itself; not shown either
	dynamicOnly // exists as a dynamic configuration only
)

// Sensitive reports whether values of the key must never be shown.
func (k *Key) Sensitive() bool { return k.Type == TypePassword }

// Honoured reports whether this release does what Kafka does for the key.
func (k *Key) Honoured() bool { return k.flags&honour != 0 }

// Dynamic reports whether the key may be changed while the broker runs.
func (k *Key) Dynamic() bool { return k.flags&(cl|pb) != 0 }

// PerBroker reports whether the key may be changed for a single broker only, not as a default of the cluster.
func (k *Key) PerBroker() bool { return k.flags&pb != 0 }

// DefaultValue is the default as text; nil when there is none.
func (k *Key) DefaultValue() *string {
	if k.Default == null {
		return nil
	}
	return &k.Default
}

// described reports whether a Kafka 4.3.1 broker lists the key in DescribeConfigs.
func (k *Key) described() bool { return k.flags&(internal|legacy|own|outside|dynamicOnly) == 0 }

// TopicKey is a configuration of topics.
type TopicKey struct {
	Key
	// Synonyms are the broker keys that the default comes from: the first that has a value counts. Those in hours and minutes are converted.
	Synonyms []string
}

// section is a part of the table, in the order of docs/configuration.md.
type section struct {
	title string
	keys  []Key
}

var sections = []section{
	{"Node and topics", brokerKeys},
	{"Listeners and connections", networkKeys},
	{"Logs", logKeys},
	{"Groups", groupKeys},
	{"Transactions", txnKeys},
	{"Controller and replication", clusterKeys},
	{"Security", securityKeys},
	{"Remote storage", remoteKeys},
	{"Keys of older Kafkas", legacyKeys},
}

var (
	byName      = indexKeys()
	topicByName = indexTopicKeys()
	sortedKeys  = sortKeys()
)

func indexKeys() map[string]*Key {
	m := make(map[string]*Key)
	for _, s := range sections {
		for i := range s.keys {
			m[s.keys[i].Name] = &s.keys[i]
		}
	}
	return m
}

func indexTopicKeys() map[string]*TopicKey {
	m := make(map[string]*TopicKey)
	for i := range topicTable {
		m[topicTable[i].Name] = &topicTable[i]
	}
	return m
}

func sortKeys() []*Key {
	var ks []*Key
	for _, k := range byName {
		ks = append(ks, k)
	}
	slices.SortFunc(ks, func(a, b *Key) int { return cmp.Compare(a.Name, b.Name) })
	return ks
}

// LookupKey returns the row of a broker key, by its name or by its name behind a listener prefix.
func LookupKey(name string) (*Key, bool) {
	if k := byName[name]; k != nil {
		return k, true
	}
	if base, ok := listenerBase(name); ok {
		return byName[base], true
	}
	return nil, false
}

// TopicKeyNames are the names of all configurations of topics, by the alphabet.
func TopicKeyNames() []string { return slices.Sorted(maps.Keys(topicByName)) }

// LookupTopicKey returns the row of a topic configuration.
func LookupTopicKey(name string) (*TopicKey, bool) {
	k := topicByName[name]
	return k, k != nil
}

var listenerPrefix = regexp.MustCompile(`^listener\.name\.[^.]*\.(.*)$`)

// perMechanism are the keys that stand behind a listener name and a SASL mechanism: listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config.
var perMechanism = []string{
	"sasl.jaas.config", "sasl.login.callback.handler.class", "sasl.login.class", "sasl.server.callback.handler.class", "connections.max.reauth.ms",
}

// listenerBase returns the key that a listener's own setting is about.
func listenerBase(name string) (string, bool) {
	m := listenerPrefix.FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	for _, base := range perMechanism {
		if m[1] == base || strings.HasSuffix(m[1], "."+base) {
			return base, true
		}
	}
	_, ok := byName[m[1]]
	return m[1], ok
}

// listenerLevel are the per-broker keys whose form without a listener prefix may be a default of the cluster too.
var listenerLevel = []string{"max.connections", "max.connection.creation.rate", "num.network.threads"}

// brokerSynonyms lists the keys that say the same thing in other units, the one that counts first (DynamicBrokerConfig.brokerConfigSynonyms).
func brokerSynonyms(name string) []string {
	for _, group := range unitGroups {
		if name == "log.flush.scheduler.interval.ms" {
			break // a fallback of log.flush.interval.ms, but not the other way around
		}
		if slices.Contains(group, name) {
			return group
		}
	}
	if base, ok := listenerBase(name); ok {
		return []string{name, base}
	}
	return []string{name}
}

var unitGroups = [][]string{
	{"log.roll.ms", "log.roll.hours"},
	{"log.roll.jitter.ms", "log.roll.jitter.hours"},
	{"log.flush.interval.ms", "log.flush.scheduler.interval.ms"},
	{"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
}
