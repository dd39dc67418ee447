package api

import (
	"net"
	"net/netip"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gokafka/gokafka/internal/metadata"
	"github.com/gokafka/gokafka/internal/server"
)

// TestAnswersNameTheHostOfTheConnection: every answer with this broker's address has the one that the connection came in on.
func TestAnswersNameTheHostOfTheConnection(t *testing.T) {
	tb := newTestBroker(t)
	tb.api.HostFor = func(c server.ConnInfo) string {
		if c.ID == 1 {
			return "192.0.2.7"
		}
		return ""
	}
	tb.createTopic("__consumer_offsets", 1)
	c := tb.client()

	meta := kmsg.NewPtrMetadataRequest()
	meta.Version = 12
	for _, b := range answer[*kmsg.MetadataResponse](c, meta).Brokers {
		if b.NodeID == testNode && b.Host != "192.0.2.7" {
			t.Errorf("Metadata: %+v", b)
		}
	}
	cluster := kmsg.NewPtrDescribeClusterRequest()
	cluster.Version = 1
	cluster.EndpointType = brokerEndpoint
	for _, b := range answer[*kmsg.DescribeClusterResponse](c, cluster).Brokers {
		if b.NodeID == testNode && b.Host != "192.0.2.7" {
			t.Errorf("DescribeCluster: %+v", b)
		}
	}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version = 2
	find.CoordinatorKey = "g"
	if r := answer[*kmsg.FindCoordinatorResponse](c, find); r.ErrorCode != 0 || r.Host != "192.0.2.7" {
		t.Errorf("FindCoordinator: %+v", r)
	}
}

func TestWarnsAboutLoopback(t *testing.T) {
	from := func(text string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }
	for _, tc := range []struct {
		name, host, remote, local string
		mapped                    bool
		want                      int
	}{
		{"itself", "localhost", "127.0.0.1:5", "127.0.0.1:9", false, 0},
		{"itself, by another address", "localhost", "192.0.2.1:5", "192.0.2.1:9", false, 0},
		{"another machine", "localhost", "192.0.2.5:5", "192.0.2.1:9", false, 1},
		{"another machine, by number", "127.0.0.1", "[2001:db8::5]:5", "[2001:db8::1]:9", false, 1},
		{"another machine, with a proper address", "kafka", "192.0.2.5:5", "192.0.2.1:9", false, 0},
		{"through a published port", "localhost", "172.17.0.1:5", "172.17.0.2:9", true, 0},
	} {
		core, logs := observer.New(zap.WarnLevel)
		a := &API{Log: zap.New(core), PortMapped: func(server.ConnInfo) bool { return tc.mapped }}
		for range 2 { // once for each listener
			s := &session{api: a, conn: server.ConnInfo{Listener: "L", RemoteAddr: from(tc.remote), LocalAddr: from(tc.local)}}
			s.warnOfLoopback(metadata.Endpoint{Host: tc.host, Port: 9092})
		}
		if logs.Len() != tc.want {
			t.Errorf("%s: %d warnings, want %d", tc.name, logs.Len(), tc.want)
		}
	}
}
