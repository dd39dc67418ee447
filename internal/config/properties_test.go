package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var sameEntries = cmpopts.IgnoreUnexported(Entry{})

func TestParseAsJavaProperties(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       []Entry
	}{
		{"separators", "a=1\nb:2\nc 3\nd\t= 4\ne : 5\nf\n", []Entry{{Key: "a", Value: "1", Source: "f:1"}, {Key: "b", Value: "2", Source: "f:2"}, {Key: "c", Value: "3", Source: "f:3"}, {Key: "d", Value: "4", Source: "f:4"}, {Key: "e", Value: "5", Source: "f:5"}, {Key: "f", Source: "f:6"}}},
		{"comments and blank lines", "# a=1\n\n  ! b=2 \\\nc=3\n", []Entry{{Key: "c", Value: "3", Source: "f:4"}}},
		{"line ends", "a=1\r\nb=2\rc=3", []Entry{{Key: "a", Value: "1", Source: "f:1"}, {Key: "b", Value: "2", Source: "f:2"}, {Key: "c", Value: "3", Source: "f:3"}}},
		{"continued", "a=1,\\\n   2,\\\n  #3\nb=4", []Entry{{Key: "a", Value: "1,2,#3", Source: "f:1"}, {Key: "b", Value: "4", Source: "f:4"}}},
		{"a blank line ends a continuation", "a=1\\\n\nb=2", []Entry{{Key: "a", Value: "1", Source: "f:1"}, {Key: "b", Value: "2", Source: "f:3"}}},
		{"escaped backslash does not continue", "a=c:\\\\\nb=2", []Entry{{Key: "a", Value: `c:\`, Source: "f:1"}, {Key: "b", Value: "2", Source: "f:2"}}},
		{"escapes", `a\=b\ c\:=\u00e9\t\n\x`, []Entry{{Key: "a=b c:", Value: "é\t\nx", Source: "f:1"}}},
		{"second separator belongs to the value", "a==1\nb=:2\nc = = 3", []Entry{{Key: "a", Value: "=1", Source: "f:1"}, {Key: "b", Value: ":2", Source: "f:2"}, {Key: "c", Value: "= 3", Source: "f:3"}}},
		{"space at the end stays", "a=1  \n", []Entry{{Key: "a", Value: "1  ", Source: "f:1"}}},
		{"twice", "a=1\na=2", []Entry{{Key: "a", Value: "1", Source: "f:1"}, {Key: "a", Value: "2", Source: "f:2"}}},
		{"byte order mark", "\xef\xbb\xbfa=1", []Entry{{Key: "a", Value: "1", Source: "f:1"}}},
		{"Latin-1", "a=caf\xe9", []Entry{{Key: "a", Value: "café", Source: "f:1"}}},
		{"dollars stay", "a=${env:HOME}", []Entry{{Key: "a", Value: "${env:HOME}", Source: "f:1"}}},
		{"a lone backslash is a blank line", "\\\n#a=1\n\\\nb=2", []Entry{{Key: "b", Value: "2", Source: "f:4"}}},
		{"lone backslash at the end", `a=1\`, []Entry{{Key: "a", Value: "1", Source: "f:1"}}},
	} {
		got, err := Parse("f", []byte(tc.text))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if diff := cmp.Diff(tc.want, got, sameEntries); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", tc.name, diff)
		}
	}
}

func TestParseNamesTheLineOfABadEscape(t *testing.T) {
	got, err := Parse("f", []byte("a=1\nb=\\u00g1\nc=\\u12\nd=2"))
	if err == nil || !strings.HasPrefix(err.Error(), `f:2: malformed \u escape`) || !strings.Contains(err.Error(), "\nf:3: ") {
		t.Errorf("error %v; want one for line 2 and one for line 3", err)
	}
	if len(got) != 2 {
		t.Errorf("got %v; want the entries of the other two lines", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a=1\\\n 2", "\\u00e9:x", "#c\n!d", "a\\ b = c", "\xff\xfe"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, _ := Parse("f", text)
		for _, e := range entries {
			// What was read can be written and read again.
			line := escape(e.Key, true) + "=" + escape(e.Value, false)
			again, err := Parse("f", []byte(line))
			if err != nil || len(again) != 1 || again[0].Key != e.Key || again[0].Value != e.Value {
				t.Fatalf("%+v: wrote %q, read %v, %v", e, line, again, err)
			}
		}
	})
}

// escape writes a key or value so that Parse reads it back.
func escape(s string, key bool) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case strings.ContainsRune(`\=:#!`, r), strings.ContainsRune(" \t\f", r) && (key || i == 0):
			b.WriteRune('\\')
			if r == '\t' {
				r = 't'
			} else if r == '\f' {
				r = 'f'
			}
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestFromEnviron(t *testing.T) {
	for _, tc := range []struct {
		name    string
		environ []string
		want    []Entry
	}{
		{"names", []string{"KAFKA_A___B__C_D=1", "KAFKA_LOG_DIRS=/x", "PATH=/bin", "kafka_x=1"}, []Entry{
			{Key: "a-b_c.d", Value: "1", Source: "env KAFKA_A___B__C_D"}, {Key: "log.dirs", Value: "/x", Source: "env KAFKA_LOG_DIRS"}}},
		{"variables of the scripts", []string{"KAFKA_OPTS=-Dx", "KAFKA_HEAP_OPTS=-Xmx1G", "KAFKA_LOG4J_LOGGERS=a=B", "KAFKA_JMX_PORT=1", "KAFKA_HOME=/opt/kafka"}, nil},
		{"links of Kubernetes", []string{
			"KAFKA_PORT=tcp://10.0.0.1:9092", "KAFKA_SERVICE_HOST=10.0.0.1", "KAFKA_SERVICE_PORT=9092", "KAFKA_SERVICE_PORT_HTTP=80",
			"KAFKA_PORT_9092_TCP=tcp://10.0.0.1:9092", "KAFKA_PORT_9092_TCP_ADDR=10.0.0.1", "KAFKA_HEADLESS_SERVICE_HOST=10.0.0.1", "KAFKA_0_PORT_9092_TCP_PROTO=tcp"}, nil},
		{"a port is not a link", []string{"KAFKA_PORT=9093"}, []Entry{{Key: "port", Value: "9093", Source: "env KAFKA_PORT"}}},
		{"KAFKA_CFG_ comes last and wins", []string{"KAFKA_CFG_NODE_ID=2", "KAFKA_NODE_ID=1"}, []Entry{
			{Key: "node.id", Value: "1", Source: "env KAFKA_NODE_ID"}, {Key: "node.id", Value: "2", Source: "env KAFKA_CFG_NODE_ID"}}},
		{"cluster id", []string{"CLUSTER_ID=4L6g3nShT-eMCtK--X86sw"}, []Entry{{Key: "cluster.id", Value: "4L6g3nShT-eMCtK--X86sw", Source: "env CLUSTER_ID"}}},
		{"listeners from advertised ones", []string{"KAFKA_ADVERTISED_LISTENERS=A://example.com:1,B://[::1]:2,"}, []Entry{
			{Key: "listeners", Value: "A://0.0.0.0:1,B://0.0.0.0:2,", Source: "env KAFKA_ADVERTISED_LISTENERS"},
			{Key: "advertised.listeners", Value: "A://example.com:1,B://[::1]:2,", Source: "env KAFKA_ADVERTISED_LISTENERS"}}},
	} {
		if diff := cmp.Diff(tc.want, FromEnviron(tc.environ), sameEntries, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", tc.name, diff)
		}
	}
}
