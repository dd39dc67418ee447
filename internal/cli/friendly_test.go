package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestYAML(t *testing.T) {
	type inner struct {
		Text string   `json:"text"`
		List []string `json:"list"`
	}
	data := []any{
		inner{"plain", []string{"a", "b c"}},
		inner{"on", []string{}},
		map[string]any{"a": map[string]any{"deep": []any{1, nil, true, []any{"x"}, map[string]any{}}}, "b:c": "line\nbreak", "n": "12"},
	}
	const want = `- text: plain
  list:
    - a
    - "b c"
- text: "on"
  list: []
- a:
    deep:
      - 1
      - null
      - true
      - - x
      - {}
  "b:c": "line\nbreak"
  "n": "12"
`
	var out bytes.Buffer
	if err := writeYAML(&out, data); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

func TestTable(t *testing.T) {
	tab := table{header: []string{"NAME", "N", "WHERE"}}
	tab.add("a", 1, "x")
	tab.add("größer", 100, "-")
	var out bytes.Buffer
	tab.write(&out)
	const want = "NAME      N  WHERE\na         1  x\ngrößer  100  -\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

func TestByteCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 3 << 30: "3.0 GiB", 1 << 62: "4.0 EiB"} {
		if got := byteCount(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestPositions(t *testing.T) {
	now := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	for text, want := range map[string]position{
		"start": {kind: atStart}, "EARLIEST": {kind: atStart}, "end": {kind: atEnd}, "7": {atOffset, 7}, "0": {atOffset, 0}, "-5": {beforeEnd, 5}, "+5": {forward, 5},
		"@1700000000000": {atTime, 1700000000000}, "@15m": {atTime, now.Add(-15 * time.Minute).UnixMilli()}, "@-15m": {atTime, now.Add(-15 * time.Minute).UnixMilli()},
		"@2026-11-22": {atTime, now.Add(-15 * time.Hour).UnixMilli()}, "@2026-11-22T14:00:00+01:00": {atTime, now.Add(-2 * time.Hour).UnixMilli()},
		"@2026-11-22 14:30": {atTime, now.Add(-30 * time.Minute).UnixMilli()},
	} {
		if got, err := parsePosition(text, now); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "@", "@yesterday", "x", "1.5", "--1"} {
		if got, err := parsePosition(text, now); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestRecordsAsJSONAndBack(t *testing.T) {
	for _, r := range []*kgo.Record{
		{Topic: "t", Partition: 3, Offset: 9, Timestamp: time.UnixMilli(1234).UTC(), Key: []byte("k"), Value: []byte(`<"é">`), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}, {Key: "null"}}},
		{Timestamp: time.UnixMilli(0).UTC(), Key: []byte{0xff, 0}, Value: []byte{0xfe}, Headers: []kgo.RecordHeader{{Key: "raw", Value: []byte{0xfd}}}},
		{Timestamp: time.UnixMilli(0).UTC()},
		{Timestamp: time.UnixMilli(0).UTC(), Key: []byte{}, Value: []byte{}},
	} {
		line, err := asJSON(r)
		if err != nil || bytes.Count(line, []byte("\n")) != 1 {
			t.Fatalf("%s %v", line, err)
		}
		back, err := fromJSON(line)
		if err != nil {
			t.Fatalf("%s %v", line, err)
		}
		if back.Partition != -1 {
			t.Errorf("partition %d: where a record was read it may not fit", back.Partition)
		}
		if string(back.Key) != string(r.Key) || (back.Key == nil) != (r.Key == nil) || string(back.Value) != string(r.Value) || (back.Value == nil) != (r.Value == nil) ||
			!back.Timestamp.Equal(r.Timestamp) || !cmp.Equal(back.Headers, r.Headers) {
			t.Errorf("%s came back as %+v", line, back)
		}
	}
}

func TestRecordFormats(t *testing.T) {
	r := &kgo.Record{Topic: "t", Partition: 1, Offset: 2, Key: []byte("k"), Timestamp: time.UnixMilli(5), Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}}}
	for format, want := range map[string]string{
		`%t/%p@%o %k=%s%v %h %T %K %S %6k%%\n\t\\\0`: "t/1@2 k= a=1 5 1 -1 aw==%\n\t\\\x00",
		"plain": "plain", "": "",
	} {
		f, err := parseRecordFormat(format)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		var out bytes.Buffer
		if err := f.write(&out, r); err != nil || out.String() != want {
			t.Errorf("%s: %q, want %q (%v)", format, &out, want, err)
		}
	}
	for _, bad := range []string{`%`, `\`, `%6`, `%6x`, `%x`, `\x`} {
		if _, err := parseRecordFormat(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestTailShowsNothingThatUpsetsATerminal(t *testing.T) {
	at := time.Date(2026, 11, 22, 15, 4, 5, 6_000_000, time.Local)
	r := &kgo.Record{Topic: "t", Partition: 1, Offset: 2, Timestamp: at, Key: []byte("\x1b[2J"), Value: []byte("a\tb"), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte{0xff}}}}
	if got, want := (tailLines{topics: true}).line(r), "15:04:05.006 t-1@2 \"\\x1b[2J\" h=\"\\xff\"  a\tb\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	coloured := tailLines{colours: true}.line(r)
	if !strings.Contains(coloured, "\x1b[33m\"\\x1b[2J\"\x1b[0m") {
		t.Errorf("%q", coloured)
	}
}

func TestGlobs(t *testing.T) {
	for _, tc := range []struct {
		glob, name string
		want       bool
	}{{"a*", "abc", true}, {"a*", "ba", false}, {"a?c", "abc", true}, {"a.c", "abc", false}, {"*", "x", true}, {"abc", "abc", true}, {"abc", "abcd", false}} {
		if globPattern(tc.glob).MatchString(tc.name) != tc.want {
			t.Errorf("%s and %s: want %v", tc.glob, tc.name, tc.want)
		}
	}
}

func TestProgressBar(t *testing.T) {
	p := progress{what: "purge", total: 200}
	if got, want := p.line(50, 10*time.Second), "purge  [=======                       ]  25%  50 of 200  5/s  30s left"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	p = progress{what: "x", bytes: true}
	if got, want := p.line(2048, time.Second), "x  2.0 KiB  2.0 KiB/s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	silent := newProgress(io.Discard, "x", 1)
	silent.at(1) // no terminal, nothing drawn
	silent.end()
}

func TestWhereTheBrokerIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "client.properties")
	if err := os.WriteFile(file, []byte("bootstrap.servers=file:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"KAFKA_BOOTSTRAP_SERVERS=kafka:1", "GOKAFKA_BOOTSTRAP=env:1"}
	for _, tc := range []struct {
		name string
		r    remote
		want string
	}{
		{"nothing said", remote{}, "localhost:9092"},
		{"environment", remote{environ: environ}, "env:1"},
		{"Kafka's environment", remote{environ: environ[:1]}, "kafka:1"},
		{"file", remote{environ: environ, commandConfig: file}, "file:1"},
		{"flag", remote{environ: environ, commandConfig: file, bootstrap: "flag:1"}, "flag:1"},
		{"property", remote{environ: environ, properties: []string{"bootstrap.servers=property:1"}}, "property:1"},
	} {
		if got := tc.r.servers(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestManualPages writes all of them, and each names its command's flags and examples.
func TestManualPages(t *testing.T) {
	dir := t.TempDir()
	if status := run("1.2", []string{"man", "--dir", dir}, io.Discard, os.Stderr, nil); status != 0 {
		t.Fatal(status)
	}
	page, err := os.ReadFile(filepath.Join(dir, "gokafka-topic-create.1"))
	for _, want := range []string{".TH GOKAFKA\\-TOPIC\\-CREATE 1 \"\" \"gokafka 1.2\"", "\n.SH EXAMPLES\n.nf\n  gokafka topic create orders\n", "\\-p, \\-\\-partitions number\n", ".BR gokafka\\-topic (1)\n"} {
		if err != nil || !strings.Contains(string(page), want) {
			t.Errorf("no %q in\n%s%v", want, page, err)
		}
	}
	pages, _ := filepath.Glob(filepath.Join(dir, "*.1"))
	if len(pages) < 30 {
		t.Errorf("%d pages", len(pages))
	}
}

// TestEveryCommandIsHelpful: a line about it in the lists, and no two flags of one letter, about which pflag panics.
func TestEveryCommandIsHelpful(t *testing.T) {
	_ = eachCommand(newRoot("1", nil), func(c *cobra.Command) error {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: %q", c.CommandPath(), c.Short)
		}
		_ = c.UsageString()
		return nil
	})
}
