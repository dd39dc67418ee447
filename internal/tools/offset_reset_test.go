package tools

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseDatetime(t *testing.T) {
	for text, want := range map[string]string{ // as SimpleDateFormat of Java 17 reads them
		"2026-11-23T00:37:28.522":       "2026-11-23T00:37:28.522Z",
		"2026-11-23T00:37:28.522Z":      "2026-11-23T00:37:28.522Z",
		"2026-11-23T00:37:28.522+01":    "2026-11-22T23:37:28.522Z",
		"2026-11-23T00:37:28.522+01:30": "2026-11-22T23:07:28.522Z",
		"2026-11-23T00:37:28.5-02:00":   "2026-11-23T02:37:28.005Z",
		"2026-1-2T3:4:5.6":              "2026-01-02T03:04:05.006Z",
		"2026-11-23":                    "",
		"2026-11-23T00:37:28":           "",
		"2026-13-23T00:37:28.522":       "",
		"soon":                          "",
	} {
		got, err := parseDatetime(text)
		switch {
		case want == "" && err == nil:
			t.Errorf("%s is taken as %v", text, got)
		case want != "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && got.Format(time.RFC3339Nano) != want:
			t.Errorf("%s is %s, want %s", text, got.Format(time.RFC3339Nano), want)
		}
	}
}

func TestParseJavaDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"PT0S": 0, "P1D": 24 * time.Hour, "PT15M": 15 * time.Minute, "pt1h2m3.5s": time.Hour + 2*time.Minute + 3500*time.Millisecond,
		"P1DT1H": 25 * time.Hour, "-PT1M": -time.Minute, "PT-1M": -time.Minute, "PT-0.5S": -500 * time.Millisecond,
	} {
		if got, err := parseJavaDuration(text); err != nil || got != want {
			t.Errorf("%s is %v (%v), want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "P", "PT", "1h", "P1H", "P1DT", "P1Y"} {
		if got, err := parseJavaDuration(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

func TestParsePlan(t *testing.T) {
	one := map[string]map[topicPartition]int64{"g": {{"t", 0}: 3, {"t", 1}: 4}}
	for _, c := range []struct {
		text   string
		groups []string
		want   map[string]map[topicPartition]int64
	}{
		{"t,0,3\nt,1,4\n", []string{"g"}, one},
		{"\"g\",\"t\",0,3\ng,t,1,4", []string{"g", "h"}, one},
		{"g,t,0,3\ng,t,1,4\n", []string{"g"}, one},
		{"t,0,3\n", []string{"g", "h"}, nil},
		{"t,x,3\n", []string{"g"}, nil},
		{"t,0\n", []string{"g"}, nil},
	} {
		got, err := parsePlan(c.text, c.groups)
		if (err == nil) != (c.want != nil) || !cmp.Equal(got, c.want, cmp.AllowUnexported(topicPartition{})) {
			t.Errorf("%q: %v, %v; want %v", c.text, got, err, c.want)
		}
	}
}

func TestCSVField(t *testing.T) {
	for in, want := range map[string]string{
		"orders": "orders", "a b": `"a b"`, `say "hi"`: `"say ""hi"""`, "a-much-longer-topic-name-than-24": `"a-much-longer-topic-name-than-24"`,
	} {
		if got := csvField(in); got != want {
			t.Errorf("%q is written %s, want %s", in, got, want)
		}
	}
}
