package tools

import "testing"

func TestParseTopicPartitions(t *testing.T) {
	for _, c := range []struct {
		rules string
		tp    topicPartition
		want  bool
	}{
		{"a:1", topicPartition{"a", 1}, true},
		{"a:1", topicPartition{"a", 2}, false},
		{"a:1-3", topicPartition{"a", 2}, true},
		{"a:1-3", topicPartition{"a", 3}, false},
		{"a:2-", topicPartition{"a", 9}, true},
		{"a:-2", topicPartition{"a", 2}, false},
		{":0", topicPartition{"anything", 0}, true},
		{"x,a.*", topicPartition{"abc", 7}, true},
		{"a", topicPartition{"ab", 0}, false},
		{"a:", topicPartition{"a", 5}, true},
	} {
		wanted, err := parseTopicPartitions(c.rules)
		if err != nil {
			t.Errorf("%s: %v", c.rules, err)
			continue
		}
		if got := wanted(c.tp); got != c.want {
			t.Errorf("%s of %s: %v", c.tp, c.rules, got)
		}
	}
	if _, err := parseTopicPartitions("a:b"); err == nil {
		t.Error("a rule that is none was taken")
	}
}

func TestTopicFilter(t *testing.T) {
	for _, c := range []struct {
		text, topic string
		want        bool
	}{
		{"a, b", "b", true}, {`"a.*"`, "abc", true}, {"a", "ab", false}, {"a|b", "b", true}, {"'t'", "t", true},
	} {
		f, err := topicFilter(c.text)
		if err != nil || f.MatchString(c.topic) != c.want {
			t.Errorf("%s of %s: want %v (%v)", c.topic, c.text, c.want, err)
		}
	}
}
