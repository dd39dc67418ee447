package metadata

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	maxTopicNameLength = 249
	metadataTopic      = "__cluster_metadata"
)

// checkTopicName refuses what is no name of a topic (Topic.validate in Kafka).
func checkTopicName(name string) error {
	switch {
	case name == "":
		return refuse(kerr.InvalidTopicException, "Topic name is invalid: the empty string is not allowed")
	case name == ".":
		return refuse(kerr.InvalidTopicException, "Topic name is invalid: '.' is not allowed")
	case name == "..":
		return refuse(kerr.InvalidTopicException, "Topic name is invalid: '..' is not allowed")
	case len(name) > maxTopicNameLength:
		return refuse(kerr.InvalidTopicException, "Topic name is invalid: the length of '%s' is longer than the max allowed length %d", name, maxTopicNameLength)
	}
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return refuse(kerr.InvalidTopicException,
				"Topic name is invalid: '%s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name)
		}
	}
	return nil
}

// collisionKey is the same for names that metrics cannot tell apart, because they write '.' as '_'; ok is false for names with neither.
func collisionKey(name string) (key string, ok bool) {
	return strings.ReplaceAll(name, ".", "_"), strings.ContainsAny(name, "._")
}
