package log

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/config"
)

// Options configure one log. The zero value opens a log as Kafka would after a
// crash, with nothing known of it.
type Options struct {
	// Config is the topic's effective configuration; SetConfig replaces it.
	Config config.Topic
	// NowMs is the wall clock in Unix milliseconds; nil is time.Now.
	NowMs func() int64
	// Logger gets recoveries, rolls and deletions; nil is silent.
	Logger *zap.Logger
	// ProducerIDExpirationMs is after how long a silent producer is forgotten; nil is
	// Kafka's day.
	ProducerIDExpirationMs func() int64
	// TopicID is written to partition.metadata when the directory has none.
	TopicID [16]byte

	// RecoveryPoint, LogStartOffset and HighWatermark come from the checkpoints.
	RecoveryPoint, LogStartOffset, HighWatermark int64
	// Clean says that the log was closed: it ends with a whole batch, and its
	// indexes are complete.
	Clean bool

	// FlushSoon is told of a log that has rolled, to be flushed on another
	// goroutine; it must not block. When nil the log flushes itself on a roll.
	FlushSoon func(*Log)
	// RemoveLater takes files that have left the log, to be removed after a delay;
	// it must not block. When nil they are removed at once.
	RemoveLater func(names []string, delayMs int64)

	// Truncating is told that a log is about to lose its records from offset on; when
	// it fails nothing is lost. It must not use the log. May be nil.
	Truncating func(l *Log, offset int64) error

	// directory is what the logs of one log directory share; nil for a log alone.
	directory *directory
	// scanned counts the bytes that recovery has checked, for who waits; may be nil.
	scanned *atomic.Int64
}

func (o Options) withDefaults() Options {
	if o.NowMs == nil {
		o.NowMs = func() int64 { return time.Now().UnixMilli() }
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.ProducerIDExpirationMs == nil {
		o.ProducerIDExpirationMs = (24 * time.Hour).Milliseconds
	}
	if o.scanned == nil {
		o.scanned = &atomic.Int64{}
	}
	if o.directory == nil {
		o.directory = &directory{}
	}
	return o
}

// directory is a log directory's fate, shared by its logs: an I/O error of one of
// them takes all offline, as the disk can no longer be trusted.
type directory struct {
	path     string
	id       [16]byte
	failed   atomic.Pointer[error] // the first failure
	failures chan<- DirFailure     // is told of it, with a place free for it; nil for a log alone
}

func (d *directory) err() error {
	if e := d.failed.Load(); e != nil {
		return *e
	}
	return nil
}

// fail notes a failure and reports whether it is the first.
func (d *directory) fail(err error) bool {
	if !d.failed.CompareAndSwap(nil, &err) {
		return false
	}
	if d.failures != nil {
		d.failures <- DirFailure{Dir: d.path, ID: d.id, Err: err}
	}
	return true
}

func zapErr(err error) zap.Field { return zap.NamedError("err", err) }
