package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// platforms are those that packages are made for.
var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"},
}

type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

// binary is the name of the executable.
func (p platform) binary() string {
	if p.os == "windows" {
		return "gokafka.exe"
	}
	return "gokafka"
}

// job is one run of this program.
type job struct {
	version version
	out     string    // where everything goes
	time    time.Time // of every file in an archive
	host    string    // a binary that runs here
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	tag := flag.String("version", "", "`version`, as git describe --tags --always --dirty prints it")
	out := flag.String("o", "dist", "`folder` to write to")
	only := flag.String("platforms", "", "`os/arch …` instead of all; \"host\" is this machine")
	flag.Parse()
	if err := run(ctx, *tag, *out, *only); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, tag, out, only string) error {
	selected, err := selectPlatforms(only)
	if err != nil {
		return err
	}
	at, err := sourceTime(ctx)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "gokafka-dist-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	j := &job{version: parseVersion(tag), out: out, time: at}
	if j.host, err = j.build(ctx, work, platform{runtime.GOOS, runtime.GOARCH}); err != nil {
		return err
	}
	shared, err := j.sharedFiles(ctx)
	if err != nil {
		return err
	}
	for _, p := range selected {
		if err := j.platform(ctx, work, p, shared); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	if err := j.npmPackage(selected); err != nil {
		return err
	}
	return checksums(out)
}

// platform makes everything for one platform.
func (j *job) platform(ctx context.Context, work string, p platform, shared []file) error {
	bin, err := j.build(ctx, work, p)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(bin)
	if err != nil {
		return err
	}
	licences, err := thirdParty(ctx, bin)
	if err != nil {
		return err
	}
	all := append([]file{
		{name: p.binary(), mode: 0o755, content: content}, {name: "THIRD_PARTY_LICENSES.txt", content: licences},
	}, shared...)
	if err := j.archive(p, all); err != nil {
		return err
	}
	if err := j.sbom(p, bin, content); err != nil {
		return err
	}
	if err := j.wheel(p, all); err != nil {
		return err
	}
	if err := j.npmBinary(p, all); err != nil {
		return err
	}
	if p.os == "linux" {
		return j.linuxPackages(ctx, work, p, all)
	}
	return nil
}

func selectPlatforms(only string) ([]platform, error) {
	if only == "" {
		return platforms, nil
	}
	var selected []platform
	for name := range strings.FieldsFuncSeq(only, func(r rune) bool { return r == ',' || r == ' ' }) {
		if name == "host" {
			name = runtime.GOOS + "/" + runtime.GOARCH
		}
		found := false
		for _, p := range platforms {
			if p.String() == name {
				selected, found = append(selected, p), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no packages for %s: only %v", name, platforms)
		}
	}
	return selected, nil
}

// sourceTime is SOURCE_DATE_EPOCH, or the time of the commit.
func sourceTime(ctx context.Context) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("not in a git repository, so SOURCE_DATE_EPOCH must be set: %w", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// write puts a file into the output folder and says so.
func (j *job) write(name string, content []byte) error {
	fmt.Printf("%8.1f MiB  %s\n", float64(len(content))/(1<<20), filepath.Join(j.out, name))
	return os.WriteFile(filepath.Join(j.out, name), content, 0o644)
}

// checksums writes SHA256SUMS of all files in dir, in the format of sha256sum.
func checksums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), e.Name())
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o644)
}
