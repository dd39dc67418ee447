package config

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The files testdata/describe-4.3.1*.txt are what an Apache Kafka 4.3.1 broker, started with testdata/kafka-4.3.1.properties, answered to
// DescribeConfigs with synonyms, one line per configuration; the altered one after a number of dynamic updates.

func realAnswers(t *testing.T, file string) map[string][]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m := make(map[string][]string)
	for s := bufio.NewScanner(f); s.Scan(); {
		resource, rest, _ := strings.Cut(s.Text(), "|")
		m[resource] = append(m[resource], strings.TrimSpace(rest))
	}
	return m
}

func render(list []Described) []string {
	show := func(v *string) string {
		if v == nil {
			return "<null>"
		}
		return *v
	}
	var out []string
	for _, d := range list {
		var b strings.Builder
		fmt.Fprintf(&b, "%s|%s|ro=%v|src=%d|sens=%v|type=%d|", d.Name, show(d.Value), d.ReadOnly, d.Source, d.Sensitive, d.Type)
		for _, s := range d.Synonyms {
			fmt.Fprintf(&b, "%s=%s(%d) ", s.Name, show(s.Value), s.Source)
		}
		out = append(out, strings.TrimSpace(b.String()))
	}
	return out
}

func realConfig(t *testing.T) *Config {
	t.Helper()
	text, err := os.ReadFile("testdata/kafka-4.3.1.properties")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := Parse("kafka-4.3.1.properties", text)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := New(entries, Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDescribeAsKafkaDoes(t *testing.T) {
	elr := map[string]string{"min.insync.replicas": "1"} // what a fresh 4.x cluster sets itself
	for _, tc := range []struct {
		file                        string
		defaults, perBroker, topics map[string]string
	}{
		{"testdata/describe-4.3.1.txt", elr, nil, map[string]string{"cleanup.policy": "compact", "retention.ms": "1000"}},
		{"testdata/describe-4.3.1-altered.txt",
			map[string]string{"min.insync.replicas": "1", "leader.replication.throttled.rate": "10", "log.retention.ms": "80000", "my.custom.thing": "1", "nope": "x"},
			map[string]string{"leader.replication.throttled.rate": "10", "listener.name.plaintext.ssl.keystore.location": "/x", "log.retention.ms": "70000", "nope": "x", "retention.ms": "8"},
			map[string]string{
				"cleanup.policy": "delete", "follower.replication.throttled.replicas": "0:1,1:2", "internal.segment.bytes": "100", "local.retention.bytes": "5",
				"local.retention.ms": "999999999999", "min.compaction.lag.ms": "9223372036854775807", "retention.bytes": "-5", "retention.ms": "5",
				"unclean.leader.election.enable": "true",
			}},
	} {
		t.Run(tc.file, func(t *testing.T) {
			want, c := realAnswers(t, tc.file), realConfig(t)
			for resource, got := range map[string][]Described{
				"4/1":  c.DescribeBroker(tc.defaults, tc.perBroker),
				"2/t1": c.DescribeTopic(tc.topics, tc.defaults, tc.perBroker),
			} {
				lines := render(got)
				slices.Sort(lines)
				slices.Sort(want[resource])
				if diff := cmp.Diff(want[resource], lines); diff != "" {
					t.Errorf("%s: Kafka (-), gokafka (+):\n%s", resource, diff)
				}
			}
		})
	}
}
