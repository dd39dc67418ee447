package internal

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The rules of docs/architecture.md that a program can check, over the source text alone: no build, no extra tool.

const module = "github.com/gokafka/gokafka/"

// mayImport lists which packages of ours each package may import, besides protocol and config. What is not listed here does not exist yet: add a
// line with the package.
var mayImport = map[string][]string{
	"cmd/gokafka":               {"internal/cli"},
	"internal":                  {},
	"internal/protocol":         {},
	"internal/config":           {},
	"internal/vfs":              {},
	"internal/wire":             {},
	"internal/wire/gen":         {"internal/wire"},
	"internal/vfs/vfstest":      {"internal/vfs"},
	"internal/log":              {"internal/vfs"},
	"internal/coordinator":      {},
	"internal/metadata":         {"internal/metadata/records", "internal/coordinator", "internal/log", "internal/vfs"},
	"internal/broker":           {"internal/log", "internal/metadata", "internal/coordinator"},
	"internal/server":           {},
	"internal/api":              {"internal/broker", "internal/log", "internal/metadata", "internal/coordinator", "internal/coordinator/group", "internal/coordinator/txn", "internal/coordinator/sharestate", "internal/share", "internal/server"},
	"internal/cli":              {"internal/node", "internal/api", "internal/client", "internal/tools"}, // api: LogLevels, which wrap the core of the logger
	"internal/client":           {},
	"internal/tools":            {"internal/tools/jopt", "internal/tools/argparse", "internal/client", "internal/log", "internal/vfs", "internal/metadata", "internal/metadata/records", "internal/coordinator/records", "internal/wire"},
	"internal/tools/jopt":       {},
	"internal/tools/argparse":   {},
	"internal/node":             {"internal/api", "internal/server", "internal/broker", "internal/log", "internal/metadata", "internal/coordinator", "internal/coordinator/group", "internal/coordinator/txn", "internal/coordinator/sharestate", "internal/share", "internal/vfs"},
	"internal/metadata/records": {"internal/wire"},

	"internal/coordinator/records":         {"internal/wire"},
	"internal/coordinator/group":           {"internal/coordinator", "internal/coordinator/records", "internal/metadata"},
	"internal/coordinator/sharestate":      {"internal/coordinator", "internal/coordinator/records"},
	"internal/share":                       {"internal/broker"},
	"internal/coordinator/txn":             {"internal/coordinator", "internal/metadata"},
	"internal/coordinator/coordinatortest": {"internal/coordinator"},

	"kafkatest": {"internal/node", "internal/vfs"}, // the one package for others to import
}

// doors are the packages of the standard library that reach outside, and who may: a folder, or one file.
var doors = map[string][]string{
	"os":        {"cmd/gokafka", "internal/cli", "internal/node", "internal/vfs", "internal/server/portowner_linux.go", "internal/wire/gen", "internal/client", "internal/tools"},
	"os/exec":   {},
	"os/signal": {"internal/cli"},
	"net":       {"internal/cli", "internal/client", "internal/node", "internal/server", "internal/protocol/client.go", "internal/api", "kafkatest"},
	"net/http":  {"internal/client"},   // tokens of OAUTHBEARER
	"log":       {"internal/wire/gen"}, // the standard logger; ours is zap, handed down
	"log/slog":  {},
	"unsafe":    {},
}

// pure packages have no clock, no randomness of their own and no goroutines: what they do depends on what they are given.
var pure = []string{"internal/protocol", "internal/config", "internal/coordinator", "internal/coordinator/group", "internal/coordinator/sharestate", "internal/coordinator/txn", "internal/metadata/records", "internal/coordinator/records", "internal/wire"}

// impure are files of pure packages that are not: the client's connection, and the runtime that drives the shards.
var impure = []string{
	"internal/protocol/client.go", "internal/coordinator/runtime.go", "internal/coordinator/loop.go", "internal/coordinator/timers.go", "internal/coordinator/uuid.go", "internal/coordinator/txn/markers.go",
}

var clock = []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "NewTimer", "NewTicker", "Tick"}

// source is one Go file of the module.
type source struct {
	path   string // slash-separated, from the top of the module
	folder string
	test   bool
	text   []byte
	file   *ast.File
}

