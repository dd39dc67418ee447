package api

import (
	"net"
	"net/netip"
	"strconv"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/metadata"
)

// aliveEndpoint returns where clients of the session's listener reach a broker, and false when the broker is not there,
// fenced, or does not have that listener.
func (s *session) aliveEndpoint(b *metadata.Broker) (metadata.Endpoint, bool) {
	if b == nil || b.Fenced {
		return metadata.Endpoint{}, false
	}
	return s.endpoint(b)
}

// endpoint returns where this client reaches a broker: at the address registered for the session's listener, or, for this
// broker itself, where the node knows better from the connection.
func (s *session) endpoint(b *metadata.Broker) (metadata.Endpoint, bool) {
	e, ok := b.Endpoint(s.conn.Listener)
	if ok && b.ID == s.api.NodeID && s.host != "" {
		e.Host = s.host
	}
	return e, ok
}

// warnOfLoopback logs, once for each listener, that a client from elsewhere was told an address at which it finds itself: the
// commonest mistake with advertised.listeners, and one that the client can only report as a connection refused.
func (s *session) warnOfLoopback(e metadata.Endpoint) {
	if s.host != "" || s.conn.RemoteAddr == nil || !isLoopback(e.Host) {
		return
	}
	remote, err := netip.ParseAddrPort(s.conn.RemoteAddr.String())
	local, _ := netip.ParseAddrPort(s.conn.LocalAddr.String())
	if err != nil || remote.Addr().Unmap().IsLoopback() || remote.Addr() == local.Addr() {
		return
	}
	if s.api.PortMapped != nil && s.api.PortMapped(s.conn) {
		return
	}
	if _, warned := s.api.misled.LoadOrStore(s.conn.Listener, true); warned {
		return
	}
	s.api.Log.Warn("a client on another machine is told an address that leads it to itself: set advertised.listeners to one that it can reach",
		zap.String("listener", s.conn.Listener), zap.Stringer("remote", s.conn.RemoteAddr), zap.String("client_id", s.clientID()),
		zap.String("advertised", net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))))
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
