package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/gokafka/gokafka/internal/config"
)

// processTable is where the processes of this machine are seen, and signalled.
type processTable struct {
	root   string // /proc
	self   int
	user   int
	signal func(pid int, s syscall.Signal) error
}

func systemProcesses() processTable {
	return processTable{root: "/proc", self: os.Getpid(), user: os.Geteuid(), signal: func(pid int, s syscall.Signal) error {
		p, err := os.FindProcess(pid)
		if err != nil {
			return err
		}
		return p.Signal(s)
	}}
}

// runningProcess is one of the processes of this machine.
type runningProcess struct {
	pid  int
	argv []string
	dir  string // its working directory
}

// find lists the processes of this user for which a command line is one of what is wanted.
func (t processTable) find(wanted func(argv []string) bool) ([]runningProcess, error) {
	entries, err := os.ReadDir(t.root)
	if err != nil {
		return nil, fmt.Errorf("the processes of this machine cannot be listed: %w", err)
	}
	var found []runningProcess
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == t.self || !t.mine(filepath.Join(t.root, e.Name())) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(t.root, e.Name(), "cmdline"))
		if err != nil || len(text) == 0 {
			continue // gone, or a thread of the kernel
		}
		argv := strings.Split(string(bytes.TrimSuffix(text, []byte{0})), "\x00")
		if !wanted(argv) {
			continue
		}
		dir, _ := os.Readlink(filepath.Join(t.root, e.Name(), "cwd"))
		found = append(found, runningProcess{pid, argv, dir})
	}
	slices.SortFunc(found, func(a, b runningProcess) int { return a.pid - b.pid })
	return found, nil
}

// serverArgs are the arguments of a command line that runs a broker; false for all others.
func serverArgs(argv []string) ([]string, bool) {
	name, rest := scriptName(argv[0]), argv[1:]
	if name == "gokafka" && len(rest) > 0 {
		name, rest = scriptName(rest[0]), rest[1:]
	}
	switch name {
	case "kafka-server-start":
		return rest, !slices.Contains(rest, "-daemon")
	case "server", "dev":
		return rest, scriptName(argv[0]) == "gokafka"
	case "container":
		return nil, len(rest) > 0 && (rest[0] == "run" || rest[0] == "launch")
	}
	return nil, false
}

// property is what a broker's command line, or its configuration file, says of a key.
func (p runningProcess) property(keys ...string) string {
	args, _ := serverArgs(p.argv)
	value := ""
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--override" && i+1 < len(args) {
			i++
			a = "--override=" + args[i]
		}
		if text, ok := strings.CutPrefix(a, "--override="); ok {
			if key, v, _ := strings.Cut(text, "="); slices.Contains(keys, key) {
				value = v
			}
			continue
		}
		if value != "" || strings.HasPrefix(a, "-") {
			continue
		}
		if !filepath.IsAbs(a) {
			a = filepath.Join(p.dir, a)
		}
		text, err := os.ReadFile(a)
		if err != nil {
			continue
		}
		entries, _ := config.Parse(a, text)
		for _, e := range entries {
			if slices.Contains(keys, e.Key) {
				value = e.Value
			}
		}
	}
	return value
}

// signals are those that SIGNAL may name, as in Kafka's script.
var signals = map[string]syscall.Signal{
	"": syscall.SIGTERM, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT,
}

func (c stockCall) stopSignal() (syscall.Signal, bool) {
	name := ""
	for _, e := range c.environ {
		if v, ok := strings.CutPrefix(e, "SIGNAL="); ok {
			name = strings.TrimPrefix(v, "SIG")
		}
	}
	s, ok := signals[name]
	return s, ok
}

func stopServers(c stockCall) int { return c.stop(systemProcesses()) }

// stop is kafka-server-stop: it signals the brokers that this user runs, all or those of a role or node id.
func (c stockCall) stop(t processTable) int {
	role, node := c.option("--process-role"), c.option("--node-id")
	if role != "" && node != "" {
		c.printf("When both node-id and process-role are provided, the value for node-id will take precedence\n")
	}
	s, ok := c.stopSignal()
	if !ok {
		return c.explain("SIGNAL names no signal: TERM, INT, KILL, HUP and QUIT are known")
	}
	servers, err := t.find(func(argv []string) bool { _, ok := serverArgs(argv); return ok })
	if err != nil {
		return c.explain(err.Error())
	}
	if len(servers) == 0 {
		c.printf("No kafka server to stop\n")
		return 1
	}
	status := 0
	for _, p := range servers {
		switch {
		case node != "" && p.property("node.id", "broker.id") != node, node == "" && role != "" && p.property("process.roles") != role:
			continue
		}
		if err := t.signal(p.pid, s); err != nil {
			fmt.Fprintf(c.stderr, "process %d: %v\n", p.pid, err)
			status = 1
		}
	}
	return status
}

// option is the value of "--name=value" or "--name value".
func (c stockCall) option(name string) string {
	for i, a := range c.args {
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			return v
		}
		if a == name && i+1 < len(c.args) {
			return c.args[i+1]
		}
	}
	return ""
}

func stopZooKeeper(c stockCall) int { return c.endZooKeeper(systemProcesses()) }

// endZooKeeper ends what stands in for ZooKeeper in other terminals. That there is none is no mistake: none is needed.
func (c stockCall) endZooKeeper(t processTable) int {
	waiting, err := t.find(func(argv []string) bool {
		name := scriptName(argv[0])
		if name == "gokafka" && len(argv) > 1 {
			name = scriptName(argv[1])
		}
		return name == "zookeeper-server-start"
	})
	if err == nil {
		for _, p := range waiting {
			_ = t.signal(p.pid, syscall.SIGTERM) // it may have ended by itself
		}
	}
	return 0
}
