package containers

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The sizes that the images may have. People pull them in each CI run.
const (
	binaryLimit = 25 << 20
	imageLimit  = 30 << 20
)

func TestSizes(t *testing.T) {
	binary, err := os.Stat("../../dist/image/gokafka-amd64")
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, size int64, limit int64) {
		t.Logf("%s: %.1f MB of at most %.1f", what, float64(size)/(1<<20), float64(limit)/(1<<20))
		if size > limit {
			t.Errorf("%s is too large", what)
		}
	}
	check("binary", binary.Size(), binaryLimit)
	check("image", inspectImage(t, image).Size, imageLimit)
	check("image without a shell", inspectImage(t, slimImage).Size, binaryLimit+1<<20)
}

// TestHowTheImageIsStarted: what engines, Kubernetes and Testcontainers read off the image itself.
func TestHowTheImageIsStarted(t *testing.T) {
	for _, tc := range []struct {
		image string
		cmd   []string
	}{
		{image, []string{"/etc/kafka/docker/run"}},
		{slimImage, []string{"gokafka", "container", "run"}},
	} {
		info := inspectImage(t, tc.image)
		if info.Config.Entrypoint != nil || !slices.Equal(info.Config.Cmd, tc.cmd) {
			t.Errorf("%s: entrypoint %v, command %v", tc.image, info.Config.Entrypoint, info.Config.Cmd)
		}
		if info.Config.User != "1000:0" { // a number, or Kubernetes cannot see that it is not root
			t.Errorf("%s: user %q", tc.image, info.Config.User)
		}
		for _, v := range []string{"/var/lib/kafka/data", "/etc/kafka/secrets", "/mnt/shared/config"} {
			if _, ok := info.Config.Volumes[v]; !ok {
				t.Errorf("%s: %s is no volume", tc.image, v)
			}
		}
		if _, ok := info.Config.ExposedPorts["9092/tcp"]; !ok {
			t.Errorf("%s: exposes %v", tc.image, info.Config.ExposedPorts)
		}
		if !slices.Equal(info.HealthCheck.Test, []string{"CMD", "gokafka", "container", "health"}) {
			t.Errorf("%s: health check %v", tc.image, info.HealthCheck.Test)
		}
	}
	if got := inspectImage(t, arm64).Architecture; got != "arm64" {
		t.Errorf("the image for arm64 is for %q", got)
	}
}

// TestEveryFileOfTheImageWorks: each link leads to a program that starts, each script can be run by the user of the image.
func TestEveryFileOfTheImageWorks(t *testing.T) {
	b := start(t, image, "sleep", "600")
	if out := b.must("sh", "-c", `for f in /bin/* /usr/bin/* /opt/kafka/bin/* /opt/bitnami/kafka/bin/*; do [ -x "$f" ] || echo "$f"; done`); out != "" {
		t.Errorf("not executable:\n%s", out)
	}
	// busybox says so when it lacks an applet that a link is named after.
	if out := b.must("sh", "-c", `busybox --list > /tmp/all; for f in /bin/*; do case $(readlink $f) in */busybox) echo ${f##*/};; esac; done | grep -vxF -f /tmp/all; true`); out != "" {
		t.Errorf("busybox has no:\n%s", out)
	}
	scripts := "/etc/kafka/docker/run /etc/kafka/docker/configure /etc/kafka/docker/launch /etc/confluent/docker/run /etc/confluent/docker/configure " +
		"/etc/confluent/docker/ensure /etc/confluent/docker/launch /opt/bitnami/scripts/kafka/entrypoint.sh /opt/bitnami/scripts/kafka/run.sh"
	b.must("bash", "-ec", "for f in "+scripts+`; do test -x $f; bash -n $f; sed -i 's/^nothing$//' $f; done`) // as Testcontainers does with other words
	b.must("sh", "-ec", "for d in /etc/kafka /etc/kafka/secrets /mnt/shared/config /opt/kafka/config /var/lib/kafka/data /usr/sbin /tmp .; do test -w $d; done")
	b.must("sh", "-ec", "bash -c id; env bash -c true; hostname -i; cut -d: -f1 < /etc/passwd; awk 1 /proc/net/tcp")
	if out := b.must("id"); !strings.Contains(out, "uid=1000(appuser)") {
		t.Errorf("id: %s", out)
	}
	if out := b.must("gokafka", "version"); !strings.HasPrefix(out, "gokafka 8.0.0 ") {
		t.Errorf("version: %s", out)
	}
}
