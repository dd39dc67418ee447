package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// TestMain lets this binary be gokafka, or a process that does not come to its end, for the tests that need a process of their own.
func TestMain(m *testing.M) {
	switch os.Getenv("GOKAFKA_TEST_AS") {
	case "gokafka":
		os.Exit(Main("test"))
	case "stuck":
		ctx, _ := stopOnSignal(context.Background(), os.Stderr)
		fmt.Println("Kafka Server started")
		<-ctx.Done()
		fmt.Println("stuck")
		select {}
	}
	os.Exit(m.Run())
}

func TestCommandLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.properties")
	if err := os.WriteFile(file, []byte("log.retention.hours=7d\nnum.partitions=0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args   string
		status int
		stdout string
		stderr string
	}{
		{"", 0, "gokafka dev --topics orders  ", ""},
		{"help", 0, "Topics, records, groups:", ""},
		{"version", 0, "gokafka test (speaks Apache Kafka 4.3;", ""},
		{"--version", 0, "gokafka test\n", ""},
		{"bogus", 2, "", `gokafka: unknown command "bogus"`},
		{"version x", 2, "", `gokafka: unexpected argument "x"`},
		{"config bogus", 2, "", `gokafka: unknown command "bogus" of gokafka config`},
		{"config check", 2, "", "gokafka: config check takes one file"},
		{"server --nope", 2, "", "gokafka: unknown flag: --nope"},
		{"server -daemon f", 2, "", "gokafka: -daemon is not supported: gokafka stays in the foreground"},
		{"server a b", 2, "", `gokafka: unexpected argument "b": server takes one file`},
		{"server a --config b", 2, "", "gokafka: two configuration files: a and --config b"},
		{"server --override x", 2, "", "gokafka: --override x: write key=value"},
		{"server --log-format xml", 2, "", "gokafka: --log-format xml: one of text, json, kafka"},
		{"server /no/such/file", 1, "", "gokafka: cannot read the configuration: open /no/such/file: "},
		{"server " + file, 1, "", file + ":1: log.retention.hours: \"7d\" is not an integer (write 168)\n" +
			file + ":2: num.partitions: \"0\" is not allowed: value must be at least 1\ngokafka: 2 mistakes in the configuration\n"},
		{"config check " + file + " --override num.partitions=1", 1, "", file + ":1: log.retention.hours: "},
		{"config check " + file + " --override num.partitions=1 --override log.retention.hours=1 --override log.dris=x", 0,
			"unknown: log.dris (--override; did you mean log.dirs?)\noffsets.topic.replication.factor is 3 and there is one node: " +
				"__consumer_offsets gets 1\n" + file + ": ok\n", ""},
	} {
		var stdout, stderr bytes.Buffer
		status := run("test", strings.Fields(tc.args), &stdout, &stderr, nil)
		if status != tc.status || !strings.Contains(stdout.String(), tc.stdout) || !strings.HasPrefix(stderr.String(), tc.stderr) || tc.status == 0 && stderr.Len() > 0 {
			t.Errorf("gokafka %s: status %d, want %d\nstdout: %s\nstderr: %s", tc.args, status, tc.status, &stdout, &stderr)
		}
	}
}

func TestEnvironmentIsRead(t *testing.T) {
	var stderr bytes.Buffer
	status := run("test", []string{"server"}, io.Discard, &stderr, []string{"KAFKA_NUM_PARTITIONS=none"})
	if want := "env KAFKA_NUM_PARTITIONS: num.partitions: \"none\" is not an integer\n"; status != 1 || stderr.String() != want {
		t.Errorf("status %d, %q; want 1, %q", status, &stderr, want)
	}
}

