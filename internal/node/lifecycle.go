package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/api"
	"github.com/gokafka/gokafka/internal/config"
	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/server"
)

// register makes this broker known to the controller, with the ports that were really bound, and has it unfenced: from then on the image names it
// and it leads its partitions.
func (n *Node) register(ctx context.Context) error {
	cfg := n.Config()
	req := kmsg.NewPtrBrokerRegistrationRequest()
	req.Version = req.MaxVersion()
	req.BrokerID = cfg.NodeID()
	req.ClusterID = n.logs.ClusterID()
	if _, err := rand.Read(req.IncarnationID[:]); err != nil {
		return err
	}
	// A broker that stopped cleanly says which of its lives that was; else the controller must reckon with lost records (KIP-966).
	req.PreviousBrokerEpoch = -1
	if n.logs.WasClean() {
		req.PreviousBrokerEpoch = n.brokerEpoch()
	}
	if rack := cfg.Rack(); rack != "" {
		req.Rack = &rack
	}
	for _, l := range n.listeners {
		if l.advertised.Host == "" {
			continue
		}
		e := kmsg.NewBrokerRegistrationRequestListener()
		e.Name, e.Host, e.Port = l.Name, l.advertised.Host, uint16(l.advertised.Port)
		e.SecurityProtocol = securityProtocol(l.Protocol)
		req.Listeners = append(req.Listeners, e)
	}
	for _, f := range metadata.SupportedFeatures() {
		r := kmsg.NewBrokerRegistrationRequestFeature()
		r.Name, r.MinSupportedVersion, r.MaxSupportedVersion = f.Name, f.Min, f.Max
		req.Features = append(req.Features, r)
	}
	for _, d := range n.logs.Dirs() {
		req.LogDirs = append(req.LogDirs, n.logs.DirectoryID(d))
	}
	resp, err := req.RequestWith(ctx, n.metadata.Controller())
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return fmt.Errorf("register: %w", err)
	}

	n.logs.SetBrokerEpoch(resp.BrokerEpoch)
	if _, err := n.heartbeat(ctx, false); err != nil {
		return fmt.Errorf("unfence: %w", err)
	}
	return nil
}

// heartbeat tells the controller that this broker is alive and has read all metadata, or that it wants to leave.
func (n *Node) heartbeat(ctx context.Context, wantShutdown bool) (*kmsg.BrokerHeartbeatResponse, error) {
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	req.Version = req.MaxVersion()
	req.BrokerID, req.BrokerEpoch = n.Config().NodeID(), n.brokerEpoch()
	req.CurrentMetadataOffset = n.metadata.Store().Image().Offset()
	req.WantShutdown = wantShutdown
	req.OfflineLogDirs = n.offlineDirs()
	req.CordonedLogDirs = n.logs.CordonedDirs()
	if b := n.metadata.Store().Image().Broker(req.BrokerID); len(req.CordonedLogDirs) == 0 && (b == nil || len(b.CordonedLogDirs) == 0) {
		req.CordonedLogDirs = nil // nothing to tell, and no record for it
	}
	resp, err := req.RequestWith(ctx, n.metadata.Controller())
	if err != nil {
		return nil, err
	}
	return resp, kerr.ErrorForCode(resp.ErrorCode)
}

// signOff hands over the leaderships of this broker, as far as somebody is there to take them, and has it fenced: Kafka's controlled shutdown. The
// first heartbeat asks, a second one after the change was read is told to go.
func (n *Node) signOff(ctx context.Context) {
	for range 3 {
		resp, err := n.heartbeat(ctx, true)
		if err != nil {
			n.log.Warn("controlled shutdown failed; the next start takes this stop for a crash", zap.Error(err))
			return
		}
		if resp.ShouldShutdown {
			return
		}
	}
}

// securityProtocol is the number of a protocol in Kafka's SecurityProtocol.
func securityProtocol(name string) int16 {
	return int16(slices.Index([]string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}, name))
}

