package metadata

import (
	"path"

	"github.com/gokafka/gokafka/internal/metadata/records"
	"github.com/gokafka/gokafka/internal/vfs"
)

// WriteBootstrap writes the bootstrap.checkpoint of a directory: what a new cluster begins with. gokafka and Apache Kafka read it at their first start.
func WriteBootstrap(fsys vfs.FS, dir string, list []records.Record, nowMs int64) error {
	p := newReplayer(newImage(""))
	for _, r := range list {
		if err := p.apply(r); err != nil {
			return err
		}
	}
	img, err := p.image(-1, 0, 0)
	if err != nil {
		return err
	}
	data, err := encodeSnapshot(img, nowMs)
	if err != nil {
		return err
	}
	return fsys.WriteFileAtomic(path.Join(dir, bootstrapFile), data, true)
}

// WriteVoters writes the first snapshot of the metadata log in a directory, which tells who the voters are (KIP-853).
func WriteVoters(fsys vfs.FS, dir string, voters []records.Voter, nowMs int64) error {
	empty := newImage("")
	empty.quorum, empty.timestampMs = quorum{kraftVersion: 1, voters: &records.VotersRecord{Voters: voters}}, nowMs
	data, err := encodeSnapshot(empty, nowMs)
	if err != nil {
		return err
	}
	dir = path.Join(dir, metadataTopic+"-0")
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	return fsys.WriteFileAtomic(path.Join(dir, snapshotID{}.name()), data, true)
}
