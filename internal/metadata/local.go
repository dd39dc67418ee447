package metadata

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/vfs"
)

// Options says where the metadata of a node lies and who the node is.
type Options struct {
	FS           vfs.FS
	Dir          string // metadata.log.dir; the log is Dir/__cluster_metadata-0
	NodeID       int32
	ClusterID    string
	DirectoryIDs [][16]byte // of this node's log directories; the first is the voter's when Dir has no meta.properties
	Config       func() *config.Config
	Logger       *zap.Logger     // nil: silent
	NowMs        func() int64    // wall clock in Unix milliseconds
	Rand         io.Reader       // where ids come from
	OnFault      func(err error) // called once when the log fails and with it the controller; may be nil
}

// Local is the metadata of a node that is its own quorum: one voter, one fsynced log, snapshots of it.
type Local struct {
	store      *Store
	controller *Controller
	journal    *localJournal
	once       sync.Once
	closeErr   error
}

// Open reads the newest snapshot and what follows it in the metadata log under o.Dir, makes a log when there is none, and takes the leadership of
// it: a new leader epoch, noted in quorum-state and at the head of what this node appends.
func Open(o Options) (*Local, error) {
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	j := &localJournal{Options: o, dir: path.Join(o.Dir, metadataTopic+"-0")}
	img, err := j.open()
	if err != nil {
		return nil, fmt.Errorf("open the cluster metadata in %s: %w", j.dir, err)
	}
	l := &Local{store: NewStore(img), journal: j}
	l.controller = &Controller{
		machine: machine{nodeID: o.NodeID, epoch: img.epoch, config: o.Config, rand: o.Rand, log: o.Logger},
		store:   l.store, journal: j, nowMs: o.NowMs, onFault: o.OnFault,
	}
	l.controller.start(img)
	o.Logger.Info("cluster metadata loaded", zap.String("dir", j.dir), zap.Int64("offset", img.offset), zap.Int32("leader_epoch", img.epoch),
		zap.Int("topics", img.NumTopics()))
	return l, nil
}

// Store returns the image of the cluster and its changes.
func (l *Local) Store() *Store { return l.store }

// Controller returns the active controller.
func (l *Local) Controller() *Controller { return l.controller }

// Fresh reports whether there was no metadata before this opening.
func (l *Local) Fresh() bool { return l.journal.fresh }

// Close ends the controller, waits for a snapshot under way and closes the log. It may be called more than once.
func (l *Local) Close() error {
	l.once.Do(func() {
		l.controller.close()
		l.closeErr = l.journal.close()
	})
	return l.closeErr
}

// localJournal is the metadata log and its snapshots on this node's disk.
type localJournal struct {
	Options
	dir   string
	log   *log.Log
	fresh bool // the cluster began with this opening

	bytesSince    int64         // appended since the last snapshot
	lastMs        int64         // when the last snapshot was taken, or the log opened
	snapshots     []snapshotID  // what there is, ascending
	writing       chan struct{} // closed when the snapshot under way is written; nil when none is
	writingResult error
	writingID     snapshotID
}

// append is journal.append.
func (j *localJournal) append(batches []byte) error {
	want := j.log.EndOffset()
	a, err := j.log.Append(batches, log.AppendOptions{LeaderEpoch: batchEpoch(batches), Origin: log.Replication})
	if err != nil {
		return err
	}
	if a.BaseOffset != want {
		return fmt.Errorf("appended at offset %d, want %d", a.BaseOffset, want)
	}
	if err := j.log.Flush(); err != nil {
		return err
	}
	j.log.SetHighWatermark(j.log.EndOffset()) // the only voter has it
	j.bytesSince += int64(len(batches))
	return nil
}

func (j *localJournal) close() error {
	j.finishSnapshot(true)
	return j.log.Close()
}

// logConfig is the configuration of the metadata log: it is kept until a snapshot stands for it, and nothing is too large for it.
func (j *localJournal) logConfig() config.Topic {
	c := j.Config()
	t := c.Topic(nil)
	t.SegmentBytes = c.Int64("metadata.log.segment.bytes")
	t.SegmentMs = c.Int64("metadata.log.segment.ms")
	t.SegmentJitterMs = 0
	t.RetentionBytes, t.RetentionMs = -1, -1
	t.CleanupDelete, t.CleanupCompact = true, false
	t.MaxMessageBytes = int32(min(t.SegmentBytes, 1<<30))
	t.FlushMessages = 1
	t.Preallocate = false
	return t
}

// directoryID is the id of the directory that holds the metadata log, which is what tells this voter from another on the same node.
func (j *localJournal) directoryID() ([16]byte, error) {
	text, err := j.FS.ReadFile(path.Join(j.Dir, "meta.properties"))
	if err == nil {
		if id, ok := propertyUUID(text, "directory.id"); ok {
			return id, nil
		}
	}
	if len(j.DirectoryIDs) > 0 {
		return j.DirectoryIDs[0], nil
	}
	return j.newUUID()
}

func (j *localJournal) newUUID() (id [16]byte, err error) {
	if _, err = io.ReadFull(j.Rand, id[:]); err != nil {
		return id, fmt.Errorf("no randomness for an id: %w", err)
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id, nil
}

// controllerEndpoints are where this node listens as a controller, or would by Kafka's own server.properties.
func (j *localJournal) controllerEndpoints() []Endpoint {
	c := j.Config()
	names := c.ControllerListenerNames()
	var es []Endpoint
	for _, text := range append(c.List("advertised.listeners"), c.List("listeners")...) {
		name, address, _ := strings.Cut(strings.TrimSpace(text), "://")
		name = strings.ToUpper(name)
		colon := strings.LastIndexByte(address, ':')
		host := strings.Trim(address[:max(0, colon)], "[]")
		port, err := strconv.ParseUint(address[colon+1:], 10, 16)
		known := slices.ContainsFunc(es, func(e Endpoint) bool { return e.Name == name })
		if err != nil || known || !slices.Contains(names, name) {
			continue
		}
		if host == "" || host == "0.0.0.0" || host == "::" {
			host = "localhost"
		}
		es = append(es, Endpoint{Name: name, Host: host, Port: uint16(port), Protocol: protocolNumber(c, name)})
	}
	if es == nil {
		es = []Endpoint{{Name: "CONTROLLER", Host: "localhost", Port: 9093}}
	}
	return es
}

// protocolNumber is the security protocol of a listener: by the map, else the one that has its name, else PLAINTEXT.
func protocolNumber(c *config.Config, listener string) int16 {
	protocol := listener
	for _, entry := range strings.Split(c.String("listener.security.protocol.map"), ",") {
		if name, p, ok := strings.Cut(entry, ":"); ok && strings.EqualFold(strings.TrimSpace(name), listener) {
			protocol = strings.ToUpper(strings.TrimSpace(p))
		}
	}
	return int16(max(0, slices.Index([]string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}, protocol)))
}

// staticVoters says whether the voters come from controller.quorum.voters, as before KIP-853.
func (j *localJournal) staticVoters() bool {
	return len(j.Config().List("controller.quorum.voters")) > 0
}

var errOtherVoters = errors.New("the metadata belongs to a quorum of several controllers; this release is its own quorum, with one voter")
