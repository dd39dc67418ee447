package tools

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/vfs"
)

// serverFile is the configuration file of a server of any Kafka, so far as it is about directories and controllers. What else is in it is not looked at: it
// may be for another node, or another release.
type serverFile map[string]string

func readServerFile(name string) (serverFile, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	entries, err := config.Parse(name, text)
	if err != nil {
		return nil, err
	}
	f := serverFile{}
	for _, e := range entries {
		f[e.Key] = strings.TrimSpace(e.Value)
	}
	return f, nil
}

func (f serverFile) list(key string) []string {
	var all []string
	for part := range strings.SplitSeq(f[key], ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// isKRaft reports whether the file is for a server without ZooKeeper.
func (f serverFile) isKRaft() bool { return len(f.list("process.roles")) > 0 }

func (f serverFile) isController() bool {
	return slices.Contains(f.list("process.roles"), "controller")
}

func (f serverFile) nodeID() (int32, error) {
	text, ok := f["node.id"]
	if !ok {
		if text, ok = f["broker.id"]; !ok {
			return 0, errors.New(`Missing required configuration "node.id" which has no default value.`) //nolint:staticcheck // Kafka's words
		}
	}
	id, err := strconv.ParseInt(text, 10, 32)
	if err != nil || id < 0 {
		return 0, fmt.Errorf("You must specify a valid non-negative node ID, not %q.", text) //nolint:staticcheck // Kafka's words
	}
	return int32(id), nil
}

// logDirs are all directories, sorted.
func (f serverFile) logDirs() []string {
	dirs := f.list("log.dirs")
	if len(dirs) == 0 {
		dirs = f.list("log.dir")
	}
	if len(dirs) == 0 {
		dirs = []string{"/tmp/kafka-logs"}
	}
	if m := f["metadata.log.dir"]; m != "" {
		dirs = append(dirs, m)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// metadataDir is the directory of the metadata log.
func (f serverFile) metadataDir() string {
	if m := f["metadata.log.dir"]; m != "" {
		return m
	}
	for _, key := range []string{"log.dirs", "log.dir"} {
		if dirs := f.list(key); len(dirs) > 0 {
			return dirs[0]
		}
	}
	return f.logDirs()[0]
}

// endpoint is where a controller listens.
type endpoint struct {
	name, host string
	port       uint16
}

func (e endpoint) String() string {
	host := e.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s://%s:%d", e.name, host, e.port)
}

// controllerEndpoints are those of the listeners in controller.listener.names, in their order: as advertised, else as they are.
func (f serverFile) controllerEndpoints() ([]endpoint, error) {
	names := f.list("controller.listener.names")
	if len(names) == 0 {
		return nil, errors.New("controller.listener.names was not found. Is this a valid controller configuration file?")
	}
	var all []endpoint
	for _, name := range names {
		found := false
		for _, text := range append(f.list("advertised.listeners"), f.list("listeners")...) {
			scheme, address, _ := strings.Cut(text, "://")
			if found = strings.EqualFold(scheme, name); !found {
				continue
			}
			host, port, err := splitAddress(address)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", text, err)
			}
			if host == "" {
				host = "localhost"
			}
			all = append(all, endpoint{strings.ToUpper(name), host, port})
			break
		}
		if !found {
			return nil, fmt.Errorf("Cannot find information about controller listener name: %s", name) //nolint:staticcheck // Kafka's words
		}
	}
	return all, nil
}

// splitAddress reads host:port; the host of IPv6 is in brackets, and may be missing.
func splitAddress(address string) (host string, port uint16, err error) {
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 {
		return "", 0, fmt.Errorf("no port in %q", address)
	}
	n, err := strconv.ParseUint(address[colon+1:], 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q is no port", address[colon+1:])
	}
	return strings.Trim(address[:colon], "[]"), uint16(n), nil
}

// newUUID makes an id as Kafka does: random, and none that would be taken for an option on a command line.
func newUUID() (id [16]byte) {
	for {
		_, _ = rand.Read(id[:]) // never fails
		id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
		if uuidString(id)[0] != '-' {
			return id
		}
	}
}

// identityText shows what a meta.properties says, as Java prints a sorted map.
func identityText(id log.DirIdentity) string {
	text := "{cluster.id=" + id.ClusterID
	if id.Version == 0 {
		text = fmt.Sprintf("{broker.id=%d, cluster.id=%s", id.NodeID, id.ClusterID)
	}
	if id.DirectoryID != [16]byte{} {
		text += ", directory.id=" + uuidString(id.DirectoryID)
	}
	if id.Version > 0 {
		text += fmt.Sprintf(", node.id=%d", id.NodeID)
	}
	return text + fmt.Sprintf(", version=%d}", id.Version)
}

// storageInfo tells about the directories of a server.
func (e *Env) storageInfo(name string) (status int, err error) {
	f, err := readServerFile(name)
	if err != nil {
		return 1, err
	}
	var found, problems []string
	var first *log.DirIdentity
	for _, dir := range f.logDirs() {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			problems = append(problems, dir+" does not exist")
			continue
		case err == nil && !info.IsDir():
			problems = append(problems, dir+" is not a directory")
			continue
		case err != nil:
			return 1, err
		}
		found = append(found, dir)
		id, err := log.ReadIdentity(vfs.OS(), dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			problems = append(problems, dir+" is not formatted.")
		case err != nil:
			problems = append(problems, fmt.Sprintf("Error loading %s/meta.properties: %v", dir, err))
		case first == nil:
			first = &id
		case id.ClusterID != first.ClusterID:
			problems = append(problems, "Mismatched cluster IDs between storage directories.")
		case id.NodeID != first.NodeID:
			problems = append(problems, "Mismatched node IDs between storage directories.")
		}
	}
	switch {
	case first == nil:
	case f.isKRaft() && first.Version == 0:
		problems = append(problems, "The kafka configuration file appears to be for a cluster in KRaft mode, but the directories are formatted for legacy mode.")
	case !f.isKRaft() && first.Version == 1:
		problems = append(problems, "The kafka configuration file appears to be for a legacy cluster, but the directories are formatted for a cluster in KRaft mode.")
	}
	e.section(found, "Found log directory:", "Found log directories:")
	if first != nil {
		e.printf("Found metadata: %s\n\n", identityText(*first))
	}
	e.section(problems, "Found problem:", "Found problems:")
	return min(len(problems), 1), nil
}

// section prints lines under a title, if there are any.
func (e *Env) section(lines []string, one, several string) {
	if len(lines) == 0 {
		return
	}
	if len(lines) > 1 {
		one = several
	}
	e.println(one)
	for _, line := range lines {
		e.println("  " + line)
	}
	e.println()
}
