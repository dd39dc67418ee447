package log

import (
	"context"
	"errors"
	"iter"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/vfs"
)

var errNotYet = errors.New("log: not built yet")

// Options configure one log.
type Options struct {
	Config                 config.Topic
	NowMs                  func() int64
	Logger                 *zap.Logger
	ProducerIDExpirationMs int64
	RecoveryPoint          int64
	LogStartOffset         int64
	HighWatermark          int64
	Clean                  bool
	TopicID                [16]byte // written to partition.metadata when the directory has none
}

type Log struct{}

func Open(fs vfs.FS, dir string, o Options) (*Log, error) { return nil, errNotYet }

type Origin int8

const (
	Client Origin = iota
	Coordinator
	Replication
)

type AppendOptions struct {
	LeaderEpoch int32
	Origin      Origin
}

type Appended struct {
	BaseOffset, LastOffset int64
	LogAppendTimeMs        int64
	LogStartOffset         int64
	Duplicate              bool
}

func (l *Log) Append(records []byte, o AppendOptions) (Appended, error) { return Appended{}, errNotYet }
func (l *Log) AppendAsFollower(batches []byte) (Appended, error)        { return Appended{}, errNotYet }
func (l *Log) Read(from, until int64, maxBytes int32, minOne bool) (Region, error) {
	return Region{}, errNotYet
}

type Region struct{}

func (r Region) Len() int                                { return 0 }
func (r Region) StartOffset() int64                      { return 0 } // base offset of the first batch
func (r Region) EndOffset() int64                        { return 0 } // one past the last offset of the last batch
func (r Region) AppendTo(dst []byte) ([]byte, error)     { return dst, nil }
func (r Region) ReadAt(p []byte, off int64) (int, error) { return 0, errNotYet }
func (r Region) File() (f vfs.File, off int64)           { return nil, 0 } // for sendfile; valid until Release
func (r Region) Release()                                {}

func (l *Log) StartOffset() int64                                     { return 0 }
func (l *Log) EndOffset() int64                                       { return 0 }
func (l *Log) HighWatermark() int64                                   { return 0 }
func (l *Log) LastStableOffset() int64                                { return 0 }
func (l *Log) SetHighWatermark(o int64) int64                         { return 0 }
func (l *Log) LeaderEpoch() int32                                     { return 0 }
func (l *Log) AssignLeaderEpoch(epoch int32, startOffset int64) error { return errNotYet }

type Found struct {
	Offset, TimestampMs int64
	LeaderEpoch         int32
	OK                  bool
}

func (l *Log) OffsetForTimestamp(ms int64) (Found, error)                        { return Found{}, errNotYet }
func (l *Log) OffsetOfMaxTimestamp() (Found, error)                              { return Found{}, errNotYet }
func (l *Log) EpochAt(offset int64) int32                                        { return -1 }
func (l *Log) EndOffsetForEpoch(epoch int32) (epochFound int32, endOffset int64) { return -1, -1 }

type AbortedTxn struct{ ProducerID, FirstOffset, LastOffset, LastStableOffset int64 }

func (l *Log) AbortedTxns(from, to int64) ([]AbortedTxn, error) { return nil, errNotYet }

type ProducerState struct {
	ProducerID            int64
	Epoch                 int16
	LastSequence          int32
	LastTimestampMs       int64
	CoordinatorEpoch      int32
	CurrentTxnStartOffset int64 // -1: none
	LastOffset            int64 // -1: none
}

func (l *Log) Producers() []ProducerState                          { return nil }
func (l *Log) SizeBytes() int64                                    { return 0 }
func (l *Log) TruncateTo(o int64) error                            { return errNotYet }
func (l *Log) TruncateFullyAt(o int64) error                       { return errNotYet }
func (l *Log) DeleteRecordsTo(o int64) (newStart int64, err error) { return 0, errNotYet }
func (l *Log) Retain(nowMs int64) (int, error)                     { return 0, errNotYet }
func (l *Log) Flush() error                                        { return errNotYet }
func (l *Log) Close() error                                        { return errNotYet }
func (l *Log) SetConfig(c config.Topic)                            {}
func (l *Log) Dir() string                                         { return "" }
func (l *Log) TopicID() [16]byte                                   { return [16]byte{} }

type ManagerOptions struct {
	FS        vfs.FS
	Dirs      []string
	NodeID    int32
	ClusterID string
	Config    func() *config.Config
	Logger    *zap.Logger
	NowMs     func() int64
}

type Manager struct{}

func OpenDirs(o ManagerOptions) (*Manager, error)  { return nil, errNotYet }
func (m *Manager) ClusterID() string               { return "" }
func (m *Manager) DirectoryID(dir string) [16]byte { return [16]byte{} }
func (m *Manager) Dirs() []string                  { return nil }
func (m *Manager) Load(ctx context.Context, topicConfig func(topic string) config.Topic) error {
	return errNotYet
}
func (m *Manager) Get(tp protocol.TopicPartition) (*Log, bool) { return nil, false }
func (m *Manager) All() iter.Seq2[protocol.TopicPartition, *Log] {
	return func(func(protocol.TopicPartition, *Log) bool) {}
}
func (m *Manager) Create(tp protocol.TopicPartition, topicID [16]byte, c config.Topic) (*Log, error) {
	return nil, errNotYet
}
func (m *Manager) Delete(tp protocol.TopicPartition) error    { return errNotYet }
func (m *Manager) MarkStray(tp protocol.TopicPartition) error { return errNotYet }
func (m *Manager) Run(ctx context.Context) error              { return errNotYet }
func (m *Manager) Close() error                               { return errNotYet }

// DirUsage describes one log directory.
type DirUsage struct {
	Dir           string
	Err           error // the directory is offline
	Total, Usable int64
	Partitions    []PartitionUsage
}

type PartitionUsage struct {
	protocol.TopicPartition
	SizeBytes int64
}

func (m *Manager) DirUsage() []DirUsage { return nil }