func TestLogFormats(t *testing.T) {
	at := time.Date(2026, 11, 22, 14, 40, 33, 34_000_000, time.UTC)
	entry := zapcore.Entry{Level: zapcore.WarnLevel, Time: at, LoggerName: "log", Message: "two\nlines"}
	fields := []zapcore.Field{zap.String("dir", "/a b"), zap.Int("n", 3), zap.Error(errors.New(`say "no"`)), zap.String("empty", "")}
	for format, want := range map[string]string{
		formatKafka: `[2026-11-22 14:40:33,034] WARN two\nlines with=1 dir="/a b" n=3 error="say \"no\"" empty="" (log)` + "\n",
		formatText:  `14:40:33.034 WARN  log: two\nlines with=1 dir="/a b" n=3 error="say \"no\"" empty=""` + "\n",
		formatJSON:  `{"level":"warn","time":"2026-11-22T14:40:33.034Z","logger":"log","msg":"two\nlines","with":1,"dir":"/a b","n":3,"error":"say \"no\"","empty":""}` + "\n",
	} {
		var out bytes.Buffer
		log, _, err := newLogger(&out, format, zapcore.InfoLevel)
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Core().With([]zapcore.Field{zap.Int("with", 1)}).Write(entry, fields); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%s:\n got %swant %s", format, &out, want)
		}
	}
	var out bytes.Buffer
	log, _, _ := newLogger(&out, formatText, zapcore.WarnLevel)
	if log.Info("hidden"); out.Len() > 0 {
		t.Errorf("below the level: %s", &out)
	}
}

// process starts this binary as something else and waits until it says that it is ready.
func process(t *testing.T, as string, args ...string) (cmd *exec.Cmd, stdout *bufio.Scanner, stderr *bytes.Buffer) {
	t.Helper()
	cmd = exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "GOKAFKA_TEST_AS="+as)
	stderr = new(bytes.Buffer)
	cmd.Stderr = stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	stdout = bufio.NewScanner(pipe)
	for stdout.Scan() {
		if strings.Contains(stdout.Text(), "Kafka Server started") {
			return cmd, stdout, stderr
		}
	}
	cmd.Wait()
	t.Fatalf("did not become ready: %s", stderr)
	return nil, nil, nil
}

func exitCode(t *testing.T, cmd *exec.Cmd, stdout *bufio.Scanner) int {
	t.Helper()
	for stdout.Scan() { // until the process has closed it
	}
	if err := cmd.Wait(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func TestServerStopsCleanlyOnSIGTERMAndStartsAgain(t *testing.T) {
	dir := t.TempDir()
	args := []string{"server", "--override", "log.dirs=" + dir, "--override", "listeners=PLAINTEXT://127.0.0.1:0", "--override", "num.partition=1"}
	for range 2 {
		cmd, stdout, stderr := process(t, "gokafka", args...)
		cmd.Process.Signal(syscall.SIGTERM)
		if code := exitCode(t, cmd, stdout); code != 0 {
			t.Errorf("exit status %d\n%s", code, stderr)
		}
		line := regexp.MustCompile(`(?m)^gokafka test is ready \(\d+m?s\): node 1, cluster \S{22}, data ` + regexp.QuoteMeta(dir) + `, PLAINTEXT 127\.0\.0\.1:\d+ → 127\.0\.0\.1:\d+$`)
		if !line.MatchString(stderr.String()) {
			t.Errorf("standard error: %s", stderr)
		}
	}
}

func TestServerSaysWhoHoldsThePort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var stderr bytes.Buffer
	status := run("test", []string{"server", "--override", "log.dirs=" + t.TempDir(), "--override", "listeners=PLAINTEXT://" + l.Addr().String()}, io.Discard, &stderr, nil)
	if want := "cannot listen on " + l.Addr().String(); status != 1 || !strings.Contains(stderr.String(), want) {
		t.Errorf("status %d, %s; want 1, …%s…", status, &stderr, want)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	for sig, want := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		cmd, stdout, _ := process(t, "stuck")
		cmd.Process.Signal(sig)
		if !stdout.Scan() || stdout.Text() != "stuck" {
			t.Fatalf("%v: %q", sig, stdout.Text())
		}
		cmd.Process.Signal(sig)
		if code := exitCode(t, cmd, stdout); code != want {
			t.Errorf("%v twice: exit status %d, want %d", sig, code, want)
		}
	}
}

func TestStopHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := waitForEnd(ctx, make(chan error)); err == nil || !strings.Contains(err.Error(), "not stopped after 10s") {
			t.Errorf("a node that does not stop: %v", err)
		}
	})
	ended := make(chan error, 1)
	ended <- errors.New("disk full")
	if err := waitForEnd(t.Context(), ended); err == nil || err.Error() != "disk full" {
		t.Errorf("the error of Run is lost: %v", err)
	}
}
