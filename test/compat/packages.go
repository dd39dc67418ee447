package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// The packages of a release, as make dist makes them for this machine: what is in them, whether they install and work, and whether the same commit
// gives the same bytes again.

// packageVersion is a tag that each packaging system writes in its own way.
const packageVersion = "v9.8.7-rc.1"

var packageScenarios = []string{"contents", "again", "install", "readme", "fixture"}

// pipPackages are what the tests of the wheel need besides it.
var pipPackages = []string{"pytest==9.0.1", "iniconfig==2.3.0", "packaging==26.3", "pluggy==1.6.0", "pygments==2.19.2", "kafka-python==3.0.12"}

func packageRows() []row {
	of := func(name string, scenarios []string, do map[string]func(context.Context, *env, string) error) row {
		return row{
			name: name, section: "packages", scenarios: scenarios, ownBroker: true,
			notOn: map[string]map[string]string{"apache-4": {"": "our packages"}, "apache-28": {"": "our packages"}},
			run: func(ctx context.Context, e *env, r row, _ broker) error {
				dir, err := e.dist(ctx)
				if err != nil {
					return err
				}
				fns := map[string]func(context.Context) error{}
				for scenario, fn := range do {
					fns[scenario] = func(ctx context.Context) error { return fn(ctx, e, dir) }
				}
				return each(ctx, e, r, fns)
			},
		}
	}
	type does = map[string]func(context.Context, *env, string) error
	pip := of("pip", []string{"install", "readme", "fixture"}, does{"install": pipInstall, "readme": pipReadme, "fixture": pipFixture})
	pip.install = func(ctx context.Context, e *env) error { return e.venv(ctx, "packages-pip", pipPackages) }
	npm := of("npm", []string{"install", "readme", "fixture"}, does{"install": npmInstall, "readme": npmReadme, "fixture": npmFixture})
	npm.install = installNode
	return []row{
		of("archive", []string{"contents", "again"}, does{"contents": archiveContents, "again": distAgain}),
		of("deb", []string{"contents", "install"}, does{"contents": debContents, "install": debInstall}),
		of("rpm", []string{"contents"}, does{"contents": rpmContents}),
		pip, npm,
	}
}

var built struct {
	sync.Once
	dir string
	err error
}

// dist makes the packages once.
func (e *env) dist(ctx context.Context) (string, error) {
	built.Do(func() {
		built.dir = filepath.Join(e.tmp, "dist")
		_, built.err = e.command(ctx, "go", "run", "./packaging/dist", "-version", packageVersion, "-platforms", "host", "-o", built.dir)
	})
	return built.dir, built.err
}

// distAgain makes them in other surroundings and expects the same bytes.
func distAgain(ctx context.Context, e *env, dir string) error {
	tmp, err := e.folder("dist tmp")
	if err != nil {
		return err
	}
	other := filepath.Join(e.tmp, "dist-again")
	script := `umask 077 && exec go run ./packaging/dist -version "$1" -platforms host -o "$2"`
	cmd := exec.CommandContext(ctx, "sh", "-c", script, "sh", packageVersion, other)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "TZ=Asia/Tokyo", "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	one, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	if err != nil {
		return err
	}
	two, err := os.ReadFile(filepath.Join(other, "SHA256SUMS"))
	if err != nil {
		return err
	}
	if !bytes.Equal(one, two) {
		return fmt.Errorf("made twice, and different:\n%s\n%s", one, two)
	}
	if out, err := exec.CommandContext(ctx, "sh", "-c", `cd "$1" && exec sha256sum --strict -c SHA256SUMS`, "sh", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("SHA256SUMS: %w: %s", err, out)
	}
	return nil
}

