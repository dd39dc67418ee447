package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func TestVersions(t *testing.T) {
	for describe, want := range map[string][3]string{ // semantic, Python's, that of deb and rpm
		"v1.2.3":                   {"1.2.3", "1.2.3", "1.2.3"},
		"1.2.3":                    {"1.2.3", "1.2.3", "1.2.3"},
		"v1.2.3-rc.1":              {"1.2.3-rc.1", "1.2.3rc1", "1.2.3~rc.1"},
		"v1.2.3-beta.2-5-gabcdef0": {"1.2.3-beta.2+5.gabcdef0", "1.2.3b2+5.gabcdef0", "1.2.3~beta.2+5.gabcdef0"},
		"v1.2.3-5-gabcdef0-dirty":  {"1.2.3+5.gabcdef0.dirty", "1.2.3+5.gabcdef0.dirty", "1.2.3+5.gabcdef0.dirty"},
		"abcdef0":                  {"0.0.0+gabcdef0", "0.0.0+gabcdef0", "0.0.0+gabcdef0"},
		"devel":                    {"0.0.0+devel", "0.0.0+devel", "0.0.0+devel"},
		"":                         {"0.0.0+devel", "0.0.0+devel", "0.0.0+devel"},
	} {
		v := parseVersion(describe)
		if got := [3]string{v.String(), v.python(), v.linux()}; got != want {
			t.Errorf("%s: %v, want %v", describe, got, want)
		}
	}
}

func TestEveryPlatformHasItsNames(t *testing.T) {
	for _, p := range platforms {
		if len(wheelTags[p]) == 0 || npmNames[p][0] == "" {
			t.Errorf("%s: %v, %v", p, wheelTags[p], npmNames[p])
		}
	}
	if got, err := selectPlatforms("linux/arm64,windows/amd64"); err != nil || len(got) != 2 || got[1].binary() != "gokafka.exe" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := selectPlatforms("plan9/amd64"); err == nil {
		t.Error("packages for plan9")
	}
}

// TestWheelIsWhole reads a wheel as pip does: every file is in RECORD with its hash and its size.
func TestWheelIsWhole(t *testing.T) {
	p := platform{"windows", "arm64"}
	in := []file{{"gokafka.exe", 0o755, []byte("MZ")}, {name: "LICENSE", content: []byte("free")}, {name: "README.md", content: []byte("not this one")}}
	files, err := wheelFiles("../python", p, "1.2.3", in)
	if err != nil {
		t.Fatal(err)
	}
	content, err := zipped(files, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		read[f.Name] = string(b)
		if f.Name == "gokafka/bin/gokafka.exe" && f.Mode()&0o111 == 0 {
			t.Error("the binary is not executable")
		}
	}
	const info = "gokafka-1.2.3.dist-info/"
	for name, want := range map[string]string{
		"gokafka/bin/gokafka.exe": "MZ", info + "licenses/LICENSE": "free", info + "WHEEL": "Tag: py3-none-win_arm64\n", info + "METADATA": "Version: 1.2.3\n",
		info + "entry_points.txt": "gokafka = gokafka.pytest_plugin", "gokafka/__init__.py": "Broker", "gokafka/py.typed": "",
	} {
		if got, ok := read[name]; !ok || !strings.Contains(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	lines := strings.Split(strings.TrimSpace(read[info+"RECORD"]), "\n")
	if len(lines) != len(read) {
		t.Errorf("%d lines in RECORD, %d files", len(lines), len(read))
	}
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ",")
		sum := sha256.Sum256([]byte(read[name]))
		want := fmt.Sprintf("%s,sha256=%s,%d", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(read[name]))
		if name == info+"RECORD" {
			want = name + ",,"
		}
		if line != want {
			t.Errorf("RECORD: %s, want %s", line, want)
		}
	}
}

// TestArchivesDependOnTheirContentOnly packs the same files in another order and zone.
func TestArchivesDependOnTheirContentOnly(t *testing.T) {
	a, b := file{"a", 0o755, []byte("1")}, file{name: "b", content: []byte("2")}
	at := time.Unix(1_700_000_000, 0)
	for name, pack := range map[string]func([]file, time.Time) ([]byte, error){"tar.gz": tarball, "zip": zipped} {
		one, err1 := pack(prefix("x", []file{a, b}), at.UTC())
		two, err2 := pack(prefix("x", []file{b, a}), at.In(time.FixedZone("", 3600)))
		if err1 != nil || err2 != nil || !bytes.Equal(one, two) {
			t.Errorf("%s: %v, %v, %d and %d bytes", name, err1, err2, len(one), len(two))
		}
	}
}
