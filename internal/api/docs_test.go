package api

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var rewrite = flag.Bool("rewrite", false, "write docs/apis.md anew")

var (
	knowinglyMissing = regexp.MustCompile(`(?s)\n// Knowingly missing: (.*?)\n(?:\n|//\n)`)
	commentBreak     = regexp.MustCompile(`\n//\s*`)
)

// TestDocumentedAPIs keeps docs/apis.md what the dispatch table and the spec sheets say.
func TestDocumentedAPIs(t *testing.T) {
	var doc bytes.Buffer
	doc.WriteString("# The APIs that gokafka serves\n\nMade from the dispatch table and the spec sheets of `internal/api` by `go test ./internal/api -run Documented -rewrite`; " +
		"a test keeps it true.\nEach API works in all versions named here, errors included; what is not listed is not advertised either.\n\n" +
		"| key | API | versions | knowingly missing |\n|---:|---|---|---|\n")
	for key, e := range table {
		if !e.served() {
			continue
		}
		sheets, err := filepath.Glob(fmt.Sprintf("%02d_*.go", key))
		if err != nil || len(sheets) != 1 {
			t.Fatalf("spec sheets of key %d: %v, %v", key, sheets, err)
		}
		sheet, err := os.ReadFile(sheets[0])
		if err != nil {
			t.Fatal(err)
		}
		missing := ""
		if m := knowinglyMissing.FindSubmatch(sheet); m != nil {
			missing = strings.TrimSuffix(commentBreak.ReplaceAllString(string(m[1]), " "), ".")
		}
		versions := fmt.Sprint(e.min)
		if e.max > e.min {
			versions = fmt.Sprintf("%d–%d", e.min, e.max)
		}
		fmt.Fprintf(&doc, "| %d | %s | %s | %s |\n", key, kmsg.NameForKey(int16(key)), versions, missing)
	}
	const name = "../../docs/apis.md"
	if *rewrite {
		if err := os.WriteFile(name, doc.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(have, doc.Bytes()) {
		t.Errorf("docs/apis.md is not what the code says (%v): go test ./internal/api -run Documented -rewrite", err)
	}
}
