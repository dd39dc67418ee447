package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/api"
	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/coordinator"
	"github.com/gokafka/gokafka/internal/coordinator/group"
	"github.com/gokafka/gokafka/internal/coordinator/sharestate"
	"github.com/gokafka/gokafka/internal/coordinator/txn"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/protocol"
	"github.com/gokafka/gokafka/internal/server"
	"github.com/gokafka/gokafka/internal/share"
	"github.com/gokafka/gokafka/internal/vfs"
)

// Options are what a node takes from its surroundings. The zero value is that of a process on its own: the operating system's files and a silent
// logger.
type Options struct {
	FS      vfs.FS
	Logger  *zap.Logger
	Version string
	// LogLevels are the levels of Logger and those named below it, which clients may read and set (the broker-logger resource of the
	// configuration APIs); nil when they are fixed.
	LogLevels *api.LogLevels
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return o
}

// offsetsTopic is the topic behind the group coordinator.
const (
	offsetsTopic = "__consumer_offsets"
	txnTopic     = "__transaction_state"
	shareTopic   = "__share_group_state"
)

// shutdownGrace is how long requests under way may take once the node stops: with what closing the logs takes, a stop stays within the ten
// seconds that container runtimes grant.
const shutdownGrace = 5 * time.Second

// Addr is where a listener can be reached.
type Addr struct {
	Listener   string
	Protocol   string
	Bound      string // host:port of the socket, with the real port when port 0 was asked for
	Advertised string // host:port that is registered, and that clients are told unless FromConnection
	// FromConnection says that each client is told the address of this machine that it has connected to.
	FromConnection bool
}

// Node is a running broker and controller.
type Node struct {
	options Options
	log     *zap.Logger
	config  atomic.Pointer[config.Config] // the file's configuration with the dynamic one laid over it

	connLimits   atomic.Pointer[limitsOf]
	fault        chan error // holds one: what ends the node though nobody asked for it
	offline      atomic.Pointer[[][16]byte]
	reconfigured chan struct{} // the dynamic configuration has changed

	logs       *log.Manager
	metadata   *metadata.Local
	broker     *broker.Broker
	groups     *group.Coordinator
	txns       *txn.Coordinator
	shareState *sharestate.Coordinator
	shares     *share.Manager
	handler    *api.API
	server     *server.Server
	listeners  []listener
}

// Open recovers what the log directories hold, binds the listeners and registers the broker; Run serves. On an error everything is closed again.
// ctx ends a recovery that takes long.
func Open(ctx context.Context, cfg *config.Config, o Options) (_ *Node, err error) {
	n := &Node{options: o.withDefaults(), fault: make(chan error, 1), reconfigured: make(chan struct{}, 1)}
	n.log = n.options.Logger.Named("node")
	n.config.Store(cfg)
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		// A port in use should be told before a long recovery; but a port that is open should mean a broker that is ready, so that the listeners
		// themselves come last.
		{"listen", n.probePorts},
		{"open the log directories", n.openDirs},
		{"open the cluster metadata", n.openMetadata},
		{"load the logs", n.loadLogs},
		{"start the broker", n.startBroker},
		{"listen", n.listen},
		{"register the broker", n.register},
		{"adopt the topics of the log directories", n.adoptTopics},
	}
	for _, s := range steps {
		if err := s.do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return n, nil
}

func (n *Node) openDirs(context.Context) (err error) {
	cfg := n.Config()
	n.logs, err = log.OpenDirs(log.ManagerOptions{
		FS: n.options.FS, Dirs: cfg.LogDirs(), NodeID: cfg.NodeID(), ClusterID: cfg.ClusterID(),
		Config: n.Config, Logger: n.options.Logger.Named("log"), NowMs: nowMs,
	})
	if err != nil {
		return err
	}
	return n.checkMetadataDir()
}

