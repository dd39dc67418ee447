package metadata

import "slices"

// Directory returns the id of the log directory that holds the broker's replica (KIP-858): all zero when the broker has not told yet.
func (p *Partition) Directory(broker int32) [16]byte { return p.directory(broker) }

// HasOnlineDir says whether the broker can use the log directory of that id. Of the ids that stand for no directory in particular only the one of
// lost directories is offline.
func (b *Broker) HasOnlineDir(dir [16]byte) bool {
	switch {
	case dir == dirLost:
		return false
	case dir == dirUnassigned, dir == dirMigrating, len(b.LogDirs) == 0:
		return true
	}
	return slices.Contains(b.LogDirs, dir)
}

// AssignsDirectories says whether the cluster keeps the log directories of replicas, as it does from metadata.version 3.7-IV2 on.
func (i *Image) AssignsDirectories() bool {
	return i.Feature(featureMetadataVersion) >= levelDirectoryAssignment
}