// archiveContents unpacks the archive, runs its binary, and holds the SBOM against what go version -m finds in it.
func archiveContents(ctx context.Context, e *env, dir string) error {
	name := fmt.Sprintf("gokafka_9.8.7-rc.1_%s_%s", runtime.GOOS, runtime.GOARCH)
	f, err := os.Open(filepath.Join(dir, name+".tar.gz"))
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	into, err := e.folder("archive")
	if err != nil {
		return err
	}
	var names []string
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(t)
		if err != nil {
			return err
		}
		rest, ok := strings.CutPrefix(h.Name, name+"/")
		if !ok {
			return fmt.Errorf("%s is not in the folder %s", h.Name, name)
		}
		names = append(names, rest)
		to := filepath.Join(into, rest)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, content, os.FileMode(h.Mode)); err != nil {
			return err
		}
	}
	for _, want := range []string{"gokafka", "LICENSE", "README.md", "THIRD_PARTY_LICENSES.txt", "config/server.properties", "completions/gokafka.bash"} {
		if !slices.Contains(names, want) {
			return fmt.Errorf("%s is missing among %v", want, names)
		}
	}
	bin := filepath.Join(into, "gokafka")
	if err := says(ctx, e, bin); err != nil {
		return err
	}
	if out, err := e.command(ctx, bin, "config", "check", filepath.Join(into, "config", "server.properties")); err != nil {
		return fmt.Errorf("its server.properties: %w: %s", err, out)
	}
	modules, err := e.command(ctx, "go", "version", "-m", bin)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, name+".cdx.json"))
	if err != nil {
		return err
	}
	var bom struct {
		Components []struct{ Name, Version, PURL string }
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		return err
	}
	licences, err := os.ReadFile(filepath.Join(into, "THIRD_PARTY_LICENSES.txt"))
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, c := range bom.Components {
		listed[c.Name+" "+c.Version] = true
	}
	deps := regexp.MustCompile(`(?m)^\tdep\t(\S+)\t(\S+)`).FindAllStringSubmatch(modules, -1)
	for _, m := range deps {
		if !listed[m[1]+" "+m[2]] {
			return fmt.Errorf("the SBOM does not have %s %s", m[1], m[2])
		}
		if !bytes.Contains(licences, []byte("\n"+m[1]+" "+m[2]+" (")) {
			return fmt.Errorf("the licence of %s %s is not among the third parties'", m[1], m[2])
		}
	}
	if len(bom.Components) != len(deps)+1 { // and the standard library
		return fmt.Errorf("the SBOM has %d components, the binary %d modules", len(bom.Components), len(deps))
	}
	return nil
}

// says checks that a binary is the one that was packed.
func says(ctx context.Context, e *env, bin string, args ...string) error {
	out, err := e.command(ctx, bin, append(args, "version")...)
	if err == nil && !strings.HasPrefix(out, "gokafka 9.8.7-rc.1 (") {
		err = fmt.Errorf("%s version says %q", bin, out)
	}
	return err
}

// linuxFiles are in the deb and in the rpm.
var linuxFiles = []string{
	"/etc/gokafka/server.properties", "/usr/bin/gokafka", "/usr/lib/systemd/system/gokafka.service", "/usr/share/bash-completion/completions/gokafka",
	"/usr/share/doc/gokafka/THIRD_PARTY_LICENSES.txt", "/var/lib/gokafka", "/usr/lib/gokafka/bin/kafka-topics.sh", "/usr/lib/gokafka/bin/kafka-topics",
}

func wantLines(text string, want ...string) error {
	lines := strings.Split(text, "\n")
	for _, w := range want {
		if !slices.Contains(lines, w) {
			return fmt.Errorf("%s is missing in:\n%s", w, text)
		}
	}
	return nil
}

func debContents(ctx context.Context, e *env, dir string) error {
	deb, err := needDeb(dir)
	if err != nil {
		return err
	}
	list, err := e.command(ctx, "sh", "-c", `dpkg-deb -c "$1" | awk '{print substr($6, 2)}' | sed 's:/$::'`, "sh", deb)
	if err != nil {
		return err
	}
	if err := wantLines(list, append(linuxFiles, "/usr/share/doc/gokafka/copyright")...); err != nil {
		return err
	}
	info, err := e.command(ctx, "dpkg-deb", "-I", deb, "conffiles")
	if err != nil {
		return err
	}
	if info != "/etc/gokafka/server.properties\n" {
		return fmt.Errorf("conffiles: %q", info)
	}
	version, err := e.command(ctx, "dpkg-deb", "-f", deb, "Version")
	if err != nil {
		return err
	}
	if version != "9.8.7~rc.1-1\n" {
		return fmt.Errorf("version %q", version)
	}
	return nil
}

func needDeb(dir string) (string, error) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		return "", fmt.Errorf("%w: dpkg is not here", errSkip)
	}
	return filepath.Join(dir, "gokafka_9.8.7~rc.1_"+runtime.GOARCH+".deb"), nil
}

