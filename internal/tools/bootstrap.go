package tools

import (
	"regexp"
	"strings"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var hostAndPort = regexp.MustCompile(`^(?:.*://)?\[?[0-9a-zA-Z\-%._:]*\]?:[0-9]+$`)

// checkBootstrap refuses addresses without a port, with Kafka's words.
func checkBootstrap(servers string) error {
	if strings.TrimSpace(servers) == "" {
		return usageError("Error while validating the bootstrap address\n")
	}
	for s := range strings.SplitSeq(servers, ",") {
		if !hostAndPort.MatchString(s) {
			return usageError("Please provide valid host:port like host1:9091,host2:9092\n ")
		}
	}
	return nil
}

// renamed is an option that has got another name; the old one still works, with a warning.
type renamed struct{ old, new *jopt.Option }

// checkRenamed refuses both names at once and warns of old ones, where Kafka's tools do: on standard output.
func (c *command) checkRenamed(pairs ...renamed) error {
	for _, p := range pairs {
		if c.Has(p.old) && c.Has(p.new) {
			return usagef("Options --%s and --%s cannot be specified together.", p.new.Name(), p.old.Name())
		}
	}
	for _, p := range pairs {
		if c.Has(p.old) {
			c.env.printf("Warning: --%s is deprecated and will be removed in a future version. Use --%s instead.\n", p.old.Name(), p.new.Name())
		}
	}
	return nil
}

// either is the values of whichever of two names was given.
func (c *command) either(p renamed) []string {
	if c.Has(p.new) {
		return c.Values(p.new)
	}
	return c.Values(p.old)
}