func (n *Node) openMetadata(context.Context) (err error) {
	cfg := n.Config()
	var dirs [][16]byte
	for _, d := range n.logs.Dirs() {
		dirs = append(dirs, n.logs.DirectoryID(d))
	}
	n.metadata, err = metadata.Open(metadata.Options{
		FS: n.options.FS, Dir: cfg.MetadataLogDir(), NodeID: cfg.NodeID(), ClusterID: n.logs.ClusterID(), DirectoryIDs: dirs,
		Config: n.Config, Logger: n.options.Logger.Named("metadata"), NowMs: nowMs, Rand: rand.Reader,
		OnFault: func(err error) { n.fault <- fmt.Errorf("cluster metadata: %w", err) },
	})
	if err != nil {
		return err
	}
	// First of all subscribers, so that the others see the configuration of the image that they are given.
	n.metadata.Store().Subscribe(n.applyDynamicConfig(cfg))
	return nil
}

// applyDynamicConfig returns the subscriber that lays the image's broker configurations over those of the file.
func (n *Node) applyDynamicConfig(file *config.Config) func(prev, next *metadata.Image) {
	return func(prev, next *metadata.Image) {
		id := file.NodeID()
		if !next.BrokerConfigChanged(prev, id) {
			return
		}
		cfg, err := file.WithDynamic(next.BrokerConfig(-1), next.BrokerConfig(id))
		if err != nil {
			n.log.Error("dynamic broker configuration not applied", zap.Error(err))
			return
		}
		n.config.Store(cfg)
		select {
		case n.reconfigured <- struct{}{}:
		default: // watchLogDirs will look
		}
	}
}

func (n *Node) loadLogs(ctx context.Context) error {
	image := n.metadata.Store().Image()
	n.logs.UseAssignments(func(tp protocol.TopicPartition, topicID [16]byte) (dir [16]byte, ok bool) {
		return n.assignedDir(image, tp, topicID)
	})
	if err := n.logs.Load(ctx, func(topic string) config.Topic { return n.Config().Topic(image.TopicConfig(topic)) }); err != nil {
		return err
	}
	return n.setStraysAside()
}

func (n *Node) startBroker(context.Context) error {
	cfg, store := n.Config(), n.metadata.Store()
	n.broker = broker.New(broker.Options{
		NodeID: cfg.NodeID(), Config: n.Config, Logs: n.logs, Logger: n.options.Logger.Named("broker"), NowMs: nowMs,
		Controller: n.metadata.Controller(), BrokerEpoch: n.brokerEpoch,
	})
	n.startShares()
	n.groups = group.New(group.Options{
		Journal: n.broker.Journal(offsetsTopic), Config: n.Config, Logger: n.options.Logger.Named("group"),
		TopicPartitions: func(topic string) int { return partitionsOf(store.Image(), topic) },
		NumPartitions: func() int32 { // what it will have, while it does not exist: AddOffsetsToTxn may come before it
			if count := partitionsOf(store.Image(), offsetsTopic); count > 0 {
				return int32(count)
			}
			return int32(n.Config().Int("offsets.topic.num.partitions"))
		},
		TopicID: func(topic string) (id [16]byte, ok bool) {
			if t := store.Image().Topic(topic); t != nil {
				return t.ID, true
			}
			return id, false
		},
		TopicName: func(id [16]byte) (topic string, ok bool) {
			if t := store.Image().TopicByID(id); t != nil {
				return t.Name, true
			}
			return "", false
		},
		Topics: func() iter.Seq[string] {
			return func(yield func(string) bool) {
				for t := range store.Image().Topics() {
					if !yield(t.Name) {
						return
					}
				}
			}
		},
		TopicsVersion: func() int64 { return store.Image().Offset() },
		GroupConfig:   func(id string) map[string]string { return store.Image().ConfigsOf(metadata.ResourceGroup, id) },
		ShareState:    n.shareState,
		Now:           time.Now, NewID: coordinator.UUIDs(rand.Reader),
	})
	n.startTxns()
	n.handler = n.newAPI()
	n.broker.Observe(n.coordinate)
	store.Subscribe(n.broker.Apply)
	store.Subscribe(n.forgetDeletedTopics)
	return nil
}

