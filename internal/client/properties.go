package client

import (
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/gokafka/gokafka/internal/config"
)

// Properties are those of a Java client: "security.protocol", "client.id", …
type Properties map[string]string

// ReadProperties reads a file of properties. No name gives no properties.
func ReadProperties(name string) (Properties, error) {
	if name == "" {
		return Properties{}, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	entries, err := config.Parse(name, text)
	if err != nil {
		return nil, err
	}
	p := make(Properties, len(entries))
	for _, e := range entries {
		p[e.Key] = e.Value
	}
	return p, nil
}

// ParsePairs reads "key=value" arguments, as of --producer-property.
func ParsePairs(pairs []string) (Properties, error) {
	p := make(Properties, len(pairs))
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q is not key=value", pair)
		}
		p[key] = value
	}
	return p, nil
}

// With returns the properties with others laid over them.
func (p Properties) With(over Properties) Properties {
	all := maps.Clone(p)
	if all == nil {
		all = Properties{}
	}
	maps.Copy(all, over)
	return all
}
