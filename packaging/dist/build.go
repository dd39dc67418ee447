package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// build makes the static binary of a platform and returns its path.
func (j *job) build(ctx context.Context, work string, p platform) (string, error) {
	bin := filepath.Join(work, p.os+"_"+p.arch, p.binary())
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	// No state of the version control in the binary: it is the same when built from an archive of the source.
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version="+j.version.String(), "-o", bin, "./cmd/gokafka")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
}

// sharedFiles are the files of every archive besides the binary: those of the repository, and what the binary itself prints.
func (j *job) sharedFiles(ctx context.Context) ([]file, error) {
	var all []file
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md", "config/server.properties"} {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, file{name: name, content: content})
	}
	for shell, name := range map[string]string{"bash": "gokafka.bash", "zsh": "_gokafka", "fish": "gokafka.fish", "powershell": "gokafka.ps1"} {
		out, err := exec.CommandContext(ctx, j.host, "completion", shell).Output()
		if err != nil {
			return nil, fmt.Errorf("gokafka completion %s: %w", shell, err)
		}
		all = append(all, file{name: "completions/" + name, content: out})
	}
	pages, err := j.manPages(ctx)
	if err != nil {
		return nil, err
	}
	all = append(all, pages...)
	slices.SortFunc(all, byName)
	return all, nil
}

// manPages has the binary write its manual.
func (j *job) manPages(ctx context.Context) ([]file, error) {
	if exec.CommandContext(ctx, j.host, "man", "--help").Run() != nil {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "gokafka-man-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if out, err := exec.CommandContext(ctx, j.host, "man", "--dir", dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gokafka man: %w\n%s", err, out)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		return nil, err
	}
	var pages []file
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		pages = append(pages, file{name: "man/" + filepath.Base(name), content: content})
	}
	return pages, nil
}

// licenceFile matches the names under which modules keep their licences and what goes with them.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|unlicense)([-.].*)?$`)

// thirdParty collects the licences of everything that is in a binary: most of them demand to be passed on with it.
func thirdParty(ctx context.Context, bin string) ([]byte, error) {
	info, err := buildinfo.ReadFile(bin)
	if err != nil {
		return nil, err
	}
	folders := map[string]string{} // module → where its source is
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-json", "all").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m all: %w", err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var m struct{ Path, Dir string }
		if err := d.Decode(&m); err != nil {
			return nil, err
		}
		folders[m.Path] = m.Dir
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	text.WriteString("gokafka itself is under the Apache License 2.0: see LICENSE. This binary also holds the following, each under its own licence.\n")
	if err := licencesOf(&text, "the Go standard library, "+info.GoVersion, strings.TrimSpace(string(goroot))); err != nil {
		return nil, err
	}
	for _, m := range info.Deps {
		if err := licencesOf(&text, m.Path+" "+m.Version, folders[m.Path]); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

func licencesOf(text *bytes.Buffer, what, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("the licence of %s: %w", what, err)
	}
	found := 0
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		found++
		line := strings.Repeat("=", 100)
		fmt.Fprintf(text, "\n%s\n%s (%s)\n%s\n\n%s\n", line, what, e.Name(), line, bytes.TrimSpace(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n"))))
	}
	if found == 0 && dir != "" && !strings.HasPrefix(what, "the Go standard library") {
		return fmt.Errorf("%s has no licence that could be passed on", what)
	}
	return nil
}
