package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gokafka/gokafka/internal/tools"
)

// applets are the commands of busybox that scripts around Kafka's images use.
var applets = strings.Fields(`[ ash awk base64 basename bunzip2 bzcat cat chgrp chmod chown clear cmp cp cut date dd df diff dirname dmesg du echo egrep
	env expr false fgrep find fold free ftpget getopt grep groups gunzip gzip head hexdump hostname id ifconfig ip kill killall less ln ls md5sum
	mkdir mkfifo mknod mktemp more mount mv nc netstat nl nproc nslookup od paste pidof ping printf ps pwd readlink
	realpath renice reset rev rm rmdir route sed seq setsid sh sha1sum sha256sum sha512sum sleep sort stat strings stty sync tac tail tar tee
	telnet test time timeout top touch tr traceroute true truncate tty umount uname uniq unlink unzip uptime vi watch wc wget which who whoami xargs
	xxd yes zcat`)

// full is what the image has besides that stands in for apache/kafka, confluentinc/cp-kafka and bitnami/kafka: a shell, and their scripts.
func full(o options) ([]entry, error) {
	busybox, bash := filepath.Join(o.shell, "bin/busybox"), filepath.Join(o.shell, "bin/bash-static")
	entries := []entry{
		copied("/bin/busybox", busybox, 0o755),
		copied("/bin/bash", bash, 0o755),
		link("/usr/bin/bash", "/bin/bash"),
		link("/usr/bin/env", "/bin/busybox"), // where #!/usr/bin/env looks
		// Testcontainers puts its start script here; it is root who does so, but the image's own user may, too.
		dir("/usr/sbin", 0o775, user),
		dir("/etc/confluent/docker", 0o775, user),
		dir("/etc/kafka/docker", 0o775, user),
		dir("/var/lib/zookeeper", 0o775, user),
		dir("/var/log", 0o775, user),
		dir("/opt/kafka/logs", 0o775, user),
		link("/opt/kafka/bin/zookeeper-server-start.sh", "/usr/bin/zookeeper-server-start"),
		dir("/bitnami/kafka", 0o777, user),
		dir("/bitnami/kafka/config", 0o777, user),
		dir("/bitnami/kafka/data", 0o777, user),
		dir("/opt/bitnami/kafka/config", 0o775, user),
		dir("/opt/bitnami/scripts/kafka", 0o775, user),
	}
	for _, a := range applets {
		entries = append(entries, link("/bin/"+a, "/bin/busybox"))
	}
	for _, t := range tools.All() {
		entries = append(entries, link("/opt/bitnami/kafka/bin/"+t.Name+".sh", gokafka))
	}
	for _, p := range []string{"busybox-static", "bash-static"} {
		name := "usr/share/doc/" + p + "/copyright"
		entries = append(entries, copied("/"+name, filepath.Join(o.shell, name), 0o644))
	}
	err := filepath.WalkDir(o.files, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(o.files, name)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		// Scripts are changed in place by those who start the image (Testcontainers edits configure with sed).
		entries = append(entries, entry{name: path.Join("/", filepath.ToSlash(rel)), mode: 0o775, owner: user, text: string(text)})
		return nil
	})
	return entries, err
}
