package config

import "errors"

// Defaults says which defaults lie under the entries given to [New].
type Defaults struct {
	// NoFile is for a start without a configuration file: an embedded single node that is ready to use.
	NoFile bool
	// Hostname is advertised for a listener that is bound to all interfaces and has no advertised.listeners; "localhost" when empty.
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
}

// Listener is one socket of the broker.
type Listener struct {
	Name     string // upper case, as in listeners=NAME://host:port
	Host     string // empty: all interfaces. IPv6 without brackets
	Port     int    // 0: any free one
	Protocol string // PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL
}

// Config is the configuration of one node: immutable, safe for concurrent use.
type Config struct{ values map[string]any }

// New checks the entries, of which later ones win, and makes the configuration. The error joins all problems found, one per line, each
// "source: key: what is wrong (hint)".
func New(entries []Entry, d Defaults) (*Config, Notices, error) {
	return nil, Notices{}, errors.New("not built yet")
}

// Int returns the value of an INT or SHORT key, 0 when it is null. It panics on a key that is not in the table or of another type.
func (c *Config) Int(key string) int { return 0 }

// Int64 returns the value of an INT, SHORT or LONG key, 0 when it is null.
func (c *Config) Int64(key string) int64 { return 0 }

// Float returns the value of a DOUBLE key.
func (c *Config) Float(key string) float64 { return 0 }

// String returns the value of a STRING, CLASS or PASSWORD key, "" when it is null.
func (c *Config) String(key string) string { return "" }

// Bool returns the value of a BOOLEAN key.
func (c *Config) Bool(key string) bool { return false }

// List returns the value of a LIST key. The caller must not change it.
func (c *Config) List(key string) []string { return nil }

// IsSet reports whether the file, the environment, an override or a dynamic update gave the key a value.
func (c *Config) IsSet(key string) bool { return false }

// NodeID is node.id, or broker.id under its old name.
func (c *Config) NodeID() int32 { return 0 }

// LogDirs is log.dirs, or log.dir.
func (c *Config) LogDirs() []string { return nil }

// MetadataLogDir is the directory that holds __cluster_metadata-0: metadata.log.dir, or the first of LogDirs.
func (c *Config) MetadataLogDir() string { return "" }

// Rack is broker.rack.
func (c *Config) Rack() string { return "" }

// Listeners are the sockets to open for clients; those of the controller are not among them.
func (c *Config) Listeners() []Listener { return nil }

// AdvertisedListeners is what clients are told, one per listener of Listeners that is advertised, in their order. A port of 0 stands for the
// port that the listener of that name got.
func (c *Config) AdvertisedListeners() []Listener { return nil }

// ControllerListenerNames is controller.listener.names in upper case.
func (c *Config) ControllerListenerNames() []string { return nil }

// InterBrokerListener is the name of the listener that brokers use among themselves.
func (c *Config) InterBrokerListener() string { return "" }

// WithDynamic returns the configuration with dynamic updates over it: this broker's over the cluster's defaults over the file. It replaces the
// updates of an earlier WithDynamic. Values that are no longer valid are left out and named in the error; the configuration is usable even so.
func (c *Config) WithDynamic(defaults, perBroker map[string]string) (*Config, error) {
	return c, nil
}