var sources = sync.OnceValues(func() ([]source, error) {
	var out []source
	for _, top := range []string{"cmd", "internal", "kafkatest", "test"} {
		err := filepath.WalkDir(filepath.Join("..", top), func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(name, ".go"):
				return nil
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if bytes.HasPrefix(text, []byte("//go:build ignore")) || bytes.Contains(text, []byte("\n//go:build ignore\n")) {
				return nil // a program for go generate
			}
			file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			p := strings.TrimPrefix(filepath.ToSlash(name), "../")
			out = append(out, source{path: p, folder: path.Dir(p), test: strings.HasSuffix(p, "_test.go"), text: text, file: file})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
})

var fset = token.NewFileSet()

// product returns the files that are built into the binary or are tools of the build.
func product(t *testing.T) []source {
	return slices.DeleteFunc(slices.Clone(all(t)), func(s source) bool { return s.test || strings.HasPrefix(s.path, "test/") })
}

func all(t *testing.T) []source {
	t.Helper()
	list, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func at(n ast.Node) string {
	p := fset.Position(n.Pos())
	return strings.TrimPrefix(filepath.ToSlash(p.Filename), "../") + ":" + strconv.Itoa(p.Line)
}

func TestWhoImportsWhom(t *testing.T) {
	for _, s := range product(t) {
		allowed, known := mayImport[s.folder]
		if !known {
			t.Errorf("%s: package %s is not in mayImport", s.path, s.folder)
			continue
		}
		for _, spec := range s.file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			ours, ok := strings.CutPrefix(name, module)
			if ok && ours != "internal/protocol" && ours != "internal/config" && !slices.Contains(allowed, ours) {
				t.Errorf("%s: %s may not import %s", at(spec), s.folder, ours)
			}
			if ok && (s.folder == "internal/protocol" || s.folder == "internal/config" || s.folder == "internal/vfs") {
				t.Errorf("%s: %s may import nothing of ours", at(spec), s.folder)
			}
			if who, ok := doors[name]; ok && !slices.Contains(who, s.folder) && !slices.Contains(who, s.path) {
				t.Errorf("%s: %s may not import %s", at(spec), s.folder, name)
			}
		}
	}
}

func TestPurePackagesArePure(t *testing.T) {
	for _, s := range product(t) {
		if !slices.Contains(pure, s.folder) || slices.Contains(impure, s.path) {
			continue
		}
		for _, spec := range s.file.Imports {
			if strings.HasPrefix(spec.Path.Value, `"math/rand`) || spec.Path.Value == `"crypto/rand"` {
				t.Errorf("%s: randomness comes from outside in a pure package", at(spec))
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a goroutine in a pure package", at(n))
			case *ast.SelectorExpr:
				if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains(clock, n.Sel.Name) {
					t.Errorf("%s: time.%s in a pure package", at(n), n.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestNobodyPrintsButTheCommandLine(t *testing.T) {
	for _, s := range product(t) {
		if s.folder == "internal/cli" || strings.HasSuffix(s.folder, "/gen") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "fmt" && strings.HasPrefix(sel.Sel.Name, "Print") {
					t.Errorf("%s: fmt.%s: log through zap instead", at(n), sel.Sel.Name)
				}
			}
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
					t.Errorf("%s: %s: log through zap instead", at(n), f.Name)
				}
			}
			return true
		})
	}
}

var specSheet = regexp.MustCompile(`(?m)^(\w+): key (\d+), versions? (\d+)(?:–(\d+))?\b`)

// TestEveryAPIHasItsSpecSheet checks that each api/NN_name.go opens with what it serves, and that the dispatch table says the same.
func TestEveryAPIHasItsSpecSheet(t *testing.T) {
	numbered := regexp.MustCompile(`^internal/api/(\d+)_\w+\.go$`)
	served := servedVersions(t)
	described := map[int]bool{}
	for _, s := range product(t) {
		m := numbered.FindStringSubmatch(s.path)
		if m == nil {
			continue
		}
		key, _ := strconv.Atoi(m[1])
		sheet := firstSheet(s.file)
		if sheet == nil {
			t.Errorf("%s: has no comment of the form \"Name: key %d, versions 0–9.\" before its code", s.path, key)
			continue
		}
		described[key] = true
		last := sheet[4]
		if last == "" {
			last = sheet[3]
		}
		if sheet[2] != strconv.Itoa(key) {
			t.Errorf("%s: its spec sheet is about key %s", s.path, sheet[2])
		}
		if want := served[key]; want != [2]string{sheet[3], last} {
			t.Errorf("%s: its spec sheet says versions %s–%s, the table %s–%s", s.path, sheet[3], last, want[0], want[1])
		}
	}
	for key := range served {
		if !described[key] {
			t.Errorf("internal/api/table.go serves key %d, which has no file %02d_….go with a spec sheet", key, key)
		}
	}
}

// firstSheet returns the spec sheet among the comments before the end of the first function's comment.
func firstSheet(f *ast.File) []string {
	end := f.FileEnd
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			end = fn.Pos()
			break
		}
	}
	for _, c := range f.Comments {
		if c.Pos() < end {
			if m := specSheet.FindStringSubmatch(c.Text()); m != nil {
				return m
			}
		}
	}
	return nil
}

// servedVersions reads the dispatch table: N: handle(min, max, …).
func servedVersions(t *testing.T) map[int][2]string {
	served := map[int][2]string{}
	for _, s := range product(t) {
		if s.path != "internal/api/table.go" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			kv, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			key, isKey := kv.Key.(*ast.BasicLit)
			call, isCall := kv.Value.(*ast.CallExpr)
			if !isKey || !isCall || len(call.Args) < 3 {
				return true
			}
			from, ok1 := call.Args[0].(*ast.BasicLit)
			to, ok2 := call.Args[1].(*ast.BasicLit)
			if number, err := strconv.Atoi(key.Value); err == nil && ok1 && ok2 {
				served[number] = [2]string{from.Value, to.Value}
			}
			return true
		})
	}
	if len(served) == 0 {
		t.Error("no dispatch table found in internal/api/table.go")
	}
	return served
}

