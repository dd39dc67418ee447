package broker

import (
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/protocol"
)

// LogDirs describes the log directories of this node and what lies in them.
func (b *Broker) LogDirs() []log.DirUsage { return b.logs.DirUsage() }

// DirectoryFailed takes the partitions offline whose logs lie in a log directory that has failed: whoever uses or waits for one is told
// KAFKA_STORAGE_ERROR. The others go on. Nothing brings such a partition back but a start.
func (b *Broker) DirectoryFailed(f log.DirFailure) {
	b.changing.Lock()
	defer b.changing.Unlock()
	lost := slices.DeleteFunc(b.Partitions(), func(p *Partition) bool { return b.logs.DirectoryOf(p.log()) != f.ID })
	b.mu.Lock()
	for _, p := range lost {
		delete(b.partitions, p.tp)
		b.failed[p.tp] = failure{p.id, f.Err}
	}
	b.mu.Unlock()
	for _, p := range lost {
		b.end(p, replicaState{failed: f.Err})
	}
	b.logger.Error("partitions in a log directory that failed are offline", zap.String("dir", f.Dir), zap.Int("partitions", len(lost)), zap.Error(f.Err))
}

// AlterReplicaLogDir moves the partition to the log directory of that absolute path, in the background, and returns when the move has begun. A
// partition that is on its way elsewhere turns round; one that lies in dir already stays or comes back. A partition that is not on this node gets
// created there if it ever comes.
//
// Errors: kerr.LogDirNotFound, kerr.KafkaStorageError, kerr.InvalidTopicException, kerr.InvalidReplicaAssignment for a cordoned directory, kerr.UnknownTopicOrPartition for a partition that is not here.
// They are those of ReplicaManager.alterReplicaLogDirs in Kafka.
func (b *Broker) AlterReplicaLogDir(topic string, partition int32, dir string) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	tp := protocol.TopicPartition{Topic: topic, Partition: partition}
	if err := log.CheckMovable(tp); err != nil {
		return err
	}
	if err := b.logs.CheckDir(dir); err != nil {
		return err
	}
	if err := b.logs.CheckNotCordoned(dir); err != nil {
		return err
	}
	p, err := b.Partition(topic, partition)
	if errors.Is(err, kerr.KafkaStorageError) {
		return err
	}
	if target, ok := b.logs.Moving(tp); ok && !b.logs.SameDir(target, dir) {
		b.endMove(tp)
	}
	if err := b.logs.PreferDir(tp, dir); err != nil {
		return err
	}
	if p == nil {
		return err
	}
	return b.startMove(p, dir)
}

// settleDirectory compares where the cluster thinks that a partition lies with where it does. As soon as it is on its way to another log directory
// that is the move's business.
func (b *Broker) settleDirectory(p *Partition, assigned [16]byte) {
	if dir, ok := b.logs.Moving(p.tp); ok {
		if err := b.startMove(p, dir); err != nil { // an unfinished move, of before this start
			b.logger.Error("cannot go on with the move of a partition", append(p.tp.Fields(), zap.String("dir", dir), zap.Error(err))...)
		}
		return
	}
	if dir := b.logs.DirectoryOf(p.log()); dir != assigned {
		if assigned != [16]byte{} {
			b.logger.Warn("partition is in another log directory than the cluster believes, telling it", append(p.tp.Fields(), zap.String("dir", p.log().Dir()))...)
		}
		b.assignments.add(p, dir)
	}
}
