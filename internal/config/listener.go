package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Listener is one socket of the broker.
type Listener struct {
	Name     string // upper case, as in listeners=NAME://host:port
	Host     string // empty: all interfaces. IPv6 without brackets
	Port     int    // 0: any free one
	Protocol string // PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL

	// FromConnection is for an advertised listener about whose host nothing was said and which is bound to all interfaces: each client is told the
	// address of this machine that it has connected to. Host is then what is registered with the cluster.
	FromConnection bool
}

// String writes the listener as Kafka does.
func (e Listener) String() string {
	host := e.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s://%s:%d", e.Name, host, e.Port)
}

// anyInterface reports whether the host stands for all interfaces and thus is no address to give to a client.
func (e Listener) anyInterface() bool {
	addr, err := netip.ParseAddr(e.Host)
	return e.Host == "" || err == nil && addr.IsUnspecified()
}

// securityProtocols are the protocols of Kafka's listeners. Their names are also the names of listeners that need no entry in the map.
var securityProtocols = []string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}

// parseListeners reads NAME://host:port,… without looking names up. Empty parts, as a trailing comma leaves them, are skipped: Testcontainers
// writes such lists.
func parseListeners(list []string) ([]Listener, error) {
	var out []Listener
	for _, text := range list {
		if text == "" {
			continue
		}
		e, err := parseListener(text)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

var listenerName = regexp.MustCompile(`^[0-9a-zA-Z_.\-]+$`)

func parseListener(text string) (Listener, error) {
	name, address, ok := strings.Cut(text, "://")
	colon := strings.LastIndexByte(address, ':')
	name = strings.TrimSpace(name)
	if !ok || !listenerName.MatchString(name) || colon < 0 {
		return Listener{}, fmt.Errorf("%q is not a listener (write NAME://host:port, for example PLAINTEXT://localhost:9092)", text)
	}
	port, err := strconv.ParseUint(address[colon+1:], 10, 16)
	if err != nil {
		return Listener{}, fmt.Errorf("%q: %q is not a port (0 … 65535)", text, address[colon+1:])
	}
	host := address[:colon]
	bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
	if bracketed {
		host = host[1 : len(host)-1]
	}
	if bracketed || strings.Contains(host, ":") { // Kafka takes ::1 without brackets, too
		if _, err := netip.ParseAddr(host); err != nil {
			return Listener{}, fmt.Errorf("%q: %q is not an IPv6 address", text, host)
		}
	}
	if host != "" && !hostPattern.MatchString(host) {
		return Listener{}, fmt.Errorf("%q: %q is not a host name", text, host)
	}
	return Listener{Name: strings.ToUpper(name), Host: host, Port: int(port)}, nil
}

// parseProtocolMap reads NAME:PROTOCOL,….
func parseProtocolMap(text string) (map[string]string, error) {
	m := make(map[string]string)
	for _, part := range splitList(strings.TrimSpace(text)) {
		if part == "" {
			continue
		}
		name, protocol, ok := strings.Cut(part, ":")
		name, protocol = strings.ToUpper(strings.TrimSpace(name)), strings.ToUpper(strings.TrimSpace(protocol))
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not NAME:PROTOCOL", part)
		}
		if !slices.Contains(securityProtocols, protocol) {
			return nil, fmt.Errorf("%q is not a security protocol (%s)", protocol, strings.Join(securityProtocols, ", "))
		}
		m[name] = protocol
	}
	return m, nil
}

// protocols returns the protocol of each listener name. Controller listeners that no map mentions are PLAINTEXT, unless something is encrypted
// (KafkaConfig.effectiveListenerSecurityProtocolMap).
func (c *Config) protocols(all []Listener) (map[string]string, error) {
	m, err := parseProtocolMap(c.String("listener.security.protocol.map"))
	if err != nil || c.IsSet("listener.security.protocol.map") {
		return m, err
	}
	encrypted := func(name string) bool { return name != "PLAINTEXT" && slices.Contains(securityProtocols, name) }
	if slices.ContainsFunc(c.controllers, encrypted) || slices.ContainsFunc(all, func(e Listener) bool { return encrypted(e.Name) }) {
		return m, nil
	}
	for _, name := range c.controllers {
		m[name] = "PLAINTEXT"
	}
	return m, nil
}

// allListeners are the listeners of the file, those of the controller included.
func (c *Config) allListeners() []Listener {
	if !c.IsSet("listeners") && (c.IsSet("host.name") || c.IsSet("port")) {
		return []Listener{{Name: "PLAINTEXT", Host: c.String("host.name"), Port: c.Int("port")}}
	}
	all, _ := parseListeners(c.List("listeners"))
	return all
}

// checkListeners checks everything about listeners and fills them in.
func (l *loader) checkListeners(c *Config) {
	c.controllers = upper(c.List("controller.listener.names"))
	if _, err := parseListeners(c.List("listeners")); err != nil {
		l.fault("listeners", "%v", err)
		return
	}
	all := c.allListeners()
	protocols, err := c.protocols(all)
	if err != nil {
		l.fault("listener.security.protocol.map", "%v", err)
		return
	}
	if err := distinct(all); err != nil {
		l.fault("listeners", "%v", err)
	}
	for _, e := range all {
		if slices.Contains(c.controllers, e.Name) {
			continue
		}
		switch e.Protocol = protocols[e.Name]; e.Protocol {
		case "":
			l.fault("listeners", "no security protocol is defined for listener %s (add %s:PLAINTEXT to listener.security.protocol.map)", e.Name, e.Name)
		case "PLAINTEXT":
			c.listeners = append(c.listeners, e)
		default:
			missing := map[string]string{"SSL": "TLS is", "SASL_PLAINTEXT": "SASL is", "SASL_SSL": "TLS and SASL are"}[e.Protocol]
			l.fault("listeners", "listener %s is %s: %s not there yet, only PLAINTEXT listeners can be opened", e.Name, e.Protocol, missing)
		}
	}
	if l.bad["listeners"] {
		return
	}
	if len(c.listeners) == 0 {
		l.fault("listeners", "no listener is left for clients: there must be one that controller.listener.names does not name")
		return
	}
	l.checkAdvertised(c)
	l.checkInterBroker(c)
}

// checkAdvertised fills in what clients are told.
func (l *loader) checkAdvertised(c *Config) {
	given, err := parseListeners(c.List("advertised.listeners"))
	if err != nil {
		l.fault("advertised.listeners", "%v", err)
		return
	}
	if !c.IsSet("advertised.listeners") {
		given = c.impliedAdvertised()
	}
	seen := make(map[string]Listener)
	for _, e := range given {
		_, twice := seen[e.Name]
		switch known := slices.ContainsFunc(c.listeners, func(o Listener) bool { return o.Name == e.Name }); {
		case twice:
			l.fault("advertised.listeners", "names listener %s twice", e.Name)
		case slices.Contains(c.controllers, e.Name):
		case !known:
			l.fault("advertised.listeners", "%s is not a listener (the listeners are %s)", e.Name, strings.Join(names(c.listeners), ", "))
		case e.Host != "" && e.anyInterface():
			l.fault("advertised.listeners", "cannot use the nonroutable meta-address %s (write an address that clients can reach)", e.Host)
		}
		if e.Host == "" {
			e.Host = c.hostname
		}
		seen[e.Name] = e
	}
	for _, bound := range c.listeners {
		if e, ok := seen[bound.Name]; ok {
			e.Protocol = bound.Protocol
			c.advertised = append(c.advertised, e)
		}
	}
	if len(c.advertised) == 0 && !l.bad["advertised.listeners"] {
		l.fault("advertised.listeners", "no listener for clients is advertised")
	}
}

// impliedAdvertised is what is advertised when advertised.listeners is not set: the keys of 2.x if they are, else the listeners themselves.
func (c *Config) impliedAdvertised() []Listener {
	implied := slices.Clone(c.listeners)
	for i := range implied {
		e := &implied[i]
		if e.anyInterface() {
			e.Host = ""
			// The certificate of a TLS listener is for names: the machine's must do there.
			e.FromConnection = e.Protocol == "PLAINTEXT" || e.Protocol == "SASL_PLAINTEXT"
		}
		if e.Name != "PLAINTEXT" {
			continue
		}
		if c.IsSet("advertised.host.name") {
			e.Host, e.FromConnection = c.String("advertised.host.name"), false
		}
		if c.IsSet("advertised.port") {
			e.Port = c.Int("advertised.port")
		}
	}
	return implied
}

// checkInterBroker finds the listener between brokers.
func (l *loader) checkInterBroker(c *Config) {
	key := "security.inter.broker.protocol"
	c.interBroker = c.String(key)
	if c.IsSet("inter.broker.listener.name") {
		if c.IsSet(key) {
			l.fault("inter.broker.listener.name", "is set, and so is %s: only one of them may be", key)
			return
		}
		key = "inter.broker.listener.name"
		c.interBroker = strings.ToUpper(c.String(key))
	}
	if l.bad["advertised.listeners"] || l.bad[key] {
		return
	}
	if !slices.Contains(names(c.advertised), c.interBroker) {
		l.fault("inter.broker.listener.name", "%s is not an advertised listener (set inter.broker.listener.name to one of %s)",
			c.interBroker, strings.Join(names(c.advertised), ", "))
	}
}

// distinct checks that names differ, and ports too: two listeners may share one only when one host is IPv4 and the other IPv6 (KIP-797).
func distinct(all []Listener) error {
	for i, a := range all {
		for _, b := range all[:i] {
			if a.Name == b.Name {
				return fmt.Errorf("names listener %s twice", a.Name)
			}
			if a.Port == b.Port && a.Port != 0 && !differentFamilies(a.Host, b.Host) {
				return fmt.Errorf("%s and %s have the same port (only an IPv4 and an IPv6 address may share one)", b, a)
			}
		}
	}
	return nil
}

func differentFamilies(a, b string) bool {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	return errX == nil && errY == nil && x.Is4() != y.Is4()
}

func names(list []Listener) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.Name
	}
	return out
}
