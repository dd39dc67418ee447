package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// generated are pages that programs write; what commands they show is shown elsewhere.
var generated = []string{"docs/apis.md", "docs/configuration.md", "docs/compatibility.md"}

// block is a fenced block of a page, and the comment that says what to do with it.
type block struct {
	page, language, text string
	line                 int
	do, arg              string // "background", "status" and "1", …; empty for what is done without a comment
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

var (
	fence   = regexp.MustCompile("^```(\\w*)$")
	comment = regexp.MustCompile(`^<!-- run: (background|status|output|file|with|compat|test)(?: (\S+))? -->$`)
)

// pages are all that have commands in them.
func pages(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"README.md"}
	for _, p := range list {
		if name := "docs/" + filepath.Base(p); !slices.Contains(generated, name) {
			all = append(all, name)
		}
	}
	return all
}

// parse returns the blocks of a page.
func parse(page, text string) ([]block, error) {
	var blocks []block
	var open *block
	var said []string
	for i, line := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open != nil && line == "```":
			blocks = append(blocks, *open)
			open, said = nil, nil
		case open != nil:
			open.text += line + "\n"
		case m != nil:
			open = &block{page: page, language: m[1], line: i + 1}
			if said != nil {
				open.do, open.arg = said[1], said[2]
			}
		case strings.HasPrefix(line, "<!-- run:"):
			if said = comment.FindStringSubmatch(line); said == nil {
				return nil, fmt.Errorf("%s:%d: not understood: %s", page, i+1, line)
			}
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			return nil, fmt.Errorf("%s:%d: a fence that is not at the start of its line, or has more than a language: %s", page, i+1, line)
		case said != nil:
			return nil, fmt.Errorf("%s:%d: a comment for a block, and no block follows", page, i+1)
		}
	}
	if open != nil {
		return nil, fmt.Errorf("%s: the block is not closed", open)
	}
	return blocks, nil
}

func read(t *testing.T, page string) []block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", page))
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := parse(page, string(text))
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

func TestParse(t *testing.T) {
	blocks, err := parse("p", "a\n```sh\nls\n```\n<!-- run: file x.py -->\n```python\n1\n2\n```\n")
	if err != nil || len(blocks) != 2 || blocks[0] != (block{page: "p", language: "sh", text: "ls\n", line: 2}) ||
		blocks[1] != (block{page: "p", language: "python", text: "1\n2\n", line: 6, do: "file", arg: "x.py"}) {
		t.Errorf("%+v, %v", blocks, err)
	}
	for _, bad := range []string{"```sh\n", "<!-- run: away -->\n```sh\n```\n", "<!-- run: background -->\n\n```sh\n```\n", " ```sh\nls\n ```\n", "```sh title\n```\n"} {
		if _, err := parse("p", bad); err == nil {
			t.Errorf("accepted: %q", bad)
		}
	}
}

// TestEveryBlockIsRun finds blocks that nothing would be done with.
func TestEveryBlockIsRun(t *testing.T) {
	rows := compatNames(t)
	for _, page := range pages(t) {
		for _, b := range read(t, page) {
			switch {
			case b.do == "compat":
				row, scenario, _ := strings.Cut(b.arg, "/")
				if !rows[row] || !rows[scenario] {
					t.Errorf("%s: make compat has no %s", b, b.arg)
				}
			case b.do == "test":
				if !hasTest(t, b.arg) {
					t.Errorf("%s: there is no test %s", b, b.arg)
				}
			case b.do == "file", b.do == "output", b.language == "sh", b.language == "properties":
			case b.language == "" && page == "docs/architecture.md":
			default:
				t.Errorf("%s: a block of %q that nobody runs", b, b.language)
			}
		}
	}
}

// hasTest looks for a test by its folder and name: exchange/TestKilled.
func hasTest(t *testing.T, name string) bool {
	t.Helper()
	folder, test, _ := strings.Cut(name, "/")
	files, err := filepath.Glob("../" + folder + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}

var quoted = regexp.MustCompile(`"([\w.-]+)"`)

// compatNames are the words that rows and scenarios of make compat may be called.
func compatNames(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../compat/*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range quoted.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
	}
	return names
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(?:#([\w-]+))?\)`)

// TestLinksLeadSomewhere looks at the links within the repository.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range append(pages(t), generated...) {
		text, err := os.ReadFile(filepath.Join("..", "..", page))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target := filepath.Join("..", "..", filepath.Dir(page), m[1])
			there, err := os.ReadFile(target)
			if info, errStat := os.Stat(target); errStat == nil && info.IsDir() {
				continue
			}
			if err != nil {
				t.Errorf("%s: %s leads nowhere", page, m[0])
			} else if m[2] != "" && !slices.Contains(anchors(string(there)), m[2]) {
				t.Errorf("%s: %s: no such heading", page, m[0])
			}
		}
	}
}

// anchors are the names that GitHub gives to the headings of a page.
func anchors(text string) []string {
	var names []string
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			title = strings.ToLower(strings.TrimSpace(title))
			title = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(title, "")
			names = append(names, strings.ReplaceAll(title, " ", "-"))
		}
	}
	return names
}
