package main

import (
	"regexp"
	"strings"
)

// version is the version of a build in its parts, since each packaging system writes it in its own way.
type version struct {
	release string // 1.2.3
	pre     string // rc.1, or empty
	build   string // 5.gabcdef0: commits after the tag and the last one's hash; or empty
}

var (
	tagged = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)(?:-((?:alpha|beta|rc)\.\d+))?(?:-(\d+)-g([0-9a-f]+))?(-dirty)?$`)
	bare   = regexp.MustCompile(`^([0-9a-f]{7,40})(-dirty)?$`)
)

// parseVersion understands what git describe prints: a tag, a tag and what came after it, or without any tag the hash of the commit.
func parseVersion(describe string) version {
	if m := tagged.FindStringSubmatch(describe); m != nil {
		return version{release: m[1], pre: m[2], build: join(m[3], prefixed("g", m[4]), strings.TrimPrefix(m[5], "-"))}
	}
	if m := bare.FindStringSubmatch(describe); m != nil {
		return version{release: "0.0.0", build: join(prefixed("g", m[1]), strings.TrimPrefix(m[2], "-"))}
	}
	return version{release: "0.0.0", build: "devel"}
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func join(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, ".")
}

// String is the semantic version, which the binary says and the archives are named after; npm takes it as it is.
func (v version) String() string { return v.release + prefixed("-", v.pre) + prefixed("+", v.build) }

// python is the version by PEP 440: 1.2.3rc1+5.gabcdef0.
func (v version) python() string {
	pre := strings.NewReplacer("alpha.", "a", "beta.", "b", "rc.", "rc").Replace(v.pre)
	return v.release + pre + prefixed("+", v.build)
}

// linux is the version of the deb and the rpm, where ~ sorts before the end.
func (v version) linux() string { return v.release + prefixed("~", v.pre) + prefixed("+", v.build) }
