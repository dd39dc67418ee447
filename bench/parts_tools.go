package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// toolRuns is how often a tool is run in a round.
const toolRuns = 5

// measureTools times the command that scripts and health checks run most, each broker's own against it: Java's, as kafka-topics.sh starts it, and the one
// in gokafka's binary.
func measureTools(ctx context.Context, b *running, f *figures) error {
	c, err := b.client()
	if err != nil {
		return err
	}
	defer c.Close()
	created, err := kadm.NewClient(c).CreateTopics(ctx, 1, 1, nil, "a", "b", "c")
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		return err
	}
	for range toolRuns {
		cmd := b.kind.topics("--bootstrap-server", b.addr, "--list")
		began := time.Now()
		out, err := cmd.Output()
		took := time.Since(began)
		if err != nil {
			return fmt.Errorf("kafka-topics --list: %w", err)
		}
		if got := strings.Fields(string(out)); len(got) != 3 {
			return fmt.Errorf("kafka-topics --list says %q", out)
		}
		f.add("kafka-topics --list", "ms", ms(took))
		f.add("CPU for that", "ms", ms(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()))
	}
	return nil
}

// javaTopics is kafka-topics.sh without its shell script.
func javaTopics(java func(heap string, args ...string) []string) func(args ...string) *exec.Cmd {
	return func(args ...string) *exec.Cmd {
		return exec.Command("java", java("-Xmx256M", append([]string{"org.apache.kafka.tools.TopicCommand"}, args...)...)...)
	}
}
