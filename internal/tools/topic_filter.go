package tools

import (
	"regexp"
	"slices"
	"strings"
)

// topicFilter reads a list of topics as Kafka's tools take it: a regular expression that must match the whole name, in which a comma stands for "or" and
// spaces and quotes around it do not count.
func topicFilter(text string) (*regexp.Regexp, error) {
	text = strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(text), ",", "|"), " ", "")
	text = strings.Trim(text, `"'`)
	if _, err := regexp.Compile(text); err != nil {
		return nil, exception{"java.lang.RuntimeException", text + " is an invalid regex."}
	}
	return regexp.MustCompile("^(?:" + text + ")$"), nil
}

// isInternal reports whether a topic is one of Kafka's own.
func isInternal(topic string) bool {
	return slices.Contains([]string{"__consumer_offsets", "__transaction_state", "__share_group_state"}, topic)
}
