package metadata

import (
	"context"
	"errors"
	"io"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/vfs"
)

// Options says where the metadata of a node lies and who the node is.
type Options struct {
	FS           vfs.FS
	Dir          string // metadata.log.dir; the log is Dir/__cluster_metadata-0
	NodeID       int32
	ClusterID    string
	DirectoryIDs [][16]byte // of this node's log directories
	Config       func() *config.Config
	Logger       *zap.Logger
	NowMs        func() int64
	Rand         io.Reader // where topic ids come from
}

// Local is the metadata of a node that is its own quorum: one voter, one fsynced log.
type Local struct {
	store      *Store
	controller *Controller
}

// Open reads the metadata log under o.Dir, makes one when there is none, and takes the leadership of it.
func Open(o Options) (*Local, error) { return nil, errors.New("metadata: not there yet") }

// Store returns the image of the cluster and its changes.
func (l *Local) Store() *Store { return l.store }

// Controller returns the active controller.
func (l *Local) Controller() *Controller { return l.controller }

// Close writes a snapshot when one is due, and releases the log.
func (l *Local) Close() error { return nil }

// Controller changes the metadata of the cluster. It implements kmsg.Requestor for Kafka's controller requests:
// CreateTopics, DeleteTopics, CreatePartitions, AlterConfigs, IncrementalAlterConfigs, AllocateProducerIDs,
// BrokerRegistration, BrokerHeartbeat, UnregisterBroker, ElectLeaders, AlterPartition, AlterPartitionAssignments,
// ListPartitionReassignments, UpdateFeatures, DescribeQuorum. Safe for concurrent use.
type Controller struct{}

var _ kmsg.Requestor = (*Controller)(nil)

// Request returns the response of the same version as req. A reply is returned only when the records behind it are
// on disk, published, and seen by all subscribers of the Store. The error is not nil when the request was not carried
// out or nobody knows whether it was: the context ended, the log failed, the controller is closed.
func (c *Controller) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	return nil, errors.New("metadata: not there yet")
}
