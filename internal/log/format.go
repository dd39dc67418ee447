package log

import (
	"fmt"
	"time"

	"github.com/gokafka/gokafka/internal/vfs"
)

// DirIdentity is what meta.properties says of a log directory: whose it is.
type DirIdentity struct {
	Version     int // 0: Kafka with ZooKeeper, 1: KRaft
	ClusterID   string
	NodeID      int32 // -1: not said
	DirectoryID [16]byte
}

// ReadIdentity reads the meta.properties of a log directory. A directory without one is not formatted: the error is fs.ErrNotExist.
func ReadIdentity(fsys vfs.FS, dir string) (DirIdentity, error) {
	name := dir + "/" + metaPropertiesFile
	text, err := fsys.ReadFile(name)
	if err != nil {
		return DirIdentity{}, err
	}
	m, err := parseMetaProperties(name, text)
	return DirIdentity{Version: m.version, ClusterID: m.clusterID, NodeID: m.nodeID, DirectoryID: m.directoryID}, err
}

// WriteIdentity makes a directory, which may exist, one of a KRaft cluster.
func WriteIdentity(fsys vfs.FS, dir string, id DirIdentity, now time.Time) error {
	if id.Version != 1 {
		return fmt.Errorf("%s: meta.properties of version %d are not written", dir, id.Version)
	}
	m := metaProperties{version: 1, clusterID: id.ClusterID, nodeID: id.NodeID, directoryID: id.DirectoryID}
	return fsys.WriteFileAtomic(dir+"/"+metaPropertiesFile, m.format(now), true)
}
