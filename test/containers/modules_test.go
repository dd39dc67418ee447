package containers

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// installed are the folders of the foreign programs.
func installed(t *testing.T, what string) string {
	t.Helper()
	if s := command(t, "./install.sh", what); s.status != 0 {
		t.Fatalf("install.sh %s: %s%s", what, s.out, s.errs)
	}
	dir, err := filepath.Abs("../../.compat/containers/" + what)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// modules runs a program that uses Testcontainers and wants an "ok" for each scenario.
func modules(t *testing.T, scenarios []string, program []string, environ ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program[0], append(program[1:], scenarios...)...)
	cmd.Env = append(os.Environ(),
		"DOCKER_HOST=unix://"+socket,
		"TESTCONTAINERS_RYUK_DISABLED=true",          // its image cannot be pulled
		"TESTCONTAINERS_HOST_OVERRIDE=localhost",     // else the gateway of podman's network, when this machine is a container itself
		"TESTCONTAINERS_CONNECTION_MODE=docker_host", // for testcontainers-python with podman
	)
	cmd.Env = append(cmd.Env, environ...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	for _, s := range scenarios {
		if !strings.Contains(out.String(), "ok "+s+" ") {
			t.Errorf("%s has failed", s)
		}
	}
	if err != nil {
		t.Error(err)
	}
	t.Log("\n" + out.String())
}

// TestJava: both generations of testcontainers-java, with the classes for Apache's and Confluent's images and the old one, which made of the same image one
// with KRaft or with ZooKeeper.
func TestJava(t *testing.T) {
	scenarios := []string{"apache", "apache-native", "confluent", "listener", "old-kraft", "old-zookeeper"}
	for _, generation := range []string{"java1", "java2"} {
		t.Run(generation, func(t *testing.T) {
			dir := installed(t, generation)
			modules(t, scenarios, []string{"java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", dir + "/*", "java/Modules.java", image})
		})
	}
}

func TestGo(t *testing.T) {
	modules(t, []string{"module"}, []string{installed(t, "go") + "/modules", image})
}

func TestPython(t *testing.T) {
	modules(t, []string{"zookeeper", "kraft"}, []string{installed(t, "python") + "/bin/python", "python/modules.py", image})
}

func TestNode(t *testing.T) {
	podman(t, "tag", image, olderImage)
	modules(t, []string{"zookeeper", "kraft"}, []string{"node", "node/modules.mjs", image}, "GOKAFKA_MODULES="+installed(t, "node"))
}
