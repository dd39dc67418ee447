package server

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// PortOwner finds the process that listens on a TCP port of this machine, with the beginning of its command line. It sees the processes that /proc
// shows to this user; ok is false when none of them is it. It is there to make the error about a port in use helpful, and nothing else.
func PortOwner(port int) (pid int, cmd string, ok bool) {
	sockets := make(map[string]bool)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for _, inode := range listeningInodes(string(text), port) {
			sockets["socket:["+inode+"]"] = true
		}
	}
	if len(sockets) == 0 {
		return 0, "", false
	}
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, f := range files {
		if target, err := os.Readlink(f); err != nil || !sockets[target] {
			continue
		}
		process := filepath.Dir(filepath.Dir(f))
		if pid, err := strconv.Atoi(filepath.Base(process)); err == nil {
			return pid, commandLine(process), true
		}
	}
	return 0, "", false
}

// listeningInodes returns the inodes of the sockets that listen on the port, from the text of /proc/net/tcp.
func listeningInodes(table string, port int) []string {
	const listen = "0A"
	var inodes []string
	for line := range strings.Lines(table) {
		// sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != listen {
			continue
		}
		_, hex, ok := strings.Cut(f[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); ok && err == nil && int(n) == port {
			inodes = append(inodes, f[9])
		}
	}
	return inodes
}

// commandLine returns the program and its last argument, which for a Java process is what it runs: "java … kafka.Kafka server.properties" says
// more than the first words of a class path.
func commandLine(process string) string {
	text, err := os.ReadFile(filepath.Join(process, "cmdline"))
	if err != nil {
		return "?"
	}
	args := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
	program, last := filepath.Base(args[0]), args[len(args)-1]
	switch len(args) {
	case 1:
		return program
	case 2:
		return program + " " + last
	}
	return program + " … " + last
}
