//go:build unix

package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// call runs one of Kafka's scripts in this process. Those that stop servers must not be run so: they would stop other people's.
func call(environ []string, argv ...string) (stdout, stderr string, status int) {
	var out, errs strings.Builder
	status, ok := calledAsServer("v9", argv, strings.NewReader(""), &out, &errs, environ)
	if !ok {
		status = -1
	}
	return out.String(), errs.String(), status
}

func TestScriptsOfServers(t *testing.T) {
	for _, c := range []struct {
		argv   string
		status int
		stdout string
		stderr string
	}{
		{"kafka-server-start.sh", 1, "USAGE: kafka-server-start.sh [-daemon] server.properties [--override property=value]*\n", ""},
		{"/opt/kafka/bin/kafka-server-start.sh --version", 0, "4.3.1 (gokafka v9)\n", ""},
		{"gokafka kafka-server-start /no/such/file", 1, "", "gokafka: cannot read the configuration: open /no/such/file"},
		{"zookeeper-server-start", 1, "USAGE: zookeeper-server-start [-daemon] zookeeper.properties\n", ""},
		{"zookeeper-server-start.sh -daemon zookeeper.properties", 0, "gokafka needs no ZooKeeper: nothing was started", ""},
		{"connect-standalone.sh x", 1, "", "connect-standalone: Kafka Connect is a Java program"},
		{"kafka-metadata-shell.sh", 1, "", "kafka-dump-log --cluster-metadata-decoder"},
		{"kafka-run-class.sh", 1, "USAGE: kafka-run-class.sh [-daemon] [-name servicename] [-loggc] classname [opts]\n", ""},
		{"kafka-run-class kafka.tools.StorageTool random-uuid", 0, "", ""},
		{"kafka-run-class -name x -loggc org.apache.kafka.tools.DumpLogSegments --version", 0, "4.3.1 (gokafka v9)\n", ""},
		{"kafka-run-class kafka.Kafka", 1, "USAGE: ", ""},
		{"kafka-run-class foo.Bar", 1, "", "foo.Bar is a class of Java"},
		{"gokafka server", -1, "", ""},
		{"gokafka", -1, "", ""},
	} {
		stdout, stderr, status := call(nil, strings.Fields(c.argv)...)
		if status != c.status || !strings.HasPrefix(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%s: status %d\nstdout %s\nstderr %s", c.argv, status, stdout, stderr)
		}
	}
}

