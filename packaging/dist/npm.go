package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// npmNames are the platforms as Node.js calls them: process.platform and process.arch.
var npmNames = map[platform][2]string{
	{"linux", "amd64"}: {"linux", "x64"}, {"linux", "arm64"}: {"linux", "arm64"},
	{"darwin", "amd64"}: {"darwin", "x64"}, {"darwin", "arm64"}: {"darwin", "arm64"},
	{"windows", "amd64"}: {"win32", "x64"}, {"windows", "arm64"}: {"win32", "arm64"},
}

func npmBinaryName(p platform) string {
	return fmt.Sprintf("@gokafka/cli-%s-%s", npmNames[p][0], npmNames[p][1])
}

// npmBinary writes the package with the binary of one platform, of which npm installs the one that fits: the main package names them all as optional.
func (j *job) npmBinary(p platform, files []file) error {
	names := npmNames[p]
	manifest, err := manifest(map[string]any{
		"name": npmBinaryName(p), "version": j.version.String(), "license": "Apache-2.0", "homepage": "https://github.com/gokafka/gokafka",
		"description": fmt.Sprintf("The gokafka binary for %s on %s; install gokafka instead", names[0], names[1]),
		"os":          []string{names[0]}, "cpu": []string{names[1]}, "preferUnplugged": true,
	})
	if err != nil {
		return err
	}
	all := []file{{name: "package.json", content: manifest}}
	for _, f := range files {
		switch f.name {
		case p.binary():
			f.name = "bin/" + f.name
			all = append(all, f)
		case "LICENSE", "THIRD_PARTY_LICENSES.txt":
			all = append(all, f)
		}
	}
	return j.npm(fmt.Sprintf("gokafka-cli-%s-%s-%s.tgz", names[0], names[1], j.version), all)
}

// npmPackage writes the package that people install.
func (j *job) npmPackage(selected []platform) error {
	const source = "packaging/npm"
	text, err := os.ReadFile(filepath.Join(source, "package.json"))
	if err != nil {
		return err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return fmt.Errorf("package.json: %w", err)
	}
	binaries := map[string]string{}
	for _, p := range selected {
		binaries[npmBinaryName(p)] = j.version.String()
	}
	fields["version"], fields["optionalDependencies"] = j.version.String(), binaries
	delete(fields, "private") // it is only in the source, whose version is none
	content, err := manifest(fields)
	if err != nil {
		return err
	}
	all := []file{{name: "package.json", content: content}}
	for _, name := range []string{"index.js", "index.d.ts", "bin.js", "README.md"} {
		b, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return err
		}
		f := file{name: name, content: b}
		if name == "bin.js" {
			f.mode = 0o755
		}
		all = append(all, f)
	}
	licence, err := os.ReadFile("LICENSE")
	if err != nil {
		return err
	}
	return j.npm(fmt.Sprintf("gokafka-%s.tgz", j.version), append(all, file{name: "LICENSE", content: licence}))
}

func (j *job) npm(name string, files []file) error {
	content, err := tarball(prefix("package", files), j.time)
	if err != nil {
		return err
	}
	return j.write(name, content)
}

// manifest is a package.json with sorted keys.
func manifest(fields map[string]any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(fields)
	return slices.Clip(b.Bytes()), err
}
