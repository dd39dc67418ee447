package main

import "github.com/gokafka/gokafka/internal/tools"

const gokafka = "/usr/bin/gokafka"

// slim is what both images have: the binary under all its names, the user, and folders that this user may write to.
func slim(o options) []entry {
	entries := []entry{
		copied(gokafka, o.binary, 0o755),
		{name: "/etc/passwd", mode: 0o664, text: "root:x:0:0:root:/root:/bin/sh\nappuser:x:1000:1000:gokafka:/home/appuser:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n"},
		{name: "/etc/group", mode: 0o664, text: "root:x:0:\nappuser:x:1000:\nnogroup:x:65534:\n"},
		{name: "/etc/nsswitch.conf", mode: 0o644, text: "passwd: files\ngroup: files\nhosts: files dns\n"},
		dir("/home/appuser", 0o775, user),
		dir("/tmp", 0o1777, 0),
		dir("/etc/kafka", 0o775, user),
		dir("/etc/kafka/secrets", 0o775, user),
		dir("/mnt/shared/config", 0o775, user),
		dir("/opt/kafka/config", 0o775, user),
		dir("/var/lib/kafka", 0o775, user),
		dir("/var/lib/kafka/data", 0o777, user), // a volume begins with these rights: any user of a container may keep its data there
	}
	for _, t := range tools.All() { // all of them gokafka under another name: with .sh where Apache's image has them, without where Confluent's does
		if o.shell != "" && t.Name == "zookeeper-server-start" {
			continue // a script there, which opens a port as well
		}
		entries = append(entries, link("/opt/kafka/bin/"+t.Name+".sh", gokafka), link("/usr/bin/"+t.Name, gokafka))
	}
	return entries
}