// fakeProc makes a folder like /proc.
func fakeProc(t *testing.T, processes map[int][]string, cwd string) string {
	t.Helper()
	root := t.TempDir()
	for pid, argv := range processes {
		dir := filepath.Join(root, fmt.Sprint(pid))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "cmdline"), []byte(strings.Join(argv, "\x00")+"\x00"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(cwd, filepath.Join(dir, "cwd")); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestServerStopFindsTheBrokers(t *testing.T) {
	cwd := t.TempDir()
	if err := os.WriteFile(filepath.Join(cwd, "one.properties"), []byte("node.id=1\nprocess.roles=broker,controller\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	processes := map[int][]string{
		10: {"/opt/kafka/bin/kafka-server-start.sh", "one.properties"},
		11: {"gokafka", "server", filepath.Join(cwd, "one.properties"), "--override", "node.id=2"},
		12: {"/usr/bin/gokafka", "kafka-server-start", "one.properties", "--override=process.roles=broker", "--override=node.id=3"},
		13: {"gokafka", "container", "run"},
		20: {"gokafka", "kafka-topics", "--list"},
		21: {"kafka-server-start.sh", "-daemon", "one.properties"},
		22: {"vi", "server", "kafka-server-start.sh"},
		23: {"gokafka"},
		24: {"zookeeper-server-start.sh", "zk.properties"},
		25: {"gokafka", "zookeeper-server-start", "zk.properties"},
		99: {"gokafka", "server"}, // this process
	}
	for _, c := range []struct {
		args    []string
		environ []string
		want    map[int]syscall.Signal
	}{
		{nil, nil, map[int]syscall.Signal{10: syscall.SIGTERM, 11: syscall.SIGTERM, 12: syscall.SIGTERM, 13: syscall.SIGTERM}},
		{[]string{"--node-id=1"}, nil, map[int]syscall.Signal{10: syscall.SIGTERM}},
		{[]string{"--node-id", "2"}, []string{"SIGNAL=KILL"}, map[int]syscall.Signal{11: syscall.SIGKILL}},
		{[]string{"--process-role=broker"}, nil, map[int]syscall.Signal{12: syscall.SIGTERM}},
		{[]string{"--process-role=broker", "--node-id=1"}, []string{"SIGNAL=INT"}, map[int]syscall.Signal{10: syscall.SIGINT}},
		{[]string{"--node-id=7"}, nil, map[int]syscall.Signal{}},
	} {
		got := map[int]syscall.Signal{}
		table := processTable{root: fakeProc(t, processes, cwd), self: 99, user: os.Geteuid(), signal: func(pid int, s syscall.Signal) error {
			got[pid] = s
			return nil
		}}
		var out strings.Builder
		status := stockCall{name: "kafka-server-stop", args: c.args, environ: c.environ, stdout: &out, stderr: &out}.stop(table)
		if status != 0 || fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%q: status %d, signals %v, want %v\n%s", c.args, status, got, c.want, &out)
		}
	}

	var ended []int
	table := processTable{root: fakeProc(t, processes, cwd), self: 99, user: os.Geteuid(), signal: func(pid int, _ syscall.Signal) error {
		ended = append(ended, pid)
		return nil
	}}
	if status := (stockCall{}).endZooKeeper(table); status != 0 || !slices.Equal(ended, []int{24, 25}) {
		t.Errorf("zookeeper-server-stop: status %d, ended %v", status, ended)
	}

	var out strings.Builder
	table = processTable{root: fakeProc(t, map[int][]string{20: processes[20]}, cwd), self: 99, user: os.Geteuid()}
	if status := (stockCall{stdout: &out}).stop(table); status != 1 || out.String() != "No kafka server to stop\n" {
		t.Errorf("none: status %d, %s", status, &out)
	}
	table.root, table.user = fakeProc(t, processes, cwd), os.Geteuid()+1
	if status := (stockCall{stdout: &out}).stop(table); status != 1 {
		t.Errorf("another user's: status %d", status)
	}
}

// TestDaemon starts a server in the background, and ends it by its process, which it finds by the name of its configuration file.
func TestDaemon(t *testing.T) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("there is no /proc")
	}
	dir := t.TempDir()
	file, logs := filepath.Join(dir, "server.properties"), filepath.Join(dir, "logs")
	text := "node.id=1\nprocess.roles=broker,controller\ncontroller.listener.names=CONTROLLER\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs=" + dir + "/data\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := append(os.Environ(), "GOKAFKA_TEST_AS=gokafka", "LOG_DIR="+logs)
	stdout, stderr, status := call(environ, "gokafka", "kafka-server-start", "-daemon", file)
	if status != 0 || stdout != "" || stderr != "" {
		t.Fatalf("status %d\n%s%s", status, stdout, stderr)
	}
	ours := func(argv []string) bool { return slices.Contains(argv, file) }
	found, err := systemProcesses().find(ours)
	if err != nil || len(found) != 1 {
		t.Fatalf("in the background: %v, %v", found, err)
	}
	pid := found[0].pid
	if own, err := syscall.Getpgid(pid); err != nil || own != pid {
		t.Errorf("it is in the process group %d, %v", own, err)
	}
	output := func() string {
		text, _ := os.ReadFile(filepath.Join(logs, "kafkaServer.out"))
		return string(text)
	}
	wait(t, func() bool { return strings.Contains(output(), "Kafka Server started") })
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wait(t, func() bool {
		left, err := systemProcesses().find(ours)
		return err == nil && len(left) == 0
	})

	_, stderr, status = call(environ, "gokafka", "kafka-server-start", "-daemon", file, "--override", "log.retention.ms=x")
	if status != 1 || !strings.Contains(stderr, `log.retention.ms: "x" is not an integer`) {
		t.Errorf("a mistake: status %d\n%s", status, stderr)
	}
}

// wait polls until something is so.
func wait(t *testing.T, so func() bool) {
	t.Helper()
	for range 6000 {
		if so() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not come to be")
}
