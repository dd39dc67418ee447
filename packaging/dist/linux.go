package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/gokafka/gokafka/internal/tools"
)

// nfpm writes debs and rpms. It is run, not imported: its many dependencies do not become ours.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0"

// toolDir has Kafka's tools by Kafka's names. It is not in PATH, so that a package of Apache Kafka may be installed beside.
const toolDir = "/usr/lib/gokafka/bin"

// The parts of nfpm's configuration that are used here. It is YAML, and so is JSON.
type (
	nfpmConfig struct {
		Name        string            `json:"name"`
		Arch        string            `json:"arch"`
		Platform    string            `json:"platform"`
		Version     string            `json:"version"`
		Schema      string            `json:"version_schema"`
		Release     string            `json:"release"`
		Section     string            `json:"section"`
		Priority    string            `json:"priority"`
		Maintainer  string            `json:"maintainer"`
		Vendor      string            `json:"vendor"`
		Description string            `json:"description"`
		Homepage    string            `json:"homepage"`
		License     string            `json:"license"`
		MTime       string            `json:"mtime"`
		Scripts     map[string]string `json:"scripts"`
		Contents    []nfpmContent     `json:"contents"`
		Overrides   map[string]any    `json:"overrides"`
	}
	nfpmContent struct {
		Source   string        `json:"src,omitempty"`
		Target   string        `json:"dst"`
		Type     string        `json:"type,omitempty"`
		Packager string        `json:"packager,omitempty"`
		Info     *nfpmFileInfo `json:"file_info,omitempty"`
	}
	nfpmFileInfo struct {
		Mode  int    `json:"mode,omitempty"`
		MTime string `json:"mtime"`
	}
)

// linuxPackages writes the deb and the rpm.
func (j *job) linuxPackages(ctx context.Context, work string, p platform, files []file) error {
	tree := filepath.Join(work, "tree_"+p.arch)
	at := j.time.Format(time.RFC3339)
	c := nfpmConfig{
		Name: "gokafka", Arch: p.arch, Platform: "linux", Version: j.version.linux(), Schema: "none", Release: "1", Section: "net", Priority: "optional",
		Maintainer: "The gokafka authors <gokafka@users.noreply.github.com>", Vendor: "gokafka", Homepage: "https://github.com/gokafka/gokafka", License: "Apache-2.0", MTime: at,
		Description: "a Kafka broker in one static binary\n Clients, tools and configuration files of Apache Kafka work with it as they are.\n It needs neither Java nor ZooKeeper.",
		Scripts: map[string]string{
			"postinstall": "packaging/linux/postinstall.sh", "preremove": "packaging/linux/preremove.sh", "postremove": "packaging/linux/postremove.sh",
		},
		Overrides: map[string]any{
			"deb": map[string]any{"depends": []string{"passwd"}}, "rpm": map[string]any{"depends": []string{"shadow-utils"}},
		},
	}
	add := func(content []byte, target, kind, packager string, mode int) error {
		source := filepath.Join(tree, packager, target)
		if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
			return err
		}
		c.Contents = append(c.Contents, nfpmContent{Source: source, Target: target, Type: kind, Packager: packager, Info: &nfpmFileInfo{mode, at}})
		return os.WriteFile(source, content, 0o644)
	}
	unit, err := os.ReadFile("packaging/linux/gokafka.service")
	if err != nil {
		return err
	}
	if err := add(unit, "/usr/lib/systemd/system/gokafka.service", "", "", 0o644); err != nil {
		return err
	}
	for _, f := range files {
		for _, to := range placed(f) {
			if err := add(to.content, to.target, to.kind, to.packager, to.mode); err != nil {
				return err
			}
		}
	}
	c.Contents = append(c.Contents, nfpmContent{Target: "/var/lib/gokafka", Type: "dir", Info: &nfpmFileInfo{0o750, at}})
	for _, t := range tools.All() {
		for _, name := range []string{t.Name, t.Name + ".sh"} {
			c.Contents = append(c.Contents, nfpmContent{Source: "/usr/bin/gokafka", Target: path.Join(toolDir, name), Type: "symlink", Info: &nfpmFileInfo{MTime: at}})
		}
	}
	text, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return err
	}
	config := filepath.Join(work, "nfpm_"+p.arch+".yaml")
	if err := os.WriteFile(config, text, 0o644); err != nil {
		return err
	}
	rpmArch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[p.arch]
	for kind, name := range map[string]string{
		"deb": fmt.Sprintf("gokafka_%s_%s.deb", j.version.linux(), p.arch), "rpm": fmt.Sprintf("gokafka-%s-1.%s.rpm", j.version.linux(), rpmArch),
	} {
		target := filepath.Join(work, name)
		cmd := exec.CommandContext(ctx, "go", "run", nfpm, "package", "--config", config, "--packager", kind, "--target", target)
		cmd.Env = append(os.Environ(), fmt.Sprint("SOURCE_DATE_EPOCH=", j.time.Unix()), "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("nfpm: %w\n%s", err, out)
		}
		content, err := os.ReadFile(target)
		if err != nil {
			return err
		}
		if err := j.write(name, content); err != nil {
			return err
		}
	}
	return nil
}

type placedFile struct {
	target, kind, packager string
	mode                   int
	content                []byte
}

// placed says where a file of the archive belongs in a Linux system; nowhere for some.
func placed(f file) []placedFile {
	one := func(target string, mode int) []placedFile {
		return []placedFile{{target: target, mode: mode, content: f.content}}
	}
	base := path.Base(f.name)
	switch {
	case f.name == "gokafka":
		return one("/usr/bin/gokafka", 0o755)
	case f.name == "config/server.properties":
		text := bytes.ReplaceAll(f.content, []byte("\nlog.dirs=/tmp/kafka-logs\n"), []byte("\nlog.dirs=/var/lib/gokafka\n"))
		return []placedFile{{target: "/etc/gokafka/server.properties", kind: "config|noreplace", mode: 0o644, content: text}}
	case base == "LICENSE":
		return []placedFile{
			{target: "/usr/share/doc/gokafka/copyright", packager: "deb", mode: 0o644, content: f.content},
			{target: "/usr/share/licenses/gokafka/LICENSE", packager: "rpm", mode: 0o644, content: f.content},
		}
	case base == "gokafka.bash":
		return one("/usr/share/bash-completion/completions/gokafka", 0o644)
	case base == "_gokafka":
		return []placedFile{
			{target: "/usr/share/zsh/vendor-completions/_gokafka", packager: "deb", mode: 0o644, content: f.content},
			{target: "/usr/share/zsh/site-functions/_gokafka", packager: "rpm", mode: 0o644, content: f.content},
		}
	case base == "gokafka.fish":
		return one("/usr/share/fish/vendor_completions.d/gokafka.fish", 0o644)
	case strings.HasPrefix(f.name, "man/"):
		page, err := gzipped(f.content)
		if err != nil { // to memory: it does not happen
			return nil
		}
		return []placedFile{{target: "/usr/share/man/man1/" + base + ".gz", mode: 0o644, content: page}}
	case path.Dir(f.name) == ".":
		return one("/usr/share/doc/gokafka/"+base, 0o644)
	}
	return nil
}
