package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Invalid is the error of a configuration change that is refused. Message is what the client is told.
type Invalid struct {
	Message string
	Err     error // kerr.InvalidConfig or kerr.InvalidRequest
}

// Error is the message alone, as Kafka sends it.
func (e *Invalid) Error() string { return e.Message }

// Unwrap returns the Kafka error.
func (e *Invalid) Unwrap() error { return e.Err }

func invalidConfig(message string) error  { return &Invalid{message, kerr.InvalidConfig} }
func invalidRequest(message string) error { return &Invalid{message, kerr.InvalidRequest} }

// notWhileRunning are keys that Kafka can change while it runs and this release cannot: a change is refused rather than stored without effect.
var notWhileRunning = []string{"listeners", "listener.security.protocol.map"}

// ValidateBroker checks a dynamic update of one broker configuration: perBroker for one broker's, else for the cluster default. The error
// wraps kerr.InvalidRequest and has Kafka's text. Names that are not in the table are accepted, as Kafka does.
func ValidateBroker(name, value string, perBroker bool) error {
	k, known := LookupKey(name)
	if !known {
		return nil
	}
	prefixed := name != k.Name
	switch {
	case !k.Dynamic() && k.flags&(legacy|own|outside) != 0 && !prefixed:
		return nil
	case !k.Dynamic() && !prefixed, slices.Contains(notWhileRunning, name):
		return invalidRequest(fmt.Sprintf("Cannot update these configs dynamically: [%s]", name))
	case k.PerBroker() && isSecurity(name):
		return invalidRequest(fmt.Sprintf("These security configs can be dynamically updated only per-listener using the listener prefix: [%s]", name))
	}
	v, bad := parseValue(k.Type, value)
	if bad == nil {
		bad = k.check.run(k.Name, v)
	}
	if bad != nil {
		return invalidRequest(bad.message(k.Name))
	}
	if !perBroker && (k.PerBroker() || prefixed && !slices.Contains(listenerLevel, k.Name)) {
		return invalidRequest(fmt.Sprintf("Cannot update these configs at default cluster level, broker id must be specified: [%s]", name))
	}
	if name == "max.connections.per.ip.overrides" {
		if _, err := parsePerIP(value); err != nil {
			return invalidRequest(fmt.Sprintf("Error parsing configuration property '%s': %v", name, err))
		}
	}
	return nil
}

// ValidateChange checks what a dynamic update of this broker's configuration would change of it, after ValidateBroker has passed each value. The
// error wraps kerr.InvalidRequest and has Kafka's text: in Kafka these are the checks of what is reconfigured.
func (c *Config) ValidateChange(next map[string]string) error {
	if value, ok := next["log.cleaner.threads"]; ok {
		now := c.Int("log.cleaner.threads")
		v, bad := parseValue(TypeInt, value)
		threads, _ := v.(int64)
		switch n := int(threads); {
		case bad != nil:
			return invalidRequest(bad.message("log.cleaner.threads"))
		case n < 1:
			return invalidRequest("Log cleaner threads should be at least 1")
		case n < now/2:
			return invalidRequest(fmt.Sprintf("Log cleaner threads cannot be reduced to less than half the current value %d", now))
		case n > now*2:
			return invalidRequest(fmt.Sprintf("Log cleaner threads cannot be increased to more than double the current value %d", now))
		}
	}
	if value, ok := next["cordoned.log.dirs"]; ok {
		v, _ := parseValue(TypeList, value)
		cordoned, _ := v.([]string)
		for _, dir := range cordoned {
			if dir != "" && dir != "*" && !slices.Contains(c.LogDirs(), dir) {
				return invalidRequest(fmt.Sprintf("Invalid entry in cordoned.log.dirs: %s. All cordoned log dirs must be entries of log.dirs or log.dir.", dir))
			}
		}
	}
	return nil
}

// isSecurity reports whether a key is one of SslConfigs.RECONFIGURABLE_CONFIGS, which exist per listener only once they are dynamic.
func isSecurity(name string) bool {
	return slices.Contains([]string{
		"ssl.protocol", "ssl.provider", "ssl.cipher.suites", "ssl.enabled.protocols", "ssl.keystore.type", "ssl.keystore.location",
		"ssl.keystore.password", "ssl.key.password", "ssl.truststore.type", "ssl.truststore.location", "ssl.truststore.password",
		"ssl.keymanager.algorithm", "ssl.trustmanager.algorithm", "ssl.endpoint.identification.algorithm", "ssl.secure.random.implementation",
		"ssl.engine.factory.class", "ssl.keystore.key", "ssl.keystore.certificate.chain", "ssl.truststore.certificates",
	}, name)
}

// WithDynamic returns the configuration with dynamic updates over it: this broker's over the cluster's defaults over the file. It replaces the
// updates of an earlier WithDynamic. Values that are no longer valid are left out and named in the error; the configuration is usable even so.
func (c *Config) WithDynamic(defaults, perBroker map[string]string) (*Config, error) {
	next := *c
	var errs []error
	next.dynamicDefaults, errs = validUpdates(defaults, false, errs)
	next.dynamicBroker, errs = validUpdates(perBroker, true, errs)
	next.resolve()
	return &next, errors.Join(errs...)
}

func validUpdates(updates map[string]string, perBroker bool, errs []error) (map[string]string, []error) {
	valid := make(map[string]string, len(updates))
	for _, name := range slices.Sorted(maps.Keys(updates)) {
		if err := ValidateBroker(name, updates[name], perBroker); err != nil {
			errs = append(errs, fmt.Errorf("dynamic %s=%q is left out: %w", name, updates[name], err))
			continue
		}
		valid[name] = updates[name]
	}
	return valid, errs
}
