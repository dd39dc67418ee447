package containers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The image under test, and the one without a shell. The tag is what modules look at that take newer versions of Confluent's image for Kafka without
// ZooKeeper.
const (
	image     = "localhost/gokafka:8.0.0"
	slimImage = "localhost/gokafka:8.0.0-slim"
	arm64     = "localhost/gokafka:8.0.0-arm64"
	// olderImage is the same as image.
	olderImage = "localhost/gokafka:7.5.0"
)

// socket is where podman answers to Docker's API.
var socket string

func TestMain(m *testing.M) {
	if os.Getenv("GOKAFKA_CONTAINERS") == "" {
		fmt.Println("skipped: container images are tested with GOKAFKA_CONTAINERS=1 (make compat-containers)")
		return
	}
	code, err := withService(m.Run)
	if err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// withService runs podman's Docker API during run.
func withService(run func() int) (int, error) {
	dir, err := os.MkdirTemp("", "gokafka-podman")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	socket = filepath.Join(dir, "podman.sock")
	service := exec.Command("podman", "system", "service", "-t", "0", "unix://"+socket)
	if err := service.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = service.Process.Kill() // it has no state
		_ = service.Wait()
	}()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			return run(), nil
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("podman does not answer at %s", socket)
		}
	}
}