// debInstall installs the package into a folder that stands for a system, runs what it has installed, and removes it: settings and records stay.
func debInstall(ctx context.Context, e *env, dir string) error {
	deb, err := needDeb(dir)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: dpkg installs as root only", errSkip)
	}
	root, err := e.folder("deb root")
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n", "etc/shadow": "", "etc/gshadow": "",
		"var/lib/dpkg/status":           "Package: passwd\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nMaintainer: none\nDescription: none\n",
		"var/lib/dpkg/info/passwd.list": "", "var/lib/dpkg/available": "", "var/lib/dpkg/updates/.keep": "", "var/lib/dpkg/triggers/.keep": "",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			return err
		}
		if strings.HasSuffix(name, ".keep") {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	dpkg := func(args ...string) error {
		_, err := e.command(ctx, "dpkg", append([]string{"--root=" + root, "--force-script-chrootless", "--log=/dev/null"}, args...)...)
		return err
	}
	if err := dpkg("-i", deb); err != nil {
		return err
	}
	passwd, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		return err
	}
	user := regexp.MustCompile(`(?m)^gokafka:x:(\d+):(\d+):.*:/var/lib/gokafka:/usr/sbin/nologin$`).FindStringSubmatch(string(passwd))
	if user == nil {
		return fmt.Errorf("no user gokafka: %s", passwd)
	}
	owner, err := e.command(ctx, "stat", "-c", "%u %g %a", filepath.Join(root, "var/lib/gokafka"))
	if err != nil {
		return err
	}
	if want := user[1] + " " + user[2] + " 750\n"; owner != want {
		return fmt.Errorf("/var/lib/gokafka belongs to %q, not %q", owner, want)
	}
	bin := filepath.Join(root, "usr/bin/gokafka")
	if err := says(ctx, e, bin); err != nil {
		return err
	}
	if out, err := e.command(ctx, bin, "config", "check", filepath.Join(root, "etc/gokafka/server.properties")); err != nil {
		return fmt.Errorf("its server.properties: %w: %s", err, out)
	}
	if err := verifyUnit(ctx, e, root); err != nil {
		return err
	}
	conf := filepath.Join(root, "etc/gokafka/server.properties")
	text, err := os.ReadFile(conf)
	if err != nil {
		return err
	}
	if !bytes.Contains(text, []byte("\nlog.dirs=/var/lib/gokafka\n")) {
		return errors.New("its records are not in /var/lib/gokafka")
	}
	text = append(text, "num.partitions=3\n"...)
	if err := os.WriteFile(conf, text, 0o644); err != nil {
		return err
	}
	record := filepath.Join(root, "var/lib/gokafka/record")
	if err := os.WriteFile(record, nil, 0o644); err != nil {
		return err
	}
	if err := dpkg("--force-confdef", "--force-confold", "-i", deb); err != nil { // once more, as an upgrade
		return err
	}
	if now, err := os.ReadFile(conf); err != nil || !bytes.Equal(now, text) {
		return fmt.Errorf("the upgrade has changed the settings: %v", err)
	}
	if err := dpkg("--purge", "gokafka"); err != nil {
		return err
	}
	if _, err := os.Stat(record); err != nil {
		return fmt.Errorf("the purge has taken the records: %w", err)
	}
	if _, err := os.Stat(bin); err == nil {
		return errors.New("the purge has left the binary")
	}
	return nil
}

// verifyUnit has systemd read the unit, where there is one.
func verifyUnit(ctx context.Context, e *env, root string) error {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		return nil
	}
	unit, err := os.ReadFile(filepath.Join(root, "usr/lib/systemd/system/gokafka.service"))
	if err != nil {
		return err
	}
	// It looks for the binary, which is not in its place in this system.
	unit = bytes.ReplaceAll(unit, []byte("=/usr/bin/gokafka "), []byte("="+filepath.Join(root, "usr/bin/gokafka")+" "))
	there := filepath.Join(e.tmp, "gokafka.service")
	if err := os.WriteFile(there, unit, 0o644); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "systemd-analyze", "verify", "--man=no", there).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("gokafka.service")) {
		return fmt.Errorf("the systemd unit: %v: %s", err, out)
	}
	return nil
}

func rpmContents(ctx context.Context, e *env, dir string) error {
	if _, err := exec.LookPath("rpm"); err != nil {
		return fmt.Errorf("%w: rpm is not here (apt-get install rpm)", errSkip)
	}
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	rpm := filepath.Join(dir, "gokafka-9.8.7~rc.1-1."+arch+".rpm")
	list, err := e.command(ctx, "rpm", "-qpl", rpm)
	if err != nil {
		return err
	}
	if err := wantLines(list, append(linuxFiles, "/usr/share/licenses/gokafka/LICENSE")...); err != nil {
		return err
	}
	for query, want := range map[string]string{
		"-qpc": "/etc/gokafka/server.properties\n", "--queryformat=%{VERSION}-%{RELEASE} %{ARCH} %{LICENSE}\n": "9.8.7~rc.1-1 " + arch + " Apache-2.0\n",
	} {
		args := []string{query, rpm}
		if strings.HasPrefix(query, "--") {
			args = []string{"-qp", query, rpm}
		}
		out, err := e.command(ctx, "rpm", args...)
		if err != nil {
			return err
		}
		if out != want {
			return fmt.Errorf("rpm %s: %q, want %q", query, out, want)
		}
	}
	scripts, err := e.command(ctx, "rpm", "-qp", "--scripts", rpm)
	if err != nil {
		return err
	}
	for _, want := range []string{"useradd --system", "systemctl disable --now gokafka.service"} {
		if !strings.Contains(scripts, want) {
			return fmt.Errorf("%q is not in its scripts", want)
		}
	}
	return nil
}

