package config

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// notConfiguration are KAFKA_* variables that steer Kafka's scripts and images, not the broker.
var notConfiguration = []string{
	"KAFKA_VERSION", "KAFKA_HEAP_OPTS", "KAFKA_LOG4J_OPTS", "KAFKA_OPTS", "KAFKA_JMX_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS", "KAFKA_GC_LOG_OPTS",
	"KAFKA_LOG4J_ROOT_LOGLEVEL", "KAFKA_LOG4J_LOGGERS", "KAFKA_TOOLS_LOG4J_LOGLEVEL", "KAFKA_JMX_HOSTNAME", "KAFKA_JMX_PORT",
	"KAFKA_HOME", "KAFKA_DEBUG", "KAFKA_ENABLE_KRAFT",
}

// kubernetesLink matches the variables that Kubernetes injects for a service whose name begins with kafka. They look like configuration but are
// addresses of other pods: KAFKA_PORT=tcp://10.0.0.1:9092, KAFKA_SERVICE_PORT_HTTP, KAFKA_PORT_9092_TCP_ADDR.
var kubernetesLink = regexp.MustCompile(`^KAFKA_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$`)

// hostOfListener is what the image's script replaces when it makes listeners out of advertised ones.
var hostOfListener = regexp.MustCompile(`://(\[[^\]]*\]|[^:,]*):`)

// FromEnviron turns the KAFKA_* variables of environ ("NAME=value" each) into entries by the rules of Apache Kafka's image, sorted by name:
// prefix off, lower case, "___" to "-", "__" to "_", "_" to ".". KAFKA_CFG_ is taken for a prefix as well and wins. CLUSTER_ID becomes
// cluster.id. Variables of Kafka's scripts and links of Kubernetes are no configuration. KAFKA_ADVERTISED_LISTENERS without KAFKA_LISTENERS gives
// listeners on all interfaces, unless listeners are set elsewhere.
func FromEnviron(environ []string) []Entry {
	var plain, cfg []Entry
	for _, v := range environ {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			continue
		}
		switch key, list := keyOfVariable(name, value), &plain; {
		case key == "":
		default:
			if strings.HasPrefix(name, "KAFKA_CFG_") {
				list = &cfg
			}
			*list = append(*list, Entry{Key: key, Value: value, Source: "env " + name})
		}
	}
	bySource := func(a, b Entry) int { return cmp.Compare(a.Source, b.Source) }
	slices.SortFunc(plain, bySource)
	slices.SortFunc(cfg, bySource)
	entries := append(plain, cfg...)
	return append(derivedListeners(entries), entries...)
}

func keyOfVariable(name, value string) string {
	switch {
	case name == "CLUSTER_ID", name == "KAFKA_KRAFT_CLUSTER_ID", name == "KAFKA_CLUSTER_ID":
		return "cluster.id"
	case !strings.HasPrefix(name, "KAFKA_"), slices.Contains(notConfiguration, name), isKubernetesLink(name, value):
		return ""
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(name, "KAFKA_"), "CFG_")
	return strings.NewReplacer("...", "-", "..", "_").Replace(strings.ReplaceAll(strings.ToLower(rest), "_", "."))
}

func isKubernetesLink(name, value string) bool {
	return strings.HasPrefix(value, "tcp://") || strings.HasPrefix(value, "udp://") || kubernetesLink.MatchString(name)
}

// derivedListeners does what the image does when only the advertised addresses are given: listen on the same ports of all interfaces.
func derivedListeners(entries []Entry) []Entry {
	var derived []Entry
	for _, e := range entries {
		switch e.Key {
		case "listeners":
			return nil
		case "advertised.listeners":
			derived = []Entry{{Key: "listeners", Value: hostOfListener.ReplaceAllString(e.Value, "://0.0.0.0:"), Source: e.Source, weak: true}}
		}
	}
	return derived
}