// Run serves until ctx ends, then stops gracefully: requests under way are answered, the logs flushed and the directories marked clean. It returns
// nil after a clean stop. Call it once.
func (n *Node) Run(ctx context.Context) error {
	advertise := n.newAdvertiser()
	n.handler.HostFor, n.handler.PortMapped = advertise.hostFor, advertise.portMapped
	n.server = server.New(server.Options{
		Handler: n.handler, Limits: n.limits, Logger: n.options.Logger.Named("server"),
	})
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	var running sync.WaitGroup
	keep := func(what string, run func() error) {
		running.Go(func() {
			if err := run(); err != nil && !errors.Is(err, server.ErrServerClosed) && !errors.Is(err, context.Canceled) {
				stop(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	keep("logs", func() error { return n.logs.Run(ctx) })
	keep("log directories", func() error { return n.watchLogDirs(ctx) })
	keep("broker", func() error { return n.broker.Run(ctx) })
	for _, l := range n.listeners {
		keep("listener "+l.Name, func() error { return n.server.Serve(l.Name, l.net) })
		if l.also != nil {
			keep("listener "+l.Name, func() error { return n.server.Serve(l.Name, l.also) })
		}
	}

	select {
	case <-ctx.Done():
	case err := <-n.fault:
		stop(err)
	}
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) {
		cause = nil
	}
	began := time.Now()
	n.log.Info("stopping", zap.NamedError("cause", cause))
	grace, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if err := n.server.Shutdown(grace); err != nil {
		n.log.Warn("requests were still under way", zap.Error(err))
	}
	running.Wait()
	n.signOff(grace)
	err := n.close()
	if cause != nil { // what else it has brought about is of less interest
		if err != nil {
			n.log.Warn("could not close everything", zap.Error(err))
		}
		err = cause
	}
	n.log.Info("stopped", zap.Duration("took", time.Since(began)), zap.Error(err))
	return err
}

// close closes what Open opened, in reverse order.
func (n *Node) close() error {
	var errs []error
	for _, l := range n.listeners {
		for _, socket := range []net.Listener{l.net, l.also} {
			if socket == nil {
				continue
			}
			if err := socket.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if n.txns != nil {
		n.txns.Close()
	}
	if n.shares != nil {
		n.shares.Close()
		n.shareState.Close()
	}
	if n.groups != nil {
		n.groups.Close()
	}
	if n.metadata != nil {
		errs = append(errs, n.metadata.Close())
	}
	if n.logs != nil {
		errs = append(errs, n.logs.Close())
	}
	return errors.Join(errs...)
}

// Close ends a node that was opened and never run.
func (n *Node) Close() error { return n.close() }

// newAPI makes what answers the requests of clients, and of the transaction coordinator, which may have markers to write before there are clients.
func (n *Node) newAPI() *api.API {
	return &api.API{
		NodeID: n.Config().NodeID(), ClusterID: n.ClusterID(), Config: n.Config,
		Broker: n.broker, Metadata: n.metadata.Store(), Controller: n.metadata.Controller(), Groups: n.groups,
		ShareState: n.shareState, Shares: n.shares,
		Txns: n.txns, ProducerIDs: n.txns.ProducerIDs(),
		LogLevels: n.options.LogLevels, Log: n.options.Logger.Named("api"), NowMs: nowMs,
	}
}

func (n *Node) brokerEpoch() int64 {
	if b := n.metadata.Store().Image().Broker(n.Config().NodeID()); b != nil {
		return b.Epoch
	}
	return -1
}

// limitsOf are the connection limits that a configuration asks for.
type limitsOf struct {
	config *config.Config
	limits server.Limits
}

// limits returns the connection limits of the configuration in force, worked out once for each configuration: the server asks per request.
func (n *Node) limits() server.Limits {
	c := n.Config()
	if known := n.connLimits.Load(); known != nil && known.config == c {
		return known.limits
	}
	l := server.Limits{
		RequestMaxBytes:       int32(c.Int("socket.request.max.bytes")),
		MaxConnections:        c.Int("max.connections"),
		MaxConnectionsPerIP:   c.Int("max.connections.per.ip"),
		MaxConnectionsPerHost: perHost(c.String("max.connections.per.ip.overrides")),
		MaxCreationRate:       c.Int("max.connection.creation.rate"),
		MaxIdle:               time.Duration(c.Int64("connections.max.idle.ms")) * time.Millisecond,
	}
	// Kafka's default of 100 KiB is smaller than what today's systems tune a window to; it holds only when somebody asked for another size.
	if n := c.Int("socket.send.buffer.bytes"); n != defaultSocketBuffer {
		l.SendBufferBytes = n
	}
	if n := c.Int("socket.receive.buffer.bytes"); n != defaultSocketBuffer {
		l.ReceiveBufferBytes = n
	}
	n.connLimits.Store(&limitsOf{config: c, limits: l})
	return l
}

const defaultSocketBuffer = 102400

// perHost parses max.connections.per.ip.overrides, host:count separated by commas. Names are looked up, as Kafka does.
func perHost(overrides string) map[string]int {
	if overrides == "" {
		return nil
	}
	limits := map[string]int{}
	for entry := range strings.SplitSeq(overrides, ",") {
		i := strings.LastIndexByte(entry, ':')
		if i < 0 {
			continue
		}
		host := strings.Trim(strings.TrimSpace(entry[:i]), "[]")
		count, err := strconv.Atoi(strings.TrimSpace(entry[i+1:]))
		if err != nil {
			continue
		}
		if ip := net.ParseIP(host); ip != nil {
			limits[ip.String()] = count
			continue
		}
		addrs, err := net.LookupHost(host)
		if err != nil {
			continue
		}
		for _, a := range addrs {
			limits[a] = count
		}
	}
	return limits
}
