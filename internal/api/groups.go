package api

import (
	"net"

	"github.com/gokafka/gokafka/internal/coordinator/group"
)

// client says who asks, for the group coordinator: DescribeGroups shows it.
func (s *session) client() group.Client {
	if s.peer == "" {
		s.peer = clientHost(s.conn.RemoteAddr)
	}
	return group.Client{ID: s.clientID(), Host: s.peer}
}

// clientHost is the peer's address as Kafka prints it, InetAddress.toString without a host name: "/127.0.0.1".
func clientHost(a net.Addr) string {
	if a == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		host = a.String()
	}
	return "/" + host
}
