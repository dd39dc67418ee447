package api

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/broker"
	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/coordinator/group"
	"github.com/gokafka/gokafka/internal/coordinator/txn"
	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/server"
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
	ProducerIDs *txn.ProducerIDs
	LogLevels   *LogLevels // of Log and all other loggers of the node
	Log         *zap.Logger
	NowMs       func() int64 // wall clock in ms since the epoch

	setUp         sync.Once // of what follows, by the first NewSession
	fetchSessions *fetchSessionCache
	// creating is held, one place, by whoever creates topics on demand, so that clients which ask for the same new topic
	// at the same time all find it created by the first.
	creating chan struct{}
}

// NewSession returns the state of one new connection. Safe for concurrent use; the session itself is not.
func (a *API) NewSession(conn server.ConnInfo) server.Session {
	a.setUp.Do(func() {
		slots := func() int { return a.Config().Int("max.incremental.fetch.session.cache.slots") }
		a.fetchSessions = newFetchSessionCache(slots, a.NowMs)
		a.creating = make(chan struct{}, 1)
	})
	return &session{api: a, conn: conn}
}

var _ server.Handler = (*API)(nil)
