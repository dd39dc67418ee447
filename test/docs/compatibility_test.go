package docs

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the table of APIs into docs/compatibility.md")

// apiLine matches a line of docs/apis.md, which is made from the dispatch table, and one of what Apache Kafka advertises.
var (
	servedLine = regexp.MustCompile(`(?m)^\| (\d+) \| (\w+) \| ([\d–]+) \|`)
	apacheLine = regexp.MustCompile(`(?m)^(\d+) (\w+) (\d+) (\d+)$`)
)

// TestCompatibility holds the table of APIs in docs/compatibility.md against docs/apis.md and Apache Kafka 4.3.1 (testdata, from its ApiVersions).
func TestCompatibility(t *testing.T) {
	served, err := os.ReadFile("../../docs/apis.md")
	if err != nil {
		t.Fatal(err)
	}
	apache, err := os.ReadFile("testdata/kafka-4.3.1-apis.txt")
	if err != nil {
		t.Fatal(err)
	}
	type api struct{ name, ours, theirs string }
	all := map[int]api{}
	for _, m := range apacheLine.FindAllSubmatch(apache, -1) {
		key, _ := strconv.Atoi(string(m[1]))
		versions := string(m[3])
		if string(m[4]) != versions {
			versions += "–" + string(m[4])
		}
		all[key] = api{name: string(m[2]), theirs: versions}
	}
	for _, m := range servedLine.FindAllSubmatch(served, -1) {
		key, _ := strconv.Atoi(string(m[1]))
		a := all[key]
		if a.name == "" {
			a.name = string(m[2])
		}
		a.ours = string(m[3])
		all[key] = a
	}
	var keys []int
	for k := range all {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	table := "\n| key | API | gokafka | Apache Kafka 4.3.1 |\n|---:|---|---|---|\n"
	for _, k := range keys {
		a := all[k]
		table += fmt.Sprintf("| %d | %s | %s | %s |\n", k, a.name, orDot(a.ours), orDot(a.theirs))
	}
	const page = "../../docs/compatibility.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), "<!-- apis -->\n")
	was, after, ok2 := strings.Cut(rest, "<!-- /apis -->\n")
	if !ok1 || !ok2 {
		t.Fatalf("%s has lost its marks", page)
	}
	table += "\n"
	if was == table {
		return
	}
	if !*rewrite {
		t.Fatalf("%s is not what is served: go test ./test/docs -run Compatibility -rewrite", page)
	}
	if err := os.WriteFile(page, []byte(before+"<!-- apis -->\n"+table+"<!-- /apis -->\n"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func orDot(s string) string {
	if s == "" {
		return "·"
	}
	return s
}
