package log

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/magiconair/properties"

	"github.com/gokafka/gokafka/internal/vfs"
)

const (
	partitionMetadataFile = "partition.metadata"
	metaPropertiesFile    = "meta.properties"
	cleanShutdownFile     = ".kafka_cleanshutdown"
	lockFile              = ".lock"
)

// errBadMetadata says that a partition.metadata cannot be read: a crash cut its
// writing short.
var errBadMetadata = errors.New("not a partition.metadata")

// formatID writes a UUID as Kafka does: base64url without padding, 22 characters.
func formatID(id [16]byte) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

func parseID(s string) (id [16]byte, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%q is no id of 22 base64url characters", s)
	}
	return [16]byte(b), nil
}

func writePartitionMetadata(fsys vfs.FS, dir string, id [16]byte) error {
	f, err := fsys.Create(dir + "/" + partitionMetadataFile)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte("version: 0\ntopic_id: " + formatID(id)))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

func readPartitionMetadata(fsys vfs.FS, dir string) ([16]byte, error) {
	name := dir + "/" + partitionMetadataFile
	text, err := fsys.ReadFile(name)
	if err != nil {
		return [16]byte{}, err
	}
	return parsePartitionMetadata(name, text)
}

func parsePartitionMetadata(name string, text []byte) (id [16]byte, err error) {
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			return id, fmt.Errorf("%s: %w: line %q", name, errBadMetadata, line)
		}
		fields[key] = value
	}
	if fields["version"] != "0" {
		return id, fmt.Errorf("%s: %w: version %q", name, errBadMetadata, fields["version"])
	}
	if id, err = parseID(fields["topic_id"]); err != nil {
		return id, fmt.Errorf("%s: %w: topic_id: %w", name, errBadMetadata, err)
	}
	return id, nil
}

// metaProperties is what meta.properties says of a log directory.
type metaProperties struct {
	version     int // 0: Kafka with ZooKeeper, 1: KRaft
	clusterID   string
	nodeID      int32 // −1: not given
	directoryID [16]byte
}

func parseMetaProperties(name string, text []byte) (m metaProperties, err error) {
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	p, err := loader.LoadBytes(text)
	if err != nil {
		return m, fmt.Errorf("%s: %w", name, err)
	}
	m.nodeID = -1
	m.clusterID = p.GetString("cluster.id", "")
	if m.version, err = strconv.Atoi(p.GetString("version", "")); err != nil || m.version < 0 || m.version > 1 {
		return m, fmt.Errorf("%s: version %q, only 0 and 1 are known", name, p.GetString("version", ""))
	}
	key := "node.id"
	if m.version == 0 {
		key = "broker.id"
	}
	if v, ok := p.Get(key); ok {
		id, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return m, fmt.Errorf("%s: %s %q is no number", name, key, v)
		}
		m.nodeID = int32(id)
	}
	if v, ok := p.Get("directory.id"); ok {
		if m.directoryID, err = parseID(v); err != nil {
			return m, fmt.Errorf("%s: directory.id: %w", name, err)
		}
	}
	return m, nil
}

func (m metaProperties) format(now time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "#\n#%s\n", now.UTC().Format("Mon Jan 02 15:04:05 UTC 2006"))
	fmt.Fprintf(&b, "cluster.id=%s\ndirectory.id=%s\nnode.id=%d\nversion=1\n", m.clusterID, formatID(m.directoryID), m.nodeID)
	return b.Bytes()
}

func formatCleanShutdown(brokerEpoch int64) []byte {
	return fmt.Appendf(nil, `{"version":0,"brokerEpoch":%d}`, brokerEpoch)
}
