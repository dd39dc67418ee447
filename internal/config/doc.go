// Package config knows every configuration key of Apache Kafka, and what gokafka does with it.
//
// One table (keys.go and the keys_*.go files) is the single source: each [Key] has its name, type, 4.3.1 default, class (honoured, accepted,
// refused, …), dynamic scope, validator and a short text of our own. Reading a properties file, checking values, the answers to
// DescribeConfigs, the checks of AlterConfigs, the overlay of topic configurations, dynamic broker updates and docs/configuration.md all
// come from it.
//
//	server.properties ─ Parse ─┐
//	KAFKA_* variables ─ FromEnviron ─┼─ []Entry ─ New ─► *Config ─ WithDynamic ─► *Config ─ Topic ─► Topic
//	--override k=v ────────────┘                          │                                │
//	                                                   Notices                 DescribeBroker, DescribeTopic
//
// The package is pure: bytes and maps in, values and errors out. It opens no file, reads no environment and starts no goroutine. A *Config is
// immutable once made: a change makes a new one, so it is safe for concurrent use.
//
// Later entries win over earlier ones. Over the file's own value lie the dynamic ones: topic, then this broker's, then the cluster default,
// then the file, then Kafka's default (KIP-226).
package config

//go:generate go test -run TestDocumentation . -rewrite