// startTxns makes the transaction coordinator.
func (n *Node) startTxns() {
	id, store := n.Config().NodeID(), n.metadata.Store()
	n.txns = txn.New(txn.Options{
		Journal: n.broker.Journal(txnTopic), Config: n.Config, Logger: n.options.Logger.Named("txn"),
		NumPartitions: func() int32 { return int32(partitionsOf(store.Image(), txnTopic)) },
		ProducerIDs:   txn.NewProducerIDs(n.metadata.Controller(), id, n.brokerEpoch),
		Leader: func(tp protocol.TopicPartition) (int32, bool) {
			t := store.Image().Topic(tp.Topic)
			if t == nil || int(tp.Partition) >= len(t.Partitions) {
				return -1, false
			}
			return t.Partitions[tp.Partition].Leader, true
		},
		WriteMarkers: func(ctx context.Context, node int32, req *kmsg.WriteTxnMarkersRequest) (*kmsg.WriteTxnMarkersResponse, error) {
			if node != id {
				return nil, fmt.Errorf("broker %d: %w", node, kerr.BrokerNotAvailable)
			}
			return n.handler.WriteTxnMarkers(ctx, req)
		},
		Now: time.Now, NewID: coordinator.UUIDs(rand.Reader),
	})
}

// startShares makes the share coordinator and what there is of share groups at the partitions.
func (n *Node) startShares() {
	store := n.metadata.Store()
	n.shareState = sharestate.New(sharestate.Options{
		Journal: n.broker.Journal(shareTopic), Config: n.Config, Logger: n.options.Logger.Named("share"),
		NumPartitions: func() int32 { return int32(partitionsOf(store.Image(), shareTopic)) },
		Exists: func(id [16]byte, partition int32) bool {
			t := store.Image().TopicByID(id)
			return t != nil && partition >= 0 && int(partition) < len(t.Partitions)
		},
		Prune: func(partition int32, before int64) {
			p, err := n.broker.Partition(shareTopic, partition)
			if err == nil {
				_, err = p.DeleteRecords(before)
			}
			if err != nil {
				n.log.Warn("cannot give up records of "+shareTopic, zap.Int32("partition", partition), zap.Error(err))
			}
		},
		Now: time.Now, NewID: coordinator.UUIDs(rand.Reader),
	})
	n.shares = share.New(share.Options{
		Config: n.Config, GroupConfig: func(id string) map[string]string { return store.Image().ConfigsOf(metadata.ResourceGroup, id) },
		Persister: share.PersisterOf(n.shareState), Now: time.Now, Logger: n.options.Logger.Named("share"),
	})
}

// coordinate loads and unloads the shards of the coordinators with the leadership of their partitions.
func (n *Node) coordinate(c broker.Change) {
	var of interface {
		Load(partition, leaderEpoch int32)
		Unload(partition, leaderEpoch int32)
	}
	switch c.TopicPartition.Topic {
	case offsetsTopic:
		of = n.groups
	case txnTopic:
		of = n.txns
	case shareTopic:
		of = n.shareState
	default:
		if !c.Leading {
			n.shares.ForgetPartition(c.TopicPartition)
		}
		return
	}
	if c.Leading {
		of.Load(c.TopicPartition.Partition, c.LeaderEpoch)
	} else {
		of.Unload(c.TopicPartition.Partition, c.LeaderEpoch)
	}
}

// forgetDeletedTopics has the offsets committed for deleted topics removed.
func (n *Node) forgetDeletedTopics(prev, next *metadata.Image) {
	var deleted []string
	var ids [][16]byte
	for was, is := range next.TopicChanges(prev) {
		if was != nil && is == nil {
			deleted, ids = append(deleted, was.Name), append(ids, was.ID)
		}
	}
	if len(deleted) > 0 {
		n.groups.OnTopicsDeleted(deleted)
		n.shareState.OnTopicsDeleted(ids)
	}
}

func partitionsOf(image *metadata.Image, topic string) int {
	if t := image.Topic(topic); t != nil {
		return len(t.Partitions)
	}
	return 0
}

// Config returns the configuration in force: the file's with the dynamic one laid over it.
func (n *Node) Config() *config.Config { return n.config.Load() }

// ClusterID returns the id of the cluster.
func (n *Node) ClusterID() string { return n.logs.ClusterID() }

// LogDirs returns the log directories in use.
func (n *Node) LogDirs() []string { return n.logs.Dirs() }

// Controller takes Kafka's requests to the controller from this process, without a listener and its authentication between.
func (n *Node) Controller() kmsg.Requestor { return n.metadata.Controller() }

func nowMs() int64 { return time.Now().UnixMilli() }
