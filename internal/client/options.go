package client

import (
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
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
	secure, err := security(c.Properties)
	return append(opts, secure...), err
}

// security is the transport and the log-in that the properties ask for.
func security(p Properties) ([]kgo.Opt, error) {
	switch strings.ToUpper(p["security.protocol"]) {
	case "", "PLAINTEXT":
		return nil, nil
	}
	return nil, errors.New("security.protocol " + p["security.protocol"] + " is not known")
}
