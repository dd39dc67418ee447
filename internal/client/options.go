package client

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Options turns Kafka's properties for connections and security into options of a client. Properties of producers and consumers are their tools' business.
func Options(c Config) ([]kgo.Opt, error) {
	servers := c.servers()
	if len(servers) == 0 {
		return nil, errors.New("no address of a broker: give --bootstrap-server host:port")
	}
	opts := []kgo.Opt{kgo.SeedBrokers(servers...)}
	if id := c.Properties["client.id"]; id != "" {
		opts = append(opts, kgo.ClientID(id))
	}
	for key, opt := range map[string]func(time.Duration) kgo.Opt{
		"metadata.max.age.ms":                func(d time.Duration) kgo.Opt { return kgo.MetadataMaxAge(d) },
		"connections.max.idle.ms":            func(d time.Duration) kgo.Opt { return kgo.ConnIdleTimeout(d) },
		"socket.connection.setup.timeout.ms": func(d time.Duration) kgo.Opt { return kgo.DialTimeout(d) },
	} {
		if d, ok, err := c.Properties.Duration(key); err != nil {
			return nil, err
		} else if ok && d > 0 {
			opts = append(opts, opt(d))
		}
	}
	secure, err := security(c.Properties)
	return append(opts, secure...), err
}

// Duration reads a property that counts milliseconds.
func (p Properties) Duration(key string) (d time.Duration, ok bool, err error) {
	text, ok := p[key]
	if !ok || text == "" {
		return 0, false, nil
	}
	ms, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, false, fmt.Errorf("%s: %q is not a number of milliseconds", key, text)
	}
	return time.Duration(ms) * time.Millisecond, true, nil
}

// security is the transport and the log-in that the properties ask for.
func security(p Properties) ([]kgo.Opt, error) {
	protocol := strings.ToUpper(strings.TrimSpace(p["security.protocol"]))
	var opts []kgo.Opt
	switch protocol {
	case "", "PLAINTEXT", "SASL_PLAINTEXT":
	case "SSL", "SASL_SSL":
		tls, err := tlsConfig(p)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(tls))
	default:
		return nil, fmt.Errorf("security.protocol: %q is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL", p["security.protocol"])
	}
	if strings.HasPrefix(protocol, "SASL_") {
		mechanism, err := saslMechanism(p)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

func saslMechanism(p Properties) (sasl.Mechanism, error) {
	name := p["sasl.mechanism"]
	if name == "" {
		name = "GSSAPI" // Kafka's default
	}
	if name == "GSSAPI" {
		return nil, errors.New("sasl.mechanism: GSSAPI (the default) needs Kerberos, which this program cannot speak: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER are possible")
	}
	if p["sasl.jaas.config"] == "" {
		return nil, errors.New("sasl.jaas.config is not set: it holds the name and the password to log in with")
	}
	module, err := parseJaas(p["sasl.jaas.config"])
	if err != nil {
		return nil, err
	}
	user, password := module.options["username"], module.options["password"]
	switch name {
	case "PLAIN":
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password, IsToken: module.options["tokenauth"] == "true"}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password, IsToken: module.options["tokenauth"] == "true"}.AsSha512Mechanism(), nil
	case "OAUTHBEARER":
		tokens, err := newTokenSource(p, module)
		if err != nil {
			return nil, err
		}
		return oauth.Oauth(tokens.auth), nil
	}
	return nil, fmt.Errorf("sasl.mechanism: %q is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER", name)
}
