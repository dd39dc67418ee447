package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// wheelTags are the platforms by the names that pip knows. The binary is static, so that glibc and musl are the same to it; macOS is what Go 1.26 needs.
var wheelTags = map[platform][]string{
	{"linux", "amd64"}:   {"manylinux_2_17_x86_64", "manylinux2014_x86_64", "musllinux_1_1_x86_64"},
	{"linux", "arm64"}:   {"manylinux_2_17_aarch64", "manylinux2014_aarch64", "musllinux_1_1_aarch64"},
	{"darwin", "amd64"}:  {"macosx_12_0_x86_64"},
	{"darwin", "arm64"}:  {"macosx_12_0_arm64"},
	{"windows", "amd64"}: {"win_amd64"},
	{"windows", "arm64"}: {"win_arm64"},
}

// wheel writes the package for pip, with the binary in it.
func (j *job) wheel(p platform, files []file) error {
	content, err := wheelFiles("packaging/python", p, j.version.python(), files)
	if err != nil {
		return err
	}
	b, err := zipped(content, j.time)
	if err != nil {
		return err
	}
	return j.write(fmt.Sprintf("gokafka-%s-py3-none-%s.whl", j.version.python(), strings.Join(wheelTags[p], ".")), b)
}

func wheelFiles(source string, p platform, version string, files []file) ([]file, error) {
	info := "gokafka-" + version + ".dist-info/"
	readme, err := os.ReadFile(filepath.Join(source, "README.md"))
	if err != nil {
		return nil, err
	}
	var all []file
	for _, f := range files {
		switch f.name {
		case p.binary():
			all = append(all, file{"gokafka/bin/" + f.name, 0o755, f.content})
		case "LICENSE", "THIRD_PARTY_LICENSES.txt":
			all = append(all, file{name: info + "licenses/" + f.name, content: f.content})
		}
	}
	modules, err := tree(source, "gokafka")
	if err != nil {
		return nil, err
	}
	all = append(all, modules...)
	all = append(all,
		file{name: info + "METADATA", content: fmt.Appendf(nil, `Metadata-Version: 2.4
Name: gokafka
Version: %s
Summary: A Kafka broker in milliseconds, for tests and for development
Home-page: https://github.com/gokafka/gokafka
License-Expression: Apache-2.0
License-File: LICENSE
License-File: THIRD_PARTY_LICENSES.txt
Keywords: kafka,broker,test,pytest
Classifier: Framework :: Pytest
Classifier: Programming Language :: Python :: 3
Requires-Python: >=3.8
Description-Content-Type: text/markdown

%s`, version, readme)},
		file{name: info + "WHEEL", content: fmt.Appendf(nil, "Wheel-Version: 1.0\nGenerator: gokafka dist\nRoot-Is-Purelib: false\nTag: py3-none-%s\n",
			strings.Join(wheelTags[p], "\nTag: py3-none-"))},
		file{name: info + "entry_points.txt", content: []byte("[console_scripts]\ngokafka = gokafka.__main__:main\n\n[pytest11]\ngokafka = gokafka.pytest_plugin\n")},
	)
	slices.SortFunc(all, byName)
	var record bytes.Buffer
	for _, f := range all {
		sum := sha256.Sum256(f.content)
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", f.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(f.content))
	}
	fmt.Fprintf(&record, "%sRECORD,,\n", info)
	return append(all, file{name: info + "RECORD", content: record.Bytes()}), nil
}

// tree reads the files below source/dir, but for what interpreters leave there.
func tree(source, dir string) ([]file, error) {
	var all []file
	err := fs.WalkDir(os.DirFS(source), dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "__pycache__":
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		content, err := os.ReadFile(filepath.Join(source, name))
		all = append(all, file{name: name, content: content})
		return err
	})
	return all, err
}
