package containers

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCompose runs container/compose.yaml: to "healthy", with a service that waits for that, and once more with the data of the first time.
func TestCompose(t *testing.T) {
	compose := installed(t, "python") + "/bin/podman-compose"
	environ := append(os.Environ(), "GOKAFKA_IMAGE="+image, "GOKAFKA_PORT=127.0.0.1:", "PATH="+filepath.Dir(compose)+":"+os.Getenv("PATH"))
	run := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), compose, append([]string{"-p", "gokafka-test", "-f", "../../container/compose.yaml"}, args...)...)
		cmd.Env = environ
		return cmd
	}
	must := func(args ...string) {
		t.Helper()
		if out, err := run(args...).CombinedOutput(); err != nil {
			t.Fatalf("podman-compose %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	t.Cleanup(func() {
		cmd := exec.Command(compose, "-p", "gokafka-test", "-f", "../../container/compose.yaml", "down", "-v", "-t", "1")
		cmd.Env = environ
		_ = cmd.Run() // what has started
	})
	var topics string
	for range 2 {
		must("up", "-d", "kafka")
		b := &box{t, podman(t, "ps", "-q", "--filter", "label=com.docker.compose.service=kafka")}
		b.ready()
		b.awaitHealthy()
		must("run", "--rm", "greeter")
		b.sendAndRead("words")
		topics = b.must("/opt/kafka/bin/kafka-topics.sh", "--bootstrap-server", "localhost:9092", "--list")
		must("down", "-t", "10")
	}
	for _, topic := range []string{"orders", "customers", "greetings", "words"} {
		if !slices.Contains(strings.Fields(topics), topic) {
			t.Errorf("no topic %s among: %s", topic, topics)
		}
	}
}

// awaitHealthy runs the health check, which systemd does elsewhere, until podman calls the container healthy.
func (b *box) awaitHealthy() {
	b.t.Helper()
	var status string
	for range 200 {
		command(b.t, "podman", "healthcheck", "run", b.id)
		if status = b.inspect("{{.State.Health.Status}}"); status == "healthy" {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	b.t.Fatalf("the health is %q", status)
}

// documents reads a YAML file.
func documents(t *testing.T, file string, into any) {
	t.Helper()
	s := command(t, installed(t, "python")+"/bin/python", "python/manifest.py", file)
	if s.status != 0 {
		t.Fatal(s.errs)
	}
	if err := json.Unmarshal([]byte(s.out), into); err != nil {
		t.Fatal(err)
	}
}

type probe struct {
	Exec      *struct{ Command []string }
	TCPSocket *struct{ Port string }
}

// pod is what is looked at in a manifest of Kubernetes.
type pod struct {
	SecurityContext struct{ RunAsUser, RunAsGroup, FSGroup int }
	Containers      []struct {
		Name, Image                                 string
		Ports                                       []struct{ Name string }
		Env                                         []struct{ Name, Value string }
		StartupProbe, ReadinessProbe, LivenessProbe probe
		SecurityContext                             struct{ ReadOnlyRootFilesystem bool }
		VolumeMounts                                []struct{ Name, MountPath string }
	}
}

// TestKubernetes runs the container of container/kubernetes.yaml as the manifest has it, except that podman stands in for Kubernetes, and each of its probes.
func TestKubernetes(t *testing.T) {
	var list []struct {
		Kind string
		Spec struct {
			Ports    []struct{ TargetPort string }
			Selector any
			Template struct{ Spec pod }
		}
	}
	documents(t, "../../container/kubernetes.yaml", &list)
	if len(list) != 2 || list[0].Kind != "Service" || list[1].Kind != "StatefulSet" {
		t.Fatalf("the manifest has %d documents", len(list))
	}
	spec := list[1].Spec.Template.Spec
	c := spec.Containers[0]
	if c.Ports[0].Name != list[0].Spec.Ports[0].TargetPort || c.LivenessProbe.TCPSocket == nil || c.LivenessProbe.TCPSocket.Port != c.Ports[0].Name {
		t.Error("the ports of service, container and probe have different names")
	}
	if spec.SecurityContext.RunAsUser != 1000 || !c.SecurityContext.ReadOnlyRootFilesystem {
		t.Errorf("%+v", spec.SecurityContext)
	}
	volume := podman(t, "volume", "create")
	args := []string{"--user", "1000:0", "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--memory", "512m", "--hostname", "kafka",
		"-v", volume + ":" + c.VolumeMounts[0].MountPath, "-e", "KUBERNETES_SERVICE_HOST=10.0.0.1", "-p", "127.0.0.1::9092"}
	for _, e := range c.Env {
		args = append(args, "-e", e.Name+"="+e.Value)
	}
	b := start(t, append(args, strings.Replace(c.Image, "gokafka:latest", image, 1))...)
	b.ready()
	for _, told := range b.sendAndRead("words") {
		if told != "kafka:9092" {
			t.Errorf("clients are told %s", told)
		}
	}
	for _, p := range []probe{c.StartupProbe, c.ReadinessProbe} {
		b.must(p.Exec.Command...)
	}
}

// TestGitHubActions starts the service of container/github-actions.yml as GitHub's runner does: with the options, and without a command.
func TestGitHubActions(t *testing.T) {
	var list []struct {
		Jobs map[string]struct {
			Services map[string]struct {
				Image   string
				Env     map[string]any
				Options string
			}
		}
	}
	documents(t, "../../container/github-actions.yml", &list)
	s, ok := list[0].Jobs["test"].Services["kafka"]
	if !ok || s.Image != "gokafka:latest" {
		t.Fatalf("%+v", list)
	}
	script := "exec podman run --pull never -d -p 127.0.0.1::9092 " + s.Options
	for name, value := range s.Env {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		script += " -e " + name + "=" + string(bytes.Trim(text, `"`))
	}
	b := &box{t, podmanID(t, command(t, "sh", "-c", script+" "+image))}
	t.Cleanup(func() { _ = exec.Command("podman", "rm", "-f", "-v", "-t", "0", b.id).Run() })
	b.ready()
	b.awaitHealthy()
	for _, told := range b.sendAndRead("words") {
		if told != "localhost:9092" {
			t.Errorf("clients are told %s", told)
		}
	}
}

func podmanID(t *testing.T, s said) string {
	t.Helper()
	if s.status != 0 {
		t.Fatal(s.errs)
	}
	return strings.TrimSpace(s.out)
}
