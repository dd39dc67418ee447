package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The parts of CycloneDX 1.6 that are used here.
type (
	bom struct {
		Format       string         `json:"bomFormat"`
		Spec         string         `json:"specVersion"`
		Serial       string         `json:"serialNumber"`
		Version      int            `json:"version"`
		Metadata     bomMetadata    `json:"metadata"`
		Components   []bomComponent `json:"components"`
		Dependencies []bomDepends   `json:"dependencies"`
	}
	bomMetadata struct {
		Timestamp  string        `json:"timestamp"`
		Component  bomComponent  `json:"component"`
		Properties []bomProperty `json:"properties"`
	}
	bomComponent struct {
		Type       string        `json:"type"`
		Ref        string        `json:"bom-ref"`
		Name       string        `json:"name"`
		Version    string        `json:"version"`
		PURL       string        `json:"purl"`
		Hashes     []bomHash     `json:"hashes,omitempty"`
		Licenses   []bomLicense  `json:"licenses,omitempty"`
		Properties []bomProperty `json:"properties,omitempty"`
	}
	bomHash struct {
		Alg     string `json:"alg"`
		Content string `json:"content"`
	}
	bomLicense struct {
		License struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	bomProperty struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	bomDepends struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
)

// sbom writes what a binary is built from, as the linker has recorded it in the binary.
func (j *job) sbom(p platform, bin string, content []byte) error {
	info, err := buildinfo.ReadFile(bin)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	self := bomComponent{
		Type: "application", Ref: "gokafka", Name: "gokafka", Version: j.version.String(), PURL: purl(info.Main.Path, "v"+j.version.String()),
		Hashes: []bomHash{{"SHA-256", fmt.Sprintf("%x", sum)}},
	}
	var apache bomLicense
	apache.License.ID = "Apache-2.0"
	self.Licenses = []bomLicense{apache}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	std := bomComponent{Type: "library", Name: "std", Version: goVersion, PURL: purl("std", goVersion)}
	std.Ref = std.PURL
	all := []bomComponent{std}
	for _, m := range info.Deps {
		c := bomComponent{Type: "library", Ref: purl(m.Path, m.Version), Name: m.Path, Version: m.Version, PURL: purl(m.Path, m.Version)}
		if m.Sum != "" {
			c.Properties = []bomProperty{{"go:sum", m.Sum}}
		}
		all = append(all, c)
	}
	depends := bomDepends{Ref: self.Ref}
	for _, c := range all {
		depends.DependsOn = append(depends.DependsOn, c.Ref)
	}
	doc := bom{
		Format: "CycloneDX", Spec: "1.6", Version: 1, Serial: "urn:uuid:" + uuid(sum[:]),
		Metadata:   bomMetadata{Timestamp: j.time.Format(time.RFC3339), Component: self},
		Components: all, Dependencies: []bomDepends{depends},
	}
	for _, s := range info.Settings {
		doc.Metadata.Properties = append(doc.Metadata.Properties, bomProperty{"go:build:" + s.Key, s.Value})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		return err
	}
	return j.write(fmt.Sprintf("gokafka_%s_%s_%s.cdx.json", j.version, p.os, p.arch), b.Bytes())
}

// purl is the package URL of a Go module; a + in its version has to be escaped.
func purl(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}

// uuid makes a UUID of its own kind (version 8) out of a hash: the same binary, the same document.
func uuid(hash []byte) string {
	b := bytes.Clone(hash[:16])
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
