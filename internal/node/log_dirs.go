package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/protocol"
)

// checkMetadataDir refuses to start without the log directory that holds the cluster's metadata.
func (n *Node) checkMetadataDir() error {
	dir := n.Config().MetadataLogDir()
	if err := n.logs.CheckDir(dir); errors.Is(err, kerr.KafkaStorageError) {
		return fmt.Errorf("the cluster metadata lies in %s: %w", dir, err)
	}
	return nil
}

// assignedDir is the log directory that an image has for this node's replica of a partition.
func (n *Node) assignedDir(image *metadata.Image, tp protocol.TopicPartition, topicID [16]byte) (dir [16]byte, ok bool) {
	t := image.TopicByID(topicID)
	if t == nil || int(tp.Partition) >= len(t.Partitions) {
		return dir, false
	}
	p, id := &t.Partitions[tp.Partition], n.Config().NodeID()
	return p.Directory(id), slices.Contains(p.Replicas, id)
}

// watchLogDirs hears of log directories that fail, until ctx ends: their partitions go offline, and the controller is told, so that other replicas
// take over or clients learn that there is none. As in Kafka the node ends when it has no directory left, has lost the one with the metadata, or
// cannot tell the controller in time.
func (n *Node) watchLogDirs(ctx context.Context) error {
	for {
		var f log.DirFailure
		select {
		case <-ctx.Done():
			return nil
		case <-n.reconfigured: // log directories may have been cordoned, or freed
			if _, err := n.heartbeat(ctx, false); err != nil && ctx.Err() == nil {
				n.log.Warn("cannot tell the controller which log directories are cordoned", zap.Error(err))
			}
			continue
		case f = <-n.logs.Failures():
		}
		n.broker.DirectoryFailed(f)
		switch {
		case len(n.logs.Dirs()) == 0:
			return fmt.Errorf("all of log.dirs have failed, the last one with: %w", f.Err)
		case n.logs.SameDir(f.Dir, n.Config().MetadataLogDir()):
			return fmt.Errorf("%s has failed, which holds the cluster metadata: %w", f.Dir, f.Err)
		}
		offline := append(slices.Clone(n.offlineDirs()), f.ID)
		n.offline.Store(&offline)
		if err := n.tellOffline(ctx); err != nil {
			return fmt.Errorf("the controller could not be told that the log directory %s has failed: %w", f.Dir, err)
		}
	}
}

// offlineDirs are the ids of the log directories that have failed since the start.
func (n *Node) offlineDirs() [][16]byte {
	if dirs := n.offline.Load(); dirs != nil {
		return *dirs
	}
	return nil
}

// tellOffline sends a heartbeat with the failed directories, again and again for log.dir.failure.timeout.ms.
func (n *Node) tellOffline(ctx context.Context) error {
	timeout, cancel := context.WithTimeout(ctx, time.Duration(n.Config().Int64("log.dir.failure.timeout.ms"))*time.Millisecond)
	defer cancel()
	for {
		_, err := n.heartbeat(timeout, false)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		n.log.Warn("cannot tell the controller of a failed log directory", zap.Error(err))
		retry := time.NewTimer(time.Second)
		select {
		case <-timeout.Done():
			retry.Stop()
			return err
		case <-retry.C:
		}
	}
}
