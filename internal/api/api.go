package api

import (
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/coordinator/group"
	"github.com/gokafka/gokafka/internal/coordinator/sharestate"
	"github.com/gokafka/gokafka/internal/coordinator/txn"
	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/server"
	"github.com/gokafka/gokafka/internal/share"
)

// API answers the requests of all connections. Fill every exported field before the first NewSession; none may change
// afterwards. Safe for concurrent use.
type API struct {
	NodeID    int32
	ClusterID string

	// Config returns the configuration in force. It is called per request, so that dynamic changes apply at once.
	Config      func() *config.Config
	Broker      *broker.Broker
	Metadata    *metadata.Store
	Controller  kmsg.Requestor // takes Kafka's controller requests (CreateTopics …)
	Groups      *group.Coordinator
	Txns        *txn.Coordinator
	ShareState  *sharestate.Coordinator
	Shares      *share.Manager
	ProducerIDs *txn.ProducerIDs
	LogLevels   *LogLevels // of Log and all other loggers of the node
	Log         *zap.Logger
	NowMs       func() int64 // wall clock in ms since the epoch
	// HostFor returns the host that clients of a connection are told for this broker instead of the registered one; "" keeps that one. It may be nil.
	HostFor func(server.ConnInfo) string
	// PortMapped reports whether a connection came through the port mapping of a container engine, from the machine around this one. It may be nil.
	PortMapped func(server.ConnInfo) bool

	setUp         sync.Once // of what follows, by the first NewSession
	fetchSessions *fetchSessionCache
	// creating is held, one place, by whoever creates topics on demand, so that clients which ask for the same new topic
	// at the same time all find it created by the first.
	creating chan struct{}
	// versionsAnswers are those of ApiVersions, by version.
	versionsAnswers [5]atomic.Pointer[versionsAnswer]
	// misled holds the listeners, by name, whose clients have been warned about.
	misled sync.Map
}

// NewSession returns the state of one new connection. Safe for concurrent use; the session itself is not.
func (a *API) NewSession(conn server.ConnInfo) server.Session {
	a.setUp.Do(func() {
		slots := func() int { return a.Config().Int("max.incremental.fetch.session.cache.slots") }
		a.fetchSessions = newFetchSessionCache(slots, a.NowMs)
		a.creating = make(chan struct{}, 1)
	})
	s := &session{api: a, conn: conn}
	if a.HostFor != nil {
		s.host = a.HostFor(conn)
	}
	return s
}

var _ server.Handler = (*API)(nil)
