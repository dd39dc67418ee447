package config

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// failure is why a value is not valid, in Kafka's words.
type failure struct {
	value  string // the part of the value that is at fault
	reason string // "Value must be at least 1"
	whole  string // Kafka's whole message where it does not have the usual form
}

// message is the text that Kafka's ConfigException has.
func (f *failure) message(key string) string {
	if f.whole != "" {
		return f.whole
	}
	return fmt.Sprintf("Invalid value %s for configuration %s: %s", f.value, key, f.reason)
}

// check is what a value must be beyond its type. v is what parseValue returns for the type and never nil.
type check struct {
	valid string // for the documentation
	fn    func(key string, v any) *failure
}

func (c check) run(key string, v any) *failure {
	if c.fn == nil || v == nil {
		return nil
	}
	return c.fn(key, v)
}

var unchecked = check{}

func atLeast(least int64) check {
	return check{fmt.Sprintf("≥ %d", least), func(_ string, v any) *failure {
		if number(v) < float64(least) {
			return &failure{value: formatValue(v), reason: fmt.Sprintf("Value must be at least %d", least)}
		}
		return nil
	}}
}

func between(least, most float64) check {
	text := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	return check{text(least) + " … " + text(most), func(_ string, v any) *failure {
		switch n := number(v); {
		case n < least:
			return &failure{value: formatValue(v), reason: "Value must be at least " + text(least)}
		case n > most:
			return &failure{value: formatValue(v), reason: "Value must be no more than " + text(most)}
		}
		return nil
	}}
}

// number is exact enough for the bounds of the table, all of which are far below 2^53.
func number(v any) float64 {
	if n, ok := v.(int64); ok {
		return float64(n)
	}
	return v.(float64)
}

var gzipLevel = check{"1 … 9 or -1", func(_ string, v any) *failure {
	if n := v.(int64); n != -1 && (n < 1 || n > 9) {
		return &failure{value: formatValue(v), reason: "Value must be between 1 and 9 or equal to -1"}
	}
	return nil
}}

var nonEmpty = check{"not empty", func(_ string, v any) *failure {
	if v.(string) == "" {
		return &failure{reason: "String must be non-empty"}
	}
	return nil
}}

func oneOf(values ...string) check {
	return check{strings.Join(values, ", "), func(_ string, v any) *failure {
		if s := v.(string); !slices.Contains(values, s) {
			return &failure{value: s, reason: "String must be one of: " + strings.Join(values, ", ")}
		}
		return nil
	}}
}

func oneOfFold(values ...string) check {
	return check{strings.Join(values, ", "), func(_ string, v any) *failure {
		s := v.(string)
		if !slices.ContainsFunc(values, func(o string) bool { return strings.EqualFold(o, s) }) {
			return &failure{value: s, reason: "String must be one of (case insensitive): " + strings.Join(values, ", ")}
		}
		return nil
	}}
}

func listOf(values ...string) check {
	return check{"list of " + strings.Join(values, ", "), func(key string, v any) *failure {
		for _, s := range v.([]string) {
			if s == "" {
				return &failure{whole: fmt.Sprintf("Configuration '%s' values must not be empty.", key)}
			}
			if !slices.Contains(values, s) {
				return &failure{value: s, reason: "String must be one of: " + strings.Join(values, ", ")}
			}
		}
		return nil
	}}
}

var throttledReplicas = check{"* or partition:broker,…", func(key string, v any) *failure {
	list := v.([]string)
	if len(list) == 1 && list[0] == "*" {
		return nil
	}
	for _, s := range list {
		partition, broker, ok := strings.Cut(strings.TrimSpace(s), ":")
		if !ok || !isDigits(partition) || !isDigits(broker) {
			return &failure{value: "[" + strings.Join(list, ", ") + "]", reason: key +
				" must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."}
		}
	}
	return nil
}}

var clusterID = check{"16 bytes in URL-safe base64", func(_ string, v any) *failure {
	if b, err := base64.RawURLEncoding.DecodeString(v.(string)); err != nil || len(b) != 16 {
		return &failure{value: v.(string), reason: "Must be 22 characters of URL-safe base64"}
	}
	return nil
}}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