func (e *env) pip(name string) string { return filepath.Join(e.work, "packages-pip", "bin", name) }

func pipInstall(ctx context.Context, e *env, dir string) error {
	wheels, err := filepath.Glob(filepath.Join(dir, "gokafka-9.8.7rc1-py3-none-*.whl"))
	if err != nil || len(wheels) != 1 {
		return fmt.Errorf("wheels: %v (%v)", wheels, err)
	}
	if _, err := e.command(ctx, e.pip("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--force-reinstall", wheels[0]); err != nil {
		return err
	}
	if _, err := e.command(ctx, e.pip("python"), "-m", "pip", "check"); err != nil {
		return err
	}
	return says(ctx, e, e.pip("gokafka"))
}

// pipReadme runs what the package's page shows: the first block as a program, the second by pytest.
func pipReadme(ctx context.Context, e *env, _ string) error {
	blocks, err := codeBlocks("packaging/python/README.md", "python", 2)
	if err != nil {
		return err
	}
	dir, err := e.folder("pip readme")
	if err != nil {
		return err
	}
	for i, name := range []string{"main.py", "test_readme.py"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(blocks[i]), 0o644); err != nil {
			return err
		}
	}
	out, err := e.command(ctx, e.pip("python"), filepath.Join(dir, "main.py"))
	if err == nil && out != "b'two coffees'\n" {
		err = fmt.Errorf("it prints %q", out)
	}
	if err != nil {
		return err
	}
	_, err = e.command(ctx, e.pip("python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", dir)
	return err
}

func pipFixture(ctx context.Context, e *env, _ string) error {
	_, err := e.command(ctx, e.pip("python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "packaging/python/tests")
	return err
}

func (e *env) npmDir() string { return filepath.Join(e.tmp, "npm") }

// npmInstall installs both packages into a folder that has kafkajs. The binary's is named too, since it is in no registry.
func npmInstall(ctx context.Context, e *env, dir string) error {
	if err := os.MkdirAll(e.npmDir(), 0o755); err != nil {
		return err
	}
	manifest := fmt.Sprintf(`{"name": "fixture", "private": true, "dependencies": {"kafkajs": "file:%s"}}`, filepath.Join(e.work, "node", "node_modules", "kafkajs"))
	if err := os.WriteFile(filepath.Join(e.npmDir(), "package.json"), []byte(manifest), 0o644); err != nil {
		return err
	}
	binary, err := filepath.Glob(filepath.Join(dir, "gokafka-cli-*-9.8.7-rc.1.tgz"))
	if err != nil || len(binary) != 1 {
		return fmt.Errorf("packages with the binary: %v (%v)", binary, err)
	}
	if _, err := e.command(ctx, "npm", "install", "--prefix", e.npmDir(), "--no-audit", "--no-fund", "--ignore-scripts", "--offline",
		binary[0], filepath.Join(dir, "gokafka-9.8.7-rc.1.tgz")); err != nil {
		return err
	}
	return says(ctx, e, filepath.Join(e.npmDir(), "node_modules", ".bin", "gokafka"))
}

// npmReadme runs what the package's page shows.
func npmReadme(ctx context.Context, e *env, _ string) error {
	blocks, err := codeBlocks("packaging/npm/README.md", "js", 1)
	if err != nil {
		return err
	}
	return e.nodeTest(ctx, "readme.test.js", []byte(blocks[0]))
}

func npmFixture(ctx context.Context, e *env, _ string) error {
	text, err := os.ReadFile("packaging/npm/test/broker.test.js")
	if err != nil {
		return err
	}
	return e.nodeTest(ctx, "broker.test.js", text)
}

func (e *env) nodeTest(ctx context.Context, name string, text []byte) error {
	if err := os.WriteFile(filepath.Join(e.npmDir(), name), text, 0o644); err != nil {
		return err
	}
	_, err := e.command(ctx, "sh", "-c", `cd "$1" && KAFKAJS_NO_PARTITIONER_WARNING=1 exec node --test "$2"`, "sh", e.npmDir(), name)
	return err
}

// codeBlocks returns the fenced blocks of a language, which must be as many as are run.
func codeBlocks(file, language string, want int) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllSubmatch(text, -1) {
		blocks = append(blocks, string(m[1]))
	}
	if len(blocks) != want {
		return nil, fmt.Errorf("%s has %d blocks of %s, not %d", file, len(blocks), language, want)
	}
	return blocks, nil
}