func TestNothingIsLeftForLater(t *testing.T) {
	marks := [][]byte{[]byte("FIX" + "ME"), []byte("TO" + "DO")}
	for _, s := range all(t) {
		for i, line := range bytes.Split(s.text, []byte("\n")) {
			comment := bytes.Index(line, []byte("//"))
			for _, m := range marks {
				if comment >= 0 && bytes.Contains(line[comment:], m) {
					t.Errorf("%s:%d: %s", s.path, i+1, bytes.TrimSpace(line))
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	documented, where := map[string]bool{}, map[string]string{}
	for _, s := range all(t) {
		if s.test {
			continue
		}
		where[s.folder] = s.path
		if s.file.Doc != nil {
			if documented[s.folder] {
				t.Errorf("%s: %s has a second package comment", s.path, s.folder)
			}
			documented[s.folder] = true
		}
	}
	for folder, file := range where {
		if !documented[folder] {
			t.Errorf("%s: %s has no package comment", file, folder)
		}
	}
}

func TestExportedThingsAreDocumented(t *testing.T) {
	for _, s := range product(t) {
		if isGenerated(s) {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) && !wellKnown(d) {
					t.Errorf("%s: %s has no comment", at(d), d.Name.Name)
				}
			case *ast.GenDecl:
				checkGroup(t, d)
			}
		}
	}
}

func isGenerated(s source) bool {
	return bytes.Contains(s.text[:min(len(s.text), 300)], []byte("Code generated"))
}

// wellKnown are methods that everybody knows from the interface they implement.
func wellKnown(d *ast.FuncDecl) bool {
	return d.Recv != nil && slices.Contains([]string{"String", "Error", "Unwrap", "Is", "Len", "Less", "Swap"}, d.Name.Name)
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	name := d.Recv.List[0].Type
	for {
		switch x := name.(type) {
		case *ast.StarExpr:
			name = x.X
		case *ast.IndexExpr:
			name = x.X
		case *ast.IndexListExpr:
			name = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

// checkGroup wants a comment on the group or on each exported name in it.
func checkGroup(t *testing.T, d *ast.GenDecl) {
	if d.Doc != nil {
		return
	}
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && spec.Doc == nil && spec.Comment == nil {
				t.Errorf("%s: %s has no comment", at(spec), spec.Name.Name)
			}
		case *ast.ValueSpec:
			for _, n := range spec.Names {
				if n.IsExported() && spec.Doc == nil && spec.Comment == nil {
					t.Errorf("%s: %s has no comment", at(spec), n.Name)
				}
			}
		}
	}
}

// TestReportSizes reports, with -v, what is large enough to be worth a second thought: it fails nothing. A panic is for broken invariants only.
func TestReportSizes(t *testing.T) {
	var report []string
	for _, s := range product(t) {
		if n := bytes.Count(s.text, []byte("\n")); n > 600 && !isGenerated(s) {
			report = append(report, fmt.Sprintf("%s: %d lines", s.path, n))
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				if n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line; n > 120 {
					report = append(report, fmt.Sprintf("%s: %s has %d lines", at(f), f.Name.Name, n))
				}
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.Ident); ok && f.Name == "panic" {
					report = append(report, at(n)+": panic")
				}
			}
			return true
		})
	}
	t.Log(strings.Join(report, "\n"))
}

// TestHonouredKeysAreRead keeps the table of configuration keys honest: what it calls honoured must be named somewhere in the code. (That it is
// named proves little; that it is not named proves that nothing happens.)
func TestHonouredKeysAreRead(t *testing.T) {
	row := regexp.MustCompile(`(?m)^\t\{(?:Key\{)?"([\w.]+)", Type\w+, [^,]+, honour\b`)
	tables := regexp.MustCompile(`^internal/config/keys_\w+\.go$`)
	var code bytes.Buffer
	var honoured []string
	for _, s := range product(t) {
		if !tables.MatchString(s.path) {
			code.Write(s.text)
			continue
		}
		for _, m := range row.FindAllSubmatch(s.text, -1) {
			honoured = append(honoured, string(m[1]))
		}
		if s.path == "internal/config/keys_topic.go" {
			code.Write(s.text) // names the broker keys that Config.Topic reads
		}
	}
	if len(honoured) == 0 {
		t.Fatal("no honoured key found in internal/config/keys_*.go")
	}
	for _, key := range honoured {
		if !bytes.Contains(code.Bytes(), []byte(`"`+key+`"`)) {
			t.Errorf("%s is honoured in the table and nothing reads it", key)
		}
	}
}
