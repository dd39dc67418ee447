package config

import "errors"

// Entry is one key with its value, and where it was written.
type Entry struct {
	Key, Value string
	Source     string // "config/server.properties:12", "--override", "env KAFKA_LOG_DIRS"
}

// Parse reads a Java .properties file. name is what errors and Entry.Source call it. A key that occurs twice yields two entries.
func Parse(name string, text []byte) ([]Entry, error) { return nil, errors.New("not built yet") }

// FromEnviron turns the KAFKA_* variables of environ ("NAME=value" each) into entries by the rules of Apache Kafka's image, sorted by name.
func FromEnviron(environ []string) []Entry { return nil }
