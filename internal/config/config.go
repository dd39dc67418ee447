package config

import (
	"fmt"
	"slices"
	"strings"
)

// Defaults says which defaults lie under the entries given to [New].
type Defaults struct {
	// NoFile is for a start without a configuration file: an embedded single node on localhost that is ready to use.
	NoFile bool
	// Hostname is advertised for a listener that is bound to all interfaces and has no address in advertised.listeners; "localhost" when empty.
	Hostname string
}

// Suggestion is a key that is not known, and the known one that it may have meant.
type Suggestion struct {
	Key, Source string
	DidYouMean  string // empty when nothing is near
}

// Notices are what the user should be told once at the start: nothing in a configuration is dropped silently.
type Notices struct {
	NotHonoured []string     // keys set to something else than the default that this release does nothing with, sorted
	Unknown     []Suggestion // keys that Kafka does not have either, in the order of the entries
	Legacy      []string     // sentences about keys of older Kafkas and what became of them
	Hints       []string     // sentences about settings that are honoured but may surprise
	FromEnv     []string     // variables that set something, sorted
}

// Config is the configuration of one node: immutable, safe for concurrent use.
type Config struct {
	static  map[string]Entry // what the file, the environment, the overrides and the built-in defaults say, by key
	builtin map[string]bool  // keys of static that only the built-in defaults set

	dynamicDefaults, dynamicBroker map[string]string // valid dynamic updates, see WithDynamic

	values map[string]any // effective values of all keys of the table; nil for null

	hostname    string
	listeners   []Listener
	advertised  []Listener
	controllers []string // listener names
	interBroker string
}

// value returns the effective value of a key, nil when it is null.
func (c *Config) value(key string) any {
	if _, ok := byName[key]; !ok {
		panic("config: " + key + " is not in the table")
	}
	return c.values[key]
}

func typed[T any](c *Config, key string) T {
	v := c.value(key)
	if v == nil {
		var zero T
		return zero
	}
	t, ok := v.(T)
	if !ok {
		panic(fmt.Sprintf("config: %s is a %s", key, byName[key].Type))
	}
	return t
}

// Int returns the value of an INT or SHORT key, 0 when it is null. It panics on a key that is not in the table or of another type: all
// accessors do, because that is a mistake in the program.
func (c *Config) Int(key string) int { return int(typed[int64](c, key)) }

// Int64 returns the value of an INT, SHORT or LONG key, 0 when it is null.
func (c *Config) Int64(key string) int64 { return typed[int64](c, key) }

// Float returns the value of a DOUBLE key, 0 when it is null.
func (c *Config) Float(key string) float64 { return typed[float64](c, key) }

// String returns the value of a STRING, CLASS or PASSWORD key, "" when it is null.
func (c *Config) String(key string) string { return typed[string](c, key) }

// Bool returns the value of a BOOLEAN key, false when it is null.
func (c *Config) Bool(key string) bool { return typed[bool](c, key) }

// List returns the value of a LIST key without empty parts. The caller must not change it.
func (c *Config) List(key string) []string { return typed[[]string](c, key) }

// IsSet reports whether the file, the environment, an override or a dynamic update gave the key a value.
func (c *Config) IsSet(key string) bool {
	_, static := c.static[key]
	_, byDefault := c.dynamicDefaults[key]
	_, byBroker := c.dynamicBroker[key]
	return static && !c.builtin[key] || byDefault || byBroker
}

// NodeID is node.id, or broker.id under its old name.
func (c *Config) NodeID() int32 { return int32(c.Int("node.id")) }

// ClusterID is the id for directories that are not formatted yet, "" when none was given.
func (c *Config) ClusterID() string { return c.String("cluster.id") }

// LogDirs is log.dirs, or log.dir.
func (c *Config) LogDirs() []string {
	if dirs := c.List("log.dirs"); len(dirs) > 0 {
		return dirs
	}
	return c.List("log.dir")
}

// CordonedLogDirs are those of LogDirs that get no new partitions, as they are written there (KIP-1066).
func (c *Config) CordonedLogDirs() []string {
	cordoned := c.List("cordoned.log.dirs")
	if slices.Contains(cordoned, "*") {
		return c.LogDirs()
	}
	return slices.DeleteFunc(slices.Clone(c.LogDirs()), func(d string) bool { return !slices.Contains(cordoned, d) })
}

// MetadataLogDir is the directory that holds __cluster_metadata-0: metadata.log.dir, or the first of LogDirs.
func (c *Config) MetadataLogDir() string {
	if dir := c.String("metadata.log.dir"); dir != "" {
		return dir
	}
	return c.LogDirs()[0]
}

// Rack is broker.rack.
func (c *Config) Rack() string { return c.String("broker.rack") }

// Listeners are the sockets to open for clients; those of the controller are not among them.
func (c *Config) Listeners() []Listener { return slices.Clone(c.listeners) }

// AdvertisedListeners is what clients are told, one per listener of Listeners that is advertised, in their order. A port of 0 stands for the
// port that the listener of that name got.
func (c *Config) AdvertisedListeners() []Listener { return slices.Clone(c.advertised) }

// ControllerListenerNames is controller.listener.names in upper case.
func (c *Config) ControllerListenerNames() []string { return slices.Clone(c.controllers) }

// InterBrokerListener is the name of the listener that brokers use among themselves.
func (c *Config) InterBrokerListener() string { return c.interBroker }

// resolve computes the effective values from the layers.
func (c *Config) resolve() {
	c.values = make(map[string]any, len(byName))
	for name, k := range byName {
		c.values[name] = c.effective(k, name)
	}
}

// effective returns the value of the key written as name, from the highest layer that has it.
func (c *Config) effective(k *Key, name string) any {
	text, ok := c.dynamicBroker[name]
	if !ok {
		text, ok = c.dynamicDefaults[name]
	}
	if !ok {
		if e, set := c.static[name]; set {
			text, ok = e.Value, true
		}
	}
	if !ok {
		d := k.DefaultValue()
		if d == nil {
			return nil
		}
		text = *d
	}
	v, bad := parseValue(k.Type, text)
	if bad != nil {
		return nil // New and WithDynamic let no such value in
	}
	if list, ok := v.([]string); ok {
		return slices.DeleteFunc(list, func(s string) bool { return s == "" })
	}
	return v
}

// upper returns the names in upper case, as Kafka compares listener names.
func upper(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.ToUpper(n)
	}
	return out
}
